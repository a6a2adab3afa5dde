/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A RAM policy: the temporary key it becomes never touches what no statement of it names. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/sts/policy.h"
#include "base/cleanup.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    json_auto_t *json = NULL;
    struct kn_policy policy;
    if (kn_json_parse(&json, (const char *)bytes, n, "Policy", NULL) != KN_OK ||
        kn_policy_read(&policy, json, NULL) != KN_OK)
        return 0;
    assert(policy.role < KN_ROLE_ADMIN);
    assert(!strpbrk(policy.bucket_prefix, "*?"));
    return 0;
}
