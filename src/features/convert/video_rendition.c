/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A video rendition: the thread that filters and encodes the pictures of one output. The encoder is
 * opened with the first filtered frame, which knows what headers may not: the true size, colour and
 * interlacing.
 */
#include <stdio.h>
#include <string.h>

#include <libavutil/pixdesc.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/media/av_error.h"
#include "features/convert/checkpoint.h"
#include "features/convert/formats.h"
#include "features/convert/run.h"

// Two frames keep the rendition busy while the decoder works; more only costs memory.
#define CHANNEL_FRAMES 2
// Packets of an earlier attempt that may wait in the mux for the sound: a few seconds.
#define REPLAY_PACKETS 256

static const AVRational microseconds = {1, 1000000};

/* ---- packets ---- */
static kn_code rendition_write_held(struct kn_video_rendition *r, struct kn_error *err)
{
    if (!r->held->data)
        return KN_OK;
    return kn_mux_write(r->target.output->mux, r->target.track, r->held, err);
}

// Takes the packet; writes the one before.
static kn_code rendition_hold(struct kn_video_rendition *r, AVPacket *packet, struct kn_error *err)
{
    if (!r->held->data)
        r->first_dts = packet->dts;
    r->last_dts = packet->dts;
    const kn_code rc = rendition_write_held(r, err);
    av_packet_unref(r->held);
    av_packet_move_ref(r->held, packet);
    return rc;
}

static kn_code rendition_packet(void *impl, AVPacket *packet, struct kn_error *err)
{
    struct kn_video_rendition *r = impl;
    if (r->pass == 1)
        return KN_OK;
    packet->duration = 1;
    for (unsigned i = 0; !r->plan->is_constant_rate && i < KN_COUNT(r->durations); i++)
        if (r->durations[i][0] == packet->pts)
            packet->duration = r->durations[i][1];
    // An encoder begun anew in mid-film knows of no packets before; where pictures come at a varying
    // rate its first decoding times can fall among them.
    if (r->held->data)
        packet->dts = FFMAX(packet->dts, r->last_dts + 1);
    r->target.output->n_encoded++;
    kn_checkpoint_add(r, packet);
    return rendition_hold(r, packet, err);
}

// MP4 measures a track by decoding times. Where pictures are missing or the rate varies, these end earlier than the
// pictures, by what reordering delays them; the last packet makes up for it: it is decoded when it is shown, and lasts
// until the film ends.
static kn_code rendition_write_last(struct kn_video_rendition *r, struct kn_error *err)
{
    const int64_t end = av_rescale_q(r->end_us, microseconds, r->time_base);
    AVPacket *last = r->held;
    if (last->data && end - (last->dts - r->first_dts) > last->duration) {
        last->dts = FFMAX(last->dts, last->pts);
        last->duration = FFMAX(last->duration, end - last->pts);
    }
    return rendition_write_held(r, err);
}

/* ---- encoder ---- */
__attribute__((format(printf, 3, 4)))
static kn_code x265_param(AVDictionary **options, struct kn_error *err, const char *format, ...)
{
    const AVDictionaryEntry *old = av_dict_get(*options, "x265-params", NULL, 0);
    kn_auto(kn_buf_clear) struct kn_buf params = {0};
    kn_buf_printf(&params, "%s:", old ? old->value : "log-level=error");
    va_list args;
    va_start(args, format);
    kn_buf_vprintf(&params, format, args);
    va_end(args);
    return !kn_buf_ok(&params) || av_dict_set(options, "x265-params", kn_buf_text(&params), 0) < 0
        ? kn_fail(err, KN_ENOMEM, "no memory for settings") : KN_OK;
}

static kn_code rendition_stats(const struct kn_video_rendition *r, AVDictionary **options,
                               struct kn_error *err)
{
    const struct kn_run *run = r->run;
    const char *folder = run->context->keep_folder ? run->context->keep_folder
                                                   : run->context->scratch_folder;
    kn_auto(kn_buf_clear) struct kn_buf path = {0};
    kn_buf_printf(&path, "%s/pass-%d.log", folder, (int)(r->target.output - run->outputs));
    if (kn_equal(r->plan->encoder, "libx265"))
        return x265_param(options, err, "pass=%d:stats=%s", r->pass, kn_buf_text(&path));
    return av_dict_set(options, "stats", kn_buf_text(&path), 0) < 0
        ? kn_fail(err, KN_ENOMEM, "no memory for settings") : KN_OK;
}

// `buffer_bits`: what the rate control's buffer holds; 0: its own idea of a beginning.
static kn_code rendition_open_encoder(struct kn_video_rendition *r, const AVFrame *frame,
                                      double buffer_bits, struct kn_error *err)
{
    const struct kn_video_plan *p = r->plan;
    struct kn_mux *mux = r->target.output->mux;
    AVDictionary *options = NULL;
    if (av_dict_parse_string(&options, p->options, "=", ":", 0) < 0) {
        av_dict_free(&options);
        return kn_fail(err, KN_EBUG, "cannot read the settings '%s'", p->options);
    }
    kn_code rc = r->pass && !kn_equal(p->encoder, "gif") ? rendition_stats(r, &options, err) : KN_OK;
    if (rc == KN_OK && buffer_bits > 0 && kn_equal(p->encoder, "libx265"))
        rc = x265_param(&options, err, "vbv-init=%.4f", buffer_bits / (double)p->bufsize_bits);
    const int64_t length_us = r->target.output->duration_us;
    const int64_t n_pictures = length_us == KN_NO_TIME ? 0 : av_rescale_q(length_us, microseconds,
                                                                         av_inv_q(p->frame_rate));
    struct kn_encoder_setup setup = kn_video_plan_setup(
        p, frame, kn_threads_for(n_pictures, r->run->context->n_threads));
    setup.buffer_bits = (int64_t)buffer_bits;
    setup.options = options;
    setup.global_header = mux && kn_mux_wants_global_header(mux);
    setup.pass = r->pass;
    r->time_base = setup.time_base;
    if (rc == KN_OK)
        rc = kn_encoder_open(&r->encoder, &setup, err);
    av_dict_free(&options);
    r->last_pts = INT64_MIN;
    return rc;
}

static kn_code rendition_describe(struct kn_video_rendition *r, struct kn_error *err)
{
    kn_code rc = KN_OK;
    AVCodecParameters *par = avcodec_parameters_alloc();
    if (!par || avcodec_parameters_from_context(par, r->encoder->codec) < 0)
        rc = kn_fail(err, KN_ENOMEM, "no memory for a track");
    if (rc == KN_OK)
        rc = kn_mux_describe(r->target.output->mux, r->target.track, par, r->encoder->codec->time_base,
                             r->plan->frame_rate, par->sample_aspect_ratio, NULL, err);
    avcodec_parameters_free(&par);
    return rc;
}

// A segment must begin with a key frame; kn_segments reckons from the same ticks.
static bool rendition_cuts_at(struct kn_video_rendition *r, int64_t pts)
{
    return kn_container_format(r->target.output->spec->container)->is_segmented &&
           kn_cutter_is_due(&r->cutter, av_rescale_q(pts, r->time_base, microseconds));
}

static kn_code rendition_begin(struct kn_video_rendition *r, const AVFrame *first, int64_t now_us,
                               struct kn_error *err)
{
    kn_code rc = rendition_open_encoder(r, first, 0, err);
    if (rc != KN_OK)
        return rc;
    // A clip that begins between two pictures: the first one shown begins the output.
    if (r->plan->is_constant_rate && now_us < av_rescale_q(1, r->time_base, microseconds))
        r->phase_us = now_us;
    kn_checkpoint_begin(r, first);
    return r->pass == 1 ? KN_OK : rendition_describe(r, err);
}

// A picture at its tick, with which it leaves the grid's time behind.
static kn_code picture_encode(struct kn_video_rendition *r, AVFrame *frame, struct kn_error *err)
{
    r->last_pts = frame->pts;
    frame->pict_type = rendition_cuts_at(r, frame->pts) ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    if (r->plan->is_constant_rate)
        r->end_us = av_rescale_q(frame->pts + 1, r->time_base, microseconds);
    // What decoders attach (closed captions, HDR data of a picture now SDR) is not the output's.
    for (int i = frame->nb_side_data - 1; i >= 0; i--)
        if (frame->side_data[i]->type != AV_FRAME_DATA_A53_CC)
            av_frame_remove_side_data(frame, frame->side_data[i]->type);
    return kn_encoder_feed(r->encoder, frame, rendition_packet, r, err);
}

// Up to the tick `until` the last picture stands still.
static kn_code rendition_fill(struct kn_video_rendition *r, int64_t until, struct kn_error *err)
{
    kn_code rc = KN_OK;
    int64_t pts = r->last_pts == INT64_MIN ? 0 : r->last_pts + 1;
    for (; rc == KN_OK && r->shown && pts < until && !atomic_load(&r->run->stop); pts++) {
        kn_auto(av_frame_free) AVFrame *again = av_frame_clone(r->shown);
        if (!again)
            return kn_fail(err, KN_ENOMEM, "no memory for a picture");
        again->pts = pts;
        rc = picture_encode(r, again, err);
    }
    return rc;
}

// Before the first picture that one is shown, after each the last one that came.
static kn_code rendition_fill_before(struct kn_video_rendition *r, const AVFrame *frame, struct kn_error *err)
{
    if (!r->shown && !(r->shown = av_frame_clone(frame)))
        return kn_fail(err, KN_ENOMEM, "no memory for a picture");
    const kn_code rc = rendition_fill(r, frame->pts, err);
    av_frame_unref(r->shown);
    if (rc == KN_OK && av_frame_ref(r->shown, frame) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a picture");
    av_frame_remove_side_data(r->shown, AV_FRAME_DATA_A53_CC); // captions are told once
    return rc;
}

static kn_code rendition_encode(void *impl, AVFrame *frame, struct kn_error *err)
{
    struct kn_video_rendition *r = impl;
    int64_t now_us = av_rescale_q(frame->pts, frame->time_base, microseconds);
    if (!r->encoder) {
        const kn_code rc = rendition_begin(r, frame, now_us, err);
        if (rc != KN_OK)
            return rc;
    }
    now_us -= r->phase_us;
    frame->pts = av_rescale_q(now_us, microseconds, r->time_base);
    if (frame->pts <= r->last_pts)
        return KN_OK; // two pictures on one tick of the grid: the first stays
    const kn_code rc = r->plan->fills_holes ? rendition_fill_before(r, frame, err) : KN_OK;
    return rc == KN_OK ? picture_encode(r, frame, err) : rc;
}

/* ---- filters ---- */
static bool looks_same(const AVFrame *a, const AVFrame *b)
{
    return a->width == b->width && a->height == b->height && a->format == b->format &&
           av_cmp_q(a->sample_aspect_ratio, b->sample_aspect_ratio) == 0;
}

static kn_code rendition_open_graph(struct kn_video_rendition *r, const AVFrame *frame,
                                    struct kn_error *err)
{
    const struct kn_video_plan *p = r->plan;
    kn_graph_free(&r->graph);
    av_frame_unref(r->like);
    r->like->width = frame->width;
    r->like->height = frame->height;
    r->like->format = frame->format;
    r->like->sample_aspect_ratio = frame->sample_aspect_ratio;
    kn_auto(kn_buf_clear) struct kn_buf d = {0};
    kn_buf_printf(&d, "[in]%s%s", p->before_scale, p->scale_and_after);
    if (r->marks.chain.len)
        kn_buf_printf(&d, "null[m0]%s", kn_buf_text(&r->marks.chain));
    if (p->pixel_format == AV_PIX_FMT_PAL8)
        // A palette for each picture: one for the whole film would have to hold all of it first.
        kn_buf_puts(&d, "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1,");
    kn_buf_printf(&d, "format=%s[out]", av_get_pix_fmt_name(p->pixel_format));
    return kn_graph_open(&r->graph,
                         &(struct kn_graph_setup){
                             .description = kn_buf_text(&d),
                             .like = r->like,
                             .time_base = microseconds,
                             .frame_rate = p->frame_rate,
                             .stills = (const AVFrame *const *)r->marks.stills,
                             .n_stills = r->marks.n_stills,
                             .n_threads = r->run->context->n_threads,
                         },
                         err);
}

static kn_code rendition_frame(struct kn_video_rendition *r, AVFrame *frame, struct kn_error *err)
{
    int64_t out_us;
    if (!kn_timeline_map(&r->target.output->timeline, frame->pts, &out_us))
        return KN_OK;
    kn_code rc = KN_OK;
    if (r->graph && !looks_same(frame, r->like)) {
        // The source changed its size in mid-film; what is inside the old filters comes out first.
        rc = kn_graph_feed(r->graph, NULL, rendition_encode, r, err);
        kn_graph_free(&r->graph);
    }
    if (rc == KN_OK && !r->graph)
        rc = rendition_open_graph(r, frame, err);
    if (rc != KN_OK)
        return rc;
    const int64_t length_us = frame->pkt_duration > 0 // feeds say it in microseconds
        ? frame->pkt_duration : av_rescale_q(1, av_inv_q(r->plan->frame_rate), microseconds);
    if (!r->plan->is_constant_rate) {
        r->end_us = out_us + length_us;
        unsigned i = r->n_durations++ % KN_COUNT(r->durations);
        r->durations[i][0] = av_rescale_q(out_us, microseconds, (AVRational){1, 90000});
        r->durations[i][1] = av_rescale_q(length_us, microseconds, (AVRational){1, 90000});
    }
    frame->pts = out_us;
    frame->pkt_duration = length_us;
    if (r->target.output->mux)
        kn_mux_lead(r->target.output->mux, out_us);
    return kn_graph_feed(r->graph, frame, rendition_encode, r, err);
}

/* ---- going on after a crash ---- */
// Before any thread runs: the feed wants to know from where pictures are needed.
static kn_code rendition_resume(struct kn_video_rendition *r, struct kn_error *err)
{
    r->resume_us = INT64_MIN;
    kn_checkpoint_open(r);
    kn_auto(av_frame_free) AVFrame *like = av_frame_alloc();
    if (!like)
        return kn_fail(err, KN_ENOMEM, "no memory for a rendition");
    if (!kn_checkpoint_recall(r, like))
        return KN_OK;
    const struct kn_packet_log_seam *seam = kn_packet_log_seam(r->log);
    kn_code rc = rendition_open_encoder(r, like, seam->buffer_bits, err);
    if (rc != KN_OK)
        return rc;
    if (!kn_checkpoint_agrees(r)) { // a changed library: all is encoded again
        kn_encoder_free(&r->encoder);
        r->phase_us = 0;
        return KN_OK;
    }
    r->last_pts = seam->pts - 1;
    const int64_t out_us = av_rescale_q(seam->pts, r->time_base, microseconds) + r->phase_us;
    r->resume_us = kn_timeline_source(&r->target.output->timeline, out_us);
    r->target.output->n_kept = seam->n_packets;
    r->target.output->n_repeated = seam->n_repeated;
    return rendition_describe(r, err);
}

static kn_code rendition_replay(struct kn_video_rendition *r, struct kn_error *err)
{
    struct kn_mux *mux = r->target.output->mux;
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    bool has = packet;
    kn_code rc = has ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a packet");
    while (rc == KN_OK && (rc = kn_packet_log_next(r->log, packet, &has, err)) == KN_OK && has) {
        const int64_t now_us = av_rescale_q(packet->pts, r->time_base, microseconds);
        packet->time_base = r->time_base;
        if (packet->flags & AV_PKT_FLAG_KEY)
            (void)rendition_cuts_at(r, packet->pts); // as it did when this was encoded
        kn_mux_lead(mux, now_us);
        rc = rendition_hold(r, packet, err);
        if (rc == KN_OK && !kn_mux_settle(mux, r->target.track, REPLAY_PACKETS))
            rc = kn_fail(err, KN_ECANCELED, "stopped");
    }
    return rc;
}

/* ---- the thread ---- */
static kn_code rendition_run(struct kn_video_rendition *r, struct kn_error *err)
{
    if (r->resume_us != INT64_MIN) {
        const kn_code rc = rendition_replay(r, err);
        if (rc != KN_OK)
            return rc;
    }
    AVFrame *frame;
    while ((frame = kn_channel_pop(r->channel))) {
        const kn_code rc = rendition_frame(r, frame, err);
        av_frame_free(&frame);
        if (rc != KN_OK)
            return rc;
    }
    if (atomic_load(&r->run->stop))
        return kn_fail(err, KN_ECANCELED, "stopped");
    kn_code rc = r->graph ? kn_graph_feed(r->graph, NULL, rendition_encode, r, err) : KN_OK;
    if (rc == KN_OK && !r->encoder)
        rc = kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "there are no pictures in what is asked for");
    const int64_t length_us = r->target.output->duration_us;
    if (rc == KN_OK && r->plan->fills_holes && length_us != KN_NO_TIME)
        rc = rendition_fill(r, av_rescale_q(length_us, microseconds, r->time_base), err);
    if (rc == KN_OK)
        rc = kn_encoder_feed(r->encoder, NULL, rendition_packet, r, err);
    if (rc == KN_OK && r->pass != 1)
        rc = rendition_write_last(r, err);
    if (rc == KN_OK && r->target.output->mux)
        rc = kn_mux_end(r->target.output->mux, r->target.track, r->end_us, err);
    // x264 writes its statistics when it is closed.
    kn_encoder_free(&r->encoder);
    return rc;
}

static void *rendition_main(void *arg)
{
    struct kn_video_rendition *r = arg;
    struct kn_error err = {0};
    if (rendition_run(r, &err) != KN_OK) {
        kn_output_fail(r->target.output, &err);
        kn_channel_close(r->channel);
        AVFrame *frame;
        while ((frame = kn_channel_pop(r->channel)))
            av_frame_free(&frame);
    }
    kn_run_thread_done(r->run);
    return NULL;
}

kn_code kn_video_rendition_start(struct kn_video_rendition *r, struct kn_error *err)
{
    const struct kn_convert_segment *segment = &r->target.output->spec->segment;
    kn_cutter_init(&r->cutter, segment->duration_us, segment->forced_us, segment->n_forced);
    r->channel = kn_channel_new(CHANNEL_FRAMES);
    r->like = av_frame_alloc();
    r->held = av_packet_alloc();
    if (!r->channel || !r->like || !r->held)
        return kn_fail(err, KN_ENOMEM, "no memory for a rendition");
    kn_code rc = rendition_resume(r, err);
    if (rc == KN_OK)
        rc = kn_run_thread(r->run, &r->thread, rendition_main, r, "kn-video", err);
    r->has_thread = rc == KN_OK;
    return rc;
}

static void drop_frame(void *item)
{
    AVFrame *frame = item;
    av_frame_free(&frame);
}

void kn_video_rendition_clear(struct kn_video_rendition *r)
{
    if (r->has_thread)
        pthread_join(r->thread, NULL);
    r->has_thread = false;
    kn_watermarks_clear(&r->marks);
    kn_graph_free(&r->graph);
    kn_encoder_free(&r->encoder);
    av_frame_free(&r->like);
    av_frame_free(&r->shown);
    av_packet_free(&r->held);
    kn_packet_log_free(&r->log);
    kn_channel_free(&r->channel, drop_frame);
}
