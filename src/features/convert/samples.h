#pragma once
/*
 * Samples: pictures from several places of an input, decoded before the conversion begins, for what
 * must be known of a film beforehand (black bars, how hard it is to encode). The input is opened once
 * more for it.
 */
#include <libavutil/frame.h>

#include "base/error.h"

struct kn_output_run;

struct kn_samples_setup {
    int input;      // of the request
    int n_places;   // spread evenly over what the output shows of that input
    int n_pictures; // in a row at each place
};

/* Receives a picture (pts in microseconds of the file); NULL: the place ends. */
typedef kn_code (*kn_sample_fn)(void *impl, AVFrame *frame, struct kn_error *err);

/* Places that cannot be reached give no pictures. An input of unknown length has one place. */
kn_code kn_samples_read(const struct kn_output_run *output, const struct kn_samples_setup *setup,
                        kn_sample_fn on_picture, void *impl, struct kn_error *err);
