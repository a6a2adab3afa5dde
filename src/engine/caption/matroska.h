#pragma once
/*
 * Matroska and WebM (RFC 9559), as much of it as captions need. Private to matroska*.c.
 *
 *     EBML │ Segment ─┬ SeekHead   where the others lie
 *                     ├ Info       scale of time, duration
 *                     ├ Tracks     what each track is
 *                     ├ Tags       how many frames each has, when the writer counted (mkvmerge)
 *                     ├ Cues       where blocks lie: of caption tracks every one, when the writer is good
 *                     └ Cluster*   Timestamp, (SimpleBlock | BlockGroup)*
 *
 * matroska_header.c reads the first four, matroska_cues.c the index, matroska_walk.c goes through
 * clusters, matroska_block.c makes packets of a block. Thread-safety: one thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "engine/caption/harvest_part.h"
#include "engine/caption/matroska_ebml.h"

enum kn_matroska_id {
    KN_MKV_EBML = 0x1A45DFA3,
    KN_MKV_SEGMENT = 0x18538067,
    KN_MKV_SEEK_HEAD = 0x114D9B74,
    KN_MKV_INFO = 0x1549A966,
    KN_MKV_TRACKS = 0x1654AE6B,
    KN_MKV_TAGS = 0x1254C367,
    KN_MKV_CUES = 0x1C53BB6B,
    KN_MKV_CLUSTER = 0x1F43B675,
    KN_MKV_ATTACHMENTS = 0x1941A469,
    KN_MKV_CHAPTERS = 0x1043A770,
    KN_MKV_VOID = 0xEC,
    KN_MKV_CRC32 = 0xBF,
    // in a cluster
    KN_MKV_TIMESTAMP = 0xE7,
    KN_MKV_SIMPLE_BLOCK = 0xA3,
    KN_MKV_BLOCK_GROUP = 0xA0,
    KN_MKV_BLOCK = 0xA1,
};

enum kn_matroska_kind { KN_MKV_OTHER_TRACK = 0, KN_MKV_PICTURE_TRACK, KN_MKV_SOUND_TRACK };

// Encodings laid one over another; mkvmerge writes one.
#define KN_MKV_MAX_ENCODINGS 4

struct kn_matroska_encoding {
    bool has_frames, has_private; // what it was applied to
    bool is_zlib;                 // else a header stripped off every frame
    const uint8_t *stripped;      // borrowed from the harvest's arena
    size_t n_stripped;
};

struct kn_matroska_track {
    uint64_t number; // as blocks name it
    uint64_t uid;    // as tags name it
    enum kn_matroska_kind kind;
    int caption;        // its number in the harvest, -1 for other tracks
    bool is_line_vtt;   // D_WEBVTT: identifier and settings are the first two lines of a frame
    int64_t frame_ns;   // DefaultDuration, 0 when unsaid
    int64_t n_frames;   // as the writer counted, -1 when it did not
    int64_t n_cues;     // entries of the index
    struct kn_matroska_encoding encodings[KN_MKV_MAX_ENCODINGS]; // in the order of undoing
    int n_encodings;
};

// An entry of the index: a block of a caption track.
struct kn_matroska_cue {
    int64_t cluster_at; // in the file
    int64_t within;     // of the cluster's payload; -1 when the writer did not say
    const struct kn_matroska_track *track;
};

#define KN_MKV_MAX_LACES 256

// The block in hand: its frames become one packet each.
struct kn_matroska_block {
    const struct kn_matroska_track *track; // NULL: none in hand
    const uint8_t *bytes;                  // borrowed from the window: the frames
    size_t laces[KN_MKV_MAX_LACES];        // their sizes
    int n_laces, next_lace;
    int64_t start_ns;
    int64_t frame_ns; // duration of one frame, -1 when unsaid
    struct kn_buf addition; // what stands beside a WebVTT payload: settings, identifier
    struct kn_buf plain;    // the frame with its encodings undone
};

struct kn_matroska {
    struct kn_harvest *harvest; // borrowed
    int64_t segment_at;         // of the segment's payload: what positions in the file count from
    int64_t segment_end;        // INT64_MAX when unknown
    int64_t cues_at, tags_at, info_at, tracks_at; // of the element; -1 when not seen
    int64_t first_cluster_at;                     // -1 when there is none
    int64_t scale_ns;                             // one tick of time
    bool is_good_writer; // known to give every caption block an entry in the index
    struct kn_matroska_track *tracks; // owned
    int n_tracks;
    // The index.
    struct kn_matroska_cue *cues; // owned, by place in the file
    size_t n_cues, cue_capacity, next_cue, next_announced;
    int64_t cue_cluster_at; // the cluster whose head was read last
    int64_t cue_payload_at;
    bool uses_cues;
    int64_t *delivered; // owned: places of the blocks that the index gave, in case it proves wrong
    size_t n_delivered;
    // The walk.
    int64_t at;
    bool is_in_cluster;
    int64_t cluster_end;  // INT64_MAX when unknown
    int64_t cluster_time; // in ticks
    struct kn_matroska_block block;
};

/* The headers before the first cluster and, by SeekHead, those after the last. */
kn_code kn_matroska_read_headers(struct kn_matroska *m, struct kn_error *err);
/* The element at `at`, its payload as a whole. `bytes` is borrowed until the window is used again. */
kn_code kn_matroska_load(struct kn_matroska *m, int64_t at, uint32_t id,
                         struct kn_ebml_span *out_payload, struct kn_error *err);
const struct kn_matroska_track *kn_matroska_track(const struct kn_matroska *m, uint64_t number);

/* Read the index; m->uses_cues says afterwards whether it names every block that is wanted. */
kn_code kn_matroska_read_cues(struct kn_matroska *m, struct kn_error *err);
/* The next block by the index; *out_has is false at its end, or when it proved wrong. */
kn_code kn_matroska_next_cue(struct kn_matroska *m, bool *out_has, struct kn_error *err);

/* Begin to go through the clusters. */
void kn_matroska_walk_from_start(struct kn_matroska *m);
/* The next block of a wanted track into m->block. */
kn_code kn_matroska_walk(struct kn_matroska *m, bool *out_has, struct kn_error *err);
/* When pictures and sound begin, by the first cluster; 0 when it does not say. */
kn_code kn_matroska_start_ns(struct kn_matroska *m, int64_t *out_ns, struct kn_error *err);

/*
 * Take the SimpleBlock or BlockGroup at `at` in hand if it belongs to a wanted caption track.
 *
 *   out_end   where the element ends
 *   out_took  false for another track's, and for a block too broken to use (noted)
 *
 * KN_EMEDIA, without message, when there is no such element.
 */
kn_code kn_matroska_take_block(struct kn_matroska *m, int64_t at, int64_t cluster_time,
                               int64_t *out_end, bool *out_took, struct kn_error *err);
/* The next packet of the block in hand; false when it has no more. */
kn_code kn_matroska_next_packet(struct kn_matroska *m, struct kn_harvest_packet *out,
                                bool *out_has, struct kn_error *err);
/*
 * Undo a track's encodings of a frame, or of its private data: `bytes` and `n` then show the plain
 * form, in `plain` unless there was nothing to undo. False when they cannot be undone.
 */
bool kn_matroska_undo(const struct kn_matroska_track *track, bool is_private,
                      const uint8_t **bytes, size_t *n, size_t limit, struct kn_buf *plain);
