#pragma once
/* One push by HTTP POST, signed (spec 10, section 6). */
#include "queues/push_claim.h"

struct kn_push_sender {
    struct kn_http_client *client;  // borrowed
    const struct kn_signer *signer; // borrowed
    const char *account_id;         // borrowed
    const char *certificate_url;    // borrowed
    int64_t answer_limit_us;
};
/*
 * KN_OK when a 2xx arrived in time; otherwise the reason, for the log.
 *
 *     POST /path                 the endpoint's, or /notifications
 *     Authorization              RSA-SHA1 over method, Content-MD5, Content-Type, Date, all x-mns-* lines,
 *                                path with query
 *     x-mns-signature-sha256     ours: RSA-SHA256 over the same without this line
 */
kn_code kn_push_post(const struct kn_push_sender *sender, const struct kn_push_claim *claim,
                     int64_t now_us, struct kn_error *err);
