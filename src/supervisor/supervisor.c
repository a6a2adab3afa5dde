/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The supervisor's loop. A job is owned by the list `jobs` from its claim to its end; pieces of work
 * on the pool (claiming, renewing, finishing) each have a context of their own, so that nothing is
 * touched by two threads at once.
 */
#include "supervisor/supervisor.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/strings.h"
#include "base/time.h"
#include "supervisor/keeper.h"
#include "supervisor/peers.h"
#include "supervisor/store_files.h"

// Another host takes a dead one's jobs after at most lease + watch: 12 s (peers.md, Q4: 15 s).
#define LEASE_US (10 * KN_SECOND)
#define RENEW_US (3 * KN_SECOND)
#define TICK_US KN_SECOND        // polling, for wake-ups are hints
#define ASK_US (KN_SECOND / 4)
#define RETRY_US KN_SECOND       // between tries to end a job while the database is away
#define SWEEP_US KN_HOUR
#define MAX_BATCH 32

static const struct kn_run_limits default_limits = {
    .memory_bytes = 8ll << 30,
    .file_bytes = 1ll << 40,
    .cpu_us = 0, // long films take as long as they take: progress is what is watched
    .wall_us = 48 * KN_HOUR,
    .stall_us = 10 * KN_MINUTE,
};

struct job {
    struct job *next;
    struct kn_supervisor *supervisor; // borrowed
    struct kn_arena arena;            // owns the record's texts and the paths
    struct kn_claim claim;
    struct kn_job record;
    const char *folder, *scratch, *keep;
    struct kn_store_files *files; // owned
    struct kn_run *run;           // owned; NULL before it starts and after it ended
    struct kn_log log;
    int percent;
    char *detail; // owned JSON text, or NULL
    bool is_reported; // percent and detail are those of the last renewal
    int64_t renewed_us;
    bool is_over;    // its child has done its work and makes room for another
    bool is_lost;    // the claim is no longer ours: end without a word
    bool is_leaving; // stopped because we drain: back to the queue
    bool is_process_lost;
    // --- the end
    enum kn_job_state state;
    struct kn_error error;
    char *result;         // owned JSON text, or NULL
    kn_code finish_rc;
    bool went_back;       // recorded, and it waits for another attempt
    kn_code publish_rc;   // what made the finishing transaction fail, if it was publishing
    struct kn_error finish_error;
    struct kn_loop_timer retry;
};

struct kn_supervisor {
    struct kn_supervisor_config config; // program and folder replaced by the copies
    char *program, *folder;             // owned
    char worker_id[KN_ID_SIZE];
    struct kn_loop *loop;
    pthread_t thread;
    bool has_thread, is_watching;
    atomic_bool is_woken; // a wake-up is posted and not yet handled
    // --- the loop's thread
    struct kn_keeper *keeper;
    struct kn_peers *peers;
    struct job *jobs;
    int n_jobs, n_over; // of these, those that are over
    bool is_claiming, wants_claim, is_renewing, is_expiring, is_draining;
    struct kn_loop_timer tick, grace;
    int64_t next_sweep_us; // belongs to expire_work(), of which there is one at a time
    int64_t asked_us; // when a wake-up last made us ask whether jobs are to stop
    // --- protected by lock
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool has_started, is_drained;
    kn_code start_rc;
    struct kn_error start_error;
    // --- counters
    atomic_llong n_running, n_claimed, n_succeeded, n_failed, n_given_back, n_lost, n_starts;
};

static void claim_maybe(struct kn_supervisor *s);

static void drained_maybe(struct kn_supervisor *s)
{
    if (!s->is_draining || s->n_jobs || s->is_claiming || s->is_renewing || s->is_expiring)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->is_drained = true;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

/* ---- ending a job ---- */

static void job_free(struct job *job)
{
    kn_store_files_free(&job->files);
    kn_run_free(&job->run);
    kn_arena_clear(&job->arena);
    free(job->detail);
    free(job->result);
    free(job);
}

static kn_code publish(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct job *job = context;
    job->publish_rc = kn_store_files_publish(job->files, tx, err);
    return job->publish_rc;
}

// Whether the job, whose end was recorded, waits for another attempt: jobs/ decides, so it is asked.
static bool went_back(const struct job *job)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_job record;
    return job->state != KN_JOB_SUCCEEDED &&
           kn_jobs_get(job->supervisor->config.jobs, job->claim.job_id, &arena, &record, NULL) ==
               KN_OK &&
           (record.state == KN_JOB_QUEUED || record.state == KN_JOB_RUNNING);
}

static kn_code finish_once(struct job *job, struct kn_error *err)
{
    bool is_success = job->state == KN_JOB_SUCCEEDED;
    job->publish_rc = KN_OK;
    kn_code rc = is_success ? job->publish_rc = kn_store_files_prepare(job->files, err) : KN_OK;
    if (rc)
        return rc;
    const struct kn_job_outcome outcome = {
        .state = job->state,
        .error = job->error,
        .result = job->result,
        .is_process_lost = job->is_process_lost,
        .publish = is_success ? publish : NULL,
        .publish_context = job,
    };
    return kn_jobs_finish(job->supervisor->config.jobs, &job->claim, &outcome, err);
}

static void finish_work(void *context)
{
    struct job *job = context;
    if (!job->is_lost)
        job->finish_rc = finish_once(job, &job->finish_error);
    // What cannot be published (its name is taken, its bucket is gone) fails the job by name.
    if (!job->is_lost && job->finish_rc && job->publish_rc && !kn_code_is_retryable(job->publish_rc)) {
        job->state = KN_JOB_FAILED;
        job->error = job->finish_error;
        job->finish_rc = finish_once(job, &job->finish_error);
    }
    const bool is_ours = !job->is_lost && job->finish_rc == KN_OK;
    job->went_back = is_ours && went_back(job);
    // Best effort; the sweep at start gets the rest.
    (void)kn_fs_remove_tree(is_ours && !job->went_back ? job->folder : job->scratch, NULL);
}

static void job_drop(struct kn_supervisor *s, struct job *job)
{
    struct job **at = &s->jobs;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    s->n_jobs--;
    s->n_over -= job->is_over;
    atomic_store(&s->n_running, s->n_jobs);
    job_free(job);
    claim_maybe(s);
    drained_maybe(s);
}

static void finish_start(void *context);

static void finish_done(void *context)
{
    struct job *job = context;
    struct kn_supervisor *s = job->supervisor;
    if (!job->is_lost && job->finish_rc && job->finish_rc != KN_ECONFLICT &&
        kn_code_is_retryable(job->finish_rc) && !s->is_draining) {
        KN_WARN(&job->log, "cannot record the end yet: %s", job->finish_error.message);
        kn_loop_timer_set(s->loop, &job->retry, RETRY_US, finish_start, job);
        return;
    }
    if (job->is_lost || job->finish_rc) {
        atomic_fetch_add(&s->n_lost, 1);
        KN_WARN(&job->log, "the attempt counts for nothing: %s",
                job->is_lost ? "its claim was lost" : job->finish_error.message);
    } else if (job->state == KN_JOB_SUCCEEDED) {
        atomic_fetch_add(&s->n_succeeded, 1);
        KN_INFO(&job->log, "succeeded");
    } else if (job->went_back) {
        atomic_fetch_add(&s->n_given_back, 1);
        KN_INFO(&job->log, "back to the queue: %s", job->error.message);
    } else {
        atomic_fetch_add(&s->n_failed, job->state == KN_JOB_FAILED);
        KN_INFO(&job->log, "%s: %s", job->state == KN_JOB_FAILED ? "failed" : "cancelled",
                job->error.message);
    }
    job_drop(s, job);
}

static void finish_start(void *context)
{
    struct job *job = context;
    if (!kn_loop_work(job->supervisor->loop, finish_work, finish_done, job))
        kn_loop_timer_set(job->supervisor->loop, &job->retry, RETRY_US, finish_start, job);
}

static void job_end(struct job *job, const struct kn_error *error)
{
    job->error = *error;
    job->state = KN_JOB_FAILED;
    if (error->code == KN_OK)
        job->state = KN_JOB_SUCCEEDED;
    else if (job->is_leaving)
        job->state = KN_JOB_QUEUED;
    else if (error->code == KN_ECANCELED)
        job->state = KN_JOB_CANCELLED;
    if (job->state == KN_JOB_QUEUED)
        job->error = (struct kn_error){0}; // nothing is wrong with it: again at once
    finish_start(job);
}

static void run_ended(void *context, const struct kn_run_end *end)
{
    struct job *job = context;
    if (end->result)
        job->result = kn_json_text(end->result);
    job->is_process_lost = end->is_process_lost;
    kn_run_free(&job->run);
    job_end(job, &end->error);
}

// The next job need not wait until this one's process is gone and its end is on the disk.
static void run_resulted(void *context)
{
    struct job *job = context;
    job->is_over = true;
    job->supervisor->n_over++;
    claim_maybe(job->supervisor);
}

static void run_progressed(void *context, double fraction, const char *detail)
{
    struct job *job = context;
    int percent = (int)(fraction * 100);
    if (percent == job->percent && !detail)
        return;
    job->percent = percent;
    job->is_reported = false;
    if (detail) {
        free(job->detail);
        job->detail = strdup(detail);
    }
}

/* ---- claiming ---- */

struct batch {
    struct kn_supervisor *supervisor;
    int max;
    struct job *jobs; // owned: claimed and read
    kn_code rc;
    struct kn_error error;
};

// Read a claimed job's record and make its folders. What fails ends the job, by job_end().
static kn_code job_load(struct job *job, struct kn_error *err)
{
    struct kn_supervisor *s = job->supervisor;
    struct kn_arena *arena = &job->arena;
    kn_code rc = kn_jobs_get(s->config.jobs, job->claim.job_id, arena, &job->record, err);
    if (rc)
        return rc;
    job->folder = kn_arena_printf(arena, "%s/scratch/%s", s->folder, job->claim.job_id);
    job->scratch = kn_arena_printf(arena, "%s/%d", job->folder ? job->folder : "",
                                   job->claim.attempt);
    job->keep = kn_arena_printf(arena, "%s/keep", job->folder ? job->folder : "");
    if (!job->folder || !job->scratch || !job->keep)
        return kn_fail(err, KN_ENOMEM, "no memory for a job");
    if (!job->record.spec)
        return kn_fail(err, KN_EBUG, "the job has no spec");
    rc = kn_fs_remove_tree(job->scratch, err);
    if (rc == KN_OK)
        rc = kn_fs_make_folders(job->scratch, 0700, err);
    if (rc == KN_OK)
        rc = kn_fs_make_folders(job->keep, 0700, err);
    return rc ? rc : kn_store_files_new(&job->files, s->config.store, s->config.client,
                                        job->claim.job_id, job->record.spec, err);
}

static void claim_work(void *context)
{
    struct batch *batch = context;
    struct kn_supervisor *s = batch->supervisor;
    struct kn_claim claims[MAX_BATCH];
    int n = 0;
    batch->rc = kn_jobs_claim(s->config.jobs, s->worker_id, batch->max, LEASE_US, claims, &n,
                              &batch->error);
    for (int i = 0; i < n && batch->rc == KN_OK; i++) {
        struct job *job = calloc(1, sizeof(*job));
        if (!job)
            return; // its lease runs out
        job->supervisor = s;
        job->claim = claims[i];
        job->log = kn_log_with(NULL, "job", claims[i].job_id);
        job->folder = job->scratch = "";
        (void)job_load(job, &job->error);
        job->next = batch->jobs;
        batch->jobs = job;
    }
}

static void job_start(struct kn_supervisor *s, struct job *job)
{
    struct kn_error error = job->error;
    job->next = s->jobs;
    s->jobs = job;
    s->n_jobs++;
    job->renewed_us = kn_mono_us();
    job->is_reported = true;
    atomic_store(&s->n_running, s->n_jobs);
    atomic_fetch_add(&s->n_claimed, 1);
    KN_INFO(&job->log, "running, attempt %d", job->claim.attempt);
    if (!error.code) {
        const struct kn_run_config run = {
            .loop = s->loop,
            .keeper = s->keeper,
            .files = kn_store_files_face(job->files),
            .job_id = job->claim.job_id,
            .kind = job->record.kind,
            .spec = job->record.spec,
            .scratch_folder = job->scratch,
            .keep_folder = job->keep,
            .n_threads = s->config.n_threads,
            .limits = s->config.limits,
            .progressed = run_progressed,
            .resulted = run_resulted,
            .ended = run_ended,
            .context = job,
        };
        if (kn_run_start(&job->run, &run, &error) == KN_OK) {
            kn_keeper_fork_ahead(s->keeper); // for the next one, while this one works
            return;
        }
    }
    job->is_leaving = s->is_draining;
    job_end(job, &error);
}

static void claim_done(void *context)
{
    kn_auto(kn_free) struct batch *batch = context;
    struct kn_supervisor *s = batch->supervisor;
    s->is_claiming = false;
    if (batch->rc)
        KN_WARN(NULL, "cannot claim jobs: %s", batch->error.message);
    if (batch->jobs) // there may be more
        s->wants_claim = true;
    while (batch->jobs) {
        struct job *job = batch->jobs;
        batch->jobs = job->next;
        if (s->is_draining && !job->error.code) { // claimed while we were told to stop
            (void)kn_fail(&job->error, KN_ECANCELED, "the worker is shutting down");
        }
        job_start(s, job);
    }
    if (s->wants_claim)
        claim_maybe(s);
    drained_maybe(s);
}

static void claim_maybe(struct kn_supervisor *s)
{
    // As many as there are places may be on their way out; more is a database that does not answer.
    int n_over = s->n_over < s->config.n_workers ? s->n_over : s->config.n_workers;
    int n_free = s->config.n_workers - (s->n_jobs - n_over);
    s->wants_claim = true;
    if (s->is_claiming || s->is_draining || n_free <= 0 || !kn_keeper_is_ready(s->keeper))
        return;
    struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return; // the next tick tries again
    *batch = (struct batch){.supervisor = s, .max = n_free < MAX_BATCH ? n_free : MAX_BATCH};
    s->wants_claim = false;
    s->is_claiming = kn_loop_work(s->loop, claim_work, claim_done, batch);
    if (!s->is_claiming)
        free(batch);
}

/* ---- leases ---- */

struct renewal {
    struct kn_claim claim;
    int percent;
    char *detail; // owned
    bool is_cancel_asked;
    kn_code rc;
    struct kn_error error;
};

struct renewals {
    struct kn_supervisor *supervisor;
    size_t n;
    struct renewal rows[];
};

static void renew_work(void *context)
{
    struct renewals *all = context;
    for (size_t i = 0; i < all->n; i++) {
        struct renewal *r = &all->rows[i];
        r->rc = kn_jobs_renew(all->supervisor->config.jobs, &r->claim, LEASE_US, r->percent,
                              r->detail, &r->is_cancel_asked, &r->error);
    }
}

static void renewal_apply(struct job *job, const struct renewal *r)
{
    struct kn_error why = {0};
    if (r->rc == KN_OK) {
        job->renewed_us = kn_mono_us();
        if (r->is_cancel_asked && job->run) {
            (void)kn_fail(&why, KN_ECANCELED, "cancelled on request");
            kn_run_stop(job->run, &why);
        }
    } else if (r->rc == KN_ECONFLICT && job->run) {
        job->is_lost = true; // a job that is being finished learns it there
        kn_run_stop(job->run, &r->error);
    } else if (r->rc != KN_ECONFLICT) {
        KN_WARN(&job->log, "cannot renew the lease: %s", r->error.message);
    }
}

static void renew_done(void *context)
{
    kn_auto(kn_free) struct renewals *all = context;
    struct kn_supervisor *s = all->supervisor;
    s->is_renewing = false;
    for (size_t i = 0; i < all->n; i++) {
        for (struct job *job = s->jobs; job; job = job->next)
            if (strcmp(job->claim.job_id, all->rows[i].claim.job_id) == 0 &&
                job->claim.attempt == all->rows[i].claim.attempt)
                renewal_apply(job, &all->rows[i]);
        free(all->rows[i].detail);
    }
    drained_maybe(s);
}

// Renew what is due; what has news is told at once (a tick is a second).
static void renew_maybe(struct kn_supervisor *s, bool all_of_them)
{
    if (s->is_renewing || !s->jobs)
        return;
    struct renewals *all =
        calloc(1, sizeof(*all) + (size_t)s->n_jobs * sizeof(struct renewal));
    if (!all)
        return; // the next tick tries again
    all->supervisor = s;
    int64_t now = kn_mono_us();
    for (struct job *job = s->jobs; job; job = job->next) {
        if (!all_of_them && job->is_reported && now - job->renewed_us < RENEW_US)
            continue;
        job->is_reported = true;
        all->rows[all->n++] = (struct renewal){
            .claim = job->claim,
            .percent = job->percent,
            .detail = job->detail ? strdup(job->detail) : NULL,
        };
    }
    s->is_renewing = all->n > 0 && kn_loop_work(s->loop, renew_work, renew_done, all);
    if (s->is_renewing)
        return;
    for (size_t i = 0; i < all->n; i++)
        free(all->rows[i].detail);
    free(all);
}

/* ---- the dead ---- */

// Folders of jobs that have ended or are forgotten: left by a supervisor that died.
static void scratch_sweep(struct kn_supervisor *s)
{
    char root[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
    (void)snprintf(root, sizeof(root), "%s/scratch", s->folder);
    DIR *folder = opendir(root);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        kn_auto(kn_arena_clear) struct kn_arena arena = {0};
        struct kn_job job;
        if (strlen(entry->d_name) != KN_ID_SIZE - 1)
            continue;
        kn_code rc = kn_jobs_get(s->config.jobs, entry->d_name, &arena, &job, NULL);
        bool has_ended = rc == KN_OK && job.state != KN_JOB_QUEUED && job.state != KN_JOB_RUNNING;
        if (rc != KN_ENOTFOUND && !has_ended)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", root, entry->d_name);
        (void)kn_fs_remove_tree(path, NULL); // best effort; the next sweep tries again
    }
    if (folder)
        (void)closedir(folder);
}

static void expire_work(void *context)
{
    struct kn_supervisor *s = context;
    struct kn_error error = {0};
    char dead[KN_ID_SIZE];
    int n = 0;
    while (kn_peers_next_dead(s->peers, dead)) {
        if (kn_jobs_expire(s->config.jobs, dead, &n, &error))
            break; // its registration is still there: the next tick tries again
        kn_peers_forget(s->peers, dead);
        if (n)
            KN_WARN(NULL, "worker %s is dead: %d of its jobs go back to the queue", dead, n);
    }
    if (!error.code)
        (void)kn_jobs_expire(s->config.jobs, NULL, &n, &error);
    if (error.code)
        KN_WARN(NULL, "cannot look for lost jobs: %s", error.message);
    if (kn_mono_us() >= s->next_sweep_us) {
        s->next_sweep_us = kn_mono_us() + SWEEP_US;
        scratch_sweep(s);
    }
}

static void expire_done(void *context)
{
    struct kn_supervisor *s = context;
    s->is_expiring = false;
    drained_maybe(s);
}

static void on_tick(void *context)
{
    struct kn_supervisor *s = context;
    kn_loop_timer_set(s->loop, &s->tick, TICK_US, on_tick, s);
    atomic_store(&s->n_starts, kn_keeper_n_starts(s->keeper));
    kn_keeper_fork_ahead(s->keeper);
    renew_maybe(s, false);
    claim_maybe(s);
    if (!s->is_expiring && !s->is_draining)
        s->is_expiring = kn_loop_work(s->loop, expire_work, expire_done, s);
}

/* ---- wake-ups ---- */

static void woken(void *context)
{
    struct kn_supervisor *s = context;
    atomic_store(&s->is_woken, false);
    claim_maybe(s);
    // Or a job was asked to stop. Many submits wake us often; asking a few times a second will do.
    if (kn_mono_us() - s->asked_us > ASK_US) {
        s->asked_us = kn_mono_us();
        renew_maybe(s, true);
    }
}

static void wake(void *context) // on a thread of the database's
{
    struct kn_supervisor *s = context;
    if (!atomic_exchange(&s->is_woken, true) && !kn_loop_post(s->loop, woken, s))
        atomic_store(&s->is_woken, false);
}

/* ---- start and end ---- */

static void drain_hard(void *context)
{
    struct kn_supervisor *s = context;
    struct kn_error why = {0};
    (void)kn_fail(&why, KN_ECANCELED, "the worker is shutting down");
    for (struct job *job = s->jobs; job; job = job->next) {
        job->is_leaving = true;
        if (job->run)
            kn_run_stop(job->run, &why);
    }
}

struct drain {
    struct kn_supervisor *supervisor;
    int64_t grace_us;
};

static void drain_start(void *context)
{
    kn_auto(kn_free) struct drain *drain = context;
    struct kn_supervisor *s = drain->supervisor;
    s->is_draining = true;
    kn_loop_timer_set(s->loop, &s->grace, drain->grace_us, drain_hard, s);
    drained_maybe(s);
}

static void *thread_main(void *context)
{
    struct kn_supervisor *s = context;
    (void)pthread_setname_np(pthread_self(), "kn-supervisor");
    struct kn_error error = {0};
    // Here, for the nursery dies with the thread that started it.
    kn_code rc = kn_keeper_new(&s->keeper, s->loop, s->program, &error);
    (void)pthread_mutex_lock(&s->lock);
    s->has_started = true;
    s->start_rc = rc;
    s->start_error = error;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
    if (rc)
        return NULL;
    kn_loop_timer_set(s->loop, &s->tick, 0, on_tick, s);
    kn_loop_run(s->loop);
    kn_loop_timer_unset(s->loop, &s->tick);
    kn_loop_timer_unset(s->loop, &s->grace);
    kn_keeper_free(&s->keeper);
    return NULL;
}

static void limits_complete(struct kn_run_limits *limits)
{
    if (!limits->memory_bytes)
        limits->memory_bytes = default_limits.memory_bytes;
    if (!limits->file_bytes)
        limits->file_bytes = default_limits.file_bytes;
    if (!limits->wall_us)
        limits->wall_us = default_limits.wall_us;
    if (!limits->stall_us)
        limits->stall_us = default_limits.stall_us;
}

kn_code kn_supervisor_new(struct kn_supervisor **out, const struct kn_supervisor_config *config,
                          struct kn_error *err)
{
    struct kn_supervisor *s = calloc(1, sizeof(*s));
    *out = NULL;
    if (!s)
        return kn_fail(err, KN_ENOMEM, "no memory for a supervisor");
    s->config = *config;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->changed, NULL);
    kn_id_hex(s->worker_id);
    s->program = strdup(config->worker_program);
    s->folder = strdup(config->data_folder);
    if (s->config.n_workers < 1)
        s->config.n_workers = 1;
    if (s->config.n_threads < 1)
        s->config.n_threads = (int)sysconf(_SC_NPROCESSORS_ONLN) / s->config.n_workers;
    if (s->config.n_threads < 1)
        s->config.n_threads = 1;
    limits_complete(&s->config.limits);
    kn_code rc = s->program && s->folder ? KN_OK
                                         : kn_fail(err, KN_ENOMEM, "no memory for a supervisor");
    if (rc == KN_OK)
        rc = kn_peers_new(&s->peers, s->folder, s->worker_id, err);
    if (rc == KN_OK) // claiming, renewing and expiring each hold one; the rest answers children
        rc = kn_loop_new(&s->loop, 3 + 2 * (s->config.n_workers < 16 ? s->config.n_workers : 16),
                         err);
    if (rc)
        kn_supervisor_free(&s);
    *out = s;
    return rc;
}

/* ---- metrics ---- */

static int64_t counter_read(void *context)
{
    return atomic_load((atomic_llong *)context);
}

// Under /metrics as long as the supervisor lives; each counter is its own context.
static void counters_show(struct kn_supervisor *s)
{
    kn_metric_gauge_fn("kinora_worker_jobs_running", "", "Jobs that run on this machine", counter_read,
                       &s->n_running);
    kn_metric_counter_fn("kinora_worker_jobs_claimed_total", "", "Jobs that this machine took", counter_read,
                         &s->n_claimed);
    static const char help[] = "Jobs that ended on this machine, by how";
    static const char name[] = "kinora_worker_jobs_ended_total";
    kn_metric_counter_fn(name, "outcome=\"succeeded\"", help, counter_read, &s->n_succeeded);
    kn_metric_counter_fn(name, "outcome=\"failed\"", help, counter_read, &s->n_failed);
    kn_metric_counter_fn(name, "outcome=\"given-back\"", help, counter_read, &s->n_given_back);
    kn_metric_counter_fn(name, "outcome=\"lost\"", help, counter_read, &s->n_lost);
    kn_metric_counter_fn("kinora_worker_nursery_starts_total", "", "Starts of the process that forks jobs",
                         counter_read, &s->n_starts);
}

static void counters_hide(struct kn_supervisor *s)
{
    atomic_llong *const counters[] = {&s->n_running,    &s->n_claimed, &s->n_succeeded, &s->n_failed,
                                      &s->n_given_back, &s->n_lost,    &s->n_starts};
    for (size_t i = 0; i < KN_COUNT(counters); i++)
        kn_metrics_forget(counters[i]);
}

/* ---- a life ---- */

kn_code kn_supervisor_start(struct kn_supervisor *supervisor, struct kn_error *err)
{
    struct kn_supervisor *s = supervisor;
    int e = pthread_create(&s->thread, NULL, thread_main, s);
    if (e)
        return kn_fail_errno(err, e, "cannot start the supervisor");
    s->has_thread = true;
    (void)pthread_mutex_lock(&s->lock);
    while (!s->has_started)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    kn_code rc = s->start_rc;
    if (rc && err)
        *err = s->start_error;
    (void)pthread_mutex_unlock(&s->lock);
    if (rc) {
        (void)pthread_join(s->thread, NULL);
        s->has_thread = false;
        return rc;
    }
    counters_show(s);
    rc = kn_jobs_watch(s->config.jobs, wake, s, err);
    s->is_watching = rc == KN_OK;
    return rc;
}

void kn_supervisor_drain(struct kn_supervisor *supervisor, int64_t grace_us)
{
    struct kn_supervisor *s = supervisor;
    struct drain *drain = s->has_thread ? malloc(sizeof(*drain)) : NULL;
    if (!drain)
        return;
    *drain = (struct drain){s, grace_us};
    if (!kn_loop_post(s->loop, drain_start, drain)) {
        free(drain);
        return; // leases run out instead
    }
    (void)pthread_mutex_lock(&s->lock);
    while (!s->is_drained)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    (void)pthread_mutex_unlock(&s->lock);
}

void kn_supervisor_free(struct kn_supervisor **supervisor)
{
    struct kn_supervisor *s = *supervisor;
    if (!s)
        return;
    counters_hide(s);
    if (s->is_watching)
        kn_jobs_unwatch(s->config.jobs, s);
    if (s->has_thread) {
        if (!s->is_drained)
            kn_supervisor_drain(s, 0);
        kn_loop_stop(s->loop);
        (void)pthread_join(s->thread, NULL);
    }
    kn_loop_free(&s->loop);
    kn_peers_free(&s->peers);
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->program);
    free(s->folder);
    free(s);
    *supervisor = NULL;
}

void kn_supervisor_count(const struct kn_supervisor *supervisor,
                         struct kn_supervisor_counters *out)
{
    *out = (struct kn_supervisor_counters){
        .n_running = atomic_load(&supervisor->n_running),
        .n_claimed = atomic_load(&supervisor->n_claimed),
        .n_succeeded = atomic_load(&supervisor->n_succeeded),
        .n_failed = atomic_load(&supervisor->n_failed),
        .n_given_back = atomic_load(&supervisor->n_given_back),
        .n_lost = atomic_load(&supervisor->n_lost),
        .n_nursery_starts = atomic_load(&supervisor->n_starts),
    };
}
