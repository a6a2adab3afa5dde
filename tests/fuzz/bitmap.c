/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets of captions made of pictures, to the page that is read. The first byte is the codec, the second the
 * length of the private data; then packets, each with two bytes for its length and one for its time.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <libavutil/log.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "engine/caption/bitmap.h"
#include "engine/caption/bitmap_ink.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static volatile unsigned kept; // so that pixels are read

static void pixels_read(const struct kn_ink *ink)
{
    for (size_t k = 0; k < (size_t)ink->width * (size_t)ink->height; k++)
        kept = kept + ink->pixels[k];
}

static void strips_check(const struct kn_ink *ink)
{
    static const struct kn_ink_shape shapes[] = {
        {.height = 36, .margin = 3, .more_blank = 4, .widen = 1.08, .least = 5},
        {.height = 48, .margin = 6, .widen = 0.8, .least = 3},
    };
    for (int i = 0; i < ink->n_lines; i++)
        for (size_t k = 0; k < KN_COUNT(shapes); k++) {
            kn_auto(kn_ink_clear) struct kn_ink strip = {0};
            if (kn_ink_strip(&strip, ink->pixels, ink->width, &ink->lines[i], &shapes[k], NULL) == KN_OK && strip.pixels)
                pixels_read(&strip);
        }
}

static void picture_check(struct kn_bitmap *bitmap)
{
    assert(bitmap->n_objects > 0 && bitmap->end_us > bitmap->start_us);
    for (int i = 0; i < bitmap->n_objects; i++) {
        kn_auto(kn_ink_clear) struct kn_ink ink = {0};
        // Large pictures take long and are no other code.
        if ((int64_t)bitmap->objects[i].width * bitmap->objects[i].height > 512 * 512 ||
            kn_ink_make(&ink, &bitmap->objects[i], NULL) != KN_OK || !ink.pixels)
            continue;
        assert(ink.n_lines > 0 && ink.n_lines <= KN_MAX_INK_LINES);
        pixels_read(&ink);
        strips_check(&ink);
    }
    kn_bitmap_clear(bitmap);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const enum kn_caption_codec codecs[] = {KN_CAPTION_PGS, KN_CAPTION_VOBSUB, KN_CAPTION_DVB, KN_CAPTION_XSUB};
    if (n < 2 || (size_t)bytes[1] + 2 > n)
        return 0;
    av_log_set_level(AV_LOG_QUIET);
    kn_auto(kn_bitmap_reader_free) struct kn_bitmap_reader *reader = NULL;
    struct kn_bitmap bitmap = {0};
    bool has = false;
    int64_t time_us = 0;
    if (kn_bitmap_reader_new(&reader, codecs[bytes[0] % KN_COUNT(codecs)], bytes + 2, bytes[1], 320, 240, NULL) != KN_OK)
        return 0;
    for (size_t at = (size_t)bytes[1] + 2; at + 3 <= n;) {
        const size_t left = n - at - 3, length = (size_t)bytes[at] << 8 | bytes[at + 1], size = length < left ? length : left;
        time_us += bytes[at + 2] * KN_SECOND / 8;
        const struct kn_caption_packet packet = {
            .start_us = time_us, .duration_us = KN_NO_TIME, .bytes = bytes + at + 3, .n = size};
        (void)kn_bitmap_reader_packet(reader, &packet, &bitmap, &has, NULL);
        if (has)
            picture_check(&bitmap);
        at += 3 + size;
    }
    kn_bitmap_reader_end(reader, time_us + KN_SECOND, &bitmap, &has);
    if (has)
        picture_check(&bitmap);
    return 0;
}
