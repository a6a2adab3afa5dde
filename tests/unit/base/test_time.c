/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/time.h"

static void times_are_written_in_the_forms_of_the_wire(void **state)
{
    (void)state;
    const int64_t us = INT64_C(1795190344123456); // 2026-11-20T15:59:04.123456Z
    char a[24], b[32], c[20], d[32];
    kn_time_iso(a, us);
    kn_time_iso_ms(b, us);
    kn_time_basic(c, us);
    kn_time_http(d, us);
    assert_string_equal(a, "2026-11-20T15:59:04Z");
    assert_string_equal(b, "2026-11-20T15:59:04.123Z");
    assert_string_equal(c, "20261120T155904Z");
    assert_string_equal(d, "Fri, 20 Nov 2026 15:59:04 GMT");
    kn_time_iso(a, KN_NO_TIME);
    assert_string_equal(a, "");
}

static void times_are_read_back_and_nonsense_is_not(void **state)
{
    (void)state;
    int64_t us;
    assert_true(kn_time_parse_iso("2026-11-20T15:59:04Z", &us));
    assert_int_equal(us, INT64_C(1795190344) * KN_SECOND);
    assert_true(kn_time_parse_iso("20261120T155904Z", &us));
    assert_int_equal(us, INT64_C(1795190344) * KN_SECOND);
    assert_true(kn_time_parse_iso("2026-11-20T15:59:04.5Z", &us));
    assert_int_equal(us, INT64_C(1795190344500000));
    assert_true(kn_time_parse_http("Fri, 20 Nov 2026 15:59:04 GMT", &us));
    assert_int_equal(us, INT64_C(1795190344) * KN_SECOND);
    assert_false(kn_time_parse_iso("2026-11-20T15:59:04", &us));
    assert_false(kn_time_parse_iso("2026-13-20T15:59:04Z", &us));
    assert_false(kn_time_parse_iso("2026-11-20 15:59:04Z", &us));
    assert_true(kn_time_parse_iso("9999-12-31T23:59:59Z", &us));
    assert_false(kn_time_parse_iso("9999-12-31T23:59:60Z", &us)); // the year 10000 has no text
    assert_false(kn_time_parse_iso(NULL, &us));
    assert_false(kn_time_parse_http("20 Nov 2026", &us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_in_the_forms_of_the_wire),
        cmocka_unit_test(times_are_read_back_and_nonsense_is_not),
    };
    return cmocka_run_group_tests_name("base/time", tests, NULL, NULL);
}
