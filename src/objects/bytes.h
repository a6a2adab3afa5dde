#pragma once
/*
 * Files of bytes under random names, written once and then only read: what rows point to. They lie in
 * a folder, or in an S3 bucket under the same names; the rest of this room does not ask which, but
 * where a local descriptor makes a difference.
 *
 * Thread-safety: a writer or a reader belongs to one thread at a time.
 */
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"

struct kn_store;

/* ---- writing ---- */

struct kn_bytes_writer;
kn_code kn_bytes_writer_new(struct kn_bytes_writer **out, struct kn_store *store,
                            struct kn_error *err);
const char *kn_bytes_writer_name(const struct kn_bytes_writer *writer); // borrowed
kn_code kn_bytes_write(struct kn_bytes_writer *writer, const void *bytes, size_t n,
                       struct kn_error *err);
/* Make bytes and name survive a power cut: complete from here on. */
kn_code kn_bytes_finish(struct kn_bytes_writer *writer, struct kn_error *err);
/* Removes what was not finished. */
void kn_bytes_writer_free(struct kn_bytes_writer **writer);

struct kn_bytes_piece {
    const char *name; // a finished file
    int64_t n;        // its first n bytes
};
/*
 * A new file of these pieces one after the other, finished; joined in the kernel (shared extents where
 * the file system can), or by the S3 store where it copies parts, and they are large enough.
 */
kn_code kn_bytes_join(struct kn_store *store, const struct kn_bytes_piece *pieces, size_t n,
                      char out_name[KN_ID_SIZE], struct kn_error *err);
/* Local only: put the first n bytes of file `from` into file `name` at `position`, and sync. */
kn_code kn_bytes_append(struct kn_store *store, const char *name, int64_t position,
                        const struct kn_bytes_piece *from, struct kn_error *err);
void kn_bytes_unlink(struct kn_store *store, const char *name); // best effort

/* ---- reading ---- */

struct kn_bytes_reader;
/* KN_ENOTFOUND: swept meanwhile (a remote file tells so only when it is read). */
kn_code kn_bytes_open(struct kn_bytes_reader **out, struct kn_store *store, const char *name,
                      int64_t size_bytes, struct kn_error *err);
int kn_bytes_fd(const struct kn_bytes_reader *reader); // borrowed; -1 when remote
/* At most n bytes; *out_got is 0 only at the end. A remote reader that goes forward reads ahead. */
kn_code kn_bytes_read_at(struct kn_bytes_reader *reader, int64_t offset, void *out, size_t n,
                         size_t *out_got, struct kn_error *err);
void kn_bytes_reader_free(struct kn_bytes_reader **reader);

/* ---- staging ---- */

/*
 * A file to write at any offset: local, the file `out_name` itself; remote, an anonymous one in the
 * scratch folder, uploaded later (out_name ""). The descriptor is the caller's.
 */
kn_code kn_bytes_stage(struct kn_store *store, char out_name[KN_ID_SIZE], int *out_fd,
                       struct kn_error *err);
/* Local: make a staged file's bytes and its name survive a power cut. */
kn_code kn_bytes_sync(struct kn_store *store, const char *name, int fd, struct kn_error *err);
