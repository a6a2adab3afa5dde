#pragma once
/*
 * What a Policy of AssumeRole narrows a temporary key to. Kinora's keys know a role and one bucket or
 * prefix; a policy that no such key can express is refused, never widened.
 */
#include <jansson.h>

#include "access/access.h"
#include "base/error.h"

struct kn_policy {
    enum kn_role role;        // READ when all actions read, else OPERATE
    char bucket_prefix[256];  // "bucket" or "bucket/prefix"; "": every bucket
};

/*
 * Read {"Version":"1","Statement":[{"Effect":"Allow","Action":…,"Resource":…}]}. Resources are
 * "acs:oss:<region>:<account>:bucket/prefix/" with a final star, or a star alone for everything;
 * all must lie in one bucket or prefix.
 * KN_EINVAL, reason PolicyGrammar.
 */
kn_code kn_policy_read(struct kn_policy *policy, const json_t *json, struct kn_error *err);
