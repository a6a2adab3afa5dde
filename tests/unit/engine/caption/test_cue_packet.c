/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/caption/cue_packet.h"
#include "engine/caption/finish.h"
#include "support/caption_text.h"

static void begin(struct kn_cue_list *list, enum kn_caption_codec codec, const char *private_bytes, size_t n)
{
    assert_int_equal(kn_caption_begin(list, codec, (const uint8_t *)private_bytes, n, NULL), KN_OK);
}

static void give(struct kn_cue_list *list, int64_t start_ms, int64_t duration_ms, const char *bytes, size_t n)
{
    const struct kn_caption_packet packet = {.start_us = start_ms * 1000, .duration_us = duration_ms * 1000,
                                             .bytes = (const uint8_t *)bytes, .n = n};
    assert_int_equal(kn_caption_packet(list, list->codec, &packet, NULL), KN_OK);
}
#define GIVE(list, start, duration, bytes) give(list, start, duration, bytes, sizeof(bytes) - 1)

static void mov_text_has_styles_by_character(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    begin(&list, KN_CAPTION_MOV_TEXT, "", 0);
    // "né go" with "go" bold: characters 3 to 5; a box that lies about its size ends the reading.
    GIVE(&list, 1000, 1000, "\0\6n\xC3\xA9 go\0\0\0\x16styl\0\1\0\3\0\5\0\1\1\x12\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFstyl");
    GIVE(&list, 2000, 1000, "\0\0");
    GIVE(&list, 3000, 0, "\0\3a\rb\0\0\0\10frcd");
    assert_int_equal(kn_caption_end(&list, 4 * KN_SECOND, NULL), KN_OK);
    caption_is(&list, "srt", "1\n00:00:01,000 --> 00:00:02,000\nn\xC3\xA9 <b>go</b>\n\n"
                             "2\n00:00:03,000 --> 00:00:04,000\na\nb\n\n");
    assert_true(!list.cues[0].is_forced && list.cues[1].is_forced);
}

static void mov_text_may_count_bytes_or_lie(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    begin(&list, KN_CAPTION_MOV_TEXT, "", 0);
    GIVE(&list, 1000, 1000, "\0\6\xC3\xA9\xC3\xA9ok\0\0\0\x16styl\0\1\0\4\0\6\0\1\2\x12\xFF\xFF\xFF\xFF");
    GIVE(&list, 3000, 1000, "\xFF\xFFshort");
    GIVE(&list, 5000, 1000, "\0\6\xFE\xFF\x4E\x2D\0!");
    assert_int_equal(kn_caption_end(&list, KN_NO_TIME, NULL), KN_OK);
    caption_is(&list, "srt", "1\n00:00:01,000 --> 00:00:02,000\n\xC3\xA9\xC3\xA9<i>ok</i>\n\n"
                             "2\n00:00:03,000 --> 00:00:04,000\nshort\n\n"
                             "3\n00:00:05,000 --> 00:00:06,000\n\xE4\xB8\xAD!\n\n");
    assert_int_equal(list.n_problems, 1);
}

static void mov_text_is_counted_as_the_writer_did_before(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    begin(&list, KN_CAPTION_MOV_TEXT, "", 0);
    // Bytes 2 to 4, which might be characters; bytes to the end, which cannot; then as the first; edges that would cut.
    GIVE(&list, 1000, 1000, "\0\6\xC3\xA9okay\0\0\0\x16styl\0\1\0\1\0\3\0\1\2\x12\xFF\xFF\xFF\xFF");
    GIVE(&list, 2000, 1000, "\0\6\xC3\xA9okay\0\0\0\x16styl\0\1\0\4\0\6\0\1\2\x12\xFF\xFF\xFF\xFF");
    GIVE(&list, 3000, 1000, "\0\6\xC3\xA9okay\0\0\0\x16styl\0\1\0\2\0\4\0\1\2\x12\xFF\xFF\xFF\xFF");
    GIVE(&list, 4000, 1000, "\0\6\xC3\xA9okay\0\0\0\x16styl\0\1\0\1\0\3\0\1\2\x12\xFF\xFF\xFF\xFF");
    GIVE(&list, 5000, 1000, "\0\6\xFE\xFF\x4E\x2D\0!\0\0\0\x16styl\0\1\0\1\0\2\0\1\2\x12\xFF\xFF\xFF\xFF");
    assert_int_equal(kn_caption_end(&list, KN_NO_TIME, NULL), KN_OK);
    caption_is(&list, "srt", "1\n00:00:01,000 --> 00:00:02,000\n\xC3\xA9<i>ok</i>ay\n\n"
                             "2\n00:00:02,000 --> 00:00:03,000\n\xC3\xA9ok<i>ay</i>\n\n"
                             "3\n00:00:03,000 --> 00:00:04,000\n\xC3\xA9<i>ok</i>ay\n\n"
                             "4\n00:00:04,000 --> 00:00:05,000\n\xC3\xA9<i>ok</i>ay\n\n"
                             "5\n00:00:05,000 --> 00:00:06,000\n\xE4\xB8\xAD<i>!</i>\n\n");
}

static void caption_distribution_packets_hold_services(void **state)
{
    (void)state;
    for (int channel = 1; channel <= 5; channel += 4) {
        kn_auto(kn_cue_list_clear) struct kn_cue_list list = {.track = {.channel = channel}};
        begin(&list, KN_CAPTION_CEA608, "", 0);
        // Service 1 defines a window that is seen, writes, and two seconds later deletes it.
        GIVE(&list, 1000, 0, "\0\0\0\x27" "ccdp" "\x96\x69\x1F\x4F\x43\0\0" "\x72\xE6" "\xFF\x06\x29" "\xFE\x98\x20"
                             "\xFE\0\0" "\xFE\x70\x1F" "\xFE\x11H" "\xFEi\0" "\x74\0\0\0");
        GIVE(&list, 2000, 0, "\0\0\0\x0A" "cdat" "\x80\x80"); // pairs alone: no service is in them
        GIVE(&list, 3000, 0, "\0\0\0\x1B" "ccdp" "\x96\x69\x13\x4F\x43\0\1" "\x72\xE2" "\xFF\x02\x22" "\xFE\x8C\xFF"
                             "\x74\0\0\0");
        GIVE(&list, 4000, 0, "\0\0\xFF\xFF" "ccdp" "\x96\x69\xFF\x4F\x43\0\1" "\x72\xFF" "\xFF"); // lies
        assert_int_equal(kn_caption_end(&list, KN_NO_TIME, NULL), KN_OK);
        assert_int_equal(kn_caption_channels(&list), channel == 5 ? 1 << 4 : 0);
        assert_int_equal(list.n_cues, channel == 5);
        if (channel == 5)
            assert_string_equal(list.cues[0].runs[0].text, "Hi");
    }
}

static void webvtt_boxes_go_on_from_sample_to_sample(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    begin(&list, KN_CAPTION_WVTT, "WEBVTT", 6);
    GIVE(&list, 0, 1000, "\0\0\0\x11vttc\0\0\0\x09paylA");
    GIVE(&list, 1000, 1000, "\0\0\0\x11vttc\0\0\0\x09paylA\0\0\0\x1Fvttc\0\0\0\x09paylB\0\0\0\x0Esttgline:0");
    GIVE(&list, 2000, 1000, "\0\0\0\x08vtte");
    assert_int_equal(kn_caption_end(&list, KN_NO_TIME, NULL), KN_OK);
    caption_is(&list, "webvtt", "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nA\n\n00:00:01.000 --> 00:00:02.000 line:0\nB\n");
}

static void ass_blocks_come_in_any_order(void **state)
{
    (void)state;
    static const char header[] = "[Script Info]\nScriptType: v4.00+\nPlayResX: 10\nPlayResY: 10\n\n[Events]\nFormat: Text";
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    begin(&list, KN_CAPTION_ASS, header, sizeof(header) - 1);
    GIVE(&list, 3000, 1000, "0,0,Default,,0,0,0,,first, in the script");
    GIVE(&list, 1000, 1000, "1,2,Default,Ann,0,0,0,,{\\i1}second");
    assert_int_equal(kn_caption_end(&list, KN_NO_TIME, NULL), KN_OK);
    caption_is(&list, "ass", "[Script Info]\nScriptType: v4.00+\nPlayResX: 10\nPlayResY: 10\n\n[Events]\n"
                             "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
                             "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,first, in the script\n"
                             "Dialogue: 2,0:00:01.00,0:00:02.00,Default,Ann,0,0,0,,{\\i1}second\n");
    caption_is(&list, "srt", "1\n00:00:01,000 --> 00:00:02,000\n<i>second</i>\n\n"
                             "2\n00:00:03,000 --> 00:00:04,000\nfirst, in the script\n\n");
}

static void digital_captions_are_cues_of_their_service(void **state)
{
    (void)state;
    // A window at the lower centre, an italic yellow pen, "Hi" and a quotation mark; then it is deleted.
    static const char shown[] =
        "\xff\x0c\x35\xfe\x98\x38\xfe\xda\x32\xfe\x71\x1f\xfe\x11\x90\xfe\x00\x80\xfe\x91\x3c\xfe\x00\x00\xfe\x92\x00\xfe\x00\x48\xfe\x69\x10\xfe\x33\x00";
    static const char deleted[] = "\xff\x02\x22\xfe\x8c\xff";
    for (int channel = 5; channel <= 6; channel++) {
        kn_auto(kn_cue_list_clear) struct kn_cue_list list = {.track.channel = channel};
        begin(&list, KN_CAPTION_CEA608, "", 0);
        GIVE(&list, 1000, 0, shown);
        GIVE(&list, 3000, 0, deleted);
        assert_int_equal(kn_caption_channels(&list), 1 << 4);
        assert_int_equal(kn_caption_end(&list, KN_NO_TIME, NULL), KN_OK);
        caption_is(&list, "srt", channel == 5 ? "1\n00:00:01,000 --> 00:00:03,000\n"
                                                "<font color=\"#ffff00\"><i>Hi\xE2\x80\x9C</i></font>\n\n" : "");
    }
}

static void ends_nobody_says_are_found(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    begin(&list, KN_CAPTION_SRT_TEXT, "", 0);
    GIVE(&list, 1000, 0, "until the next");
    GIVE(&list, 2000, 0, "at most eight seconds");
    GIVE(&list, 60000, 0, "until the film ends");
    GIVE(&list, 60000, 0, "until the film ends");
    assert_int_equal(kn_caption_end(&list, 61 * KN_SECOND, NULL), KN_OK);
    caption_is(&list, "srt", "1\n00:00:01,000 --> 00:00:02,000\nuntil the next\n\n"
                             "2\n00:00:02,000 --> 00:00:10,000\nat most eight seconds\n\n"
                             "3\n00:01:00,000 --> 00:01:01,000\nuntil the film ends\n\n");
    kn_auto(kn_cue_list_clear) struct kn_cue_list short_ones = {.longest_us = 3 * KN_SECOND};
    begin(&short_ones, KN_CAPTION_SRT_TEXT, "", 0);
    GIVE(&short_ones, 1000, 0, "at most three seconds");
    GIVE(&short_ones, 9000, 5000, "what is said stays");
    assert_int_equal(kn_caption_end(&short_ones, KN_NO_TIME, NULL), KN_OK);
    caption_is(&short_ones, "srt", "1\n00:00:01,000 --> 00:00:04,000\nat most three seconds\n\n"
                                   "2\n00:00:09,000 --> 00:00:14,000\nwhat is said stays\n\n");
}

static void what_begins_before_the_media_is_clipped(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    begin(&list, KN_CAPTION_SRT_TEXT, "", 0);
    GIVE(&list, -9000, 0, "until the next, long ago");
    GIVE(&list, -5000, 5000, "over");
    GIVE(&list, -3000, 4000, "half");
    GIVE(&list, -1000, 0, "until the next");
    GIVE(&list, 2000, 1000, "whole");
    assert_int_equal(kn_caption_end(&list, KN_NO_TIME, NULL), KN_OK);
    caption_is(&list, "srt", "1\n00:00:00,000 --> 00:00:01,000\nhalf\n\n2\n00:00:00,000 --> 00:00:02,000\nuntil the next\n\n"
                             "3\n00:00:02,000 --> 00:00:03,000\nwhole\n\n");
}

static void overlaps_stay_and_repeats_go(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    begin(&list, KN_CAPTION_SRT_TEXT, "", 0);
    GIVE(&list, 1000, 3000, "long");
    GIVE(&list, 2000, 1000, "one");
    GIVE(&list, 2000, 1000, "other");
    GIVE(&list, 2000, 1000, "one");
    GIVE(&list, 2000, 1500, "one");
    assert_int_equal(kn_caption_end(&list, KN_NO_TIME, NULL), KN_OK);
    caption_is(&list, "srt", "1\n00:00:01,000 --> 00:00:04,000\nlong\n\n2\n00:00:02,000 --> 00:00:03,000\none\n\n"
                             "3\n00:00:02,000 --> 00:00:03,000\nother\n\n4\n00:00:02,000 --> 00:00:03,500\none\n\n");
    caption_is(&list, "webvtt", "WEBVTT\n\n00:00:01.000 --> 00:00:04.000\nlong\n\n00:00:02.000 --> 00:00:03.000\none\n\n"
                                "00:00:02.000 --> 00:00:03.000\nother\n\n00:00:02.000 --> 00:00:03.500\none\n");
}

static void times_are_rounded_half_up_and_stay_in_order(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    begin(&list, KN_CAPTION_SRT_TEXT, "", 0);
    static const int64_t starts_us[] = {1000499, 1000500, 1001499, 1001500, 1999500};
    for (int i = 0; i < 5; i++) {
        const struct kn_caption_packet packet = {
            .start_us = starts_us[i], .duration_us = 100, .bytes = (const uint8_t *)&"abcde"[i], .n = 1};
        assert_int_equal(kn_caption_packet(&list, list.codec, &packet, NULL), KN_OK);
    }
    assert_int_equal(kn_caption_end(&list, KN_NO_TIME, NULL), KN_OK);
    caption_is(&list, "srt", "1\n00:00:01,000 --> 00:00:01,001\na\n\n2\n00:00:01,001 --> 00:00:01,002\nb\n\n"
                             "3\n00:00:01,001 --> 00:00:01,002\nc\n\n4\n00:00:01,002 --> 00:00:01,003\nd\n\n"
                             "5\n00:00:02,000 --> 00:00:02,001\ne\n\n");
}

// A document that is sent with each segment, of which the segment's part counts.
static void a_cue_cut_at_segments_is_one(void **state)
{
    (void)state;
    static const char text[] = "<tt xmlns=\"http://www.w3.org/ns/ttml\"><body><div><p begin=\"1s\" end=\"7s\">long</p>"
                               "<p begin=\"7s\" end=\"9s\">next</p></div></body></tt>";
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    begin(&list, KN_CAPTION_TTML, "", 0);
    for (int i = 0; i < 5; i++)
        GIVE(&list, i * 2000, 2000, text);
    assert_int_equal(kn_caption_end(&list, KN_NO_TIME, NULL), KN_OK);
    caption_is(&list, "srt", "1\n00:00:01,000 --> 00:00:07,000\nlong\n\n2\n00:00:07,000 --> 00:00:09,000\nnext\n\n");
}

static void pictures_are_refused_by_name(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {.track.codec_name = "hdmv_pgs_subtitle"};
    struct kn_error err = {0};
    assert_int_equal(kn_caption_begin(&list, KN_CAPTION_PGS, NULL, 0, &err), KN_EUNSUP);
    assert_string_equal(err.message, "captions of kind 'hdmv_pgs_subtitle' are not read as text");
    assert_true(kn_caption_is_image(KN_CAPTION_PGS));
    assert_true(kn_caption_is_text(KN_CAPTION_SRT_TEXT));
    assert_false(kn_caption_is_text(KN_CAPTION_OTHER) || kn_caption_is_image(KN_CAPTION_OTHER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mov_text_has_styles_by_character),
        cmocka_unit_test(mov_text_may_count_bytes_or_lie),
        cmocka_unit_test(mov_text_is_counted_as_the_writer_did_before),
        cmocka_unit_test(caption_distribution_packets_hold_services),
        cmocka_unit_test(webvtt_boxes_go_on_from_sample_to_sample),
        cmocka_unit_test(ass_blocks_come_in_any_order),
        cmocka_unit_test(digital_captions_are_cues_of_their_service),
        cmocka_unit_test(ends_nobody_says_are_found),
        cmocka_unit_test(what_begins_before_the_media_is_clipped),
        cmocka_unit_test(overlaps_stay_and_repeats_go),
        cmocka_unit_test(times_are_rounded_half_up_and_stay_in_order),
        cmocka_unit_test(a_cue_cut_at_segments_is_one),
        cmocka_unit_test(pictures_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("engine/caption/cue_packet", tests, NULL, NULL);
}
