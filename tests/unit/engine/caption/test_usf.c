/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/caption/cue_packet.h"
#include "engine/caption/file.h"

static const char styles[] =
    "<?xml version=\"1.0\"?><USFSubtitles version=\"1.0\"><styles>"
    "<style name=\"Default\"><fontstyle face=\"Arial\" color=\"#FFFFFF\"/><position alignment=\"BottomCenter\"/></style>"
    "<style name=\"Sign\"><fontstyle color=\"#00FF00\" italic=\"yes\"/><position alignment=\"TopCenter\"/></style>"
    "</styles></USFSubtitles>";

// What one block becomes as SubRip, without its number.
static void assert_srt(const char *block, const char *expected)
{
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    const struct kn_caption_packet packet = {
        .start_us = KN_SECOND, .duration_us = KN_SECOND, .bytes = (const uint8_t *)block, .n = strlen(block)};
    const struct kn_caption_write_options options = {.line_end = KN_LINE_END_LF};
    assert_int_equal(kn_caption_begin(&list, KN_CAPTION_USF, (const uint8_t *)styles, strlen(styles), NULL), KN_OK);
    assert_int_equal(kn_caption_packet(&list, KN_CAPTION_USF, &packet, NULL), KN_OK);
    assert_int_equal(kn_caption_end(&list, KN_NO_TIME, NULL), KN_OK);
    assert_int_equal(kn_caption_write(&out, &list, KN_CAPTION_FORMAT_SRT, &options, NULL), KN_OK);
    const char *text = strstr(kn_buf_text(&out), "02,000\n");
    assert_string_equal(text ? text + 7 : kn_buf_text(&out), expected);
}

static void markup_becomes_looks(void **state)
{
    (void)state;
    assert_srt("<text>Plain, <b>bold</b> <i>and <u>more</u></i></text>", "Plain, <b>bold</b> <i>and </i><i><u>more</u></i>\n\n");
    assert_srt("<text>One<br/>two &amp; three</text>", "One\ntwo & three\n\n");
    assert_srt("<text>a\n   wrapped line</text>", "a wrapped line\n\n");
    assert_srt("<text><font color=\"#ff0000\">red</font></text>", "<font color=\"#ff0000\">red</font>\n\n");
    assert_srt("<subtitle><text>as in a file</text></subtitle>", "as in a file\n\n");
}

static void styles_are_those_of_the_stream(void **state)
{
    (void)state;
    assert_srt("<text style=\"Sign\">EXIT</text>", "{\\an8}<font color=\"#00ff00\"><i>EXIT</i></font>\n\n");
    assert_srt("<text style=\"Sign\" alignment=\"BottomLeft\">EXIT</text>",
               "{\\an1}<font color=\"#00ff00\"><i>EXIT</i></font>\n\n");
    assert_srt("<text style=\"Unknown\">text</text>", "text\n\n");
}

static void broken_xml_gives_what_it_has(void **state)
{
    (void)state;
    assert_srt("<text>not <b>closed</text>", "not <b>closed</b>\n\n");
    assert_srt("no element at all", "");
    assert_srt("<!DOCTYPE a [<!ENTITY b \"c\">]><text>&b;</text>", "");
}

static void a_file_has_times_of_its_own(void **state)
{
    (void)state;
    static const char file[] =
        "<!DOCTYPE USFSubtitles SYSTEM \"USFV100.dtd\">\n<USFSubtitles version=\"1.0\"><subtitles><subtitle start=\"00:00:01.500\" stop=\"00:00:02.000\"><text>One</text>"
        "</subtitle><subtitle start=\"3\" duration=\"1.5\"><text speaker=\"Ann\">Two</text></subtitle>"
        "<subtitle><text>never</text></subtitle></subtitles></USFSubtitles>";
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    assert_int_equal(kn_caption_read(&list, file, strlen(file), &(struct kn_caption_file){.name = "a.usf"}, NULL), KN_OK);
    assert_int_equal(list.n_cues, 2);
    assert_int_equal(list.cues[0].start_us, 1500000);
    assert_int_equal(list.cues[0].end_us, 2000000);
    assert_int_equal(list.cues[1].end_us, 4500000);
    assert_string_equal(list.cues[1].speaker, "Ann");
    assert_int_equal(list.n_problems, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_becomes_looks),
        cmocka_unit_test(styles_are_those_of_the_stream),
        cmocka_unit_test(broken_xml_gives_what_it_has),
        cmocka_unit_test(a_file_has_times_of_its_own),
    };
    return cmocka_run_group_tests_name("engine/caption/usf", tests, NULL, NULL);
}
