/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing. Bytes collect in memory while they are few and in a file of their own after that; MD5 and
 * CRC-64 are made as they pass. Nothing is visible before kn_object_commit(), which
 *
 *   few bytes    commits one transaction: bytes and row together
 *   many bytes   syncs the file, then its folder, then commits the row
 *
 * and is safe because the row comes last: a crash before it leaves a stray file for the sweep, a
 * crash after it finds bytes and name on the disk. Commits of many threads share one sync of the
 * database's log (db/), so small objects cost a share of one sync each.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/crc64.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"
#include "base/uri.h"
#include "objects/local.h"

struct check_call {
    const char *bucket, *key;
    bool forbids, is_append;
};

// Asked before the bytes are taken, so that a client learns early; asked again at commit.
static kn_code check_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct check_call *call = context;
    struct kn_stmt *stmt;
    bool has_row;
    kn_code rc = kn_tx_query(tx, &stmt, err,
                             "SELECT forbid_overwrite, (SELECT COUNT(*) FROM object "
                             "WHERE bucket = ? AND object_key = ?) FROM bucket WHERE name = ?",
                             "sbs", call->bucket, (const void *)call->key, strlen(call->key),
                             call->bucket);
    if (rc != KN_OK || (rc = kn_stmt_step(stmt, &has_row, err)) != KN_OK)
        return rc;
    if (!has_row)
        return kn_fail_as(err, KN_ENOTFOUND, "NoSuchBucket", "there is no bucket '%s'",
                          call->bucket);
    if (call->is_append)
        return KN_OK; // bytes are added, none replaced
    if ((call->forbids || kn_stmt_int(stmt, 0) != 0) && kn_stmt_int(stmt, 1) != 0)
        return kn_fail_as(err, KN_ECONFLICT, "FileAlreadyExists",
                          "the object '%s' exists in '%s' and must not be overwritten", call->key,
                          call->bucket);
    return KN_OK;
}

static kn_code name_check(struct kn_store *store, const char *bucket, const char *key,
                          bool forbid_overwrite, bool is_append, struct kn_error *err)
{
    if (!kn_uri_key_is_valid(key))
        return kn_fail_as(err, KN_EINVAL, "InvalidObjectName", "'%s' is not an object name", key);
    struct check_call call = {
        .bucket = bucket, .key = key, .forbids = forbid_overwrite, .is_append = is_append};
    return kn_db_read(store->db, check_tx, &call, err);
}

kn_code kn_object_check_name(struct kn_store *store, const char *bucket, const char *key,
                             bool forbid_overwrite, struct kn_error *err)
{
    return name_check(store, bucket, key, forbid_overwrite, false, err);
}

kn_code kn_object_create(struct kn_store *store, const char *bucket, const char *key,
                         const struct kn_put_options *options, struct kn_object_writer **out,
                         struct kn_error *err)
{
    static const struct kn_put_options plain = {0};
    if (!options)
        options = &plain;
    kn_code rc = name_check(store, bucket, key, options->forbid_overwrite, options->is_append, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return kn_fail(err, KN_ENOMEM, "no memory to write '%s'", key);
    writer->store = store;
    writer->inline_limit = options->is_append ? 0 : KN_INLINE_BYTES;
    writer->key = strdup(key);
    writer->md5 = kn_digest_new(KN_DIGEST_MD5);
    if (!writer->key || !writer->md5)
        return kn_fail(err, KN_ENOMEM, "no memory to write '%s'", key);
    kn_copy(writer->bucket, sizeof(writer->bucket), bucket);
    kn_copy(writer->event, sizeof(writer->event),
            options->event ? options->event : "ObjectCreated:PutObject");
    writer->forbid_overwrite = options->forbid_overwrite;
    if (options->content_md5 &&
        !kn_copy(writer->content_md5, sizeof(writer->content_md5), options->content_md5))
        return kn_fail_as(err, KN_EINVAL, "InvalidDigest", "Content-MD5 is not an MD5");
    struct kn_object_info *info = &writer->row.info;
    kn_copy(info->content_type, sizeof(info->content_type),
            options->content_type ? options->content_type : "application/octet-stream");
    kn_copy(info->acl, sizeof(info->acl), options->acl ? options->acl : "default");
    kn_copy(info->type, sizeof(info->type), "Normal");
    if (options->meta && !(info->meta = json_deep_copy(options->meta)))
        return kn_fail(err, KN_ENOMEM, "no memory to write '%s'", key);
    *out = KN_TAKE(writer);
    return KN_OK;
}

static kn_code file_begin(struct kn_object_writer *writer, struct kn_error *err)
{
    kn_code rc = kn_bytes_writer_new(&writer->bytes, writer->store, err);
    if (rc == KN_OK)
        kn_copy(writer->row.file, sizeof(writer->row.file), kn_bytes_writer_name(writer->bytes));
    return rc;
}

kn_code kn_object_write(struct kn_object_writer *writer, const void *bytes, size_t n,
                        struct kn_error *err)
{
    struct kn_object_info *info = &writer->row.info;
    kn_digest_add(writer->md5, bytes, n);
    info->crc64 = kn_crc64(info->crc64, bytes, n);
    info->size_bytes += (int64_t)n;
    if (!writer->bytes && writer->head.len + n <= writer->inline_limit) {
        kn_buf_add(&writer->head, bytes, n);
        return kn_buf_ok(&writer->head) ? KN_OK
                                        : kn_fail(err, KN_ENOMEM, "no memory to write an object");
    }
    if (!writer->bytes) {
        kn_code rc = file_begin(writer, err);
        if (rc == KN_OK)
            rc = kn_bytes_write(writer->bytes, kn_buf_text(&writer->head), writer->head.len, err);
        if (rc != KN_OK)
            return rc;
        kn_buf_clear(&writer->head);
    }
    return kn_bytes_write(writer->bytes, bytes, n, err);
}

static kn_code md5_check(const struct kn_object_writer *writer, struct kn_error *err)
{
    if (writer->content_md5[0] == '\0')
        return KN_OK;
    kn_auto(kn_buf_clear) struct kn_buf given = {0};
    if (kn_unbase64(&given, writer->content_md5, strlen(writer->content_md5)) &&
        given.len == KN_MD5_BYTES && memcmp(given.data, writer->md5_bytes, KN_MD5_BYTES) == 0)
        return KN_OK;
    return kn_fail_as(err, KN_EINVAL, "InvalidDigest",
                      "the Content-MD5 you specified is not that of the bytes that arrived");
}

kn_code kn_object_writer_end(struct kn_object_writer *writer, struct kn_error *err)
{
    struct kn_object_info *info = &writer->row.info;
    kn_digest_end(writer->md5, writer->md5_bytes);
    kn_code rc = md5_check(writer, err);
    if (rc != KN_OK)
        return rc;
    kn_hex_upper(info->etag, writer->md5_bytes, KN_MD5_BYTES);
    info->has_crc64 = true;
    info->modified_us = kn_now_us();
    kn_id_hex(info->version);
    if (!writer->bytes && writer->inline_limit == 0) { // an empty part still has its file
        rc = file_begin(writer, err);
        if (rc != KN_OK)
            return rc;
    }
    if (writer->bytes) {
        rc = kn_bytes_finish(writer->bytes, err);
        writer->is_finished = rc == KN_OK;
        return rc;
    }
    writer->row.is_inline = true;
    kn_id_hex(writer->row.file);
    return KN_OK;
}

static kn_code commit_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct kn_object_writer *writer = context;
    const char *bytes = writer->row.is_inline ? kn_buf_text(&writer->head) : NULL;
    return kn_object_row_put(writer->store, tx, writer->bucket, writer->key, &writer->row, bytes,
                             writer->forbid_overwrite, writer->event, err);
}

kn_code kn_object_commit(struct kn_object_writer *writer, struct kn_object_info *out_info,
                         struct kn_error *err)
{
    kn_code rc = kn_object_writer_end(writer, err);
    if (rc != KN_OK)
        return rc;
    rc = kn_db_write(writer->store->db, commit_tx, writer, err);
    // A lost connection may hide a commit that took place: the file then stays for the sweep to judge.
    writer->is_visible = rc == KN_OK || rc == KN_EIO;
    if (rc != KN_OK)
        return rc;
    if (out_info) {
        *out_info = writer->row.info;
        writer->row.info.meta = NULL;
    }
    return KN_OK;
}

void kn_object_writer_free(struct kn_object_writer **writer)
{
    struct kn_object_writer *w = *writer;
    if (!w)
        return;
    if (w->is_finished && !w->is_visible)
        kn_bytes_unlink(w->store, w->row.file);
    kn_bytes_writer_free(&w->bytes);
    kn_buf_clear(&w->head);
    kn_digest_free(&w->md5);
    kn_object_info_clear(&w->row.info);
    free(w->key);
    free(w);
    *writer = NULL;
}
