#pragma once
/*
 * A run: one attempt of a job in a child of its own, from the fork to its result.
 *
 *     start ─> child works, its questions go to the desk ─> RESULT ─> child is ended ─> ended()
 *                 │ cancelled, too long, silent, too large: SIGTERM, then SIGKILL
 *                 └ crashed, killed, broke the protocol: an error that says so
 *
 * ended() comes when the child is gone, reaped, and nothing it asked for is under way: from then on
 * nobody writes to its outputs or folders. All functions belong to the loop's thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "supervisor/files.h"
#include "supervisor/keeper.h"
#include "supervisor/loop.h"

/* 0 is "no limit" everywhere. */
struct kn_run_limits {
    int64_t memory_bytes; // private data, and resident size as watched from here
    int64_t file_bytes;   // of each file
    int64_t cpu_us;       // processor time
    int64_t wall_us;      // time on the clock
    int64_t stall_us;     // without a sign of progress
    int64_t grace_us;     // between SIGTERM and SIGKILL; 0: two seconds
};

struct kn_run_end {
    struct kn_error error; // code KN_OK: it succeeded
    bool is_process_lost;  // its process, or the nursery, was killed by others: worth another try
    json_t *result;        // borrowed; NULL when there is none; may be set on failure too
    int64_t cpu_us;
    int64_t peak_bytes;
};

struct kn_run;

struct kn_run_config {
    struct kn_loop *loop;                // borrowed
    struct kn_keeper *keeper;            // borrowed
    struct kn_files *files;              // borrowed, until ended()
    const char *job_id, *kind;           // for the child and for log lines; copied
    const char *spec;                    // JSON text of an object; not kept
    const char *scratch_folder, *keep_folder; // may be NULL; not kept
    const char *const *read_only;        // more folders it may read, NULL-terminated; may be NULL
    int n_threads;
    struct kn_run_limits limits;
    // `detail` is JSON text or NULL. May be NULL.
    void (*progressed)(void *context, double fraction, const char *detail);
    // The result has come, and nothing the child does now counts: its place may be given away. Comes
    // at most once, before ended(). May be NULL.
    void (*resulted)(void *context);
    void (*ended)(void *context, const struct kn_run_end *end); // may free the run
    void *context;
};
/* Failure here means ended() will not come. */
kn_code kn_run_start(struct kn_run **out, const struct kn_run_config *config, struct kn_error *err);
/* Ask it to stop; it ends with `why` unless it has succeeded already. The first reason stays. */
void kn_run_stop(struct kn_run *run, const struct kn_error *why);
/* Only after ended(). Empty is welcome. */
void kn_run_free(struct kn_run **run);
