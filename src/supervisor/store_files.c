/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inputs from and outputs to the store. Staged outputs are kept here until the job has ended. */
#include "supervisor/store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/uri.h"
#include "supervisor/remote_input.h"

struct output {
    struct kn_store_files *files; // borrowed
    struct kn_staged *staged;     // owned until committed
};

struct kn_store_files {
    struct kn_files face;
    struct kn_store *store;
    struct kn_http_client *client;
    const char *job_id, *spec;
    pthread_mutex_t lock;
    // --- protected by lock
    struct kn_staged **sealed; // owned array of owned: complete, to be published together
    size_t n_sealed, capacity;
};

// The bucket's name occurs in the job's spec as the beginning of an address.
static bool is_named(const struct kn_store_files *files, const char *bucket)
{
    char address[96];
    (void)snprintf(address, sizeof(address), "\"oss://%s/", bucket);
    return strstr(files->spec, address) != NULL;
}

static kn_code object_uri(struct kn_store_files *files, const char *uri, struct kn_arena *arena,
                          struct kn_uri *out, struct kn_error *err)
{
    kn_code rc = kn_uri_parse(out, uri, NULL, arena, err);
    if (rc)
        return rc;
    if (out->kind == KN_URI_FILE)
        return kn_fail_as(err, KN_EINVAL, "ResourceAccess", "'%s' is a path: a service reads buckets",
                          uri);
    if (out->kind == KN_URI_OBJECT && !is_named(files, out->bucket))
        return kn_fail_as(err, KN_EINVAL, "ResourceAccess",
                          "'%s' is in a bucket that the job does not name", uri);
    return KN_OK;
}

/* ---- inputs ---- */

static void reader_release(void *impl)
{
    struct kn_object_reader *reader = impl;
    kn_object_reader_free(&reader);
}

static kn_code reader_fetch(void *impl, int64_t offset, void *out, size_t n, size_t *out_got,
                            struct kn_error *err)
{
    kn_code rc = KN_OK;
    size_t got = 1;
    for (*out_got = 0; *out_got < n && got && rc == KN_OK; *out_got += got) {
        got = 0;
        rc = kn_object_read_at(impl, offset + (int64_t)*out_got, (char *)out + *out_got,
                               n - *out_got, &got, err);
    }
    return rc;
}

static kn_code files_open_input(struct kn_files *face, const char *uri, struct kn_source **out,
                                struct kn_error *err)
{
    struct kn_store_files *files = (struct kn_store_files *)face;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_uri at;
    *out = NULL;
    // Addresses are canonical here: what still says http is outside, whatever its host. A playlist
    // may name anything, and none of it becomes a bucket's.
    if (kn_starts_with(uri, "http://") || kn_starts_with(uri, "https://"))
        return kn_http_input_open(out, files->client, uri, err);
    kn_code rc = object_uri(files, uri, &arena, &at, err);
    if (rc)
        return rc;
    struct kn_object_reader *reader = NULL;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    rc = kn_object_open(files->store, at.bucket, at.key, &reader, &info, err);
    if (rc == KN_ENOTFOUND && err)
        (void)kn_copy(err->reason, sizeof(err->reason), "ResourceNotFound");
    if (rc)
        return rc;
    const char *identity = *info.version ? info.version : info.etag;
    if (kn_object_fd(reader) < 0)
        return kn_remote_input_new(out, uri, info.size_bytes, identity, reader_fetch,
                                   reader_release, reader, err);
    // A description of its own, opened for reading alone: the child gets no more than that.
    char self[40];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", kn_object_fd(reader));
    int fd = open(self, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        rc = kn_fail_errno(err, errno, "cannot open '%s'", uri);
    else
        rc = kn_source_take_fd(out, fd, uri, err);
    kn_object_reader_free(&reader);
    if (rc == KN_OK)
        (void)kn_copy((*out)->identity, sizeof((*out)->identity), identity);
    return rc;
}

/* ---- outputs ---- */

static kn_code sink_commit(struct kn_sink *sink, struct kn_error *err)
{
    struct output *output = sink->impl;
    struct kn_store_files *files = output->files;
    kn_code rc = kn_staged_seal(output->staged, NULL, err);
    if (rc)
        return rc;
    (void)pthread_mutex_lock(&files->lock);
    if (files->n_sealed == files->capacity) {
        size_t capacity = files->capacity ? 2 * files->capacity : 8;
        struct kn_staged **more = realloc(files->sealed, capacity * sizeof(struct kn_staged *));
        if (more) {
            files->sealed = more;
            files->capacity = capacity;
        }
    }
    if (files->n_sealed < files->capacity)
        files->sealed[files->n_sealed++] = KN_TAKE(output->staged);
    (void)pthread_mutex_unlock(&files->lock);
    return output->staged ? kn_fail(err, KN_ENOMEM, "no memory to keep '%s'", sink->uri) : KN_OK;
}

static void sink_release(struct kn_sink *sink)
{
    struct output *output = sink->impl;
    kn_staged_free(&output->staged);
    free(output);
}

static kn_code files_open_output(struct kn_files *face, const char *uri, struct kn_sink **out,
                                 struct kn_error *err)
{
    struct kn_store_files *files = (struct kn_store_files *)face;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_uri at;
    *out = NULL;
    kn_code rc = object_uri(files, uri, &arena, &at, err);
    if (rc)
        return rc;
    if (at.kind != KN_URI_OBJECT)
        return kn_fail_as(err, KN_EINVAL, "ResourceAccess", "'%s' cannot be written to", uri);
    struct kn_sink *sink = calloc(1, sizeof(*sink));
    struct output *output = calloc(1, sizeof(*output));
    char *name = strdup(uri);
    if (!sink || !output || !name) {
        free(sink);
        free(output);
        free(name);
        return kn_fail(err, KN_ENOMEM, "no memory to write '%s'", uri);
    }
    output->files = files;
    *sink = (struct kn_sink){.fd = -1, .uri = name, .commit = sink_commit,
                             .release = sink_release, .impl = output};
    rc = kn_staged_create(files->store, at.bucket, at.key, files->job_id, &output->staged,
                          &sink->fd, err);
    if (rc)
        kn_sink_free(&sink);
    *out = sink;
    return rc;
}

/* ---- the end of the job ---- */

struct kn_files *kn_store_files_face(struct kn_store_files *files)
{
    return &files->face;
}

kn_code kn_store_files_prepare(struct kn_store_files *files, struct kn_error *err)
{
    return kn_staged_prepare(files->store, files->sealed, files->n_sealed, err);
}

kn_code kn_store_files_publish(struct kn_store_files *files, struct kn_tx *tx,
                               struct kn_error *err)
{
    return kn_staged_publish(files->store, tx, files->sealed, files->n_sealed, err);
}

kn_code kn_store_files_new(struct kn_store_files **out, struct kn_store *store,
                           struct kn_http_client *client, const char *job_id, const char *spec,
                           struct kn_error *err)
{
    struct kn_store_files *files = calloc(1, sizeof(*files));
    *out = files;
    if (!files)
        return kn_fail(err, KN_ENOMEM, "no memory for a job's files");
    *files = (struct kn_store_files){
        .face = {files_open_input, files_open_output},
        .store = store,
        .client = client,
        .job_id = job_id,
        .spec = spec,
    };
    (void)pthread_mutex_init(&files->lock, NULL);
    return KN_OK;
}

void kn_store_files_free(struct kn_store_files **files)
{
    struct kn_store_files *f = *files;
    if (!f)
        return;
    for (size_t i = 0; i < f->n_sealed; i++)
        kn_staged_free(&f->sealed[i]);
    free(f->sealed);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
    *files = NULL;
}
