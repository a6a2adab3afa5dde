#pragma once
/* What becomes of one audio track of an output: which stream, which language, copy or encode. */
#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "base/arena.h"
#include "base/error.h"
#include "engine/media/input.h"
#include "engine/media/loudness.h"
#include "features/convert/convert_spec.h"

struct kn_audio_plan {
    bool is_copy;
    const char *encoder;
    char language[4];
    int64_t bitrate_bps;  // 0 with `has_quality`
    bool has_quality;
    double quality;       // on the encoder's own scale
    int bits_per_sample;  // 0: the encoder's own
    int samplerate_hz;
    int channels;       // of the output; 0 when the source does not say before it is decoded
    enum AVSampleFormat sample_format;
    int profile;        // FF_PROFILE_…
    const char *filter; // what is done to the loudness, ends with ','; ""
    const char *note;   // NULL
};

/* The stream that a track means: the selector's match, or the input's first. KN_EMEDIA reason
 * NoAudioStream when there is none. */
kn_code kn_audio_select(const AVStream **out, const struct kn_convert_audio *audio,
                        const struct kn_convert_input *named, const struct kn_input *input,
                        struct kn_arena *arena, struct kn_error *err);

/* Whether its Volume can be planned only when the loudness of the source is known. */
bool kn_audio_wants_loudness(const struct kn_convert_audio *audio);

/*
 * Decide.
 *   is_cut    a clip or a concatenation, so that packets cannot be copied
 *   loudness  of the source, where kn_audio_wants_loudness(); else NULL
 */
kn_code kn_audio_plan(struct kn_audio_plan *plan, const struct kn_convert_output *output,
                      const struct kn_convert_audio *audio, const AVStream *stream, bool is_cut,
                      const struct kn_loudness *loudness, struct kn_arena *arena,
                      struct kn_error *err);
