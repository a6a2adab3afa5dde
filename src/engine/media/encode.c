/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The same job gives the same bytes: AV_CODEC_FLAG_BITEXACT everywhere (no version strings), thread
 * counts said by the caller and never by the machine.
 */
#include "engine/media/encode.h"

#include <math.h>
#include <stdlib.h>

#include <libavutil/channel_layout.h>

#include "base/cleanup.h"
#include "engine/media/av_error.h"

static void encoder_fill_video(AVCodecContext *codec, const struct kn_encoder_setup *setup)
{
    const AVFrame *like = setup->like;
    codec->width = like->width;
    codec->height = like->height;
    codec->pix_fmt = like->format;
    codec->sample_aspect_ratio = like->sample_aspect_ratio;
    codec->color_range = like->color_range;
    codec->color_primaries = like->color_primaries;
    codec->color_trc = like->color_trc;
    codec->colorspace = like->colorspace;
    codec->chroma_sample_location = like->chroma_location;
    codec->framerate = setup->frame_rate;
    codec->rc_max_rate = setup->maxrate_bps;
    codec->rc_buffer_size = (int)FFMIN(setup->bufsize_bits, INT32_MAX);
    codec->rc_initial_buffer_occupancy = (int)FFMIN(setup->buffer_bits, codec->rc_buffer_size);
    if (setup->gop_frames > 0)
        codec->gop_size = setup->gop_frames;
    // A field of 4:2:0 has whole lines of colour only where four lines are one unit of height.
    const bool is_interlaced = like->interlaced_frame && like->height % 4 == 0;
    if (is_interlaced)
        codec->flags |= AV_CODEC_FLAG_INTERLACED_DCT | AV_CODEC_FLAG_INTERLACED_ME;
    codec->field_order = !is_interlaced ? AV_FIELD_PROGRESSIVE
                         : like->top_field_first ? AV_FIELD_TT : AV_FIELD_BB;
    if (setup->pass == 1)
        codec->flags |= AV_CODEC_FLAG_PASS1;
    if (setup->pass == 2)
        codec->flags |= AV_CODEC_FLAG_PASS2;
}

static int encoder_fill_audio(AVCodecContext *codec, const struct kn_encoder_setup *setup)
{
    codec->sample_fmt = setup->like->format;
    codec->sample_rate = setup->like->sample_rate;
    codec->bits_per_raw_sample = setup->bits_per_sample;
    return av_channel_layout_copy(&codec->ch_layout, &setup->like->ch_layout);
}

static kn_code encoder_start(struct kn_encoder *encoder, const AVCodec *codec,
                             const struct kn_encoder_setup *setup, struct kn_error *err)
{
    AVCodecContext *c = encoder->codec;
    int av = 0;
    if (codec->type == AVMEDIA_TYPE_VIDEO)
        encoder_fill_video(c, setup);
    else
        av = encoder_fill_audio(c, setup);
    c->time_base = setup->time_base;
    c->profile = setup->profile;
    c->flags |= AV_CODEC_FLAG_BITEXACT;
    c->strict_std_compliance = FF_COMPLIANCE_NORMAL;
    c->thread_count = setup->n_threads;
    if (setup->bitrate_bps > 0)
        c->bit_rate = setup->bitrate_bps;
    if (setup->global_header)
        c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (setup->has_quality) {
        c->flags |= AV_CODEC_FLAG_QSCALE;
        c->global_quality = (int)lrint(setup->quality * FF_QP2LAMBDA);
    }
    AVDictionary *options = NULL;
    if (av >= 0)
        av = av_dict_copy(&options, setup->options, 0);
    if (av >= 0)
        av = avcodec_open2(c, codec, &options);
    const AVDictionaryEntry *left = av_dict_get(options, "", NULL, AV_DICT_IGNORE_SUFFIX);
    kn_code rc = KN_OK;
    if (av < 0)
        rc = kn_av_fail(err, av == AVERROR(EINVAL) || av == AVERROR_EXTERNAL ? AVERROR(ENOSYS) : av,
                        "the encoder %s refuses these settings", codec->name);
    else if (left)
        rc = kn_fail(err, KN_EBUG, "the encoder %s has no option '%s'", codec->name, left->key);
    av_dict_free(&options);
    return rc;
}

kn_code kn_encoder_open(struct kn_encoder **out, const struct kn_encoder_setup *setup,
                        struct kn_error *err)
{
    const AVCodec *codec = avcodec_find_encoder_by_name(setup->name);
    if (!codec)
        return kn_fail(err, KN_EUNSUP, "FFmpeg here has no encoder %s: install a build that has it",
                       setup->name);
    kn_auto(kn_encoder_free) struct kn_encoder *encoder = calloc(1, sizeof(*encoder));
    if (encoder) {
        encoder->codec = avcodec_alloc_context3(codec);
        encoder->packet = av_packet_alloc();
    }
    if (!encoder || !encoder->codec || !encoder->packet)
        return kn_fail(err, KN_ENOMEM, "no memory for an encoder");
    const kn_code rc = encoder_start(encoder, codec, setup, err);
    if (rc != KN_OK)
        return rc;
    *out = KN_TAKE(encoder);
    return KN_OK;
}

static kn_code encoder_drain(struct kn_encoder *encoder, kn_packet_fn on_packet, void *impl,
                             struct kn_error *err)
{
    AVPacket *packet = encoder->packet;
    for (;;) {
        const int av = avcodec_receive_packet(encoder->codec, packet);
        if (av == AVERROR(EAGAIN) || av == AVERROR_EOF)
            return KN_OK;
        if (av < 0)
            return kn_av_fail(err, av, "cannot encode with %s", encoder->codec->codec->name);
        packet->time_base = encoder->codec->time_base;
        const kn_code rc = on_packet(impl, packet, err);
        av_packet_unref(packet);
        if (rc != KN_OK)
            return rc;
    }
}

kn_code kn_encoder_feed(struct kn_encoder *encoder, const AVFrame *frame, kn_packet_fn on_packet,
                        void *impl, struct kn_error *err)
{
    for (;;) {
        const int av = avcodec_send_frame(encoder->codec, frame);
        if (av < 0 && av != AVERROR(EAGAIN) && av != AVERROR_EOF)
            return kn_av_fail(err, av, "cannot encode with %s", encoder->codec->codec->name);
        const kn_code rc = encoder_drain(encoder, on_packet, impl, err);
        if (rc != KN_OK)
            return rc;
        if (av != AVERROR(EAGAIN))
            return KN_OK;
    }
}

void kn_encoder_free(struct kn_encoder **encoder)
{
    if (!*encoder)
        return;
    avcodec_free_context(&(*encoder)->codec);
    av_packet_free(&(*encoder)->packet);
    free(*encoder);
    *encoder = NULL;
}

enum AVSampleFormat kn_encoder_sample_format(const AVCodec *codec)
{
    return codec->sample_fmts ? codec->sample_fmts[0] : AV_SAMPLE_FMT_S16;
}

int kn_encoder_sample_rate(const AVCodec *codec, int wanted_hz)
{
    if (!codec->supported_samplerates)
        return wanted_hz;
    int best = 0;
    for (const int *rate = codec->supported_samplerates; *rate; rate++)
        if (!best || abs(*rate - wanted_hz) < abs(best - wanted_hz))
            best = *rate;
    return best;
}
