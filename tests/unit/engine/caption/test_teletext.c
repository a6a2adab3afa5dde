/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/time.h"
#include "engine/caption/cue_packet.h"
#include "engine/caption/teletext.h"
#include "engine/caption/teletext_letters.h"
#include "engine/caption/text.h"

#define PAGE 0x888

/* ---- an inserter: lines as they are sent, and the packets they lie in ---- */
struct sender {
    uint8_t bytes[4096];
    size_t n;
};

static uint8_t reversed(uint8_t byte)
{
    uint8_t out = 0;
    for (int i = 0; i < 8; i++)
        out = (uint8_t)(out << 1 | (byte >> i & 1));
    return out;
}

static uint8_t hamming_8_4(unsigned value)
{
    for (int byte = 0; byte < 256; byte++) {
        // A code word is one that stays what it is whichever bit goes wrong.
        bool is_word = kn_teletext_hamming_8_4((uint8_t)byte) == (int)value;
        for (int bit = 0; bit < 8 && is_word; bit++)
            is_word = kn_teletext_hamming_8_4((uint8_t)(byte ^ 1 << bit)) == (int)value;
        if (is_word)
            return (uint8_t)byte;
    }
    fail_msg("no code word for %u", value);
    return 0;
}

static void put_24_18(uint8_t out[3], uint32_t value)
{
    uint32_t word = 0;
    int nth = 0;
    for (uint32_t place = 1; place < 24; place++)
        if (place & (place - 1))
            word |= (value >> nth++ & 1) << (place - 1);
    for (uint32_t parity = 1; parity < 32; parity *= 2) {
        unsigned ones = 0;
        for (uint32_t place = 1; place < 24; place++)
            ones += (place & parity) ? word >> (place - 1) & 1 : 0;
        word |= (uint32_t)!(ones & 1) << (parity - 1);
    }
    word |= (uint32_t)!__builtin_parity(word) << 23;
    for (int i = 0; i < 3; i++)
        out[i] = (uint8_t)(word >> 8 * i);
}

static uint8_t *line_begin(struct sender *sender, unsigned magazine, unsigned row)
{
    if (sender->n == 0)
        sender->bytes[sender->n++] = 0x10;
    uint8_t *unit = sender->bytes + sender->n;
    sender->n += 46;
    assert_true(sender->n <= sizeof(sender->bytes));
    memcpy(unit, "\x03\x2c\xe7\xe4", 4);
    memset(unit + 4, reversed(0x20), 42);
    unit[4] = reversed(hamming_8_4((magazine & 7) | (row & 1) << 3));
    unit[5] = reversed(hamming_8_4(row >> 1));
    return unit + 6;
}

static void send_header(struct sender *sender, unsigned page, unsigned national, bool erases)
{
    const unsigned nibbles[8] = {page & 15, page >> 4 & 15, 0, erases ? 8 : 0, 0, 8, 0,
                                 (national >> 2 & 1) << 1 | (national >> 1 & 1) << 2 | (national & 1) << 3};
    uint8_t *at = line_begin(sender, page >> 8, 0);
    for (int i = 0; i < 8; i++)
        at[i] = reversed(hamming_8_4(nibbles[i]));
}

static void send_row(struct sender *sender, unsigned page, unsigned row, const char *codes, size_t n)
{
    uint8_t *at = line_begin(sender, page >> 8, row);
    for (size_t i = 0; i < n; i++)
        at[i] = reversed((uint8_t)(codes[i] | (__builtin_parity((unsigned char)codes[i]) ? 0 : 0x80)));
}

// A row in a box.
static void send_text(struct sender *sender, unsigned page, unsigned row, const char *text)
{
    char codes[40];
    const int n = snprintf(codes, sizeof(codes), "\x0b\x0b%s\x0a\x0a", text);
    send_row(sender, page, row, codes, (size_t)n);
}

static void send_triplets(struct sender *sender, unsigned page, unsigned row, const uint32_t *triplets, size_t n)
{
    uint8_t *at = line_begin(sender, page >> 8, row);
    at[0] = reversed(hamming_8_4(0));
    for (size_t i = 0; i < 13; i++) {
        uint8_t bytes[3];
        put_24_18(bytes, i < n ? triplets[i] : 63 | 0x1Fu << 6);
        for (int k = 0; k < 3; k++)
            at[1 + 3 * i + (size_t)k] = reversed(bytes[k]);
    }
}

static uint32_t triplet(unsigned address, unsigned mode, unsigned data)
{
    return address | mode << 6 | data << 11;
}

/* ---- a stream ---- */
struct stream {
    struct kn_cue_list list;
};

static void stream_begin(struct stream *stream, const char *language)
{
    *stream = (struct stream){.list = {.track = {.page = PAGE}}};
    (void)snprintf(stream->list.track.language, sizeof(stream->list.track.language), "%s", language);
    assert_int_equal(kn_caption_begin(&stream->list, KN_CAPTION_TELETEXT, NULL, 0, NULL), KN_OK);
}

static void stream_send(struct stream *stream, int64_t at_ms, struct sender *sender)
{
    const struct kn_caption_packet packet = {
        .start_us = at_ms * 1000, .duration_us = KN_NO_TIME, .bytes = sender->bytes, .n = sender->n};
    assert_int_equal(kn_caption_packet(&stream->list, KN_CAPTION_TELETEXT, &packet, NULL), KN_OK);
    sender->n = 0;
}

// A page of one or two lines; NULL for none.
static void stream_page(struct stream *stream, int64_t at_ms, const char *upper, const char *lower)
{
    struct sender sender = {0};
    send_header(&sender, PAGE, 0, true);
    if (upper)
        send_text(&sender, PAGE, 20, upper);
    if (lower)
        send_text(&sender, PAGE, 22, lower);
    send_header(&sender, 0x8FF, 0, true);
    stream_send(stream, at_ms, &sender);
}

// All cues as "start-end text", one a line.
static const char *stream_end(struct stream *stream)
{
    static struct kn_buf said;
    kn_buf_clear(&said);
    assert_int_equal(kn_caption_end(&stream->list, 60 * KN_SECOND, NULL), KN_OK);
    for (size_t i = 0; i < stream->list.n_cues; i++) {
        const struct kn_cue *cue = &stream->list.cues[i];
        kn_buf_printf(&said, "%s%d-%d ", i ? "\n" : "", (int)(cue->start_us / 1000), (int)(cue->end_us / 1000));
        for (size_t run = 0; run < cue->n_runs; run++)
            kn_buf_printf(&said, "%s", cue->runs[run].text);
    }
    return kn_buf_text(&said);
}

// What was sent and then a row of codes is one caption of one line.
static void assert_row_becomes(struct stream *stream, struct sender *sender, const char *codes, const char *expected)
{
    char line[256];
    (void)snprintf(line, sizeof(line), "1000-2000 %s", expected);
    send_text(sender, PAGE, 22, codes);
    send_header(sender, 0x8FF, 0, true);
    stream_send(stream, 1000, sender);
    stream_page(stream, 2000, NULL, NULL);
    assert_string_equal(stream_end(stream), line);
    kn_cue_list_clear(&stream->list);
}

static void assert_one_line(const char *language, unsigned national, const uint32_t *triplets, size_t n_triplets,
                            const char *codes, const char *expected)
{
    struct stream stream;
    struct sender sender = {0};
    stream_begin(&stream, language);
    send_header(&sender, PAGE, national, true);
    if (n_triplets)
        send_triplets(&sender, PAGE, 26, triplets, n_triplets);
    assert_row_becomes(&stream, &sender, codes, expected);
}

/* ---- tests ---- */
static void a_page_is_a_cue_until_it_is_cleared(void **state)
{
    (void)state;
    struct stream stream;
    stream_begin(&stream, "eng");
    stream_page(&stream, 1000, "First line", "second line");
    stream_page(&stream, 3500, NULL, NULL);
    stream_page(&stream, 5000, NULL, "Another");
    stream_page(&stream, 6000, NULL, "And one more");
    stream_page(&stream, 7000, NULL, NULL);
    assert_string_equal(stream_end(&stream), "1000-3500 First line\nsecond line\n5000-6000 Another\n6000-7000 And one more");
    kn_cue_list_clear(&stream.list);
}

static void a_page_sent_again_is_the_same_cue_and_one_that_goes_on_makes_it_longer(void **state)
{
    (void)state;
    struct stream stream;
    stream_begin(&stream, "eng");
    stream_page(&stream, 1000, NULL, "Word");
    stream_page(&stream, 1500, NULL, "Word");
    stream_page(&stream, 2000, NULL, "Word by word");
    stream_page(&stream, 2500, "Word by word", "and a line");
    stream_page(&stream, 4000, NULL, NULL);
    stream_page(&stream, 4040, "Word by word", "and a line"); // a gap that would blink
    stream_page(&stream, 5000, NULL, NULL);
    assert_string_equal(stream_end(&stream), "1000-5000 Word by word\nand a line");
    kn_cue_list_clear(&stream.list);
}

static void only_what_stands_in_a_box_is_read(void **state)
{
    (void)state;
    struct stream stream;
    struct sender sender = {0};
    stream_begin(&stream, "eng");
    send_header(&sender, PAGE, 0, true);
    send_row(&sender, PAGE, 22, "outside \x0b\x0bin the box\x0a\x0a outside", 30);
    send_row(&sender, PAGE, 1, "a page number, the time", 23);
    send_header(&sender, 0x8FF, 0, true);
    stream_send(&stream, 1000, &sender);
    stream_page(&stream, 2000, NULL, NULL);
    assert_string_equal(stream_end(&stream), "1000-2000 in the box");
    kn_cue_list_clear(&stream.list);
}

static void other_pages_and_magazines_are_not_ours(void **state)
{
    (void)state;
    struct stream stream;
    struct sender sender = {0};
    stream_begin(&stream, "eng");
    send_header(&sender, PAGE, 0, true);
    send_header(&sender, 0x188, 0, true); // magazines may be sent side by side
    send_text(&sender, 0x188, 22, "of magazine 1");
    send_text(&sender, PAGE, 22, "ours");
    send_header(&sender, 0x889, 0, true);
    send_text(&sender, 0x889, 22, "of page 889");
    stream_send(&stream, 1000, &sender);
    stream_page(&stream, 2000, NULL, NULL);
    assert_string_equal(stream_end(&stream), "1000-2000 ours");
    kn_cue_list_clear(&stream.list);
}

static void letters_are_those_of_the_country(void **state)
{
    (void)state;
    assert_one_line("eng", 0, NULL, 0, "#5 _ [ ]", "£5 # ← →");
    assert_one_line("deu", 1, NULL, 0, "[ \\ ] { | } ~ @ `", "Ä Ö Ü ä ö ü ß § °");
    assert_one_line("fra", 4, NULL, 0, "# @ { }", "é à â û");
    assert_one_line("swe", 2, NULL, 0, "{|} [\\]", "äöå ÄÖÅ");
    assert_one_line("ces", 6, NULL, 0, "#$@[\\]^_`{|}~", "#ůčťžýířéáěúš");
    // What no packet says, the stream's language does.
    assert_one_line("pol", 0, NULL, 0, "$@{|}~", "ńążśłź");
    assert_one_line("tur", 6, NULL, 0, "$@`", "ğİı");
    assert_one_line("rus", 4, NULL, 0, "Priwet", "Привет");
    assert_one_line("ukr", 5, NULL, 0, "\\\\&", "ЄЄї");
    assert_one_line("gre", 7, NULL, 0, "Acha", "Αγθα");
}

static void letters_of_double_width_are_one_word(void **state)
{
    (void)state;
    // Each covers the place behind it, whatever is sent there; codes there count all the same.
    assert_one_line("eng", 0, NULL, 0, "\x0eH e l l o   w o\x0crld", "Hello world");
    assert_one_line("heb", 5, NULL, 0, "\x0em e l y ", "שלום");
}

static void hebrew_comes_out_in_the_order_it_is_read(void **state)
{
    (void)state;
    // As the screen shows it, from the left: "12" stays a number.
    assert_one_line("heb", 5, NULL, 0, "mely 12", "12 שלום");
    // Brackets are turned; times, prices and what is in Latin letters run on from the left.
    assert_one_line("heb", 5, NULL, 0, "50% 12:30 (mely)", "(שלום) 12:30 50%");
    assert_one_line("heb", 5, NULL, 0, ".BBC (NEWS) 24 mely", "שלום BBC (NEWS) 24.");
    assert_one_line("heb", 5, NULL, 0, "BBC (NEWS)!", "BBC (NEWS)!");
}

static void arabic_is_letters_without_their_forms(void **state)
{
    (void)state;
    // Lam and alef have one place, seen has two: its tail stands left of it.
    assert_one_line("ara", 7, NULL, 0, "{~S", "سلام");
    assert_one_line("ara", 7, NULL, 0, "&SFf", "ناس");
    assert_one_line("ara", 7, NULL, 0, "?){~S(", "(سلام)؟");
    assert_one_line("ara", 7, NULL, 0, ";{~S ,{~S", "سلام، سلام؛");
    assert_one_line("ara", 7, NULL, 0, "12:30 1.5 {~S", "سلام 1.5 12:30");
    // Every letter of the alphabet; what looks like a tail elsewhere is an alef maksura.
    assert_one_line("ara", 7, NULL, 0, "ABDKLMNOPQRSTUVWXYZabcdefghij&'@", "ةيىيىوهنملكقفغعظطضصشسزرذدخحجثتبء");
    // Letters that only the supplementary set has, and its digits.
    const uint32_t extras[] = {triplet(40 + 22, 0x04, 0), triplet(2, 0x0F, 0x23), triplet(3, 0x0F, 0x31)};
    assert_one_line("ara", 7, extras, 3, "AA", "١أ");
}

// The page's letters by a packet of row 28, or its magazine's by one of row 29.
static void assert_set(unsigned row, unsigned designation, unsigned national, const char *codes, const char *expected)
{
    struct stream stream;
    struct sender sender = {0};
    const uint32_t set[] = {designation << 7 | 15u << 14, 7};
    stream_begin(&stream, "und");
    if (row == 29)
        send_triplets(&sender, PAGE, 29, set, 2);
    send_header(&sender, PAGE, national, true);
    if (row == 28)
        send_triplets(&sender, PAGE, 28, set, 2);
    assert_row_becomes(&stream, &sender, codes, expected);
}

// EN 300 706, tables 32, 33 and 36.
static void every_national_option_is_its_own(void **state)
{
    (void)state;
    static const struct {
        unsigned designation, national;
        const char *letters;
    } options[] = {
        {0, 0, "£$@←½→↑#—¼‖¾÷"},  {0, 1, "#$§ÄÖÜ^_°äöüß"},  {0, 2, "#¤ÉÄÖÅÜ_éäöåü"},  {0, 3, "£$é°ç→↑#ùàòèì"},
        {0, 4, "éïàëêùî#èâôûç"},  {0, 5, "ç$¡áéíóú¿üñèà"},  {0, 6, "#ůčťžýířéáěúš"},  {8, 0, "#ńąŻŚŁćóężśłź"},
        {8, 6, "#ůčťžýířéáěúš"},  {16, 6, "₤ğİŞÖÇÜĞışöçü"}, {24, 5, "#ËČĆŽĐŠëčćžđš"}, {24, 7, "#¤ȚÂȘĂÎıțâșăî"},
        {32, 1, "#$§ÄÖÜ^_°äöüß"}, {32, 2, "#õŠÄÖŽÜÕšäöžü"}, {32, 3, "#$ŠėęŽčūšąųžį"}, {32, 6, "#ůčťžýířéáěúš"},
        {48, 6, "₤ğİŞÖÇÜĞışöçü"}, {64, 0, "£$@←½→↑#—¼‖¾÷"}, {64, 4, "éïàëêùî#èâôûç"},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        assert_set(28 + i % 2, options[i].designation, options[i].national, "#$@[\\]^_`{|}~", options[i].letters);
}

static void regions_have_alphabets_of_their_own(void **state)
{
    (void)state;
    assert_set(29, 32, 0, "@AJQWX[]_`ajqwx{}~", "ЧАЈЌЃЉЋЂЏчајќѓљћђш");
    assert_set(28, 36, 4, "@AJQWXY\\_&`ajqwxy|~", "ЮАЙЯВЬЪЭЫыюайявьъэч");
    assert_set(29, 37, 5, "@AJQWXY\\_&`ajqwxy|~", "ЮАЙЯВЬІЄЇїюайявьієч");
    assert_set(28, 55, 7, "@AJRYZ\\`arz|~<>", "ΐΑΚʹΩΪάΰαςϊόώ«»");
    assert_set(29, 85, 5, "#ABC `az{", "₪תבא ABC£");
    assert_set(28, 71, 7, "{~S", "سلام");
    assert_set(29, 87, 7, "{~S", "سلام");
}

static void a_packet_names_another_alphabet(void **state)
{
    (void)state;
    struct stream stream;
    struct sender sender = {0};
    const uint32_t russian[] = {36u << 7 | 15u << 14, 7};
    stream_begin(&stream, "und");
    send_header(&sender, PAGE, 4, true);
    send_triplets(&sender, PAGE, 28, russian, 2);
    send_text(&sender, PAGE, 22, "Da \x1byes");
    send_header(&sender, 0x8FF, 0, true);
    stream_send(&stream, 1000, &sender);
    stream_page(&stream, 2000, NULL, NULL);
    assert_string_equal(stream_end(&stream), "1000-2000 Да yes");
    kn_cue_list_clear(&stream.list);
}

static void letters_with_marks_come_from_row_26(void **state)
{
    (void)state;
    const uint32_t extras[] = {
        triplet(40 + 22, 0x04, 0), triplet(2, 0x13, 'e'), triplet(4, 0x0F, 0x55), triplet(6, 0x10, 0x2A),
        triplet(8, 0x1F, 'n'),     triplet(10, 0x1C, 'x'), triplet(50, 0x04, 0), triplet(3, 0x11, 'a'),
    };
    assert_one_line("eng", 0, extras, 8, "e a b n x", "ê ♪ @ ň x\xCC\xB2");
}

static void looks_and_places_are_kept(void **state)
{
    (void)state;
    struct stream stream;
    struct sender sender = {0};
    stream_begin(&stream, "eng");
    send_header(&sender, PAGE, 0, true);
    send_row(&sender, PAGE, 2, "             \x0b\x0b\x03Yellow \x06""cyan\x0a\x0a", 29);
    send_row(&sender, PAGE, 20, "\x0d\x0b\x0b Tall\x0a\x0a", 10);
    send_row(&sender, PAGE, 21, "\x0b\x0b covered\x0a\x0a", 12);
    send_header(&sender, 0x8FF, 0, true);
    stream_send(&stream, 1000, &sender);
    stream_page(&stream, 2000, NULL, NULL);
    assert_string_equal(stream_end(&stream), "1000-2000 Yellow cyan\n1000-2000 Tall");
    const struct kn_cue *upper = &stream.list.cues[0];
    assert_int_equal(upper->n_runs, 3);
    assert_int_equal(upper->runs[0].style.colour, 0xFFFF00);
    assert_false(upper->runs[1].style.has_colour);
    assert_int_equal(upper->runs[2].style.colour, 0x00FFFF);
    assert_int_equal(upper->place.anchor, 8);
    assert_int_equal(stream.list.cues[1].place.anchor, 1);
    kn_cue_list_clear(&stream.list);
}

static void one_wrong_bit_changes_nothing_and_more_are_told(void **state)
{
    (void)state;
    struct stream stream;
    struct sender sender = {0};
    stream_begin(&stream, "eng");
    send_header(&sender, PAGE, 0, true);
    send_text(&sender, PAGE, 22, "Good evening");
    send_header(&sender, 0x8FF, 0, true);
    for (int i = 0; i < 10; i++)
        sender.bytes[1 + 4 + i] ^= (uint8_t)(1 << i % 8); // the first header: each byte is put right
    sender.bytes[1 + 46 + 4 + 2 + 2] ^= 0x10;             // a letter
    stream_send(&stream, 1000, &sender);
    stream_page(&stream, 2000, NULL, NULL);
    assert_string_equal(stream_end(&stream), "1000-2000 ood evening");
    assert_int_equal(stream.list.n_problems, 1);
    assert_non_null(strstr(stream.list.warnings[0].text, "1 letters of the teletext page at 1.000 s"));
    kn_cue_list_clear(&stream.list);
}

static void what_is_cut_short_is_passed_over(void **state)
{
    (void)state;
    for (size_t n = 0; n < 46 * 4; n++) {
        struct stream stream;
        struct sender sender = {0};
        stream_begin(&stream, "eng");
        send_header(&sender, PAGE, 0, true);
        send_text(&sender, PAGE, 20, "one");
        send_text(&sender, PAGE, 22, "two");
        send_header(&sender, 0x8FF, 0, true);
        sender.n = n;
        stream_send(&stream, 1000, &sender);
        const char *expected = n < 1 + 2 * 46 ? "" : n < 1 + 3 * 46 ? "1000-9000 one" : "1000-9000 one\ntwo";
        assert_string_equal(stream_end(&stream), expected);
        kn_cue_list_clear(&stream.list);
    }
}

static void pages_are_found_by_their_headers(void **state)
{
    (void)state;
    struct sender sender = {0};
    int pages[4];
    send_header(&sender, 0x888, 0, true);
    send_header(&sender, 0x150, 0, true);
    send_header(&sender, 0x1FF, 0, true); // fills time
    assert_int_equal(kn_teletext_subtitle_pages(sender.bytes, sender.n, pages, 4), 2);
    assert_int_equal(pages[0], 0x888);
    assert_int_equal(pages[1], 0x150);
    assert_int_equal(kn_teletext_subtitle_pages(sender.bytes, sender.n, pages, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_a_cue_until_it_is_cleared),
        cmocka_unit_test(a_page_sent_again_is_the_same_cue_and_one_that_goes_on_makes_it_longer),
        cmocka_unit_test(only_what_stands_in_a_box_is_read),
        cmocka_unit_test(other_pages_and_magazines_are_not_ours),
        cmocka_unit_test(letters_are_those_of_the_country),
        cmocka_unit_test(letters_of_double_width_are_one_word),
        cmocka_unit_test(hebrew_comes_out_in_the_order_it_is_read),
        cmocka_unit_test(arabic_is_letters_without_their_forms),
        cmocka_unit_test(every_national_option_is_its_own),
        cmocka_unit_test(regions_have_alphabets_of_their_own),
        cmocka_unit_test(a_packet_names_another_alphabet),
        cmocka_unit_test(letters_with_marks_come_from_row_26),
        cmocka_unit_test(looks_and_places_are_kept),
        cmocka_unit_test(one_wrong_bit_changes_nothing_and_more_are_told),
        cmocka_unit_test(what_is_cut_short_is_passed_over),
        cmocka_unit_test(pages_are_found_by_their_headers),
    };
    return cmocka_run_group_tests_name("engine/caption/teletext", tests, NULL, NULL);
}
