/* Projects and tasks of IMM on the wire (spec 08). No worker runs: the test is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/wire_error.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "events/compose.h"
#include "support/api_server.h"

#define SOURCES "[{\"URI\":\"oss://films/in/film.mkv\"}]"
#define TARGETS                                                                                    \
    "[{\"Subtitle\":{\"ExtractSubtitle\":{\"Format\":\"webvtt\","                                  \
    "\"URI\":\"oss://films/out/s-{streamindex}.{autoext}\"}}}]"
#define REQUEST "Sources=" SOURCES "&Targets=" TARGETS

static struct api_server server;

static int start(void **state)
{
    (void)state;
    static struct kn_event_source source = {
        .account_id = 1000000000000001, .region = "cn-shanghai", .task_error = kn_wire_error_of_task};
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

/* Take the oldest waiting task and end it. */
static void task_end(const struct kn_job_outcome *outcome)
{
    struct kn_claim claim;
    struct kn_error err = {0};
    int n = 0;
    assert_int_equal(kn_jobs_claim(server.jobs, "00000000000000000000000000000001", 1, KN_MINUTE, &claim, &n, NULL),
                     KN_OK);
    assert_int_equal(n, 1);
    if (kn_jobs_finish(server.jobs, &claim, outcome, &err) != KN_OK)
        fail_msg("%s", err.message);
}

/* ---- projects ---- */

static void a_project_is_made_changed_listed_and_removed(void **state)
{
    (void)state;
    json_auto_t *made = api_call(&server, "CreateProject",
                                 "ProjectName=a_project-1&Description=first&DatasetMaxBindCount=3&"
                                 "Tag=[{\"Key\":\"team\",\"Value\":\"subs\"}]");
    const json_t *project = reply_at(made, "Project");
    assert_string_equal(reply_text(project, "ServiceRole"), "AliyunIMMDefaultRole");
    assert_string_equal(reply_text(project, "CreateTime"), reply_text(project, "UpdateTime"));
    assert_int_equal(reply_number(project, "DatasetMaxBindCount"), 3);
    assert_int_equal(reply_number(project, "DatasetMaxTotalFileSize"), 90000000000000000);
    assert_string_equal(reply_text(json_array_get(reply_at(project, "Tags"), 0), "TagKey"), "team");
    free(api_refused(&server, 400, "ResourceAlreadyExists", "CreateProject", "ProjectName=a_project-1"));

    json_decref(api_call(&server, "UpdateProject", "ProjectName=a_project-1&Description=second"));
    json_auto_t *got = api_call(&server, "GetProject", "ProjectName=a_project-1&WithStatistics=true");
    assert_string_equal(reply_text(reply_at(got, "Project"), "Description"), "second");
    assert_int_equal(reply_number(reply_at(got, "Project"), "DatasetMaxBindCount"), 3);
    assert_int_equal(reply_number(reply_at(got, "Project"), "FileCount"), 0);

    json_decref(api_call(&server, "DeleteProject", "ProjectName=a_project-1"));
    free(api_refused(&server, 400, "ResourceNotFound", "GetProject", "ProjectName=a_project-1"));
    free(api_refused(&server, 400, "ResourceNotFound", "UpdateProject", "ProjectName=a_project-1"));
    free(api_refused(&server, 400, "ResourceNotFound", "DeleteProject", "ProjectName=a_project-1"));
}

static void projects_are_listed_by_name_prefix_and_tags(void **state)
{
    (void)state;
    json_decref(api_call(&server, "CreateProject", "ProjectName=list-c"));
    json_decref(api_call(&server, "CreateProject", "ProjectName=list-a&Tag=[{\"Key\":\"k\",\"Value\":\"v\"}]"));
    json_decref(api_call(&server, "CreateProject", "ProjectName=list-b"));
    json_auto_t *first = api_call(&server, "ListProjects", "Prefix=list-&MaxResults=2");
    assert_int_equal(json_array_size(reply_at(first, "Projects")), 2);
    assert_string_equal(reply_text(json_array_get(reply_at(first, "Projects"), 0), "ProjectName"), "list-a");
    json_auto_t *rest = api_call(&server, "ListProjects", "Prefix=list-&MaxResults=2&NextToken=%s",
                                 reply_text(first, "NextToken"));
    assert_int_equal(json_array_size(reply_at(rest, "Projects")), 1);
    assert_string_equal(reply_text(json_array_get(reply_at(rest, "Projects"), 0), "ProjectName"), "list-c");
    assert_string_equal(reply_text(rest, "NextToken"), "");
    json_auto_t *tagged = api_call(&server, "ListProjects", "%s", "Tag=[{\"Key\":\"k\",\"Value\":\"v\"}]");
    assert_int_equal(json_array_size(reply_at(tagged, "Projects")), 1);
}

static void a_name_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"1st", "-a", "a.b", "a b", "é"};
    for (size_t i = 0; i < KN_COUNT(names); i++)
        free(api_refused(&server, 400, "InvalidArgument", "CreateProject", "ProjectName=%s", names[i]));
    kn_auto(kn_free) char *message = api_refused(&server, 400, "InvalidArgument", "CreateProject", "%s", "");
    assert_string_equal(message, "The parameter ProjectName is required but not provided.");
    free(api_refused(&server, 400, "InvalidJSON", "CreateProject", "%s", "ProjectName=a&Tag={}"));
    free(api_refused(&server, 400, "InvalidArgument", "CreateProject", "%s", "ProjectName=a&Tag=[{}]"));
}

static void there_is_one_region(void **state)
{
    (void)state;
    json_auto_t *got = api_call(&server, "ListRegions", "AcceptLanguage=en-US");
    assert_string_equal(reply_text(json_array_get(reply_at(got, "Regions"), 0), "RegionId"), "cn-shanghai");
}

/* ---- tasks ---- */

static void a_task_is_recorded_runs_and_ends(void **state)
{
    (void)state;
    json_decref(api_call(&server, "CreateProject", "ProjectName=tasks"));
    json_auto_t *made = api_call(&server, "CreateMediaConvertTask",
                                 "ProjectName=tasks&UserData={\"ticket\":17}&Tags={\"case\":\"17\"}&"
                                 "CredentialConfig={\"ServiceRole\":\"r\"}&"
                                 "Notification={\"MNS\":{\"TopicName\":\"done\"}}&" REQUEST);
    const char *id = reply_text(made, "TaskId");
    assert_true(kn_starts_with(id, "MediaConvert-"));
    json_auto_t *running = api_call(&server, "GetTask", "ProjectName=tasks&TaskType=MediaConvert&TaskId=%s", id);
    assert_string_equal(reply_text(running, "Status"), "Running");
    assert_string_equal(reply_text(running, "UserData"), "{\"ticket\":17}");
    assert_string_equal(reply_text(running, "EventId"), reply_text(made, "EventId"));
    assert_string_equal(reply_text(reply_at(running, "Tags"), "case"), "17");
    assert_null(json_object_get(running, "EndTime"));
    assert_null(json_object_get(running, "TaskRequestDefinition"));
    free(api_refused(&server, 400, "InvalidArgument", "DeleteProject", "ProjectName=tasks"));

    const struct kn_job_outcome done = {
        .state = KN_JOB_SUCCEEDED,
        .result = "{\"Steps\":[{\"Kind\":\"extract\",\"Targets\":[0],\"Result\":{\"Files\":["
                  "{\"StreamIndex\":0,\"Uri\":\"oss://films/out/s-0.vtt\"},"
                  "{\"StreamIndex\":1,\"Code\":\"KN_EUNSUP\",\"Message\":\"caption stream 1 is teletext\"}]}}],"
                  "\"Usage\":[{\"Kind\":\"extract\",\"Item\":\"ExtractSubtitleText\",\"Streams\":1},"
                  "{\"Kind\":\"extract\",\"Item\":\"ExtractSubtitleImage\",\"Seconds\":90.0}]}"};
    task_end(&done);
    json_auto_t *ended = api_call(&server, "GetTask",
                                  "ProjectName=tasks&TaskType=MediaConvert&RequestDefinition=true&TaskId=%s", id);
    assert_string_equal(reply_text(ended, "Status"), "Succeeded");
    assert_string_equal(reply_text(ended, "Message"), "caption stream 1 is teletext");
    assert_int_equal(reply_number(ended, "Progress"), 100);
    (void)reply_at(ended, "EndTime");
    json_auto_t *definition = json_loads(reply_text(ended, "TaskRequestDefinition"), 0, NULL);
    assert_string_equal(reply_text(definition, "ProjectName"), "tasks");
    assert_string_equal(reply_text(reply_at(definition, "CredentialConfig"), "ServiceRole"), "r");

    json_auto_t *deliveries = api_call(&server, "ListEventDeliveries", "%s", "State=waiting");
    const json_t *delivery = json_array_get(reply_at(deliveries, "Deliveries"), 0);
    assert_string_equal(reply_text(delivery, "Target"), "topics/done");
    assert_string_equal(reply_text(delivery, "EventType"), "imm:Task:MediaConvert");
    json_auto_t *usage = api_call(&server, "GetUsage", "Kind=extract");
    assert_int_equal(json_array_size(reply_at(usage, "Usage")), 2);
    json_decref(api_call(&server, "DeleteProject", "ProjectName=tasks"));
}

static void a_failed_task_has_the_wires_code(void **state)
{
    (void)state;
    static const struct {
        kn_code code;
        const char *reason, *wire;
    } cases[] = {
        {KN_ENOTFOUND, "ResourceNotFound", "ResourceNotFound"}, {KN_ENOTFOUND, "NoSuchBucket", "ResourceNotFound"},
        {KN_EMEDIA, "NoCaptionStream", "InvalidArgument"},      {KN_EMEDIA, "", "UnsupportedFormat"},
        {KN_EUNSUP, "", "UnsupportedFormat"},                   {KN_EINVAL, "ResourceAccess", "AccessDenied"},
        {KN_EINVAL, "", "InvalidArgument"},                     {KN_EBUG, "", "InternalError"},
    };
    json_decref(api_call(&server, "CreateProject", "ProjectName=fails"));
    for (size_t i = 0; i < KN_COUNT(cases); i++) {
        json_auto_t *made = api_call(&server, "CreateMediaConvertTask", "ProjectName=fails&" REQUEST);
        struct kn_job_outcome failed = {.state = KN_JOB_FAILED};
        (void)kn_fail_as(&failed.error, cases[i].code, cases[i].reason, "'oss://films/in/film.mkv' would not");
        task_end(&failed);
        json_auto_t *got = api_call(&server, "GetTask", "ProjectName=fails&TaskType=MediaConvert&TaskId=%s",
                                    reply_text(made, "TaskId"));
        assert_string_equal(reply_text(got, "Status"), "Failed");
        assert_string_equal(reply_text(got, "Code"), cases[i].wire);
        assert_non_null(strstr(reply_text(got, "Message"), "film.mkv"));
    }
}

static void tasks_are_listed_by_page_state_tag_and_time(void **state)
{
    (void)state;
    json_decref(api_call(&server, "CreateProject", "ProjectName=lists"));
    json_decref(api_call(&server, "CreateProject", "ProjectName=empty"));
    for (int i = 0; i < 5; i++)
        json_decref(api_call(&server, "CreateMediaConvertTask",
                             "ProjectName=lists&Tags={\"n\":\"%d\",\"all\":\"yes\"}&%s", i % 2, REQUEST));
    task_end(&(struct kn_job_outcome){.state = KN_JOB_SUCCEEDED, .result = "{}"});

    char last[64] = "", token[128] = "";
    size_t n = 0;
    do {
        json_auto_t *page = api_call(&server, "ListTasks", "ProjectName=lists&MaxResults=2&NextToken=%s", token);
        assert_string_equal(reply_text(page, "MaxResults"), "2");
        size_t i;
        json_t *task;
        json_array_foreach((json_t *)reply_at(page, "Tasks"), i, task) {
            assert_true(strcmp(reply_text(task, "TaskId"), last) > 0);
            (void)kn_copy(last, sizeof(last), reply_text(task, "TaskId"));
            n++;
        }
        (void)kn_copy(token, sizeof(token), reply_text(page, "NextToken"));
    } while (token[0]);
    assert_int_equal(n, 5);

    static const struct {
        const char *query;
        size_t n;
    } cases[] = {
        {"Status=Succeeded", 1},
        {"Status=Running", 4},
        {"Status=Failed", 0},
        {"TagSelector=n=1", 2},
        {"TagSelector=n=0,all=yes", 3},
        {"TagSelector=n=7", 0},
        {"TagSelector=n=0&MaxResults=1", 1},
        {"Sort=EndTime&Order=desc", 5},
        {"Sort=StartTime", 5},
        {"TaskTypes=[\"MediaConvert\"]", 5},
        {"TaskTypes=[\"VideoLabelClassification\"]", 0},
        {"StartTimeRange={\"Start\":\"2020-01-01T00:00:00Z\"}", 5},
        {"StartTimeRange={\"End\":\"2020-01-01T00:00:00Z\"}", 0},
        {"EndTimeRange={\"Start\":\"2020-01-01T00:00:00Z\"}", 1},
    };
    for (size_t i = 0; i < KN_COUNT(cases); i++) {
        json_auto_t *list = api_call(&server, "ListTasks", "ProjectName=lists&%s", cases[i].query);
        if (json_array_size(reply_at(list, "Tasks")) != cases[i].n)
            fail_msg("%s: %zu tasks", cases[i].query, json_array_size(reply_at(list, "Tasks")));
    }
    json_auto_t *none = api_call(&server, "ListTasks", "ProjectName=empty");
    assert_int_equal(json_array_size(reply_at(none, "Tasks")), 0);
    free(api_refused(&server, 400, "InvalidArgument", "ListTasks", "ProjectName=lists&NextToken=x"));
    free(api_refused(&server, 400, "InvalidArgument", "ListTasks", "%s",
                     "ProjectName=lists&StartTimeRange={\"Start\":\"yesterday\"}"));
    for (int i = 0; i < 4; i++)
        task_end(&(struct kn_job_outcome){.state = KN_JOB_SUCCEEDED, .result = "{}"});
}

static void what_is_wrong_is_refused_at_once(void **state)
{
    (void)state;
    json_decref(api_call(&server, "CreateProject", "ProjectName=wrong"));
    static const struct {
        const char *query, *code, *words;
    } cases[] = {
        {"ProjectName=nowhere&" REQUEST, "ResourceNotFound", "project is not found"},
        {"ProjectName=wrong", "InvalidArgument", "The parameter Sources is required"},
        {"ProjectName=wrong&Sources=" SOURCES, "InvalidArgument", "The parameter Targets is required"},
        {"ProjectName=wrong&Sources=[", "InvalidJSON", "Sources"},
        {"ProjectName=wrong&Sources={}", "InvalidJSON", "Sources Array parsing error"},
        {"ProjectName=wrong&Tags=[]&" REQUEST, "InvalidJSON", "Tags Object parsing error"},
        {"ProjectName=wrong&Tags={\"a\":1}&" REQUEST, "InvalidArgument", "Tags.a"},
        {"ProjectName=wrong&AlignmentIndex=1&" REQUEST, "InvalidArgument", "AlignmentIndex"},
        {"ProjectName=wrong&TargetGroups=[{}]&" REQUEST, "InvalidArgument", "TargetGroups"},
        {"ProjectName=wrong&Notification={\"RocketMQ\":{}}&" REQUEST, "InvalidArgument", "RocketMQ"},
        {"ProjectName=wrong&Notification={\"MNS\":{}}&" REQUEST, "InvalidArgument", "TopicName"},
        {"ProjectName=wrong&Notification={\"MNS\":{\"TopicName\":\"a/b\"}}&" REQUEST, "InvalidArgument", "a/b"},
        {"ProjectName=wrong&Sources=[{\"URI\":\"oss://x\"}]&Targets=" TARGETS, "InvalidArgument", "Sources[0].URI"},
    };
    for (size_t i = 0; i < KN_COUNT(cases); i++) {
        kn_auto(kn_free) char *message =
            api_refused(&server, 400, cases[i].code, "CreateMediaConvertTask", "%s", cases[i].query);
        if (!strstr(message, cases[i].words))
            fail_msg("'%s' does not say '%s'", message, cases[i].words);
    }
    static const char *const ids[] = {"MediaConvert-adb1ee28-c4c9-42a7-9f54-3b8eadcb0b1f", "x"};
    for (size_t i = 0; i < KN_COUNT(ids); i++)
        free(api_refused(&server, 400, "ResourceNotFound", "GetTask",
                         "ProjectName=wrong&TaskType=MediaConvert&TaskId=%s", ids[i]));
    free(api_refused(&server, 400, "InvalidArgument", "GetTask", "%s",
                     "ProjectName=wrong&TaskType=Other&TaskId=x"));
}

static void a_task_belongs_to_its_project(void **state)
{
    (void)state;
    json_decref(api_call(&server, "CreateProject", "ProjectName=mine"));
    json_decref(api_call(&server, "CreateProject", "ProjectName=yours"));
    json_auto_t *made = api_call(&server, "CreateMediaConvertTask", "ProjectName=mine&" REQUEST);
    free(api_refused(&server, 400, "ResourceNotFound", "GetTask", "ProjectName=yours&TaskType=MediaConvert&TaskId=%s",
                     reply_text(made, "TaskId")));
    // Nor is it a conversion of ICE's.
    json_auto_t *jobs = api_call(&server, "ListMediaConvertJobs", "%s", "");
    assert_int_equal(json_array_size(reply_at(jobs, "Jobs")), 0);
    task_end(&(struct kn_job_outcome){.state = KN_JOB_SUCCEEDED, .result = "{}"});
}

static void a_key_submits_only_what_it_covers(void **state)
{
    (void)state;
    json_decref(api_call(&server, "CreateProject", "ProjectName=keys"));
    struct kn_key narrow = {.role = KN_ROLE_OPERATE, .bucket_prefix = "films/in"};
    assert_int_equal(kn_access_create(server.access, &narrow, NULL), KN_OK);
    json_auto_t *params = api_params("ProjectName=keys&" REQUEST);
    const struct api_request request = {
        .action = "CreateMediaConvertTask", .version = "2020-09-30", .key = &narrow, .params = params};
    kn_auto(api_reply_clear) struct api_reply reply;
    api_send(&server, &reply, &request);
    assert_int_equal(reply.status, 403);
    assert_string_equal(reply_text(reply.json, "Code"), "Forbidden.RAM");

    // Nor does it see what others submitted.
    json_decref(api_call(&server, "CreateMediaConvertTask", "ProjectName=keys&" REQUEST));
    json_auto_t *all = api_call(&server, "ListTasks", "ProjectName=keys");
    assert_int_equal(json_array_size(reply_at(all, "Tasks")), 1);
    json_auto_t *project = api_params("ProjectName=keys");
    const struct api_request listing = {
        .action = "ListTasks", .version = "2020-09-30", .key = &narrow, .params = project};
    kn_auto(api_reply_clear) struct api_reply few;
    api_send(&server, &few, &listing);
    assert_int_equal(few.status, 200);
    assert_int_equal(json_array_size(reply_at(few.json, "Tasks")), 0);
    task_end(&(struct kn_job_outcome){.state = KN_JOB_SUCCEEDED, .result = "{}"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_project_is_made_changed_listed_and_removed),
        cmocka_unit_test(projects_are_listed_by_name_prefix_and_tags),
        cmocka_unit_test(a_name_that_is_none_is_refused),
        cmocka_unit_test(there_is_one_region),
        cmocka_unit_test(a_task_is_recorded_runs_and_ends),
        cmocka_unit_test(a_failed_task_has_the_wires_code),
        cmocka_unit_test(tasks_are_listed_by_page_state_tag_and_time),
        cmocka_unit_test(what_is_wrong_is_refused_at_once),
        cmocka_unit_test(a_task_belongs_to_its_project),
        cmocka_unit_test(a_key_submits_only_what_it_covers),
    };
    return cmocka_run_group_tests_name("api/imm on the wire", tests, start, stop);
}
