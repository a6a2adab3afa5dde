#pragma once
/*
 * Demux: a thread that reads an input once and sorts its packets into one bounded queue per used
 * stream.
 *
 * Times leave here normalised: the file's origin is taken off, `offset_us` (where this file begins
 * in a concatenation) is added, and jumps of the clock (MPEG-TS discontinuities) are closed. Where a
 * container knows no such jumps, one is damage and ends the reading with KN_EMEDIA.
 *
 * Streams that fall silent do not hold up the others: when the file has gone on by
 * KN_DEMUX_SLACK_US without a packet of a stream, its queue gets a mark, "nothing of mine lies
 * before this time". A queue that is full stops the reading, except while another queue is empty: a
 * badly interleaved file then costs memory up to KN_DEMUX_ELASTIC_BYTES instead of a deadlock.
 *
 * Thread-safety: kn_demux_next() may be called by one thread per stream.
 */
#include <stdbool.h>
#include <stdint.h>

#include <libavcodec/packet.h>

#include "base/error.h"
#include "base/time.h"
#include "engine/media/input.h"

#define KN_DEMUX_SLACK_US (10 * KN_SECOND)
#define KN_DEMUX_ELASTIC_BYTES (128ll * 1024 * 1024)

struct kn_demux;

struct kn_demux_item {
    AVPacket *packet; // owned by the taker; NULL for a mark and at the end
    int64_t time_us;  // when it is decoded; of a mark: nothing lies before
    bool is_end;
};

/* `input` is borrowed until kn_demux_free(). */
kn_code kn_demux_new(struct kn_demux **out, struct kn_input *input, int64_t origin_us,
                     int64_t offset_us, struct kn_error *err);
/* Begin at the last key frame at or before `from_us` (normalised time). Before kn_demux_start(). */
void kn_demux_seek(struct kn_demux *demux, int64_t from_us);
/* Name a stream that will be read. Before kn_demux_start(). */
void kn_demux_use(struct kn_demux *demux, int stream_index);
kn_code kn_demux_start(struct kn_demux *demux, struct kn_error *err);

/* The next item of a stream; waits. After the end it says so again and again. */
kn_code kn_demux_next(struct kn_demux *demux, int stream_index, struct kn_demux_item *out,
                      struct kn_error *err);
/* Nobody will read this stream any more: its packets are dropped from here on. */
void kn_demux_leave(struct kn_demux *demux, int stream_index);
/* Wake and end everything; waiting readers get KN_ECANCELED. */
void kn_demux_stop(struct kn_demux *demux);
void kn_demux_free(struct kn_demux **demux); // stops first
