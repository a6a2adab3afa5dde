/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "features/convert/output_name.h"

static void placeholders_name_the_first_input(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"oss://b-1/a/b/c.flv", "{ObjectPrefix}{FileName}test.mp4", "a/b/ctest.mp4"},
        {"oss://b-1/c.tar.gz", "{SourceName}|{ExtName}", "c.tar|gz"},
        {"oss://b-1/.hidden", "{FileName}|{ExtName}", ".hidden|"},
        {"https://h/x/y.mp4?t=1", "{ObjectPrefix}{FileName}", "x/y"},
        {"media://m1", "{MediaId}", "m1"},
        {"oss://b-1/c.flv", "{MediaId}{JobId}{{FileName}}{", "{MediaId}j{c}{"},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        kn_auto(kn_buf_clear) struct kn_buf out = {0};
        kn_convert_name_expand(&out, rows[i][1], rows[i][0], "j");
        assert_string_equal(kn_buf_text(&out), rows[i][2]);
    }
}

static void extension_is_appended_once(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a/360p", "a/360p.mp4"}, {"a/360p.mp4", "a/360p.mp4"}, {"a.MP4", "a.MP4"},
        {"a.mov", "a.mov.mp4"},   {"a/.mp4", "a/.mp4.mp4"},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        kn_auto(kn_buf_clear) struct kn_buf out = {0};
        kn_buf_puts(&out, rows[i][0]);
        kn_convert_name_extend(&out, "mp4");
        assert_string_equal(kn_buf_text(&out), rows[i][1]);
    }
}

static void open_names_are_finished_after_encoding(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    assert_true(kn_convert_name_is_open("a-{DestMd5}.mp4"));
    assert_false(kn_convert_name_is_open("a-{Dest}.mp4"));
    kn_convert_name_finish(&out, "{DestAvgBitrate}/{DestMd5}.mp4", "00ff", 1286499);
    assert_string_equal(kn_buf_text(&out), "1286/00ff.mp4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders_name_the_first_input),
        cmocka_unit_test(extension_is_appended_once),
        cmocka_unit_test(open_names_are_finished_after_encoding),
    };
    return cmocka_run_group_tests_name("features/convert/output_name", tests, NULL, NULL);
}
