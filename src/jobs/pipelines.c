/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pipelines. Only those with a limit have a running counter: see pipeline.n_running in the schema.
 * Claims and finishes hold a share lock on the row of a pipeline without limit, so that giving it
 * one, which locks the row and counts, sees all or none of each.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "jobs/record.h"

#define PIPELINE_COLUMNS                                                                           \
    "SELECT p.id, p.name, p.speed, p.priority, p.max_running,"                                     \
    " (SELECT COUNT(*) FROM job WHERE pipeline_id = p.id AND state = 1),"                          \
    " (SELECT COUNT(*) FROM job WHERE pipeline_id = p.id AND state = 0),"                          \
    " p.is_paused, p.is_default, p.created_us, p.modified_us FROM pipeline p"

static void pipeline_from_row(struct kn_pipeline *pipeline, struct kn_stmt *row)
{
    *pipeline = (struct kn_pipeline){
        .priority = (int)kn_stmt_int(row, 3),
        .max_running = (int)kn_stmt_int(row, 4),
        .n_running = (int)kn_stmt_int(row, 5),
        .n_queued = (int)kn_stmt_int(row, 6),
        .is_paused = kn_stmt_int(row, 7) != 0,
        .is_default = kn_stmt_int(row, 8) != 0,
        .created_us = kn_stmt_int(row, 9),
        .modified_us = kn_stmt_int(row, 10),
    };
    (void)kn_copy(pipeline->id, sizeof(pipeline->id), kn_stmt_text(row, 0));
    (void)kn_copy(pipeline->name, sizeof(pipeline->name), kn_stmt_text(row, 1));
    (void)kn_copy(pipeline->speed, sizeof(pipeline->speed), kn_stmt_text(row, 2));
}

static kn_code pipeline_unknown(const char *id, struct kn_error *err)
{
    return kn_fail_as(err, KN_ENOTFOUND, "ResourceNotFound", "there is no pipeline '%s'", id);
}

static kn_code pipeline_check(const struct kn_pipeline *pipeline, struct kn_error *err)
{
    if (pipeline->priority < 1 || pipeline->priority > 10)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "the priority %d is not 1 to 10",
                          pipeline->priority);
    if (pipeline->max_running < 0)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "the limit %d is below 0",
                          pipeline->max_running);
    return KN_OK;
}

static kn_code pipeline_insert(struct kn_tx *tx, struct kn_pipeline *pipeline, struct kn_error *err)
{
    kn_code rc = kn_tx_now(tx, &pipeline->created_us, err);
    if (rc != KN_OK)
        return rc;
    pipeline->modified_us = pipeline->created_us;
    pipeline->n_running = pipeline->n_queued = 0;
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO pipeline (id, name, speed, priority, max_running, n_running,"
                     " is_paused, is_default, created_us, modified_us)"
                     " VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?)",
                     "sssiiiiii", pipeline->id, pipeline->name, pipeline->speed,
                     (int64_t)pipeline->priority, (int64_t)pipeline->max_running,
                     (int64_t)pipeline->is_paused, (int64_t)pipeline->is_default,
                     pipeline->created_us, pipeline->modified_us);
}

/* ---- the default ---- */

static kn_code ensure_default_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct kn_jobs *jobs = context;
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_lock(tx, "default pipeline", err);
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &stmt, err, "SELECT id FROM pipeline WHERE is_default = 1", "");
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (has_row) {
        (void)kn_copy(jobs->default_pipeline, KN_ID_SIZE, kn_stmt_text(stmt, 0));
        return KN_OK;
    }
    struct kn_pipeline standard = {
        .name = "Standard", .speed = "Standard", .priority = 6, .is_default = true};
    kn_id_hex(standard.id);
    (void)kn_copy(jobs->default_pipeline, KN_ID_SIZE, standard.id);
    return pipeline_insert(tx, &standard, err);
}

kn_code kn_pipeline_ensure_default(struct kn_jobs *jobs, struct kn_error *err)
{
    return kn_db_write_guarded(jobs->db, ensure_default_in_tx, jobs, err);
}

/* ---- the counter ---- */

kn_code kn_pipeline_release(struct kn_tx *tx, const char *id, int n, struct kn_error *err)
{
    int64_t n_changed = 0;
    for (bool is_unlimited = false; !is_unlimited;) {
        kn_code rc = kn_tx_run(tx, &n_changed, err,
                               "UPDATE pipeline SET n_running = n_running - ?"
                               " WHERE id = ? AND max_running > 0",
                               "is", (int64_t)n, id);
        if (rc == KN_OK && n_changed > 0)
            kn_tx_notify(tx, KN_JOBS_TOPIC);
        if (rc != KN_OK || n_changed > 0)
            return rc;
        struct kn_stmt *stmt = NULL;
        bool has_row = false;
        rc = kn_tx_query(tx, &stmt, err, "SELECT max_running FROM pipeline WHERE id = ? FOR SHARE",
                         "s", id);
        if (rc == KN_OK)
            rc = kn_stmt_step(stmt, &has_row, err);
        if (rc != KN_OK)
            return rc;
        is_unlimited = !has_row || kn_stmt_int(stmt, 0) == 0; // else it got its limit just now
    }
    return KN_OK;
}

/* ---- what operators do ---- */

struct pipeline_call {
    struct kn_jobs *jobs;
    struct kn_pipeline *pipeline;
    const char *id;
};

static kn_code create_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct pipeline_call *call = context;
    return pipeline_insert(tx, call->pipeline, err);
}

kn_code kn_pipeline_create(struct kn_jobs *jobs, struct kn_pipeline *in_out, struct kn_error *err)
{
    struct pipeline_call call = {.jobs = jobs, .pipeline = in_out};
    if (in_out->priority == 0)
        in_out->priority = 6;
    kn_code rc = pipeline_check(in_out, err);
    if (rc != KN_OK)
        return rc;
    if (!in_out->id[0])
        kn_id_hex(in_out->id);
    in_out->is_default = false;
    return kn_db_write_guarded(jobs->db, create_in_tx, &call, err);
}

static kn_code get_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct pipeline_call *call = context;
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &stmt, err, PIPELINE_COLUMNS " WHERE p.id = ?", "s", call->id);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc == KN_OK && !has_row)
        return pipeline_unknown(call->id, err);
    if (rc == KN_OK)
        pipeline_from_row(call->pipeline, stmt);
    return rc;
}

kn_code kn_pipeline_get(struct kn_jobs *jobs, const char *id, struct kn_pipeline *out,
                        struct kn_error *err)
{
    struct pipeline_call call = {.jobs = jobs, .pipeline = out, .id = id};
    return kn_db_read(jobs->db, get_in_tx, &call, err);
}

static kn_code pipeline_lock(struct kn_tx *tx, const char *id, bool *out_is_default,
                             struct kn_error *err)
{
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &stmt, err,
                             "SELECT is_default FROM pipeline WHERE id = ? FOR UPDATE", "s", id);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc == KN_OK && !has_row)
        return pipeline_unknown(id, err);
    if (rc == KN_OK)
        *out_is_default = kn_stmt_int(stmt, 0) != 0;
    return rc;
}

static kn_code update_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct pipeline_call *call = context;
    const struct kn_pipeline *p = call->pipeline;
    bool is_default = false;
    int64_t now = 0;
    kn_code rc = pipeline_lock(tx, p->id, &is_default, err);
    if (rc == KN_OK)
        rc = kn_tx_now(tx, &now, err);
    if (rc != KN_OK)
        return rc;
    kn_tx_notify(tx, KN_JOBS_TOPIC); // a pause may have ended
    return kn_tx_run(tx, NULL, err,
                     "UPDATE pipeline SET name = ?, speed = ?, priority = ?, max_running = ?,"
                     " is_paused = ?, modified_us = ?, n_running ="
                     " (SELECT COUNT(*) FROM job WHERE pipeline_id = pipeline.id AND state = 1)"
                     " WHERE id = ?",
                     "ssiiiis", p->name, p->speed, (int64_t)p->priority, (int64_t)p->max_running,
                     (int64_t)p->is_paused, now, p->id);
}

kn_code kn_pipeline_update(struct kn_jobs *jobs, const struct kn_pipeline *pipeline,
                           struct kn_error *err)
{
    struct kn_pipeline copy = *pipeline;
    struct pipeline_call call = {.jobs = jobs, .pipeline = &copy};
    kn_code rc = pipeline_check(pipeline, err);
    return rc == KN_OK ? kn_db_write_guarded(jobs->db, update_in_tx, &call, err) : rc;
}

struct list_call {
    struct kn_pipeline *pipelines; // owned until handed out
    size_t n, capacity;
};

static kn_code list_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct list_call *call = context;
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    call->n = 0;
    kn_code rc = kn_tx_query(tx, &stmt, err, PIPELINE_COLUMNS " ORDER BY p.created_us, p.id", "");
    while (rc == KN_OK && (rc = kn_stmt_step(stmt, &has_row, err)) == KN_OK && has_row) {
        if (call->n == call->capacity) {
            size_t capacity = call->capacity ? 2 * call->capacity : 16;
            void *more = realloc(call->pipelines, capacity * sizeof(*call->pipelines));
            if (!more)
                return kn_fail(err, KN_ENOMEM, "no memory for %zu pipelines", capacity);
            call->pipelines = more;
            call->capacity = capacity;
        }
        pipeline_from_row(&call->pipelines[call->n++], stmt);
    }
    return rc;
}

kn_code kn_pipeline_list(struct kn_jobs *jobs, struct kn_pipeline **out, size_t *out_n,
                         struct kn_error *err)
{
    struct list_call call = {0};
    kn_code rc = kn_db_read(jobs->db, list_in_tx, &call, err);
    if (rc != KN_OK)
        kn_free(&call.pipelines);
    *out = call.pipelines;
    *out_n = rc == KN_OK ? call.n : 0;
    return rc;
}

static kn_code delete_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct pipeline_call *call = context;
    struct kn_stmt *stmt = NULL;
    bool is_default = false;
    bool has_row = false;
    kn_code rc = pipeline_lock(tx, call->id, &is_default, err);
    if (rc != KN_OK)
        return rc;
    if (is_default)
        return kn_fail_as(err, KN_ECONFLICT, "InvalidState",
                          "the pipeline '%s' is the default one and stays", call->id);
    rc = kn_tx_query(tx, &stmt, err,
                     "SELECT 1 FROM job WHERE pipeline_id = ? AND state = 0"
                     " UNION ALL SELECT 1 FROM job WHERE pipeline_id = ? AND state = 1 LIMIT 1",
                     "ss", call->id, call->id);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (has_row)
        return kn_fail_as(err, KN_ECONFLICT, "InvalidState",
                          "the pipeline '%s' has unfinished jobs", call->id);
    return kn_tx_run(tx, NULL, err, "DELETE FROM pipeline WHERE id = ?", "s", call->id);
}

kn_code kn_pipeline_delete(struct kn_jobs *jobs, const char *id, struct kn_error *err)
{
    struct pipeline_call call = {.jobs = jobs, .id = id};
    return kn_db_write_guarded(jobs->db, delete_in_tx, &call, err);
}
