/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What workers do: claim, renew, finish, and what happens to the jobs of those that died.
 *
 * Locks are taken in one order: rows of jobs, then rows of pipelines. A claim passes over jobs that
 * others hold (SKIP LOCKED), so that claimers do not wait for one another.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/time.h"
#include "jobs/record.h"

// One claim takes at most this many: a supervisor has that many cores at most.
#define MAX_CLAIM 64
// Expiry handles so many jobs in one transaction.
#define EXPIRE_BATCH 128
// How long a job waits after its nth failure before it is tried again.
#define RETRY_DELAY_US(n_tries) ((n_tries) <= 1 ? 2 * KN_SECOND : 10 * KN_SECOND)
// How long a job that was given back for want of something waits.
#define GIVEN_BACK_DELAY_US (5 * KN_SECOND)

/* ---- claiming ---- */

struct queue {
    char id[KN_ID_SIZE];
    int64_t priority;
    bool has_limit;
    int64_t n_free;  // places, INT64_MAX without limit
    int64_t n_taken; // by this claim
};

struct candidate {
    char id[KN_ID_SIZE];
    struct queue *queue; // borrowed
    int64_t priority;
    int64_t seq;
};

struct claim_call {
    struct kn_jobs *jobs;
    const char *worker_id;
    int64_t lease_us;
    int max;
    struct kn_claim *claims;
    int n_claims;
};

// Pipelines that are open, have room and have something ready, the most urgent first.
static kn_code queues_load(struct kn_tx *tx, int64_t now, struct kn_arena *arena,
                           struct queue **out_queues, int *out_n, struct kn_error *err)
{
    struct kn_stmt *row = NULL;
    bool has_row = false;
    int capacity = 0;
    *out_n = 0;
    kn_code rc =
        kn_tx_query(tx, &row, err,
                    "SELECT p.id, p.priority, p.max_running FROM pipeline p WHERE p.is_paused = 0"
                    " AND (p.max_running = 0 OR p.n_running < p.max_running)"
                    " AND EXISTS (SELECT 1 FROM job j WHERE j.pipeline_id = p.id AND j.state = 0"
                    " AND j.ready_us <= ?) ORDER BY p.priority DESC, p.id",
                    "i", now);
    while (rc == KN_OK && (rc = kn_stmt_step(row, &has_row, err)) == KN_OK && has_row) {
        if (*out_n == capacity) {
            int more = capacity ? 2 * capacity : 8;
            struct queue *queues = kn_arena_array(arena, (size_t)more, sizeof(*queues));
            if (!queues)
                return kn_fail(err, KN_ENOMEM, "no memory for %d pipelines", more);
            if (capacity)
                memcpy(queues, *out_queues, (size_t)capacity * sizeof(*queues));
            *out_queues = queues;
            capacity = more;
        }
        struct queue *queue = &(*out_queues)[(*out_n)++];
        (void)kn_copy(queue->id, sizeof(queue->id), kn_stmt_text(row, 0));
        queue->priority = kn_stmt_int(row, 1);
        queue->has_limit = kn_stmt_int(row, 2) > 0;
    }
    return rc;
}

static kn_code queue_candidates(struct kn_tx *tx, struct queue *queue, int64_t now, int max,
                                struct candidate *candidates, int *n, struct kn_error *err)
{
    struct kn_stmt *row = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT id, priority, seq FROM job WHERE pipeline_id = ?"
                             " AND state = 0 AND ready_us <= ?"
                             " ORDER BY priority DESC, seq LIMIT ? FOR UPDATE SKIP LOCKED",
                             "sii", queue->id, now, (int64_t)max);
    while (rc == KN_OK && (rc = kn_stmt_step(row, &has_row, err)) == KN_OK && has_row) {
        struct candidate *candidate = &candidates[(*n)++];
        (void)kn_copy(candidate->id, sizeof(candidate->id), kn_stmt_text(row, 0));
        candidate->queue = queue;
        candidate->priority = kn_stmt_int(row, 1);
        candidate->seq = kn_stmt_int(row, 2);
    }
    return rc;
}

// Lock the pipeline and see how many places it really has: state and limit may have changed.
static kn_code queue_lock(struct kn_tx *tx, struct queue *queue, struct kn_error *err)
{
    struct kn_stmt *row = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_query(
        tx, &row, err,
        queue->has_limit
            ? "SELECT is_paused, max_running, n_running FROM pipeline WHERE id = ? FOR UPDATE"
            : "SELECT is_paused, max_running, n_running FROM pipeline WHERE id = ? FOR SHARE",
        "s", queue->id);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK)
        return rc;
    int64_t max_running = has_row ? kn_stmt_int(row, 1) : 0;
    if (!has_row || kn_stmt_int(row, 0) != 0)
        queue->n_free = 0;
    else if (queue->has_limit)
        queue->n_free = max_running ? max_running - kn_stmt_int(row, 2) : INT64_MAX;
    else
        queue->n_free = max_running ? 0 : INT64_MAX; // a limit since: the next claim counts it
    return KN_OK;
}

static int candidate_compare(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static kn_code candidate_claim(struct kn_tx *tx, struct claim_call *call,
                               const struct candidate *candidate, int64_t now, struct kn_error *err)
{
    struct kn_stmt *row = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_query(
        tx, &row, err,
        "UPDATE job SET state = 1, attempt = attempt + 1, n_tries = n_tries + 1, percent = 0,"
        " worker_id = ?, lease_until_us = ?, started_us = COALESCE(started_us, ?),"
        " code = NULL, reason = NULL, message = NULL"
        " WHERE id = ? AND state = 0 RETURNING attempt",
        "siis", call->worker_id, now + call->lease_us, now, candidate->id);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK || !has_row)
        return rc;
    struct kn_claim *claim = &call->claims[call->n_claims++];
    (void)kn_copy(claim->job_id, sizeof(claim->job_id), candidate->id);
    (void)kn_copy(claim->worker_id, sizeof(claim->worker_id), call->worker_id);
    claim->attempt = (int)kn_stmt_int(row, 0);
    candidate->queue->n_taken++;
    candidate->queue->n_free--;
    return kn_job_announce(call->jobs, tx, candidate->id, err);
}

// Claim from the pipelines of one priority, whose jobs stand in one line.
static kn_code tier_claim(struct kn_tx *tx, struct claim_call *call, struct queue *queues,
                          int n_queues, int64_t now, struct kn_arena *arena, struct kn_error *err)
{
    int wanted = call->max - call->n_claims;
    struct candidate *candidates =
        kn_arena_array(arena, (size_t)n_queues * (size_t)wanted, sizeof(*candidates));
    if (!candidates)
        return kn_fail(err, KN_ENOMEM, "no memory for a claim");
    int n = 0;
    kn_code rc = KN_OK;
    for (int i = 0; rc == KN_OK && i < n_queues; i++)
        rc = queue_candidates(tx, &queues[i], now, wanted, candidates, &n, err);
    for (int i = 0; rc == KN_OK && i < n_queues; i++)
        rc = queue_lock(tx, &queues[i], err);
    qsort(candidates, (size_t)n, sizeof(*candidates), candidate_compare);
    for (int i = 0; rc == KN_OK && i < n && call->n_claims < call->max; i++)
        if (candidates[i].queue->n_free > 0)
            rc = candidate_claim(tx, call, &candidates[i], now, err);
    for (int i = 0; rc == KN_OK && i < n_queues; i++)
        if (queues[i].has_limit && queues[i].n_taken > 0)
            rc = kn_tx_run(tx, NULL, err,
                           "UPDATE pipeline SET n_running = n_running + ? WHERE id = ?", "is",
                           queues[i].n_taken, queues[i].id);
    return rc;
}

static kn_code claim_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct claim_call *call = context;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct queue *queues = NULL;
    int n_queues = 0;
    int64_t now = 0;
    call->n_claims = 0;
    kn_code rc = kn_tx_now(tx, &now, err);
    if (rc == KN_OK)
        rc = queues_load(tx, now, &arena, &queues, &n_queues, err);
    for (int at = 0; rc == KN_OK && at < n_queues && call->n_claims < call->max;) {
        int n = 1;
        while (at + n < n_queues && queues[at + n].priority == queues[at].priority)
            n++;
        rc = tier_claim(tx, call, queues + at, n, now, &arena, err);
        at += n;
    }
    return rc;
}

kn_code kn_jobs_claim(struct kn_jobs *jobs, const char worker_id[KN_ID_SIZE], int max,
                      int64_t lease_us, struct kn_claim *out_claims, int *out_n,
                      struct kn_error *err)
{
    struct claim_call call = {
        .jobs = jobs,
        .worker_id = worker_id,
        .lease_us = lease_us,
        .max = max < MAX_CLAIM ? max : MAX_CLAIM,
        .claims = out_claims,
    };
    *out_n = 0;
    if (call.max <= 0)
        return KN_OK;
    // Should the power fail, a claim that is forgotten is a job that waits, and its worker is gone.
    kn_code rc = kn_db_write_relaxed(jobs->db, claim_in_tx, &call, err);
    if (rc == KN_OK)
        *out_n = call.n_claims;
    return rc;
}

/* ---- renewing ---- */

static kn_code claim_lost(const struct kn_claim *claim, struct kn_error *err)
{
    return kn_fail_as(err, KN_ECONFLICT, "ClaimLost",
                      "attempt %d at the job '%s' no longer holds it", claim->attempt,
                      claim->job_id);
}

struct renew_call {
    const struct kn_claim *claim;
    int64_t lease_us;
    int percent;
    const char *detail;
    bool is_cancel_asked;
};

static kn_code renew_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct renew_call *call = context;
    struct kn_stmt *row = NULL;
    bool has_row = false;
    int64_t now = 0;
    kn_code rc = kn_tx_now(tx, &now, err);
    if (rc == KN_OK)
        rc =
            kn_tx_query(tx, &row, err,
                        "UPDATE job SET lease_until_us = ?, percent = ?,"
                        " detail = COALESCE(?, detail)"
                        " WHERE id = ? AND attempt = ? AND worker_id = ? AND state = 1"
                        " RETURNING is_cancel_asked",
                        "iissis", now + call->lease_us, (int64_t)call->percent, call->detail,
                        call->claim->job_id, (int64_t)call->claim->attempt, call->claim->worker_id);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK && !has_row)
        return claim_lost(call->claim, err);
    if (rc == KN_OK)
        call->is_cancel_asked = kn_stmt_int(row, 0) != 0;
    return rc;
}

kn_code kn_jobs_renew(struct kn_jobs *jobs, const struct kn_claim *claim, int64_t lease_us,
                      int percent, const char *detail, bool *out_cancel, struct kn_error *err)
{
    struct renew_call call = {
        .claim = claim, .lease_us = lease_us, .percent = percent, .detail = detail};
    kn_code rc = kn_db_write_relaxed(jobs->db, renew_in_tx, &call, err);
    if (out_cancel)
        *out_cancel = rc == KN_OK && call.is_cancel_asked;
    return rc;
}

/* ---- leaving the state RUNNING ---- */

struct running {
    char id[KN_ID_SIZE];
    char pipeline_id[KN_ID_SIZE];
    int64_t n_tries;
    bool is_cancel_asked;
};

static kn_code job_end(struct kn_tx *tx, const struct running *job, enum kn_job_state state,
                       const struct kn_error *why, const char *result, int64_t now,
                       struct kn_error *err)
{
    uint8_t hash[KN_SHA256_BYTES];
    bool has_failed = state != KN_JOB_SUCCEEDED;
    kn_code rc = kn_body_put(tx, result, hash, err);
    if (rc != KN_OK)
        return rc;
    return kn_tx_run(tx, NULL, err,
                     "UPDATE job SET state = ?, finished_us = ?, worker_id = NULL,"
                     " lease_until_us = NULL, result_hash = ?, code = ?, reason = ?, message = ?,"
                     " percent = CASE WHEN ? = 2 THEN 100 ELSE percent END WHERE id = ?",
                     "iibsssis", (int64_t)state, now, result ? (const void *)hash : NULL,
                     sizeof(hash), has_failed ? kn_code_name(why->code) : NULL,
                     has_failed ? why->reason : NULL, has_failed ? why->message : NULL,
                     (int64_t)state, job->id);
}

static kn_code job_requeue(struct kn_tx *tx, const struct running *job, bool is_counted,
                           int64_t ready_us, struct kn_error *err)
{
    kn_tx_notify(tx, KN_JOBS_TOPIC);
    return kn_tx_run(tx, NULL, err,
                     "UPDATE job SET state = 0, worker_id = NULL, lease_until_us = NULL,"
                     " percent = 0, ready_us = ?, n_tries = n_tries - ? WHERE id = ?",
                     "iis", ready_us, (int64_t)!is_counted, job->id);
}

// A try ended without a result: again, or failed, or cancelled when that was asked.
static kn_code job_try_again(struct kn_tx *tx, const struct running *job, bool is_counted,
                             int64_t delay_us, const struct kn_error *why, const char *result,
                             int64_t now, struct kn_error *err)
{
    if (job->is_cancel_asked) {
        struct kn_error cancelled = {0};
        (void)kn_fail(&cancelled, KN_ECANCELED, "cancelled");
        return job_end(tx, job, KN_JOB_CANCELLED, &cancelled, result, now, err);
    }
    if (is_counted && job->n_tries >= KN_MAX_ATTEMPTS)
        return job_end(tx, job, KN_JOB_FAILED, why, result, now, err);
    return job_requeue(tx, job, is_counted, now + delay_us, err);
}

/* ---- finishing ---- */

struct finish_call {
    struct kn_jobs *jobs;
    const struct kn_claim *claim;
    const struct kn_job_outcome *outcome;
};

static kn_code running_lock(struct kn_tx *tx, const struct kn_claim *claim, struct running *out,
                            struct kn_error *err)
{
    struct kn_stmt *row = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT pipeline_id, n_tries, is_cancel_asked FROM job WHERE id = ?"
                             " AND attempt = ? AND worker_id = ? AND state = 1 FOR UPDATE",
                             "sis", claim->job_id, (int64_t)claim->attempt, claim->worker_id);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (!has_row)
        return claim_lost(claim, err);
    *out = (struct running){
        .n_tries = kn_stmt_int(row, 1),
        .is_cancel_asked = kn_stmt_int(row, 2) != 0,
    };
    (void)kn_copy(out->id, sizeof(out->id), claim->job_id);
    (void)kn_copy(out->pipeline_id, sizeof(out->pipeline_id), kn_stmt_text(row, 0));
    return KN_OK;
}

static kn_code outcome_apply(struct kn_tx *tx, const struct running *job,
                             const struct kn_job_outcome *outcome, int64_t now,
                             struct kn_error *err)
{
    const struct kn_error *why = &outcome->error;
    switch (outcome->state) {
    case KN_JOB_SUCCEEDED:
        return job_end(tx, job, KN_JOB_SUCCEEDED, why, outcome->result, now, err);
    case KN_JOB_CANCELLED:
        return job_end(tx, job, KN_JOB_CANCELLED, why, outcome->result, now, err);
    case KN_JOB_FAILED:
        if (why->code == KN_ECANCELED)
            return job_end(tx, job, KN_JOB_CANCELLED, why, outcome->result, now, err);
        if (!kn_code_is_retryable(why->code))
            return job_end(tx, job, KN_JOB_FAILED, why, outcome->result, now, err);
        return job_try_again(tx, job, true,
                             outcome->is_process_lost ? 0 : RETRY_DELAY_US(job->n_tries), why,
                             outcome->result, now, err);
    case KN_JOB_QUEUED:
        return job_try_again(tx, job, false, why->code == KN_OK ? 0 : GIVEN_BACK_DELAY_US, why,
                             outcome->result, now, err);
    case KN_JOB_RUNNING: break;
    }
    return kn_fail(err, KN_EBUG, "a job cannot finish running");
}

static kn_code finish_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct finish_call *call = context;
    const struct kn_job_outcome *outcome = call->outcome;
    struct running job;
    int64_t now = 0;
    kn_code rc = kn_tx_now(tx, &now, err);
    if (rc == KN_OK)
        rc = running_lock(tx, call->claim, &job, err);
    if (rc == KN_OK && outcome->publish)
        rc = outcome->publish(tx, outcome->publish_context, err);
    if (rc == KN_OK)
        rc = outcome_apply(tx, &job, outcome, now, err);
    if (rc == KN_OK)
        rc = kn_job_announce(call->jobs, tx, job.id, err);
    return rc == KN_OK ? kn_pipeline_release(tx, job.pipeline_id, 1, err) : rc;
}

kn_code kn_jobs_finish(struct kn_jobs *jobs, const struct kn_claim *claim,
                       const struct kn_job_outcome *outcome, struct kn_error *err)
{
    struct finish_call call = {.jobs = jobs, .claim = claim, .outcome = outcome};
    return kn_db_write_guarded(jobs->db, finish_in_tx, &call, err);
}

/* ---- expiry ---- */

struct expire_call {
    struct kn_jobs *jobs;
    const char *dead_worker; // NULL: those whose lease has run out
    bool is_restart;         // all, and not counted: the server died, not the job
    struct running batch[EXPIRE_BATCH];
    int n;
};

static kn_code expired_load(struct kn_tx *tx, struct expire_call *call, int64_t now,
                            struct kn_error *err)
{
    struct kn_stmt *row = NULL;
    bool has_row = false;
    call->n = 0;
    // By pipeline, so that places are released in one order.
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT id, pipeline_id, n_tries, is_cancel_asked FROM job"
                             " WHERE state = 1 AND (lease_until_us < ? OR worker_id = ? OR ? = 1)"
                             " ORDER BY pipeline_id, id LIMIT ? FOR UPDATE SKIP LOCKED",
                             "isii", call->dead_worker ? INT64_MIN : now, call->dead_worker,
                             (int64_t)call->is_restart, (int64_t)EXPIRE_BATCH);
    while (rc == KN_OK && (rc = kn_stmt_step(row, &has_row, err)) == KN_OK && has_row) {
        struct running *job = &call->batch[call->n++];
        (void)kn_copy(job->id, sizeof(job->id), kn_stmt_text(row, 0));
        (void)kn_copy(job->pipeline_id, sizeof(job->pipeline_id), kn_stmt_text(row, 1));
        job->n_tries = kn_stmt_int(row, 2);
        job->is_cancel_asked = kn_stmt_int(row, 3) != 0;
    }
    return rc;
}

static kn_code expire_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct expire_call *call = context;
    int64_t now = 0;
    kn_code rc = kn_tx_now(tx, &now, err);
    if (rc == KN_OK)
        rc = expired_load(tx, call, now, err);
    for (int i = 0; rc == KN_OK && i < call->n; i++) {
        const struct running *job = &call->batch[i];
        struct kn_error why = {0};
        (void)kn_fail_as(&why, KN_EIO, "WorkerLost",
                         "the worker of this job died or lost touch %d times", KN_MAX_ATTEMPTS);
        rc = job_try_again(tx, job, !call->is_restart, 0, &why, NULL, now, err);
        if (rc == KN_OK)
            rc = kn_job_announce(call->jobs, tx, job->id, err);
    }
    for (int i = 0; rc == KN_OK && i < call->n;) {
        int n = 1;
        while (i + n < call->n &&
               kn_equal(call->batch[i].pipeline_id, call->batch[i + n].pipeline_id))
            n++;
        rc = kn_pipeline_release(tx, call->batch[i].pipeline_id, n, err);
        i += n;
    }
    return rc;
}

static kn_code expire_all(struct expire_call *call, int *out_n, struct kn_error *err)
{
    kn_code rc = KN_OK;
    int n = 0;
    do {
        rc = kn_db_write_guarded(call->jobs->db, expire_in_tx, call, err);
        if (rc == KN_OK)
            n += call->n;
    } while (rc == KN_OK && call->n == EXPIRE_BATCH);
    if (out_n)
        *out_n = n;
    return rc;
}

kn_code kn_jobs_expire(struct kn_jobs *jobs, const char *dead_worker_or_null, int *out_n,
                       struct kn_error *err)
{
    struct expire_call call = {.jobs = jobs, .dead_worker = dead_worker_or_null};
    return expire_all(&call, out_n, err);
}

kn_code kn_jobs_recover(struct kn_jobs *jobs, int *out_n, struct kn_error *err)
{
    if (out_n)
        *out_n = 0;
    if (kn_db_is_postgres(jobs->db))
        return KN_OK;
    struct expire_call call = {.jobs = jobs, .is_restart = true};
    return expire_all(&call, out_n, err);
}
