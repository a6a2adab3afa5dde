#pragma once
/*
 * Segments: one muxer's bytes cut into files at key frames. Who lists them in a playlist or manifest
 * asks kn_segments_list().
 *
 *     <base>-00001.ts <base>-00002.ts …            MPEG-TS, from `first_number`
 *     <base>-init.mp4 <base>-00001.m4s …           fragmented MP4
 *
 * Regular cuts lie on a grid of the aimed length that begins at 0, not a length after the one
 * before: renditions of one film stay aligned, and sound does not drift away by a packet a segment.
 *
 * Who makes them may look at each one, with what was written into it, before it is handed over.
 *
 * The muxer never learns of it: bytes go to whichever sink is open (sink_io.h). kn_mux calls the
 * three hooks under its lock.
 */
#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "base/error.h"
#include "base/io.h"
#include "engine/media/ledger.h"

// Added to every time in MPEG-TS segments, where no time may be negative: what comes before 0
// (reordering, encoder delay) fits in, and all renditions keep one clock.
#define KN_SEGMENTS_TS_OFFSET_US (1400 * 1000)

/* Where cuts are due: encoders ask it where to put key frames, segments where to end. */
struct kn_cutter {
    int64_t duration_us;
    const int64_t *forced_us; // borrowed, rising
    int n_forced, next_forced;
    int64_t next_us; // the next regular cut
};

void kn_cutter_init(struct kn_cutter *cutter, int64_t duration_us, const int64_t *forced_us,
                    int n_forced);
/* Whether a cut is due at or before `now_us`; consumes it if so. */
bool kn_cutter_is_due(struct kn_cutter *cutter, int64_t now_us);

struct kn_segments;

struct kn_segment {
    char *uri; // owned
    int64_t start_us, duration_us;
    int64_t size_bytes;
};

/* A segment that is written and not yet handed over. All is borrowed for the call. */
struct kn_segment_look {
    const struct kn_segments *segments;
    const struct kn_segment *segment;
    int nth;                        // from 0
    int fd;                         // its bytes
    int init_fd;                    // the initialisation part, to be read before it; -1: MPEG-TS
    int64_t init_bytes;
    const struct kn_ledger *tracks; // what was written into it, by the muxer's streams
    int n_tracks;
};

struct kn_segments_setup {
    // Stages an output; borrowed for the life of the segments.
    kn_code (*open)(void *impl, const char *uri, struct kn_sink **out, struct kn_error *err);
    void *impl;
    // Looks at each segment before it is handed over; its failure is the muxer's. May be NULL.
    kn_code (*look)(void *look_impl, const struct kn_segment_look *look, struct kn_error *err);
    void *look_impl;
    const char *base_uri;     // names without "-00001.ts"; copied
    bool is_fmp4;
    int64_t duration_us;      // aim
    int first_number;         // in the first one's name
    const int64_t *forced_us; // borrowed for the life of the segments: cut here, whatever the aim
    int n_forced;
};

kn_code kn_segments_new(struct kn_segments **out, const struct kn_segments_setup *setup,
                        struct kn_error *err);
void kn_segments_free(struct kn_segments **segments);

/* What was written. Borrowed. */
const struct kn_segment *kn_segments_list(const struct kn_segments *segments, int *out_n);
const char *kn_segments_init_uri(const struct kn_segments *segments); // NULL for MPEG-TS
int64_t kn_segments_init_bytes(const struct kn_segments *segments);   // 0 for MPEG-TS

/* ---- for kn_mux ---- */
AVIOContext *kn_segments_io(struct kn_segments *segments);
kn_code kn_segments_header_done(struct kn_segments *segments, AVFormatContext *format,
                                struct kn_error *err);
/* Before a packet is written: begin the next segment when this is where it begins. `time_base` is the
 * packet's, `one` its ledger. */
kn_code kn_segments_before(struct kn_segments *segments, AVFormatContext *format, int track,
                           const AVPacket *packet, AVRational time_base,
                           const struct kn_ledger *one, struct kn_error *err);
/* Before the trailer is written. */
kn_code kn_segments_before_trailer(struct kn_segments *segments, AVFormatContext *format,
                                   struct kn_error *err);
/* After the trailer: hand over the last segment. */
kn_code kn_segments_finish(struct kn_segments *segments, struct kn_error *err);
