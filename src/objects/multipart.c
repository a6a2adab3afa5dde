/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Multipart uploads. Each part is a file of its own, as durable as an object when it is answered.
 * Completion joins them into one file (so that every reader has one), syncs it, and then one transaction checks that upload and parts are still those, makes the object and
 * forgets the upload.
 */
#include "objects/multipart.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/crc64.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/time.h"
#include "objects/local.h"

static kn_code upload_find(struct kn_tx *tx, const char *bucket, const char *key,
                           const char *upload_id, struct kn_stmt **out, struct kn_error *err)
{
    bool has_row;
    kn_code rc = kn_tx_query(tx, out, err,
                             "SELECT content_type, acl, meta, forbid_overwrite FROM upload "
                             "WHERE id = ? AND bucket = ? AND object_key = ?",
                             "ssb", upload_id, bucket, (const void *)key, strlen(key));
    if (rc != KN_OK || (rc = kn_stmt_step(*out, &has_row, err)) != KN_OK || has_row)
        return rc;
    return kn_fail_as(err, KN_ENOTFOUND, "NoSuchUpload",
                      "the upload '%s' does not exist; it may have been aborted or completed",
                      upload_id);
}

/* ---- create ---- */

struct create_call {
    const char *bucket, *key, *id;
    const struct kn_put_options *options;
};

static kn_code create_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct create_call *call = context;
    const struct kn_put_options *options = call->options;
    kn_code rc = kn_bucket_check(tx, call->bucket, NULL, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_free) char *meta = options->meta ? kn_json_text(options->meta) : NULL;
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO upload (id, bucket, object_key, created_us, content_type, acl, "
                     "meta, forbid_overwrite) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                     "ssbisssi", call->id, call->bucket, (const void *)call->key,
                     strlen(call->key), kn_now_us(),
                     options->content_type ? options->content_type : "application/octet-stream",
                     options->acl ? options->acl : "default", meta,
                     (int64_t)options->forbid_overwrite);
}

kn_code kn_upload_create(struct kn_store *store, const char *bucket, const char *key,
                         const struct kn_put_options *options, char out_id[KN_ID_SIZE],
                         struct kn_error *err)
{
    kn_code rc = kn_object_check_name(store, bucket, key, options->forbid_overwrite, err);
    if (rc != KN_OK)
        return rc;
    kn_id_upper(out_id);
    struct create_call call = {.bucket = bucket, .key = key, .id = out_id, .options = options};
    return kn_db_write(store->db, create_tx, &call, err);
}

/* ---- parts ---- */

struct part_call {
    const char *bucket, *key, *upload_id;
    struct kn_object_writer *writer;
};

static kn_code part_look_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct part_call *call = context;
    struct kn_stmt *stmt;
    return upload_find(tx, call->bucket, call->key, call->upload_id, &stmt, err);
}

kn_code kn_upload_part_create(struct kn_store *store, const char *bucket, const char *key,
                              const char *upload_id, int number, const char *content_md5,
                              struct kn_object_writer **out, struct kn_error *err)
{
    if (number < 1 || number > KN_MAX_PARTS)
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                          "part number must be an integer between 1 and %d", KN_MAX_PARTS);
    struct part_call call = {.bucket = bucket, .key = key, .upload_id = upload_id};
    kn_code rc = kn_db_read(store->db, part_look_tx, &call, err);
    if (rc != KN_OK)
        return rc;
    struct kn_put_options options = {.content_md5 = content_md5, .is_append = true};
    rc = kn_object_create(store, bucket, key, &options, out, err);
    if (rc != KN_OK)
        return rc;
    kn_copy((*out)->upload_id, sizeof((*out)->upload_id), upload_id);
    (*out)->part_number = number;
    return KN_OK;
}

static kn_code part_commit_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct kn_object_writer *writer = context;
    const struct kn_object_info *info = &writer->row.info;
    int64_t number = writer->part_number;
    struct kn_stmt *stmt;
    kn_code rc = upload_find(tx, writer->bucket, writer->key, writer->upload_id, &stmt, err);
    if (rc != KN_OK)
        return rc;
    bool existed = false;
    char old[KN_ID_SIZE] = "";
    rc = kn_tx_query(tx, &stmt, err,
                     "SELECT file FROM upload_part WHERE upload_id = ? AND number = ?", "si",
                     writer->upload_id, number);
    if (rc != KN_OK || (rc = kn_stmt_step(stmt, &existed, err)) != KN_OK)
        return rc;
    if (existed)
        kn_copy(old, sizeof(old), kn_stmt_text(stmt, 0));
    rc = kn_tx_run(tx, NULL, err,
                   "INSERT INTO upload_part (upload_id, number, size_bytes, modified_us, etag, "
                   "crc64, file) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (upload_id, number) "
                   "DO UPDATE SET size_bytes = excluded.size_bytes, "
                   "modified_us = excluded.modified_us, etag = excluded.etag, "
                   "crc64 = excluded.crc64, file = excluded.file",
                   "siiisis", writer->upload_id, number, info->size_bytes, info->modified_us,
                   info->etag, (int64_t)info->crc64, writer->row.file);
    if (rc == KN_OK && existed)
        rc = kn_bytes_release(tx, old, false, err);
    return rc;
}

kn_code kn_upload_part_commit(struct kn_object_writer *writer, struct kn_part *out,
                              struct kn_error *err)
{
    kn_code rc = kn_object_writer_end(writer, err);
    if (rc != KN_OK)
        return rc;
    rc = kn_db_write(writer->store->db, part_commit_tx, writer, err);
    writer->is_visible = rc == KN_OK || rc == KN_EIO;
    if (rc != KN_OK)
        return rc;
    const struct kn_object_info *info = &writer->row.info;
    *out = (struct kn_part){.number = writer->part_number,
                            .size_bytes = info->size_bytes,
                            .modified_us = info->modified_us,
                            .crc64 = info->crc64};
    kn_copy(out->etag, sizeof(out->etag), info->etag);
    return KN_OK;
}

/* ---- complete ---- */

struct stored_part {
    struct kn_part part;
    char file[KN_ID_SIZE];
};

struct complete_call {
    struct kn_store *store;
    const char *bucket, *key, *upload_id;
    struct stored_part *stored; // owned: all parts there are, ascending
    size_t n_stored;
    const struct stored_part **chosen; // owned: those of the request
    size_t n_chosen;
    struct kn_object_row row;
    bool forbids;
};

static void complete_call_clear(struct complete_call *call)
{
    free(call->stored);
    free(call->chosen);
    kn_object_info_clear(&call->row.info);
    *call = (struct complete_call){0};
}

static kn_code parts_read(struct kn_tx *tx, const char *upload_id, int after, int max,
                          struct stored_part **out, size_t *out_n, struct kn_error *err)
{
    free(*out);
    *out_n = 0;
    *out = NULL;
    size_t capacity = 0;
    struct kn_stmt *stmt;
    kn_code rc = kn_tx_query(tx, &stmt, err,
                             "SELECT number, size_bytes, modified_us, etag, crc64, file "
                             "FROM upload_part WHERE upload_id = ? AND number > ? "
                             "ORDER BY number LIMIT ?",
                             "sii", upload_id, (int64_t)after, (int64_t)max);
    bool has_row;
    while (rc == KN_OK && (rc = kn_stmt_step(stmt, &has_row, err)) == KN_OK && has_row) {
        if (*out_n == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            struct stored_part *more = reallocarray(*out, capacity, sizeof(*more));
            if (!more)
                return kn_fail(err, KN_ENOMEM, "no memory for a list of parts");
            *out = more;
        }
        struct stored_part *stored = &(*out)[(*out_n)++];
        *stored = (struct stored_part){.part = {.number = (int)kn_stmt_int(stmt, 0),
                                                .size_bytes = kn_stmt_int(stmt, 1),
                                                .modified_us = kn_stmt_int(stmt, 2),
                                                .crc64 = (uint64_t)kn_stmt_int(stmt, 4)}};
        kn_copy(stored->part.etag, sizeof(stored->part.etag), kn_stmt_text(stmt, 3));
        kn_copy(stored->file, sizeof(stored->file), kn_stmt_text(stmt, 5));
    }
    return rc;
}

static kn_code complete_look_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct complete_call *call = context;
    struct kn_object_info *info = &call->row.info;
    kn_object_info_clear(info);
    struct kn_stmt *stmt;
    kn_code rc = upload_find(tx, call->bucket, call->key, call->upload_id, &stmt, err);
    if (rc != KN_OK)
        return rc;
    kn_copy(info->content_type, sizeof(info->content_type), kn_stmt_text(stmt, 0));
    kn_copy(info->acl, sizeof(info->acl), kn_stmt_text(stmt, 1));
    const char *meta = kn_stmt_text(stmt, 2);
    if (meta)
        info->meta = json_loads(meta, 0, NULL);
    call->forbids = kn_stmt_int(stmt, 3) != 0;
    return parts_read(tx, call->upload_id, 0, KN_MAX_PARTS, &call->stored, &call->n_stored, err);
}

static const struct stored_part *stored_find(const struct complete_call *call, int number)
{
    size_t low = 0;
    size_t high = call->n_stored;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (call->stored[middle].part.number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < call->n_stored && call->stored[low].part.number == number ? &call->stored[low]
                                                                           : NULL;
}

static kn_code parts_choose(struct complete_call *call, const struct kn_part *parts, size_t n,
                            int64_t min_part_bytes, struct kn_error *err)
{
    call->n_chosen = parts ? n : call->n_stored;
    call->chosen = calloc(call->n_chosen + 1, sizeof(*call->chosen));
    if (!call->chosen)
        return kn_fail(err, KN_ENOMEM, "no memory to complete an upload");
    if (call->n_chosen == 0)
        return kn_fail_as(err, KN_EINVAL, "InvalidPart", "an upload has at least one part");
    for (size_t i = 0; i < call->n_chosen; i++) {
        if (parts && i > 0 && parts[i].number <= parts[i - 1].number)
            return kn_fail_as(err, KN_EINVAL, "InvalidPartOrder",
                              "the list of parts was not in ascending order");
        const struct stored_part *stored =
            parts ? stored_find(call, parts[i].number) : &call->stored[i];
        if (!stored || (parts && !kn_equal_nocase(parts[i].etag, stored->part.etag)))
            return kn_fail_as(err, KN_EINVAL, "InvalidPart",
                              "part %d was not uploaded, or its ETag does not match",
                              parts[i].number);
        if (i + 1 < call->n_chosen && stored->part.size_bytes < min_part_bytes)
            return kn_fail_as(err, KN_EINVAL, "EntityTooSmall",
                              "part %d is smaller than the minimum allowed size",
                              stored->part.number);
        call->chosen[i] = stored;
    }
    return KN_OK;
}

// The ETag: MD5 of the parts' binary MD5s, and how many they are.
static void complete_digest(struct complete_call *call, struct kn_digest *md5)
{
    struct kn_object_info *info = &call->row.info;
    for (size_t i = 0; i < call->n_chosen; i++) {
        const struct kn_part *part = &call->chosen[i]->part;
        uint8_t raw[KN_MD5_BYTES] = {0};
        (void)kn_unhex(raw, sizeof(raw), part->etag); // our own digits
        kn_digest_add(md5, raw, sizeof(raw));
        info->crc64 = i == 0 ? part->crc64
                             : kn_crc64_combine(info->crc64, part->crc64,
                                                (uint64_t)part->size_bytes);
        info->size_bytes += part->size_bytes;
    }
    uint8_t raw[KN_MD5_BYTES];
    char hex[2 * KN_MD5_BYTES + 1];
    kn_digest_end(md5, raw);
    kn_hex_upper(hex, raw, sizeof(raw));
    (void)snprintf(info->etag, sizeof(info->etag), "%s-%zu", hex, call->n_chosen);
    info->has_crc64 = true;
    info->modified_us = kn_now_us();
    kn_copy(info->type, sizeof(info->type), "Multipart");
    kn_id_hex(info->version);
}

static kn_code parts_join(struct complete_call *call, struct kn_error *err)
{
    if (call->n_chosen == 1) { // its file is the object's
        kn_copy(call->row.file, sizeof(call->row.file), call->chosen[0]->file);
        return KN_OK;
    }
    kn_auto(kn_free) struct kn_bytes_piece *pieces = calloc(call->n_chosen, sizeof(*pieces));
    if (!pieces)
        return kn_fail(err, KN_ENOMEM, "no memory to complete an upload");
    for (size_t i = 0; i < call->n_chosen; i++)
        pieces[i] = (struct kn_bytes_piece){call->chosen[i]->file, call->chosen[i]->part.size_bytes};
    return kn_bytes_join(call->store, pieces, call->n_chosen, call->row.file, err);
}

static kn_code upload_forget(struct kn_tx *tx, const char *upload_id, struct kn_error *err)
{
    struct stored_part *stored = NULL;
    size_t n = 0;
    kn_code rc = parts_read(tx, upload_id, 0, KN_MAX_PARTS, &stored, &n, err);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err, "DELETE FROM upload_part WHERE upload_id = ?", "s",
                       upload_id);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err, "DELETE FROM upload WHERE id = ?", "s", upload_id);
    for (size_t i = 0; rc == KN_OK && i < n; i++)
        rc = kn_bytes_release(tx, stored[i].file, false, err);
    free(stored);
    return rc;
}

static kn_code complete_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct complete_call *call = context;
    struct kn_stmt *stmt;
    kn_code rc = upload_find(tx, call->bucket, call->key, call->upload_id, &stmt, err);
    for (size_t i = 0; rc == KN_OK && i < call->n_chosen; i++) {
        bool has_row;
        rc = kn_tx_query(tx, &stmt, err,
                         "SELECT 1 FROM upload_part WHERE upload_id = ? AND number = ? "
                         "AND file = ?",
                         "sis", call->upload_id, (int64_t)call->chosen[i]->part.number,
                         call->chosen[i]->file);
        if (rc == KN_OK && (rc = kn_stmt_step(stmt, &has_row, err)) == KN_OK && !has_row)
            return kn_fail_as(err, KN_EINVAL, "InvalidPart", "part %d was replaced meanwhile",
                              call->chosen[i]->part.number);
    }
    if (rc == KN_OK)
        rc = kn_object_row_put(call->store, tx, call->bucket, call->key, &call->row, NULL,
                               call->forbids, "ObjectCreated:CompleteMultipartUpload", err);
    return rc == KN_OK ? upload_forget(tx, call->upload_id, err) : rc;
}

kn_code kn_upload_complete(struct kn_store *store, const char *bucket, const char *key,
                           const char *upload_id, const struct kn_part *parts, size_t n,
                           int64_t min_part_bytes, struct kn_object_info *out_info,
                           struct kn_error *err)
{
    kn_auto(complete_call_clear) struct complete_call call = {
        .store = store, .bucket = bucket, .key = key, .upload_id = upload_id};
    kn_code rc = kn_db_read(store->db, complete_look_tx, &call, err);
    if (rc == KN_OK)
        rc = parts_choose(&call, parts, n, min_part_bytes, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_digest_free) struct kn_digest *md5 = kn_digest_new(KN_DIGEST_MD5);
    if (!md5)
        return kn_fail(err, KN_ENOMEM, "no memory to complete an upload");
    complete_digest(&call, md5);
    rc = parts_join(&call, err);
    if (rc == KN_OK)
        rc = kn_db_write(store->db, complete_tx, &call, err);
    if (rc != KN_OK && rc != KN_EIO && call.n_chosen > 1 && call.row.file[0])
        kn_bytes_unlink(store, call.row.file);
    if (rc == KN_OK && out_info) {
        *out_info = call.row.info;
        call.row.info.meta = NULL;
    }
    return rc;
}

/* ---- abort, expire ---- */

static kn_code abort_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct part_call *call = context;
    struct kn_stmt *stmt;
    kn_code rc = upload_find(tx, call->bucket, call->key, call->upload_id, &stmt, err);
    return rc == KN_OK ? upload_forget(tx, call->upload_id, err) : rc;
}

kn_code kn_upload_abort(struct kn_store *store, const char *bucket, const char *key,
                        const char *upload_id, struct kn_error *err)
{
    struct part_call call = {.bucket = bucket, .key = key, .upload_id = upload_id};
    return kn_db_write(store->db, abort_tx, &call, err);
}

struct expire_call {
    int64_t before_us;
    size_t n;
};

static kn_code expire_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct expire_call *call = context;
    char ids[100][KN_ID_SIZE];
    size_t n = 0;
    struct kn_stmt *stmt;
    kn_code rc = kn_tx_query(tx, &stmt, err, "SELECT id FROM upload WHERE created_us < ? LIMIT ?",
                             "ii", call->before_us, (int64_t)KN_COUNT(ids));
    bool has_row;
    while (rc == KN_OK && (rc = kn_stmt_step(stmt, &has_row, err)) == KN_OK && has_row)
        kn_copy(ids[n++], KN_ID_SIZE, kn_stmt_text(stmt, 0));
    for (size_t i = 0; rc == KN_OK && i < n; i++)
        rc = upload_forget(tx, ids[i], err);
    call->n = n;
    return rc;
}

kn_code kn_upload_expire(struct kn_store *store, int64_t before_us, size_t *out_n,
                         struct kn_error *err)
{
    size_t n = 0;
    struct expire_call call = {.before_us = before_us};
    do {
        kn_code rc = kn_db_write(store->db, expire_tx, &call, err);
        if (rc != KN_OK)
            return rc;
        n += call.n;
    } while (call.n > 0);
    if (out_n)
        *out_n = n;
    return KN_OK;
}

/* ---- lists ---- */

struct parts_call {
    const char *bucket, *key, *upload_id;
    int after, max;
    struct stored_part *stored; // owned
    size_t n;
};

static kn_code parts_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct parts_call *call = context;
    struct kn_stmt *stmt;
    kn_code rc = upload_find(tx, call->bucket, call->key, call->upload_id, &stmt, err);
    if (rc != KN_OK)
        return rc;
    return parts_read(tx, call->upload_id, call->after, call->max + 1, &call->stored, &call->n,
                      err);
}

kn_code kn_upload_parts(struct kn_store *store, const char *bucket, const char *key,
                        const char *upload_id, int after_number, int max, struct kn_part **out,
                        size_t *out_n, bool *out_is_truncated, struct kn_error *err)
{
    struct parts_call call = {.bucket = bucket, .key = key, .upload_id = upload_id,
                              .after = after_number, .max = max};
    kn_code rc = kn_db_read(store->db, parts_tx, &call, err);
    kn_auto(kn_free) struct stored_part *stored = call.stored;
    if (rc != KN_OK)
        return rc;
    *out_is_truncated = call.n > (size_t)max;
    *out_n = *out_is_truncated ? (size_t)max : call.n;
    *out = calloc(*out_n + 1, sizeof(**out));
    if (!*out)
        return kn_fail(err, KN_ENOMEM, "no memory for a list of parts");
    for (size_t i = 0; i < *out_n; i++)
        (*out)[i] = stored[i].part;
    return KN_OK;
}

struct uploads_call {
    const char *bucket, *prefix, *after_key, *after_id;
    int max;
    struct kn_upload *uploads; // owned
    size_t n;
    bool is_truncated;
};

void kn_upload_list_free(struct kn_upload **uploads, size_t n)
{
    for (size_t i = 0; *uploads && i < n; i++)
        free((*uploads)[i].key);
    free(*uploads);
    *uploads = NULL;
}

static kn_code uploads_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct uploads_call *call = context;
    kn_upload_list_free(&call->uploads, call->n);
    call->n = 0;
    call->is_truncated = false;
    kn_code rc = kn_bucket_exists(tx, call->bucket, err);
    if (rc != KN_OK)
        return rc;
    call->uploads = calloc((size_t)call->max, sizeof(*call->uploads));
    if (!call->uploads)
        return kn_fail(err, KN_ENOMEM, "no memory for a list of uploads");
    bool from_prefix = strcmp(call->after_key, call->prefix) < 0;
    const char *from = from_prefix ? call->prefix : call->after_key;
    // With a key marker alone, the list goes on behind that key; with both, behind that upload.
    const char *sql = from_prefix || call->after_key[0] == '\0'
                          ? "SELECT object_key, id, created_us FROM upload WHERE bucket = ? "
                            "AND object_key >= ? AND id > ? ORDER BY object_key, id LIMIT ?"
                      : call->after_id[0] != '\0'
                          ? "SELECT object_key, id, created_us FROM upload WHERE bucket = ? "
                            "AND (object_key, id) > (?, ?) ORDER BY object_key, id LIMIT ?"
                          : "SELECT object_key, id, created_us FROM upload WHERE bucket = ? "
                            "AND object_key > ? AND id > ? ORDER BY object_key, id LIMIT ?";
    bool needs_id = !from_prefix && call->after_key[0] != '\0';
    struct kn_stmt *stmt;
    rc = kn_tx_query(tx, &stmt, err, sql, "sbsi", call->bucket, (const void *)from, strlen(from),
                     needs_id ? call->after_id : "", (int64_t)call->max + 1);
    bool has_row;
    while (rc == KN_OK && (rc = kn_stmt_step(stmt, &has_row, err)) == KN_OK && has_row) {
        size_t n = 0;
        const char *key = kn_stmt_blob(stmt, 0, &n);
        size_t n_prefix = strlen(call->prefix);
        if (n < n_prefix || memcmp(key, call->prefix, n_prefix) != 0)
            break;
        if (call->n == (size_t)call->max) {
            call->is_truncated = true;
            break;
        }
        struct kn_upload *upload = &call->uploads[call->n++];
        upload->key = strndup(key, n);
        if (!upload->key)
            return kn_fail(err, KN_ENOMEM, "no memory for a list of uploads");
        kn_copy(upload->id, sizeof(upload->id), kn_stmt_text(stmt, 1));
        upload->created_us = kn_stmt_int(stmt, 2);
    }
    return rc;
}

kn_code kn_upload_list(struct kn_store *store, const char *bucket, const char *prefix,
                       const char *after_key, const char *after_id, int max,
                       struct kn_upload **out, size_t *out_n, bool *out_is_truncated,
                       struct kn_error *err)
{
    struct uploads_call call = {.bucket = bucket, .prefix = prefix, .after_key = after_key,
                                .after_id = after_id, .max = max};
    kn_code rc = kn_db_read(store->db, uploads_tx, &call, err);
    if (rc != KN_OK) {
        kn_upload_list_free(&call.uploads, call.n);
        return rc;
    }
    *out = call.uploads;
    *out_n = call.n;
    *out_is_truncated = call.is_truncated;
    return KN_OK;
}
