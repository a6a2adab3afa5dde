#pragma once
/*
 * The S3 side of objects/bytes.h: file `name` is the object PREFIX<first two of name>/<name>.
 */
#include "objects/bytes.h"
#include "objects/s3.h"

/* Bytes go up in parts while they are written; few go up at the end in one request. */
struct kn_remote_writer;
kn_code kn_remote_writer_new(struct kn_remote_writer **out, struct kn_s3 *s3, const char *name,
                             struct kn_error *err);
kn_code kn_remote_write(struct kn_remote_writer *writer, const void *bytes, size_t n,
                        struct kn_error *err);
/* The first n bytes of another file, copied by the store where it can. */
kn_code kn_remote_write_from(struct kn_remote_writer *writer, const struct kn_bytes_piece *piece,
                             struct kn_error *err);
kn_code kn_remote_finish(struct kn_remote_writer *writer, struct kn_error *err);
void kn_remote_writer_free(struct kn_remote_writer **writer); // aborts what was not finished

/* n bytes, all within the file. */
kn_code kn_remote_read(struct kn_s3 *s3, const char *name, int64_t offset, void *out, size_t n,
                       struct kn_error *err);
kn_code kn_remote_delete(struct kn_s3 *s3, const char *name, struct kn_error *err);
