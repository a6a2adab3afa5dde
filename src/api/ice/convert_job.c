/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a job's row to the wire's Job. The echo of Config (job->request) says which outputs there are;
 * the result of the run, or while it goes on its progress detail, says how each of them fares
 * (features/convert/convert.h has the form of both).
 *
 * Task ids are made from the job's id and the output's place (events/compose.h), so that they need no
 * column and are the same in every answer and event.
 */
#include "api/ice/convert_job.h"

#include <string.h>

#include "api/call.h"
#include "api/wire_error.h"
#include "base/fs.h"
#include "base/json.h"
#include "events/compose.h"

struct view { // what all outputs of one job are shown by
    const struct kn_job *job;
    const char *region;
    json_t *echo; // owned
    json_t *made; // owned: the result, or the progress detail; NULL when there is neither
};

static json_t *parsed(const char *text)
{
    return text ? json_loads(text, 0, NULL) : NULL;
}

const char *kn_convert_job_state(enum kn_job_state state)
{
    switch (state) {
    case KN_JOB_QUEUED: return "Inited";
    case KN_JOB_RUNNING: return "Running";
    case KN_JOB_SUCCEEDED: return "Complete";
    case KN_JOB_FAILED: return "Error";
    case KN_JOB_CANCELLED: return "Cancelled";
    }
    return "Error";
}

static bool is_final(const struct kn_job *job)
{
    return job->state != KN_JOB_QUEUED && job->state != KN_JOB_RUNNING;
}

/* ---- outputs ---- */

/* group -1: the flat Outputs; output -1: the group itself. */
static void task_id_put(json_t *out, const struct kn_job *job, int group, int output)
{
    char id[KN_ID_SIZE];
    kn_event_task_id(id, job->id, group, output);
    kn_put_text(out, "TaskId", id);
}

/* What an output's Status is as long as the run has said nothing of it. */
static const char *status_unsaid(const struct kn_job *job, bool is_group)
{
    switch (job->state) {
    case KN_JOB_QUEUED: return "Init";
    case KN_JOB_RUNNING: return is_group ? "Running" : "Scheduled";
    case KN_JOB_SUCCEEDED: return "Success";
    case KN_JOB_FAILED: return "Failed";
    case KN_JOB_CANCELLED: return "Skipped";
    }
    return "Failed";
}

static const char *status_of(const struct view *view, const json_t *made, bool is_group)
{
    static const char *const words[] = {"Init", "Scheduled", "Running", "Success", "Failed",
                                        "Skipped"};
    const char *said = kn_json_get(made, "Status", "");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        // Of a job that has ended, only the ends are true; a group alone can be Running.
        bool is_open = i < 3;
        if (strcmp(said, words[i]) == 0 && !(is_open && is_final(view->job)) &&
            !(i == 2 && !is_group))
            return words[i];
    }
    return status_unsaid(view->job, is_group);
}

static void code_put(const struct view *view, json_t *out, const json_t *made, const char *status)
{
    if (strcmp(status, "Failed") != 0)
        return;
    struct kn_wire_error wire;
    const char *code = kn_json_get(made, "Code", NULL);
    if (code)
        kn_wire_error_of_job(&wire, code, kn_json_get(made, "Reason", code),
                             kn_json_get(made, "Message", NULL));
    else
        kn_wire_error_of_job(&wire, view->job->code, view->job->reason, view->job->message);
    kn_put_text(out, "Code", wire.code);
    kn_put_text(out, "Message", wire.message);
}

/* What the run cannot know of a file it made. */
static json_t *meta_json(const struct view *view, const json_t *made, const char *uri)
{
    json_t *meta = json_deep_copy(json_object_get(made, "Meta"));
    json_t *basic = json_object_get(meta, "FileBasicInfo");
    if (!json_is_object(basic))
        return meta;
    const struct {
        const char *name, *value;
    } more[] = {{"FileName", kn_fs_name(uri)},
                {"FileStatus", "Normal"},
                {"FileType", "transcode_file"},
                {"Region", view->region}};
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        if (!json_object_get(basic, more[i].name))
            kn_put_text(basic, more[i].name, more[i].value);
    }
    return meta;
}

static void times_put(const struct view *view, json_t *out, const json_t *made, const char *status)
{
    kn_put_time(out, "CreateTime", view->job->created_us);
    bool has_ended = strcmp(status, "Success") == 0 || strcmp(status, "Failed") == 0 ||
                     strcmp(status, "Skipped") == 0;
    const json_t *finished = json_object_get(made, "FinishedUs");
    if (has_ended && json_is_integer(finished))
        kn_put_time(out, "FinishTime", json_integer_value(finished));
    else if (has_ended && is_final(view->job))
        kn_put_time(out, "FinishTime", view->job->finished_us);
}

/* Where the run had to choose: ours, the vendor's job has no such members. */
static void notes_put(json_t *out, const json_t *made)
{
    json_t *notes = json_object_get(made, "Notes");
    if (json_array_size(notes) > 0)
        (void)json_object_set(out, "Notes", notes);
}

static json_t *output_json(const struct view *view, const json_t *echo, const json_t *made)
{
    json_t *out = json_object();
    const char *status = status_of(view, made, false);
    kn_put_text(out, "Name", kn_json_get(echo, "Name", NULL));
    kn_put_text(out, "Status", status);
    times_put(view, out, made, status);
    code_put(view, out, made, status);
    notes_put(out, made);
    const char *uri = kn_json_get(made, "Uri", NULL);
    if (strcmp(status, "Success") != 0 || !uri)
        return out;
    json_t *result = json_pack("{s:{s:s, s:s}}", "OutputFile", "Type", "OSS", "Media", uri);
    json_t *meta = meta_json(view, made, uri);
    if (meta)
        (void)json_object_set_new(result, "OutFileMeta", meta);
    (void)json_object_set_new(out, "Result", result);
    return out;
}

static const json_t *nth(const json_t *object, const char *name, size_t i)
{
    return json_array_get(json_object_get(object, name), i);
}

/* A group says what its first failed output says. */
static const json_t *first_failed(const json_t *group)
{
    for (size_t i = 0; i < json_array_size(json_object_get(group, "Outputs")); i++) {
        if (json_object_get(nth(group, "Outputs", i), "Code"))
            return nth(group, "Outputs", i);
    }
    return group;
}

static json_t *group_json(const struct view *view, size_t at)
{
    json_t *out = json_object();
    const json_t *echo = nth(view->echo, "OutputGroups", at);
    const json_t *made = nth(view->made, "OutputGroups", at);
    const char *status = status_of(view, made, true);
    kn_put_text(out, "Name", kn_json_get(echo, "Name", NULL));
    task_id_put(out, view->job, (int)at, -1);
    kn_put_text(out, "Status", status);
    times_put(view, out, made, status);
    code_put(view, out, first_failed(made), status);
    json_t *outputs = json_array();
    for (size_t i = 0; i < json_array_size(json_object_get(echo, "Outputs")); i++) {
        json_t *output = output_json(view, nth(echo, "Outputs", i), nth(made, "Outputs", i));
        task_id_put(output, view->job, (int)at, (int)i);
        (void)json_array_append_new(outputs, output);
    }
    (void)json_object_set_new(out, "Outputs", outputs);
    return out;
}

/* ---- the job ---- */

static void detail_put(const struct view *view, json_t *out)
{
    const struct kn_job *job = view->job;
    bool is_complete = job->state == KN_JOB_SUCCEEDED;
    int percent = job->percent < 0 ? 0 : job->percent > 99 ? 99 : job->percent;
    (void)json_object_set_new(out, "Percent", json_integer(is_complete ? 100 : percent));
    json_t *outputs = json_array(), *groups = json_array();
    for (size_t i = 0; i < json_array_size(json_object_get(view->echo, "Outputs")); i++) {
        json_t *output =
            output_json(view, nth(view->echo, "Outputs", i), nth(view->made, "Outputs", i));
        task_id_put(output, job, -1, (int)i);
        (void)json_array_append_new(outputs, output);
    }
    for (size_t i = 0; i < json_array_size(json_object_get(view->echo, "OutputGroups")); i++)
        (void)json_array_append_new(groups, group_json(view, i));
    (void)json_object_set_new(out, "OutputDetails", outputs);
    (void)json_object_set_new(out, "OutputGroupDetails", groups);
}

/* What went in, and which libraries made what came out: ours as well. */
static void inputs_put(const struct view *view, json_t *out)
{
    json_t *inputs = json_array();
    for (size_t i = 0; i < json_array_size(json_object_get(view->made, "Inputs")); i++) {
        json_t *input = json_object();
        kn_put_text(input, "Name", kn_json_get(nth(view->echo, "Inputs", i), "Name", NULL));
        (void)json_object_set(input, "InFileMeta", (json_t *)nth(view->made, "Inputs", i));
        (void)json_array_append_new(inputs, input);
    }
    if (json_array_size(inputs) > 0)
        (void)json_object_set(out, "InputDetails", inputs);
    json_decref(inputs);
    json_t *engines = json_object_get(view->made, "Engines");
    if (json_object_size(engines) > 0)
        (void)json_object_set(out, "Engines", engines);
}

json_t *kn_convert_job_json(const struct kn_job *job, const char *region, bool has_detail)
{
    json_t *out = json_object();
    struct view view = {.job = job, .region = region, .echo = parsed(job->request)};
    if (!out || !view.echo) {
        json_decref(out);
        json_decref(view.echo);
        return NULL;
    }
    kn_put_text(out, "JobId", job->id);
    kn_put_text(out, "RequestId", job->request_id);
    kn_put_text(out, "ClientToken", job->client_token);
    kn_put_text(out, "PipelineId", job->pipeline_id);
    kn_put_text(out, "UserData", job->user_data);
    kn_put_text(out, "State", kn_convert_job_state(job->state));
    kn_put_time(out, "CreateTime", job->created_us);
    if (is_final(job))
        kn_put_time(out, "FinishTime", job->finished_us);
    if (job->state == KN_JOB_FAILED) {
        struct kn_wire_error wire;
        kn_wire_error_of_job(&wire, job->code, job->reason, job->message);
        kn_put_text(out, "Code", wire.code);
        kn_put_text(out, "Message", wire.message);
    }
    (void)json_object_set(out, "Config", view.echo);
    if (has_detail) {
        view.made = parsed(job->result ? job->result : job->detail);
        detail_put(&view, out);
        inputs_put(&view, out);
    }
    json_decref(view.made);
    json_decref(view.echo);
    return out;
}
