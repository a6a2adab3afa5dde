/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/caption/srt.h"
#include "support/caption_text.h"

static void cue_ends_where_the_next_times_are(void **state)
{
    (void)state;
    caption_becomes("\n\n1\r\n00:00:01,000 --> 00:00:02,000\r\nfirst\r\n\r\nstill the first\r\n\r\n2\r\n"
                    "00:00:03,000 --> 00:00:04,000\r\nsecond", "a.srt", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\nfirst\nstill the first\n\n"
                    "2\n00:00:03,000 --> 00:00:04,000\nsecond\n\n");
}

static void times_are_read_in_every_form_files_have(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int64_t start_us, end_us;
    } rows[] = {
        {"00:00:01,500 --> 00:00:02,000", 1500000, 2000000},
        {"0:0:1.5 --> 0:0:2", 1500000, 2000000},
        {"00:01:500 --> 00:02:750", 1500000, 2750000},
        {"00:00:01:500->00:00:02:000", 1500000, 2000000},
        {"01:02 - -> 01:03,25", 62000000, 63250000},
        {"  00:00:01,5000  -->  00:00:02,05  X1:1 X2:2 Y1:3 Y2:4", 1500000, 2050000},
        {"00: 00: 01, 500 -> 00: 00: 02, 000", 1500000, 2000000},
        {"100:00:00,000 --> 100:00:01,000", 360000000000, 360001000000},
        {"-00:00:01,000 --> 00:00:01,000", -1000000, 1000000},
        {"00:00:01,000 --> 00:00:1d,000", 1000000, KN_NO_TIME},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        struct kn_srt_timing timing;
        const struct kn_line line = {.text = rows[i].line, .n = strlen(rows[i].line)};
        assert_true(kn_srt_timing(line, &timing));
        assert_int_equal(timing.start_us, rows[i].start_us);
        assert_int_equal(timing.end_us, rows[i].end_us);
    }
    static const char *const others[] = {"12 --> 13", "hello", "00:00:01,000", "00:00:01,000 and --> more", ""};
    for (size_t i = 0; i < KN_COUNT(others); i++) {
        struct kn_srt_timing timing;
        assert_false(kn_srt_timing((struct kn_line){.text = others[i], .n = strlen(others[i])}, &timing));
    }
}

static void number_in_the_text_is_text(void **state)
{
    (void)state;
    caption_becomes("1\n00:00:01,000 --> 00:00:02,000\none\n\n\xEF\xBB\xBF" "1\n00:00:03,000 --> 00:00:04,000\ntwo\n", "a.srt", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:00:03,000 --> 00:00:04,000\ntwo\n\n");
    // A file without numbers, in which somebody says one.
    caption_becomes("00:00:01,000 --> 00:00:02,000\n42\n00:00:03,000 --> 00:00:04,000\nyes\n", "a.srt", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\n42\n\n2\n00:00:03,000 --> 00:00:04,000\nyes\n\n");
    // A number that a blank line parts from its times is one when it is the next.
    caption_becomes("1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n\n00:00:03,000 --> 00:00:04,000\ntwo\n", "a.srt",
                    "srt", "1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:00:03,000 --> 00:00:04,000\ntwo\n\n");
}

static void looks_survive(void **state)
{
    (void)state;
    caption_becomes("1\n00:00:01,000 --> 00:00:02,000\n<I>a</I> {b}b{/b} <font color=red size=8>c</font> <u><s>d</s></u>\n",
                    "a.srt", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\n<i>a</i> <b>b</b> <font color=\"#ff0000\" size=\"8\">c</font> "
                    "<u><s>d</s></u>\n\n");
}

static void unknown_tags_stay_as_text(void **state)
{
    (void)state;
    caption_becomes("1\n00:00:01,000 --> 00:00:02,000\nI <3 you & <grin> {sic}\n", "a.srt", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\nI <3 you & <grin> {sic}\n\n");
    caption_becomes("1\n00:00:01,000 --> 00:00:02,000\nI <3 you & --> {sic}\n", "a.srt", "webvtt",
                    "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nI &lt;3 you &amp; --&gt; {sic}\n");
}

static void place_is_kept(void **state)
{
    (void)state;
    const char *text = "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}above\n";
    caption_becomes(text, "a.srt", "srt", "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}above\n\n");
    caption_becomes(text, "a.srt", "webvtt", "WEBVTT\n\n00:00:01.000 --> 00:00:02.000 line:10%\nabove\n");
}

static void a_point_is_one_of_nine_places(void **state)
{
    (void)state;
    caption_becomes("1\n00:00:01,000 --> 00:00:02,000\n{\\an5\\pos(192,30)}a\n\n2\n00:00:03,000 --> 00:00:04,000\n"
                    "{\\pos(960,1000)}b\n", "a.srt", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}a\n\n2\n00:00:03,000 --> 00:00:04,000\nb\n\n");
}

static void tags_close_before_line_ends_and_open_after_them(void **state)
{
    (void)state;
    caption_becomes("1\n00:00:01,000 --> 00:00:02,000\n<i>a\n</i>b<b>\nc\n \n</b><font face='x\"y'>d</font><u> </u>\n", "a.srt",
                    "srt", "1\n00:00:01,000 --> 00:00:02,000\n<i>a</i>\nb\n<b>c</b>\n<font face='x\"y'>d</font><u> </u>\n\n");
}

static void disorder_in_time_is_put_right(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, "1\n00:00:05,000 --> 00:00:04,000\nlate\n\n2\n00:00:01,000 --> 00:00:01,000\nearly\n\n"
                        "3\n00:00:01,500 --> 00:00:09,000\nlong\n", "a.srt");
    caption_is(&list, "srt",
               "1\n00:00:01,000 --> 00:00:01,500\nearly\n\n2\n00:00:01,500 --> 00:00:09,000\nlong\n\n"
               "3\n00:00:05,000 --> 00:00:07,000\nlate\n\n");
    assert_int_equal(list.n_problems, 2);
}

static void file_without_times_is_refused(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    struct kn_error err = {0};
    const struct kn_caption_file file = {.name = "a.srt"};
    assert_int_equal(kn_caption_read(&list, "nothing\n", 8, &file, &err), KN_EMEDIA);
    assert_string_equal(err.message, "no line of times ('00:00:01,000 --> 00:00:02,000') in it");
}

static void endings_and_mark_are_settings(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    caption_read(&list, "1\n00:00:01,000 --> 00:00:02,000\na\n", "a.srt");
    const struct kn_caption_write_options options = {.has_mark = true};
    kn_srt_write(&out, &list, &options);
    assert_string_equal(kn_buf_text(&out), "\xEF\xBB\xBF" "1\r\n00:00:01,000 --> 00:00:02,000\r\na\r\n\r\n");
}

static void right_to_left_lines_are_marked_when_asked(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    caption_read(&list, "1\n00:00:01,000 --> 00:00:02,000\n- \xD7\xA9\xD7\x9C\n- hello\n", "a.srt");
    const struct kn_caption_write_options options = {.line_end = KN_LINE_END_LF, .marks_rtl = true};
    kn_srt_write(&out, &list, &options);
    assert_string_equal(kn_buf_text(&out), "1\n00:00:01,000 --> 00:00:02,000\n\xE2\x80\x8F- \xD7\xA9\xD7\x9C\n- hello\n\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cue_ends_where_the_next_times_are),
        cmocka_unit_test(times_are_read_in_every_form_files_have),
        cmocka_unit_test(number_in_the_text_is_text),
        cmocka_unit_test(looks_survive),
        cmocka_unit_test(unknown_tags_stay_as_text),
        cmocka_unit_test(place_is_kept),
        cmocka_unit_test(a_point_is_one_of_nine_places),
        cmocka_unit_test(tags_close_before_line_ends_and_open_after_them),
        cmocka_unit_test(disorder_in_time_is_put_right),
        cmocka_unit_test(file_without_times_is_refused),
        cmocka_unit_test(endings_and_mark_are_settings),
        cmocka_unit_test(right_to_left_lines_are_marked_when_asked),
    };
    return cmocka_run_group_tests_name("engine/caption/srt", tests, NULL, NULL);
}
