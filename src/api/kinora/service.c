/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What runs here, and how much waits. */
#include "api/call.h"
#include "api/operations.h"
#include "base/cleanup.h"

static void number_put(json_t *out, const char *name, int64_t number)
{
    (void)json_object_set_new(out, name, json_integer(number));
}

static json_t *queue_json(const struct kn_pipeline *pipeline)
{
    json_t *out = json_object();
    kn_put_text(out, "PipelineId", pipeline->id);
    (void)json_object_set_new(out, "Name", json_string(pipeline->name));
    kn_put_text(out, "Status", pipeline->is_paused ? "Paused" : "Active");
    number_put(out, "MaxRunning", pipeline->max_running);
    number_put(out, "QueuedJobs", pipeline->n_queued);
    number_put(out, "RunningJobs", pipeline->n_running);
    return out;
}

kn_code kn_kinora_get_service_info(struct kn_call *call, struct kn_error *err)
{
    const struct kn_api_config *config = &call->api->config;
    kn_auto(kn_free) struct kn_pipeline *pipelines = NULL;
    size_t n = 0;
    kn_code rc = kn_pipeline_list(config->jobs, &pipelines, &n, err);
    if (rc != KN_OK)
        return rc;
    int64_t n_queued = 0, n_running = 0;
    json_t *queues = json_array();
    for (size_t i = 0; i < n; i++) {
        n_queued += pipelines[i].n_queued;
        n_running += pipelines[i].n_running;
        (void)json_array_append_new(queues, queue_json(&pipelines[i]));
    }
    json_t *answer = call->answer;
    kn_put_text(answer, "Version", KN_VERSION);
    kn_put_text(answer, "Region", config->region);
    kn_put_text(answer, "AccountId", config->account_id);
    kn_put_text(answer, "Database", kn_db_is_postgres(config->db) ? "postgresql" : "sqlite");
    kn_put_text(answer, "Storage", kn_store_is_local(config->store) ? "local" : "s3");
    kn_put_time(answer, "StartTime", call->api->started_us);
    number_put(answer, "Workers", config->n_workers);
    number_put(answer, "QueuedJobs", n_queued);
    number_put(answer, "RunningJobs", n_running);
    (void)json_object_set_new(answer, "Queues", queues);
    return KN_OK;
}
