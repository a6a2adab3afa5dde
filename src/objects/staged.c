/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Outputs of jobs: a worker writes to a file nobody can name; sealing digests and syncs it, or uploads
 * it to S3; a row, made in the transaction that ends the job, publishes it. A job that fails leaves nothing but a file,
 * which kn_staged_free() or the sweep removes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/crc64.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"
#include "objects/local.h"

#define READ_BYTES (256 * 1024)

struct kn_staged {
    struct kn_store *store; // borrowed
    char bucket[64];
    char *key;              // owned
    char job_id[64];
    struct kn_object_row row;
    int fd;                 // owned until sealed: the caller's file
    bool is_sealed, is_published;
};

kn_code kn_staged_create(struct kn_store *store, const char *bucket, const char *key,
                         const char *job_id, struct kn_staged **out, int *out_fd,
                         struct kn_error *err)
{
    kn_code rc = kn_object_check_name(store, bucket, key, false, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_staged_free) struct kn_staged *staged = calloc(1, sizeof(*staged));
    if (!staged || !(staged->key = strdup(key)))
        return kn_fail(err, KN_ENOMEM, "no memory for the output '%s'", key);
    staged->store = store;
    staged->fd = -1;
    kn_copy(staged->bucket, sizeof(staged->bucket), bucket);
    kn_copy(staged->job_id, sizeof(staged->job_id), job_id);
    kn_auto(kn_close_fd) int fd = -1;
    rc = kn_bytes_stage(store, staged->row.file, &fd, err);
    if (rc != KN_OK)
        return rc;
    staged->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (staged->fd < 0)
        return kn_fail_errno(err, errno, "cannot stage the output '%s'", key);
    *out_fd = KN_TAKE_FD(fd);
    *out = KN_TAKE(staged);
    return KN_OK;
}

// Digest the file, and write it to `upload` as well unless that is NULL.
static kn_code digest_file(struct kn_staged *staged, struct kn_bytes_writer *upload,
                           struct kn_error *err)
{
    struct kn_object_info *info = &staged->row.info;
    kn_auto(kn_digest_free) struct kn_digest *md5 = kn_digest_new(KN_DIGEST_MD5);
    kn_auto(kn_free) char *bytes = malloc(READ_BYTES);
    if (!md5 || !bytes)
        return kn_fail(err, KN_ENOMEM, "no memory for the output '%s'", staged->key);
    info->size_bytes = 0;
    info->crc64 = 0;
    for (;;) {
        ssize_t got = pread(staged->fd, bytes, READ_BYTES, info->size_bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kn_fail_errno(err, errno, "cannot read the output '%s' of job %s", staged->key,
                                 staged->job_id);
        if (got == 0)
            break;
        kn_digest_add(md5, bytes, (size_t)got);
        info->crc64 = kn_crc64(info->crc64, bytes, (size_t)got);
        info->size_bytes += got;
        kn_code rc = upload ? kn_bytes_write(upload, bytes, (size_t)got, err) : KN_OK;
        if (rc != KN_OK)
            return rc;
    }
    uint8_t raw[KN_MD5_BYTES];
    kn_digest_end(md5, raw);
    kn_hex_upper(info->etag, raw, sizeof(raw));
    info->has_crc64 = true;
    return KN_OK;
}

kn_code kn_staged_seal(struct kn_staged *staged, const char *content_type, struct kn_error *err)
{
    struct kn_object_info *info = &staged->row.info;
    kn_auto(kn_bytes_writer_free) struct kn_bytes_writer *upload = NULL;
    kn_code rc = staged->store->s3 ? kn_bytes_writer_new(&upload, staged->store, err) : KN_OK;
    if (rc == KN_OK)
        rc = digest_file(staged, upload, err);
    if (rc == KN_OK)
        rc = upload ? kn_bytes_finish(upload, err)
                    : kn_bytes_sync(staged->store, staged->row.file, staged->fd, err);
    if (rc != KN_OK)
        return rc;
    if (upload)
        kn_copy(staged->row.file, sizeof(staged->row.file), kn_bytes_writer_name(upload));
    kn_close_fd(&staged->fd); // a job may have thousands of outputs
    kn_copy(info->content_type, sizeof(info->content_type),
            content_type ? content_type : "application/octet-stream");
    kn_copy(info->type, sizeof(info->type), "Normal");
    kn_copy(info->acl, sizeof(info->acl), "default");
    kn_id_hex(info->version);
    staged->is_sealed = true;
    return KN_OK;
}

kn_code kn_staged_prepare(struct kn_store *store, struct kn_staged *const *staged, size_t n,
                          struct kn_error *err)
{
    // Outputs are published by rows alone: the transaction that ends the job is their intent.
    for (size_t i = 0; i < n; i++) {
        if (!staged[i]->is_sealed)
            return kn_fail(err, KN_EBUG, "the output '%s' is not sealed", staged[i]->key);
        kn_code rc = kn_object_check_name(store, staged[i]->bucket, staged[i]->key, false, err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

kn_code kn_staged_publish(struct kn_store *store, struct kn_tx *tx, struct kn_staged *const *staged,
                          size_t n, struct kn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct kn_staged *one = staged[i];
        if (!one->is_sealed)
            return kn_fail(err, KN_EBUG, "the output '%s' is not sealed", one->key);
        one->row.info.modified_us = kn_now_us();
        // From here on the file may be an object's: should the transaction fail, the sweep decides.
        one->is_published = true;
        kn_code rc = kn_object_row_put(store, tx, one->bucket, one->key, &one->row, NULL, false,
                                       "ObjectCreated:PutObject", err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

void kn_staged_free(struct kn_staged **staged)
{
    struct kn_staged *s = *staged;
    if (!s)
        return;
    if (!s->is_published && s->row.file[0] != '\0')
        kn_bytes_unlink(s->store, s->row.file);
    kn_close_fd(&s->fd);
    free(s->key);
    free(s);
    *staged = NULL;
}
