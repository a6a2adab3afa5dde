/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/encode.h"

static const char *b64(struct kn_buf *b, const char *text)
{
    kn_buf_reset(b);
    kn_base64(b, text, strlen(text));
    return kn_buf_text(b);
}

// RFC 4648, section 10.
static void base64_gives_the_vectors_of_the_rfc(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    assert_string_equal(b64(&b, ""), "");
    assert_string_equal(b64(&b, "f"), "Zg==");
    assert_string_equal(b64(&b, "fo"), "Zm8=");
    assert_string_equal(b64(&b, "foobar"), "Zm9vYmFy");
}

static void base64_is_undone_and_refuses_what_is_not_base64(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    assert_true(kn_unbase64(&b, "Zm9vYg==", 8));
    assert_string_equal(kn_buf_text(&b), "foob");
    static const char *const bad[] = {"Zg=", "Z===", "Zg==Zg==", "Z g=", "Zm9v\n", "===="};
    for (size_t i = 0; i < KN_COUNT(bad); i++)
        assert_false(kn_unbase64(&b, bad[i], strlen(bad[i])));
}

static void percent_encoding_keeps_only_the_unreserved(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    const char *text = "a b+c*~/\xE4\xB8\xAD";
    kn_percent(&b, text, strlen(text), false);
    assert_string_equal(kn_buf_text(&b), "a%20b%2Bc%2A~%2F%E4%B8%AD");
    kn_buf_reset(&b);
    kn_percent(&b, "a/b", 3, true);
    assert_string_equal(kn_buf_text(&b), "a/b");
}

static void percent_decoding_refuses_half_a_triplet(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    assert_true(kn_unpercent(&b, "a%2Fb+c%41", 10, true));
    assert_string_equal(kn_buf_text(&b), "a/b cA");
    assert_false(kn_unpercent(&b, "%4", 2, false));
    assert_false(kn_unpercent(&b, "%", 1, false));
    assert_false(kn_unpercent(&b, "%zz", 3, false));
}

static void hex_goes_both_ways(void **state)
{
    (void)state;
    char text[9];
    uint8_t raw[4];
    kn_hex(text, "\xDE\xAD\xBE\xEF", 4);
    assert_string_equal(text, "deadbeef");
    assert_true(kn_unhex(raw, 4, "DEADbeef"));
    assert_memory_equal(raw, "\xDE\xAD\xBE\xEF", 4);
    assert_false(kn_unhex(raw, 4, "deadbee"));
    assert_false(kn_unhex(raw, 4, "deadbeeg"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_gives_the_vectors_of_the_rfc),
        cmocka_unit_test(base64_is_undone_and_refuses_what_is_not_base64),
        cmocka_unit_test(percent_encoding_keeps_only_the_unreserved),
        cmocka_unit_test(percent_decoding_refuses_half_a_triplet),
        cmocka_unit_test(hex_goes_both_ways),
    };
    return cmocka_run_group_tests_name("base/encode", tests, NULL, NULL);
}
