/* Media assets: registering files of buckets, looking at them, converting them by their ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "support/api_server.h"

static struct api_server server;

static int start(void **state)
{
    (void)state;
    api_server_start(&server);
    assert_int_equal(kn_bucket_create(server.store, "films", "private", NULL), KN_OK);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_server_stop(&server);
    return 0;
}

static void object_put(const char *key, const char *content_type)
{
    struct kn_object_writer *writer = NULL;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    const struct kn_put_options options = {.content_type = content_type};
    assert_int_equal(kn_object_create(server.store, "films", key, &options, &writer, NULL), KN_OK);
    assert_int_equal(kn_object_write(writer, "film", 4, NULL), KN_OK);
    assert_int_equal(kn_object_commit(writer, &info, NULL), KN_OK);
    kn_object_writer_free(&writer);
}

static void a_registered_file_has_one_id(void **state)
{
    (void)state;
    object_put("in/a.mp4", "video/mp4");
    json_auto_t *made = api_call(&server, "RegisterMediaInfo", "InputURL=oss://films/in/a.mp4&"
                                                               "Title=A&UserData=42");
    const char *id = reply_text(made, "MediaId");
    assert_int_equal(strlen(id), 32);
    static const char *const forms[] = {
        "OSS://films/in/a.mp4", "https://films.oss-cn-shanghai.aliyuncs.com/in/a.mp4",
        "http://films.oss.example.lan/in/a.mp4", "http://oss.example.lan/films/in/a.mp4"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        json_auto_t *again = api_call(&server, "RegisterMediaInfo", "InputURL=%s", forms[i]);
        assert_string_equal(reply_text(again, "MediaId"), id);
        json_auto_t *got = api_call(&server, "GetMediaInfo", "InputURL=%s", forms[i]);
        assert_string_equal(reply_text(reply_at(got, "MediaInfo"), "MediaId"), id);
    }
    json_auto_t *got = api_call(&server, "GetMediaInfo", "MediaId=%s", id);
    const json_t *info = reply_at(got, "MediaInfo"), *basic = reply_at(info, "MediaBasicInfo");
    assert_string_equal(reply_text(basic, "Title"), "A");
    assert_string_equal(reply_text(basic, "UserData"), "42");
    assert_string_equal(reply_text(basic, "MediaType"), "video");
    const json_t *file = reply_at(json_array_get(reply_at(info, "FileInfoList"), 0), "FileBasicInfo");
    assert_string_equal(reply_text(file, "FileSize"), "4");
    assert_string_equal(reply_text(file, "FileName"), "a.mp4");

    json_decref(api_call(&server, "UpdateMediaInfo", "MediaId=%s&Title=B", id));
    json_auto_t *changed = api_call(&server, "GetMediaInfo", "MediaId=%s", id);
    basic = reply_at(reply_at(changed, "MediaInfo"), "MediaBasicInfo");
    assert_string_equal(reply_text(basic, "Title"), "B");
    assert_string_equal(reply_text(basic, "UserData"), "42");

    json_auto_t *other =
        api_call(&server, "RegisterMediaInfo", "InputURL=oss://films/in/a.mp4&Overwrite=true");
    assert_string_not_equal(reply_text(other, "MediaId"), id);
    free(api_refused(&server, 404, "ResourceNotFound", "GetMediaInfo", "MediaId=%s", id));
}

static void what_is_no_file_here_is_refused(void **state)
{
    (void)state;
    free(api_refused(&server, 404, "ResourceNotFound", "RegisterMediaInfo",
                     "InputURL=oss://films/absent.mp4"));
    free(api_refused(&server, 400, "InvalidParameter", "RegisterMediaInfo",
                     "InputURL=https://elsewhere.example.com/a.mp4"));
    free(api_refused(&server, 400, "MissingParameter", "GetMediaInfo", "%s", ""));
    struct kn_key narrow = {.role = KN_ROLE_OPERATE, .bucket_prefix = "other"};
    assert_int_equal(kn_access_create(server.access, &narrow, NULL), KN_OK);
    json_auto_t *params = api_params("InputURL=oss://films/in/a.mp4");
    const struct api_request request = {
        .action = "RegisterMediaInfo", .params = params, .key = &narrow};
    kn_auto(api_reply_clear) struct api_reply reply;
    api_send(&server, &reply, &request);
    assert_int_equal(reply.status, 403);

    json_auto_t *page = json_pack("{s:s}", "MaxResults", "100");
    const struct api_request listing = {.action = "ListMediaBasicInfos", .params = page, .key = &narrow};
    kn_auto(api_reply_clear) struct api_reply few;
    api_send(&server, &few, &listing);
    assert_int_equal(few.status, 200);
    assert_int_equal(reply_number(few.json, "TotalCount"), 0);
    assert_int_equal(json_array_size(reply_at(few.json, "MediaInfos")), 0);
}

static void a_job_names_its_input_by_id(void **state)
{
    (void)state;
    object_put("in/b.mov", "video/quicktime");
    json_auto_t *made = api_call(&server, "RegisterMediaInfo", "InputURL=oss://films/in/b.mov");
    const char *id = reply_text(made, "MediaId");
    json_auto_t *submitted = api_call(
        &server, "SubmitMediaConvertJob",
        "Config={\"Inputs\":[{\"InputFile\":{\"Type\":\"Media\",\"Media\":\"%s\"}}],"
        "\"OutputGroups\":[{\"Name\":\"files\",\"GroupConfig\":{\"Type\":\"File\","
        "\"OutputFileBase\":{\"Type\":\"OSS\",\"Media\":\"oss://films/out/\"}},\"Outputs\":["
        "{\"OutputFileName\":\"b.mp4\",\"TemplateId\":\"Video-360P\"}]}]}", id);
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_job job = {0};
    assert_int_equal(kn_jobs_get(server.jobs, reply_text(submitted, "JobId"), &arena, &job, NULL), KN_OK);
    json_auto_t *spec = json_loads(job.spec, 0, NULL);
    assert_string_equal(reply_text(json_array_get(reply_at(spec, "Inputs"), 0), "Uri"), "oss://films/in/b.mov");
    json_auto_t *got = api_call(&server, "GetMediaConvertJob", "JobId=%s", job.id);
    const json_t *input = json_array_get(reply_at(reply_at(reply_at(got, "Job"), "Config"), "Inputs"), 0);
    assert_string_equal(reply_text(reply_at(input, "InputFile"), "Media"), id);
}

static void lists_go_page_by_page(void **state)
{
    (void)state;
    object_put("in/c.wav", "audio/wav");
    object_put("in/d.wav", "audio/wav");
    json_auto_t *c = api_call(&server, "RegisterMediaInfo", "InputURL=oss://films/in/c.wav");
    json_auto_t *d = api_call(&server, "RegisterMediaInfo", "InputURL=oss://films/in/d.wav");
    json_auto_t *one = api_call(&server, "ListMediaBasicInfos",
                                "MediaType=audio&MaxResults=1&IncludeFileBasicInfo=true");
    assert_int_equal(json_integer_value(reply_at(one, "TotalCount")), 2);
    const json_t *first = json_array_get(reply_at(one, "MediaInfos"), 0);
    assert_string_equal(reply_text(first, "MediaId"), reply_text(d, "MediaId"));
    assert_int_equal(json_array_size(reply_at(first, "FileInfoList")), 1);
    json_auto_t *two = api_call(&server, "ListMediaBasicInfos",
                                "MediaType=audio&MaxResults=1&NextToken=%s", reply_text(one, "NextToken"));
    assert_string_equal(reply_text(json_array_get(reply_at(two, "MediaInfos"), 0), "MediaId"),
                        reply_text(c, "MediaId"));
    assert_string_equal(reply_text(two, "NextToken"), "");
    json_auto_t *oldest = api_call(&server, "ListMediaBasicInfos", "MediaType=audio&SortBy=asc");
    assert_string_equal(reply_text(json_array_get(reply_at(oldest, "MediaInfos"), 0), "MediaId"),
                        reply_text(c, "MediaId"));
    free(api_refused(&server, 400, "InvalidParameter", "ListMediaBasicInfos", "NextToken=nonsense"));
}

static void deleting_forgets_ids_and_files_when_asked(void **state)
{
    (void)state;
    object_put("in/e.mp4", "video/mp4");
    object_put("in/f.mp4", "video/mp4");
    json_auto_t *e = api_call(&server, "RegisterMediaInfo", "InputURL=oss://films/in/e.mp4");
    json_auto_t *f = api_call(&server, "RegisterMediaInfo", "InputURL=oss://films/in/f.mp4");
    json_auto_t *kept =
        api_call(&server, "DeleteMediaInfos", "MediaIds=%s,none", reply_text(e, "MediaId"));
    assert_int_equal(json_array_size(reply_at(kept, "IgnoredList")), 1);
    json_auto_t *gone = api_call(&server, "DeleteMediaInfos",
                                 "InputURLs=oss://films/in/f.mp4&DeletePhysicalFiles=true");
    assert_int_equal(json_array_size(reply_at(gone, "IgnoredList")), 0);
    free(api_refused(&server, 404, "ResourceNotFound", "GetMediaInfo", "MediaId=%s",
                     reply_text(f, "MediaId")));
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    assert_int_equal(kn_object_stat(server.store, "films", "in/e.mp4", &info, NULL), KN_OK);
    assert_int_equal(kn_object_stat(server.store, "films", "in/f.mp4", &info, NULL), KN_ENOTFOUND);
}

static void registering_and_deleting_are_told(void **state)
{
    (void)state;
    json_decref(api_call(&server, "SetEventCallback",
                         "CallbackType=HTTP&CallbackURL=http://hooks.example.com/&EventTypeList=ALL"));
    object_put("in/g.mp4", "video/mp4");
    json_auto_t *g = api_call(&server, "RegisterMediaInfo", "InputURL=oss://films/in/g.mp4");
    const char *id = reply_text(g, "MediaId");
    json_decref(api_call(&server, "DeleteMediaInfos", "MediaIds=%s", id));
    json_auto_t *list = api_call(&server, "ListEventDeliveries", "JobId=%s", id);
    const json_t *deliveries = reply_at(list, "Deliveries");
    assert_int_equal(json_array_size(deliveries), 2);
    assert_string_equal(reply_text(json_array_get(deliveries, 0), "EventType"), "DeleteMediaComplete");
    assert_string_equal(reply_text(json_array_get(deliveries, 1), "EventType"), "RegisterMediaComplete");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registered_file_has_one_id),
        cmocka_unit_test(what_is_no_file_here_is_refused),
        cmocka_unit_test(a_job_names_its_input_by_id),
        cmocka_unit_test(lists_go_page_by_page),
        cmocka_unit_test(deleting_forgets_ids_and_files_when_asked),
        cmocka_unit_test(registering_and_deleting_are_told),
    };
    return cmocka_run_group_tests_name("api-server/media", tests, start, stop);
}
