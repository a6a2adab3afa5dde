/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SubmitMediaConvertJob, GetMediaConvertJob, ListMediaConvertJobs and our CancelMediaConvertJob (spec
 * 02, sections 3 and 4).
 */
#include <string.h>

#include "api/call.h"
#include "api/ice/convert_job.h"
#include "api/ice/media.h"
#include "api/ice/template.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "features/convert/canonical.h"
#include "api/operations.h"

#define KIND "convert"

/* ---- submit ---- */

/*
 * Walk the canonical object: media ids become the addresses of their files, and every address in a
 * bucket must be one that the caller's key covers.
 */
static kn_code addresses_settle(struct kn_call *call, json_t *value, struct kn_error *err)
{
    const char *name;
    json_t *member;
    size_t i;
    kn_code rc = KN_OK;
    json_array_foreach(value, i, member) {
        if (rc == KN_OK)
            rc = addresses_settle(call, member, err);
    }
    json_object_foreach(value, name, member) {
        const char *text = json_string_value(member);
        bool is_address = strcmp(name, "Uri") == 0 || strcmp(name, "Media") == 0;
        if (rc == KN_OK && text && is_address && kn_starts_with(text, "media://")) {
            rc = kn_media_uri(call->api->config.db, text + strlen("media://"), &call->arena, &text,
                              err);
            if (rc == KN_OK && json_string_set(member, text) != 0)
                rc = kn_fail(err, KN_ENOMEM, "no memory for an address");
        }
        if (rc == KN_OK && text && kn_starts_with(text, "oss://"))
            rc = kn_call_covers(call, text, err);
        else if (rc == KN_OK && !text)
            rc = addresses_settle(call, member, err);
    }
    return rc;
}

/* The largest Priority of the echo's outputs: a job has one place in its queue. */
static int priority_of(const json_t *echo)
{
    int64_t largest = 0;
    size_t i, j;
    json_t *group, *output;
    json_array_foreach(json_object_get(echo, "Outputs"), i, output)
    {
        int64_t priority = json_integer_value(json_object_get(output, "Priority"));
        largest = priority > largest ? priority : largest;
    }
    json_array_foreach(json_object_get(echo, "OutputGroups"), i, group)
    {
        json_array_foreach(json_object_get(group, "Outputs"), j, output)
        {
            int64_t priority = json_integer_value(json_object_get(output, "Priority"));
            largest = priority > largest ? priority : largest;
        }
    }
    return (int)largest;
}

/* {"NotifyAddress": …} when UserData is a JSON object that has one (spec 02, 10.5); in the arena. */
static const char *notify_of(struct kn_call *call, const char *user_data)
{
    if (!user_data || user_data[0] != '{')
        return NULL;
    json_auto_t *data = json_loads(user_data, 0, NULL);
    const char *address = kn_json_get(data, "NotifyAddress", NULL);
    if (!address || !address[0])
        return NULL;
    json_auto_t *notify = json_pack("{s:s}", "NotifyAddress", address);
    kn_auto(kn_free) char *text = notify ? kn_json_text(notify) : NULL;
    return text ? kn_arena_strdup(&call->arena, text) : NULL;
}

/* What must agree under one ClientToken: the parameters as sent, with their names. */
static void fingerprint_of(struct kn_call *call, char out[65])
{
    static const char *const names[] = {"Config", "PipelineId", "UserData"};
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    for (size_t i = 0; i < KN_COUNT(names); i++) {
        const char *value = kn_arg_source(call, names[i]);
        kn_buf_printf(&text, "%s %zu:%s\n", names[i], value ? strlen(value) : 0,
                      value ? value : "");
    }
    kn_sha256_hex(out, kn_buf_text(&text), text.len);
}

/* Config in the two forms a job keeps: what the run reads, and what the wire echoes; in the arena. */
static kn_code config_read(struct kn_call *call, struct kn_job_submit *submit, struct kn_error *err)
{
    const struct kn_template_source templates = kn_custom_templates(call->api->config.db);
    const struct kn_convert_site site = {.oss_hosts = call->api->config.oss_hosts,
                                         .templates = &templates,
                                         .job_id = submit->id};
    const json_t *config = kn_arg_json(call, "Config");
    json_auto_t *canonical = NULL, *echo = NULL;
    kn_code rc = kn_convert_canonical(&canonical, config, &site, err);
    if (rc == KN_OK)
        rc = kn_convert_echo(&echo, config, err);
    if (rc == KN_OK)
        rc = addresses_settle(call, canonical, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_free) char *spec = kn_json_text(canonical);
    kn_auto(kn_free) char *request = kn_json_text(echo);
    submit->spec = kn_arena_strdup(&call->arena, spec);
    submit->request = kn_arena_strdup(&call->arena, request);
    submit->name = kn_arena_strdup(&call->arena, kn_json_get(echo, "JobName", ""));
    submit->priority = priority_of(echo);
    if (!submit->spec || !submit->request || !submit->name)
        return kn_fail(err, KN_ENOMEM, "no memory for the configuration");
    return KN_OK;
}

kn_code kn_ice_submit_media_convert_job(struct kn_call *call, struct kn_error *err)
{
    struct kn_job_submit submit = {
        .kind = KIND,
        .pipeline_id = kn_arg_text(call, "PipelineId"),
        .key_id = call->key.id,
        .request_id = call->request_id,
        .user_data = kn_arg_text(call, "UserData"),
        .notify = notify_of(call, kn_arg_text(call, "UserData")),
        .client_token = kn_arg_text(call, "ClientToken"),
        .action = call->operation->name,
        .nonce = call->nonce,
    };
    struct kn_api *api = call->api;
    kn_id_hex(submit.id);
    fingerprint_of(call, submit.fingerprint);
    kn_code rc =
        kn_backlog_check(&api->backlog, api->config.jobs, api->config.max_queued_jobs, err);
    if (rc == KN_OK)
        rc = config_read(call, &submit, err);
    if (rc != KN_OK)
        return rc;
    struct kn_job job = {0};
    bool is_repeat = false;
    rc = kn_jobs_submit(call->api->config.jobs, &submit, &call->arena, &job, &is_repeat, err);
    if (rc != KN_OK)
        return rc;
    if (!is_repeat)
        kn_backlog_add(&api->backlog);
    json_t *answer = kn_convert_job_json(&job, api->config.region, true);
    if (!answer)
        return kn_fail(err, KN_EBUG, "job %s has no readable request", job.id);
    kn_put_text(call->answer, "JobId", job.id);
    (void)json_object_set_new(call->answer, "Job", answer);
    return KN_OK;
}

/* ---- look ---- */

static kn_code job_get(struct kn_call *call, struct kn_job *job, struct kn_error *err)
{
    const char *id = kn_arg_text(call, "JobId");
    kn_code rc = kn_jobs_get(call->api->config.jobs, id, &call->arena, job, err);
    if (rc == KN_OK && (strcmp(job->kind, KIND) != 0 || !kn_call_sees(call, job->spec)))
        return kn_fail_as(err, KN_ENOTFOUND, "ResourceNotFound", "'%s' is no conversion job", id);
    return rc;
}

kn_code kn_ice_get_media_convert_job(struct kn_call *call, struct kn_error *err)
{
    struct kn_job job = {0};
    kn_code rc = job_get(call, &job, err);
    if (rc != KN_OK)
        return rc;
    json_t *answer = kn_convert_job_json(&job, call->api->config.region, true);
    if (!answer)
        return kn_fail(err, KN_EBUG, "job %s has no readable request", job.id);
    (void)json_object_set_new(call->answer, "Job", answer);
    return KN_OK;
}

/* The List filter's word, its aliases included (spec 02, 2.1); -1: any. */
static int state_of_word(const char *word)
{
    static const struct {
        const char *word;
        enum kn_job_state state;
    } words[] = {
        {"Inited", KN_JOB_QUEUED},      {"Running", KN_JOB_RUNNING}, {"Complete", KN_JOB_SUCCEEDED},
        {"Success", KN_JOB_SUCCEEDED},  {"Error", KN_JOB_FAILED},    {"Failed", KN_JOB_FAILED},
        {"Fail", KN_JOB_FAILED},        {"Cancelled", KN_JOB_CANCELLED},
    };
    for (size_t i = 0; word && i < KN_COUNT(words); i++) {
        if (strcmp(words[i].word, word) == 0)
            return (int)words[i].state;
    }
    return -1;
}

kn_code kn_ice_list_media_convert_jobs(struct kn_call *call, struct kn_error *err)
{
    const struct kn_job_filter filter = {
        .kind = KIND,
        .id = kn_arg_text(call, "JobId"),
        .state = state_of_word(kn_arg_text(call, "Status")),
        .created_from_us = kn_arg_int(call, "StartOfCreateTime", KN_NO_TIME),
        .created_before_us = kn_arg_int(call, "EndOfCreateTime", KN_NO_TIME),
        .oldest_first = kn_equal(kn_arg_text(call, "OrderBy"), "CreateTimeAsc"),
        .has_spec = call->key.bucket_prefix[0] != '\0',
        .limit = (int)kn_arg_int(call, "PageSize", 20),
        .page_token = kn_arg_text(call, "NextPageToken"),
    };
    struct kn_job *jobs = NULL;
    size_t n = 0;
    char next_token[128] = "";
    kn_code rc = kn_jobs_list(call->api->config.jobs, &filter, &call->arena, &jobs, &n, next_token,
                              err);
    if (rc != KN_OK)
        return rc;
    // For a key that is bound to a bucket a page may be shorter than asked for; the token goes on.
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        if (kn_call_sees(call, jobs[i].spec))
            (void)json_array_append_new(list, kn_convert_job_json(&jobs[i], call->api->config.region, false));
    }
    (void)json_object_set_new(call->answer, "NextPageToken", json_string(next_token));
    (void)json_object_set_new(call->answer, "Jobs", list);
    return KN_OK;
}

/* ---- cancel ---- */

kn_code kn_ice_cancel_media_convert_job(struct kn_call *call, struct kn_error *err)
{
    struct kn_job job = {0};
    kn_code rc = job_get(call, &job, err);
    if (rc == KN_OK)
        rc = kn_jobs_cancel(call->api->config.jobs, job.id, err);
    if (rc == KN_OK)
        kn_answer_success(call);
    return rc;
}
