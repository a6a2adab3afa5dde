/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pipelines: queues of jobs (spec 02, section 8). The rows are src/jobs'. */
#include <string.h>

#include "api/call.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "api/operations.h"

static json_t *pipeline_json(const struct kn_pipeline *pipeline)
{
    json_t *out = json_object();
    kn_put_text(out, "PipelineId", pipeline->id);
    (void)json_object_set_new(out, "Name", json_string(pipeline->name));
    (void)json_object_set_new(out, "Speed", json_string(pipeline->speed));
    (void)json_object_set_new(out, "Priority", json_integer(pipeline->priority));
    if (pipeline->max_running > 0) // ours: the vendor's has no such member
        (void)json_object_set_new(out, "MaxRunning", json_integer(pipeline->max_running));
    kn_put_text(out, "Status", pipeline->is_paused ? "Paused" : "Active");
    kn_put_time(out, "CreateTime", pipeline->created_us);
    kn_put_time(out, "ModifiedTime", pipeline->modified_us);
    return out;
}

kn_code kn_ice_create_pipeline(struct kn_call *call, struct kn_error *err)
{
    struct kn_pipeline pipeline = {.priority = (int)kn_arg_int(call, "Priority", 6),
                                   .max_running = (int)kn_arg_int(call, "MaxRunning", 0)};
    (void)kn_copy(pipeline.name, sizeof(pipeline.name), kn_arg_text(call, "Name"));
    (void)kn_copy(pipeline.speed, sizeof(pipeline.speed), kn_arg_text(call, "Speed"));
    kn_code rc = kn_pipeline_create(call->api->config.jobs, &pipeline, err);
    if (rc != KN_OK)
        return rc;
    (void)json_object_set_new(call->answer, "Pipeline", pipeline_json(&pipeline));
    return KN_OK;
}

kn_code kn_ice_update_pipeline(struct kn_call *call, struct kn_error *err)
{
    struct kn_jobs *jobs = call->api->config.jobs;
    struct kn_pipeline pipeline;
    kn_code rc = kn_pipeline_get(jobs, kn_arg_text(call, "PipelineId"), &pipeline, err);
    if (rc != KN_OK)
        return rc;
    if (kn_arg_has(call, "Name"))
        (void)kn_copy(pipeline.name, sizeof(pipeline.name), kn_arg_text(call, "Name"));
    pipeline.priority = (int)kn_arg_int(call, "Priority", pipeline.priority);
    pipeline.max_running = (int)kn_arg_int(call, "MaxRunning", pipeline.max_running);
    if (kn_arg_has(call, "Status"))
        pipeline.is_paused = strcmp(kn_arg_text(call, "Status"), "Paused") == 0;
    rc = kn_pipeline_update(jobs, &pipeline, err);
    if (rc == KN_OK)
        kn_answer_success(call);
    return rc;
}

kn_code kn_ice_get_pipeline(struct kn_call *call, struct kn_error *err)
{
    struct kn_pipeline pipeline;
    kn_code rc = kn_pipeline_get(call->api->config.jobs, kn_arg_text(call, "PipelineId"), &pipeline,
                                 err);
    if (rc == KN_OK)
        (void)json_object_set_new(call->answer, "Pipeline", pipeline_json(&pipeline));
    return rc;
}

kn_code kn_ice_list_pipelines(struct kn_call *call, struct kn_error *err)
{
    kn_auto(kn_free) struct kn_pipeline *pipelines = NULL;
    size_t n = 0;
    kn_code rc = kn_pipeline_list(call->api->config.jobs, &pipelines, &n, err);
    if (rc != KN_OK)
        return rc;
    const char *speed = kn_arg_text(call, "Speed");
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        if (!speed || strcmp(speed, pipelines[i].speed) == 0)
            (void)json_array_append_new(list, pipeline_json(&pipelines[i]));
    }
    (void)json_object_set_new(call->answer, "PipelineList", list);
    return KN_OK;
}

kn_code kn_ice_delete_pipeline(struct kn_call *call, struct kn_error *err)
{
    const char *id = kn_arg_text(call, "PipelineId");
    kn_code rc = kn_pipeline_delete(call->api->config.jobs, id, err);
    // spec 02, section 8: a queue that cannot go is in the wrong state for it, not a 409.
    if (rc == KN_ECONFLICT)
        return kn_fail_as(err, KN_EINVAL, "InvalidState",
                          "'%s' has unfinished jobs, or is the default pipeline", id);
    if (rc == KN_OK)
        kn_answer_success(call);
    return rc;
}
