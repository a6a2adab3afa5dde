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
    kn_auto(kn_buf_clear) struct kn_buf late = {0};
    kn_buf_printf(&late, "%s\n00:10.000 --> 00:12.000\n<00:10.500>a <00:11.000>b\n", whole);
    caption_read(&list, kn_buf_text(&late), "a.vtt");
    assert_int_equal(kn_caption_write(&out, &list, KN_CAPTION_FORMAT_ASS, &options, NULL), KN_OK);
    assert_non_null(strstr(kn_buf_text(&out), "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Ann,0,0,0,,"
                                              "{\\an7\\pos(384,0)}Hi {\\c&H00FFFF&}you{\\c} & me\n"));
    assert_non_null(strstr(kn_buf_text(&out), "Default,,0,0,0,,{\\k50\\k50}a {\\k100}b\n"));
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

// The steps of the standard's parser (WebVTT, 6.1 to 6.4); what it would drop for a time's form is read with a warning.
static void blocks_are_those_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        const char *text, *ids, *texts; // of all cues, each with '|' after it; '-' for no id
        size_t n_problems;
    } rows[] = {
        {"WEBVTT\ttitle\r\rone\r00:00.000 --> 00:01.000\ra\r\nb\n\r\n", "one|", "a\nb|", 0},
        {"WEBVTT\n00:00.000 --> 00:01.000\na", "-|", "a|", 0},
        {"WEBVTT\nX-KEY: 1\n00:00.000 --> 00:01.000\na", "-|", "a|", 0},
        // arrows: one that is no timing line ends the block, and begins the next
        {"WEBVTT\n\n-->\n00:00.000 --> 00:01.000\na\nfoo-->\n00:01.000 --> 00:02.000\nb\n", "-|-|", "a|b|", 2},
        {"WEBVTT\n\nid\nid2\n00:00.000 --> 00:01.000\na\n", "-|", "a|", 1},
        {"WEBVTT\n\n00:00.000 --> 00:01.000\na\n00:01.000 --> 00:02.000\nb\n", "-|-|", "a|b|", 0},
        // ids: any line, also one that looks like a comment
        {"WEBVTT\n\nNOTE x\n00:00.000 --> 00:01.000\na\n\n \n00:01.000 --> 00:02.000\nb", "NOTE x| |", "a|b|", 0},
        {"WEBVTT\n\nNOTE\ntext\n\n00:00.000 --> 00:01.000\n\n00:01.000 --> 00:02.000", "-|-|", "||", 0},
        {"WEBVTT\n\n00:00.000 --> 00:01.000\na\n\nSTYLE\n::cue {}\n\nlost\n", "-|", "a|", 2},
        // times
        {"WEBVTT\n\n00:60:00.000 --> 01:00:60.000\na\n\n0:00:00.000 --> 00:00:00.5\nb\n", "-|-|", "b|a|", 2},
        {"WEBVTT\n\n00:00:00.000-->00:00:01.000 \t align:left\na\n\n123:00:00.000 --> 123:00:01.000\nb\n", "-|-|", "a|b|", 0},
        {"WEBVTT\n\n00:00.000 -> 00:01.000\na\n\nx --> y\nb\n", "", "", 2},
        // text
        {"WEBVTT\n\n00:00.000 --> 00:01.000\n<b.x><i>a</b>b</i>c</b>d</ruby><ruby>e<rt>f\ng</ruby><>h</>\n", "-|", "abcde(f g)h|", 0},
        {"WEBVTT\n\n00:00.000 --> 00:01.000\n<v\nAnn &amp;\tBo>a<foo>b</foo>&rlm;&lt;c>\n", "-|", "ab\xE2\x80\x8F<c>|", 0},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
        kn_auto(kn_buf_clear) struct kn_buf ids = {0}, texts = {0};
        caption_read(&list, rows[i].text, "a.vtt");
        for (size_t k = 0; k < list.n_cues; k++) {
            if (list.cues[k].is_comment)
                continue;
            kn_buf_printf(&ids, "%s|", list.cues[k].id ? list.cues[k].id : "-");
            for (size_t r = 0; r < list.cues[k].n_runs; r++) {
                const struct kn_cue_run *run = &list.cues[k].runs[r];
                kn_buf_puts(&texts, run->text);
                if (run->ruby)
                    kn_buf_printf(&texts, "(%s)", run->ruby);
            }
            kn_buf_putc(&texts, '|');
        }
        assert_string_equal(kn_buf_text(&ids), rows[i].ids);
        assert_string_equal(kn_buf_text(&texts), rows[i].texts);
        assert_int_equal(list.n_problems, rows[i].n_problems);
    }
}

static void zeros_are_replaced(void **state)
{
    (void)state;
    static const char text[] = "WEBVTT\n\n00:00.000 --> 00:01.000\na long text with a \0 in it\n";
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    assert_int_equal(kn_caption_read(&list, text, sizeof(text) - 1, &(struct kn_caption_file){.name = "a.vtt"}, NULL), KN_OK);
    caption_says(&list, 0, "a long text with a \xEF\xBF\xBD in it");
}

static void settings_are_read_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *settings, *places; // `places` is how another format's cue says them
        size_t n_problems;
    } rows[] = {
        {"line:0", " line:0%", 0},
        {"line:-1 position:10% align:start", " position:10% align:start", 0},
        {"line:50%,center", " line:50%,center", 0},
        {"line:100%,end size:50%", " line:100%,end size:50%", 0},
        {"position:20%,line-left align:center", " position:20% align:start", 0},
        {"position:20%,middle", "", 1},
        {"line:5%% position:1e1% size:-5% size:101% align:top vertical:x line: :5 size", "", 9},
        {"position:10% position:20%", " position:20%", 0},
        {"vertical:rl line:10%", " vertical:rl", 0},
        {"line:33.333% region:no", " line:33.33%", 0},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        char text[256], expected[256];
        kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
        (void)snprintf(text, sizeof(text), "WEBVTT\n\n00:00.000 --> 00:01.000 %s\na\n", rows[i].settings);
        (void)snprintf(expected, sizeof(expected), "WEBVTT\n\n00:00:00.000 --> 00:00:01.000%s\na\n", rows[i].places);
        caption_read(&list, text, "a.vtt");
        assert_int_equal(list.n_problems, rows[i].n_problems);
        list.codec = KN_CAPTION_SMALL; // written from the model
        caption_is(&list, "webvtt", expected);
    }
}

static void a_name_said_again_and_again_is_refused(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_buf_puts(&text, "WEBVTT\n\n00:01.000 --> 00:02.000\n<v ");
    for (int i = 0; i < 100000; i++)
        kn_buf_putc(&text, 'A');
    kn_buf_puts(&text, ">");
    for (int i = 0; i < 400; i++)
        kn_buf_puts(&text, "<b>a</b>c");
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    struct kn_error err = {0};
    const struct kn_caption_file file = {.name = "a.vtt"};
    assert_int_equal(kn_caption_read(&list, text.data, text.len, &file, &err), KN_ELIMIT);
    assert_string_equal(err.message, "more than 64 MiB of names of fonts, voices and classes");
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
    list.track.is_hearing_impaired = false;
    memcpy(list.track.language, "x\n-->", 6); // a container may say anything
    caption_is(&list, "webvtt", "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\na\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_as_webvtt_nothing_is_lost),
        cmocka_unit_test(other_formats_get_what_they_can_hold),
        cmocka_unit_test(short_times_and_a_missing_blank_line_are_read),
        cmocka_unit_test(what_is_wrong_is_told_and_the_rest_is_read),
        cmocka_unit_test(blocks_are_those_of_the_standard),
        cmocka_unit_test(zeros_are_replaced),
        cmocka_unit_test(settings_are_read_one_by_one),
        cmocka_unit_test(a_name_said_again_and_again_is_refused),
        cmocka_unit_test(text_that_looks_like_markup_is_escaped),
        cmocka_unit_test(other_colours_get_a_rule_each),
        cmocka_unit_test(empty_line_within_a_cue_does_not_end_it),
        cmocka_unit_test(language_and_kind_are_noted),
    };
    return cmocka_run_group_tests_name("engine/caption/vtt", tests, NULL, NULL);
}
