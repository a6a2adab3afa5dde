/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/read_back.h"

#include "base/cleanup.h"
#include "engine/media/av_error.h"
#include "features/convert/formats.h"

/* ---- every packet ---- */
kn_code kn_read_back(struct kn_input *input, struct kn_found *found, int first_of, AVPacket *first,
                     struct kn_error *err)
{
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    if (!packet)
        return kn_fail(err, KN_ENOMEM, "no memory for a packet");
    const int n_streams = (int)input->format->nb_streams; // more may appear while reading
    int av;
    for (int i = 0; i < n_streams; i++)
        if (!found[i].is_by_index)
            found[i].read = KN_LEDGER_EMPTY;
    while ((av = av_read_frame(input->format, packet)) >= 0) {
        const int at = packet->stream_index;
        if (at < n_streams && !found[at].is_by_index) {
            const AVStream *st = input->format->streams[at];
            kn_ledger_add(&found[at].read, st->codecpar, packet, st->time_base);
        }
        if (at == first_of && found[at].read.n_packets == 1)
            av_packet_move_ref(first, packet);
        av_packet_unref(packet);
    }
    return av == AVERROR_EOF ? KN_OK : kn_input_fail(input, err, av, "read again");
}

/* ---- what a container gives back ---- */
bool kn_keeps_packets(enum kn_container container)
{
    switch (container) {
    case KN_CONTAINER_MP4:
    case KN_CONTAINER_MOV:
    case KN_CONTAINER_M4A:
    case KN_CONTAINER_MKV:
    case KN_CONTAINER_WEBM:
    case KN_CONTAINER_FLV:
    case KN_CONTAINER_HLS_FMP4:
    case KN_CONTAINER_MPD:
    case KN_CONTAINER_CMAF: return true;
    default: return false;
    }
}

// MPEG-TS joins and cuts: what is left of a packet are the slices of a picture, and frames of sound where
// those say themselves where they begin.
enum kept { KEPT_NOTHING = 0, KEPT_SLICES, KEPT_FRAMES };

static enum kept kept_in_ts(const AVCodecParameters *par)
{
    switch (par->codec_id) {
    case AV_CODEC_ID_H264:
    case AV_CODEC_ID_HEVC: return KEPT_SLICES;
    case AV_CODEC_ID_MP2:
    case AV_CODEC_ID_MP3:
    case AV_CODEC_ID_AC3: return KEPT_FRAMES;
    case AV_CODEC_ID_AAC: // channel configuration 0: ADTS carries a description of its own in the frames
        return par->extradata_size >= 2 && (par->extradata[1] >> 3 & 15) == 0 ? KEPT_NOTHING : KEPT_FRAMES;
    default: return KEPT_NOTHING;
    }
}

static bool is_ts(enum kn_container container)
{
    return container == KN_CONTAINER_TS || container == KN_CONTAINER_M3U8;
}

kn_code kn_found_compare(const struct kn_output_run *o, int track, const struct kn_found *f,
                         const struct kn_ledger *want, const char *uri, struct kn_error *err)
{
    const AVCodecParameters *par = kn_mux_parameters(o->mux, track);
    const bool is_video = par->codec_type == AVMEDIA_TYPE_VIDEO;
    if (f->read.goes_back)
        return kn_fail(err, KN_EBUG, "track %d of '%s' runs backwards", track, uri);
    if (par->codec_type == AVMEDIA_TYPE_SUBTITLE) // MP4 fills the gaps between captions with empty ones
        return KN_OK;
    const enum kept kept = is_ts(o->spec->container) ? kept_in_ts(par) : KEPT_NOTHING;
    const bool is_whole = kn_keeps_packets(o->spec->container) || kept == KEPT_FRAMES;
    const bool has_other_bytes = f->is_by_index ? f->read.bytes != want->bytes
                                                : f->read.checksum != want->checksum;
    if (is_whole && (f->read.n_packets != want->n_packets || has_other_bytes))
        return kn_fail(err, KN_EBUG, "track %d of '%s' is not what was written: %lld packets of %lld%s",
                       track, uri, (long long)f->read.n_packets, (long long)want->n_packets,
                       f->read.n_packets == want->n_packets ? ", with other bytes" : "");
    // Readers may cut sound anew, but a picture stays a packet.
    if (is_video && !(o->copied >> track & 1) && o->spec->container != KN_CONTAINER_GIF &&
        f->read.n_packets != want->n_packets)
        return kn_fail(err, KN_EBUG, "'%s' holds %lld pictures of %lld", uri,
                       (long long)f->read.n_packets, (long long)want->n_packets);
    if (kept == KEPT_SLICES && f->read.coded_sum != want->coded_sum)
        return kn_fail(err, KN_EBUG, "'%s' holds other pictures than were written", uri);
    return KN_OK;
}

kn_code kn_count_frame(void *impl, AVFrame *frame, struct kn_error *err)
{
    (void)frame;
    (void)err;
    ++*(int *)impl;
    return KN_OK;
}

AVStream *kn_stream_of(const struct kn_output_run *o, const struct kn_input *input, int from, int track)
{
    const enum AVMediaType kind = kn_mux_parameters(o->mux, track)->codec_type;
    int nth = 0;
    for (int i = from; i < track; i++)
        nth += kn_mux_parameters(o->mux, i)->codec_type == kind && !kn_mux_is_extra(o->mux, i);
    return kn_input_stream(input, kind, nth);
}

kn_code kn_check_blame(const struct kn_run *run, kn_code rc, struct kn_error *err)
{
    if (rc != KN_EBUG && rc != KN_EMEDIA)
        return rc;
    const struct kn_error found = *err;
    for (int i = 0; i < run->spec->n_inputs; i++)
        if (run->inputs[i].n_hurt > 0)
            return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad",
                              "'%s' is damaged, and what could be made of it is not whole: %s",
                              run->inputs[i].input->uri, found.message);
    return kn_fail(err, KN_EBUG, "%s", found.message);
}
