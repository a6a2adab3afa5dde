/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ink is made on the palette first (256 decisions instead of a million), then the lines are told apart by
 * rows without ink; each is measured for its slant, set upright, and all is scaled together.
 */
#include "engine/caption/bitmap_ink.h"

#include <stdlib.h>
#include <string.h>

#include <libswscale/swscale.h>

#include "base/cleanup.h"

// Pixels fainter than this are not seen (spec 08, 9.2: text pixel = alpha >= 100, max(R,G,B) >= 90).
#define OPAQUE_ALPHA 100
#define BRIGHT 90
// Ink from which a row or a column holds text.
#define STRONG 96
// Rows of a line of text, ascender to descender, that Tesseract reads best: capitals of 30 to 40 pixels.
#define LINE_PX 48
#define LEAST_LINE_PX 36
#define MOST_LINE_PX 64
#define MARGIN_PX 24
#define MOST_SCALE 4.0
// A line is parted only if it is high enough for two, at a row with this part of the ink of the fullest rows
// above and below it.
#define LEAST_SPLIT_PX 24
#define VALLEY_PART 8
// Specks in a large picture are no small text.
#define MOST_SCALED_PX 1e7
// A gap of this part of a line's height parts two lines; dots of an i and accents are nearer.
#define LINE_GAP_PART 12
// Lower ink is no line of text that could fill a strip: dots, dashes.
#define LEAST_STRIP_PX 28
// Gaps in parts of the ink's height, and of the usual gap, that are a blank between words.
#define BLANK_PART 0.19
#define BLANK_GAPS 1.6
#define MAX_GAPS 256
// A stroke that is an I: no wider than this part of the ink's height, and inked all over for this part of it, which
// is more than small letters have. With serifs it may be SERIF_WIDTH, and the middle of each
// row is that of the letter but for OFF_MIDDLE_PX.
#define STROKE_WIDTH 0.34
#define STROKE_HEIGHT 0.64
#define SERIF_WIDTH 0.5
#define OFF_MIDDLE_PX 2
// What has no gap and is no wider is one letter, or a dash.
#define LETTER_WIDTH 0.9
// Slants that are tried, in hundredths of a pixel per row, and how much better than upright one must be.
#define SLANT_STEP 6
#define N_SLANTS 7
#define LEAST_SLANT 12
#define SLANT_GAIN 1.05

// Ink before it is scaled: 255 is full ink.
struct plane {
    uint8_t *pixels; // owned
    int width, height;
};

struct line {
    int top, bottom; // rows [top, bottom)
    int slant;       // hundredths of a pixel per row; 0 upright
};

void kn_ink_clear(struct kn_ink *ink)
{
    free(ink->pixels);
    *ink = (struct kn_ink){0};
}

static void plane_clear(struct plane *plane)
{
    free(plane->pixels);
    *plane = (struct plane){0};
}

static kn_code plane_new(struct plane *plane, int width, int height, struct kn_error *err)
{
    *plane = (struct plane){.width = width, .height = height};
    plane->pixels = calloc((size_t)width, (size_t)height);
    return plane->pixels ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a picture of %d x %d pixels", width, height);
}

/* ---- colours to ink ---- */
enum class { OUTSIDE, BRIGHT_CLASS, DARK_CLASS };

static int brightness(uint32_t colour)
{
    const int r = (int)(colour >> 16 & 255), g = (int)(colour >> 8 & 255), b = (int)(colour & 255);
    const int most = r > g ? r : g;
    return most > b ? most : b;
}

static enum class class_of(uint32_t colour)
{
    if (colour >> 24 < OPAQUE_ALPHA)
        return OUTSIDE;
    return brightness(colour) >= BRIGHT ? BRIGHT_CLASS : DARK_CLASS;
}

// Which of the two classes is the text: the one of which less lies next to the outside.
static enum class text_class(const struct kn_bitmap_object *object)
{
    uint8_t classes[256];
    int64_t n[3] = {0}, at_edge[3] = {0};
    for (int i = 0; i < 256; i++)
        classes[i] = (uint8_t)class_of(object->palette[i]);
    const int width = object->width, height = object->height;
    for (int y = 0; y < height; y++) {
        const uint8_t *row = object->indices + (size_t)y * (size_t)width;
        for (int x = 0; x < width; x++) {
            const uint8_t class = classes[row[x]];
            if (class == OUTSIDE)
                continue;
            n[class]++;
            at_edge[class] += x == 0 || y == 0 || x == width - 1 || y == height - 1 ||
                classes[row[x - 1]] == OUTSIDE || classes[row[x + 1]] == OUTSIDE ||
                classes[row[x - width]] == OUTSIDE || classes[row[x + width]] == OUTSIDE;
        }
    }
    if (!n[BRIGHT_CLASS] || !n[DARK_CLASS])
        return n[BRIGHT_CLASS] ? BRIGHT_CLASS : n[DARK_CLASS] ? DARK_CLASS : OUTSIDE;
    return at_edge[DARK_CLASS] * n[BRIGHT_CLASS] >= at_edge[BRIGHT_CLASS] * n[DARK_CLASS] ? BRIGHT_CLASS : DARK_CLASS;
}

static kn_code plane_fill(struct plane *plane, const struct kn_bitmap_object *object, enum class text,
                          struct kn_error *err)
{
    uint8_t ink[256];
    for (int i = 0; i < 256; i++) {
        const int bright = brightness(object->palette[i]);
        const int alpha = (int)(object->palette[i] >> 24);
        ink[i] = (uint8_t)((text == BRIGHT_CLASS ? bright : 255 - bright) * alpha / 255);
    }
    const kn_code rc = plane_new(plane, object->width, object->height, err);
    const size_t n = (size_t)object->width * (size_t)object->height;
    for (size_t i = 0; rc == KN_OK && i < n; i++)
        plane->pixels[i] = ink[object->indices[i]];
    return rc;
}

/* ---- lines ---- */
// Pixels with ink of each row.
static void profile_make(const struct plane *plane, int *profile)
{
    for (int y = 0; y < plane->height; y++) {
        const uint8_t *row = plane->pixels + (size_t)y * (size_t)plane->width;
        profile[y] = 0;
        for (int x = 0; x < plane->width; x++)
            profile[y] += row[x] >= STRONG;
    }
}

static int lines_find(const struct plane *plane, const int *profile, struct line *lines)
{
    int n = 0;
    for (int y = 0; y < plane->height; y++) {
        if (profile[y] && (y == 0 || !profile[y - 1]) && n < KN_MAX_INK_LINES)
            lines[n++] = (struct line){.top = y};
        if (profile[y])
            lines[n - 1].bottom = y + 1;
    }
    return n;
}

static int fullest(const int *profile, int top, int bottom)
{
    int most = 0;
    for (int y = top; y < bottom; y++)
        most = profile[y] > most ? profile[y] : most;
    return most;
}

// Two lines of which letters touch: the row to part them at, 0 when it is one line. A line is full of ink in
// its middle, where its small letters are; two have a valley there. Above the small letters of one line there are
// only ascenders, so what lies above a valley has to be full as well.
static int valley_find(const int *profile, const struct line *line)
{
    const int height = line->bottom - line->top;
    int lowest = line->top + height / 4;
    for (int y = lowest; y < line->bottom - height / 4; y++)
        lowest = profile[y] < profile[lowest] ? y : lowest;
    const int above = fullest(profile, line->top, lowest), below = fullest(profile, lowest, line->bottom);
    const int least = above < below ? above : below;
    return height >= LEAST_SPLIT_PX && profile[lowest] * VALLEY_PART < least ? lowest : 0;
}

static int lines_split(const int *profile, struct line *lines, int n)
{
    for (int i = 0; i < n && n < KN_MAX_INK_LINES;) {
        const int at = valley_find(profile, &lines[i]);
        if (!at) {
            i++;
            continue;
        }
        memmove(&lines[i + 2], &lines[i + 1], (size_t)(n - i - 1) * sizeof(lines[0]));
        lines[i + 1] = (struct line){.top = at, .bottom = lines[i].bottom};
        lines[i].bottom = at;
        n++;
    }
    return n;
}

static int line_height(const struct line *line)
{
    return line->bottom - line->top;
}

static bool lines_are_regular(const struct line *lines, int n)
{
    int most = 0, least = INT32_MAX;
    for (int i = 0; i < n; i++) {
        const int height = line_height(&lines[i]);
        most = height > most ? height : most;
        least = height < least ? height : least;
    }
    return least * 2 >= most; // "on" has neither ascender nor descender: it is half as high as "of gold"
}

static int tallest(const struct line *lines, int n)
{
    int most = 0;
    for (int i = 0; i < n; i++)
        most = line_height(&lines[i]) > most ? line_height(&lines[i]) : most;
    return most;
}

// Dots, accents and dashes that stand apart from their line go to the nearer neighbour.
static int lines_join(struct line *lines, int n)
{
    const int full = tallest(lines, n);
    for (int i = 0; i < n && n > 1;) {
        const int above = i > 0 ? lines[i].top - lines[i - 1].bottom : INT32_MAX;
        const int below = i + 1 < n ? lines[i + 1].top - lines[i].bottom : INT32_MAX;
        const int nearer = above < below ? above : below;
        const bool is_part = line_height(&lines[i]) * 3 < full && nearer * 4 < full;
        if (!is_part && nearer * LINE_GAP_PART >= full) {
            i++;
            continue;
        }
        if (!is_part && line_height(&lines[i]) * 3 >= full * 2) { // a whole line, close to the next one
            i++;
            continue;
        }
        const int to = above < below ? i - 1 : i;
        lines[to].bottom = lines[to + 1].bottom;
        memmove(&lines[to + 1], &lines[to + 2], (size_t)(n - to - 2) * sizeof(lines[0]));
        n--;
        i = to;
    }
    return n;
}

/* ---- slant ---- */
// How far a row of the line moves to the left when it is set upright, in hundredths of a pixel.
static int shift_of(const struct line *line, int y, int slant)
{
    return (line->bottom - 1 - y) * slant;
}

// How sharply the columns differ when the line is set upright by `slant`: most when its stems stand.
static double sharpness(const struct plane *plane, const struct line *line, int slant, uint32_t *columns)
{
    double sum = 0;
    memset(columns, 0, (size_t)plane->width * sizeof(*columns));
    for (int y = line->top; y < line->bottom; y++) {
        const uint8_t *row = plane->pixels + (size_t)y * (size_t)plane->width;
        const int shift = shift_of(line, y, slant) / 100;
        for (int x = shift; x < plane->width; x++)
            columns[x - shift] += row[x];
    }
    for (int x = 0; x < plane->width; x++)
        sum += (double)columns[x] * columns[x];
    return sum;
}

static void slant_measure(const struct plane *plane, struct line *line, uint32_t *columns)
{
    const double upright = sharpness(plane, line, 0, columns);
    double best = upright;
    int slant = 0;
    for (int i = 1; i < N_SLANTS; i++) {
        const double value = sharpness(plane, line, i * SLANT_STEP, columns);
        if (value > best) {
            best = value;
            slant = i * SLANT_STEP;
        }
    }
    line->slant = slant >= LEAST_SLANT && best > upright * SLANT_GAIN ? slant : 0;
}

static void line_set_upright(struct plane *plane, const struct line *line)
{
    for (int y = line->top; y < line->bottom && line->slant; y++) {
        uint8_t *row = plane->pixels + (size_t)y * (size_t)plane->width;
        const int shift = shift_of(line, y, line->slant), whole = shift / 100, part = shift % 100;
        for (int x = 0; x < plane->width; x++) {
            const int a = x + whole < plane->width ? row[x + whole] : 0;
            const int b = x + whole + 1 < plane->width ? row[x + whole + 1] : 0;
            row[x] = (uint8_t)((a * (100 - part) + b * part) / 100);
        }
    }
}

/* ---- the page ---- */
static void columns_with_ink(const struct plane *plane, int top, int bottom, int *out_left, int *out_right)
{
    *out_left = plane->width;
    *out_right = 0;
    for (int y = top; y < bottom; y++) {
        const uint8_t *row = plane->pixels + (size_t)y * (size_t)plane->width;
        for (int x = 0; x < plane->width; x++) {
            if (row[x] < STRONG)
                continue;
            *out_left = x < *out_left ? x : *out_left;
            *out_right = x + 1 > *out_right ? x + 1 : *out_right;
        }
    }
}

// `from`, of which rows are `from_stride` bytes apart, scaled to the size of `to`.
static kn_code gray_scale(const uint8_t *from, int from_stride, int width, int height, uint8_t *to, int to_stride,
                          int to_width, int to_height, struct kn_error *err)
{
    // swscale writes whole vectors, beyond the end of a row: not into the next one.
    const int stride = (to_width + 63) / 64 * 64 + 64;
    kn_auto(kn_free) uint8_t *scaled = malloc((size_t)stride * (size_t)to_height + 64);
    struct SwsContext *sws =
        sws_getContext(width, height, AV_PIX_FMT_GRAY8, to_width, to_height, AV_PIX_FMT_GRAY8,
                       (to_height > height ? SWS_LANCZOS : SWS_AREA) | SWS_ACCURATE_RND | SWS_BITEXACT, NULL, NULL,
                       NULL);
    if (!sws || !scaled) {
        sws_freeContext(sws);
        return kn_fail(err, KN_ENOMEM, "no memory to scale a picture of %d x %d pixels", width, height);
    }
    (void)sws_scale(sws, (const uint8_t *const[]){from}, (int[]){from_stride}, 0, height,
                    (uint8_t *const[]){scaled}, (int[]){stride});
    for (int y = 0; y < to_height; y++)
        memcpy(to + (size_t)y * (size_t)to_stride, scaled + (size_t)y * (size_t)stride, (size_t)to_width);
    sws_freeContext(sws);
    return KN_OK;
}

static int scaled_by(int length, double scale)
{
    const int scaled = (int)(length * scale + 0.5);
    return scaled > 0 ? scaled : 1;
}

// The rectangle of `plane` scaled onto a white page.
static kn_code page_make(struct kn_ink *ink, const struct plane *plane, int left, int top, int right, int bottom,
                         double scale, struct kn_error *err)
{
    const int width = right - left, height = bottom - top;
    const int scaled_width = scaled_by(width, scale), scaled_height = scaled_by(height, scale);
    ink->width = scaled_width + 2 * MARGIN_PX;
    ink->height = scaled_height + 2 * MARGIN_PX;
    const size_t n = (size_t)ink->width * (size_t)ink->height;
    ink->pixels = calloc(n, 1);
    if (!ink->pixels)
        return kn_fail(err, KN_ENOMEM, "no memory for a picture of %d x %d pixels", ink->width, ink->height);
    uint8_t *at = ink->pixels + (size_t)MARGIN_PX * (size_t)ink->width + MARGIN_PX;
    const uint8_t *from = plane->pixels + (size_t)top * (size_t)plane->width + left;
    if (scaled_width == width && scaled_height == height) {
        for (int y = 0; y < height; y++)
            memcpy(at + (size_t)y * (size_t)ink->width, from + (size_t)y * (size_t)plane->width, (size_t)width);
    } else {
        const kn_code rc =
            gray_scale(from, plane->width, width, height, at, ink->width, scaled_width, scaled_height, err);
        if (rc != KN_OK)
            return rc;
    }
    for (size_t i = 0; i < n; i++)
        ink->pixels[i] = (uint8_t)(255 - ink->pixels[i]);
    return KN_OK;
}

// The lines on the page, each with half of the paper between it and its neighbours.
static void page_lines(struct kn_ink *ink, const struct line *lines, int n, double scale)
{
    for (int i = 0; i < n; i++) {
        const double top = i > 0 ? (lines[i - 1].bottom + lines[i].top) / 2.0 : lines[0].top;
        const double bottom = i + 1 < n ? (lines[i].bottom + lines[i + 1].top) / 2.0 : lines[i].bottom;
        ink->lines[i] = (struct kn_ink_line){
            .top = i > 0 ? MARGIN_PX + (int)((top - lines[0].top) * scale) : 0,
            .bottom = i + 1 < n ? MARGIN_PX + (int)((bottom - lines[0].top) * scale) : ink->height,
            .is_italic = lines[i].slant > 0,
        };
    }
    ink->n_lines = n;
    ink->is_regular = lines_are_regular(lines, n);
}

kn_code kn_ink_make(struct kn_ink *ink, const struct kn_bitmap_object *object, struct kn_error *err)
{
    *ink = (struct kn_ink){0};
    kn_auto(plane_clear) struct plane plane = {0};
    struct line lines[KN_MAX_INK_LINES];
    const enum class text = text_class(object);
    if (text == OUTSIDE)
        return KN_OK;
    kn_code rc = plane_fill(&plane, object, text, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_free) uint32_t *columns = malloc((size_t)plane.width * sizeof(*columns));
    kn_auto(kn_free) int *profile = malloc((size_t)plane.height * sizeof(*profile));
    if (!columns || !profile)
        return kn_fail(err, KN_ENOMEM, "no memory for a picture");
    profile_make(&plane, profile);
    int n_lines = lines_join(lines, lines_find(&plane, profile, lines));
    if (n_lines == 0)
        return KN_OK;
    n_lines = lines_split(profile, lines, n_lines);
    for (int i = 0; i < n_lines; i++) {
        struct kn_ink_box *box = &ink->boxes[i];
        *box = (struct kn_ink_box){.top = lines[i].top, .bottom = lines[i].bottom};
        columns_with_ink(&plane, box->top, box->bottom, &box->left, &box->right);
        slant_measure(&plane, &lines[i], columns);
        line_set_upright(&plane, &lines[i]);
    }
    int left, right;
    columns_with_ink(&plane, 0, plane.height, &left, &right);
    if (right <= left)
        return KN_OK;
    const int height = tallest(lines, n_lines);
    const int top = lines[0].top, bottom = lines[n_lines - 1].bottom;
    double scale = height < LEAST_LINE_PX || height > MOST_LINE_PX ? (double)LINE_PX / height : 1;
    scale = scale > MOST_SCALE ? MOST_SCALE : scale;
    if (scale * scale * (right - left) * (bottom - top) > MOST_SCALED_PX)
        scale = 1;
    rc = page_make(ink, &plane, left, top, right, bottom, scale, err);
    if (rc == KN_OK)
        page_lines(ink, lines, n_lines, scale);
    else
        kn_ink_clear(ink);
    return rc;
}

/* ---- a strip ---- */
// Rows and columns of a line of the page that have ink; false when none has.
static bool ink_bounds(const uint8_t *pixels, int width, const struct kn_ink_line *line, int *out_left, int *out_top,
                       int *out_right, int *out_bottom)
{
    *out_left = width;
    *out_right = *out_bottom = 0;
    *out_top = line->bottom;
    for (int y = line->top; y < line->bottom; y++) {
        const uint8_t *row = pixels + (size_t)y * (size_t)width;
        for (int x = 0; x < width; x++) {
            if (row[x] > 255 - STRONG)
                continue;
            *out_left = x < *out_left ? x : *out_left;
            *out_right = x + 1 > *out_right ? x + 1 : *out_right;
            *out_top = y < *out_top ? y : *out_top;
            *out_bottom = y + 1;
        }
    }
    return *out_right > *out_left;
}

static int column_ink(const struct kn_ink *strip, int x)
{
    int n = 0;
    for (int y = 0; y < strip->height; y++)
        n += strip->pixels[(size_t)y * (size_t)strip->width + (size_t)x] <= 255 - STRONG;
    return n;
}

// Columns [from, to) without ink between two with.
struct gap {
    int from, to;
};

static int gap_compare(const void *a, const void *b)
{
    const struct gap *p = a, *q = b;
    return (p->to - p->from) - (q->to - q->from);
}

// From left to right; those beyond MAX_GAPS are left as they are.
static int gaps_find(const struct kn_ink *strip, struct gap *gaps)
{
    int n = 0, since = -1;
    bool has_ink = false;
    for (int x = 0; x < strip->width && n < MAX_GAPS; x++) {
        const bool is_clear = column_ink(strip, x) == 0;
        if (!is_clear && has_ink && since >= 0)
            gaps[n++] = (struct gap){since, x};
        since = !is_clear ? -1 : since < 0 ? x : since;
        has_ink = has_ink || !is_clear;
    }
    return n;
}

// Of the gaps those between words, which are wider than most and than `least`; answers how many stay.
static int gaps_keep_blanks(struct gap *gaps, int n, double least)
{
    struct gap sorted[MAX_GAPS];
    int kept = 0;
    memcpy(sorted, gaps, (size_t)n * sizeof(*gaps));
    if (n > 0)
        qsort(sorted, (size_t)n, sizeof(*sorted), gap_compare);
    const int usual = n > 0 ? sorted[(n - 1) / 2].to - sorted[(n - 1) / 2].from : 0;
    for (int i = 0; i < n; i++)
        if (gaps[i].to - gaps[i].from >= least && gaps[i].to - gaps[i].from >= usual * BLANK_GAPS)
            gaps[kept++] = gaps[i];
    return kept;
}

// A letter of columns [left, right) and full height that is the same from both sides, as wide below as above, and in
// between one stem.
static bool is_serif_i(const struct kn_ink *strip, int margin, int left, int right)
{
    const int height = strip->height - 2 * margin;
    int widest[3] = {0}; // of the upper, the middle, and the lower rows
    for (int y = 0; y < height; y++) {
        const uint8_t *row = strip->pixels + (size_t)(y + margin) * (size_t)strip->width;
        int from = right, to = left, ink = 0;
        for (int x = left; x < right; x++) {
            if (row[x] > 255 - STRONG)
                continue;
            from = x < from ? x : from;
            to = x + 1;
            ink++;
        }
        const bool is_at_edge = y < 2 || y * 3 > height * 2; // capitals stand on a line, small letters go below it
        if (ink == 0 && is_at_edge)
            continue;
        if (ink == 0 || ink < to - from || abs((from - left) - (right - to)) > OFF_MIDDLE_PX)
            return false;
        int *part = &widest[y * 5 < height ? 0 : y * 2 < height ? 1 : 2];
        *part = to - from > *part ? to - from : *part;
    }
    return widest[1] <= height * STROKE_WIDTH / 2 && widest[0] > widest[1] && abs(widest[0] - widest[2]) <= OFF_MIDDLE_PX;
}

// What stands before the first blank, at `end`.
static void beginning_look(struct kn_ink *strip, int margin, int end)
{
    const int height = strip->height - 2 * margin;
    int left = 0, ink = 0;
    while (left < end && column_ink(strip, left) == 0)
        left++;
    for (int x = left; x < end; x++)
        ink += column_ink(strip, x);
    const int width = end - left;
    strip->begins_with_stroke = (width <= height * STROKE_WIDTH && ink >= width * height * STROKE_HEIGHT) ||
        (width <= height * SERIF_WIDTH && is_serif_i(strip, margin, left, end));
    strip->begins_with_letter = width <= height * LETTER_WIDTH && !strip->begins_with_stroke;
}

static kn_code blanks_widen(struct kn_ink *strip, const struct kn_ink_shape *shape, struct kn_error *err)
{
    struct gap gaps[MAX_GAPS];
    const int ink_height = shape->height - 2 * shape->margin;
    int n = gaps_find(strip, gaps);
    const int first = n > 0 ? gaps[0].from : 0;
    n = gaps_keep_blanks(gaps, n, ink_height * BLANK_PART);
    if (n > 0 && gaps[0].from == first)
        beginning_look(strip, shape->margin, first);
    const int width = strip->width + n * shape->more_blank;
    uint8_t *pixels = malloc((size_t)width * (size_t)strip->height), *to = pixels;
    if (!pixels)
        return kn_fail(err, KN_ENOMEM, "no memory for a picture of %d x %d pixels", width, strip->height);
    memset(pixels, 255, (size_t)width * (size_t)strip->height);
    for (int y = 0; y < strip->height; y++) {
        const uint8_t *row = strip->pixels + (size_t)y * (size_t)strip->width;
        int at = 0;
        for (int i = 0; i < n; i++) {
            const int middle = (gaps[i].from + gaps[i].to) / 2;
            memcpy(to, row + at, (size_t)(middle - at));
            to += middle - at + shape->more_blank;
            at = middle;
        }
        memcpy(to, row + at, (size_t)(strip->width - at));
        to += strip->width - at;
    }
    free(strip->pixels);
    strip->pixels = pixels;
    strip->width = width;
    return KN_OK;
}

kn_code kn_ink_strip(struct kn_ink *strip, const uint8_t *pixels, int width, const struct kn_ink_line *line,
                     const struct kn_ink_shape *shape, struct kn_error *err)
{
    int left, top, right, bottom;
    *strip = (struct kn_ink){0};
    if (!ink_bounds(pixels, width, line, &left, &top, &right, &bottom))
        return KN_OK;
    const int ink_width = right - left, ink_height = bottom - top;
    if (ink_height < LEAST_STRIP_PX || ink_width < ink_height * shape->least)
        return KN_OK;
    const int to_height = shape->height - 2 * shape->margin;
    const int to_width = scaled_by(ink_width, shape->widen * to_height / ink_height);
    strip->width = to_width + 2 * shape->margin;
    strip->height = shape->height;
    const size_t n = (size_t)strip->width * (size_t)strip->height;
    strip->pixels = malloc(n);
    if (!strip->pixels)
        return kn_fail(err, KN_ENOMEM, "no memory for a picture of %d x %d pixels", strip->width, strip->height);
    memset(strip->pixels, 255, n);
    kn_code rc = gray_scale(pixels + (size_t)top * (size_t)width + left, width, ink_width, ink_height,
                            strip->pixels + (size_t)shape->margin * (size_t)strip->width + shape->margin,
                            strip->width, to_width, to_height, err);
    if (rc == KN_OK)
        rc = blanks_widen(strip, shape, err);
    if (rc != KN_OK)
        kn_ink_clear(strip);
    return rc;
}
