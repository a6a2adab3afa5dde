/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *     96 69 | length | frame rate | flags | counter (2) | sections: 71 time code (5 bytes)
 *       72 captions: 111 and count (5 bits), count × 3 bytes | 73 services: count in 4 bits, 7 bytes each
 *       75-EF: length, bytes | 74 footer
 */
#include "engine/caption/cea_cdp.h"

#include <string.h>

#define HEADER_BYTES 7

static bool is_box(const uint8_t *at, const char *type)
{
    return memcmp(at + 4, type, 4) == 0;
}

bool kn_cea_is_boxes(const uint8_t *bytes, size_t n)
{
    return n >= 8 && (is_box(bytes, "cdat") || is_box(bytes, "cdt2") || is_box(bytes, "ccdp"));
}

// A packet that is cut short gives the triplets it has.
static void cdp_read(struct kn_buf *out, const uint8_t *at, size_t n)
{
    if (n < HEADER_BYTES || at[0] != 0x96 || at[1] != 0x69)
        return;
    n = at[2] < n && at[2] >= HEADER_BYTES ? at[2] : n;
    for (size_t i = HEADER_BYTES; i + 2 <= n;) {
        const uint8_t section = at[i];
        if (section == 0x72) {
            const size_t wanted = (at[i + 1] & 31u) * 3, left = n - i - 2;
            kn_buf_add(out, at + i + 2, wanted < left ? wanted : left - left % 3);
            i += 2 + wanted;
        } else if (section == 0x71) {
            i += 5;
        } else if (section == 0x73) {
            i += 2 + (at[i + 1] & 15u) * 7;
        } else if (section >= 0x75 && section <= 0xEF) {
            i += 2 + (size_t)at[i + 1];
        } else {
            return;
        }
    }
}

bool kn_cea_cdp_boxes(struct kn_buf *out, const uint8_t *bytes, size_t n)
{
    bool has_one = false;
    for (size_t at = 0; n - at >= 8;) {
        const size_t said = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 |
            bytes[at + 3];
        if (said < 8)
            break;
        const size_t size = said < n - at ? said : n - at;
        if (is_box(bytes + at, "ccdp")) {
            cdp_read(out, bytes + at + 8, size - 8);
            has_one = true;
        }
        at += size;
    }
    return has_one;
}
