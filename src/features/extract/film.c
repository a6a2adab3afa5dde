/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A film's caption streams, all in one pass over what must be read of it. A stream that cannot be had
 * fails alone, by name.
 */
#include "features/extract/film.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "engine/caption/cue_packet.h"
#include "engine/caption/edit.h"
#include "engine/caption/harvest_any.h"
#include "engine/caption/ocr_stream.h"
#include "features/extract/extract.h"

// CC1 to CC4 and six services of CEA-708: one pass fills a list for each.
#define MAX_CHANNELS KN_CAPTION_CHANNELS
#define CEA608_CHANNELS 4
// Streams of a broadcast that begin while it is read.
#define MAX_LATE_STREAMS 64
// Packets between two questions whether to stop.
#define ASK_EVERY 256

struct stream {
    const struct kn_harvest_track *track; // borrowed
    struct kn_cue_list lists[MAX_CHANNELS]; // one, or one for each channel
    int n_lists;          // 0: not asked for, or not to be had
    struct kn_ocr_stream *ocr; // owned; NULL for text
    bool keeps_forced;    // of its cues those that are forced, for it is not forced as a whole
    struct kn_error error; // why it failed
};

struct film {
    struct kn_context *context; // borrowed
    const struct kn_extract_spec *spec;
    const struct kn_extract_source *source;
    struct kn_harvest *harvest; // owned
    const char *target;         // borrowed: the source's, for one stream or for several
    struct stream *streams;     // owned
    int n_ocr, n_ocr_read;      // of them made of pictures; of these read to the end
    int n_streams;
    int n_known; // of them when the targets were chosen; the others were met while reading
};

static void film_clear(struct film *film)
{
    for (int i = 0; i < film->n_streams; i++) {
        kn_ocr_stream_free(&film->streams[i].ocr);
        for (int k = 0; k < film->streams[i].n_lists; k++)
            kn_cue_list_clear(&film->streams[i].lists[k]);
    }
    free(film->streams);
    kn_harvest_free(&film->harvest);
}

/* ---- is it one? ---- */
// Packets of 188 bytes, of 192 with times before them (Blu-ray), of 204 with sums behind them; recordings may begin
// within one.
static bool is_transport_stream(const uint8_t *head, size_t n)
{
    static const size_t SIZES[] = {188, 192, 204};
    for (size_t i = 0; i < KN_COUNT(SIZES); i++)
        for (size_t first = 0; first < SIZES[i]; first++) {
            // Short files begin with a packet; elsewhere it takes more to tell a packet's first byte from a letter G.
            const size_t n_wanted = first == 0 || (first == 4 && SIZES[i] == 192) ? 3 : 5;
            size_t met = 0;
            while (met < n_wanted && first + met * SIZES[i] < n && head[first + met * SIZES[i]] == 0x47)
                met++;
            if (met == n_wanted)
                return true;
        }
    return false;
}

static bool is_container(const uint8_t *head, size_t n)
{
    static const struct {
        size_t at;
        const char *magic;
    } MAGICS[] = {
        {0, "\x1A\x45\xDF\xA3"}, {4, "ftyp"}, {4, "moov"}, {4, "mdat"}, {4, "styp"}, {4, "wide"}, {8, "AVI "},
        {0, "OggS"}, {0, "FLV\x01"}, {0, "\x30\x26\xB2\x75"} /* ASF */, {0, "#EXTM3U"}, {0, "# VobSub index"},
    };
    for (size_t i = 0; i < KN_COUNT(MAGICS); i++) {
        const size_t length = strlen(MAGICS[i].magic);
        if (n >= MAGICS[i].at + length && memcmp(head + MAGICS[i].at, MAGICS[i].magic, length) == 0)
            return true;
    }
    if (n >= 4 && memcmp(head, "\0\0\1\xBA", 4) == 0) // MPEG program stream
        return true;
    if (n >= 13 && head[0] == 'P' && head[1] == 'G' && head[10] >= 0x14 && head[10] <= 0x17) // PGS
        return true;
    return is_transport_stream(head, n);
}

kn_code kn_film_is_one(struct kn_context *context, const char *uri, bool *out_is_one, struct kn_error *err)
{
    uint8_t head[1024];
    size_t n = 0, got = 1;
    *out_is_one = false;
    kn_auto(kn_source_free) struct kn_source *source = NULL;
    kn_code rc = kn_context_open_input(context, uri, &source, err);
    while (rc == KN_OK && n < sizeof(head) && got > 0) {
        rc = kn_source_read_at(source, (int64_t)n, head + n, sizeof(head) - n, &got, err);
        n += got;
    }
    *out_is_one = rc == KN_OK && is_container(head, n);
    return rc;
}

/* ---- which streams ---- */
// Whether the codec says of single cues that they are shown although captions are off.
static bool marks_forced_cues(enum kn_caption_codec codec)
{
    return codec == KN_CAPTION_PGS || codec == KN_CAPTION_VOBSUB || codec == KN_CAPTION_MOV_TEXT ||
        codec == KN_CAPTION_TTML;
}

static bool is_asked_for(const struct kn_extract_spec *spec, const struct kn_harvest_track *track)
{
    if (spec->closed_only && track->facts.codec != KN_CAPTION_CEA608)
        return false;
    if (spec->forced_only && !track->facts.is_forced && (spec->lists_only || !marks_forced_cues(track->facts.codec)))
        return false;
    if (spec->n_streams == 0)
        return true;
    for (size_t i = 0; i < spec->n_streams; i++)
        if (spec->streams[i] == track->number)
            return true;
    return false;
}

static bool pictures_are_cancelled(void *impl)
{
    const struct film *film = impl;
    return kn_context_is_cancelled(film->context);
}

// Text takes no time; pictures are read stream after stream when the film has been gone through.
static void pictures_progress(void *impl, double part)
{
    const struct film *film = impl;
    const double source = (double)(film->source - film->spec->sources);
    kn_context_progress(film->context,
                        (source + (film->n_ocr_read + part) / film->n_ocr) / (double)film->spec->n_sources, NULL);
}

static kn_code pictures_fail(struct stream *stream)
{
    return kn_error_prefix(&stream->error, "caption stream %d (%s)", stream->track->number,
                           stream->track->facts.codec_name);
}

// Captions made of pictures: the list that OCR fills.
static kn_code pictures_begin(struct film *film, struct stream *stream, struct kn_cue_list *list)
{
    const struct kn_ocr_options options = {
        .language = film->spec->ocr_language,
        .fallback = film->source->language,
        .corrects = film->spec->fixes_ocr,
        .forced_only = stream->keeps_forced,
        .n_threads = film->context->n_threads,
        .is_cancelled = pictures_are_cancelled,
        .progress = pictures_progress,
        .impl = film,
    };
    const kn_code rc = kn_ocr_stream_new(&stream->ocr, list, stream->track, &options, &stream->error);
    return rc == KN_OK ? KN_OK : pictures_fail(stream);
}

static kn_code stream_begin(struct film *film, struct stream *stream)
{
    const struct kn_harvest_track *track = stream->track;
    struct kn_error *err = &stream->error;
    if (track->refusal)
        return kn_fail(err, KN_EUNSUP, "caption stream %d: %s", track->number, track->refusal);
    const bool is_image = kn_caption_is_image(track->facts.codec);
    if (!is_image && !kn_caption_is_text(track->facts.codec))
        return kn_fail(err, KN_EUNSUP, "caption stream %d (%s) is made of what nothing here reads", track->number,
                       track->facts.codec_name);
    kn_code rc = KN_OK;
    const struct kn_harvest_facts facts = kn_harvest_facts(film->harvest);
    const int n_lists = track->facts.codec == KN_CAPTION_CEA608 ? MAX_CHANNELS : 1;
    for (int i = 0; i < n_lists && rc == KN_OK; i++) {
        struct kn_cue_list *list = &stream->lists[stream->n_lists++];
        *list = (struct kn_cue_list){.track = track->facts, .width_px = facts.width_px, .height_px = facts.height_px,
                                      .longest_us = film->spec->longest_us};
        if (track->facts.codec == KN_CAPTION_CEA608)
            list->track.channel = i + 1;
        rc = is_image ? pictures_begin(film, stream, list)
                      : kn_caption_begin(list, track->facts.codec, track->private_bytes, track->n_private, err);
    }
    return rc == KN_OK ? kn_harvest_choose(film->harvest, track->number, err) : rc;
}

// The name for so many streams; fails when they would overwrite each other.
static kn_code target_choose(struct film *film, int n, struct kn_error *err)
{
    film->target = n > 1 && film->source->target_many ? film->source->target_many : film->source->target;
    if (!film->spec->lists_only && n > 1 && !strstr(film->target, "{streamindex}"))
        return kn_fail(err, KN_EINVAL, "'%s' has %d caption streams: '%s' has no {streamindex} to tell them apart",
                       film->source->uri, n, film->target);
    return KN_OK;
}

static kn_code streams_none(const struct film *film, struct kn_error *err)
{
    return kn_fail_as(err, KN_EMEDIA, "NoCaptionStream", "'%s' has no %s", film->source->uri,
                      film->spec->forced_only   ? "forced captions"
                      : film->spec->closed_only ? "closed captions"
                                                : "caption stream of these numbers");
}

// Begins every stream that is asked for. Those that cannot be had keep their error.
static kn_code streams_begin(struct film *film, int *out_n_begun, struct kn_error *err)
{
    int n, n_asked = 0, n_certain = 0;
    const struct kn_harvest_track *tracks = kn_harvest_tracks(film->harvest, &n);
    *out_n_begun = 0;
    if (n == 0)
        return kn_fail_as(err, KN_EMEDIA, "NoCaptionStream", "'%s' has no captions%s", film->source->uri,
                          kn_harvest_facts(film->harvest).is_partly_known
                              ? " in the beginning and in the places further on that were looked at" : "");
    for (size_t i = 0; i < film->spec->n_streams && !film->spec->ignores_missing; i++)
        if (film->spec->streams[i] >= n)
            return kn_fail(err, KN_EINVAL, "'%s' has %d caption streams, from 0: there is no %d",
                           film->source->uri, n, film->spec->streams[i]);
    // Readers keep the addresses of their lists: there is room for all at once.
    film->streams = calloc((size_t)n + MAX_LATE_STREAMS, sizeof(*film->streams));
    if (!film->streams)
        return kn_fail(err, KN_ENOMEM, "no memory for %d caption streams", n);
    film->n_streams = film->n_known = n;
    for (int i = 0; i < n; i++) {
        struct stream *stream = &film->streams[i];
        stream->track = &tracks[i];
        if (!is_asked_for(film->spec, &tracks[i])) {
            stream->track = NULL;
            continue;
        }
        stream->keeps_forced = film->spec->forced_only && !tracks[i].facts.is_forced;
        n_asked++;
        n_certain += !stream->keeps_forced; // the others may have nothing that is forced
        if (!film->spec->lists_only && stream_begin(film, stream) == KN_OK) {
            ++*out_n_begun;
            film->n_ocr += stream->ocr != NULL;
        }
        if (kn_extract_is_for_another_program(&stream->error)) {
            *err = stream->error;
            return stream->error.code;
        }
    }
    return n_asked == 0 ? streams_none(film, err) : target_choose(film, n_certain, err);
}

/* ---- the pass ---- */
// Streams that were met while reading; what they lack is told when they are delivered.
static void late_streams_begin(struct film *film)
{
    int n;
    const struct kn_harvest_track *tracks = kn_harvest_tracks(film->harvest, &n);
    for (; film->n_streams < n && film->n_streams < film->n_known + MAX_LATE_STREAMS; film->n_streams++) {
        struct stream *stream = &film->streams[film->n_streams];
        if (!is_asked_for(film->spec, &tracks[film->n_streams]))
            continue;
        stream->track = &tracks[film->n_streams];
        const bool has_name = film->source->target_many || strstr(film->target, "{streamindex}");
        if (!has_name)
            (void)kn_fail(&stream->error, KN_EINVAL, "caption stream %d begins while the film goes on: '%s' has no {streamindex}",
                          film->n_streams, film->target);
        else if (stream_begin(film, stream) == KN_OK)
            film->n_ocr += stream->ocr != NULL;
    }
}

static kn_code packets_read(struct film *film, struct kn_error *err)
{
    struct kn_harvest_packet packet;
    bool has = true;
    for (int64_t n = 0;; n++) {
        if (n % ASK_EVERY == 0 && kn_context_is_cancelled(film->context))
            return kn_fail(err, KN_ECANCELED, "stopped");
        kn_code rc = kn_harvest_next(film->harvest, &packet, &has, err);
        if (rc != KN_OK || !has)
            return rc;
        if (packet.track >= film->n_streams)
            late_streams_begin(film);
        if (packet.track >= film->n_streams)
            continue;
        struct stream *stream = &film->streams[packet.track];
        for (int i = 0; i < stream->n_lists && stream->error.code == KN_OK; i++) {
            struct kn_cue_list *list = &stream->lists[i];
            rc = stream->ocr ? kn_ocr_stream_packet(stream->ocr, &packet.packet, &stream->error)
                             : kn_caption_packet(list, stream->track->facts.codec, &packet.packet, &stream->error);
            if (rc == KN_ENOMEM)
                return kn_fail(err, rc, "no memory for the captions of '%s'", film->source->uri);
            if (rc != KN_OK && kn_extract_is_for_another_program(&stream->error)) {
                *err = stream->error;
                return rc;
            }
            if (rc != KN_OK && stream->ocr)
                (void)pictures_fail(stream);
        }
    }
}

// Finishes the stream's lists; false when it turns out to have nothing that is asked for.
static bool stream_end(struct film *film, struct stream *stream)
{
    const int64_t end_us = kn_harvest_facts(film->harvest).end_us;
    size_t n_cues = 0;
    if (stream->n_lists > 0 && stream->track->refusal && stream->error.code == KN_OK)
        (void)kn_fail(&stream->error, KN_EUNSUP, "caption stream %d: %s", stream->track->number, stream->track->refusal);
    for (int i = 0; i < stream->n_lists && stream->error.code == KN_OK; i++) {
        struct kn_cue_list *list = &stream->lists[i];
        const kn_code rc = stream->ocr ? kn_ocr_stream_end(stream->ocr, end_us, &stream->error)
                                       : kn_caption_end(list, end_us, &stream->error);
        if (rc != KN_OK && stream->ocr)
            (void)pictures_fail(stream);
        if (stream->keeps_forced)
            kn_cue_list_keep_forced(list);
        n_cues += list->n_cues;
    }
    film->n_ocr_read += stream->ocr != NULL;
    return !stream->keeps_forced || n_cues > 0 || stream->error.code != KN_OK;
}

static kn_code streams_end(struct film *film, struct kn_error *err)
{
    int n = 0;
    for (int i = 0; i < film->n_streams; i++) {
        struct stream *stream = &film->streams[i];
        if (stream->track && !stream_end(film, stream))
            stream->track = NULL;
        if (stream->error.code == KN_ECANCELED)
            return kn_fail(err, KN_ECANCELED, "stopped");
        n += stream->track != NULL;
    }
    if (!film->spec->forced_only)
        return KN_OK;
    return n == 0 ? streams_none(film, err) : target_choose(film, n, err);
}

/* ---- the rows ---- */
static json_t *row_new(json_t *files, const struct film *film, const struct stream *stream, int number)
{
    const struct kn_caption_track *facts = &stream->track->facts;
    json_t *row = json_pack("{s:s, s:i, s:i, s:s, s:s, s:s, s:s*, s:b, s:b, s:b}", "Source", film->source->uri,
                            "StreamIndex", number, "ContainerIndex", facts->stream_index, "CodecName",
                            facts->codec_name, "Kind", facts->codec_name, "Language", facts->language, "Title",
                            facts->title && kn_is_utf8(facts->title, strlen(facts->title)) ? facts->title : NULL,
                            "Default", facts->is_default, "Forced", facts->is_forced, "HearingImpaired",
                            facts->is_hearing_impaired);
    if (row && film->spec->lists_only && kn_harvest_facts(film->harvest).is_partly_known)
        (void)json_object_set_new(row, "MayHaveMore", json_true());
    char page[8];
    (void)snprintf(page, sizeof(page), "%X", (unsigned)facts->page);
    if (row && facts->page)
        (void)json_object_set_new(row, "Page", json_string(page));
    return row && json_array_append_new(files, row) == 0 ? row : NULL;
}

static void row_fail(json_t *row, const struct kn_error *error)
{
    (void)json_object_set_new(row, "Code", json_string(kn_code_name(error->code)));
    (void)json_object_set_new(row, "Message", json_string(error->message));
}

// What is billed, and how sure the engine was.
static void row_add_ocr(json_t *row, const struct stream *stream)
{
    const struct kn_ocr_facts facts = kn_ocr_stream_facts(stream->ocr);
    (void)json_object_set_new(row, "Pictures", json_integer(facts.n_pictures));
    (void)json_object_set_new(row, "Unread", json_integer(facts.n_unread));
    if (!isnan(facts.confidence))
        (void)json_object_set_new(row, "Confidence", json_real(facts.confidence));
}

// The target with {streamindex} replaced, malloc'd.
static char *target_of(const char *target, int number)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", number);
    return kn_replace_all(target, "{streamindex}", text);
}

// One list to its file. What was broken in the film is told with the first.
static kn_code list_deliver(struct film *film, struct stream *stream, struct kn_cue_list *list, int number,
                            json_t *files, size_t *n_good, struct kn_error *err)
{
    // A second channel of one stream is a second file, which nobody knew when the target was chosen.
    const char *many = number >= film->n_known ? film->source->target_many : NULL;
    json_t *row = row_new(files, film, stream, number);
    kn_auto(kn_free) char *target = target_of(many ? many : film->target, number);
    if (!row || !target)
        return kn_fail(err, KN_ENOMEM, "no memory for a result");
    if (list->track.channel > 0)
        (void)json_object_set_new(row, "Channel", json_integer(list->track.channel));
    for (int i = 0; *n_good == 0 && kn_harvest_note(film->harvest, i); i++)
        kn_cue_list_warn(list, 0, "%s", kn_harvest_note(film->harvest, i));
    if (stream->ocr)
        row_add_ocr(row, stream);
    struct kn_error own = {0};
    const kn_code rc = kn_extract_list(film->context, film->spec, list, target, row, &own);
    if (rc == KN_OK)
        ++*n_good;
    else
        row_fail(row, &own);
    if (rc != KN_OK && err && err->code == KN_OK)
        *err = own;
    // A name that is taken, a full disk: no other stream fares better.
    return rc == KN_OK || rc == KN_EMEDIA || rc == KN_EUNSUP ? KN_OK : rc;
}

static kn_code stream_deliver(struct film *film, struct stream *stream, int *next_number, json_t *files,
                              size_t *n_good, struct kn_error *err)
{
    const int number = stream->track->number;
    if (film->spec->lists_only || stream->error.code != KN_OK) {
        json_t *row = row_new(files, film, stream, number);
        if (!row)
            return kn_fail(err, KN_ENOMEM, "no memory for a result");
        if (stream->error.code != KN_OK)
            row_fail(row, &stream->error);
        else
            ++*n_good;
        if (err && err->code == KN_OK && stream->error.code != KN_OK)
            *err = stream->error;
        return KN_OK;
    }
    if (stream->n_lists == 1)
        return list_deliver(film, stream, &stream->lists[0], number, files, n_good, err);
    // Channels that were met, and services with something in them: many are announced with nothing. The first has
    // the stream's own number.
    unsigned met = 0;
    for (int i = 0; i < CEA608_CHANNELS; i++)
        met |= kn_caption_channels(&stream->lists[i]) & ((1u << CEA608_CHANNELS) - 1);
    for (int i = CEA608_CHANNELS; i < stream->n_lists; i++)
        met |= stream->lists[i].n_cues ? 1u << i : 0;
    bool is_first = true;
    for (int i = 0; i < stream->n_lists; i++) {
        if (!((met ? met : 1) >> i & 1))
            continue;
        const kn_code rc = list_deliver(film, stream, &stream->lists[i], is_first ? number : (*next_number)++,
                                        files, n_good, err);
        is_first = false;
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

static kn_code context_open(void *impl, const char *uri, struct kn_source **out, struct kn_error *err)
{
    return kn_context_open_input(impl, uri, out, err);
}

kn_code kn_film_extract(struct kn_context *context, const struct kn_extract_spec *spec,
                        const struct kn_extract_source *source, json_t *files, size_t *out_n_good,
                        struct kn_error *err)
{
    kn_auto(film_clear) struct film film = {.context = context, .spec = spec, .source = source};
    const struct kn_input_env env = {.open = context_open, .impl = context,
                                     .looks_everywhere = spec->looks_everywhere};
    *out_n_good = 0;
    int n_begun = 0;
    kn_code rc = spec->closed_only ? kn_harvest_open_inside(&film.harvest, source->uri, &env, err)
                                   : kn_harvest_open_any(&film.harvest, source->uri, &env, err);
    if (rc == KN_OK)
        rc = streams_begin(&film, &n_begun, err);
    if (rc == KN_OK && n_begun > 0)
        rc = packets_read(&film, err);
    if (rc == KN_OK)
        rc = streams_end(&film, err);
    int next_number = film.n_streams;
    struct kn_error first = {0};
    for (int i = 0; i < film.n_streams && rc == KN_OK; i++)
        if (film.streams[i].track)
            rc = stream_deliver(&film, &film.streams[i], &next_number, files, out_n_good, &first);
    if (err && err->code == KN_OK && (rc != KN_OK || *out_n_good == 0))
        *err = first;
    if (rc == KN_OK && *out_n_good == 0)
        rc = first.code ? first.code : KN_EMEDIA;
    return rc;
}
