/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that hold bytes: DIR/<first two of name>/<name>, or the same below an S3 prefix (remote.c).
 * Names are random and used once. A file is written, synced and then only read, so an object's row can
 * point to it without any lock. Locally the 256 folders exist from the start, so that a new name needs
 * the sync of one folder only.
 */
#include "objects/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "objects/local.h"
#include "objects/remote.h"

// A remote reader that goes forward gets this much by one request.
#define READ_AHEAD_BYTES ((size_t)2 * 1024 * 1024)

static bool path_make(const struct kn_store *store, const char *name, char out[4096])
{
    return snprintf(out, 4096, "%s/%.2s/%s", store->dir, name, name) < 4096;
}

static kn_code file_create(struct kn_store *store, char out_name[KN_ID_SIZE], int *out_fd,
                           struct kn_error *err)
{
    char path[4096];
    kn_id_hex(out_name);
    if (!path_make(store, out_name, path))
        return kn_fail(err, KN_EINVAL, "the storage folder's name is too long");
    *out_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*out_fd < 0)
        return kn_fail_errno(err, errno, "cannot make a file in '%s'", store->dir);
    return KN_OK;
}

static kn_code file_open(struct kn_store *store, const char *name, bool for_writing, int *out_fd,
                         struct kn_error *err)
{
    char path[4096];
    if (!path_make(store, name, path))
        return kn_fail(err, KN_EINVAL, "the storage folder's name is too long");
    *out_fd = open(path, (for_writing ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (*out_fd < 0)
        return kn_fail_errno(err, errno, "cannot open the bytes '%s'", path);
    return KN_OK;
}

// Between files in the kernel (shared extents where the file system can).
static kn_code range_copy(int from, int to, int64_t to_offset, int64_t n, struct kn_error *err)
{
    off_t in = 0;
    off_t out = to_offset;
    while (n > 0) {
        ssize_t got = copy_file_range(from, &in, to, &out, (size_t)n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kn_fail_errno(err, errno, "cannot copy bytes of an object");
        if (got == 0)
            return kn_fail(err, KN_EIO, "the bytes of an object are shorter than its record");
        n -= got;
    }
    return KN_OK;
}

/*
 * fdatasync() alone does on ext4 and XFS, whose journals carry the name of a new file with its inode;
 * POSIX promises only the bytes, so elsewhere the folder is synced too. Each sync is a flush of the
 * disk, which is most of the time of a PUT. All happen before the row that names the file is
 * committed, so a committed row always finds its bytes.
 */
kn_code kn_bytes_sync(struct kn_store *store, const char *name, int fd, struct kn_error *err)
{
    char folder[4096];
    if (fdatasync(fd) != 0)
        return kn_fail_errno(err, errno, "cannot write to '%s'", store->dir);
    if (store->sync_covers_name)
        return KN_OK;
    (void)snprintf(folder, sizeof(folder), "%s/%.2s", store->dir, name);
    return kn_fs_sync_folder(folder, err);
}

void kn_bytes_unlink(struct kn_store *store, const char *name)
{
    char path[4096];
    if (store->s3)
        (void)kn_remote_delete(store->s3, name, NULL); // best effort: the sweep finds what stays
    else if (path_make(store, name, path))
        (void)unlink(path); // likewise
}

/* ---- writing ---- */

struct kn_bytes_writer {
    struct kn_store *store;           // borrowed
    char name[KN_ID_SIZE];
    int fd;                           // owned; -1 when remote
    struct kn_remote_writer *remote;  // owned; NULL when local
    bool is_finished;
};

kn_code kn_bytes_writer_new(struct kn_bytes_writer **out, struct kn_store *store,
                            struct kn_error *err)
{
    kn_auto(kn_bytes_writer_free) struct kn_bytes_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return kn_fail(err, KN_ENOMEM, "no memory to write an object");
    writer->store = store;
    writer->fd = -1;
    kn_code rc;
    if (store->s3) {
        kn_id_hex(writer->name);
        rc = kn_remote_writer_new(&writer->remote, store->s3, writer->name, err);
    } else {
        rc = file_create(store, writer->name, &writer->fd, err);
    }
    if (rc != KN_OK)
        return rc;
    *out = KN_TAKE(writer);
    return KN_OK;
}

const char *kn_bytes_writer_name(const struct kn_bytes_writer *writer)
{
    return writer->name;
}

kn_code kn_bytes_write(struct kn_bytes_writer *writer, const void *bytes, size_t n,
                       struct kn_error *err)
{
    return writer->remote ? kn_remote_write(writer->remote, bytes, n, err)
                          : kn_fs_write_all(writer->fd, bytes, n, err);
}

kn_code kn_bytes_finish(struct kn_bytes_writer *writer, struct kn_error *err)
{
    kn_code rc = writer->remote ? kn_remote_finish(writer->remote, err)
                                : kn_bytes_sync(writer->store, writer->name, writer->fd, err);
    writer->is_finished = rc == KN_OK;
    return rc;
}

void kn_bytes_writer_free(struct kn_bytes_writer **writer)
{
    struct kn_bytes_writer *w = *writer;
    if (!w)
        return;
    if (!w->is_finished && w->fd >= 0)
        kn_bytes_unlink(w->store, w->name);
    kn_close_fd(&w->fd);
    kn_remote_writer_free(&w->remote);
    free(w);
    *writer = NULL;
}

static kn_code piece_add(struct kn_bytes_writer *writer, const struct kn_bytes_piece *piece,
                         int64_t at, struct kn_error *err)
{
    if (writer->remote)
        return kn_remote_write_from(writer->remote, piece, err);
    kn_auto(kn_close_fd) int from = -1;
    kn_code rc = file_open(writer->store, piece->name, false, &from, err);
    return rc == KN_OK ? range_copy(from, writer->fd, at, piece->n, err) : rc;
}

kn_code kn_bytes_join(struct kn_store *store, const struct kn_bytes_piece *pieces, size_t n,
                      char out_name[KN_ID_SIZE], struct kn_error *err)
{
    kn_auto(kn_bytes_writer_free) struct kn_bytes_writer *writer = NULL;
    kn_code rc = kn_bytes_writer_new(&writer, store, err);
    int64_t at = 0;
    for (size_t i = 0; rc == KN_OK && i < n; i++) {
        rc = piece_add(writer, &pieces[i], at, err);
        at += pieces[i].n;
    }
    if (rc == KN_OK)
        rc = kn_bytes_finish(writer, err);
    if (rc == KN_OK)
        memcpy(out_name, writer->name, KN_ID_SIZE);
    return rc;
}

kn_code kn_bytes_append(struct kn_store *store, const char *name, int64_t position,
                        const struct kn_bytes_piece *from, struct kn_error *err)
{
    kn_auto(kn_close_fd) int in = -1;
    kn_auto(kn_close_fd) int out = -1;
    kn_code rc = file_open(store, from->name, false, &in, err);
    if (rc == KN_OK)
        rc = file_open(store, name, true, &out, err);
    if (rc == KN_OK)
        rc = range_copy(in, out, position, from->n, err);
    return rc == KN_OK ? kn_bytes_sync(store, name, out, err) : rc;
}

/* ---- reading ---- */

struct kn_bytes_reader {
    struct kn_store *store; // borrowed
    char name[KN_ID_SIZE];
    int64_t size_bytes;
    int fd;                 // owned; -1 when remote
    // what was read ahead
    char *window;           // owned
    int64_t window_at, window_n;
    int64_t next;           // where a reader that goes forward will go on
};

kn_code kn_bytes_open(struct kn_bytes_reader **out, struct kn_store *store, const char *name,
                      int64_t size_bytes, struct kn_error *err)
{
    kn_auto(kn_bytes_reader_free) struct kn_bytes_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return kn_fail(err, KN_ENOMEM, "no memory to read an object");
    reader->store = store;
    reader->size_bytes = size_bytes;
    reader->fd = -1;
    memcpy(reader->name, name, KN_ID_SIZE);
    kn_code rc = store->s3 ? KN_OK : file_open(store, name, false, &reader->fd, err);
    if (rc != KN_OK)
        return rc;
    *out = KN_TAKE(reader);
    return KN_OK;
}

int kn_bytes_fd(const struct kn_bytes_reader *reader)
{
    return reader->fd;
}

static kn_code window_fill(struct kn_bytes_reader *reader, int64_t offset, struct kn_error *err)
{
    if (!reader->window && !(reader->window = malloc(READ_AHEAD_BYTES)))
        return kn_fail(err, KN_ENOMEM, "no memory to read ahead");
    int64_t left = reader->size_bytes - offset;
    reader->window_n = 0;
    int64_t n = left < (int64_t)READ_AHEAD_BYTES ? left : (int64_t)READ_AHEAD_BYTES;
    kn_code rc = kn_remote_read(reader->store->s3, reader->name, offset, reader->window, (size_t)n,
                                err);
    if (rc != KN_OK)
        return rc;
    reader->window_at = offset;
    reader->window_n = n;
    return KN_OK;
}

// n > 0 bytes within the file: out of the window, or straight from the store.
static kn_code remote_read_at(struct kn_bytes_reader *reader, int64_t offset, void *out, size_t n,
                              size_t *out_got, struct kn_error *err)
{
    bool goes_forward = offset == reader->next;
    bool is_inside = offset >= reader->window_at && offset < reader->window_at + reader->window_n;
    kn_code rc = KN_OK;
    if (!is_inside && (n >= READ_AHEAD_BYTES || !goes_forward)) {
        rc = kn_remote_read(reader->store->s3, reader->name, offset, out, n, err);
    } else {
        if (!is_inside)
            rc = window_fill(reader, offset, err);
        int64_t left = reader->window_at + reader->window_n - offset;
        if (rc == KN_OK) {
            n = (int64_t)n < left ? n : (size_t)left;
            memcpy(out, reader->window + (offset - reader->window_at), n);
        }
    }
    if (rc == KN_ENOTFOUND)
        return kn_fail(err, KN_EIO, "the bytes of an object are missing in the storage");
    if (rc != KN_OK)
        return rc;
    *out_got = n;
    reader->next = offset + (int64_t)n;
    return KN_OK;
}

kn_code kn_bytes_read_at(struct kn_bytes_reader *reader, int64_t offset, void *out, size_t n,
                         size_t *out_got, struct kn_error *err)
{
    *out_got = 0;
    if (offset < 0)
        return kn_fail(err, KN_EINVAL, "reading before the start of an object");
    if (offset >= reader->size_bytes || n == 0)
        return KN_OK;
    if ((int64_t)n > reader->size_bytes - offset)
        n = (size_t)(reader->size_bytes - offset);
    if (reader->store->s3)
        return remote_read_at(reader, offset, out, n, out_got, err);
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

void kn_bytes_reader_free(struct kn_bytes_reader **reader)
{
    if (!*reader)
        return;
    kn_close_fd(&(*reader)->fd);
    free((*reader)->window);
    free(*reader);
    *reader = NULL;
}

/* ---- staging ---- */

kn_code kn_bytes_stage(struct kn_store *store, char out_name[KN_ID_SIZE], int *out_fd,
                       struct kn_error *err)
{
    if (!store->s3)
        return file_create(store, out_name, out_fd, err);
    out_name[0] = '\0';
    *out_fd = open(store->scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return *out_fd >= 0 ? KN_OK
                        : kn_fail_errno(err, errno, "cannot make a file in '%s'", store->scratch);
}
