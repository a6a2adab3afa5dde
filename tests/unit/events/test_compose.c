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
#include "support/test_database.h"

static const char spec[] =
    "{\"OutputGroups\":[{\"Name\":\"files\",\"Outputs\":[{\"Name\":\"360p\",\"Uri\":\"oss://o/a.mp4\"},"
    "{\"Name\":\"720p\",\"Uri\":\"oss://o/b.mp4\"}]}]}";

static kn_code hook_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct kn_event_source source = {.account_id = 1000000000000001};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_conversion_tells_of_outputs_groups_and_itself),
        cmocka_unit_test(a_running_job_and_one_nobody_listens_to_make_none),
    };
    return cmocka_run_group_tests_name("events/compose", tests, NULL, NULL);
}
