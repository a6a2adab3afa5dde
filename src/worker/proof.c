/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Proofs by use. Encoders get a grey picture or silence, decoders what an encoder made of it. */
#include "worker/proof.h"

#include <stdint.h>

#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavutil/channel_layout.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/samplefmt.h>

#include "base/cleanup.h"

#define PICTURE_PX 128 // SVT-AV1 takes no less than 64
#define N_FRAMES 4     // enough for B-frames to be put in order
#define MAX_PACKETS 16
#define SAMPLES_PER_FRAME 1024 // where the encoder takes any number

// What an encoder made: its packets, and what a decoder must know beforehand.
struct sample {
    AVPacket *packets[MAX_PACKETS]; // owned
    int n_packets;
    AVCodecParameters *parameters;  // owned
};

static void sample_clear(struct sample *sample)
{
    for (int i = 0; i < sample->n_packets; i++)
        av_packet_free(&sample->packets[i]);
    avcodec_parameters_free(&sample->parameters);
    *sample = (struct sample){0};
}

/* ---- encoding ---- */

static void setup_picture(AVCodecContext *context, const AVCodec *codec)
{
    context->width = context->height = PICTURE_PX;
    context->pix_fmt = codec->pix_fmts ? codec->pix_fmts[0] : AV_PIX_FMT_YUV420P;
    context->time_base = (AVRational){1, 10};
    context->framerate = (AVRational){10, 1};
    context->thread_count = 1;
    // The fastest each has, and quiet; options an encoder does not know are refused without harm.
    (void)av_opt_set(context->priv_data, "x265-params", "log-level=none", 0);
    (void)av_opt_set(context->priv_data, "cpu-used", "8", 0);
}

static void setup_sound(AVCodecContext *context, const AVCodec *codec)
{
    context->sample_fmt = codec->sample_fmts ? codec->sample_fmts[0] : AV_SAMPLE_FMT_S16;
    context->sample_rate = 48000;
    for (const int *rate = codec->supported_samplerates; rate && *rate; rate++) {
        context->sample_rate = *rate;
        if (*rate == 48000)
            break;
    }
    context->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_STEREO;
    context->time_base = (AVRational){1, context->sample_rate};
}

static AVFrame *frame_new(const AVCodecContext *context)
{
    AVFrame *frame = av_frame_alloc();
    if (!frame)
        return NULL;
    bool is_picture = context->codec_type == AVMEDIA_TYPE_VIDEO;
    frame->format = is_picture ? (int)context->pix_fmt : (int)context->sample_fmt;
    frame->width = context->width;
    frame->height = context->height;
    frame->sample_rate = context->sample_rate;
    if (!is_picture) {
        frame->nb_samples = context->frame_size ? context->frame_size : SAMPLES_PER_FRAME;
        (void)av_channel_layout_copy(&frame->ch_layout, &context->ch_layout);
    }
    if (av_frame_get_buffer(frame, 0) < 0) {
        av_frame_free(&frame);
        return NULL;
    }
    if (is_picture) {
        ptrdiff_t strides[4];
        for (int i = 0; i < 4; i++)
            strides[i] = frame->linesize[i];
        (void)av_image_fill_black(frame->data, strides, context->pix_fmt, AVCOL_RANGE_MPEG,
                                  frame->width, frame->height);
    } else {
        (void)av_samples_set_silence(frame->extended_data, 0, frame->nb_samples,
                                     context->ch_layout.nb_channels, context->sample_fmt);
    }
    return frame;
}

// Take what packets there are; false when the encoder failed.
static bool packets_take(struct sample *sample, AVCodecContext *context)
{
    for (;;) {
        kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
        int av = packet ? avcodec_receive_packet(context, packet) : AVERROR(ENOMEM);
        if (av == AVERROR(EAGAIN) || av == AVERROR_EOF)
            return true;
        if (av < 0)
            return false;
        if (sample->n_packets < MAX_PACKETS)
            sample->packets[sample->n_packets++] = KN_TAKE(packet);
    }
}

static bool frames_send(struct sample *sample, AVCodecContext *context)
{
    for (int i = 0; i < N_FRAMES; i++) {
        kn_auto(av_frame_free) AVFrame *frame = frame_new(context);
        if (!frame)
            return false;
        frame->pts = i * (frame->nb_samples ? frame->nb_samples : 1);
        if (avcodec_send_frame(context, frame) < 0 || !packets_take(sample, context))
            return false;
    }
    return avcodec_send_frame(context, NULL) >= 0 && packets_take(sample, context);
}

static bool sample_make(struct sample *sample, const char *encoder)
{
    const AVCodec *codec = avcodec_find_encoder_by_name(encoder);
    kn_auto(avcodec_free_context) AVCodecContext *context =
        codec ? avcodec_alloc_context3(codec) : NULL;
    if (!context)
        return false;
    if (codec->type == AVMEDIA_TYPE_VIDEO)
        setup_picture(context, codec);
    else
        setup_sound(context, codec);
    if (avcodec_open2(context, codec, NULL) < 0 || !frames_send(sample, context))
        return false;
    sample->parameters = avcodec_parameters_alloc();
    return sample->n_packets > 0 && sample->parameters &&
           avcodec_parameters_from_context(sample->parameters, context) >= 0;
}

bool kn_proof_encoder(const char *name)
{
    kn_auto(sample_clear) struct sample sample = {0};
    return sample_make(&sample, name);
}

/* ---- decoding ---- */

static bool frame_comes(AVCodecContext *context)
{
    kn_auto(av_frame_free) AVFrame *frame = av_frame_alloc();
    return frame && avcodec_receive_frame(context, frame) >= 0;
}

bool kn_proof_decoder(const char *name, const char *encoder)
{
    const AVCodec *codec = avcodec_find_decoder_by_name(name);
    kn_auto(avcodec_free_context) AVCodecContext *context =
        codec ? avcodec_alloc_context3(codec) : NULL;
    kn_auto(sample_clear) struct sample sample = {0};
    if (!context)
        return false;
    bool has_sample = sample_make(&sample, encoder);
    if (has_sample && avcodec_parameters_to_context(context, sample.parameters) < 0)
        return false;
    context->thread_count = 1;
    if (avcodec_open2(context, codec, NULL) < 0)
        return false;
    for (int i = 0; i < sample.n_packets; i++) {
        if (avcodec_send_packet(context, sample.packets[i]) < 0)
            return false;
        if (frame_comes(context))
            return true;
    }
    return !has_sample || (avcodec_send_packet(context, NULL) >= 0 && frame_comes(context));
}

/* ---- filtering ---- */

bool kn_proof_filter(const char *description)
{
    kn_auto(avfilter_graph_free) AVFilterGraph *graph = avfilter_graph_alloc();
    AVFilterInOut *inputs = NULL, *outputs = NULL;
    if (!graph)
        return false;
    graph->nb_threads = 1;
    int av = avfilter_graph_parse2(graph, description, &inputs, &outputs);
    avfilter_inout_free(&inputs);
    avfilter_inout_free(&outputs);
    if (av < 0 || avfilter_graph_config(graph, NULL) < 0)
        return false;
    AVFilterContext *end = NULL;
    for (unsigned i = 0; i < graph->nb_filters && !end; i++)
        if (graph->filters[i]->nb_outputs == 0)
            end = graph->filters[i];
    kn_auto(av_frame_free) AVFrame *frame = av_frame_alloc();
    return end && frame && av_buffersink_get_frame(end, frame) >= 0;
}
