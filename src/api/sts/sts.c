/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * STS: AssumeRole gives temporary keys for uploads from places that must not hold a lasting one (spec
 * 01, section 7). There are no roles here beside those of keys: a temporary key has its maker's rights,
 * narrowed by Policy.
 */
#include <ctype.h>
#include <string.h>

#include "api/call.h"
#include "api/sts/policy.h"
#include "base/strings.h"
#include "base/time.h"
#include "api/operations.h"

/* The role's name in "acs:ram::<account>:role/<name>", or NULL. */
static const char *role_name(const struct kn_call *call, const char *arn)
{
    const char *account = call->api->config.account_id;
    if (!kn_starts_with(arn, "acs:ram::"))
        return NULL;
    const char *at = arn + strlen("acs:ram::");
    if (!kn_starts_with(at, account))
        return NULL;
    at += strlen(account);
    if (!kn_starts_with(at, ":role/") || at[strlen(":role/")] == '\0')
        return NULL;
    return at + strlen(":role/");
}

static bool session_name_is_valid(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr(".@-_", name[i]))
            return false;
    }
    return n >= 2 && n <= 32;
}

/* The rights that the temporary key begins with: the caller's, under what Policy leaves of them. */
static kn_code rights_read(struct kn_call *call, struct kn_key *parent, char bucket_prefix[256],
                           struct kn_error *err)
{
    *parent = call->key;
    bucket_prefix[0] = '\0';
    if (!kn_arg_has(call, "Policy"))
        return KN_OK;
    struct kn_policy policy;
    kn_code rc = kn_policy_read(&policy, kn_arg_json(call, "Policy"), err);
    if (rc != KN_OK)
        return rc;
    if (policy.role < parent->role)
        parent->role = policy.role;
    (void)kn_copy(bucket_prefix, 256, policy.bucket_prefix);
    return KN_OK;
}

kn_code kn_sts_assume_role(struct kn_call *call, struct kn_error *err)
{
    const char *arn = kn_arg_text(call, "RoleArn");
    const char *session = kn_arg_text(call, "RoleSessionName");
    const char *role = role_name(call, arn);
    if (!role)
        return kn_fail_as(err, KN_EINVAL, "RoleArn", "'RoleArn' must be acs:ram::%s:role/<name>",
                          call->api->config.account_id);
    if (!session_name_is_valid(session))
        return kn_fail_as(err, KN_EINVAL, "RoleSessionName",
                          "'RoleSessionName' must be 2 to 32 of A-Z a-z 0-9 . @ - _");
    // Else a chain of temporary keys would outlive any of their lifetimes.
    if (call->key.is_temporary)
        return kn_fail_as(err, KN_EINVAL, "NoPermission", "a temporary key makes no further ones");
    struct kn_key parent, key;
    char bucket_prefix[256];
    kn_code rc = rights_read(call, &parent, bucket_prefix, err);
    if (rc == KN_OK)
        rc = kn_access_assume(call->api->config.access, &parent, bucket_prefix,
                              kn_arg_int(call, "DurationSeconds", 3600) * KN_SECOND, &key, err);
    if (rc != KN_OK)
        return rc;
    json_t *credentials = json_object(), *user = json_object();
    kn_put_text(credentials, "AccessKeyId", key.id);
    kn_put_text(credentials, "AccessKeySecret", key.secret);
    kn_put_text(credentials, "SecurityToken", key.token);
    kn_put_time(credentials, "Expiration", key.expires_us);
    (void)json_object_set_new(user, "Arn", json_sprintf("%s/%s", arn, session));
    (void)json_object_set_new(user, "AssumedRoleId", json_sprintf("%s:%s", role, session));
    (void)json_object_set_new(call->answer, "Credentials", credentials);
    (void)json_object_set_new(call->answer, "AssumedRoleUser", user);
    return KN_OK;
}

kn_code kn_sts_get_caller_identity(struct kn_call *call, struct kn_error *err)
{
    (void)err;
    const struct kn_key *key = &call->key;
    const char *account = call->api->config.account_id;
    json_t *answer = call->answer;
    kn_put_text(answer, "AccountId", account);
    kn_put_text(answer, "UserId", key->id);
    kn_put_text(answer, "PrincipalId", key->id);
    (void)json_object_set_new(answer, "Arn",
                              json_sprintf("acs:ram::%s:%s/%s", account,
                                           key->is_temporary ? "assumed-role" : "user", key->id));
    kn_put_text(answer, "IdentityType", key->is_temporary ? "AssumedRoleUser" : "RAMUser");
    return KN_OK;
}
