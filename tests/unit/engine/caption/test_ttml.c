/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "engine/caption/ttml.h"
#include "support/caption_text.h"

static void times_nest_and_have_many_forms(void **state)
{
    (void)state;
    caption_becomes(
        "<?xml version=\"1.0\"?><tt xmlns=\"http://www.w3.org/ns/ttml\" xmlns:ttp=\"http://www.w3.org/ns/ttml#parameter\" "
        "ttp:frameRate=\"25\" ttp:tickRate=\"1000\"><body begin=\"10s\"><div>"
        "<p begin=\"00:00:01.5\" dur=\"500ms\">a</p><p begin=\"00:00:02:05\" end=\"3s\">b</p>"
        "<p begin=\"4000t\" end=\"5000t\">c</p><p begin=\"150f\" end=\"0.2m\">d</p></div></body></tt>", "a.ttml", "srt",
        "1\n00:00:11,500 --> 00:00:12,000\na\n\n2\n00:00:12,200 --> 00:00:13,000\nb\n\n"
        "3\n00:00:14,000 --> 00:00:15,000\nc\n\n4\n00:00:16,000 --> 00:00:22,000\nd\n\n");
}

static void looks_come_from_styles_and_regions(void **state)
{
    (void)state;
    caption_becomes(
        "<tt xmlns=\"http://www.w3.org/ns/ttml\" xmlns:tts=\"http://www.w3.org/ns/ttml#styling\"><head><styling>"
        "<style xml:id=\"base\" tts:color=\"yellow\"/><style xml:id=\"leaning\" style=\"base\" tts:fontStyle=\"italic\"/>"
        "</styling><layout><region xml:id=\"up\" tts:origin=\"10% 5%\" tts:extent=\"80% 20%\" tts:textAlign=\"center\"/>"
        "</layout></head><body><div><p region=\"up\" begin=\"1s\" end=\"2s\">\n  plain<br/>\n  <span style=\"leaning\">both"
        "</span>\n</p></div></body></tt>", "a.ttml", "srt",
        "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}plain\n<font color=\"#ffff00\"><i>both</i></font>\n\n");
}

static void timed_spans_and_ruby(void **state)
{
    (void)state;
    caption_becomes(
        "<tt xmlns=\"http://www.w3.org/ns/ttml\" xmlns:tts=\"http://www.w3.org/ns/ttml#styling\"><body><div>"
        "<p begin=\"1s\" end=\"9s\"><span begin=\"0s\" end=\"1s\">one</span><span begin=\"2s\" end=\"3s\">two</span></p>"
        "<p begin=\"20s\" end=\"21s\"><span tts:ruby=\"container\"><span tts:ruby=\"base\">\xE6\xBC\xA2</span>"
        "<span tts:ruby=\"text\">kan</span></span>!</p></div></body></tt>", "a.ttml", "webvtt",
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\none\n\n00:00:03.000 --> 00:00:04.000\ntwo\n\n"
        "00:00:20.000 --> 00:00:21.000\n<ruby>\xE6\xBC\xA2<rt>kan</rt></ruby>!\n");
}

static void forced_display_is_known(void **state)
{
    (void)state;
    static const char text[] =
        "<tt xmlns=\"http://www.w3.org/ns/ttml\" xmlns:itts=\"http://www.w3.org/ns/ttml/profile/imsc1#styling\"><body><div>"
        "<p begin=\"1s\" end=\"2s\" itts:forcedDisplay=\"true\">a</p><p begin=\"3s\" end=\"4s\">b</p></div></body></tt>";
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    assert_int_equal(kn_ttml_read(&list, text, sizeof(text) - 1, NULL), KN_OK);
    assert_int_equal(list.n_cues, 2);
    assert_true(list.cues[0].is_forced && !list.cues[1].is_forced);
}

static void entities_of_its_own_are_refused(void **state)
{
    (void)state;
    static const char bomb[] = "<!DOCTYPE tt [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>"
                               "<tt><body><div><p begin=\"1s\" end=\"2s\">&b;</p></div></body></tt>";
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    struct kn_error err = {0};
    assert_int_equal(kn_ttml_read(&list, bomb, sizeof(bomb) - 1, &err), KN_EMEDIA);
    assert_string_equal(err.message, "a document type that declares entities or attributes");
    static const char defaults[] = "<!DOCTYPE tt SYSTEM 'a>b' [<!ATTLIST p style CDATA \"s\">]><tt><body><p/></body></tt>";
    assert_int_equal(kn_ttml_read(&list, defaults, sizeof(defaults) - 1, &err), KN_EMEDIA);
    caption_becomes("<!DOCTYPE tt PUBLIC \"-//W3C//DTD TT 1.0//EN\" 'a[b>'>\n<tt><body><div><p begin=\"1s\" end=\"2s\">[a]</p>"
                    "</div></body></tt>", "a.ttml", "srt", "1\n00:00:01,000 --> 00:00:02,000\n[a]\n\n");
}

static void what_would_fill_the_memory_is_refused(void **state)
{
    (void)state;
    static char text[KN_MAX_CAPTION_TREE_BYTES + 1] = "<tt";
    static const char *const names[] = {"a.ttml", "a.smi"};
    for (size_t i = 0; i < KN_COUNT(names); i++) {
        kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
        struct kn_error err = {0};
        memset(text + 3, i ? '\n' : '<', sizeof(text) - 3);
        text[0] = i ? '*' : '<';
        assert_int_equal(kn_caption_read(&list, text, sizeof(text), &(struct kn_caption_file){.name = names[i]}, &err), KN_ELIMIT);
        assert_string_equal(err.message, i ? "more than 16 MiB of captions of a small format" : "more than 16 MiB of captions in XML");
    }
}

static void vertical_lines_stand_where_their_region_is(void **state)
{
    (void)state;
    caption_becomes("<tt xmlns=\"http://www.w3.org/ns/ttml\" xmlns:tts=\"http://www.w3.org/ns/ttml#styling\"><head><layout>"
                    "<region xml:id=\"r\" tts:writingMode=\"tbrl\" tts:origin=\"80% 10%\" tts:extent=\"10% 80%\"/>"
                    "<region xml:id=\"l\" tts:writingMode=\"tblr\" tts:origin=\"10% 10%\" tts:extent=\"10% 80%\" "
                    "tts:textAlign=\"center\"/></layout></head><body><div><p begin=\"1s\" end=\"2s\" region=\"r\">a</p>"
                    "<p begin=\"3s\" end=\"4s\" region=\"l\">b</p></div></body></tt>", "a.ttml", "webvtt",
                    "WEBVTT\n\n00:00:01.000 --> 00:00:02.000 vertical:rl line:90%,end position:10% align:start\na\n\n"
                    "00:00:03.000 --> 00:00:04.000 vertical:lr line:10% position:50%\nb\n");
}

static void small_formats_are_read_as_they_are_meant(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, "<SAMI><BODY><SYNC Start=1000><P Class=ENCC>Tom &amp; <i>Ann &lt;3</i><SYNC Start=2000><P Class=ENCC>&nbsp;"
                        "<SYNC Start=3000><P Class=ENCC>caf&eacute;</BODY></SAMI>", "a.smi");
    caption_is(&list, "srt", "1\n00:00:01,000 --> 00:00:02,000\nTom & <i>Ann <3</i>\n\n2\n00:00:03,000 --> 00:00:11,000\ncaf\xC3\xA9\n\n");
    assert_int_equal(list.n_problems, 0);
    assert_int_equal(list.width_px, 0);
    caption_becomes("# JACOsub\n0:00:01.00 0:00:02.00 D hello\\nyou\n0:00:03.00 0:00:04.00 D x\n", "a.jss", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\nhello\nyou\n\n2\n00:00:03,000 --> 00:00:04,000\nx\n\n");
}

static void line_ends_of_xml_do_not_end_the_cue(void **state)
{
    (void)state;
    caption_becomes("<tt xmlns=\"http://www.w3.org/ns/ttml\"><body xml:space=\"preserve\"><div><p begin=\"1s\" end=\"2s\">a&#13;&#13;b"
                    "</p></div></body></tt>", "a.ttml", "webvtt",
                    "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\na\n\xC2\xA0\nb\n");
}

static void styles_in_a_circle_end(void **state)
{
    (void)state;
    caption_becomes("<tt xmlns=\"http://www.w3.org/ns/ttml\"><head><styling><style xml:id=\"a\" style=\"b b b\"/>"
                    "<style xml:id=\"b\" style=\"a a a\"/></styling></head><body style=\"a\"><div><p begin=\"x\" end=\"2s\">"
                    "t</p></div></body></tt>", "a.ttml", "srt", "1\n00:00:00,000 --> 00:00:02,000\nt\n\n");
}

static void broken_document_is_read_as_far_as_it_goes(void **state)
{
    (void)state;
    caption_becomes("<tt xmlns=\"http://www.w3.org/ns/ttml\"><body><div><p begin=\"1s\" end=\"2s\">first</p>"
                    "<p begin=\"3s\" end=\"4s\">cut", "a.ttml", "srt",
                    "1\n00:00:01,000 --> 00:00:02,000\nfirst\n\n2\n00:00:03,000 --> 00:00:04,000\ncut\n\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_nest_and_have_many_forms),
        cmocka_unit_test(looks_come_from_styles_and_regions),
        cmocka_unit_test(timed_spans_and_ruby),
        cmocka_unit_test(forced_display_is_known),
        cmocka_unit_test(entities_of_its_own_are_refused),
        cmocka_unit_test(what_would_fill_the_memory_is_refused),
        cmocka_unit_test(vertical_lines_stand_where_their_region_is),
        cmocka_unit_test(small_formats_are_read_as_they_are_meant),
        cmocka_unit_test(line_ends_of_xml_do_not_end_the_cue),
        cmocka_unit_test(styles_in_a_circle_end),
        cmocka_unit_test(broken_document_is_read_as_far_as_it_goes),
    };
    return cmocka_run_group_tests_name("engine/caption/ttml", tests, NULL, NULL);
}
