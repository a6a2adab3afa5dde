/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nonces in the database. One statement remembers or refuses; old ones go a few at a time. */
#include "db/nonce.h"

#include <stdatomic.h>

#include "base/time.h"

// Requests are dated at most 15 minutes to either side (spec 01, section 6).
#define NONCE_SPAN_US (30 * KN_MINUTE)
// Every so many new ones, the old are removed: the table stays at half an hour's worth.
#define CLEAN_EVERY 1024

kn_code kn_nonce_use_tx(struct kn_tx *tx, const char *key_id, const char *nonce,
                        struct kn_error *err)
{
    static atomic_uint n_used;
    int64_t now = 0;
    int64_t n_changed = 0;
    kn_code rc = kn_tx_now(tx, &now, err);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, &n_changed, err,
                       "INSERT INTO nonce (key_id, nonce, used_us) VALUES (?, ?, ?)"
                       " ON CONFLICT (key_id, nonce) DO UPDATE SET used_us = excluded.used_us"
                       " WHERE nonce.used_us < ?",
                       "ssii", key_id, nonce, now, now - NONCE_SPAN_US);
    if (rc != KN_OK)
        return rc;
    if (n_changed == 0)
        return kn_fail_as(err, KN_ECONFLICT, "SignatureNonceUsed",
                          "the nonce of this request was used before");
    if (atomic_fetch_add(&n_used, 1) % CLEAN_EVERY != CLEAN_EVERY - 1)
        return KN_OK;
    return kn_tx_run(tx, NULL, err,
                     "DELETE FROM nonce WHERE (key_id, nonce) IN (SELECT key_id, nonce FROM nonce"
                     " WHERE used_us < ? ORDER BY used_us LIMIT 2048)",
                     "i", now - NONCE_SPAN_US);
}
