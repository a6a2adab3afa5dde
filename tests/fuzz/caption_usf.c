/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Universal Subtitle Format: a file; and the same as a stream's private data, and as a block. */
#include <stddef.h>
#include <stdint.h>

#include "caption.h"
#include "engine/caption/cue_packet.h"
#include "engine/caption/usf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const struct kn_caption_file file = {.name = "a.usf"};
    kn_auto(kn_cue_list_clear) struct kn_cue_list whole = {0};
    kn_auto(kn_cue_list_clear) struct kn_cue_list stream = {0};
    if (kn_caption_read(&whole, bytes, n, &file, NULL) == KN_OK)
        caption_write_all(&whole);
    if (kn_caption_begin(&stream, KN_CAPTION_USF, bytes, n, NULL) != KN_OK)
        return 0;
    const struct kn_caption_packet packet = {.start_us = KN_SECOND, .duration_us = KN_SECOND, .bytes = bytes, .n = n};
    if (kn_caption_packet(&stream, KN_CAPTION_USF, &packet, NULL) == KN_OK &&
        kn_caption_end(&stream, KN_NO_TIME, NULL) == KN_OK)
        caption_write_all(&stream);
    return 0;
}
