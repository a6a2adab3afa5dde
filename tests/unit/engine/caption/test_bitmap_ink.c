/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pictures drawn here: bars stand for the stems of letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/caption/bitmap_ink.h"

#define WHITE 0xFFFFFFFFu
#define BLACK 0xFF000000u
#define BLUE 0xFF0000FFu
#define RED 0xFFB00000u

enum { CLEAR, TEXT, AROUND };

static void canvas(struct kn_bitmap_object *object, int width, int height, uint32_t text, uint32_t around)
{
    *object = (struct kn_bitmap_object){.width = width, .height = height};
    object->palette[TEXT] = text;
    object->palette[AROUND] = around;
    object->indices = calloc((size_t)width, (size_t)height);
    assert_non_null(object->indices);
}

static void canvas_free(struct kn_bitmap_object *object)
{
    free(object->indices);
}

static void fill(struct kn_bitmap_object *object, int x, int y, int width, int height, uint8_t index)
{
    for (int row = y; row < y + height; row++)
        memset(object->indices + (size_t)row * (size_t)object->width + x, index, (size_t)width);
}

// Stems 6 wide, 30 apart, outlined by 2, leaning to the right by `lean` hundredths of a pixel per row.
static void bars(struct kn_bitmap_object *object, int top, int height, int lean)
{
    for (int pass = 0; pass < 2; pass++) {
        const int border = pass == 0 ? 2 : 0;
        for (int x = 10; x + 40 < object->width; x += 30)
            for (int y = top - border; y < top + height + border; y++) {
                const int shift = (top + height - y) * lean / 100;
                fill(object, x + shift - border, y, 6 + 2 * border, 1, pass == 0 ? AROUND : TEXT);
            }
    }
}

// Dark pixels of the page, in parts of all of them.
static double darkness(const struct kn_ink *ink)
{
    size_t n = 0;
    for (size_t i = 0; i < (size_t)ink->width * (size_t)ink->height; i++)
        n += ink->pixels[i] < 128;
    return (double)n / ((double)ink->width * ink->height);
}

static void make(struct kn_ink *ink, const struct kn_bitmap_object *object)
{
    assert_int_equal(kn_ink_make(ink, object, NULL), KN_OK);
    assert_non_null(ink->pixels);
}

static void outlined_text_is_read_without_its_outline(void **state)
{
    (void)state;
    static const uint32_t colours[][2] = {{WHITE, BLACK}, {RED, BLACK}, {BLUE, BLACK}, {BLACK, WHITE}};
    for (size_t i = 0; i < KN_COUNT(colours); i++) {
        kn_auto(canvas_free) struct kn_bitmap_object object;
        kn_auto(kn_ink_clear) struct kn_ink ink = {0};
        canvas(&object, 400, 60, colours[i][0], colours[i][1]);
        bars(&object, 10, 40, 0);
        make(&ink, &object);
        assert_int_equal(ink.n_lines, 1);
        assert_in_range(ink.height, 40, 100); // the stems and a margin: the outline is not ink
        assert_true(darkness(&ink) > 0.05 && darkness(&ink) < 0.25);
        assert_int_equal(ink.pixels[0], 255);
    }
}

static void text_in_a_box_is_read_without_the_box(void **state)
{
    (void)state;
    kn_auto(canvas_free) struct kn_bitmap_object object;
    kn_auto(kn_ink_clear) struct kn_ink ink = {0};
    canvas(&object, 400, 60, BLACK, WHITE);
    fill(&object, 0, 0, 400, 60, AROUND);
    bars(&object, 10, 40, 0);
    make(&ink, &object);
    assert_true(darkness(&ink) < 0.25);
}

static void lines_are_told_apart(void **state)
{
    (void)state;
    kn_auto(canvas_free) struct kn_bitmap_object object;
    kn_auto(kn_ink_clear) struct kn_ink ink = {0};
    canvas(&object, 400, 160, WHITE, BLACK);
    bars(&object, 10, 40, 0);
    bars(&object, 80, 40, 20);
    fill(&object, 10, 123, 5, 4, TEXT); // a comma's tail, just below the second line
    make(&ink, &object);
    assert_int_equal(ink.n_lines, 2);
    assert_false(ink.lines[0].is_italic);
    assert_true(ink.lines[1].is_italic);
    assert_true(ink.is_regular);
    assert_int_equal(ink.lines[0].bottom, ink.lines[1].top);
    assert_int_equal(ink.lines[1].bottom, ink.height);
}

static void lines_that_touch_are_told_apart_too(void **state)
{
    (void)state;
    kn_auto(canvas_free) struct kn_bitmap_object object;
    kn_auto(kn_ink_clear) struct kn_ink ink = {0};
    canvas(&object, 400, 120, WHITE, BLACK);
    bars(&object, 10, 40, 0);
    bars(&object, 56, 40, 0);
    fill(&object, 100, 20, 4, 70, TEXT); // one long letter
    make(&ink, &object);
    assert_int_equal(ink.n_lines, 2);
}

static void a_line_with_one_tall_letter_stays_whole(void **state)
{
    (void)state;
    kn_auto(canvas_free) struct kn_bitmap_object object;
    kn_auto(kn_ink_clear) struct kn_ink ink = {0};
    canvas(&object, 400, 80, WHITE, BLACK);
    bars(&object, 30, 24, 0);
    fill(&object, 10, 6, 6, 24, TEXT); // the one ascender
    make(&ink, &object);
    assert_int_equal(ink.n_lines, 1);
}

static void slanted_text_is_set_upright(void **state)
{
    (void)state;
    kn_auto(canvas_free) struct kn_bitmap_object upright, slanted;
    kn_auto(kn_ink_clear) struct kn_ink a = {0};
    kn_auto(kn_ink_clear) struct kn_ink b = {0};
    canvas(&upright, 400, 60, WHITE, BLACK);
    canvas(&slanted, 400, 60, WHITE, BLACK);
    bars(&upright, 10, 40, 0);
    bars(&slanted, 10, 40, 18);
    make(&a, &upright);
    make(&b, &slanted);
    assert_true(b.lines[0].is_italic);
    assert_false(a.lines[0].is_italic);
    assert_in_range(b.width, a.width - 3, a.width + 3);
}

static void small_text_is_made_larger(void **state)
{
    (void)state;
    kn_auto(canvas_free) struct kn_bitmap_object object;
    kn_auto(kn_ink_clear) struct kn_ink ink = {0};
    canvas(&object, 200, 24, WHITE, BLACK);
    bars(&object, 4, 14, 0);
    make(&ink, &object);
    assert_in_range(ink.height, 60, 110);
    assert_true(ink.width > 400);
}

static const struct kn_ink_shape plain = {.height = 36, .margin = 3, .more_blank = 10, .widen = 1, .least = 3};

static void a_strip_is_nothing_but_a_lines_ink(void **state)
{
    (void)state;
    kn_auto(canvas_free) struct kn_bitmap_object object;
    kn_auto(kn_ink_clear) struct kn_ink ink = {0};
    kn_auto(kn_ink_clear) struct kn_ink strip = {0};
    canvas(&object, 400, 160, WHITE, BLACK);
    bars(&object, 10, 40, 0);
    bars(&object, 80, 40, 0);
    make(&ink, &object);
    const struct kn_ink_shape shape = {.height = 36, .margin = 3, .widen = 0.5, .least = 3};
    const int ink_width = ink.width - 48; // without the page's margins
    assert_int_equal(kn_ink_strip(&strip, ink.pixels, ink.width, &ink.lines[1], &shape, NULL), KN_OK);
    assert_non_null(strip.pixels);
    assert_int_equal(strip.height, 36);
    assert_in_range(strip.width, ink_width * 30 / 40 / 2 + 6 - 2, ink_width * 30 / 40 / 2 + 6 + 2);
    assert_in_range(strip.pixels[strip.width * 20 + 4], 0, 128); // the first stem, behind the margin
    assert_int_equal(strip.pixels[0], 255);
}

static void dots_are_no_strip(void **state)
{
    (void)state;
    kn_auto(canvas_free) struct kn_bitmap_object object;
    kn_auto(kn_ink_clear) struct kn_ink ink = {0};
    canvas(&object, 400, 80, WHITE, BLACK);
    for (int i = 0; i < 3; i++)
        fill(&object, 40 + 20 * i, 50, 6, 6, TEXT); // "..."
    make(&ink, &object);
    for (int i = 0; i < ink.n_lines; i++) {
        kn_auto(kn_ink_clear) struct kn_ink strip = {0};
        assert_int_equal(kn_ink_strip(&strip, ink.pixels, ink.width, &ink.lines[i], &plain, NULL), KN_OK);
        assert_null(strip.pixels);
    }
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    kn_auto(canvas_free) struct kn_bitmap_object object;
    struct kn_ink ink;
    canvas(&object, 40, 10, 0x20FFFFFFu, 0x20000000u); // hardly there
    fill(&object, 5, 2, 20, 6, TEXT);
    assert_int_equal(kn_ink_make(&ink, &object, NULL), KN_OK);
    assert_null(ink.pixels);
}

// A line of a page: strokes of 40 rows, each `width` wide with so many clear columns behind it.
static void strip_make(struct kn_ink *strip, const int (*strokes)[2], int n)
{
    static uint8_t pixels[60 * 400];
    const struct kn_ink_line line = {.top = 0, .bottom = 60};
    int x = 10;
    memset(pixels, 255, sizeof(pixels));
    for (int i = 0; i < n; x += strokes[i][0] + strokes[i][1], i++)
        for (int y = 10; y < 50; y++)
            memset(pixels + y * 400 + x, 0, (size_t)strokes[i][0]);
    assert_int_equal(kn_ink_strip(strip, pixels, 400, &line, &plain, NULL), KN_OK);
    assert_non_null(strip->pixels);
}

static void blanks_between_words_are_widened_on_a_strip(void **state)
{
    (void)state;
    static const int narrow[][2] = {{6, 4}, {60, 4}, {60, 4}, {60, 4}, {40, 4}},
                     wide[][2] = {{6, 14}, {60, 4}, {60, 4}, {60, 14}, {40, 4}};
    kn_auto(kn_ink_clear) struct kn_ink a = {0};
    kn_auto(kn_ink_clear) struct kn_ink b = {0};
    strip_make(&a, narrow, 5);
    strip_make(&b, wide, 5);
    assert_in_range(b.width - a.width, 18 + 2 * 8, 18 + 2 * 12); // what there is more of them, and what is added
}

static void a_stroke_that_stands_alone_is_known(void **state)
{
    (void)state;
    static const int alone[][2] = {{6, 14}, {90, 4}, {90, 4}, {9, 4}}, two[][2] = {{4, 3}, {4, 14}, {90, 4}, {90, 4}},
                     near[][2] = {{6, 4}, {90, 4}, {90, 4}, {9, 4}}, broad[][2] = {{16, 14}, {90, 4}, {90, 4}, {9, 4}},
                     wide[][2] = {{6, 12}, {60, 12}, {60, 12}, {60, 12}};
    const struct {
        const int (*strokes)[2];
        int n;
        bool expected;
    } cases[] = {{alone, 4, true}, {two, 4, false}, {near, 4, false}, {broad, 4, false}, {wide, 4, false}};
    for (size_t i = 0; i < KN_COUNT(cases); i++) {
        kn_auto(kn_ink_clear) struct kn_ink strip = {0};
        strip_make(&strip, cases[i].strokes, cases[i].n);
        assert_int_equal(strip.begins_with_stroke, cases[i].expected);
    }
}

// A line that begins with a letter of 40 rows, which `letter` draws from column 10 on and rows 10 to 50; then words.
static void beginning_is(void (*letter)(uint8_t *pixels), int end, bool is_stroke, bool is_letter)
{
    static uint8_t pixels[60 * 400];
    const struct kn_ink_line line = {.top = 0, .bottom = 60};
    kn_auto(kn_ink_clear) struct kn_ink strip = {0};
    memset(pixels, 255, sizeof(pixels));
    letter(pixels);
    for (int i = 0; i < 4; i++)
        for (int y = 10; y < 50; y++)
            memset(pixels + y * 400 + end + 16 + 74 * i, 0, 70);
    assert_int_equal(kn_ink_strip(&strip, pixels, 400, &line, &plain, NULL), KN_OK);
    assert_int_equal(strip.begins_with_stroke, is_stroke);
    assert_int_equal(strip.begins_with_letter, is_letter);
}

static void rectangle(uint8_t *pixels, int left, int top, int right, int bottom)
{
    for (int y = top; y < bottom; y++)
        memset(pixels + y * 400 + left, 0, (size_t)(right - left));
}

static void draw_i(uint8_t *pixels)
{
    rectangle(pixels, 10, 10, 26, 14);
    rectangle(pixels, 16, 10, 20, 40);
    rectangle(pixels, 10, 36, 26, 40);
}

static void draw_l(uint8_t *pixels)
{
    rectangle(pixels, 10, 10, 14, 40);
    rectangle(pixels, 10, 36, 26, 40);
}

static void draw_t(uint8_t *pixels)
{
    rectangle(pixels, 10, 10, 26, 14);
    rectangle(pixels, 16, 10, 20, 40);
}

static void draw_1(uint8_t *pixels)
{
    rectangle(pixels, 11, 12, 18, 16);
    rectangle(pixels, 16, 10, 20, 40);
    rectangle(pixels, 10, 36, 26, 40);
}

static void an_i_with_serifs_is_known_among_letters(void **state)
{
    (void)state;
    beginning_is(draw_i, 26, true, false);
    beginning_is(draw_l, 26, false, true);
    beginning_is(draw_t, 26, false, true);
    beginning_is(draw_1, 26, false, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outlined_text_is_read_without_its_outline),
        cmocka_unit_test(text_in_a_box_is_read_without_the_box),
        cmocka_unit_test(lines_are_told_apart),
        cmocka_unit_test(lines_that_touch_are_told_apart_too),
        cmocka_unit_test(a_line_with_one_tall_letter_stays_whole),
        cmocka_unit_test(slanted_text_is_set_upright),
        cmocka_unit_test(small_text_is_made_larger),
        cmocka_unit_test(a_strip_is_nothing_but_a_lines_ink),
        cmocka_unit_test(dots_are_no_strip),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(blanks_between_words_are_widened_on_a_strip),
        cmocka_unit_test(a_stroke_that_stands_alone_is_known),
        cmocka_unit_test(an_i_with_serifs_is_known_among_letters),
    };
    return cmocka_run_group_tests_name("engine/caption/bitmap_ink", tests, NULL, NULL);
}
