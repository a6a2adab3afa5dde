#pragma once
/*
 * Signatures of object requests: OSS V1 and V4, AWS SigV4; in the header or in the URL (spec 09,
 * sections 2 and 7.1). kn_oss_signed_read() takes what the client claims, kn_oss_sign() computes what
 * it should have been.
 */
#include "api/oss/call.h"

/*
 * V4 signs "name" for a parameter without a value; clients that tell `uploads` from `prefix=""` sign
 * "prefix=" for the latter, and both send "name=" (ali-oss, qs.stringify with strictNullHandling).
 * The wire does not say which it was, so all are tried.
 */
enum kn_oss_blank {
    KN_OSS_BLANK_BARE = 0,     // "prefix", "uploads"
    KN_OSS_BLANK_SUB_RESOURCE, // "prefix=", "uploads"
    KN_OSS_BLANK_EQUALS,       // "prefix=", "uploads="
};

struct kn_oss_signed {
    enum kn_oss_dialect dialect;
    bool is_url;
    const char *key_id, *signature, *token; // in the call's arena; token "" when none
    const char *date;           // V1: the Date line; V4, S3: the basic time as sent
    const char *scope;          // V4, S3: date/region/service/…_request
    const char *signed_headers; // S3: SignedHeaders; V4: AdditionalHeaders; "" when none
    int64_t time_us;            // when it was signed
    int64_t expires_us;         // URLs: until when; KN_NO_TIME for headers
    enum kn_oss_blank blank;    // V4: how parameters without a value were signed
};

/* KN_OK with dialect KN_OSS_ANONYMOUS when there is no signature. Reason AccessDenied, InvalidArgument. */
kn_code kn_oss_signed_read(struct kn_oss_signed *out, struct kn_oss_call *call,
                           struct kn_error *err);

struct kn_oss_computed {
    char signature[96];
    struct kn_buf to_sign, canonical; // for the error answer; canonical empty for V1
};
/* Compute for call->bucket and key, replacing what `out` held. */
void kn_oss_sign(struct kn_oss_computed *out, struct kn_oss_call *call,
                 const struct kn_oss_signed *sig, const char *secret);
/* Whether kn_oss_sign() depends on sig->blank. */
bool kn_oss_sign_has_blanks(const struct kn_oss_call *call, const struct kn_oss_signed *sig);
void kn_oss_computed_clear(struct kn_oss_computed *computed);
