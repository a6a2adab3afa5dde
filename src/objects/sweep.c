/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Removing what nothing refers to: files that rows released, strays of writes that never finished, and
 * multipart uploads begun in S3 and left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/strings.h"
#include "base/time.h"
#include "objects/local.h"
#include "objects/remote.h"

struct sweep_call {
    int64_t before_us;
    const char *file;
    bool is_referenced;
    char (*files)[KN_ID_SIZE]; // owned
    size_t n, capacity;
};

static void sweep_call_clear(struct sweep_call *call)
{
    free(call->files);
    call->files = NULL;
    call->n = call->capacity = 0;
}

// Files released long enough ago: whoever read their row before then has opened them by now.
static kn_code sweep_garbage_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct sweep_call *call = context;
    sweep_call_clear(call);
    struct kn_stmt *stmt;
    kn_code rc = kn_tx_query(
        tx, &stmt, err,
        "SELECT file FROM object_garbage WHERE since_us <= ? "
        "AND NOT EXISTS (SELECT 1 FROM object WHERE object.file = object_garbage.file) "
        "LIMIT 1000",
        "i", call->before_us);
    bool has_row;
    while (rc == KN_OK && (rc = kn_stmt_step(stmt, &has_row, err)) == KN_OK && has_row) {
        if (call->n == call->capacity) {
            size_t capacity = call->capacity ? call->capacity * 2 : 64;
            char(*files)[KN_ID_SIZE] = reallocarray(call->files, capacity, sizeof(*files));
            if (!files)
                return kn_fail(err, KN_ENOMEM, "no memory for a list of files");
            call->files = files;
            call->capacity = capacity;
        }
        kn_copy(call->files[call->n++], KN_ID_SIZE, kn_stmt_text(stmt, 0));
    }
    for (size_t i = 0; rc == KN_OK && i < call->n; i++)
        rc = kn_tx_run(tx, NULL, err, "DELETE FROM object_garbage WHERE file = ?", "s",
                       call->files[i]);
    return rc;
}

static kn_code sweep_check_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct sweep_call *call = context;
    struct kn_stmt *stmt;
    kn_code rc = kn_tx_query(tx, &stmt, err,
                             "SELECT 1 FROM object WHERE file = ? UNION ALL "
                             "SELECT 1 FROM upload_part WHERE file = ? UNION ALL "
                             "SELECT 1 FROM object_garbage WHERE file = ? LIMIT 1",
                             "sss", call->file, call->file, call->file);
    if (rc != KN_OK)
        return rc;
    return kn_stmt_step(stmt, &call->is_referenced, err);
}

static void close_folder(DIR **folder)
{
    if (*folder)
        (void)closedir(*folder);
}

static kn_code sweep_folder(struct kn_store *store, const char *path, int64_t before_us,
                            size_t *n_gone, struct kn_error *err)
{
    kn_auto(close_folder) DIR *folder = opendir(path);
    if (!folder)
        return kn_fail_errno(err, errno, "cannot list '%s'", path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct stat st;
        if (strlen(entry->d_name) != KN_ID_SIZE - 1 ||
            fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            st.st_mtim.tv_sec * KN_SECOND > before_us)
            continue;
        struct sweep_call call = {.file = entry->d_name};
        kn_code rc = kn_db_read(store->db, sweep_check_tx, &call, err);
        if (rc != KN_OK)
            return rc;
        if (!call.is_referenced && unlinkat(dirfd(folder), entry->d_name, 0) == 0)
            (*n_gone)++;
    }
    return KN_OK;
}

static kn_code sweep_folders(struct kn_store *store, int64_t before_us, size_t *n_gone,
                             struct kn_error *err)
{
    for (unsigned i = 0; i < 256; i++) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s/%02x", store->dir, i);
        kn_code rc = sweep_folder(store, path, before_us, n_gone, err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

/* ---- in S3 ---- */

struct remote_sweep {
    struct kn_store *store; // borrowed
    int64_t before_us;
    size_t n_gone;
};

// "ab/ab…" is a file of ours; whatever else lies under the prefix is not touched.
static const char *file_of(const char *name)
{
    bool is_ours = strlen(name) == KN_ID_SIZE - 1 + 3 && name[2] == '/' && name[0] == name[3] &&
                   name[1] == name[4];
    return is_ours ? name + 3 : NULL;
}

static kn_code remote_file_seen(const char *name, const char *upload_id, int64_t modified_us,
                                void *context, struct kn_error *err)
{
    (void)upload_id;
    struct remote_sweep *sweep = context;
    struct sweep_call call = {.file = file_of(name)};
    if (!call.file || modified_us > sweep->before_us)
        return KN_OK;
    kn_code rc = kn_db_read(sweep->store->db, sweep_check_tx, &call, err);
    if (rc != KN_OK || call.is_referenced)
        return rc;
    sweep->n_gone++;
    return kn_remote_delete(sweep->store->s3, call.file, err);
}

static kn_code remote_upload_seen(const char *name, const char *upload_id, int64_t modified_us,
                                  void *context, struct kn_error *err)
{
    struct remote_sweep *sweep = context;
    if (!file_of(name) || modified_us > sweep->before_us)
        return KN_OK;
    sweep->n_gone++;
    return kn_s3_upload_abort(sweep->store->s3, name, upload_id, err);
}

static kn_code sweep_remote(struct kn_store *store, int64_t before_us, size_t *n_gone,
                            struct kn_error *err)
{
    struct remote_sweep sweep = {.store = store, .before_us = before_us};
    kn_code rc = kn_s3_each_object(store->s3, remote_file_seen, &sweep, err);
    if (rc == KN_OK)
        rc = kn_s3_each_upload(store->s3, remote_upload_seen, &sweep, err);
    if (rc == KN_EUNSUP || rc == KN_ENOTFOUND) // a store that does not list uploads
        rc = KN_OK;
    *n_gone += sweep.n_gone;
    return rc;
}

/* ---- both ---- */

kn_code kn_store_sweep(struct kn_store *store, int64_t grace_us, int64_t stray_us, size_t *out_n,
                       struct kn_error *err)
{
    size_t n_gone = 0;
    int64_t now_us = kn_now_us();
    kn_auto(sweep_call_clear) struct sweep_call call = {.before_us = now_us - grace_us};
    do {
        // A row is gone before its file: a crash in between leaves a stray, which the walk finds.
        kn_code swept = kn_db_write(store->db, sweep_garbage_tx, &call, err);
        if (swept != KN_OK)
            return swept;
        for (size_t i = 0; i < call.n; i++)
            kn_bytes_unlink(store, call.files[i]);
        n_gone += call.n;
    } while (call.n > 0);
    kn_code rc = stray_us == KN_NO_TIME ? KN_OK
               : store->s3 ? sweep_remote(store, now_us - stray_us, &n_gone, err)
                           : sweep_folders(store, now_us - stray_us, &n_gone, err);
    if (rc != KN_OK)
        return rc;
    if (out_n)
        *out_n = n_gone;
    return KN_OK;
}
