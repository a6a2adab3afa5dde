#pragma once
/*
 * Decode: packets in, frames out, through a callback.
 *
 * A few broken packets are passed over, as players do; a stream that is broken throughout fails.
 * Thread-safety: one thread at a time.
 */
#include <stdint.h>

#include <libavcodec/avcodec.h>

#include "base/error.h"
#include "engine/media/input.h"

/* Receives a frame; may av_frame_move_ref() it away. A failure ends the feeding with it. */
typedef kn_code (*kn_frame_fn)(void *impl, AVFrame *frame, struct kn_error *err);

struct kn_decoder {
    AVCodecContext *codec; // owned
    AVFrame *frame;        // owned
    const char *uri;       // borrowed, for messages
    AVRational time_base;  // of frames' pts
    int64_t n_packets, n_broken, n_frames;
    int64_t n_patched; // frames of which the decoder made up a part
    int64_t end_us; // where the last frame ends (start plus duration), KN_NO_TIME before it
};

/*
 * Of n_threads, how many are worth starting for so many pictures (0: unknown): each thread of a codec
 * has a state of its own, 0.8 MB of H.264, which costs more to set up than it saves on a few pictures.
 */
int kn_threads_for(int64_t n_pictures, int n_threads);

/* Opens the stream's decoder with up to n_threads; KN_EUNSUP when this build has none. */
kn_code kn_decoder_open(struct kn_decoder **out, const struct kn_input *input,
                        const AVStream *stream, int n_threads, struct kn_error *err);

/*
 * Decode one packet (NULL: the rest). Frames arrive with pts = best effort timestamp and
 * time_base set.
 * KN_EMEDIA reason "ResourceContentBad" at the end, when too little could be decoded.
 */
kn_code kn_decoder_feed(struct kn_decoder *decoder, const AVPacket *packet, kn_frame_fn on_frame,
                        void *impl, struct kn_error *err);
void kn_decoder_free(struct kn_decoder **decoder);
