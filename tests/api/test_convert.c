/* Conversion jobs on the wire (spec 02, sections 2 to 4 and 11). No worker runs: the test is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "api/ice/media.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/time.h"
#include "support/api_server.h"

static struct api_server server;

static int start(void **state)
{
    (void)state;
    api_server_start(&server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_server_stop(&server);
    return 0;
}

#define INPUTS                                                                                     \
    "\"Inputs\":[{\"Name\":\"main\",\"InputFile\":{\"Type\":\"OSS\",\"Media\":\"oss://films/a.mov\"}}]"
#define GROUP(outputs)                                                                             \
    "\"OutputGroups\":[{\"Name\":\"files\",\"GroupConfig\":{\"Type\":\"File\","                    \
    "\"OutputFileBase\":{\"Type\":\"OSS\",\"Media\":\"oss://out/trailer/\"}},\"Outputs\":[" outputs   \
    "]}]"
#define OUTPUT                                                                                     \
    "{\"Name\":\"720p\",\"OutputFileName\":\"720p/trailer.mp4\",\"TemplateId\":\"Video-720P\"}"
#define CONFIG "{\"JobName\":\"trailer-42\"," INPUTS "," GROUP(OUTPUT) "}"

static const json_t *first(const json_t *json, const char *name)
{
    return json_array_get(reply_at(json, name), 0);
}

static void a_submitted_job_is_echoed_and_found_again(void **state)
{
    (void)state;
    json_auto_t *made =
        api_call(&server, "SubmitMediaConvertJob", "Config=%s&UserData={\"asset\":42}", CONFIG);
    const json_t *job = reply_at(made, "Job");
    assert_string_equal(reply_text(made, "JobId"), reply_text(job, "JobId"));
    assert_int_equal(strlen(reply_text(job, "JobId")), 32);
    assert_string_equal(reply_text(job, "State"), "Inited");
    assert_string_equal(reply_text(job, "UserData"), "{\"asset\":42}");
    assert_string_equal(reply_text(job, "RequestId"), reply_text(made, "RequestId"));
    assert_null(json_object_get(job, "FinishTime"));
    assert_string_equal(reply_text(reply_at(job, "Config"), "JobName"), "trailer-42");
    const json_t *group = first(job, "OutputGroupDetails");
    assert_string_equal(reply_text(group, "Status"), "Init");
    assert_string_equal(reply_text(first(group, "Outputs"), "Name"), "720p");
    assert_string_equal(reply_text(first(group, "Outputs"), "Status"), "Init");
    assert_int_equal(json_array_size(reply_at(job, "OutputDetails")), 0);

    json_auto_t *got = api_call(&server, "GetMediaConvertJob", "JobId=%s", reply_text(made, "JobId"));
    assert_true(json_equal(reply_at(got, "Job"), job));
}

static void parameters_that_are_objects_come_back_as_text(void **state)
{
    (void)state;
    json_auto_t *made = api_call(
        &server, "SubmitMediaConvertJob",
        "Config={" INPUTS "," GROUP("{\"OutputFileName\":\"a\",\"TemplateId\":\"Video-360P\","
                                    "\"Priority\":\"8\",\"OverrideParams\":{\"Audios\":"
                                    "[{\"InputRef\":\"main\",\"LanguageControl\":\"InputFirst\"}]}}") "}");
    const json_t *config = reply_at(reply_at(made, "Job"), "Config");
    const json_t *output = first(first(config, "OutputGroups"), "Outputs");
    assert_string_equal(reply_text(output, "OverrideParams"),
                        "{\"Audios\":[{\"InputRef\":\"main\",\"LanguageControl\":\"InputFirst\"}]}");
}

static void one_token_makes_one_job(void **state)
{
    (void)state;
    json_auto_t *one = api_call(&server, "SubmitMediaConvertJob", "Config=%s&ClientToken=t1", CONFIG);
    json_auto_t *two = api_call(&server, "SubmitMediaConvertJob", "Config=%s&ClientToken=t1", CONFIG);
    assert_string_equal(reply_text(one, "JobId"), reply_text(two, "JobId"));
    assert_string_not_equal(reply_text(one, "RequestId"), reply_text(two, "RequestId"));
    assert_string_equal(reply_text(reply_at(two, "Job"), "ClientToken"), "t1");
    kn_auto(kn_free) char *message =
        api_refused(&server, 400, "IdempotentParameterMismatch", "SubmitMediaConvertJob",
                    "Config=%s&ClientToken=t1&UserData=else", CONFIG);
    assert_string_equal(message, "The request is retried with updated parameters.");
}

static void a_job_and_its_nonce_are_one_record(void **state)
{
    (void)state;
    json_auto_t *params = json_pack("{s:s}", "Config", CONFIG);
    const struct api_request request = {
        .action = "SubmitMediaConvertJob", .params = params, .nonce = "once"};
    kn_auto(api_reply_clear) struct api_reply one, two;
    api_send(&server, &one, &request);
    assert_int_equal(one.status, 200);
    api_send(&server, &two, &request);
    assert_string_equal(reply_text(two.json, "Code"), "SignatureNonceUsed");
}

/* Claim the job of this id and let it end. */
static void job_end(const char *id, const struct kn_job_outcome *outcome)
{
    struct kn_claim claim;
    int n = 0;
    while (kn_jobs_claim(server.jobs, "00000000000000000000000000000001", 1, KN_MINUTE, &claim, &n,
                         NULL) == KN_OK && n == 1) {
        bool is_it = strcmp(claim.job_id, id) == 0;
        const struct kn_job_outcome other = {.state = KN_JOB_CANCELLED};
        struct kn_error err = {0};
        if (kn_jobs_finish(server.jobs, &claim, is_it ? outcome : &other, &err) != KN_OK)
            fail_msg("%s", err.message);
        if (is_it)
            return;
    }
    fail_msg("nobody could claim the job %s", id);
}

static void a_finished_job_shows_what_it_made(void **state)
{
    (void)state;
    json_auto_t *made = api_call(&server, "SubmitMediaConvertJob", "Config=%s", CONFIG);
    const struct kn_job_outcome done = {
        .state = KN_JOB_SUCCEEDED,
        .result = "{\"Inputs\":[{\"FileBasicInfo\":{\"FileType\":\"source_file\"}}],"
                  "\"Engines\":{\"libavcodec\":\"59\"},"
                  "\"OutputGroups\":[{\"Status\":\"Success\",\"Outputs\":[{\"Status\":\"Success\","
                  "\"Notes\":[\"AAC-LC stands in for HE-AAC\"],"
                  "\"Uri\":\"oss://out/trailer/720p/trailer.mp4\",\"Meta\":{\"FileBasicInfo\":"
                  "{\"FileSize\":\"9876543\",\"Duration\":\"61.440000\"},\"VideoStreamInfoList\":"
                  "[{\"Codec_name\":\"h264\"}]}}]}]}"};
    job_end(reply_text(made, "JobId"), &done);
    json_auto_t *got = api_call(&server, "GetMediaConvertJob", "JobId=%s", reply_text(made, "JobId"));
    const json_t *job = reply_at(got, "Job"), *group = first(job, "OutputGroupDetails");
    const json_t *output = first(group, "Outputs"), *result = reply_at(output, "Result");
    assert_string_equal(reply_text(job, "State"), "Complete");
    assert_int_equal(json_integer_value(reply_at(job, "Percent")), 100);
    assert_true(json_is_string(reply_at(job, "FinishTime")));
    assert_string_equal(reply_text(group, "Status"), "Success");
    assert_string_equal(reply_text(output, "Status"), "Success");
    assert_string_equal(reply_text(reply_at(result, "OutputFile"), "Media"),
                        "oss://out/trailer/720p/trailer.mp4");
    const json_t *basic = reply_at(reply_at(result, "OutFileMeta"), "FileBasicInfo");
    assert_string_equal(reply_text(basic, "FileName"), "trailer.mp4");
    assert_string_equal(reply_text(basic, "FileStatus"), "Normal");
    assert_string_equal(reply_text(basic, "FileSize"), "9876543");
    assert_int_equal(json_array_size(reply_at(output, "Notes")), 1);
    const json_t *input = first(job, "InputDetails");
    assert_string_equal(reply_text(input, "Name"), "main");
    assert_string_equal(reply_text(reply_at(reply_at(input, "InFileMeta"), "FileBasicInfo"), "FileType"),
                        "source_file");
    assert_string_equal(reply_text(reply_at(job, "Engines"), "libavcodec"), "59");
    free(api_refused(&server, 400, "PermissionDenied.JobInComplete", "CancelMediaConvertJob",
                     "JobId=%s", reply_text(made, "JobId")));
}

static void a_failed_job_says_why_in_the_vendors_words(void **state)
{
    (void)state;
    json_auto_t *made = api_call(&server, "SubmitMediaConvertJob", "Config=%s", CONFIG);
    struct kn_job_outcome failed = {.state = KN_JOB_FAILED};
    (void)kn_fail_as(&failed.error, KN_EMEDIA, "NoAudioStream", "'oss://films/a.mov' has no sound");
    job_end(reply_text(made, "JobId"), &failed);
    json_auto_t *got = api_call(&server, "GetMediaConvertJob", "JobId=%s", reply_text(made, "JobId"));
    const json_t *job = reply_at(got, "Job"), *group = first(job, "OutputGroupDetails");
    assert_string_equal(reply_text(job, "State"), "Error");
    assert_string_equal(reply_text(job, "Code"), "InvalidParameter.NoAudioStream");
    assert_string_equal(reply_text(job, "Message"), "The resource has no audio stream. "
                                              "('oss://films/a.mov' has no sound)");
    assert_string_equal(reply_text(group, "Status"), "Failed");
    assert_string_equal(reply_text(first(group, "Outputs"), "Code"), "InvalidParameter.NoAudioStream");
    free(api_refused(&server, 400, "PermissionDenied.JobInFailure", "CancelMediaConvertJob",
                     "JobId=%s", reply_text(made, "JobId")));
}

static void a_waiting_job_can_be_cancelled(void **state)
{
    (void)state;
    json_auto_t *made = api_call(&server, "SubmitMediaConvertJob", "Config=%s", CONFIG);
    json_auto_t *cancelled =
        api_call(&server, "CancelMediaConvertJob", "JobId=%s", reply_text(made, "JobId"));
    assert_true(json_is_true(reply_at(cancelled, "Success")));
    json_auto_t *got = api_call(&server, "GetMediaConvertJob", "JobId=%s", reply_text(made, "JobId"));
    const json_t *job = reply_at(got, "Job"), *group = first(job, "OutputGroupDetails");
    assert_string_equal(reply_text(job, "State"), "Cancelled");
    assert_string_equal(reply_text(first(group, "Outputs"), "Status"), "Skipped");
}

static void lists_go_page_by_page(void **state)
{
    (void)state;
    json_auto_t *pipeline = api_call(&server, "CreatePipeline", "Name=list&Speed=Standard");
    char since[24];
    kn_sleep_us(KN_SECOND); // creation times are filtered by whole seconds
    kn_time_iso(since, kn_now_us());
    for (int i = 0; i < 5; i++) {
        json_auto_t *made = api_call(&server, "SubmitMediaConvertJob", "Config=%s&UserData=%d&PipelineId=%s",
                                     CONFIG, i, reply_text(reply_at(pipeline, "Pipeline"), "PipelineId"));
        (void)made;
        kn_sleep_us(2000);
    }
    char token[128] = "";
    int n_pages = 0, expected = 4;
    do {
        json_auto_t *page = api_call(&server, "ListMediaConvertJobs",
                                     "PageSize=2&StartOfCreateTime=%s&Status=Inited&NextPageToken=%s",
                                     since, token);
        for (size_t i = 0; i < json_array_size(reply_at(page, "Jobs")); i++) {
            const json_t *job = json_array_get(reply_at(page, "Jobs"), i);
            assert_int_equal(reply_text(job, "UserData")[0] - '0', expected--);
            assert_null(json_object_get(job, "Percent"));
            assert_null(json_object_get(job, "OutputGroupDetails"));
        }
        snprintf(token, sizeof(token), "%s", reply_text(page, "NextPageToken"));
        n_pages++;
    } while (token[0]);
    assert_int_equal(n_pages, 3);
    json_auto_t *oldest = api_call(&server, "ListMediaConvertJobs",
                                   "PageSize=1&StartOfCreateTime=%s&OrderBy=CreateTimeAsc", since);
    assert_string_equal(reply_text(first(oldest, "Jobs"), "UserData"), "0");
    json_auto_t *none = api_call(&server, "ListMediaConvertJobs", "StartOfCreateTime=%s&Status=Fail",
                                 since);
    assert_int_equal(json_array_size(reply_at(none, "Jobs")), 0);
    free(api_refused(&server, 400, "InvalidParameter", "ListMediaConvertJobs", "NextPageToken=bad!"));
    free(api_refused(&server, 400, "InvalidParameter", "ListMediaConvertJobs", "Status=Sleeping"));
    free(api_refused(&server, 400, "InvalidParameter.OutOfRange", "ListMediaConvertJobs",
                     "PageSize=101"));
}

static void media_ids_stand_for_their_files(void **state)
{
    (void)state;
    static const char config[] =
        "{\"Inputs\":[{\"InputFile\":{\"Type\":\"Media\",\"Media\":"
        "\"0123456789abcdef0123456789abcdef\"}}]," GROUP(OUTPUT) "}";
    free(api_refused(&server, 404, "ResourceNotFound", "SubmitMediaConvertJob", "Config=%s", config));
}

// Spec 02, section 11: what is refused at submit.
static void bad_configurations_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *code, *config;
    } cases[] = {
        {400, "MissingParameter", ""},
        {400, "InvalidParameter.JsonFormatInvalid", "{"},
        {400, "InvalidParameter.JsonObjectFormatInvalid", "[]"},
        {400, "InvalidParameter.EmptyValue", "{}"},
        {400, "InvalidParameter.EmptyValue", "{" INPUTS "}"},
        {400, "InvalidParameter.TemplateNotFound",
         "{" INPUTS "," GROUP("{\"OutputFileName\":\"a\",\"TemplateId\":\"none\"}") "}"},
        {400, "InvalidParameter",
         "{" INPUTS "," GROUP("{\"OutputFileName\":\"a\",\"TemplateId\":\"Video-360P\","
                              "\"OverrideParams\":{\"Audios\":[{\"InputRef\":\"x\"}]}}") "}"},
        {400, "InvalidParameter.OutOfRange",
         "{" INPUTS "," GROUP("{\"OutputFileName\":\"a\",\"TemplateId\":\"Video-360P\","
                              "\"OverrideParams\":{\"Video\":{\"Crf\":99}}}") "}"},
        {400, "InvalidParameter.OutOfRange",
         "{\"JobName\":\"0123456789012345678901234567890123456789012345678901234567890123456789\","
         INPUTS "," GROUP(OUTPUT) "}"},
        {400, "InvalidParameter.BucketNameInvalid",
         "{\"Inputs\":[{\"InputFile\":{\"Type\":\"OSS\",\"Media\":\"oss://B_/a\"}}],"
         GROUP(OUTPUT) "}"},
    };
    for (size_t i = 0; i < KN_COUNT(cases); i++)
        free(api_refused(&server, cases[i].status, cases[i].code, "SubmitMediaConvertJob",
                         "Config=%s", cases[i].config));
    free(api_refused(&server, 404, "ResourceNotFound", "SubmitMediaConvertJob",
                     "Config=%s&PipelineId=none", CONFIG));
    free(api_refused(&server, 404, "ResourceNotFound", "GetMediaConvertJob", "JobId=none"));
    free(api_refused(&server, 400, "MissingParameter", "GetMediaConvertJob", "%s", ""));
    free(api_refused(&server, 404, "ResourceNotFound", "CancelMediaConvertJob", "JobId=none"));
}

static void a_key_for_one_bucket_converts_within_it(void **state)
{
    (void)state;
    struct kn_key narrow = {.role = KN_ROLE_OPERATE, .bucket_prefix = "films"};
    assert_int_equal(kn_access_create(server.access, &narrow, NULL), KN_OK);
    json_auto_t *params = json_pack("{s:s}", "Config", CONFIG);
    const struct api_request request = {
        .action = "SubmitMediaConvertJob", .params = params, .key = &narrow};
    kn_auto(api_reply_clear) struct api_reply reply;
    api_send(&server, &reply, &request);
    assert_int_equal(reply.status, 403);
    assert_string_equal(reply_text(reply.json, "Code"), "PermissionDenied.ResourceAccess");
}

static int status_of(const struct kn_key *key, const char *action, const char *job_id, json_t **out)
{
    json_auto_t *params = job_id ? json_pack("{s:s}", "JobId", job_id) : json_object();
    const struct api_request request = {.action = action, .params = params, .key = key,
                                        .version = strncmp(action, "Retry", 5) == 0 ? "2026-01-01" : NULL};
    kn_auto(api_reply_clear) struct api_reply reply;
    api_send(&server, &reply, &request);
    if (out)
        *out = json_incref(reply.json);
    return reply.status;
}

static void a_key_sees_only_jobs_that_it_covers(void **state)
{
    (void)state;
    struct kn_key narrow = {.role = KN_ROLE_OPERATE, .bucket_prefix = "elsewhere"};
    struct kn_key fitting = {.role = KN_ROLE_OPERATE, .bucket_prefix = "films/in"};
    assert_int_equal(kn_access_create(server.access, &narrow, NULL), KN_OK);
    assert_int_equal(kn_access_create(server.access, &fitting, NULL), KN_OK);
    json_auto_t *made = api_call(
        &server, "SubmitMediaConvertJob", "Config=%s",
        "{\"Inputs\":[{\"Name\":\"v\",\"InputFile\":{\"Type\":\"OSS\",\"Media\":\"oss://films/in/a.mp4\"}}],"
        "\"Outputs\":[{\"Name\":\"o\",\"OutputFile\":{\"Type\":\"OSS\",\"Media\":\"oss://films/in/b.mp4\"},"
        "\"TemplateId\":\"Video-360P\"}]}");
    const char *id = reply_text(made, "JobId");
    json_t *list = NULL;
    assert_int_equal(status_of(&narrow, "ListMediaConvertJobs", NULL, &list), 200);
    assert_int_equal(json_array_size(reply_at(list, "Jobs")), 0);
    json_decref(list);
    assert_int_equal(status_of(&fitting, "ListMediaConvertJobs", NULL, &list), 200);
    assert_int_equal(json_array_size(reply_at(list, "Jobs")), 1);
    json_decref(list);
    static const char *const actions[] = {"GetMediaConvertJob", "RetryMediaConvertJob", "CancelMediaConvertJob"};
    for (size_t i = 0; i < KN_COUNT(actions); i++)
        assert_int_equal(status_of(&narrow, actions[i], id, NULL), 404);
    assert_int_equal(status_of(&fitting, "GetMediaConvertJob", id, NULL), 200);
    assert_int_equal(status_of(&fitting, "CancelMediaConvertJob", id, NULL), 200);
    // What shows all buckets is not for such keys.
    assert_int_equal(status_of(&fitting, "GetEventCallback", NULL, NULL), 403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_submitted_job_is_echoed_and_found_again),
        cmocka_unit_test(parameters_that_are_objects_come_back_as_text),
        cmocka_unit_test(one_token_makes_one_job),
        cmocka_unit_test(a_job_and_its_nonce_are_one_record),
        cmocka_unit_test(a_finished_job_shows_what_it_made),
        cmocka_unit_test(a_failed_job_says_why_in_the_vendors_words),
        cmocka_unit_test(a_waiting_job_can_be_cancelled),
        cmocka_unit_test(lists_go_page_by_page),
        cmocka_unit_test(media_ids_stand_for_their_files),
        cmocka_unit_test(bad_configurations_are_refused_by_name),
        cmocka_unit_test(a_key_for_one_bucket_converts_within_it),
        cmocka_unit_test(a_key_sees_only_jobs_that_it_covers),
    };
    return cmocka_run_group_tests_name("api-server/convert", tests, start, stop);
}
