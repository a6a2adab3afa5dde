#pragma once
/*
 * MP4 and QuickTime (ISO/IEC 14496-12), as much of them as captions need. Private to mp4*.c.
 *
 *     box: size (32) | type | payload         size 1: a size of 64 bits follows; 0: to the end
 *
 *     ftyp │ moov ─┬ mvhd                     moov may stand behind the media, too
 *                  ├ trak ─┬ tkhd, edts/elst  when the track begins on the film's clock
 *                  │       └ mdia ─┬ mdhd, elng, hdlr
 *                  │               └ minf/stbl: stsd what; stts ctts when; stsz stsc stco where
 *                  └ mvex/trex                defaults of fragments
 *          │ (moof ─ traf ─ tfhd, tfdt, trun │ mdat)*
 *
 * mp4_track.c reads a trak, mp4_table.c its sample table, mp4_fragment.c a moof. What they make are
 * samples, which mp4.c reads in the order of the file, neighbours at once. Thread-safety: one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/caption/harvest_part.h"

#define KN_MP4_TYPE(a, b, c, d)                                                                    \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
// The longest head: size, type, size of 64 bits.
#define KN_MP4_HEAD_BYTES 16

/* ---- boxes (mp4_box.c) ---- */
struct kn_mp4_head {
    uint32_t type;
    int64_t n; // of the payload; -1: to the end of what holds it
    int n_head;
};

/* False when the bytes end inside the head, or no box can be that short. */
bool kn_mp4_head(struct kn_mp4_head *head, const uint8_t *bytes, size_t n);

// Bytes of a box that are not read yet. Reading past the end gives zeros and is remembered.
struct kn_mp4_span {
    const uint8_t *at; // borrowed
    size_t n;
    bool is_short; // more was asked for than there is
};

uint64_t kn_mp4_get(struct kn_mp4_span *span, int n_bytes); // big-endian, 1-8 bytes
void kn_mp4_skip(struct kn_mp4_span *span, size_t n);
/* The next child; one that is longer than its parent is cut to it. */
bool kn_mp4_next(struct kn_mp4_span *span, uint32_t *out_type, struct kn_mp4_span *out_payload);
/* The first child of a type; empty when there is none. */
struct kn_mp4_span kn_mp4_find(struct kn_mp4_span span, uint32_t type);

/* ---- the film ---- */
// Samples of captions: 64 tracks of a day of captions stay far below.
#define KN_MP4_MAX_SAMPLES (2 * 1024 * 1024)
// Those that say nothing are counted too, for a table may claim any number of them.
#define KN_MP4_MAX_CLAIMED (2 * KN_MP4_MAX_SAMPLES)
#define KN_MP4_MAX_EDITS 64
// A sample of this duration has none.
#define KN_MP4_NO_DURATION UINT32_MAX
#define KN_MP4_MAX_TRACKS 4096

struct kn_mp4_edit {
    int64_t from_us, until_us; // of the media; until is INT64_MAX for the rest of it
    int64_t shift_us;          // from the media's clock to the film's
};

struct kn_mp4_track {
    uint32_t id;
    int caption;       // its number in the harvest, -1 for others
    bool has_media;    // pictures or sound: the film begins with them
    uint32_t timescale;
    int64_t delay_us;  // empty edits before the first
    struct kn_mp4_edit edits[KN_MP4_MAX_EDITS];
    int n_edits;       // 0: the media's clock is the film's
    uint32_t default_duration, default_size; // trex
    int64_t fragment_time; // where the next fragment goes on when it does not say
};

struct kn_mp4_sample {
    int64_t at; // in the file
    uint32_t n;
    int caption;
    int64_t start_us;
    int64_t duration_us; // KN_NO_TIME when the file does not say
};

struct kn_mp4 {
    struct kn_harvest *harvest; // borrowed
    uint32_t timescale;         // the film's, of edit lists
    struct kn_mp4_track *tracks; // owned
    int n_tracks;
    struct kn_mp4_sample *samples; // owned; those of moov, then those of one fragment after another
    size_t n_samples, sample_capacity, next_sample;
    size_t next_announced; // the first sample that the disk was not told of yet
    size_t n_claimed;    // samples the tables speak of, also those that say nothing
    int64_t run_begin, run_end; // neighbours that were asked for at once
    int64_t moov_at, moov_end;  // the header's payload
    int64_t fragment_at; // the next box at the top of the file
    int64_t start_us;    // least of pictures and sound; INT64_MAX while unknown
    bool has_fragments;
};

/* A time of `timescale` in microseconds, half up; KN_NO_TIME when it does not fit. */
int64_t kn_mp4_us(int64_t time, uint32_t timescale);
/*
 * Add a sample that begins at `time` of its track's clock and lasts `duration` ticks (UINT32_MAX:
 * unknown): as often as the edit list shows it. Samples that say nothing are left out.
 */
kn_code kn_mp4_add_sample(struct kn_mp4 *m, const struct kn_mp4_track *track, int64_t at, uint32_t n,
                          int64_t time, uint32_t duration, struct kn_error *err);

/* A whole trak, or as much of it as tells that it is pictures or sound. */
kn_code kn_mp4_read_track(struct kn_mp4 *m, struct kn_mp4_span trak, struct kn_error *err);
/* What a trak's hdlr says it is ("vide", "sbtl", …), 0 when that is not among these bytes. */
uint32_t kn_mp4_handler(struct kn_mp4_span trak);
/* The samples of a caption track. */
kn_code kn_mp4_read_table(struct kn_mp4 *m, const struct kn_mp4_track *track, struct kn_mp4_span stbl,
                          struct kn_error *err);
/* The samples of a moof that begins at `moof_at`. With `only_start` only m->start_us is learnt. */
kn_code kn_mp4_read_fragment(struct kn_mp4 *m, struct kn_mp4_span moof, int64_t moof_at,
                             bool only_start, struct kn_error *err);
struct kn_mp4_track *kn_mp4_track(struct kn_mp4 *m, uint32_t id);
