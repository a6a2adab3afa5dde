/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/ledger.h"

#include <libavutil/avutil.h>
#include <libavutil/mathematics.h>

#include "engine/media/packet_sum.h"

void kn_ledger_join(struct kn_ledger *l, const struct kn_ledger *later)
{
    if (later->n_packets == 0)
        return;
    l->first_sum = l->n_packets == 0 ? later->first_sum : l->first_sum;
    l->first_shown_us = l->n_packets == 0 ? later->first_shown_us : l->first_shown_us;
    l->last_sum = later->last_sum;
    l->last_shown_us = later->last_shown_us;
    l->checksum += later->checksum;
    l->coded_sum += later->coded_sum;
    l->n_packets += later->n_packets;
    l->bytes += later->bytes;
    if (later->last_dts != AV_NOPTS_VALUE) {
        l->goes_back |= later->goes_back || (l->last_dts != AV_NOPTS_VALUE && later->last_dts < l->last_dts);
        l->last_dts = later->last_dts;
    }
    if (later->first_us == KN_NO_TIME) // one of several in a PES packet, whose time is that of the first
        return;
    if (l->first_us == KN_NO_TIME || later->first_us < l->first_us)
        l->first_us = later->first_us;
    if (l->last_us == KN_NO_TIME || later->last_us > l->last_us)
        l->last_us = later->last_us;
    if (l->end_us == KN_NO_TIME || later->end_us > l->end_us)
        l->end_us = later->end_us;
}

void kn_ledger_add(struct kn_ledger *l, const AVCodecParameters *par, const AVPacket *packet,
                   AVRational time_base)
{
    const struct kn_packet_sums sums = kn_packet_sum(par, packet);
    const int64_t pts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    struct kn_ledger one = KN_LEDGER_EMPTY;
    one.n_packets = 1;
    one.bytes = packet->size;
    one.first_sum = one.last_sum = one.checksum = sums.whole;
    one.coded_sum = sums.coded;
    one.last_dts = packet->dts;
    if (pts != AV_NOPTS_VALUE) {
        one.first_us = one.last_us = av_rescale_q(pts, time_base, AV_TIME_BASE_Q);
        one.first_shown_us = one.last_shown_us = one.first_us;
        one.end_us = av_rescale_q(pts + packet->duration, time_base, AV_TIME_BASE_Q);
    }
    kn_ledger_join(l, &one);
}
