/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WebVTT. */
#include <stddef.h>
#include <stdint.h>

#include "caption.h"
#include "engine/caption/vtt.h"
#include "engine/caption/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    char encoding[40];
    if (kn_caption_decode(&text, bytes, n, NULL, encoding, NULL) == KN_OK &&
        kn_vtt_read(&list, kn_buf_text(&text), text.len, NULL) == KN_OK)
        caption_write_all(&list);
    return 0;
}
