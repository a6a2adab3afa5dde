/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who sent it: the key, the clock, the body's digest; sign.c computes. */
#include <string.h>

#include "api/mns/call.h"
#include "api/mns/sign.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"

#define MAX_SKEW_US (15 * KN_MINUTE)

// Clients send the base64 of the hex text; RFC 1864 says of the bytes. Both are in the wild.
static bool digest_fits(const char *sent, const struct kn_buf *body)
{
    uint8_t md5[KN_MD5_BYTES];
    char hex[2 * KN_MD5_BYTES + 1];
    kn_md5(md5, kn_buf_text(body), body->len);
    kn_hex(hex, md5, sizeof(md5));
    kn_auto(kn_buf_clear) struct kn_buf of_hex = {0};
    kn_auto(kn_buf_clear) struct kn_buf of_bytes = {0};
    kn_base64(&of_hex, hex, strlen(hex));
    kn_base64(&of_bytes, md5, sizeof(md5));
    return strcmp(sent, kn_buf_text(&of_hex)) == 0 || strcmp(sent, kn_buf_text(&of_bytes)) == 0;
}

static kn_code key_check(struct kn_mns_call *call, const struct kn_key *key, struct kn_error *err)
{
    const char *token = kn_http_header(call->request, "security-token");
    bool is_over = key->expires_us != KN_NO_TIME && kn_mns_now(call->mns) >= key->expires_us;
    if (!key->is_active || is_over ||
        (key->is_temporary && (!token || !kn_equal_secret(token, key->token))))
        return kn_fail_as(err, KN_EINVAL, "InvalidAccessKeyId",
                          "The AccessKey Id you provided is not exist.");
    return KN_OK;
}

static kn_code mismatch(struct kn_mns_call *call, const struct kn_mns_signed *claim,
                        struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_mns_string_to_sign(&text, call, claim);
    return kn_fail_as(err, KN_EINVAL, "SignatureDoesNotMatch",
                      "The request signature we calculated does not match the signature you provided."
                      " Check your key and signing method. We signed: %s",
                      kn_buf_text(&text));
}

kn_code kn_mns_authenticate(struct kn_mns_call *call, struct kn_error *err)
{
    struct kn_mns_signed claim;
    kn_code rc = kn_mns_signed_read(&claim, call, err);
    if (rc == KN_OK && !kn_http_header(call->request, "x-mns-version"))
        rc = kn_fail_as(err, KN_EINVAL, "MissingVersionHeader", "x-mns-version header is required.");
    if (rc != KN_OK)
        return rc;
    int64_t skew = kn_mns_now(call->mns) - claim.time_us;
    if (skew > MAX_SKEW_US || -skew > MAX_SKEW_US)
        return kn_fail_as(err, KN_EINVAL, "TimeExpired",
                          "The http request you sent is expired: its date is more than 15 minutes off.");
    struct kn_key key = {0};
    rc = kn_access_find(call->mns->config.access, claim.key_id, &key, err);
    if (rc == KN_ENOTFOUND)
        return kn_fail_as(err, KN_EINVAL, "InvalidAccessKeyId",
                          "The AccessKey Id you provided is not exist.");
    if (rc == KN_OK)
        rc = key_check(call, &key, err);
    if (rc != KN_OK)
        return rc;
    if (!kn_mns_signature_fits(call, &claim, key.secret))
        return mismatch(call, &claim, err);
    const char *digest = kn_http_header(call->request, "Content-MD5");
    const struct kn_buf *body = kn_http_body(call->request);
    if (digest && body && !digest_fits(digest, body))
        return kn_fail_as(err, KN_EINVAL, "InvalidDegist",
                          "The value of Content-MD5 does not fit the body.");
    call->who = key;
    return KN_OK;
}
