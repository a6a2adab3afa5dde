/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading. A reader holds the bytes it opened: a file that never changes, or a copy of the few bytes
 * that lie in the database. What happens to the name later does not touch it.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "objects/local.h"

struct kn_object_reader {
    struct kn_bytes_reader *file; // owned; NULL when the bytes lie in the database
    struct kn_buf bytes;          // then they are here
    int fd;                       // owned: an anonymous file of `bytes`, once asked for; else -1
};

struct read_call {
    const char *bucket, *key;
    struct kn_object_row row;
    struct kn_buf *bytes; // NULL: the row is enough
};

static void read_call_clear(struct read_call *call)
{
    kn_object_info_clear(&call->row.info);
}

static kn_code read_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct read_call *call = context;
    read_call_clear(call);
    kn_code rc = kn_object_row_find(tx, call->bucket, call->key, &call->row, err);
    if (rc != KN_OK || !call->bytes || !call->row.is_inline)
        return rc;
    struct kn_stmt *stmt;
    bool has_row;
    rc = kn_tx_query(tx, &stmt, err, "SELECT bytes FROM object_bytes WHERE file = ?", "s",
                     call->row.file);
    if (rc != KN_OK || (rc = kn_stmt_step(stmt, &has_row, err)) != KN_OK)
        return rc;
    if (!has_row)
        return kn_fail(err, KN_EBUG, "the bytes of '%s' are missing", call->key);
    size_t n = 0;
    const void *bytes = kn_stmt_blob(stmt, 0, &n);
    kn_buf_reset(call->bytes);
    kn_buf_add(call->bytes, bytes, n);
    return kn_buf_ok(call->bytes) ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for '%s'", call->key);
}

kn_code kn_object_stat(struct kn_store *store, const char *bucket, const char *key,
                       struct kn_object_info *out, struct kn_error *err)
{
    *out = (struct kn_object_info){0};
    kn_auto(read_call_clear) struct read_call call = {.bucket = bucket, .key = key};
    kn_code rc = kn_db_read(store->db, read_tx, &call, err);
    if (rc != KN_OK)
        return rc;
    *out = call.row.info;
    call.row.info = (struct kn_object_info){0};
    return KN_OK;
}

kn_code kn_object_open(struct kn_store *store, const char *bucket, const char *key,
                       struct kn_object_reader **out, struct kn_object_info *out_info,
                       struct kn_error *err)
{
    kn_auto(kn_object_reader_free) struct kn_object_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return kn_fail(err, KN_ENOMEM, "no memory to read '%s'", key);
    reader->fd = -1;
    kn_auto(read_call_clear)
        struct read_call call = {.bucket = bucket, .key = key, .bytes = &reader->bytes};
    // Between the row and open() the object may be replaced and its old file swept: look again.
    kn_code rc = KN_ENOTFOUND;
    for (int i = 0; i < 3 && rc == KN_ENOTFOUND; i++) {
        rc = kn_db_read(store->db, read_tx, &call, err);
        if (rc != KN_OK)
            return rc;
        // An appended object's file may already be longer than the version opened.
        if (!call.row.is_inline)
            rc = kn_bytes_open(&reader->file, store, call.row.file, call.row.info.size_bytes, err);
    }
    if (rc != KN_OK)
        return rc == KN_ENOTFOUND ? kn_fail(err, KN_EIO, "the bytes of '%s' are missing", key) : rc;
    if (out_info) {
        *out_info = call.row.info;
        call.row.info = (struct kn_object_info){0};
    }
    *out = KN_TAKE(reader);
    return KN_OK;
}

// Workers take descriptors: few bytes get an anonymous file of their own, made when asked for.
static int inline_fd(const struct kn_object_reader *reader)
{
    kn_auto(kn_close_fd) int fd = memfd_create("kinora-object", MFD_CLOEXEC);
    if (fd < 0 || kn_fs_write_all(fd, reader->bytes.data, reader->bytes.len, NULL) != KN_OK ||
        lseek(fd, 0, SEEK_SET) != 0)
        return -1;
    int taken = fd;
    fd = -1;
    return taken;
}

int kn_object_fd(struct kn_object_reader *reader)
{
    if (reader->file)
        return kn_bytes_fd(reader->file);
    if (reader->fd < 0)
        reader->fd = inline_fd(reader);
    return reader->fd;
}

kn_code kn_object_read_at(struct kn_object_reader *reader, int64_t offset, void *out, size_t n,
                          size_t *out_got, struct kn_error *err)
{
    if (reader->file)
        return kn_bytes_read_at(reader->file, offset, out, n, out_got, err);
    *out_got = 0;
    if (offset < 0)
        return kn_fail(err, KN_EINVAL, "reading before the start of an object");
    size_t left = (uint64_t)offset < reader->bytes.len ? reader->bytes.len - (size_t)offset : 0;
    *out_got = n < left ? n : left;
    if (*out_got)
        memcpy(out, reader->bytes.data + offset, *out_got);
    return KN_OK;
}

void kn_object_reader_free(struct kn_object_reader **reader)
{
    if (!*reader)
        return;
    kn_bytes_reader_free(&(*reader)->file);
    kn_close_fd(&(*reader)->fd);
    kn_buf_clear(&(*reader)->bytes);
    free(*reader);
    *reader = NULL;
}
