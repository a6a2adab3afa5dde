/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/title.h"

#include <libavutil/pixdesc.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/media/av_error.h"
#include "engine/media/ssim.h"
#include "features/convert/formats.h"
#include "features/convert/narrowband.h"
#include "features/convert/run.h"
#include "features/convert/samples.h"

// Six places of a second or so stand for a film; what is kept to compare with stays in memory.
#define PLACES 6
#define PICTURES 24
#define PICTURE_BYTES (96ll * 1024 * 1024)

struct probe {
    const struct kn_video_plan *plan;
    int n_threads;
    struct kn_graph *graph;     // owned; one per place, like what follows
    struct kn_encoder *encoder; // owned
    AVCodecContext *decoder;    // owned
    AVFrame *decoded;           // owned
    AVFrame *pictures[PICTURES * 4]; // owned; more come out than go in when the rate is raised
    int n_pictures, n_compared; // at this place
    double sum_ssim;
    int64_t n_total, bits;
};

/* ---- one place ---- */
static void place_clear(struct probe *p)
{
    kn_graph_free(&p->graph);
    kn_encoder_free(&p->encoder);
    avcodec_free_context(&p->decoder);
    for (int i = 0; i < p->n_pictures; i++)
        av_frame_free(&p->pictures[i]);
    p->n_pictures = p->n_compared = 0;
}

static kn_code probe_decode(struct probe *p, const AVPacket *packet, struct kn_error *err)
{
    int av = avcodec_send_packet(p->decoder, packet);
    while (av >= 0 && (av = avcodec_receive_frame(p->decoder, p->decoded)) >= 0) {
        const double ssim = p->n_compared < p->n_pictures
            ? kn_ssim_luma(p->pictures[p->n_compared], p->decoded) : -1;
        av_frame_unref(p->decoded);
        if (ssim < 0)
            return kn_fail(err, KN_EBUG, "a sample came out other than it went in");
        av_frame_free(&p->pictures[p->n_compared++]);
        p->sum_ssim += ssim;
        p->n_total++;
    }
    return av == AVERROR(EAGAIN) || av == AVERROR_EOF ? KN_OK : kn_av_fail(err, av, "cannot decode a sample");
}

static kn_code probe_packet(void *impl, AVPacket *packet, struct kn_error *err)
{
    struct probe *p = impl;
    p->bits += 8ll * packet->size;
    return probe_decode(p, packet, err);
}

static kn_code probe_open_codecs(struct probe *p, const AVFrame *like, struct kn_error *err)
{
    AVDictionary *options = NULL;
    struct kn_encoder_setup setup = kn_video_plan_setup(p->plan, like, p->n_threads);
    kn_code rc = av_dict_parse_string(&options, p->plan->options, "=", ":", 0) < 0
        ? kn_fail(err, KN_EBUG, "cannot read the settings '%s'", p->plan->options) : KN_OK;
    setup.options = options;
    setup.global_header = true;
    if (rc == KN_OK)
        rc = kn_encoder_open(&p->encoder, &setup, err);
    av_dict_free(&options);
    if (rc != KN_OK)
        return rc;
    const AVCodec *codec = avcodec_find_decoder(p->encoder->codec->codec_id);
    if (!codec)
        return kn_fail(err, KN_EUNSUP, "FFmpeg here cannot decode what %s encodes", p->plan->encoder);
    kn_auto(avcodec_parameters_free) AVCodecParameters *par = avcodec_parameters_alloc();
    p->decoder = avcodec_alloc_context3(codec);
    if (!par || !p->decoder || avcodec_parameters_from_context(par, p->encoder->codec) < 0 ||
        avcodec_parameters_to_context(p->decoder, par) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a sample");
    p->decoder->thread_count = 1;
    const int av = avcodec_open2(p->decoder, codec, NULL);
    return av < 0 ? kn_av_fail(err, av, "cannot decode a sample") : KN_OK;
}

static kn_code probe_filtered(void *impl, AVFrame *frame, struct kn_error *err)
{
    struct probe *p = impl;
    if (p->n_pictures == (int)KN_COUNT(p->pictures))
        return KN_OK;
    if (!p->encoder) {
        const kn_code rc = probe_open_codecs(p, frame, err);
        if (rc != KN_OK)
            return rc;
    }
    frame->pts = av_rescale_q(p->n_pictures, av_inv_q(p->plan->frame_rate), p->encoder->codec->time_base);
    frame->pict_type = AV_PICTURE_TYPE_NONE;
    if (!(p->pictures[p->n_pictures] = av_frame_clone(frame)))
        return kn_fail(err, KN_ENOMEM, "no memory for a sample");
    p->n_pictures++;
    return kn_encoder_feed(p->encoder, frame, probe_packet, p, err);
}

static kn_code probe_open_graph(struct probe *p, const AVFrame *frame, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf d = {0};
    kn_buf_printf(&d, "[in]%s%sformat=%s[out]", p->plan->before_scale, p->plan->scale_and_after,
                  av_get_pix_fmt_name(p->plan->pixel_format));
    return kn_graph_open(&p->graph,
                         &(struct kn_graph_setup){
                             .description = kn_buf_text(&d),
                             .like = frame,
                             .time_base = AV_TIME_BASE_Q,
                             .frame_rate = p->plan->frame_rate,
                             .n_threads = p->n_threads,
                         },
                         err);
}

static kn_code probe_picture(void *impl, AVFrame *frame, struct kn_error *err)
{
    struct probe *p = impl;
    kn_code rc = KN_OK;
    if (frame) {
        if (!p->graph)
            rc = probe_open_graph(p, frame, err);
        return rc == KN_OK ? kn_graph_feed(p->graph, frame, probe_filtered, p, err) : rc;
    }
    if (p->graph)
        rc = kn_graph_feed(p->graph, NULL, probe_filtered, p, err);
    if (rc == KN_OK && p->encoder)
        rc = kn_encoder_feed(p->encoder, NULL, probe_packet, p, err);
    if (rc == KN_OK && p->encoder)
        rc = probe_decode(p, NULL, err);
    place_clear(p);
    return rc;
}

/* ---- a probe, and the search ---- */
static kn_code title_probe(struct kn_narrowband *search, double crf, const struct kn_output_run *o,
                           int input, const struct kn_video_facts *facts, struct kn_error *err)
{
    struct kn_video_plan plan;
    struct kn_video_facts probed = *facts;
    probed.crf = crf;
    kn_code rc = kn_video_plan(&plan, o->spec, &probed, &o->run->arena, err);
    if (rc != KN_OK)
        return rc;
    const int64_t picture_bytes = 2ll * plan.width_px * plan.height_px; // what 4:2:0 of ten bits comes near
    struct probe p = {.plan = &plan, .n_threads = facts->n_threads, .decoded = av_frame_alloc()};
    if (!p.decoded)
        return kn_fail(err, KN_ENOMEM, "no memory for samples");
    rc = kn_samples_read(o,
                         &(struct kn_samples_setup){
                             .input = input,
                             .n_places = PLACES,
                             .n_pictures = (int)FFMIN(PICTURES, FFMAX(8, PICTURE_BYTES / picture_bytes)),
                         },
                         probe_picture, &p, err);
    place_clear(&p);
    av_frame_free(&p.decoded);
    if (rc == KN_OK && p.n_total == 0)
        rc = kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "there are no pictures to take samples of");
    if (rc == KN_OK)
        kn_narrowband_add(search, crf, p.sum_ssim / (double)p.n_total,
                          (int64_t)((double)p.bits / (double)p.n_total * av_q2d(plan.frame_rate)));
    return rc;
}

kn_code kn_title_crf(double *out_crf, const char **out_note, const struct kn_output_run *o, int input,
                     const struct kn_video_facts *facts, struct kn_error *err)
{
    const struct kn_convert_video *video = &o->spec->video;
    struct kn_narrowband search;
    double crf = 0;
    bool reached = false;
    kn_code rc = KN_OK;
    kn_narrowband_init(&search, video->target_ssim, video->codec == KN_VIDEO_AV1, video->abr_max_bps);
    while (rc == KN_OK && kn_narrowband_next(&search, video->crf, &crf))
        rc = title_probe(&search, crf, o, input, facts, err);
    if (rc != KN_OK)
        return rc;
    *out_crf = kn_narrowband_final(&search, &reached);
    *out_note = kn_arena_printf(&o->run->arena, "narrowband: crf %g, SSIM %s %.4f on samples", *out_crf,
                                reached ? "of at least" : "below the wanted", video->target_ssim);
    return *out_note ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a note");
}
