/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "events/mns_sink.h"
#include "queues/message.h"
#include "queues/topic.h"
#include "support/test_database.h"

static void targets_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *target, *name;
        bool is_topic;
    } cases[] = {
        {"ice-callback-films", "ice-callback-films", false},
        {"queues/films", "films", false},
        {"topics/news", "news", true},
        {"/topics/news", "news", true},
        {"acs:mns:cn-shanghai:1:queues/films", "films", false},
        {"acs:mns:cn-shanghai:1:topics/news", "news", true},
        {"mns://1.mns.cn-shanghai.aliyuncs.com/queues/films", "films", false},
        {"mns://1.mns.cn-shanghai.aliyuncs.com/topics/news", "news", true},
    };
    for (size_t i = 0; i < KN_COUNT(cases); i++) {
        bool is_topic = !cases[i].is_topic;
        assert_string_equal(kn_event_mns_name(cases[i].target, &is_topic), cases[i].name);
        assert_int_equal(is_topic, cases[i].is_topic);
    }
}

static struct kn_event_answer send_to(struct kn_queues *queues, const char *target)
{
    const struct kn_event_letter letter = {.target = target, .body = "{\"a\":1}", .n_body = 7};
    struct kn_event_answer answer = {0};
    struct kn_event_sink sink = kn_event_mns_sink(queues);
    sink.send(&letter, &answer, sink.context);
    return answer;
}

static void letters_arrive_in_queues_and_topics_that_are_there(void **state)
{
    (void)state;
    struct kn_db *db = NULL;
    struct kn_queues *queues = NULL;
    struct kn_error err = {0};
    assert_int_equal(kn_db_open(&db, test_database_url(), &err), KN_OK);
    assert_int_equal(kn_queues_open(&queues, &(struct kn_queues_config){.db = db}, &err), KN_OK);
    struct kn_event_answer answer = send_to(queues, "films");
    assert_false(answer.is_acknowledged);
    assert_non_null(strstr(answer.error, "queue 'films'"));
    answer = send_to(queues, "topics/news");
    assert_false(answer.is_acknowledged);
    assert_non_null(strstr(answer.error, "topic 'news'"));

    struct kn_queue queue = {.name = "films", .max_message_bytes = 1024, .retention_us = KN_DAY,
                             .visibility_us = KN_MINUTE};
    struct kn_topic topic = {.name = "news", .max_message_bytes = 1024};
    struct kn_subscription subscription = {.topic = "news", .name = "s",
                                           .endpoint = "acs:mns:r:1:queues/films",
                                           .format = KN_NOTIFY_SIMPLIFIED};
    bool is_new;
    assert_int_equal(kn_queue_create(queues, &queue, &is_new, &err), KN_OK);
    assert_int_equal(kn_topic_create(queues, &topic, &is_new, &err), KN_OK);
    assert_int_equal(kn_subscription_create(queues, &subscription, &is_new, &err), KN_OK);
    assert_true(send_to(queues, "films").is_acknowledged);
    assert_true(send_to(queues, "topics/news").is_acknowledged);

    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_message got[3];
    size_t n = 0;
    int64_t wait_us;
    assert_int_equal(kn_message_receive(queues, "films", 3, &arena, got, &n, &wait_us, &err), KN_OK);
    assert_int_equal(n, 2);
    assert_string_equal(got[0].body, "{\"a\":1}");
    assert_string_equal(got[1].body, "{\"a\":1}");
    kn_queues_close(&queues);
    kn_db_close(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_told_apart),
        cmocka_unit_test(letters_arrive_in_queues_and_topics_that_are_there),
    };
    return cmocka_run_group_tests_name("events/mns_sink", tests, NULL, NULL);
}
