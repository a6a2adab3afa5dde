#pragma once
/*
 * A checksum of what a packet says, whatever a container wraps it in: H.264 and H.265 count NAL
 * units without start codes or lengths, AAC without its ADTS header. So packets read from a file can
 * be compared with those that were written into it.
 *
 * The sum of a track is the sum of its packets' Adler-32, modulo 2^32, so that the order in which a
 * demuxer hands out tracks does not matter.
 */
#include <stdint.h>

#include <libavcodec/codec_par.h>
#include <libavcodec/packet.h>

uint32_t kn_packet_sum(const AVCodecParameters *parameters, const AVPacket *packet);
