/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/check.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/media/av_error.h"
#include "engine/media/file_meta.h"
#include "engine/media/packet_sum.h"
#include "features/convert/check_segments.h"
#include "features/convert/read_back.h"

static kn_code reopen(void *impl, const char *uri, struct kn_source **out, struct kn_error *err)
{
    const struct kn_output_run *o = impl;
    const int fd = dup(o->sink->fd);
    if (fd < 0)
        return kn_fail(err, KN_EIO, "cannot read '%s' again", uri);
    return kn_source_take_fd(out, fd, uri, err);
}

/* ---- copies by their index ---- */
// Tracks that were copied as they stood into a file whose index lists every packet. Their bytes came
// from a file and went into one without a change: reading them all again would cost a copy half of its
// time and tell nothing that size, place and the outermost packets do not.
static bool is_by_index(const struct kn_output_run *o, int track, const AVStream *st)
{
    const AVCodecParameters *source = kn_mux_parameters(o->mux, track);
    const bool has_index =
        o->spec->container == KN_CONTAINER_MP4 || o->spec->container == KN_CONTAINER_MOV;
    // avcC and hvcC begin with 1: packets with lengths, which the muxer does not rewrite. AAC with its
    // configuration outside comes as bare packets, too.
    const bool is_bare = st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO
        ? source->extradata_size > 0 && source->extradata[0] == 1
        : source->codec_id == AV_CODEC_ID_AAC && source->extradata_size > 0;
    return has_index && is_bare && o->copied >> track & 1 && avformat_index_get_entries_count(st) > 0;
}

static void read_index(struct kn_found *found, AVStream *st)
{
    struct kn_ledger *f = &found->read;
    const int n = avformat_index_get_entries_count(st);
    found->is_by_index = true;
    f->n_packets = n;
    for (int i = 0; i < n; i++) {
        const AVIndexEntry *entry = avformat_index_get_entry(st, i);
        f->bytes += entry->size;
        f->goes_back |= i > 0 && entry->timestamp < f->last_dts;
        f->last_dts = entry->timestamp;
    }
    f->first_us = 0;
    f->end_us = av_rescale_q(st->duration, st->time_base, AV_TIME_BASE_Q);
    if (st->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) { // shown in the order of decoding
        f->first_us = av_rescale_q(avformat_index_get_entry(st, 0)->timestamp, st->time_base, AV_TIME_BASE_Q);
        f->end_us += f->first_us;
    }
    st->discard = AVDISCARD_ALL;
}

// The packet at an entry of the index says what was written there, and when it is shown.
static kn_code compare_entry(struct kn_input *input, AVStream *st, int nth, uint32_t want_sum,
                             int64_t *out_shown_us, struct kn_error *err)
{
    const int64_t ts = avformat_index_get_entry(st, nth)->timestamp;
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    if (!packet)
        return kn_fail(err, KN_ENOMEM, "no memory for a packet");
    int av = av_seek_frame(input->format, st->index, ts, AVSEEK_FLAG_BACKWARD | AVSEEK_FLAG_ANY);
    while (av >= 0 && (av = av_read_frame(input->format, packet)) >= 0) {
        const bool is_it = packet->stream_index == st->index && packet->dts >= ts;
        const uint32_t sum = is_it ? kn_packet_sum(st->codecpar, packet).whole : 0;
        *out_shown_us = is_it && packet->pts != AV_NOPTS_VALUE
            ? av_rescale_q(packet->pts, st->time_base, AV_TIME_BASE_Q) : KN_NO_TIME;
        av_packet_unref(packet);
        if (is_it && sum == want_sum)
            return KN_OK;
        if (is_it)
            break;
    }
    return kn_fail(err, KN_EBUG, "'%s' holds other packets than were copied into it", input->uri);
}

static kn_code compare_ends(struct kn_input *input, AVStream *st, const struct kn_ledger *want,
                            struct kn_ledger *read, struct kn_error *err)
{
    for (unsigned i = 0; i < input->format->nb_streams; i++)
        input->format->streams[i]->discard = AVDISCARD_ALL;
    st->discard = AVDISCARD_DEFAULT;
    const kn_code rc = compare_entry(input, st, 0, want->first_sum, &read->first_shown_us, err);
    return rc != KN_OK ? rc
                       : compare_entry(input, st, avformat_index_get_entries_count(st) - 1, want->last_sum,
                                       &read->last_shown_us, err);
}

/* ---- a track against what was written ---- */
static kn_code compare_track(const struct kn_output_run *o, int track, const struct kn_found *f,
                             enum AVMediaType kind, struct kn_error *err)
{
    const char *uri = o->spec->uri;
    struct kn_ledger want;
    kn_mux_ledger(o->mux, track, &want);
    const kn_code rc = kn_found_compare(o, track, f, &want, uri, err);
    if (rc != KN_OK || kind == AVMEDIA_TYPE_SUBTITLE || want.n_packets == 0)
        return rc;
    const int64_t length_us = f->read.end_us - f->read.first_us, want_us = want.end_us - want.first_us;
    if (f->read.n_packets == 0 || length_us < want_us - KN_LENGTH_TOLERANCE_US ||
        length_us > want_us + KN_LENGTH_TOLERANCE_US)
        return kn_fail(err, KN_EBUG, "track %d of '%s' lasts %.3f s, and %.3f s were written", track, uri,
                       (double)length_us / KN_SECOND, (double)want_us / KN_SECOND);
    return KN_OK;
}

/* ---- a sample of the pictures ---- */
// Decode from the key frame at or before `at_us` until a picture comes out.
static kn_code decode_at(struct kn_input *input, AVStream *st, int64_t at_us, struct kn_error *err)
{
    st->discard = AVDISCARD_DEFAULT; // sound that was looked up by its index shut all streams but itself
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
            rc = kn_decoder_feed(decoder, packet, kn_count_frame, &n_frames, err);
        av_packet_unref(packet);
    }
    if (rc == KN_OK && n_frames == 0)
        rc = kn_decoder_feed(decoder, NULL, kn_count_frame, &n_frames, err);
    if (rc == KN_OK && (n_frames == 0 || decoder->n_broken > 0))
        rc = kn_fail(err, KN_EBUG, "the pictures of '%s' at %.3f s cannot be decoded", input->uri,
                     (double)at_us / KN_SECOND);
    return rc;
}

// Whether decode_at() would decode the same picture for both times.
static bool is_one_key_frame(AVStream *st, int64_t a_us, int64_t b_us)
{
    const int a = av_index_search_timestamp(st, av_rescale_q(a_us, AV_TIME_BASE_Q, st->time_base), AVSEEK_FLAG_BACKWARD);
    const int b = av_index_search_timestamp(st, av_rescale_q(b_us, AV_TIME_BASE_Q, st->time_base), AVSEEK_FLAG_BACKWARD);
    return a >= 0 && a == b;
}

// Tracks of the right length may still have slipped against each other: their starts must lie apart as
// they were written. Of tracks looked up by the index the outermost packets' times are known.
static kn_code compare_starts(const struct kn_output_run *o, const struct kn_input *input,
                              const struct kn_found *found, struct kn_error *err)
{
    int64_t shift_us = KN_NO_TIME; // of the first track, from what was written to what is read
    for (int i = 0; i < kn_mux_n_tracks(o->mux); i++) {
        const AVStream *st = kn_mux_is_extra(o->mux, i) ? NULL : kn_stream_of(o, input, 0, i);
        const struct kn_found *f = st ? &found[st->index] : NULL;
        struct kn_ledger want;
        kn_mux_ledger(o->mux, i, &want);
        if (!f || f->read.n_packets == 0 || want.n_packets == 0 ||
            st->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE)
            continue;
        const int64_t own_us = f->is_by_index ? f->read.first_shown_us - want.first_shown_us
                                              : f->read.first_us - want.first_us;
        const int64_t later_us = f->is_by_index ? f->read.last_shown_us - want.last_shown_us : own_us;
        if (shift_us == KN_NO_TIME)
            shift_us = own_us;
        const int64_t slip_us = llabs(later_us - shift_us) > llabs(own_us - shift_us) ? later_us - shift_us
                                                                                      : own_us - shift_us;
        if (llabs(slip_us) > KN_SYNC_TOLERANCE_US)
            return kn_fail(err, KN_EBUG, "track %d of '%s' has slipped by %.3f s", i, o->spec->uri,
                           (double)slip_us / KN_SECOND);
    }
    return KN_OK;
}

static kn_code check_tracks(const struct kn_output_run *o, struct kn_input *input,
                            struct kn_found *found, struct kn_error *err)
{
    const int n = kn_mux_n_tracks(o->mux);
    for (int i = 0; i < n; i++) {
        AVStream *st = kn_mux_is_extra(o->mux, i) ? NULL : kn_stream_of(o, input, 0, i);
        if (st && is_by_index(o, i, st))
            read_index(&found[st->index], st);
        if (!st && !kn_mux_is_extra(o->mux, i))
            return kn_fail(err, KN_EBUG, "'%s' has lost track %d", o->spec->uri, i);
    }
    kn_code rc = kn_read_back(input, found, -1, NULL, err);
    for (int i = 0; rc == KN_OK && i < n; i++) {
        AVStream *st = kn_mux_is_extra(o->mux, i) ? NULL : kn_stream_of(o, input, 0, i);
        if (!st)
            continue;
        rc = compare_track(o, i, &found[st->index], st->codecpar->codec_type, err);
        if (rc == KN_OK && found[st->index].is_by_index) {
            struct kn_ledger want;
            kn_mux_ledger(o->mux, i, &want);
            rc = compare_ends(input, st, &want, &found[st->index].read, err);
        }
    }
    return rc;
}

static kn_code check_file(struct kn_output_run *o, struct kn_error *err)
{
    if (o->spec->container == KN_CONTAINER_WEBP) // FFmpeg 5.1 cannot read the animated WebP it writes
        return KN_OK;
    kn_auto(kn_input_free) struct kn_input *input = NULL;
    const struct kn_input_env env = {.open = reopen, .impl = o, .stop = &o->run->stop};
    kn_code rc = kn_input_open(&input, o->spec->uri, &env, err);
    if (rc != KN_OK)
        return rc;
    const unsigned n = input->format->nb_streams;
    if ((int)n < kn_mux_n_tracks(o->mux))
        return kn_fail(err, KN_EBUG, "'%s' has %u tracks of the %d written", o->spec->uri, n,
                       kn_mux_n_tracks(o->mux));
    o->meta = kn_file_meta(input, o->spec->uri, "transcode_file");
    struct kn_found *found = kn_arena_array(&o->run->arena, n, sizeof(*found));
    if (!o->meta || !found)
        return kn_fail(err, KN_ENOMEM, "no memory for the result");
    rc = check_tracks(o, input, found, err);
    if (rc == KN_OK)
        rc = compare_starts(o, input, found, err);
    AVStream *video = kn_input_stream(input, AVMEDIA_TYPE_VIDEO, 0);
    if (rc == KN_OK && video && o->has_video && !o->video.is_copy &&
        kn_keeps_packets(o->spec->container)) { // the others have no index to look things up in
        const int64_t first_us = found[video->index].read.first_us;
        const int64_t middle_us = (first_us + found[video->index].read.end_us) / 2;
        rc = decode_at(input, video, first_us, err);
        if (rc == KN_OK && !is_one_key_frame(video, first_us, middle_us))
            rc = decode_at(input, video, middle_us, err);
    }
    return rc;
}

/* ---- public ---- */
kn_code kn_output_check(struct kn_output_run *o, struct kn_error *err)
{
    if (!o->mux) // caption files alone
        return KN_OK;
    return kn_check_blame(o->run, o->sink ? check_file(o, err) : kn_segments_check(o, err), err);
}
