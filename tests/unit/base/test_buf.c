/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"

static void text_grows_and_stays_terminated(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    assert_string_equal(kn_buf_text(&b), "");
    for (int i = 0; i < 1000; i++)
        kn_buf_printf(&b, "%d,", i % 10);
    assert_true(kn_buf_ok(&b));
    assert_int_equal(b.len, 2000);
    assert_int_equal(strlen(b.data), 2000);
    kn_buf_drop_front(&b, 1996);
    assert_string_equal(kn_buf_text(&b), "8,9,");
}

static void an_impossible_wish_breaks_the_buffer_not_the_program(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    kn_buf_puts(&b, "kept");
    assert_false(kn_buf_reserve(&b, SIZE_MAX - 2));
    kn_buf_puts(&b, "lost");
    assert_false(kn_buf_ok(&b));
    assert_null(kn_buf_take(&b));
}

static void what_is_taken_is_the_callers(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    kn_buf_puts(&b, "mine");
    kn_auto(kn_free) char *text = kn_buf_take(&b);
    assert_string_equal(text, "mine");
    assert_int_equal(b.len, 0);
}

static void an_arena_gives_zeroed_aligned_memory_of_any_size(void **state)
{
    (void)state;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    for (size_t n = 1; n < 20000; n = n * 3 + 1) {
        unsigned char *p = kn_arena_alloc(&arena, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xFF, n);
    }
    assert_string_equal(kn_arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
    assert_null(kn_arena_array(&arena, SIZE_MAX / 2, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows_and_stays_terminated),
        cmocka_unit_test(an_impossible_wish_breaks_the_buffer_not_the_program),
        cmocka_unit_test(what_is_taken_is_the_callers),
        cmocka_unit_test(an_arena_gives_zeroed_aligned_memory_of_any_size),
    };
    return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
