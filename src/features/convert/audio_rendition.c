/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An audio rendition: one encode for every output that asks for the same track in the same form. It
 * runs in its feed's thread, for sound is cheap.
 *
 * Samples are laid onto the output's time: a gap in the source (a late start, a lost packet) becomes
 * silence, an overlap is cut, so that the track stays in step however long the film is. Small
 * jitter (time stamps in milliseconds) is let be; what it adds up to is corrected when it matters.
 */
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/media/av_error.h"
#include "features/convert/run.h"

// Half of what EBU R37 lets sound lag behind a picture.
#define JITTER_US (30 * 1000)

static const AVRational microseconds = {1, 1000000};

/* ---- packets ---- */
static kn_code rendition_packet(void *impl, AVPacket *packet, struct kn_error *err)
{
    struct kn_audio_rendition *r = impl;
    for (int i = 0; i < r->n_targets; i++) {
        struct kn_target *t = &r->targets[i];
        if (t->is_done)
            continue;
        AVPacket *copy = av_packet_clone(packet);
        if (!copy)
            return kn_fail(err, KN_ENOMEM, "no memory for a packet");
        struct kn_error why = {0};
        if (kn_mux_write(t->output->mux, t->track, copy, &why) != KN_OK) {
            kn_output_fail(t->output, &why);
            t->is_done = true;
        }
        av_packet_free(&copy);
    }
    return KN_OK;
}

static kn_code rendition_describe(struct kn_audio_rendition *r, struct kn_error *err)
{
    AVCodecParameters *par = avcodec_parameters_alloc();
    if (!par || avcodec_parameters_from_context(par, r->encoder->codec) < 0) {
        avcodec_parameters_free(&par);
        return kn_fail(err, KN_ENOMEM, "no memory for a track");
    }
    for (int i = 0; i < r->n_targets; i++) {
        struct kn_target *t = &r->targets[i];
        struct kn_error why = {0};
        if (kn_mux_describe(t->output->mux, t->track, par, r->encoder->codec->time_base,
                            (AVRational){0, 1}, (AVRational){0, 1}, NULL, &why) != KN_OK)
            kn_output_fail(t->output, &why);
    }
    avcodec_parameters_free(&par);
    return KN_OK;
}

static kn_code rendition_encode(void *impl, AVFrame *frame, struct kn_error *err)
{
    struct kn_audio_rendition *r = impl;
    frame->pts = r->next_out;
    r->next_out += frame->nb_samples;
    if (r->mix)
        return kn_mix_add(r->mix, r->lane, frame->pts, frame, err);
    return kn_encoder_feed(r->encoder, frame, rendition_packet, r, err);
}

/* ---- opening ---- */
static int output_channels(const struct kn_audio_rendition *r, const AVFrame *frame)
{
    return r->plan.channels ? r->plan.channels : frame->ch_layout.nb_channels;
}

static kn_code rendition_open_encoder(struct kn_audio_rendition *r, const AVFrame *frame,
                                      struct kn_error *err)
{
    AVFrame *like = av_frame_alloc();
    if (!like)
        return kn_fail(err, KN_ENOMEM, "no memory for a rendition");
    like->format = r->plan.sample_format;
    like->sample_rate = r->plan.samplerate_hz;
    av_channel_layout_default(&like->ch_layout, output_channels(r, frame));
    kn_code rc = kn_encoder_open(&r->encoder,
                                 &(struct kn_encoder_setup){
                                     .name = r->plan.encoder,
                                     .like = like,
                                     .time_base = {1, r->plan.samplerate_hz},
                                     .bitrate_bps = r->plan.bitrate_bps,
                                     .has_quality = r->plan.has_quality,
                                     .quality = r->plan.quality,
                                     .bits_per_sample = r->plan.bits_per_sample,
                                     .profile = r->plan.profile,
                                     .global_header = r->global_header,
                                     .n_threads = 1,
                                 },
                                 err);
    av_frame_free(&like);
    return rc == KN_OK ? rendition_describe(r, err) : rc;
}

static kn_code rendition_open_graph(struct kn_audio_rendition *r, const AVFrame *frame,
                                    struct kn_error *err)
{
    av_frame_unref(r->like);
    r->like->format = frame->format;
    r->like->sample_rate = frame->sample_rate;
    r->like->nb_samples = 1; // what tells sound from pictures
    if (av_channel_layout_copy(&r->like->ch_layout, &frame->ch_layout) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a rendition");
    if (r->like->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
        av_channel_layout_default(&r->like->ch_layout, frame->ch_layout.nb_channels);
    AVChannelLayout layout = {0};
    char name[64];
    av_channel_layout_default(&layout, output_channels(r, frame));
    (void)av_channel_layout_describe(&layout, name, sizeof(name));
    av_channel_layout_uninit(&layout);
    kn_auto(kn_buf_clear) struct kn_buf d = {0};
    kn_buf_printf(&d, "[in]aformat=channel_layouts=%s,%saresample=%d,aformat=sample_fmts=%s:channel_layouts=%s[out]",
                  name, r->plan.filter, r->plan.samplerate_hz,
                  av_get_sample_fmt_name(r->plan.sample_format), name);
    const bool has_frames = r->encoder && !(r->encoder->codec->codec->capabilities & AV_CODEC_CAP_VARIABLE_FRAME_SIZE);
    return kn_graph_open(&r->graph,
                         &(struct kn_graph_setup){
                             .description = kn_buf_text(&d),
                             .like = r->like,
                             .time_base = {1, frame->sample_rate},
                             .n_threads = 1,
                             .frame_samples = has_frames ? r->encoder->codec->frame_size : 0,
                         },
                         err);
}

/* ---- laying samples onto time ---- */
static kn_code rendition_silence(struct kn_audio_rendition *r, int64_t n, struct kn_error *err)
{
    kn_auto(av_frame_free) AVFrame *silence = av_frame_alloc();
    while (silence && n > 0) {
        silence->format = r->like->format;
        silence->sample_rate = r->like->sample_rate;
        silence->nb_samples = (int)FFMIN(n, r->like->sample_rate);
        if (av_channel_layout_copy(&silence->ch_layout, &r->like->ch_layout) < 0 ||
            av_frame_get_buffer(silence, 0) < 0)
            break;
        (void)av_samples_set_silence(silence->extended_data, 0, silence->nb_samples,
                                     silence->ch_layout.nb_channels, silence->format);
        silence->pts = r->next_in;
        r->next_in += silence->nb_samples;
        n -= silence->nb_samples;
        const kn_code rc = kn_graph_feed(r->graph, silence, rendition_encode, r, err);
        if (rc != KN_OK)
            return rc;
        av_frame_unref(silence);
    }
    return n > 0 ? kn_fail(err, KN_ENOMEM, "no memory for silence") : KN_OK;
}

// Take `n` samples off the front of a frame.
static void frame_skip(AVFrame *frame, int n)
{
    const int bytes = av_get_bytes_per_sample(frame->format);
    const bool is_planar = av_sample_fmt_is_planar(frame->format);
    const int channels = frame->ch_layout.nb_channels;
    const int n_planes = is_planar ? channels : 1;
    for (int i = 0; i < n_planes; i++)
        frame->extended_data[i] += (size_t)n * (size_t)bytes * (is_planar ? 1 : (size_t)channels);
    for (int i = 0; i < n_planes && i < AV_NUM_DATA_POINTERS; i++)
        frame->data[i] = frame->extended_data[i];
    frame->nb_samples -= n;
}

// Cut a frame to what lies in the timeline; *out_at is where its first sample goes, in samples.
static bool frame_place(const struct kn_audio_rendition *r, AVFrame *frame, int64_t *out_at)
{
    const int rate = frame->sample_rate;
    const int64_t from_us = frame->pts;
    const int64_t to_us = from_us + av_rescale(frame->nb_samples, KN_SECOND, rate);
    for (int i = 0; i < r->timeline.n_spans; i++) {
        const struct kn_span *s = &r->timeline.spans[i];
        if (to_us <= s->from_us || from_us >= s->to_us)
            continue;
        const int late = from_us < s->from_us ? (int)av_rescale(s->from_us - from_us, rate, KN_SECOND) : 0;
        const int extra = to_us > s->to_us ? (int)av_rescale(to_us - s->to_us, rate, KN_SECOND) : 0;
        if (late + extra >= frame->nb_samples)
            return false;
        frame->nb_samples -= extra;
        frame_skip(frame, late);
        *out_at = av_rescale(FFMAX(from_us, s->from_us) - s->from_us + s->out_us, rate, KN_SECOND);
        return true;
    }
    return false;
}

kn_code kn_audio_rendition_frame(struct kn_audio_rendition *r, AVFrame *frame, struct kn_error *err)
{
    kn_code rc = KN_OK;
    if (!r->like && !(r->like = av_frame_alloc()))
        return kn_fail(err, KN_ENOMEM, "no memory for a rendition");
    if (!r->encoder && !r->mix)
        rc = rendition_open_encoder(r, frame, err);
    int64_t at = 0;
    if (rc != KN_OK || !frame_place(r, frame, &at))
        return rc;
    if (r->graph && (frame->sample_rate != r->like->sample_rate || frame->format != r->like->format ||
                     frame->ch_layout.nb_channels != r->like->ch_layout.nb_channels)) {
        const int old_rate = r->like->sample_rate; // the source changed in mid-film
        rc = kn_graph_feed(r->graph, NULL, rendition_encode, r, err);
        kn_graph_free(&r->graph);
        r->next_in = av_rescale(r->next_in, frame->sample_rate, old_rate);
    }
    if (rc == KN_OK && !r->graph)
        rc = rendition_open_graph(r, frame, err);
    if (rc != KN_OK)
        return rc;
    const int64_t gap = at - r->next_in;
    const int64_t jitter = r->next_in == 0 ? 0 : av_rescale(JITTER_US, frame->sample_rate, KN_SECOND);
    if (gap > jitter)
        rc = rendition_silence(r, gap, err);
    else if (gap < -jitter && -gap >= frame->nb_samples)
        return KN_OK;
    else if (gap < -jitter)
        frame_skip(frame, (int)-gap);
    if (rc != KN_OK)
        return rc;
    frame->pts = r->next_in;
    r->next_in += frame->nb_samples;
    if (frame->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC &&
        av_channel_layout_copy(&frame->ch_layout, &r->like->ch_layout) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a rendition");
    return kn_graph_feed(r->graph, frame, rendition_encode, r, err);
}

// A lane of a mix: what its filters hold, and no more.
static kn_code lane_end(struct kn_audio_rendition *r, struct kn_error *err)
{
    kn_code rc = r->graph ? kn_graph_feed(r->graph, NULL, rendition_encode, r, err) : KN_OK;
    if (rc == KN_OK)
        rc = kn_mix_end(r->mix, r->lane, err);
    for (int i = 0; rc != KN_OK && i < r->n_targets; i++)
        kn_output_fail(r->targets[i].output, err);
    return rc;
}

kn_code kn_audio_rendition_end(struct kn_audio_rendition *r, struct kn_error *err)
{
    if (r->mix)
        return lane_end(r, err);
    kn_code rc = KN_OK;
    // Nothing more was to be read for a clip that is full; what filters and encoder hold belongs to it.
    for (int i = 0; i < r->n_targets; i++)
        r->targets[i].is_done = kn_output_has_failed(r->targets[i].output);
    if (!r->encoder)
        rc = kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "there is no sound in a track that is asked for");
    if (rc == KN_OK && r->graph)
        rc = kn_graph_feed(r->graph, NULL, rendition_encode, r, err);
    if (rc == KN_OK)
        rc = kn_encoder_feed(r->encoder, NULL, rendition_packet, r, err);
    const int64_t end_us =
        av_rescale_q(r->next_out, (AVRational){1, r->plan.samplerate_hz}, microseconds);
    for (int i = 0; i < r->n_targets; i++) {
        struct kn_target *t = &r->targets[i];
        struct kn_error why = {0};
        if (rc != KN_OK)
            kn_output_fail(t->output, err);
        else if (kn_mux_end(t->output->mux, t->track, end_us, &why) != KN_OK)
            kn_output_fail(t->output, &why);
    }
    return rc;
}

void kn_audio_rendition_clear(struct kn_audio_rendition *r)
{
    kn_graph_free(&r->graph);
    kn_encoder_free(&r->encoder);
    av_frame_free(&r->like);
}
