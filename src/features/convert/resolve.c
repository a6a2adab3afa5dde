/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Resolving a template against a source. Sizes are worked out on the display size (stored size
 * times pixel shape, after the turn) and rounded to even numbers once, at the end.
 */
#include "features/convert/resolve.h"

#include <math.h>
#include <string.h>

#include "base/strings.h"
#include "base/time.h"
#include "features/convert/language.h"

/* ---- the picture ---- */
// The nearest even number, at least 2: 4:2:0 has no odd sizes.
static int even(double size)
{
    int n = 2 * (int)lround(size / 2);
    return n < 2 ? 2 : n;
}

static int even_down(int n)
{
    return n & ~1;
}

static int turn_of(const struct kn_picture_facts *source, enum kn_rotate rotate)
{
    switch (rotate) {
    case KN_ROTATE_AUTO: return source->rotation_degrees;
    case KN_ROTATE_0: return 0;
    case KN_ROTATE_90: return 90;
    case KN_ROTATE_180: return 180;
    case KN_ROTATE_270: return 270;
    }
    return 0;
}

static kn_code crop_of(struct kn_rect *crop, int width, int height, const struct kn_rect *border,
                       const struct kn_convert_video *video, struct kn_error *err)
{
    *crop = (struct kn_rect){width, height, 0, 0};
    if (video->crop == KN_CROP_BORDER && border)
        *crop = *border;
    if (video->crop == KN_CROP_RECT)
        *crop = video->crop_rect;
    if (crop->left_px + crop->width_px > width || crop->top_px + crop->height_px > height)
        return kn_fail_as(err, KN_EINVAL, "OutOfRange",
                          "the crop %dx%d at %d,%d does not fit the picture of %dx%d",
                          crop->width_px, crop->height_px, crop->left_px, crop->top_px, width,
                          height);
    return KN_OK;
}

// The box the picture is to fill: what is not given follows from the aspect.
static void box_of(double width, double height, const struct kn_convert_video *video,
                   double *out_width, double *out_height)
{
    double w = video->width_px, h = video->height_px;
    if (video->is_long_short && width < height) { // upright: the long edge is the height
        w = video->height_px;
        h = video->width_px;
    }
    if (w <= 0 && h <= 0) {
        w = width;
        h = height;
    } else if (h <= 0) {
        h = w * height / width;
    } else if (w <= 0) {
        w = h * width / height;
    }
    *out_width = w;
    *out_height = h;
}

// Cut the crop to the box's aspect, about its middle. `sar` is the shape of a pixel.
static void fill_box(struct kn_rect *crop, double sar, double box_aspect)
{
    double width = crop->width_px * sar, height = crop->height_px;
    if (width / height > box_aspect) {
        int cut = crop->width_px - even(height * box_aspect / sar);
        cut = cut < 0 ? 0 : cut;
        crop->left_px += even_down(cut / 2);
        crop->width_px -= cut;
    } else {
        int cut = crop->height_px - even(width / box_aspect);
        cut = cut < 0 ? 0 : cut;
        crop->top_px += even_down(cut / 2);
        crop->height_px -= cut;
    }
}

static kn_code pad_place(struct kn_picture_plan *plan, const struct kn_rect *pad,
                         struct kn_error *err)
{
    plan->width_px = even(pad->width_px);
    plan->height_px = even(pad->height_px);
    plan->left_px = even_down(pad->left_px);
    plan->top_px = even_down(pad->top_px);
    if (plan->left_px + plan->scaled_width_px > plan->width_px ||
        plan->top_px + plan->scaled_height_px > plan->height_px)
        return kn_fail_as(err, KN_EINVAL, "OutOfRange",
                          "a picture of %dx%d does not fit the pad of %dx%d at %d,%d",
                          plan->scaled_width_px, plan->scaled_height_px, plan->width_px,
                          plan->height_px, plan->left_px, plan->top_px);
    return KN_OK;
}

kn_code kn_resolve_picture(struct kn_picture_plan *plan, const struct kn_picture_facts *source,
                           const struct kn_rect *border, const struct kn_convert_video *video,
                           const struct kn_convert_trans *trans, struct kn_error *err)
{
    *plan = (struct kn_picture_plan){.turn_degrees = turn_of(source, video->rotate)};
    bool is_lying = plan->turn_degrees == 90 || plan->turn_degrees == 270;
    double sar =
        source->sar_num > 0 && source->sar_den > 0 ? (double)source->sar_num / source->sar_den : 1;
    sar = is_lying ? 1 / sar : sar;
    kn_code rc = crop_of(&plan->crop, is_lying ? source->height_px : source->width_px,
                         is_lying ? source->width_px : source->height_px, border, video, err);
    if (rc != KN_OK)
        return rc;

    double width = plan->crop.width_px * sar, height = plan->crop.height_px;
    double box_width, box_height;
    box_of(width, height, video, &box_width, &box_height);
    bool is_smaller = even(width) < even(box_width) || even(height) < even(box_height);
    if (is_smaller && trans->resolution == KN_CHECK_FAIL)
        return kn_fail_as(err, KN_EINVAL, "OutOfRange",
                          "the input of %dx%d is smaller than the output of %dx%d, and "
                          "IsCheckResoFail forbids to enlarge it",
                          even(width), even(height), even(box_width), even(box_height));
    if (is_smaller && trans->resolution == KN_CHECK_USE_INPUT) {
        box_width = width;
        box_height = height;
    }
    plan->scaled_width_px = plan->width_px = even(box_width);
    plan->scaled_height_px = plan->height_px = even(box_height);
    bool has_box = video->width_px > 0 && video->height_px > 0;
    if (has_box && trans->dar_method == KN_DAR_CROP)
        fill_box(&plan->crop, sar, box_width / box_height);
    if (has_box && trans->dar_method == KN_DAR_PAD) {
        double scale = fmin(plan->width_px / width, plan->height_px / height);
        plan->scaled_width_px = even(fmin(width * scale, plan->width_px));
        plan->scaled_height_px = even(fmin(height * scale, plan->height_px));
        plan->left_px = even_down((plan->width_px - plan->scaled_width_px) / 2);
        plan->top_px = even_down((plan->height_px - plan->scaled_height_px) / 2);
    }
    return video->has_pad ? pad_place(plan, &video->pad_rect, err) : KN_OK;
}

/* ---- rates ---- */
static bool is_faster(int num, int den, int64_t than_num, int64_t than_den)
{
    return num * than_den > than_num * den;
}

kn_code kn_resolve_fps(int *out_num, int *out_den, const struct kn_picture_facts *source,
                       const struct kn_convert_video *video, enum kn_check check, struct kn_error *err)
{
    bool is_known = source->fps_num > 0 && source->fps_den > 0;
    *out_num = is_known ? source->fps_num : 25;
    *out_den = is_known ? source->fps_den : 1;
    // A rate of 23.976 is measured as 23.98: a hair less is no less.
    const bool is_less = is_known && video->fps_num > 0 &&
        is_faster(video->fps_num, video->fps_den, INT64_C(1001) * source->fps_num, INT64_C(1000) * source->fps_den);
    if (is_less && check == KN_CHECK_FAIL)
        return kn_fail_as(err, KN_EINVAL, "OutOfRange", "the input has %.3f pictures a second, less than the %.3f asked for",
                          (double)source->fps_num / source->fps_den, (double)video->fps_num / video->fps_den);
    if (video->fps_num > 0 && !(is_less && check == KN_CHECK_USE_INPUT)) {
        *out_num = video->fps_num;
        *out_den = video->fps_den;
    }
    if (video->max_fps_num > 0 &&
        is_faster(*out_num, *out_den, video->max_fps_num, video->max_fps_den)) {
        *out_num = video->max_fps_num;
        *out_den = video->max_fps_den;
    }
    if (is_faster(*out_num, *out_den, 60, 1)) {
        *out_num = 60;
        *out_den = 1;
    }
    return KN_OK;
}

kn_code kn_resolve_samplerate(int *out_hz, int source_hz, const struct kn_convert_audio *audio, enum kn_check check,
                              struct kn_error *err)
{
    const bool is_less = source_hz > 0 && source_hz < audio->samplerate_hz;
    *out_hz = is_less && check == KN_CHECK_USE_INPUT ? source_hz : audio->samplerate_hz;
    return is_less && check == KN_CHECK_FAIL
        ? kn_fail_as(err, KN_EINVAL, "OutOfRange", "the input has %d samples a second, less than the %d asked for",
                     source_hz, audio->samplerate_hz)
        : KN_OK;
}

static kn_code bitrate_check(int64_t *bps, int64_t source_bps, enum kn_check check,
                             const char *what, struct kn_error *err)
{
    if (source_bps <= 0 || source_bps >= *bps || check == KN_CHECK_OFF)
        return KN_OK;
    if (check == KN_CHECK_FAIL)
        return kn_fail_as(err, KN_EINVAL, "OutOfRange",
                          "the input's %s has %lld kbit/s, the template asks for %lld and says to "
                          "fail then",
                          what, (long long)source_bps / 1000, (long long)*bps / 1000);
    *bps = source_bps;
    return KN_OK;
}

kn_code kn_resolve_video_bitrate(int64_t *out_bps, int64_t source_bps,
                                 const struct kn_convert_video *video, enum kn_check check,
                                 struct kn_error *err)
{
    *out_bps = video->bitrate_bps;
    if (video->bitrate_bps == 0)
        return KN_OK;
    if (video->bitrate_bps == KN_BITRATE_AS_INPUT) {
        if (source_bps <= 0)
            return kn_fail_as(err, KN_EINVAL, "OutOfRange",
                              "Bitrate is -1, but the input does not say its bit rate");
        *out_bps = source_bps;
        return KN_OK;
    }
    return bitrate_check(out_bps, source_bps, check, "video", err);
}

kn_code kn_resolve_audio_bitrate(int64_t *out_bps, int64_t source_bps, bool is_same_codec,
                                 const struct kn_convert_audio *audio, enum kn_check check,
                                 struct kn_error *err)
{
    *out_bps = audio->bitrate_bps;
    if (check == KN_CHECK_IF_SAME_CODEC)
        check = is_same_codec ? KN_CHECK_USE_INPUT : KN_CHECK_OFF;
    return bitrate_check(out_bps, source_bps, check, "audio", err);
}

/* ---- tracks ---- */
static bool tag_holds(const struct kn_stream_facts *stream, const struct kn_tag_match *match)
{
    if (kn_equal_nocase(match->name, "language"))
        return stream->language && stream->language[0] &&
               kn_language_equal(stream->language, match->value);
    for (int i = 0; i < stream->n_tags; i++)
        if (kn_equal_nocase(stream->tags[i].name, match->name))
            return kn_equal_nocase(stream->tags[i].value, match->value);
    return false;
}

kn_code kn_resolve_audio_stream(int *out_position, const struct kn_stream_facts *streams,
                                int n_streams, const struct kn_convert_selector *selector,
                                struct kn_error *err)
{
    for (int i = 0; i < n_streams; i++) {
        bool holds = streams[i].is_audio;
        for (int t = 0; holds && selector && t < selector->n_matches; t++)
            holds = tag_holds(&streams[i], &selector->matches[t]);
        if (holds) {
            *out_position = i;
            return KN_OK;
        }
    }
    if (selector && selector->n_matches > 0)
        return kn_fail_as(err, KN_EMEDIA, "NoAudioStream",
                          "no audio stream has %s=%s, as '%s' asks", selector->matches[0].name,
                          selector->matches[0].value, selector->name);
    return kn_fail_as(err, KN_EMEDIA, "NoAudioStream", "the input has no audio stream");
}

void kn_resolve_language(char out[4], enum kn_language_control control, const char *configured,
                         const char *input_language)
{
    if (control == KN_LANGUAGE_INPUT_FIRST && kn_language_normalize(out, input_language) &&
        strcmp(out, "und") != 0)
        return;
    if (!kn_language_normalize(out, configured))
        (void)kn_copy(out, 4, "und");
}

/* ---- time ---- */
kn_code kn_resolve_clip(int64_t *out_start_us, int64_t *out_end_us,
                        const struct kn_convert_clip *clip, int64_t duration_us,
                        struct kn_error *err)
{
    bool is_known = duration_us != KN_NO_TIME;
    *out_start_us = clip->is_set ? clip->seek_us : 0;
    *out_end_us = is_known ? duration_us : KN_NO_TIME;
    if (!clip->is_set)
        return KN_OK;
    if (clip->duration_us != KN_NO_TIME) {
        int64_t end_us = clip->seek_us + clip->duration_us;
        *out_end_us = is_known && end_us > duration_us ? duration_us : end_us;
    } else if (clip->tail_us > 0 && is_known) {
        *out_end_us = duration_us - clip->tail_us;
    } else if (clip->tail_us > 0) {
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad",
                          "the input does not say how long it is, so nothing can be cut off its tail");
    }
    if (*out_end_us != KN_NO_TIME && *out_end_us <= *out_start_us)
        return kn_fail_as(err, KN_EINVAL, "OutOfRange",
                          "the clip begins at %.3f s, and the input ends at %.3f s",
                          (double)*out_start_us / KN_SECOND, (double)*out_end_us / KN_SECOND);
    return KN_OK;
}
