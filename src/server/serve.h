#pragma once
/*
 * The wiring of `kinora serve` and `kinora worker`: every room, started in the order of their dependence and ended in
 * the reverse one. Belongs to the main thread.
 */
#include "base/error.h"
#include "server/config.h"

struct kn_service;

/*
 * Start everything; on return all listeners accept. `worker_program` is the path of kinora-worker.
 * On failure whatever had started is ended again.
 */
kn_code kn_service_start(struct kn_service **out, const struct kn_config *config,
                         const char *worker_program, struct kn_error *err);

/*
 * Start workers alone, beside a service on another machine: they share its PostgreSQL and its object
 * store, and listen nowhere. KN_EINVAL: the configuration names nothing that can be shared.
 */
kn_code kn_service_start_workers(struct kn_service **out, const struct kn_config *config,
                                 const char *worker_program, struct kn_error *err);

/* "api=http://… oss=http://… mns=http://…", of workers alone "workers=2": what the ready line says.
 * Borrowed. */
const char *kn_service_addresses(const struct kn_service *service);

/* Drain for at most grace_us, then end and free. Empty is welcome. */
void kn_service_stop(struct kn_service **service, int64_t grace_us);
