/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/decode.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "engine/media/av_error.h"

// A recording with a few hurt packets is worth converting; one that is a quarter noise is not.
#define BROKEN_AT_LEAST 8
#define BROKEN_SHARE 4
#define PICTURES_PER_THREAD 4

int kn_threads_for(int64_t n_pictures, int n_threads)
{
    const int64_t most = n_pictures / PICTURES_PER_THREAD + 1;
    return n_pictures > 0 && most < n_threads ? (int)most : n_threads;
}

kn_code kn_decoder_open(struct kn_decoder **out, const struct kn_input *input,
                        const AVStream *stream, int n_threads, struct kn_error *err)
{
    const AVCodec *codec = avcodec_find_decoder(stream->codecpar->codec_id);
    if (!codec)
        return kn_fail(err, KN_EUNSUP, "no decoder for %s (stream %d of '%s')",
                       avcodec_get_name(stream->codecpar->codec_id), stream->index, input->uri);
    kn_auto(kn_decoder_free) struct kn_decoder *decoder = calloc(1, sizeof(*decoder));
    if (decoder) {
        decoder->codec = avcodec_alloc_context3(codec);
        decoder->frame = av_frame_alloc();
    }
    if (!decoder || !decoder->codec || !decoder->frame)
        return kn_fail(err, KN_ENOMEM, "no memory for a decoder");
    decoder->uri = input->uri;
    decoder->time_base = stream->time_base;
    decoder->end_us = KN_NO_TIME;
    int av = avcodec_parameters_to_context(decoder->codec, stream->codecpar);
    if (av >= 0) {
        decoder->codec->pkt_timebase = stream->time_base;
        decoder->codec->thread_count = kn_threads_for(stream->nb_frames, n_threads);
        decoder->codec->framerate = stream->avg_frame_rate;
        av = avcodec_open2(decoder->codec, codec, NULL);
    }
    if (av < 0)
        return kn_av_fail(err, av, "cannot decode %s in '%s'", codec->name, input->uri);
    *out = KN_TAKE(decoder);
    return KN_OK;
}

static int64_t frame_length_us(const struct kn_decoder *decoder, const AVFrame *frame)
{
    if (decoder->codec->codec_type == AVMEDIA_TYPE_AUDIO && frame->sample_rate > 0)
        return av_rescale(frame->nb_samples, KN_SECOND, frame->sample_rate);
    if (frame->pkt_duration > 0)
        return av_rescale_q(frame->pkt_duration, decoder->time_base, AV_TIME_BASE_Q);
    return 0;
}

static kn_code decoder_drain(struct kn_decoder *decoder, kn_frame_fn on_frame, void *impl,
                             bool *out_is_end, struct kn_error *err)
{
    AVFrame *frame = decoder->frame;
    for (;;) {
        const int av = avcodec_receive_frame(decoder->codec, frame);
        *out_is_end = av == AVERROR_EOF;
        if (av == AVERROR(EAGAIN) || av == AVERROR_EOF)
            return KN_OK;
        if (av == AVERROR(ENOMEM))
            return kn_av_fail(err, av, "cannot decode '%s'", decoder->uri);
        if (av < 0) {
            decoder->n_broken++;
            continue;
        }
        decoder->n_frames++;
        decoder->n_patched += frame->decode_error_flags || frame->flags & AV_FRAME_FLAG_CORRUPT;
        frame->pts = frame->best_effort_timestamp;
        frame->time_base = decoder->time_base;
        if (frame->pts != AV_NOPTS_VALUE)
            decoder->end_us = av_rescale_q(frame->pts, decoder->time_base, AV_TIME_BASE_Q) +
                              frame_length_us(decoder, frame);
        const kn_code rc = on_frame(impl, frame, err);
        av_frame_unref(frame);
        if (rc != KN_OK)
            return rc;
    }
}

static kn_code decoder_judge(const struct kn_decoder *decoder, struct kn_error *err)
{
    if (decoder->n_packets == 0)
        return KN_OK;
    if (decoder->n_frames == 0)
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "nothing of the %s in '%s' can be decoded",
                          decoder->codec->codec->name, decoder->uri);
    if (decoder->n_broken >= BROKEN_AT_LEAST && decoder->n_broken * BROKEN_SHARE > decoder->n_packets)
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad",
                          "%lld of %lld packets of the %s in '%s' are broken",
                          (long long)decoder->n_broken, (long long)decoder->n_packets,
                          decoder->codec->codec->name, decoder->uri);
    return KN_OK;
}

kn_code kn_decoder_feed(struct kn_decoder *decoder, const AVPacket *packet, kn_frame_fn on_frame,
                        void *impl, struct kn_error *err)
{
    bool is_end = false;
    for (;;) {
        const int av = avcodec_send_packet(decoder->codec, packet);
        if (av == AVERROR(ENOMEM))
            return kn_av_fail(err, av, "cannot decode '%s'", decoder->uri);
        decoder->n_packets += packet && av != AVERROR(EAGAIN);
        if (av < 0 && av != AVERROR(EAGAIN) && av != AVERROR_EOF)
            decoder->n_broken++;
        const kn_code rc = decoder_drain(decoder, on_frame, impl, &is_end, err);
        if (rc != KN_OK)
            return rc;
        if (av != AVERROR(EAGAIN))
            break;
    }
    return packet ? KN_OK : decoder_judge(decoder, err);
}

void kn_decoder_free(struct kn_decoder **decoder)
{
    if (!*decoder)
        return;
    avcodec_free_context(&(*decoder)->codec);
    av_frame_free(&(*decoder)->frame);
    free(*decoder);
    *decoder = NULL;
}
