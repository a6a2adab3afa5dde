#pragma once
/*
 * What the front tells /metrics: calls by operation and outcome, how long they took by product, and how
 * many jobs wait and run.
 *
 *     kinora_api_calls_total{product="ice",action="GetPipeline",outcome="ok"}
 *         outcome: ok, refused (4xx), throttled, failed (5xx); unknown operations have no labels but this
 *     kinora_api_seconds{product="ice"}         from the request's last byte to the reply
 *     kinora_jobs_queued, kinora_jobs_running   of all machines
 *
 * Thread-safe.
 */
#include <stdint.h>

#include "api/operation.h"
#include "api/wire_error.h"
#include "base/error.h"
#include "jobs/jobs.h"

struct kn_observer;

/* `jobs` is borrowed until kn_observer_free(). */
kn_code kn_observer_new(struct kn_observer **out, struct kn_jobs *jobs, struct kn_error *err);
void kn_observer_free(struct kn_observer **observer);

/*
 * A call has been answered.
 *
 *   operation  NULL: it was never known which
 *   wire       the error it ended with; NULL: none
 *   took_us    since it was there
 */
void kn_observer_count(struct kn_observer *observer, const struct kn_operation *operation,
                       const struct kn_wire_error *wire, int64_t took_us);
