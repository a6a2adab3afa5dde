/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows of objects. kn_object_row_put() is the single door through which an object becomes visible;
 * every rule that must hold at that moment is checked there, inside the transaction.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "objects/local.h"

void kn_object_info_clear(struct kn_object_info *info)
{
    json_decref(info->meta);
    *info = (struct kn_object_info){0};
}

void kn_object_row_read(struct kn_object_row *row, struct kn_stmt *stmt, int first)
{
    *row = (struct kn_object_row){0};
    struct kn_object_info *info = &row->info;
    info->size_bytes = kn_stmt_int(stmt, first);
    info->modified_us = kn_stmt_int(stmt, first + 1);
    kn_copy(info->etag, sizeof(info->etag), kn_stmt_text(stmt, first + 2));
    info->crc64 = (uint64_t)kn_stmt_int(stmt, first + 3);
    info->has_crc64 = kn_stmt_int(stmt, first + 4) != 0;
    kn_copy(info->content_type, sizeof(info->content_type), kn_stmt_text(stmt, first + 5));
    kn_copy(info->type, sizeof(info->type), kn_stmt_text(stmt, first + 6));
    kn_copy(info->acl, sizeof(info->acl), kn_stmt_text(stmt, first + 7));
    kn_copy(info->version, sizeof(info->version), kn_stmt_text(stmt, first + 8));
    const char *meta = kn_stmt_text(stmt, first + 9);
    if (meta)
        info->meta = json_loads(meta, 0, NULL);
    kn_copy(row->file, sizeof(row->file), kn_stmt_text(stmt, first + 10));
    row->is_inline = kn_stmt_int(stmt, first + 11) != 0;
}

kn_code kn_bucket_check(struct kn_tx *tx, const char *bucket, bool *out_forbid,
                        struct kn_error *err)
{
    // SQLite has one writer; in PostgreSQL the bucket must not vanish before this commit.
    const char *sql = kn_tx_is_postgres(tx)
                          ? "SELECT forbid_overwrite FROM bucket WHERE name = ? FOR SHARE"
                          : "SELECT forbid_overwrite FROM bucket WHERE name = ?";
    struct kn_stmt *stmt;
    bool has_row;
    kn_code rc = kn_tx_query(tx, &stmt, err, sql, "s", bucket);
    if (rc != KN_OK || (rc = kn_stmt_step(stmt, &has_row, err)) != KN_OK)
        return rc;
    if (!has_row)
        return kn_fail_as(err, KN_ENOTFOUND, "NoSuchBucket", "there is no bucket '%s'", bucket);
    if (out_forbid)
        *out_forbid = kn_stmt_int(stmt, 0) != 0;
    return KN_OK;
}

kn_code kn_bucket_exists(struct kn_tx *tx, const char *bucket, struct kn_error *err)
{
    struct kn_stmt *stmt;
    bool has_row;
    kn_code rc = kn_tx_query(tx, &stmt, err, "SELECT 1 FROM bucket WHERE name = ?", "s", bucket);
    if (rc != KN_OK || (rc = kn_stmt_step(stmt, &has_row, err)) != KN_OK || has_row)
        return rc;
    return kn_fail_as(err, KN_ENOTFOUND, "NoSuchBucket", "there is no bucket '%s'", bucket);
}

kn_code kn_object_row_find(struct kn_tx *tx, const char *bucket, const char *key,
                           struct kn_object_row *out, struct kn_error *err)
{
    struct kn_stmt *stmt;
    bool has_row;
    kn_code rc = kn_tx_query(tx, &stmt, err,
                             "SELECT " KN_OBJECT_COLUMNS
                             " FROM object WHERE bucket = ? AND object_key = ?",
                             "sb", bucket, (const void *)key, strlen(key));
    if (rc != KN_OK || (rc = kn_stmt_step(stmt, &has_row, err)) != KN_OK)
        return rc;
    if (has_row) {
        kn_object_row_read(out, stmt, 0);
        return KN_OK;
    }
    rc = kn_bucket_exists(tx, bucket, err);
    if (rc != KN_OK)
        return rc;
    return kn_fail_as(err, KN_ENOTFOUND, "NoSuchKey", "there is no object '%s' in '%s'", key,
                      bucket);
}

kn_code kn_bytes_release(struct kn_tx *tx, const char *file, bool is_inline, struct kn_error *err)
{
    struct kn_stmt *stmt;
    bool has_row;
    kn_code rc = kn_tx_query(tx, &stmt, err, "SELECT 1 FROM object WHERE file = ? LIMIT 1", "s",
                             file);
    if (rc != KN_OK || (rc = kn_stmt_step(stmt, &has_row, err)) != KN_OK)
        return rc;
    if (has_row)
        return KN_OK; // a copy shares it
    if (is_inline)
        return kn_tx_run(tx, NULL, err, "DELETE FROM object_bytes WHERE file = ?", "s", file);
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO object_garbage (file, since_us) VALUES (?, ?) "
                     "ON CONFLICT (file) DO NOTHING",
                     "si", file, kn_now_us());
}

kn_code kn_object_tell(struct kn_store *store, struct kn_tx *tx, const struct kn_object_change *change,
                       struct kn_error *err)
{
    return store->hook ? store->hook(tx, change, store->hook_context, err) : KN_OK;
}

static kn_code row_insert(struct kn_tx *tx, const char *bucket, const char *key,
                          const struct kn_object_row *row, bool replaces, int64_t *out_changes,
                          struct kn_error *err)
{
#define INSERT_OBJECT                                                                              \
    "INSERT INTO object (bucket, object_key, " KN_OBJECT_COLUMNS                                   \
    ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (bucket, object_key) DO "
    static const char *const keep = INSERT_OBJECT "NOTHING";
    static const char *const replace =
        INSERT_OBJECT "UPDATE SET size_bytes = excluded.size_bytes, "
                      "modified_us = excluded.modified_us, etag = excluded.etag, "
                      "crc64 = excluded.crc64, has_crc64 = excluded.has_crc64, "
                      "content_type = excluded.content_type, type = excluded.type, "
                      "acl = excluded.acl, version = excluded.version, meta = excluded.meta, "
                      "file = excluded.file, is_inline = excluded.is_inline";
#undef INSERT_OBJECT
    const struct kn_object_info *info = &row->info;
    kn_auto(kn_free) char *meta = info->meta ? kn_json_text(info->meta) : NULL;
    return kn_tx_run(tx, out_changes, err, replaces ? replace : keep, "sbiisiissssssi", bucket,
                     (const void *)key, strlen(key), info->size_bytes, info->modified_us,
                     info->etag, (int64_t)info->crc64, (int64_t)info->has_crc64,
                     info->content_type, info->type, info->acl, info->version, meta, row->file,
                     (int64_t)row->is_inline);
}

kn_code kn_object_row_put(struct kn_store *store, struct kn_tx *tx, const char *bucket,
                          const char *key, const struct kn_object_row *row, const void *bytes,
                          bool forbid_overwrite, const char *event, struct kn_error *err)
{
    bool bucket_forbids = false;
    kn_code rc = kn_bucket_check(tx, bucket, &bucket_forbids, err);
    if (rc != KN_OK)
        return rc;

    struct kn_object_row old = {0};
    struct kn_stmt *stmt;
    bool existed = false;
    rc = kn_tx_query(tx, &stmt, err,
                     "SELECT file, is_inline, size_bytes FROM object"
                     " WHERE bucket = ? AND object_key = ?",
                     "sb", bucket, (const void *)key, strlen(key));
    if (rc != KN_OK || (rc = kn_stmt_step(stmt, &existed, err)) != KN_OK)
        return rc;
    if (existed) {
        kn_copy(old.file, sizeof(old.file), kn_stmt_text(stmt, 0));
        old.is_inline = kn_stmt_int(stmt, 1) != 0;
        old.info.size_bytes = kn_stmt_int(stmt, 2);
    }

    int64_t n_changed = 0;
    bool forbids = forbid_overwrite || bucket_forbids;
    rc = row_insert(tx, bucket, key, row, !forbids, &n_changed, err);
    if (rc != KN_OK)
        return rc;
    if (forbids && n_changed == 0)
        return kn_fail_as(err, KN_ECONFLICT, "FileAlreadyExists",
                          "the object '%s' exists in '%s' and must not be overwritten", key,
                          bucket);
    if (bytes) {
        rc = kn_tx_run(tx, NULL, err, "INSERT INTO object_bytes (file, bytes) VALUES (?, ?)", "sb",
                       row->file, bytes, (size_t)row->info.size_bytes);
        if (rc != KN_OK)
            return rc;
    }
    if (existed && strcmp(old.file, row->file) != 0) {
        rc = kn_bytes_release(tx, old.file, old.is_inline, err);
        if (rc != KN_OK)
            return rc;
    }
    const struct kn_object_change change = {
        .event = event,
        .bucket = bucket,
        .key = key,
        .info = &row->info,
        .size_delta_bytes = row->info.size_bytes - old.info.size_bytes,
        .position = strcmp(event, KN_EVENT_APPEND) == 0 ? 0 : -1,
    };
    return kn_object_tell(store, tx, &change, err);
}
