#pragma once
/*
 * The typed form of a conversion: what a run reads instead of JSON.
 *
 * kn_convert_spec_load() turns the canonical object (convert.h) into these structs and checks every
 * range and every combination that can be judged without opening a file. kn_convert_canonical()
 * (canonical.h) ends with the same call, so what was accepted at submit also loads in the worker.
 *
 * Units: bit rates are bits per second (the wire says kbit/s), times microseconds, sizes pixels.
 * Every pointer lives in spec->arena and ends with kn_convert_spec_clear(). Text that was not given
 * is NULL. Read-only after loading, so threads may share it.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"

#define KN_CONVERT_MAX_WATERMARKS 4 // spec 02, 6.5
#define KN_CONVERT_MAX_METADATA 4
#define KN_CONVERT_LAST_STREAM 100 // larger numbers mean all streams (IMM, Target.Video.Stream)
#define KN_CONVERT_MAX_FORCED_CUTS 10 // MuxConfig.Segment.ForceSegTime

// The wire's Bitrate -1: take the input's.
#define KN_BITRATE_AS_INPUT INT64_C(-1)
// input_index of a track whose request names no input.
#define KN_INPUT_AUTO (-1)

/* ---- inputs ---- */
struct kn_tag_match {
    const char *name; // "language" compares ISO 639 forms as equal, any other name as plain text
    const char *value;
};

/* AudioSelector, Rule "tag": the first audio stream on which every match holds. */
struct kn_convert_selector {
    const char *name;
    struct kn_tag_match *matches;
    int n_matches;
};

struct kn_convert_clip {
    bool is_set;
    bool first_part_only; // ConfigToClipFirstPart: cut inputs[0], then join; else join, then cut
    int64_t seek_us;
    int64_t duration_us; // KN_NO_TIME: to the end
    int64_t tail_us;     // wire `End`: length cut off the tail; 0 none. duration_us is unset then
};

struct kn_convert_input {
    const char *name; // NULL when not given
    const char *uri;  // oss://bucket/key, http(s)://…, media://id, or a path
    struct kn_convert_selector *selectors;
    int n_selectors;
    // An unnamed input after the first: it continues inputs[0] in time (concatenation), in order.
    bool joins_first;
    // Our own. The part of it that is shown, where all inputs are joined; streams that count as absent.
    struct kn_convert_clip clip;
    bool disables_video, disables_audio;
};

/* ---- what an output is made of ---- */
enum kn_stream_mode {
    KN_STREAM_DROP = 0, // the output has no such stream
    KN_STREAM_ENCODE,   // encode; a run may still copy when the input already fits (see below)
    KN_STREAM_COPY,     // subtype Remux, or Codec "copy": never encode
};

enum kn_video_codec {
    KN_VIDEO_H264 = 0,
    KN_VIDEO_H265,
    KN_VIDEO_AV1,
    KN_VIDEO_GIF,
    KN_VIDEO_WEBP,
    KN_VIDEO_AVC_INTRA,
};

enum kn_h264_profile {
    KN_H264_HIGH = 0,
    KN_H264_MAIN,
    KN_H264_BASELINE,
};

enum kn_rate_mode {
    KN_RATE_CRF = 0,     // crf, with maxrate_bps and bufsize_bits as caps where set
    KN_RATE_ONE_PASS,    // bitrate_bps on average
    KN_RATE_TWO_PASS,
    KN_RATE_CBR,         // bitrate_bps = maxrate_bps = bufsize_bits
    KN_RATE_TARGET_SSIM, // narrowband: the highest crf that reaches target_ssim (narrowband.h)
};

enum kn_scan_mode {
    KN_SCAN_AS_SOURCE = 0,
    KN_SCAN_AUTO,        // deinterlace what is interlaced
    KN_SCAN_PROGRESSIVE, // must be the source's, else the output fails
    KN_SCAN_INTERLACED,
};

enum kn_crop_mode {
    KN_CROP_NONE = 0,
    KN_CROP_BORDER, // find black bars and cut them
    KN_CROP_RECT,
};

enum kn_rotate {
    KN_ROTATE_AUTO = 0, // as the source's rotation tag says
    KN_ROTATE_0,        // ignore the tag
    KN_ROTATE_90,       // clockwise, in place of the tag
    KN_ROTATE_180,
    KN_ROTATE_270,
};

enum kn_dar_method { // AdjDarMethod: width_px and height_px both set, aspect differs
    KN_DAR_RESCALE = 0, // stretch ("rescale" and "none")
    KN_DAR_CROP,        // fill and cut
    KN_DAR_PAD,         // fit and bar
};

enum kn_check {
    KN_CHECK_OFF = 0,
    KN_CHECK_USE_INPUT,     // IsCheck…: the input has less than the target: use the input's figure
    KN_CHECK_FAIL,          // IsCheck…Fail: … the output fails
    KN_CHECK_IF_SAME_CODEC, // audio bit rate's default: USE_INPUT when input and output codec agree
};

struct kn_rect {
    int width_px, height_px, left_px, top_px;
};

/*
 * Our own, `Streams`: which of an input's streams of one kind make tracks, by their numbers from 0, in this
 * order. Those that are not there are ignored.
 */
struct kn_convert_choice {
    bool is_given; // else what is chosen otherwise: the first, or all captions
    bool is_all;
    const int *numbers; // each once
    int n_numbers;
};

struct kn_convert_video {
    enum kn_stream_mode mode;
    int input_index; // KN_INPUT_AUTO: the first input with a video stream
    struct kn_convert_choice streams;
    enum kn_video_codec codec;
    enum kn_h264_profile profile;
    enum kn_rate_mode rate;
    bool has_crf;         // Crf or Qscale was asked for; without it a source that fits is copied
    double crf;           // KN_RATE_CRF; also where the search of KN_RATE_TARGET_SSIM starts
    double target_ssim;   // KN_RATE_TARGET_SSIM, luma, 0 to 1
    int64_t bitrate_bps;  // 0 not given, or KN_BITRATE_AS_INPUT
    int64_t maxrate_bps;  // 0 no cap
    int64_t bufsize_bits; // set whenever maxrate_bps is
    int64_t abr_max_bps;  // narrowband: the average may not pass this; 0 no cap
    int width_px;         // 0 by aspect; both 0: as input. With is_long_short: the long edge
    int height_px;        // … the short edge
    bool is_long_short;   // LongShortMode
    int fps_num, fps_den; // 0/1 as input, at most 60
    int max_fps_num, max_fps_den; // 0/1 no limit of its own
    int b_frames;         // at most so many in a row; -1: the preset's
    int n_refs;           // pictures referred to; 0: the preset's
    int gop_frames;       // 0: gop_us counts
    int64_t gop_us;
    const char *preset;  // veryfast fast medium slow slower; set for every codec
    const char *pix_fmt; // FFmpeg's name, or NULL: yuv420p, or the source's where the codec allows
    enum kn_scan_mode scan;
    enum kn_crop_mode crop;
    struct kn_rect crop_rect; // KN_CROP_RECT: the part of the (turned) source that is kept
    bool has_pad;
    struct kn_rect pad_rect; // the whole canvas, and where the scaled picture sits on it
    enum kn_rotate rotate;
};

enum kn_audio_codec {
    KN_AUDIO_AAC = 0,
    KN_AUDIO_AC3,
    KN_AUDIO_EAC3,
    KN_AUDIO_MP2,
    KN_AUDIO_MP3,
    KN_AUDIO_FLAC,
    KN_AUDIO_OPUS,
    KN_AUDIO_VORBIS,
    KN_AUDIO_WMA_V1,
    KN_AUDIO_WMA_V2,
    KN_AUDIO_PCM_S16LE,
};

enum kn_aac_profile {
    KN_AAC_LOW = 0,
    KN_AAC_HE,
    KN_AAC_HE_V2,
    KN_AAC_LD,
    KN_AAC_ELD,
};

enum kn_volume_method {
    KN_VOLUME_UNTOUCHED = 0,
    KN_VOLUME_LINEAR,  // gain_db
    KN_VOLUME_DYNAMIC, // EBU R128 to the three targets
    KN_VOLUME_AUTO,    // the same, only when the loudness is more than 2 LU off the target
};

struct kn_convert_volume {
    enum kn_volume_method method;
    double gain_db;
    double loudness_lufs; // IntegratedLoudnessTarget
    double range_lu;      // LoudnessRangeTarget
    double true_peak_dbtp;
};

enum kn_language_control {
    KN_LANGUAGE_INPUT_FIRST = 0,
    KN_LANGUAGE_CONFIGURED,
};

struct kn_convert_audio {
    enum kn_stream_mode mode; // never DROP: dropped tracks are not listed
    int input_index;          // KN_INPUT_AUTO: the video's input, else the first one with audio
    int selector_index;       // in inputs[input_index].selectors; -1: the default (first) stream
    struct kn_convert_choice streams; // a track for each, all alike
    enum kn_language_control language_control;
    char language[4]; // ISO 639-2/T, "" when not given; see kn_resolve_language()
    enum kn_audio_codec codec;
    enum kn_aac_profile profile;
    // AllowLowComplexity: where no encoder for `profile` is installed, AAC-LC may stand in.
    bool allow_low_complexity;
    int64_t bitrate_bps;
    double quality;      // 0 to 100 in place of a bit rate; -1: none
    int bits_per_sample; // FLAC: 16 or 24; 0 not asked for
    bool is_mixed;       // our own, Mix: the streams become one track
    int samplerate_hz; // 48000 for Opus whatever was asked: its decoders always give 48 kHz
    int channels;      // 0 as source
    struct kn_convert_volume volume;
};

enum kn_subtitle_codec {
    KN_SUBTITLE_VTT = 0,
    KN_SUBTITLE_SRT,
    KN_SUBTITLE_ASS,
    KN_SUBTITLE_MOV_TEXT,
};

struct kn_convert_subtitle {
    int input_index; // KN_INPUT_AUTO: inputs[0]
    enum kn_language_control language_control;
    char language[4];
    enum kn_subtitle_codec codec;
    int64_t offset_us; // added to their times
};

enum kn_container {
    KN_CONTAINER_MP4 = 0,
    KN_CONTAINER_M3U8,     // HLS with TS segments
    KN_CONTAINER_FLV,
    KN_CONTAINER_TS,
    KN_CONTAINER_HLS_FMP4, // HLS with fMP4 segments
    KN_CONTAINER_MPD,      // DASH
    KN_CONTAINER_CMAF,     // fMP4 segments that an HLS and a DASH manifest share
    KN_CONTAINER_MXF,
    KN_CONTAINER_MP3,
    KN_CONTAINER_OGG,
    KN_CONTAINER_FLAC,
    KN_CONTAINER_M4A,
    KN_CONTAINER_GIF,
    KN_CONTAINER_WEBP,
    // Ours, beyond the vendor's list:
    KN_CONTAINER_MKV,
    KN_CONTAINER_WEBM,
    KN_CONTAINER_MOV,
    KN_CONTAINER_WAV,
};

struct kn_convert_segment {
    int64_t duration_us;
    int first_number; // in names and as EXT-X-MEDIA-SEQUENCE
    int64_t forced_us[KN_CONVERT_MAX_FORCED_CUTS]; // rising
    int n_forced;
};

/* TransConfig beyond the rate mode. */
struct kn_convert_trans {
    enum kn_dar_method dar_method;
    enum kn_check resolution;
    enum kn_check video_bitrate;
    enum kn_check audio_bitrate;
    enum kn_check fps;        // our own
    enum kn_check samplerate; // our own
    // Our own. force_transcode: never copy a stream, even where the input already fits.
    bool force_transcode;
    // What else the first input may carry. All off, but all on for subtype Remux.
    bool keep_captions;
    struct kn_convert_choice captions; // of those that are kept
    bool keep_chapters;
    bool keep_attachments;
    bool keep_cover_art;
};

/* ---- features ---- */
/* Pixels, or a share in (0,1) of the output's width or height. */
struct kn_length {
    bool is_set;
    bool is_share;
    double value;
};

enum kn_corner {
    KN_CORNER_TOP_RIGHT = 0,
    KN_CORNER_TOP_LEFT,
    KN_CORNER_BOTTOM_RIGHT,
    KN_CORNER_BOTTOM_LEFT,
};

struct kn_convert_watermark {
    bool is_text;
    struct kn_length dx, dy; // distance from the corner (text: from the top left)
    enum kn_corner corner;
    int64_t start_us;
    int64_t duration_us; // KN_NO_TIME: to the end
    // image
    const char *uri;
    struct kn_length width, height; // one missing: by aspect; both: as the image
    // text
    const char *content;
    const char *font_name;
    double font_size_px;
    double font_alpha;       // 0 to 1
    const char *font_color;  // a CSS name or #RRGGBB
    double border_width_px;
    const char *border_color;
    bool is_adaptive; // scale the font with the output's size
};

struct kn_convert_metadata {
    const char *key;
    const char *value;
};

struct kn_convert_features {
    struct kn_convert_clip clip;
    struct kn_convert_watermark watermarks[KN_CONVERT_MAX_WATERMARKS];
    int n_watermarks;
    struct kn_convert_metadata metadata[KN_CONVERT_MAX_METADATA];
    int n_metadata;
};

/* ---- outputs and groups ---- */
enum kn_rendition {
    KN_RENDITION_HYBRID = 0, // pictures and sound
    KN_RENDITION_VIDEO,
    KN_RENDITION_AUDIO,
    KN_RENDITION_SUBTITLE,
};

/* HlsGroupConfig. */
struct kn_convert_hls {
    enum kn_rendition type;
    const char *audio_group;    // the group this video uses
    const char *subtitle_group;
    const char *group;          // audio, subtitle: its own group
    const char *name;           // audio, subtitle: required
    const char *language;       // RFC 5646, as given; NULL
    bool is_default;
    bool is_auto_select;
    bool is_forced;
};

enum kn_template_subtype { // the wire's number less one
    KN_SUBTYPE_NORMAL = 0,
    KN_SUBTYPE_AUDIO,
    KN_SUBTYPE_REMUX,
    KN_SUBTYPE_NARROWBAND_V1,
    KN_SUBTYPE_NARROWBAND_V2,
};

/*
 * Addresses of the WebVTT files beside a playlist, in place of names after the output's own: when there is one, when
 * there are several. {streamindex} is the stream's number among its input's captions, {autoext} "vtt" and, for the
 * playlist over it, "m3u8". Both NULL, or neither.
 */
struct kn_convert_caption_names {
    const char *one, *many;
};

struct kn_convert_output {
    const char *name; // a label; NULL
    // The final name. May hold {DestMd5} and {DestAvgBitrate}, known only after encoding:
    // kn_convert_name_finish() (output_name.h) fills them in.
    const char *uri;
    const char *template_id;
    const char *template_name;
    enum kn_template_subtype subtype;
    int priority; // 1 to 10
    enum kn_container container;
    struct kn_convert_video video;
    struct kn_convert_audio *audios; // in track order
    int n_audios;
    struct kn_convert_subtitle *subtitles;
    int n_subtitles;
    struct kn_convert_trans trans;
    struct kn_convert_segment segment;
    struct kn_convert_features features;
    struct kn_convert_hls hls; // groups of type Hls alone
    struct kn_convert_caption_names caption_names;
};

enum kn_group_type {
    KN_GROUP_FILE = 0,
    KN_GROUP_HLS,
    KN_GROUP_DASH,
};

enum kn_exclude_type {
    KN_EXCLUDE_ANY = 0,
    KN_EXCLUDE_AUDIO,
    KN_EXCLUDE_SUBTITLE,
};

/* Members that are given must all hold. */
struct kn_convert_exclude {
    enum kn_exclude_type type;
    const char *language; // NULL: any
    const char *name;
};

struct kn_convert_group {
    const char *name;
    enum kn_group_type type;
    const char *base;         // ends with '/'
    const char *manifest_uri; // NULL for File
    int extend_input;         // ManifestExtend.InputRef: an existing master playlist; -1 none
    struct kn_convert_exclude *excludes;
    int n_excludes;
    struct kn_convert_output *outputs;
    int n_outputs;
};

struct kn_convert_spec {
    struct kn_arena arena; // owns everything below
    const char *job_name;
    struct kn_convert_input *inputs;
    int n_inputs;
    int alignment_index; // our own: the input that gives the size, the rate and the tracks where none is named
    struct kn_convert_group *groups;
    int n_groups;
    struct kn_convert_output *outputs; // the flat form
    int n_outputs;
};

/*
 * Read the canonical object.
 *
 *   spec  filled on success; release with kn_convert_spec_clear(). Left empty on failure.
 *
 * KN_EINVAL with reason EmptyValue, OutOfRange, InvalidParameter, NotSupported, JsonFormatInvalid…;
 * the message names the field by its path on the wire: what stands in a Template here came from
 * OverrideParams there, since templates are checked when they are made.
 */
kn_code kn_convert_spec_load(struct kn_convert_spec *spec, const json_t *canonical,
                             struct kn_error *err);

// Release what `spec` owns and leave it empty. An empty spec is welcome.
void kn_convert_spec_clear(struct kn_convert_spec *spec);

/* The words of the wire for what a spec holds, for results and messages. Static text. */
const char *kn_container_name(enum kn_container container);           // "hls-fmp4"
const char *kn_container_extension(enum kn_container container);      // "m3u8", without the dot
const char *kn_video_codec_name(enum kn_video_codec codec);           // "H.264"
const char *kn_audio_codec_name(enum kn_audio_codec codec);           // "AAC"
