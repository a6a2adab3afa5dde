/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "engine/caption/cea608.h"
#include "support/caption_text.h"

struct line {
    int64_t time_us;
    const char *codes; // pairs in hexadecimal
};

static void lines_decode(struct kn_cue_list *list, int channel, const struct line *lines, size_t n)
{
    kn_auto(kn_cea608_free) struct kn_cea608 *decoder = kn_cea608_new(list, channel);
    list->codec = KN_CAPTION_CEA608;
    for (size_t i = 0; i < n; i++) {
        unsigned a, b;
        for (const char *at = lines[i].codes; sscanf(at, "%2x%2x", &a, &b) == 2; at += 4 + (at[4] == ' '))
            assert_int_equal(kn_cea608_pair(decoder, channel > 2 ? 2 : 1, (uint8_t)a, (uint8_t)b, lines[i].time_us, NULL),
                             KN_OK);
    }
    assert_int_equal(kn_cea608_end(decoder, 10 * KN_SECOND, NULL), KN_OK);
}

static void pop_on_shows_from_one_code_to_another(void **state)
{
    (void)state;
    // RCL twice (once), PAC row 15, "Hi", EOC; then EDM.
    static const struct line lines[] = {{1000000, "9420 9420 9470 9470 4869 942f 942f"}, {3000000, "942c 942c"}};
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    lines_decode(&list, 1, lines, 2);
    assert_int_equal(list.n_cues, 1);
    caption_says(&list, 0, "Hi");
    caption_is(&list, "webvtt", "WEBVTT\n\n00:00:01.000 --> 00:00:03.000 line:84.62% position:10% align:start\nHi\n");
    caption_is(&list, "srt", "1\n00:00:01,000 --> 00:00:03,000\nHi\n\n");
    // Zeros and padding are no letters, also within a pair.
    static const struct line padded[] = {{1000000, "9420 8080 9420 9470 4800 0000 8080 6980 942f"}, {3000000, "942c"}};
    kn_auto(kn_cue_list_clear) struct kn_cue_list same = {0};
    lines_decode(&same, 1, padded, 2);
    assert_int_equal(same.n_cues, 1);
    caption_says(&same, 0, "Hi");
}

static void a_code_within_a_row_is_one_blank(void **state)
{
    (void)state;
    // "A", italics, "b", plain, "C"; then the same with blanks beside the codes, as some writers put them.
    static const struct line lines[] = {
        {0, "1420 1470 4100 112e 6200 1120 4300 142f"},
        {2000000, "1420 1470 4120 112e 6200 2000 1120 4300 142f"},
        {4000000, "1420 1470 4100 112e 1121 6200 142f"},
        {6000000, "142c"},
    };
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    lines_decode(&list, 1, lines, KN_COUNT(lines));
    assert_int_equal(list.n_cues, 3);
    caption_is(&list, "srt", "1\n00:00:00,000 --> 00:00:02,000\nA <i>b</i> C\n\n"
                             "2\n00:00:02,000 --> 00:00:04,000\nA <i>b </i>C\n\n"
                             "3\n00:00:04,000 --> 00:00:06,000\nA <u>b</u>\n\n");
}

static void rows_apart_are_cues_of_their_own(void **state)
{
    (void)state;
    static const struct line lines[] = {{0, "1420 1140 4100 1470 4200 142f"}, {2000000, "142c"}};
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    lines_decode(&list, 1, lines, 2);
    caption_is(&list, "srt", "1\n00:00:00,000 --> 00:00:02,000\n{\\an8}A\n\n2\n00:00:00,000 --> 00:00:02,000\nB\n\n");
}

static void roll_up_is_a_cue_per_row(void **state)
{
    (void)state;
    static const struct line lines[] = {{1000000, "1425 1425 142d 1470 4142"}, {2000000, "142d 4344"},
                                        {3000000, "142d 4546"}};
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    lines_decode(&list, 1, lines, 3);
    assert_int_equal(list.n_cues, 3);
    caption_says(&list, 0, "AB");
    assert_int_equal(list.cues[0].start_us, 1000000);
    assert_int_equal(list.cues[0].end_us, 3000000);
    caption_says(&list, 1, "CD");
    assert_int_equal(list.cues[1].end_us, 10 * KN_SECOND);
}

static void looks_and_letters(void **state)
{
    (void)state;
    // Yellow by preamble, then a mid-row code for italics; "n" with its tilde, a note, an extended letter.
    static const struct line lines[] = {{0, "1420 144a 417e 112e 1137 5520 1222 142f"}, {1000000, "142c"}};
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    lines_decode(&list, 1, lines, 2);
    caption_says(&list, 0, "A\xC3\xB1 \xE2\x99\xAAU\xC3\x93");
    assert_true(list.cues[0].runs[0].style.has_colour);
    assert_int_equal(list.cues[0].runs[0].style.colour, 0xFFFF00);
    assert_false(list.cues[0].runs[1].style.has_colour); // the blank that the code is
    assert_true(list.cues[0].runs[2].style.is_italic);
}

static void channels_and_fields_keep_apart(void **state)
{
    (void)state;
    // CC1 and CC2 in turn, then a channel nobody sends.
    static const struct line lines[] = {{0, "1420 1470 4131 1c20 1c70 4232 142f 1c2f"}, {1000000, "142c 1c2c"}};
    for (int channel = 1; channel <= 2; channel++) {
        kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
        lines_decode(&list, channel, lines, 2);
        assert_int_equal(list.n_cues, 1);
        caption_says(&list, 0, channel == 1 ? "A1" : "B2");
    }
    // Extended data of field 2 is no text.
    static const struct line second[] = {{0, "1420 1470 0103 5465 0f20 1420 4333 142f"}, {1000000, "142c"}};
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    lines_decode(&list, 3, second, 2);
    caption_says(&list, 0, "C3");
}

static void scc_counts_frames(void **state)
{
    (void)state;
    caption_becomes("Scenarist_SCC V1.0\n\n00:00:10:00\t9420 9470 4869 942f\n\n00:00:12;00\t942c\n", "a.scc", "srt",
                    "1\n00:00:10,110 --> 00:00:12,012\nHi\n\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pop_on_shows_from_one_code_to_another),
        cmocka_unit_test(a_code_within_a_row_is_one_blank),
        cmocka_unit_test(rows_apart_are_cues_of_their_own),
        cmocka_unit_test(roll_up_is_a_cue_per_row),
        cmocka_unit_test(looks_and_letters),
        cmocka_unit_test(channels_and_fields_keep_apart),
        cmocka_unit_test(scc_counts_frames),
    };
    return cmocka_run_group_tests_name("engine/caption/cea608", tests, NULL, NULL);
}
