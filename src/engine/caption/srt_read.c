/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading SubRip. A cue begins at a timing line and ends where the next one begins, whatever blank
 * lines lie between; the number above a timing line is the only thing taken away. So nothing that
 * stands in the file is lost, however it is laid out.
 */
#include "engine/caption/srt.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "engine/caption/ass_text.h"
#include "engine/caption/text.h"
#include "engine/caption/vtt.h"

#define MAX_FONTS 32 // <font> within <font>: deeper ones look like the deepest kept

/* ---- times ---- */
static bool digits(const char **at, const char *end, int64_t *out_value, int *out_n)
{
    int64_t value = 0;
    int n = 0;
    while (*at < end && **at >= '0' && **at <= '9' && n < 9) {
        value = value * 10 + (**at - '0');
        (*at)++;
        n++;
    }
    *out_value = value;
    *out_n = n;
    return n > 0;
}

static int64_t fraction_us(int64_t value, int n)
{
    for (; n < 6; n++)
        value *= 10;
    for (; n > 6; n--)
        value /= 10;
    return value;
}

// Translating machines write "00: 00: 01, 500".
static const char *blanks_skip(const char *at, const char *end)
{
    const char *digit = at;
    while (digit < end && *digit == ' ')
        digit++;
    return digit < end && *digit >= '0' && *digit <= '9' ? digit : at;
}

// "1:02:03,450", without hours, without a fraction, '.' or ':' before it, a sign: all of these are met.
bool kn_srt_time(const char **cursor, const char *end, int64_t *out_us)
{
    const char *at = *cursor;
    int64_t parts[4], value, fraction = 0;
    int n_parts = 0, n;
    bool is_negative = false, has_fraction = false;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    if (at < end && *at == '-') {
        is_negative = true;
        at++;
    }
    while (n_parts < 4 && digits(&at, end, &value, &n)) {
        parts[n_parts++] = value;
        if (at < end && (*at == ',' || *at == '.') && n_parts > 1) {
            at = blanks_skip(at + 1, end);
            has_fraction = true;
            fraction = digits(&at, end, &value, &n) ? fraction_us(value, n) : 0;
            break;
        }
        // "00:01:02:345", and "01:02:345" where three digits can be no seconds
        if (at == end || *at != ':') {
            if (n_parts == 4 || (n_parts == 3 && n == 3 && value > 59)) {
                n_parts--;
                has_fraction = true;
                fraction = fraction_us(value, n);
            }
            break;
        }
        at = blanks_skip(at + 1, end);
    }
    if (n_parts < 2 || (n_parts == 4 && !has_fraction))
        return false;
    int64_t seconds = 0;
    for (int i = 0; i < n_parts && i < 3; i++)
        seconds = seconds * 60 + parts[i];
    *out_us = seconds * KN_SECOND + fraction;
    if (is_negative)
        *out_us = -*out_us;
    *cursor = at;
    return true;
}

// "-->", and what hands and bad converters make of it
static bool arrow_read(const char **cursor, const char *end)
{
    static const char *const arrows[] = {"-->", "->", "- ->", "-- >", "\xE2\x80\x93>", "\xE2\x80\x94>",
                                         "--\xE2\x89\xBB", "\xE2\x86\x92"};
    const char *at = *cursor;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    for (size_t i = 0; i < KN_COUNT(arrows); i++) {
        const size_t n = strlen(arrows[i]);
        if ((size_t)(end - at) >= n && memcmp(at, arrows[i], n) == 0) {
            *cursor = at + n;
            return true;
        }
    }
    return false;
}

bool kn_srt_timing(struct kn_line line, struct kn_srt_timing *out)
{
    const char *at = line.text, *end = line.text + line.n;
    if (!kn_srt_time(&at, end, &out->start_us) || !arrow_read(&at, end))
        return false;
    out->end_us = KN_NO_TIME;
    const bool is_usual = at - line.text >= 3 && memcmp(at - 3, "-->", 3) == 0;
    if (!kn_srt_time(&at, end, &out->end_us) || (at < end && !kn_caption_is_space(*at))) {
        // "00:00:01,000 --> 00:00:1d,5": a cue all the same, whose end nobody knows
        out->end_us = KN_NO_TIME;
        at = end;
        if (!is_usual)
            return false;
    }
    out->rest = kn_line_trim((struct kn_line){.text = at, .n = (size_t)(end - at)});
    return true;
}

/* ---- the text of a cue ---- */
struct fonts {
    struct kn_cue_style stack[MAX_FONTS];
    int n; // may be more than MAX_FONTS: then the deepest is not kept
};

// The value of an attribute in a tag, quoted or not; empty when it is not there.
static struct kn_line attribute(const char *tag, size_t n, const char *name)
{
    const size_t length = strlen(name);
    for (size_t i = 1; i + length < n; i++) {
        if (!kn_caption_is_space(tag[i - 1]) || strncasecmp(tag + i, name, length) != 0)
            continue;
        size_t at = i + length;
        while (at < n && kn_caption_is_space(tag[at]))
            at++;
        if (at >= n || tag[at] != '=')
            continue;
        for (at++; at < n && kn_caption_is_space(tag[at]); at++)
            ;
        const char quote = at < n && (tag[at] == '"' || tag[at] == '\'') ? tag[at++] : '\0';
        const size_t from = at;
        while (at < n && (quote ? tag[at] != quote : !kn_caption_is_space(tag[at])))
            at++;
        return (struct kn_line){.text = tag + from, .n = at - from};
    }
    return (struct kn_line){.text = tag, .n = 0};
}

static void font_open(struct kn_cue_builder *builder, struct fonts *fonts, const char *tag, size_t n)
{
    struct kn_cue_style *style = &builder->look.style;
    if (fonts->n < MAX_FONTS)
        fonts->stack[fonts->n] = *style;
    fonts->n++;
    const struct kn_line colour = attribute(tag, n, "color"), face = attribute(tag, n, "face"),
                         size = attribute(tag, n, "size");
    uint32_t rgb;
    if (colour.n && kn_caption_colour(colour.text, colour.n, &rgb)) {
        style->has_colour = true;
        style->colour = rgb;
    }
    if (face.n)
        style->font = kn_arena_strndup(&builder->list->arena, face.text, face.n);
    double px = 0;
    for (size_t i = 0; i < size.n && size.text[i] >= '0' && size.text[i] <= '9' && px < 1000; i++)
        px = px * 10 + (size.text[i] - '0');
    if (px > 0)
        style->size_px = px;
}

static void font_close(struct kn_cue_builder *builder, struct fonts *fonts)
{
    if (fonts->n == 0)
        return;
    fonts->n--;
    if (fonts->n >= MAX_FONTS)
        return;
    struct kn_cue_style *style = &builder->look.style;
    const struct kn_cue_style *before = &fonts->stack[fonts->n];
    style->has_colour = before->has_colour;
    style->colour = before->colour;
    style->font = before->font;
    style->size_px = before->size_px;
}

// What stands between '<' and '>', or in braces without a backslash. False when it is no tag of SubRip.
static bool tag_apply(struct kn_cue_builder *builder, struct fonts *fonts, const char *tag, size_t n)
{
    struct kn_cue_style *style = &builder->look.style;
    const bool is_end = n && tag[0] == '/';
    const struct kn_line name =
        kn_line_trim((struct kn_line){.text = tag + is_end, .n = n - is_end});
    size_t word = 0;
    while (word < name.n && ((name.text[word] | 32) >= 'a' && (name.text[word] | 32) <= 'z'))
        word++;
    if (word == 1 && name.n == 1) {
        switch (name.text[0] | 32) {
        case 'b': style->is_bold = !is_end; return true;
        case 'i': style->is_italic = !is_end; return true;
        case 'u': style->is_underline = !is_end; return true;
        case 's': style->is_strike = !is_end; return true;
        default: return false;
        }
    }
    if (word == 6 && kn_line_begins(name, "strike")) {
        style->is_strike = !is_end;
    } else if (word == 4 && kn_line_begins(name, "font")) {
        if (is_end)
            font_close(builder, fonts);
        else
            font_open(builder, fonts, name.text, name.n);
    } else if (word == 2 && kn_line_begins(name, "br")) {
        kn_cue_builder_text(builder, "\n", 1);
    } else {
        return false;
    }
    return true;
}

// The length of the tag at text[0], 0 when what looks like one is text.
static size_t markup_apply(struct kn_ass_scan *scan, struct fonts *fonts, const char *text, size_t n)
{
    const bool is_block = text[0] == '{';
    const size_t span = n < 512 ? n : 512; // no tag is longer
    const char *end = memchr(text, is_block ? '}' : '>', span);
    const char *line_end = memchr(text, '\n', span);
    if (!end || (line_end && line_end < end))
        return 0;
    const size_t inner = (size_t)(end - text) - 1;
    if (is_block && inner && memchr(text + 1, '\\', inner))
        (void)kn_ass_override(scan, text + 1, inner);
    else if (!tag_apply(scan->builder, fonts, text + 1, inner))
        return 0;
    return inner + 2;
}

kn_code kn_srt_cue_text(struct kn_cue_builder *builder, struct kn_cue *cue, const char *text,
                        size_t n, struct kn_error *err)
{
    struct fonts fonts;
    fonts.n = 0; // what lies above is not worth clearing for each cue
    // What \pos counts in is the frame that players suppose (libass: 384x288).
    struct kn_ass_scan scan = {.builder = builder, .cue = cue, .width_px = 384, .height_px = 288};
    for (size_t i = 0; i < n;) {
        size_t to = i;
        while (to < n && text[to] != '<' && text[to] != '{' && text[to] != '\r' && text[to] != '\\')
            to++;
        kn_cue_builder_text(builder, text + i, to - i);
        i = to;
        if (i == n)
            break;
        const size_t tag = text[i] == '<' || text[i] == '{' ? markup_apply(&scan, &fonts, text + i, n - i) : 0;
        const bool is_escape = text[i] == '\\' && i + 1 < n && strchr("Nh", text[i + 1]);
        if (tag) {
            i += tag;
        } else if (text[i] == '\r' || is_escape) {
            if (is_escape && text[i + 1] == 'h')
                kn_cue_builder_text(builder, "\xC2\xA0", 2);
            else if (is_escape || i + 1 == n || text[i + 1] != '\n')
                kn_cue_builder_text(builder, "\n", 1);
            i += is_escape ? 2 : 1;
        } else {
            kn_cue_builder_text(builder, text + i, 1);
            i++;
        }
    }
    // Many a script of 1920x1080 was made SubRip without counting anew.
    if (scan.has_place && !(cue->place.x >= 0 && cue->place.x <= 1 && cue->place.y >= 0 && cue->place.y <= 1))
        cue->place.x = cue->place.y = NAN;
    return kn_cue_builder_finish(builder, cue, err);
}

/* ---- the file ---- */
static bool is_number(struct kn_line line, int64_t *out)
{
    struct kn_line word = kn_line_trim(line);
    if (word.n > 3 && memcmp(word.text, "\xEF\xBB\xBF", 3) == 0) // files that were put together
        word = (struct kn_line){.text = word.text + 3, .n = word.n - 3};
    const char *at = word.text;
    int n;
    return word.n && word.n <= 9 && digits(&at, word.text + word.n, out, &n) && at == word.text + word.n;
}

// What the reader knows of the lines above the one it looks at.
struct above {
    struct kn_line line, written; // the line before; the last one that was not blank
    bool is_after_blank;          // a blank line, or the beginning, stands above `written`
};

struct reader {
    struct kn_cue_list *list;
    struct kn_cue_builder builder;
    const char *text_from; // of the cue being read; NULL before the first
    int64_t number;        // of that cue; 0 when it had none
    struct kn_srt_timing timing;
    int line;
};

// Where the text of the cue before this timing line ends: above its number, when it has one.
static const char *text_end(struct reader *reader, const struct above *above, struct kn_line line)
{
    const int64_t expected = reader->number + 1;
    int64_t number = 0;
    if (above->line.text && is_number(above->line, &number)) {
        // Right above: a number, unless this file has none and a cue says "42".
        if (above->is_after_blank || reader->number || !reader->text_from) {
            reader->number = number;
            return above->line.text;
        }
    } else if (above->written.text && above->is_after_blank && is_number(above->written, &number) &&
               number == expected) {
        reader->number = number;
        return above->written.text; // a blank line between number and times
    }
    reader->number = 0;
    return line.text;
}

static kn_code cue_end(struct reader *reader, const char *to, struct kn_error *err)
{
    struct kn_cue *cue;
    if (!reader->text_from)
        return KN_OK;
    kn_code rc = kn_cue_list_add(reader->list, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->start_us = reader->timing.start_us;
    cue->end_us = reader->timing.end_us;
    if (cue->end_us == KN_NO_TIME)
        kn_cue_list_warn(reader->list, reader->line, "the time at which the cue ends cannot be read");
    if (cue->start_us < 0) {
        kn_cue_list_warn(reader->list, reader->line, "the cue begins before zero");
        cue->start_us = 0;
        cue->end_us = cue->end_us < 0 && cue->end_us != KN_NO_TIME ? 0 : cue->end_us;
    }
    const struct kn_line rest = reader->timing.rest;
    if (rest.n) {
        cue->settings = kn_arena_strndup(&reader->list->arena, rest.text, rest.n);
        if (!kn_line_begins(rest, "X1"))
            kn_vtt_settings(reader->list, cue, rest.text, rest.n, 0);
    }
    const char *from = reader->text_from;
    while (to > from && kn_caption_is_space(to[-1]))
        to--;
    return kn_srt_cue_text(&reader->builder, cue, from, (size_t)(to - from), err);
}

static kn_code lines_read(struct reader *reader, const char *text, size_t n, struct kn_error *err)
{
    struct kn_lines lines = kn_lines_of(text, n);
    struct above above = {.is_after_blank = true};
    struct kn_line line;
    kn_code rc = KN_OK;
    while (rc == KN_OK && kn_lines_next(&lines, &line)) {
        struct kn_srt_timing timing;
        if (kn_srt_timing(line, &timing)) {
            const char *to = text_end(reader, &above, line);
            rc = cue_end(reader, to, err);
            reader->text_from = lines.at;
            reader->timing = timing;
            reader->line = lines.number;
            above = (struct above){.line = line};
            continue;
        }
        if (!kn_line_is_blank(line)) {
            above.is_after_blank = !above.line.text || kn_line_is_blank(above.line);
            above.written = line;
        }
        above.line = line;
    }
    return rc == KN_OK ? cue_end(reader, text + n, err) : rc;
}

kn_code kn_srt_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err)
{
    struct reader reader = {.list = list};
    kn_cue_builder_init(&reader.builder, list);
    list->codec = KN_CAPTION_SRT_TEXT;
    const size_t before = list->n_cues;
    kn_code rc = lines_read(&reader, text, n, err);
    kn_cue_builder_clear(&reader.builder);
    if (rc == KN_OK && list->n_cues == before)
        return kn_fail(err, KN_EMEDIA, "no line of times ('00:00:01,000 --> 00:00:02,000') in it");
    return rc;
}
