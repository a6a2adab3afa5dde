#pragma once
/*
 * The RPC front: ICE 2020-11-09, MTS 2014-06-18, VOD 2017-03-21, IMM 2020-09-30 and STS 2015-04-01 on
 * one port (spec 01). Plug kn_api_handle() and kn_api_on_error() into a listener, with the front as
 * their context; whoever wires the server takes paths like /healthz away first, all others are "/".
 *
 * Thread-safety: one front for all threads.
 */
#include <stdbool.h>
#include <stdint.h>

#include "access/access.h"
#include "base/error.h"
#include "db/db.h"
#include "http/server.h"
#include "jobs/jobs.h"
#include "objects/store.h"

struct kn_api;

struct kn_api_config {
    struct kn_db *db;           // all borrowed, and longer-lived than the front
    struct kn_access *access;
    struct kn_jobs *jobs;
    struct kn_store *store;
    const char *account_id, *region;
    int64_t max_queued_jobs;    // submits are throttled while more wait; 0: KN_MAX_QUEUED_JOBS
    int max_waiting_per_key;    // calls of one key that wait for a thread; 0: KN_MAX_WAITING_PER_KEY
    int n_workers;              // jobs at once on this machine; told to whoever asks
    const char *const *oss_hosts; // NULL-terminated: as kn_uri_parse() takes them; copied
    const char *help_url;         // NULL, or where errors are explained: "Recommend" of errors
    bool hides_string_to_sign;    // do not show a caller with a wrong signature what we signed
};

kn_code kn_api_new(struct kn_api **out, const struct kn_api_config *config, struct kn_error *err);
/* No request may be under way. */
void kn_api_free(struct kn_api **api);

void kn_api_handle(struct kn_http_request *request, void *api);
void kn_api_on_error(struct kn_http_request *request, int status, const char *message, void *api);
