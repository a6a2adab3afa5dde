#pragma once
/*
 * Mix: several streams of sound added up into one track. Each is a lane: an audio rendition that lays its samples
 * onto the output's time and hands them here instead of to an encoder. What all lanes have reached goes on to the
 * rendition that encodes.
 *
 *     feed ── lane 0 ──┐
 *     feed ── lane 1 ──┼── mix ── audio rendition ── mux
 *     feed ── lane 2 ──┘
 *
 * inferred: every lane counts 1/n, as FFmpeg's amix has it (IMM, FilterAudio.Mixing says no more).
 *
 * Thread-safety: each lane is one feed's; the mix locks itself.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <libavutil/frame.h>

#include "base/error.h"

struct kn_audio_rendition;

struct kn_mix_lane {
    int64_t next; // nothing of it comes before this sample any more
    bool is_over;
};

struct kn_mix {
    struct kn_audio_rendition *out; // in the run's arena: what encodes; its graph and encoder are the mix's to end
    int samplerate_hz, channels;    // of the lanes and of `out`
    struct kn_mix *next;            // of the run's list
    pthread_mutex_t lock;
    // --- protected by lock
    struct kn_mix_lane *lanes; // in the run's arena
    int n_lanes;
    float *sums;               // owned: frames of `channels` samples, the first at `base`
    int64_t base;
    size_t n, room;            // frames that hold something, and there is room for
};

/* `frame` (float, planar) of a lane, whose first sample is the `at`th of the output. */
kn_code kn_mix_add(struct kn_mix *mix, int lane, int64_t at, const AVFrame *frame, struct kn_error *err);
/* Nothing of a lane will come before `out_us` of the output. */
kn_code kn_mix_mark(struct kn_mix *mix, int lane, int64_t out_us, struct kn_error *err);
/* Nothing more of a lane. The last one ends the rendition. */
kn_code kn_mix_end(struct kn_mix *mix, int lane, struct kn_error *err);
/* After all feeds have ended. */
void kn_mix_clear(struct kn_mix *mix);
