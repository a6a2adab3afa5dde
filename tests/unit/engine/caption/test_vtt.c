/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/caption/vtt.h"
#include "support/caption_text.h"

// What WebVTT can say: a header with its blocks, ids, settings, comments, tags, references.
static const char whole[] =
    "WEBVTT a title\n\nSTYLE\n::cue(.big) { font-size: 2em }\n\nREGION\nid:r1\nwidth:40%\n\nNOTE before\n\n"
    "one\n00:00:01.000 --> 00:00:02.000 line:0 position:20% align:start region:r1\n<v Ann>Hi <c.yellow>you</c> &amp; me\n\n"
    "NOTE between\n\n"
    "00:00:03.000 --> 00:00:05.000\n<i>sung <00:00:04.000>here</i> <ruby>\xE6\xBC\xA2<rt>kan</rt></ruby>\n";

static void written_as_webvtt_nothing_is_lost(void **state)
{
    (void)state;
    caption_becomes(whole, "a.vtt", "webvtt", whole);
}

static void other_formats_get_what_they_can_hold(void **state)
{
    (void)state;
    caption_becomes(whole, "a.vtt", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\n{\\an7}Hi <font color=\"#ffff00\">you</font> & me\n\n"
                    "2\n00:00:03,000 --> 00:00:05,000\n<i>sung here</i> \xE6\xBC\xA2(kan)\n\n");
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    const struct kn_caption_write_options options = {0};
    caption_read(&list, whole, "a.vtt");
    assert_int_equal(kn_caption_write(&out, &list, KN_CAPTION_FORMAT_ASS, &options, NULL), KN_OK);
    assert_non_null(strstr(kn_buf_text(&out), "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Ann,0,0,0,,"
                                              "{\\an7\\pos(384,0)}Hi {\\c&H00FFFF&}you{\\c} & me\n"));
    assert_non_null(strstr(kn_buf_text(&out), "{\\k100\\i1}sung {\\k100}here{\\i0} \xE6\xBC\xA2(kan)\n"));
}

static void short_times_and_a_missing_blank_line_are_read(void **state)
{
    (void)state;
    caption_becomes("WEBVTT\n00:01.000 --> 00:02.000\na\n\n00:03.000 --> 00:04.000\n\n", "a.vtt", "webvtt",
                    "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\na\n\n00:00:03.000 --> 00:00:04.000\n");
}

static void what_is_wrong_is_told_and_the_rest_is_read(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, "WEBVTT\n\n00:00:01.000 --> 00:00:02.000 line:900% size:50% wild\na\n\nx --> y\nlost\n\n"
                        "00:00:03.000 --> 00:00:04.000\nb <never closed\n", "a.vtt");
    assert_int_equal(list.n_cues, 2);
    assert_int_equal(list.n_problems, 3);
    assert_int_equal(list.warnings[0].line, 3);
    assert_string_equal(list.warnings[0].text, "the setting 'line:900%' is none of WebVTT");
    assert_string_equal(list.warnings[2].text, "no times: 'x --> y'; the cue is left out");
    assert_true(list.cues[0].place.width > 0.49 && list.cues[0].place.width < 0.51);
    caption_says(&list, 1, "b ");
}

static void text_that_looks_like_markup_is_escaped(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n&lt;b&gt; &amp;amp; AT&T &eacute;&#x4E2D;&nbsp;\n", "a.vtt");
    caption_says(&list, 0, "<b> &amp; AT&T \xC3\xA9\xE4\xB8\xAD\xC2\xA0");
    list.cues[0].raw = NULL; // written from the model
    caption_is(&list, "webvtt", "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n&lt;b&gt; &amp;amp; AT&amp;T "
                                "\xC3\xA9\xE4\xB8\xAD\xC2\xA0\n");
}

static void other_colours_get_a_rule_each(void **state)
{
    (void)state;
    caption_becomes("1\n00:00:01,000 --> 00:00:02,000\n<font color=#123456>a</font><font color=cyan>b</font>\n", "a.srt",
                    "webvtt",
                    "WEBVTT\n\nSTYLE\n::cue(.c123456) { color: #123456; }\n\n00:00:01.000 --> 00:00:02.000\n"
                    "<c.c123456>a</c><c.cyan>b</c>\n");
}

static void empty_line_within_a_cue_does_not_end_it(void **state)
{
    (void)state;
    caption_becomes("1\n00:00:01,000 --> 00:00:02,000\na\n\nb\n", "a.srt", "webvtt",
                    "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\na\n\xC2\xA0\nb\n");
}

static void language_and_kind_are_noted(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, "1\n00:00:01,000 --> 00:00:02,000\na\n", "a.srt");
    memcpy(list.track.language, "chi", 4);
    list.track.is_hearing_impaired = true;
    caption_is(&list, "webvtt", "WEBVTT\n\nNOTE\nLanguage: chi\nKind: captions\n\n00:00:01.000 --> 00:00:02.000\na\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_as_webvtt_nothing_is_lost),
        cmocka_unit_test(other_formats_get_what_they_can_hold),
        cmocka_unit_test(short_times_and_a_missing_blank_line_are_read),
        cmocka_unit_test(what_is_wrong_is_told_and_the_rest_is_read),
        cmocka_unit_test(text_that_looks_like_markup_is_escaped),
        cmocka_unit_test(other_colours_get_a_rule_each),
        cmocka_unit_test(empty_line_within_a_cue_does_not_end_it),
        cmocka_unit_test(language_and_kind_are_noted),
    };
    return cmocka_run_group_tests_name("engine/caption/vtt", tests, NULL, NULL);
}
