/* Our own operations: keys, deliveries, usage, a job once more, the service itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/strings.h"
#include "base/time.h"
#include "events/callback.h"
#include "events/compose.h"
#include "support/api_server.h"

#define CONFIG                                                                                     \
    "{\"Inputs\":[{\"InputFile\":{\"Type\":\"OSS\",\"Media\":\"oss://films/a.mov\"}}],"            \
    "\"OutputGroups\":[{\"Name\":\"files\",\"GroupConfig\":{\"Type\":\"File\",\"OutputFileBase\":" \
    "{\"Type\":\"OSS\",\"Media\":\"oss://out/t/\"}},\"Outputs\":[{\"Name\":\"one\","               \
    "\"OutputFileName\":\"a.mp4\",\"TemplateId\":\"Video-360P\"}]}]}"

static struct api_server server;

static int start(void **state)
{
    (void)state;
    static struct kn_event_source source = {.account_id = 1000000000000001};
    api_server_start(&server);
    api_server_tell(&server, &source);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_server_stop(&server);
    return 0;
}

/* The status that a call with this key gets; its Code, if wanted, in `code`. */
static int status_with(const struct kn_key *key, const char *action, const char *version,
                       const char *params_text, char code[64])
{
    json_auto_t *params = api_params(params_text);
    const struct api_request request = {
        .action = action, .version = version, .key = key, .params = params};
    kn_auto(api_reply_clear) struct api_reply reply;
    api_send(&server, &reply, &request);
    (void)kn_copy(code, 64, reply_text(reply.json, "Code"));
    return reply.status;
}

/* ---- keys ---- */

static void a_made_key_works_until_it_is_disabled(void **state)
{
    (void)state;
    json_auto_t *made = api_call(&server, "CreateAccessKey", "Name=ingest&Role=operator");
    const json_t *shown = reply_at(made, "AccessKey");
    struct kn_key key = {0};
    char code[64];
    (void)kn_copy(key.id, sizeof(key.id), reply_text(shown, "AccessKeyId"));
    (void)kn_copy(key.secret, sizeof(key.secret), reply_text(shown, "AccessKeySecret"));
    assert_string_equal(reply_text(shown, "Role"), "operator");
    assert_int_equal(status_with(&key, "ListPipelines", NULL, "", code), 200);
    assert_int_equal(status_with(&key, "ListAccessKeys", "2026-01-01", "", code), 403);

    json_auto_t *off = api_call(&server, "UpdateAccessKey", "UserAccessKeyId=%s&Status=Inactive", key.id);
    assert_string_equal(reply_text(reply_at(off, "AccessKey"), "Status"), "Inactive");
    assert_int_equal(status_with(&key, "ListPipelines", NULL, "", code), 400);
    assert_string_equal(code, "InvalidAccessKeyId.Inactive");

    json_decref(api_call(&server, "UpdateAccessKey", "UserAccessKeyId=%s&Status=Active&Role=read-only",
                         key.id));
    assert_int_equal(status_with(&key, "ListPipelines", NULL, "", code), 200);
    assert_int_equal(status_with(&key, "SubmitMediaConvertJob", NULL, "Config=" CONFIG, code), 403);

    json_decref(api_call(&server, "DeleteAccessKey", "UserAccessKeyId=%s", key.id));
    assert_int_equal(status_with(&key, "ListPipelines", NULL, "", code), 404);
    assert_string_equal(code, "InvalidAccessKeyId.NotFound");
    free(api_refused(&server, 404, "ResourceNotFound", "DeleteAccessKey", "UserAccessKeyId=%s", key.id));
}

static void lists_of_keys_hold_no_secret(void **state)
{
    (void)state;
    json_decref(api_call(&server, "CreateAccessKey", "UserAccessKeyId=mine&AccessKeySecret="
                                                     "0123456789abcdef&BucketPrefix=films/in"));
    json_auto_t *list = api_call(&server, "ListAccessKeys", "%s", "");
    size_t i;
    json_t *key;
    bool is_there = false;
    json_array_foreach((json_t *)reply_at(list, "AccessKeys"), i, key) {
        assert_null(json_object_get(key, "AccessKeySecret"));
        is_there |= strcmp(reply_text(key, "AccessKeyId"), "mine") == 0;
    }
    assert_true(is_there);
    free(api_refused(&server, 409, "OperationConflict", "CreateAccessKey", "UserAccessKeyId=mine"));
    free(api_refused(&server, 400, "InvalidParameter", "CreateAccessKey", "UserAccessKeyId=no-dash"));
    free(api_refused(&server, 400, "InvalidParameter", "CreateAccessKey", "AccessKeySecret=short"));
}

static void the_last_admin_key_stays(void **state)
{
    (void)state;
    static const char *const changes[] = {"Status=Inactive", "Role=operator", "BucketPrefix=films"};
    for (size_t i = 0; i < KN_COUNT(changes); i++)
        free(api_refused(&server, 409, "OperationConflict", "UpdateAccessKey", "UserAccessKeyId=%s&%s",
                         server.admin.id, changes[i]));
    free(api_refused(&server, 409, "OperationConflict", "DeleteAccessKey", "UserAccessKeyId=%s",
                     server.admin.id));
    struct kn_key second = {.role = KN_ROLE_ADMIN};
    assert_int_equal(kn_access_create(server.access, &second, NULL), KN_OK);
    json_decref(api_call(&server, "UpdateAccessKey", "UserAccessKeyId=%s&Role=operator", second.id));
    json_decref(api_call(&server, "DeleteAccessKey", "UserAccessKeyId=%s", second.id));
}

static void bound_and_temporary_keys_manage_none(void **state)
{
    (void)state;
    char code[64];
    struct kn_key bound = {.role = KN_ROLE_ADMIN, .bucket_prefix = "films"}, temporary;
    assert_int_equal(kn_access_create(server.access, &bound, NULL), KN_OK);
    assert_int_equal(status_with(&bound, "CreateAccessKey", "2026-01-01", "", code), 403);
    assert_int_equal(kn_access_assume(server.access, &server.admin, "", KN_HOUR, &temporary, NULL),
                     KN_OK);
    const struct api_request request = {.action = "CreateAccessKey", .version = "2026-01-01",
                                        .key = &temporary, .token = temporary.token};
    kn_auto(api_reply_clear) struct api_reply reply;
    api_send(&server, &reply, &request);
    assert_int_equal(reply.status, 403);
}

/* ---- jobs and what their ends leave behind ---- */

static void job_end(const char *id, const struct kn_job_outcome *outcome)
{
    struct kn_claim claim;
    int n = 0;
    assert_int_equal(kn_jobs_claim(server.jobs, "00000000000000000000000000000001", 1, KN_MINUTE,
                                   &claim, &n, NULL), KN_OK);
    assert_int_equal(n, 1);
    assert_string_equal(claim.job_id, id);
    struct kn_error err = {0};
    if (kn_jobs_finish(server.jobs, &claim, outcome, &err) != KN_OK)
        fail_msg("%s", err.message);
}

static void a_failed_job_runs_once_more(void **state)
{
    (void)state;
    json_auto_t *made = api_call(&server, "SubmitMediaConvertJob", "Config=%s", CONFIG);
    const char *id = reply_text(made, "JobId");
    free(api_refused(&server, 400, "InvalidParameter.InvalidState", "RetryMediaConvertJob",
                     "JobId=%s", id));
    struct kn_job_outcome failed = {.state = KN_JOB_FAILED};
    (void)kn_fail(&failed.error, KN_EMEDIA, "'oss://films/a.mov' is no film");
    job_end(id, &failed);
    json_decref(api_call(&server, "RetryMediaConvertJob", "JobId=%s", id));
    json_auto_t *got = api_call(&server, "GetMediaConvertJob", "JobId=%s", id);
    assert_string_equal(reply_text(reply_at(got, "Job"), "State"), "Inited");
    assert_null(json_object_get(reply_at(got, "Job"), "Code"));
    job_end(id, &(struct kn_job_outcome){.state = KN_JOB_SUCCEEDED, .result = "{}"});
    free(api_refused(&server, 404, "ResourceNotFound", "RetryMediaConvertJob", "JobId=none"));
}

static void what_was_converted_is_in_the_ledger(void **state)
{
    (void)state;
    json_auto_t *made = api_call(&server, "SubmitMediaConvertJob", "Config=%s", CONFIG);
    const struct kn_job_outcome done = {
        .state = KN_JOB_SUCCEEDED,
        .result = "{\"Usage\":[{\"Kind\":\"convert\",\"Codec\":\"H.264\",\"Resolution\":\"HD\","
                  "\"Seconds\":90.0},{\"Kind\":\"convert\",\"Codec\":\"audio\",\"Resolution\":\"-\","
                  "\"Seconds\":30.0}]}"};
    job_end(reply_text(made, "JobId"), &done);
    json_auto_t *usage = api_call(&server, "GetUsage", "Kind=convert");
    size_t i;
    json_t *line;
    double hd = 0;
    assert_int_equal(json_array_size(reply_at(usage, "Usage")), 2);
    json_array_foreach((json_t *)reply_at(usage, "Usage"), i, line) {
        assert_string_equal(reply_text(line, "Unit"), "minutes");
        assert_int_equal(strlen(reply_text(line, "Period")), 10);
        if (strcmp(reply_text(line, "Codec"), "H.264") == 0 && strcmp(reply_text(line, "Resolution"), "HD") == 0)
            hd += json_number_value(reply_at(line, "Amount"));
    }
    assert_true(hd > 1.499 && hd < 1.501);
    json_auto_t *months = api_call(&server, "GetUsage", "Kind=convert&Period=month");
    assert_int_equal(strlen(reply_text(json_array_get(reply_at(months, "Usage"), 0), "Period")), 7);
    json_auto_t *before =
        api_call(&server, "GetUsage", "%s", "EndTime=2020-01-01T00:00:00Z");
    assert_int_equal(json_array_size(reply_at(before, "Usage")), 0);
}

static void a_lost_callback_is_found_and_sent_again(void **state)
{
    (void)state;
    json_decref(api_call(&server, "SetEventCallback",
                         "CallbackType=HTTP&CallbackURL=http://old.example.com/hook&"
                         "EventTypeList=MediaConvertComplete"));
    json_auto_t *made = api_call(&server, "SubmitMediaConvertJob", "Config=%s", CONFIG);
    const char *id = reply_text(made, "JobId");
    job_end(id, &(struct kn_job_outcome){.state = KN_JOB_SUCCEEDED, .result = "{}"});
    json_auto_t *waiting = api_call(&server, "ListEventDeliveries", "JobId=%s", id);
    assert_int_equal(json_array_size(reply_at(waiting, "Deliveries")), 1);
    const json_t *delivery = json_array_get(reply_at(waiting, "Deliveries"), 0);
    assert_string_equal(reply_text(delivery, "State"), "waiting");
    assert_string_equal(reply_text(delivery, "EventType"), "MediaConvertComplete");
    assert_string_equal(reply_text(delivery, "Target"), "http://old.example.com/hook");
    const char *delivery_id = reply_text(delivery, "DeliveryId");
    free(api_refused(&server, 409, "OperationConflict", "RedeliverEvents", "DeliveryId=%s",
                     delivery_id));

    assert_int_equal(kn_callback_set(server.db, &(struct kn_callback){0}, NULL), KN_OK);
    json_auto_t *lost = api_call(&server, "ListEventDeliveries", "State=set-aside");
    assert_int_equal(json_array_size(reply_at(lost, "Deliveries")), 1);
    json_decref(api_call(&server, "SetEventCallback",
                         "CallbackType=HTTP&CallbackURL=http://new.example.com/hook&"
                         "EventTypeList=MediaConvertComplete"));
    json_auto_t *again = api_call(&server, "RedeliverEvents", "JobId=%s", id);
    assert_int_equal(reply_number(again, "Count"), 1);
    json_auto_t *one = api_call(&server, "GetEventDelivery", "DeliveryId=%s", delivery_id);
    assert_string_equal(reply_text(reply_at(one, "Delivery"), "State"), "waiting");
    assert_string_equal(reply_text(reply_at(one, "Delivery"), "Target"), "http://new.example.com/hook");
    json_auto_t *body = json_loads(reply_text(one, "Body"), 0, NULL);
    assert_string_equal(reply_text(reply_at(body, "MessageBody"), "JobId"), id);

    free(api_refused(&server, 400, "MissingParameter", "RedeliverEvents", "%s", ""));
    free(api_refused(&server, 404, "ResourceNotFound", "RedeliverEvents", "DeliveryId=none"));
    free(api_refused(&server, 404, "ResourceNotFound", "GetEventDelivery", "DeliveryId=none"));
}

static void the_service_says_what_waits(void **state)
{
    (void)state;
    json_auto_t *before = api_call(&server, "GetServiceInfo", "%s", "");
    json_decref(api_call(&server, "SubmitMediaConvertJob", "Config=%s", CONFIG));
    json_auto_t *after = api_call(&server, "GetServiceInfo", "%s", "");
    assert_int_equal(reply_number(after, "QueuedJobs"), reply_number(before, "QueuedJobs") + 1);
    assert_string_equal(reply_text(after, "Version"), KN_VERSION);
    assert_string_equal(reply_text(after, "Database"),
                        kn_db_is_postgres(server.db) ? "postgresql" : "sqlite");
    assert_int_equal(reply_number(json_array_get(reply_at(after, "Queues"), 0), "QueuedJobs"),
                     reply_number(after, "QueuedJobs"));
}

static void calls_are_counted_by_operation_and_outcome(void **state)
{
    (void)state;
    struct kn_metric *ok = kn_metric_counter(
        "kinora_api_calls_total", "product=\"ice\",action=\"GetPipeline\",outcome=\"refused\"", "");
    int64_t before = kn_metric_value(ok);
    free(api_refused(&server, 404, "ResourceNotFound", "GetPipeline", "PipelineId=none"));
    assert_int_equal(kn_metric_value(ok), before + 1);
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_metrics_render(&text);
    assert_non_null(strstr(kn_buf_text(&text), "\nkinora_jobs_queued "));
    assert_non_null(strstr(kn_buf_text(&text), "kinora_api_seconds_count{product=\"ice\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_made_key_works_until_it_is_disabled),
        cmocka_unit_test(lists_of_keys_hold_no_secret),
        cmocka_unit_test(the_last_admin_key_stays),
        cmocka_unit_test(bound_and_temporary_keys_manage_none),
        cmocka_unit_test(a_failed_job_runs_once_more),
        cmocka_unit_test(what_was_converted_is_in_the_ledger),
        cmocka_unit_test(a_lost_callback_is_found_and_sent_again),
        cmocka_unit_test(the_service_says_what_waits),
        cmocka_unit_test(calls_are_counted_by_operation_and_outcome),
    };
    return cmocka_run_group_tests_name("api-server/kinora", tests, start, stop);
}
