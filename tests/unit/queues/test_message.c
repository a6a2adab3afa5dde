/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "queues/message.h"
#include "queues/waiting.h"
#include "support/test_database.h"

struct test {
    struct kn_db *db;
    struct kn_queues *queues;
    struct kn_arena arena;
    struct kn_error err;
    _Atomic int64_t now_us; // the queues' clock
};

static int64_t test_now(void *context)
{
    return atomic_load(&((struct test *)context)->now_us);
}

static void queue_make(struct test *test, const char *name)
{
    struct kn_queue queue = {.max_message_bytes = 65536,
                             .retention_us = KN_DAY,
                             .visibility_us = 30 * KN_SECOND};
    bool is_new = false;
    (void)kn_copy(queue.name, sizeof(queue.name), name);
    assert_int_equal(kn_queue_create(test->queues, &queue, &is_new, &test->err), KN_OK);
}

static int open_queues(void **state)
{
    struct test *test = calloc(1, sizeof(*test));
    test->now_us = 1000 * KN_DAY;
    assert_int_equal(kn_db_open(&test->db, test_database_url(), &test->err), KN_OK);
    assert_int_equal(kn_queues_open(&test->queues,
                                    &(struct kn_queues_config){.db = test->db,
                                                               .now = test_now,
                                                               .now_context = test},
                                    &test->err),
                     KN_OK);
    queue_make(test, "q");
    *state = test;
    return 0;
}

static int close_queues(void **state)
{
    struct test *test = *state;
    assert_int_equal(kn_queue_delete(test->queues, "q", &test->err), KN_OK);
    int64_t n = 1000;
    while (n == 1000)
        assert_int_equal(kn_queues_prune(test->queues, 1000, &n, &test->err), KN_OK);
    kn_queues_close(&test->queues);
    kn_db_close(&test->db);
    kn_arena_clear(&test->arena);
    free(test);
    return 0;
}

static struct kn_message_send send_one(struct test *test, const char *body, int priority,
                                       int64_t delay_us)
{
    struct kn_message_send send = {.body = body, .priority = priority, .delay_us = delay_us};
    int64_t max = 0;
    assert_int_equal(kn_message_send(test->queues, "q", &send, 1, &max, &test->err), KN_OK);
    assert_false(send.is_too_long);
    return send;
}

static size_t receive(struct test *test, struct kn_message *out, int max)
{
    size_t n = 0;
    int64_t wait_us;
    assert_int_equal(kn_message_receive(test->queues, "q", max, &test->arena, out, &n, &wait_us,
                                        &test->err),
                     KN_OK);
    return n;
}

static kn_code delete_one(struct test *test, const char *receipt)
{
    kn_code code = KN_EBUG;
    assert_int_equal(kn_message_delete(test->queues, "q", &receipt, 1, &code, &test->err), KN_OK);
    return code;
}

static struct kn_queue counts(struct test *test)
{
    struct kn_queue queue;
    assert_int_equal(kn_queue_get(test->queues, "q", &queue, &test->err), KN_OK);
    return queue;
}

static void messages_come_by_priority_then_age(void **state)
{
    struct test *test = *state;
    (void)send_one(test, "first", 0, 0);
    (void)send_one(test, "urgent", 1, 0);
    (void)send_one(test, "second", 0, 0);
    (void)send_one(test, "idle", 16, 0);
    struct kn_message got[16];
    assert_int_equal(receive(test, got, 3), 3);
    assert_string_equal(got[0].body, "urgent");
    assert_string_equal(got[1].body, "first");
    assert_string_equal(got[2].body, "second");
    assert_int_equal(counts(test).n_active, 1);
    assert_int_equal(counts(test).n_inactive, 3);
    assert_int_equal(receive(test, got, 16), 1);
}

static void what_nobody_deletes_comes_back_with_a_new_handle(void **state)
{
    struct test *test = *state;
    struct kn_message_send sent = send_one(test, "again", 0, 0);
    struct kn_message first, second;
    assert_int_equal(receive(test, &first, 1), 1);
    assert_string_equal(first.id, sent.id);
    assert_int_equal(first.visible_us, test->now_us + 30 * KN_SECOND);
    assert_int_equal(receive(test, &second, 1), 0);
    test->now_us += 29 * KN_SECOND;
    assert_int_equal(receive(test, &second, 1), 0);
    test->now_us += KN_SECOND;
    assert_int_equal(counts(test).n_active, 1);
    assert_int_equal(delete_one(test, first.receipt), KN_ENOTFOUND);
    assert_int_equal(receive(test, &second, 1), 1);
    assert_string_equal(second.id, sent.id);
    assert_int_equal(second.n_dequeued, 2);
    assert_int_equal(second.first_dequeued_us, first.first_dequeued_us);
    assert_string_not_equal(second.receipt, first.receipt);
    assert_int_equal(delete_one(test, first.receipt), KN_ENOTFOUND);
    assert_int_equal(delete_one(test, second.receipt), KN_OK);
    assert_int_equal(delete_one(test, second.receipt), KN_ENOTFOUND);
}

static void a_delayed_message_appears_in_time_or_is_deleted_before(void **state)
{
    struct test *test = *state;
    struct kn_message_send sent = send_one(test, "later", 0, 60 * KN_SECOND);
    struct kn_message_send other = send_one(test, "never", 0, 60 * KN_SECOND);
    struct kn_message got;
    assert_int_equal(counts(test).n_delayed, 2);
    assert_int_equal(receive(test, &got, 1), 0);
    assert_int_equal(delete_one(test, other.receipt), KN_OK);
    test->now_us += 60 * KN_SECOND;
    size_t n = 0;
    assert_int_equal(kn_message_peek(test->queues, "q", 1, &test->arena, &got, &n, &test->err), KN_OK);
    assert_int_equal(n, 1);
    assert_string_equal(got.receipt, "");
    assert_int_equal(receive(test, &got, 1), 1);
    assert_string_equal(got.id, sent.id);
    assert_int_equal(delete_one(test, sent.receipt), KN_ENOTFOUND);
}

static void hiding_for_longer_replaces_the_handle(void **state)
{
    struct test *test = *state;
    (void)send_one(test, "slow work", 0, 0);
    struct kn_message got;
    char longer[KN_RECEIPT_SIZE];
    int64_t visible_us = 0;
    assert_int_equal(receive(test, &got, 1), 1);
    assert_int_equal(kn_message_hide(test->queues, "q", got.receipt, KN_HOUR, longer, &visible_us,
                                     &test->err),
                     KN_OK);
    assert_int_equal(visible_us, test->now_us + KN_HOUR);
    test->now_us += 31 * KN_SECOND;
    struct kn_message other;
    assert_int_equal(receive(test, &other, 1), 0);
    assert_int_equal(delete_one(test, got.receipt), KN_ENOTFOUND);
    assert_int_equal(kn_message_hide(test->queues, "q", got.receipt, KN_HOUR, longer, &visible_us,
                                     &test->err),
                     KN_ENOTFOUND);
}

static void made_up_handles_are_refused(void **state)
{
    struct test *test = *state;
    (void)send_one(test, "mine", 0, 0);
    struct kn_message got;
    assert_int_equal(receive(test, &got, 1), 1);
    char bent[KN_RECEIPT_SIZE];
    (void)kn_copy(bent, sizeof(bent), got.receipt);
    bent[strlen(bent) - 1] = bent[strlen(bent) - 1] == '0' ? '1' : '0';
    assert_int_equal(delete_one(test, bent), KN_EINVAL);
    assert_int_equal(delete_one(test, ""), KN_EINVAL);
    assert_int_equal(delete_one(test, "1-0-0-0-0000000000000000"), KN_EINVAL);
    for (const char *c = got.receipt; *c; c++)
        assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", *c));
    // A handle of one queue opens no other.
    queue_make(test, "other");
    const char *receipt = got.receipt;
    kn_code code = KN_OK;
    assert_int_equal(kn_message_delete(test->queues, "other", &receipt, 1, &code, &test->err), KN_OK);
    assert_int_equal(code, KN_EINVAL);
    assert_int_equal(kn_queue_delete(test->queues, "other", &test->err), KN_OK);
}

static void messages_end_with_their_retention(void **state)
{
    struct test *test = *state;
    (void)send_one(test, "old", 0, 0);
    test->now_us += KN_DAY;
    struct kn_message got;
    assert_int_equal(receive(test, &got, 1), 0);
    assert_int_equal(counts(test).n_active, 0);
    int64_t n = 0;
    assert_int_equal(kn_queues_prune(test->queues, 100, &n, &test->err), KN_OK);
    assert_int_equal(n, 1);
}

static void a_message_too_long_leaves_the_others(void **state)
{
    struct test *test = *state;
    struct kn_queue change = {.name = "q", .delay_us = -1, .max_message_bytes = 1024,
                              .retention_us = -1, .visibility_us = -1, .polling_wait_us = -1,
                              .is_logging = -1};
    assert_int_equal(kn_queue_set(test->queues, &change, &test->err), KN_OK);
    assert_int_equal(counts(test).visibility_us, 30 * KN_SECOND);
    char big[1026];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    struct kn_message_send sends[2] = {{.body = big}, {.body = "short"}};
    int64_t max = 0;
    assert_int_equal(kn_message_send(test->queues, "q", sends, 2, &max, &test->err), KN_OK);
    assert_true(sends[0].is_too_long);
    assert_int_equal(max, 1024);
    struct kn_message got[2];
    assert_int_equal(receive(test, got, 2), 1);
    assert_string_equal(got[0].body, "short");
}

static void a_queue_made_again_is_empty(void **state)
{
    struct test *test = *state;
    for (int i = 0; i < 5; i++)
        (void)send_one(test, "gone", 0, i % 2 ? KN_MINUTE : 0);
    assert_int_equal(kn_queue_delete(test->queues, "q", &test->err), KN_OK);
    int64_t max;
    struct kn_message_send send = {.body = "x"};
    assert_int_equal(kn_message_send(test->queues, "q", &send, 1, &max, &test->err), KN_ENOTFOUND);
    assert_string_equal(test->err.reason, "QueueNotExist");
    queue_make(test, "q");
    struct kn_message got;
    assert_int_equal(receive(test, &got, 1), 0);
    int64_t n = 0;
    assert_int_equal(kn_queues_prune(test->queues, 3, &n, &test->err), KN_OK);
    assert_int_equal(n, 3);
    assert_int_equal(kn_queues_prune(test->queues, 3, &n, &test->err), KN_OK);
    assert_int_equal(n, 2);
}

static void names_are_listed_in_pages(void **state)
{
    struct test *test = *state;
    static const char *const names[] = {"a-1", "a-2", "a-3", "b-1"};
    for (size_t i = 0; i < KN_COUNT(names); i++)
        queue_make(test, names[i]);
    struct kn_name_page page = {.prefix = "a-", .marker = "", .limit = 2};
    kn_auto(kn_free) struct kn_queue *list = NULL;
    size_t n = 0;
    assert_int_equal(kn_queue_list(test->queues, &page, true, &list, &n, &test->err), KN_OK);
    assert_int_equal(n, 2);
    assert_true(page.has_more);
    assert_string_equal(list[1].name, "a-2");
    page.marker = "a-2";
    kn_free(&list);
    assert_int_equal(kn_queue_list(test->queues, &page, false, &list, &n, &test->err), KN_OK);
    assert_int_equal(n, 1);
    assert_false(page.has_more);
    for (size_t i = 0; i < KN_COUNT(names); i++)
        assert_int_equal(kn_queue_delete(test->queues, names[i], &test->err), KN_OK);
}

/* ---- many at once ---- */

#define N_MESSAGES 400

struct crowd {
    struct test *test;
    _Atomic int n_got;
    _Atomic int n_times[N_MESSAGES]; // by the message's number
};

static void *crowd_main(void *context)
{
    struct crowd *crowd = context;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    while (crowd->n_got < N_MESSAGES) {
        struct kn_message got[4];
        size_t n = 0;
        int64_t wait_us;
        struct kn_error err = {0};
        if (kn_message_receive(crowd->test->queues, "q", 4, &arena, got, &n, &wait_us, &err) != KN_OK)
            return crowd; // a receive failed
        for (size_t i = 0; i < n; i++) {
            const char *receipt = got[i].receipt;
            kn_code code = KN_EBUG;
            if (kn_message_delete(crowd->test->queues, "q", &receipt, 1, &code, &err) != KN_OK ||
                code != KN_OK)
                return crowd; // a delete failed
            crowd->n_times[atoi(got[i].body)]++;
            crowd->n_got++;
        }
    }
    return NULL;
}

static void every_message_goes_to_one_receiver(void **state)
{
    struct test *test = *state;
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    crowd->test = test;
    pthread_t threads[4];
    for (size_t i = 0; i < KN_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, crowd), 0);
    for (int i = 0; i < N_MESSAGES; i++) {
        char body[16];
        (void)snprintf(body, sizeof(body), "%d", i);
        (void)send_one(test, body, 0, 0);
    }
    for (size_t i = 0; i < KN_COUNT(threads); i++) {
        void *failure = NULL;
        pthread_join(threads[i], &failure);
        assert_null(failure);
    }
    for (int i = 0; i < N_MESSAGES; i++)
        assert_int_equal(crowd->n_times[i], 1);
    free(crowd);
}

/* ---- waiting ---- */

static void count_wake(void *context)
{
    atomic_fetch_add((_Atomic int *)context, 1);
}

static void until(const _Atomic int *counter, int value)
{
    for (int i = 0; i < 3000 && *counter < value; i++)
        kn_sleep_us(10000);
    assert_int_equal(*counter, value);
}

static void a_send_wakes_as_many_as_it_brought(void **state)
{
    struct test *test = *state;
    _Atomic int n_woken = 0;
    bool is_over = true;
    int64_t deadline = kn_mono_us() + KN_HOUR;
    // What the poll finds would wake them, too: the messages are taken at once.
    test->now_us += KN_HOUR;
    unsigned ticket = kn_waiting_ticket(test->queues, "q");
    for (int i = 0; i < 3; i++)
        assert_true(kn_waiting_add(test->queues, "q", ticket, deadline, count_wake, &n_woken, &is_over));
    assert_int_equal(kn_waiting_length(test->queues), 3);
    kn_waiting_sent(test->queues, "q", 1);
    until(&n_woken, 1);
    assert_false(kn_waiting_add(test->queues, "q", ticket, deadline, count_wake, &n_woken, &is_over));
    assert_false(is_over);
    kn_waiting_drain(test->queues);
    assert_int_equal(n_woken, 3);
    ticket = kn_waiting_ticket(test->queues, "q");
    assert_false(kn_waiting_add(test->queues, "q", ticket, deadline, count_wake, &n_woken, &is_over));
    assert_true(is_over);
}

static void the_end_of_a_delay_a_deadline_and_a_removed_queue_wake(void **state)
{
    struct test *test = *state;
    _Atomic int n_woken = 0;
    bool is_over;
    int64_t deadline = kn_mono_us() + KN_HOUR;
    (void)send_one(test, "later", 0, KN_MINUTE);
    assert_true(kn_waiting_add(test->queues, "q", kn_waiting_ticket(test->queues, "q"), deadline,
                               count_wake, &n_woken, &is_over));
    test->now_us += KN_MINUTE;
    until(&n_woken, 1);
    queue_make(test, "p");
    assert_true(kn_waiting_add(test->queues, "p", kn_waiting_ticket(test->queues, "p"), deadline,
                               count_wake, &n_woken, &is_over));
    assert_int_equal(kn_queue_delete(test->queues, "p", &test->err), KN_OK);
    until(&n_woken, 2);
    queue_make(test, "empty");
    assert_true(kn_waiting_add(test->queues, "empty", kn_waiting_ticket(test->queues, "empty"),
                               kn_mono_us() + 1000, count_wake, &n_woken, &is_over));
    until(&n_woken, 3);
    assert_int_equal(kn_queue_delete(test->queues, "empty", &test->err), KN_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_queues, close_queues)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_come_by_priority_then_age),
        TEST(what_nobody_deletes_comes_back_with_a_new_handle),
        TEST(a_delayed_message_appears_in_time_or_is_deleted_before),
        TEST(hiding_for_longer_replaces_the_handle),
        TEST(made_up_handles_are_refused),
        TEST(messages_end_with_their_retention),
        TEST(a_message_too_long_leaves_the_others),
        TEST(a_queue_made_again_is_empty),
        TEST(names_are_listed_in_pages),
        TEST(every_message_goes_to_one_receiver),
        TEST(a_send_wakes_as_many_as_it_brought),
        TEST(the_end_of_a_delay_a_deadline_and_a_removed_queue_wake),
    };
    return cmocka_run_group_tests_name("queues/message", tests, NULL, NULL);
}
