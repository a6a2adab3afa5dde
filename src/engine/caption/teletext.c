/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A data unit holds one line of 42 bytes, each with its bits in the order they are sent:
 *
 *     magazine and row (2 bytes, 8/4)
 *     row 0        page, subcode, control bits C4-C14 (8 bytes, 8/4), then text that is not ours
 *     rows 1-24    40 letters with odd parity; codes below 0x20 change the look and take a letter's place
 *     row 26       designation (8/4), then 13 triplets (24/18): letters that rows 1-24 cannot hold
 *     row 28, 29   designation, triplets: the page's, or magazine's, alphabets
 *
 * Rows are collected until the next header; then the page is drawn on a grid, and what stands in boxes is
 * compared with what was there.
 */
#include "engine/caption/teletext.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/caption/builder.h"
#include "engine/caption/teletext_letters.h"
#include "engine/caption/teletext_order.h"
#include "engine/caption/text.h"

#define ROWS 25 // 1-24 are used
#define COLUMNS 40
#define LINE_BYTES 42
#define UNIT_BYTES 44
// Sixteen packets of row 26, thirteen triplets each.
#define MAX_EXTRAS (16 * 13)
// Lines further apart than this are not of one caption (those of double height are two apart).
#define MAX_LINE_STEP 4
// Columns that the middle of a caption may be off the screen's.
#define MAX_OFF_CENTRE 7

enum colour { BLACK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, WHITE };
static const uint32_t colours[8] = {0x000000, 0xFF0000, 0x00FF00, 0xFFFF00, 0x0000FF, 0xFF00FF, 0x00FFFF, 0xFFFFFF};

struct cell {
    uint32_t character; // 0: nothing that is shown
    uint32_t mark;      // a combining mark on it, or 0
    uint8_t colour, background;
    uint8_t is_boxed, is_code; // a code stands here, seen as a blank
    uint8_t is_covered;        // by the letter of double width on its left
    uint8_t zeros[3];          // no padding: grids are compared as bytes
};

struct grid {
    struct cell cells[ROWS][COLUMNS];
};

// A letter that packet X/26 puts over the page.
struct extra {
    uint8_t row, column, mode, data;
};

struct kn_teletext {
    struct kn_cue_list *list; // borrowed
    struct kn_cue_builder builder;
    int page;
    // --- the page being received
    bool is_receiving, is_inhibited;
    int64_t header_us;
    unsigned national;
    uint8_t rows[ROWS][COLUMNS]; // 0: nothing was sent
    struct extra extras[MAX_EXTRAS];
    size_t n_extras;
    int page_set, magazine_set;               // designations; -1: not said
    int page_second_set, magazine_second_set; // of what the code ESC switches to
    int n_damaged;                            // letters of this page
    // --- what is shown
    struct grid shown;
    int shown_set;    // its letters'
    int64_t shown_us; // since when; KN_NO_TIME when there is nothing
};

struct kn_teletext *kn_teletext_new(struct kn_cue_list *list, int page)
{
    struct kn_teletext *decoder = calloc(1, sizeof(*decoder));
    if (!decoder)
        return NULL;
    decoder->list = list;
    decoder->page = page;
    decoder->page_set = decoder->magazine_set = -1;
    decoder->page_second_set = decoder->magazine_second_set = -1;
    decoder->shown_us = KN_NO_TIME;
    kn_cue_builder_init(&decoder->builder, list);
    return decoder;
}

void kn_teletext_free(struct kn_teletext **decoder)
{
    if (*decoder)
        kn_cue_builder_clear(&(*decoder)->builder);
    free(*decoder);
    *decoder = NULL;
}

/* ---- from rows to the grid ---- */
// What a row's codes have said so far.
struct look {
    uint8_t colour, background;
    bool is_boxed, is_mosaic, is_wide;
    int set, other_set;
};

static void code_apply(struct look *look, uint8_t code, bool *is_tall)
{
    switch (code) {
    case 0x0A: look->is_boxed = false; break;
    case 0x0B: look->is_boxed = true; break; // sent twice; one that got lost must not hide the text
    case 0x0C:
    case 0x0D: look->is_wide = false; break;
    case 0x0E:
    case 0x0F: look->is_wide = true; break;
    case 0x1B: {
        const int set = look->set;
        look->set = look->other_set;
        look->other_set = set;
        break;
    }
    case 0x1C: look->background = BLACK; break;
    case 0x1D: look->background = look->colour; break;
    default:
        if (code < 0x08 || (code >= 0x10 && code < 0x18)) {
            look->colour = code & 7;
            look->is_mosaic = code >= 0x10;
        }
    }
    *is_tall = *is_tall || code == 0x0D || code == 0x0F;
}

// Returns whether the row is of double height, and so covers the next.
static bool row_draw(const uint8_t *row, const struct look *first, struct cell *cells)
{
    struct look look = *first;
    bool is_tall = false, covers_next = false;
    for (int i = 0; i < COLUMNS; i++) {
        const uint8_t code = row[i] ? row[i] & 0x7F : ' ';
        const bool is_code = code < 0x20;
        if (is_code)
            code_apply(&look, code, &is_tall);
        struct cell *cell = &cells[i];
        cell->is_code = is_code;
        cell->is_boxed = look.is_boxed;
        cell->colour = look.colour;
        cell->background = look.background;
        cell->is_covered = covers_next;
        covers_next = false;
        if (cell->is_covered)
            cell->is_code = true;
        if (!look.is_boxed || cell->is_code || (look.is_mosaic && (code & 0x20)))
            continue;
        // A blank is as wide as a letter, but never hides one.
        covers_next = look.is_wide && (code != ' ' || (i + 1 < COLUMNS && (row[i + 1] & 0x7F) == ' '));
        cell->character = code == ' ' ? 0 : kn_teletext_letter(look.set, code);
    }
    return is_tall;
}

static void extras_draw(const struct kn_teletext *decoder, int set, struct grid *grid)
{
    for (size_t i = 0; i < decoder->n_extras; i++) {
        const struct extra *extra = &decoder->extras[i];
        struct cell *cell = &grid->cells[extra->row][extra->column];
        if (!cell->is_boxed || cell->is_code)
            continue;
        cell->mark = 0;
        if (extra->mode == 0x0F)
            cell->character = kn_teletext_extra_letter(set, extra->data);
        else if (extra->mode == 0x10 && extra->data == 0x2A)
            cell->character = '@';
        else if (extra->mode == 0x09)
            cell->character = kn_teletext_letter(set, extra->data);
        else // marks stand on the letters of all alphabets' first, without national options
            cell->character = kn_teletext_marked_letter(
                kn_teletext_letter(kn_teletext_is_latin(set) ? 7 : set, extra->data), extra->mode & 15u, &cell->mark);
    }
}

// Returns the set it is written in.
static int page_draw(const struct kn_teletext *decoder, struct grid *grid)
{
    const char *language = decoder->list->track.language;
    const int designation = decoder->page_set >= 0 ? decoder->page_set : decoder->magazine_set;
    const int second = decoder->page_second_set >= 0 ? decoder->page_second_set : decoder->magazine_second_set;
    const int set = kn_teletext_set(designation, decoder->national, language);
    const struct look first = {
        .colour = WHITE,
        .set = set,
        .other_set = second >= 0 ? kn_teletext_set(second, (unsigned)second & 7, NULL) : kn_teletext_is_latin(set) ? set : 0,
    };
    memset(grid, 0, sizeof(*grid));
    if (decoder->is_inhibited)
        return set;
    for (int row = 1; row < ROWS; row++)
        if (row_draw(decoder->rows[row], &first, grid->cells[row]))
            row++;
    extras_draw(decoder, set, grid);
    return set;
}

/* ---- from the grid to cues ---- */
static bool is_ink(const struct cell *cell)
{
    return cell->character != 0 && cell->character != ' ';
}

static bool row_span(const struct grid *grid, int row, int *out_from, int *out_to)
{
    int from = 0, to = COLUMNS;
    while (from < to && !is_ink(&grid->cells[row][from]))
        from++;
    while (to > from && !is_ink(&grid->cells[row][to - 1]))
        to--;
    *out_from = from;
    *out_to = to;
    return from < to;
}

static bool grid_is_empty(const struct grid *grid)
{
    int from, to;
    for (int row = 1; row < ROWS; row++)
        if (row_span(grid, row, &from, &to))
            return false;
    return true;
}

// What is sent as it is seen comes into the order it is read in. Returns how many cells are left.
static int line_order(struct cell *cells, int n)
{
    struct cell seen[COLUMNS];
    uint32_t letters[COLUMNS];
    uint8_t order[COLUMNS];
    memcpy(seen, cells, (size_t)n * sizeof(*seen));
    for (int i = 0; i < n; i++)
        letters[i] = is_ink(&cells[i]) ? cells[i].character : ' ';
    const int kept = kn_teletext_order(letters, order, n);
    for (int i = 0; i < kept; i++) {
        cells[i] = seen[order[i]];
        cells[i].character = is_ink(&cells[i]) ? letters[i] : cells[i].character;
    }
    return kept;
}

static struct kn_cue_style style_of(const struct cell *cell)
{
    return (struct kn_cue_style){
        .has_colour = cell->colour != WHITE,
        .colour = cell->colour != WHITE ? colours[cell->colour] : 0,
        .has_background = cell->background != BLACK,
        .background = cell->background != BLACK ? colours[cell->background] : 0,
    };
}

// What parts two words looks like them only if they look alike.
static void gap_add(struct kn_cue_builder *builder, const struct kn_cue_style *next, const char *gap)
{
    if (!kn_cue_style_equal(&builder->look.style, next))
        builder->look.style = (struct kn_cue_style){0};
    kn_cue_builder_text(builder, gap, strlen(gap));
}

// `gap` parts it from the line above.
static void line_add(struct kn_teletext *decoder, const struct cell *cells, int n, const char *gap)
{
    struct kn_cue_builder *builder = &decoder->builder;
    for (int i = 0; i < n;) {
        int blanks = 0;
        bool has_code = false;
        for (; i < n && !is_ink(&cells[i]); i++, blanks++)
            has_code = has_code || cells[i].is_code;
        if (i == n)
            break;
        const struct cell *cell = &cells[i++];
        const struct kn_cue_style style = style_of(cell);
        gap_add(builder, &style, gap);
        gap = "";
        // A code and the blanks around it part two words; blanks alone were meant.
        for (; blanks > 0; blanks = has_code ? 0 : blanks - 1)
            gap_add(builder, &style, " ");
        builder->look.style = style;
        if (cell->character == KN_TELETEXT_LAM_ALEF)
            kn_cue_builder_character(builder, 0x644);
        kn_cue_builder_character(builder, cell->character == KN_TELETEXT_LAM_ALEF ? 0x627 : cell->character);
        if (cell->mark)
            kn_cue_builder_character(builder, cell->mark);
    }
}

// Where lines `from` up to and without `to` stand; captions in the usual place say nothing.
static int anchor_of(const struct grid *grid, int from, int to)
{
    int left = COLUMNS, right = 0, a, b;
    for (int row = from; row < to; row++) {
        if (!row_span(grid, row, &a, &b))
            continue;
        left = a < left ? a : left;
        right = b > right ? b : right;
    }
    const int off = left + right - COLUMNS; // twice as far as the middle is off
    const int column = off > 2 * MAX_OFF_CENTRE ? 2 : off < -2 * MAX_OFF_CENTRE ? 0 : 1;
    const int row = to <= ROWS / 3 + 1 ? 2 : from < ROWS / 2 && to < ROWS * 2 / 3 ? 1 : 0;
    return row == 0 && column == 1 ? 0 : 1 + row * 3 + column;
}

static kn_code lines_emit(struct kn_teletext *decoder, int from, int to, int64_t now_us, struct kn_error *err)
{
    bool is_first = true;
    for (int row = from; row < to; row++) {
        struct cell line[COLUMNS];
        int a, b;
        if (!row_span(&decoder->shown, row, &a, &b))
            continue;
        int n = 0;
        for (int i = a; i < b; i++)
            if (!decoder->shown.cells[row][i].is_covered)
                line[n++] = decoder->shown.cells[row][i];
        n = kn_teletext_is_rtl(decoder->shown_set) ? line_order(line, n) : n;
        line_add(decoder, line, n, is_first ? "" : "\n");
        is_first = false;
    }
    struct kn_cue *cue;
    const kn_code rc = kn_cue_list_add(decoder->list, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->start_us = decoder->shown_us;
    cue->end_us = now_us;
    cue->place.anchor = anchor_of(&decoder->shown, from, to);
    return kn_cue_builder_finish(&decoder->builder, cue, err);
}

// What is shown was there until now.
static kn_code shown_emit(struct kn_teletext *decoder, int64_t now_us, struct kn_error *err)
{
    kn_code rc = KN_OK;
    int a, b;
    if (decoder->shown_us == KN_NO_TIME || (now_us != KN_NO_TIME && now_us <= decoder->shown_us))
        return KN_OK;
    for (int row = 1; rc == KN_OK && row < ROWS; row++) {
        if (!row_span(&decoder->shown, row, &a, &b))
            continue;
        int to = row + 1;
        for (int next = to; next < ROWS && next - to < MAX_LINE_STEP; next++)
            if (row_span(&decoder->shown, next, &a, &b))
                to = next + 1;
        rc = lines_emit(decoder, row, to, now_us, err);
        row = to;
    }
    return rc;
}

// All letters of a grid, lines apart.
static void grid_text(const struct grid *grid, struct kn_buf *out)
{
    int a, b;
    for (int row = 1; row < ROWS; row++) {
        if (!row_span(grid, row, &a, &b))
            continue;
        if (out->len)
            kn_buf_add(out, "\n", 1);
        for (int i = a; i < b; i++)
            kn_caption_put(out, grid->cells[row][i].character ? grid->cells[row][i].character : ' ');
    }
}

// Whether `after` shows what `before` does and goes on with it.
static bool grid_grows(const struct grid *before, const struct grid *after)
{
    kn_auto(kn_buf_clear) struct kn_buf a = {0};
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    grid_text(before, &a);
    grid_text(after, &b);
    return a.len > 0 && kn_buf_ok(&a) && kn_buf_ok(&b) && b.len > a.len && memcmp(a.data, b.data, a.len) == 0;
}

// What of the page just received cannot be read.
static void letters_check(struct kn_teletext *decoder)
{
    if (decoder->n_damaged)
        kn_cue_list_warn(decoder->list, 0, "%d letters of the teletext page at %.3f s arrived damaged",
                         decoder->n_damaged, (double)decoder->header_us / KN_SECOND);
    decoder->n_damaged = 0;
}

// The page is whole: the next header came, or the stream ended.
static kn_code page_end(struct kn_teletext *decoder, struct kn_error *err)
{
    struct grid grid;
    if (!decoder->is_receiving)
        return KN_OK;
    decoder->is_receiving = false;
    const int set = page_draw(decoder, &grid);
    letters_check(decoder);
    if (memcmp(&grid, &decoder->shown, sizeof(grid)) == 0)
        return KN_OK;
    const bool grows = decoder->shown_us != KN_NO_TIME && grid_grows(&decoder->shown, &grid);
    const kn_code rc = grows ? KN_OK : shown_emit(decoder, decoder->header_us, err);
    if (!grows)
        decoder->shown_us = grid_is_empty(&grid) ? KN_NO_TIME : decoder->header_us;
    memcpy(&decoder->shown, &grid, sizeof(grid));
    decoder->shown_set = set;
    return rc;
}

/* ---- lines of the stream ---- */
struct header {
    int page; // 0x100 to 0x8FF
    bool erases, is_subtitle, is_inhibited, is_serial;
    unsigned national;
};

static uint8_t bits_reverse(uint8_t byte)
{
    byte = (uint8_t)(byte >> 4 | byte << 4);
    byte = (uint8_t)((byte & 0xCC) >> 2 | (byte & 0x33) << 2);
    return (uint8_t)((byte & 0xAA) >> 1 | (byte & 0x55) << 1);
}

// False when it cannot be made out.
static bool header_read(const uint8_t line[LINE_BYTES], int magazine, struct header *out)
{
    int digits[8];
    for (int i = 0; i < 8; i++) {
        digits[i] = kn_teletext_hamming_8_4(line[2 + i]);
        if (digits[i] < 0)
            return false;
    }
    *out = (struct header){
        .page = magazine << 8 | digits[1] << 4 | digits[0],
        .erases = digits[3] >> 3 & 1,
        .is_subtitle = digits[5] >> 3 & 1,
        .is_inhibited = digits[6] >> 3 & 1,
        .is_serial = digits[7] & 1,
        // C12 is the highest of the three.
        .national = (unsigned)((digits[7] >> 1 & 1) << 2 | (digits[7] >> 2 & 1) << 1 | (digits[7] >> 3 & 1)),
    };
    return true;
}

// Magazine 1 to 8 and row of a line; false when they cannot be made out.
static bool address_read(const uint8_t line[LINE_BYTES], int *out_magazine, int *out_row)
{
    const int a = kn_teletext_hamming_8_4(line[0]), b = kn_teletext_hamming_8_4(line[1]);
    if (a < 0 || b < 0)
        return false;
    *out_magazine = (a & 7) ? a & 7 : 8;
    *out_row = b << 1 | a >> 3;
    return true;
}

static kn_code header_take(struct kn_teletext *decoder, const uint8_t *line, int magazine, int64_t time_us,
                           struct kn_error *err)
{
    struct header header;
    const bool is_known = header_read(line, magazine, &header);
    // A header ends the pages of its magazine, or of all when they are sent one after the other.
    if (magazine == decoder->page >> 8 || (is_known && header.is_serial)) {
        const kn_code rc = page_end(decoder, err);
        if (rc != KN_OK)
            return rc;
    }
    if (!is_known)
        return KN_OK;
    if (decoder->page == 0 && header.is_subtitle && (header.page & 0xFF) != 0xFF)
        decoder->page = header.page;
    if (header.page != decoder->page)
        return KN_OK;
    decoder->is_receiving = true;
    decoder->is_inhibited = header.is_inhibited;
    decoder->header_us = time_us;
    decoder->national = header.national;
    decoder->page_set = decoder->page_second_set = -1;
    decoder->n_extras = header.erases ? 0 : decoder->n_extras;
    if (header.erases)
        memset(decoder->rows, 0, sizeof(decoder->rows));
    return KN_OK;
}

static void row_take(struct kn_teletext *decoder, const uint8_t *line, int row)
{
    for (int i = 0; i < COLUMNS; i++) {
        const uint8_t letter = line[2 + i];
        if (__builtin_parity(letter))
            decoder->rows[row][i] = letter; // bit 7 is the parity's
        else
            decoder->n_damaged++; // what was there stays, as EN 300 706 asks for
    }
}

static void extras_take(struct kn_teletext *decoder, const uint8_t *line)
{
    int row = 0;
    for (int i = 0; i < 13; i++) {
        const int32_t triplet = kn_teletext_hamming_24_18(line + 3 + 3 * i);
        const int address = triplet & 63, mode = triplet >> 6 & 31, data = triplet >> 11 & 127;
        if (triplet < 0)
            continue;
        if (address == 63 && mode == 0x1F)
            return;
        if (address >= 40) {
            if (mode == 0x04 || mode == 0x01)
                row = address == 40 ? 24 : address - 40;
            continue;
        }
        const bool is_letter = (mode == 0x0F || mode == 0x09 || mode >= 0x10) && data >= 0x20;
        if (is_letter && row > 0 && decoder->n_extras < MAX_EXTRAS)
            decoder->extras[decoder->n_extras++] =
                (struct extra){.row = (uint8_t)row, .column = (uint8_t)address, .mode = (uint8_t)mode, .data = (uint8_t)data};
    }
}

// The alphabets of packets X/28/0 and M/29/0 (formats 1 and 4 begin alike).
static bool sets_take(const uint8_t *line, int *out_set, int *out_second)
{
    const int designation = kn_teletext_hamming_8_4(line[2]);
    const int32_t first = kn_teletext_hamming_24_18(line + 3), second = kn_teletext_hamming_24_18(line + 6);
    if ((designation != 0 && designation != 4) || first < 0)
        return false;
    *out_set = first >> 7 & 127;
    const int other = second < 0 ? 127 : (first >> 14 & 15) | (second & 7) << 4;
    *out_second = other == 127 ? -1 : other; // all ones: there is none
    return true;
}

static kn_code line_take(struct kn_teletext *decoder, const uint8_t line[LINE_BYTES], int64_t time_us,
                         struct kn_error *err)
{
    int magazine, row;
    if (!address_read(line, &magazine, &row))
        return KN_OK;
    if (row == 0)
        return header_take(decoder, line, magazine, time_us, err);
    if (magazine != decoder->page >> 8)
        return KN_OK;
    if (row == 29)
        (void)sets_take(line, &decoder->magazine_set, &decoder->magazine_second_set);
    if (!decoder->is_receiving)
        return KN_OK;
    if (row < ROWS)
        row_take(decoder, line, row);
    else if (row == 26)
        extras_take(decoder, line);
    else if (row == 28)
        (void)sets_take(line, &decoder->page_set, &decoder->page_second_set);
    return KN_OK;
}

/* ---- data units ---- */
// The next line of a packet, from *at on, its bits the right way round; false behind the last.
static bool line_next(const uint8_t *bytes, size_t n, size_t *at, uint8_t out[LINE_BYTES])
{
    while (*at + 2 <= n) {
        const uint8_t kind = bytes[*at];
        const size_t size = bytes[*at + 1], from = *at + 2;
        *at = from + size;
        // EBU teletext, subtitles or not; the first two bytes say on which line of the picture it was.
        if ((kind != 2 && kind != 3) || size < UNIT_BYTES || from + UNIT_BYTES > n)
            continue;
        for (int i = 0; i < LINE_BYTES; i++)
            out[i] = bits_reverse(bytes[from + 2 + (size_t)i]);
        return true;
    }
    return false;
}

kn_code kn_teletext_packet(struct kn_teletext *decoder, const uint8_t *bytes, size_t n, int64_t time_us,
                           struct kn_error *err)
{
    uint8_t line[LINE_BYTES];
    kn_code rc = KN_OK;
    for (size_t at = 1; rc == KN_OK && line_next(bytes, n, &at, line);)
        rc = line_take(decoder, line, time_us, err);
    return rc;
}

kn_code kn_teletext_end(struct kn_teletext *decoder, struct kn_error *err)
{
    const kn_code rc = page_end(decoder, err);
    return rc == KN_OK ? shown_emit(decoder, KN_NO_TIME, err) : rc;
}

size_t kn_teletext_subtitle_pages(const uint8_t *bytes, size_t n, int *out_pages, size_t n_max)
{
    uint8_t line[LINE_BYTES];
    size_t n_pages = 0;
    for (size_t at = 1; n_pages < n_max && line_next(bytes, n, &at, line);) {
        struct header header;
        int magazine, row;
        if (address_read(line, &magazine, &row) && row == 0 && header_read(line, magazine, &header) &&
            header.is_subtitle && (header.page & 0xFF) != 0xFF)
            out_pages[n_pages++] = header.page;
    }
    return n_pages;
}
