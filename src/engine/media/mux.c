/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/mux.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libavutil/intreadwrite.h>
#include <libavutil/opt.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/media/av_error.h"
#include "engine/media/index_room.h"
#include "engine/media/segments.h"
#include "engine/media/sink_io.h"

#define MAX_TRACKS 64 // audio tracks and captions of one file; beyond real films

/* What one libavformat muxer writes: everything, or a track of its own. */
struct part {
    AVFormatContext *format;      // owned
    struct kn_sink_io *io;        // owned; NULL with segments
    struct kn_segments *segments; // owned; NULL without
    int64_t room_bytes;           // reserved for the index in front of the film; 0: none
    const struct track *latest;   // borrowed: whose packet was written last
};

struct track {
    struct part *part;    // borrowed from the mux
    AVStream *stream;     // borrowed from the part's format
    AVRational time_base; // of packets that come in
    AVCodecParameters *source; // owned: what the packets are, as the encoder or input said it
    bool is_described, has_ended;
    AVPacket **ring; // owned: packets waiting to be written
    size_t capacity, first, length;
    int64_t mark_us;
    int64_t last_dts; // in the stream's time base; AV_NOPTS_VALUE at first
    struct kn_ledger ledger;
    struct kn_index_tally tally; // what the index lists of it
};

struct kn_mux {
    struct kn_mux_setup setup; // its dictionaries are owned copies
    bool weaves_itself;        // MXF: cuts sound into a share per picture before it writes either
    AVDictionary *options;     // owned
    AVDictionary *metadata;    // owned
    struct part parts[MAX_TRACKS];
    int n_parts;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    // --- protected by lock
    struct track tracks[MAX_TRACKS];
    int n_tracks;
    bool has_header, is_stopped, is_cut;
    bool is_settling; // someone waits in kn_mux_settle()
    int64_t lead_us; // how far the leader is
    int64_t cut_us;  // with is_cut: where the file ends
};

static kn_code part_fail(const struct part *part, struct kn_error *err, int av, const char *what)
{
    const struct kn_error *io = part->io ? &part->io->error : NULL;
    if (io && io->code != KN_OK) {
        if (err)
            *err = *io;
        return io->code;
    }
    return kn_av_fail(err, av == AVERROR(EINVAL) || av == AVERROR_INVALIDDATA ? AVERROR(ENOSYS) : av,
                      "cannot %s (%s)", what, part->format->oformat->name);
}

/* ---- making ---- */
static kn_code part_open_io(struct kn_mux *mux, struct part *part, struct kn_error *err)
{
    if (!mux->setup.segments) {
        const kn_code rc = kn_sink_io_open(&part->io, mux->setup.sink, true, err);
        if (rc == KN_OK) {
            part->format->pb = part->io->io;
            kn_sink_io_lend(part->io, part->format);
        }
        return rc;
    }
    struct kn_segments_setup setup = *mux->setup.segments;
    kn_auto(kn_buf_clear) struct kn_buf base = {0};
    if (mux->setup.splits_tracks) {
        kn_buf_printf(&base, "%s-t%d", setup.base_uri, (int)(part - mux->parts));
        setup.base_uri = kn_buf_text(&base);
    }
    const kn_code rc = kn_segments_new(&part->segments, &setup, err);
    if (rc == KN_OK)
        part->format->pb = kn_segments_io(part->segments);
    if (rc == KN_OK && !setup.is_fmp4) {
        part->format->output_ts_offset = KN_SEGMENTS_TS_OFFSET_US;
        part->format->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
    }
    return rc;
}

static kn_code part_copy_chapters(const struct kn_mux *mux, struct part *part, struct kn_error *err)
{
    const struct kn_mux_setup *setup = &mux->setup;
    const AVFormatContext *from = setup->chapters_from;
    for (unsigned i = 0; from && i < from->nb_chapters; i++) {
        const AVChapter *c = from->chapters[i];
        const int64_t start_us =
            av_rescale_q(c->start, c->time_base, AV_TIME_BASE_Q) + setup->chapters_shift_us;
        int64_t end_us =
            av_rescale_q(c->end, c->time_base, AV_TIME_BASE_Q) + setup->chapters_shift_us;
        if (end_us <= 0 || (setup->chapters_end_us != KN_NO_TIME && start_us >= setup->chapters_end_us))
            continue;
        if (setup->chapters_end_us != KN_NO_TIME)
            end_us = FFMIN(end_us, setup->chapters_end_us);
        AVChapter *copy = av_mallocz(sizeof(*copy));
        if (!copy || av_dynarray_add_nofree(&part->format->chapters,
                                            (int *)&part->format->nb_chapters, copy) < 0) {
            av_free(copy);
            return kn_fail(err, KN_ENOMEM, "no memory for chapters");
        }
        copy->id = c->id;
        copy->time_base = AV_TIME_BASE_Q;
        copy->start = FFMAX(0, start_us);
        copy->end = end_us;
        (void)av_dict_copy(&copy->metadata, c->metadata, 0);
    }
    return KN_OK;
}

static kn_code part_new(struct kn_mux *mux, struct part **out, struct kn_error *err)
{
    struct part *part = &mux->parts[mux->n_parts++];
    const int av = avformat_alloc_output_context2(&part->format, NULL, mux->setup.format, NULL);
    if (av < 0)
        return kn_av_fail(err, av, "FFmpeg here cannot write %s", mux->setup.format);
    part->format->flags |= AVFMT_FLAG_BITEXACT;
    kn_code rc = part_open_io(mux, part, err);
    if (rc == KN_OK && av_dict_copy(&part->format->metadata, mux->metadata, 0) < 0)
        rc = kn_fail(err, KN_ENOMEM, "no memory for a muxer");
    if (rc == KN_OK)
        rc = part_copy_chapters(mux, part, err);
    *out = part;
    return rc;
}

kn_code kn_mux_new(struct kn_mux **out, const struct kn_mux_setup *setup, struct kn_error *err)
{
    kn_auto(kn_mux_free) struct kn_mux *mux = calloc(1, sizeof(*mux));
    if (!mux)
        return kn_fail(err, KN_ENOMEM, "no memory for a muxer");
    pthread_mutex_init(&mux->lock, NULL);
    pthread_cond_init(&mux->moved, NULL);
    mux->setup = *setup;
    mux->weaves_itself = strcmp(setup->format, "mxf") == 0;
    if (av_dict_copy(&mux->options, setup->options, 0) < 0 ||
        av_dict_copy(&mux->metadata, setup->metadata, 0) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a muxer");
    struct part *part = NULL;
    if (!setup->splits_tracks) {
        const kn_code rc = part_new(mux, &part, err);
        if (rc != KN_OK)
            return rc;
    }
    *out = KN_TAKE(mux);
    return KN_OK;
}

void kn_mux_free(struct kn_mux **mux_ptr)
{
    struct kn_mux *mux = *mux_ptr;
    if (!mux)
        return;
    for (int i = 0; i < mux->n_tracks; i++) {
        struct track *t = &mux->tracks[i];
        for (size_t k = 0; k < t->length; k++)
            av_packet_free(&t->ring[(t->first + k) % t->capacity]);
        free(t->ring);
        avcodec_parameters_free(&t->source);
    }
    for (int i = 0; i < mux->n_parts; i++) {
        avformat_free_context(mux->parts[i].format);
        kn_sink_io_free(&mux->parts[i].io);
        kn_segments_free(&mux->parts[i].segments);
    }
    av_dict_free(&mux->options);
    av_dict_free(&mux->metadata);
    pthread_mutex_destroy(&mux->lock);
    pthread_cond_destroy(&mux->moved);
    free(mux);
    *mux_ptr = NULL;
}

bool kn_mux_wants_global_header(const struct kn_mux *mux)
{
    const AVOutputFormat *format = av_guess_format(mux->setup.format, NULL, NULL);
    return format && format->flags & AVFMT_GLOBALHEADER;
}

kn_code kn_mux_add(struct kn_mux *mux, const char *language, int disposition, int *out_track,
                   struct kn_error *err)
{
    if (mux->n_tracks == MAX_TRACKS)
        return kn_fail(err, KN_ELIMIT, "more than %d tracks in one file", MAX_TRACKS);
    struct part *part = &mux->parts[0];
    const kn_code rc = mux->setup.splits_tracks ? part_new(mux, &part, err) : KN_OK;
    if (rc != KN_OK)
        return rc;
    AVStream *stream = avformat_new_stream(part->format, NULL);
    if (!stream || (language && av_dict_set(&stream->metadata, "language", language, 0) < 0))
        return kn_fail(err, KN_ENOMEM, "no memory for a track");
    stream->disposition = disposition;
    mux->tracks[mux->n_tracks] = (struct track){
        .part = part,
        .stream = stream,
        .mark_us = INT64_MIN,
        .last_dts = AV_NOPTS_VALUE,
        .ledger = KN_LEDGER_EMPTY,
    };
    *out_track = mux->n_tracks++;
    return KN_OK;
}

/* ---- the packets that wait (lock held) ---- */
static bool track_push(struct track *t, AVPacket *packet)
{
    if (t->length == t->capacity) {
        const size_t capacity = t->capacity ? 2 * t->capacity : 64;
        AVPacket **ring = calloc(capacity, sizeof(*ring));
        if (!ring)
            return false;
        for (size_t i = 0; i < t->length; i++)
            ring[i] = t->ring[(t->first + i) % t->capacity];
        free(t->ring);
        t->ring = ring;
        t->capacity = capacity;
        t->first = 0;
    }
    t->ring[(t->first + t->length++) % t->capacity] = packet;
    return true;
}

static AVPacket *track_head(const struct track *t)
{
    return t->length ? t->ring[t->first] : NULL;
}

static AVPacket *track_pop(struct track *t)
{
    AVPacket *packet = t->ring[t->first];
    t->first = (t->first + 1) % t->capacity;
    t->length--;
    return packet;
}

static int64_t packet_us(const AVPacket *packet, AVRational base)
{
    return av_rescale_q(packet->dts, base, AV_TIME_BASE_Q);
}

// The track whose head is to be written next, or NULL while one that could come before is unknown.
static struct track *mux_pick(struct kn_mux *mux)
{
    struct track *best = NULL;
    for (int i = 0; i < mux->n_tracks; i++) {
        struct track *t = &mux->tracks[i];
        if (t->length && (!best || av_compare_ts(track_head(t)->dts, t->time_base,
                                                 track_head(best)->dts, best->time_base) < 0))
            best = t;
    }
    if (!best)
        return NULL;
    const int64_t now_us = packet_us(track_head(best), best->time_base);
    for (int i = 0; i < mux->n_tracks; i++) {
        const struct track *t = &mux->tracks[i];
        if (!t->length && !t->has_ended && t->mark_us < now_us)
            return NULL;
    }
    return best;
}

// Where parameter sets travel inside packets (MPEG-TS) the first one is kept, so that
// kn_mux_parameters() tells the profile.
static void track_learn(struct track *t, const AVPacket *packet)
{
    const int n = FFMIN(packet->size, 1024); // SPS and PPS are tens of bytes
    if (t->source->codec_id != AV_CODEC_ID_H264 || t->source->extradata_size > 0)
        return;
    t->source->extradata = av_mallocz((size_t)n + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!t->source->extradata)
        return; // only a manifest will say less
    memcpy(t->source->extradata, packet->data, (size_t)n);
    t->source->extradata_size = n;
}

static kn_code mux_put(struct kn_mux *mux, struct track *t, AVPacket *packet, struct kn_error *err)
{
    const int64_t pts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (mux->is_cut && t != &mux->tracks[0] &&
        av_rescale_q(pts, t->time_base, AV_TIME_BASE_Q) >= mux->cut_us)
        return KN_OK;
    if (t->ledger.n_packets == 0)
        track_learn(t, packet);
    struct kn_ledger one = KN_LEDGER_EMPTY;
    kn_ledger_add(&one, t->source, packet, t->time_base);
    kn_ledger_join(&t->ledger, &one);
    struct part *part = t->part;
    if (part->segments) {
        const kn_code rc = kn_segments_before(part->segments, part->format, t->stream->index, packet,
                                              t->time_base, &one, err);
        if (rc != KN_OK)
            return rc;
    }
    packet->stream_index = t->stream->index;
    av_packet_rescale_ts(packet, t->time_base, t->stream->time_base);
    // Two times may fall onto one tick of a coarser time base; muxers want them to rise.
    if (t->last_dts != AV_NOPTS_VALUE && packet->dts <= t->last_dts) {
        packet->dts = t->last_dts + 1;
        packet->pts = packet->pts == AV_NOPTS_VALUE ? packet->pts : FFMAX(packet->pts, packet->dts);
    }
    t->last_dts = packet->dts;
    kn_index_tally_add(&t->tally, packet, part->latest == t);
    part->latest = t;
    const int av = mux->weaves_itself ? av_interleaved_write_frame(part->format, packet)
                                      : av_write_frame(part->format, packet);
    return av < 0 ? part_fail(part, err, av, "write a packet") : KN_OK;
}

static kn_code mux_flush(struct kn_mux *mux, struct kn_error *err)
{
    struct track *t;
    while (mux->has_header && (t = mux_pick(mux))) {
        AVPacket *packet = track_pop(t);
        const kn_code rc = mux_put(mux, t, packet, err);
        av_packet_free(&packet);
        if (mux->is_settling)
            pthread_cond_broadcast(&mux->moved);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

// MP4 says in ticks of the whole film where a track begins and ends. In ticks coarser than a sample
// (FFmpeg's are milliseconds) the end comes too early, and readers leave out a short last packet.
static void part_refine_ticks(const struct part *part)
{
    int64_t rate = 0;
    for (unsigned i = 0; i < part->format->nb_streams; i++)
        rate = FFMAX(rate, part->format->streams[i]->codecpar->sample_rate);
    if (rate > 0 && av_opt_find(part->format->priv_data, "movie_timescale", NULL, 0, 0))
        (void)av_opt_set_int(part->format->priv_data, "movie_timescale", rate, 0);
}

/* ---- the index of an MP4 in front ---- */
// The packet of a cover waits from the beginning; it goes into the index.
static int64_t cover_bytes(const struct track *t)
{
    return t->stream->disposition & AV_DISPOSITION_ATTACHED_PIC && t->length ? track_head(t)->size : 0;
}

static void part_reserve(const struct kn_mux *mux, struct part *part, AVDictionary **options)
{
    const AVDictionaryEntry *flags = av_dict_get(*options, "movflags", NULL, 0);
    if (!flags || !strstr(flags->value, "faststart"))
        return;
    struct kn_index_track tracks[MAX_TRACKS];
    for (int i = 0; i < mux->n_tracks; i++) {
        const struct track *t = &mux->tracks[i];
        tracks[i] = (struct kn_index_track){t->stream, t->time_base, cover_bytes(t)};
    }
    const int64_t room = kn_index_foresee(part->format, tracks, mux->n_tracks, mux->setup.expected_us);
    if (room > 0 && av_dict_set(options, "movflags", "-faststart", AV_DICT_APPEND) >= 0 &&
        av_dict_set_int(options, "moov_size", room, 0) >= 0)
        part->room_bytes = room;
}

// Whether the index fits into its room, a box to fill the rest included.
static bool part_has_room(const struct kn_mux *mux, const struct part *part)
{
    const bool is_large = avio_tell(part->format->pb) > UINT32_MAX;
    int64_t bytes = kn_index_film_bytes(part->format) + 8;
    for (int i = 0; i < mux->n_tracks; i++) {
        const struct track *t = &mux->tracks[i];
        bytes += kn_mux_is_extra(mux, i) ? t->ledger.bytes : 0;
        bytes += kn_index_track_bytes(&t->tally, t->stream, is_large);
    }
    return bytes <= part->room_bytes;
}

// The room becomes an empty box, and the film is moved to make room in front of it.
static kn_code part_give_up_room(const struct part *part, struct kn_error *err)
{
    AVIOContext *io = part->format->pb;
    uint8_t head[4]; // of ftyp, behind which the room lies
    const int64_t end = avio_tell(io);
    avio_flush(io);
    if (pread(part->io->sink->fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
        return kn_fail(err, KN_EIO, "cannot read '%s' again", part->io->sink->uri);
    avio_seek(io, AV_RB32(head), SEEK_SET);
    avio_wb32(io, (unsigned)part->room_bytes);
    avio_wl32(io, MKTAG('f', 'r', 'e', 'e'));
    avio_seek(io, end, SEEK_SET);
    if (av_opt_set_int(part->format->priv_data, "moov_size", 0, 0) < 0 ||
        av_opt_set(part->format->priv_data, "movflags", "+faststart", 0) < 0)
        return kn_fail(err, KN_EBUG, "the muxer cannot move its index");
    return KN_OK;
}

/* ---- the header ---- */
static kn_code part_header(struct kn_mux *mux, struct part *part, struct kn_error *err)
{
    part_refine_ticks(part);
    AVDictionary *options = NULL;
    (void)av_dict_copy(&options, mux->options, 0);
    part_reserve(mux, part, &options);
    const int av = avformat_write_header(part->format, &options);
    const AVDictionaryEntry *left = av_dict_get(options, "", NULL, AV_DICT_IGNORE_SUFFIX);
    kn_code rc = KN_OK;
    if (av < 0)
        rc = part_fail(part, err, av, "write the header");
    else if (left)
        rc = kn_fail(err, KN_EBUG, "the muxer has no option '%s'", left->key);
    av_dict_free(&options);
    if (rc == KN_OK && part->segments)
        rc = kn_segments_header_done(part->segments, part->format, err);
    return rc;
}

static kn_code mux_header(struct kn_mux *mux, struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (int i = 0; rc == KN_OK && i < mux->n_parts; i++)
        rc = part_header(mux, &mux->parts[i], err);
    mux->has_header = rc == KN_OK;
    return rc;
}

/* ---- feeding ---- */
kn_code kn_mux_describe(struct kn_mux *mux, int track, const AVCodecParameters *parameters,
                        AVRational time_base, AVRational frame_rate, AVRational sample_aspect,
                        const AVDictionary *metadata, struct kn_error *err)
{
    pthread_mutex_lock(&mux->lock);
    struct track *t = &mux->tracks[track];
    kn_code rc = KN_OK;
    if (!(t->source = avcodec_parameters_alloc()) ||
        avcodec_parameters_copy(t->source, parameters) < 0 ||
        avcodec_parameters_copy(t->stream->codecpar, parameters) < 0 ||
        av_dict_copy(&t->stream->metadata, metadata, AV_DICT_DONT_OVERWRITE) < 0)
        rc = kn_fail(err, KN_ENOMEM, "no memory for a track");
    const AVOutputFormat *format = t->part->format->oformat;
    // A tag of another container (avc1, [27]) would be refused or wrong; the muxer picks its own.
    if (av_codec_get_id(format->codec_tag, parameters->codec_tag) != parameters->codec_id)
        t->stream->codecpar->codec_tag = 0;
    if (parameters->codec_id == AV_CODEC_ID_HEVC &&
        av_codec_get_tag(format->codec_tag, AV_CODEC_ID_HEVC) == MKTAG('h', 'e', 'v', '1'))
        t->stream->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1'); // what Apple's players ask for
    t->stream->time_base = time_base;
    t->stream->avg_frame_rate = frame_rate;
    t->stream->sample_aspect_ratio = sample_aspect;
    t->time_base = time_base;
    t->is_described = true;
    bool all = true;
    for (int i = 0; i < mux->n_tracks; i++)
        all &= mux->tracks[i].is_described;
    if (rc == KN_OK && all)
        rc = mux_header(mux, err);
    if (rc == KN_OK)
        rc = mux_flush(mux, err);
    pthread_mutex_unlock(&mux->lock);
    return rc;
}

kn_code kn_mux_write(struct kn_mux *mux, int track, AVPacket *packet, struct kn_error *err)
{
    AVPacket *own = av_packet_alloc();
    if (!own)
        return kn_fail(err, KN_ENOMEM, "no memory for a packet");
    av_packet_move_ref(own, packet);
    if (own->dts == AV_NOPTS_VALUE)
        own->dts = own->pts;
    pthread_mutex_lock(&mux->lock);
    kn_code rc = KN_OK;
    if (mux->is_stopped)
        rc = kn_fail(err, KN_ECANCELED, "stopped");
    else if (!track_push(&mux->tracks[track], own))
        rc = kn_fail(err, KN_ENOMEM, "no memory for a packet");
    else
        rc = (own = NULL, mux_flush(mux, err));
    pthread_mutex_unlock(&mux->lock);
    av_packet_free(&own);
    return rc;
}

kn_code kn_mux_mark(struct kn_mux *mux, int track, int64_t time_us, struct kn_error *err)
{
    pthread_mutex_lock(&mux->lock);
    struct track *t = &mux->tracks[track];
    t->mark_us = FFMAX(t->mark_us, time_us);
    const kn_code rc = mux_flush(mux, err);
    pthread_mutex_unlock(&mux->lock);
    return rc;
}

kn_code kn_mux_end(struct kn_mux *mux, int track, int64_t end_us, struct kn_error *err)
{
    pthread_mutex_lock(&mux->lock);
    mux->tracks[track].has_ended = true;
    if (track == 0 && end_us != KN_NO_TIME) {
        mux->is_cut = true;
        mux->cut_us = end_us;
    }
    if (track == 0)
        mux->lead_us = INT64_MAX - KN_MUX_AHEAD_US;
    pthread_cond_broadcast(&mux->moved);
    const kn_code rc = mux_flush(mux, err);
    pthread_mutex_unlock(&mux->lock);
    return rc;
}

void kn_mux_lead(struct kn_mux *mux, int64_t time_us)
{
    pthread_mutex_lock(&mux->lock);
    if (time_us > mux->lead_us) {
        mux->lead_us = time_us;
        pthread_cond_broadcast(&mux->moved);
    }
    pthread_mutex_unlock(&mux->lock);
}

int64_t kn_mux_position(struct kn_mux *mux)
{
    pthread_mutex_lock(&mux->lock);
    const int64_t lead_us = mux->lead_us;
    pthread_mutex_unlock(&mux->lock);
    return lead_us;
}

bool kn_mux_pace(struct kn_mux *mux, int track, int64_t time_us)
{
    pthread_mutex_lock(&mux->lock);
    while (track != 0 && !mux->is_stopped && time_us > mux->lead_us + KN_MUX_AHEAD_US)
        pthread_cond_wait(&mux->moved, &mux->lock);
    const bool goes_on =
        !mux->is_stopped && (track == 0 || !mux->is_cut || time_us < mux->cut_us);
    pthread_mutex_unlock(&mux->lock);
    return goes_on;
}

bool kn_mux_settle(struct kn_mux *mux, int track, size_t n)
{
    pthread_mutex_lock(&mux->lock);
    mux->is_settling = true;
    while (!mux->is_stopped && mux->tracks[track].length > n)
        pthread_cond_wait(&mux->moved, &mux->lock);
    mux->is_settling = false;
    const bool goes_on = !mux->is_stopped;
    pthread_mutex_unlock(&mux->lock);
    return goes_on;
}

void kn_mux_stop(struct kn_mux *mux)
{
    pthread_mutex_lock(&mux->lock);
    mux->is_stopped = true;
    pthread_cond_broadcast(&mux->moved);
    pthread_mutex_unlock(&mux->lock);
}

static kn_code part_finish(const struct kn_mux *mux, struct part *part, struct kn_error *err)
{
    kn_code rc = KN_OK;
    if (part->room_bytes > 0 && !part_has_room(mux, part))
        rc = part_give_up_room(part, err);
    if (part->segments)
        rc = kn_segments_before_trailer(part->segments, part->format, err);
    const int av = rc == KN_OK ? av_write_trailer(part->format) : 0;
    if (av < 0)
        return part_fail(part, err, av, "write the index");
    if (rc != KN_OK)
        return rc;
    return part->segments ? kn_segments_finish(part->segments, err)
                          : kn_sink_io_switch(part->io, part->io->sink, err);
}

kn_code kn_mux_finish(struct kn_mux *mux, struct kn_error *err)
{
    if (!mux->has_header)
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "there is nothing to write");
    kn_code rc = KN_OK;
    for (int i = 0; rc == KN_OK && i < mux->n_parts; i++)
        rc = part_finish(mux, &mux->parts[i], err);
    return rc;
}

void kn_mux_ledger(const struct kn_mux *mux, int track, struct kn_ledger *out)
{
    *out = mux->tracks[track].ledger;
}

int kn_mux_n_tracks(const struct kn_mux *mux)
{
    return mux->n_tracks;
}

const AVCodecParameters *kn_mux_parameters(const struct kn_mux *mux, int track)
{
    return mux->tracks[track].source;
}

bool kn_mux_is_extra(const struct kn_mux *mux, int track)
{
    const AVStream *st = mux->tracks[track].stream;
    return st->disposition & AV_DISPOSITION_ATTACHED_PIC ||
           st->codecpar->codec_type == AVMEDIA_TYPE_ATTACHMENT;
}

const struct kn_segments *kn_mux_segments(const struct kn_mux *mux, int track)
{
    return mux->tracks[track].part->segments;
}

const char *kn_mux_language(const struct kn_mux *mux, int track)
{
    const AVDictionaryEntry *tag =
        av_dict_get(mux->tracks[track].stream->metadata, "language", NULL, 0);
    return tag ? tag->value : NULL;
}
