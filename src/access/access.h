#pragma once
/*
 * Who may call: access keys with roles, temporary keys with a session token, used nonces.
 *
 * Keys are few and read at every request: they are kept in memory and looked up without the database
 * (a change made through another process is seen within seconds, or at once through kn_db_watch()).
 * Thread-safety: all calls from any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "db/db.h"

enum kn_role {
    KN_ROLE_READ = 0, // lists and gets, object reads
    KN_ROLE_OPERATE,  // and submits, uploads, cancels
    KN_ROLE_ADMIN,    // and keys, callbacks, pipelines, buckets
};

struct kn_key {
    char id[64];
    char secret[64];
    char name[64];            // the operator's note
    enum kn_role role;
    bool is_active;
    bool is_temporary;        // from kn_access_assume(): needs its token with each request
    char token[256];          // "" for lasting keys
    char bucket_prefix[256];  // "" or "bucket" or "bucket/prefix": all this key may touch
    int64_t created_us;
    int64_t expires_us;       // KN_NO_TIME: never
};

struct kn_access;
kn_code kn_access_open(struct kn_access **out, struct kn_db *db, struct kn_error *err);
void kn_access_close(struct kn_access **access);

/* Copy the key with this id, active or not. KN_ENOTFOUND. */
kn_code kn_access_find(struct kn_access *access, const char *id, struct kn_key *out_key,
                       struct kn_error *err);
/* Whether `key` may touch bucket/key. */
bool kn_key_covers(const struct kn_key *key, const char *bucket, const char *object_key);

/* Make a key; empty id and secret are made up. KN_ECONFLICT when the id exists. */
kn_code kn_access_create(struct kn_access *access, struct kn_key *in_out, struct kn_error *err);
/* Revoke a key and the temporary keys made from it. */
kn_code kn_access_revoke(struct kn_access *access, const char *id, struct kn_error *err);
/*
 * Write name, role, is_active and bucket_prefix of a lasting key. Temporary keys made from it end when
 * it is made inactive or its rights change. KN_ENOTFOUND; KN_ECONFLICT, reason "LastAdminKey": nobody
 * would be left who may manage keys.
 */
kn_code kn_access_update(struct kn_access *access, const struct kn_key *key, struct kn_error *err);
/* Remove a lasting key and the temporary keys made from it. Errors as above. */
kn_code kn_access_delete(struct kn_access *access, const char *id, struct kn_error *err);
/* All lasting keys, malloc'd array for the caller to free. */
kn_code kn_access_list(struct kn_access *access, struct kn_key **out_keys, size_t *out_n,
                       struct kn_error *err);
/* A temporary key with the rights of `parent`, narrowed to bucket_prefix when that is not "". */
kn_code kn_access_assume(struct kn_access *access, const struct kn_key *parent,
                         const char *bucket_prefix, int64_t lifetime_us, struct kn_key *out_key,
                         struct kn_error *err);

/*
 * Remember (key, nonce) for 30 minutes; KN_ECONFLICT when it was used. In memory and bounded (a full
 * set answers KN_ELIMIT), for calls that change nothing. Calls that change something commit theirs
 * with their record: kn_access_nonce_tx(). A signature covers its action, so that the nonce of a
 * read cannot come back with a write.
 */
kn_code kn_access_nonce(struct kn_access *access, const char *key_id, const char *nonce,
                        struct kn_error *err);
kn_code kn_access_nonce_tx(struct kn_access *access, struct kn_tx *tx, const char *key_id,
                           const char *nonce, struct kn_error *err);
