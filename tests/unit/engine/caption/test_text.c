/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <iconv.h>

#include "engine/caption/entity.h"
#include "engine/caption/text.h"
#include "support/caption_text.h"

// `utf8` in another encoding, as a file would have it.
static size_t encoded(char *out, size_t room, const char *utf8, const char *encoding)
{
    iconv_t how = iconv_open(encoding, "UTF-8");
    assert_true(how != (iconv_t)-1);
    char *in = (char *)utf8, *to = out;
    size_t n = strlen(utf8), left = room;
    assert_int_equal(iconv(how, &in, &n, &to, &left), 0);
    (void)iconv_close(how);
    return room - left;
}

static const char russian[] = "\xD0\xAF \xD0\xBF\xD1\x80\xD0\xB8\xD1\x88\xD1\x91\xD0\xBB \xD0\xBA \xD1\x82\xD0\xB5\xD0\xB1"
                              "\xD0\xB5 \xD1\x81 \xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82\xD0\xBE\xD0\xBC";
static const char chinese[] = "\xE5\xAE\x87\xE5\xAE\x99\xE5\xAE\x88\xE6\x8A\xA4\xE7\xA5\x9E\xE4\xBF\x9D\xE6\x8A\xA4"
                              "\xE6\x88\x91\xE4\xBB\xAC\xE8\xBF\x9C\xE7\xA6\xBB\xE9\x82\xAA\xE6\x81\xB6";
static const char polish[] = "Zg\xC5\x82o\xC5\x9B si\xC4\x99";

static void every_encoding_comes_out_as_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text, *encoding, *language;
    } rows[] = {
        {russian, "UTF-16LE", NULL}, {russian, "UTF-16", NULL}, {russian, "UTF-32", NULL},
        {russian, "CP1251", NULL},   {russian, "KOI8-R", NULL}, {chinese, "GB18030", NULL},
        {chinese, "GB18030", "chi"}, {polish, "CP1250", "pl"},  {polish, "CP1250", "pol"},
        {"caf\xC3\xA9", "CP1252", NULL}, {"\xE5\xAE\x87\xE5\xAE\x99\xE5\xAE\x88\xE6\x8A\xA4\xE7\xA5\x9E", "GB18030", NULL}, {chinese, "UTF-8", "ru"},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        char bytes[512], encoding[40], text[256];
        kn_auto(kn_buf_clear) struct kn_buf out = {0};
        (void)snprintf(text, sizeof(text), "1\n00:00:01,000 --> 00:00:02,000\n%s\n", rows[i].text);
        const size_t n = encoded(bytes, sizeof(bytes), text, rows[i].encoding);
        assert_int_equal(kn_caption_decode(&out, bytes, n, rows[i].language, encoding, NULL), KN_OK);
        assert_string_equal(kn_buf_text(&out), text);
    }
}

static void utf8_encoded_twice_is_repaired(void **state)
{
    (void)state;
    static const char twice[] = "caf\xC3\x83\xC2\xA9 \xC3\xA2\xE2\x82\xAC\xE2\x84\xA2";
    char encoding[40];
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    assert_int_equal(kn_caption_decode(&out, twice, sizeof(twice) - 1, NULL, encoding, NULL), KN_OK);
    assert_string_equal(kn_buf_text(&out), "caf\xC3\xA9 \xE2\x80\x99");
    assert_string_equal(encoding, "UTF-8 encoded twice");
}

static void mark_behind_blank_lines_and_zeros_are_no_hindrance(void **state)
{
    (void)state;
    static const char bytes[] = "\r\n\n\xEF\xBB\xBF" "a\0b";
    char encoding[40];
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    assert_int_equal(kn_caption_decode(&out, bytes, sizeof(bytes) - 1, NULL, encoding, NULL), KN_OK);
    assert_string_equal(kn_buf_text(&out), "a\xEF\xBF\xBD" "b");
}

static void references_and_colours(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        uint32_t character[2];
    } references[] = { // as the HTML standard reads them
        {"&amp;x", 5, {'&', 0}},        {"&#x4e2d;", 8, {0x4E2D, 0}},    {"&#65 ", 4, {'A', 0}},
        {"&copy 2020", 5, {0xA9, 0}},   {"&notit;", 4, {0xAC, 0}},       {"&notin;", 7, {0x2209, 0}},
        {"&sung;", 6, {0x266A, 0}},     {"&acE;", 5, {0x223E, 0x333}},   {"&#150;", 6, {0x2013, 0}},
        {"&#99999999999;", 14, {0x110000, 0}}, {"&CounterClockwiseContourIntegral;", 33, {0x2233, 0}},
    };
    for (size_t i = 0; i < KN_COUNT(references); i++) {
        uint32_t character[2];
        assert_int_equal(kn_caption_entity(references[i].text, strlen(references[i].text), character), references[i].n);
        assert_memory_equal(character, references[i].character, sizeof(character));
    }
    static const char *const others[] = {"&T", "&nosuch;", "&;", "&#;", "&#x;", "& lt;", "&hellip"};
    uint32_t none[2], c;
    for (size_t i = 0; i < KN_COUNT(others); i++)
        assert_int_equal(kn_caption_entity(others[i], strlen(others[i]), none), 0);
    static const struct {
        const char *text;
        uint32_t rgb;
    } rows[] = {{"#f80", 0xFF8800}, {"#ff8800", 0xFF8800}, {"ff8800", 0xFF8800}, {"#ff880080", 0xFF8800},
                {" Lime ", 0x00FF00}, {"rgb(1, 2, 3)", 0x010203}, {"rgba(1,2,3,255)", 0x010203}};
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        assert_true(kn_caption_colour(rows[i].text, strlen(rows[i].text), &c));
        assert_int_equal(c, rows[i].rgb);
    }
    assert_false(kn_caption_colour("nocolour", 8, &c));
    assert_false(kn_caption_colour("", 0, &c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encoding_comes_out_as_utf8),
        cmocka_unit_test(utf8_encoded_twice_is_repaired),
        cmocka_unit_test(mark_behind_blank_lines_and_zeros_are_no_hindrance),
        cmocka_unit_test(references_and_colours),
    };
    return cmocka_run_group_tests_name("engine/caption/text", tests, NULL, NULL);
}
