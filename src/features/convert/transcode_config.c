/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A transcoding template with its overrides (spec 02, 6.1 to 6.4), read into an output: first the
 * container, then streams, then what only makes sense when both are known (which codecs a container
 * holds, the rate mode).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "features/convert/convert_read.h"
#include "features/convert/language.h"

#define KBIT INT64_C(1000)
#define MAX_AUDIOS 64 // tracks of one output: MP4 players and muxers stay well below
#define MAX_SUBTITLES 64

/* ---- words ---- */
static const struct kn_word video_codecs[] = {
    {"H.264", KN_VIDEO_H264},
    {"H264", KN_VIDEO_H264},
    {"AVC", KN_VIDEO_H264},
    {"H.265", KN_VIDEO_H265},
    {"H265", KN_VIDEO_H265},
    {"HEVC", KN_VIDEO_H265},
    {"AV1", KN_VIDEO_AV1},
    {"GIF", KN_VIDEO_GIF},
    {"WEBP", KN_VIDEO_WEBP},
    {"AVC-Intra", KN_VIDEO_AVC_INTRA},
    {NULL, 0},
};
static const struct kn_word h264_profiles[] = {
    {"high", KN_H264_HIGH}, {"main", KN_H264_MAIN}, {"baseline", KN_H264_BASELINE}, {NULL, 0}};
static const struct kn_word presets[] = {{"veryfast", 0}, {"fast", 1},   {"medium", 2},
                                         {"slow", 3},     {"slower", 4}, {NULL, 0}};
// What x264, x265 and SVT-AV1 take of FFmpeg's names, in 8 and 10 bits.
static const struct kn_word pixel_formats[] = {
    {"yuv420p", 0},     {"yuvj420p", 1},    {"yuv422p", 2},     {"yuv444p", 3},
    {"yuv420p10le", 4}, {"yuv422p10le", 5}, {"yuv444p10le", 6}, {NULL, 0}};
static const struct kn_word scan_modes[] = {{"auto", KN_SCAN_AUTO},
                                            {"progressive", KN_SCAN_PROGRESSIVE},
                                            {"interlaced", KN_SCAN_INTERLACED},
                                            {NULL, 0}};
static const struct kn_word rotations[] = {{"auto", KN_ROTATE_AUTO}, {"0", KN_ROTATE_0},
                                           {"90", KN_ROTATE_90},     {"180", KN_ROTATE_180},
                                           {"270", KN_ROTATE_270},   {NULL, 0}};
static const struct kn_word audio_codecs[] = {
    {"AAC", KN_AUDIO_AAC},
    {"AC3", KN_AUDIO_AC3},
    {"EAC3", KN_AUDIO_EAC3},
    {"MP2", KN_AUDIO_MP2},
    {"MP3", KN_AUDIO_MP3},
    {"FLAC", KN_AUDIO_FLAC},
    {"OPUS", KN_AUDIO_OPUS},
    {"VORBIS", KN_AUDIO_VORBIS},
    {"WMA-V1", KN_AUDIO_WMA_V1},
    {"WMA-V2", KN_AUDIO_WMA_V2},
    {"pcm_s16le", KN_AUDIO_PCM_S16LE},
    {NULL, 0},
};
static const struct kn_word aac_profiles[] = {{"aac_low", KN_AAC_LOW},     {"aac_he", KN_AAC_HE},
                                              {"aac_he_v2", KN_AAC_HE_V2}, {"aac_ld", KN_AAC_LD},
                                              {"aac_eld", KN_AAC_ELD},     {NULL, 0}};
static const struct kn_word volume_methods[] = {{"dynamic", KN_VOLUME_DYNAMIC},
                                                {"linear", KN_VOLUME_LINEAR},
                                                {"auto", KN_VOLUME_AUTO},
                                                {NULL, 0}};
static const struct kn_word language_controls[] = {
    {"InputFirst", KN_LANGUAGE_INPUT_FIRST}, {"Configured", KN_LANGUAGE_CONFIGURED}, {NULL, 0}};
static const struct kn_word subtitle_codecs[] = {
    {"VTT", KN_SUBTITLE_VTT}, {"WEBVTT", KN_SUBTITLE_VTT},        {"SRT", KN_SUBTITLE_SRT},
    {"ASS", KN_SUBTITLE_ASS}, {"MOV_TEXT", KN_SUBTITLE_MOV_TEXT}, {NULL, 0}};
static const struct kn_word trans_modes[] = {{"CBR", KN_RATE_CBR},
                                             {"onepass", KN_RATE_ONE_PASS},
                                             {"twopass", KN_RATE_TWO_PASS},
                                             {"fixCRF", KN_RATE_CRF},
                                             {NULL, 0}};
static const struct kn_word dar_methods[] = {{"none", KN_DAR_RESCALE},
                                             {"rescale", KN_DAR_RESCALE},
                                             {"crop", KN_DAR_CROP},
                                             {"pad", KN_DAR_PAD},
                                             {NULL, 0}};

/* ---- containers ---- */
#define V(codec) (1u << KN_VIDEO_##codec)
#define A(codec) (1u << KN_AUDIO_##codec)
#define FMP4_AUDIO (A(AAC) | A(MP3) | A(AC3) | A(EAC3) | A(FLAC) | A(OPUS))

// What each container holds, as FFmpeg's muxers write it and common players read it.
static const struct {
    const char *name;
    const char *extension;
    unsigned video; // bits of enum kn_video_codec
    unsigned audio; // bits of enum kn_audio_codec
    enum kn_audio_codec default_audio;
} containers[] = {
    [KN_CONTAINER_MP4] = {"mp4", "mp4", V(H264) | V(H265) | V(AV1) | V(AVC_INTRA),
                          FMP4_AUDIO | A(MP2), KN_AUDIO_AAC},
    [KN_CONTAINER_M3U8] = {"m3u8", "m3u8", V(H264) | V(H265),
                           A(AAC) | A(MP3) | A(MP2) | A(AC3) | A(EAC3), KN_AUDIO_AAC},
    [KN_CONTAINER_FLV] = {"flv", "flv", V(H264), A(AAC) | A(MP3), KN_AUDIO_AAC},
    [KN_CONTAINER_TS] = {"ts", "ts", V(H264) | V(H265),
                         A(AAC) | A(MP3) | A(MP2) | A(AC3) | A(EAC3) | A(OPUS), KN_AUDIO_AAC},
    [KN_CONTAINER_HLS_FMP4] = {"hls-fmp4", "m3u8", V(H264) | V(H265) | V(AV1), FMP4_AUDIO,
                               KN_AUDIO_AAC},
    [KN_CONTAINER_MPD] = {"mpd", "mpd", V(H264) | V(H265) | V(AV1), FMP4_AUDIO, KN_AUDIO_AAC},
    [KN_CONTAINER_CMAF] = {"cmaf", "m3u8", V(H264) | V(H265) | V(AV1), FMP4_AUDIO, KN_AUDIO_AAC},
    [KN_CONTAINER_MXF] = {"mxf", "mxf", V(H264) | V(AVC_INTRA), A(PCM_S16LE), KN_AUDIO_PCM_S16LE},
    [KN_CONTAINER_MP3] = {"mp3", "mp3", 0, A(MP3), KN_AUDIO_MP3},
    [KN_CONTAINER_OGG] = {"ogg", "ogg", 0, A(VORBIS) | A(FLAC) | A(OPUS), KN_AUDIO_VORBIS},
    [KN_CONTAINER_FLAC] = {"flac", "flac", 0, A(FLAC), KN_AUDIO_FLAC},
    [KN_CONTAINER_M4A] = {"m4a", "m4a", 0, A(AAC) | A(AC3) | A(EAC3), KN_AUDIO_AAC},
    [KN_CONTAINER_GIF] = {"gif", "gif", V(GIF), 0, KN_AUDIO_AAC},
    [KN_CONTAINER_WEBP] = {"webp", "webp", V(WEBP), 0, KN_AUDIO_AAC},
    [KN_CONTAINER_MKV] = {"mkv", "mkv", V(H264) | V(H265) | V(AV1) | V(AVC_INTRA), ~0u,
                          KN_AUDIO_AAC},
    [KN_CONTAINER_WEBM] = {"webm", "webm", V(AV1), A(OPUS) | A(VORBIS), KN_AUDIO_OPUS},
    [KN_CONTAINER_MOV] = {"mov", "mov", V(H264) | V(H265) | V(AVC_INTRA),
                          A(AAC) | A(MP3) | A(AC3) | A(EAC3) | A(PCM_S16LE), KN_AUDIO_AAC},
    [KN_CONTAINER_WAV] = {"wav", "wav", 0, A(PCM_S16LE), KN_AUDIO_PCM_S16LE},
};

const char *kn_container_name(enum kn_container container)
{
    return containers[container].name;
}

const char *kn_container_extension(enum kn_container container)
{
    return containers[container].extension;
}

// The first word of a table that stands for `value`.
static const char *word_of(const struct kn_word *words, int value)
{
    while (words->word && words->value != value)
        words++;
    return words->word;
}

const char *kn_video_codec_name(enum kn_video_codec codec)
{
    return word_of(video_codecs, (int)codec);
}

const char *kn_audio_codec_name(enum kn_audio_codec codec)
{
    return word_of(audio_codecs, (int)codec);
}

static enum kn_container container_read(struct kn_reader *r, struct kn_place config)
{
    struct kn_place at = kn_read_object(r, config, "Container");
    const char *format = kn_read_text(r, at, "Format");
    for (size_t i = 0; format && i < KN_COUNT(containers); i++)
        if (kn_equal_nocase(containers[i].name, format))
            return (enum kn_container)i;
    if (format)
        kn_read_fail(r, "NotSupported", at, "Format", "is '%s', a container Kinora does not write",
                     format);
    return KN_CONTAINER_MP4;
}

/* ---- references to inputs ---- */
// InputRef: an input, or a selector of one (selector_index set). KN_INPUT_AUTO when not given.
static int input_read(struct kn_reader *r, struct kn_place at, const struct kn_read_inputs *inputs,
                      int *out_selector)
{
    if (out_selector)
        *out_selector = -1;
    const char *name = kn_read_text(r, at, "InputRef");
    if (!name || inputs->n_inputs == 0)
        return KN_INPUT_AUTO;
    for (int i = 0; i < inputs->n_inputs; i++) {
        const struct kn_convert_input *input = &inputs->inputs[i];
        if (kn_equal(input->name, name))
            return i;
        for (int s = 0; out_selector && s < input->n_selectors; s++) {
            if (kn_equal(input->selectors[s].name, name)) {
                *out_selector = s;
                return i;
            }
        }
    }
    kn_read_fail(r, "InvalidParameter", at, "InputRef", "names '%s', but there is no such input",
                 name);
    return KN_INPUT_AUTO;
}

void kn_read_language(struct kn_reader *r, struct kn_place at, enum kn_language_control *control,
                      char language[4])
{
    *control = (enum kn_language_control)kn_read_word(r, at, "LanguageControl", language_controls,
                                                      "InvalidParameter", KN_LANGUAGE_INPUT_FIRST);
    const char *text = kn_read_text(r, at, "Language");
    if (text && !kn_language_normalize(language, text))
        kn_read_fail(r, "InvalidParameter", at, "Language",
                     "is '%s', which is no ISO 639 language code", text);
    if (!text && *control == KN_LANGUAGE_CONFIGURED)
        kn_read_fail(r, "EmptyValue", at, "Language",
                     "is needed because LanguageControl is Configured");
}

/* ---- video ---- */
// An even size between 128 and 4096 px; 0 when not given.
static int size_read(struct kn_reader *r, struct kn_place at, const char *name)
{
    int64_t size = kn_read_int(r, at, name, 128, 4096, 0);
    if (size % 2)
        kn_read_fail(r, "OutOfRange", at, name, "is %d: sizes are even", (int)size);
    return (int)size;
}

// kbit/s on the wire, bits per second here.
static int64_t kbits_read(struct kn_reader *r, struct kn_place at, const char *name, int64_t min,
                          int64_t max, int64_t otherwise)
{
    int64_t kbits = kn_read_int(r, at, name, min, max, -2);
    return kbits == -2 ? otherwise : kbits == -1 ? KN_BITRATE_AS_INPUT : kbits * KBIT;
}

// Fractions of 1001 where the text means one (23.976, 29.97, 59.94); thousandths otherwise.
static void rate_read(struct kn_reader *r, struct kn_place at, const char *name, int *out_num,
                      int *out_den)
{
    double fps = kn_read_double(r, at, name, 0, 60, 0);
    *out_num = 0;
    *out_den = 1;
    if (!kn_read_has(at, name) || r->rc != KN_OK)
        return;
    if (fps < 0.001) {
        kn_read_fail(r, "OutOfRange", at, name, "is %g: a rate is above 0 and at most 60", fps);
        return;
    }
    int whole = (int)lround(fps);
    int above = (int)ceil(fps);
    if (fabs(fps - whole) < 1e-6) {
        *out_num = whole;
    } else if (fabs(fps - above * 1000.0 / 1001.0) < 0.006) {
        *out_num = above * 1000;
        *out_den = 1001;
    } else {
        *out_num = (int)lround(fps * 1000);
        *out_den = 1000;
    }
}

static void gop_read(struct kn_reader *r, struct kn_place at, struct kn_convert_video *video)
{
    video->gop_us = 10 * KN_SECOND; // inferred: the structure page's default, not 250 frames
    const char *text = kn_read_text(r, at, "Gop");
    if (!text)
        return;
    double seconds;
    int64_t frames;
    size_t n = strlen(text);
    const char *number = n > 1 && (text[n - 1] == 's' || text[n - 1] == 'S')
                             ? kn_arena_strndup(r->arena, text, n - 1)
                             : NULL;
    if (number && kn_parse_double(number, &seconds) && seconds > 0 && seconds <= 600)
        video->gop_us = llround(seconds * 1e6);
    else if (kn_parse_int(text, 1, 100000, &frames))
        video->gop_frames = (int)frames;
    else
        kn_read_fail(r, "OutOfRange", at, "Gop",
                     "is '%s': a number of frames (1 to 100000) or seconds (\"10s\", at most 600)",
                     text);
}

static void reference_read(struct kn_reader *r, struct kn_place at, struct kn_convert_video *video)
{
    video->b_frames = (int)kn_read_int(r, at, "BFrames", 0, 16, -1);
    video->n_refs = (int)kn_read_int(r, at, "Refs", 1, 16, 0);
    if ((video->b_frames >= 0 || video->n_refs > 0) && video->codec != KN_VIDEO_H264 && video->codec != KN_VIDEO_H265)
        kn_read_fail(r, "NotSupported", at, video->b_frames >= 0 ? "BFrames" : "Refs", "is for H.264 and H.265, not for %s",
                     kn_video_codec_name(video->codec));
}

// "width:height:left:top", all at least 0, sizes above 0.
static bool rect_parse(struct kn_rect *rect, const char *text)
{
    int n_read = 0;
    // Five digits each keep every value far below INT_MAX.
    if (strspn(text, "0123456789:") != strlen(text) ||
        sscanf(text, "%5d:%5d:%5d:%5d%n", &rect->width_px, &rect->height_px, &rect->left_px,
               &rect->top_px, &n_read) != 4 ||
        text[n_read] != '\0')
        return false;
    return rect->width_px > 0 && rect->height_px > 0;
}

static void crop_and_pad_read(struct kn_reader *r, struct kn_place at,
                              struct kn_convert_video *video)
{
    const char *crop = kn_read_text(r, at, "Crop");
    if (crop && kn_equal_nocase(crop, "border"))
        video->crop = KN_CROP_BORDER;
    else if (crop && rect_parse(&video->crop_rect, crop))
        video->crop = KN_CROP_RECT;
    else if (crop)
        kn_read_fail(r, "InvalidParameter", at, "Crop",
                     "is '%s': either border or width:height:left:top", crop);

    const char *pad = kn_read_text(r, at, "Pad");
    if (!pad)
        return;
    struct kn_rect *rect = &video->pad_rect;
    if (!rect_parse(rect, pad))
        kn_read_fail(r, "InvalidParameter", at, "Pad", "is '%s': it is width:height:left:top", pad);
    else if (rect->width_px > 4096 || rect->height_px > 4096)
        kn_read_fail(r, "OutOfRange", at, "Pad", "is '%s', larger than 4096 pixels", pad);
    else if (rect->left_px >= rect->width_px || rect->top_px >= rect->height_px)
        kn_read_fail(r, "OutOfRange", at, "Pad", "is '%s': the picture would be outside", pad);
    video->has_pad = true;
}

/*
 * How bits are spent. TransMode says it; without one a Crf means fixCRF and a Bitrate alone means
 * onepass (spec 02, 6.1 and 6.4).
 */
static void rate_mode_read(struct kn_reader *r, struct kn_place config, struct kn_place at,
                           enum kn_template_subtype subtype, struct kn_convert_video *video)
{
    static const double default_crf[] = {
        [KN_VIDEO_H264] = 23, [KN_VIDEO_H265] = 26, [KN_VIDEO_AV1] = 32,
        [KN_VIDEO_GIF] = 23,  [KN_VIDEO_WEBP] = 23, [KN_VIDEO_AVC_INTRA] = 23};
    struct kn_place trans = kn_read_object(r, config, "TransConfig");
    bool has_crf = kn_read_has(at, "Crf") || kn_read_has(at, "Qscale");
    // inferred: Qscale counts on Crf's scale, which is what x264's quality mode takes.
    video->has_crf = has_crf;
    double qscale = kn_read_double(r, at, "Qscale", 0, 51, default_crf[video->codec]);
    video->crf = kn_read_double(r, at, "Crf", 0, 51, qscale);
    video->bitrate_bps = kbits_read(r, at, "Bitrate", -1, 50000, 0);
    if (video->bitrate_bps > 0 && video->bitrate_bps < 10 * KBIT)
        kn_read_fail(r, "OutOfRange", at, "Bitrate", "is below 10 kbit/s");
    if (kn_read_has(at, "Bitrate") && video->bitrate_bps == 0)
        kn_read_fail(r, "OutOfRange", at, "Bitrate", "is 0: it is 10 to 50000 kbit/s, or -1");
    video->maxrate_bps = kbits_read(r, at, "Maxrate", 10, 50000, 0);
    video->bufsize_bits = kbits_read(r, at, "Bufsize", 1000, 128000, 6000 * KBIT);
    video->abr_max_bps = kbits_read(r, at, "AbrMax", 10, 50000, 0);
    video->target_ssim = kn_read_double(r, at, "TargetSsim", 0.5, 0.9999, 0);

    bool has_bitrate = video->bitrate_bps != 0;
    enum kn_rate_mode inferred = has_bitrate && !has_crf ? KN_RATE_ONE_PASS : KN_RATE_CRF;
    video->rate = (enum kn_rate_mode)kn_read_word(r, trans, "TransMode", trans_modes,
                                                  "InvalidParameter", (int)inferred);
    if (video->rate == KN_RATE_ONE_PASS && !has_bitrate)
        video->rate = KN_RATE_CRF;
    if ((video->rate == KN_RATE_CBR || video->rate == KN_RATE_TWO_PASS) && !has_bitrate)
        kn_read_fail(r, "EmptyValue", at, "Bitrate", "is needed because TransMode is %s",
                     word_of(trans_modes, (int)video->rate));
    if (subtype == KN_SUBTYPE_NARROWBAND_V1 || subtype == KN_SUBTYPE_NARROWBAND_V2 ||
        video->target_ssim > 0) {
        video->rate = KN_RATE_TARGET_SSIM;
        if (video->target_ssim <= 0)
            video->target_ssim = 0.97; // inferred: docs/convert.md, "Narrowband HD"
    }
    if (video->rate == KN_RATE_CBR)
        video->maxrate_bps = video->bufsize_bits = video->bitrate_bps;
}

// Ours, beyond the vendor's codecs: this stream is never encoded, whatever becomes of the others.
static bool is_copied(struct kn_reader *r, struct kn_place at, const struct kn_convert_output *output)
{
    const char *codec = kn_read_text(r, at, "Codec");
    return output->subtype == KN_SUBTYPE_REMUX || (codec && kn_equal_nocase(codec, "copy"));
}

// The Codec member; a stream that is copied keeps its own.
static int codec_read(struct kn_reader *r, struct kn_place at, const struct kn_word *words, int natural)
{
    const char *codec = kn_read_text(r, at, "Codec");
    return codec && kn_equal_nocase(codec, "copy") ? natural
                                                   : kn_read_word(r, at, "Codec", words, "NotSupported", natural);
}

// [0, 2]: numbers of streams from 0; one above KN_CONVERT_LAST_STREAM means all of them.
static struct kn_convert_choice choice_read(struct kn_reader *r, struct kn_place at, const char *name)
{
    struct kn_place list = kn_read_array(r, at, name);
    struct kn_convert_choice choice = {.is_given = json_array_size(list.value) > 0};
    bool is_seen[KN_CONVERT_LAST_STREAM + 1] = {0};
    int *numbers = choice.is_given ? kn_read_alloc(r, KN_COUNT(is_seen), sizeof(*numbers)) : NULL;
    choice.numbers = numbers;
    for (size_t i = 0; i < json_array_size(list.value) && r->rc == KN_OK; i++) {
        const json_t *value = json_array_get(list.value, i);
        const json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
        if (number < 0)
            kn_read_fail(r, "InvalidParameter", at, name, "has something that is no number of a stream");
        choice.is_all = choice.is_all || number > KN_CONVERT_LAST_STREAM;
        if (number < 0 || number > KN_CONVERT_LAST_STREAM || is_seen[number])
            continue;
        is_seen[number] = true;
        numbers[choice.n_numbers++] = (int)number;
    }
    return choice;
}

static void video_read(struct kn_reader *r, struct kn_place config,
                       const struct kn_read_inputs *inputs, struct kn_convert_output *output)
{
    struct kn_convert_video *video = &output->video;
    struct kn_place at = kn_read_object(r, config, "Video");
    video->input_index = KN_INPUT_AUTO;
    if (!at.value || output->subtype == KN_SUBTYPE_AUDIO || kn_read_bool(r, at, "Remove", false))
        return;
    video->mode = is_copied(r, at, output) ? KN_STREAM_COPY : KN_STREAM_ENCODE;
    video->input_index = input_read(r, at, inputs, NULL);
    video->streams = choice_read(r, at, "Streams");
    enum kn_video_codec natural = output->container == KN_CONTAINER_GIF    ? KN_VIDEO_GIF
                                  : output->container == KN_CONTAINER_WEBP ? KN_VIDEO_WEBP
                                  : output->container == KN_CONTAINER_WEBM ? KN_VIDEO_AV1
                                                                           : KN_VIDEO_H264;
    video->codec = (enum kn_video_codec)codec_read(r, at, video_codecs, (int)natural);
    bool is_avc = video->codec == KN_VIDEO_H264 || video->codec == KN_VIDEO_AVC_INTRA;
    if (!is_avc && kn_read_has(at, "Profile"))
        kn_read_fail(r, "NotSupported", at, "Profile", "is for H.264 alone, not for %s",
                     kn_video_codec_name(video->codec));
    video->profile = (enum kn_h264_profile)kn_read_word(r, at, "Profile", h264_profiles,
                                                        "InvalidParameter", KN_H264_HIGH);
    rate_mode_read(r, config, at, output->subtype, video);
    video->width_px = size_read(r, at, "Width");
    video->height_px = size_read(r, at, "Height");
    video->is_long_short = kn_read_bool(r, at, "LongShortMode", false);
    rate_read(r, at, "Fps", &video->fps_num, &video->fps_den);
    rate_read(r, at, "MaxFps", &video->max_fps_num, &video->max_fps_den);
    gop_read(r, at, video);
    reference_read(r, at, video);
    // Version 2 of narrowband HD spends more time for the same quality in fewer bits.
    int preset = kn_read_word(r, at, "Preset", presets, "InvalidParameter",
                              output->subtype == KN_SUBTYPE_NARROWBAND_V2 ? 3 : 2);
    video->preset = presets[preset].word;
    int pixels = kn_read_word(r, at, "PixFmt", pixel_formats, "NotSupported", -1);
    video->pix_fmt = pixels < 0 ? NULL : pixel_formats[pixels].word;
    video->scan = (enum kn_scan_mode)kn_read_word(r, at, "ScanMode", scan_modes, "InvalidParameter",
                                                  KN_SCAN_AS_SOURCE);
    video->rotate = (enum kn_rotate)kn_read_word(r, at, "Rotate", rotations, "InvalidParameter",
                                                 KN_ROTATE_AUTO);
    crop_and_pad_read(r, at, video);
    if (video->mode == KN_STREAM_ENCODE &&
        !(containers[output->container].video >> video->codec & 1))
        kn_read_fail(r, "NotSupported", at, "Codec", "is %s, which a %s file does not hold%s",
                     kn_video_codec_name(video->codec), kn_container_name(output->container),
                     containers[output->container].video ? ""
                                                         : ": add \"Video\": {\"Remove\": true}");
}

/* ---- audio ---- */
static void volume_read(struct kn_reader *r, struct kn_place audio,
                        struct kn_convert_volume *volume)
{
    struct kn_place at = kn_read_object(r, audio, "Volume");
    if (!at.value)
        return;
    volume->method = (enum kn_volume_method)kn_read_word(r, at, "Method", volume_methods,
                                                         "InvalidParameter", KN_VOLUME_DYNAMIC);
    // -91 dB is silence in 16 bits: a lower bound that excludes nothing useful.
    volume->gain_db = kn_read_double(r, at, "Level", -91, 20, -20);
    volume->loudness_lufs = kn_read_double(r, at, "IntegratedLoudnessTarget", -70, -5, -6);
    volume->range_lu = kn_read_double(r, at, "LoudnessRangeTarget", 1, 20, 8);
    volume->true_peak_dbtp = kn_read_double(r, at, "TruePeak", -9, 0, -1);
}

static void channels_check(struct kn_reader *r, struct kn_place at, enum kn_container container,
                           const struct kn_convert_audio *audio)
{
    // Bit n: n channels are allowed (spec 02, 6.2; the codecs it leaves out as their formats say).
    static const unsigned allowed[] = {
        [KN_AUDIO_AAC] = 0x177,   [KN_AUDIO_AC3] = 0x7F,        [KN_AUDIO_EAC3] = 0x7F,
        [KN_AUDIO_MP2] = 0x07,    [KN_AUDIO_MP3] = 0x07,        [KN_AUDIO_FLAC] = 0x177,
        [KN_AUDIO_OPUS] = 0x07,   [KN_AUDIO_VORBIS] = 0x04,     [KN_AUDIO_WMA_V1] = 0x07,
        [KN_AUDIO_WMA_V2] = 0x07, [KN_AUDIO_PCM_S16LE] = 0x1FF,
    };
    if (!(allowed[audio->codec] >> audio->channels & 1))
        kn_read_fail(r, "OutOfRange", at, "Channels", "is %d, which %s does not take",
                     audio->channels, kn_audio_codec_name(audio->codec));
    if (container == KN_CONTAINER_MPD && audio->channels == 8)
        kn_read_fail(r, "OutOfRange", at, "Channels", "is 8, which DASH does not take");
}

static void samplerate_read(struct kn_reader *r, struct kn_place at, enum kn_container container,
                            struct kn_convert_audio *audio)
{
    static const int rates[] = {22050, 32000, 44100, 48000, 96000};
    int64_t hz = kn_read_int(r, at, "Samplerate", 1, 384000, 44100);
    bool is_known = false;
    for (size_t i = 0; i < KN_COUNT(rates); i++)
        is_known = is_known || rates[i] == hz;
    if (!is_known)
        kn_read_fail(r, "OutOfRange", at, "Samplerate",
                     "is %d: 22050, 32000, 44100, 48000 or 96000 Hz", (int)hz);
    if (hz == 96000 && (audio->codec == KN_AUDIO_MP3 || audio->codec == KN_AUDIO_MP2 ||
                        audio->codec == KN_AUDIO_AC3 || audio->codec == KN_AUDIO_EAC3))
        kn_read_fail(r, "OutOfRange", at, "Samplerate", "is 96000 Hz, which %s does not take",
                     kn_audio_codec_name(audio->codec));
    if (container == KN_CONTAINER_FLV && hz != 22050 && hz != 44100)
        kn_read_fail(r, "OutOfRange", at, "Samplerate",
                     "is %d Hz: an flv file takes 22050 and 44100", (int)hz);
    audio->samplerate_hz = audio->codec == KN_AUDIO_OPUS ? 48000 : (int)hz;
}

// Our own: what stands in place of a bit rate, and what is mixed.
static void quality_read(struct kn_reader *r, struct kn_place at, struct kn_convert_audio *audio)
{
    const bool is_lossless = audio->codec == KN_AUDIO_FLAC || audio->codec == KN_AUDIO_PCM_S16LE;
    audio->quality = kn_read_double(r, at, "Quality", 0, 100, -1);
    if (kn_read_has(at, "Quality") && is_lossless)
        kn_read_fail(r, "NotSupported", at, "Quality", "is given, but %s loses nothing", kn_audio_codec_name(audio->codec));
    static const struct kn_word bits[] = {{"16", 16}, {"24", 24}, {NULL, 0}};
    audio->bits_per_sample = kn_read_word(r, at, "BitsPerSample", bits, "OutOfRange", 0);
    if (audio->bits_per_sample && audio->codec != KN_AUDIO_FLAC)
        kn_read_fail(r, "NotSupported", at, "BitsPerSample", "is for FLAC alone, not for %s",
                     kn_audio_codec_name(audio->codec));
    audio->is_mixed = kn_read_bool(r, at, "Mix", false);
    if (!audio->is_mixed)
        return;
    if (audio->mode == KN_STREAM_COPY)
        kn_read_fail(r, "InvalidParameter", at, "Mix", "wants a Codec: what is copied cannot be mixed");
    if (audio->selector_index >= 0)
        kn_read_fail(r, "InvalidParameter", at, "Mix", "does not go together with a selector in InputRef");
    if (audio->volume.method == KN_VOLUME_DYNAMIC || audio->volume.method == KN_VOLUME_AUTO)
        kn_read_fail(r, "NotSupported", at, "Mix", "goes with a Volume of Method linear alone");
}

static void audio_read(struct kn_reader *r, struct kn_place at, const struct kn_read_inputs *inputs,
                       const struct kn_convert_output *output, struct kn_convert_audio *audio)
{
    enum kn_container container = output->container;
    audio->mode = is_copied(r, at, output) ? KN_STREAM_COPY : KN_STREAM_ENCODE;
    audio->input_index = input_read(r, at, inputs, &audio->selector_index);
    audio->streams = choice_read(r, at, "Streams");
    if (audio->streams.is_given && audio->selector_index >= 0)
        kn_read_fail(r, "InvalidParameter", at, "Streams", "does not go together with a selector in InputRef");
    kn_read_language(r, at, &audio->language_control, audio->language);
    audio->codec =
        (enum kn_audio_codec)codec_read(r, at, audio_codecs, (int)containers[container].default_audio);
    if (audio->codec != KN_AUDIO_AAC && kn_read_has(at, "Profile"))
        kn_read_fail(r, "NotSupported", at, "Profile", "is for AAC alone, not for %s",
                     kn_audio_codec_name(audio->codec));
    audio->profile = (enum kn_aac_profile)kn_read_word(r, at, "Profile", aac_profiles,
                                                       "InvalidParameter", KN_AAC_LOW);
    audio->allow_low_complexity = kn_read_bool(r, at, "AllowLowComplexity", false);
    audio->bitrate_bps = kn_read_int(r, at, "Bitrate", 8, 1000, 128) * KBIT;
    samplerate_read(r, at, container, audio);
    audio->channels = (int)kn_read_int(r, at, "Channels", 0, 8, 2);
    channels_check(r, at, container, audio);
    volume_read(r, at, &audio->volume);
    quality_read(r, at, audio);
    if (audio->mode == KN_STREAM_ENCODE && !(containers[container].audio >> audio->codec & 1))
        kn_read_fail(r, "NotSupported", at, "Codec", "is %s, which a %s file does not hold",
                     kn_audio_codec_name(audio->codec), kn_container_name(container));
}

static void audios_read(struct kn_reader *r, struct kn_place config,
                        const struct kn_read_inputs *inputs, struct kn_convert_output *output)
{
    struct kn_place list = kn_read_array(r, config, "Audios");
    struct kn_place single = kn_read_object(r, config, "Audio");
    size_t n = list.value ? json_array_size(list.value) : 0;
    if (n > MAX_AUDIOS) {
        kn_read_fail(r, "OutOfRange", list, NULL, "has %zu tracks, more than %d", n, MAX_AUDIOS);
        return;
    }
    // A GIF or WEBP template that carries an Audio block out of habit has no sound all the same.
    if (!list.value && !containers[output->container].audio)
        return;
    size_t room = list.value ? n : 1;
    output->audios = kn_read_alloc(r, room, sizeof(*output->audios));
    for (size_t i = 0; i < n && r->rc == KN_OK; i++) {
        struct kn_place at = kn_read_item(r, list, i);
        if (!kn_read_bool(r, at, "Remove", false))
            audio_read(r, at, inputs, output, &output->audios[output->n_audios++]);
    }
    if (!list.value && single.value && !kn_read_bool(r, single, "Remove", false) && r->rc == KN_OK)
        audio_read(r, single, inputs, output, &output->audios[output->n_audios++]);
}

/* ---- subtitles ---- */
static void subtitles_read(struct kn_reader *r, struct kn_place config,
                           const struct kn_read_inputs *inputs, struct kn_convert_output *output)
{
    struct kn_place list = kn_read_array(r, config, "Subtitles");
    size_t n = list.value ? json_array_size(list.value) : 0;
    if (n > MAX_SUBTITLES) {
        kn_read_fail(r, "OutOfRange", list, NULL, "has %zu tracks, more than %d", n, MAX_SUBTITLES);
        return;
    }
    output->subtitles = kn_read_alloc(r, n, sizeof(*output->subtitles));
    for (size_t i = 0; i < n && r->rc == KN_OK; i++) {
        struct kn_place at = kn_read_item(r, list, i);
        if (kn_read_bool(r, at, "Remove", false))
            continue;
        struct kn_convert_subtitle *subtitle = &output->subtitles[output->n_subtitles++];
        enum kn_container c = output->container;
        bool is_mov = c == KN_CONTAINER_MP4 || c == KN_CONTAINER_MOV;
        int natural = is_mov                  ? KN_SUBTITLE_MOV_TEXT
                      : c == KN_CONTAINER_MKV ? KN_SUBTITLE_SRT
                                              : KN_SUBTITLE_VTT;
        subtitle->input_index = input_read(r, at, inputs, NULL);
        kn_read_language(r, at, &subtitle->language_control, subtitle->language);
        subtitle->offset_us = llrint(kn_read_double(r, at, "TimeOffset", -86399, 86399, 0) * KN_SECOND);
        subtitle->codec = (enum kn_subtitle_codec)kn_read_word(r, at, "Codec", subtitle_codecs,
                                                               "NotSupported", natural);
        bool is_list = c == KN_CONTAINER_M3U8 || c == KN_CONTAINER_HLS_FMP4 ||
                       c == KN_CONTAINER_MPD || c == KN_CONTAINER_CMAF;
        bool fits = is_mov    ? subtitle->codec == KN_SUBTITLE_MOV_TEXT
                    : is_list ? subtitle->codec == KN_SUBTITLE_VTT
                              : c == KN_CONTAINER_MKV && subtitle->codec != KN_SUBTITLE_MOV_TEXT;
        if (c == KN_CONTAINER_WEBM)
            fits = subtitle->codec == KN_SUBTITLE_VTT;
        if (!fits)
            kn_read_fail(r, "NotSupported", at, "Codec", "is %s, which a %s file does not hold",
                         word_of(subtitle_codecs, (int)subtitle->codec), kn_container_name(c));
    }
}

/* ---- TransConfig and MuxConfig ---- */
// IsCheckX and IsCheckXFail; the Fail twin wins.
static enum kn_check check_read(struct kn_reader *r, struct kn_place at, const char *name,
                                const char *fail_name, enum kn_check otherwise)
{
    bool is_given = kn_read_has(at, name);
    bool is_on = kn_read_bool(r, at, name, false);
    if (kn_read_bool(r, at, fail_name, false))
        return KN_CHECK_FAIL;
    return is_given ? (is_on ? KN_CHECK_USE_INPUT : KN_CHECK_OFF) : otherwise;
}

static void trans_read(struct kn_reader *r, struct kn_place config,
                       struct kn_convert_output *output)
{
    struct kn_place at = kn_read_object(r, config, "TransConfig");
    struct kn_convert_trans *trans = &output->trans;
    bool is_remux = output->subtype == KN_SUBTYPE_REMUX;
    trans->dar_method = (enum kn_dar_method)kn_read_word(r, at, "AdjDarMethod", dar_methods,
                                                         "InvalidParameter", KN_DAR_RESCALE);
    trans->resolution = check_read(r, at, "IsCheckReso", "IsCheckResoFail", KN_CHECK_OFF);
    trans->video_bitrate =
        check_read(r, at, "IsCheckVideoBitrate", "IsCheckVideoBitrateFail", KN_CHECK_OFF);
    trans->audio_bitrate =
        check_read(r, at, "IsCheckAudioBitrate", "IsCheckAudioBitrateFail", KN_CHECK_IF_SAME_CODEC);
    trans->fps = check_read(r, at, "IsCheckFps", "IsCheckFpsFail", KN_CHECK_OFF);
    trans->samplerate = check_read(r, at, "IsCheckSamplerate", "IsCheckSamplerateFail", KN_CHECK_OFF);
    trans->force_transcode = kn_read_bool(r, at, "ForceTranscode", false);
    trans->keep_captions = kn_read_bool(r, at, "KeepCaptions", is_remux);
    trans->captions = choice_read(r, at, "CaptionStreams");
    trans->keep_chapters = kn_read_bool(r, at, "KeepChapters", is_remux);
    trans->keep_attachments = kn_read_bool(r, at, "KeepAttachments", is_remux);
    trans->keep_cover_art = kn_read_bool(r, at, "KeepCoverArt", is_remux);
    if (output->video.has_pad &&
        (trans->resolution != KN_CHECK_OFF || trans->dar_method != KN_DAR_RESCALE)) {
        struct kn_place video = kn_read_object(r, config, "Video");
        kn_read_fail(r, "InvalidParameter", video, "Pad",
                     "does not go together with IsCheckReso, IsCheckResoFail or AdjDarMethod");
    }
}

// "3.5,7,12.25": rising seconds with at most three decimals.
static void forced_cuts_read(struct kn_reader *r, struct kn_place at,
                             struct kn_convert_segment *segment)
{
    const char *text = kn_read_text(r, at, "ForceSegTime");
    int64_t before = 0;
    for (const char *part = text; part; part = strchr(part, ',') ? strchr(part, ',') + 1 : NULL) {
        char *number = kn_arena_strndup(r->arena, part, strcspn(part, ","));
        double seconds = 0;
        if (number)
            kn_trim(number);
        const char *point = number ? strchr(number, '.') : NULL;
        bool is_number = number && number[strspn(number, "0123456789.")] == '\0' &&
                         kn_parse_double(number, &seconds) && (!point || strlen(point) <= 4);
        int64_t us = is_number && seconds < 1e9 ? llround(seconds * 1e6) : 0;
        if (us <= before || segment->n_forced == KN_CONVERT_MAX_FORCED_CUTS) {
            kn_read_fail(r, "OutOfRange", at, "ForceSegTime",
                         "is '%s': up to %d rising seconds with at most three decimals", text,
                         KN_CONVERT_MAX_FORCED_CUTS);
            return;
        }
        segment->forced_us[segment->n_forced++] = before = us;
    }
}

void kn_read_transcode(struct kn_reader *r, struct kn_place config,
                       const struct kn_read_inputs *inputs, struct kn_convert_output *output)
{
    output->container = container_read(r, config);
    video_read(r, config, inputs, output);
    audios_read(r, config, inputs, output);
    subtitles_read(r, config, inputs, output);
    trans_read(r, config, output);
    struct kn_place segment = kn_read_object(r, kn_read_object(r, config, "MuxConfig"), "Segment");
    double seconds = kn_read_double(r, segment, "Duration", 1, 60, 10);
    output->segment.duration_us = llround(seconds * 1e6);
    output->segment.first_number = (int)kn_read_int(r, segment, "StartNumber", 0, 1000000000, 1);
    forced_cuts_read(r, segment, &output->segment);
    if (r->rc == KN_OK && output->video.mode == KN_STREAM_DROP && output->n_audios == 0 &&
        output->n_subtitles == 0)
        kn_read_fail(r, "EmptyValue", config, NULL, "has neither video nor audio nor subtitles");
}
