#pragma once
/*
 * Resolving a template against a source: sizes, rates, tracks. Pure: facts in, decisions out, so
 * that every rule of spec 02, 6.1 to 6.4 is tested without a media file.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "features/convert/convert_spec.h"

/* What the decoder says of a picture. */
struct kn_picture_facts {
    int width_px, height_px;  // as stored, above 0
    int sar_num, sar_den;     // shape of a stored pixel; 0 counts as square
    int rotation_degrees;     // clockwise turn that puts the picture upright: 0, 90, 180, 270
    int fps_num, fps_den;     // 0/… unknown
    int64_t bitrate_bps;      // 0 unknown
};

/* From decoded to encoded picture, in this order. Encoded pixels are always square. */
struct kn_picture_plan {
    int turn_degrees;              // clockwise
    struct kn_rect crop;           // of the turned picture, in stored pixels
    int scaled_width_px;           // the crop is scaled to this
    int scaled_height_px;
    int width_px, height_px;       // the encoded size; the rest is black
    int left_px, top_px;           // where the scaled picture sits on it
};

/*
 * LongShortMode, Width, Height, Crop, Pad, Rotate, AdjDarMethod and IsCheckReso against a source.
 *
 *   border  the picture without its black bars, of the turned source; used by Crop "border" alone,
 *           NULL when none were found
 * KN_EINVAL  reason OutOfRange: the crop or the pad does not fit the picture; the input is smaller
 *            than IsCheckResoFail demands
 */
kn_code kn_resolve_picture(struct kn_picture_plan *plan, const struct kn_picture_facts *source,
                           const struct kn_rect *border, const struct kn_convert_video *video,
                           const struct kn_convert_trans *trans, struct kn_error *err);

/*
 * Fps, else the source's rate, at most MaxFps and 60. 25/1 when nobody knows. With IsCheckFps the source's where it
 * is lower.
 *
 * KN_EINVAL  reason OutOfRange: it is, and IsCheckFpsFail says to fail
 */
kn_code kn_resolve_fps(int *out_num, int *out_den, const struct kn_picture_facts *source,
                       const struct kn_convert_video *video, enum kn_check check, struct kn_error *err);

/*
 * Bitrate against the source's, with IsCheckVideoBitrate.
 *
 * KN_EINVAL  reason OutOfRange: the input has less and the template says to fail, or Bitrate is -1
 *            and nobody knows the input's
 */
kn_code kn_resolve_video_bitrate(int64_t *out_bps, int64_t source_bps,
                                 const struct kn_convert_video *video, enum kn_check check,
                                 struct kn_error *err);
kn_code kn_resolve_audio_bitrate(int64_t *out_bps, int64_t source_bps, bool is_same_codec,
                                 const struct kn_convert_audio *audio, enum kn_check check,
                                 struct kn_error *err);

/* Samplerate, or with IsCheckSamplerate the source's where it is lower; KN_EINVAL as above. */
kn_code kn_resolve_samplerate(int *out_hz, int source_hz, const struct kn_convert_audio *audio, enum kn_check check,
                              struct kn_error *err);

/* A stream of an input. */
struct kn_stream_facts {
    bool is_audio;
    const char *language;            // as the file says; NULL or "" unknown
    const struct kn_tag_match *tags; // its other metadata
    int n_tags;
};

/*
 * The stream an audio track takes: with a selector the first audio stream on which all its tags
 * hold, without one the first audio stream. Its position in `streams`.
 *
 * KN_EMEDIA  reason NoAudioStream
 */
kn_code kn_resolve_audio_stream(int *out_position, const struct kn_stream_facts *streams,
                                int n_streams, const struct kn_convert_selector *selector,
                                struct kn_error *err);

/*
 * The tag a track carries. InputFirst: the input's, else the configured one, else "und".
 * Configured: always the configured one. Always a T code.
 */
void kn_resolve_language(char out[4], enum kn_language_control control, const char *configured,
                         const char *input_language);

/* The part of the joined (or first) input that Clip keeps. KN_NO_TIME in *out_end_us: to its end.
 * KN_EINVAL reason OutOfRange when nothing would be left, KN_EMEDIA when a tail is to go and the
 * length is unknown. */
kn_code kn_resolve_clip(int64_t *out_start_us, int64_t *out_end_us,
                        const struct kn_convert_clip *clip, int64_t duration_us,
                        struct kn_error *err);
