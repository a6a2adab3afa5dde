#pragma once
/*
 * A ledger: what of a track was written into a file, or was found in it. The muxer keeps one per track
 * (and one per track and segment); whoever reads the file again keeps another, and compares.
 */
#include <stdbool.h>
#include <stdint.h>

#include <libavcodec/codec_par.h>
#include <libavcodec/packet.h>

#include "base/time.h"

struct kn_ledger {
    int64_t n_packets;
    int64_t bytes;
    uint32_t first_sum, last_sum;       // of the outermost packets, in the order of writing
    int64_t first_shown_us, last_shown_us; // when those begin
    uint32_t checksum, coded_sum;       // the sums of kn_packet_sum() of all packets
    int64_t first_us, last_us, end_us;  // of presentation: the first begins, the last begins and ends
    int64_t last_dts;                   // in the packets' time base; AV_NOPTS_VALUE at first
    bool goes_back;                     // a decoding time fell
};

/* Times are KN_NO_TIME while no packet had one. */
#define KN_LEDGER_EMPTY                                                                            \
    (struct kn_ledger)                                                                             \
    {                                                                                              \
        .first_us = KN_NO_TIME, .last_us = KN_NO_TIME, .end_us = KN_NO_TIME, .last_dts = INT64_MIN, \
        .first_shown_us = KN_NO_TIME, .last_shown_us = KN_NO_TIME                                  \
    }

/* Add what another ledger of the same track, of later packets, holds. */
void kn_ledger_join(struct kn_ledger *ledger, const struct kn_ledger *later);

/* `parameters` say how the packet is wrapped (packet_sum.h). */
void kn_ledger_add(struct kn_ledger *ledger, const AVCodecParameters *parameters,
                   const AVPacket *packet, AVRational time_base);
