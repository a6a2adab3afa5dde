/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A fragment's samples: moof ─ traf ─ (tfhd, tfdt, trun*). */
#include <inttypes.h>

#include "engine/caption/mp4.h"

// What a traf says of all its samples.
struct fragment {
    struct kn_mp4_track *track;
    int64_t at;   // of the next sample's bytes
    int64_t time; // on the track's clock
    uint32_t default_duration, default_size;
};

static void read_tfhd(struct kn_mp4 *m, struct kn_mp4_span tfhd, int64_t moof_at, struct fragment *out)
{
    const uint32_t flags = (uint32_t)kn_mp4_get(&tfhd, 4) & 0xFFFFFF;
    *out = (struct fragment){.track = kn_mp4_track(m, (uint32_t)kn_mp4_get(&tfhd, 4)), .at = moof_at};
    if (!out->track)
        return;
    out->time = out->track->fragment_time;
    out->default_duration = out->track->default_duration;
    out->default_size = out->track->default_size;
    if (flags & 0x01) {
        const uint64_t base = kn_mp4_get(&tfhd, 8);
        out->at = base <= INT64_MAX / 2 ? (int64_t)base : -1;
    }
    if (flags & 0x02)
        kn_mp4_skip(&tfhd, 4); // sample description
    if (flags & 0x08)
        out->default_duration = (uint32_t)kn_mp4_get(&tfhd, 4);
    if (flags & 0x10)
        out->default_size = (uint32_t)kn_mp4_get(&tfhd, 4);
}

// `base` is what the run's offset counts from.
static kn_code read_trun(struct kn_mp4 *m, struct kn_mp4_span trun, int64_t base, bool only_start,
                         struct fragment *fragment, struct kn_error *err)
{
    const struct kn_mp4_track *track = fragment->track;
    const uint32_t flags = (uint32_t)kn_mp4_get(&trun, 4) & 0xFFFFFF;
    const uint32_t n_samples = (uint32_t)kn_mp4_get(&trun, 4);
    if (flags & 0x01)
        fragment->at = base + (int32_t)kn_mp4_get(&trun, 4);
    if (flags & 0x04)
        kn_mp4_skip(&trun, 4); // flags of the first sample
    // Without bytes of its own a sample costs nothing to claim: no more than may be kept.
    const bool has_fields = flags & 0xF00;
    for (uint32_t i = 0; i < n_samples && !trun.is_short && (!has_fields || trun.n > 0) &&
                         i < KN_MP4_MAX_SAMPLES; i++) {
        const uint32_t duration = flags & 0x100 ? (uint32_t)kn_mp4_get(&trun, 4) : fragment->default_duration;
        const uint32_t n = flags & 0x200 ? (uint32_t)kn_mp4_get(&trun, 4) : fragment->default_size;
        if (flags & 0x400)
            kn_mp4_skip(&trun, 4); // flags
        const int32_t offset = flags & 0x800 ? (int32_t)kn_mp4_get(&trun, 4) : 0;
        if (track->has_media && i == 0) {
            const int64_t shift = track->n_edits ? track->edits[0].shift_us : 0;
            const int64_t start = kn_mp4_us(fragment->time + offset, track->timescale);
            if (start != KN_NO_TIME && start + shift < m->start_us)
                m->start_us = start + shift;
        }
        if (only_start || track->caption < 0)
            return KN_OK;
        if (fragment->at >= 0) {
            const kn_code rc = kn_mp4_add_sample(m, track, fragment->at, n, fragment->time + offset,
                                                 duration, err);
            if (rc != KN_OK)
                return rc;
            fragment->at += n;
        }
        fragment->time += duration == KN_MP4_NO_DURATION ? 0 : duration;
    }
    return KN_OK;
}

static kn_code read_traf(struct kn_mp4 *m, struct kn_mp4_span traf, int64_t moof_at, bool only_start,
                         struct kn_error *err)
{
    struct fragment fragment;
    read_tfhd(m, kn_mp4_find(traf, KN_MP4_TYPE('t', 'f', 'h', 'd')), moof_at, &fragment);
    if (!fragment.track || (fragment.track->caption < 0 && !fragment.track->has_media))
        return KN_OK;
    if (fragment.track->caption >= 0 && !kn_harvest_wants(m->harvest, fragment.track->caption))
        return KN_OK;
    struct kn_mp4_span tfdt = kn_mp4_find(traf, KN_MP4_TYPE('t', 'f', 'd', 't'));
    if (tfdt.n > 0) {
        const bool is_long = kn_mp4_get(&tfdt, 4) >> 24 == 1;
        const uint64_t time = kn_mp4_get(&tfdt, is_long ? 8 : 4);
        fragment.time = time <= INT64_MAX / 4 ? (int64_t)time : 0;
    }
    const int64_t base = fragment.at;
    uint32_t type;
    struct kn_mp4_span box;
    while (kn_mp4_next(&traf, &type, &box)) {
        if (type != KN_MP4_TYPE('t', 'r', 'u', 'n'))
            continue;
        const kn_code rc = read_trun(m, box, base, only_start, &fragment, err);
        if (rc != KN_OK)
            return rc;
    }
    if (!only_start)
        fragment.track->fragment_time = fragment.time;
    return KN_OK;
}

kn_code kn_mp4_read_fragment(struct kn_mp4 *m, struct kn_mp4_span moof, int64_t moof_at,
                             bool only_start, struct kn_error *err)
{
    uint32_t type;
    struct kn_mp4_span box;
    while (kn_mp4_next(&moof, &type, &box)) {
        if (type != KN_MP4_TYPE('t', 'r', 'a', 'f'))
            continue;
        const kn_code rc = read_traf(m, box, moof_at, only_start, err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}
