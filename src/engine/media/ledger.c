/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/ledger.h"

#include <libavutil/avutil.h>
#include <libavutil/mathematics.h>

#include "engine/media/packet_sum.h"

void kn_ledger_add(struct kn_ledger *l, const AVCodecParameters *par, const AVPacket *packet,
                   AVRational time_base)
{
    const struct kn_packet_sums sums = kn_packet_sum(par, packet);
    l->first_sum = l->n_packets == 0 ? sums.whole : l->first_sum;
    l->last_sum = sums.whole;
    l->checksum += sums.whole;
    l->coded_sum += sums.coded;
    l->n_packets++;
    l->bytes += packet->size;
    if (packet->dts != AV_NOPTS_VALUE) {
        l->goes_back |= l->last_dts != AV_NOPTS_VALUE && packet->dts < l->last_dts;
        l->last_dts = packet->dts;
    }
    const int64_t pts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (pts == AV_NOPTS_VALUE) // one of several in a PES packet, whose time is that of the first
        return;
    const int64_t first_us = av_rescale_q(pts, time_base, AV_TIME_BASE_Q);
    const int64_t end_us = av_rescale_q(pts + packet->duration, time_base, AV_TIME_BASE_Q);
    if (l->first_us == KN_NO_TIME || first_us < l->first_us)
        l->first_us = first_us;
    if (l->last_us == KN_NO_TIME || first_us > l->last_us)
        l->last_us = first_us;
    if (l->end_us == KN_NO_TIME || end_us > l->end_us)
        l->end_us = end_us;
}
