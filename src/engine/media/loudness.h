#pragma once
/*
 * Loudness of sound by EBU R128, measured with libebur128: what two-pass normalisation reads first.
 *
 * Thread-safety: a meter belongs to one thread.
 */
#include <libavutil/frame.h>

#include "base/error.h"

struct kn_loudness {
    double integrated_lufs; // -HUGE_VAL: silence
    double range_lu;
    double true_peak_dbtp;
    double threshold_lufs;  // of the gating
};

struct kn_loudness_meter; // opaque

/* `channels` as the sound will be heard: it is mixed to that before it is measured. */
kn_code kn_loudness_meter_new(struct kn_loudness_meter **out, int channels, struct kn_error *err);
/* A decoded frame; may be moved away. */
kn_code kn_loudness_meter_feed(struct kn_loudness_meter *meter, AVFrame *frame, struct kn_error *err);
kn_code kn_loudness_meter_read(struct kn_loudness_meter *meter, struct kn_loudness *out,
                               struct kn_error *err);
void kn_loudness_meter_free(struct kn_loudness_meter **meter);
