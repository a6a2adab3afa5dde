/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rules on the wire, and what changes of objects say because of them. Nothing is delivered here: the test reads
 * the delivery log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"
#include "events/callback.h"
#include "events/object_notice.h"
#include "support/api_server.h"

#define RULE                                                                                       \
    "RuleName=arrivals&EventTypes=[\"ObjectCreated:*\"]&"                                          \
    "MatchRules=[[{\"Prefix\":\"acs:oss:cn-shanghai:1:films/in/\",\"Suffix\":\".mp4\"}]]&"         \
    "Endpoint={\"EndpointType\":\"queue\",\"EndpointValue\":\"arrivals\"}"

static struct api_server server;

static int start(void **state)
{
    (void)state;
    static struct kn_event_source source = {.account_id = 1000000000000001, .region = "cn-shanghai"};
    api_server_start(&server);
    kn_store_set_hook(server.store, kn_events_on_object, &source);
    return kn_bucket_create(server.store, "films", NULL, NULL) == KN_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    api_server_stop(&server);
    return 0;
}

static void object_put(const char *key, const char *text)
{
    struct kn_error err = {0};
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    if (kn_object_create(server.store, "films", key, &(struct kn_put_options){0}, &writer, &err) != KN_OK ||
        kn_object_write(writer, text, strlen(text), &err) != KN_OK ||
        kn_object_commit(writer, NULL, &err) != KN_OK)
        fail_msg("%s", err.message);
}

static void object_append(const char *key, int64_t position, const char *text)
{
    struct kn_error err = {0};
    int64_t length;
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    if (kn_object_create(server.store, "films", key, &(struct kn_put_options){.is_append = true}, &writer,
                         &err) != KN_OK ||
        kn_object_write(writer, text, strlen(text), &err) != KN_OK ||
        kn_object_append(writer, position, &length, NULL, &err) != KN_OK)
        fail_msg("%s", err.message);
}

/* Deliveries about films/`key`, newest first: a new reference. */
static json_t *told(const char *key)
{
    json_auto_t *answer = api_call(&server, "ListEventDeliveries", "JobId=films/%s", key);
    return json_deep_copy(reply_at(answer, "Deliveries"));
}

/* The event that a delivery carries, out of its base64. A new reference. */
static json_t *event_of(const json_t *delivery)
{
    json_auto_t *answer = api_call(&server, "GetEventDelivery", "DeliveryId=%s",
                                   reply_text(delivery, "DeliveryId"));
    const char *body = reply_text(answer, "Body");
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    assert_true(kn_unbase64(&text, body, strlen(body)));
    json_auto_t *message = json_loads(kn_buf_text(&text), 0, NULL);
    return json_incref(json_array_get(reply_at(message, "events"), 0));
}

static void a_rule_is_made_shown_listed_and_removed(void **state)
{
    (void)state;
    json_decref(api_call(&server, "CreateEventRule", RULE));
    json_decref(api_call(&server, "CreateEventRule", RULE)); // the same again
    free(api_refused(&server, 409, "EventRuleExists", "CreateEventRule",
                     "RuleName=arrivals&EventTypes=[\"ObjectRemoved:*\"]&MatchRules=[[{\"Name\":\"films\"}]]&"
                     "Endpoints=[{\"EndpointType\":\"topic\",\"EndpointValue\":\"news\"}]"));
    json_auto_t *got = api_call(&server, "GetEventRule", "ProductName=oss&RuleName=arrivals");
    assert_string_equal(reply_text(reply_at(reply_at(got, "Data"), "Endpoint"), "EndpointValue"), "arrivals");

    json_decref(api_call(&server, "CreateEventRule",
                         "RuleName=gone&EventTypes=[\"ObjectRemoved:*\"]&MatchRules=[[{\"Name\":\"other\"}]]&"
                         "Endpoints=[{\"EndpointType\":\"topic\",\"EndpointValue\":\"news\"}]"));
    json_auto_t *first = api_call(&server, "ListEventRules", "MaxResults=1");
    assert_int_equal(reply_number(reply_at(first, "Data"), "Total"), 2);
    json_auto_t *next = api_call(&server, "ListEventRules", "MaxResults=1&NextToken=%s",
                                 reply_text(reply_at(first, "Data"), "NextToken"));
    const json_t *page = reply_at(reply_at(next, "Data"), "PageData");
    assert_string_equal(reply_text(json_array_get(page, 0), "TopicName"), "news");
    json_auto_t *of_bucket = api_call(&server, "ListEventRules", "ResourceName=films");
    assert_int_equal(reply_number(reply_at(of_bucket, "Data"), "Total"), 1);

    json_decref(api_call(&server, "DeleteEventRule", "RuleName=gone"));
    json_decref(api_call(&server, "DeleteEventRule", "RuleName=arrivals"));
    free(api_refused(&server, 404, "EventRuleNotExist", "GetEventRule", "RuleName=arrivals"));
    free(api_refused(&server, 404, "EventRuleNotExist", "DeleteEventRule", "RuleName=arrivals"));
}

static void what_cannot_be_announced_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const cases[][4] = {
        {"[\"ObjectDownloaded:GetObject\"]", "[[{\"Name\":\"b\"}]]", "queue", "EventTypes"},
        {"[\"ObjectCreated:*\"]", "[[{\"Name\":\"b\",\"Suffix\":\".mp4\"}]]", "queue", "MatchRules"},
        {"[\"ObjectCreated:*\"]", "[[{\"MatchState\":true}]]", "queue", "MatchRules"},
        {"[\"ObjectCreated:*\"]", "[[]]", "queue", "MatchRules"},
        {"[\"ObjectCreated:*\"]", "[[{\"Name\":\"b\"}]]", "http", "Endpoint.EndpointType"},
    };
    for (size_t i = 0; i < KN_COUNT(cases); i++) {
        kn_auto(kn_free) char *message = api_refused(
            &server, 400, "InvalidParameter", "CreateEventRule",
            "RuleName=bad&EventTypes=%s&MatchRules=%s&Endpoint={\"EndpointType\":\"%s\",\"EndpointValue\":\"q\"}",
            cases[i][0], cases[i][1], cases[i][2]);
        assert_non_null(strstr(message, cases[i][3]));
    }
    free(api_refused(&server, 400, "MissingParameter", "CreateEventRule",
                     "RuleName=bad&EventTypes=[\"ObjectCreated:*\"]&MatchRules=[[{\"Name\":\"b\"}]]"));
}

static void uploads_that_a_rule_names_are_announced(void **state)
{
    (void)state;
    object_put("in/before.mp4", "nobody listens");
    json_decref(api_call(&server, "CreateEventRule", RULE));
    object_put("in/a.mp4", "hello");
    object_put("in/a.mp4", "hello again");
    object_put("in/a.txt", "another suffix");
    object_put("out/a.mp4", "another prefix");
    json_auto_t *none = told("in/before.mp4"), *text = told("in/a.txt"), *out = told("out/a.mp4");
    assert_int_equal(json_array_size(none) + json_array_size(text) + json_array_size(out), 0);

    json_auto_t *both = told("in/a.mp4");
    assert_int_equal(json_array_size(both), 2);
    const json_t *second = json_array_get(both, 0);
    assert_string_equal(reply_text(second, "Subscriber"), "rule:arrivals");
    assert_string_equal(reply_text(second, "Target"), "arrivals");
    json_auto_t *event = event_of(second);
    assert_string_equal(reply_text(event, "eventName"), "ObjectCreated:PutObject");
    const json_t *oss = reply_at(event, "oss");
    assert_string_equal(reply_text(oss, "ruleId"), "arrivals");
    assert_string_equal(reply_text(reply_at(oss, "bucket"), "arn"),
                        "acs:oss:cn-shanghai:1000000000000001:films");
    const json_t *object = reply_at(oss, "object");
    assert_string_equal(reply_text(object, "key"), "in/a.mp4");
    assert_int_equal(reply_number(object, "size"), 11);
    assert_int_equal(reply_number(object, "deltaSize"), 6);
    json_decref(api_call(&server, "DeleteEventRule", "RuleName=arrivals"));
}

static void copies_appends_and_removals_say_what_they_are(void **state)
{
    (void)state;
    json_decref(api_call(&server, "CreateEventRule",
                         "RuleName=all&EventTypes=ObjectCreated:*,ObjectRemoved:*&"
                         "MatchRules=[[{\"Name\":\"films\"},{\"Prefix\":\"films/secret/\",\"MatchState\":false}]]&"
                         "Endpoint={\"EndpointType\":\"topic\",\"EndpointValue\":\"news\"}"));
    object_put("secret/x", "not for everybody");
    json_auto_t *secret = told("secret/x");
    assert_int_equal(json_array_size(secret), 0);

    object_append("log", 0, "abc");
    object_append("log", 3, "de");
    json_auto_t *log = told("log");
    json_auto_t *append = event_of(json_array_get(log, 0));
    assert_string_equal(reply_text(append, "eventName"), "ObjectCreated:AppendObject");
    assert_int_equal(reply_number(reply_at(reply_at(append, "oss"), "object"), "position"), 3);
    assert_int_equal(reply_number(reply_at(reply_at(append, "oss"), "object"), "deltaSize"), 2);

    const struct kn_copy copy = {.from_bucket = "films", .from_key = "log", .to_bucket = "films", .to_key = "copy"};
    assert_int_equal(kn_object_copy(server.store, &copy, NULL, NULL), KN_OK);
    assert_int_equal(kn_object_delete(server.store, "films", "copy", NULL, NULL), KN_OK);
    json_auto_t *copied = told("copy");
    assert_int_equal(json_array_size(copied), 2);
    assert_string_equal(reply_text(json_array_get(copied, 1), "EventType"), "ObjectCreated:CopyObject");
    assert_string_equal(reply_text(json_array_get(copied, 0), "EventType"), "ObjectRemoved:DeleteObject");
    assert_string_equal(reply_text(json_array_get(copied, 0), "Target"), "topics/news");
    json_auto_t *removal = event_of(json_array_get(copied, 0));
    assert_int_equal(reply_number(reply_at(reply_at(removal, "oss"), "object"), "deltaSize"), -5);
    json_decref(api_call(&server, "DeleteEventRule", "RuleName=all"));
}

static void the_accounts_callback_hears_of_objects_when_it_names_them(void **state)
{
    (void)state;
    struct kn_callback callback = {.type = "HTTP", .url = "http://127.0.0.1:9/", .event_types = "ALL"};
    assert_int_equal(kn_callback_set(server.db, &callback, NULL), KN_OK);
    object_put("quiet", "x");
    (void)kn_copy(callback.event_types, sizeof(callback.event_types), "MediaConvertComplete,ObjectCreated:*");
    assert_int_equal(kn_callback_set(server.db, &callback, NULL), KN_OK);
    object_put("loud", "x");
    assert_int_equal(kn_object_delete(server.store, "films", "loud", NULL, NULL), KN_OK);
    json_auto_t *quiet = told("quiet"), *loud = told("loud");
    assert_int_equal(json_array_size(quiet), 0);
    assert_int_equal(json_array_size(loud), 1);
    assert_string_equal(reply_text(json_array_get(loud, 0), "Subscriber"), "account");
    assert_int_equal(kn_callback_set(server.db, &(struct kn_callback){0}, NULL), KN_OK);
}

static void a_change_that_is_refused_says_nothing(void **state)
{
    (void)state;
    json_decref(api_call(&server, "CreateEventRule", RULE));
    object_put("in/once.mp4", "first");
    struct kn_error err = {0};
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    const struct kn_put_options md5 = {.content_md5 = "AAAAAAAAAAAAAAAAAAAAAA=="};
    assert_int_equal(kn_object_create(server.store, "films", "in/once.mp4", &md5, &writer, &err), KN_OK);
    assert_int_equal(kn_object_write(writer, "x", 1, &err), KN_OK);
    assert_int_not_equal(kn_object_commit(writer, NULL, &err), KN_OK);
    json_auto_t *once = told("in/once.mp4");
    assert_int_equal(json_array_size(once), 1);
    json_decref(api_call(&server, "DeleteEventRule", "RuleName=arrivals"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_made_shown_listed_and_removed),
        cmocka_unit_test(what_cannot_be_announced_is_refused_by_name),
        cmocka_unit_test(uploads_that_a_rule_names_are_announced),
        cmocka_unit_test(copies_appends_and_removals_say_what_they_are),
        cmocka_unit_test(the_accounts_callback_hears_of_objects_when_it_names_them),
        cmocka_unit_test(a_change_that_is_refused_says_nothing),
    };
    return cmocka_run_group_tests_name("api/events", tests, start, stop);
}
