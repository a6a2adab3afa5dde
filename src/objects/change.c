/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changing what is there: deletes, ACLs, copies, appends. Copies share bytes. An append writes past
 * the length the row knows, where no reader looks, syncs, and then moves the length; in S3, which has
 * no such writing, it makes a new file of both.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/crc64.h"
#include "base/encode.h"
#include "base/fs.h"
#include "base/strings.h"
#include "base/time.h"
#include "base/uri.h"
#include "objects/local.h"

/* ---- delete, ACL ---- */

struct delete_call {
    struct kn_store *store;
    const char *bucket;
    const char *const *keys;
    size_t n;
    const char *event;
    size_t n_existed;
};

static kn_code delete_one(struct kn_tx *tx, struct delete_call *call, const char *key,
                          struct kn_error *err)
{
    struct kn_object_row row = {0};
    kn_code rc = kn_object_row_find(tx, call->bucket, key, &row, err);
    if (rc == KN_ENOTFOUND)
        return KN_OK; // the bucket is there: delete_tx() looked
    if (rc != KN_OK)
        return rc;
    rc = kn_tx_run(tx, NULL, err, "DELETE FROM object WHERE bucket = ? AND object_key = ?", "sb",
                   call->bucket, (const void *)key, strlen(key));
    if (rc == KN_OK)
        rc = kn_bytes_release(tx, row.file, row.is_inline, err);
    call->n_existed++;
    const struct kn_object_change change = {.event = call->event,
                                            .bucket = call->bucket,
                                            .key = key,
                                            .info = &row.info,
                                            .size_delta_bytes = -row.info.size_bytes,
                                            .position = -1};
    if (rc == KN_OK)
        rc = kn_object_tell(call->store, tx, &change, err);
    kn_object_info_clear(&row.info);
    return rc;
}

static kn_code delete_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct delete_call *call = context;
    call->n_existed = 0;
    kn_code rc = kn_bucket_check(tx, call->bucket, NULL, err);
    for (size_t i = 0; rc == KN_OK && i < call->n; i++)
        rc = delete_one(tx, call, call->keys[i], err);
    return rc;
}

kn_code kn_object_delete(struct kn_store *store, const char *bucket, const char *key,
                         bool *out_existed, struct kn_error *err)
{
    struct delete_call call = {.store = store, .bucket = bucket, .keys = &key, .n = 1,
                               .event = "ObjectRemoved:DeleteObject"};
    kn_code rc = kn_db_write(store->db, delete_tx, &call, err);
    if (rc == KN_OK && out_existed)
        *out_existed = call.n_existed > 0;
    return rc;
}

kn_code kn_object_delete_many(struct kn_store *store, const char *bucket, const char *const *keys,
                              size_t n, struct kn_error *err)
{
    struct delete_call call = {.store = store, .bucket = bucket, .keys = keys, .n = n,
                               .event = "ObjectRemoved:DeleteObjects"};
    return kn_db_write(store->db, delete_tx, &call, err);
}

struct acl_call {
    const char *bucket, *key, *acl;
};

static kn_code acl_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct acl_call *call = context;
    struct kn_object_row row = {0};
    kn_code rc = kn_object_row_find(tx, call->bucket, call->key, &row, err);
    kn_object_info_clear(&row.info);
    if (rc != KN_OK)
        return rc;
    return kn_tx_run(tx, NULL, err, "UPDATE object SET acl = ? WHERE bucket = ? AND object_key = ?",
                     "ssb", call->acl, call->bucket, (const void *)call->key, strlen(call->key));
}

static bool acl_is_known(const char *acl)
{
    return kn_equal(acl, "default") || kn_equal(acl, "private") || kn_equal(acl, "public-read") ||
           kn_equal(acl, "public-read-write");
}

kn_code kn_object_set_acl(struct kn_store *store, const char *bucket, const char *key,
                          const char *acl, struct kn_error *err)
{
    if (!acl_is_known(acl))
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "'%s' is not an object ACL", acl);
    struct acl_call call = {.bucket = bucket, .key = key, .acl = acl};
    return kn_db_write(store->db, acl_tx, &call, err);
}

/* ---- copy ---- */

struct copy_call {
    struct kn_store *store;
    const struct kn_copy *copy;
    struct kn_object_row row;
    int64_t now_us;
    char version[KN_ID_SIZE];
    char file[KN_ID_SIZE];
};

static void copy_call_clear(struct copy_call *call)
{
    kn_object_info_clear(&call->row.info);
}

// Few bytes are copied with their row: sharing them would cost a count for nothing.
static kn_code copy_inline(struct kn_tx *tx, struct copy_call *call, struct kn_error *err)
{
    kn_code rc = kn_tx_run(tx, NULL, err,
                           "INSERT INTO object_bytes (file, bytes) "
                           "SELECT CAST(? AS TEXT), bytes FROM object_bytes WHERE file = ?",
                           "ss", call->file, call->row.file);
    kn_copy(call->row.file, sizeof(call->row.file), call->file);
    return rc;
}

static kn_code copy_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct copy_call *call = context;
    const struct kn_copy *copy = call->copy;
    struct kn_object_info *info = &call->row.info;
    copy_call_clear(call);
    kn_code rc = kn_object_row_find(tx, copy->from_bucket, copy->from_key, &call->row, err);
    if (rc != KN_OK)
        return rc;
    if (copy->if_version && !kn_equal(copy->if_version, info->version))
        return kn_fail_as(err, KN_ECONFLICT, "PreconditionFailed", "'%s' has changed meanwhile",
                          copy->from_key);
    if (copy->replaces_meta) {
        json_decref(info->meta);
        info->meta = copy->meta ? json_deep_copy(copy->meta) : NULL;
        kn_copy(info->content_type, sizeof(info->content_type),
                copy->content_type ? copy->content_type : "application/octet-stream");
    }
    kn_copy(info->acl, sizeof(info->acl), copy->acl ? copy->acl : "default");
    kn_copy(info->type, sizeof(info->type), "Normal");
    kn_copy(info->version, sizeof(info->version), call->version);
    info->modified_us = call->now_us;
    if (call->row.is_inline && (rc = copy_inline(tx, call, err)) != KN_OK)
        return rc;
    return kn_object_row_put(call->store, tx, copy->to_bucket, copy->to_key, &call->row, NULL,
                             copy->forbid_overwrite, "ObjectCreated:CopyObject", err);
}

kn_code kn_object_copy(struct kn_store *store, const struct kn_copy *copy,
                       struct kn_object_info *out_info, struct kn_error *err)
{
    kn_code rc = kn_object_check_name(store, copy->to_bucket, copy->to_key, copy->forbid_overwrite,
                                      err);
    if (rc != KN_OK)
        return rc;
    kn_auto(copy_call_clear)
        struct copy_call call = {.store = store, .copy = copy, .now_us = kn_now_us()};
    kn_id_hex(call.version);
    kn_id_hex(call.file);
    rc = kn_db_write(store->db, copy_tx, &call, err);
    if (rc == KN_OK && out_info) {
        *out_info = call.row.info;
        call.row.info = (struct kn_object_info){0};
    }
    return rc;
}

/* ---- append ---- */

struct append_call {
    struct kn_object_writer *writer;
    int64_t position;
    struct kn_object_row now; // what is there; file "" when nothing is
    struct kn_object_row next;
};

static void append_call_clear(struct append_call *call)
{
    kn_object_info_clear(&call->now.info);
    call->next.info.meta = NULL; // shared with now or the writer
}

static kn_code append_look_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct append_call *call = context;
    kn_object_info_clear(&call->now.info);
    kn_code rc = kn_object_row_find(tx, call->writer->bucket, call->writer->key, &call->now, err);
    if (rc == KN_ENOTFOUND && err && kn_equal(err->reason, "NoSuchKey")) {
        call->now = (struct kn_object_row){0};
        return KN_OK;
    }
    return rc;
}

static kn_code append_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct append_call *call = context;
    struct kn_object_writer *writer = call->writer;
    struct kn_object_row row = {0};
    kn_code rc = kn_object_row_find(tx, writer->bucket, writer->key, &row, err);
    bool is_same = rc == KN_OK && kn_equal(row.info.version, call->now.info.version);
    if (rc == KN_ENOTFOUND)
        is_same = call->now.file[0] == '\0';
    kn_object_info_clear(&row.info);
    if (rc != KN_OK && rc != KN_ENOTFOUND)
        return rc;
    if (!is_same)
        return kn_fail_as(err, KN_ECONFLICT, "PositionNotEqualToLength",
                          "'%s' was changed by another request", writer->key);
    // An append is no overwriting: only the name's first write is subject to the bucket's rule.
    if (call->now.file[0] == '\0')
        return kn_object_row_put(writer->store, tx, writer->bucket, writer->key, &call->next, NULL,
                                 false, KN_EVENT_APPEND, err);
    const struct kn_object_info *info = &call->next.info;
    rc = kn_tx_run(tx, NULL, err,
                   "UPDATE object SET size_bytes = ?, modified_us = ?, etag = ?, crc64 = ?, "
                   "version = ?, file = ? WHERE bucket = ? AND object_key = ?",
                   "iisisssb", info->size_bytes, info->modified_us, info->etag, (int64_t)info->crc64,
                   info->version, call->next.file, writer->bucket, (const void *)writer->key,
                   strlen(writer->key));
    if (rc == KN_OK && strcmp(call->next.file, call->now.file) != 0)
        rc = kn_bytes_release(tx, call->now.file, false, err);
    const struct kn_object_change change = {
        .event = KN_EVENT_APPEND,
        .bucket = writer->bucket,
        .key = writer->key,
        .info = info,
        .size_delta_bytes = info->size_bytes - call->now.info.size_bytes,
        .position = call->position,
    };
    return rc == KN_OK ? kn_object_tell(writer->store, tx, &change, err) : rc;
}

static kn_code append_check(const struct append_call *call, int64_t *out_length,
                            struct kn_error *err)
{
    const struct kn_object_info *info = &call->now.info;
    *out_length = info->size_bytes;
    if (call->now.file[0] != '\0' && !kn_equal(info->type, "Appendable"))
        return kn_fail_as(err, KN_ECONFLICT, "ObjectNotAppendable",
                          "the object is not appendable");
    if (call->position != info->size_bytes)
        return kn_fail_as(err, KN_ECONFLICT, "PositionNotEqualToLength",
                          "position is not equal to file length");
    return KN_OK;
}

/* Put the writer's bytes behind the object's, in its file or (first append) in the writer's own. */
static kn_code append_bytes(struct append_call *call, struct kn_error *err)
{
    struct kn_object_writer *writer = call->writer;
    const struct kn_object_info *more = &writer->row.info;
    if (call->now.file[0] == '\0') {
        call->next = writer->row;
        kn_copy(call->next.info.type, sizeof(call->next.info.type), "Appendable");
        return KN_OK;
    }
    call->next = call->now;
    struct kn_object_info *info = &call->next.info;
    info->size_bytes += more->size_bytes;
    info->modified_us = more->modified_us;
    info->crc64 = kn_crc64_combine(info->crc64, more->crc64, (uint64_t)more->size_bytes);
    kn_copy(info->version, sizeof(info->version), more->version);
    // The cloud's ETag of an appendable object is no MD5 either: one that changes with each append.
    char both[2 * sizeof(info->etag)];
    uint8_t md5[KN_MD5_BYTES];
    int n = snprintf(both, sizeof(both), "%s%s", call->now.info.etag, more->etag);
    kn_md5(md5, both, (size_t)n);
    kn_hex_upper(info->etag, md5, sizeof(md5));

    struct kn_bytes_piece pieces[] = {{call->now.file, call->position},
                                      {writer->row.file, more->size_bytes}};
    return writer->store->s3
               ? kn_bytes_join(writer->store, pieces, 2, call->next.file, err)
               : kn_bytes_append(writer->store, call->now.file, call->position, &pieces[1], err);
}

static pthread_mutex_t *append_lock(struct kn_object_writer *writer)
{
    uint64_t hash = kn_crc64(kn_crc64(0, writer->bucket, strlen(writer->bucket)), writer->key,
                             strlen(writer->key));
    return &writer->store->append_locks[hash % KN_N_APPEND_LOCKS];
}

static void unlock(pthread_mutex_t **lock)
{
    if (*lock)
        pthread_mutex_unlock(*lock);
}

kn_code kn_object_append(struct kn_object_writer *writer, int64_t position, int64_t *out_length,
                         struct kn_object_info *out_info, struct kn_error *err)
{
    struct kn_error local = {0};
    if (!err)
        err = &local;
    kn_code rc = kn_object_writer_end(writer, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(append_call_clear)
        struct append_call call = {.writer = writer, .position = position};
    kn_auto(unlock) pthread_mutex_t *lock = append_lock(writer);
    pthread_mutex_lock(lock);
    rc = kn_db_read(writer->store->db, append_look_tx, &call, err);
    if (rc == KN_OK)
        rc = append_check(&call, out_length, err);
    if (rc == KN_OK)
        rc = append_bytes(&call, err);
    if (rc == KN_OK)
        rc = kn_db_write(writer->store->db, append_tx, &call, err);
    if (call.now.file[0] == '\0')
        writer->is_visible = rc == KN_OK || rc == KN_EIO;
    else if (rc != KN_OK && rc != KN_EIO && call.next.file[0] != '\0' &&
             strcmp(call.next.file, call.now.file) != 0)
        kn_bytes_unlink(writer->store, call.next.file); // joined for nothing
    if (rc != KN_OK)
        return rc;
    *out_length = call.next.info.size_bytes;
    if (out_info) {
        *out_info = call.next.info;
        out_info->meta = NULL;
    }
    return KN_OK;
}
