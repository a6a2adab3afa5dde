/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/strings.h"

static void numbers_are_whole_texts_inside_their_range(void **state)
{
    (void)state;
    int64_t n = -1;
    assert_true(kn_parse_int("-12", -20, 20, &n));
    assert_int_equal(n, -12);
    static const char *const bad[] = {
        "", " 1", "1 ", "1.0", "0x10", "+1", "-", "21", "99999999999999999999"};
    for (size_t i = 0; i < KN_COUNT(bad); i++)
        assert_false(kn_parse_int(bad[i], -20, 20, &n));
    double d;
    assert_true(kn_parse_double("29.97", &d));
    assert_false(kn_parse_double("nan", &d));
    assert_false(kn_parse_double("1e999", &d));
    assert_false(kn_parse_double("0x1p3", &d));
}

static void secrets_compare_whole(void **state)
{
    (void)state;
    assert_true(kn_equal_secret("abc", "abc"));
    assert_false(kn_equal_secret("abc", "abd"));
    assert_false(kn_equal_secret("abc", "ab"));
    assert_false(kn_equal_secret("", "a"));
    assert_true(kn_equal_secret("", ""));
}

static void utf8_is_checked_to_the_letter(void **state)
{
    (void)state;
    assert_true(kn_is_utf8("h\xC3\xA9 \xE4\xB8\xAD \xF0\x9F\x98\x80", 12));
    static const char *const bad[] = {"\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80",
                                      "\x80", "\xE4\xB8"};
    for (size_t i = 0; i < KN_COUNT(bad); i++)
        assert_false(kn_is_utf8(bad[i], strlen(bad[i])));
}

static void patterns_match_hosts(void **state)
{
    (void)state;
    assert_true(kn_match("*.lan", "nas.LAN"));
    assert_false(kn_match("*.lan", "lan"));
    assert_true(kn_match("10.0.0.?", "10.0.0.7"));
    assert_true(kn_match("*", ""));
    assert_false(kn_match("a*b", "acd"));
    assert_true(kn_match("a*b*c", "a-b-b-c"));
}

static void trimming_and_copying_stay_in_bounds(void **state)
{
    (void)state;
    char text[] = " \t a b \n";
    kn_trim(text);
    assert_string_equal(text, "a b");
    char small[4];
    assert_false(kn_copy(small, sizeof(small), "abcdef"));
    assert_string_equal(small, "abc");
    assert_true(kn_copy(small, sizeof(small), NULL));
    assert_string_equal(small, "");
}

static void words_are_replaced_everywhere(void **state)
{
    (void)state;
    kn_auto(kn_free) char *text = kn_replace_all("{n}-a{n}{m}", "{n}", "12{n}");
    assert_string_equal(text, "12{n}-a12{n}{m}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_whole_texts_inside_their_range),
        cmocka_unit_test(secrets_compare_whole),
        cmocka_unit_test(utf8_is_checked_to_the_letter),
        cmocka_unit_test(patterns_match_hosts),
        cmocka_unit_test(trimming_and_copying_stay_in_bounds),
        cmocka_unit_test(words_are_replaced_everywhere),
    };
    return cmocka_run_group_tests_name("base/strings", tests, NULL, NULL);
}
