#pragma once
/*
 * A supervisor: claims jobs, has them run in children, ends them. One in `kinora serve`, one in each
 * `kinora worker`.
 *
 *     claim (batch, with a lease) ─> run in a child ─> publish and finish in one transaction
 *              │ renewed while it runs; a lost lease stops the child
 *              └ a dead peer's jobs: at once on this host, after their lease elsewhere
 *
 * One thread runs an event loop and owns everything below; a pool does what may block. No lock is held
 * while taking another. Thread-safety: each function may be called by any thread, _free() once.
 */
#include <stdint.h>

#include "base/error.h"
#include "db/db.h"
#include "http/client.h"
#include "jobs/jobs.h"
#include "objects/store.h"
#include "supervisor/run.h"

struct kn_supervisor;

struct kn_supervisor_config {
    struct kn_db *db;               // borrowed, like the next three
    struct kn_jobs *jobs;
    struct kn_store *store;
    struct kn_http_client *client;  // for inputs by URL
    int n_workers;                  // jobs at once, at least 1
    int n_threads;                  // per job; 0: the cores divided among the workers
    const char *worker_program;     // path of kinora-worker; copied
    const char *data_folder;        // scratch/ and workers/ lie in it; copied
    struct kn_run_limits limits;    // 0: the default of each
};
kn_code kn_supervisor_new(struct kn_supervisor **out, const struct kn_supervisor_config *config,
                          struct kn_error *err);
/* Start the nursery and claim. KN_EIO: the worker program cannot be started. */
kn_code kn_supervisor_start(struct kn_supervisor *supervisor, struct kn_error *err);
/*
 * Claim no more; wait until the running jobs have ended, and give back to the queue those that have
 * not after `grace_us`. Nothing is running on return.
 */
void kn_supervisor_drain(struct kn_supervisor *supervisor, int64_t grace_us);
/* Drains without grace when that was not done. Empty is welcome. */
void kn_supervisor_free(struct kn_supervisor **supervisor);

struct kn_supervisor_counters {
    int64_t n_running;
    int64_t n_claimed, n_succeeded, n_failed, n_given_back, n_lost; // since the start
    int64_t n_nursery_starts;
};
void kn_supervisor_count(const struct kn_supervisor *supervisor,
                         struct kn_supervisor_counters *out);
