#pragma once
/*
 * Checksums of what a packet says, whatever a container wraps it in: H.264 and H.265 count NAL
 * units without start codes or lengths, AAC without its ADTS header. So packets read from a file can
 * be compared with those that were written into it.
 *
 * The sum of a track is the sum of its packets' sums, modulo 2^32, and that of a packet is the sum of
 * its NAL units' Adler-32: neither the order in which a demuxer hands out tracks nor where a parser
 * cuts pictures matters.
 */
#include <stdint.h>

#include <libavcodec/codec_par.h>
#include <libavcodec/packet.h>

struct kn_packet_sums {
    uint32_t whole; // all of it
    uint32_t coded; // of H.264 and H.265 the slices alone: MPEG-TS adds delimiters and parameter sets
};

struct kn_packet_sums kn_packet_sum(const AVCodecParameters *parameters, const AVPacket *packet);
