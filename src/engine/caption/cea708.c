/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cc_data of type 3 begins a packet, of type 2 goes on with it; a packet holds blocks of services, a
 * block codes: C0 (0x00-0x1F), G0 (letters), C1 (0x80-0x9F, windows and pens), G1 (Latin-1), and behind
 * EXT1 the sets C2, G2, C3, G3.
 */
#include "engine/caption/cea708.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/caption/builder.h"

#define WINDOWS 8
#define ROWS 15
#define COLUMNS 42
#define PACKET_BYTES 128
// An anchor's point counts 210 x 75 cells of a wide picture's safe area, or hundredths of it; the area
// begins a tenth into the picture.
#define ANCHOR_COLUMNS 209.0
#define ANCHOR_ROWS 74.0

struct cell {
    uint32_t character; // 0: nothing there
    uint32_t colour;    // 0xRRGGBB
    bool is_italic, is_underline;
};

struct window {
    bool is_defined, is_visible;
    struct cell cells[ROWS][COLUMNS];
    int n_rows;            // as defined; text beyond them rolls
    int row, column;
    struct cell pen;
    int anchor;            // 1-9 as on a numeric pad
    double x, y;           // of the anchor, fractions of the frame
    int64_t shown_us;      // since when its text is seen; KN_NO_TIME while there is none
};

struct kn_cea708 {
    struct kn_cue_list *list; // borrowed
    struct kn_cue_builder builder;
    int service;
    struct window windows[WINDOWS];
    int current;           // window that letters go to
    uint8_t packet[PACKET_BYTES];
    size_t n_packet, packet_size; // size 0: none begun
    unsigned services;
};

struct kn_cea708 *kn_cea708_new(struct kn_cue_list *list, int service)
{
    struct kn_cea708 *decoder = calloc(1, sizeof(*decoder));
    if (!decoder)
        return NULL;
    decoder->list = list;
    decoder->service = service;
    kn_cue_builder_init(&decoder->builder, list);
    return decoder;
}

void kn_cea708_free(struct kn_cea708 **decoder)
{
    if (*decoder)
        kn_cue_builder_clear(&(*decoder)->builder);
    free(*decoder);
    *decoder = NULL;
}

unsigned kn_cea708_services(const struct kn_cea708 *decoder)
{
    return decoder->services;
}

/* ---- from windows to cues ---- */
static int row_length(const struct window *window, int row)
{
    int n = COLUMNS;
    while (n > 0 && (window->cells[row][n - 1].character == 0 || window->cells[row][n - 1].character == ' '))
        n--;
    return n;
}

static bool has_text(const struct window *window)
{
    for (int row = 0; row < ROWS; row++)
        if (row_length(window, row))
            return true;
    return false;
}

static void row_add(struct kn_cea708 *decoder, const struct window *window, int row)
{
    struct kn_cue_style *style = &decoder->builder.look.style;
    const int n = row_length(window, row);
    int from = 0;
    while (from < n && (window->cells[row][from].character == 0 || window->cells[row][from].character == ' '))
        from++;
    for (int i = from; i < n; i++) {
        const struct cell *cell = &window->cells[row][i];
        *style = (struct kn_cue_style){.is_italic = cell->is_italic, .is_underline = cell->is_underline};
        style->has_colour = cell->colour != 0xFFFFFF && cell->character != 0;
        style->colour = style->has_colour ? cell->colour : 0;
        kn_cue_builder_character(&decoder->builder, cell->character ? cell->character : ' ');
    }
}

// What the window shows was there until now.
static kn_code window_emit(struct kn_cea708 *decoder, struct window *window, int64_t now_us, struct kn_error *err)
{
    const int64_t from_us = window->shown_us;
    window->shown_us = KN_NO_TIME;
    if (from_us == KN_NO_TIME || !has_text(window) || (now_us != KN_NO_TIME && now_us <= from_us))
        return KN_OK;
    bool is_first = true;
    for (int row = 0; row < ROWS; row++) {
        if (!row_length(window, row))
            continue;
        if (!is_first)
            kn_cue_builder_text(&decoder->builder, "\n", 1);
        row_add(decoder, window, row);
        is_first = false;
    }
    struct kn_cue *cue;
    kn_code rc = kn_cue_list_add(decoder->list, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->start_us = from_us;
    cue->end_us = now_us;
    cue->place.anchor = window->anchor;
    cue->place.x = window->x;
    cue->place.y = window->y;
    return kn_cue_builder_finish(&decoder->builder, cue, err);
}

static kn_code window_show(struct kn_cea708 *decoder, struct window *window, bool is_visible, int64_t now_us,
                           struct kn_error *err)
{
    kn_code rc = KN_OK;
    if (window->is_visible && !is_visible)
        rc = window_emit(decoder, window, now_us, err);
    else if (!window->is_visible && is_visible && window->is_defined && has_text(window))
        window->shown_us = now_us;
    window->is_visible = is_visible && window->is_defined;
    return rc;
}

static kn_code window_clear(struct kn_cea708 *decoder, struct window *window, int64_t now_us, struct kn_error *err)
{
    kn_code rc = window->is_visible ? window_emit(decoder, window, now_us, err) : KN_OK;
    memset(window->cells, 0, sizeof(window->cells));
    window->row = window->column = 0;
    window->shown_us = KN_NO_TIME;
    return rc;
}

/* ---- letters ---- */
static void letter_put(struct kn_cea708 *decoder, uint32_t character, int64_t now_us)
{
    struct window *window = &decoder->windows[decoder->current];
    if (!window->is_defined)
        return;
    const int column = window->column < COLUMNS ? window->column : COLUMNS - 1;
    struct cell cell = window->pen;
    cell.character = character;
    window->cells[window->row][column] = cell;
    window->column = column + 1;
    if (window->is_visible && window->shown_us == KN_NO_TIME && character != ' ')
        window->shown_us = now_us;
}

static kn_code carriage_return(struct kn_cea708 *decoder, int64_t now_us, struct kn_error *err)
{
    struct window *window = &decoder->windows[decoder->current];
    kn_code rc = KN_OK;
    window->column = 0;
    if (window->row + 1 < window->n_rows) {
        window->row++;
        return KN_OK;
    }
    if (window->is_visible)
        rc = window_emit(decoder, window, now_us, err);
    for (int row = 0; row + 1 < ROWS; row++)
        memcpy(window->cells[row], window->cells[row + 1], sizeof(window->cells[row]));
    memset(window->cells[ROWS - 1], 0, sizeof(window->cells[0]));
    memset(window->cells[window->row], 0, sizeof(window->cells[0]));
    if (window->is_visible && has_text(window))
        window->shown_us = now_us;
    return rc;
}

static kn_code c0_apply(struct kn_cea708 *decoder, const uint8_t *at, int64_t now_us, struct kn_error *err)
{
    struct window *window = &decoder->windows[decoder->current];
    switch (at[0]) {
    case 0x08:
        if (window->column > 0)
            window->cells[window->row][--window->column] = (struct cell){0};
        return KN_OK;
    case 0x0C: return window_clear(decoder, window, now_us, err);
    case 0x0D: return carriage_return(decoder, now_us, err);
    case 0x0E:
        memset(window->cells[window->row], 0, sizeof(window->cells[0]));
        window->column = 0;
        return KN_OK;
    case 0x18: letter_put(decoder, (uint32_t)at[1] << 8 | at[2], now_us); return KN_OK;
    default: return KN_OK;
    }
}

// G2: what typewriters lack (CEA-708-E, table 12); G3 has only the sign for closed captions.
static uint32_t extended_letter(uint8_t code)
{
    static const struct {
        uint8_t code;
        uint16_t character;
    } letters[] = {
        {0x20, 0x20},   {0x21, 0xA0},   {0x25, 0x2026}, {0x2A, 0x160},  {0x2C, 0x152},  {0x30, 0x2588},
        {0x31, 0x2018}, {0x32, 0x2019}, {0x33, 0x201C}, {0x34, 0x201D}, {0x35, 0x2022}, {0x39, 0x2122},
        {0x3A, 0x161},  {0x3C, 0x153},  {0x3D, 0x2120}, {0x3F, 0x178},  {0x76, 0x215B}, {0x77, 0x215C},
        {0x78, 0x215D}, {0x79, 0x215E}, {0x7A, 0x2502}, {0x7B, 0x2510}, {0x7C, 0x2514}, {0x7D, 0x2500},
        {0x7E, 0x2518}, {0x7F, 0x250C},
    };
    for (size_t i = 0; i < KN_COUNT(letters); i++)
        if (letters[i].code == code)
            return letters[i].character;
    return '_'; // as the standard asks for letters a decoder lacks
}

/* ---- windows and pens ---- */
static kn_code window_define(struct kn_cea708 *decoder, int id, const uint8_t *at, int64_t now_us, struct kn_error *err)
{
    // Columns of anchor points (AP) from the left, rows from above, become places on a numeric pad.
    static const int anchors[9] = {7, 8, 9, 4, 5, 6, 1, 2, 3};
    struct window *window = &decoder->windows[id];
    const bool is_visible = at[1] >> 5 & 1, is_relative = at[2] >> 7;
    if (!window->is_defined) {
        *window = (struct window){.pen.colour = 0xFFFFFF, .shown_us = KN_NO_TIME};
        window->is_defined = true;
    }
    const int point = at[4] >> 4;
    window->anchor = anchors[point < 9 ? point : 7];
    window->n_rows = (at[4] & 15) + 1 < ROWS ? (at[4] & 15) + 1 : ROWS;
    window->row = window->row < window->n_rows ? window->row : window->n_rows - 1;
    window->y = 0.1 + 0.8 * fmin(1, is_relative ? (at[2] & 127) / 100.0 : (at[2] & 127) / ANCHOR_ROWS);
    window->x = 0.1 + 0.8 * fmin(1, is_relative ? at[3] / 100.0 : at[3] / ANCHOR_COLUMNS);
    decoder->current = id;
    return window_show(decoder, window, is_visible, now_us, err);
}

enum bitmap_command { CLEAR = 0x88, DISPLAY = 0x89, HIDE = 0x8A, TOGGLE = 0x8B, DELETE = 0x8C };

static kn_code bitmap_apply(struct kn_cea708 *decoder, uint8_t command, uint8_t bitmap, int64_t now_us,
                            struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (int i = 0; rc == KN_OK && i < WINDOWS; i++) {
        struct window *window = &decoder->windows[i];
        if (!(bitmap >> i & 1) || !window->is_defined)
            continue;
        if (command == CLEAR)
            rc = window_clear(decoder, window, now_us, err);
        else
            rc = window_show(decoder, window, command == DISPLAY || (command == TOGGLE && !window->is_visible),
                             now_us, err);
        if (command == DELETE)
            window->is_defined = false;
    }
    return rc;
}

static void pen_colour(struct window *window, uint8_t foreground)
{
    static const uint8_t levels[4] = {0, 0x55, 0xAA, 0xFF};
    window->pen.colour = (uint32_t)levels[foreground >> 4 & 3] << 16 |
        (uint32_t)levels[foreground >> 2 & 3] << 8 | levels[foreground & 3];
}

static kn_code c1_apply(struct kn_cea708 *decoder, const uint8_t *at, int64_t now_us, struct kn_error *err)
{
    struct window *window = &decoder->windows[decoder->current];
    if (at[0] <= 0x87) {
        decoder->current = at[0] & 7;
    } else if (at[0] <= DELETE) {
        return bitmap_apply(decoder, at[0], at[1], now_us, err);
    } else if (at[0] == 0x8F) {
        kn_code rc = bitmap_apply(decoder, DELETE, 0xFF, now_us, err);
        decoder->current = 0;
        return rc;
    } else if (at[0] == 0x90) {
        window->pen.is_underline = at[2] >> 6 & 1;
        window->pen.is_italic = at[2] >> 7;
    } else if (at[0] == 0x91) {
        pen_colour(window, at[1]);
    } else if (at[0] == 0x92) {
        window->row = (at[1] & 15) < ROWS ? at[1] & 15 : ROWS - 1;
        window->column = (at[2] & 63) < COLUMNS ? at[2] & 63 : COLUMNS - 1;
    } else if (at[0] >= 0x98) {
        return window_define(decoder, at[0] & 7, at, now_us, err);
    }
    return KN_OK;
}

/* ---- packets ---- */
// How many bytes a code takes, itself included (CEA-708-E, 7.1).
static size_t code_length(const uint8_t *at, size_t n)
{
    static const uint8_t c1[32] = {1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 1, 1,
                                   3, 4, 3, 1, 1, 1, 1, 5, 7, 7, 7, 7, 7, 7, 7, 7};
    if (at[0] == 0x10) {
        if (n < 2)
            return 2;
        const uint8_t code = at[1];
        return code < 0x20 ? 2 + (size_t)(code >> 3) : code >= 0x80 && code < 0x90 ? (code < 0x88 ? 6 : 7)
            : code >= 0x90 && code < 0xA0 && n > 2                                 ? 3 + (size_t)(at[2] & 31)
                                                                                   : 2;
    }
    if (at[0] < 0x20)
        return at[0] < 0x10 ? 1 : at[0] < 0x18 ? 2 : 3;
    return at[0] >= 0x80 && at[0] < 0xA0 ? c1[at[0] - 0x80] : 1;
}

static kn_code block_read(struct kn_cea708 *decoder, const uint8_t *at, size_t n, int64_t now_us, struct kn_error *err)
{
    kn_code rc = KN_OK;
    while (rc == KN_OK && n) {
        const size_t length = code_length(at, n);
        if (length > n)
            break; // cut short: the rest of it is lost
        if (at[0] == 0x10 && at[1] >= 0x20 && (at[1] < 0x80 || at[1] >= 0xA0))
            letter_put(decoder, extended_letter(at[1]), now_us);
        else if (at[0] < 0x20)
            rc = c0_apply(decoder, at, now_us, err);
        else if (at[0] >= 0x80 && at[0] < 0xA0)
            rc = c1_apply(decoder, at, now_us, err);
        else
            letter_put(decoder, at[0] == 0x7F ? 0x266A : at[0], now_us);
        at += length;
        n -= length;
    }
    return rc;
}

static kn_code packet_end(struct kn_cea708 *decoder, int64_t now_us, struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (size_t i = 1; rc == KN_OK && i < decoder->n_packet;) {
        int service = decoder->packet[i] >> 5;
        const size_t size = decoder->packet[i++] & 31;
        if (service == 0)
            break; // padding
        if (service == 7 && i < decoder->n_packet)
            service = decoder->packet[i++] & 63;
        if (size > decoder->n_packet - i)
            break;
        if (service <= KN_CEA708_SERVICES && size)
            decoder->services |= 1u << (service - 1);
        if (service == decoder->service)
            rc = block_read(decoder, decoder->packet + i, size, now_us, err);
        i += size;
    }
    decoder->packet_size = decoder->n_packet = 0;
    return rc;
}

kn_code kn_cea708_packet(struct kn_cea708 *decoder, const uint8_t *bytes, size_t n, int64_t time_us,
                         struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (size_t i = 0; rc == KN_OK && i + 3 <= n; i += 3) {
        const uint8_t type = bytes[i] & 3;
        if (!(bytes[i] & 4) || type < 2)
            continue;
        if (type == 3) {
            // A packet that never got all it announced ends here.
            if (decoder->n_packet > 1)
                rc = packet_end(decoder, time_us, err);
            const size_t code = bytes[i + 1] & 63;
            decoder->packet_size = code ? code * 2 : PACKET_BYTES;
            decoder->n_packet = 0;
        }
        for (int k = 1; k <= 2 && decoder->n_packet < decoder->packet_size; k++)
            decoder->packet[decoder->n_packet++] = bytes[i + (size_t)k];
        if (rc == KN_OK && decoder->packet_size && decoder->n_packet == decoder->packet_size)
            rc = packet_end(decoder, time_us, err);
    }
    return rc;
}

kn_code kn_cea708_end(struct kn_cea708 *decoder, struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (int i = 0; rc == KN_OK && i < WINDOWS; i++)
        if (decoder->windows[i].is_visible)
            rc = window_emit(decoder, &decoder->windows[i], KN_NO_TIME, err);
    return rc;
}
