/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing to S3 without knowing the length beforehand: bytes collect until they fill a part. The first
 * full part begins a multipart upload; a file that never fills one is a single PUT.
 */
#include "objects/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strings.h"

#define PART_BYTES ((size_t)8 * 1024 * 1024)
// S3 takes 10,000 parts: every 2,000 their size doubles, so a file may have 496 GiB, while one of
// 16 GiB still needs no more than 8 MiB of memory.
#define MAX_PARTS 10000
#define PARTS_PER_SIZE 2000
// A copied part: far below S3's 5 GiB, so that each request is answered soon.
#define COPY_BYTES (INT64_C(256) * 1024 * 1024)

struct kn_remote_writer {
    struct kn_s3 *s3;      // borrowed
    char name[KN_ID_SIZE + 3];
    struct kn_buf pending;
    char *upload_id;       // owned; NULL before the first part
    struct kn_s3_etag *etags; // owned
    int n_parts;
    bool is_finished;
};

static void name_make(char out[KN_ID_SIZE + 3], const char *name)
{
    (void)snprintf(out, KN_ID_SIZE + 3, "%.2s/%s", name, name);
}

kn_code kn_remote_writer_new(struct kn_remote_writer **out, struct kn_s3 *s3, const char *name,
                             struct kn_error *err)
{
    struct kn_remote_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return kn_fail(err, KN_ENOMEM, "no memory to write to the storage");
    writer->s3 = s3;
    name_make(writer->name, name);
    *out = writer;
    return KN_OK;
}

static size_t part_bytes(const struct kn_remote_writer *writer)
{
    return PART_BYTES << (writer->n_parts / PARTS_PER_SIZE);
}

// Room for one more part in a multipart upload, which is begun when there is none.
static kn_code part_begin(struct kn_remote_writer *writer, struct kn_error *err)
{
    if (writer->n_parts == MAX_PARTS)
        return kn_fail(err, KN_ELIMIT, "an object in s3:// storage has at most %d parts", MAX_PARTS);
    if (writer->n_parts % 64 == 0) {
        struct kn_s3_etag *more =
            reallocarray(writer->etags, (size_t)writer->n_parts + 64, sizeof(*more));
        if (!more)
            return kn_fail(err, KN_ENOMEM, "no memory for a list of parts");
        writer->etags = more;
    }
    return writer->upload_id ? KN_OK
                             : kn_s3_upload_create(writer->s3, writer->name, &writer->upload_id, err);
}

static kn_code pending_send(struct kn_remote_writer *writer, struct kn_error *err)
{
    kn_code rc = part_begin(writer, err);
    if (rc == KN_OK)
        rc = kn_s3_upload_part(writer->s3, writer->name, writer->upload_id, writer->n_parts + 1,
                               writer->pending.data, writer->pending.len,
                               &writer->etags[writer->n_parts], err);
    if (rc != KN_OK)
        return rc;
    writer->n_parts++;
    kn_buf_reset(&writer->pending);
    return KN_OK;
}

kn_code kn_remote_write(struct kn_remote_writer *writer, const void *bytes, size_t n,
                        struct kn_error *err)
{
    const char *p = bytes;
    while (n > 0) {
        size_t room = part_bytes(writer) - writer->pending.len;
        size_t take = n < room ? n : room;
        kn_buf_add(&writer->pending, p, take);
        if (!kn_buf_ok(&writer->pending))
            return kn_fail(err, KN_ENOMEM, "no memory to write to the storage");
        p += take;
        n -= take;
        if (writer->pending.len == part_bytes(writer)) {
            kn_code rc = pending_send(writer, err);
            if (rc != KN_OK)
                return rc;
        }
    }
    return KN_OK;
}

/* ---- copying ---- */

static kn_code stream_from(struct kn_remote_writer *writer, const char *from, int64_t offset,
                           int64_t n, struct kn_error *err)
{
    kn_auto(kn_free) char *bytes = malloc(KN_S3_MIN_PART);
    if (!bytes)
        return kn_fail(err, KN_ENOMEM, "no memory to copy in the storage");
    kn_code rc = KN_OK;
    while (rc == KN_OK && n > 0) {
        size_t take = n < KN_S3_MIN_PART ? (size_t)n : KN_S3_MIN_PART;
        rc = kn_s3_get(writer->s3, from, offset, bytes, take, err);
        if (rc == KN_OK)
            rc = kn_remote_write(writer, bytes, take, err);
        offset += (int64_t)take;
        n -= (int64_t)take;
    }
    return rc;
}

// Parts made of ranges of `from`; *out_done stays short where the rest is too small for a part.
static kn_code parts_copy(struct kn_remote_writer *writer, const char *from, int64_t n,
                          int64_t *out_done, struct kn_error *err)
{
    while (n - *out_done >= KN_S3_MIN_PART) {
        int64_t take = n - *out_done < COPY_BYTES ? n - *out_done : COPY_BYTES;
        kn_code rc = part_begin(writer, err);
        if (rc == KN_OK)
            rc = kn_s3_upload_copy(writer->s3, writer->name, writer->upload_id, writer->n_parts + 1,
                                   from, *out_done, take, &writer->etags[writer->n_parts], err);
        if (rc != KN_OK)
            return rc;
        writer->n_parts++;
        *out_done += take;
    }
    return KN_OK;
}

kn_code kn_remote_write_from(struct kn_remote_writer *writer, const struct kn_bytes_piece *piece,
                             struct kn_error *err)
{
    char from[KN_ID_SIZE + 3];
    name_make(from, piece->name);
    int64_t done = 0;
    // What waits must be able to stand as a part of its own, or else this joins it.
    bool can_copy = writer->pending.len == 0 || writer->pending.len >= KN_S3_MIN_PART;
    if (can_copy && piece->n >= KN_S3_MIN_PART) {
        kn_code rc = writer->pending.len ? pending_send(writer, err) : KN_OK;
        if (rc == KN_OK)
            rc = parts_copy(writer, from, piece->n, &done, err);
        if (rc != KN_OK && rc != KN_EUNSUP)
            return rc;
    }
    return stream_from(writer, from, done, piece->n - done, err);
}

/* ---- the end ---- */

kn_code kn_remote_finish(struct kn_remote_writer *writer, struct kn_error *err)
{
    kn_code rc = KN_OK;
    if (!writer->upload_id) {
        rc = kn_s3_put(writer->s3, writer->name, kn_buf_text(&writer->pending),
                       writer->pending.len, err);
    } else {
        if (writer->pending.len)
            rc = pending_send(writer, err);
        if (rc == KN_OK)
            rc = kn_s3_upload_complete(writer->s3, writer->name, writer->upload_id, writer->etags,
                                       writer->n_parts, err);
    }
    writer->is_finished = rc == KN_OK;
    kn_buf_clear(&writer->pending);
    return rc;
}

void kn_remote_writer_free(struct kn_remote_writer **writer)
{
    struct kn_remote_writer *w = *writer;
    if (!w)
        return;
    if (!w->is_finished && w->upload_id)
        (void)kn_s3_upload_abort(w->s3, w->name, w->upload_id, NULL); // else the sweep does
    kn_buf_clear(&w->pending);
    free(w->upload_id);
    free(w->etags);
    free(w);
    *writer = NULL;
}

kn_code kn_remote_read(struct kn_s3 *s3, const char *name, int64_t offset, void *out, size_t n,
                       struct kn_error *err)
{
    char full[KN_ID_SIZE + 3];
    name_make(full, name);
    return kn_s3_get(s3, full, offset, out, n, err);
}

kn_code kn_remote_delete(struct kn_s3 *s3, const char *name, struct kn_error *err)
{
    char full[KN_ID_SIZE + 3];
    name_make(full, name);
    return kn_s3_delete(s3, full, err);
}
