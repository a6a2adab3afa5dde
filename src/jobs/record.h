#pragma once
/* The job's row inside src/jobs: reading it, its bodies, and changing its state with the hook. */
#include "jobs/jobs.h"

// Supervisors wait for this topic.
#define KN_JOBS_TOPIC "jobs"

struct kn_jobs {
    struct kn_db *db; // borrowed
    char default_pipeline[KN_ID_SIZE];
    kn_job_hook hook;
    void *hook_context; // borrowed
};

/* Store a text under its SHA-256; a NULL text stores nothing. */
kn_code kn_body_put(struct kn_tx *tx, const char *text, uint8_t hash[32], struct kn_error *err);
/* Remove the body with this hash unless some job has it. */
kn_code kn_body_drop(struct kn_tx *tx, const void *hash, size_t n, struct kn_error *err);

/* All columns of a job, with spec, request and result; locked to the end of a write transaction. */
kn_code kn_job_load(struct kn_tx *tx, const char *id, bool is_locked, struct kn_arena *arena,
                    struct kn_job *out_job, struct kn_error *err);
/* Fill `job` from a row of KN_JOB_COLUMNS; bodies excluded. */
#define KN_JOB_COLUMNS                                                                             \
    "j.id, j.kind, j.pipeline_id, j.key_id, j.state, j.priority, j.attempt, j.percent,"            \
    " j.created_us, j.started_us, j.finished_us, j.name, j.request_id, j.user_data,"               \
    " j.client_token, j.notify, j.detail, j.code, j.reason, j.message, j.is_cancel_asked"
#define KN_JOB_N_COLUMNS 21
void kn_job_from_row(struct kn_job *job, struct kn_stmt *row, struct kn_arena *arena);

/* Tell the hook of the state the job is in now. */
kn_code kn_job_announce(struct kn_jobs *jobs, struct kn_tx *tx, const char *id,
                        struct kn_error *err);
/* Release `n` places of a pipeline with a limit, and wake whoever waits for them. */
kn_code kn_pipeline_release(struct kn_tx *tx, const char *id, int n, struct kn_error *err);
/* The default pipeline's id, made when there is none. */
kn_code kn_pipeline_ensure_default(struct kn_jobs *jobs, struct kn_error *err);

kn_code kn_job_unknown(const char *id, struct kn_error *err);
