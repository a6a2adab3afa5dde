/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From jobs to events. */
#include "events/compose.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "events/callback.h"
#include "events/outbox.h"
#include "events/task_notice.h"

/* One job's end on its way to the outbox. */
struct composing {
    struct kn_tx *tx;
    const struct kn_event_source *source;
    const struct kn_job *job;
    json_t *spec, *result;  // owned; NULL when the job has none
    char notify[1024];      // NotifyAddress, "" when none
    char code[64], message[1024]; // of the job's failure, "" otherwise
};

static void composing_clear(struct composing *composing)
{
    json_decref(composing->spec);
    json_decref(composing->result);
}

void kn_event_task_id(char out[KN_ID_SIZE], const char *job_id, int group, int output)
{
    char text[96], hex[65];
    int n = snprintf(text, sizeof(text), "%s/%d/%d", job_id, group, output);
    kn_sha256_hex(hex, text, (size_t)n);
    (void)snprintf(out, KN_ID_SIZE, "%.32s", hex);
}

/* ---- what the job says ---- */

// A text of the job's as an object; NULL when it is absent or something else: UserData may be anything.
static json_t *object_of(const char *text)
{
    json_t *value = NULL;
    if (!text || !text[0] || kn_json_parse(&value, text, strlen(text), "text", NULL) != KN_OK)
        return NULL;
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

// Spec 02, 10.5: UserData may name an address; what api/ puts into `notify` has the same form.
static void read_notify_address(struct composing *composing)
{
    const char *const texts[] = {composing->job->notify, composing->job->user_data};
    for (size_t i = 0; i < KN_COUNT(texts) && !composing->notify[0]; i++) {
        json_auto_t *object = object_of(texts[i]);
        const char *address = object ? kn_json_get(object, "NotifyAddress", "") : "";
        if (!kn_copy(composing->notify, sizeof(composing->notify), address))
            composing->notify[0] = '\0'; // longer than any URL we would call
    }
}

static void wire_error(const struct composing *composing, const char *code_name, const char *reason,
                       const char *message, char out_code[64], char out_message[1024])
{
    if (composing->source->wire_error) {
        composing->source->wire_error(code_name, reason, message, out_code, out_message);
        return;
    }
    (void)kn_copy(out_code, 64, reason && reason[0] ? reason : code_name);
    (void)kn_copy(out_message, 1024, message);
}

static void read_failure(struct composing *composing)
{
    const struct kn_job *job = composing->job;
    if (job->state == KN_JOB_FAILED)
        wire_error(composing, job->code, job->reason, job->message, composing->code,
                   composing->message);
    // Our own state (spec 02, 4.4): whoever waits for the callback hears that none will succeed.
    if (job->state == KN_JOB_CANCELLED)
        (void)kn_copy(composing->code, sizeof(composing->code), "Cancelled");
}

/* ---- bodies ---- */

static void put_text(json_t *body, const char *name, const char *text)
{
    if (text && text[0])
        (void)json_object_set_new(body, name, json_string(text)); // add_event() checks for memory
}

// What all bodies have; spec 02, 10.4.
static json_t *body_new(const struct composing *composing, const char *name, bool is_success)
{
    char finished[24];
    kn_time_iso(finished, composing->job->finished_us);
    json_t *body = json_pack("{s:s, s:s, s:s}", "Name", name ? name : "", "JobId",
                             composing->job->id, "Status", is_success ? "Success" : "Fail");
    put_text(body, "FinishTime", finished);
    put_text(body, "UserData", composing->job->user_data);
    return body;
}

static kn_code emit(struct composing *composing, const char *name, const json_t *body,
                    struct kn_error *err)
{
    if (!body)
        return kn_fail(err, KN_ENOMEM, "no memory for event '%s'", name);
    const struct kn_event event = {
        .name = name,
        .subject = composing->job->id,
        .message_body = body,
        .notify_address = composing->notify,
        .account_id = composing->source->account_id,
        .at_us = composing->job->finished_us,
    };
    return kn_outbox_add(composing->tx, &event, err);
}

// The part's place in spec and result: both list groups and outputs in the request's order.
static json_t *part_at(const json_t *root, int group, int output)
{
    const json_t *owner = root;
    if (group >= 0)
        owner = json_array_get(json_object_get(root, "OutputGroups"), (size_t)group);
    if (output < 0)
        return (json_t *)(uintptr_t)owner;
    return json_array_get(json_object_get(owner, "Outputs"), (size_t)output);
}

// A part without a word of its own shares the job's end: it never began.
static bool part_is_success(const struct composing *composing, const json_t *done)
{
    const char *status = kn_json_get(done, "Status", "");
    return status[0] ? strcmp(status, "Success") == 0
                     : composing->job->state == KN_JOB_SUCCEEDED;
}

static void put_failure(const struct composing *composing, json_t *body, const json_t *done)
{
    const char *code = kn_json_get(done, "Code", "");
    if (!code[0]) {
        put_text(body, "Code", composing->code);
        put_text(body, "Message", composing->message);
        return;
    }
    char wire_code[64], message[1024];
    wire_error(composing, code, kn_json_get(done, "Reason", ""), kn_json_get(done, "Message", ""),
               wire_code, message);
    put_text(body, "Code", wire_code);
    put_text(body, "Message", message);
}

static kn_code part_event(struct composing *composing, int group, int output, struct kn_error *err)
{
    const json_t *asked = part_at(composing->spec, group, output);
    const json_t *done = part_at(composing->result, group, output);
    bool is_success = part_is_success(composing, done);
    json_auto_t *body = body_new(composing, kn_json_get(asked, "Name", ""), is_success);
    char task_id[KN_ID_SIZE];
    kn_event_task_id(task_id, composing->job->id, group, output);
    put_text(body, "TaskId", task_id);
    if (!is_success)
        put_failure(composing, body, done);
    if (output < 0)
        return emit(composing, "MediaConvertOutputGroupComplete", body, err);

    const char *uri = kn_json_get(done, "Uri", kn_json_get(asked, "Uri", ""));
    if (uri[0])
        (void)json_object_set_new(body, "OutputFile",
                                  json_pack("{s:s, s:s}", "Type", "OSS", "Media", uri));
    return emit(composing, "MediaConvertOutputComplete", body, err);
}

static kn_code outputs_events(struct composing *composing, int group, struct kn_error *err)
{
    size_t n = json_array_size(json_object_get(part_at(composing->spec, group, -1), "Outputs"));
    for (size_t i = 0; i < n; i++) {
        kn_code rc = part_event(composing, group, (int)i, err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

static kn_code convert_events(struct composing *composing, struct kn_error *err)
{
    kn_code rc = outputs_events(composing, -1, err);
    size_t n_groups = json_array_size(json_object_get(composing->spec, "OutputGroups"));
    for (size_t i = 0; i < n_groups && rc == KN_OK; i++) {
        rc = outputs_events(composing, (int)i, err);
        if (rc == KN_OK)
            rc = part_event(composing, (int)i, -1, err);
    }
    if (rc != KN_OK)
        return rc;
    bool is_success = composing->job->state == KN_JOB_SUCCEEDED;
    json_auto_t *body = body_new(composing, composing->job->name, is_success);
    put_text(body, "Code", composing->code);
    put_text(body, "Message", composing->message);
    return emit(composing, "MediaConvertComplete", body, err);
}

/* ---- the hook ---- */

kn_code kn_events_on_job(struct kn_tx *tx, const struct kn_job *job, void *source,
                         struct kn_error *err)
{
    bool has_ended = job->state == KN_JOB_SUCCEEDED || job->state == KN_JOB_FAILED ||
                     job->state == KN_JOB_CANCELLED;
    if (has_ended && strcmp(job->kind, "task") == 0)
        return kn_task_notice(tx, job, source, err);
    if (!has_ended || strcmp(job->kind, "convert") != 0)
        return KN_OK;
    kn_auto(composing_clear) struct composing composing = {.tx = tx, .source = source, .job = job};
    read_notify_address(&composing);
    struct kn_callback callback;
    kn_code rc = kn_callback_get_tx(tx, &callback, err);
    if (rc != KN_OK || (!callback.type[0] && !composing.notify[0]))
        return rc; // nobody to tell: a spec of 60 kB need not be read
    read_failure(&composing);
    composing.spec = object_of(job->spec);
    composing.result = object_of(job->result);
    return convert_events(&composing, err);
}
