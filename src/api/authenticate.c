/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The checks of spec 01, section 12, in its order. Two forms meet in `struct proof`: what the client
 * says of itself, wherever it says it.
 */
#include "api/authenticate.h"

#include <string.h>
#include <strings.h>

#include "api/params.h"
#include "api/signature.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

#define MAX_NONCE 128

struct proof {
    const char *key_id;
    const char *token; // NULL: none
    const char *time;
    const char *nonce;
    const char *action, *version;
    struct kn_acs3_authorization acs3;
    json_t *query; // owned: what came in the query alone
    bool has_form; // the body was a form, or there was none
};

static void proof_clear(struct proof *proof)
{
    json_decref(proof->query);
    proof->query = NULL;
}

static kn_code missing(struct kn_error *err, const char *name)
{
    return kn_fail_as(err, KN_EINVAL, "MissingParameter", "'%s' is not supplied", name);
}

/* A parameter's text; empty is absent. */
static const char *param(const struct kn_call *call, const char *name)
{
    const char *text = kn_json_get(call->params, name, NULL);
    return text && text[0] ? text : NULL;
}

static const char *header(const struct kn_call *call, const char *name)
{
    const char *text = kn_http_header(call->request, name);
    return text && text[0] ? text : NULL;
}

/* ---- step 2: one map of parameters ---- */

static bool type_is(const char *content_type, const char *type)
{
    size_t n = strlen(type);
    return content_type && strncasecmp(content_type, type, n) == 0 &&
           (content_type[n] == '\0' || strchr("; \t", content_type[n]));
}

static kn_code json_body_add(struct kn_call *call, const struct kn_buf *body, struct kn_error *err)
{
    json_auto_t *json = NULL;
    kn_code rc = kn_json_parse(&json, kn_buf_text(body), body->len, "body", err);
    if (rc != KN_OK)
        return rc;
    if (!json_is_object(json))
        return kn_fail_as(err, KN_EINVAL, "JsonObjectFormatInvalid", "the 'body' is not an object");
    return json_object_update(call->params, json) == 0
               ? KN_OK
               : kn_fail(err, KN_ENOMEM, "no memory for the parameters");
}

static kn_code params_read(struct kn_call *call, struct proof *proof, struct kn_error *err)
{
    const struct kn_buf *body = kn_http_body(call->request);
    const char *type = header(call, "content-type"), *query = kn_http_query(call->request);
    call->params = json_object();
    proof->query = json_object();
    if (!call->params || !proof->query)
        return kn_fail(err, KN_ENOMEM, "no memory for the parameters");
    kn_code rc = kn_params_add(proof->query, query, strlen(query), err);
    if (rc == KN_OK && json_object_update(call->params, proof->query) != 0)
        rc = kn_fail(err, KN_ENOMEM, "no memory for the parameters");
    proof->has_form = true;
    if (rc != KN_OK || !body || body->len == 0)
        return rc;
    if (!type || type_is(type, "application/x-www-form-urlencoded"))
        return kn_params_add(call->params, kn_buf_text(body), body->len, err);
    proof->has_form = false;
    if (type_is(type, "application/json"))
        return json_body_add(call, body, err);
    return KN_OK; // bytes: the ACS3 hash covers them, no operation reads them
}

/* ---- steps 3 to 5: the form, what must be there, the format ---- */

static kn_code format_read(struct kn_call *call, struct kn_error *err)
{
    const char *format = param(call, "Format"), *accept = header(call, "accept");
    if (!format) {
        // inferred: the vendor's pages contradict each other; every SDK says which it wants.
        call->wants_xml = !(accept && strstr(accept, "application/json"));
        return KN_OK;
    }
    call->wants_xml = call->has_asked_xml = strcasecmp(format, "XML") == 0;
    if (!call->wants_xml && strcasecmp(format, "JSON") != 0)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter.Format", "'Format' is '%s'", format);
    return KN_OK;
}

/* Signature V1: everything is a parameter. */
static kn_code v1_read(struct kn_call *call, struct proof *proof, struct kn_error *err)
{
    kn_code format_rc = format_read(call, err);
    static const char *const needed[] = {"Action", "Version", "AccessKeyId", "Signature",
                                         "SignatureMethod", "SignatureVersion", "SignatureNonce"};
    for (size_t i = 0; i < KN_COUNT(needed); i++) {
        if (!param(call, needed[i]))
            return missing(err, needed[i]);
    }
    if (!param(call, "Timestamp"))
        return kn_fail_as(err, KN_EINVAL, "IllegalTimestamp", "'Timestamp' is not supplied");
    if (format_rc != KN_OK)
        return format_rc;
    if (strcasecmp(param(call, "SignatureMethod"), "HMAC-SHA1") != 0)
        return kn_fail_as(err, KN_EINVAL, "InvalidSignatureMethod", "'SignatureMethod' is '%s'",
                          param(call, "SignatureMethod"));
    if (strcmp(param(call, "SignatureVersion"), "1.0") != 0)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "'SignatureVersion' is not 1.0");
    // V1 signs parameters: what it does not cover must not count.
    if (!proof->has_form)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                          "'Content-Type' must be application/x-www-form-urlencoded");
    proof->action = param(call, "Action");
    proof->version = param(call, "Version");
    proof->key_id = param(call, "AccessKeyId");
    proof->token = param(call, "SecurityToken");
    proof->nonce = param(call, "SignatureNonce");
    proof->time = param(call, "Timestamp");
    return KN_OK;
}

/* ACS3: headers say it; action and version may also be parameters, which are signed with the rest. */
static kn_code acs3_read(struct kn_call *call, struct proof *proof, struct kn_error *err)
{
    call->is_acs3 = true;
    kn_code rc = kn_acs3_parse(&proof->acs3, header(call, "authorization"), err);
    if (rc != KN_OK)
        return rc;
    proof->action = header(call, "x-acs-action");
    if (!proof->action)
        proof->action = param(call, "Action");
    proof->version = header(call, "x-acs-version");
    if (!proof->version)
        proof->version = param(call, "Version");
    if (!proof->action || !proof->version)
        return missing(err, proof->action ? "Version" : "Action");
    static const char *const needed[] = {"host", "x-acs-date", "x-acs-signature-nonce",
                                         "x-acs-content-sha256"};
    for (size_t i = 0; i < KN_COUNT(needed); i++) {
        if (!header(call, needed[i]))
            return missing(err, needed[i]);
    }
    static const char *const signed_if_sent[] = {
        "host", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256", "x-acs-action",
        "x-acs-version", "x-acs-security-token"};
    for (size_t i = 0; i < KN_COUNT(signed_if_sent); i++) {
        if (header(call, signed_if_sent[i]) && !kn_acs3_signs(&proof->acs3, signed_if_sent[i]))
            return kn_fail_as(err, KN_EINVAL, "IncompleteSignature",
                              "the header '%s' is not among SignedHeaders", signed_if_sent[i]);
    }
    proof->key_id = proof->acs3.key_id;
    proof->token = header(call, "x-acs-security-token");
    proof->nonce = header(call, "x-acs-signature-nonce");
    proof->time = header(call, "x-acs-date");
    return KN_OK;
}

static kn_code proof_read(struct kn_call *call, struct proof *proof, struct kn_error *err)
{
    const char *authorization = header(call, "authorization");
    if (authorization && strncmp(authorization, "ACS3-", 5) == 0)
        return acs3_read(call, proof, err);
    if (header(call, "x-acs-bearer-token") || param(call, "BearerToken") ||
        header(call, "x-acs-zero-trust-idtoken"))
        return kn_fail_as(err, KN_EINVAL, "UnsupportedOperation",
                          "calls are signed with access keys here, not with bearer or id tokens");
    return v1_read(call, proof, err);
}

/* ---- step 6: the operation ---- */

static bool looks_like_a_date(const char *version)
{
    int year, month, day, n = 0;
    return sscanf(version, "%4d-%2d-%2d%n", &year, &month, &day, &n) == 3 && version[n] == '\0';
}

static kn_code operation_find(struct kn_call *call, const struct proof *proof, struct kn_error *err)
{
    if (!kn_product_of_version(proof->version)) {
        bool is_date = looks_like_a_date(proof->version);
        return kn_fail_as(err, KN_ENOTFOUND, is_date ? "InvalidProduct.NotFound" : "InvalidVersion",
                          "no product has the version '%s'", proof->version);
    }
    call->operation = kn_operation_find(proof->version, proof->action);
    if (!call->operation)
        return kn_fail_as(err, KN_ENOTFOUND, "InvalidAction.NotFound",
                          "version %s has no action '%s'", proof->version, proof->action);
    return KN_OK;
}

/* ---- steps 7 to 9: key, token, clock ---- */

static kn_code key_read(struct kn_call *call, const struct proof *proof, struct kn_error *err)
{
    kn_code rc = kn_access_find(call->api->config.access, proof->key_id, &call->key, err);
    if (rc == KN_ENOTFOUND)
        return kn_fail_as(err, KN_ENOTFOUND, "InvalidAccessKeyId.NotFound", "there is no key '%s'",
                          proof->key_id);
    if (rc != KN_OK)
        return rc;
    const struct kn_key *key = &call->key;
    if (!key->is_active)
        return kn_fail_as(err, KN_EINVAL, "InvalidAccessKeyId.Inactive", "the key '%s' is revoked",
                          key->id);
    if (key->is_temporary && !proof->token)
        return kn_fail_as(err, KN_EINVAL, "MissingSecurityToken", "'%s' is a temporary key",
                          key->id);
    if (!key->is_temporary && proof->token)
        return kn_fail_as(err, KN_EINVAL, "InvalidSecurityToken.MismatchWithAccessKey",
                          "'%s' is a lasting key and has no token", key->id);
    if (key->is_temporary && !kn_equal_secret(key->token, proof->token))
        return kn_fail_as(err, KN_EINVAL, "InvalidSecurityToken.Malformed",
                          "the token is not the one of '%s'", key->id);
    if (key->expires_us != KN_NO_TIME && key->expires_us <= kn_now_us())
        return kn_fail_as(err, KN_EINVAL, "InvalidSecurityToken.Expired", "'%s' has expired",
                          key->id);
    return KN_OK;
}

static kn_code clock_check(const struct proof *proof, struct kn_error *err)
{
    int64_t then_us;
    if (!kn_time_parse_iso(proof->time, &then_us))
        return kn_fail_as(err, KN_EINVAL, "InvalidTimeStamp.Format", "the time is '%s'",
                          proof->time);
    int64_t now_us = kn_now_us();
    if (then_us < now_us - KN_CLOCK_WINDOW_US || then_us > now_us + KN_CLOCK_WINDOW_US)
        return kn_fail_as(err, KN_EINVAL, "InvalidTimeStamp.Expired",
                          "the time '%s' is more than 15 minutes from the server's", proof->time);
    return KN_OK;
}

/* ---- steps 10 and 11: body and signature ---- */

static kn_code no_match(struct kn_error *err, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "SignatureDoesNotMatch", "%s", what);
}

static kn_code v1_verify(struct kn_call *call, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0}, signature = {0};
    kn_v1_string_to_sign(&text, kn_http_method(call->request), call->params);
    kn_v1_signature(&signature, call->key.secret, &text);
    if (!kn_buf_ok(&text) || !kn_buf_ok(&signature))
        return kn_fail(err, KN_ENOMEM, "no memory to verify the signature");
    if (kn_equal_secret(kn_buf_text(&signature), param(call, "Signature")))
        return KN_OK;
    call->string_to_sign = text;
    text = (struct kn_buf){0};
    return no_match(err, "");
}

static kn_code acs3_try(struct kn_call *call, const struct proof *proof,
                        const struct kn_acs3_request *request, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf canonical = {0}, text = {0};
    char signature[65];
    kn_acs3_canonical_request(&canonical, request);
    kn_acs3_string_to_sign(&text, &canonical);
    if (!kn_buf_ok(&canonical) || !kn_buf_ok(&text))
        return kn_fail(err, KN_ENOMEM, "no memory to verify the signature");
    kn_acs3_signature(signature, call->key.secret, &text);
    if (kn_equal_secret(signature, proof->acs3.signature))
        return KN_OK;
    kn_buf_clear(&call->string_to_sign);
    kn_buf_clear(&call->canonical_request);
    call->string_to_sign = text;
    call->canonical_request = canonical;
    text = canonical = (struct kn_buf){0};
    return no_match(err, "");
}

static bool names_are_plain(const json_t *query)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)query, name, value) {
        if (name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                              "0123456789-_.~")])
            return false;
    }
    return true;
}

static kn_code acs3_verify(struct kn_call *call, const struct proof *proof, struct kn_error *err)
{
    const struct kn_buf *body = kn_http_body(call->request);
    char hash[65];
    kn_sha256_hex(hash, body ? kn_buf_text(body) : "", body ? body->len : 0);
    if (strcmp(hash, header(call, "x-acs-content-sha256")) != 0)
        return no_match(err, "x-acs-content-sha256 is not the hash of the body");
    size_t n = kn_http_n_headers(call->request);
    struct kn_acs3_header *headers = kn_arena_array(&call->arena, n + 1, sizeof(*headers));
    if (!headers)
        return kn_fail(err, KN_ENOMEM, "no memory to verify the signature");
    for (size_t i = 0; i < n; i++)
        kn_http_header_at(call->request, i, &headers[i].name, &headers[i].value);
    struct kn_acs3_request request = {
        .method = kn_http_method(call->request),
        .query = proof->query,
        .headers = headers,
        .n_headers = n,
        .signed_headers = proof->acs3.signed_headers,
        .body_sha256 = hash,
    };
    kn_code rc = acs3_try(call, proof, &request, err);
    if (rc == KN_EINVAL && !names_are_plain(proof->query)) {
        request.raw_names = true;
        rc = acs3_try(call, proof, &request, err);
    }
    return rc;
}

/* ---- all of it ---- */

kn_code kn_authenticate(struct kn_call *call, struct kn_error *err)
{
    kn_auto(proof_clear) struct proof proof = {0};
    kn_code rc = params_read(call, &proof, err);
    if (rc == KN_OK)
        rc = proof_read(call, &proof, err);
    if (rc == KN_OK)
        rc = operation_find(call, &proof, err);
    if (rc == KN_OK)
        rc = key_read(call, &proof, err);
    if (rc == KN_OK)
        rc = clock_check(&proof, err);
    if (rc == KN_OK && strlen(proof.nonce) > MAX_NONCE)
        rc = kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                        "'SignatureNonce' is longer than %d characters", MAX_NONCE);
    if (rc == KN_OK)
        rc = call->is_acs3 ? acs3_verify(call, &proof, err) : v1_verify(call, err);
    call->nonce = proof.nonce;
    return rc;
}

static kn_code nonce_write(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct kn_call *call = context;
    return kn_access_nonce_tx(call->api->config.access, tx, call->key.id, call->nonce, err);
}

kn_code kn_authenticate_nonce(struct kn_call *call, struct kn_error *err)
{
    kn_code rc = call->operation->changes
                     ? kn_call_write(call, nonce_write, call, err)
                     : kn_access_nonce(call->api->config.access, call->key.id, call->nonce, err);
    if (rc == KN_ECONFLICT)
        return kn_fail_as(err, rc, "SignatureNonceUsed", "the nonce '%s' was used", call->nonce);
    return rc;
}

kn_code kn_authorize(const struct kn_call *call, struct kn_error *err)
{
    static const char *const roles[] = {"read", "operate", "admin"};
    if (call->key.role >= call->operation->role)
        return KN_OK;
    return kn_fail_as(err, KN_EINVAL, "Forbidden.RAM", "%s needs a key with the role '%s'",
                      call->operation->name, roles[call->operation->role]);
}
