/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets of containers. The first byte is the codec, the second the length of the private data; then
 * packets, each with a byte for its length and one for its time.
 */
#include <stddef.h>
#include <stdint.h>

#include "caption.h"
#include "engine/caption/cue_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const enum kn_caption_codec codecs[] = {
        KN_CAPTION_SRT_TEXT, KN_CAPTION_ASS,  KN_CAPTION_SSA,  KN_CAPTION_WEBVTT,
        KN_CAPTION_MOV_TEXT, KN_CAPTION_WVTT, KN_CAPTION_TTML, KN_CAPTION_CEA608,
    };
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    if (n < 2 || (size_t)bytes[1] + 2 > n)
        return 0;
    const enum kn_caption_codec codec = codecs[bytes[0] % KN_COUNT(codecs)];
    list.track.channel = (int)(bytes[0] / KN_COUNT(codecs) % KN_CAPTION_CHANNELS) + 1;
    if (kn_caption_begin(&list, codec, bytes + 2, bytes[1], NULL) != KN_OK)
        return 0;
    int64_t time_us = 0;
    for (size_t at = (size_t)bytes[1] + 2; at + 2 <= n;) {
        const size_t left = n - at - 2, size = bytes[at] < left ? bytes[at] : left;
        time_us += (bytes[at + 1] & 15) * KN_SECOND / 4;
        const struct kn_caption_packet packet = {
            .start_us = time_us, .duration_us = (bytes[at + 1] >> 4) * KN_SECOND / 4, .bytes = bytes + at + 2, .n = size};
        if (kn_caption_packet(&list, codec, &packet, NULL) != KN_OK)
            return 0;
        at += 2 + size;
    }
    if (kn_caption_end(&list, time_us + KN_SECOND, NULL) == KN_OK)
        caption_write_all(&list);
    return 0;
}
