/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A caption track's sample table: chunk by chunk, each sample's place from stsc, stco and stsz, its time
 * from stts and ctts. The tables may lie about each other: reading ends where one of them does.
 */
#include <inttypes.h>

#include "engine/caption/mp4.h"

// Runs of equal values: stts (durations) and ctts (offsets).
struct runs {
    struct kn_mp4_span span;
    uint32_t left; // of this run
    uint32_t value;
    bool is_over; // behind the last run: its value goes on
};

static void runs_begin(struct runs *runs, struct kn_mp4_span table)
{
    kn_mp4_skip(&table, 8); // version, flags, count: the bytes say how many there are
    *runs = (struct runs){.span = table};
}

static uint32_t runs_next(struct runs *runs)
{
    while (runs->left == 0 && runs->span.n >= 8) {
        runs->left = (uint32_t)kn_mp4_get(&runs->span, 4);
        runs->value = (uint32_t)kn_mp4_get(&runs->span, 4);
    }
    runs->is_over = runs->left == 0;
    if (runs->left > 0)
        runs->left--;
    return runs->value;
}

// Sample sizes: one for all, a table (stsz), or a compact one (stz2).
struct sizes {
    struct kn_mp4_span span;
    uint32_t of_all;
    uint32_t n_left;
    int bits;      // 4, 8, 16 or 32
    uint8_t nibble;
    bool has_nibble;
};

static void sizes_begin(struct sizes *sizes, struct kn_mp4_span stbl)
{
    *sizes = (struct sizes){.span = kn_mp4_find(stbl, KN_MP4_TYPE('s', 't', 's', 'z')), .bits = 32};
    if (sizes->span.at) {
        kn_mp4_skip(&sizes->span, 4);
        sizes->of_all = (uint32_t)kn_mp4_get(&sizes->span, 4);
    } else {
        sizes->span = kn_mp4_find(stbl, KN_MP4_TYPE('s', 't', 'z', '2'));
        kn_mp4_skip(&sizes->span, 4);
        sizes->bits = (int)(kn_mp4_get(&sizes->span, 4) & 0xFF);
    }
    sizes->n_left = (uint32_t)kn_mp4_get(&sizes->span, 4);
}

static bool sizes_next(struct sizes *sizes, uint32_t *out)
{
    if (sizes->n_left == 0)
        return false;
    sizes->n_left--;
    *out = sizes->of_all;
    if (sizes->of_all)
        return true;
    switch (sizes->bits) {
    case 4:
        if (!sizes->has_nibble)
            sizes->nibble = (uint8_t)kn_mp4_get(&sizes->span, 1);
        *out = sizes->has_nibble ? sizes->nibble & 15u : sizes->nibble >> 4u;
        sizes->has_nibble = !sizes->has_nibble;
        break;
    case 8: *out = (uint32_t)kn_mp4_get(&sizes->span, 1); break;
    case 16: *out = (uint32_t)kn_mp4_get(&sizes->span, 2); break;
    case 32: *out = (uint32_t)kn_mp4_get(&sizes->span, 4); break;
    default: return false;
    }
    return !sizes->span.is_short;
}

// Chunk offsets.
struct chunks {
    struct kn_mp4_span span;
    int n_bytes; // of one
};

static void chunks_begin(struct chunks *chunks, struct kn_mp4_span stbl)
{
    *chunks = (struct chunks){.span = kn_mp4_find(stbl, KN_MP4_TYPE('s', 't', 'c', 'o')), .n_bytes = 4};
    if (!chunks->span.at)
        *chunks = (struct chunks){.span = kn_mp4_find(stbl, KN_MP4_TYPE('c', 'o', '6', '4')), .n_bytes = 8};
    kn_mp4_skip(&chunks->span, 8);
}

// Samples in each chunk: runs that begin at a chunk's number.
struct fill {
    struct kn_mp4_span span;
    uint32_t per_chunk, next_first, next_per_chunk;
};

static void fill_read_next(struct fill *fill)
{
    fill->next_first = UINT32_MAX;
    if (fill->span.n < 12)
        return;
    fill->next_first = (uint32_t)kn_mp4_get(&fill->span, 4);
    fill->next_per_chunk = (uint32_t)kn_mp4_get(&fill->span, 4);
    kn_mp4_skip(&fill->span, 4); // which sample description
}

static void fill_begin(struct fill *fill, struct kn_mp4_span stbl)
{
    *fill = (struct fill){.span = kn_mp4_find(stbl, KN_MP4_TYPE('s', 't', 's', 'c')), .per_chunk = 1};
    kn_mp4_skip(&fill->span, 8);
    fill_read_next(fill);
}

static uint32_t fill_of(struct fill *fill, uint32_t chunk)
{
    while (chunk >= fill->next_first && fill->next_first != UINT32_MAX) {
        fill->per_chunk = fill->next_per_chunk;
        fill_read_next(fill);
    }
    return fill->per_chunk;
}

kn_code kn_mp4_read_table(struct kn_mp4 *m, const struct kn_mp4_track *track, struct kn_mp4_span stbl,
                          struct kn_error *err)
{
    struct runs durations, offsets;
    struct sizes sizes;
    struct chunks chunks;
    struct fill fill;
    runs_begin(&durations, kn_mp4_find(stbl, KN_MP4_TYPE('s', 't', 't', 's')));
    runs_begin(&offsets, kn_mp4_find(stbl, KN_MP4_TYPE('c', 't', 't', 's')));
    sizes_begin(&sizes, stbl);
    chunks_begin(&chunks, stbl);
    fill_begin(&fill, stbl);

    int64_t time = 0;
    for (uint32_t chunk = 1; chunks.span.n >= (size_t)chunks.n_bytes; chunk++) {
        uint64_t at = kn_mp4_get(&chunks.span, chunks.n_bytes);
        const uint32_t n_in_chunk = fill_of(&fill, chunk);
        for (uint32_t i = 0; i < n_in_chunk; i++) {
            uint32_t n;
            if (!sizes_next(&sizes, &n))
                return KN_OK;
            const uint32_t duration = runs_next(&durations);
            // Version 0 calls them unsigned; writers put negative ones into it all the same.
            const int64_t offset = (int32_t)runs_next(&offsets);
            const kn_code rc = kn_mp4_add_sample(m, track, at > INT64_MAX ? INT64_MAX : (int64_t)at, n,
                                                 time + offset, durations.is_over ? KN_MP4_NO_DURATION : duration, err);
            if (rc != KN_OK)
                return rc;
            if (at <= INT64_MAX)
                at += n;
            time += duration == KN_MP4_NO_DURATION ? 0 : duration;
        }
    }
    if (sizes.n_left > 0)
        kn_harvest_warn(m->harvest, "caption track %d has no place for %" PRIu32 " of its samples",
                        track->caption, sizes.n_left);
    return KN_OK;
}
