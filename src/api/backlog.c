/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The backlog. Whoever finds the figure old counts again; the others go on with the old one meanwhile. */
#include "api/backlog.h"

#include "base/cleanup.h"
#include "base/time.h"

// Counting reads the index of what waits: 10 ms for 100,000 jobs.
#define FRESH_US (10 * KN_SECOND)
#define FRESH_NEAR_LIMIT_US KN_SECOND

static kn_code count(struct kn_backlog *backlog, struct kn_jobs *jobs, struct kn_error *err)
{
    kn_auto(kn_free) struct kn_pipeline *pipelines = NULL;
    size_t n = 0;
    int64_t n_queued = 0;
    kn_code rc = kn_pipeline_list(jobs, &pipelines, &n, err);
    for (size_t i = 0; i < n; i++)
        n_queued += pipelines[i].n_queued;
    if (rc == KN_OK)
        atomic_store(&backlog->n_queued, n_queued);
    return rc;
}

kn_code kn_backlog_check(struct kn_backlog *backlog, struct kn_jobs *jobs, int64_t limit,
                         struct kn_error *err)
{
    int64_t now = kn_mono_us(), counted = atomic_load(&backlog->counted_us);
    kn_code rc = KN_OK;
    bool is_near = atomic_load(&backlog->n_queued) >= limit / 2;
    bool is_old = counted == 0 || now - counted > (is_near ? FRESH_NEAR_LIMIT_US : FRESH_US);
    if (is_old && atomic_compare_exchange_strong(&backlog->counted_us, &counted, now))
        rc = count(backlog, jobs, err);
    if (rc == KN_OK && atomic_load(&backlog->n_queued) >= limit)
        return kn_fail_as(err, KN_ELIMIT, "Throttling.Api", "%lld jobs wait already",
                          (long long)atomic_load(&backlog->n_queued));
    return rc;
}

void kn_backlog_add(struct kn_backlog *backlog)
{
    (void)atomic_fetch_add(&backlog->n_queued, 1);
}
