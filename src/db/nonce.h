#pragma once
/*
 * Nonces of calls that change something: committed with what they changed, so that a replay is
 * refused even after a crash. It is here because jobs/, which knows nothing of
 * access/, uses it too; others call kn_access_nonce_tx().
 */
#include "db/db.h"

/* KN_ECONFLICT, reason "SignatureNonceUsed", when (key, nonce) was used in the last 30 minutes. */
kn_code kn_nonce_use_tx(struct kn_tx *tx, const char *key_id, const char *nonce,
                        struct kn_error *err);
