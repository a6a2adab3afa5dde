/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The harvest's public face: which reader takes a film, the tracks, the choice, the notes. */
#include "engine/caption/harvest.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "engine/caption/harvest_part.h"

// Enough for the head of any box or element that tells the kind.
#define HEAD_BYTES 64
// What is longer says nothing: all bits set, an end before the start. No film and no broadcast shows a text for a day.
#define LONGEST_US (24 * 3600 * KN_SECOND)

/* ---- for the readers ---- */
kn_code kn_harvest_add_track(struct kn_harvest *harvest, struct kn_harvest_track **out,
                             struct kn_error *err)
{
    const int n = harvest->n_tracks;
    if (n >= KN_MAX_HARVEST_TRACKS)
        return kn_fail(err, KN_ELIMIT, "more than %d caption tracks", KN_MAX_HARVEST_TRACKS);
    // Room for all of them at once: callers keep pointers, and tracks may be met while reading.
    if (!harvest->tracks && !(harvest->tracks = calloc(KN_MAX_HARVEST_TRACKS, sizeof(*harvest->tracks))))
        return kn_fail(err, KN_ENOMEM, "no memory for caption tracks");
    harvest->tracks[n] = (struct kn_harvest_track){.number = n, .facts = {.language = "und"}};
    harvest->n_tracks++;
    *out = &harvest->tracks[n];
    return KN_OK;
}

void kn_harvest_warn(struct kn_harvest *harvest, const char *fmt, ...)
{
    const int64_t nth = harvest->facts.n_notes++;
    if (nth >= KN_MAX_HARVEST_NOTES)
        return;
    char text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    const char *kept = kn_arena_strdup(&harvest->arena, text);
    harvest->notes[nth] = kept ? kept : "no memory for this note";
}

bool kn_harvest_wants(const struct kn_harvest *harvest, int number)
{
    const struct kn_harvest_track *track = &harvest->tracks[number];
    return harvest->has_choice ? track->is_chosen : !track->refusal;
}

/* ---- for the callers ---- */
static kn_code open_with_reader(struct kn_harvest *harvest, struct kn_error *err)
{
    const uint8_t *head = NULL;
    size_t n = 0;
    kn_code rc = kn_window_show(&harvest->window, 0, HEAD_BYTES, &head, &n, err);
    if (rc != KN_OK)
        return rc;
    const char *uri = harvest->window.source->uri;
    if (n == 0)
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "'%s' is empty", uri);
    if (kn_matroska_is_one(head, n))
        rc = kn_matroska_open(harvest, err);
    else if (kn_mp4_is_one(head, n))
        rc = kn_mp4_open(harvest, err);
    else
        return kn_fail(err, KN_EUNSUP, "'%s' is neither Matroska nor MP4", uri);
    if (rc == KN_EMEDIA && err && !err->reason[0])
        (void)kn_copy(err->reason, sizeof(err->reason), "ResourceContentBad");
    return rc;
}

kn_code kn_harvest_open(struct kn_harvest **out_harvest, struct kn_source **source,
                        const atomic_bool *stop, struct kn_error *err)
{
    *out_harvest = NULL;
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = calloc(1, sizeof(*harvest));
    if (!harvest) {
        kn_source_free(source);
        return kn_fail(err, KN_ENOMEM, "no memory to open a film");
    }
    harvest->facts.end_us = KN_NO_TIME;
    kn_window_init(&harvest->window, KN_TAKE(*source), stop);
    const kn_code rc = open_with_reader(harvest, err);
    if (rc == KN_EUNSUP)
        *source = KN_TAKE(harvest->window.source);
    if (rc != KN_OK)
        return rc;
    *out_harvest = KN_TAKE(harvest);
    return KN_OK;
}

void kn_harvest_free(struct kn_harvest **harvest)
{
    struct kn_harvest *h = *harvest;
    if (!h)
        return;
    if (h->release)
        h->release(h->reader);
    kn_window_clear(&h->window);
    free(h->tracks);
    kn_arena_clear(&h->arena);
    free(h);
    *harvest = NULL;
}

const struct kn_harvest_track *kn_harvest_tracks(const struct kn_harvest *harvest, int *out_n)
{
    *out_n = harvest->n_tracks;
    return harvest->tracks;
}

kn_code kn_harvest_choose(struct kn_harvest *harvest, int number, struct kn_error *err)
{
    if (number < 0 || number >= harvest->n_tracks)
        return kn_fail(err, KN_EINVAL, "there is no caption track %d: the film has %d", number,
                       harvest->n_tracks);
    struct kn_harvest_track *track = &harvest->tracks[number];
    if (track->refusal)
        return kn_fail(err, KN_EUNSUP, "caption track %d: %s", number, track->refusal);
    track->is_chosen = true;
    harvest->has_choice = true;
    return KN_OK;
}

kn_code kn_harvest_next(struct kn_harvest *harvest, struct kn_harvest_packet *out_packet,
                        bool *out_has, struct kn_error *err)
{
    *out_has = false;
    if (!harvest->has_begun) {
        const kn_code rc = harvest->begin(harvest, err);
        if (rc != KN_OK)
            return rc;
        harvest->has_begun = true;
    }
    const kn_code rc = harvest->next(harvest, out_packet, out_has, err);
    if (rc == KN_OK && *out_has && out_packet->packet.duration_us > LONGEST_US)
        out_packet->packet.duration_us = KN_NO_TIME;
    return rc;
}

struct kn_harvest_facts kn_harvest_facts(const struct kn_harvest *harvest)
{
    struct kn_harvest_facts facts = harvest->facts;
    facts.n_bytes_read = harvest->window.n_bytes_read;
    facts.n_reads = harvest->window.n_reads;
    if (harvest->count)
        harvest->count(harvest, &facts);
    return facts;
}

const char *kn_harvest_note(const struct kn_harvest *harvest, int nth)
{
    return nth >= 0 && nth < KN_MAX_HARVEST_NOTES ? harvest->notes[nth] : NULL;
}
