#pragma once
/*
 * Signatures of MNS requests: version 2 (HMAC-SHA1) and version 4 (HMAC-SHA256), spec 10, section 2.
 */
#include "api/mns/call.h"

struct kn_mns_signed {
    bool is_v4, is_apsara; // apsara: the words of private clouds
    const char *key_id, *signature; // in the call's arena
    const char *scope;     // V4: date/region/mns/…_request
    int64_t time_us;       // when it was signed
    const char *date;      // as sent
};

/* What the client claims. Reasons Missing… and Invalid…Header. */
kn_code kn_mns_signed_read(struct kn_mns_signed *out, struct kn_mns_call *call,
                           struct kn_error *err);
/* Whether the claim is true of this request and secret. */
bool kn_mns_signature_fits(struct kn_mns_call *call, const struct kn_mns_signed *claim,
                           const char *secret);
/* What the client should have signed, for the refusal. */
void kn_mns_string_to_sign(struct kn_buf *out, struct kn_mns_call *call,
                           const struct kn_mns_signed *claim);
