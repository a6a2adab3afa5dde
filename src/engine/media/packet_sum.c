/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/packet_sum.h"

#include <stdbool.h>
#include <string.h>

#include <libavutil/adler32.h>
#include <libavutil/intreadwrite.h>

// Where the next start code (00 00 01) begins, or `end`.
static const uint8_t *find_start_code(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 3) {
        const uint8_t *one = memchr(p + 2, 1, (size_t)(end - p - 2));
        if (!one)
            return end;
        if (one[-1] == 0 && one[-2] == 0)
            return one - 2;
        p = one - 1;
    }
    return end;
}

static uint32_t sum_annex_b(uint32_t sum, const uint8_t *p, const uint8_t *end)
{
    for (p = find_start_code(p, end); p < end;) {
        const uint8_t *unit = p + 3;
        p = find_start_code(unit, end);
        const uint8_t *last = p;
        while (last > unit && last[-1] == 0) // zero bytes before a start code belong to it
            last--;
        sum = (uint32_t)av_adler32_update(sum, unit, (size_t)(last - unit));
    }
    return sum;
}

static uint32_t sum_lengths(uint32_t sum, const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 4) {
        const uint32_t n = AV_RB32(p);
        p += 4;
        if (n > (size_t)(end - p))
            return 0; // not what it should be: no sum will agree
        const uint8_t *last = p + n;
        while (last > p && last[-1] == 0)
            last--;
        sum = (uint32_t)av_adler32_update(sum, p, (size_t)(last - p));
        p += n;
    }
    return sum;
}

uint32_t kn_packet_sum(const AVCodecParameters *par, const AVPacket *packet)
{
    const uint8_t *p = packet->data, *end = packet->data + packet->size;
    if (par->codec_id == AV_CODEC_ID_H264 || par->codec_id == AV_CODEC_ID_HEVC) {
        // Length-prefixed streams carry an avcC or hvcC record, which begins with its version, 1.
        const bool has_lengths = par->extradata_size > 6 && par->extradata[0] == 1;
        return has_lengths ? sum_lengths(1, p, end) : sum_annex_b(1, p, end);
    }
    if (par->codec_id == AV_CODEC_ID_AAC && packet->size > 9 && p[0] == 0xff && (p[1] & 0xf6) == 0xf0)
        p += p[1] & 1 ? 7 : 9;
    // A temporal delimiter (AV1, 5.6) says nothing; MP4 and Matroska leave it out.
    if (par->codec_id == AV_CODEC_ID_AV1 && packet->size > 2 && p[0] == 0x12 && p[1] == 0)
        p += 2;
    return (uint32_t)av_adler32_update(1, p, (size_t)(end - p));
}
