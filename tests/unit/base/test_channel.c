/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/channel.h"
#include "base/time.h"

#include <pthread.h>

static void *feed(void *context)
{
    struct kn_channel *c = context;
    for (intptr_t i = 1; i <= 10000; i++)
        if (!kn_channel_push(c, (void *)i))
            break;
    kn_channel_close(c);
    return NULL;
}

static void everything_pushed_is_popped_in_order(void **state)
{
    (void)state;
    struct kn_channel *c = kn_channel_new(4);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, feed, c), 0);
    intptr_t expected = 1;
    for (void *item; (item = kn_channel_pop(c)) != NULL; expected++)
        assert_int_equal((intptr_t)item, expected);
    assert_int_equal(expected, 10001);
    assert_int_equal(pthread_join(thread, NULL), 0);
    kn_channel_free(&c, NULL);
}

static void a_closed_channel_drains_and_refuses(void **state)
{
    (void)state;
    struct kn_channel *c = kn_channel_new(2);
    assert_true(kn_channel_try_push(c, (void *)1));
    assert_true(kn_channel_try_push(c, (void *)2));
    assert_false(kn_channel_try_push(c, (void *)3)); // full
    kn_channel_close(c);
    assert_int_equal(kn_channel_length(c), 2);
    assert_ptr_equal(kn_channel_pop(c), (void *)1);
    assert_false(kn_channel_push(c, (void *)4));
    assert_ptr_equal(kn_channel_pop(c), (void *)2);
    assert_null(kn_channel_pop(c));
    kn_channel_free(&c, NULL);
}

static void waiting_ends_at_the_deadline(void **state)
{
    (void)state;
    struct kn_channel *c = kn_channel_new(1);
    assert_null(kn_channel_pop_until(c, kn_mono_us() + 1000));
    kn_channel_free(&c, NULL);
}

static void *take_one(void *context)
{
    return kn_channel_pop(context);
}

static void closing_wakes_who_waits(void **state)
{
    (void)state;
    struct kn_channel *c = kn_channel_new(1);
    pthread_t thread;
    void *got = c;
    assert_int_equal(pthread_create(&thread, NULL, take_one, c), 0);
    kn_channel_close(c);
    assert_int_equal(pthread_join(thread, &got), 0);
    assert_null(got);
    kn_channel_free(&c, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_pushed_is_popped_in_order),
        cmocka_unit_test(a_closed_channel_drains_and_refuses),
        cmocka_unit_test(waiting_ends_at_the_deadline),
        cmocka_unit_test(closing_wakes_who_waits),
    };
    return cmocka_run_group_tests_name("base/channel", tests, NULL, NULL);
}
