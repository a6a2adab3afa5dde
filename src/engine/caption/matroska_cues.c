/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Matroska's index, Cues: for a caption track a good writer (mkvmerge, libavformat) names every block,
 * with its place. Then only those are read, and before each the head of its cluster, which holds the time
 * the block counts from.
 *
 * An index may name some blocks only, and nothing in it says so. It is believed when it has as many
 * entries as the writer's own count of frames (the tag NUMBER_OF_FRAMES); without a count, when the
 * writer is known to index every caption. If it then names a place where no caption is, the film is
 * walked through after all, and what was delivered already is left out.
 */
#include <stdlib.h>

#include "engine/caption/matroska.h"

// Entries of an index: 1,024 tracks of a long film stay below.
#define MAX_CUES (8 * 1024 * 1024)
// How many blocks ahead a disk is told of. Disks answer some dozens of requests at once.
#define ANNOUNCED 64

/* ---- reading the index ---- */
static kn_code add_cue(struct kn_matroska *m, const struct kn_matroska_cue *cue, struct kn_error *err)
{
    if (m->n_cues == m->cue_capacity) {
        const size_t capacity = m->cue_capacity ? 2 * m->cue_capacity : 256;
        struct kn_matroska_cue *cues =
            capacity <= MAX_CUES ? realloc(m->cues, capacity * sizeof(*cues)) : NULL;
        if (!cues)
            return kn_fail(err, KN_ENOMEM, "no memory for an index of %zu entries", capacity);
        m->cues = cues;
        m->cue_capacity = capacity;
    }
    m->cues[m->n_cues++] = *cue;
    return KN_OK;
}

static kn_code read_positions(struct kn_matroska *m, struct kn_ebml_span span, struct kn_error *err)
{
    struct kn_ebml_element part;
    uint64_t number = 0, cluster = UINT64_MAX, within = UINT64_MAX;
    while (kn_ebml_next(&span, &part)) {
        switch (part.id) {
        case 0xF7: number = kn_ebml_uint(&part); break;  // CueTrack
        case 0xF1: cluster = kn_ebml_uint(&part); break; // CueClusterPosition
        case 0xF0: within = kn_ebml_uint(&part); break;  // CueRelativePosition
        default: break;
        }
    }
    const struct kn_matroska_track *track = kn_matroska_track(m, number);
    const uint64_t most = (uint64_t)(INT64_MAX / 4);
    if (!track || track->caption < 0 || cluster > most || within > most)
        return KN_OK;
    m->tracks[track - m->tracks].n_cues++;
    if (!kn_harvest_wants(m->harvest, track->caption))
        return KN_OK;
    const struct kn_matroska_cue cue = {
        .cluster_at = m->segment_at + (int64_t)cluster, .within = (int64_t)within, .track = track};
    return add_cue(m, &cue, err);
}

static int compare_cues(const void *a, const void *b)
{
    const struct kn_matroska_cue *x = a, *y = b;
    if (x->cluster_at != y->cluster_at)
        return x->cluster_at < y->cluster_at ? -1 : 1;
    return x->within < y->within ? -1 : x->within > y->within;
}

// Two entries for one block would deliver it twice.
static void drop_repeated(struct kn_matroska *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_cues; i++)
        if (i == 0 || compare_cues(&m->cues[i], &m->cues[n - 1]) != 0)
            m->cues[n++] = m->cues[i];
    m->n_cues = n;
}

static bool names_every_block(const struct kn_matroska *m)
{
    int64_t n_all = 0;
    for (int i = 0; i < m->n_tracks; i++)
        n_all += m->tracks[i].n_cues;
    for (int i = 0; i < m->n_tracks; i++) {
        const struct kn_matroska_track *track = &m->tracks[i];
        if (track->caption < 0 || !kn_harvest_wants(m->harvest, track->caption))
            continue;
        // A track without entries may be empty, if other captions are indexed.
        const bool is_complete = track->n_frames >= 0 ? track->n_cues == track->n_frames
                                                      : m->is_good_writer && n_all > 0;
        if (!is_complete)
            return false;
    }
    return true;
}

kn_code kn_matroska_read_cues(struct kn_matroska *m, struct kn_error *err)
{
    m->uses_cues = false;
    if (m->cues_at < 0)
        return KN_OK;
    struct kn_ebml_span span;
    struct kn_error own = {0};
    kn_code rc = kn_matroska_load(m, m->cues_at, KN_MKV_CUES, &span, &own);
    if (rc == KN_EMEDIA)
        return KN_OK; // cut off, or somewhere else: the walk needs no index
    if (rc != KN_OK) {
        if (err)
            *err = own;
        return rc;
    }
    struct kn_ebml_element point, part;
    while (kn_ebml_next(&span, &point)) {
        struct kn_ebml_span parts = {point.bytes, point.n};
        while (point.id == 0xBB && kn_ebml_next(&parts, &part)) { // CuePoint
            if (part.id != 0xB7) // CueTrackPositions
                continue;
            rc = read_positions(m, (struct kn_ebml_span){part.bytes, part.n}, err);
            if (rc != KN_OK)
                return rc;
        }
    }
    m->uses_cues = names_every_block(m);
    if (!m->uses_cues)
        return KN_OK;
    if (m->n_cues > 0)
        qsort(m->cues, m->n_cues, sizeof(*m->cues), compare_cues);
    drop_repeated(m);
    m->delivered = calloc(m->n_cues ? m->n_cues : 1, sizeof(*m->delivered));
    if (!m->delivered)
        return kn_fail(err, KN_ENOMEM, "no memory for an index of %zu entries", m->n_cues);
    m->cue_cluster_at = -1;
    return KN_OK;
}

/* ---- reading by it ---- */
// The head of a cluster and its time; *out_is_one is false when there is no cluster.
static kn_code enter_cluster(struct kn_matroska *m, int64_t at, bool *out_is_one, struct kn_error *err)
{
    struct kn_window *window = &m->harvest->window;
    const uint8_t *bytes;
    size_t n;
    *out_is_one = false;
    kn_code rc = kn_window_show(window, at, 4 * KN_EBML_HEAD_BYTES, &bytes, &n, err);
    if (rc != KN_OK)
        return rc;
    struct kn_ebml_head head;
    if (kn_ebml_head(&head, bytes, n) != KN_EBML_OK || head.id != KN_MKV_CLUSTER)
        return KN_OK;
    m->cue_payload_at = at + head.n_head;
    // The time stands first, behind a checksum perhaps.
    struct kn_ebml_span span = {bytes + head.n_head, n - (size_t)head.n_head};
    struct kn_ebml_element part;
    while (kn_ebml_next(&span, &part) && !part.is_cut) {
        if (part.id != KN_MKV_TIMESTAMP)
            continue;
        const uint64_t time = kn_ebml_uint(&part);
        m->cluster_time = time <= INT64_MAX ? (int64_t)time : 0;
        m->cue_cluster_at = at;
        *out_is_one = true;
        break;
    }
    return KN_OK;
}

static void announce(struct kn_matroska *m)
{
    const size_t until = m->next_cue + ANNOUNCED < m->n_cues ? m->next_cue + ANNOUNCED : m->n_cues;
    if (!m->harvest->window.is_cold || until - m->next_announced < ANNOUNCED / 2)
        return;
    if (m->next_announced < m->next_cue)
        m->next_announced = m->next_cue;
    int64_t page = -1;
    for (; m->next_announced < until; m->next_announced++) {
        const struct kn_matroska_cue *cue = &m->cues[m->next_announced];
        if (m->next_announced == 0 || cue[-1].cluster_at != cue->cluster_at)
            kn_window_announce(&m->harvest->window, cue->cluster_at, KN_EBML_HEAD_BYTES);
        const int64_t block_page = (cue->cluster_at + cue->within) / 4096;
        if (block_page != page)
            kn_window_announce(&m->harvest->window, block_page * 4096, 4096);
        page = block_page;
    }
}

kn_code kn_matroska_next_cue(struct kn_matroska *m, bool *out_has, struct kn_error *err)
{
    *out_has = false;
    while (m->next_cue < m->n_cues) {
        const struct kn_matroska_cue *cue = &m->cues[m->next_cue];
        announce(m);
        bool is_right = cue->cluster_at == m->cue_cluster_at;
        kn_code rc = is_right ? KN_OK : enter_cluster(m, cue->cluster_at, &is_right, err);
        if (rc != KN_OK)
            return rc;
        bool took = false;
        const int64_t at = m->cue_payload_at + cue->within;
        int64_t end;
        if (is_right) {
            rc = kn_matroska_take_block(m, at, m->cluster_time, &end, &took, err);
            if (rc != KN_OK && rc != KN_EMEDIA)
                return rc;
            is_right = took && m->block.track == cue->track;
        }
        if (!is_right) {
            kn_harvest_warn(m->harvest, "the index is wrong: the whole film was gone through");
            m->uses_cues = false;
            m->block.n_laces = m->block.next_lace = 0;
            kn_window_set_sparse(&m->harvest->window, false);
            kn_matroska_walk_from_start(m);
            return KN_OK;
        }
        m->delivered[m->n_delivered++] = at;
        m->next_cue++;
        *out_has = true;
        return KN_OK;
    }
    return KN_OK;
}
