/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "events/task_notice.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "events/outbox.h"

#define PREFIX "MediaConvert-"
#define EVENT "imm:Task:MediaConvert"

/* ---- ids ---- */

void kn_task_id(char out[KN_TASK_ID_SIZE], const char *job_id)
{
    (void)snprintf(out, KN_TASK_ID_SIZE, PREFIX "%.8s-%.4s-%.4s-%.4s-%.12s", job_id, job_id + 8, job_id + 12,
                   job_id + 16, job_id + 20);
}

bool kn_task_job_id(char out[KN_ID_SIZE], const char *task_id)
{
    char again[KN_TASK_ID_SIZE];
    size_t n = 0;
    if (!kn_starts_with(task_id, PREFIX) || strlen(task_id) != KN_TASK_ID_SIZE - 1)
        return false;
    for (const char *c = task_id + strlen(PREFIX); *c; c++)
        if (isxdigit((unsigned char)*c) && n < KN_ID_SIZE - 1)
            out[n++] = *c;
    out[n] = '\0';
    if (n != KN_ID_SIZE - 1)
        return false;
    kn_task_id(again, out);
    return strcmp(again, task_id) == 0;
}

/* ---- what failed ---- */

// A text that was cut may end within a character, and JSON takes whole ones alone.
static void end_trim(char *text)
{
    size_t n = strlen(text);
    for (int i = 0; i < 4 && n > 0 && !kn_is_utf8(text, n); i++)
        text[--n] = '\0';
    if (!kn_is_utf8(text, n))
        text[0] = '\0';
}

static void failure_add(struct kn_buf *out, const json_t *row)
{
    const char *message = kn_json_get(row, "Message", "");
    if (json_object_get(row, "Code") && message[0])
        kn_buf_printf(out, "%s%s", out->len ? "; " : "", message);
}

void kn_task_failures(char out[KN_TASK_MESSAGE_SIZE], const json_t *result)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    size_t i, k;
    const json_t *step, *file;
    json_array_foreach(json_object_get(result, "Steps"), i, step) {
        const size_t n_before = text.len;
        json_array_foreach(json_object_get(json_object_get(step, "Result"), "Files"), k, file)
            failure_add(&text, file);
        if (text.len == n_before)
            failure_add(&text, step);
    }
    (void)kn_copy(out, KN_TASK_MESSAGE_SIZE, kn_buf_text(&text));
    end_trim(out);
}

/* ---- the message ---- */

// Where a step serves the target at `at`, or -1.
static int place_of(const json_t *step, size_t at)
{
    size_t i;
    const json_t *target;
    json_array_foreach(json_object_get(step, "Targets"), i, target)
        if (json_integer_value(target) == (json_int_t)at)
            return (int)i;
    return -1;
}

// A caption file as it is told of: what the run knows of it, under the wire's names.
static json_t *file_json(const json_t *file)
{
    static const char *const names[] = {"StreamIndex", "Language",        "CodecName", "Kind", "Title",
                                        "Default",     "Forced",          "Channel",   "Cues", "Confidence",
                                        "Problems",    "HearingImpaired", "Code",      "Message", "ForcedCues"};
    json_t *out = json_object();
    for (size_t i = 0; i < KN_COUNT(names); i++)
        if (json_object_get(file, names[i]))
            (void)json_object_set(out, names[i], json_object_get(file, names[i]));
    if (!json_object_get(file, "Code") && json_object_get(file, "Uri"))
        (void)json_object_set(out, "URI", json_object_get(file, "Uri"));
    return out;
}

// The caption files of the target at `at`.
static json_t *files_of(const json_t *result, size_t at)
{
    json_t *files = json_array();
    size_t i, k;
    const json_t *step, *file;
    json_array_foreach(json_object_get(result, "Steps"), i, step) {
        if (place_of(step, at) < 0)
            continue;
        json_array_foreach(json_object_get(json_object_get(step, "Result"), "Files"), k, file)
            (void)json_array_append_new(files, file_json(file));
    }
    return files;
}

// One file: its address; several: the template as it was given.
static const char *captions_uri(const json_t *files, const char *asked)
{
    const char *uri = NULL;
    size_t i;
    const json_t *file;
    json_array_foreach(files, i, file) {
        if (uri && json_object_get(file, "URI"))
            return asked;
        uri = kn_json_get(file, "URI", uri);
    }
    return uri ? uri : asked;
}

// The film that was made for the target at `at`, or what was asked for.
static const char *film_uri(const json_t *result, size_t at, const char *asked)
{
    size_t i;
    const json_t *step;
    json_array_foreach(json_object_get(result, "Steps"), i, step) {
        const json_t *outputs = json_object_get(json_object_get(step, "Result"), "Outputs");
        const int place = place_of(step, at);
        if (place >= 0 && json_array_size(outputs) > 0)
            return kn_json_get(json_array_get(outputs, (size_t)place), "Uri", asked);
    }
    return asked;
}

static json_t *target_json(const json_t *asked, const json_t *result, size_t at)
{
    const json_t *extract = json_object_get(json_object_get(asked, "Subtitle"), "ExtractSubtitle");
    json_t *subtitle = json_null();
    if (extract) {
        json_t *files = files_of(result, at);
        const char *uri = captions_uri(files, kn_json_get(extract, "URI", ""));
        subtitle = json_pack("{s:{s:s, s:o}}", "Extract", "URI", uri, "Files", files);
    }
    return json_pack("{s:s, s:o, s:{s:n, s:n, s:n}}", "URI", film_uri(result, at, kn_json_get(asked, "URI", "")),
                     "Subtitle", subtitle, "Image", "Sprites", "Snapshots", "Animations");
}

static json_t *content_json(const struct kn_job *job, const json_t *request, const json_t *result,
                            const char *code, const char *message)
{
    char task_id[KN_TASK_ID_SIZE], began[32], ended[32];
    json_t *sources = json_array(), *targets = json_array();
    size_t i;
    const json_t *value;
    kn_task_id(task_id, job->id);
    kn_time_iso_ms(began, job->created_us);
    kn_time_iso_ms(ended, job->finished_us);
    json_array_foreach(json_object_get(request, "Sources"), i, value)
        (void)json_array_append_new(sources, json_pack("{s:s, s:n}", "URI", kn_json_get(value, "URI", ""),
                                                       "SubtitleSources"));
    json_array_foreach(json_object_get(request, "Targets"), i, value)
        (void)json_array_append_new(targets, target_json(value, result, i));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "ProjectName",
                     kn_json_get(request, "ProjectName", ""), "DatasetName", "", "RequestId",
                     job->request_id ? job->request_id : "", "StartTime", began, "EndTime", ended, "UserData",
                     job->user_data ? job->user_data : "", "TaskType", "MediaConvert", "TaskId", task_id, "Status",
                     job->state == KN_JOB_SUCCEEDED ? "Succeeded" : "Failed", "Code", code, "Message", message,
                     "EventSourceId", "", "Sources", sources, "Targets", targets);
}

// The content in its envelope, or by itself; malloc'd, NULL without memory.
static char *notice_text(const struct kn_job *job, const struct kn_event_source *source, const json_t *request,
                         const json_t *content)
{
    char id[37], at[24];
    kn_id_uuid(id);
    (void)snprintf(at, sizeof(at), "%" PRId64, job->finished_us / 1000);
    kn_auto(kn_free) char *text = content ? kn_json_text(content) : NULL;
    if (!text || source->tells_content_alone)
        return KN_TAKE(text);
    json_auto_t *envelope =
        json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}", "id", id, "source", "acs.imm", "type", EVENT, "subject",
                  json_sprintf("acs:imm:%s:%" PRId64 ":%s/" EVENT, source->region ? source->region : "",
                               source->account_id, kn_json_get(request, "ProjectName", "")),
                  "time", at, "content", text);
    return envelope ? kn_json_text(envelope) : NULL;
}

static json_t *parsed(const char *text)
{
    return text ? json_loads(text, 0, NULL) : NULL;
}

kn_code kn_task_notice(struct kn_tx *tx, const struct kn_job *job, const struct kn_event_source *source,
                       struct kn_error *err)
{
    json_auto_t *notify = parsed(job->notify);
    const char *address = kn_json_get(notify, "NotifyAddress", "");
    if (!address[0])
        return KN_OK;
    json_auto_t *request = parsed(job->request);
    json_auto_t *result = parsed(job->result);
    char code[64] = "", message[KN_TASK_MESSAGE_SIZE] = "";
    if (job->state == KN_JOB_SUCCEEDED)
        kn_task_failures(message, result);
    else if (source->task_error)
        source->task_error(job->code, job->reason, job->message, code, message);
    end_trim(message);
    json_auto_t *content = content_json(job, request, result, code, message);
    kn_auto(kn_free) char *text = notice_text(job, source, request, content);
    if (!text)
        return kn_fail(err, KN_ENOMEM, "no memory for the message of task '%s'", job->id);
    const struct kn_event event = {.name = EVENT,
                                   .subject = job->id,
                                   .text = text,
                                   .notify_address = address,
                                   .account_id = source->account_id,
                                   .at_us = job->finished_us};
    return kn_outbox_add(tx, &event, err);
}
