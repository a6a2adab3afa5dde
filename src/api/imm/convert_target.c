/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ranges and combinations that features/convert checks itself are left to it; read here is what must be
 * turned into other words or units (spec 08, 3.3: bits per second there, kbit/s in OverrideParams).
 */
#include "api/imm/convert_target.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "features/convert/convert_read.h"

// No bit rate that anybody means is larger.
#define MAX_BITS INT64_C(1000000000)

/* What a parameter that is only an option of another one says (spec 08, 3.3). */
enum option { OPTION_FIXED = 0, OPTION_ADAPTIVE, OPTION_FALL };
static const struct kn_word options[] = {
    {"fixed", OPTION_FIXED}, {"adaptive", OPTION_ADAPTIVE}, {"fall", OPTION_FALL}, {NULL, 0}};

struct container {
    const char *name, *format; // IMM's word, and ours
    bool has_video;
};
static const struct container containers[] = {
    {"mp4", "mp4", true}, {"mkv", "mkv", true},  {"mov", "mov", true},   {"mxf", "mxf", true},  {"ts", "ts", true},
    {"flv", "flv", true}, {"mp3", "mp3", false}, {"flac", "flac", false}, {"oga", "ogg", false}, {"opus", "ogg", false},
};

/* ---- building ---- */

// Steals `value`.
static void put(struct kn_reader *r, json_t *object, const char *name, json_t *value)
{
    if (r->rc != KN_OK)
        json_decref(value);
    else if (!value || json_object_set_new(object, name, value) != 0)
        r->rc = kn_fail(r->err, KN_ENOMEM, "no memory for '%s'", name);
}

static void put_text(struct kn_reader *r, json_t *object, const char *name, const char *text)
{
    put(r, object, name, json_string(text));
}

/* Refuse members that say something; empty ones and `harmless` say nothing. */
static void refuse(struct kn_reader *r, struct kn_place at, const char *name, const char *harmless)
{
    const json_t *value = at.value ? json_object_get(at.value, name) : NULL;
    bool is_empty = !value || json_is_null(value) || json_is_false(value) ||
                    (json_is_array(value) && json_array_size(value) == 0) ||
                    (json_is_object(value) && json_object_size(value) == 0) ||
                    (json_is_string(value) && json_string_length(value) == 0);
    if (is_empty || r->rc != KN_OK)
        return;
    bool is_structure = json_is_object(value) || json_is_array(value);
    const char *text = is_structure ? NULL : kn_read_text(r, at, name);
    if (!text || !harmless || !kn_equal(text, harmless))
        kn_read_fail(r, "NotSupported", at, name, "is not supported here");
}

/* Bits per second, or bits, as kbit. */
static void kbits_put(struct kn_reader *r, json_t *out, const char *name, struct kn_place at, const char *from)
{
    if (!kn_read_has(at, from))
        return;
    const int64_t bits = kn_read_int(r, at, from, 1, MAX_BITS, 0);
    put(r, out, name, json_integer((bits + 500) / 1000));
}

static void copy_put(struct kn_reader *r, json_t *out, const char *name, struct kn_place at, const char *from)
{
    if (kn_read_has(at, from))
        put(r, out, name, json_deep_copy(json_object_get(at.value, from)));
}

// Stream: numbers from 0, above 100 all.
static void streams_put(struct kn_reader *r, json_t *out, const char *name, struct kn_place at)
{
    struct kn_place list = kn_read_array(r, at, "Stream");
    size_t i;
    json_t *value;
    json_array_foreach((json_t *)list.value, i, value)
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            kn_read_fail(r, "InvalidParameter", at, "Stream", "has something that is no stream's number");
    copy_put(r, out, name, at, "Stream");
}

/* "adaptive": where the source has less, it stays so; "fall": it fails then. */
static void check_put(struct kn_reader *r, json_t *trans, const char *name, struct kn_place at, const char *from,
                      bool may_be_fixed)
{
    char fails[40];
    (void)snprintf(fails, sizeof(fails), "%sFail", name);
    const bool is_given = kn_read_has(at, from);
    const int option = kn_read_word(r, at, from, options, "InvalidParameter", OPTION_FIXED);
    if (option == OPTION_FALL)
        put(r, trans, fails, json_true());
    else if (is_given || may_be_fixed)
        put(r, trans, name, json_boolean(option == OPTION_ADAPTIVE));
}

/* ---- pictures ---- */

// "1280x720", "1280x", "x720".
static void resolution_make(struct kn_reader *r, struct kn_place at, json_t *video)
{
    const char *text = kn_read_text(r, at, "Resolution");
    const char *x = text ? strchr(text, 'x') : NULL;
    char width[8] = "";
    int64_t w = 0, h = 0;
    if (!text)
        return;
    const size_t n = x ? (size_t)(x - text) : 0;
    bool is_valid = x && n < sizeof(width) && (n > 0 || x[1]);
    if (is_valid)
        (void)snprintf(width, sizeof(width), "%.*s", (int)n, text);
    is_valid = is_valid && (n == 0 || kn_parse_int(width, 1, 4096, &w)) &&
               (!x[1] || kn_parse_int(x + 1, 1, 4096, &h));
    if (!is_valid)
        kn_read_fail(r, "InvalidParameter", at, "Resolution", "is '%s', not like 1280x720, 1280x or x720", text);
    if (w > 0)
        put(r, video, "Width", json_integer(w));
    if (h > 0)
        put(r, video, "Height", json_integer(h));
    if (kn_read_bool(r, at, "AdaptiveResolutionDirection", false))
        put(r, video, "LongShortMode", json_true());
}

static void scale_make(struct kn_reader *r, struct kn_place at, const json_t *video, json_t *trans)
{
    static const struct kn_word words[] = {{"stretch", 0}, {"crop", 1}, {"fill", 2}, {"fit", 3}, {NULL, 0}};
    static const char *const methods[] = {"rescale", "crop", "pad"};
    const int type = kn_read_word(r, at, "ScaleType", words, "InvalidParameter", 0);
    const bool has_both = json_object_get(video, "Width") && json_object_get(video, "Height");
    if (!has_both)
        return; // the other side follows by aspect: nothing to stretch, crop or fill
    if (type == 3)
        kn_read_fail(r, "NotSupported", at, "ScaleType", "is 'fit': name one side in Resolution instead");
    else
        put_text(r, trans, "AdjDarMethod", methods[type]);
}

static void rate_make(struct kn_reader *r, struct kn_place at, json_t *video, json_t *trans)
{
    const bool has_bitrate = kn_read_has(at, "Bitrate"), has_crf = kn_read_has(at, "CRF");
    if (has_bitrate && has_crf)
        kn_read_fail(r, "InvalidParameter", at, "CRF", "does not go together with Bitrate");
    kbits_put(r, video, "Bitrate", at, "Bitrate");
    if (!has_bitrate)
        put(r, video, "Crf", json_real(kn_read_double(r, at, "CRF", 0, 51, 23)));
    kbits_put(r, video, "Maxrate", at, "MaxBitrate");
    kbits_put(r, video, "Bufsize", at, "BufferSize");
    check_put(r, trans, "IsCheckVideoBitrate", at, "BitrateOption", false);
    check_put(r, trans, "IsCheckFps", at, "FrameRateOption", false);
    copy_put(r, video, "Fps", at, "FrameRate");
}

static void transcode_video(struct kn_reader *r, struct kn_place at, json_t *video, json_t *trans)
{
    static const struct kn_word codecs[] = {{"copy", 0}, {"h264", 1}, {"h265", 2}, {"vp9", 3}, {NULL, 0}};
    static const char *const words[] = {"copy", "H.264", "H.265"};
    const int codec = kn_read_word(r, at, "Codec", codecs, "InvalidParameter", 0);
    if (codec == 3) {
        kn_read_fail(r, "NotSupported", at, "Codec", "is 'vp9', which is not written here: take h264 or h265");
        return;
    }
    put_text(r, video, "Codec", words[codec]);
    if (codec == 0)
        return;
    rate_make(r, at, video, trans);
    resolution_make(r, at, video);
    scale_make(r, at, video, trans);
    check_put(r, trans, "IsCheckReso", at, "ResolutionOption", false);
    const char *rotation = kn_read_text(r, at, "Rotation");
    if (rotation && strcmp(rotation, "0") != 0)
        put_text(r, video, "Rotate", rotation);
    const char *gop = kn_read_text(r, at, "GOPSize");
    put_text(r, video, "Gop", gop ? gop : "150");
    copy_put(r, video, "PixFmt", at, "PixelFormat");
    copy_put(r, video, "BFrames", at, "BFrames");
    copy_put(r, video, "Refs", at, "Refs");
    refuse(r, at, "VideoSlim", "0");
}

static void video_make(struct kn_reader *r, struct kn_place target, json_t *over, json_t *trans, bool has_video)
{
    struct kn_place at = kn_read_object(r, target, "Video");
    struct kn_place transcode = kn_read_object(r, at, "TranscodeVideo");
    json_t *video = json_object();
    if (!has_video || kn_read_bool(r, at, "DisableVideo", false)) {
        put(r, video, "Remove", json_true());
    } else {
        streams_put(r, video, "Streams", at);
        refuse(r, at, "FilterVideo", NULL);
        transcode_video(r, transcode, video, trans);
    }
    put(r, over, "Video", video);
}

/* ---- sound ---- */

static void transcode_audio(struct kn_reader *r, struct kn_place at, const char *container, json_t *audio,
                            json_t *trans)
{
    static const struct kn_word codecs[] = {{"copy", 0}, {"mp3", 1},  {"vorbis", 2}, {"aac", 3}, {"flac", 4},
                                            {"ac3", 5},  {"opus", 6}, {"amr", 7},    {NULL, 0}};
    static const char *const words[] = {"copy", "MP3", "VORBIS", "AAC", "FLAC", "AC3", "OPUS"};
    const int codec = kn_read_word(r, at, "Codec", codecs, "InvalidParameter", 0);
    if (codec == 7) {
        kn_read_fail(r, "NotSupported", at, "Codec", "is 'amr', which is not written here");
        return;
    }
    put_text(r, audio, "Codec", words[codec]);
    if (codec == 0)
        return;
    kbits_put(r, audio, "Bitrate", at, "Bitrate");
    check_put(r, trans, "IsCheckAudioBitrate", at, "BitrateOption", true);
    // inferred: films have 48 kHz; the vendor takes the source's, which is not known here. FLV has no 48.
    const int64_t rate_hz = kn_equal(container, "flv") ? 44100 : 48000;
    put(r, audio, "Samplerate", json_integer(kn_read_int(r, at, "SampleRate", 1, 384000, rate_hz)));
    put(r, audio, "Channels", json_integer(kn_read_int(r, at, "Channel", 1, 8, codec == 2 ? 2 : 0)));
    check_put(r, trans, "IsCheckSamplerate", at, "SampleRateOption", false);
    copy_put(r, audio, "Quality", at, "Quality");
    if (kn_read_has(at, "Quality") && kn_read_has(at, "Bitrate"))
        kn_read_fail(r, "InvalidParameter", at, "Quality", "does not go together with Bitrate");
    if (codec == 4)
        copy_put(r, audio, "BitsPerSample", at, "BitsPerSample");
    else
        refuse(r, at, "BitsPerSample", "16");
}

static void mixing_make(struct kn_reader *r, struct kn_place at, json_t *audio)
{
    if (!kn_read_bool(r, at, "Mixing", false))
        return;
    if (kn_equal(json_string_value(json_object_get(audio, "Codec")), "copy"))
        kn_read_fail(r, "InvalidParameter", at, "Mixing", "wants a TranscodeAudio.Codec: what is copied cannot be mixed");
    put(r, audio, "Mix", json_true());
}

static void audio_make(struct kn_reader *r, struct kn_place target, const char *container, json_t *over,
                       json_t *trans)
{
    struct kn_place at = kn_read_object(r, target, "Audio");
    struct kn_place transcode = kn_read_object(r, at, "TranscodeAudio");
    json_t *audio = json_object();
    if (kn_read_bool(r, at, "DisableAudio", false)) {
        put(r, audio, "Remove", json_true());
    } else {
        streams_put(r, audio, "Streams", at);
        transcode_audio(r, transcode, container, audio, trans);
        mixing_make(r, kn_read_object(r, at, "FilterAudio"), audio);
    }
    put(r, over, "Audio", audio);
}

/* ---- the rest ---- */

static void captions_make(struct kn_reader *r, struct kn_place target, json_t *trans)
{
    struct kn_place at = kn_read_object(r, target, "Subtitle");
    // With ExtractSubtitle, Stream says what is extracted.
    if (!kn_read_has(at, "ExtractSubtitle"))
        streams_put(r, trans, "CaptionStreams", at);
    if (!kn_read_bool(r, at, "DisableSubtitle", false))
        put(r, trans, "KeepCaptions", json_true());
    struct kn_place picture = kn_read_object(r, target, "AttachedPicture");
    struct kn_place list = kn_read_array(r, picture, "Stream");
    if (json_array_size(list.value) > 0)
        put(r, trans, "KeepCoverArt", json_true());
}

/* The format of a segmented output, or NULL when the target has no Segment. */
static const char *segment_make(struct kn_reader *r, struct kn_place target, const char *container, json_t *over)
{
    static const struct kn_word words[] = {{"hls", 0}, {"dash", 1}, {NULL, 0}};
    struct kn_place at = kn_read_object(r, target, "Segment");
    if (!at.value)
        return NULL;
    const bool is_dash = kn_read_word(r, at, "Format", words, "InvalidParameter", 0) == 1;
    const bool is_mp4 = kn_equal(container, "mp4"), is_ts = kn_equal(container, "ts");
    json_t *segment = json_object();
    if (is_dash)
        refuse(r, at, "StartNumber", "0");
    else
        put(r, segment, "StartNumber", json_integer(kn_read_int(r, at, "StartNumber", 0, 1000000000, 0)));
    copy_put(r, segment, "Duration", at, "Duration");
    put(r, over, "MuxConfig", json_pack("{s:o}", "Segment", segment));
    if (!is_mp4 && !(is_ts && !is_dash))
        kn_read_fail(r, "NotSupported", at, "Format", "wants the Container %s, not '%s'",
                     is_dash ? "mp4" : "ts or mp4", container);
    return is_dash ? "mpd" : is_ts ? "m3u8" : "hls-fmp4";
}

static const struct container *container_read(struct kn_reader *r, struct kn_place target)
{
    const char *name = kn_read_text(r, target, "Container");
    for (size_t i = 0; name && i < KN_COUNT(containers); i++)
        if (strcmp(containers[i].name, name) == 0)
            return &containers[i];
    kn_read_fail(r, "NotSupported", target, "Container", "is '%s', which is not written here", name ? name : "");
    return &containers[0];
}

kn_code kn_imm_convert_target(json_t **out_override, const char **out_extension, bool *out_is_listed,
                              const json_t *target, const char *path, struct kn_arena *arena,
                              struct kn_error *err)
{
    struct kn_reader r = {.arena = arena, .err = err};
    const struct kn_place at = {target, path};
    json_auto_t *over = json_object();
    json_t *trans = json_object();
    const struct container *container = container_read(&r, at);
    const char *listed = segment_make(&r, at, container->name, over);
    video_make(&r, at, over, trans, container->has_video);
    audio_make(&r, at, container->name, over, trans);
    captions_make(&r, at, trans);
    if (fabs(kn_read_double(&r, at, "Speed", 0, 10, 1) - 1) > 1e-9)
        kn_read_fail(&r, "NotSupported", at, "Speed", "is not 1, which is not supported here");
    refuse(&r, at, "Image", NULL);
    refuse(&r, kn_read_object(&r, at, "Data"), "Stream", NULL);
    put(&r, over, "TransConfig", trans);
    put(&r, over, "Container", json_pack("{s:s}", "Format", listed ? listed : container->format));
    *out_is_listed = listed != NULL;
    *out_extension = !listed ? container->name : kn_equal(listed, "mpd") ? "mpd" : "m3u8";
    if (r.rc == KN_OK)
        *out_override = KN_TAKE(over);
    return r.rc;
}
