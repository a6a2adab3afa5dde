/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a coded picture to its closed captions: units, SEI messages, user data. */
#include "engine/caption/harvest_cc.h"

#include <string.h>

#include "base/cleanup.h"

int kn_cc_length_bytes(enum kn_cc_coding coding, const uint8_t *private_bytes, size_t n)
{
    if (n == 0 || private_bytes[0] != 1)
        return 0;
    if (coding == KN_CC_H264 && n >= 7)
        return (private_bytes[4] & 3) + 1;
    if (coding == KN_CC_HEVC && n >= 23)
        return (private_bytes[21] & 3) + 1;
    return 0;
}

/* ---- user data ---- */
// What follows B5 00 31, or in MPEG-2 the start code.
static bool read_user_data(const uint8_t *bytes, size_t n, struct kn_buf *out)
{
    if (n < 7 || memcmp(bytes, "GA94\x03", 5) != 0 || !(bytes[5] & 0x40))
        return false;
    size_t count = bytes[5] & 0x1F;
    bytes += 7;
    n -= 7;
    if (count > n / 3)
        count = n / 3;
    bool has_data = false;
    for (size_t i = 0; i < count; i++, bytes += 3) {
        const bool is_valid = bytes[0] & 0x04;
        const bool is_line21 = (bytes[0] & 0x03) < 2;
        const bool is_filler = (bytes[1] & 0x7F) == 0 && (bytes[2] & 0x7F) == 0;
        if (!is_valid || (is_line21 && is_filler))
            continue;
        kn_buf_add(out, bytes, 3);
        has_data = true;
    }
    return has_data;
}

/* ---- SEI ---- */
// Emulation prevention undone: 00 00 03 is 00 00.
static void unescape(struct kn_buf *out, const uint8_t *bytes, size_t n)
{
    size_t zeros = 0, from = 0;
    for (size_t i = 0; i < n; i++) {
        if (zeros >= 2 && bytes[i] == 3) {
            kn_buf_add(out, bytes + from, i - from);
            from = i + 1;
            zeros = 0;
        } else {
            zeros = bytes[i] == 0 ? zeros + 1 : 0;
        }
    }
    kn_buf_add(out, bytes + from, n - from);
}

// A number as 255 + 255 + … + rest.
static size_t sei_number(const uint8_t **at, const uint8_t *end)
{
    size_t value = 0;
    while (*at < end) {
        const uint8_t part = *(*at)++;
        value += part;
        if (part != 255)
            break;
    }
    return value;
}

static bool read_sei(const uint8_t *bytes, size_t n, struct kn_buf *out)
{
    kn_auto(kn_buf_clear) struct kn_buf plain = {0};
    unescape(&plain, bytes, n);
    if (!kn_buf_ok(&plain) || plain.len == 0)
        return false;
    const uint8_t *at = (const uint8_t *)plain.data, *end = at + plain.len;
    bool has_data = false;
    while (end - at > 2) {
        const size_t type = sei_number(&at, end), size = sei_number(&at, end);
        if (size > (size_t)(end - at))
            break;
        // user_data_registered_itu_t_t35, United States, ATSC
        if (type == 4 && size > 3 && memcmp(at, "\xB5\x00\x31", 3) == 0)
            has_data |= read_user_data(at + 3, size - 3, out);
        at += size;
    }
    return has_data;
}

/* ---- units ---- */
// The next unit behind a start code; `at` moves behind it.
static bool next_by_code(const uint8_t **at, const uint8_t *end, const uint8_t **unit, size_t *n)
{
    static const uint8_t CODE[3] = {0, 0, 1};
    const uint8_t *begin = memmem(*at, (size_t)(end - *at), CODE, sizeof(CODE));
    if (!begin)
        return false;
    begin += sizeof(CODE);
    const uint8_t *next = memmem(begin, (size_t)(end - begin), CODE, sizeof(CODE));
    *unit = begin;
    *n = (size_t)((next ? next : end) - begin);
    *at = next ? next : end;
    return true;
}

static bool next_by_length(const uint8_t **at, const uint8_t *end, int length_bytes, const uint8_t **unit,
                           size_t *n)
{
    if (end - *at <= length_bytes)
        return false;
    size_t size = 0;
    for (int i = 0; i < length_bytes; i++)
        size = size << 8 | *(*at)++;
    if (size > (size_t)(end - *at))
        size = (size_t)(end - *at);
    *unit = *at;
    *n = size;
    *at += size;
    return true;
}

bool kn_cc_read(enum kn_cc_coding coding, int length_bytes, const uint8_t *bytes, size_t n,
                struct kn_buf *out)
{
    const uint8_t *at = bytes, *end = bytes + n, *unit;
    size_t size;
    bool has_data = false;
    while (at < end && (length_bytes ? next_by_length(&at, end, length_bytes, &unit, &size)
                                     : next_by_code(&at, end, &unit, &size))) {
        if (size < 2)
            continue;
        if (coding == KN_CC_MPEG2) {
            if (unit[0] == 0xB2) // user data
                has_data |= read_user_data(unit + 1, size - 1, out);
            else if (unit[0] >= 0x01 && unit[0] <= 0xAF) // slices: nothing of ours follows
                break;
        } else if (coding == KN_CC_H264) {
            const int type = unit[0] & 0x1F;
            if (type == 6)
                has_data |= read_sei(unit + 1, size - 1, out);
            else if (type >= 1 && type <= 5)
                break;
        } else if (coding == KN_CC_HEVC) {
            const int type = unit[0] >> 1 & 0x3F;
            if (type == 39)
                has_data |= read_sei(unit + 2, size - 2, out);
            else if (type < 32)
                break;
        }
    }
    return has_data;
}
