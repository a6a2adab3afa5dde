/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/caption/edit.h"
#include "support/caption_text.h"

static void cut(const char *text, const char *expected)
{
    char file[512];
    (void)snprintf(file, sizeof(file), "1\n00:00:01,000 --> 00:00:02,000\n%s\n", text);
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, file, "a.srt");
    assert_int_equal(kn_cue_list_remove_hearing_impaired(&list, NULL, NULL, NULL), KN_OK);
    if (!expected) {
        assert_int_equal(list.n_cues, 0);
        return;
    }
    (void)snprintf(file, sizeof(file), "1\n00:00:01,000 --> 00:00:02,000\n%s\n\n", expected);
    caption_is(&list, "srt", file);
}

static void what_the_deaf_need_goes(void **state)
{
    (void)state;
    cut("[door slams]", NULL);
    cut("(laughs) Hello.", "Hello.");
    cut("Hello. [both\nlaugh] Go on.", "Hello.\nGo on.");
    cut("JOHN: Hello.", "Hello.");
    cut("MAN 2: Hello.\nD'ARCY: Yes.", "Hello.\nYes.");
    cut("- [sighs]\n- Who is there?", "Who is there?");
    cut("- JOHN: One.\n- ANN: Two.", "- One.\n- Two.");
    cut("\xE2\x99\xAA La la la \xE2\x99\xAA", NULL);
    cut("\xE2\x99\xAA", NULL);
    cut("\xE2\x99\xAA one\ntwo \xE2\x99\xAA\nspoken", "spoken");
    cut("JOHN (laughing): Hello", "Hello");
    cut("[JOHN]: Hello\n- (ANN) : Yes", "Hello\n- Yes");
    cut("Hello (laughs), friend [sighs].", "Hello, friend.");
    cut("- One\nand more\n- [gasps]", "One\nand more");
    cut("One\n- Two\n- [gasps]", "One\n- Two");
    cut("\xE2\x80\x93 [gasps]\n\xE2\x80\x93 \"Hi\"", "\"Hi\"");
    cut("-[gasps] Hi\n-Yo", "-Hi\n-Yo");
    cut("\xE3\x80\x94\xE9\x9F\xB3\xE6\xA5\xBD\xE3\x80\x95\xE3\x80\x82", NULL);
    cut("<i>[music]</i>\n<b>Stay</b> (quietly) here", "<b>Stay</b> here");
    cut("\xEF\xBC\x88\xE7\xAC\x91\xEF\xBC\x89\xE4\xBD\xA0\xE5\xA5\xBD", "\xE4\xBD\xA0\xE5\xA5\xBD");
}

static void what_is_said_stays(void **state)
{
    (void)state;
    cut("It is 10:30 now.", "It is 10:30 now.");
    cut("Remember: never do that.", "Remember: never do that.");
    cut("I said STOP: now!", "I said STOP: now!");
    cut("A smile :) and a tear", "A smile :) and a tear");
    cut("Not closed [here", "Not closed [here");
    cut("- One.\n- Two.", "- One.\n- Two.");
    cut("USA", "USA");
    cut("one (two) three: four", "one three: four");
}

static void captions_of_the_same_times_become_one(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, "WEBVTT\n\n00:01.000 --> 00:02.000\n<i>below</i>\n\n00:01.000 --> 00:03.000\nlonger\n\n"
                        "00:01.000 --> 00:02.000 line:0\nabove\n\n00:01.000 --> 00:02.000\nlast\n\n"
                        "00:05.000 --> 00:06.000 line:0\none\n\n00:05.500 --> 00:06.000\ntwo\n", "a.vtt");
    assert_int_equal(kn_cue_list_join_simultaneous(&list, NULL), KN_OK);
    caption_is(&list, "srt", "1\n00:00:01,000 --> 00:00:02,000\nabove\n<i>below</i>\nlast\n\n"
                             "2\n00:00:01,000 --> 00:00:03,000\nlonger\n\n"
                             "3\n00:00:05,000 --> 00:00:06,000\n{\\an8}one\n\n4\n00:00:05,500 --> 00:00:06,000\ntwo\n\n");
}

static void times_are_shifted_and_scaled(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, "WEBVTT\n\n00:01.000 --> 00:02.000\ngone\n\n00:02.000 --> 00:04.000\ncut\n\n"
                        "00:10.000 --> 00:12.000\nsung <00:11.000>here\n", "a.vtt");
    assert_int_equal(kn_cue_list_shift(&list, -3 * KN_SECOND), 1);
    caption_is(&list, "webvtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\ncut\n\n00:00:07.000 --> 00:00:09.000\n"
                                "sung <00:00:08.000>here\n");
    kn_cue_list_scale(&list, 2);
    caption_is(&list, "webvtt", "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\ncut\n\n00:00:14.000 --> 00:00:18.000\n"
                                "sung <00:00:16.000>here\n");
}

static void what_is_not_forced_goes(void **state)
{
    (void)state;
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, "1\n00:00:01,000 --> 00:00:02,000\na\n\n2\n00:00:03,000 --> 00:00:04,000\nb\n", "a.srt");
    list.cues[1].is_forced = true;
    kn_cue_list_keep_forced(&list);
    caption_is(&list, "srt", "1\n00:00:03,000 --> 00:00:04,000\nb\n\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_deaf_need_goes),
        cmocka_unit_test(what_is_said_stays),
        cmocka_unit_test(captions_of_the_same_times_become_one),
        cmocka_unit_test(times_are_shifted_and_scaled),
        cmocka_unit_test(what_is_not_forced_goes),
    };
    return cmocka_run_group_tests_name("engine/caption/edit", tests, NULL, NULL);
}
