/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/caption/ass.h"
#include "support/caption_text.h"

#define HEADER                                                                                     \
    "[Script Info]\n; made by hand\nScriptType: v4.00+\nPlayResX: 640\nPlayResY: 480\n\n"          \
    "[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, Bold, Italic, Alignment\n"     \
    "Style: Default,Arial,20,&H00FFFFFF,0,0,2\nStyle: Top,Arial,20,&H0000FFFF,0,-1,8\n"
#define FORMAT "\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"

static void written_as_ass_nothing_is_lost(void **state)
{
    (void)state;
    static const char whole[] = HEADER FORMAT
        "Comment: 0,0:00:00.00,0:00:00.00,Default,,0,0,0,,a remark, with a comma\n"
        "Dialogue: 3,0:00:04.00,0:00:05.00,Top,Ann,1,2,3,Banner;10,{\\fad(1,2)}later, {a comment}but first\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}\n"
        "\n[Fonts]\nfontname: a.ttf\nABC\n";
    caption_becomes(whole, "a.ass", "ass", whole);
}

static void other_formats_get_the_text(void **state)
{
    (void)state;
    caption_becomes(HEADER FORMAT
                    "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,one\\Ntwo\\hwords\\nhere {\\i1}x{\\i0}{remark}\n"
                    "Dialogue: 1,0:00:01.00,0:00:02.00,Default,,0,0,0,,one\\Ntwo\\hwords\\nhere x\n"
                    "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}\n"
                    "Dialogue: 0,0:00:05.00,0:00:06.00,Top,,0,0,0,,up{\\alpha&HFF&}unseen{\\r} there\n"
                    "Dialogue: 0,0:00:07.00,0:00:08.00,Default,,0,0,0,,{\\pos(320,48)}{\\b1\\c&H0000FF&}at{\\r} {not closed\n",
                    "a.ass", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\none\ntwo\xC2\xA0words here <i>x</i>\n\n"
                    "2\n00:00:05,000 --> 00:00:06,000\n{\\an8}<font color=\"#ffff00\"><i>up there</i></font>\n\n"
                    "3\n00:00:07,000 --> 00:00:08,000\n{\\an8}<font color=\"#ff0000\"><b>at</b></font> {not closed\n\n");
}

static void what_comes_out_of_hiding_is_text(void **state)
{
    (void)state;
    caption_becomes(HEADER FORMAT
                    "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\alpha&HFF&\\t(0,200,\\alpha&H00&)}fades in\n"
                    "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\1a&HFF&}outlined{\\alpha&HFF&\\t(\\fs9)} never{\\1a&H00&} seen\n"
                    "Dialogue: 0,0:00:05.00,0:00:06.00,Top,,0,0,0,,{\\i0\\c&HFF&}red{\\c&HFFFFFF&} white\n",
                    "a.ass", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\nfades in\n\n2\n00:00:03,000 --> 00:00:04,000\noutlined seen\n\n"
                    "3\n00:00:05,000 --> 00:00:06,000\n{\\an8}<font color=\"#ff0000\">red</font> white\n\n");
}

static void braces_can_be_text(void **state)
{
    (void)state;
    caption_becomes(HEADER FORMAT "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,\\{sic\\} {\\i1}a{not said}\\}\n", "a.ass", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\n{sic} <i>a}</i>\n\n");
}

static void styles_are_found_by_name_and_the_last_counts(void **state)
{
    (void)state;
    caption_becomes(HEADER "Style: top,Arial,20,&H00FFFFFF,-1,0,2\n" FORMAT "; said of the events\n"
                    "Dialogue: 0,0:00:01.00,0:00:02.00,TOP,,0,0,0,,a {\\rDefault}b {\\rnone}c\n", "a.ass", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\n<b>a </b>b <b>c</b>\n\n");
    caption_becomes(HEADER FORMAT "; said of the events\nDialogue: 0,0:00:01.00,0:00:02.00,Top,,0,0,0,,a\n", "a.ass", "ass",
                    HEADER "\n; said of the events\n" FORMAT "Dialogue: 0,0:00:01.00,0:00:02.00,Top,,0,0,0,,a\n");
}

static void unusual_order_of_fields_is_honoured(void **state)
{
    (void)state;
    caption_becomes("[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Start, End, Text\n"
                    "Dialogue: 0:00:01.00,0:00:02.00,all, of this\n", "a.ass", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\nall, of this\n\n");
}

static void ssa_becomes_valid_ass(void **state)
{
    (void)state;
    caption_becomes("[Script Info]\nScriptType: v4.00\nPlayResX: 640\nPlayResY: 480\n\n[V4 Styles]\n"
                    "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, TertiaryColour, BackColour, Bold, "
                    "Italic, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, AlphaLevel, Encoding\n"
                    "Style: Default,Arial,20,16777215,65535,0,0,0,0,1,2,0,6,10,10,10,0,1\n\n[Events]\n"
                    "Format: Marked, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
                    "Dialogue: Marked=0,0:00:01.00,0:00:02.00,*Default,,0000,0000,0000,,up\n", "a.ssa", "ass",
                    "[Script Info]\nScriptType: v4.00+\nPlayResX: 640\nPlayResY: 480\n\n[V4+ Styles]\n"
                    "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, "
                    "Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, "
                    "Alignment, MarginL, MarginR, MarginV, Encoding\n"
                    "Style: Default,Arial,20,16777215,65535,0,0,0,0,0,0,100,100,0,0,1,2,0,8,10,10,10,1\n"
                    FORMAT "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,up\n");
}

static void plain_text_becomes_a_script_of_its_own(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, "1\n00:00:01,004 --> 00:00:01,005\n{\\an8}<i>a</i>{b\nc\\N\n", "a.srt");
    list.width_px = 1280;
    list.height_px = 720;
    list.cues[0].runs[1].style.size_px = 16;
    caption_is(&list, "ass",
               "[Script Info]\nScriptType: v4.00+\nPlayResX: 1280\nPlayResY: 720\nWrapStyle: 0\n"
               "ScaledBorderAndShadow: yes\n\n[V4+ Styles]\n"
               "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, "
               "Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, "
               "Alignment, MarginL, MarginR, MarginV, Encoding\n"
               "Style: Default,Arial,36,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,2,0,2,32,32,28,1\n"
               FORMAT "Dialogue: 0,0:00:01.00,0:00:01.01,Default,,0,0,0,,{\\an8\\i1}a{\\i0\\fs40}\\{b\\Nc\n");
}

static void what_would_break_a_script_is_taken_out(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    const struct kn_caption_write_options options = {0};
    caption_read(&list, "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann,&#10;B>a\\N{b}\n", "a.vtt");
    list.cues[0].runs[0].style.font = "F}{\\p1";
    assert_int_equal(kn_caption_write(&out, &list, KN_CAPTION_FORMAT_ASS, &options, NULL), KN_OK);
    assert_non_null(strstr(kn_buf_text(&out), ",Default,Ann; B,0,0,0,,{\\fnFp1}a\\\xE2\x81\xA0N\\{b\\}\n"));
    struct kn_ass_script *script;
    kn_auto(kn_cue_list_clear) struct kn_cue_list film = {0};
    static const char block[] = "0,0,Default,,0,0,0,,one\r\ntwo\nthree";
    assert_int_equal(kn_ass_header(&film, &script, HEADER, sizeof(HEADER) - 1, NULL), KN_OK);
    assert_int_equal(kn_ass_packet(&film, script, block, sizeof(block) - 1, KN_SECOND, 2 * KN_SECOND, NULL), KN_OK);
    caption_is(&film, "ass", HEADER FORMAT "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,one\\Ntwo\\Nthree\n");
    caption_is(&film, "srt", "1\n00:00:01,000 --> 00:00:02,000\none\ntwo\nthree\n\n");
}

static void broken_events_are_told(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, HEADER FORMAT "Dialogue: 0,never,0:00:02.00,Default,,0,0,0,,x\nDialogue: 0,0:00:01.00\n"
                                      "what is this\nDialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,y\n", "a.ass");
    assert_int_equal(list.n_problems, 3);
    assert_int_equal(list.warnings[0].line, 14);
    caption_is(&list, "srt", "1\n00:00:03,000 --> 00:00:04,000\ny\n\n");
}

static void assert_written(const struct kn_cue_list *list, enum kn_caption_format format, const char *expected)
{
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    const struct kn_caption_write_options options = {.line_end = KN_LINE_END_LF};
    assert_int_equal(kn_caption_write(&out, list, format, &options, NULL), KN_OK);
    if (!strstr(kn_buf_text(&out), expected))
        fail_msg("no '%s' in:\n%s", expected, kn_buf_text(&out));
}

static void several_voices_stand_in_the_text_and_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *vtt, *ass, *back;
    } cues[] = {
        {"<v Ann>Hi <i>you</i>.</v>\n<v Bob>Hello.</v>", ",Ann; Bob,0,0,0,,Ann: Hi {\\i1}you{\\i0}.\\NBob: Hello.\n",
         "<v Ann>Hi </v><v Ann><i>you</i></v><v Ann>.</v>\n<v Bob>Hello.</v>\n"},
        {"<v Ann>One <v Bob>two <v Ann>three", ",Ann; Bob,0,0,0,,Ann: One Bob: two Ann: three\n",
         "<v Ann>One</v> <v Bob>two</v> <v Ann>three</v>\n"},
        {"<v Ann>A</v><v Bob><b>B</b></v>", ",Ann; Bob,0,0,0,,Ann: A{\\b1} Bob: B\n", "<v Ann>A</v><b> </b><v Bob><b>B</b></v>\n"},
        // One alone is the event's name; beside others' text without a name it is in the text alone.
        {"<v Ann>One</v>\n<v Ann>voice</v>", ",Ann,0,0,0,,One\\Nvoice\n", "<v Ann>One\nvoice\n"},
        {"- Who?\n<v Ann>Me</v>", ",,0,0,0,,- Who?\\NAnn: Me\n", "\n- Who?\nAnn: Me\n"},
    };
    for (size_t i = 0; i < sizeof(cues) / sizeof(*cues); i++) {
        kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
        kn_auto(kn_cue_list_clear) struct kn_cue_list again = {0};
        kn_auto(kn_buf_clear) struct kn_buf vtt = {0};
        kn_auto(kn_buf_clear) struct kn_buf ass = {0};
        const struct kn_caption_write_options options = {.line_end = KN_LINE_END_LF};
        kn_buf_printf(&vtt, "WEBVTT\n\n00:01.000 --> 00:02.000\n%s\n", cues[i].vtt);
        caption_read(&list, kn_buf_text(&vtt), "a.vtt");
        assert_written(&list, KN_CAPTION_FORMAT_ASS, cues[i].ass);
        assert_int_equal(kn_caption_write(&ass, &list, KN_CAPTION_FORMAT_ASS, &options, NULL), KN_OK);
        caption_read(&again, kn_buf_text(&ass), "a.ass");
        assert_written(&again, KN_CAPTION_FORMAT_WEBVTT, cues[i].back);
    }
    // Names that do not stand in the text stay one name, and text stays what it is in SubRip.
    kn_auto(kn_cue_list_clear) struct kn_cue_list other = {0};
    caption_read(&other, "[Script Info]\n[Events]\nFormat: Start, End, Name, Text\n"
                         "Dialogue: 0:00:01.00,0:00:02.00,Ann; Bob,Ann: We both.\n"
                         "Dialogue: 0:00:03.00,0:00:04.00,Ann; Bob,Ann: Hi.\\NBob: Ho.\n", "a.ass");
    assert_written(&other, KN_CAPTION_FORMAT_WEBVTT, "<v Ann; Bob>Ann: We both.\n");
    assert_written(&other, KN_CAPTION_FORMAT_SRT, "Ann: Hi.\nBob: Ho.\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_as_ass_nothing_is_lost),
        cmocka_unit_test(other_formats_get_the_text),
        cmocka_unit_test(what_comes_out_of_hiding_is_text),
        cmocka_unit_test(braces_can_be_text),
        cmocka_unit_test(styles_are_found_by_name_and_the_last_counts),
        cmocka_unit_test(unusual_order_of_fields_is_honoured),
        cmocka_unit_test(ssa_becomes_valid_ass),
        cmocka_unit_test(plain_text_becomes_a_script_of_its_own),
        cmocka_unit_test(what_would_break_a_script_is_taken_out),
        cmocka_unit_test(broken_events_are_told),
        cmocka_unit_test(several_voices_stand_in_the_text_and_come_back),
    };
    return cmocka_run_group_tests_name("engine/caption/ass", tests, NULL, NULL);
}
