/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Access keys: making, listing, changing and removing them. The rows are src/access'. */
#include <ctype.h>
#include <string.h>

#include "api/call.h"
#include "api/operations.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"

// Shorter ones are guessed; the made-up ones have 40.
#define MIN_SECRET_BYTES 16

/* The words of roles on the wire, in the order of enum kn_role. */
static const char *const role_words[] = {"read-only", "operator", "admin"};

static enum kn_role role_of_word(const char *word, enum kn_role otherwise)
{
    for (size_t i = 0; word && i < KN_COUNT(role_words); i++) {
        if (strcmp(role_words[i], word) == 0)
            return (enum kn_role)i;
    }
    return otherwise;
}

static json_t *key_json(const struct kn_key *key)
{
    json_t *out = json_object();
    kn_put_text(out, "AccessKeyId", key->id);
    kn_put_text(out, "Name", key->name);
    kn_put_text(out, "Role", role_words[key->role]);
    kn_put_text(out, "Status", key->is_active ? "Active" : "Inactive");
    kn_put_text(out, "BucketPrefix", key->bucket_prefix);
    kn_put_time(out, "CreateTime", key->created_us);
    return out;
}

static bool is_all_letters_and_digits(const char *text)
{
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text))
            return false;
    }
    return true;
}

/* Who could make keys with more rights than its own, or that outlive it, may make none. */
static kn_code manager_check(const struct kn_call *call, struct kn_error *err)
{
    if (!call->key.is_temporary && !call->key.bucket_prefix[0])
        return KN_OK;
    return kn_fail_as(err, KN_EINVAL, "NoPermission",
                      "a key that is temporary or bound to a bucket manages no keys");
}

/* Name, Role and BucketPrefix, as far as they were sent. */
static void attributes_read(const struct kn_call *call, struct kn_key *key)
{
    if (kn_arg_has(call, "Name"))
        (void)kn_copy(key->name, sizeof(key->name), kn_arg_text(call, "Name"));
    if (kn_arg_has(call, "BucketPrefix"))
        (void)kn_copy(key->bucket_prefix, sizeof(key->bucket_prefix),
                      kn_arg_text(call, "BucketPrefix"));
    key->role = role_of_word(kn_arg_text(call, "Role"), key->role);
}

kn_code kn_kinora_create_access_key(struct kn_call *call, struct kn_error *err)
{
    struct kn_key key = {.role = KN_ROLE_OPERATE, .expires_us = KN_NO_TIME};
    attributes_read(call, &key);
    (void)kn_copy(key.id, sizeof(key.id), kn_arg_text(call, "UserAccessKeyId"));
    (void)kn_copy(key.secret, sizeof(key.secret), kn_arg_text(call, "AccessKeySecret"));
    if (!is_all_letters_and_digits(key.id))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                          "'UserAccessKeyId' must be letters and digits");
    if (key.secret[0] && (strlen(key.secret) < MIN_SECRET_BYTES || strpbrk(key.secret, " \t\r\n")))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                          "'AccessKeySecret' must be %d characters at least, without blanks",
                          MIN_SECRET_BYTES);
    kn_code rc = manager_check(call, err);
    if (rc == KN_OK)
        rc = kn_access_create(call->api->config.access, &key, err);
    if (rc != KN_OK)
        return rc;
    json_t *made = key_json(&key);
    kn_put_text(made, "AccessKeySecret", key.secret);
    (void)json_object_set_new(call->answer, "AccessKey", made);
    return KN_OK;
}

kn_code kn_kinora_list_access_keys(struct kn_call *call, struct kn_error *err)
{
    kn_auto(kn_free) struct kn_key *keys = NULL;
    size_t n = 0;
    kn_code rc = manager_check(call, err);
    if (rc == KN_OK)
        rc = kn_access_list(call->api->config.access, &keys, &n, err);
    if (rc != KN_OK)
        return rc;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, key_json(&keys[i]));
    (void)json_object_set_new(call->answer, "AccessKeys", list);
    return KN_OK;
}

/* The lasting key that UserAccessKeyId names. */
static kn_code key_find(struct kn_call *call, struct kn_key *key, struct kn_error *err)
{
    const char *id = kn_arg_text(call, "UserAccessKeyId");
    kn_code rc = manager_check(call, err);
    if (rc == KN_OK)
        rc = kn_access_find(call->api->config.access, id, key, err);
    if (rc == KN_OK && key->is_temporary)
        return kn_fail(err, KN_ENOTFOUND, "'%s' is a temporary key: it ends by itself", id);
    return rc;
}

kn_code kn_kinora_update_access_key(struct kn_call *call, struct kn_error *err)
{
    struct kn_key key;
    kn_code rc = key_find(call, &key, err);
    if (rc != KN_OK)
        return rc;
    attributes_read(call, &key);
    if (kn_arg_has(call, "Status"))
        key.is_active = strcmp(kn_arg_text(call, "Status"), "Active") == 0;
    rc = kn_access_update(call->api->config.access, &key, err);
    if (rc == KN_OK)
        (void)json_object_set_new(call->answer, "AccessKey", key_json(&key));
    return rc;
}

kn_code kn_kinora_delete_access_key(struct kn_call *call, struct kn_error *err)
{
    struct kn_key key;
    kn_code rc = key_find(call, &key, err);
    if (rc == KN_OK)
        rc = kn_access_delete(call->api->config.access, key.id, err);
    if (rc == KN_OK)
        kn_answer_success(call);
    return rc;
}
