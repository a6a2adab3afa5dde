/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading. A reader holds the bytes it opened: a descriptor to a file that never changes, or a copy
 * of the few bytes that lie in the database. What happens to the name later does not touch it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "objects/local.h"

struct kn_object_reader {
    int fd;             // owned; -1 while the bytes are only in `bytes`
    struct kn_buf bytes;
    bool is_inline;
    int64_t size_bytes; // an appended object's file may already be longer than the version opened
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
        if (!call.row.is_inline)
            rc = kn_bytes_open(store, call.row.file, false, &reader->fd, err);
    }
    if (rc != KN_OK)
        return rc == KN_ENOTFOUND ? kn_fail(err, KN_EIO, "the bytes of '%s' are missing", key) : rc;
    reader->is_inline = call.row.is_inline;
    reader->size_bytes = call.row.info.size_bytes;
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
    if (reader->fd < 0 && reader->is_inline)
        reader->fd = inline_fd(reader);
    return reader->fd;
}

kn_code kn_object_read_at(struct kn_object_reader *reader, int64_t offset, void *out, size_t n,
                          size_t *out_got, struct kn_error *err)
{
    *out_got = 0;
    if (offset < 0)
        return kn_fail(err, KN_EINVAL, "reading before the start of an object");
    if (offset >= reader->size_bytes || n == 0)
        return KN_OK;
    if ((int64_t)n > reader->size_bytes - offset)
        n = (size_t)(reader->size_bytes - offset);
    if (reader->is_inline) {
        memcpy(out, reader->bytes.data + offset, n);
        *out_got = n;
        return KN_OK;
    }
    ssize_t got;
    do
        got = pread(reader->fd, out, n, offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return kn_fail_errno(err, errno, "cannot read the bytes of an object");
    if (got == 0)
        return kn_fail(err, KN_EIO, "the bytes of an object are shorter than its record");
    *out_got = (size_t)got;
    return KN_OK;
}

void kn_object_reader_free(struct kn_object_reader **reader)
{
    if (!*reader)
        return;
    kn_close_fd(&(*reader)->fd);
    kn_buf_clear(&(*reader)->bytes);
    free(*reader);
    *reader = NULL;
}
