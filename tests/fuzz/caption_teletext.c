/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets of teletext. The first byte chooses the language and whether the page is known; then packets, each
 * with two bytes for its length. A byte above 0x7F at the head of a packet says that what follows are lines as
 * they should be but for their codes' protection, which is put right: a mutation rarely does that by itself.
 */
#include <stddef.h>
#include <stdint.h>

#include "caption.h"
#include "engine/caption/cue_packet.h"
#include "engine/caption/teletext.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static uint8_t reversed(unsigned byte)
{
    unsigned out = 0;
    for (int i = 0; i < 8; i++)
        out = out << 1 | (byte >> i & 1);
    return (uint8_t)out;
}

// Four bits with the code that protects them.
static uint8_t protected_nibble(unsigned value)
{
    static const uint8_t words[16] = {0x15, 0x02, 0x49, 0x5E, 0x64, 0x73, 0x38, 0x2F,
                                      0xD0, 0xC7, 0x8C, 0x9B, 0xA1, 0xB6, 0xFD, 0xEA};
    return reversed(words[value & 15]);
}

// Lines of 42 bytes as units; heads and headers are made valid, letters get their parity.
static size_t lines_make(uint8_t *out, size_t capacity, const uint8_t *bytes, size_t n)
{
    size_t at = 0;
    out[at++] = 0x10;
    for (; n >= 42 && at + 46 <= capacity; bytes += 42, n -= 42, at += 46) {
        const unsigned row = (bytes[1] & 15u) << 1 | (bytes[0] >> 3 & 1);
        memcpy(out + at, "\x03\x2c\xe7\xe4", 4);
        for (int i = 0; i < 42; i++) {
            const bool is_nibble = i < 2 || (row == 0 && i < 10) || (row >= 26 && i == 2);
            const unsigned letter = (bytes[i] & 0x7Fu) | (__builtin_parity(bytes[i] & 0x7Fu) ? 0 : 0x80u);
            out[at + 4 + (size_t)i] = is_nibble ? protected_nibble(bytes[i])
                : row >= 26                     ? bytes[i]
                                                : reversed(letter);
        }
    }
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const languages[] = {"eng", "pol", "rus", "gre", "heb", "ara", "und", ""};
    uint8_t made[4096];
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    if (n < 1)
        return 0;
    list.track.page = bytes[0] & 8 ? 0x888 : 0;
    memcpy(list.track.language, languages[bytes[0] & 7], strlen(languages[bytes[0] & 7]));
    if (kn_caption_begin(&list, KN_CAPTION_TELETEXT, NULL, 0, NULL) != KN_OK)
        return 0;
    int64_t time_us = 0;
    for (size_t at = 1; at + 3 <= n; time_us += KN_SECOND / 4) {
        const size_t left = n - at - 3, said = (size_t)bytes[at] << 8 | bytes[at + 1], size = said < left ? said : left;
        const bool is_made = bytes[at + 2] & 0x80;
        const uint8_t *packet = bytes + at + 3;
        struct kn_caption_packet one = {.start_us = time_us, .duration_us = KN_NO_TIME, .bytes = packet, .n = size};
        int pages[4];
        if (is_made) {
            one.bytes = made;
            one.n = lines_make(made, sizeof(made), packet, size);
        }
        const size_t n_pages = kn_teletext_subtitle_pages(one.bytes, one.n, pages, KN_COUNT(pages));
        for (size_t i = 0; i < n_pages; i++)
            assert(pages[i] >= 0x100 && pages[i] < 0x900);
        if (kn_caption_packet(&list, KN_CAPTION_TELETEXT, &one, NULL) != KN_OK)
            return 0;
        at += 3 + size;
    }
    if (kn_caption_end(&list, time_us + KN_SECOND, NULL) == KN_OK)
        caption_write_all(&list);
    return 0;
}
