#pragma once
/* Measuring before encoding: the loudness of an audio track as an output will show it. */
#include "engine/media/loudness.h"
#include "features/convert/run.h"

/*
 * Read the track once and measure it. What was measured is remembered for the run's life, so that a
 * ladder of outputs measures once.
 *
 *   out  borrowed from the run's arena
 */
kn_code kn_loudness_measure(const struct kn_loudness **out, struct kn_run *run, int input, int stream,
                            const struct kn_timeline *timeline, int channels, struct kn_error *err);
