/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Through the clusters of a Matroska film, from head to head: of another track's block only the head
 * is looked at. A file that is broken is gone on with at its next cluster.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/caption/matroska.h"

// How the next cluster is looked for after damage: in steps that grow, so that damage after damage stays cheap.
#define SEARCH_LEAST 4096
#define SEARCH_MOST (256 * 1024)
// Heads looked at for the time the film begins: some seconds of any film.
#define MAX_START_HEADS 512

void kn_matroska_walk_from_start(struct kn_matroska *m)
{
    m->at = m->first_cluster_at;
    m->is_in_cluster = false;
}

static bool is_top_level(uint32_t id)
{
    return id == KN_MKV_CLUSTER || id == KN_MKV_CUES || id == KN_MKV_TAGS || id == KN_MKV_INFO ||
           id == KN_MKV_TRACKS || id == KN_MKV_SEEK_HEAD || id == KN_MKV_ATTACHMENTS ||
           id == KN_MKV_CHAPTERS || id == KN_MKV_SEGMENT || id == KN_MKV_EBML;
}

// The end of what is there, by the segment and by the file.
static int64_t film_end(const struct kn_matroska *m)
{
    const int64_t size = m->harvest->window.source->size_bytes;
    return size >= 0 && size < m->segment_end ? size : m->segment_end;
}

/* ---- after damage ---- */
// Whether `bytes` (at least 4) begin a cluster: its ID, a size, and a child that clusters have.
static bool looks_like_cluster(const uint8_t *bytes, size_t n)
{
    struct kn_ebml_head head, child;
    if (kn_ebml_head(&head, bytes, n) != KN_EBML_OK || head.id != KN_MKV_CLUSTER)
        return false;
    if (kn_ebml_head(&child, bytes + head.n_head, n - (size_t)head.n_head) != KN_EBML_OK)
        return false;
    switch (child.id) {
    case KN_MKV_TIMESTAMP: case KN_MKV_VOID: case KN_MKV_CRC32:
    case 0xA7: case 0xAB: // Position, PrevSize
        return child.n >= 0 && child.n <= 64;
    default: return false;
    }
}

// Moves m->at to the next cluster at or after `from`, or to the end.
static kn_code find_cluster(struct kn_matroska *m, int64_t from, struct kn_error *err)
{
    static const uint8_t ID[4] = {0x1F, 0x43, 0xB6, 0x75};
    m->is_in_cluster = false;
    size_t step = SEARCH_LEAST;
    for (int64_t at = from; at < film_end(m);) {
        const uint8_t *bytes;
        size_t n;
        const kn_code rc = kn_window_show(&m->harvest->window, at, step, &bytes, &n, err);
        if (rc != KN_OK)
            return rc;
        const uint8_t *found = bytes;
        while ((found = memmem(found, (size_t)(bytes + n - found), ID, sizeof(ID)))) {
            // What a cluster's beginning needs may lie beyond this piece: look again from it.
            if (bytes + n - found < 2 * KN_EBML_HEAD_BYTES && n == step && found > bytes)
                break;
            if (looks_like_cluster(found, (size_t)(bytes + n - found))) {
                m->at = at + (found - bytes);
                return KN_OK;
            }
            found++;
        }
        if (n < step)
            break;
        at += found ? found - bytes : (int64_t)(n - sizeof(ID) + 1);
        if (step < SEARCH_MOST)
            step *= 2;
    }
    m->at = INT64_MAX;
    return KN_OK;
}

static kn_code skip_damage(struct kn_matroska *m, struct kn_error *err)
{
    const int64_t damage_at = m->at;
    kn_code rc;
    // A cluster that says where it ends may be right about that.
    if (m->is_in_cluster && m->cluster_end < film_end(m) && m->cluster_end > m->at) {
        const uint8_t *bytes;
        size_t n;
        rc = kn_window_show(&m->harvest->window, m->cluster_end, KN_EBML_HEAD_BYTES, &bytes, &n, err);
        if (rc != KN_OK)
            return rc;
        struct kn_ebml_head head;
        if (kn_ebml_head(&head, bytes, n) == KN_EBML_OK && is_top_level(head.id)) {
            m->at = m->cluster_end;
            m->is_in_cluster = false;
            kn_harvest_warn(m->harvest, "the film is damaged from byte %" PRId64 " to %" PRId64,
                            damage_at, m->at);
            return KN_OK;
        }
    }
    rc = find_cluster(m, m->at + 1, err);
    if (rc != KN_OK)
        return rc;
    if (m->at == INT64_MAX)
        kn_harvest_warn(m->harvest, "the film is damaged from byte %" PRId64 " to its end", damage_at);
    else
        kn_harvest_warn(m->harvest, "the film is damaged from byte %" PRId64 " to %" PRId64, damage_at,
                        m->at);
    return KN_OK;
}

/* ---- from head to head ---- */
// A number of up to 8 bytes; both were shown already, so this reads nothing.
static kn_code read_timestamp(struct kn_matroska *m, int64_t at, int64_t n, struct kn_error *err)
{
    const uint8_t *bytes;
    size_t got;
    const kn_code rc = kn_window_show(&m->harvest->window, at, (size_t)n, &bytes, &got, err);
    if (rc != KN_OK)
        return rc;
    const struct kn_ebml_element element = {.bytes = bytes, .n = got};
    const uint64_t time = kn_ebml_uint(&element);
    m->cluster_time = time <= INT64_MAX ? (int64_t)time : 0;
    return KN_OK;
}

enum step { STEP_ON = 0, STEP_BLOCK, STEP_DAMAGE, STEP_END };

static void step_in_segment(struct kn_matroska *m, const struct kn_ebml_head *head, enum step *out)
{
    const int64_t payload_at = m->at + head->n_head;
    if (head->id == KN_MKV_CLUSTER) {
        m->is_in_cluster = true;
        m->cluster_end = head->n == KN_EBML_UNKNOWN || head->n > INT64_MAX - payload_at
            ? INT64_MAX : payload_at + head->n;
        m->cluster_time = 0;
        m->at = payload_at;
    } else if (head->id == KN_MKV_SEGMENT || head->id == KN_MKV_EBML) {
        *out = STEP_END; // another film behind this one
    } else if (head->n == KN_EBML_UNKNOWN || head->n > film_end(m) - payload_at ||
               !(is_top_level(head->id) || head->id == KN_MKV_VOID || head->id == KN_MKV_CRC32)) {
        *out = STEP_DAMAGE;
    } else {
        m->at = payload_at + head->n;
    }
}

static kn_code step_in_cluster(struct kn_matroska *m, const struct kn_ebml_head *head,
                               enum step *out, struct kn_error *err)
{
    if (is_top_level(head->id)) { // the end of a cluster that does not know its size, or lies
        m->is_in_cluster = false;
        return KN_OK;
    }
    const int64_t payload_at = m->at + head->n_head;
    if (head->n == KN_EBML_UNKNOWN || head->n > m->cluster_end - payload_at) {
        *out = STEP_DAMAGE;
        return KN_OK;
    }
    const int64_t end = payload_at + head->n;
    if (end > film_end(m)) {
        kn_harvest_warn(m->harvest, "the film ends in the middle of a block at byte %" PRId64, m->at);
        *out = STEP_END;
        return KN_OK;
    }
    kn_code rc = KN_OK;
    switch (head->id) {
    case KN_MKV_TIMESTAMP:
        if (head->n > 8)
            *out = STEP_DAMAGE;
        else
            rc = read_timestamp(m, payload_at, head->n, err);
        break;
    case KN_MKV_SIMPLE_BLOCK:
    case KN_MKV_BLOCK_GROUP: *out = STEP_BLOCK; break;
    default: break;
    }
    if (*out == STEP_ON)
        m->at = end;
    return rc;
}

// One step; at STEP_BLOCK m->at is the block's.
static kn_code step(struct kn_matroska *m, enum step *out, struct kn_error *err)
{
    *out = STEP_ON;
    if (m->is_in_cluster && m->at >= m->cluster_end)
        m->is_in_cluster = false;
    if (m->at >= film_end(m)) {
        *out = STEP_END;
        if (m->is_in_cluster && m->cluster_end != INT64_MAX && m->cluster_end > m->at && m->at != INT64_MAX)
            kn_harvest_warn(m->harvest, "the film ends in the middle of a cluster, at byte %" PRId64, m->at);
        return KN_OK;
    }
    const uint8_t *bytes;
    size_t n;
    const kn_code rc =
        kn_window_show(&m->harvest->window, m->at, 4 * KN_EBML_HEAD_BYTES, &bytes, &n, err);
    if (rc != KN_OK)
        return rc;
    struct kn_ebml_head head;
    const enum kn_ebml_answer answer = kn_ebml_head(&head, bytes, n);
    if (n == 0 || answer == KN_EBML_SHORT)
        *out = STEP_END;
    else if (answer == KN_EBML_BAD)
        *out = STEP_DAMAGE;
    else if (m->is_in_cluster)
        return step_in_cluster(m, &head, out, err);
    else
        step_in_segment(m, &head, out);
    return KN_OK;
}

static int compare_places(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static bool was_delivered(const struct kn_matroska *m, int64_t at)
{
    return m->n_delivered > 0 &&
           bsearch(&at, m->delivered, m->n_delivered, sizeof(at), compare_places) != NULL;
}

kn_code kn_matroska_walk(struct kn_matroska *m, bool *out_has, struct kn_error *err)
{
    *out_has = false;
    for (;;) {
        enum step what;
        kn_code rc = step(m, &what, err);
        if (rc != KN_OK || what == STEP_END)
            return rc;
        if (what == STEP_BLOCK) {
            const int64_t at = m->at;
            bool took = false;
            rc = kn_matroska_take_block(m, at, m->cluster_time, &m->at, &took, err);
            if (rc != KN_OK)
                return rc;
            if (took && !was_delivered(m, at)) {
                *out_has = true;
                return KN_OK;
            }
        } else if (what == STEP_DAMAGE) {
            rc = skip_damage(m, err);
            if (rc != KN_OK)
                return rc;
        }
    }
}

/* ---- when the film begins ---- */
// The time of the block at m->at, by kind of track; moves m->at behind it.
static kn_code look_at_block(struct kn_matroska *m, bool *seen, int64_t *least, int64_t *least_caption,
                             struct kn_error *err)
{
    const uint8_t *bytes;
    size_t n;
    const kn_code rc =
        kn_window_show(&m->harvest->window, m->at, 4 * KN_EBML_HEAD_BYTES, &bytes, &n, err);
    if (rc != KN_OK)
        return rc;
    struct kn_ebml_head head, inner = {0};
    if (kn_ebml_head(&head, bytes, n) != KN_EBML_OK)
        return KN_EMEDIA;
    m->at += head.n_head + head.n;
    bytes += head.n_head;
    n -= (size_t)head.n_head;
    if (head.id == KN_MKV_BLOCK_GROUP) {
        if (kn_ebml_head(&inner, bytes, n) != KN_EBML_OK || inner.id != KN_MKV_BLOCK)
            return KN_OK;
        bytes += inner.n_head;
        n -= (size_t)inner.n_head;
    }
    uint64_t number = 0;
    const int length = kn_ebml_vint(bytes, n, &number);
    const struct kn_matroska_track *track = kn_matroska_track(m, number);
    int64_t time;
    if (length == 0 || n < (size_t)length + 2 || !track ||
        __builtin_add_overflow(m->cluster_time, (int16_t)(bytes[length] << 8 | bytes[length + 1]), &time) ||
        __builtin_mul_overflow(time, m->scale_ns, &time))
        return KN_OK;
    seen[track - m->tracks] = true;
    if (track->caption >= 0)
        least = least_caption;
    if ((track->kind != KN_MKV_OTHER_TRACK || track->caption >= 0) && time < *least)
        *least = time;
    return KN_OK;
}

kn_code kn_matroska_start_ns(struct kn_matroska *m, int64_t *out_ns, struct kn_error *err)
{
    *out_ns = 0;
    int64_t least = INT64_MAX, least_caption = INT64_MAX;
    bool *seen = kn_arena_array(&m->harvest->arena, (size_t)m->n_tracks, sizeof(*seen));
    if (!seen)
        return kn_fail(err, KN_ENOMEM, "no memory for %d tracks", m->n_tracks);
    kn_matroska_walk_from_start(m);
    for (int i = 0; i < MAX_START_HEADS; i++) {
        bool has_all = true;
        for (int t = 0; t < m->n_tracks; t++)
            has_all &= seen[t] || m->tracks[t].kind == KN_MKV_OTHER_TRACK;
        if (has_all)
            break;
        const bool was_in_cluster = m->is_in_cluster;
        enum step what;
        kn_code rc = step(m, &what, err);
        if (rc != KN_OK)
            return rc;
        // One cluster tells: what begins later than that does not begin first.
        if (what == STEP_END || what == STEP_DAMAGE || (was_in_cluster && !m->is_in_cluster))
            break;
        if (what == STEP_BLOCK) {
            rc = look_at_block(m, seen, &least, &least_caption, err);
            if (rc != KN_OK)
                return rc == KN_EMEDIA ? KN_OK : rc;
        }
    }
    // A caption just before the first picture shows where time really begins, as libavformat has it too.
    if (least != INT64_MAX && least_caption < least && least / 1000 - least_caption / 1000 < KN_SECOND)
        least = least_caption;
    *out_ns = least == INT64_MAX ? 0 : least;
    return KN_OK;
}
