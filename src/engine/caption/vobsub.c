/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The index is read as a whole; a picture is put together from the packets of its stream, from the place
 * that the index names until there are as many bytes as the picture says of itself.
 */
#include "engine/caption/vobsub.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "engine/caption/text.h"

// An index has a line of 45 bytes for each picture, so this is far more than 32 tracks of a film have.
#define MAX_INDEX_BYTES (16 * 1024 * 1024)
#define HEAD "# VobSub index"
// All the delays of a track together; more is no film's.
#define MAX_DELAY_US (1000 * KN_HOUR)
// MPEG program stream: start codes, ISO/IEC 13818-1, 2.5.3; pictures lie in private stream 1.
#define PACK 0xBA
#define PRIVATE_1 0xBD
#define SUBSTREAM 0x20 // of track 0
#define N_SUBSTREAMS 32
// How far a picture's packets may lie apart: those of 31 other tracks may stand between them.
#define MAX_SPREAD_BYTES (1024 * 1024)
#define PACKET_BYTES 2048 // what programs write; longer ones are met all the same

struct entry {
    int64_t start_us;
    int64_t at; // of the first pack in the file with the pictures
    int track;
};

struct vobsub {
    struct entry *entries; // owned
    size_t n, next;
    int *substreams;       // owned: of each track
    struct kn_buf picture;
};

static void vobsub_release(void *reader)
{
    struct vobsub *vobsub = reader;
    kn_buf_clear(&vobsub->picture);
    free(vobsub->entries);
    free(vobsub->substreams);
    free(vobsub);
}

static void vobsub_free(struct vobsub **vobsub)
{
    if (*vobsub)
        vobsub_release(*vobsub);
    *vobsub = NULL;
}

bool kn_vobsub_is_one(const uint8_t *head, size_t n)
{
    return n >= sizeof(HEAD) - 1 && memcmp(head, HEAD, sizeof(HEAD) - 1) == 0;
}

// The name with another ending, in capitals if that was; NULL when it does not end in `from`.
static char *renamed(const char *uri, const char *from, const char *to, const char *to_capitals)
{
    const size_t n = strlen(uri);
    if (n < 4 || uri[n - 4] != '.' || strcasecmp(uri + n - 3, from) != 0)
        return NULL;
    char *name = strdup(uri);
    if (name)
        memcpy(name + n - 3, isupper((unsigned char)uri[n - 3]) ? to_capitals : to, 3);
    return name;
}

char *kn_vobsub_pictures_uri(const char *uri)
{
    return renamed(uri, "idx", "sub", "SUB");
}

char *kn_vobsub_index_uri(const char *uri)
{
    return renamed(uri, "sub", "idx", "IDX");
}

/* ---- the index ---- */
// "[-]hh:mm:ss:ms"; false when it is no time.
static bool time_read(const char *text, int64_t *out_us)
{
    int h, m, s, ms;
    text += strspn(text, " \t");
    const int sign = *text == '-' ? -1 : 1;
    text += *text == '-' || *text == '+';
    if (sscanf(text, "%4d:%2d:%2d:%3d", &h, &m, &s, &ms) != 4 || h < 0 || m < 0 || s < 0 || ms < 0)
        return false;
    *out_us = sign * (h * KN_HOUR + m * KN_MINUTE + s * KN_SECOND + ms * (KN_SECOND / 1000));
    return true;
}

static kn_code track_add(struct kn_harvest *harvest, struct vobsub *vobsub, const char *line, struct kn_error *err)
{
    char language[4] = "";
    int index = 0;
    (void)sscanf(line, "id: %3[a-zA-Z]", language);
    const char *number = strstr(line, "index:");
    if (number)
        (void)sscanf(number, "index: %9d", &index);
    struct kn_harvest_track *track;
    const kn_code rc = kn_harvest_add_track(harvest, &track, err);
    if (rc != KN_OK)
        return rc;
    int *substreams = realloc(vobsub->substreams, (size_t)harvest->n_tracks * sizeof(*substreams));
    if (!substreams)
        return kn_fail(err, KN_ENOMEM, "no memory for %d caption tracks", harvest->n_tracks);
    vobsub->substreams = substreams;
    substreams[track->number] = SUBSTREAM + (index >= 0 && index < N_SUBSTREAMS ? index : 0);
    track->facts.stream_index = track->number;
    track->facts.codec = KN_CAPTION_VOBSUB;
    (void)kn_copy(track->facts.codec_name, sizeof(track->facts.codec_name), "dvd_subtitle");
    if (language[0] && strcmp(language, "--") != 0)
        (void)kn_copy(track->facts.language, sizeof(track->facts.language), language);
    return KN_OK;
}

static kn_code entry_add(struct kn_harvest *harvest, struct vobsub *vobsub, const char *line, int64_t delay_us,
                         struct kn_error *err)
{
    struct entry entry;
    const char *place = strstr(line, "filepos:");
    unsigned long long at;
    if (!time_read(line + strlen("timestamp:"), &entry.start_us) || !place ||
        sscanf(place, "filepos: %15llx", &at) != 1) {
        kn_harvest_warn(harvest, "the index has a line that says no time or no place: '%.60s'", line);
        return KN_OK;
    }
    kn_code rc = KN_OK;
    if (harvest->n_tracks == 0) // an index that names no track has one all the same
        rc = track_add(harvest, vobsub, "id: --, index: 0", err);
    if (rc == KN_OK && vobsub->n >= KN_MAX_CUES)
        return kn_fail(err, KN_ELIMIT, "the index names more than %d pictures", KN_MAX_CUES);
    if (rc == KN_OK && (vobsub->n & (vobsub->n - 1)) == 0) { // a power of two: full
        struct entry *entries = realloc(vobsub->entries, (vobsub->n ? 2 * vobsub->n : 1) * sizeof(*entries));
        if (!entries)
            return kn_fail(err, KN_ENOMEM, "no memory for %zu pictures", vobsub->n);
        vobsub->entries = entries;
    }
    if (rc != KN_OK)
        return rc;
    entry.start_us += delay_us;
    entry.at = (int64_t)at;
    entry.track = harvest->n_tracks - 1;
    vobsub->entries[vobsub->n++] = entry;
    return KN_OK;
}

// What the decoder wants to know, size and palette, stands before the first track.
static void head_keep(struct kn_harvest *harvest, const uint8_t *head, size_t n)
{
    uint8_t *kept = kn_arena_alloc(&harvest->arena, n + 1);
    if (kept)
        memcpy(kept, head, n);
    for (int i = 0; kept && i < harvest->n_tracks; i++) {
        harvest->tracks[i].private_bytes = kept;
        harvest->tracks[i].n_private = n;
        harvest->tracks[i].width_px = harvest->facts.width_px;
        harvest->tracks[i].height_px = harvest->facts.height_px;
    }
}

static kn_code index_read(struct kn_harvest *harvest, struct vobsub *vobsub, const uint8_t *bytes, size_t n,
                          struct kn_error *err)
{
    struct kn_lines lines = kn_lines_of((const char *)bytes, n);
    struct kn_line line;
    size_t n_head = 0;
    int64_t delay_us = 0, more_us;
    kn_code rc = KN_OK;
    while (rc == KN_OK && kn_lines_next(&lines, &line)) {
        char text[160];
        line = kn_line_trim(line);
        (void)snprintf(text, sizeof(text), "%.*s", (int)(line.n < sizeof(text) ? line.n : sizeof(text) - 1), line.text);
        const bool is_track = kn_line_begins(line, "id:"), is_entry = kn_line_begins(line, "timestamp:");
        if (n_head == 0 && (is_track || is_entry))
            n_head = (size_t)((const uint8_t *)line.text - bytes);
        if (is_track) {
            delay_us = 0;
            rc = track_add(harvest, vobsub, text, err);
        } else if (is_entry) {
            rc = entry_add(harvest, vobsub, text, delay_us, err);
        } else if (kn_line_begins(line, "delay:") && time_read(text + strlen("delay:"), &more_us)) {
            delay_us += llabs(delay_us + more_us) < MAX_DELAY_US ? more_us : 0;
        } else if (kn_line_begins(line, "size:")) {
            (void)sscanf(text, "size: %5dx%5d", &harvest->facts.width_px, &harvest->facts.height_px);
        }
    }
    if (rc == KN_OK && vobsub->n == 0)
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "'%s' names no pictures",
                          harvest->window.source->uri);
    head_keep(harvest, bytes, n_head);
    return rc;
}

/* ---- pictures ---- */
static size_t pack_length(const uint8_t *head, size_t n)
{
    if (n > 13 && head[4] >> 6 == 1) // MPEG-2, with stuffing
        return 14 + (head[13] & 7);
    return 12; // MPEG-1
}

// Adds what a packet of private stream 1 has for the substream.
static void payload_add(struct kn_buf *picture, int substream, const uint8_t *packet, size_t n)
{
    size_t at = n > 8 ? 9 + (size_t)packet[8] : n;
    if (at < n && packet[at] == substream)
        kn_buf_add(picture, packet + at + 1, n - at - 1);
}

// How long a picture is by its own word: 16 bits, or 32 behind two zeros; 0 while too little is there.
static size_t picture_length(const struct kn_buf *picture)
{
    const uint8_t *b = (const uint8_t *)picture->data;
    if (picture->len < 6)
        return 0;
    const size_t n = (size_t)b[0] << 8 | b[1];
    return n ? n : (size_t)b[2] << 24 | (size_t)b[3] << 16 | (size_t)b[4] << 8 | b[5];
}

// The whole picture at `entry`; an empty buffer when it is not there as a whole.
static kn_code picture_read(struct kn_harvest *harvest, struct vobsub *vobsub, const struct entry *entry,
                            struct kn_error *err)
{
    struct kn_buf *picture = &vobsub->picture;
    int64_t at = entry->at;
    kn_buf_reset(picture);
    for (;;) {
        const uint8_t *bytes;
        size_t got;
        const kn_code rc = kn_window_show(&harvest->window, at, PACKET_BYTES, &bytes, &got, err);
        if (rc != KN_OK)
            return rc;
        if (got < 6 || bytes[0] != 0 || bytes[1] != 0 || bytes[2] != 1 || bytes[3] < PACK)
            break;
        const size_t length = bytes[3] == PACK ? pack_length(bytes, got) : 6 + ((size_t)bytes[4] << 8 | bytes[5]);
        if (bytes[3] == PRIVATE_1) {
            if (length > got) {
                const kn_code rest = kn_window_show(&harvest->window, at, length, &bytes, &got, err);
                if (rest != KN_OK)
                    return rest;
            }
            payload_add(picture, vobsub->substreams[entry->track], bytes, length < got ? length : got);
        }
        const size_t wanted = picture_length(picture);
        if (!kn_buf_ok(picture))
            return kn_fail(err, KN_ENOMEM, "no memory for a picture of %zu bytes", picture->len);
        if (wanted > 0 && picture->len >= wanted)
            return KN_OK;
        at += (int64_t)length;
        if (wanted > KN_MAX_CAPTION_PACKET || at - entry->at > MAX_SPREAD_BYTES + 2 * (int64_t)wanted)
            break;
    }
    kn_harvest_warn(harvest, "the picture at byte %lld is not there as a whole", (long long)entry->at);
    kn_buf_reset(picture);
    return KN_OK;
}

static kn_code vobsub_next(struct kn_harvest *harvest, struct kn_harvest_packet *out, bool *out_has,
                           struct kn_error *err)
{
    struct vobsub *vobsub = harvest->reader;
    while (vobsub->next < vobsub->n) {
        const struct entry *entry = &vobsub->entries[vobsub->next++];
        if (!kn_harvest_wants(harvest, entry->track))
            continue;
        const kn_code rc = picture_read(harvest, vobsub, entry, err);
        if (rc != KN_OK)
            return rc;
        if (vobsub->picture.len == 0)
            continue;
        *out = (struct kn_harvest_packet){
            .track = entry->track,
            .packet = {.start_us = entry->start_us, .duration_us = KN_NO_TIME,
                       .bytes = (const uint8_t *)vobsub->picture.data, .n = vobsub->picture.len},
        };
        *out_has = true;
        return KN_OK;
    }
    return KN_OK;
}

static kn_code vobsub_begin(struct kn_harvest *harvest, struct kn_error *err)
{
    (void)harvest;
    (void)err;
    return KN_OK;
}

kn_code kn_vobsub_open(struct kn_harvest *harvest, struct kn_source **pictures, struct kn_error *err)
{
    kn_auto(vobsub_free) struct vobsub *vobsub = calloc(1, sizeof(*vobsub));
    if (!vobsub)
        return kn_fail(err, KN_ENOMEM, "no memory to read an index of pictures");
    const uint8_t *bytes;
    size_t n;
    kn_code rc = kn_window_show(&harvest->window, 0, MAX_INDEX_BYTES, &bytes, &n, err);
    if (rc == KN_OK)
        rc = index_read(harvest, vobsub, bytes, n, err);
    if (rc != KN_OK)
        return rc;
    const atomic_bool *stop = harvest->window.stop;
    kn_window_clear(&harvest->window);
    kn_window_init(&harvest->window, KN_TAKE(*pictures), stop);
    harvest->facts.container = "VobSub";
    harvest->facts.is_indexed = true;
    harvest->begin = vobsub_begin;
    harvest->next = vobsub_next;
    harvest->release = vobsub_release;
    harvest->reader = KN_TAKE(vobsub);
    return KN_OK;
}
