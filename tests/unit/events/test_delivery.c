/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/metrics.h"
#include "base/strings.h"
#include "base/time.h"
#include "db/db.h"
#include "events/callback.h"
#include "events/delivery.h"
#include "events/delivery_log.h"
#include "events/outbox.h"
#include "support/test_database.h"

/* ---- a receiver that says what the test tells it to, and remembers what it heard ---- */

#define MAX_HEARD 512

static struct {
    pthread_mutex_t lock;
    // --- protected by lock
    struct {
        char target[64];
        int number; // MessageBody.N
    } heard[MAX_HEARD];
    int n_heard, n_refused, n_at_once, most_at_once;
    char refuses[64];    // targets that begin with this are refused
    int64_t delay_us;    // of targets that are refused
} receiver = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic int64_t clock_us;

static int64_t test_now(void *context)
{
    (void)context;
    return atomic_load(&clock_us);
}

static void receive(const struct kn_event_letter *letter, struct kn_event_answer *out, void *context)
{
    (void)context;
    json_auto_t *envelope = json_loads(letter->body, 0, NULL);
    json_t *body = json_object_get(envelope, "MessageBody");
    pthread_mutex_lock(&receiver.lock);
    bool is_refused = receiver.refuses[0] && kn_starts_with(letter->target, receiver.refuses);
    int64_t delay_us = is_refused ? receiver.delay_us : 0;
    if (++receiver.n_at_once > receiver.most_at_once)
        receiver.most_at_once = receiver.n_at_once;
    pthread_mutex_unlock(&receiver.lock);
    if (delay_us)
        kn_sleep_us(delay_us);
    pthread_mutex_lock(&receiver.lock);
    receiver.n_at_once--;
    out->status = is_refused ? 503 : 204;
    out->is_acknowledged = !is_refused;
    if (is_refused) {
        receiver.n_refused++;
        (void)snprintf(out->error, sizeof(out->error), "the receiver answered 503");
    } else if (receiver.n_heard < MAX_HEARD) {
        (void)kn_copy(receiver.heard[receiver.n_heard].target, 64, letter->target);
        receiver.heard[receiver.n_heard++].number =
            (int)json_integer_value(json_object_get(body, "N"));
    }
    pthread_mutex_unlock(&receiver.lock);
}

static int heard_count(void)
{
    pthread_mutex_lock(&receiver.lock);
    int n = receiver.n_heard;
    pthread_mutex_unlock(&receiver.lock);
    return n;
}

static int refused_count(void)
{
    pthread_mutex_lock(&receiver.lock);
    int n = receiver.n_refused;
    pthread_mutex_unlock(&receiver.lock);
    return n;
}

static void refuse(const char *prefix, int64_t delay_us)
{
    pthread_mutex_lock(&receiver.lock);
    (void)kn_copy(receiver.refuses, sizeof(receiver.refuses), prefix);
    receiver.delay_us = delay_us;
    pthread_mutex_unlock(&receiver.lock);
}

static void wait_for(int (*count)(void), int n)
{
    for (int64_t end = kn_mono_us() + 20 * KN_SECOND; count() < n; kn_sleep_us(1000))
        if (kn_mono_us() > end)
            fail_msg("waited for %d, have %d", n, count());
}

/* ---- a database and its events ---- */

static struct kn_db *db;
static struct kn_events *events;

static void events_begin(bool has_test_clock)
{
    struct kn_error err = {0};
    struct kn_events_config config = {.db = db, .max_threads = 8, .max_per_receiver = 2};
    if (has_test_clock)
        config.now = test_now;
    if (kn_events_new(&events, &config, &err) != KN_OK)
        fail_msg("%s", err.message);
    kn_events_set_sink(events, "http", (struct kn_event_sink){.send = receive});
    if (kn_events_start(events, &err) != KN_OK)
        fail_msg("%s", err.message);
}

static kn_code empty_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    static const char *const tables[] = {"event", "event_delivery", "event_attempt",
                                         "event_callback"};
    kn_code rc = KN_OK;
    for (size_t i = 0; i < KN_COUNT(tables) && rc == KN_OK; i++) {
        char sql[64];
        (void)snprintf(sql, sizeof(sql), "DELETE FROM %s", tables[i]);
        rc = kn_tx_run(tx, NULL, err, sql, "");
    }
    return rc;
}

static int setup(void **state)
{
    (void)state;
    struct kn_error err = {0};
    if (kn_db_open(&db, test_database_url(), &err) != KN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(kn_db_write(db, empty_tx, NULL, &err), KN_OK);
    atomic_store(&clock_us, kn_now_us() + KN_MINUTE); // ahead of the database's, which dates new rows
    pthread_mutex_lock(&receiver.lock);
    receiver.n_heard = receiver.n_refused = receiver.n_at_once = receiver.most_at_once = 0;
    receiver.refuses[0] = '\0';
    receiver.delay_us = 0;
    pthread_mutex_unlock(&receiver.lock);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kn_events_free(&events);
    kn_db_close(&db);
    return 0;
}

struct saying {
    const char *subject, *notify;
    int from, n;
    kn_code end; // what the transaction answers
};

static kn_code say_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct saying *saying = context;
    for (int i = 0; i < saying->n; i++) {
        json_auto_t *body = json_pack("{s:i}", "N", saying->from + i);
        struct kn_event event = {.name = "MediaConvertComplete", .subject = saying->subject,
                                 .message_body = body, .notify_address = saying->notify,
                                 .account_id = 1000000000000001, .at_us = kn_now_us()};
        kn_code rc = kn_outbox_add(tx, &event, err);
        if (rc != KN_OK)
            return rc;
    }
    return saying->end;
}

static void say(const char *subject, const char *notify, int from, int n)
{
    struct saying saying = {subject, notify, from, n, KN_OK};
    struct kn_error err = {0};
    if (kn_db_write(db, say_tx, &saying, &err) != KN_OK)
        fail_msg("%s", err.message);
}

static size_t deliveries(struct kn_arena *arena, int state, struct kn_delivery **out)
{
    struct kn_delivery_filter filter = {.state = state, .limit = 1000};
    size_t n = 0;
    char token[64];
    struct kn_error err = {0};
    if (kn_delivery_list(db, &filter, arena, out, &n, token, &err) != KN_OK)
        fail_msg("%s", err.message);
    return n;
}

static void wait_for_state(int delivery_state, size_t n)
{
    for (int64_t end = kn_mono_us() + 20 * KN_SECOND;; kn_sleep_us(2000)) {
        kn_auto(kn_arena_clear) struct kn_arena arena = {0};
        struct kn_delivery *list;
        size_t have = deliveries(&arena, delivery_state, &list);
        if (have == n)
            return;
        if (kn_mono_us() > end)
            fail_msg("waited for %zu in state %d, have %zu", n, delivery_state, have);
    }
}

/* ---- what holds ---- */

static void an_event_arrives_at_once_and_is_acknowledged(void **state)
{
    (void)state;
    events_begin(false);
    kn_sleep_us(50000); // the dispatcher sleeps: only the commit can wake it
    int64_t began = kn_mono_us();
    say("job-1", "http://a.test/cb", 1, 1);
    wait_for(heard_count, 1);
    assert_true(kn_mono_us() - began < 2 * KN_SECOND);
    wait_for_state(KN_DELIVERY_ACKNOWLEDGED, 1);
}

static void what_rolls_back_is_never_told(void **state)
{
    (void)state;
    events_begin(false);
    struct saying saying = {"job-1", "http://a.test/cb", 1, 1, KN_ECONFLICT};
    assert_int_equal(kn_db_write(db, say_tx, &saying, NULL), KN_ECONFLICT);
    say("job-2", "http://a.test/cb", 7, 1);
    wait_for_state(KN_DELIVERY_ACKNOWLEDGED, 1);
    assert_int_equal(heard_count(), 1);
    assert_int_equal(receiver.heard[0].number, 7);
}

static void nobody_to_tell_leaves_no_row(void **state)
{
    (void)state;
    say("job-1", NULL, 1, 3);
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_delivery *list;
    assert_int_equal(deliveries(&arena, -1, &list), 0);
}

static void one_jobs_events_arrive_in_order_through_failures(void **state)
{
    (void)state;
    refuse("http://a.test", 0);
    events_begin(true);
    for (int i = 0; i < 20; i++)
        say("job-1", "http://a.test/cb", i, 1);
    wait_for(refused_count, 1);
    assert_int_equal(heard_count(), 0);
    refuse("", 0);
    for (int64_t end = kn_mono_us() + 20 * KN_SECOND; heard_count() < 20; kn_sleep_us(2000)) {
        atomic_fetch_add(&clock_us, KN_SECOND);
        kn_events_wake(events);
        assert_true(kn_mono_us() < end);
    }
    for (int i = 0; i < 20; i++)
        assert_int_equal(receiver.heard[i].number, i);
}

static void a_dead_receiver_does_not_hold_up_others(void **state)
{
    (void)state;
    refuse("http://dead.test", 300000);
    events_begin(false);
    for (int i = 0; i < 40; i++) {
        char job[32];
        (void)snprintf(job, sizeof(job), "dead-%d", i);
        say(job, "http://dead.test/cb", i, 1);
    }
    int64_t began = kn_mono_us();
    for (int i = 0; i < 40; i++) {
        char job[32];
        (void)snprintf(job, sizeof(job), "live-%d", i);
        say(job, "http://live.test/cb", i, 1);
    }
    wait_for(heard_count, 40);
    assert_true(kn_mono_us() - began < 3 * KN_SECOND); // 40 dead ones alone take 6 s
    assert_true(receiver.most_at_once <= 4);           // two receivers, two each
}

static void after_a_day_of_failures_a_delivery_is_set_aside_with_the_reason(void **state)
{
    (void)state;
    refuse("http://a.test", 0);
    events_begin(true);
    int64_t began = atomic_load(&clock_us);
    say("job-1", "http://a.test/cb", 1, 1);
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_delivery *list = NULL;
    for (int64_t end = kn_mono_us() + 30 * KN_SECOND;;) {
        kn_arena_clear(&arena);
        if (deliveries(&arena, KN_DELIVERY_SET_ASIDE, &list) == 1)
            break;
        assert_true(kn_mono_us() < end);
        // Time passes to the moment the next attempt is due, when none is under way.
        if (deliveries(&arena, KN_DELIVERY_WAITING, &list) == 1 &&
            !list[0].is_leased && list[0].due_us > atomic_load(&clock_us))
            atomic_store(&clock_us, list[0].due_us);
        kn_events_wake(events);
        kn_sleep_us(1000);
    }
    int64_t passed = atomic_load(&clock_us) - began;
    assert_true(passed > 22 * KN_HOUR && passed <= 25 * KN_HOUR);
    assert_true(list[0].n_attempts > 25 && list[0].n_attempts < 60);
    assert_int_equal(list[0].last_status, 503);
    assert_true(kn_starts_with(list[0].last_error, "given up after "));

    struct kn_delivery_attempt *attempts;
    size_t n_attempts;
    assert_int_equal(kn_delivery_attempts(db, list[0].id, &arena, &attempts, &n_attempts, NULL),
                     KN_OK);
    assert_int_equal(n_attempts, list[0].n_attempts);
    // Three quick tries a second apart, then longer.
    assert_true(attempts[1].at_us - attempts[0].at_us >= KN_SECOND);
    assert_true(attempts[2].at_us - attempts[0].at_us < 3 * KN_SECOND);
    assert_true(attempts[3].at_us - attempts[2].at_us >= 4 * KN_SECOND);

    // Sent again by hand when the receiver is back.
    refuse("", 0);
    struct kn_delivery_filter all = {.state = -1};
    int64_t n = 0;
    assert_int_equal(kn_events_redeliver(db, &all, &n, NULL), KN_OK);
    assert_int_equal(n, 1);
    wait_for_state(KN_DELIVERY_ACKNOWLEDGED, 1);
    assert_int_equal(heard_count(), 1);
}

static void waits_grow_from_a_second_to_an_hour(void **state)
{
    (void)state;
    assert_int_equal(kn_delivery_wait_us(1, 0), KN_SECOND);
    assert_int_equal(kn_delivery_wait_us(2, UINT32_MAX), KN_SECOND);
    assert_int_equal(kn_delivery_wait_us(3, 0), 4 * KN_SECOND);
    assert_true(kn_delivery_wait_us(3, UINT32_MAX) < 6 * KN_SECOND + 1);
    assert_true(kn_delivery_wait_us(4, UINT32_MAX / 2) > 9 * KN_SECOND);
    assert_int_equal(kn_delivery_wait_us(1000, 0), 48 * KN_MINUTE);
}

static void a_corrected_address_takes_over_what_waits(void **state)
{
    (void)state;
    refuse("http://wrong.test", 0);
    struct kn_callback callback = {.type = "HTTP", .url = "http://wrong.test/cb",
                                   .event_types = "MediaConvertComplete,ProduceMediaComplete"};
    assert_int_equal(kn_callback_set(db, &callback, NULL), KN_OK);
    events_begin(false);
    say("job-1", NULL, 1, 2);
    wait_for(refused_count, 1);
    (void)kn_copy(callback.url, sizeof(callback.url), "http://right.test/cb");
    assert_int_equal(kn_callback_set(db, &callback, NULL), KN_OK);
    wait_for(heard_count, 2);
    assert_string_equal(receiver.heard[0].target, "http://right.test/cb");
    assert_int_equal(receiver.heard[0].number, 1);
    assert_int_equal(receiver.heard[1].number, 2);
}

static void a_removed_callback_sets_aside_what_waits(void **state)
{
    (void)state;
    refuse("http://a.test", 0);
    struct kn_callback callback = {.type = "HTTP", .url = "http://a.test/cb", .event_types = "ALL"};
    assert_int_equal(kn_callback_set(db, &callback, NULL), KN_OK);
    say("job-1", NULL, 1, 2);
    callback.type[0] = '\0';
    assert_int_equal(kn_callback_set(db, &callback, NULL), KN_OK);
    wait_for_state(KN_DELIVERY_SET_ASIDE, 2);
}

static void a_kind_without_a_sink_is_set_aside_saying_so(void **state)
{
    (void)state;
    events_begin(false);
    say("job-1", "ice-callback-films", 1, 1);
    wait_for_state(KN_DELIVERY_SET_ASIDE, 1);
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_delivery *list;
    assert_int_equal(deliveries(&arena, KN_DELIVERY_SET_ASIDE, &list), 1);
    assert_string_equal(list[0].last_error, "nothing here delivers to 'mns' targets");
    assert_string_equal(list[0].target, "ice-callback-films");
}

static void two_servers_on_one_database_send_each_event_once(void **state)
{
    (void)state;
    events_begin(false);
    struct kn_events *first = events;
    events_begin(false);
    for (int i = 0; i < 60; i++) {
        char job[32];
        (void)snprintf(job, sizeof(job), "job-%d", i % 20);
        say(job, "http://a.test/cb", i, 1);
    }
    wait_for_state(KN_DELIVERY_ACKNOWLEDGED, 60);
    assert_int_equal(heard_count(), 60);
    kn_events_free(&first);
}

static void what_was_under_way_when_the_process_died_is_sent_again(void **state)
{
    (void)state;
    say("job-1", "http://a.test/cb", 1, 2);
    kn_db_close(&db);
    pid_t child = fork();
    if (child == 0) {
        // Claims the first event and dies before its answer is noted.
        struct kn_error err = {0};
        refuse("http://a.test", 60 * KN_SECOND);
        if (kn_db_open(&db, test_database_url(), &err) != KN_OK)
            _exit(1);
        events_begin(false);
        for (;;) {
            pthread_mutex_lock(&receiver.lock);
            bool is_sending = receiver.n_at_once > 0;
            pthread_mutex_unlock(&receiver.lock);
            if (is_sending)
                (void)kill(getpid(), 9);
            kn_sleep_us(1000);
        }
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    struct kn_error err = {0};
    if (kn_db_open(&db, test_database_url(), &err) != KN_OK)
        fail_msg("%s", err.message);
    // On PostgreSQL another server may be alive: its lease is waited for.
    atomic_store(&clock_us, kn_now_us() + KN_MINUTE);
    events_begin(true);
    wait_for(heard_count, 2);
    assert_int_equal(receiver.heard[0].number, 1);
    assert_int_equal(receiver.heard[1].number, 2);
}

static void callbacks_are_checked_and_kept(void **state)
{
    (void)state;
    struct kn_callback callback = {.type = "FTP"}, read;
    assert_int_equal(kn_callback_set(db, &callback, NULL), KN_EINVAL);
    callback = (struct kn_callback){.type = "HTTP", .url = "ftp://x/"};
    assert_int_equal(kn_callback_set(db, &callback, NULL), KN_EINVAL);
    callback = (struct kn_callback){.type = "HTTP", .url = "http://x/", .is_signed = true};
    assert_int_equal(kn_callback_set(db, &callback, NULL), KN_EINVAL);
    callback = (struct kn_callback){.type = "MNS", .queue_name = "films"};
    assert_int_equal(kn_callback_set(db, &callback, NULL), KN_EINVAL);
    callback = (struct kn_callback){.type = "HTTP", .url = "https://x.test/cb", .is_signed = true,
                                    .auth_key = "Test123", .event_types = "A, MediaConvertComplete"};
    assert_int_equal(kn_callback_set(db, &callback, NULL), KN_OK);
    assert_int_equal(kn_callback_get(db, &read, NULL), KN_OK);
    assert_string_equal(read.auth_key, "Test123");
    assert_true(read.is_signed);
    assert_true(kn_callback_wants(&read, "MediaConvertComplete"));
    assert_false(kn_callback_wants(&read, "MediaConvert"));
}

static void ended_deliveries_are_forgotten_by_age(void **state)
{
    (void)state;
    events_begin(false);
    say("job-1", "http://a.test/cb", 1, 3);
    wait_for_state(KN_DELIVERY_ACKNOWLEDGED, 3);
    int64_t n = 0, later = kn_now_us() + KN_HOUR;
    assert_int_equal(kn_events_prune(db, 0, later, 100, &n, NULL), KN_OK);
    assert_int_equal(n, 0);
    assert_int_equal(kn_events_prune(db, later, 0, 2, &n, NULL), KN_OK);
    assert_int_equal(n, 2);
    assert_int_equal(kn_events_prune(db, later, 0, 2, &n, NULL), KN_OK);
    assert_int_equal(n, 1);
}

#define EVENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_grow_from_a_second_to_an_hour),
        EVENT_TEST(callbacks_are_checked_and_kept),
        EVENT_TEST(an_event_arrives_at_once_and_is_acknowledged),
        EVENT_TEST(what_rolls_back_is_never_told),
        EVENT_TEST(nobody_to_tell_leaves_no_row),
        EVENT_TEST(one_jobs_events_arrive_in_order_through_failures),
        EVENT_TEST(a_dead_receiver_does_not_hold_up_others),
        EVENT_TEST(after_a_day_of_failures_a_delivery_is_set_aside_with_the_reason),
        EVENT_TEST(a_corrected_address_takes_over_what_waits),
        EVENT_TEST(a_removed_callback_sets_aside_what_waits),
        EVENT_TEST(a_kind_without_a_sink_is_set_aside_saying_so),
        EVENT_TEST(two_servers_on_one_database_send_each_event_once),
        EVENT_TEST(what_was_under_way_when_the_process_died_is_sent_again),
        EVENT_TEST(ended_deliveries_are_forgotten_by_age),
    };
    return cmocka_run_group_tests_name("events/delivery", tests, NULL, NULL);
}
