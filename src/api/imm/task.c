/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CreateMediaConvertTask, GetTask, ListTasks (spec 08, 3 and 5). A task is a job of the kind "task" whose name
 * is its project's; its id on the wire is made of the job's.
 */
#include <ctype.h>
#include <string.h>

#include "api/call.h"
#include "api/imm/project.h"
#include "api/imm/task_json.h"
#include "api/imm/task_request.h"
#include "api/operations.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "events/task_notice.h"

#define KIND "task"
#define DEFAULT_PAGE 100
// With a TagSelector, pages are read until one is full; beyond so many the answer is shorter, with a token.
#define MAX_ROUNDS 100

static kn_code project_check(struct kn_call *call, struct kn_error *err)
{
    kn_auto(kn_imm_project_clear) struct kn_imm_project project = {0};
    return kn_imm_project_find(call->api->config.db, kn_arg_text(call, "ProjectName"), &project, err);
}

/* ---- CreateMediaConvertTask ---- */

static kn_code covers(void *context, const char *uri, struct kn_error *err)
{
    return kn_call_covers(context, uri, err);
}

static kn_code uploaded(void *context, const struct kn_uri *source, int64_t *out_us, struct kn_error *err)
{
    const struct kn_call *call = context;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    kn_code rc = kn_object_stat(call->api->config.store, source->bucket, source->key, &info, err);
    *out_us = info.modified_us;
    return rc;
}

/* The request as it was sent, for TaskRequestDefinition; in the arena. */
static const char *definition_of(struct kn_call *call)
{
    static const char *const names[] = {"ProjectName", "Sources",      "Targets",  "TargetGroups", "AlignmentIndex",
                                        "Notification", "UserData", "Tags",     "CredentialConfig"};
    json_auto_t *out = json_object();
    for (size_t i = 0; i < KN_COUNT(names); i++)
        if (kn_arg_json(call, names[i]))
            (void)json_object_set(out, names[i], kn_arg_json(call, names[i]));
    kn_auto(kn_free) char *text = kn_json_text(out);
    return text ? kn_arena_strdup(&call->arena, text) : NULL;
}

/* Notification as a job keeps it; NULL when nobody is to be told. */
static kn_code notify_of(struct kn_call *call, const char **out, struct kn_error *err)
{
    const json_t *notification = kn_arg_json(call, "Notification");
    const json_t *mns = json_object_get(notification, "MNS");
    *out = NULL;
    if (json_object_get(notification, "RocketMQ") || json_object_get(notification, "ExtendedMessageURI"))
        return kn_fail_as(err, KN_EINVAL, "NotSupported",
                          "Notification: topics of MNS are told, RocketMQ and ExtendedMessageURI are not supported");
    if (!mns || json_is_null(mns))
        return KN_OK;
    const char *topic = kn_json_get(mns, "TopicName", "");
    if (!topic[0] || strchr(topic, '/') || strlen(topic) > 256)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "Notification.MNS.TopicName '%.300s' is no topic's name",
                          topic);
    json_auto_t *notify = json_pack("{s:o}", "NotifyAddress", json_sprintf("topics/%s", topic));
    kn_auto(kn_free) char *text = notify ? kn_json_text(notify) : NULL;
    *out = text ? kn_arena_strdup(&call->arena, text) : NULL;
    return *out ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a task");
}

static kn_code tags_check(const json_t *tags, struct kn_error *err)
{
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)tags, name, value)
        if (!json_is_string(value))
            return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "the value of Tags.%s is no text", name);
    return KN_OK;
}

static kn_code spec_read(struct kn_call *call, const char **out, struct kn_error *err)
{
    const struct kn_imm_request request = {.sources = kn_arg_json(call, "Sources"),
                                           .targets = kn_arg_json(call, "Targets"),
                                           .target_groups = kn_arg_json(call, "TargetGroups"),
                                           .tags = kn_arg_json(call, "Tags"),
                                           .alignment_index = kn_arg_int(call, "AlignmentIndex", 0),
                                           .created_us = kn_now_us(),
                                           .oss_hosts = call->api->config.oss_hosts,
                                           .covers = covers,
                                           .uploaded = uploaded,
                                           .context = call};
    json_auto_t *spec = NULL;
    kn_code rc = tags_check(request.tags, err);
    if (rc == KN_OK)
        rc = kn_imm_request_read(&spec, &request, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_free) char *text = kn_json_text(spec);
    *out = text ? kn_arena_strdup(&call->arena, text) : NULL;
    return *out ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a task");
}

/* A job's id that reads as a UUID of version 4 in a task's. */
static void uuid_id(char out[KN_ID_SIZE])
{
    char uuid[37];
    size_t n = 0;
    kn_id_uuid(uuid);
    for (const char *c = uuid; *c; c++)
        if (*c != '-')
            out[n++] = (char)tolower((unsigned char)*c);
    out[n] = '\0';
}

kn_code kn_imm_create_media_convert_task(struct kn_call *call, struct kn_error *err)
{
    struct kn_api *api = call->api;
    struct kn_job_submit submit = {.kind = KIND,
                                   .key_id = call->key.id,
                                   .name = kn_arg_text(call, "ProjectName"),
                                   .request_id = call->request_id,
                                   .user_data = kn_arg_text(call, "UserData"),
                                   .action = call->operation->name,
                                   .nonce = call->nonce};
    uuid_id(submit.id);
    kn_code rc = kn_backlog_check(&api->backlog, api->config.jobs, api->config.max_queued_jobs, err);
    if (rc == KN_OK)
        rc = project_check(call, err);
    if (rc == KN_OK)
        rc = spec_read(call, &submit.spec, err);
    if (rc == KN_OK)
        rc = notify_of(call, &submit.notify, err);
    submit.request = definition_of(call);
    if (rc == KN_OK && !submit.request)
        rc = kn_fail(err, KN_ENOMEM, "no memory for a task");
    struct kn_job job = {0};
    bool is_repeat = false;
    if (rc == KN_OK)
        rc = kn_jobs_submit(api->config.jobs, &submit, &call->arena, &job, &is_repeat, err);
    if (rc != KN_OK)
        return rc;
    kn_backlog_add(&api->backlog);
    char task_id[KN_TASK_ID_SIZE], event_id[40];
    kn_task_id(task_id, job.id);
    kn_imm_event_id(event_id, job.id);
    kn_put_text(call->answer, "TaskId", task_id);
    kn_put_text(call->answer, "EventId", event_id);
    return KN_OK;
}

/* ---- GetTask ---- */

kn_code kn_imm_get_task(struct kn_call *call, struct kn_error *err)
{
    const char *task_id = kn_arg_text(call, "TaskId"), *project = kn_arg_text(call, "ProjectName");
    char id[KN_ID_SIZE] = "";
    struct kn_job job = {0};
    kn_code rc = project_check(call, err);
    if (rc != KN_OK)
        return rc;
    rc = kn_task_job_id(id, task_id) ? kn_jobs_get(call->api->config.jobs, id, &call->arena, &job, err)
                                     : KN_ENOTFOUND;
    bool is_there = rc == KN_OK && strcmp(job.kind, KIND) == 0 && kn_equal(job.name, project) &&
                    kn_call_sees(call, job.spec);
    if (rc == KN_ENOTFOUND || (rc == KN_OK && !is_there))
        return kn_fail_as(err, KN_ENOTFOUND, "TaskNotFound", "project '%s' has no task '%s'", project, task_id);
    if (rc != KN_OK)
        return rc;
    kn_put_text(call->answer, "ProjectName", project);
    kn_imm_task_put(call->answer, &job, json_is_true(kn_arg_json(call, "RequestDefinition")));
    return KN_OK;
}

/* ---- ListTasks ---- */

static kn_code range_read(struct kn_call *call, const char *name, int64_t *out_from, int64_t *out_before,
                          struct kn_error *err)
{
    const json_t *range = kn_arg_json(call, name);
    const struct {
        const char *name;
        int64_t *out;
    } ends[] = {{"Start", out_from}, {"End", out_before}};
    for (size_t i = 0; i < KN_COUNT(ends); i++) {
        const char *text = kn_json_get(range, ends[i].name, "");
        if (text[0] && !kn_time_parse_iso(text, ends[i].out))
            return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s.%s '%s' is no time like 2026-03-01T10:00:00Z",
                              name, ends[i].name, text);
    }
    return KN_OK;
}

static kn_code filter_read(struct kn_call *call, struct kn_job_filter *filter, struct kn_error *err)
{
    const char *status = kn_arg_text(call, "Status"), *sort = kn_arg_text(call, "Sort");
    *filter = (struct kn_job_filter){
        .kind = KIND,
        .name = kn_arg_text(call, "ProjectName"),
        .state = kn_equal(status, "Succeeded") ? (int)KN_JOB_SUCCEEDED : -1,
        .is_unfinished = kn_equal(status, "Running"),
        .is_stopped = kn_equal(status, "Failed"),
        .created_from_us = KN_NO_TIME,
        .created_before_us = KN_NO_TIME,
        .finished_from_us = KN_NO_TIME,
        .finished_before_us = KN_NO_TIME,
        .order = kn_equal(sort, "StartTime") ? KN_JOBS_BY_CREATION
                 : kn_equal(sort, "EndTime") ? KN_JOBS_BY_END
                                             : KN_JOBS_BY_ID,
        .oldest_first = !kn_equal(kn_arg_text(call, "Order"), "desc"),
        .has_result = true,
        .has_spec = call->key.bucket_prefix[0] != '\0',
        .page_token = kn_arg_text(call, "NextToken"),
    };
    kn_code rc = range_read(call, "StartTimeRange", &filter->created_from_us, &filter->created_before_us, err);
    if (rc == KN_OK)
        rc = range_read(call, "EndTimeRange", &filter->finished_from_us, &filter->finished_before_us, err);
    return rc;
}

// "test=val1,also=this": the task has all of them.
static bool has_tags(const json_t *task, const char *selector)
{
    while (selector && *selector) {
        const size_t n = strcspn(selector, ","), n_name = strcspn(selector, "=,");
        char name[256];
        if (n_name < n && n_name < sizeof(name)) {
            memcpy(name, selector, n_name);
            name[n_name] = '\0';
            const char *value = kn_json_get(json_object_get(task, "Tags"), name, NULL);
            if (!value || strlen(value) != n - n_name - 1 || strncmp(value, selector + n_name + 1, strlen(value)) != 0)
                return false;
        }
        selector += n + (selector[n] == ',');
    }
    return true;
}

static bool is_of_types(struct kn_call *call)
{
    const json_t *types = kn_arg_json(call, "TaskTypes"), *type;
    size_t i;
    json_array_foreach(types, i, type)
        if (kn_equal(json_string_value(type), "MediaConvert"))
            return true;
    return json_array_size(types) == 0;
}

static kn_code tasks_list(struct kn_call *call, size_t limit, json_t *list, char next[128], struct kn_error *err)
{
    struct kn_job_filter filter;
    const bool has_definition = json_is_true(kn_arg_json(call, "RequestDefinition"));
    char token[128] = "";
    next[0] = '\0';
    kn_code rc = filter_read(call, &filter, err);
    // Tags are in the request's text: a page is filled from as many reads as it takes.
    for (int round = 0; rc == KN_OK && round < MAX_ROUNDS && json_array_size(list) < limit; round++) {
        struct kn_job *jobs = NULL;
        size_t n = 0;
        filter.limit = (int)(limit - json_array_size(list));
        rc = kn_jobs_list(call->api->config.jobs, &filter, &call->arena, &jobs, &n, next, err);
        for (size_t i = 0; rc == KN_OK && i < n; i++) {
            json_t *task = json_object();
            kn_imm_task_put(task, &jobs[i], has_definition);
            if (has_tags(task, kn_arg_text(call, "TagSelector")) && kn_call_sees(call, jobs[i].spec))
                (void)json_array_append(list, task);
            json_decref(task);
        }
        if (!next[0])
            break;
        (void)kn_copy(token, sizeof(token), next);
        filter.page_token = token;
    }
    return rc;
}

kn_code kn_imm_list_tasks(struct kn_call *call, struct kn_error *err)
{
    const int64_t limit = kn_arg_int(call, "MaxResults", DEFAULT_PAGE);
    char next[128] = "";
    json_auto_t *list = json_array();
    kn_code rc = project_check(call, err);
    if (rc == KN_OK && is_of_types(call))
        rc = tasks_list(call, (size_t)limit, list, next, err);
    if (rc != KN_OK)
        return rc;
    kn_put_text(call->answer, "ProjectName", kn_arg_text(call, "ProjectName"));
    // A text, as the vendor has it.
    (void)json_object_set_new(call->answer, "MaxResults", json_sprintf("%lld", (long long)limit));
    (void)json_object_set_new(call->answer, "NextToken", json_string(next));
    (void)json_object_set(call->answer, "Tasks", list);
    return KN_OK;
}
