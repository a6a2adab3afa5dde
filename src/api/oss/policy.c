/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every condition of a policy must hold; one that we do not know does not. */
#include "api/oss/policy.h"

#include <string.h>

#include "api/oss/sign.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "http/sigv4.h"

const char *kn_oss_form_get(const struct kn_oss_form *form, const char *name)
{
    for (size_t i = 0; i < form->n; i++)
        if (kn_equal_nocase(form->items[i].name, name))
            return form->items[i].value;
    return NULL;
}

static kn_code denied(struct kn_error *err, const char *why)
{
    return kn_fail_as(err, KN_EINVAL, "AccessDenied", "Invalid according to Policy: %s", why);
}

/* ---- conditions ---- */

static const char *subject(const struct kn_oss_call *call, const struct kn_oss_form *form,
                           const char *name)
{
    if (name[0] == '$')
        name++;
    if (kn_equal_nocase(name, "bucket"))
        return call->bucket;
    if (kn_equal_nocase(name, "key"))
        return call->key;
    const char *value = kn_oss_form_get(form, name);
    return value ? value : "";
}

static bool list_has(const json_t *list, const char *text)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
        if (kn_equal(json_string_value(item), text))
            return true;
    return false;
}

// ["op", "$field", value] or ["content-length-range", min, max].
static bool array_holds(const struct kn_oss_call *call, const struct kn_oss_form *form,
                        const json_t *condition, int64_t *min, int64_t *max)
{
    const char *op = json_string_value(json_array_get(condition, 0));
    const json_t *second = json_array_get(condition, 1);
    const json_t *third = json_array_get(condition, 2);
    if (!op || !second || !third)
        return false;
    if (kn_equal_nocase(op, "content-length-range")) {
        if (!json_is_integer(second) || !json_is_integer(third))
            return false;
        *min = json_integer_value(second) > *min ? json_integer_value(second) : *min;
        *max = json_integer_value(third) < *max ? json_integer_value(third) : *max;
        return true;
    }
    const char *name = json_string_value(second);
    const char *wanted = json_string_value(third);
    if (!name)
        return false;
    const char *value = subject(call, form, name);
    if (kn_equal_nocase(op, "eq"))
        return kn_equal(wanted, value);
    if (kn_equal_nocase(op, "starts-with"))
        return wanted && kn_starts_with(value, wanted);
    if (kn_equal_nocase(op, "in"))
        return json_is_array(third) && list_has(third, value);
    if (kn_equal_nocase(op, "not-in"))
        return json_is_array(third) && !list_has(third, value);
    return false;
}

static bool object_holds(const struct kn_oss_call *call, const struct kn_oss_form *form,
                         const json_t *condition)
{
    const char *name;
    json_t *wanted;
    json_object_foreach((json_t *)condition, name, wanted)
        if (!kn_equal(json_string_value(wanted), subject(call, form, name)))
            return false;
    return true;
}

static kn_code policy_judge(struct kn_oss_call *call, const struct kn_oss_form *form,
                            const json_t *policy, int64_t *min, int64_t *max, struct kn_error *err)
{
    int64_t expires;
    const char *expiration = kn_json_get(policy, "expiration", "");
    if (!kn_time_parse_iso(expiration, &expires))
        return kn_fail_as(err, KN_EINVAL, "InvalidPolicyDocument",
                          "Invalid Policy: Invalid 'expiration' value.");
    if (expires <= kn_oss_now(call->oss))
        return denied(err, "Policy expired.");
    const json_t *conditions = json_object_get(policy, "conditions");
    if (!json_is_array(conditions))
        return kn_fail_as(err, KN_EINVAL, "InvalidPolicyDocument",
                          "Invalid Policy: 'conditions' is not an array.");
    size_t i;
    json_t *condition;
    json_array_foreach(conditions, i, condition) {
        bool holds = json_is_object(condition)
                         ? object_holds(call, form, condition)
                         : array_holds(call, form, condition, min, max);
        if (holds)
            continue;
        kn_auto(kn_free) char *text = kn_json_text(condition);
        char why[400];
        (void)snprintf(why, sizeof(why), "Policy Condition failed: %s", text ? text : "");
        return denied(err, why);
    }
    return KN_OK;
}

/* ---- the signature ---- */

struct claim {
    const char *key_id, *signature, *token;
    const char *scope; // NULL for V1
    enum kn_oss_dialect dialect;
};

static kn_code claim_read(struct kn_oss_call *call, const struct kn_oss_form *form,
                          struct claim *out, struct kn_error *err)
{
    *out = (struct claim){.dialect = KN_OSS_V1,
                          .key_id = kn_oss_form_get(form, "OSSAccessKeyId"),
                          .signature = kn_oss_form_get(form, "Signature"),
                          .token = kn_oss_form_get(form, "x-oss-security-token")};
    const char *credential = kn_oss_form_get(form, "x-oss-credential");
    if (credential) {
        out->dialect = KN_OSS_V4;
        out->signature = kn_oss_form_get(form, "x-oss-signature");
    } else if ((credential = kn_oss_form_get(form, "x-amz-credential"))) {
        out->dialect = KN_OSS_S3;
        out->signature = kn_oss_form_get(form, "x-amz-signature");
        out->token = kn_oss_form_get(form, "x-amz-security-token");
    }
    const char *slash = credential ? strchr(credential, '/') : NULL;
    if (slash) {
        out->key_id = kn_arena_strndup(&call->arena, credential, (size_t)(slash - credential));
        out->scope = slash + 1;
    }
    if (!out->key_id || !out->signature || (out->dialect != KN_OSS_V1 && !slash))
        return kn_fail_as(err, KN_EINVAL, "AccessDenied", "the form has a policy but no signature");
    return KN_OK;
}

static void policy_sign(const struct claim *claim, const char *secret, const char *policy,
                        char out[96])
{
    if (claim->dialect == KN_OSS_V1) {
        uint8_t mac[KN_SHA1_BYTES];
        kn_auto(kn_buf_clear) struct kn_buf text = {0};
        kn_hmac_sha1(mac, secret, strlen(secret), policy, strlen(policy));
        kn_base64(&text, mac, sizeof(mac));
        kn_copy(out, 96, kn_buf_text(&text));
        return;
    }
    uint8_t key[KN_SHA256_BYTES], mac[KN_SHA256_BYTES];
    kn_sigv4_key(key, claim->dialect == KN_OSS_S3 ? "AWS4" : "aliyun_v4", secret, claim->scope);
    kn_hmac_sha256(mac, key, sizeof(key), policy, strlen(policy));
    kn_hex(out, mac, sizeof(mac));
}

kn_code kn_oss_policy_check(struct kn_oss_call *call, const struct kn_oss_form *form, int64_t *min,
                            int64_t *max, struct kn_error *err)
{
    const char *encoded = kn_oss_form_get(form, "policy");
    struct claim claim;
    struct kn_key key = {0};
    if (!encoded)
        return KN_OK;
    kn_code rc = claim_read(call, form, &claim, err);
    if (rc == KN_OK)
        rc = kn_access_find(call->oss->config.access, claim.key_id, &key, err);
    if (rc == KN_ENOTFOUND || (rc == KN_OK && !key.is_active))
        return kn_fail_as(err, KN_EINVAL, "InvalidAccessKeyId",
                          "the OSS access key id you provided does not exist in our records");
    if (rc == KN_OK)
        rc = kn_oss_key_check(call, &key, claim.token ? claim.token : "", err);
    if (rc != KN_OK)
        return rc;
    char signature[96];
    policy_sign(&claim, key.secret, encoded, signature);
    if (!kn_equal_secret(signature, claim.signature))
        return kn_fail_as(err, KN_EINVAL, "SignatureDoesNotMatch",
                          "the signature of the policy does not match the one you provided");
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    json_auto_t *policy = NULL;
    if (!kn_unbase64(&text, encoded, strlen(encoded)) ||
        kn_json_parse(&policy, kn_buf_text(&text), text.len, "policy", NULL) != KN_OK)
        return kn_fail_as(err, KN_EINVAL, "InvalidPolicyDocument",
                          "Invalid Policy: it is not JSON in base64.");
    rc = policy_judge(call, form, policy, min, max, err);
    if (rc != KN_OK)
        return rc;
    call->who = key;
    call->dialect = claim.dialect;
    return KN_OK;
}
