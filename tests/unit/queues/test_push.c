/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "http/server.h"
#include "queues/message.h"
#include "queues/push.h"
#include "support/test_database.h"

// The receiver: counts requests and answers as it is told.
struct test {
    struct kn_db *db;
    struct kn_queues *queues;
    struct kn_signer *signer;
    struct kn_http_client *client;
    struct kn_http_server *server;
    struct kn_pushes *pushes;
    struct kn_arena arena;
    struct kn_error err;
    char url[300];
    _Atomic int64_t now_us;  // the queues' clock
    _Atomic int n_requests, n_now, n_most;
    _Atomic int status;      // 0: answer only after `is_released`
    _Atomic bool is_released;
};

static int64_t test_now(void *context)
{
    return atomic_load(&((struct test *)context)->now_us);
}

static void answer_on_pool(struct kn_http_request *request, void *context)
{
    struct test *test = context;
    int n_now = ++test->n_now;
    if (n_now > test->n_most)
        test->n_most = n_now;
    test->n_requests++;
    while (test->status == 0 && !test->is_released)
        kn_sleep_us(5000);
    test->n_now--;
    kn_http_reply(request, test->status ? test->status : 204, NULL, 0);
}

static void answer(struct kn_http_request *request, void *context)
{
    kn_http_run(request, answer_on_pool, context);
}

static void answer_error(struct kn_http_request *request, int status, const char *message,
                         void *context)
{
    (void)message;
    (void)context;
    kn_http_reply(request, status, NULL, 0);
}

static void receiver_start(struct test *test)
{
    struct kn_http_listener listener = {.address = "127.0.0.1:0", .handler = answer,
                                        .on_error = answer_error, .context = test};
    assert_int_equal(kn_http_server_new(&test->server, &(struct kn_http_config){.n_loops = 1},
                                        &test->err),
                     KN_OK);
    assert_int_equal(kn_http_server_listen(test->server, &listener, test->url, &test->err), KN_OK);
    assert_int_equal(kn_http_server_start(test->server, &test->err), KN_OK);
}

static void pushes_start(struct test *test)
{
    const struct kn_pushes_config config = {.queues = test->queues,
                                            .signer = test->signer,
                                            .client = test->client,
                                            .answer_limit_us = 20 * KN_SECOND};
    assert_int_equal(kn_pushes_new(&test->pushes, &config, &test->err), KN_OK);
    assert_int_equal(kn_pushes_start(test->pushes, "http://localhost/cert.pem", &test->err), KN_OK);
}

static int open_all(void **state)
{
    static const char *const allowed[] = {"127.0.0.1", NULL};
    struct test *test = calloc(1, sizeof(*test));
    test->now_us = 1000 * KN_DAY;
    test->status = 204;
    assert_int_equal(kn_db_open(&test->db, test_database_url(), &test->err), KN_OK);
    assert_int_equal(kn_queues_open(&test->queues,
                                    &(struct kn_queues_config){.db = test->db,
                                                               .account_id = "1234567890",
                                                               .now = test_now,
                                                               .now_context = test},
                                    &test->err),
                     KN_OK);
    assert_int_equal(kn_signer_open(&test->signer, test->db, &test->err), KN_OK);
    assert_int_equal(kn_http_client_new(&test->client,
                                        &(struct kn_http_client_config){.allowed_hosts = allowed},
                                        &test->err),
                     KN_OK);
    receiver_start(test);
    struct kn_topic topic = {.name = "t", .max_message_bytes = 65536};
    bool is_new;
    assert_int_equal(kn_topic_create(test->queues, &topic, &is_new, &test->err), KN_OK);
    *state = test;
    return 0;
}

static int close_all(void **state)
{
    struct test *test = *state;
    test->is_released = true;
    kn_pushes_free(&test->pushes);
    kn_http_server_stop(test->server, KN_SECOND);
    kn_http_server_free(&test->server);
    assert_int_equal(kn_topic_delete(test->queues, "t", &test->err), KN_OK);
    assert_int_equal(kn_queue_delete(test->queues, "q", &test->err), KN_OK);
    kn_http_client_free(&test->client);
    kn_signer_close(&test->signer);
    kn_queues_close(&test->queues);
    kn_db_close(&test->db);
    kn_arena_clear(&test->arena);
    free(test);
    return 0;
}

static void subscribe(struct test *test, const char *name, const char *endpoint, const char *tag,
                      enum kn_notify_strategy strategy)
{
    struct kn_subscription subscription = {.topic = "t", .strategy = strategy,
                                           .format = KN_NOTIFY_SIMPLIFIED};
    bool is_new;
    (void)kn_copy(subscription.name, sizeof(subscription.name), name);
    (void)kn_copy(subscription.endpoint, sizeof(subscription.endpoint), endpoint);
    (void)kn_copy(subscription.filter_tag, sizeof(subscription.filter_tag), tag);
    assert_int_equal(kn_subscription_create(test->queues, &subscription, &is_new, &test->err), KN_OK);
    assert_true(is_new);
}

static void publish(struct test *test, const char *body, const char *tag)
{
    char id[KN_ID_SIZE];
    assert_int_equal(kn_topic_publish(test->queues, "t", body, tag, id, &test->err), KN_OK);
}

static int64_t n_left(struct test *test)
{
    struct kn_topic topic;
    assert_int_equal(kn_topic_get(test->queues, "t", &topic, &test->err), KN_OK);
    return topic.n_messages;
}

static void until_left(struct test *test, int64_t n)
{
    for (int i = 0; i < 3000 && n_left(test) != n; i++)
        kn_sleep_us(10000);
    assert_int_equal(n_left(test), n);
}

static void until_requests(struct test *test, int n)
{
    for (int i = 0; i < 3000 && test->n_requests < n; i++)
        kn_sleep_us(10000);
    assert_true(test->n_requests >= n);
}

static void an_acknowledged_message_is_gone(void **state)
{
    struct test *test = *state;
    subscribe(test, "a", test->url, "", KN_NOTIFY_BACKOFF);
    subscribe(test, "b", test->url, "", KN_NOTIFY_BACKOFF);
    subscribe(test, "c", test->url, "other", KN_NOTIFY_BACKOFF);
    publish(test, "hello", "tag");
    assert_int_equal(n_left(test), 1); // nobody pushes yet
    pushes_start(test);
    until_left(test, 0);
    assert_int_equal(test->n_requests, 2);
}

// The clock stands still between attempts: each comes only when its time is there.
static void backoff_gives_up_after_three_retries(void **state)
{
    struct test *test = *state;
    test->status = 500;
    subscribe(test, "a", test->url, "", KN_NOTIFY_BACKOFF);
    pushes_start(test);
    publish(test, "hello", "");
    for (int n = 1; n <= 4; n++) {
        until_requests(test, n);
        // Until the failure is noted the row's time is that of its lease, half a minute on.
        for (int i = 0; i < 3000 && n < 4 && test->n_requests == n; i++) {
            test->now_us += KN_SECOND;
            kn_pushes_wake(test->pushes);
            kn_sleep_us(10000);
        }
    }
    until_left(test, 0);
    assert_int_equal(test->n_requests, 4);
}

static void strategies_wait_as_documented(void **state)
{
    (void)state;
    for (int n = 1; n <= 3; n++) {
        assert_int_equal(kn_push_wait_us(KN_NOTIFY_BACKOFF, n, 0), 10 * KN_SECOND);
        int64_t most = kn_push_wait_us(KN_NOTIFY_BACKOFF, n, UINT32_MAX);
        assert_true(most > 19 * KN_SECOND && most <= 20 * KN_SECOND);
    }
    assert_true(kn_push_wait_us(KN_NOTIFY_BACKOFF, 4, 0) < 0);
    int64_t sum = 0;
    for (int n = 1; n <= 176; n++) {
        int64_t wait = kn_push_wait_us(KN_NOTIFY_DECAY, n, 0);
        assert_int_equal(wait, n <= 9 ? (KN_SECOND << (n - 1)) : 512 * KN_SECOND);
        sum += wait;
    }
    assert_true(kn_push_wait_us(KN_NOTIFY_DECAY, 177, 0) < 0);
    assert_int_equal(sum, (511 + 167 * 512) * KN_SECOND); // about a day
}

static void at_most_eight_at_once(void **state)
{
    struct test *test = *state;
    test->status = 0;
    subscribe(test, "a", test->url, "", KN_NOTIFY_BACKOFF);
    for (int i = 0; i < 20; i++)
        publish(test, "hello", "");
    pushes_start(test);
    until_requests(test, 8);
    kn_sleep_us(200000);
    assert_int_equal(test->n_now, 8);
    test->is_released = true;
    until_left(test, 0);
    assert_int_equal(test->n_requests, 20);
    assert_true(test->n_most <= 8);
}

static void what_was_claimed_by_a_dead_server_is_pushed_again(void **state)
{
    struct test *test = *state;
    subscribe(test, "a", test->url, "", KN_NOTIFY_BACKOFF);
    publish(test, "hello", "");
    test->status = 0;
    pushes_start(test);
    until_requests(test, 1);
    // Another server begins while the answer is out; it looks again when the lease has ended.
    struct kn_pushes *first = KN_TAKE(test->pushes);
    pushes_start(test);
    test->now_us += 31 * KN_SECOND;
    kn_pushes_wake(test->pushes);
    until_requests(test, 2);
    test->is_released = true;
    until_left(test, 0);
    kn_pushes_free(&first);
}

static void a_queue_that_comes_later_gets_its_message(void **state)
{
    struct test *test = *state;
    subscribe(test, "a", "acs:mns:cn-shanghai:1234567890:queues/q", "", KN_NOTIFY_DECAY);
    pushes_start(test);
    publish(test, "early", "");
    assert_int_equal(n_left(test), 1);
    struct kn_queue queue = {.name = "q", .max_message_bytes = 1024, .retention_us = KN_DAY,
                             .visibility_us = KN_MINUTE};
    bool is_new;
    assert_int_equal(kn_queue_create(test->queues, &queue, &is_new, &test->err), KN_OK);
    for (int i = 0; i < 3000 && n_left(test) > 0; i++) {
        test->now_us += KN_SECOND;
        kn_pushes_wake(test->pushes);
        kn_sleep_us(10000);
    }
    publish(test, "late", "");
    struct kn_message got[2];
    size_t n = 0;
    int64_t wait_us;
    assert_int_equal(kn_message_receive(test->queues, "q", 2, &test->arena, got, &n, &wait_us,
                                        &test->err),
                     KN_OK);
    assert_int_equal(n, 2);
    assert_string_equal(got[0].body, "early");
    assert_string_equal(got[1].body, "late");
}

static void endpoints_are_checked(void **state)
{
    struct test *test = *state;
    static const char *const bad[] = {"", "ftp://host/", "http://", "http:///path", "http://a b/",
                                      "http://user:secret@host/", "mail:directmail:x",
                                      "sms:directsms:x", "acs:mns:r:1:topics/t", "acs:mns:r:1:queues/",
                                      "http://host/\xE4\xB8\xAD"};
    bool is_new;
    for (size_t i = 0; i < KN_COUNT(bad); i++) {
        struct kn_subscription subscription = {.topic = "t", .name = "s"};
        (void)kn_copy(subscription.endpoint, sizeof(subscription.endpoint), bad[i]);
        assert_int_equal(kn_subscription_create(test->queues, &subscription, &is_new, &test->err),
                         KN_EINVAL);
        assert_string_equal(test->err.reason, "EndpointInvalid");
    }
}

static void the_key_stays_the_same(void **state)
{
    struct test *test = *state;
    kn_auto(kn_signer_close) struct kn_signer *other = NULL;
    assert_int_equal(kn_signer_open(&other, test->db, &test->err), KN_OK);
    assert_string_equal(kn_signer_certificate(other), kn_signer_certificate(test->signer));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_acknowledged_message_is_gone),
        TEST(backoff_gives_up_after_three_retries),
        cmocka_unit_test(strategies_wait_as_documented),
        TEST(at_most_eight_at_once),
        TEST(what_was_claimed_by_a_dead_server_is_pushed_again),
        TEST(a_queue_that_comes_later_gets_its_message),
        TEST(endpoints_are_checked),
        TEST(the_key_stays_the_same),
    };
    return cmocka_run_group_tests_name("queues/push", tests, NULL, NULL);
}
