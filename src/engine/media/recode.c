/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/recode.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/media/av_error.h"

// The longest cue: hours of lyrics in one cue are no captions.
#define MAX_CUE_BYTES (64 * 1024)

bool kn_recode_is_text(enum AVCodecID codec)
{
    const AVCodecDescriptor *d = avcodec_descriptor_get(codec);
    return d && d->type == AVMEDIA_TYPE_SUBTITLE && d->props & AV_CODEC_PROP_TEXT_SUB;
}

static kn_code decoder_open(struct kn_recode *r, const AVStream *from, struct kn_error *err)
{
    const AVCodec *codec = avcodec_find_decoder(from->codecpar->codec_id);
    if (!codec)
        return kn_fail(err, KN_EUNSUP, "no decoder for %s captions here",
                       avcodec_get_name(from->codecpar->codec_id));
    if (!(r->decoder = avcodec_alloc_context3(codec)))
        return kn_fail(err, KN_ENOMEM, "no memory for captions");
    r->decoder->pkt_timebase = from->time_base;
    int av = avcodec_parameters_to_context(r->decoder, from->codecpar);
    if (av >= 0)
        av = avcodec_open2(r->decoder, codec, NULL);
    return av < 0 ? kn_av_fail(err, av, "cannot decode %s captions", codec->name) : KN_OK;
}

static kn_code encoder_open(struct kn_recode *r, enum AVCodecID to, struct kn_error *err)
{
    const AVCodec *codec = avcodec_find_encoder(to);
    if (!codec)
        return kn_fail(err, KN_EUNSUP, "no encoder for %s captions here", avcodec_get_name(to));
    if (!(r->encoder = avcodec_alloc_context3(codec)) ||
        !(r->parameters = avcodec_parameters_alloc()))
        return kn_fail(err, KN_ENOMEM, "no memory for captions");
    // Text encoders read the styles of the ASS header.
    const int n = r->decoder->subtitle_header_size;
    if (n > 0) {
        r->encoder->subtitle_header = av_mallocz((size_t)n + 1);
        if (!r->encoder->subtitle_header)
            return kn_fail(err, KN_ENOMEM, "no memory for captions");
        memcpy(r->encoder->subtitle_header, r->decoder->subtitle_header, (size_t)n);
        r->encoder->subtitle_header_size = n;
    }
    r->encoder->time_base = AV_TIME_BASE_Q;
    int av = avcodec_open2(r->encoder, codec, NULL);
    if (av >= 0)
        av = avcodec_parameters_from_context(r->parameters, r->encoder);
    return av < 0 ? kn_av_fail(err, av, "cannot encode %s captions", codec->name) : KN_OK;
}

kn_code kn_recode_open(struct kn_recode **out, const AVStream *from, enum AVCodecID to,
                       struct kn_error *err)
{
    kn_auto(kn_recode_free) struct kn_recode *r = calloc(1, sizeof(*r));
    if (!r)
        return kn_fail(err, KN_ENOMEM, "no memory for captions");
    kn_code rc = decoder_open(r, from, err);
    if (rc == KN_OK)
        rc = encoder_open(r, to, err);
    if (rc == KN_OK)
        *out = KN_TAKE(r);
    return rc;
}

kn_code kn_recode_cue(struct kn_recode *r, const AVPacket *packet, AVPacket *out,
                      struct kn_error *err)
{
    AVSubtitle cue = {0};
    int is_whole = 0;
    kn_auto(av_packet_free) AVPacket *own = av_packet_clone(packet);
    if (!own)
        return kn_fail(err, KN_ENOMEM, "no memory for a cue");
    const int av = avcodec_decode_subtitle2(r->decoder, &cue, &is_whole, own);
    if (av < 0 || !is_whole || cue.num_rects == 0) {
        if (is_whole)
            avsubtitle_free(&cue);
        return KN_OK;
    }
    kn_auto(av_freep) uint8_t *text = av_malloc(MAX_CUE_BYTES);
    const int n = text ? avcodec_encode_subtitle(r->encoder, text, MAX_CUE_BYTES, &cue)
                       : AVERROR(ENOMEM);
    avsubtitle_free(&cue);
    if (n == AVERROR(ENOMEM))
        return kn_fail(err, KN_ENOMEM, "no memory for a cue");
    if (n <= 0) // longer than any cue may be, or nothing to see
        return KN_OK;
    if (av_new_packet(out, n) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a cue");
    memcpy(out->data, text, (size_t)n);
    out->pts = out->dts = packet->pts;
    out->duration = packet->duration;
    out->time_base = packet->time_base;
    out->flags |= AV_PKT_FLAG_KEY;
    return KN_OK;
}

void kn_recode_free(struct kn_recode **recode)
{
    struct kn_recode *r = *recode;
    if (!r)
        return;
    avcodec_free_context(&r->decoder);
    avcodec_free_context(&r->encoder);
    avcodec_parameters_free(&r->parameters);
    free(r);
    *recode = NULL;
}
