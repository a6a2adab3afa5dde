/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The line is turned as a whole, then what runs from left to right within it is turned back: words of other scripts
 * with all that stands between them, and numbers.
 */
#include "engine/caption/teletext_order.h"

#include <stdbool.h>

enum kind { NEUTRAL = 0, HEBREW, ARABIC, LETTER, DIGIT };

static enum kind kind_of(uint32_t c)
{
    if ((c >= '0' && c <= '9') || (c >= 0x660 && c <= 0x669))
        return DIGIT;
    if (c >= 0x5D0 && c <= 0x5EA)
        return HEBREW;
    if ((c >= 0x620 && c <= 0x6FF) || c == KN_TELETEXT_TAIL || c == KN_TELETEXT_LAM_ALEF)
        return ARABIC;
    const bool is_ascii = (c | 32) >= 'a' && (c | 32) <= 'z' && c < 0x80;
    return is_ascii || (c >= 0xC0 && c < 0x590 && c != 0xD7 && c != 0xF7) ? LETTER : NEUTRAL;
}

static void turn(uint32_t *letters, uint8_t *order, int from, int to)
{
    for (int a = from, b = to - 1; a < b; a++, b--) {
        const uint32_t letter = letters[a];
        letters[a] = letters[b];
        letters[b] = letter;
        const uint8_t place = order[a];
        order[a] = order[b];
        order[b] = place;
    }
}

// Where words that run from left to right end which begin at `from`; `from` when there are none.
static int words_end(const uint32_t *letters, int from, int n)
{
    int to = from;
    bool has_letter = false;
    for (int i = from; i < n; i++) {
        const enum kind kind = kind_of(letters[i]);
        if (kind == HEBREW || kind == ARABIC)
            break;
        has_letter = has_letter || kind == LETTER;
        to = kind == NEUTRAL ? to : i + 1;
    }
    return has_letter ? to : from;
}

static bool is_separator(uint32_t c, bool is_arabic)
{
    return c == '.' || c == ',' || c == ':' || c == '/' || (!is_arabic && (c == '+' || c == '-'));
}

// Signs that go with a European number; Arabic letters before make it an Arabic one, with which they do not.
static bool is_unit(uint32_t c, bool is_arabic)
{
    return !is_arabic && (c == '%' || c == '#' || c == '$' || c == 0xA3 || c == 0xB0 || c == 0x20AA);
}

static int number_end(const uint32_t *letters, int from, int n, bool is_arabic)
{
    int at = from;
    while (at < n && is_unit(letters[at], is_arabic))
        at++;
    if (at == n || kind_of(letters[at]) != DIGIT)
        return from;
    while (at < n && (kind_of(letters[at]) == DIGIT || (is_separator(letters[at], is_arabic) && at + 1 < n &&
                                                       kind_of(letters[at + 1]) == DIGIT)))
        at++;
    while (at < n && is_unit(letters[at], is_arabic))
        at++;
    return at;
}

static uint32_t mirrored(uint32_t c)
{
    switch (c) {
    case '(': return ')';
    case ')': return '(';
    case '<': return '>';
    case '>': return '<';
    case '[': return ']';
    case ']': return '[';
    case '{': return '}';
    case '}': return '{';
    case 0xAB: return 0xBB;
    case 0xBB: return 0xAB;
    default: return c;
    }
}

// Seen, sheen, sad and dad are sent as two; an alef maksura looks like a tail that stands elsewhere.
static int tails_join(uint32_t *letters, uint8_t *order, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        const uint32_t before = kept > 0 ? letters[kept - 1] : 0;
        if (letters[i] == KN_TELETEXT_TAIL && before >= 0x633 && before <= 0x636)
            continue;
        letters[kept] = letters[i] == KN_TELETEXT_TAIL ? 0x649 : letters[i];
        order[kept++] = order[i];
    }
    return kept;
}

int kn_teletext_order(uint32_t *letters, uint8_t *order, int n)
{
    bool is_rtl = false, is_arabic = false;
    for (int i = 0; i < n; i++) {
        const enum kind kind = kind_of(letters[i]);
        order[i] = (uint8_t)i;
        is_arabic = is_arabic || kind == ARABIC;
        is_rtl = is_rtl || kind == HEBREW || kind == ARABIC;
    }
    if (!is_rtl)
        return n;
    turn(letters, order, 0, n);
    for (int from = 0; from < n;) {
        const enum kind kind = kind_of(letters[from]);
        int to = kind == LETTER || kind == DIGIT ? words_end(letters, from, n) : from;
        to = to == from ? number_end(letters, from, n, is_arabic) : to;
        if (to == from)
            letters[from] = mirrored(letters[from]);
        turn(letters, order, from, to);
        from = to == from ? from + 1 : to;
    }
    return tails_join(letters, order, n);
}
