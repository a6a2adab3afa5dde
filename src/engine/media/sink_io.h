#pragma once
/*
 * A kn_sink as an AVIOContext for muxers: writes and seeks go to its descriptor. One file after
 * another (segments) can stand behind one AVIOContext; the muxer then sees an endless stream.
 *
 * Thread-safety: one thread at a time.
 */
#include <libavformat/avformat.h>

#include "base/error.h"
#include "base/io.h"

struct kn_sink_io {
    AVIOContext *io;       // owned
    struct kn_sink *sink;  // borrowed: where bytes go now; NULL discards them
    int64_t at;            // in the file
    int64_t base;          // what the muxer had written before this file began
    int64_t high_water;    // bytes of this file so far
    struct kn_error error; // why a write failed
};

/* is_seekable false: for segments. */
kn_code kn_sink_io_open(struct kn_sink_io **out, struct kn_sink *sink, bool is_seekable,
                        struct kn_error *err);
/* Flush, then send what follows to `sink` (borrowed, may be NULL). */
kn_code kn_sink_io_switch(struct kn_sink_io *sink_io, struct kn_sink *sink, struct kn_error *err);
void kn_sink_io_free(struct kn_sink_io **sink_io);

/*
 * Let a muxer read back what it wrote (MP4 moves its index to the front that way): sets io_open and
 * io_close2 of `format`, whose `opaque` becomes the sink_io.
 */
void kn_sink_io_lend(struct kn_sink_io *sink_io, AVFormatContext *format);
