/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/imm/task_json.h"

#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "api/wire_error.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "events/task_notice.h"

void kn_imm_event_id(char out[40], const char *job_id)
{
    char hex[65];
    kn_sha256_hex(hex, job_id, strlen(job_id));
    (void)snprintf(out, 40, "%.3s-%.28s", hex, hex + 3);
}

// A waiting task is running: there is no other word (spec 08, 5.1).
static const char *status_of(const struct kn_job *job)
{
    if (job->state == KN_JOB_SUCCEEDED)
        return "Succeeded";
    return job->state == KN_JOB_QUEUED || job->state == KN_JOB_RUNNING ? "Running" : "Failed";
}

static int progress_of(const struct kn_job *job)
{
    if (job->state == KN_JOB_SUCCEEDED)
        return 100;
    return job->percent < 0 ? 0 : job->percent > 99 ? 99 : job->percent;
}

static void time_put(json_t *out, const char *name, int64_t us)
{
    char iso[32];
    kn_time_iso_ms(iso, us);
    kn_put_text(out, name, iso);
}

static void end_put(json_t *out, const struct kn_job *job)
{
    char code[64] = "", message[KN_TASK_MESSAGE_SIZE] = "";
    if (job->state == KN_JOB_SUCCEEDED) {
        json_auto_t *result = job->result ? json_loads(job->result, 0, NULL) : NULL;
        kn_task_failures(message, result);
    } else if (job->state == KN_JOB_FAILED || job->state == KN_JOB_CANCELLED) {
        kn_wire_error_of_task(job->code, job->reason, job->message, code, message);
    }
    (void)json_object_set_new(out, "Code", json_string(code));
    (void)json_object_set_new(out, "Message", json_string(message));
}

void kn_imm_task_put(json_t *out, const struct kn_job *job, bool has_definition)
{
    char task_id[KN_TASK_ID_SIZE], event_id[40];
    kn_task_id(task_id, job->id);
    kn_imm_event_id(event_id, job->id);
    kn_put_text(out, "TaskId", task_id);
    kn_put_text(out, "TaskType", "MediaConvert");
    kn_put_text(out, "Status", status_of(job));
    end_put(out, job);
    (void)json_object_set_new(out, "Progress", json_integer(progress_of(job)));
    time_put(out, "StartTime", job->created_us);
    if (job->state != KN_JOB_QUEUED && job->state != KN_JOB_RUNNING)
        time_put(out, "EndTime", job->finished_us);
    kn_put_text(out, "EventId", event_id);
    (void)json_object_set_new(out, "UserData", json_string(job->user_data ? job->user_data : ""));
    json_auto_t *request = job->request ? json_loads(job->request, 0, NULL) : NULL;
    json_t *tags = json_object_get(request, "Tags");
    if (tags)
        (void)json_object_set(out, "Tags", tags);
    if (has_definition)
        kn_put_text(out, "TaskRequestDefinition", job->request);
}
