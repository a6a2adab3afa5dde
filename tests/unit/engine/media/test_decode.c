/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/media/decode.h"

static void a_few_pictures_start_no_threads(void **state)
{
    (void)state;
    assert_int_equal(kn_threads_for(1, 16), 1);
    assert_int_equal(kn_threads_for(4, 16), 2);
    assert_int_equal(kn_threads_for(1000, 16), 16);
    assert_int_equal(kn_threads_for(0, 16), 16); // unknown: it may be long
    assert_int_equal(kn_threads_for(1000000000000, 16), 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_pictures_start_no_threads),
    };
    return cmocka_run_group_tests_name("engine/media/decode", tests, NULL, NULL);
}
