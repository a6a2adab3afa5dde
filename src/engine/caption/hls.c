/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A rendition is read as a whole when its first caption is asked for: its segments' cues become one list, on
 * one clock, and the list's cues packets. Where they are encrypted (EXT-X-KEY), in a way that nothing here reads, that
 * is known only then, and the track is refused.
 */
#include "engine/caption/hls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "engine/caption/finish.h"
#include "engine/caption/harvest_part.h"
#include "engine/caption/hls_line.h"
#include "engine/caption/text.h"
#include "engine/caption/vtt.h"

// A playlist: a day of two-second segments is 4 MiB.
#define MAX_PLAYLIST_BYTES (16 * 1024 * 1024)
// Segments of one rendition.
#define MAX_SEGMENTS 100000
// A key has 16.
#define MAX_KEY_BYTES 1024
// How far back a cue is looked for that the segment before had too.
#define LOOK_BACK 32
#define CLOCK_BITS 33

struct rendition {
    const char *uri; // of its media playlist; in the harvest's arena
    struct kn_cue_list list;
    size_t n_bytes; // of its segments
    bool is_read;
};

struct hls {
    struct kn_input_env env; // its `impl` borrowed
    const char *uri;         // of the playlist that was opened; in the harvest's arena
    struct rendition *renditions; // owned, one a track
    int n_renditions;
    int64_t base_us;      // where the media begins on its clock; KN_NO_TIME: the first segment's map says
    int64_t n_bytes_read;
    int at;               // track being delivered
    size_t next_cue;
};

static void hls_release(void *reader)
{
    struct hls *hls = reader;
    for (int i = 0; i < hls->n_renditions; i++)
        kn_cue_list_clear(&hls->renditions[i].list);
    free(hls->renditions);
    free(hls);
}

static void hls_free(struct hls **hls)
{
    if (*hls)
        hls_release(*hls);
    *hls = NULL;
}

/* ---- files ---- */
// What of a file is wanted, and how it is encrypted.
struct part {
    int64_t start, end; // bytes; end -1: to its end
    bool is_encrypted;
    struct kn_aes_span span;
};

static kn_code source_load(struct hls *hls, struct kn_source *source, const struct part *part, size_t max,
                           struct kn_buf *out, struct kn_error *err)
{
    char bytes[64 * 1024];
    const int64_t start = part ? part->start : 0, end = part && part->end >= 0 ? part->end : INT64_MAX;
    for (int64_t at = start;;) {
        size_t got = 0;
        const size_t n = end - at < (int64_t)sizeof(bytes) ? (size_t)(end - at) : sizeof(bytes);
        const kn_code rc = n > 0 ? kn_source_read_at(source, at, bytes, n, &got, err) : KN_OK;
        if (rc != KN_OK || got == 0)
            return rc != KN_OK || kn_buf_ok(out) ? rc : kn_fail(err, KN_ENOMEM, "no memory for '%s'", source->uri);
        at += (int64_t)got;
        hls->n_bytes_read += (int64_t)got;
        if ((size_t)(at - start) > max)
            return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "'%s' is larger than %zu MiB", source->uri, max >> 20);
        kn_buf_add(out, bytes, got);
    }
}

// `reference` as it is meant in the playlist `from`, malloc'd; NULL when it may not be named there.
static char *address_of(const struct hls *hls, const char *from, const char *reference, size_t n)
{
    struct kn_buf out = {0};
    const size_t n_path = strcspn(from, "?#");
    size_t n_folder = n_path;
    while (n_folder > 0 && from[n_folder - 1] != '/')
        n_folder--;
    kn_auto(kn_free) char *word = strndup(reference, n);
    if (!word)
        return NULL;
    if (!strstr(word, "://"))
        kn_buf_add(&out, from, n_folder);
    kn_buf_puts(&out, word);
    kn_auto(kn_free) char *uri = kn_buf_take(&out);
    return uri && word[0] != '/' && kn_input_may_refer(hls->uri, uri) ? KN_TAKE(uri) : NULL;
}

// `part` may be NULL: all of it, as it is.
static kn_code address_load(struct hls *hls, const char *from, const char *reference, size_t n_reference, size_t max,
                            const struct part *part, struct kn_buf *out, struct kn_error *err)
{
    kn_auto(kn_free) char *uri = address_of(hls, from, reference, n_reference);
    if (!uri)
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad",
                          "the playlist '%s' names '%.*s', and may name only what lies beside it and http(s) addresses",
                          from, (int)(n_reference < 200 ? n_reference : 200), reference);
    kn_auto(kn_source_free) struct kn_source *source = NULL;
    kn_code rc = hls->env.open(hls->env.impl, uri, &source, err);
    if (rc == KN_OK && part && part->is_encrypted)
        rc = kn_aes_source_new(&source, KN_TAKE(source), &part->span, err);
    return rc == KN_OK ? source_load(hls, source, part, max, out, err) : rc;
}

/* ---- segments ---- */
// The number behind a word of X-TIMESTAMP-MAP, or NULL.
static const char *map_word(struct kn_line line, const char *word)
{
    const char *at = kn_line_find(line, word);
    return at ? at + strlen(word) : NULL;
}

static int64_t local_read(const char *text)
{
    unsigned h = 0, m = 0, s = 0, ms = 0;
    if (sscanf(text, "%5u:%2u:%2u.%3u", &h, &m, &s, &ms) == 4)
        return (((int64_t)h * 60 + m) * 60 + s) * KN_SECOND + ms * 1000ll;
    if (sscanf(text, "%5u:%2u.%3u", &m, &s, &ms) == 3)
        return ((int64_t)m * 60 + s) * KN_SECOND + ms * 1000ll;
    return 0;
}

// From a segment's times to the presentation's: what is to be added.
static int64_t offset_of(struct hls *hls, const char *header)
{
    struct kn_lines lines = kn_lines_of(header, strlen(header));
    struct kn_line line;
    while (kn_lines_next(&lines, &line)) {
        const char *ticks = kn_line_begins(line, "X-TIMESTAMP-MAP") ? map_word(line, "MPEGTS:") : NULL;
        const char *local = ticks ? map_word(line, "LOCAL:") : NULL;
        if (!local)
            continue;
        const int64_t whole = 1ll << CLOCK_BITS, local_us = local_read(local);
        const int64_t clock = (int64_t)(strtoull(ticks, NULL, 10) & (uint64_t)(whole - 1));
        if (hls->base_us == KN_NO_TIME)
            hls->base_us = clock * 100 / 9 - local_us; // what begins first begins the presentation
        // The clock wraps after 26 hours; the nearest of the ways round is meant.
        int64_t away = (clock - hls->base_us * 9 / 100) % whole;
        away += away < -whole / 2 ? whole : away > whole / 2 ? -whole : 0;
        return away * 100 / 9 - local_us;
    }
    return 0;
}

static bool text_is_equal(const struct kn_cue *a, const struct kn_cue *b)
{
    return kn_equal(a->raw, b->raw) && kn_equal(a->settings, b->settings) && kn_equal(a->id, b->id);
}

// Whether a cue before has it already, or goes on with it.
static bool is_known(struct kn_cue_list *list, size_t n_before, const struct kn_cue *cue)
{
    for (size_t i = n_before; i-- > 0 && n_before - i <= LOOK_BACK;) {
        struct kn_cue *before = &list->cues[i];
        if (!text_is_equal(before, cue) || cue->end_us == KN_NO_TIME || before->end_us == KN_NO_TIME ||
            cue->start_us < before->start_us || cue->start_us > before->end_us + KN_CUE_MAX_BLINK_US)
            continue;
        before->end_us = cue->end_us > before->end_us ? cue->end_us : before->end_us;
        return true;
    }
    return false;
}

static kn_code segment_read(struct hls *hls, struct rendition *rendition, const struct kn_buf *bytes, struct kn_error *err)
{
    struct kn_cue_list *list = &rendition->list;
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    char encoding[40];
    const size_t n_before = list->n_cues;
    const char *first_header = list->header;
    kn_code rc = kn_caption_decode(&text, kn_buf_text(bytes), bytes->len, NULL, encoding, err);
    if (rc == KN_OK)
        rc = kn_vtt_read(list, kn_buf_text(&text), text.len, err);
    if (rc != KN_OK)
        return rc;
    const int64_t offset_us = list->header ? offset_of(hls, list->header) : 0;
    list->header = first_header ? first_header : list->header;
    size_t kept = n_before;
    for (size_t i = n_before; i < list->n_cues; i++) {
        struct kn_cue cue = list->cues[i];
        cue.start_us += cue.start_us == KN_NO_TIME ? 0 : offset_us;
        cue.end_us += cue.end_us == KN_NO_TIME ? 0 : offset_us;
        if (cue.is_comment || is_known(list, n_before, &cue))
            continue;
        list->cues[kept++] = cue;
    }
    list->n_cues = kept;
    return KN_OK;
}

// What a media playlist has said so far of the segment that comes next.
struct media {
    struct kn_hls_key key;
    unsigned char key_bytes[KN_AES_BLOCK];
    kn_code key_rc;            // whether they could be had
    struct kn_error key_error; // why not
    bool is_key_loaded, is_key_new; // of `key`; since the segment before
    int64_t range_start, range_end; // of the next segment, or where the range before ended
    bool has_range;
    uint64_t sequence;
    int n_read, n_lost;
    struct kn_error lost; // why the first was
};

static void media_clear(struct media *media)
{
    kn_hls_key_clear(&media->key);
}

// Several keys may stand before a segment, for several systems to choose from: the one that can be had is meant.
static void key_take(struct media *media, struct kn_line line)
{
    kn_auto(kn_hls_key_clear) struct kn_hls_key key = {0};
    kn_hls_key_read(&key, line);
    if (media->is_key_new && media->key.method == KN_HLS_AES_128 && key.method == KN_HLS_FOREIGN)
        return;
    media->is_key_loaded = media->is_key_loaded && kn_equal(media->key.uri, key.uri);
    media->is_key_new = true;
    kn_hls_key_clear(&media->key);
    media->key = key;
    key = (struct kn_hls_key){0};
}

static void tag_take(struct media *media, struct kn_line line)
{
    static const char sequence[] = "#EXT-X-MEDIA-SEQUENCE:";
    if (kn_line_begins(line, "#EXT-X-KEY:"))
        key_take(media, line);
    else if (kn_line_begins(line, "#EXT-X-BYTERANGE:"))
        media->has_range = kn_hls_range_read(line, &media->range_start, &media->range_end);
    else if (kn_line_begins(line, sequence) && media->n_read + media->n_lost == 0)
        media->sequence = strtoull(line.text + sizeof(sequence) - 1, NULL, 10); // a line ends before its text does
}

static kn_code key_load(struct hls *hls, const char *from, struct media *media)
{
    struct kn_error *err = &media->key_error;
    kn_auto(kn_buf_clear) struct kn_buf bytes = {0};
    if (media->is_key_loaded)
        return media->key_rc;
    media->is_key_loaded = true;
    media->key_error = (struct kn_error){0};
    const char *uri = media->key.uri;
    kn_code rc = uri ? address_load(hls, from, uri, strlen(uri), MAX_KEY_BYTES, NULL, &bytes, err)
                     : kn_fail(err, KN_EMEDIA, "EXT-X-KEY names none");
    if (rc == KN_OK && bytes.len != KN_AES_BLOCK)
        rc = kn_fail(err, KN_EMEDIA, "'%.200s' has %zu bytes, not %d", uri, bytes.len, KN_AES_BLOCK);
    if (rc == KN_OK)
        memcpy(media->key_bytes, bytes.data, KN_AES_BLOCK);
    else
        (void)kn_error_prefix(err, "its key cannot be had");
    return media->key_rc = rc;
}

static bool begins_as_webvtt(const struct kn_buf *bytes)
{
    const size_t mark = bytes->len >= 3 && memcmp(bytes->data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    return bytes->len == 0 || (bytes->len >= mark + 6 && memcmp(bytes->data + mark, "WEBVTT", 6) == 0);
}

// The segment that `line` names, in the clear.
static kn_code segment_load(struct hls *hls, const char *from, struct media *media, struct kn_line line,
                            struct kn_buf *out, struct kn_error *err)
{
    struct part part = {.start = media->has_range ? media->range_start : 0,
                        .end = media->has_range ? media->range_end : -1,
                        .is_encrypted = media->key.method == KN_HLS_AES_128};
    if (part.is_encrypted) {
        const kn_code rc = key_load(hls, from, media);
        if (rc != KN_OK) {
            *err = media->key_error;
            return rc;
        }
        part.span = (struct kn_aes_span){.start = part.start, .end = part.end};
        memcpy(part.span.key, media->key_bytes, KN_AES_BLOCK);
        kn_hls_key_iv(&media->key, media->sequence, part.span.iv);
        part.end = -1; // the span ends by itself
    }
    const kn_code rc = address_load(hls, from, line.text, line.n, KN_MAX_CAPTION_BYTES, &part, out, err);
    if (rc == KN_OK && part.is_encrypted && !begins_as_webvtt(out))
        return kn_fail(err, KN_EMEDIA, "'%.*s' is no WebVTT when it is decrypted: its key or IV is another",
                       (int)(line.n < 200 ? line.n : 200), line.text);
    return rc;
}

static kn_code segment_take(struct hls *hls, struct rendition *rendition, struct media *media, struct kn_line line,
                            struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf segment = {0};
    kn_code rc = segment_load(hls, rendition->uri, media, line, &segment, err);
    rendition->n_bytes += segment.len;
    if (rc == KN_OK && rendition->n_bytes > KN_MAX_CAPTION_BYTES)
        rc = kn_fail(err, KN_ELIMIT, "more than %d MiB of captions", KN_MAX_CAPTION_BYTES >> 20);
    return rc == KN_OK ? segment_read(hls, rendition, &segment, err) : rc;
}

// A segment that cannot be had is a note; the others are read. When none can, the track is refused.
static kn_code rendition_read(struct kn_harvest *harvest, struct hls *hls, int number, struct kn_error *err)
{
    struct rendition *rendition = &hls->renditions[number];
    kn_auto(kn_buf_clear) struct kn_buf playlist = {0};
    kn_auto(media_clear) struct media media = {0};
    const char **refusal = &harvest->tracks[number].refusal;
    rendition->is_read = true;
    kn_code rc = address_load(hls, hls->uri, rendition->uri, strlen(rendition->uri), MAX_PLAYLIST_BYTES, NULL, &playlist,
                              err);
    struct kn_lines lines = kn_lines_of(kn_buf_text(&playlist), playlist.len);
    struct kn_line line;
    while (rc == KN_OK && media.n_read + media.n_lost < MAX_SEGMENTS && kn_lines_next(&lines, &line)) {
        line = kn_line_trim(line);
        if (line.n > 0 && line.text[0] == '#')
            tag_take(&media, line);
        if (line.n == 0 || line.text[0] == '#')
            continue;
        if (hls->env.stop && atomic_load_explicit(hls->env.stop, memory_order_relaxed))
            return kn_fail(err, KN_ECANCELED, "stopped");
        struct kn_error reason = {0};
        rc = media.key.method == KN_HLS_FOREIGN
            ? kn_fail(&reason, KN_EMEDIA, "it is encrypted by '%s', and only AES-128 with a key by URI can be read",
                      media.key.name)
            : segment_take(hls, rendition, &media, line, &reason);
        const bool is_lost = rc == KN_EMEDIA || rc == KN_ENOTFOUND;
        if (rc != KN_OK && !is_lost)
            return kn_fail(err, rc, "%s", reason.message);
        if (is_lost)
            kn_harvest_warn(harvest, "segment %d is left out: %s", media.n_read + media.n_lost, reason.message);
        if (is_lost && media.n_lost++ == 0)
            media.lost = reason;
        media.n_read += !is_lost;
        media.sequence++;
        media.is_key_new = media.has_range = false;
        rc = KN_OK;
    }
    if (media.n_read == 0 && media.n_lost > 0)
        *refusal = kn_arena_printf(&harvest->arena, "none of its %d segments can be read: of the first, %s", media.n_lost,
                                   media.lost.message);
    return rc;
}

/* ---- the reader ---- */
static kn_code hls_begin(struct kn_harvest *harvest, struct kn_error *err)
{
    (void)harvest;
    (void)err;
    return KN_OK;
}

static kn_code hls_next(struct kn_harvest *harvest, struct kn_harvest_packet *out, bool *out_has, struct kn_error *err)
{
    struct hls *hls = harvest->reader;
    for (; hls->at < hls->n_renditions; hls->at++, hls->next_cue = 0) {
        struct rendition *rendition = &hls->renditions[hls->at];
        if (!kn_harvest_wants(harvest, hls->at))
            continue;
        const kn_code rc = rendition->is_read ? KN_OK : rendition_read(harvest, hls, hls->at, err);
        if (rc != KN_OK)
            return rc;
        if (hls->next_cue >= rendition->list.n_cues)
            continue;
        const struct kn_cue *cue = &rendition->list.cues[hls->next_cue++];
        const char *payload = cue->raw ? cue->raw : "";
        *out = (struct kn_harvest_packet){
            .track = hls->at,
            .packet = {
                .start_us = cue->start_us,
                .duration_us = cue->end_us == KN_NO_TIME ? KN_NO_TIME : cue->end_us - cue->start_us,
                .bytes = (const uint8_t *)payload,
                .n = strlen(payload),
                .id = cue->id,
                .settings = cue->settings,
            },
        };
        *out_has = true;
        return KN_OK;
    }
    return KN_OK;
}

static void hls_count(const struct kn_harvest *harvest, struct kn_harvest_facts *facts)
{
    facts->n_bytes_read = ((const struct hls *)harvest->reader)->n_bytes_read;
}

/* ---- playlists ---- */
static bool is_yes(struct kn_line line, const char *name)
{
    kn_auto(kn_free) char *value = kn_hls_attribute(line, name);
    return kn_equal(value, "YES");
}

static kn_code add_rendition(struct kn_harvest *harvest, struct hls *hls, const char *uri, struct kn_line line,
                             struct kn_error *err)
{
    struct kn_harvest_track *track;
    const kn_code rc = kn_harvest_add_track(harvest, &track, err);
    if (rc != KN_OK)
        return rc;
    struct rendition *grown = realloc(hls->renditions, ((size_t)hls->n_renditions + 1) * sizeof(*grown));
    if (!grown)
        return kn_fail(err, KN_ENOMEM, "no memory for a rendition");
    hls->renditions = grown;
    grown[hls->n_renditions++] = (struct rendition){.uri = kn_arena_strdup(&harvest->arena, uri)};
    kn_auto(kn_free) char *language = kn_hls_attribute(line, "LANGUAGE");
    kn_auto(kn_free) char *name = kn_hls_attribute(line, "NAME");
    kn_auto(kn_free) char *characteristics = kn_hls_attribute(line, "CHARACTERISTICS");
    struct kn_caption_track *facts = &track->facts;
    facts->stream_index = track->number;
    facts->codec = KN_CAPTION_WEBVTT;
    (void)kn_copy(facts->codec_name, sizeof(facts->codec_name), "webvtt");
    if (language && *language)
        (void)kn_copy(facts->language, sizeof(facts->language), language);
    facts->title = name ? kn_arena_strdup(&harvest->arena, name) : NULL;
    facts->is_default = is_yes(line, "DEFAULT");
    facts->is_forced = is_yes(line, "FORCED");
    facts->is_hearing_impaired = characteristics && strstr(characteristics, "public.accessibility.describes");
    return uri && !grown[hls->n_renditions - 1].uri ? kn_fail(err, KN_ENOMEM, "no memory for a rendition") : KN_OK;
}

static bool is_webvtt_name(struct kn_line line)
{
    const char *cut = memchr(line.text, '?', line.n);
    const size_t n = cut ? (size_t)(cut - line.text) : line.n;
    return (n > 4 && strncasecmp(line.text + n - 4, ".vtt", 4) == 0) ||
        (n > 7 && strncasecmp(line.text + n - 7, ".webvtt", 7) == 0);
}

// The tracks of a playlist; none when it has no WebVTT.
static kn_code playlist_read(struct kn_harvest *harvest, struct hls *hls, const struct kn_buf *text, bool *out_is_master,
                             struct kn_error *err)
{
    struct kn_lines lines = kn_lines_of(kn_buf_text(text), text->len);
    struct kn_line line;
    kn_code rc = KN_OK;
    *out_is_master = false;
    while (rc == KN_OK && kn_lines_next(&lines, &line)) {
        line = kn_line_trim(line);
        if (line.n > 0 && line.text[0] != '#' && !*out_is_master)
            // The first segment of a media playlist tells what all are.
            return is_webvtt_name(line) ? add_rendition(harvest, hls, hls->uri, (struct kn_line){.text = ""}, err) : KN_OK;
        *out_is_master = *out_is_master || kn_line_begins(line, "#EXT-X-STREAM-INF") || kn_line_begins(line, "#EXT-X-MEDIA:");
        if (!kn_line_begins(line, "#EXT-X-MEDIA:"))
            continue;
        kn_auto(kn_free) char *type = kn_hls_attribute(line, "TYPE");
        kn_auto(kn_free) char *uri = kn_hls_attribute(line, "URI");
        kn_auto(kn_free) char *address = kn_equal(type, "SUBTITLES") && uri ? address_of(hls, hls->uri, uri, strlen(uri)) : NULL;
        if (address)
            rc = add_rendition(harvest, hls, address, line, err);
        else if (kn_equal(type, "SUBTITLES"))
            kn_harvest_warn(harvest, "the rendition '%.100s' lies where a playlist may not lead", uri ? uri : "");
    }
    return rc;
}

// Where the pictures and sound begin; without them the first segment's map says.
static void media_facts(struct kn_harvest *harvest, struct hls *hls)
{
    kn_auto(kn_input_free) struct kn_input *input = NULL;
    if (kn_input_open(&input, hls->uri, &hls->env, NULL) != KN_OK)
        return;
    hls->base_us = kn_input_start_us(input);
    harvest->facts.end_us = kn_input_duration_us(input);
    const AVStream *picture = kn_input_stream(input, AVMEDIA_TYPE_VIDEO, 0);
    if (picture) {
        harvest->facts.width_px = picture->codecpar->width;
        harvest->facts.height_px = picture->codecpar->height;
    }
}

kn_code kn_hls_captions_open(struct kn_harvest **out_harvest, struct kn_source *source,
                             const struct kn_input_env *env, struct kn_error *err)
{
    char head[16];
    size_t n = 0;
    *out_harvest = NULL;
    kn_code rc = kn_source_read_at(source, 0, head, 7, &n, err);
    if (rc != KN_OK || n < 7 || memcmp(head, "#EXTM3U", 7) != 0)
        return rc;
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = calloc(1, sizeof(*harvest));
    kn_auto(hls_free) struct hls *hls = calloc(1, sizeof(*hls));
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    if (!harvest || !hls)
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", source->uri);
    hls->env = *env;
    hls->base_us = KN_NO_TIME;
    hls->uri = kn_arena_strdup(&harvest->arena, source->uri);
    if (!hls->uri)
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", source->uri);
    bool is_master = false;
    rc = source_load(hls, source, NULL, MAX_PLAYLIST_BYTES, &text, err);
    if (rc == KN_OK)
        rc = playlist_read(harvest, hls, &text, &is_master, err);
    if (rc != KN_OK || harvest->n_tracks == 0)
        return rc;
    harvest->facts = (struct kn_harvest_facts){.container = "HLS", .end_us = KN_NO_TIME};
    if (is_master)
        media_facts(harvest, hls);
    harvest->begin = hls_begin;
    harvest->next = hls_next;
    harvest->release = hls_release;
    harvest->count = hls_count;
    harvest->reader = KN_TAKE(hls);
    *out_harvest = KN_TAKE(harvest);
    return KN_OK;
}
