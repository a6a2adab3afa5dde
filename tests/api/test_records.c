/* Pipelines, storage and the event callback (spec 02, sections 8 to 10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
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

static void pipelines_are_made_changed_and_removed(void **state)
{
    (void)state;
    json_auto_t *made = api_call(&server, "CreatePipeline", "Name=night&Priority=3&Speed=Boost");
    const json_t *pipeline = reply_at(made, "Pipeline");
    const char *id = reply_text(pipeline, "PipelineId");
    assert_string_equal(reply_text(pipeline, "Status"), "Active");
    assert_int_equal(json_integer_value(reply_at(pipeline, "Priority")), 3);

    assert_null(json_object_get(pipeline, "MaxRunning"));

    json_decref(api_call(&server, "UpdatePipeline", "PipelineId=%s&Status=Paused&MaxRunning=4", id));
    json_auto_t *got = api_call(&server, "GetPipeline", "PipelineId=%s", id);
    assert_string_equal(reply_text(reply_at(got, "Pipeline"), "Status"), "Paused");
    assert_string_equal(reply_text(reply_at(got, "Pipeline"), "Name"), "night");
    assert_int_equal(json_integer_value(reply_at(reply_at(got, "Pipeline"), "MaxRunning")), 4);
    assert_int_equal(json_integer_value(reply_at(reply_at(got, "Pipeline"), "Priority")), 3);

    json_auto_t *boost = api_call(&server, "ListPipelines", "Speed=Boost");
    assert_int_equal(json_array_size(reply_at(boost, "PipelineList")), 1);
    json_auto_t *all = api_call(&server, "ListPipelines", "%s", "");
    assert_int_equal(json_array_size(reply_at(all, "PipelineList")), 2); // and the default one

    json_decref(api_call(&server, "DeletePipeline", "PipelineId=%s", id));
    free(api_refused(&server, 404, "ResourceNotFound", "GetPipeline", "PipelineId=%s", id));
    free(api_refused(&server, 404, "ResourceNotFound", "DeletePipeline", "PipelineId=%s", id));
    free(api_refused(&server, 404, "ResourceNotFound", "UpdatePipeline", "PipelineId=%s", id));
}

static void the_default_pipeline_stays(void **state)
{
    (void)state;
    json_auto_t *all = api_call(&server, "ListPipelines", "Speed=Standard");
    const json_t *first = json_array_get(reply_at(all, "PipelineList"), 0);
    free(api_refused(&server, 400, "InvalidParameter.InvalidState", "DeletePipeline",
                     "PipelineId=%s", reply_text(first, "PipelineId")));
}

static void bad_pipelines_are_refused(void **state)
{
    (void)state;
    free(api_refused(&server, 400, "MissingParameter", "CreatePipeline", "Speed=Boost"));
    free(api_refused(&server, 400, "InvalidParameter", "CreatePipeline", "Name=a&Speed=Warp"));
    free(api_refused(&server, 400, "InvalidParameter.OutOfRange", "CreatePipeline",
                     "Name=a&Speed=Boost&Priority=11"));
    free(api_refused(&server, 400, "InvalidParameter.NumberFormatInvalid", "CreatePipeline",
                     "Name=a&Speed=Boost&Priority=x"));
}

static void storage_lists_buckets_and_the_default_one(void **state)
{
    (void)state;
    json_auto_t *unset = api_call(&server, "GetDefaultStorageLocation", "%s", "");
    assert_string_equal(reply_text(unset, "Status"), "notExist");
    free(api_refused(&server, 404, "ResourceNotFound", "SetDefaultStorageLocation",
                     "StorageType=user_oss_bucket&Bucket=nowhere"));
    assert_int_equal(kn_bucket_create(server.store, "media-tmp", "private", NULL), KN_OK);
    assert_int_equal(kn_bucket_create(server.store, "media-two", "private", NULL), KN_OK);
    json_decref(api_call(&server, "SetDefaultStorageLocation",
                         "StorageType=user_oss_bucket&Bucket=media-tmp&Path=ims/dir"));
    json_auto_t *got = api_call(&server, "GetDefaultStorageLocation", "%s", "");
    assert_string_equal(reply_text(got, "Bucket"), "media-tmp");
    assert_string_equal(reply_text(got, "Path"), "ims/dir");
    assert_string_equal(reply_text(got, "Status"), "Normal");
    json_auto_t *list = api_call(&server, "GetStorageList", "%s", "");
    assert_int_equal(json_array_size(reply_at(list, "StorageInfoList")), 2);
    json_auto_t *missing = api_call(&server, "GetStorageList", "Status=notExist");
    assert_int_equal(json_array_size(reply_at(missing, "StorageInfoList")), 0);
    assert_int_equal(kn_bucket_delete(server.store, "media-tmp", NULL), KN_OK);
    json_auto_t *gone = api_call(&server, "GetStorageList", "Status=notExist");
    assert_int_equal(json_array_size(reply_at(gone, "StorageInfoList")), 1);
}

static void the_callback_is_kept_as_it_was_set(void **state)
{
    (void)state;
    json_decref(api_call(&server, "SetEventCallback",
                         "CallbackType=HTTP&CallbackURL=http://hooks.example.lan/a?b=c"
                         "&EventTypeList=MediaConvertComplete&AuthSwitch=on&AuthKey=Test123"));
    json_auto_t *http = api_call(&server, "GetEventCallback", "%s", "");
    assert_string_equal(reply_text(http, "CallbackURL"), "http://hooks.example.lan/a?b=c");
    assert_string_equal(reply_text(http, "EventTypeList"), "MediaConvertComplete");
    assert_string_equal(reply_text(http, "AuthSwitch"), "on");
    assert_string_equal(reply_text(http, "AuthKey"), "Test123");
    json_decref(api_call(&server, "SetEventCallback",
                         "CallbackType=MNS&CallbackQueueName=ice-callback-q&EventTypeList=ALL"));
    json_auto_t *mns = api_call(&server, "GetEventCallback", "%s", "");
    assert_string_equal(reply_text(mns, "CallbackType"), "MNS");
    assert_string_equal(reply_text(mns, "CallbackQueueName"), "ice-callback-q");
    assert_null(json_object_get(mns, "AuthKey"));
}

static void bad_callbacks_are_refused(void **state)
{
    (void)state;
    free(api_refused(&server, 400, "MissingParameter", "SetEventCallback", "CallbackType=HTTP"));
    free(api_refused(&server, 400, "MissingParameter", "SetEventCallback", "CallbackType=MNS"));
    free(api_refused(&server, 400, "InvalidParameter", "SetEventCallback", "CallbackType=SMS"));
    free(api_refused(&server, 400, "InvalidParameter", "SetEventCallback", "CallbackURL=ftp://a/"));
    free(api_refused(&server, 400, "InvalidParameter", "SetEventCallback",
                     "CallbackType=MNS&CallbackQueueName=other"));
    free(api_refused(&server, 400, "MissingParameter", "SetEventCallback",
                     "CallbackURL=http://a.lan/&AuthSwitch=on"));
    free(api_refused(&server, 400, "InvalidParameter", "SetEventCallback",
                     "CallbackURL=http://a.lan/&AuthSwitch=on&AuthKey=lower"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelines_are_made_changed_and_removed),
        cmocka_unit_test(the_default_pipeline_stays),
        cmocka_unit_test(bad_pipelines_are_refused),
        cmocka_unit_test(storage_lists_buckets_and_the_default_one),
        cmocka_unit_test(the_callback_is_kept_as_it_was_set),
        cmocka_unit_test(bad_callbacks_are_refused),
    };
    return cmocka_run_group_tests_name("api-server/records", tests, start, stop);
}
