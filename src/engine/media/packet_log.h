#pragma once
/*
 * Packet log: what an encoder made, kept on disk, so that after a crash a new encoder goes on from
 * the last key frame instead of from the beginning (decision 10).
 *
 *     head  "KNPKLOG1", length, CRC-64, JSON { "Key": …, "Facts": … }
 *     then  one record per packet: size, flags, pts, dts, duration, CRC-64, bytes
 *
 * Packets must come from closed GOPs: everything shown before a key packet was logged before it. The
 * last key packet is the seam; what was logged before it is replayed, it and the rest are encoded
 * again. Numbers are in the machine's byte order: a log never leaves its machine. A torn tail, as a
 * crash leaves it, is cut off; a log under another key is emptied.
 *
 * Thread-safety: one thread at a time.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <libavcodec/packet.h>

#include "base/error.h"

struct kn_packet_log;

struct kn_packet_log_setup {
    const char *path;
    const char *key; // what the packets depend on; equal keys go on, others start anew
    // The rate control's buffer, to be followed through the packets; 0: there is none.
    double buffer_bits, bits_per_packet;
};

struct kn_packet_log_seam {
    int64_t n_packets;   // before the seam; 0: there is nothing to go on from
    int64_t n_repeated;  // logged, but to be encoded again
    int64_t pts;         // of the key packet at the seam
    int64_t last_dts;    // of the last packet before it
    double buffer_bits;  // how full the rate control's buffer is there
};

/* Open or create. KN_EIO when the folder cannot be written. */
kn_code kn_packet_log_open(struct kn_packet_log **out, const struct kn_packet_log_setup *setup,
                           struct kn_error *err);
void kn_packet_log_free(struct kn_packet_log **log);

const struct kn_packet_log_seam *kn_packet_log_seam(const struct kn_packet_log *log);
/* What kn_packet_log_begin() was told; NULL when there is nothing to go on from. Borrowed. */
const json_t *kn_packet_log_facts(const struct kn_packet_log *log);

/* Empty the log and write its head. */
kn_code kn_packet_log_begin(struct kn_packet_log *log, const json_t *facts, struct kn_error *err);
/* The next packet before the seam. After the last one *out_has is false, and packets can be added. */
kn_code kn_packet_log_next(struct kn_packet_log *log, AVPacket *packet, bool *out_has,
                           struct kn_error *err);
/* Append a packet; with a key packet all before it is on the disk. */
kn_code kn_packet_log_add(struct kn_packet_log *log, const AVPacket *packet, struct kn_error *err);
