/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The small text formats: what libavformat makes of them, and our reading of what it says. */
#include <stddef.h>
#include <stdint.h>

#include "caption.h"
#include "engine/caption/small.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    if (kn_is_utf8(bytes, n) && kn_small_read(&list, (const char *)bytes, n, "a.sub", NULL) == KN_OK)
        caption_write_all(&list);
    return 0;
}
