/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any film through libavformat: one pass over the file, packets of caption streams as they come, closed
 * captions of pictures in the order of showing. What is read while looking for those is kept.
 *
 * A stream of teletext carries pages: each that is declared to be subtitles is a track, and where none is, each
 * that is met while looking. A packet of it goes to all of its tracks, one after the other.
 */
#include "engine/caption/harvest_any.h"

#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/harvest_ahead.h"
#include "engine/caption/harvest_cc.h"
#include "engine/caption/harvest_part.h"
#include "engine/caption/hls.h"
#include "engine/caption/teletext.h"
#include "engine/caption/vobsub.h"
#include "engine/media/input.h"

// How much of a film is read in search of closed captions, whatever its clock says. A broadcast that is no larger is
// looked through.
#define LOOK_BYTES (32ll * 1024 * 1024)
// A program stream (a DVD's) has no table of its streams: all of it is gone through, unless its captions are more than
// anyone keeps waiting. A DVD has some 20 MiB.
#define MAX_WAITING_BYTES (256ll * 1024 * 1024)
// A broadcast's clock that goes on elsewhere: no two streams lie this far apart in one.
#define JUMP_US (10 * KN_SECOND)
// Damage is told once for as much of a film.
#define DAMAGE_US (10 * KN_SECOND)
// Teletext pages that are found by looking: broadcasters have a handful.
#define MAX_FOUND_PAGES 32
// Kinds of pages in a teletext descriptor (ETSI EN 300 468, table 102).
#define PAGE_SUBTITLES 2
#define PAGE_HEARING_IMPAIRED 5
// Pictures that may be coded before one that is shown earlier: H.264 and HEVC allow 16.
#define REORDER 20

// A packet that waits to be asked for.
struct item {
    struct item *next; // owned
    int track;    // of teletext -1: any.pages says
    int stream_index;
    int64_t start_us, duration_us;
    size_t n;
    uint8_t bytes[];
};

// Closed captions of a picture stream that wait for pictures shown earlier.
struct pictures {
    int stream_index; // -1: no stream with closed captions
    int track;
    enum kn_cc_coding coding;
    int length_bytes;
    struct item *waiting[REORDER + 1]; // owned, by time
    int n_waiting;
};

// A page of a teletext stream.
struct page {
    int stream_index, number, track;
};

struct any {
    struct kn_harvest *harvest; // borrowed
    struct kn_input *input;     // owned
    AVPacket *packet;           // owned
    unsigned n_streams;         // of libavformat's that are known here: more may be met while reading
    int *track_of;              // owned: caption track of a stream, or -1
    struct pictures pictures;
    struct item *first, *last; // owned: read and not yet asked for
    struct item *shown;        // owned: what is being delivered
    int n_given;               // of any.pages that it was compared with; of others, tracks it was given to
    struct page *pages;        // owned: of all teletext streams
    int n_pages, n_found;
    bool *is_undeclared;       // owned, by stream: its pages are found by looking
    bool has_undeclared, is_looking;
    bool looks_everywhere;  // the caller wants it
    bool is_looked_through; // a broadcast, to its end
    bool names_no_streams; // the container has no table of its streams: they are met with their first packets
    int64_t n_waiting_bytes; // of all packets that were read while looking
    int64_t reached_us; // the latest time that was read
    int64_t damaged_us; // where damage was noted last
    int clock_stream;    // sound or pictures by which jumps of the clock are seen; -1: it cannot jump, or there is none
    int64_t clock_us;    // what that stream, or who jumped, said last; KN_NO_TIME before
    int64_t jumps_us;    // to be added to what the streams say
    bool is_at_end;
};

static void items_free(struct item **first)
{
    while (*first) {
        struct item *item = *first;
        *first = item->next;
        free(item);
    }
}

static void any_release(void *reader)
{
    struct any *any = reader;
    for (int i = 0; i < any->pictures.n_waiting; i++)
        free(any->pictures.waiting[i]);
    items_free(&any->first);
    free(any->shown);
    free(any->track_of);
    free(any->pages);
    free(any->is_undeclared);
    av_packet_free(&any->packet);
    kn_input_free(&any->input);
    free(any);
}

static void any_free(struct any **any)
{
    if (*any)
        any_release(*any);
    *any = NULL;
}

/* ---- tracks ---- */
static enum kn_caption_codec codec_of(enum AVCodecID id)
{
    switch (id) {
    case AV_CODEC_ID_SUBRIP:
    case AV_CODEC_ID_TEXT: return KN_CAPTION_SRT_TEXT;
    case AV_CODEC_ID_ASS:
    case AV_CODEC_ID_SSA: return KN_CAPTION_ASS; // libavformat makes one of both
    case AV_CODEC_ID_WEBVTT: return KN_CAPTION_WEBVTT;
    case AV_CODEC_ID_MOV_TEXT: return KN_CAPTION_MOV_TEXT;
    case AV_CODEC_ID_TTML: return KN_CAPTION_TTML;
    case AV_CODEC_ID_EIA_608: return KN_CAPTION_CEA608;
    case AV_CODEC_ID_DVB_TELETEXT: return KN_CAPTION_TELETEXT;
    case AV_CODEC_ID_HDMV_PGS_SUBTITLE: return KN_CAPTION_PGS;
    case AV_CODEC_ID_DVD_SUBTITLE: return KN_CAPTION_VOBSUB;
    case AV_CODEC_ID_DVB_SUBTITLE: return KN_CAPTION_DVB;
    case AV_CODEC_ID_XSUB: return KN_CAPTION_XSUB;
    default: return KN_CAPTION_OTHER;
    }
}

static kn_code add_track(struct any *any, const AVStream *st, enum kn_caption_codec codec,
                         const char *codec_name, struct kn_error *err)
{
    struct kn_harvest *harvest = any->harvest;
    struct kn_harvest_track *track = NULL;
    const kn_code rc = kn_harvest_add_track(harvest, &track, err);
    if (rc != KN_OK)
        return rc;
    struct kn_caption_track *facts = &track->facts;
    track->is_chosen = harvest->has_begun; // met while reading: nobody could choose it
    facts->stream_index = st->index;
    facts->codec = codec;
    (void)kn_copy(facts->codec_name, sizeof(facts->codec_name), codec_name);
    const char *language = kn_input_language(st);
    if (language)
        (void)kn_copy(facts->language, sizeof(facts->language), language);
    const AVDictionaryEntry *title = av_dict_get(st->metadata, "title", NULL, 0);
    facts->title = title ? kn_arena_strdup(&harvest->arena, title->value) : NULL;
    facts->is_default = st->disposition & AV_DISPOSITION_DEFAULT;
    facts->is_forced = st->disposition & AV_DISPOSITION_FORCED;
    facts->is_hearing_impaired = st->disposition & AV_DISPOSITION_HEARING_IMPAIRED;
    facts->is_commentary = st->disposition & AV_DISPOSITION_COMMENT;
    facts->is_original = st->disposition & AV_DISPOSITION_ORIGINAL;
    track->width_px = harvest->facts.width_px;
    track->height_px = harvest->facts.height_px;
    if (codec == KN_CAPTION_OTHER)
        track->refusal = kn_arena_printf(&harvest->arena, "its codec '%s' is one that nothing here reads",
                                         codec_name);
    const AVCodecParameters *par = st->codecpar;
    if (par->codec_type == AVMEDIA_TYPE_SUBTITLE && par->extradata_size > 0 &&
        par->extradata_size <= KN_MAX_CAPTION_PRIVATE) {
        uint8_t *kept = kn_arena_alloc(&harvest->arena, (size_t)par->extradata_size);
        if (kept) {
            memcpy(kept, par->extradata, (size_t)par->extradata_size);
            track->private_bytes = kept;
            track->n_private = (size_t)par->extradata_size;
        }
    }
    return KN_OK;
}

/* ---- pages of teletext ---- */
static bool is_teletext(const AVStream *st)
{
    return st->codecpar->codec_id == AV_CODEC_ID_DVB_TELETEXT;
}

static bool has_pages(const struct any *any, int stream_index)
{
    for (int i = 0; i < any->n_pages; i++)
        if (any->pages[i].stream_index == stream_index)
            return true;
    return false;
}

// A track for a page, unless it has one. `language` may be NULL.
static kn_code add_page(struct any *any, const AVStream *st, int number, const char *language, bool is_hearing_impaired,
                        struct kn_error *err)
{
    for (int i = 0; i < any->n_pages; i++)
        if (any->pages[i].stream_index == st->index && any->pages[i].number == number)
            return KN_OK;
    struct page *pages = realloc(any->pages, ((size_t)any->n_pages + 1) * sizeof(*pages));
    if (!pages)
        return kn_fail(err, KN_ENOMEM, "no memory for a teletext page");
    any->pages = pages;
    const int track = any->harvest->n_tracks;
    const kn_code rc = add_track(any, st, KN_CAPTION_TELETEXT, "dvb_teletext", err);
    if (rc != KN_OK)
        return rc;
    pages[any->n_pages++] = (struct page){.stream_index = st->index, .number = number, .track = track};
    struct kn_caption_track *facts = &any->harvest->tracks[track].facts;
    facts->page = number;
    facts->is_hearing_impaired = facts->is_hearing_impaired || is_hearing_impaired;
    (void)kn_copy(facts->language, sizeof(facts->language), language && *language ? language : "und");
    return KN_OK;
}

// The nth of languages that are joined by commas, "" when there is none.
static void nth_language(const AVStream *st, int nth, char out[4])
{
    const AVDictionaryEntry *tag = av_dict_get(st->metadata, "language", NULL, 0);
    const char *at = tag ? tag->value : "";
    for (; nth > 0 && at; nth--)
        at = (at = strchr(at, ',')) ? at + 1 : NULL;
    const size_t n = at ? strcspn(at, ",") : 0;
    out[0] = '\0';
    if (n == 3 && memchr(at, '\0', n) == NULL) {
        memcpy(out, at, n);
        out[n] = '\0';
    }
}

// libavformat keeps the descriptor's languages as the stream's, kinds and numbers as its private data.
static kn_code add_declared_pages(struct any *any, const AVStream *st, struct kn_error *err)
{
    const AVCodecParameters *par = st->codecpar;
    kn_code rc = KN_OK;
    for (int i = 0; rc == KN_OK && 2 * i + 1 < par->extradata_size; i++) {
        const uint8_t *entry = par->extradata + 2 * i;
        const int kind = entry[0] >> 3, magazine = (entry[0] & 7) ? entry[0] & 7 : 8;
        char language[4];
        nth_language(st, i, language);
        if (kind == PAGE_SUBTITLES || kind == PAGE_HEARING_IMPAIRED)
            rc = add_page(any, st, magazine << 8 | entry[1], language, kind == PAGE_HEARING_IMPAIRED, err);
    }
    return rc;
}

static kn_code add_found_pages(struct any *any, const AVStream *st, const AVPacket *packet, struct kn_error *err)
{
    int numbers[MAX_FOUND_PAGES];
    char language[4];
    nth_language(st, 0, language);
    const size_t n = kn_teletext_subtitle_pages(packet->data, (size_t)packet->size, numbers, MAX_FOUND_PAGES);
    kn_code rc = KN_OK;
    for (size_t i = 0; rc == KN_OK && i < n && any->n_found < MAX_FOUND_PAGES; i++) {
        const int before = any->n_pages;
        rc = add_page(any, st, numbers[i], language, false, err);
        any->n_found += any->n_pages - before;
    }
    return rc;
}

static enum kn_cc_coding coding_of(const AVStream *st)
{
    switch (st->codecpar->codec_id) {
    case AV_CODEC_ID_H264: return KN_CC_H264;
    case AV_CODEC_ID_HEVC: return KN_CC_HEVC;
    case AV_CODEC_ID_MPEG2VIDEO: return KN_CC_MPEG2;
    default: return KN_CC_NONE;
    }
}

static kn_code meet_stream(struct any *any, AVStream *st, struct kn_error *err)
{
    const int i = st->index;
    if (is_teletext(st)) {
        const kn_code rc = add_declared_pages(any, st, err);
        any->is_undeclared[i] = rc == KN_OK && !has_pages(any, i);
        any->has_undeclared = any->has_undeclared || any->is_undeclared[i];
        // Too late to look: the first page that comes.
        return rc == KN_OK && any->is_undeclared[i] && any->harvest->has_begun ? add_page(any, st, 0, NULL, false, err) : rc;
    }
    if (st->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE) {
        any->track_of[i] = any->harvest->n_tracks;
        return add_track(any, st, codec_of(st->codecpar->codec_id), avcodec_get_name(st->codecpar->codec_id), err);
    }
    if (i != any->pictures.stream_index && i != any->clock_stream)
        st->discard = AVDISCARD_ALL;
    return KN_OK;
}

// Streams that were not known yet: all of them at first, later those that a broadcast or a disc begins with.
static kn_code meet_streams(struct any *any, struct kn_error *err)
{
    const AVFormatContext *format = any->input->format;
    const unsigned n = format->nb_streams;
    if (n == any->n_streams)
        return KN_OK;
    int *track_of = realloc(any->track_of, n * sizeof(*track_of));
    any->track_of = track_of ? track_of : any->track_of;
    bool *is_undeclared = realloc(any->is_undeclared, n * sizeof(*is_undeclared));
    any->is_undeclared = is_undeclared ? is_undeclared : any->is_undeclared;
    if (!track_of || !is_undeclared)
        return kn_fail(err, KN_ENOMEM, "no memory for %u streams", n);
    kn_code rc = KN_OK;
    while (rc == KN_OK && any->n_streams < n) {
        const unsigned i = any->n_streams++;
        any->track_of[i] = -1;
        any->is_undeclared[i] = false;
        rc = meet_stream(any, format->streams[i], err);
    }
    return rc;
}

static kn_code add_tracks(struct any *any, struct kn_error *err)
{
    AVFormatContext *format = any->input->format;
    struct kn_harvest_facts *facts = &any->harvest->facts;
    const AVStream *picture = kn_input_stream(any->input, AVMEDIA_TYPE_VIDEO, 0);
    if (picture) {
        facts->width_px = picture->codecpar->width;
        facts->height_px = picture->codecpar->height;
    }
    any->pictures = (struct pictures){.stream_index = -1, .track = -1};
    if (picture && coding_of(picture) != KN_CC_NONE) {
        const AVCodecParameters *par = picture->codecpar;
        any->pictures.stream_index = picture->index;
        any->pictures.coding = coding_of(picture);
        any->pictures.length_bytes = kn_cc_length_bytes(any->pictures.coding, par->extradata,
                                                        par->extradata ? (size_t)par->extradata_size : 0);
    }
    // Sound is the smaller stream to read.
    const AVStream *clock = kn_input_stream(any->input, AVMEDIA_TYPE_AUDIO, 0);
    clock = clock ? clock : picture;
    any->clock_stream = clock && (format->iformat->flags & AVFMT_TS_DISCONT) ? clock->index : -1;
    any->clock_us = KN_NO_TIME;
    return meet_streams(any, err);
}

/* ---- packets ---- */
static struct item *item_new(int track, int stream_index, int64_t start_us, int64_t duration_us, const void *bytes, size_t n)
{
    struct item *item = malloc(sizeof(*item) + n);
    if (!item)
        return NULL;
    *item = (struct item){.track = track, .stream_index = stream_index, .start_us = start_us,
                          .duration_us = duration_us, .n = n};
    if (n > 0)
        memcpy(item->bytes, bytes, n);
    return item;
}

static void enqueue(struct any *any, struct item *item)
{
    if (any->last)
        any->last->next = item;
    else
        any->first = item;
    any->last = item;
}

// The earliest of the pictures that wait.
static void release_picture(struct any *any)
{
    struct pictures *pictures = &any->pictures;
    enqueue(any, pictures->waiting[0]);
    pictures->n_waiting--;
    memmove(pictures->waiting, pictures->waiting + 1,
            (size_t)pictures->n_waiting * sizeof(pictures->waiting[0]));
}

static void hold_picture(struct any *any, struct item *item)
{
    struct pictures *pictures = &any->pictures;
    int i = pictures->n_waiting++;
    for (; i > 0 && pictures->waiting[i - 1]->start_us > item->start_us; i--)
        pictures->waiting[i] = pictures->waiting[i - 1];
    pictures->waiting[i] = item;
    if (pictures->n_waiting > REORDER)
        release_picture(any);
}

static kn_code take_picture(struct any *any, const AVPacket *packet, int64_t start_us, struct kn_error *err)
{
    struct pictures *pictures = &any->pictures;
    kn_auto(kn_buf_clear) struct kn_buf triplets = {0};
    if (!kn_cc_read(pictures->coding, pictures->length_bytes, packet->data, (size_t)packet->size, &triplets))
        return KN_OK;
    if (pictures->track < 0) {
        pictures->track = any->harvest->n_tracks;
        const AVStream *st = any->input->format->streams[pictures->stream_index];
        const kn_code rc = add_track(any, st, KN_CAPTION_CEA608, "eia_608", err);
        if (rc != KN_OK)
            return rc;
    }
    struct item *item = kn_buf_ok(&triplets)
        ? item_new(pictures->track, pictures->stream_index, start_us, KN_NO_TIME, triplets.data, triplets.len) : NULL;
    if (!item)
        return kn_fail(err, KN_ENOMEM, "no memory for closed captions");
    hold_picture(any, item);
    return KN_OK;
}

// A time of a stream's own on the one clock of the film, which goes on where another recording was joined.
static int64_t time_joined(struct any *any, int stream_index, int64_t time_us)
{
    if (any->clock_stream < 0)
        return time_us;
    const int64_t away_us = any->clock_us == KN_NO_TIME ? 0 : time_us - any->clock_us;
    if (away_us > JUMP_US || away_us < -JUMP_US) {
        any->jumps_us -= away_us;
        any->clock_us = time_us;
    }
    if (stream_index == any->clock_stream)
        any->clock_us = time_us;
    return time_us + any->jumps_us;
}

static kn_code take_packet(struct any *any, struct kn_error *err)
{
    const AVPacket *packet = any->packet;
    const AVStream *st = any->input->format->streams[packet->stream_index];
    const kn_code rc = meet_streams(any, err);
    if (rc != KN_OK)
        return rc;
    const int64_t pts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (pts == AV_NOPTS_VALUE || packet->size <= 0)
        return KN_OK;
    const int64_t start_us = time_joined(any, packet->stream_index, av_rescale_q(pts, st->time_base, AV_TIME_BASE_Q)) -
        any->harvest->facts.start_us;
    if (start_us > any->reached_us)
        any->reached_us = start_us;
    if ((packet->flags & AV_PKT_FLAG_CORRUPT) && start_us - any->damaged_us > DAMAGE_US) {
        kn_harvest_warn(any->harvest, "the film is damaged at %.1f s: captions there may be missing", (double)start_us / KN_SECOND);
        any->damaged_us = start_us;
    }
    if (packet->stream_index == any->pictures.stream_index)
        return take_picture(any, packet, start_us, err);
    const int track = any->track_of[packet->stream_index];
    if ((track < 0 && !is_teletext(st)) || packet->size > KN_MAX_CAPTION_PACKET)
        return KN_OK;
    if (any->is_looking && any->is_undeclared[st->index]) {
        const kn_code found = add_found_pages(any, st, packet, err);
        if (found != KN_OK)
            return found;
    }
    any->n_waiting_bytes += any->is_looking ? packet->size : 0;
    struct item *item = item_new(track, packet->stream_index, start_us, packet->duration > 0
        ? av_rescale_q(packet->duration, st->time_base, AV_TIME_BASE_Q) : KN_NO_TIME,
        packet->data, (size_t)packet->size);
    if (!item)
        return kn_fail(err, KN_ENOMEM, "no memory for a caption of %d bytes", packet->size);
    enqueue(any, item);
    return KN_OK;
}

// One packet of the file, or its end.
static kn_code read_on(struct any *any, struct kn_error *err)
{
    const int av = av_read_frame(any->input->format, any->packet);
    if (av == AVERROR(EAGAIN))
        return KN_OK;
    if (av < 0) {
        any->is_at_end = true;
        while (any->pictures.n_waiting > 0)
            release_picture(any);
        if (av == AVERROR_EXIT)
            return kn_fail(err, KN_ECANCELED, "stopped");
        if (av != AVERROR_EOF && any->input->io_error.code != KN_OK)
            return kn_input_fail(any->input, err, av, "read");
        if (av != AVERROR_EOF)
            kn_harvest_warn(any->harvest, "the film cannot be read to its end");
        return KN_OK;
    }
    const kn_code rc = take_packet(any, err);
    av_packet_unref(any->packet);
    return rc;
}

// Whether what nobody declares may yet be met. `from`: where the search began.
static bool must_look_on(const struct any *any, int64_t from)
{
    if (any->is_at_end)
        return false;
    if (any->names_no_streams || any->is_looked_through)
        return any->n_waiting_bytes < MAX_WAITING_BYTES;
    const AVIOContext *io = any->input->format->pb;
    const bool looks_for_more = (any->pictures.stream_index >= 0 && any->pictures.track < 0) || any->has_undeclared;
    if (any->looks_everywhere)
        return looks_for_more && any->n_waiting_bytes < MAX_WAITING_BYTES;
    return looks_for_more && any->reached_us < KN_HARVEST_LOOK_US && (!io || io->pos - from < LOOK_BYTES);
}

// Streams that a broadcast begins with later: places of a long one are looked at before its packets are taken.
static kn_code look_ahead(struct any *any, struct kn_error *err)
{
    if (!kn_ahead_can_look(any->input))
        return KN_OK;
    any->is_looked_through = any->looks_everywhere || any->input->size_bytes <= LOOK_BYTES;
    any->harvest->facts.is_partly_known = !any->is_looked_through;
    return any->is_looked_through ? KN_OK : kn_ahead_look(any->input, err);
}

// Closed captions in pictures, pages of teletext that nobody declared, and streams without a table.
static kn_code look_inside(struct any *any, struct kn_error *err)
{
    any->is_looking = true;
    any->names_no_streams = kn_equal(any->input->format->iformat->name, "mpeg");
    const AVIOContext *io = any->input->format->pb;
    const int64_t from = io ? io->pos : 0;
    while (must_look_on(any, from)) {
        const kn_code rc = read_on(any, err);
        if (rc != KN_OK)
            return rc;
    }
    if (any->pictures.track < 0 && any->pictures.stream_index >= 0) {
        if (any->pictures.stream_index != any->clock_stream)
            any->input->format->streams[any->pictures.stream_index]->discard = AVDISCARD_ALL;
        any->pictures.stream_index = -1;
    }
    any->is_looking = false;
    // One that has not shown any yet: the first that comes.
    for (unsigned i = 0; i < any->n_streams; i++) {
        const AVStream *st = any->input->format->streams[i];
        char language[4];
        nth_language(st, 0, language);
        const kn_code rc = any->is_undeclared[i] && !has_pages(any, st->index)
            ? add_page(any, st, 0, language, false, err) : KN_OK;
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

/* ---- the reader ---- */
static kn_code any_begin(struct kn_harvest *harvest, struct kn_error *err)
{
    (void)err;
    struct any *any = harvest->reader;
    for (unsigned i = 0; i < any->n_streams; i++) {
        bool is_wanted = any->track_of[i] >= 0 && kn_harvest_wants(harvest, any->track_of[i]);
        for (int k = 0; k < any->n_pages; k++)
            is_wanted = is_wanted || (any->pages[k].stream_index == (int)i && kn_harvest_wants(harvest, any->pages[k].track));
        if (!is_wanted && (int)i != any->pictures.stream_index && (int)i != any->clock_stream)
            any->input->format->streams[i]->discard = AVDISCARD_ALL;
    }
    return KN_OK;
}

// The next track that wants the packet being delivered, or -1.
static int track_next(struct any *any)
{
    const struct item *item = any->shown;
    if (item && item->track >= 0)
        return any->n_given++ == 0 && kn_harvest_wants(any->harvest, item->track) ? item->track : -1;
    while (item && any->n_given < any->n_pages) {
        const struct page *page = &any->pages[any->n_given++];
        if (page->stream_index == item->stream_index && kn_harvest_wants(any->harvest, page->track))
            return page->track;
    }
    return -1;
}

static kn_code any_next(struct kn_harvest *harvest, struct kn_harvest_packet *out, bool *out_has,
                        struct kn_error *err)
{
    struct any *any = harvest->reader;
    for (;;) {
        const int track = track_next(any);
        while (track < 0 && !any->first && !any->is_at_end) {
            const kn_code rc = read_on(any, err);
            if (rc != KN_OK)
                return rc;
        }
        if (track < 0) {
            free(any->shown);
            any->shown = any->first;
            any->n_given = 0;
            if (!any->shown)
                return KN_OK;
            any->first = any->shown->next;
            if (!any->first)
                any->last = NULL;
            continue;
        }
        *out = (struct kn_harvest_packet){
            .track = track,
            .packet = {
                .start_us = any->shown->start_us,
                .duration_us = any->shown->duration_us,
                .bytes = any->shown->bytes,
                .n = any->shown->n,
            },
        };
        *out_has = true;
        return KN_OK;
    }
}

static void any_count(const struct kn_harvest *harvest, struct kn_harvest_facts *facts)
{
    const struct any *any = harvest->reader;
    if (any->input->format->pb)
        facts->n_bytes_read = any->input->format->pb->bytes_read;
}

static kn_code open_with_libavformat(struct kn_harvest *harvest, const char *uri,
                                     const struct kn_input_env *env, struct kn_error *err)
{
    kn_auto(any_free) struct any *any = calloc(1, sizeof(*any));
    if (!any || !(any->packet = av_packet_alloc()))
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", uri);
    any->harvest = harvest;
    any->damaged_us = -2 * DAMAGE_US;
    any->looks_everywhere = env->looks_everywhere;
    kn_code rc = kn_input_open(&any->input, uri, env, err);
    if (rc != KN_OK)
        return rc;
    struct kn_harvest_facts *facts = &harvest->facts;
    facts->container = any->input->format->iformat->name;
    // A file of captions alone has no other beginning than zero: its first caption's time is kept. A transport
    // stream's clock begins anywhere.
    if ((any->input->format->iformat->flags & AVFMT_TS_DISCONT) ||
        kn_input_stream(any->input, AVMEDIA_TYPE_VIDEO, 0) || kn_input_stream(any->input, AVMEDIA_TYPE_AUDIO, 0))
        facts->start_us = kn_input_start_us(any->input);
    facts->end_us = kn_input_duration_us(any->input);
    rc = look_ahead(any, err);
    if (rc == KN_OK)
        rc = add_tracks(any, err);
    if (rc == KN_OK)
        rc = look_inside(any, err);
    if (rc != KN_OK)
        return rc;
    harvest->begin = any_begin;
    harvest->next = any_next;
    harvest->release = any_release;
    harvest->count = any_count;
    harvest->reader = KN_TAKE(any);
    return KN_OK;
}

/* ---- an index with its pictures in another file ---- */
// Takes both.
static kn_code open_pair(struct kn_harvest **out_harvest, struct kn_source **index, struct kn_source **pictures,
                         const struct kn_input_env *env, struct kn_error *err)
{
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = calloc(1, sizeof(*harvest));
    if (!harvest)
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", (*index)->uri);
    harvest->facts.end_us = KN_NO_TIME;
    kn_window_init(&harvest->window, KN_TAKE(*index), env->stop);
    const kn_code rc = kn_vobsub_open(harvest, pictures, err);
    if (rc == KN_OK)
        *out_harvest = KN_TAKE(harvest);
    return rc;
}

// Pictures whose index lies beside them under the same name: it has their times, languages and colours.
static void open_index_beside(struct kn_harvest **out_harvest, struct kn_source **pictures,
                              const struct kn_input_env *env)
{
    uint8_t head[32];
    size_t n = 0;
    kn_auto(kn_free) char *uri = kn_vobsub_index_uri((*pictures)->uri);
    kn_auto(kn_source_free) struct kn_source *index = NULL;
    if (!uri || env->open(env->impl, uri, &index, NULL) != KN_OK ||
        kn_source_read_at(index, 0, head, sizeof(head), &n, NULL) != KN_OK || !kn_vobsub_is_one(head, n))
        return;
    (void)open_pair(out_harvest, &index, pictures, env, NULL);
}

// Takes `source` when it is an index, or pictures with one; leaves *out_harvest NULL when it is neither.
static kn_code open_vobsub(struct kn_harvest **out_harvest, struct kn_source **source,
                           const struct kn_input_env *env, struct kn_error *err)
{
    uint8_t head[32];
    size_t n = 0;
    kn_code rc = kn_source_read_at(*source, 0, head, sizeof(head), &n, err);
    if (rc == KN_OK && n >= 4 && memcmp(head, "\0\0\1\xBA", 4) == 0)
        open_index_beside(out_harvest, source, env); // without it libavformat reads them
    if (rc != KN_OK || !kn_vobsub_is_one(head, n))
        return rc;
    kn_auto(kn_free) char *uri = kn_vobsub_pictures_uri((*source)->uri);
    if (!uri)
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad",
                          "'%s' is an index of pictures, and its name does not end in .idx as theirs ends in .sub",
                          (*source)->uri);
    kn_auto(kn_source_free) struct kn_source *pictures = NULL;
    rc = env->open(env->impl, uri, &pictures, err);
    if (rc != KN_OK) {
        (void)kn_error_prefix(err, "'%s' has its pictures elsewhere", (*source)->uri);
        return rc;
    }
    return open_pair(out_harvest, source, &pictures, env, err);
}

kn_code kn_harvest_open_any(struct kn_harvest **out_harvest, const char *uri,
                            const struct kn_input_env *env, struct kn_error *err)
{
    *out_harvest = NULL;
    kn_auto(kn_source_free) struct kn_source *source = NULL;
    kn_code rc = env->open(env->impl, uri, &source, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_harvest_free) struct kn_harvest *own = NULL;
    struct kn_error own_error = {0};
    rc = kn_harvest_open(&own, &source, env->stop, &own_error);
    if (rc == KN_EUNSUP) {
        const kn_code index = open_vobsub(out_harvest, &source, env, err);
        if (index != KN_OK || *out_harvest)
            return index;
        const kn_code playlist = kn_hls_captions_open(out_harvest, source, env, err);
        if (playlist != KN_OK || *out_harvest)
            return playlist;
    }
    kn_source_free(&source);
    int n_tracks = 0;
    if (rc == KN_OK)
        (void)kn_harvest_tracks(own, &n_tracks);
    if (rc == KN_OK && n_tracks > 0)
        *out_harvest = KN_TAKE(own);
    if (rc != KN_OK && rc != KN_EUNSUP && rc != KN_EMEDIA && err)
        *err = own_error;
    if (*out_harvest || (rc != KN_OK && rc != KN_EUNSUP && rc != KN_EMEDIA))
        return rc;

    // Of another kind; or without tracks, when there may be captions inside the pictures; or with a header
    // too broken for us, which libavformat may yet make sense of.
    return kn_harvest_open_inside(out_harvest, uri, env, err);
}

kn_code kn_harvest_open_inside(struct kn_harvest **out_harvest, const char *uri, const struct kn_input_env *env,
                               struct kn_error *err)
{
    *out_harvest = NULL;
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = calloc(1, sizeof(*harvest));
    if (!harvest)
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", uri);
    harvest->facts.end_us = KN_NO_TIME;
    const kn_code rc = open_with_libavformat(harvest, uri, env, err);
    if (rc == KN_OK)
        *out_harvest = KN_TAKE(harvest);
    return rc;
}
