/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Forgetting ended jobs. */
#include "jobs/prune.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/strings.h"
#include "jobs/record.h"

#define N_BODIES 3 // spec, request, result

struct old_job {
    char id[KN_ID_SIZE];
    uint8_t hashes[N_BODIES][32];
    size_t n_hash[N_BODIES]; // 0: the job has none
};

struct pruning {
    const char *kind; // NULL: all
    int64_t before_us;
    int64_t max_rows;
    struct old_job *jobs; // owned, room for max_rows
    int64_t n;
};

static kn_code select_old(struct kn_tx *tx, struct pruning *pruning, struct kn_error *err)
{
    struct kn_stmt *row;
    bool has_row = true;
    const char *kind = pruning->kind ? pruning->kind : "";
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT id, spec_hash, request_hash, result_hash FROM job"
                             " WHERE created_us < ? AND state >= 2 AND finished_us < ?"
                             " AND (? = '' OR kind = ?) ORDER BY created_us, seq LIMIT ?",
                             "iissi", pruning->before_us, pruning->before_us, kind, kind,
                             pruning->max_rows);
    for (pruning->n = 0; rc == KN_OK && pruning->n < pruning->max_rows; pruning->n++) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        struct old_job *job = &pruning->jobs[pruning->n];
        *job = (struct old_job){0};
        (void)kn_copy(job->id, sizeof(job->id), kn_stmt_text(row, 0));
        for (int i = 0; i < N_BODIES; i++) {
            size_t n = 0;
            const void *hash = kn_stmt_is_null(row, i + 1) ? NULL : kn_stmt_blob(row, i + 1, &n);
            if (hash && n == sizeof(job->hashes[i])) {
                memcpy(job->hashes[i], hash, n);
                job->n_hash[i] = n;
            }
        }
    }
    return rc;
}

static kn_code prune_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct pruning *pruning = context;
    kn_code rc = select_old(tx, pruning, err);
    for (int64_t i = 0; i < pruning->n && rc == KN_OK; i++) {
        const struct old_job *job = &pruning->jobs[i];
        rc = kn_tx_run(tx, NULL, err, "DELETE FROM job WHERE id = ?", "s", job->id);
        for (int k = 0; k < N_BODIES && rc == KN_OK; k++)
            if (job->n_hash[k] > 0)
                rc = kn_body_drop(tx, job->hashes[k], job->n_hash[k], err);
    }
    // A token is no older than its job, and points to nothing once that is gone.
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err,
                       "DELETE FROM client_token WHERE created_us < ? AND NOT EXISTS"
                       " (SELECT 1 FROM job WHERE job.id = client_token.job_id)",
                       "i", pruning->before_us);
    return rc;
}

kn_code kn_jobs_prune(struct kn_db *db, const char *kind, int64_t before_us, int max_rows, int64_t *out_n,
                      struct kn_error *err)
{
    struct pruning pruning = {.kind = kind, .before_us = before_us, .max_rows = max_rows};
    *out_n = 0;
    kn_auto(kn_free) struct old_job *jobs = calloc((size_t)max_rows, sizeof(*jobs));
    if (!jobs)
        return kn_fail(err, KN_ENOMEM, "no memory to forget %d jobs", max_rows);
    pruning.jobs = jobs;
    kn_code rc = kn_db_write(db, prune_tx, &pruning, err);
    if (rc == KN_OK)
        *out_n = pruning.n;
    return rc;
}

static kn_code nonces_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct pruning *pruning = context;
    return kn_tx_run(tx, &pruning->n, err, "DELETE FROM nonce WHERE used_us < ?", "i",
                     pruning->before_us);
}

kn_code kn_nonces_prune(struct kn_db *db, int64_t before_us, int64_t *out_n, struct kn_error *err)
{
    struct pruning pruning = {.before_us = before_us};
    kn_code rc = kn_db_write(db, nonces_tx, &pruning, err);
    *out_n = rc == KN_OK ? pruning.n : 0;
    return rc;
}
