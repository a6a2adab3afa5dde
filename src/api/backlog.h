#pragma once
/*
 * The backlog: how many jobs wait, and when that is enough. A queue that grows for weeks would be
 * accepted gladly and never worked off; a client that is told to wait can do so at its end.
 *
 * The figure counts the jobs of all machines and is at most ten seconds old, a second when it is near
 * the limit: some more get in. Thread-safe.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"
#include "jobs/jobs.h"

struct kn_backlog {
    _Atomic int64_t counted_us; // kn_mono_us(); 0: never
    _Atomic int64_t n_queued;
};

/* Before a submit. KN_ELIMIT, reason "Throttling.Api", when `limit` jobs wait. */
kn_code kn_backlog_check(struct kn_backlog *backlog, struct kn_jobs *jobs, int64_t limit,
                         struct kn_error *err);
/* After one. */
void kn_backlog_add(struct kn_backlog *backlog);
