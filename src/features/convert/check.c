/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/check.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "engine/media/av_error.h"
#include "engine/media/file_meta.h"
#include "engine/media/packet_sum.h"

// Containers keep times in ticks of up to a millisecond, and some leave out encoder delay.
#define LENGTH_TOLERANCE_US (250 * 1000)

static kn_code reopen(void *impl, const char *uri, struct kn_source **out, struct kn_error *err)
{
    const struct kn_output_run *o = impl;
    const int fd = dup(o->sink->fd);
    if (fd < 0)
        return kn_fail(err, KN_EIO, "cannot read '%s' again", uri);
    return kn_source_take_fd(out, fd, uri, err);
}

/* ---- every packet ---- */
struct found {
    int64_t n_packets;
    uint32_t checksum;
    int64_t first_us, end_us;
    int64_t last_dts;
    bool goes_back;
};

static void found_add(struct found *f, const AVStream *st, const AVPacket *packet)
{
    const int64_t pts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    const int64_t first_us = av_rescale_q(pts, st->time_base, AV_TIME_BASE_Q);
    const int64_t end_us = av_rescale_q(pts + packet->duration, st->time_base, AV_TIME_BASE_Q);
    f->goes_back |= f->n_packets > 0 && packet->dts != AV_NOPTS_VALUE && packet->dts < f->last_dts;
    f->last_dts = packet->dts;
    f->first_us = f->n_packets == 0 ? first_us : FFMIN(f->first_us, first_us);
    f->end_us = f->n_packets == 0 ? end_us : FFMAX(f->end_us, end_us);
    f->checksum += kn_packet_sum(st->codecpar, packet);
    f->n_packets++;
}

static kn_code read_all(struct kn_input *input, struct found *found, int n_tracks, struct kn_error *err)
{
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    if (!packet)
        return kn_fail(err, KN_ENOMEM, "no memory for a packet");
    int av;
    while ((av = av_read_frame(input->format, packet)) >= 0) {
        if (packet->stream_index < n_tracks)
            found_add(&found[packet->stream_index], input->format->streams[packet->stream_index], packet);
        av_packet_unref(packet);
    }
    return av == AVERROR_EOF ? KN_OK : kn_input_fail(input, err, av, "read again");
}

// Containers that give back packet for packet what they were given.
static bool keeps_packets(enum kn_container container)
{
    switch (container) {
    case KN_CONTAINER_MP4:
    case KN_CONTAINER_MOV:
    case KN_CONTAINER_M4A:
    case KN_CONTAINER_MKV:
    case KN_CONTAINER_WEBM:
    case KN_CONTAINER_FLV: return true;
    default: return false;
    }
}

static kn_code compare_track(const struct kn_output_run *o, int track, const struct found *f,
                             enum AVMediaType kind, struct kn_error *err)
{
    const bool is_subtitle = kind == AVMEDIA_TYPE_SUBTITLE, is_video = kind == AVMEDIA_TYPE_VIDEO;
    struct kn_mux_ledger want;
    kn_mux_ledger(o->mux, track, &want);
    const char *uri = o->spec->uri;
    if (f->goes_back)
        return kn_fail(err, KN_EBUG, "track %d of '%s' runs backwards", track, uri);
    if (is_subtitle) // MP4 fills the gaps between captions with empty ones
        return KN_OK;
    if (keeps_packets(o->spec->container) &&
        (f->n_packets != want.n_packets || f->checksum != want.checksum))
        return kn_fail(err, KN_EBUG, "track %d of '%s' is not what was written: %lld packets of %lld%s",
                       track, uri, (long long)f->n_packets, (long long)want.n_packets,
                       f->n_packets == want.n_packets ? ", with other bytes" : "");
    if (want.n_packets == 0)
        return KN_OK;
    // Readers may cut sound anew, but a picture stays a packet.
    if (is_video && !o->video.is_copy && o->spec->container != KN_CONTAINER_GIF &&
        f->n_packets != want.n_packets)
        return kn_fail(err, KN_EBUG, "'%s' holds %lld pictures of %lld", uri, (long long)f->n_packets,
                       (long long)want.n_packets);
    const int64_t length_us = f->end_us - f->first_us, want_us = want.end_us - want.first_us;
    if (f->n_packets == 0 || length_us < want_us - LENGTH_TOLERANCE_US ||
        length_us > want_us + LENGTH_TOLERANCE_US)
        return kn_fail(err, KN_EBUG, "track %d of '%s' lasts %.3f s, and %.3f s were written", track, uri,
                       (double)length_us / KN_SECOND, (double)want_us / KN_SECOND);
    return KN_OK;
}

/* ---- a sample of the pictures ---- */
static kn_code count_frame(void *impl, AVFrame *frame, struct kn_error *err)
{
    (void)frame;
    (void)err;
    ++*(int *)impl;
    return KN_OK;
}

// Decode from the key frame at or before `at_us` until a picture comes out.
static kn_code decode_at(struct kn_input *input, const AVStream *st, int64_t at_us, struct kn_error *err)
{
    kn_auto(kn_decoder_free) struct kn_decoder *decoder = NULL;
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    kn_code rc = packet ? kn_decoder_open(&decoder, input, st, 1, err)
                        : kn_fail(err, KN_ENOMEM, "no memory for a packet");
    if (rc != KN_OK)
        return rc;
    const int64_t ts = av_rescale_q(at_us, AV_TIME_BASE_Q, st->time_base);
    if (avformat_seek_file(input->format, st->index, INT64_MIN, ts, ts, 0) < 0)
        return kn_fail(err, KN_EBUG, "'%s' cannot be searched for %.3f s", input->uri,
                       (double)at_us / KN_SECOND);
    int n_frames = 0;
    while (rc == KN_OK && n_frames == 0 && av_read_frame(input->format, packet) >= 0) {
        if (packet->stream_index == st->index)
            rc = kn_decoder_feed(decoder, packet, count_frame, &n_frames, err);
        av_packet_unref(packet);
    }
    if (rc == KN_OK && n_frames == 0)
        rc = kn_decoder_feed(decoder, NULL, count_frame, &n_frames, err);
    if (rc == KN_OK && (n_frames == 0 || decoder->n_broken > 0))
        rc = kn_fail(err, KN_EBUG, "the pictures of '%s' at %.3f s cannot be decoded", input->uri,
                     (double)at_us / KN_SECOND);
    return rc;
}

kn_code kn_output_check(struct kn_output_run *o, struct kn_error *err)
{
    // Segments are handed over one by one, and FFmpeg 5.1 cannot read the animated WebP it writes.
    if (!o->sink || o->spec->container == KN_CONTAINER_WEBP)
        return KN_OK;
    kn_auto(kn_input_free) struct kn_input *input = NULL;
    const struct kn_input_env env = {reopen, o, &o->run->stop};
    kn_code rc = kn_input_open(&input, o->spec->uri, &env, err);
    if (rc != KN_OK)
        return rc;
    const int n = kn_mux_n_tracks(o->mux);
    if ((int)input->format->nb_streams < n)
        return kn_fail(err, KN_EBUG, "'%s' has %u tracks of the %d written", o->spec->uri,
                       input->format->nb_streams, n);
    o->meta = kn_file_meta(input, o->spec->uri, "transcode_file");
    struct found *found = kn_arena_array(&o->run->arena, (size_t)n, sizeof(*found));
    if (!o->meta || !found)
        return kn_fail(err, KN_ENOMEM, "no memory for the result");
    rc = read_all(input, found, n, err);
    for (int i = 0; rc == KN_OK && i < n; i++)
        if (!kn_mux_is_extra(o->mux, i))
            rc = compare_track(o, i, &found[i], input->format->streams[i]->codecpar->codec_type, err);
    const AVStream *video = kn_input_stream(input, AVMEDIA_TYPE_VIDEO, 0);
    if (rc == KN_OK && video && o->has_video && !o->video.is_copy &&
        keeps_packets(o->spec->container)) { // the others have no index to look things up in
        rc = decode_at(input, video, found[video->index].first_us, err);
        if (rc == KN_OK)
            rc = decode_at(input, video, (found[video->index].first_us + found[video->index].end_us) / 2, err);
    }
    return rc;
}
