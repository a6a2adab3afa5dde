/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/ocr_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strings.h"

/* ---- cleaning ---- */
// The character of well-formed UTF-8 at `at`; 0 at the end.
static uint32_t character_at(const unsigned char *at, size_t *out_n)
{
    const size_t n = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    uint32_t c = n == 1 ? at[0] : at[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (at[i] & 0x3F);
    *out_n = n;
    return c;
}

// Characters between which no blank is written: ideographs, kana and their punctuation.
static bool is_wide(uint32_t c)
{
    return (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFF00 && c <= 0xFF60) ||
        (c >= 0x20000 && c <= 0x3FFFF);
}

// Punctuation that is written in full width, without a blank, beside such characters; Tesseract often
// answers the ASCII twin with a blank before it.
static bool is_twin(uint32_t c)
{
    return c == '!' || c == ',' || c == ':' || c == ';' || c == '?';
}

static bool is_full_width_stop(uint32_t c)
{
    return c == 0x3001 || c == 0x3002 || (c > 0xFEE0 && is_twin(c - 0xFEE0));
}

static bool is_blank(const char *at)
{
    return *at == ' ' || *at == '\t';
}

const char *kn_ocr_text_clean(const char *text, struct kn_arena *arena)
{
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    if (!kn_is_utf8(text, strlen(text)))
        return kn_arena_strdup(arena, "");
    uint32_t before = '\n';
    for (const char *at = text; *at;) {
        size_t n;
        uint32_t c = character_at((const unsigned char *)at, &n);
        if (is_blank(at) || c == '\n' || c == '\f' || c == '\r') {
            const char *next = at;
            bool ends_line = false;
            for (; is_blank(next) || *next == '\n' || *next == '\f' || *next == '\r'; next++)
                ends_line = ends_line || !is_blank(next);
            size_t n_next;
            const uint32_t after = *next ? character_at((const unsigned char *)next, &n_next) : '\n';
            const bool is_ellipsis = before == '.' && after == '.' && kn_starts_with(next, ". .");
            at = next;
            if (!*next || before == '\n')
                continue;
            if (!ends_line && ((is_wide(before) && (is_wide(after) || is_twin(after))) || is_ellipsis ||
                               (is_full_width_stop(before) && after > 0x7F) ||
                               (before == '.' && after == '.' && kn_ends_with(kn_buf_text(&out), ".."))))
                continue;
            kn_buf_putc(&out, ends_line ? '\n' : ' ');
            before = ends_line ? '\n' : ' ';
            continue;
        }
        if (is_twin(c) && is_wide(before)) {
            c += 0xFEE0;
            const char full_width[] = {(char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3F)), (char)(0x80 | (c & 0x3F))};
            kn_buf_add(&out, full_width, sizeof(full_width));
        } else {
            kn_buf_add(&out, at, n);
        }
        before = c;
        at += n;
    }
    return kn_buf_ok(&out) ? kn_arena_strdup(arena, kn_buf_text(&out)) : NULL;
}

/* ---- corrections ---- */
static bool is_small(char c)
{
    return islower((unsigned char)c) || (unsigned char)c >= 0x80; // accented letters are mostly small
}

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return isdigit((unsigned char)c);
}

// "l'm", "l'll", "l've", "l'd": after an English I alone.
static bool is_contraction(const char *at)
{
    static const char *const ends[] = {"m", "ll", "ve", "d", "s"};
    if (*at != '\'' && strncmp(at, "\xE2\x80\x99", 3) != 0)
        return false;
    at += *at == '\'' ? 1 : 3;
    for (size_t i = 0; i < KN_COUNT(ends); i++)
        if (kn_starts_with(at, ends[i]) && !is_letter(at[strlen(ends[i])]))
            return true;
    return false;
}

// "Mc" or "Mac" before a capital.
static bool is_after_mac(const char *text, const char *at)
{
    return at - text >= 2 && at[-1] == 'c' && (at[-2] == 'M' || (at - text >= 3 && at[-2] == 'a' && at[-3] == 'M'));
}

// What the character at `at` in `text` should be, given its neighbours; `before` is corrected already.
static char corrected(char before, const char *at, const char *text)
{
    const char after = at[1];
    switch (*at) {
    case '|': return 'I';
    case 'l':
        if (!is_letter(before) && !is_digit(before) && before != '\'' && (is_contraction(at + 1) ||
            (!is_letter(after) && !is_digit(after) && after != '\'' && after != '-' && after != '.')))
            return 'I';
        return 'l';
    case 'I': return is_small(before) && is_small(after) && !is_after_mac(text, at) ? 'l' : 'I';
    case '1': return is_small(before) && is_small(at[strspn(at, "1")]) ? 'l' : '1';
    case '0': return isupper((unsigned char)before) && isupper((unsigned char)after) ? 'O'
            : is_small(before) && is_small(after)                                    ? 'o'
                                                                                     : '0';
    case 'O': return is_digit(before) && is_digit(after) ? '0' : 'O';
    default: return *at;
    }
}

// What a note is read as at both ends of [from, to); NULL when it is not. Letters stand apart from the words between.
static const char *misread_note(const char *from, const char *to)
{
    static const struct {
        const char *text;
        bool stands_apart;
    } readings[] = {{"#", false}, {"\xC2\xA2", false}, {"J'", true}, {"J\xE2\x80\x99", true}, {"d", true}};
    for (size_t i = 0; i < KN_COUNT(readings); i++) {
        const char *text = readings[i].text, *last = to - strlen(text);
        const size_t n = strlen(text);
        if (last <= from + n || memcmp(from, text, n) != 0 || memcmp(last, text, n) != 0)
            continue;
        if (!readings[i].stands_apart || (from[n] == ' ' && last[-1] == ' '))
            return text;
    }
    return NULL;
}

// [from, to) of `text`, which goes on behind it.
static void span_correct(struct kn_buf *out, const char *from, const char *to, const char *text)
{
    static const char note[] = "\xE2\x99\xAA";
    const char *misread = misread_note(from, to);
    const size_t n = misread ? strlen(misread) : 0;
    char before = '\n';
    if (misread)
        kn_buf_puts(out, note);
    for (const char *at = from + n; at < to - n; at++) {
        if ((at[0] == '\'' && at[1] == '\'') || (at[0] == '`' && at[1] == '`')) {
            kn_buf_putc(out, '"');
            before = '"';
            at++;
            continue;
        }
        before = corrected(before, at, text);
        kn_buf_putc(out, before);
    }
    if (misread)
        kn_buf_puts(out, note);
}

const char *kn_ocr_text_correct(const char *text, struct kn_arena *arena)
{
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    const char *end = text + strlen(text);
    const char *first_end = text + strcspn(text, "\n");
    const bool is_whole = misread_note(text, end) && !misread_note(text, first_end); // one note before, one behind all
    for (const char *from = text, *to;; from = to + 1) {
        to = is_whole ? end : from + strcspn(from, "\n");
        span_correct(&out, from, to, text);
        if (to == end)
            break;
        kn_buf_putc(&out, '\n');
    }
    return kn_buf_ok(&out) ? kn_arena_strdup(arena, kn_buf_text(&out)) : NULL;
}
