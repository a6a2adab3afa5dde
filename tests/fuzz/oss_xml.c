/* SPDX-License-Identifier: GPL-3.0-or-later */
/* XML bodies of the object store: deletions, completions, CORS rules. */
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "api/oss/call.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "objects/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_oss_delete request = {0};
    struct kn_part *parts = NULL;
    size_t n_parts = 0;
    json_auto_t *rules = NULL;
    (void)kn_oss_parse_delete(&request, (const char *)bytes, n, &arena, NULL);
    (void)kn_oss_parse_complete(&parts, &n_parts, (const char *)bytes, n, &arena, NULL);
    (void)kn_oss_parse_cors(&rules, (const char *)bytes, n, NULL);
    return 0;
}
