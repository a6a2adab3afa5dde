#pragma once
/*
 * The two signatures of the RPC APIs (spec 01, sections 4 and 5), as pure functions: what is signed, and
 * how. Who may sign is authenticate.c's business.
 */
#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

/* ---- V1: HMAC-SHA1 over all parameters ---- */

/* METHOD & %2F & the canonical parameters, without "Signature". */
void kn_v1_string_to_sign(struct kn_buf *out, const char *method, const json_t *params);
/* Base64. */
void kn_v1_signature(struct kn_buf *out, const char *secret, const struct kn_buf *string_to_sign);

/* ---- ACS3-HMAC-SHA256: over the query, chosen headers and the body's hash ---- */

struct kn_acs3_header {
    const char *name; // any case
    const char *value;
};

struct kn_acs3_authorization { // "ACS3-HMAC-SHA256 Credential=…,SignedHeaders=a;b,Signature=…"
    char key_id[128];
    char signed_headers[1024]; // as listed
    char signature[65];
};

/*
 * KN_EINVAL with reason InvalidSignatureMethod for another algorithm, IncompleteSignature for anything
 * malformed.
 */
kn_code kn_acs3_parse(struct kn_acs3_authorization *out, const char *header, struct kn_error *err);
/* Whether `name` (lower case) is among signed_headers. */
bool kn_acs3_signs(const struct kn_acs3_authorization *authorization, const char *name);

struct kn_acs3_request {
    const char *method;
    const json_t *query; // decoded
    const struct kn_acs3_header *headers;
    size_t n_headers;
    const char *signed_headers; // as listed; used in ascending order
    const char *body_sha256;    // lower-case hex
    bool raw_names;             // see kn_params_canonical()
};
void kn_acs3_canonical_request(struct kn_buf *out, const struct kn_acs3_request *request);
/* The algorithm's name and the hash of the canonical request, on two lines. */
void kn_acs3_string_to_sign(struct kn_buf *out, const struct kn_buf *canonical_request);
/* Lower-case hex. */
void kn_acs3_signature(char out[65], const char *secret, const struct kn_buf *string_to_sign);
