/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Submitting, looking, cancelling, retrying, purging. What a worker does is in claim.c.
 *
 * Transactions are guarded ones: what two of them could fight over is a unique key (id, token,
 * nonce), a locked row, or a condition in an UPDATE.
 */
#include "jobs/jobs.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/time.h"
#include "db/nonce.h"
#include "jobs/record.h"

#define DEFAULT_PRIORITY 6 // spec 02, 2.2
// The vendor promises a day; a week costs little and covers a client that was down over a weekend.
#define TOKEN_SPAN_US (7 * KN_DAY)

kn_code kn_jobs_open(struct kn_jobs **out, struct kn_db *db, struct kn_error *err)
{
    *out = NULL;
    kn_auto(kn_jobs_close) struct kn_jobs *jobs = calloc(1, sizeof(*jobs));
    if (!jobs)
        return kn_fail(err, KN_ENOMEM, "no memory for the jobs");
    jobs->db = db;
    kn_code rc = kn_pipeline_ensure_default(jobs, err);
    if (rc == KN_OK)
        *out = KN_TAKE(jobs);
    return rc;
}

void kn_jobs_close(struct kn_jobs **jobs)
{
    free(*jobs);
    *jobs = NULL;
}

void kn_jobs_set_hook(struct kn_jobs *jobs, kn_job_hook hook, void *context)
{
    jobs->hook = hook;
    jobs->hook_context = context;
}

kn_code kn_jobs_watch(struct kn_jobs *jobs, kn_db_wake wake, void *context, struct kn_error *err)
{
    return kn_db_watch(jobs->db, KN_JOBS_TOPIC, wake, context, err);
}

void kn_jobs_unwatch(struct kn_jobs *jobs, void *context)
{
    kn_db_unwatch(jobs->db, KN_JOBS_TOPIC, context);
}

/* ---- submitting ---- */

struct submit_call {
    struct kn_jobs *jobs;
    const struct kn_job_submit *submit;
    char id[KN_ID_SIZE]; // of the new job, or of the one the token made
    char pipeline_id[KN_ID_SIZE];
    int64_t created_us;
    bool is_repeat;
};

// The new job as its row says it: nothing needs to be read back. Texts are the submitter's.
static struct kn_job job_of_submit(const struct submit_call *call)
{
    const struct kn_job_submit *submit = call->submit;
    struct kn_job job = {
        .state = KN_JOB_QUEUED,
        .priority = submit->priority ? submit->priority : DEFAULT_PRIORITY,
        .created_us = call->created_us,
        .started_us = KN_NO_TIME,
        .finished_us = KN_NO_TIME,
        .name = submit->name,
        .spec = submit->spec,
        .request = submit->request,
        .request_id = submit->request_id,
        .user_data = submit->user_data,
        .client_token = submit->client_token,
        .notify = submit->notify,
    };
    (void)kn_copy(job.id, sizeof(job.id), call->id);
    (void)kn_copy(job.kind, sizeof(job.kind), submit->kind);
    (void)kn_copy(job.pipeline_id, sizeof(job.pipeline_id), call->pipeline_id);
    (void)kn_copy(job.key_id, sizeof(job.key_id), submit->key_id);
    return job;
}

// Claim the token for this job, or find the job it made before.
static kn_code token_use(struct kn_tx *tx, struct submit_call *call, int64_t now,
                         struct kn_error *err)
{
    const struct kn_job_submit *submit = call->submit;
    const char *action = submit->action ? submit->action : submit->kind;
    int64_t n_changed = 0;
    kn_code rc = kn_tx_run(tx, &n_changed, err,
                           "INSERT INTO client_token"
                           " (key_id, action, token, fingerprint, job_id, created_us)"
                           " VALUES (?, ?, ?, ?, ?, ?)"
                           " ON CONFLICT (key_id, action, token) DO NOTHING",
                           "sssssi", submit->key_id, action, submit->client_token,
                           submit->fingerprint, call->id, now);
    if (rc != KN_OK || n_changed > 0)
        return rc;
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    rc = kn_tx_query(tx, &stmt, err,
                     "SELECT fingerprint, job_id FROM client_token"
                     " WHERE key_id = ? AND action = ? AND token = ?",
                     "sss", submit->key_id, action, submit->client_token);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (!has_row)
        return kn_fail(err, KN_EIO, "the ClientToken ran out at this moment");
    if (!kn_equal(kn_stmt_text(stmt, 0), submit->fingerprint))
        return kn_fail_as(err, KN_ECONFLICT, "IdempotentParameterMismatch",
                          "the ClientToken '%s' was used with other parameters",
                          submit->client_token);
    call->is_repeat = true;
    (void)kn_copy(call->id, sizeof(call->id), kn_stmt_text(stmt, 1));
    return KN_OK;
}

// The lock keeps the pipeline from being deleted before this job is committed to it.
static kn_code pipeline_check(struct kn_tx *tx, const char *id, struct kn_error *err)
{
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    kn_code rc =
        kn_tx_query(tx, &stmt, err, "SELECT 1 FROM pipeline WHERE id = ? FOR KEY SHARE", "s", id);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc == KN_OK && !has_row)
        rc = kn_fail_as(err, KN_ENOTFOUND, "ResourceNotFound", "there is no pipeline '%s'", id);
    return rc;
}

static kn_code job_insert(struct kn_tx *tx, const struct submit_call *call, struct kn_error *err)
{
    const struct kn_job_submit *submit = call->submit;
    uint8_t spec[32];
    uint8_t request[32];
    kn_code rc = kn_body_put(tx, submit->spec, spec, err);
    if (rc == KN_OK)
        rc = kn_body_put(tx, submit->request, request, err);
    if (rc != KN_OK)
        return rc;
    return kn_tx_run(
        tx, NULL, err,
        "INSERT INTO job (id, kind, pipeline_id, key_id, state, priority, attempt, n_tries,"
        " percent, created_us, ready_us, is_cancel_asked, name, request_id, user_data,"
        " client_token, notify, spec_hash, request_hash)"
        " VALUES (?, ?, ?, ?, 0, ?, 0, 0, 0, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?)",
        "ssssiiisssssbb", call->id, submit->kind, call->pipeline_id, submit->key_id,
        (int64_t)(submit->priority ? submit->priority : DEFAULT_PRIORITY), call->created_us,
        call->created_us, submit->name,
        submit->request_id, submit->user_data, submit->client_token, submit->notify,
        submit->spec ? (const void *)spec : NULL, sizeof(spec),
        submit->request ? (const void *)request : NULL, sizeof(request));
}

static kn_code submit_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct submit_call *call = context;
    const struct kn_job_submit *submit = call->submit;
    call->is_repeat = false;
    if (submit->id[0])
        (void)kn_copy(call->id, sizeof(call->id), submit->id);
    else
        kn_id_hex(call->id);

    struct kn_jobs *jobs = call->jobs;
    kn_code rc = kn_tx_now(tx, &call->created_us, err);
    if (rc == KN_OK && submit->nonce)
        rc = kn_nonce_use_tx(tx, submit->key_id, submit->nonce, err);
    if (rc == KN_OK && submit->client_token)
        rc = token_use(tx, call, call->created_us, err);
    if (rc != KN_OK || call->is_repeat)
        return rc;

    const char *pipeline_id = jobs->default_pipeline; // cannot be deleted
    if (submit->pipeline_id && !kn_equal(submit->pipeline_id, pipeline_id)) {
        pipeline_id = submit->pipeline_id;
        rc = pipeline_check(tx, pipeline_id, err);
    }
    (void)kn_copy(call->pipeline_id, sizeof(call->pipeline_id), pipeline_id);
    if (rc == KN_OK)
        rc = job_insert(tx, call, err);
    if (rc == KN_OK && jobs->hook) {
        struct kn_job job = job_of_submit(call);
        rc = jobs->hook(tx, &job, jobs->hook_context, err);
    }
    kn_tx_notify(tx, KN_JOBS_TOPIC);
    return rc;
}

kn_code kn_jobs_submit(struct kn_jobs *jobs, const struct kn_job_submit *submit,
                       struct kn_arena *arena, struct kn_job *out_job, bool *out_is_repeat,
                       struct kn_error *err)
{
    struct submit_call call = {.jobs = jobs, .submit = submit};
    if (!submit->kind || !submit->key_id)
        return kn_fail(err, KN_EBUG, "a job needs a kind and a key");
    if (submit->client_token && strlen(submit->client_token) > KN_MAX_CLIENT_TOKEN)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                          "the ClientToken is longer than %d characters", KN_MAX_CLIENT_TOKEN);
    if (submit->priority < 0 || submit->priority > 10)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "the priority %d is not 1 to 10",
                          submit->priority);
    kn_code rc = kn_db_write_guarded(jobs->db, submit_in_tx, &call, err);
    if (rc != KN_OK)
        return rc;
    if (out_is_repeat)
        *out_is_repeat = call.is_repeat;
    if (!out_job)
        return KN_OK;
    if (call.is_repeat)
        return kn_jobs_get(jobs, call.id, arena, out_job, err);
    // As it was submitted: a worker may have it by now, and the answer must not depend on that.
    *out_job = job_of_submit(&call);
    const char **texts[] = {&out_job->name,      &out_job->spec,         &out_job->request,
                            &out_job->request_id, &out_job->user_data,
                            &out_job->client_token, &out_job->notify};
    for (size_t i = 0; i < KN_COUNT(texts); i++) {
        if (!*texts[i])
            continue;
        *texts[i] = kn_arena_strdup(arena, *texts[i]);
        if (!*texts[i])
            return kn_fail(err, KN_ENOMEM, "no memory for the job '%s', which is queued", call.id);
    }
    return KN_OK;
}

/* ---- looking ---- */

struct get_call {
    const char *id;
    struct kn_arena *arena;
    struct kn_job *out_job;
};

static kn_code get_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct get_call *call = context;
    return kn_job_load(tx, call->id, false, call->arena, call->out_job, err);
}

kn_code kn_jobs_get(struct kn_jobs *jobs, const char *id, struct kn_arena *arena,
                    struct kn_job *out_job, struct kn_error *err)
{
    struct get_call call = {.id = id, .arena = arena, .out_job = out_job};
    return kn_db_read(jobs->db, get_in_tx, &call, err);
}

/* ---- cancelling and retrying ---- */

struct id_call {
    struct kn_jobs *jobs;
    const char *id;
};

static kn_code cancel_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct id_call *call = context;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_job job;
    int64_t now = 0;
    kn_code rc = kn_job_load(tx, call->id, true, &arena, &job, err);
    if (rc == KN_OK)
        rc = kn_tx_now(tx, &now, err);
    if (rc != KN_OK)
        return rc;
    switch (job.state) {
    case KN_JOB_QUEUED:
        rc = kn_tx_run(tx, NULL, err,
                       "UPDATE job SET state = 4, is_cancel_asked = 1, finished_us = ?,"
                       " code = 'KN_ECANCELED', message = 'cancelled before it started'"
                       " WHERE id = ?",
                       "is", now, call->id);
        return rc == KN_OK ? kn_job_announce(call->jobs, tx, call->id, err) : rc;
    case KN_JOB_RUNNING:
        kn_tx_notify(tx, KN_JOBS_TOPIC);
        return kn_tx_run(tx, NULL, err, "UPDATE job SET is_cancel_asked = 1 WHERE id = ?", "s",
                         call->id);
    case KN_JOB_SUCCEEDED:
        return kn_fail_as(err, KN_ECONFLICT, "JobInComplete", "the job '%s' is complete", call->id);
    case KN_JOB_FAILED:
    case KN_JOB_CANCELLED: break;
    }
    return kn_fail_as(err, KN_ECONFLICT, "JobInFailure", "the job '%s' has ended without success",
                      call->id);
}

kn_code kn_jobs_cancel(struct kn_jobs *jobs, const char *id, struct kn_error *err)
{
    struct id_call call = {.jobs = jobs, .id = id};
    return kn_db_write_guarded(jobs->db, cancel_in_tx, &call, err);
}

static kn_code retry_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct id_call *call = context;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_job job;
    int64_t now = 0;
    kn_code rc = kn_job_load(tx, call->id, true, &arena, &job, err);
    if (rc == KN_OK)
        rc = kn_tx_now(tx, &now, err);
    if (rc != KN_OK)
        return rc;
    if (job.state != KN_JOB_FAILED && job.state != KN_JOB_CANCELLED)
        return kn_fail_as(err, KN_ECONFLICT,
                          job.state == KN_JOB_SUCCEEDED ? "JobInComplete" : "JobInProgress",
                          "the job '%s' has not failed", call->id);
    rc = pipeline_check(tx, job.pipeline_id, err);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err,
                       "UPDATE job SET state = 0, n_tries = 0, percent = 0, is_cancel_asked = 0,"
                       " ready_us = ?, started_us = NULL, finished_us = NULL, detail = NULL,"
                       " code = NULL, reason = NULL, message = NULL, result_hash = NULL"
                       " WHERE id = ?",
                       "is", now, call->id);
    kn_tx_notify(tx, KN_JOBS_TOPIC);
    return rc == KN_OK ? kn_job_announce(call->jobs, tx, call->id, err) : rc;
}

kn_code kn_jobs_retry(struct kn_jobs *jobs, const char *id, struct kn_error *err)
{
    struct id_call call = {.jobs = jobs, .id = id};
    return kn_db_write_guarded(jobs->db, retry_in_tx, &call, err);
}

/* ---- housekeeping ---- */

struct purge_call {
    int64_t finished_before_us;
    int max;
    int n_purged;
};

static kn_code job_purge(struct kn_tx *tx, const char *id, struct kn_error *err)
{
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    uint8_t hashes[3][32];
    size_t n[3] = {0};
    kn_code rc =
        kn_tx_query(tx, &stmt, err,
                    "SELECT spec_hash, request_hash, result_hash FROM job WHERE id = ?", "s", id);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    for (int i = 0; rc == KN_OK && has_row && i < 3; i++) {
        const void *hash = kn_stmt_blob(stmt, i, &n[i]);
        n[i] = n[i] == sizeof(hashes[i]) ? n[i] : 0;
        if (n[i])
            memcpy(hashes[i], hash, n[i]);
    }
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err, "DELETE FROM job WHERE id = ?", "s", id);
    for (int i = 0; rc == KN_OK && i < 3; i++)
        if (n[i])
            rc = kn_body_drop(tx, hashes[i], n[i], err);
    return rc;
}

static kn_code purge_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct purge_call *call = context;
    kn_auto(kn_free) char(*ids)[KN_ID_SIZE] = calloc((size_t)call->max, sizeof(*ids));
    if (!ids)
        return kn_fail(err, KN_ENOMEM, "no memory to purge %d jobs", call->max);
    call->n_purged = 0;
    int64_t now = 0;
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_now(tx, &now, err);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err, "DELETE FROM client_token WHERE created_us < ?", "i",
                       now - TOKEN_SPAN_US);
    // created_us comes before finished_us: the index on it finds the old ones.
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &stmt, err,
                         "SELECT id FROM job WHERE created_us < ? AND state >= 2"
                         " AND finished_us < ? ORDER BY created_us LIMIT ? FOR UPDATE SKIP LOCKED",
                         "iii", call->finished_before_us, call->finished_before_us,
                         (int64_t)call->max);
    int n = 0;
    while (rc == KN_OK && (rc = kn_stmt_step(stmt, &has_row, err)) == KN_OK && has_row)
        (void)kn_copy(ids[n++], sizeof(*ids), kn_stmt_text(stmt, 0));
    for (int i = 0; rc == KN_OK && i < n; i++)
        rc = job_purge(tx, ids[i], err);
    call->n_purged = n;
    return rc;
}

kn_code kn_jobs_purge(struct kn_jobs *jobs, int64_t finished_before_us, int max, int *out_n,
                      struct kn_error *err)
{
    struct purge_call call = {.finished_before_us = finished_before_us, .max = max > 0 ? max : 1};
    kn_code rc = kn_db_write_guarded(jobs->db, purge_in_tx, &call, err);
    if (out_n)
        *out_n = rc == KN_OK ? call.n_purged : 0;
    return rc;
}
