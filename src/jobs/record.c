/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The job's row and its bodies. */
#include "jobs/record.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/strings.h"
#include "base/time.h"

kn_code kn_job_unknown(const char *id, struct kn_error *err)
{
    return kn_fail_as(err, KN_ENOTFOUND, "ResourceNotFound", "there is no job '%s'", id);
}

/* ---- bodies ---- */

kn_code kn_body_put(struct kn_tx *tx, const char *text, uint8_t hash[32], struct kn_error *err)
{
    if (!text)
        return KN_OK;
    kn_sha256(hash, text, strlen(text));
    int64_t n_changed = 0;
    // A body that is there already may be removed at this moment with the last job that had it:
    // the share lock makes the remover wait for us, and if it was first, we put the body again.
    for (bool is_there = false; !is_there;) {
        kn_code rc = kn_tx_run(tx, &n_changed, err,
                               "INSERT INTO body (hash, content) VALUES (?, ?)"
                               " ON CONFLICT (hash) DO NOTHING",
                               "bs", (const void *)hash, (size_t)KN_SHA256_BYTES, text);
        if (rc != KN_OK || n_changed > 0 || !kn_tx_is_postgres(tx))
            return rc;
        struct kn_stmt *stmt = NULL;
        rc = kn_tx_query(tx, &stmt, err, "SELECT 1 FROM body WHERE hash = ? FOR KEY SHARE", "b",
                         (const void *)hash, (size_t)KN_SHA256_BYTES);
        if (rc == KN_OK)
            rc = kn_stmt_step(stmt, &is_there, err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

kn_code kn_body_drop(struct kn_tx *tx, const void *hash, size_t n, struct kn_error *err)
{
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    kn_code rc =
        kn_tx_query(tx, &stmt, err, "SELECT 1 FROM body WHERE hash = ? FOR UPDATE", "b", hash, n);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc != KN_OK || !has_row)
        return rc;
    // A statement of its own: it sees the jobs of those the lock waited for.
    return kn_tx_run(tx, NULL, err,
                     "DELETE FROM body WHERE hash = ?"
                     " AND NOT EXISTS (SELECT 1 FROM job WHERE spec_hash = ?)"
                     " AND NOT EXISTS (SELECT 1 FROM job WHERE request_hash = ?)"
                     " AND NOT EXISTS (SELECT 1 FROM job WHERE result_hash = ?)",
                     "bbbb", hash, n, hash, n, hash, n, hash, n);
}

/* ---- rows ---- */

static int64_t row_time(struct kn_stmt *row, int column)
{
    return kn_stmt_is_null(row, column) ? KN_NO_TIME : kn_stmt_int(row, column);
}

void kn_job_from_row(struct kn_job *job, struct kn_stmt *row, struct kn_arena *arena)
{
    *job = (struct kn_job){
        .state = (enum kn_job_state)kn_stmt_int(row, 4),
        .priority = (int)kn_stmt_int(row, 5),
        .attempt = (int)kn_stmt_int(row, 6),
        .percent = (int)kn_stmt_int(row, 7),
        .created_us = kn_stmt_int(row, 8),
        .started_us = row_time(row, 9),
        .finished_us = row_time(row, 10),
        .name = kn_arena_strdup(arena, kn_stmt_text(row, 11)),
        .request_id = kn_arena_strdup(arena, kn_stmt_text(row, 12)),
        .user_data = kn_arena_strdup(arena, kn_stmt_text(row, 13)),
        .client_token = kn_arena_strdup(arena, kn_stmt_text(row, 14)),
        .notify = kn_arena_strdup(arena, kn_stmt_text(row, 15)),
        .detail = kn_arena_strdup(arena, kn_stmt_text(row, 16)),
        .reason = kn_arena_strdup(arena, kn_stmt_text(row, 18)),
        .message = kn_arena_strdup(arena, kn_stmt_text(row, 19)),
        .is_cancel_asked = kn_stmt_int(row, 20) != 0,
    };
    (void)kn_copy(job->id, sizeof(job->id), kn_stmt_text(row, 0));
    (void)kn_copy(job->kind, sizeof(job->kind), kn_stmt_text(row, 1));
    (void)kn_copy(job->pipeline_id, sizeof(job->pipeline_id), kn_stmt_text(row, 2));
    (void)kn_copy(job->key_id, sizeof(job->key_id), kn_stmt_text(row, 3));
    (void)kn_copy(job->code, sizeof(job->code), kn_stmt_text(row, 17));
}

static kn_code job_lock(struct kn_tx *tx, const char *id, struct kn_error *err)
{
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &stmt, err, "SELECT 1 FROM job WHERE id = ? FOR UPDATE", "s", id);
    return rc == KN_OK ? kn_stmt_step(stmt, &has_row, err) : rc;
}

kn_code kn_job_load(struct kn_tx *tx, const char *id, bool is_locked, struct kn_arena *arena,
                    struct kn_job *out_job, struct kn_error *err)
{
    struct kn_stmt *row = NULL;
    bool has_row = false;
    kn_code rc = is_locked ? job_lock(tx, id, err) : KN_OK;
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &row, err,
                         "SELECT " KN_JOB_COLUMNS ", s.content, q.content, r.content FROM job j"
                         " LEFT JOIN body s ON s.hash = j.spec_hash"
                         " LEFT JOIN body q ON q.hash = j.request_hash"
                         " LEFT JOIN body r ON r.hash = j.result_hash WHERE j.id = ?",
                         "s", id);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (!has_row)
        return kn_job_unknown(id, err);
    kn_job_from_row(out_job, row, arena);
    out_job->spec = kn_arena_strdup(arena, kn_stmt_text(row, KN_JOB_N_COLUMNS));
    out_job->request = kn_arena_strdup(arena, kn_stmt_text(row, KN_JOB_N_COLUMNS + 1));
    out_job->result = kn_arena_strdup(arena, kn_stmt_text(row, KN_JOB_N_COLUMNS + 2));
    return KN_OK;
}

kn_code kn_job_announce(struct kn_jobs *jobs, struct kn_tx *tx, const char *id,
                        struct kn_error *err)
{
    if (!jobs->hook)
        return KN_OK;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_job job;
    kn_code rc = kn_job_load(tx, id, false, &arena, &job, err);
    return rc == KN_OK ? jobs->hook(tx, &job, jobs->hook_context, err) : rc;
}
