/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The wiring of `kinora serve`. Each step of start() needs those before it; stop() undoes them
 * backwards and accepts a service that has only half started.
 */
#include "server/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/access.h"
#include "api/api.h"
#include "api/mns/mns.h"
#include "api/oss/oss.h"
#include "api/wire_error.h"
#include "base/cleanup.h"
#include "base/envfile.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/time.h"
#include "db/db.h"
#include "events/compose.h"
#include "events/delivery.h"
#include "events/http_sink.h"
#include "events/mns_sink.h"
#include "events/object_notice.h"
#include "http/client.h"
#include "http/server.h"
#include "http/tls_auto.h"
#include "jobs/jobs.h"
#include "objects/store.h"
#include "queues/push.h"
#include "queues/queues.h"
#include "queues/signer.h"
#include "server/credentials.h"
#include "server/front.h"
#include "server/housekeeping.h"
#include "supervisor/supervisor.h"
#include "usage/usage.h"

#define MAX_URL 300
// Requests in the hands of a thread. Most of them wait for the disk, and those that wait together share its
// fsync: more of them, more in a group.
#define N_POOL 128

struct kn_service {
    // all owned, in order of their start
    struct kn_db *db;
    struct kn_access *access;
    struct kn_http_client *client; // for what users name: inputs, callbacks; under the URL rules
    struct kn_store *store;
    struct kn_jobs *jobs;
    struct kn_queues *queues;
    struct kn_signer *signer;
    struct kn_pushes *pushes;
    struct kn_event_source event_source;
    struct kn_events *events;
    struct kn_housekeeping *housekeeping;
    struct kn_supervisor *supervisor;
    struct kn_api *api;
    struct kn_front front;
    struct kn_oss *oss;
    struct kn_mns *mns;
    struct kn_http_server *server;
    char api_url[MAX_URL], oss_url[MAX_URL], mns_url[MAX_URL];
    char addresses[3 * MAX_URL + 32];
    const char *oss_hosts[4]; // borrowed from the next three
    char oss_host[MAX_URL], oss_public_host[MAX_URL];
};

/* ---- jobs' hook: what a change of state writes beside it ---- */

static void wire_error(const char *code_name, const char *reason, const char *message,
                       char out_code[64], char out_message[1024])
{
    struct kn_wire_error wire;
    kn_wire_error_of_job(&wire, code_name, reason, message);
    (void)kn_copy(out_code, 64, wire.code);
    (void)kn_copy(out_message, 1024, wire.message);
}

static kn_code on_job(struct kn_tx *tx, const struct kn_job *job, void *context,
                      struct kn_error *err)
{
    struct kn_service *service = context;
    kn_code rc = kn_events_on_job(tx, job, &service->event_source, err);
    if (rc == KN_OK && job->state == KN_JOB_SUCCEEDED)
        rc = kn_usage_on_job(tx, job, err);
    return rc;
}

// Events carry the Code and Message that the job's query answers.
static kn_code housekeeping_start(struct kn_service *s, const struct kn_config *config,
                                  struct kn_error *err)
{
    char cache[4096];
    (void)snprintf(cache, sizeof(cache), "%s/cache", config->data);
    kn_code rc = kn_housekeeping_new(
        &s->housekeeping,
        &(struct kn_housekeeping_config){.db = s->db,
                                         .store = s->store,
                                         .queues = s->queues,
                                         .cache_folder = cache,
                                         .keep_jobs_us = config->keep_jobs_days * KN_DAY,
                                         .keep_tasks_us = config->keep_tasks_days * KN_DAY,
                                         .keep_events_us = config->keep_events_days * KN_DAY,
                                         .cache_limit_bytes = config->cache_limit_mb * 1024 * 1024},
        err);
    return rc == KN_OK ? kn_housekeeping_start(s->housekeeping, err) : rc;
}

/* ---- records ---- */

static kn_code store_open(struct kn_service *s, const struct kn_config *config,
                          struct kn_error *err)
{
    char scratch[4096];
    (void)snprintf(scratch, sizeof(scratch), "%s/outgoing", config->data);
    struct kn_store_config store = kn_config_store(config);
    store.db = s->db;
    store.scratch_folder = scratch;
    store.may_be_away = true; // an outage is no reason not to start: the log and /healthz say so
    return kn_store_open(&s->store, &store, err);
}

static kn_code records_open(struct kn_service *s, const struct kn_config *config,
                             struct kn_error *err)
{
    kn_code rc = kn_fs_make_folders(config->data, 0700, err);
    if (rc == KN_OK)
        rc = kn_db_open(&s->db, config->database, err);
    if (rc == KN_OK)
        rc = kn_http_client_new(
            &s->client, &(struct kn_http_client_config){.allowed_hosts = config->allow_url_hosts},
            err);
    if (rc == KN_OK)
        rc = store_open(s, config, err);
    if (rc == KN_OK)
        rc = kn_jobs_open(&s->jobs, s->db, err);
    if (rc != KN_OK)
        return rc;

    int64_t account = 0;
    (void)kn_parse_int(config->account_id, 1, INT64_MAX, &account); // checked by config.c
    s->event_source = (struct kn_event_source){.account_id = account,
                                               .region = config->region,
                                               .tells_content_alone = strcmp(config->imm_message, "content") == 0,
                                               .task_error = kn_wire_error_of_task,
                                               .wire_error = wire_error};
    kn_jobs_set_hook(s->jobs, on_job, s);
    kn_store_set_hook(s->store, kn_events_on_object, &s->event_source);
    return KN_OK;
}

// What only a service does with the records: keys, deliveries, housekeeping.
static kn_code records_start(struct kn_service *s, const struct kn_config *config,
                             struct kn_error *err)
{
    kn_code rc = kn_access_open(&s->access, s->db, err);
    if (rc == KN_OK)
        rc = kn_queues_open(&s->queues, &(struct kn_queues_config){.db = s->db, .account_id = config->account_id},
                            err);
    if (rc == KN_OK)
        rc = kn_signer_open(&s->signer, s->db, err);
    if (rc == KN_OK)
        rc = kn_credentials_ensure(s->access, config->data, err);
    int n_recovered = 0; // on SQLite: what ran when the process before us died
    if (rc == KN_OK)
        rc = kn_jobs_recover(s->jobs, &n_recovered, err);
    if (n_recovered > 0)
        KN_WARN(NULL, "%d jobs were running when the service died: back to the queue", n_recovered);
    if (rc == KN_OK)
        rc = kn_events_new(&s->events, &(struct kn_events_config){.db = s->db}, err);
    if (rc != KN_OK)
        return rc;
    kn_events_set_sink(s->events, "http", kn_event_http_sink(s->client));
    kn_events_set_sink(s->events, "mns", kn_event_mns_sink(s->queues));
    rc = kn_events_start(s->events, err);
    return rc == KN_OK ? housekeeping_start(s, config, err) : rc;
}

/* ---- listeners ---- */

// "host" of "http://host:port", for telling our own addresses in inputs and outputs.
static void host_of(char out[MAX_URL], const char *url)
{
    const char *host = strstr(url, "://");
    (void)kn_copy(out, MAX_URL, host ? host + 3 : url);
    out[strcspn(out, "/")] = '\0';
}

static kn_code listen_all(struct kn_http_server *server, const char *const *addresses,
                          struct kn_http_listener how, char out_url[MAX_URL], struct kn_error *err)
{
    for (size_t i = 0; addresses[i]; i++) {
        how.address = addresses[i];
        char url[MAX_URL];
        kn_code rc = kn_http_server_listen(server, &how, url, err);
        if (rc != KN_OK)
            return rc;
        if (i == 0)
            (void)kn_copy(out_url, MAX_URL, url);
    }
    return KN_OK;
}

static kn_code server_new(struct kn_service *s, const struct kn_config *config,
                          struct kn_error *err)
{
    struct kn_http_config http = {.n_pool = N_POOL,
                                  .tls_cert_file = config->tls_cert,
                                  .tls_key_file = config->tls_key};
    struct kn_tls_auto made;
    if (config->tls) {
        char folder[512];
        (void)snprintf(folder, sizeof(folder), "%s/tls", config->data);
        kn_code rc = kn_tls_auto_ensure(&made, folder, NULL, err);
        if (rc != KN_OK)
            return rc;
        http.tls_cert_file = made.cert_file;
        http.tls_key_file = made.key_file;
        (void)fprintf(stderr, "kinora: clients must trust %s\n", made.ca_file);
    }
    return kn_http_server_new(&s->server, &http, err);
}

// The object store's listener comes first: the RPC front must know its address to recognise our own
// buckets in https:// inputs.
static kn_code fronts_start(struct kn_service *s, const struct kn_config *config,
                            struct kn_error *err)
{
    kn_code rc = server_new(s, config, err);
    if (rc != KN_OK)
        return rc;
    static const char *const service_hosts[] = {"localhost", "127.0.0.1", "::1", NULL};
    rc = kn_oss_new(&s->oss,
                    &(struct kn_oss_config){.store = s->store,
                                            .access = s->access,
                                            .client = s->client,
                                            .hosts = service_hosts,
                                            .public_url = config->public_oss,
                                            .region = config->region,
                                            .account_id = config->account_id},
                    err);
    if (rc == KN_OK)
        rc = listen_all(s->server, config->oss_listen,
                        (struct kn_http_listener){
                            .handler = kn_oss_handle, .on_error = kn_oss_on_error, .context = s->oss},
                        s->oss_url, err);
    if (rc != KN_OK)
        return rc;
    host_of(s->oss_host, s->oss_url);
    size_t n = 0;
    s->oss_hosts[n++] = s->oss_host;
    if (config->public_oss) {
        host_of(s->oss_public_host, config->public_oss);
        s->oss_hosts[n++] = s->oss_public_host;
    }
    rc = kn_api_new(&s->api,
                    &(struct kn_api_config){.db = s->db,
                                            .access = s->access,
                                            .jobs = s->jobs,
                                            .store = s->store,
                                            .account_id = config->account_id,
                                            .region = config->region,
                                            .n_workers = config->n_workers,
                                            .max_queued_jobs = config->max_queued_jobs,
                                            .oss_hosts = s->oss_hosts},
                    err);
    if (rc != KN_OK)
        return rc;
    s->front = (struct kn_front){.api = s->api, .db = s->db, .store = s->store};
    rc = kn_mns_new(&s->mns,
                    &(struct kn_mns_config){.queues = s->queues,
                                            .access = s->access,
                                            .public_url = config->public_mns,
                                            .account_id = config->account_id,
                                            .certificate = kn_signer_certificate(s->signer)},
                    err);
    if (rc != KN_OK)
        return rc;
    rc = listen_all(s->server, config->mns_listen,
                    (struct kn_http_listener){
                        .handler = kn_mns_handle, .on_error = kn_mns_on_error, .context = s->mns},
                    s->mns_url, err);
    if (rc != KN_OK)
        return rc;
    return listen_all(s->server, config->listen,
                      (struct kn_http_listener){.handler = kn_front_handle,
                                                .on_error = kn_front_on_error,
                                                .context = &s->front},
                      s->api_url, err);
}

// Receivers are told where the certificate is, so the queues' listener comes first.
static kn_code pushes_start(struct kn_service *s, const struct kn_config *config,
                            struct kn_error *err)
{
    char url[MAX_URL + 64];
    (void)snprintf(url, sizeof(url), "%s" KN_MNS_CERTIFICATE_PATH,
                   config->public_mns ? config->public_mns : s->mns_url);
    kn_code rc = kn_pushes_new(&s->pushes,
                               &(struct kn_pushes_config){
                                   .queues = s->queues, .signer = s->signer, .client = s->client},
                               err);
    return rc == KN_OK ? kn_pushes_start(s->pushes, url, err) : rc;
}

/* ---- workers ---- */

static kn_code workers_start(struct kn_service *s, const struct kn_config *config,
                             const char *worker_program, struct kn_error *err)
{
    if (config->n_workers == 0)
        return KN_OK;
    const struct kn_run_limits limits = {
        .memory_bytes = config->job_memory_mb << 20,
        .stall_us = config->job_stall_seconds * KN_SECOND,
        .wall_us = config->job_limit_seconds * KN_SECOND,
    };
    kn_code rc = kn_supervisor_new(&s->supervisor,
                                   &(struct kn_supervisor_config){.db = s->db,
                                                                  .jobs = s->jobs,
                                                                  .store = s->store,
                                                                  .client = s->client,
                                                                  .n_workers = config->n_workers,
                                                                  .worker_program = worker_program,
                                                                  .data_folder = config->data,
                                                                  .limits = limits},
                                   err);
    return rc == KN_OK ? kn_supervisor_start(s->supervisor, err) : rc;
}

// So that the other commands of this machine find the running service.
static kn_code endpoints_write(const struct kn_service *s, const struct kn_config *config,
                               struct kn_error *err)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/endpoints", config->data);
    const struct kn_env_line lines[] = {{"KINORA_API", s->api_url}, {"KINORA_OSS", s->oss_url}};
    return kn_envfile_write(path, lines, KN_COUNT(lines), 0644, err);
}

kn_code kn_service_start(struct kn_service **out, const struct kn_config *config,
                         const char *worker_program, struct kn_error *err)
{
    *out = NULL;
    struct kn_service *s = calloc(1, sizeof(*s));
    if (!s)
        return kn_fail(err, KN_ENOMEM, "no memory to start");
    kn_code rc = records_open(s, config, err);
    if (rc == KN_OK)
        rc = records_start(s, config, err);
    if (rc == KN_OK)
        rc = fronts_start(s, config, err);
    if (rc == KN_OK)
        rc = pushes_start(s, config, err);
    if (rc == KN_OK)
        rc = workers_start(s, config, worker_program, err);
    if (rc == KN_OK)
        rc = kn_http_server_start(s->server, err);
    if (rc == KN_OK)
        rc = endpoints_write(s, config, err);
    if (rc != KN_OK) {
        kn_service_stop(&s, 0);
        return rc;
    }
    (void)snprintf(s->addresses, sizeof(s->addresses), "api=%s oss=%s mns=%s",
                   config->public_api ? config->public_api : s->api_url,
                   config->public_oss ? config->public_oss : s->oss_url,
                   config->public_mns ? config->public_mns : s->mns_url);
    *out = s;
    return KN_OK;
}

// Without this, workers would quietly work on records and files that the service never sees.
static kn_code sharing_check(const struct kn_config *config, struct kn_error *err)
{
    if (kn_starts_with(config->database, "sqlite:"))
        return kn_fail(err, KN_EINVAL,
                       "a worker shares the service's database, and SQLite belongs to one process: "
                       "give both --database postgresql://…");
    if (kn_starts_with(config->storage, "file:") && !kn_fs_exists(config->storage + 5))
        return kn_fail(err, KN_EINVAL,
                       "there is no '%s' here: name the service's object store, or the folder it is "
                       "mounted at, with --storage",
                       config->storage + 5);
    if (config->n_workers == 0)
        return kn_fail(err, KN_EINVAL, "--workers 0 leaves nothing to do");
    return KN_OK;
}

kn_code kn_service_start_workers(struct kn_service **out, const struct kn_config *config,
                                 const char *worker_program, struct kn_error *err)
{
    *out = NULL;
    kn_code rc = sharing_check(config, err);
    if (rc != KN_OK)
        return rc;
    struct kn_service *s = calloc(1, sizeof(*s));
    if (!s)
        return kn_fail(err, KN_ENOMEM, "no memory to start");
    rc = records_open(s, config, err);
    if (rc == KN_OK)
        rc = workers_start(s, config, worker_program, err);
    if (rc != KN_OK) {
        kn_service_stop(&s, 0);
        return rc;
    }
    (void)snprintf(s->addresses, sizeof(s->addresses), "workers=%d", config->n_workers);
    *out = s;
    return KN_OK;
}

const char *kn_service_addresses(const struct kn_service *service)
{
    return service->addresses;
}

void kn_service_stop(struct kn_service **service, int64_t grace_us)
{
    struct kn_service *s = *service;
    if (!s)
        return;
    // Requests first: nothing new comes in, and nobody waits for a message any more. Then the workers, whose ends still make events.
    if (s->mns)
        kn_mns_drain(s->mns);
    if (s->server)
        kn_http_server_stop(s->server, grace_us > 5 * KN_SECOND ? 5 * KN_SECOND : grace_us);
    if (s->supervisor)
        kn_supervisor_drain(s->supervisor, grace_us);
    kn_supervisor_free(&s->supervisor);
    kn_housekeeping_free(&s->housekeeping);
    kn_events_free(&s->events);
    kn_pushes_free(&s->pushes);
    kn_http_server_free(&s->server);
    kn_oss_free(&s->oss);
    kn_mns_free(&s->mns);
    kn_api_free(&s->api);
    kn_signer_close(&s->signer);
    kn_queues_close(&s->queues);
    kn_jobs_close(&s->jobs);
    kn_store_close(&s->store);
    kn_http_client_free(&s->client);
    kn_access_close(&s->access);
    kn_db_close(&s->db);
    free(s);
    *service = NULL;
}
