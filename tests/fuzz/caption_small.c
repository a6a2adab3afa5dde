/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The small text formats: what libavformat makes of them, and our reading of what it says; SAMI's languages apart. */
#include <stddef.h>
#include <stdint.h>

#include "caption.h"
#include "engine/caption/sami.h"
#include "engine/caption/small.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    if (kn_is_utf8(bytes, n) && kn_small_read(&list, (const char *)bytes, n, "a.sub", NULL) == KN_OK)
        caption_write_all(&list);
    struct kn_sami_class classes[KN_MAX_SAMI_CLASSES];
    const size_t n_classes = kn_is_utf8(bytes, n) ? kn_sami_classes((const char *)bytes, n, classes) : 0;
    assert(n_classes <= KN_MAX_SAMI_CLASSES && kn_sami_is_one((const char *)bytes, n) <= (n >= 5));
    for (size_t i = 0; i < n_classes; i++) {
        kn_auto(kn_cue_list_clear) struct kn_cue_list own = {0};
        kn_auto(kn_buf_clear) struct kn_buf kept = {0};
        kn_sami_keep(&kept, (const char *)bytes, n, classes[i].name);
        assert(kept.len <= n);
        if (i < 2 && kn_small_read(&own, kn_buf_text(&kept), kept.len, "a.smi", NULL) == KN_OK)
            caption_write_all(&own);
    }
    return 0;
}
