/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Metrics of the front. A series is registered when its first call comes, so that /metrics shows what
 * is used; two threads that register one get the same.
 */
#include "api/observe.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/metrics.h"

enum outcome { OK = 0, REFUSED, THROTTLED, FAILED, N_OUTCOMES };
static const char *const outcome_words[N_OUTCOMES] = {"ok", "refused", "throttled", "failed"};

struct series {
    struct kn_metric *_Atomic calls[N_OUTCOMES];
    struct kn_metric *_Atomic seconds;
};

struct kn_observer {
    struct kn_jobs *jobs;  // borrowed
    struct series *series; // owned: by operation, the last for unknown ones
};

/* ---- jobs ---- */

static int64_t jobs_count(void *context, bool is_running)
{
    const struct kn_observer *observer = context;
    kn_auto(kn_free) struct kn_pipeline *pipelines = NULL;
    size_t n = 0;
    int64_t sum = 0;
    if (kn_pipeline_list(observer->jobs, &pipelines, &n, NULL) != KN_OK)
        return -1; // not 0: that would look like an empty queue
    for (size_t i = 0; i < n; i++)
        sum += is_running ? pipelines[i].n_running : pipelines[i].n_queued;
    return sum;
}

static int64_t queued_read(void *context)
{
    return jobs_count(context, false);
}

static int64_t running_read(void *context)
{
    return jobs_count(context, true);
}

/* ---- a life ---- */

kn_code kn_observer_new(struct kn_observer **out, struct kn_jobs *jobs, struct kn_error *err)
{
    *out = NULL;
    kn_auto(kn_observer_free) struct kn_observer *observer = calloc(1, sizeof(*observer));
    if (observer)
        observer->series = calloc(kn_n_operations + 1, sizeof(*observer->series));
    if (!observer || !observer->series)
        return kn_fail(err, KN_ENOMEM, "no memory for the API's metrics");
    observer->jobs = jobs;
    kn_metric_gauge_fn("kinora_jobs_queued", "", "Jobs that wait, on all machines; -1: unknown",
                       queued_read, observer);
    kn_metric_gauge_fn("kinora_jobs_running", "", "Jobs that run, on all machines; -1: unknown",
                       running_read, observer);
    *out = KN_TAKE(observer);
    return KN_OK;
}

void kn_observer_free(struct kn_observer **address)
{
    struct kn_observer *observer = *address;
    *address = NULL;
    if (!observer)
        return;
    kn_metrics_forget(observer);
    free(observer->series);
    free(observer);
}

/* ---- calls ---- */

static enum outcome outcome_of(const struct kn_wire_error *wire)
{
    if (!wire)
        return OK;
    if (strncmp(wire->code, "Throttling", strlen("Throttling")) == 0)
        return THROTTLED;
    return wire->status >= 500 ? FAILED : REFUSED;
}

static struct kn_metric *calls_metric(const struct kn_operation *operation, enum outcome outcome)
{
    kn_auto(kn_buf_clear) struct kn_buf labels = {0};
    if (operation) {
        kn_metric_label(&labels, "product", operation->product);
        kn_metric_label(&labels, "action", operation->name);
    }
    kn_metric_label(&labels, "outcome", outcome_words[outcome]);
    return kn_metric_counter("kinora_api_calls_total", kn_buf_text(&labels), "Calls answered");
}

static struct kn_metric *seconds_metric(const struct kn_operation *operation)
{
    kn_auto(kn_buf_clear) struct kn_buf labels = {0};
    if (operation)
        kn_metric_label(&labels, "product", operation->product);
    return kn_metric_seconds("kinora_api_seconds", kn_buf_text(&labels),
                             "From a call's last byte to its answer");
}

void kn_observer_count(struct kn_observer *observer, const struct kn_operation *operation,
                       const struct kn_wire_error *wire, int64_t took_us)
{
    size_t at = operation ? (size_t)(operation - kn_operations) : kn_n_operations;
    struct series *series = &observer->series[at];
    enum outcome outcome = outcome_of(wire);
    struct kn_metric *calls = atomic_load(&series->calls[outcome]);
    struct kn_metric *seconds = atomic_load(&series->seconds);
    if (!calls)
        atomic_store(&series->calls[outcome], calls = calls_metric(operation, outcome));
    if (!seconds)
        atomic_store(&series->seconds, seconds = seconds_metric(operation));
    kn_metric_add(calls, 1);
    kn_metric_observe(seconds, took_us);
}
