/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/packet_sum.h"

#include <stdbool.h>
#include <string.h>

#include <libavutil/adler32.h>
#include <libavutil/macros.h>

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

static bool is_slice(enum AVCodecID codec, const uint8_t *unit)
{
    if (codec == AV_CODEC_ID_HEVC) // H.265, table 7-1: below 32 lie the VCL units
        return (unit[0] >> 1 & 0x3f) < 32;
    return (unit[0] & 0x1f) >= 1 && (unit[0] & 0x1f) <= 5; // H.264, table 7-1
}

static void unit_add(struct kn_packet_sums *sums, enum AVCodecID codec, const uint8_t *unit,
                     const uint8_t *end)
{
    while (end > unit && end[-1] == 0) // zero bytes before a start code belong to it
        end--;
    if (end == unit)
        return;
    const uint32_t sum = (uint32_t)av_adler32_update(1, unit, (size_t)(end - unit));
    sums->whole += sum;
    sums->coded += is_slice(codec, unit) ? sum : 0;
}

static struct kn_packet_sums sum_annex_b(enum AVCodecID codec, const uint8_t *p, const uint8_t *end)
{
    struct kn_packet_sums sums = {0};
    for (p = find_start_code(p, end); p < end;) {
        const uint8_t *unit = p + 3;
        p = find_start_code(unit, end);
        unit_add(&sums, codec, unit, p);
    }
    return sums;
}

static struct kn_packet_sums sum_lengths(enum AVCodecID codec, int n_length, const uint8_t *p,
                                         const uint8_t *end)
{
    struct kn_packet_sums sums = {0};
    while (end - p >= n_length) {
        uint32_t n = 0;
        for (int i = 0; i < n_length; i++)
            n = n << 8 | *p++;
        if (n > (size_t)(end - p))
            return (struct kn_packet_sums){0}; // not what it should be: no sum will agree
        unit_add(&sums, codec, p, p + n);
        p += n;
    }
    return sums;
}

struct kn_packet_sums kn_packet_sum(const AVCodecParameters *par, const AVPacket *packet)
{
    const uint8_t *p = packet->data, *end = packet->data + packet->size;
    const bool is_hevc = par->codec_id == AV_CODEC_ID_HEVC;
    if (par->codec_id == AV_CODEC_ID_H264 || is_hevc) {
        // Length-prefixed streams carry an avcC or hvcC record, which begins with its version, 1; how
        // long lengths are stands in its 5th or 22nd byte (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1).
        const int at = is_hevc ? 21 : 4;
        const bool has_lengths = par->extradata_size > FFMAX(at, 6) && par->extradata[0] == 1;
        return has_lengths ? sum_lengths(par->codec_id, (par->extradata[at] & 3) + 1, p, end)
                           : sum_annex_b(par->codec_id, p, end);
    }
    if (par->codec_id == AV_CODEC_ID_AAC && packet->size > 9 && p[0] == 0xff && (p[1] & 0xf6) == 0xf0)
        p += p[1] & 1 ? 7 : 9;
    // A temporal delimiter (AV1, 5.6) says nothing; MP4 and Matroska leave it out.
    if (par->codec_id == AV_CODEC_ID_AV1 && packet->size > 2 && p[0] == 0x12 && p[1] == 0)
        p += 2;
    const uint32_t sum = (uint32_t)av_adler32_update(1, p, (size_t)(end - p));
    return (struct kn_packet_sums){sum, sum};
}
