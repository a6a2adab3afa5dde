#pragma once
/*
 * Jobs: what there is to do, and who is doing it. A job is a row; this folder owns its states and
 * knows nothing of HTTP or media.
 *
 *     submit ─> QUEUED ──claim──> RUNNING ──finish──> SUCCEEDED | FAILED | CANCELLED
 *                 ^                  │
 *                 └──lease expired───┘  attempt + 1, at most KN_MAX_ATTEMPTS, then FAILED
 *
 * Large texts (spec, request echo, result) live in a content-addressed table; rows stay small.
 * Every change of state and its event rows are one transaction. Thread-safe throughout.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/id.h"
#include "db/db.h"

enum kn_job_state {
    KN_JOB_QUEUED = 0,
    KN_JOB_RUNNING,
    KN_JOB_SUCCEEDED,
    KN_JOB_FAILED,
    KN_JOB_CANCELLED,
};

/* A job as read: texts in the caller's arena, NULL when absent. */
struct kn_job {
    char id[KN_ID_SIZE];
    char kind[24];              // "convert", …: which feature runs it
    char pipeline_id[KN_ID_SIZE];
    char key_id[64];            // who submitted it
    enum kn_job_state state;
    int priority;               // 1 to 10, larger first
    int attempt;                // 0 before the first claim
    int percent;
    int64_t created_us, started_us, finished_us; // KN_NO_TIME until then
    const char *name;           // the caller's label
    const char *spec;           // canonical JSON for the run
    const char *request;        // what the wire must echo (JSON)
    const char *request_id;
    const char *user_data;
    const char *client_token;
    const char *notify;         // JSON: extra addresses for this job's events
    const char *detail;         // JSON: progress per output
    const char *result;         // JSON, once finished
    char code[16];              // kn_code_name() of a failure
    const char *reason;         // struct kn_error's reason and message
    const char *message;
    bool is_cancel_asked;
};

struct kn_jobs;
kn_code kn_jobs_open(struct kn_jobs **out, struct kn_db *db, struct kn_error *err);
void kn_jobs_close(struct kn_jobs **jobs);

/* ---- submitting ---- */

struct kn_job_submit {
    const char *kind, *pipeline_id /* NULL: the default */, *key_id, *name, *spec, *request,
        *request_id, *user_data, *notify;
    const char *client_token; // NULL: none
    const char *action;       // tokens are scoped per (key, action)
    char fingerprint[65];     // SHA-256 hex of the parameters that must agree under one token
    int priority;             // 0: the default, 6
    char id[KN_ID_SIZE];      // "": made up
    const char *nonce;        // committed with the job when not NULL (decisions 7)
};
/*
 * Create a job, durable on return. A known ClientToken with the same fingerprint answers the job it
 * made (*out_is_repeat); with another one KN_ECONFLICT, reason "IdempotentParameterMismatch".
 * Unknown pipeline: KN_ENOTFOUND. A used nonce: KN_ECONFLICT, reason "SignatureNonceUsed".
 */
kn_code kn_jobs_submit(struct kn_jobs *jobs, const struct kn_job_submit *submit,
                       struct kn_arena *arena, struct kn_job *out_job, bool *out_is_repeat,
                       struct kn_error *err);

/* ---- looking ---- */

/* KN_ENOTFOUND, reason "ResourceNotFound". */
kn_code kn_jobs_get(struct kn_jobs *jobs, const char *id, struct kn_arena *arena,
                    struct kn_job *out_job, struct kn_error *err);

enum kn_job_order {
    KN_JOBS_BY_CREATION = 0,
    KN_JOBS_BY_ID,
    KN_JOBS_BY_END, // unfinished ones last
};

struct kn_job_filter {
    const char *kind, *id, *pipeline_id, *user_data, *name; // NULL: any
    int state;                                       // -1: any
    bool is_unfinished, is_stopped;                  // queued or running; failed or cancelled
    int64_t created_from_us, created_before_us;      // KN_NO_TIME: open
    int64_t finished_from_us, finished_before_us;    // 0 or KN_NO_TIME: open
    enum kn_job_order order;
    bool oldest_first;                               // else the last in this order comes first
    bool has_result, has_spec;                       // with `result`, with `spec`
    int limit;
    const char *page_token;                          // NULL or "": the first page
};
/* Jobs without their large texts except `request`. next_token "" at the end. */
kn_code kn_jobs_list(struct kn_jobs *jobs, const struct kn_job_filter *filter,
                     struct kn_arena *arena, struct kn_job **out_jobs, size_t *out_n,
                     char next_token[128], struct kn_error *err);

/* ---- doing ---- */

struct kn_claim {
    char job_id[KN_ID_SIZE];
    char worker_id[KN_ID_SIZE];
    int attempt;
};
/* Up to `max` jobs for this worker: pipeline priority, job priority, age; limits and pauses kept. */
kn_code kn_jobs_claim(struct kn_jobs *jobs, const char worker_id[KN_ID_SIZE], int max,
                      int64_t lease_us, struct kn_claim *out_claims, int *out_n,
                      struct kn_error *err);
/* Extend; *out_cancel when someone asked the job to stop. KN_ECONFLICT: the claim is lost. */
kn_code kn_jobs_renew(struct kn_jobs *jobs, const struct kn_claim *claim, int64_t lease_us,
                      int percent, const char *detail, bool *out_cancel, struct kn_error *err);

struct kn_job_outcome {
    enum kn_job_state state;   // SUCCEEDED, FAILED, CANCELLED; QUEUED: give back, try again later
    struct kn_error error;     // for FAILED (a retryable code goes back to the queue until attempts
                               // are used up) and QUEUED
    const char *result;        // JSON or NULL
    bool is_process_lost;      // FAILED because its process was killed from outside: again at once
    // Runs inside the same transaction, before the state changes: makes outputs visible. That
    // transaction is a guarded one (kn_db_write_guarded()): conditional statements only.
    kn_tx_fn publish;
    void *publish_context;
};
/* KN_ECONFLICT: the claim is lost, nothing was changed, publish was rolled back. */
kn_code kn_jobs_finish(struct kn_jobs *jobs, const struct kn_claim *claim,
                       const struct kn_job_outcome *outcome, struct kn_error *err);
/* Give jobs back whose lease has run out, or all of one worker known dead. Returns how many. */
kn_code kn_jobs_expire(struct kn_jobs *jobs, const char *dead_worker_or_null, int *out_n,
                       struct kn_error *err);

/*
 * After a start of the only server (SQLite): whatever ran belonged to a process that is gone. Back
 * to the queue, without counting the attempt. Does nothing on PostgreSQL, where leases tell.
 */
kn_code kn_jobs_recover(struct kn_jobs *jobs, int *out_n, struct kn_error *err);
/*
 * `wake` soon after there may be something to claim (a submit, a free place in a pipeline) or a
 * running job was asked to stop: a supervisor claims and renews then, and polls every second or so
 * besides. As kn_db_watch(): `wake` must not block.
 */
kn_code kn_jobs_watch(struct kn_jobs *jobs, kn_db_wake wake, void *context, struct kn_error *err);
void kn_jobs_unwatch(struct kn_jobs *jobs, void *context);
/*
 * Housekeeping: remove up to `max` jobs finished before `finished_before_us`, their bodies unless
 * shared, and client tokens older than a week.
 */
kn_code kn_jobs_purge(struct kn_jobs *jobs, int64_t finished_before_us, int max, int *out_n,
                      struct kn_error *err);

/* QUEUED ends at once, RUNNING is asked to stop. Ended: KN_ECONFLICT, reason "JobInComplete" or
 * "JobInFailure". */
kn_code kn_jobs_cancel(struct kn_jobs *jobs, const char *id, struct kn_error *err);
/* A failed or cancelled job once more, attempts counted anew. */
kn_code kn_jobs_retry(struct kn_jobs *jobs, const char *id, struct kn_error *err);

/*
 * Called inside the transaction of every change of state, by whoever wired the server: events/ hangs
 * its outbox rows here. Set once before the first job moves.
 */
typedef kn_code (*kn_job_hook)(struct kn_tx *tx, const struct kn_job *job, void *context,
                               struct kn_error *err);
void kn_jobs_set_hook(struct kn_jobs *jobs, kn_job_hook hook, void *context);

/* ---- pipelines ---- */

struct kn_pipeline {
    char id[KN_ID_SIZE];
    char name[128];
    char speed[32];       // the vendor's label: Standard, Boost, NarrowBandHDV2
    int priority;         // 1 to 10
    int max_running;      // 0: no limit
    int n_running, n_queued;
    bool is_paused, is_default;
    int64_t created_us, modified_us;
};
kn_code kn_pipeline_create(struct kn_jobs *jobs, struct kn_pipeline *in_out, struct kn_error *err);
kn_code kn_pipeline_get(struct kn_jobs *jobs, const char *id, struct kn_pipeline *out,
                        struct kn_error *err);
/* name, speed, priority, max_running and is_paused are written. */
kn_code kn_pipeline_update(struct kn_jobs *jobs, const struct kn_pipeline *pipeline,
                           struct kn_error *err);
kn_code kn_pipeline_list(struct kn_jobs *jobs, struct kn_pipeline **out, size_t *out_n,
                         struct kn_error *err); // malloc'd
/* KN_ECONFLICT while it has unfinished jobs, or is the default. */
kn_code kn_pipeline_delete(struct kn_jobs *jobs, const char *id, struct kn_error *err);
