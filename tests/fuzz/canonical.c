/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The canonical object of a conversion as a worker receives it: a stored row may be older than it. */
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "features/convert/convert_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    json_auto_t *canonical = NULL;
    if (kn_json_parse(&canonical, (const char *)bytes, n, "spec", NULL) != KN_OK)
        return 0;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    (void)kn_convert_spec_load(&spec, canonical, NULL);
    return 0;
}
