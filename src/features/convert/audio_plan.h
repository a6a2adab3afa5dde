#pragma once
/* What becomes of one audio track of an output: which stream, which language, copy or encode. */
#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "base/arena.h"
#include "base/error.h"
#include "engine/media/input.h"
#include "features/convert/convert_spec.h"

struct kn_audio_plan {
    bool is_copy;
    const char *encoder;
    char language[4];
    int64_t bitrate_bps;
    int samplerate_hz;
    int channels;       // of the output; 0 when the source does not say before it is decoded
    enum AVSampleFormat sample_format;
    int profile;        // FF_PROFILE_…
    const char *filter; // what is done to the loudness, ends with ','; ""
    const char *note;   // NULL
};

/* The stream that a track means: the selector's match, or the input's first. KN_EINVAL reason
 * NoAudioStream when there is none. */
kn_code kn_audio_select(const AVStream **out, const struct kn_convert_audio *audio,
                        const struct kn_convert_input *named, const struct kn_input *input,
                        struct kn_error *err);

/* Decide. `is_cut`: a clip or a concatenation, so that packets cannot be copied. */
kn_code kn_audio_plan(struct kn_audio_plan *plan, const struct kn_convert_output *output,
                      const struct kn_convert_audio *audio, const AVStream *stream, bool is_cut,
                      struct kn_arena *arena, struct kn_error *err);
