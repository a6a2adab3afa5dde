/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Order of the filters: deinterlace, rate, turn, crop, scale, tone map, pad, pixel format. Frames
 * that the rate drops cost nothing further; tone mapping works on the smaller picture.
 */
#include "features/convert/video_plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/pixdesc.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "engine/media/graph.h"
#include "engine/media/rotation.h"
#include "features/convert/formats.h"
#include "features/convert/resolve.h"

#define MAX_BELIEVED_FPS 1000 // files without a rate say their time base

/* ---- size ---- */
int kn_video_turn(const struct kn_convert_video *video, const AVStream *st)
{
    static const int turns[] = {[KN_ROTATE_0] = 0, [KN_ROTATE_90] = 90, [KN_ROTATE_180] = 180,
                                [KN_ROTATE_270] = 270};
    return video->rotate == KN_ROTATE_AUTO ? kn_rotation_of(st) : turns[video->rotate];
}

struct geometry {
    struct kn_picture_plan picture;
    bool is_resized;
};

static AVRational source_sar(const AVStream *st)
{
    const AVRational sar = st->sample_aspect_ratio.num ? st->sample_aspect_ratio
                                                       : st->codecpar->sample_aspect_ratio;
    return sar.num > 0 && sar.den > 0 ? sar : (AVRational){1, 1};
}

static kn_code plan_geometry(struct kn_video_plan *plan, struct geometry *g,
                             const struct kn_convert_output *output,
                             const struct kn_video_facts *facts, struct kn_error *err)
{
    const struct kn_convert_video *video = &output->video;
    const AVStream *st = facts->stream;
    // Anamorphic pixels stay when no size is asked for; a size means square pixels.
    const bool as_input = !video->width_px && !video->height_px;
    AVRational sar = source_sar(st);
    const struct kn_picture_facts source = {
        .width_px = st->codecpar->width,
        .height_px = st->codecpar->height,
        .sar_num = as_input ? 1 : sar.num,
        .sar_den = as_input ? 1 : sar.den,
        .rotation_degrees = kn_rotation_of(st),
    };
    struct kn_picture_plan *picture = &g->picture;
    const kn_code rc = kn_resolve_picture(picture, &source, facts->border.width_px ? &facts->border : NULL,
                                          video, &output->trans, err);
    if (rc != KN_OK)
        return rc;
    const bool is_lying = picture->turn_degrees % 180;
    const int width_px = is_lying ? source.height_px : source.width_px;
    const int height_px = is_lying ? source.width_px : source.height_px;
    if (is_lying)
        FFSWAP(int, sar.num, sar.den);
    if (picture->crop.width_px < width_px || picture->crop.height_px < height_px)
        plan->crop = picture->crop;
    plan->width_px = picture->width_px;
    plan->height_px = picture->height_px;
    plan->sample_aspect = as_input ? sar : (AVRational){1, 1};
    g->is_resized = picture->width_px != picture->crop.width_px ||
                    picture->height_px != picture->crop.height_px;
    return KN_OK;
}

/* ---- rate ---- */
static bool rates_agree(AVRational a, AVRational b)
{
    return a.num && b.num && fabs(av_q2d(a) / av_q2d(b) - 1) < 0.001;
}

static kn_code plan_rate(struct kn_video_plan *plan, const struct kn_convert_output *output,
                         const AVStream *st, struct kn_error *err)
{
    const struct kn_convert_video *video = &output->video;
    const AVRational asked = {video->fps_num, video->fps_den};
    AVRational source = st->avg_frame_rate.num ? st->avg_frame_rate : st->r_frame_rate;
    if (av_q2d(source) > MAX_BELIEVED_FPS)
        source = (AVRational){0, 1};
    const struct kn_picture_facts facts = {.fps_num = source.num, .fps_den = source.den};
    const kn_code rc = kn_resolve_fps(&plan->frame_rate.num, &plan->frame_rate.den, &facts, video, output->trans.fps, err);
    if (rc != KN_OK)
        return rc;
    // A hair above the limit (30.0003) is the limit's own rate, badly measured.
    if (!asked.num && rates_agree(plan->frame_rate, source))
        plan->frame_rate = source;
    plan->is_fps_forced = asked.num || av_cmp_q(plan->frame_rate, source) != 0;
    plan->is_constant_rate = plan->is_fps_forced || rates_agree(st->r_frame_rate, st->avg_frame_rate);
    if (output->container == KN_CONTAINER_MXF)
        plan->is_constant_rate = plan->is_fps_forced = true;
    if (plan->is_constant_rate && !plan->is_fps_forced && st->r_frame_rate.num)
        plan->frame_rate = st->r_frame_rate;
    return KN_OK;
}

/* ---- filters ---- */
static bool is_hdr(const AVCodecParameters *par)
{
    return par->color_trc == AVCOL_TRC_SMPTE2084 || par->color_trc == AVCOL_TRC_ARIB_STD_B67;
}

static enum AVPixelFormat plan_pixel_format(const struct kn_convert_output *output,
                                            const AVCodecParameters *par)
{
    switch (output->video.codec) {
    case KN_VIDEO_GIF: return AV_PIX_FMT_PAL8;
    case KN_VIDEO_WEBP: return AV_PIX_FMT_YUV420P;
    case KN_VIDEO_AVC_INTRA: return AV_PIX_FMT_YUV422P10;
    default: break;
    }
    if (output->video.pix_fmt)
        return av_get_pix_fmt(output->video.pix_fmt);
    // H.265 and AV1 keep ten bits; H.264 players rarely know them.
    const AVPixFmtDescriptor *source = av_pix_fmt_desc_get(par->format);
    if (output->video.codec != KN_VIDEO_H264 && source && source->comp[0].depth > 8)
        return AV_PIX_FMT_YUV420P10;
    return AV_PIX_FMT_YUV420P;
}

static kn_code filters_before_scale(struct kn_buf *b, const struct kn_video_plan *plan,
                                    const struct geometry *g, const struct kn_convert_output *output,
                                    const struct kn_video_facts *facts, struct kn_error *err)
{
    const enum AVFieldOrder order = facts->stream->codecpar->field_order;
    const bool is_interlaced = order != AV_FIELD_PROGRESSIVE && order != AV_FIELD_UNKNOWN;
    switch (output->video.scan) {
    case KN_SCAN_AS_SOURCE: break;
    case KN_SCAN_AUTO:
        if (order != AV_FIELD_PROGRESSIVE)
            kn_buf_puts(b, "bwdif=mode=send_frame:deint=interlaced,");
        break;
    case KN_SCAN_PROGRESSIVE:
    case KN_SCAN_INTERLACED:
        if (is_interlaced != (output->video.scan == KN_SCAN_INTERLACED))
            return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                              "the input is %s, not as ScanMode demands",
                              is_interlaced ? "interlaced" : "progressive");
        break;
    }
    if (plan->is_fps_forced)
        kn_buf_printf(b, "fps=fps=%d/%d,", plan->frame_rate.num, plan->frame_rate.den);
    kn_buf_puts(b, kn_rotation_filter(g->picture.turn_degrees));
    const struct kn_rect *c = &plan->crop;
    if (c->width_px) // joined inputs may be smaller than the first
        kn_buf_printf(b, "crop=min(iw\\,%d):min(ih\\,%d):%d:%d:exact=1,", c->width_px, c->height_px, c->left_px,
                      c->top_px);
    return KN_OK;
}

static kn_code plan_filters(struct kn_video_plan *plan, const struct geometry *g,
                            const struct kn_convert_output *output,
                            const struct kn_video_facts *facts, struct kn_arena *arena,
                            struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf before = {0};
    kn_auto(kn_buf_clear) struct kn_buf after = {0};
    const kn_code rc = filters_before_scale(&before, plan, g, output, facts, err);
    if (rc != KN_OK)
        return rc;
    const struct kn_picture_plan *p = &g->picture;
    // Also when the size is right: it may change in mid-film, and nothing to do costs nothing.
    // Fields apart, but not into heights that are no multiple of 4: FFmpeg 5.1 writes beyond the picture.
    kn_buf_printf(&after, "scale=%d:%d:interl=%d,", p->scaled_width_px, p->scaled_height_px,
                  p->scaled_height_px % 4 == 0 ? -1 : 0);
    kn_buf_printf(&after, "setsar=%d/%d,", plan->sample_aspect.num, plan->sample_aspect.den);
    if (is_hdr(facts->stream->codecpar) && output->video.codec != KN_VIDEO_H265 &&
        output->video.codec != KN_VIDEO_AV1) {
        if (!kn_graph_has("zscale") || !kn_graph_has("tonemap"))
            return kn_fail(err, KN_EUNSUP, "the input is HDR and FFmpeg here has no zscale filter: "
                                           "install a build with libzimg");
        // 100 cd/m2 is the reference white of BT.1886 pictures.
        kn_buf_puts(&after, "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,"
                            "tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,");
        plan->is_tone_mapped = true;
    }
    if (p->width_px != p->scaled_width_px || p->height_px != p->scaled_height_px)
        kn_buf_printf(&after, "pad=%d:%d:%d:%d,", p->width_px, p->height_px, p->left_px, p->top_px);
    plan->before_scale = kn_arena_strdup(arena, kn_buf_text(&before));
    plan->scale_and_after = kn_arena_strdup(arena, kn_buf_text(&after));
    if (!plan->before_scale || !plan->scale_and_after)
        return kn_fail(err, KN_ENOMEM, "no memory for filters");
    return KN_OK;
}

/* ---- encoder ---- */
static int64_t source_bps(const struct kn_video_facts *facts)
{
    if (facts->stream->codecpar->bit_rate > 0)
        return facts->stream->codecpar->bit_rate;
    return facts->input->format->bit_rate;
}

static kn_code plan_bitrate(struct kn_video_plan *plan, const struct kn_convert_output *output,
                            const struct kn_video_facts *facts, struct kn_error *err)
{
    const struct kn_convert_video *video = &output->video;
    const int64_t source = source_bps(facts);
    plan->maxrate_bps = video->maxrate_bps;
    plan->bufsize_bits = video->maxrate_bps ? video->bufsize_bits : 0; // alone it would mean CBR
    plan->n_passes = 1;
    if (video->rate == KN_RATE_CRF || video->rate == KN_RATE_TARGET_SSIM)
        return KN_OK;
    const kn_code rc = kn_resolve_video_bitrate(&plan->bitrate_bps, source, video, output->trans.video_bitrate, err);
    if (rc != KN_OK)
        return rc;
    if (video->rate == KN_RATE_CBR)
        plan->maxrate_bps = plan->bufsize_bits = plan->bitrate_bps;
    if (plan->maxrate_bps && plan->maxrate_bps < plan->bitrate_bps)
        plan->maxrate_bps = plan->bitrate_bps;
    if (video->rate == KN_RATE_TWO_PASS)
        plan->n_passes = 2;
    return KN_OK;
}

static void options_x264(struct kn_buf *o, struct kn_video_plan *plan,
                         const struct kn_convert_output *output)
{
    static const char *const profiles[] = {
        [KN_H264_HIGH] = "high", [KN_H264_MAIN] = "main", [KN_H264_BASELINE] = "baseline"};
    const struct kn_convert_video *video = &output->video;
    kn_buf_printf(o, "preset=%s:forced-idr=1", video->preset);
    // Above 4:2:0 with eight bits the profile follows from the pixels.
    if (video->codec == KN_VIDEO_H264 && plan->pixel_format == AV_PIX_FMT_YUV420P)
        kn_buf_printf(o, ":profile=%s", profiles[video->profile]);
    if (!plan->bitrate_bps)
        kn_buf_printf(o, ":crf=%g", plan->crf);
    if (video->rate == KN_RATE_CBR)
        kn_buf_puts(o, ":nal-hrd=cbr");
}

static void options_x265(struct kn_buf *o, const struct kn_video_plan *plan,
                         const struct kn_convert_output *output, int n_threads)
{
    kn_buf_printf(o, "preset=%s:forced-idr=1", output->video.preset);
    if (!plan->bitrate_bps)
        kn_buf_printf(o, ":crf=%g", plan->crf);
    // Closed GOPs can be gone on from after a crash (checkpoint.h) and are what segments need.
    // Left to itself x265 counts the machine's cores; its output depends on frame-threads.
    kn_buf_printf(o, ":x265-params=log-level=error\\:open-gop=0\\:pools=%d\\:frame-threads=%d", n_threads,
                  n_threads > 3 ? 3 : n_threads);
}

static void options_av1(struct kn_buf *o, const struct kn_video_plan *plan,
                        const struct kn_convert_output *output, int n_threads)
{
    static const struct {
        const char *preset;
        int svt, aom;
    } speeds[] = {{"veryfast", 10, 8}, {"fast", 9, 6}, {"medium", 8, 5}, {"slow", 6, 4}, {"slower", 4, 3}};
    size_t i = 0;
    while (i + 1 < KN_COUNT(speeds) && !kn_equal(speeds[i].preset, output->video.preset))
        i++;
    if (kn_equal(plan->encoder, "libsvtav1"))
        kn_buf_printf(o, "preset=%d:svtav1-params=lp=%d", speeds[i].svt, n_threads);
    else
        kn_buf_printf(o, "cpu-used=%d:row-mt=1", speeds[i].aom);
    if (!plan->bitrate_bps)
        kn_buf_printf(o, ":crf=%d", (int)lround(plan->crf));
}

static kn_code plan_encoder(struct kn_video_plan *plan, const struct kn_convert_output *output,
                            const struct kn_video_facts *facts, struct kn_arena *arena,
                            struct kn_error *err)
{
    const struct kn_convert_video *video = &output->video;
    kn_code rc = kn_video_encoder_name(video->codec, &plan->encoder, err);
    if (rc == KN_OK)
        rc = plan_bitrate(plan, output, facts, err);
    if (rc != KN_OK)
        return rc;
    plan->profile = FF_PROFILE_UNKNOWN;
    plan->crf = facts->crf > 0 ? facts->crf : video->crf;
    plan->gop_frames = video->gop_frames ? video->gop_frames
        : (int)FFMAX(1, llround((double)video->gop_us / KN_SECOND * av_q2d(plan->frame_rate)));
    kn_auto(kn_buf_clear) struct kn_buf o = {0};
    switch (video->codec) {
    case KN_VIDEO_AVC_INTRA: plan->gop_frames = 1; // falls through
    case KN_VIDEO_H264: options_x264(&o, plan, output); break;
    case KN_VIDEO_H265: options_x265(&o, plan, output, facts->n_threads); break;
    case KN_VIDEO_AV1:
        options_av1(&o, plan, output, facts->n_threads);
        plan->n_passes = 1; // FFmpeg 5.1 drives SVT-AV1 in one pass only
        break;
    case KN_VIDEO_GIF:
    case KN_VIDEO_WEBP: plan->n_passes = 1; break;
    }
    if (video->b_frames >= 0)
        kn_buf_printf(&o, ":bf=%d", video->b_frames);
    if (video->n_refs > 0)
        kn_buf_printf(&o, ":refs=%d", video->n_refs);
    plan->options = kn_arena_strdup(arena, kn_buf_text(&o));
    return plan->options ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for settings");
}

/* ---- copy ---- */
static bool profile_fits(const struct kn_convert_video *video, const AVCodecParameters *par)
{
    if (video->codec != KN_VIDEO_H264 || par->profile == FF_PROFILE_UNKNOWN)
        return true;
    const int base = par->profile & ~(FF_PROFILE_H264_CONSTRAINED | FF_PROFILE_H264_INTRA);
    switch (video->profile) {
    case KN_H264_BASELINE: return base == FF_PROFILE_H264_BASELINE;
    case KN_H264_MAIN: return base == FF_PROFILE_H264_BASELINE || base == FF_PROFILE_H264_MAIN;
    case KN_H264_HIGH: break;
    }
    return base <= FF_PROFILE_H264_HIGH;
}

// Whether the source's packets already are what the template asks for.
static bool source_fits(const struct kn_video_plan *plan, const struct geometry *g,
                        const struct kn_convert_output *output, const struct kn_video_facts *facts)
{
    const struct kn_convert_video *video = &output->video;
    const AVCodecParameters *par = facts->stream->codecpar;
    const int64_t bps = source_bps(facts);
    const int64_t cap = plan->bitrate_bps ? plan->bitrate_bps : plan->maxrate_bps;
    return !output->trans.force_transcode && !facts->is_cut && !g->picture.turn_degrees && !g->is_resized &&
           !plan->crop.width_px && !video->has_pad && !plan->is_fps_forced && !plan->is_tone_mapped &&
           video->scan != KN_SCAN_AUTO && par->codec_id == kn_video_codec_id(video->codec) &&
           video->codec != KN_VIDEO_AVC_INTRA && par->format == (int)plan->pixel_format &&
           profile_fits(video, par) && !video->has_crf && video->b_frames < 0 && !video->n_refs && video->rate != KN_RATE_CBR &&
           video->rate != KN_RATE_TARGET_SSIM && (!cap || (bps > 0 && bps <= cap)) &&
           // Where segments can be cut is not known without reading the film.
           !kn_container_format(output->container)->is_segmented &&
           kn_container_takes(output->container, par->codec_id);
}

kn_code kn_video_plan(struct kn_video_plan *plan, const struct kn_convert_output *output,
                      const struct kn_video_facts *facts, struct kn_arena *arena,
                      struct kn_error *err)
{
    *plan = (struct kn_video_plan){0};
    const AVCodecParameters *par = facts->stream->codecpar;
    if (output->video.mode == KN_STREAM_COPY) {
        if (!kn_container_takes(output->container, par->codec_id))
            return kn_fail(err, KN_EUNSUP, "%s video cannot be copied into %s",
                           avcodec_get_name(par->codec_id), kn_container_name(output->container));
        plan->is_copy = true;
        plan->width_px = par->width;
        plan->height_px = par->height;
        plan->frame_rate = facts->stream->avg_frame_rate;
        plan->n_passes = 1;
        return KN_OK;
    }
    if (par->width <= 0 || par->height <= 0)
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "the pictures of '%s' have no size",
                          facts->input->uri);
    struct geometry g = {0};
    kn_code rc = plan_geometry(plan, &g, output, facts, err);
    if (rc != KN_OK)
        return rc;
    rc = plan_rate(plan, output, facts->stream, err);
    if (rc != KN_OK)
        return rc;
    plan->fills_holes = facts->has_holes;
    if (facts->has_holes || facts->is_uneven)
        plan->is_constant_rate = plan->is_fps_forced = true;
    plan->pixel_format = plan_pixel_format(output, par);
    rc = plan_filters(plan, &g, output, facts, arena, err);
    if (rc == KN_OK)
        rc = plan_encoder(plan, output, facts, arena, err);
    if (rc != KN_OK)
        return rc;
    plan->is_copy = source_fits(plan, &g, output, facts);
    plan->n_passes = plan->is_copy ? 1 : plan->n_passes;
    return KN_OK;
}

struct kn_encoder_setup kn_video_plan_setup(const struct kn_video_plan *p, const AVFrame *like,
                                            int n_threads)
{
    return (struct kn_encoder_setup){
        .name = p->encoder,
        .like = like,
        .time_base = p->is_constant_rate ? av_inv_q(p->frame_rate) : (AVRational){1, 90000},
        .frame_rate = p->frame_rate,
        .bitrate_bps = p->bitrate_bps,
        .maxrate_bps = p->maxrate_bps,
        .bufsize_bits = p->bufsize_bits,
        .gop_frames = p->gop_frames,
        .profile = p->profile,
        // x264's own choice for n cores.
        .n_threads = kn_equal(p->encoder, "libx264") && n_threads > 1 ? n_threads * 3 / 2 : n_threads,
    };
}
