/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Matroska's headers: where things lie, what the tracks are, what their writer says of itself.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/matroska.h"

// Elements before the first cluster: a handful; more is a file made to keep us busy.
#define MAX_TOP_ELEMENTS 4096
// Tracks of all kinds that are remembered.
#define MAX_TRACKS 4096

/* ---- whole elements ---- */
kn_code kn_matroska_load(struct kn_matroska *m, int64_t at, uint32_t id,
                         struct kn_ebml_span *out_payload, struct kn_error *err)
{
    struct kn_window *window = &m->harvest->window;
    const uint8_t *bytes = NULL;
    size_t got = 0;
    *out_payload = (struct kn_ebml_span){0};
    kn_code rc = kn_window_show(window, at, KN_EBML_HEAD_BYTES, &bytes, &got, err);
    if (rc != KN_OK)
        return rc;
    struct kn_ebml_head head;
    if (kn_ebml_head(&head, bytes, got) != KN_EBML_OK || head.id != id || head.n == KN_EBML_UNKNOWN)
        return kn_fail(err, KN_EMEDIA, "no element %" PRIX32 " at byte %" PRId64, id, at);
    int64_t n = head.n;
    const int64_t size = window->source->size_bytes;
    if (size >= 0 && n > size - at - head.n_head)
        n = size - at - head.n_head; // cut off: what is there is used
    if (n > KN_MAX_WINDOW_BYTES)
        return kn_fail(err, KN_EMEDIA, "the element %" PRIX32 " at byte %" PRId64 " has %" PRId64
                       " bytes", id, at, n);
    rc = kn_window_show(window, at + head.n_head, (size_t)n, &bytes, &got, err);
    if (rc == KN_OK)
        *out_payload = (struct kn_ebml_span){bytes, got};
    return rc;
}

static char *text_of(struct kn_harvest *harvest, const struct kn_ebml_element *element)
{
    const size_t n = strnlen((const char *)element->bytes, element->n); // padded with NUL, or not
    return kn_arena_strndup(&harvest->arena, (const char *)element->bytes, n);
}

static void copy_text(char *out, size_t size, const struct kn_ebml_element *element)
{
    size_t n = strnlen((const char *)element->bytes, element->n);
    if (n >= size)
        n = size - 1;
    memcpy(out, element->bytes, n);
    out[n] = '\0';
}

static const uint8_t *keep_bytes(struct kn_harvest *harvest, const uint8_t *bytes, size_t n)
{
    uint8_t *kept = kn_arena_alloc(&harvest->arena, n ? n : 1);
    if (kept && n)
        memcpy(kept, bytes, n);
    return kept;
}

/* ---- SeekHead and Info ---- */
static void note_place(struct kn_matroska *m, uint32_t id, int64_t at)
{
    switch (id) {
    case KN_MKV_CUES: m->cues_at = at; break;
    case KN_MKV_TAGS: m->tags_at = at; break;
    case KN_MKV_INFO: m->info_at = at; break;
    case KN_MKV_TRACKS: m->tracks_at = at; break;
    default: break;
    }
}

static void read_seek_head(struct kn_matroska *m, struct kn_ebml_span span)
{
    struct kn_ebml_element seek, part;
    while (kn_ebml_next(&span, &seek)) {
        if (seek.id != 0x4DBB) // Seek
            continue;
        uint64_t id = 0, position = UINT64_MAX;
        struct kn_ebml_span parts = {seek.bytes, seek.n};
        while (kn_ebml_next(&parts, &part)) {
            if (part.id == 0x53AB) // SeekID
                id = kn_ebml_uint(&part);
            else if (part.id == 0x53AC) // SeekPosition
                position = kn_ebml_uint(&part);
        }
        if (id <= UINT32_MAX && position < (uint64_t)(INT64_MAX - m->segment_at))
            note_place(m, (uint32_t)id, m->segment_at + (int64_t)position);
    }
}

static void read_info(struct kn_matroska *m, struct kn_ebml_span span)
{
    struct kn_ebml_element part;
    double duration = 0;
    while (kn_ebml_next(&span, &part)) {
        char writer[32];
        switch (part.id) {
        case 0x2AD7B1: { // TimestampScale
            const uint64_t scale = kn_ebml_uint(&part);
            if (scale > 0 && scale <= 1000000000)
                m->scale_ns = (int64_t)scale;
            break;
        }
        case 0x4489: duration = kn_ebml_float(&part); break;
        case 0x4D80: // MuxingApp
            copy_text(writer, sizeof(writer), &part);
            // Both give every block of a caption track its entry, and the place within the cluster.
            m->is_good_writer = kn_starts_with(writer, "libebml") || kn_starts_with(writer, "Lavf");
            break;
        default: break;
        }
    }
    const double us = duration * (double)m->scale_ns / 1000;
    if (us > 0 && us < 1e15) // 31 years; also no NaN
        m->harvest->facts.end_us = (int64_t)us;
}

/* ---- content encodings ---- */
// Why the track cannot be read, or NULL. The order of undoing is by falling ContentEncodingOrder.
static const char *read_encoding(struct kn_matroska *m, struct kn_matroska_track *track,
                                 struct kn_ebml_span span)
{
    struct kn_ebml_element part, inner;
    uint64_t scope = 1, kind = 0, algorithm = 0; // the defaults of RFC 9559
    struct kn_matroska_encoding encoding = {0};
    while (kn_ebml_next(&span, &part)) {
        if (part.id == 0x5032) // ContentEncodingScope
            scope = kn_ebml_uint(&part);
        else if (part.id == 0x5033) // ContentEncodingType
            kind = kn_ebml_uint(&part);
        else if (part.id == 0x5034) { // ContentCompression
            struct kn_ebml_span inside = {part.bytes, part.n};
            while (kn_ebml_next(&inside, &inner)) {
                if (inner.id == 0x4254) // ContentCompAlgo
                    algorithm = kn_ebml_uint(&inner);
                else if (inner.id == 0x4255) { // ContentCompSettings
                    encoding.stripped = keep_bytes(m->harvest, inner.bytes, inner.n);
                    encoding.n_stripped = encoding.stripped ? inner.n : 0;
                }
            }
        }
    }
    if (kind == 1)
        return "its frames are encrypted";
    if (algorithm == 1)
        return "its frames are compressed with bzlib, which nothing here undoes";
    if (algorithm == 2)
        return "its frames are compressed with LZO, which nothing here undoes";
    if (algorithm != 0 && algorithm != 3)
        return "its frames are compressed in a way that nothing here knows";
    encoding.is_zlib = algorithm == 0;
    encoding.has_frames = scope & 1;
    encoding.has_private = scope & 2;
    if (track->n_encodings == KN_MKV_MAX_ENCODINGS)
        return "its frames are encoded more often than is undone here";
    track->encodings[track->n_encodings++] = encoding;
    return NULL;
}

// The writer lists them in the order it applied them; the last is undone first.
static const char *read_encodings(struct kn_matroska *m, struct kn_matroska_track *track,
                                  struct kn_ebml_span span)
{
    struct kn_ebml_element part;
    while (kn_ebml_next(&span, &part)) {
        if (part.id != 0x6240) // ContentEncoding
            continue;
        const char *refusal = read_encoding(m, track, (struct kn_ebml_span){part.bytes, part.n});
        if (refusal)
            return refusal;
    }
    for (int i = 0, j = track->n_encodings - 1; i < j; i++, j--) {
        const struct kn_matroska_encoding first = track->encodings[i];
        track->encodings[i] = track->encodings[j];
        track->encodings[j] = first;
    }
    return NULL;
}

/* ---- tracks ---- */
static const struct {
    const char *id;
    enum kn_caption_codec codec;
    const char *refusal;
} CODECS[] = {
    {"S_TEXT/UTF8", KN_CAPTION_SRT_TEXT, NULL},
    {"S_TEXT/ASCII", KN_CAPTION_SRT_TEXT, NULL},
    {"S_TEXT/ASS", KN_CAPTION_ASS, NULL},
    {"S_ASS", KN_CAPTION_ASS, NULL},
    {"S_TEXT/SSA", KN_CAPTION_SSA, NULL},
    {"S_SSA", KN_CAPTION_SSA, NULL},
    {"S_TEXT/WEBVTT", KN_CAPTION_WEBVTT, NULL},
    {"D_WEBVTT/SUBTITLES", KN_CAPTION_WEBVTT, NULL},
    {"D_WEBVTT/CAPTIONS", KN_CAPTION_WEBVTT, NULL},
    {"D_WEBVTT/DESCRIPTIONS", KN_CAPTION_WEBVTT, NULL},
    {"D_WEBVTT/METADATA", KN_CAPTION_WEBVTT, NULL},
    {"S_TEXT/USF", KN_CAPTION_USF, NULL},
    {"S_HDMV/PGS", KN_CAPTION_PGS, NULL},
    {"S_HDMV/TEXTST", KN_CAPTION_OTHER, "its text is in Blu-ray TextST (S_HDMV/TEXTST), which nothing here reads"},
    {"S_VOBSUB", KN_CAPTION_VOBSUB, NULL},
    {"S_DVBSUB", KN_CAPTION_DVB, NULL},
    {"S_ARIBSUB", KN_CAPTION_OTHER, "its text is in ARIB STD-B24 (S_ARIBSUB), which nothing here reads"},
    {"S_KATE", KN_CAPTION_OTHER, "its text is in Kate (S_KATE), which nothing here reads"},
    {"S_IMAGE/BMP", KN_CAPTION_OTHER, "its pictures are bitmap files (S_IMAGE/BMP), which nothing here reads"},
};

static void set_codec(struct kn_harvest *harvest, struct kn_harvest_track *track,
                      struct kn_matroska_track *own, const char *id)
{
    (void)kn_copy(track->facts.codec_name, sizeof(track->facts.codec_name), id);
    for (size_t i = 0; i < KN_COUNT(CODECS); i++) {
        if (!kn_equal_nocase(id, CODECS[i].id))
            continue;
        track->facts.codec = CODECS[i].codec;
        track->refusal = CODECS[i].refusal;
        own->is_line_vtt = kn_starts_with(id, "D_WEBVTT");
        return;
    }
    track->refusal = kn_arena_printf(&harvest->arena, "its codec '%.60s' is one that nothing here reads", id);
}

struct track_words {
    char codec[48];
    char language[36];
    bool has_bcp47;
    const char *title;
    bool is_default, is_forced, is_hearing_impaired, is_commentary, is_original;
    struct kn_ebml_element private_data, encodings, video;
    uint64_t kind;
};

static void read_track_words(struct kn_matroska *m, struct kn_matroska_track *own,
                             struct track_words *words, struct kn_ebml_span span)
{
    struct kn_ebml_element part;
    while (kn_ebml_next(&span, &part)) {
        switch (part.id) {
        case 0xD7: own->number = kn_ebml_uint(&part); break;
        case 0x73C5: own->uid = kn_ebml_uint(&part); break;
        case 0x83: words->kind = kn_ebml_uint(&part); break;
        case 0x86: copy_text(words->codec, sizeof(words->codec), &part); break;
        case 0x22B59C: // Language, ISO 639-2
            if (!words->has_bcp47)
                copy_text(words->language, sizeof(words->language), &part);
            break;
        case 0x22B59D: // LanguageBCP47: when present, the other is to be ignored
            copy_text(words->language, sizeof(words->language), &part);
            words->has_bcp47 = true;
            break;
        case 0x536E: words->title = text_of(m->harvest, &part); break;
        case 0x88: words->is_default = kn_ebml_uint(&part); break;
        case 0x55AA: words->is_forced = kn_ebml_uint(&part); break;
        case 0x55AB: words->is_hearing_impaired = kn_ebml_uint(&part); break;
        case 0x55AF: words->is_commentary = kn_ebml_uint(&part); break;
        case 0x55AE: words->is_original = kn_ebml_uint(&part); break;
        case 0x63A2: words->private_data = part; break;
        case 0x6D80: words->encodings = part; break;
        case 0xE0: words->video = part; break;
        case 0x23E383: { // DefaultDuration
            const uint64_t ns = kn_ebml_uint(&part);
            own->frame_ns = ns < (uint64_t)INT64_MAX / KN_MKV_MAX_LACES ? (int64_t)ns : 0;
            break;
        }
        default: break;
        }
    }
}

static void set_private(struct kn_matroska *m, struct kn_harvest_track *track,
                        const struct kn_matroska_track *own, const struct track_words *words)
{
    const uint8_t *bytes = words->private_data.bytes;
    size_t n = words->private_data.n;
    kn_auto(kn_buf_clear) struct kn_buf plain = {0};
    if (n > KN_MAX_CAPTION_PRIVATE) {
        kn_harvest_warn(m->harvest, "the header of caption track %d has %zu bytes and was left out",
                        track->number, n);
        return;
    }
    if (n > 0 && !kn_matroska_undo(own, true, &bytes, &n, KN_MAX_CAPTION_PRIVATE, &plain)) {
        kn_harvest_warn(m->harvest, "the header of caption track %d cannot be uncompressed",
                        track->number);
        return;
    }
    track->private_bytes = n ? keep_bytes(m->harvest, bytes, n) : NULL;
    track->n_private = track->private_bytes ? n : 0;
}

static void note_frame_size(struct kn_matroska *m, const struct kn_ebml_element *video)
{
    struct kn_ebml_span span = {video->bytes, video->n};
    struct kn_ebml_element part;
    uint64_t width = 0, height = 0;
    while (kn_ebml_next(&span, &part)) {
        if (part.id == 0xB0)
            width = kn_ebml_uint(&part);
        else if (part.id == 0xBA)
            height = kn_ebml_uint(&part);
    }
    struct kn_harvest_facts *facts = &m->harvest->facts;
    if (facts->width_px == 0 && width > 0 && width < 65536 && height > 0 && height < 65536) {
        facts->width_px = (int)width;
        facts->height_px = (int)height;
    }
}

static kn_code read_track(struct kn_matroska *m, struct kn_ebml_span span, struct kn_error *err)
{
    // Language's default is "eng" (RFC 9559, 5.1.4.1.19), FlagDefault's 1.
    struct track_words words = {.language = "eng", .is_default = true};
    struct kn_matroska_track own = {.caption = -1, .n_frames = -1};
    read_track_words(m, &own, &words, span);
    const int stream_index = m->n_tracks;
    if (words.kind == 1) {
        own.kind = KN_MKV_PICTURE_TRACK;
        note_frame_size(m, &words.video);
    } else if (words.kind == 2) {
        own.kind = KN_MKV_SOUND_TRACK;
    } else if (words.kind == 17 || kn_starts_with(words.codec, "D_WEBVTT") ||
               kn_starts_with(words.codec, "S_")) {
        struct kn_harvest_track *track = NULL;
        const kn_code rc = kn_harvest_add_track(m->harvest, &track, err);
        if (rc != KN_OK)
            return rc;
        own.caption = track->number;
        struct kn_caption_track *facts = &track->facts;
        facts->stream_index = stream_index;
        facts->title = words.title;
        facts->is_default = words.is_default;
        facts->is_forced = words.is_forced;
        facts->is_hearing_impaired = words.is_hearing_impaired;
        facts->is_commentary = words.is_commentary;
        facts->is_original = words.is_original;
        (void)kn_copy(facts->language, sizeof(facts->language),
                      words.language[0] ? words.language : "und");
        set_codec(m->harvest, track, &own, words.codec);
        const char *refusal = read_encodings(
            m, &own, (struct kn_ebml_span){words.encodings.bytes, words.encodings.n});
        if (refusal && !track->refusal)
            track->refusal = refusal;
        set_private(m, track, &own, &words);
    }
    if (m->n_tracks == MAX_TRACKS)
        return kn_fail(err, KN_EMEDIA, "more than %d tracks", MAX_TRACKS);
    struct kn_matroska_track *tracks =
        realloc(m->tracks, ((size_t)m->n_tracks + 1) * sizeof(*tracks));
    if (!tracks)
        return kn_fail(err, KN_ENOMEM, "no memory for %d tracks", m->n_tracks + 1);
    m->tracks = tracks;
    m->tracks[m->n_tracks++] = own;
    return KN_OK;
}

const struct kn_matroska_track *kn_matroska_track(const struct kn_matroska *m, uint64_t number)
{
    for (int i = 0; i < m->n_tracks; i++)
        if (m->tracks[i].number == number)
            return &m->tracks[i];
    return NULL;
}

/* ---- tags: how many frames a track has ---- */
static void read_tag(struct kn_matroska *m, struct kn_ebml_span span)
{
    struct kn_ebml_element part, inner;
    uint64_t uid = 0;
    int64_t n_frames = -1;
    while (kn_ebml_next(&span, &part)) {
        struct kn_ebml_span inside = {part.bytes, part.n};
        char name[24] = "", value[24] = "";
        while ((part.id == 0x63C0 || part.id == 0x67C8) && kn_ebml_next(&inside, &inner)) {
            if (inner.id == 0x63C5) // Targets/TagTrackUID
                uid = kn_ebml_uint(&inner);
            else if (inner.id == 0x45A3) // SimpleTag/TagName
                copy_text(name, sizeof(name), &inner);
            else if (inner.id == 0x4487) // SimpleTag/TagString
                copy_text(value, sizeof(value), &inner);
        }
        if (kn_equal(name, "NUMBER_OF_FRAMES"))
            (void)kn_parse_int(value, 0, INT64_MAX, &n_frames);
    }
    for (int i = 0; i < m->n_tracks && uid; i++)
        if (m->tracks[i].uid == uid && n_frames >= 0)
            m->tracks[i].n_frames = n_frames;
}

/* ---- all of them ---- */
static kn_code read_element(struct kn_matroska *m, int64_t at, uint32_t id, struct kn_error *err)
{
    struct kn_ebml_span span;
    kn_code rc = kn_matroska_load(m, at, id, &span, err);
    if (rc != KN_OK)
        return rc;
    struct kn_ebml_element part;
    switch (id) {
    case KN_MKV_SEEK_HEAD: read_seek_head(m, span); break;
    case KN_MKV_INFO: read_info(m, span); break;
    case KN_MKV_TRACKS:
        while (rc == KN_OK && m->n_tracks <= MAX_TRACKS && kn_ebml_next(&span, &part))
            if (part.id == 0xAE) // TrackEntry
                rc = read_track(m, (struct kn_ebml_span){part.bytes, part.n}, err);
        break;
    case KN_MKV_TAGS:
        while (kn_ebml_next(&span, &part))
            if (part.id == 0x7373) // Tag
                read_tag(m, (struct kn_ebml_span){part.bytes, part.n});
        break;
    default: break;
    }
    return rc;
}

// One that SeekHead promised and that was not met on the way: its loss is a note.
static kn_code read_promised(struct kn_matroska *m, int64_t at, uint32_t id, const char *name,
                             struct kn_error *err)
{
    if (at < 0)
        return KN_OK;
    struct kn_error own = {0};
    const kn_code rc = read_element(m, at, id, &own);
    if (rc == KN_EMEDIA) {
        kn_harvest_warn(m->harvest, "the file says its %s lies at byte %" PRId64 ", where it does not",
                        name, at);
        return KN_OK;
    }
    if (rc != KN_OK && err)
        *err = own;
    return rc;
}

// From the start of the segment to its first cluster.
static kn_code read_front(struct kn_matroska *m, bool *has_info, bool *has_tracks, bool *has_tags,
                          struct kn_error *err)
{
    struct kn_window *window = &m->harvest->window;
    int64_t at = m->segment_at;
    for (int i = 0; i < MAX_TOP_ELEMENTS && at < m->segment_end; i++) {
        const uint8_t *bytes;
        size_t got;
        kn_code rc = kn_window_show(window, at, KN_EBML_HEAD_BYTES, &bytes, &got, err);
        if (rc != KN_OK)
            return rc;
        struct kn_ebml_head head;
        if (kn_ebml_head(&head, bytes, got) != KN_EBML_OK)
            return KN_OK; // the walk finds the clusters, if there are any
        if (head.id == KN_MKV_CLUSTER) {
            m->first_cluster_at = at;
            return KN_OK;
        }
        if (head.n == KN_EBML_UNKNOWN || head.n > INT64_MAX - at - head.n_head)
            return KN_OK;
        const bool is_new = (head.id == KN_MKV_INFO && !*has_info) ||
                            (head.id == KN_MKV_TRACKS && !*has_tracks) ||
                            (head.id == KN_MKV_TAGS && !*has_tags) || head.id == KN_MKV_SEEK_HEAD;
        if (is_new) {
            rc = read_element(m, at, head.id, err);
            if (rc != KN_OK)
                return rc;
        }
        *has_info |= head.id == KN_MKV_INFO;
        *has_tracks |= head.id == KN_MKV_TRACKS;
        *has_tags |= head.id == KN_MKV_TAGS;
        if (head.id == KN_MKV_CUES)
            m->cues_at = at;
        at += head.n_head + head.n;
        m->first_cluster_at = at; // unless something stands before it
    }
    return KN_OK;
}

kn_code kn_matroska_read_headers(struct kn_matroska *m, struct kn_error *err)
{
    bool has_info = false, has_tracks = false, has_tags = false;
    m->scale_ns = 1000000;
    m->first_cluster_at = m->segment_at;
    m->cues_at = m->tags_at = m->info_at = m->tracks_at = -1;
    kn_code rc = read_front(m, &has_info, &has_tracks, &has_tags, err);
    if (rc == KN_OK && !has_info)
        rc = read_promised(m, m->info_at, KN_MKV_INFO, "information", err);
    if (rc == KN_OK && !has_tracks)
        rc = read_promised(m, m->tracks_at, KN_MKV_TRACKS, "list of tracks", err);
    if (rc == KN_OK && m->n_tracks == 0)
        rc = kn_fail(err, KN_EMEDIA, "'%s' has no list of tracks", m->harvest->window.source->uri);
    if (rc == KN_OK && !has_tags && m->harvest->n_tracks > 0)
        rc = read_promised(m, m->tags_at, KN_MKV_TAGS, "list of tags", err);
    return rc;
}
