#pragma once
/*
 * Mux: encoded tracks, each from a thread of its own, woven into one file.
 *
 * Packets are written in the order of their decoding times (ties: track order), whatever order the
 * threads deliver them in, so that the same packets give the same file. A track holds up the others
 * only until it has a packet, a mark ("nothing of mine before this time") or has ended.
 *
 * The first track leads: the file ends where it ends, packets of other tracks at or after that are
 * dropped; and the others wait for it (kn_mux_pace()) so that a fast track does not pile up.
 *
 * Thread-safety: each track may be fed by one thread; different tracks at the same time.
 */
#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "base/error.h"
#include "base/io.h"
#include "base/time.h"
#include "engine/media/ledger.h"

// How far a follower may run ahead of the leader.
#define KN_MUX_AHEAD_US (2 * KN_SECOND)

struct kn_mux;
struct kn_segments;       // segments.h
struct kn_segments_setup; // segments.h

struct kn_mux_setup {
    const char *format;           // libavformat's muxer name, static text
    struct kn_sink *sink;         // borrowed; NULL with segments
    // Set instead of `sink` for segmented outputs; it and what it names is borrowed until
    // kn_mux_free().
    const struct kn_segments_setup *segments;
    bool splits_tracks;           // with segments: each track in files of its own, "<base>-t0-…"
    AVDictionary *options;        // borrowed: the muxer's private options
    const AVDictionary *metadata; // borrowed
    const AVFormatContext *chapters_from; // borrowed, may be NULL
    int64_t chapters_shift_us;    // added to the chapters' times
    int64_t chapters_end_us;      // chapters from here on are left out; KN_NO_TIME: none are
    // How long the film will be, as far as known, else KN_NO_TIME. Where `options` ask for MP4's index in
    // front (faststart), room for it is reserved by that, and only if it does not do the film is moved.
    int64_t expected_us;
};

kn_code kn_mux_new(struct kn_mux **out, const struct kn_mux_setup *setup, struct kn_error *err);

/* Whether encoders must keep parameter sets out of the packets (AV_CODEC_FLAG_GLOBAL_HEADER). */
bool kn_mux_wants_global_header(const struct kn_mux *mux);

/*
 * Add a track; tracks are numbered in the order of adding. `language` is ISO 639-2 or NULL.
 * Before any packet. Returns the number in *out_track.
 */
kn_code kn_mux_add(struct kn_mux *mux, const char *language, int disposition, int *out_track,
                   struct kn_error *err);
/* Say what a track is; once all are known the header is written. `time_base`: of its packets.
 * `metadata` goes beside the language. */
kn_code kn_mux_describe(struct kn_mux *mux, int track, const AVCodecParameters *parameters,
                        AVRational time_base, AVRational frame_rate, AVRational sample_aspect,
                        const AVDictionary *metadata, struct kn_error *err);

/* Write a packet (moved away). */
kn_code kn_mux_write(struct kn_mux *mux, int track, AVPacket *packet, struct kn_error *err);
kn_code kn_mux_mark(struct kn_mux *mux, int track, int64_t time_us, struct kn_error *err);
/* No more packets of this track; `end_us` is where the leader's last picture ends. */
kn_code kn_mux_end(struct kn_mux *mux, int track, int64_t end_us, struct kn_error *err);

/* The leader has come to `time_us`. */
void kn_mux_lead(struct kn_mux *mux, int64_t time_us);
/* How far it is. */
int64_t kn_mux_position(struct kn_mux *mux);
/*
 * Wait until a follower may go on with `time_us`. False: the file ends before, or the mux was
 * stopped; the follower need not come again.
 */
bool kn_mux_pace(struct kn_mux *mux, int track, int64_t time_us);
/*
 * Wait until at most `n` packets of a track wait for the other tracks. For a track whose packets cost
 * nothing to make (they were made before): it would fill the memory. False when the mux was stopped.
 */
bool kn_mux_settle(struct kn_mux *mux, int track, size_t n);
/* Wake all waiters; everything fails with KN_ECANCELED from here on. */
void kn_mux_stop(struct kn_mux *mux);

/* After every track has ended: write the index. */
kn_code kn_mux_finish(struct kn_mux *mux, struct kn_error *err);
void kn_mux_free(struct kn_mux **mux);

/* What was written of a track, for checking the file against it. */
void kn_mux_ledger(const struct kn_mux *mux, int track, struct kn_ledger *out);
int kn_mux_n_tracks(const struct kn_mux *mux);
/* What was said of a track, NULL before. Borrowed. */
const AVCodecParameters *kn_mux_parameters(const struct kn_mux *mux, int track);
/* A cover or an attachment: no stream of packets, and readers number it as they like. */
bool kn_mux_is_extra(const struct kn_mux *mux, int track);
/* The files a track lies in: its own when tracks are split, else everyone's. NULL: not segmented. */
const struct kn_segments *kn_mux_segments(const struct kn_mux *mux, int track);
/* ISO 639-2, or NULL. Borrowed. */
const char *kn_mux_language(const struct kn_mux *mux, int track);
