/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RAM policies, as far as a key of ours can express them. */
#include "api/sts/policy.h"

#include <string.h>

#include "base/json.h"
#include "base/strings.h"

static kn_code refuse(struct kn_error *err, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "PolicyGrammar", "'Policy' %s", what);
}

/* The i-th of a member that may be one string or an array of them; NULL past the end. */
static const char *text_at(const json_t *statement, const char *name, size_t i)
{
    const json_t *value = json_object_get(statement, name);
    if (json_is_array(value))
        return json_string_value(json_array_get(value, i));
    return i == 0 ? json_string_value(value) : NULL;
}

static kn_code actions_read(struct kn_policy *policy, const json_t *statement, struct kn_error *err)
{
    const char *action = text_at(statement, "Action", 0);
    if (!action)
        return refuse(err, "has a statement without Action");
    for (size_t i = 0; (action = text_at(statement, "Action", i)); i++) {
        bool is_all = strcmp(action, "*") == 0;
        if (!is_all && !kn_starts_with(action, "oss:"))
            return refuse(err, "has an Action that is not one of oss");
        bool reads = kn_match("oss:get*", action) || kn_match("oss:list*", action) ||
                     kn_match("oss:head*", action);
        if (!reads)
            policy->role = KN_ROLE_OPERATE;
    }
    return KN_OK;
}

/* The bucket or prefix that a resource spells; "" for all of them. */
static kn_code resource_read(char out[256], const char *resource, struct kn_error *err)
{
    const char *path = resource;
    if (kn_starts_with(resource, "acs:oss:")) {
        path += strlen("acs:oss:");
        for (int colons = 0; colons < 2 && path; colons++) {
            path = strchr(path, ':');
            path = path ? path + 1 : NULL;
        }
    } else if (strcmp(resource, "*") != 0) {
        path = NULL;
    }
    if (!path || strlen(path) >= 256)
        return refuse(err, "has a Resource that is not one of oss");
    (void)kn_copy(out, 256, path);
    // "bucket/*" and "bucket/folder/*" mean what lies below; a '*' elsewhere has no counterpart.
    size_t n = strlen(out);
    if (n >= 2 && strcmp(out + n - 2, "/*") == 0)
        out[n - 2] = '\0';
    else if (strcmp(out, "*") == 0)
        out[0] = '\0';
    if (strchr(out, '*') || strchr(out, '?'))
        return refuse(err, "has a Resource with a pattern other than a trailing /*");
    return KN_OK;
}

/* Whether `bucket` is a bare bucket's name and `path` lies in it. */
static bool is_bucket_of(const char *bucket, const char *path)
{
    size_t n = strlen(bucket);
    return n && !strchr(bucket, '/') && strncmp(path, bucket, n) == 0 && path[n] == '/';
}

/* "bucket" beside "bucket/folder" is how policies allow listing what lies below: the longer counts. */
static kn_code resources_join(struct kn_policy *policy, const char *path, bool is_first,
                              struct kn_error *err)
{
    const char *known = policy->bucket_prefix;
    if (is_first || is_bucket_of(known, path))
        (void)kn_copy(policy->bucket_prefix, sizeof(policy->bucket_prefix), path);
    else if (strcmp(known, path) != 0 && !is_bucket_of(path, known))
        return refuse(err, "names more than one bucket or prefix");
    return KN_OK;
}

kn_code kn_policy_read(struct kn_policy *policy, const json_t *json, struct kn_error *err)
{
    *policy = (struct kn_policy){.role = KN_ROLE_READ};
    const json_t *statements = json_object_get(json, "Statement");
    if (!json_is_array(statements) || json_array_size(statements) == 0)
        return refuse(err, "has no Statement");
    bool is_first = true;
    for (size_t i = 0; i < json_array_size(statements); i++) {
        const json_t *statement = json_array_get(statements, i);
        if (strcmp(kn_json_get(statement, "Effect", ""), "Allow") != 0)
            return refuse(err, "has a statement that is not Allow");
        if (json_object_get(statement, "Condition"))
            return refuse(err, "has a Condition");
        kn_code rc = actions_read(policy, statement, err);
        const char *resource = text_at(statement, "Resource", 0);
        if (rc == KN_OK && !resource)
            rc = refuse(err, "has a statement without Resource");
        for (size_t j = 0; rc == KN_OK && (resource = text_at(statement, "Resource", j)); j++) {
            char path[256];
            rc = resource_read(path, resource, err);
            if (rc == KN_OK)
                rc = resources_join(policy, path, is_first, err);
            is_first = false;
        }
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}
