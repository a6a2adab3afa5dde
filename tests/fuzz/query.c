/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Queries and forms: decoding, flattened names, and the canonical text, which decodes to the same. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/check.h"
#include "api/params.h"
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    json_auto_t *params = json_object();
    if (kn_params_add(params, (const char *)bytes, n, NULL) != KN_OK)
        return 0;
    kn_auto(kn_buf_clear) struct kn_buf canonical = {0}, raw = {0}, second = {0};
    kn_params_canonical(&canonical, params, NULL, false);
    kn_params_canonical(&raw, params, "Signature", true);
    json_auto_t *again = json_object();
    assert(kn_params_add(again, kn_buf_text(&canonical), canonical.len, NULL) == KN_OK);
    assert(json_equal(params, again));
    kn_params_canonical(&second, again, NULL, false);
    assert(canonical.len == second.len &&
           memcmp(kn_buf_text(&canonical), kn_buf_text(&second), second.len) == 0);

    static const char *const names[] = {"Tag", "Config", "a", ""};
    for (size_t i = 0; i < KN_COUNT(names); i++) {
        json_auto_t *value = kn_unflatten(params, names[i]);
        assert(!value || json_is_object(value) || json_is_array(value));
    }
    return 0;
}
