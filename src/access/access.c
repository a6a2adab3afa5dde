/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keys in memory, sorted by id, replaced as a whole when they change. A thread loads them again
 * when someone in another process has changed them (a wake-up, or every few seconds on PostgreSQL
 * in case the wake-up was lost) and removes temporary keys that have run out.
 */
#include "access/access.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "access/nonce_set.h"
#include "base/cleanup.h"
#include "base/id.h"
#include "base/strings.h"
#include "base/time.h"
#include "db/nonce.h"

#define KEYS_TOPIC "keys"
#define POLL_SECONDS 5
#define CLEAN_EVERY_US (10 * KN_MINUTE)

struct kn_access {
    struct kn_db *db;            // borrowed
    struct kn_nonce_set *nonces; // owned
    pthread_t thread;
    bool has_thread;

    pthread_rwlock_t keys_lock;
    // --- protected by keys_lock
    struct kn_key *keys; // owned, by id
    size_t n_keys;

    pthread_mutex_t lock; // may be held when keys_lock is taken, not the other way round
    pthread_cond_t moved;
    // --- protected by lock
    bool is_stale, is_closing;
};

/* ---- loading ---- */

struct load_call {
    struct kn_key *keys; // owned until handed out
    size_t n, capacity;
};

static void key_from_row(struct kn_key *key, struct kn_stmt *row)
{
    *key = (struct kn_key){
        .role = (enum kn_role)kn_stmt_int(row, 3),
        .is_active = kn_stmt_int(row, 4) != 0,
        .is_temporary = kn_stmt_int(row, 5) != 0,
        .created_us = kn_stmt_int(row, 8),
        .expires_us = kn_stmt_is_null(row, 9) ? KN_NO_TIME : kn_stmt_int(row, 9),
    };
    (void)kn_copy(key->id, sizeof(key->id), kn_stmt_text(row, 0));
    (void)kn_copy(key->secret, sizeof(key->secret), kn_stmt_text(row, 1));
    (void)kn_copy(key->name, sizeof(key->name), kn_stmt_text(row, 2));
    (void)kn_copy(key->token, sizeof(key->token), kn_stmt_text(row, 6));
    (void)kn_copy(key->bucket_prefix, sizeof(key->bucket_prefix), kn_stmt_text(row, 7));
}

static kn_code load_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct load_call *call = context;
    struct kn_stmt *row = NULL;
    bool has_row = false;
    call->n = 0;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT id, secret, name, role, is_active, is_temporary, token,"
                             " bucket_prefix, created_us, expires_us FROM access_key",
                             "");
    while (rc == KN_OK && (rc = kn_stmt_step(row, &has_row, err)) == KN_OK && has_row) {
        if (call->n == call->capacity) {
            size_t capacity = call->capacity ? 2 * call->capacity : 16;
            void *more = realloc(call->keys, capacity * sizeof(*call->keys));
            if (!more)
                return kn_fail(err, KN_ENOMEM, "no memory for %zu keys", capacity);
            call->keys = more;
            call->capacity = capacity;
        }
        key_from_row(&call->keys[call->n++], row);
    }
    return rc;
}

static int key_compare(const void *left, const void *right)
{
    return strcmp(((const struct kn_key *)left)->id, ((const struct kn_key *)right)->id);
}

static kn_code keys_load(struct kn_access *access, struct kn_error *err)
{
    struct load_call call = {0};
    // One load at a time: an older picture must not replace a newer one.
    pthread_mutex_lock(&access->lock);
    kn_code rc = kn_db_read(access->db, load_in_tx, &call, err);
    if (rc == KN_OK) {
        if (call.n)
            qsort(call.keys, call.n, sizeof(*call.keys), key_compare);
        pthread_rwlock_wrlock(&access->keys_lock);
        struct kn_key *old = access->keys;
        access->keys = call.keys;
        access->n_keys = call.n;
        pthread_rwlock_unlock(&access->keys_lock);
        free(old);
    } else {
        free(call.keys);
    }
    pthread_mutex_unlock(&access->lock);
    return rc;
}

/* ---- the thread ---- */

static kn_code clean_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    return kn_tx_run(tx, NULL, err,
                     "DELETE FROM access_key WHERE is_temporary = 1 AND expires_us < ?", "i",
                     kn_now_us() - KN_HOUR);
}

// On a thread of the database's: only leave word.
static void keys_wake(void *context)
{
    struct kn_access *access = context;
    __atomic_store_n(&access->is_stale, true, __ATOMIC_RELEASE);
    pthread_cond_signal(&access->moved);
}

static bool thread_wait(struct kn_access *access)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += POLL_SECONDS;
    pthread_mutex_lock(&access->lock);
    int rc = 0;
    while (!access->is_closing && rc != ETIMEDOUT &&
           !__atomic_load_n(&access->is_stale, __ATOMIC_ACQUIRE))
        rc = pthread_cond_timedwait(&access->moved, &access->lock, &until);
    __atomic_store_n(&access->is_stale, false, __ATOMIC_RELEASE);
    bool is_closing = access->is_closing;
    pthread_mutex_unlock(&access->lock);
    return !is_closing;
}

static void *thread_main(void *arg)
{
    struct kn_access *access = arg;
    int64_t cleaned_us = kn_mono_us();
    while (thread_wait(access)) {
        if (kn_mono_us() - cleaned_us > CLEAN_EVERY_US) {
            (void)kn_db_write(access->db, clean_in_tx, NULL, NULL); // again in ten minutes
            cleaned_us = kn_mono_us();
        }
        (void)keys_load(access, NULL); // the keys we have stay good until the next round
    }
    return NULL;
}

kn_code kn_access_open(struct kn_access **out, struct kn_db *db, struct kn_error *err)
{
    *out = NULL;
    struct kn_access *made = calloc(1, sizeof(*made));
    if (!made)
        return kn_fail(err, KN_ENOMEM, "no memory for the keys");
    made->db = db;
    pthread_rwlock_init(&made->keys_lock, NULL);
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->moved, NULL);
    kn_auto(kn_access_close) struct kn_access *access = made;
    access->nonces = kn_nonce_set_new();
    if (!access->nonces)
        return kn_fail(err, KN_ENOMEM, "no memory for the keys");
    kn_code rc = keys_load(access, err);
    if (rc == KN_OK)
        rc = kn_db_watch(db, KEYS_TOPIC, keys_wake, access, err);
    if (rc != KN_OK)
        return rc;
    int failed = pthread_create(&access->thread, NULL, thread_main, access);
    if (failed)
        return kn_fail_errno(err, failed, "cannot start a thread for the keys");
    access->has_thread = true;
    (void)pthread_setname_np(access->thread, "kn-access"); // only for those who look with top
    *out = KN_TAKE(access);
    return KN_OK;
}

void kn_access_close(struct kn_access **address)
{
    struct kn_access *access = *address;
    if (!access)
        return;
    kn_db_unwatch(access->db, KEYS_TOPIC, access);
    if (access->has_thread) {
        pthread_mutex_lock(&access->lock);
        access->is_closing = true;
        pthread_cond_signal(&access->moved);
        pthread_mutex_unlock(&access->lock);
        pthread_join(access->thread, NULL);
    }
    kn_nonce_set_free(&access->nonces);
    pthread_cond_destroy(&access->moved);
    pthread_mutex_destroy(&access->lock);
    pthread_rwlock_destroy(&access->keys_lock);
    free(access->keys);
    free(access);
    *address = NULL;
}

/* ---- looking ---- */

kn_code kn_access_find(struct kn_access *access, const char *id, struct kn_key *out_key,
                       struct kn_error *err)
{
    struct kn_key wanted;
    if (!kn_copy(wanted.id, sizeof(wanted.id), id))
        return kn_fail(err, KN_ENOTFOUND, "there is no such access key");
    pthread_rwlock_rdlock(&access->keys_lock);
    const struct kn_key *found =
        access->n_keys ? bsearch(&wanted, access->keys, access->n_keys, sizeof(wanted), key_compare)
                       : NULL;
    if (found)
        *out_key = *found;
    pthread_rwlock_unlock(&access->keys_lock);
    return found ? KN_OK : kn_fail(err, KN_ENOTFOUND, "there is no access key '%s'", id);
}

bool kn_key_covers(const struct kn_key *key, const char *bucket, const char *object_key)
{
    if (!key->bucket_prefix[0])
        return true;
    const char *slash = strchr(key->bucket_prefix, '/');
    size_t n_bucket = slash ? (size_t)(slash - key->bucket_prefix) : strlen(key->bucket_prefix);
    if (!bucket || strlen(bucket) != n_bucket || strncmp(bucket, key->bucket_prefix, n_bucket) != 0)
        return false;
    return !slash || !slash[1] || kn_starts_with(object_key ? object_key : "", slash + 1);
}

kn_code kn_access_list(struct kn_access *access, struct kn_key **out_keys, size_t *out_n,
                       struct kn_error *err)
{
    *out_n = 0;
    pthread_rwlock_rdlock(&access->keys_lock);
    *out_keys = calloc(access->n_keys + 1, sizeof(**out_keys));
    for (size_t i = 0; *out_keys && i < access->n_keys; i++)
        if (!access->keys[i].is_temporary)
            (*out_keys)[(*out_n)++] = access->keys[i];
    pthread_rwlock_unlock(&access->keys_lock);
    return *out_keys ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for the list of keys");
}

/* ---- changing ---- */

struct key_call {
    const struct kn_key *key;
    const char *id;
    const char *parent_id;
};

static kn_code create_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct key_call *call = context;
    const struct kn_key *key = call->key;
    int64_t n_changed = 0;
    kn_code rc = kn_tx_run(
        tx, &n_changed, err,
        "INSERT INTO access_key (id, secret, name, role, is_active, is_temporary, token,"
        " bucket_prefix, parent_id, created_us, expires_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        key->expires_us == KN_NO_TIME ? "sssiiisssin" : "sssiiisssii", key->id, key->secret,
        key->name, (int64_t)key->role, (int64_t)key->is_active, (int64_t)key->is_temporary,
        key->token, key->bucket_prefix, call->parent_id, key->created_us, key->expires_us);
    if (rc == KN_OK && n_changed == 0)
        return kn_fail(err, KN_ECONFLICT, "the access key '%s' exists already", key->id);
    kn_tx_notify(tx, KEYS_TOPIC);
    return rc;
}

static kn_code key_store(struct kn_access *access, const struct kn_key *key, const char *parent_id,
                         struct kn_error *err)
{
    struct key_call call = {.key = key, .parent_id = parent_id};
    kn_code rc = kn_db_write(access->db, create_in_tx, &call, err);
    return rc == KN_OK ? keys_load(access, err) : rc;
}

kn_code kn_access_create(struct kn_access *access, struct kn_key *in_out, struct kn_error *err)
{
    if (!in_out->id[0]) {
        (void)kn_copy(in_out->id, sizeof(in_out->id), "KINO");
        kn_id_token(in_out->id + 4, 20);
    }
    if (!in_out->secret[0])
        kn_id_token(in_out->secret, 40);
    in_out->is_active = true;
    in_out->is_temporary = false;
    in_out->token[0] = '\0';
    in_out->created_us = kn_now_us();
    if (in_out->expires_us == 0)
        in_out->expires_us = KN_NO_TIME;
    return key_store(access, in_out, "", err);
}

static kn_code revoke_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct key_call *call = context;
    int64_t n_changed = 0;
    kn_code rc = kn_tx_run(tx, &n_changed, err, "UPDATE access_key SET is_active = 0 WHERE id = ?",
                           "s", call->id);
    if (rc == KN_OK && n_changed == 0)
        return kn_fail(err, KN_ENOTFOUND, "there is no access key '%s'", call->id);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err, "UPDATE access_key SET is_active = 0 WHERE parent_id = ?",
                       "s", call->id);
    kn_tx_notify(tx, KEYS_TOPIC);
    return rc;
}

kn_code kn_access_revoke(struct kn_access *access, const char *id, struct kn_error *err)
{
    struct key_call call = {.id = id};
    kn_code rc = kn_db_write(access->db, revoke_in_tx, &call, err);
    return rc == KN_OK ? keys_load(access, err) : rc;
}

/*
 * Lock the keys that may manage keys: two changes at once must not each believe in the other's key.
 * Then, after the change, see that one is left.
 */
static kn_code managers_look(struct kn_tx *tx, bool *out_has_one, struct kn_error *err)
{
    struct kn_stmt *stmt = NULL;
    kn_code rc = kn_tx_query(tx, &stmt, err,
                             "SELECT id FROM access_key WHERE role = ? AND is_active = 1"
                             " AND is_temporary = 0 AND bucket_prefix = ''"
                             " AND (expires_us IS NULL OR expires_us > ?) ORDER BY id FOR UPDATE",
                             "ii", (int64_t)KN_ROLE_ADMIN, kn_now_us());
    bool has_row = true;
    *out_has_one = false;
    while (rc == KN_OK) {
        rc = kn_stmt_step(stmt, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        *out_has_one = true;
    }
    return rc;
}

static kn_code managers_check(struct kn_tx *tx, kn_code rc, int64_t n_changed, const char *id,
                              struct kn_error *err)
{
    bool has_one = false;
    if (rc == KN_OK && n_changed == 0)
        return kn_fail(err, KN_ENOTFOUND, "there is no access key '%s'", id);
    if (rc == KN_OK)
        rc = managers_look(tx, &has_one, err);
    if (rc == KN_OK && !has_one)
        return kn_fail_as(err, KN_ECONFLICT, "LastAdminKey",
                          "'%s' is the last key that may manage keys", id);
    kn_tx_notify(tx, KEYS_TOPIC);
    return rc;
}

static kn_code update_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct key_call *call = context;
    const struct kn_key *key = call->key;
    bool has_one;
    int64_t n_changed = 0;
    kn_code rc = managers_look(tx, &has_one, err);
    // Before the key's own row changes: what differs ends the temporary ones.
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err,
                       "DELETE FROM access_key WHERE parent_id = ? AND EXISTS (SELECT 1 FROM"
                       " access_key p WHERE p.id = ? AND (? = 0 OR p.role <> ? OR"
                       " p.bucket_prefix <> ?))",
                       "ssiis", key->id, key->id, (int64_t)key->is_active, (int64_t)key->role,
                       key->bucket_prefix);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, &n_changed, err,
                       "UPDATE access_key SET name = ?, role = ?, is_active = ?, bucket_prefix = ?"
                       " WHERE id = ? AND is_temporary = 0",
                       "siiss", key->name, (int64_t)key->role, (int64_t)key->is_active,
                       key->bucket_prefix, key->id);
    return managers_check(tx, rc, n_changed, key->id, err);
}

kn_code kn_access_update(struct kn_access *access, const struct kn_key *key, struct kn_error *err)
{
    struct key_call call = {.key = key};
    kn_code rc = kn_db_write(access->db, update_in_tx, &call, err);
    return rc == KN_OK ? keys_load(access, err) : rc;
}

static kn_code delete_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct key_call *call = context;
    bool has_one;
    int64_t n_changed = 0;
    kn_code rc = managers_look(tx, &has_one, err);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, &n_changed, err,
                       "DELETE FROM access_key WHERE id = ? AND is_temporary = 0", "s", call->id);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err, "DELETE FROM access_key WHERE parent_id = ?", "s", call->id);
    return managers_check(tx, rc, n_changed, call->id, err);
}

kn_code kn_access_delete(struct kn_access *access, const char *id, struct kn_error *err)
{
    struct key_call call = {.id = id};
    kn_code rc = kn_db_write(access->db, delete_in_tx, &call, err);
    return rc == KN_OK ? keys_load(access, err) : rc;
}

kn_code kn_access_assume(struct kn_access *access, const struct kn_key *parent,
                         const char *bucket_prefix, int64_t lifetime_us, struct kn_key *out_key,
                         struct kn_error *err)
{
    struct kn_key key = {.role = parent->role, .is_active = true, .is_temporary = true};
    const char *prefix = bucket_prefix ? bucket_prefix : "";
    if (!kn_copy(key.bucket_prefix, sizeof(key.bucket_prefix),
                 prefix[0] ? prefix : parent->bucket_prefix))
        return kn_fail(err, KN_EINVAL, "the bucket prefix is too long");
    const char *slash = strchr(key.bucket_prefix, '/');
    char bucket[sizeof(key.bucket_prefix)];
    (void)kn_copy(bucket, sizeof(bucket), key.bucket_prefix);
    bucket[strcspn(bucket, "/")] = '\0';
    if (!kn_key_covers(parent, bucket, slash ? slash + 1 : NULL))
        return kn_fail_as(err, KN_EINVAL, "NoPermission", "the key '%s' does not cover '%s' itself",
                          parent->id, prefix);
    (void)kn_copy(key.id, sizeof(key.id), "STS.");
    kn_id_token(key.id + 4, 24);
    kn_id_token(key.secret, 44);
    kn_id_token(key.token, 96);
    (void)kn_copy(key.name, sizeof(key.name), parent->name);
    key.created_us = kn_now_us();
    key.expires_us = key.created_us + lifetime_us;
    if (parent->expires_us != KN_NO_TIME && parent->expires_us < key.expires_us)
        key.expires_us = parent->expires_us;
    kn_code rc = key_store(access, &key, parent->id, err);
    if (rc == KN_OK)
        *out_key = key;
    return rc;
}

/* ---- nonces ---- */

kn_code kn_access_nonce(struct kn_access *access, const char *key_id, const char *nonce,
                        struct kn_error *err)
{
    return kn_nonce_set_use(access->nonces, key_id, nonce, kn_mono_us(), err);
}

kn_code kn_access_nonce_tx(struct kn_access *access, struct kn_tx *tx, const char *key_id,
                           const char *nonce, struct kn_error *err)
{
    (void)access; // a signature covers its action: a read's nonce cannot come back as a write's
    return kn_nonce_use_tx(tx, key_id, nonce, err);
}
