/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests of the RPC front up to their signature, V1 and ACS3. When only the signature is wrong, it
 * is put right from what the server says it would have signed: then the request must be let in.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/authenticate.h"
#include "api/signature.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"
#include "support/memory_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

// 2026-03-01T10:00:00Z: the corpus is of this moment.
int64_t __wrap_kn_now_us(void);
int64_t __wrap_kn_now_us(void)
{
    return INT64_C(1772359200) * KN_SECOND;
}

kn_code __wrap_kn_access_find(struct kn_access *access, const char *id, struct kn_key *out_key,
                              struct kn_error *err);
kn_code __wrap_kn_access_find(struct kn_access *access, const char *id, struct kn_key *out_key,
                              struct kn_error *err)
{
    (void)access;
    *out_key = (struct kn_key){.role = KN_ROLE_ADMIN, .is_active = true, .expires_us = KN_NO_TIME};
    if (strcmp(id, "testid") != 0 && strcmp(id, "STS.temp") != 0)
        return kn_fail(err, KN_ENOTFOUND, "there is no key");
    out_key->is_temporary = id[0] == 'S';
    kn_copy(out_key->id, sizeof(out_key->id), id);
    kn_copy(out_key->secret, sizeof(out_key->secret), "testsecret");
    kn_copy(out_key->token, sizeof(out_key->token), out_key->is_temporary ? "token" : "");
    return KN_OK;
}

static void call_clear(struct kn_call *call)
{
    json_decref(call->params);
    kn_buf_clear(&call->string_to_sign);
    kn_buf_clear(&call->canonical_request);
    kn_arena_clear(&call->arena);
}

static kn_code authenticate(struct kn_http_request *request, struct kn_buf *out_signed,
                            struct kn_error *err)
{
    struct kn_api api = {0};
    kn_auto(call_clear) struct kn_call call = {.api = &api, .request = request};
    kn_code rc = kn_authenticate(&call, err);
    assert(rc != KN_OK || (call.operation && call.nonce && call.key.id[0]));
    if (rc == KN_OK)
        (void)kn_authorize(&call, err);
    if (out_signed)
        kn_buf_add(out_signed, kn_buf_text(&call.string_to_sign), call.string_to_sign.len);
    return rc;
}

// A later parameter replaces an earlier one, and the body's the query's.
static void v1_mend(struct kn_http_request *request, const struct kn_buf *text)
{
    kn_auto(kn_buf_clear) struct kn_buf signature = {0}, query = {0};
    kn_v1_signature(&signature, "testsecret", text);
    struct kn_buf *out = request->body.len ? &request->body : &query;
    if (out == &query)
        kn_buf_puts(&query, request->query);
    kn_buf_puts(out, "&Signature=");
    kn_percent(out, kn_buf_text(&signature), signature.len, false);
    if (out == &query)
        request->query = kn_arena_strdup(&request->arena, kn_buf_text(&query));
}

static bool acs3_mend(struct kn_http_request *request, const struct kn_buf *text)
{
    struct kn_acs3_authorization said;
    char signature[65];
    if (kn_acs3_parse(&said, kn_http_header(request, "Authorization"), NULL) != KN_OK)
        return false;
    kn_acs3_signature(signature, "testsecret", text);
    memory_request_set_header(
        request, "Authorization",
        kn_arena_printf(&request->arena,
                        "ACS3-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%s", said.key_id,
                        said.signed_headers, signature));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    kn_auto(memory_request_clear) struct kn_http_request request;
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    struct kn_error err = {0};
    if (!memory_request_parse(&request, bytes, n))
        return 0;
    const char *authorization = kn_http_header(&request, "Authorization");
    bool is_acs3 = authorization && kn_starts_with(authorization, "ACS3-");
    if (is_acs3 && kn_http_header(&request, "x-acs-content-sha256")) {
        char hash[65];
        kn_sha256_hex(hash, kn_buf_text(&request.body), request.body.len);
        memory_request_set_header(&request, "x-acs-content-sha256",
                                  kn_arena_strdup(&request.arena, hash));
    }
    if (authenticate(&request, &text, &err) != KN_EINVAL ||
        !kn_equal(err.reason, "SignatureDoesNotMatch"))
        return 0;
    assert(text.len > 0);
    if (is_acs3 ? acs3_mend(&request, &text) : (v1_mend(&request, &text), true))
        assert(authenticate(&request, NULL, &err) == KN_OK);
    return 0;
}
