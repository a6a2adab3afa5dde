#pragma once
/*
 * The policy of a form upload: JSON, in base64, signed by a key, that lists what the form's fields may
 * be (spec 09, 4.5).
 */
#include "api/oss/call.h"

struct kn_oss_form {
    struct kn_pair *items; // in the call's arena
    size_t n;
};
/* The value of a field, any case; NULL when absent. */
const char *kn_oss_form_get(const struct kn_oss_form *form, const char *name);

/*
 * Verify the form's policy and its signature: fills call->who and dialect; without a policy the caller
 * stays anonymous. *min and *max are narrowed by content-length-range. call->key is the final key.
 */
kn_code kn_oss_policy_check(struct kn_oss_call *call, const struct kn_oss_form *form, int64_t *min,
                            int64_t *max, struct kn_error *err);
