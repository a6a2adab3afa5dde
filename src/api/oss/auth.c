/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who sent it, and whether they may. The signatures themselves are read and computed in sign.c; here
 * the key is found, the clock judged, the two compared, and roles, prefixes and ACLs applied.
 */
#include <string.h>

#include "api/oss/call.h"
#include "api/oss/sign.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"

#define MAX_SKEW_US (15 * KN_MINUTE)

/* ---- authentication ---- */

kn_code kn_oss_key_check(struct kn_oss_call *call, const struct kn_key *key, const char *token,
                         struct kn_error *err)
{
    if (key->expires_us != KN_NO_TIME && kn_oss_now(call->oss) >= key->expires_us)
        return kn_fail_as(err, KN_EINVAL, "SecurityTokenExpired",
                          "the security token you provided has expired");
    if (!key->is_temporary)
        return KN_OK;
    if (token[0] == '\0')
        return kn_fail_as(err, KN_EINVAL, "InvalidAccessKeyId",
                          "the OSS access key id you provided needs its security token");
    if (!kn_equal_secret(token, key->token))
        return kn_fail_as(err, KN_EINVAL, "InvalidSecurityToken",
                          "the security token you provided is invalid");
    return KN_OK;
}

static kn_code time_check(struct kn_oss_call *call, const struct kn_oss_signed *sig,
                          struct kn_error *err)
{
    int64_t now = kn_oss_now(call->oss);
    if (sig->expires_us != KN_NO_TIME) {
        if (now >= sig->expires_us)
            return kn_fail_as(err, KN_EINVAL, "AccessDenied", "Request has expired.");
        return KN_OK;
    }
    int64_t skew = now - sig->time_us;
    if (skew <= MAX_SKEW_US && -skew <= MAX_SKEW_US)
        return KN_OK;
    kn_xml_int(&call->extra, "MaxAllowedSkewMilliseconds", MAX_SKEW_US / 1000);
    kn_oss_xml_time(&call->extra, "RequestTime", sig->time_us);
    kn_oss_xml_time(&call->extra, "ServerTime", now);
    return kn_fail_as(err, KN_EINVAL, "RequestTimeTooSkewed",
                      "the difference between the request time and the current time is too large");
}

static void mismatch_tell(struct kn_oss_call *call, const struct kn_oss_signed *sig,
                          const struct kn_oss_computed *computed)
{
    kn_xml(&call->extra, "OSSAccessKeyId", sig->key_id);
    kn_xml(&call->extra, "SignatureProvided", sig->signature);
    kn_xml(&call->extra, "StringToSign", kn_buf_text(&computed->to_sign));
    if (computed->canonical.len)
        kn_xml(&call->extra, "CanonicalRequest", kn_buf_text(&computed->canonical));
}

static bool signature_fits(struct kn_oss_call *call, const struct kn_oss_signed *sig,
                           const char *secret, struct kn_oss_computed *computed)
{
    struct kn_oss_signed tried = *sig;
    bool fits = false;
    int blank = kn_oss_sign_has_blanks(call, sig) ? KN_OSS_BLANK_EQUALS : KN_OSS_BLANK_BARE;
    for (; blank >= 0 && !fits; blank--) { // the documented form last: a mismatch shows it
        tried.blank = (enum kn_oss_blank)blank;
        kn_oss_sign(computed, call, &tried, secret);
        fits = kn_buf_ok(&computed->canonical) && kn_buf_ok(&computed->to_sign) &&
               kn_equal_secret(computed->signature, sig->signature);
    }
    return fits;
}

kn_code kn_oss_authenticate(struct kn_oss_call *call, struct kn_error *err)
{
    struct kn_oss_signed sig;
    kn_code rc = kn_oss_signed_read(&sig, call, err);
    if (rc != KN_OK || sig.dialect == KN_OSS_ANONYMOUS)
        return rc;
    call->dialect = sig.dialect;
    call->is_url_signed = sig.is_url;
    struct kn_key key = {0};
    rc = kn_access_find(call->oss->config.access, sig.key_id, &key, err);
    if (rc == KN_ENOTFOUND || (rc == KN_OK && !key.is_active)) {
        kn_xml(&call->extra, "OSSAccessKeyId", sig.key_id);
        return kn_fail_as(err, KN_EINVAL, "InvalidAccessKeyId",
                          "the OSS access key id you provided does not exist in our records");
    }
    if (rc == KN_OK)
        rc = kn_oss_key_check(call, &key, sig.token, err);
    if (rc == KN_OK)
        rc = time_check(call, &sig, err);
    if (rc != KN_OK)
        return rc;

    kn_auto(kn_oss_computed_clear) struct kn_oss_computed computed = {0};
    bool fits = signature_fits(call, &sig, key.secret, &computed);
    if (!fits && call->other_bucket) {
        // The same address read the other way: path style behind a made-up Host.
        const char *bucket = call->bucket, *object_key = call->key;
        call->bucket = call->other_bucket;
        call->key = call->other_key;
        fits = signature_fits(call, &sig, key.secret, &computed);
        if (!fits) {
            call->bucket = bucket;
            call->key = object_key;
        }
    }
    if (!fits) {
        mismatch_tell(call, &sig, &computed);
        return kn_fail_as(err, KN_EINVAL, "SignatureDoesNotMatch",
                          "the request signature we calculated does not match the signature you "
                          "provided; check your key and signing method");
    }
    call->who = key;
    return KN_OK;
}

/* ---- authorisation ---- */

static kn_code denied(struct kn_error *err)
{
    return kn_fail_as(err, KN_EINVAL, "AccessDenied",
                      "You do not have the right to access this object or bucket.");
}

kn_code kn_oss_need_role(struct kn_oss_call *call, enum kn_role role, struct kn_error *err)
{
    if (call->dialect == KN_OSS_ANONYMOUS || call->who.role < role ||
        (call->bucket && !kn_key_covers(&call->who, call->bucket, call->key)))
        return denied(err);
    return KN_OK;
}

kn_code kn_oss_allow(struct kn_oss_call *call, const char *bucket, const char *key, bool is_write,
                     const char *object_acl, struct kn_error *err)
{
    if (call->dialect != KN_OSS_ANONYMOUS) {
        bool may = kn_key_covers(&call->who, bucket, key) &&
                   (!is_write || call->who.role >= KN_ROLE_OPERATE);
        return may ? KN_OK : denied(err);
    }
    kn_auto(kn_bucket_clear) struct kn_bucket row = {0};
    const char *acl = object_acl;
    if (!acl || kn_equal(acl, "default")) {
        kn_code rc = kn_bucket_get(call->oss->config.store, bucket, &row, err);
        if (rc != KN_OK)
            return rc;
        acl = row.acl;
    }
    bool may = kn_equal(acl, "public-read-write") || (!is_write && kn_equal(acl, "public-read"));
    return may ? KN_OK : denied(err);
}
