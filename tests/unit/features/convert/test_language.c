/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "features/convert/language.h"

static void every_form_becomes_the_t_code(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"zh", "zho"},  {"chi", "zho"}, {"zho", "zho"},   {"DE", "deu"},      {"ger", "deu"},
        {"fre", "fra"}, {"ja", "jpn"},  {"en-US", "eng"}, {"zh-Hans", "zho"}, {"yue", "yue"},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        char out[4];
        assert_true(kn_language_normalize(out, rows[i][0]));
        assert_string_equal(out, rows[i][1]);
    }
}

static void other_text_is_no_language(void **state)
{
    (void)state;
    static const char *const rows[] = {"", "e", "english", "xx", "e1", "-", "é"};
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        char out[4] = "old";
        assert_false(kn_language_normalize(out, rows[i]));
        assert_string_equal(out, "");
    }
    char out[4];
    assert_false(kn_language_normalize(out, NULL));
}

static void forms_of_one_language_are_equal(void **state)
{
    (void)state;
    assert_true(kn_language_equal("ja", "JPN"));
    assert_true(kn_language_equal("ger", "deu"));
    assert_false(kn_language_equal("eng", "jpn"));
    assert_true(kn_language_equal("Klingon", "klingon"));
    assert_false(kn_language_equal(NULL, "eng"));
}

static void manifests_carry_the_shortest_code(void **state)
{
    (void)state;
    char out[4];
    kn_language_short(out, "zho");
    assert_string_equal(out, "zh");
    kn_language_short(out, "yue");
    assert_string_equal(out, "yue");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_becomes_the_t_code),
        cmocka_unit_test(other_text_is_no_language),
        cmocka_unit_test(forms_of_one_language_are_equal),
        cmocka_unit_test(manifests_carry_the_shortest_code),
    };
    return cmocka_run_group_tests_name("features/convert/language", tests, NULL, NULL);
}
