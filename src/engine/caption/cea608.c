/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/cea608.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/caption/builder.h"
#include "engine/caption/text.h"

#define ROWS 15
// A television has 32; what is sent beyond them is kept rather than written over the last letter.
#define COLUMNS 80
// cc_data of one picture arrives at once; its pairs are a field apart (59.94 Hz).
#define PAIR_US 16683

enum mode { MODE_NONE, MODE_POP_ON, MODE_ROLL_UP, MODE_PAINT_ON, MODE_TEXT };

struct cell {
    uint16_t character; // 0: nothing there
    uint8_t colour;     // index into colours[]
    bool is_italic, is_underline;
    bool is_code;       // a code that changed the look stands here, seen as a blank
};

struct screen {
    struct cell cells[ROWS][COLUMNS];
};

struct kn_cea608 {
    struct kn_cue_list *list; // borrowed
    struct kn_cue_builder builder;
    int field, second;        // the channel: field 1 or 2, first or second of it
    enum mode mode;
    struct screen shown, hidden;
    int64_t shown_us;          // since when, in pop-on and paint-on; KN_NO_TIME when empty
    int64_t row_us[ROWS];      // since when each row is there, in roll-up
    int row, column, n_roll;
    struct cell pen;
    int current[3];            // of each field, the channel that is being sent: 0 none, 1, 2
    bool is_xds;               // field 2 is in the middle of extended data
    uint8_t last[3][2];        // the last control code of each field, to know its repetition
    unsigned channels;
};

static const uint32_t colours[] = {0xFFFFFF, 0x00FF00, 0x0000FF, 0x00FFFF, 0xFF0000, 0xFFFF00, 0xFF00FF};

struct kn_cea608 *kn_cea608_new(struct kn_cue_list *list, int channel)
{
    struct kn_cea608 *decoder = calloc(1, sizeof(*decoder));
    if (!decoder)
        return NULL;
    decoder->list = list;
    decoder->field = channel > 2 ? 2 : 1;
    decoder->second = channel == 2 || channel == 4 ? 2 : 1;
    decoder->shown_us = KN_NO_TIME;
    decoder->row = ROWS - 1;
    decoder->n_roll = 2;
    kn_cue_builder_init(&decoder->builder, list);
    return decoder;
}

void kn_cea608_free(struct kn_cea608 **decoder)
{
    if (*decoder)
        kn_cue_builder_clear(&(*decoder)->builder);
    free(*decoder);
    *decoder = NULL;
}

unsigned kn_cea608_channels(const struct kn_cea608 *decoder)
{
    return decoder->channels;
}

/* ---- from the screen to cues ---- */
static bool row_span(const struct screen *screen, int row, int *out_from, int *out_to)
{
    int from = 0, to = COLUMNS;
    while (from < to && (screen->cells[row][from].character == 0 || screen->cells[row][from].character == ' '))
        from++;
    while (to > from && (screen->cells[row][to - 1].character == 0 || screen->cells[row][to - 1].character == ' '))
        to--;
    *out_from = from;
    *out_to = to;
    return from < to;
}

static bool screen_is_empty(const struct screen *screen)
{
    int from, to;
    for (int row = 0; row < ROWS; row++)
        if (row_span(screen, row, &from, &to))
            return false;
    return true;
}

static struct kn_cue_style style_of(const struct cell *cell)
{
    return (struct kn_cue_style){
        .is_italic = cell->is_italic,
        .is_underline = cell->is_underline,
        .has_colour = cell->colour != 0,
        .colour = cell->colour != 0 ? colours[cell->colour] : 0,
    };
}

static bool is_blank(const struct cell *cell)
{
    return cell->character == 0 || cell->character == ' ';
}

// A code that changes the look takes a letter's place: it parts two words unless blanks do, and looks like them only if
// they look alike. `from` and `to` are letters.
static void row_add(struct kn_cea608 *decoder, const struct screen *screen, int row, int from, int to)
{
    const struct cell *cells = screen->cells[row];
    bool is_after_blank = false;
    for (int i = from; i < to; i++) {
        if (cells[i].is_code && (is_after_blank || (is_blank(&cells[i + 1]) && !cells[i + 1].is_code)))
            continue;
        struct kn_cue_style style = style_of(&cells[i]);
        if (cells[i].is_code) {
            const struct kn_cue_style before = style_of(&cells[i - 1]);
            style = kn_cue_style_equal(&before, &style) ? style : (struct kn_cue_style){0};
        }
        decoder->builder.look.style = style;
        kn_cue_builder_character(&decoder->builder, cells[i].character ? cells[i].character : ' ');
        is_after_blank = is_blank(&cells[i]);
    }
}

// Rows `from` up to and without `to` as one cue.
static kn_code rows_emit(struct kn_cea608 *decoder, const struct screen *screen, int from, int to,
                         int64_t start_us, int64_t end_us, struct kn_error *err)
{
    int left = COLUMNS;
    if (end_us != KN_NO_TIME && end_us <= start_us)
        return KN_OK; // shown and gone with the same code
    for (int row = from; row < to; row++) {
        int a, b;
        if (!row_span(screen, row, &a, &b))
            continue;
        left = a < left ? a : left;
        if (row > from)
            kn_cue_builder_text(&decoder->builder, "\n", 1);
        row_add(decoder, screen, row, a, b);
    }
    struct kn_cue *cue;
    kn_code rc = kn_cue_list_add(decoder->list, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->start_us = start_us;
    cue->end_us = end_us;
    // W3C, Conversion of 608/708 captions to WebVTT: the safe area begins at 10 %, a row is 5.33 % high.
    cue->place.anchor = 7;
    cue->place.y = 0.10 + from * 0.0533;
    cue->place.x = fmin(0.9, 0.10 + left * 0.025);
    return kn_cue_builder_finish(&decoder->builder, cue, err);
}

// Everything on the screen was there until now.
static kn_code screen_emit(struct kn_cea608 *decoder, int64_t now_us, struct kn_error *err)
{
    kn_code rc = KN_OK;
    int a, b;
    for (int row = 0; rc == KN_OK && row < ROWS;) {
        int to = row;
        if (decoder->mode == MODE_ROLL_UP) {
            if (row_span(&decoder->shown, row, &a, &b) && decoder->row_us[row] != KN_NO_TIME)
                rc = rows_emit(decoder, &decoder->shown, row, row + 1, decoder->row_us[row], now_us, err);
            row++;
            continue;
        }
        while (to < ROWS && row_span(&decoder->shown, to, &a, &b))
            to++;
        if (to > row && decoder->shown_us != KN_NO_TIME)
            rc = rows_emit(decoder, &decoder->shown, row, to, decoder->shown_us, now_us, err);
        row = to + 1;
    }
    return rc;
}

static void screen_clear(struct kn_cea608 *decoder)
{
    decoder->shown = (struct screen){0};
    decoder->shown_us = KN_NO_TIME;
    for (int i = 0; i < ROWS; i++)
        decoder->row_us[i] = KN_NO_TIME;
}

/* ---- letters ---- */
static struct screen *target(struct kn_cea608 *decoder)
{
    return decoder->mode == MODE_POP_ON ? &decoder->hidden : &decoder->shown;
}

static void letter_put(struct kn_cea608 *decoder, uint16_t character, int64_t now_us)
{
    if (decoder->mode == MODE_NONE || decoder->mode == MODE_TEXT)
        return;
    const int column = decoder->column < COLUMNS ? decoder->column : COLUMNS - 1;
    struct cell cell = decoder->pen;
    cell.character = character;
    target(decoder)->cells[decoder->row][column] = cell;
    decoder->column = column + 1;
    if (decoder->mode == MODE_PAINT_ON && decoder->shown_us == KN_NO_TIME)
        decoder->shown_us = now_us;
    if (decoder->mode == MODE_ROLL_UP && decoder->row_us[decoder->row] == KN_NO_TIME && character != ' ')
        decoder->row_us[decoder->row] = now_us;
}

// The basic set is ASCII but for these (CEA-608-E, table 50).
static uint16_t basic_letter(uint8_t code)
{
    switch (code) {
    case 0x27: return 0x2019;
    case 0x2A: return 0xE1;
    case 0x5C: return 0xE9;
    case 0x5E: return 0xED;
    case 0x5F: return 0xF3;
    case 0x60: return 0xFA;
    case 0x7B: return 0xE7;
    case 0x7C: return 0xF7;
    case 0x7D: return 0xD1;
    case 0x7E: return 0xF1;
    case 0x7F: return 0x2588;
    default: return code;
    }
}

static const uint16_t special_letters[16] = {0xAE, 0xB0, 0xBD, 0xBF, 0x2122, 0xA2, 0xA3, 0x266A,
                                             0xE0, 0xA0, 0xE8, 0xE2, 0xEA,   0xEE, 0xF4, 0xFB};

static const uint16_t extended_letters[2][32] = {
    {0xC1, 0xC9, 0xD3, 0xDA, 0xDC, 0xFC, 0x2018, 0xA1, 0x2A, 0x27, 0x2014, 0xA9, 0x2120, 0x2022, 0x201C, 0x201D,
     0xC0, 0xC2, 0xC7, 0xC8, 0xCA, 0xCB, 0xEB, 0xCE, 0xCF, 0xEF, 0xD4, 0xD9, 0xF9, 0xDB, 0xAB, 0xBB},
    {0xC3, 0xE3, 0xCD, 0xCC, 0xEC, 0xD2, 0xF2, 0xD5, 0xF5, 0x7B, 0x7D, 0x5C, 0x5E, 0x5F, 0xA6, 0x7E,
     0xC4, 0xE4, 0xD6, 0xF6, 0xDF, 0xA5, 0xA4, 0x2502, 0xC5, 0xE5, 0xD8, 0xF8, 0x250C, 0x2510, 0x2514, 0x2518},
};

/* ---- codes ---- */
static void pen_set(struct kn_cea608 *decoder, unsigned attribute, bool is_underline)
{
    decoder->pen.is_italic = attribute == 7;
    if (attribute < 7)
        decoder->pen.colour = (uint8_t)attribute;
    decoder->pen.is_underline = is_underline;
}

// Preamble address code: row, then colour or indent.
static void preamble(struct kn_cea608 *decoder, uint8_t a, uint8_t b)
{
    static const int8_t rows[8][2] = {{11, 11}, {1, 2}, {3, 4}, {12, 13}, {14, 15}, {5, 6}, {7, 8}, {9, 10}};
    const int row = rows[a & 7][b >> 5 & 1] - 1;
    const unsigned attribute = b >> 1 & 15;
    if (decoder->mode == MODE_ROLL_UP && row != decoder->row) {
        // The window moves as a whole with its base row.
        struct screen moved = {0};
        int64_t since[ROWS];
        for (int i = 0; i < ROWS; i++)
            since[i] = KN_NO_TIME;
        for (int i = 0; i < decoder->n_roll && row - i >= 0 && decoder->row - i >= 0; i++) {
            memcpy(moved.cells[row - i], decoder->shown.cells[decoder->row - i], sizeof(moved.cells[0]));
            since[row - i] = decoder->row_us[decoder->row - i];
        }
        decoder->shown = moved;
        memcpy(decoder->row_us, since, sizeof(since));
    }
    decoder->row = row;
    decoder->column = attribute >= 8 ? (int)(attribute - 8) * 4 : 0;
    decoder->pen = (struct cell){.is_underline = b & 1, .is_italic = attribute == 7,
                                 .colour = attribute < 7 ? (uint8_t)attribute : 0};
}

static kn_code mode_set(struct kn_cea608 *decoder, enum mode mode, int64_t now_us, struct kn_error *err)
{
    const bool was_rolling = decoder->mode == MODE_ROLL_UP, is_rolling = mode == MODE_ROLL_UP;
    kn_code rc = KN_OK;
    if (decoder->mode != mode && (was_rolling || is_rolling)) {
        rc = screen_emit(decoder, now_us, err);
        screen_clear(decoder);
        if (is_rolling) {
            decoder->row = ROWS - 1;
            decoder->column = 0;
        }
    }
    decoder->mode = mode;
    return rc;
}

static kn_code carriage_return(struct kn_cea608 *decoder, int64_t now_us, struct kn_error *err)
{
    if (decoder->mode != MODE_ROLL_UP)
        return KN_OK;
    const int top = decoder->row - decoder->n_roll + 1 > 0 ? decoder->row - decoder->n_roll + 1 : 0;
    kn_code rc = KN_OK;
    int a, b;
    for (int row = 0; rc == KN_OK && row <= top; row++) {
        if (row_span(&decoder->shown, row, &a, &b) && decoder->row_us[row] != KN_NO_TIME)
            rc = rows_emit(decoder, &decoder->shown, row, row + 1, decoder->row_us[row], now_us, err);
        memset(decoder->shown.cells[row], 0, sizeof(decoder->shown.cells[row]));
        decoder->row_us[row] = KN_NO_TIME;
    }
    for (int row = top; row < decoder->row; row++) {
        memcpy(decoder->shown.cells[row], decoder->shown.cells[row + 1], sizeof(decoder->shown.cells[row]));
        decoder->row_us[row] = decoder->row_us[row + 1];
    }
    memset(decoder->shown.cells[decoder->row], 0, sizeof(decoder->shown.cells[0]));
    decoder->row_us[decoder->row] = KN_NO_TIME;
    decoder->column = 0;
    return rc;
}

static kn_code paint_begin(struct kn_cea608 *decoder, int64_t now_us, struct kn_error *err)
{
    kn_code rc = KN_OK;
    if (decoder->mode == MODE_PAINT_ON || decoder->mode == MODE_POP_ON) {
        rc = screen_emit(decoder, now_us, err);
        decoder->shown_us = screen_is_empty(&decoder->shown) ? KN_NO_TIME : now_us;
    }
    return rc == KN_OK ? mode_set(decoder, MODE_PAINT_ON, now_us, err) : rc;
}

// Miscellaneous control codes, 0x14 0x20 to 0x2F.
static kn_code control(struct kn_cea608 *decoder, uint8_t code, int64_t now_us, struct kn_error *err)
{
    kn_code rc = KN_OK;
    switch (code) {
    case 0x20: return mode_set(decoder, MODE_POP_ON, now_us, err);
    case 0x21:
        if (decoder->column > 0)
            target(decoder)->cells[decoder->row][--decoder->column] = (struct cell){0};
        return KN_OK;
    case 0x24:
        for (int i = decoder->column; i < COLUMNS; i++)
            target(decoder)->cells[decoder->row][i] = (struct cell){0};
        return KN_OK;
    case 0x25:
    case 0x26:
    case 0x27:
        rc = mode_set(decoder, MODE_ROLL_UP, now_us, err);
        decoder->n_roll = code - 0x23;
        decoder->pen = (struct cell){0};
        return rc;
    case 0x29: return paint_begin(decoder, now_us, err);
    case 0x2A:
    case 0x2B: return mode_set(decoder, MODE_TEXT, now_us, err);
    case 0x2C:
        rc = screen_emit(decoder, now_us, err);
        screen_clear(decoder);
        return rc;
    case 0x2D: return carriage_return(decoder, now_us, err);
    case 0x2E: decoder->hidden = (struct screen){0}; return KN_OK;
    case 0x2F: {
        rc = screen_emit(decoder, now_us, err);
        screen_clear(decoder);
        const struct screen shown = decoder->shown;
        decoder->shown = decoder->hidden;
        decoder->hidden = shown;
        decoder->mode = MODE_POP_ON;
        decoder->shown_us = screen_is_empty(&decoder->shown) ? KN_NO_TIME : now_us;
        return rc;
    }
    default: return KN_OK; // flashing, alarm
    }
}

static kn_code code_apply(struct kn_cea608 *decoder, uint8_t a, uint8_t b, int64_t now_us, struct kn_error *err)
{
    const uint8_t kind = a & 0x17;
    if (b >= 0x40) {
        preamble(decoder, a, b);
    } else if (kind == 0x11 && b < 0x30) {
        pen_set(decoder, b >> 1 & 7, b & 1);
        decoder->pen.is_code = true; // takes the place of a letter
        letter_put(decoder, ' ', now_us);
        decoder->pen.is_code = false;
    } else if (kind == 0x11) {
        letter_put(decoder, special_letters[b - 0x30], now_us);
    } else if (kind == 0x12 || kind == 0x13) {
        if (decoder->column > 0) // a plainer letter was sent before, for simple decoders
            decoder->column--;
        letter_put(decoder, extended_letters[kind - 0x12][b - 0x20], now_us);
    } else if ((kind == 0x14 || kind == 0x15) && b < 0x30) {
        return control(decoder, b, now_us, err);
    } else if (kind == 0x17 && b >= 0x21 && b <= 0x23) {
        decoder->column += b - 0x20;
        if (decoder->column >= COLUMNS)
            decoder->column = COLUMNS - 1;
    }
    return KN_OK;
}

kn_code kn_cea608_pair(struct kn_cea608 *decoder, int field, uint8_t a, uint8_t b, int64_t time_us,
                       struct kn_error *err)
{
    a &= 0x7F;
    b &= 0x7F;
    field = field == 2 ? 2 : 1;
    if (a == 0 && b == 0)
        return KN_OK; // padding; a repetition may come after it, too
    if (a >= 0x10 && a < 0x20 && b >= 0x20) {
        const bool is_repeat = decoder->last[field][0] == a && decoder->last[field][1] == b;
        decoder->last[field][0] = is_repeat ? 0 : a; // the third of three counts again
        decoder->last[field][1] = is_repeat ? 0 : b;
        decoder->current[field] = a & 8 ? 2 : 1;
        decoder->channels |= 1u << ((field - 1) * 2 + decoder->current[field] - 1);
        decoder->is_xds = decoder->is_xds && field != 2;
        if (is_repeat || field != decoder->field || decoder->current[field] != decoder->second)
            return KN_OK;
        return code_apply(decoder, a & (uint8_t)~8, b, time_us, err);
    }
    decoder->last[field][0] = 0;
    if (field == 2 && a >= 0x01 && a <= 0x0F) {
        decoder->is_xds = a != 0x0F;
        return KN_OK;
    }
    if (field != decoder->field || (field == 2 && decoder->is_xds) ||
        decoder->current[field] != decoder->second)
        return KN_OK;
    if (a >= 0x20)
        letter_put(decoder, basic_letter(a), time_us);
    if (b >= 0x20 && a >= 0x20)
        letter_put(decoder, basic_letter(b), time_us);
    return KN_OK;
}

// The boxes of a c608 sample (QuickTime File Format, closed captioning): pairs without a type.
static kn_code boxes_read(struct kn_cea608 *decoder, const uint8_t *bytes, size_t n, int64_t time_us,
                          int64_t duration_us, struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (size_t at = 0; rc == KN_OK && n - at >= 8;) {
        const size_t size = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 |
            (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (size < 8 || size > n - at)
            break;
        const int field = memcmp(bytes + at + 4, "cdt2", 4) == 0 ? 2 : 1;
        const size_t n_pairs = (size - 8) / 2;
        for (size_t i = 0; rc == KN_OK && i < n_pairs; i++) {
            const int64_t step_us = duration_us > 0 ? duration_us / (int64_t)n_pairs : 2 * PAIR_US;
            rc = kn_cea608_pair(decoder, field, bytes[at + 8 + i * 2], bytes[at + 9 + i * 2],
                                time_us + (int64_t)i * step_us, err);
        }
        at += size;
    }
    return rc;
}

kn_code kn_cea608_packet(struct kn_cea608 *decoder, const uint8_t *bytes, size_t n, int64_t time_us,
                         int64_t duration_us, struct kn_error *err)
{
    if (n >= 8 && (memcmp(bytes + 4, "cdat", 4) == 0 || memcmp(bytes + 4, "cdt2", 4) == 0))
        return boxes_read(decoder, bytes, n, time_us, duration_us, err);
    kn_code rc = KN_OK;
    for (size_t i = 0; rc == KN_OK && i + 3 <= n; i += 3) {
        const uint8_t type = bytes[i] & 3;
        if ((bytes[i] & 4) && type < 2) // valid, of field 1 or 2; the others are 708
            rc = kn_cea608_pair(decoder, type + 1, bytes[i + 1], bytes[i + 2], time_us, err);
    }
    return rc;
}

kn_code kn_cea608_end(struct kn_cea608 *decoder, int64_t end_us, struct kn_error *err)
{
    kn_code rc = screen_emit(decoder, end_us, err);
    screen_clear(decoder);
    return rc;
}
