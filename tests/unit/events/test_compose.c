/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "db/db.h"
#include "events/compose.h"
#include "events/delivery_log.h"
#include "events/task_notice.h"
#include "support/test_database.h"

static const char spec[] =
    "{\"OutputGroups\":[{\"Name\":\"files\",\"Outputs\":[{\"Name\":\"360p\",\"Uri\":\"oss://o/a.mp4\"},"
    "{\"Name\":\"720p\",\"Uri\":\"oss://o/b.mp4\"}]}]}";

static void task_error(const char *code_name, const char *reason, const char *message, char out_code[64],
                       char out_message[1024])
{
    (void)reason;
    (void)kn_copy(out_code, 64, code_name);
    (void)kn_copy(out_message, 1024, message);
}

static bool tells_content_alone; // of the next job

static kn_code hook_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct kn_event_source source = {
        .account_id = 1000000000000001, .region = "cn-beijing", .task_error = task_error,
        .tells_content_alone = tells_content_alone};
    return kn_events_on_job(tx, context, &source, err);
}

// The envelopes a job's end makes, in the order they are delivered.
static size_t events_of(struct kn_job *job, json_t **out, size_t max)
{
    struct kn_error err = {0};
    struct kn_db *db = NULL;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    if (kn_db_open(&db, test_database_url(), &err) != KN_OK ||
        kn_db_write(db, hook_tx, job, &err) != KN_OK)
        fail_msg("%s", err.message);
    size_t n = 0;
    // One is due, the others wait for their turn.
    struct kn_delivery_filter filter = {.subject = job->id, .state = -1, .limit = 100};
    struct kn_delivery *list;
    char token[64];
    assert_int_equal(kn_delivery_list(db, &filter, &arena, &list, &n, token, &err), KN_OK);
    assert_true(n <= max);
    int n_due = 0;
    for (size_t i = 0; i < n; i++) {
        const char *body;
        n_due += list[i].due_us != KN_NO_TIME;
        assert_int_equal(kn_delivery_body(db, list[i].id, &arena, &body, &err), KN_OK);
        out[i] = json_loads(body, 0, NULL);
    }
    assert_int_equal(n_due, n > 0);
    kn_db_close(&db);
    return n;
}

static json_t *find(json_t **events, size_t n, const char *type, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        json_t *body = json_object_get(events[i], "MessageBody");
        if (strcmp(kn_json_get(events[i], "EventType", ""), type) == 0 &&
            strcmp(kn_json_get(body, "Name", ""), name) == 0)
            return body;
    }
    fail_msg("no %s for '%s'", type, name);
    return NULL;
}

static void forget(json_t **events, size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_decref(events[i]);
}

static void a_finished_conversion_tells_of_outputs_groups_and_itself(void **state)
{
    (void)state;
    struct kn_job job = {.id = "0b7f3f2a9c1d4e5f8a6b7c8d9e0f1a2b", .kind = "convert",
                         .state = KN_JOB_FAILED, .finished_us = 1772359272 * KN_SECOND,
                         .name = "trailer-42", .spec = spec, .code = "KN_EMEDIA",
                         .reason = "NoAudioStream", .message = "no audio",
                         .user_data = "{\"NotifyAddress\":\"http://a.test/cb\"}",
                         .result = "{\"OutputGroups\":[{\"Status\":\"Failed\",\"Outputs\":["
                                   "{\"Status\":\"Success\",\"Uri\":\"oss://o/a.mp4\"},"
                                   "{\"Status\":\"Failed\",\"Code\":\"KN_EMEDIA\","
                                   "\"Reason\":\"NoAudioStream\",\"Message\":\"none\"}]}]}"};
    json_t *events[8];
    size_t n = events_of(&job, events, 8);
    assert_int_equal(n, 4);
    assert_int_equal(json_integer_value(json_object_get(events[0], "UserId")), 1000000000000001);
    assert_string_equal(kn_json_get(events[0], "EventTime", ""), "2026-03-01T10:01:12Z");

    json_t *done = find(events, n, "MediaConvertOutputComplete", "360p");
    assert_string_equal(kn_json_get(done, "Status", ""), "Success");
    assert_string_equal(kn_json_get(json_object_get(done, "OutputFile"), "Media", ""),
                        "oss://o/a.mp4");
    json_t *failed = find(events, n, "MediaConvertOutputComplete", "720p");
    assert_string_equal(kn_json_get(failed, "Status", ""), "Fail");
    assert_string_equal(kn_json_get(failed, "Code", ""), "NoAudioStream");
    char task_id[KN_ID_SIZE];
    kn_event_task_id(task_id, job.id, 0, 1);
    assert_string_equal(kn_json_get(failed, "TaskId", ""), task_id);
    (void)find(events, n, "MediaConvertOutputGroupComplete", "files");
    json_t *whole = find(events, n, "MediaConvertComplete", "trailer-42");
    assert_string_equal(kn_json_get(whole, "Status", ""), "Fail");
    assert_string_equal(kn_json_get(whole, "JobId", ""), job.id);
    assert_string_equal(kn_json_get(whole, "FinishTime", ""), "2026-03-01T10:01:12Z");
    assert_string_equal(kn_json_get(whole, "UserData", ""), job.user_data);
    forget(events, n);
}

static void a_running_job_and_one_nobody_listens_to_make_none(void **state)
{
    (void)state;
    struct kn_job job = {.id = "running", .kind = "convert", .state = KN_JOB_RUNNING, .spec = spec,
                         .user_data = "{\"NotifyAddress\":\"http://a.test/cb\"}"};
    json_t *events[8];
    assert_int_equal(events_of(&job, events, 8), 0);
    job.state = KN_JOB_SUCCEEDED;
    job.user_data = "not JSON";
    assert_int_equal(events_of(&job, events, 8), 0);
}

/* ---- tasks ---- */

static const char task_request[] =
    "{\"ProjectName\":\"demo\",\"Sources\":[{\"URI\":\"oss://b/film.mkv\"}],\"Targets\":["
    "{\"Subtitle\":{\"ExtractSubtitle\":{\"Format\":\"srt\",\"URI\":\"oss://b/s-{streamindex}.srt\"}}},"
    "{\"URI\":\"oss://b/out\",\"Container\":\"mp4\"},"
    "{\"Subtitle\":{\"ExtractSubtitle\":{\"Format\":\"ass\",\"URI\":\"oss://b/{barename}.ass\"}}}]}";
static const char task_result[] =
    "{\"Steps\":[{\"Kind\":\"extract\",\"Targets\":[0],\"Result\":{\"Files\":["
    "{\"StreamIndex\":0,\"Language\":\"eng\",\"Uri\":\"oss://b/s-0.srt\",\"Cues\":3},"
    "{\"StreamIndex\":1,\"Code\":\"KN_EUNSUP\",\"Message\":\"stream 1 is teletext\"},"
    "{\"StreamIndex\":2,\"Language\":\"fra\",\"Uri\":\"oss://b/s-2.srt\",\"Cues\":4}]}},"
    "{\"Kind\":\"extract\",\"Targets\":[2],\"Result\":{\"Files\":["
    "{\"StreamIndex\":0,\"Uri\":\"oss://b/film.ass\"}]}},"
    "{\"Kind\":\"convert\",\"Targets\":[1],\"Result\":{\"Outputs\":[{\"Uri\":\"oss://b/out.mp4\"}]}}]}";

static struct kn_job task_job(void)
{
    return (struct kn_job){.id = "adb1ee28c4c942a79f543b8eadcb0b1f", .kind = "task", .state = KN_JOB_SUCCEEDED,
                           .created_us = 1772359271 * KN_SECOND, .finished_us = 1772359272 * KN_SECOND,
                           .request = task_request, .result = task_result, .user_data = "u", .request_id = "R",
                           .notify = "{\"NotifyAddress\":\"topics/imm-done\"}"};
}

// The content of the one message that a task's end makes; a new reference.
static json_t *content_of(struct kn_job *job)
{
    json_t *events[8];
    assert_int_equal(events_of(job, events, 8), 1);
    assert_string_equal(kn_json_get(events[0], "source", ""), "acs.imm");
    assert_string_equal(kn_json_get(events[0], "type", ""), "imm:Task:MediaConvert");
    assert_string_equal(kn_json_get(events[0], "subject", ""),
                        "acs:imm:cn-beijing:1000000000000001:demo/imm:Task:MediaConvert");
    assert_string_equal(kn_json_get(events[0], "time", ""), "1772359272000");
    json_t *content = json_loads(kn_json_get(events[0], "content", ""), 0, NULL);
    assert_non_null(content);
    forget(events, 1);
    return content;
}

static void a_tasks_end_is_told_with_its_files(void **state)
{
    (void)state;
    struct kn_job job = task_job();
    json_auto_t *content = content_of(&job);
    assert_string_equal(kn_json_get(content, "TaskId", ""), "MediaConvert-adb1ee28-c4c9-42a7-9f54-3b8eadcb0b1f");
    assert_string_equal(kn_json_get(content, "Status", ""), "Succeeded");
    assert_string_equal(kn_json_get(content, "Message", ""), "stream 1 is teletext");
    assert_string_equal(kn_json_get(content, "ProjectName", ""), "demo");
    assert_string_equal(kn_json_get(content, "EndTime", ""), "2026-03-01T10:01:12.000Z");
    const json_t *targets = json_object_get(content, "Targets");
    const json_t *several = json_object_get(json_object_get(json_array_get(targets, 0), "Subtitle"), "Extract");
    const json_t *single = json_object_get(json_object_get(json_array_get(targets, 2), "Subtitle"), "Extract");
    assert_string_equal(kn_json_get(several, "URI", ""), "oss://b/s-{streamindex}.srt");
    assert_int_equal(json_array_size(json_object_get(several, "Files")), 3);
    assert_string_equal(kn_json_get(json_array_get(json_object_get(several, "Files"), 2), "URI", ""), "oss://b/s-2.srt");
    assert_string_equal(kn_json_get(single, "URI", ""), "oss://b/film.ass");
    assert_string_equal(kn_json_get(json_array_get(targets, 1), "URI", ""), "oss://b/out.mp4");
    assert_true(json_is_null(json_object_get(json_array_get(targets, 1), "Subtitle")));
}

static void a_service_may_leave_the_envelope_out(void **state)
{
    (void)state;
    struct kn_job job = task_job();
    (void)kn_copy(job.id, sizeof(job.id), "ddb1ee28c4c942a79f543b8eadcb0b1f");
    json_t *events[8];
    tells_content_alone = true;
    assert_int_equal(events_of(&job, events, 8), 1);
    tells_content_alone = false;
    assert_null(json_object_get(events[0], "content"));
    assert_string_equal(kn_json_get(events[0], "TaskType", ""), "MediaConvert");
    assert_string_equal(kn_json_get(events[0], "Status", ""), "Succeeded");
    assert_int_equal(json_array_size(json_object_get(events[0], "Targets")), 3);
    forget(events, 1);
}

static void a_failed_task_says_why(void **state)
{
    (void)state;
    struct kn_job job = task_job();
    (void)kn_copy(job.id, sizeof(job.id), "bdb1ee28c4c942a79f543b8eadcb0b1f");
    job.state = KN_JOB_FAILED;
    job.result = NULL;
    job.message = "no captions";
    (void)kn_copy(job.code, sizeof(job.code), "KN_EMEDIA");
    json_auto_t *content = content_of(&job);
    assert_string_equal(kn_json_get(content, "Status", ""), "Failed");
    assert_string_equal(kn_json_get(content, "Code", ""), "KN_EMEDIA");
    assert_string_equal(kn_json_get(content, "Message", ""), "no captions");
}

static void a_task_that_names_no_topic_tells_nobody(void **state)
{
    (void)state;
    struct kn_job job = task_job();
    json_t *events[8];
    (void)kn_copy(job.id, sizeof(job.id), "cdb1ee28c4c942a79f543b8eadcb0b1f");
    job.notify = NULL;
    job.user_data = "{\"NotifyAddress\":\"http://a.test/cb\"}"; // ICE's word, not IMM's
    assert_int_equal(events_of(&job, events, 8), 0);
}

static void a_tasks_id_is_its_jobs(void **state)
{
    (void)state;
    char job_id[KN_ID_SIZE];
    assert_true(kn_task_job_id(job_id, "MediaConvert-adb1ee28-c4c9-42a7-9f54-3b8eadcb0b1f"));
    assert_string_equal(job_id, "adb1ee28c4c942a79f543b8eadcb0b1f");
    static const char *const wrong[] = {"", "MediaConvert-", "adb1ee28-c4c9-42a7-9f54-3b8eadcb0b1f",
                                        "MediaConvert-adb1ee28-c4c9-42a7-9f54-3b8eadcb0b1g",
                                        "MediaConvert-adb1ee28c4c9-42a7-9f54-3b8eadcb0b1f-",
                                        "MediaConvert-adb1ee28-c4c9-42a7-9f54-3b8eadcb0b1f0"};
    for (size_t i = 0; i < KN_COUNT(wrong); i++)
        assert_false(kn_task_job_id(job_id, wrong[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_conversion_tells_of_outputs_groups_and_itself),
        cmocka_unit_test(a_running_job_and_one_nobody_listens_to_make_none),
        cmocka_unit_test(a_tasks_end_is_told_with_its_files),
        cmocka_unit_test(a_service_may_leave_the_envelope_out),
        cmocka_unit_test(a_failed_task_says_why),
        cmocka_unit_test(a_task_that_names_no_topic_tells_nobody),
        cmocka_unit_test(a_tasks_id_is_its_jobs),
    };
    return cmocka_run_group_tests_name("events/compose", tests, NULL, NULL);
}
