#pragma once
/*
 * Encode: frames in, packets out, through a callback. What to encode with is said by name and
 * options; pictures' size, format and colour come from the first frame.
 *
 * Thread-safety: one thread at a time.
 */
#include <stdbool.h>
#include <stdint.h>

#include <libavcodec/avcodec.h>

#include "base/error.h"

/* Receives a packet (pts, dts, duration in `time_base`); may av_packet_move_ref() it away. */
typedef kn_code (*kn_packet_fn)(void *impl, AVPacket *packet, struct kn_error *err);

struct kn_encoder {
    AVCodecContext *codec; // owned
    AVPacket *packet;      // owned
};

struct kn_encoder_setup {
    const char *name;      // FFmpeg's encoder name
    const AVFrame *like;   // size, format, colour or rate, layout
    AVRational time_base;  // of the frames' pts
    AVRational frame_rate; // video; 0/1 unknown
    int64_t bitrate_bps;   // 0: the encoder's own idea
    int64_t maxrate_bps, bufsize_bits;
    int64_t buffer_bits;   // x264: how full the rate control's buffer is at first; 0: its own idea
    int gop_frames;        // 0: the encoder's own
    int profile;           // FF_PROFILE_…, FF_PROFILE_UNKNOWN when not asked for
    bool has_quality;      // `quality`, on the encoder's own scale, in place of a bit rate
    double quality;
    int bits_per_sample;   // audio; 0: as the sample format has
    AVDictionary *options; // borrowed: private options; unknown ones are refused
    bool global_header;    // the container wants parameter sets outside the packets
    int n_threads;
    int pass;              // 0 one pass, 1 first, 2 second (statistics' file: an option)
};

/* KN_EUNSUP when this build has no such encoder. */
kn_code kn_encoder_open(struct kn_encoder **out, const struct kn_encoder_setup *setup,
                        struct kn_error *err);
/* Encode a frame, or with NULL what is left. */
kn_code kn_encoder_feed(struct kn_encoder *encoder, const AVFrame *frame, kn_packet_fn on_packet,
                        void *impl, struct kn_error *err);
void kn_encoder_free(struct kn_encoder **encoder);

/* The sample format an audio encoder likes best, and the nearest rate it can do. */
enum AVSampleFormat kn_encoder_sample_format(const AVCodec *codec);
int kn_encoder_sample_rate(const AVCodec *codec, int wanted_hz);
