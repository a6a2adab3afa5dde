/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/demux.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "engine/media/av_error.h"

// Enough that a decoder with frame threads never waits for the disk; little enough not to matter.
#define QUEUE_PACKETS 48
#define QUEUE_BYTES (4 * 1024 * 1024)
// A reader of a queue is woken for so many packets, or packets of so much time, rather than for each:
// waking it costs more than copying a packet.
#define BATCH_PACKETS 8
#define BATCH_US (100 * 1000)
// How long a full queue may stop the reading while another one is empty.
#define STARVE_US (200 * 1000)
// A jump of a stream's clock larger than this is a discontinuity, as in FFmpeg's own program.
#define JUMP_US (10 * KN_SECOND)

struct entry {
    AVPacket *packet; // NULL: a mark
    int64_t time_us;
};

struct queue {
    bool is_used;
    struct entry *ring; // owned; `capacity` entries, `length` of them from `first` on
    size_t capacity, first, length;
    int64_t bytes;
    int64_t last_us; // time of the last packet or mark that went in; KN_NO_TIME at first
    int64_t read_us; // the reading thread's own: the file's time of the last packet; KN_NO_TIME at first
    pthread_cond_t filled; // somebody waits for packets; goes with the demuxer's lock
};

struct kn_demux {
    struct kn_input *input; // borrowed
    int64_t origin_us, offset_us;
    int64_t seek_us; // KN_NO_TIME: from the start
    pthread_t thread;
    bool has_thread;
    // The reading thread's own:
    int64_t jump_us; // what discontinuities took off so far
    int64_t last_dts_us;
    pthread_mutex_t lock;
    pthread_cond_t room; // the reading thread waits for room
    // --- protected by lock
    const struct queue *full; // what it waits for, or NULL
    struct queue *queues; // owned, one per stream of the input
    int n_queues;
    int64_t total_bytes;
    bool is_stopped, is_ended;
    struct kn_error error; // why the reading ended, when not at the end of the file
};

/* ---- queues (lock held) ---- */
static bool queue_push(struct queue *q, struct entry entry)
{
    if (q->length == q->capacity) {
        const size_t capacity = q->capacity ? 2 * q->capacity : 2 * QUEUE_PACKETS;
        struct entry *ring = calloc(capacity, sizeof(*ring));
        if (!ring)
            return false;
        for (size_t i = 0; i < q->length; i++)
            ring[i] = q->ring[(q->first + i) % q->capacity];
        free(q->ring);
        q->ring = ring;
        q->capacity = capacity;
        q->first = 0;
    }
    q->ring[(q->first + q->length++) % q->capacity] = entry;
    q->bytes += entry.packet ? entry.packet->size : 0;
    q->last_us = entry.time_us;
    return true;
}

static struct entry queue_pop(struct queue *q)
{
    const struct entry entry = q->ring[q->first];
    q->first = (q->first + 1) % q->capacity;
    q->length--;
    q->bytes -= entry.packet ? entry.packet->size : 0;
    return entry;
}

static void queue_clear(struct queue *q)
{
    while (q->length) {
        struct entry entry = queue_pop(q);
        av_packet_free(&entry.packet);
    }
}

static bool queue_is_full(const struct queue *q)
{
    return q->length >= QUEUE_PACKETS || (q->length && q->bytes >= QUEUE_BYTES);
}

static bool demux_has_starving(const struct kn_demux *demux)
{
    for (int i = 0; i < demux->n_queues; i++)
        if (demux->queues[i].is_used && demux->queues[i].length == 0)
            return true;
    return false;
}

// Whether there is enough in a queue to wake who waits for it. A mark is waited for by a muxer.
static bool queue_is_worth_waking(const struct queue *q)
{
    const struct entry *first = &q->ring[q->first], *last = &q->ring[(q->first + q->length - 1) % q->capacity];
    return q->length >= BATCH_PACKETS || !last->packet || last->time_us - first->time_us >= BATCH_US;
}

static void demux_wake_readers(struct kn_demux *demux)
{
    for (int i = 0; i < demux->n_queues; i++)
        pthread_cond_broadcast(&demux->queues[i].filled);
}

// Whether a packet less in `q` is reason to read on: it is half empty, or somebody waits for packets of
// another stream; an empty one may be what the reading thread has to look at.
static bool demux_room_is_worth_waking(const struct kn_demux *demux, const struct queue *q)
{
    if (q != demux->full)
        return demux->full && q->length == 0;
    return (q->length <= QUEUE_PACKETS / 2 && q->bytes <= QUEUE_BYTES / 2) || demux_has_starving(demux);
}

static struct timespec deadline_in(int64_t us)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    const int64_t ns = t.tv_nsec + us * 1000;
    t.tv_sec += (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    return t;
}

// Wait for room. False when the reading shall end.
static bool demux_wait_room(struct kn_demux *demux, const struct queue *q)
{
    if (queue_is_full(q))
        demux_wake_readers(demux); // nothing is added to a started batch while this thread waits
    demux->full = q;
    while (!demux->is_stopped && q->is_used && queue_is_full(q)) {
        if (demux_has_starving(demux) && demux->total_bytes < KN_DEMUX_ELASTIC_BYTES) {
            const struct timespec until = deadline_in(STARVE_US);
            if (pthread_cond_timedwait(&demux->room, &demux->lock, &until) != 0 &&
                demux_has_starving(demux))
                break;
        } else {
            pthread_cond_wait(&demux->room, &demux->lock);
        }
    }
    demux->full = NULL;
    return !demux->is_stopped;
}

// Takes the packet.
static kn_code demux_deliver(struct kn_demux *demux, AVPacket *packet, int64_t time_us)
{
    pthread_mutex_lock(&demux->lock);
    struct queue *q = &demux->queues[packet->stream_index];
    bool ok = demux_wait_room(demux, q);
    if (ok && q->is_used) {
        demux->total_bytes += packet->size;
        ok = queue_push(q, (struct entry){packet, time_us});
        packet = ok ? NULL : packet;
        if (ok && queue_is_worth_waking(q))
            pthread_cond_signal(&q->filled);
    }
    for (int i = 0; ok && i < demux->n_queues; i++) {
        struct queue *other = &demux->queues[i];
        const int64_t passed_us = time_us - KN_DEMUX_SLACK_US;
        if (other->is_used && (other->last_us == KN_NO_TIME ? passed_us >= 0
                                                             : passed_us >= other->last_us + KN_SECOND))
            if ((ok = queue_push(other, (struct entry){NULL, passed_us})))
                pthread_cond_signal(&other->filled);
    }
    const bool is_stopped = demux->is_stopped;
    pthread_mutex_unlock(&demux->lock);
    av_packet_free(&packet);
    return ok ? KN_OK : is_stopped ? KN_ECANCELED : KN_ENOMEM;
}

/* ---- times ---- */
static int64_t shifted(int64_t ts, int64_t shift_us, AVRational base)
{
    return ts == AV_NOPTS_VALUE ? ts : ts + av_rescale_q(shift_us, AV_TIME_BASE_Q, base);
}

// Normalise a packet's times; returns when it is decoded, in microseconds.
static int64_t demux_normalise(struct kn_demux *demux, AVPacket *packet, const AVStream *st)
{
    int64_t ts = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;
    if (ts != AV_NOPTS_VALUE && demux->input->format->iformat->flags & AVFMT_TS_DISCONT &&
        demux->queues[packet->stream_index].is_used &&
        st->codecpar->codec_type != AVMEDIA_TYPE_SUBTITLE) {
        const int64_t now_us = av_rescale_q(ts, st->time_base, AV_TIME_BASE_Q) + demux->jump_us;
        const int64_t step_us = demux->last_dts_us == KN_NO_TIME ? 0 : now_us - demux->last_dts_us;
        if (step_us > JUMP_US || step_us < -JUMP_US)
            demux->jump_us -= step_us;
        demux->last_dts_us = av_rescale_q(ts, st->time_base, AV_TIME_BASE_Q) + demux->jump_us;
    }
    const int64_t shift_us = demux->offset_us - demux->origin_us + demux->jump_us;
    packet->pts = shifted(packet->pts, shift_us, st->time_base);
    packet->dts = shifted(packet->dts, shift_us, st->time_base);
    packet->time_base = st->time_base;
    ts = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;
    if (ts == AV_NOPTS_VALUE) {
        const int64_t last_us = demux->queues[packet->stream_index].last_us;
        return last_us == KN_NO_TIME ? 0 : last_us;
    }
    return av_rescale_q(ts, st->time_base, AV_TIME_BASE_Q);
}

// Where the container says its streams end, KN_NO_TIME when that is a guess.
static int64_t said_end_us(const struct kn_input *input)
{
    const int64_t length_us = kn_input_duration_us(input);
    return length_us == KN_NO_TIME ||
           input->format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE
        ? KN_NO_TIME : kn_input_start_us(input) + length_us;
}

// In a container whose clock cannot be set anew, a time far behind the one before or far beyond the
// end is no time.
static kn_code demux_judge_time(struct kn_demux *demux, const AVPacket *packet, const AVStream *st,
                                struct kn_error *err)
{
    struct queue *q = &demux->queues[packet->stream_index];
    const enum AVMediaType kind = st->codecpar->codec_type;
    const int64_t ts = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;
    if (demux->input->format->iformat->flags & AVFMT_TS_DISCONT || ts == AV_NOPTS_VALUE ||
        (kind != AVMEDIA_TYPE_VIDEO && kind != AVMEDIA_TYPE_AUDIO) ||
        st->disposition & AV_DISPOSITION_ATTACHED_PIC)
        return KN_OK;
    const int64_t now_us = av_rescale_q(ts, st->time_base, AV_TIME_BASE_Q);
    const int64_t end_us = said_end_us(demux->input);
    const int64_t from_us = q->read_us != KN_NO_TIME ? q->read_us : kn_input_start_us(demux->input);
    const bool is_back = now_us < from_us - JUMP_US;
    const bool is_beyond = end_us != KN_NO_TIME && now_us > end_us + JUMP_US && now_us > from_us + JUMP_US;
    q->read_us = now_us;
    return is_back || is_beyond
        ? kn_fail_as(err, KN_EMEDIA, "ResourceContentBad",
                     "the times of '%s' leap from %.1f s to %.1f s: the file is damaged", demux->input->uri,
                     (double)from_us / KN_SECOND, (double)now_us / KN_SECOND)
        : KN_OK;
}

/* ---- seeking ---- */
// When the first key frame from here on is shown; INT64_MAX without one.
static int64_t next_key_us(AVFormatContext *format, const AVStream *video)
{
    int64_t key_us = INT64_MAX;
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    while (packet && key_us == INT64_MAX && av_read_frame(format, packet) >= 0) {
        const int64_t ts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
        if (packet->stream_index == video->index && packet->flags & AV_PKT_FLAG_KEY && ts != AV_NOPTS_VALUE)
            key_us = av_rescale_q(ts, video->time_base, AV_TIME_BASE_Q);
        av_packet_unref(packet);
    }
    return key_us;
}

// Containers without an index (MPEG-TS) are entered anywhere, indexes are in order of decoding: only
// looking tells whether a key frame comes that is shown at `to_us` or before.
static void demux_seek(struct kn_demux *demux, int64_t to_us)
{
    AVFormatContext *format = demux->input->format;
    const AVStream *video = kn_input_stream(demux->input, AVMEDIA_TYPE_VIDEO, 0);
    const int64_t start_us = kn_input_start_us(demux->input);
    for (int64_t back_us = 0; to_us - back_us > start_us; back_us = back_us ? 2 * back_us : KN_SECOND) {
        // Formats that cannot seek are read from the start; the pictures before are dropped later.
        const int64_t at_us = to_us - back_us;
        if (avformat_seek_file(format, -1, INT64_MIN, at_us, at_us, 0) < 0 || !video)
            return;
        const bool is_before = next_key_us(format, video) <= to_us;
        if (is_before && avformat_seek_file(format, -1, INT64_MIN, at_us, at_us, 0) >= 0)
            return;
    }
    const bool has_no_index = (format->iformat->flags & (AVFMT_TS_DISCONT | AVFMT_NO_BYTE_SEEK)) == AVFMT_TS_DISCONT;
    if (!has_no_index || av_seek_frame(format, -1, 0, AVSEEK_FLAG_BYTE) < 0)
        (void)avformat_seek_file(format, -1, INT64_MIN, start_us, start_us, 0);
}

/* ---- the thread ---- */
static kn_code demux_read_all(struct kn_demux *demux, struct kn_error *err)
{
    AVFormatContext *format = demux->input->format;
    if (demux->seek_us != KN_NO_TIME)
        demux_seek(demux, demux->seek_us - demux->offset_us + demux->origin_us);
    for (;;) {
        AVPacket *packet = av_packet_alloc();
        if (!packet)
            return kn_fail(err, KN_ENOMEM, "no memory for a packet");
        const int av = av_read_frame(format, packet);
        if (av < 0) {
            av_packet_free(&packet);
            if (av == AVERROR_EOF && demux->input->io_error.code == KN_OK)
                return KN_OK;
            return kn_input_fail(demux->input, err, av == AVERROR_EOF ? AVERROR(EIO) : av, "read");
        }
        if (packet->stream_index >= demux->n_queues) { // a stream that appeared in mid-file
            av_packet_free(&packet);
            continue;
        }
        const AVStream *st = format->streams[packet->stream_index];
        kn_code rc = demux_judge_time(demux, packet, st, err);
        if (rc != KN_OK) {
            av_packet_free(&packet);
            return rc;
        }
        const int64_t time_us = demux_normalise(demux, packet, st);
        rc = demux_deliver(demux, packet, time_us);
        if (rc != KN_OK)
            return kn_fail(err, rc, rc == KN_ENOMEM ? "no memory for packets" : "stopped");
    }
}

static void *demux_main(void *arg)
{
    struct kn_demux *demux = arg;
    struct kn_error error = {0};
    (void)demux_read_all(demux, &error);
    pthread_mutex_lock(&demux->lock);
    demux->error = error;
    demux->is_ended = true;
    demux_wake_readers(demux);
    pthread_mutex_unlock(&demux->lock);
    return NULL;
}

/* ---- public ---- */
kn_code kn_demux_new(struct kn_demux **out, struct kn_input *input, int64_t origin_us,
                     int64_t offset_us, struct kn_error *err)
{
    struct kn_demux *demux = calloc(1, sizeof(*demux));
    const int n = (int)input->format->nb_streams;
    if (demux)
        demux->queues = calloc((size_t)n, sizeof(*demux->queues));
    if (!demux || !demux->queues) {
        free(demux);
        return kn_fail(err, KN_ENOMEM, "no memory to read '%s'", input->uri);
    }
    demux->input = input;
    demux->origin_us = origin_us;
    demux->offset_us = offset_us;
    demux->seek_us = KN_NO_TIME;
    demux->last_dts_us = KN_NO_TIME;
    demux->n_queues = n;
    pthread_mutex_init(&demux->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&demux->room, &attributes);
    pthread_condattr_destroy(&attributes);
    for (int i = 0; i < n; i++) {
        pthread_cond_init(&demux->queues[i].filled, NULL);
        demux->queues[i].last_us = demux->queues[i].read_us = KN_NO_TIME;
        input->format->streams[i]->discard = AVDISCARD_ALL;
    }
    *out = demux;
    return KN_OK;
}

void kn_demux_seek(struct kn_demux *demux, int64_t from_us)
{
    demux->seek_us = from_us;
}

void kn_demux_use(struct kn_demux *demux, int stream_index)
{
    demux->queues[stream_index].is_used = true;
    demux->input->format->streams[stream_index]->discard = AVDISCARD_DEFAULT;
}

kn_code kn_demux_start(struct kn_demux *demux, struct kn_error *err)
{
    if (demux->has_thread)
        return KN_OK;
    const int e = pthread_create(&demux->thread, NULL, demux_main, demux);
    if (e)
        return kn_fail_errno(err, e, "cannot start the reader of '%s'", demux->input->uri);
    demux->has_thread = true;
    (void)pthread_setname_np(demux->thread, "kn-demux");
    return KN_OK;
}

kn_code kn_demux_next(struct kn_demux *demux, int stream_index, struct kn_demux_item *out,
                      struct kn_error *err)
{
    *out = (struct kn_demux_item){0};
    kn_code rc = KN_OK;
    pthread_mutex_lock(&demux->lock);
    struct queue *q = &demux->queues[stream_index];
    while (q->length == 0 && !demux->is_ended && !demux->is_stopped)
        pthread_cond_wait(&q->filled, &demux->lock);
    if (demux->is_stopped) {
        rc = kn_fail(err, KN_ECANCELED, "stopped");
    } else if (q->length) {
        const struct entry entry = queue_pop(q);
        *out = (struct kn_demux_item){.packet = entry.packet, .time_us = entry.time_us};
        demux->total_bytes -= entry.packet ? entry.packet->size : 0;
        if (demux_room_is_worth_waking(demux, q))
            pthread_cond_signal(&demux->room);
    } else {
        out->is_end = true;
        rc = demux->error.code;
        if (rc != KN_OK && err)
            *err = demux->error;
    }
    pthread_mutex_unlock(&demux->lock);
    return rc;
}

void kn_demux_leave(struct kn_demux *demux, int stream_index)
{
    pthread_mutex_lock(&demux->lock);
    struct queue *q = &demux->queues[stream_index];
    demux->total_bytes -= q->bytes;
    q->is_used = false;
    queue_clear(q);
    bool is_used = false;
    for (int i = 0; i < demux->n_queues; i++)
        is_used |= demux->queues[i].is_used;
    demux->is_stopped |= !is_used;
    pthread_cond_signal(&demux->room);
    pthread_cond_broadcast(&q->filled);
    pthread_mutex_unlock(&demux->lock);
}

void kn_demux_stop(struct kn_demux *demux)
{
    pthread_mutex_lock(&demux->lock);
    demux->is_stopped = true;
    pthread_cond_signal(&demux->room);
    demux_wake_readers(demux);
    pthread_mutex_unlock(&demux->lock);
}

void kn_demux_free(struct kn_demux **demux_ptr)
{
    struct kn_demux *demux = *demux_ptr;
    if (!demux)
        return;
    kn_demux_stop(demux);
    if (demux->has_thread)
        pthread_join(demux->thread, NULL);
    for (int i = 0; i < demux->n_queues; i++) {
        queue_clear(&demux->queues[i]);
        free(demux->queues[i].ring);
        pthread_cond_destroy(&demux->queues[i].filled);
    }
    free(demux->queues);
    pthread_mutex_destroy(&demux->lock);
    pthread_cond_destroy(&demux->room);
    free(demux);
    *demux_ptr = NULL;
}
