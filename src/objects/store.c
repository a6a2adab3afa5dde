/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store as a whole: opening it, its buckets and its counters.
 */
#include "objects/store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/strings.h"
#include "base/time.h"
#include "base/uri.h"
#include "objects/local.h"

// An answer of the far store says for so long that it is there.
#define ANSWER_HOLDS_US (10 * KN_SECOND)

/* ---- open, close ---- */

static kn_code folders_make(struct kn_store *store, struct kn_error *err)
{
    kn_code rc = kn_fs_make_folders(store->dir, 0700, err);
    if (rc != KN_OK)
        return rc;
    char path[4096];
    for (unsigned i = 0; i < 256; i++) {
        if (snprintf(path, sizeof(path), "%s/%02x", store->dir, i) >= (int)sizeof(path))
            return kn_fail(err, KN_EINVAL, "the storage folder's name is too long");
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return kn_fail_errno(err, errno, "cannot make the folder '%s'", path);
    }
    store->sync_covers_name = kn_fs_sync_covers_name(store->dir);
    return kn_fs_sync_folder(store->dir, err);
}

static kn_code local_open(struct kn_store *store, const struct kn_store_config *config,
                          struct kn_error *err)
{
    const char *dir = config->url + strlen("file:");
    if (kn_starts_with(dir, "///")) // file:///path
        dir += 2;
    store->dir = strdup(dir);
    if (!store->dir)
        return kn_fail(err, KN_ENOMEM, "no memory for the object store");
    for (size_t n = strlen(store->dir); n > 1 && store->dir[n - 1] == '/'; n--)
        store->dir[n - 1] = '\0';
    return folders_make(store, err);
}

static kn_code remote_open(struct kn_store *store, const struct kn_store_config *config,
                           struct kn_error *err)
{
    store->scratch = strdup(config->scratch_folder ? config->scratch_folder : "/var/tmp");
    if (!store->scratch)
        return kn_fail(err, KN_ENOMEM, "no memory for the object store");
    kn_code rc = kn_fs_make_folders(store->scratch, 0700, err);
    if (rc == KN_OK)
        rc = kn_s3_open(&store->s3,
                        &(struct kn_s3_config){.url = config->url,
                                               .endpoint = config->endpoint,
                                               .region = config->storage_region,
                                               .key_id = config->key_id,
                                               .secret = config->key_secret,
                                               .token = config->key_token,
                                               .retry_us = config->retry_us},
                        err);
    if (rc != KN_OK)
        return rc;
    // A refusal (another's bucket, a wrong key) is for the operator to mend; an outage mends itself.
    bool is_away = false;
    rc = kn_s3_check(store->s3, &is_away, err);
    return is_away && config->may_be_away ? KN_OK : rc;
}

kn_code kn_store_open(struct kn_store **out, const struct kn_store_config *config,
                      struct kn_error *err)
{
    kn_auto(kn_store_close) struct kn_store *store = calloc(1, sizeof(*store));
    if (!store)
        return kn_fail(err, KN_ENOMEM, "no memory for the object store");
    pthread_mutex_init(&store->usage_lock, NULL);
    for (size_t i = 0; i < KN_N_APPEND_LOCKS; i++)
        pthread_mutex_init(&store->append_locks[i], NULL);
    store->db = config->db;
    kn_copy(store->region, sizeof(store->region), config->region);
    kn_copy(store->owner_id, sizeof(store->owner_id), config->owner_id);
    bool is_remote = kn_starts_with(config->url, "s3://");
    if (!is_remote && !kn_starts_with(config->url, "file:"))
        return kn_fail(err, KN_EINVAL, "storage '%s' is neither file:DIR nor s3://BUCKET[/PREFIX]",
                       config->url);
    kn_code rc = is_remote ? remote_open(store, config, err) : local_open(store, config, err);
    if (rc != KN_OK)
        return rc;
    *out = KN_TAKE(store);
    return KN_OK;
}

void kn_store_close(struct kn_store **store)
{
    struct kn_store *s = *store;
    if (!s)
        return;
    pthread_mutex_destroy(&s->usage_lock);
    for (size_t i = 0; i < KN_N_APPEND_LOCKS; i++)
        pthread_mutex_destroy(&s->append_locks[i]);
    kn_s3_close(&s->s3);
    free(s->usage);
    free(s->dir);
    free(s->scratch);
    free(s);
    *store = NULL;
}

kn_code kn_store_check(struct kn_store *store, struct kn_error *err)
{
    if (!store->s3)
        return KN_OK;
    int64_t answered_us = kn_s3_answered_us(store->s3);
    bool is_fresh = answered_us > 0 && kn_mono_us() - answered_us < ANSWER_HOLDS_US;
    return is_fresh ? KN_OK : kn_s3_check(store->s3, NULL, err);
}

bool kn_store_is_local(const struct kn_store *store)
{
    return store->s3 == NULL;
}

void kn_store_set_hook(struct kn_store *store, kn_object_hook hook, void *context)
{
    store->hook = hook;
    store->hook_context = context;
}

/* ---- buckets ---- */

void kn_bucket_clear(struct kn_bucket *bucket)
{
    free(bucket->cors);
    *bucket = (struct kn_bucket){0};
}

static bool acl_is_known(const char *acl)
{
    return kn_equal(acl, "private") || kn_equal(acl, "public-read") ||
           kn_equal(acl, "public-read-write");
}

struct bucket_call {
    const char *name, *acl;
    const struct kn_bucket *update;
    struct kn_bucket *out;
    struct kn_bucket *list;
    size_t n, capacity;
};

static kn_code bucket_create_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct bucket_call *call = context;
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO bucket (name, acl, created_us, forbid_overwrite) "
                     "VALUES (?, ?, ?, 0) ON CONFLICT (name) DO UPDATE SET acl = excluded.acl",
                     "ssi", call->name, call->acl, kn_now_us());
}

kn_code kn_bucket_create(struct kn_store *store, const char *name, const char *acl,
                         struct kn_error *err)
{
    if (!kn_uri_bucket_is_valid(name))
        return kn_fail_as(err, KN_EINVAL, "InvalidBucketName", "'%s' is not a bucket name", name);
    if (!acl)
        acl = "private";
    if (!acl_is_known(acl))
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "'%s' is not a bucket ACL", acl);
    struct bucket_call call = {.name = name, .acl = acl};
    return kn_db_write(store->db, bucket_create_tx, &call, err);
}

static kn_code bucket_read(struct kn_bucket *out, struct kn_stmt *stmt, struct kn_error *err)
{
    *out = (struct kn_bucket){0};
    kn_copy(out->name, sizeof(out->name), kn_stmt_text(stmt, 0));
    kn_copy(out->acl, sizeof(out->acl), kn_stmt_text(stmt, 1));
    out->created_us = kn_stmt_int(stmt, 2);
    out->forbid_overwrite = kn_stmt_int(stmt, 3) != 0;
    const char *cors = kn_stmt_text(stmt, 4);
    if (cors && !(out->cors = strdup(cors)))
        return kn_fail(err, KN_ENOMEM, "no memory for the rules of bucket '%s'", out->name);
    return KN_OK;
}

#define BUCKET_COLUMNS "name, acl, created_us, forbid_overwrite, cors"

static kn_code bucket_get_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct bucket_call *call = context;
    struct kn_stmt *stmt;
    bool has_row;
    kn_code rc = kn_tx_query(tx, &stmt, err, "SELECT " BUCKET_COLUMNS " FROM bucket WHERE name = ?",
                             "s", call->name);
    if (rc != KN_OK || (rc = kn_stmt_step(stmt, &has_row, err)) != KN_OK)
        return rc;
    if (!has_row)
        return kn_fail_as(err, KN_ENOTFOUND, "NoSuchBucket", "there is no bucket '%s'", call->name);
    kn_bucket_clear(call->out);
    return bucket_read(call->out, stmt, err);
}

kn_code kn_bucket_get(struct kn_store *store, const char *name, struct kn_bucket *out,
                      struct kn_error *err)
{
    *out = (struct kn_bucket){0};
    struct bucket_call call = {.name = name, .out = out};
    return kn_db_read(store->db, bucket_get_tx, &call, err);
}

static kn_code bucket_update_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct bucket_call *call = context;
    const struct kn_bucket *bucket = call->update;
    int64_t n_changed = 0;
    kn_code rc = kn_tx_run(tx, &n_changed, err,
                           "UPDATE bucket SET acl = ?, forbid_overwrite = ?, cors = ? "
                           "WHERE name = ?",
                           "siss", bucket->acl, (int64_t)bucket->forbid_overwrite, bucket->cors,
                           bucket->name);
    if (rc == KN_OK && n_changed == 0)
        return kn_fail_as(err, KN_ENOTFOUND, "NoSuchBucket", "there is no bucket '%s'",
                          bucket->name);
    return rc;
}

kn_code kn_bucket_update(struct kn_store *store, const struct kn_bucket *bucket,
                         struct kn_error *err)
{
    if (!acl_is_known(bucket->acl))
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "'%s' is not a bucket ACL",
                          bucket->acl);
    struct bucket_call call = {.update = bucket};
    return kn_db_write(store->db, bucket_update_tx, &call, err);
}

static kn_code bucket_delete_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct bucket_call *call = context;
    // The bucket's row goes first: in PostgreSQL this waits for writers that hold it (FOR SHARE), so
    // that what they made is seen below.
    int64_t n_changed = 0;
    kn_code rc = kn_tx_run(tx, &n_changed, err, "DELETE FROM bucket WHERE name = ?", "s",
                           call->name);
    if (rc != KN_OK)
        return rc;
    if (n_changed == 0)
        return kn_fail_as(err, KN_ENOTFOUND, "NoSuchBucket", "there is no bucket '%s'", call->name);
    static const char *const held[] = {"SELECT 1 FROM object WHERE bucket = ? LIMIT 1",
                                       "SELECT 1 FROM upload WHERE bucket = ? LIMIT 1"};
    for (size_t i = 0; i < KN_COUNT(held); i++) {
        struct kn_stmt *stmt;
        bool has_row;
        rc = kn_tx_query(tx, &stmt, err, held[i], "s", call->name);
        if (rc != KN_OK || (rc = kn_stmt_step(stmt, &has_row, err)) != KN_OK)
            return rc;
        if (has_row)
            return kn_fail_as(err, KN_ECONFLICT, "BucketNotEmpty",
                              "the bucket '%s' holds objects or uploads", call->name);
    }
    return KN_OK;
}

kn_code kn_bucket_delete(struct kn_store *store, const char *name, struct kn_error *err)
{
    struct bucket_call call = {.name = name};
    return kn_db_write(store->db, bucket_delete_tx, &call, err);
}

static void bucket_call_drop(struct bucket_call *call)
{
    for (size_t i = 0; i < call->n; i++)
        kn_bucket_clear(&call->list[i]);
    free(call->list);
    call->list = NULL;
    call->n = call->capacity = 0;
}

static kn_code bucket_list_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct bucket_call *call = context;
    bucket_call_drop(call); // this may be a second run
    struct kn_stmt *stmt;
    kn_code rc = kn_tx_query(tx, &stmt, err, "SELECT " BUCKET_COLUMNS " FROM bucket ORDER BY name",
                             "");
    bool has_row;
    while (rc == KN_OK && (rc = kn_stmt_step(stmt, &has_row, err)) == KN_OK && has_row) {
        if (call->n == call->capacity) {
            size_t capacity = call->capacity ? call->capacity * 2 : 16;
            struct kn_bucket *list = reallocarray(call->list, capacity, sizeof(*list));
            if (!list)
                return kn_fail(err, KN_ENOMEM, "no memory for a list of buckets");
            call->list = list;
            call->capacity = capacity;
        }
        rc = bucket_read(&call->list[call->n++], stmt, err);
    }
    return rc;
}

kn_code kn_bucket_list(struct kn_store *store, struct kn_bucket **out, size_t *out_n,
                       struct kn_error *err)
{
    kn_auto(bucket_call_drop) struct bucket_call call = {0};
    kn_code rc = kn_db_read(store->db, bucket_list_tx, &call, err);
    if (rc != KN_OK)
        return rc;
    *out_n = call.n;
    call.n = 0;
    *out = KN_TAKE(call.list);
    return KN_OK;
}

/* ---- usage ---- */

void kn_store_usage_add(struct kn_store *store, const char *bucket, bool is_write, int64_t bytes_in,
                        int64_t bytes_out)
{
    pthread_mutex_lock(&store->usage_lock);
    size_t i = 0;
    while (i < store->n_usage && strcmp(store->usage[i].bucket, bucket) != 0)
        i++;
    if (i == store->n_usage) {
        struct kn_store_usage *more = reallocarray(store->usage, i + 1, sizeof(*more));
        if (more) {
            store->usage = more;
            store->usage[i] = (struct kn_store_usage){0};
            kn_copy(store->usage[i].bucket, sizeof(store->usage[i].bucket), bucket);
            store->n_usage++;
        }
    }
    if (i < store->n_usage) { // without memory a count is lost, no request is
        struct kn_store_usage *usage = &store->usage[i];
        if (is_write)
            usage->n_writes++;
        else
            usage->n_reads++;
        usage->bytes_in += bytes_in;
        usage->bytes_out += bytes_out;
    }
    pthread_mutex_unlock(&store->usage_lock);
}

struct kn_store_usage *kn_store_usage_take(struct kn_store *store, size_t *out_n)
{
    pthread_mutex_lock(&store->usage_lock);
    struct kn_store_usage *usage = KN_TAKE(store->usage);
    *out_n = store->n_usage;
    store->n_usage = 0;
    pthread_mutex_unlock(&store->usage_lock);
    return usage;
}
