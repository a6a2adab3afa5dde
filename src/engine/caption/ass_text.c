/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/ass_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/text.h"

int kn_ass_legacy_anchor(int alignment)
{
    const int column = alignment & 3;
    if (column == 0 || alignment < 1 || alignment > 11)
        return 2;
    return (alignment & 4 ? 6 : alignment & 8 ? 3 : 0) + column;
}

bool kn_ass_colour(const char *text, size_t n, uint32_t *out_rgb, int *out_alpha)
{
    char copy[32];
    const struct kn_line word = kn_line_trim((struct kn_line){.text = text, .n = n});
    if (!word.n || word.n >= sizeof(copy))
        return false;
    memcpy(copy, word.text, word.n);
    copy[word.n] = '\0';
    const char *at = copy + strspn(copy, "&");
    const bool is_hex = *at == 'H' || *at == 'h';
    char *end;
    const unsigned long value = strtoul(at + is_hex, &end, is_hex ? 16 : 10);
    if (end == at + is_hex)
        return false;
    *out_rgb = (uint32_t)((value & 0xFF) << 16 | (value & 0xFF00) | (value >> 16 & 0xFF));
    *out_alpha = (int)(value >> 24 & 0xFF);
    return true;
}

struct kn_cue_style kn_ass_look(const struct kn_ass_style *style, const struct kn_ass_style *plain)
{
    struct kn_cue_style look = style->look;
    look.is_bold = look.is_bold && !plain->look.is_bold;
    look.is_italic = look.is_italic && !plain->look.is_italic;
    look.is_underline = look.is_underline && !plain->look.is_underline;
    look.is_strike = look.is_strike && !plain->look.is_strike;
    look.has_colour = look.has_colour && style->look.colour != plain->look.colour;
    look.colour = look.has_colour ? look.colour : 0;
    look.font = NULL; // size and face make a style: only an override says it of a word
    look.size_px = 0;
    return look;
}

/* ---- styles by name ---- */
static int style_compare(const void *a, const void *b)
{
    const struct kn_ass_style *x = *(const struct kn_ass_style *const *)a, *y = *(const struct kn_ass_style *const *)b;
    const int order = strcasecmp(x->name, y->name);
    return order ? order : x < y ? -1 : x > y;
}

void kn_ass_styles_index(struct kn_ass_styles *styles)
{
    if (styles->n == styles->n_by_name)
        return;
    for (size_t i = styles->n - 1; i > 0; i--)
        if (strcasecmp(styles->rows[i].name, "Default") == 0) {
            const struct kn_ass_style first = styles->rows[0];
            styles->rows[0] = styles->rows[i];
            styles->rows[i] = first;
            break;
        }
    for (size_t i = 0; i < styles->n; i++)
        styles->by_name[i] = &styles->rows[i];
    styles->n_by_name = styles->n;
    qsort(styles->by_name, styles->n, sizeof(const struct kn_ass_style *), style_compare);
}

const struct kn_ass_style *kn_ass_style_find(const struct kn_ass_styles *styles, const char *name, size_t n)
{
    size_t from = 0, to = styles ? styles->n_by_name : 0; // the first name that is greater lies in [from, to]
    while (from < to) {
        const size_t middle = (from + to) / 2;
        const char *at = styles->by_name[middle]->name;
        const int order = strncasecmp(at, name, n);
        if (order > 0 || (order == 0 && at[n]))
            to = middle;
        else
            from = middle + 1;
    }
    const struct kn_ass_style *found = from ? styles->by_name[from - 1] : NULL;
    return found && strlen(found->name) == n && strncasecmp(found->name, name, n) == 0 ? found : NULL;
}

/* ---- tags ---- */
struct tag {
    const char *name; // after the backslash
    size_t n;         // up to the next backslash or the end
};

// Whether the tag is `name` followed by no further letter; *out_value is what follows.
static bool tag_is(struct tag tag, const char *name, struct kn_line *out_value)
{
    const size_t n = strlen(name);
    if (tag.n < n || memcmp(tag.name, name, n) != 0)
        return false;
    *out_value = kn_line_trim((struct kn_line){.text = tag.name + n, .n = tag.n - n});
    // "\i1", "\i", "\fs20", "\c&H…", "\pos(…)"; but "\be1" is not "\b".
    return !out_value->n || !(((out_value->text[0] | 32) >= 'a' && (out_value->text[0] | 32) <= 'z'));
}

static double value_number(struct kn_line value, double otherwise)
{
    char copy[32], *end;
    const size_t from = value.n && value.text[0] == '(';
    const size_t n = value.n - from < sizeof(copy) - 1 ? value.n - from : sizeof(copy) - 1;
    memcpy(copy, value.text + from, n);
    copy[n] = '\0';
    const double number = strtod(copy, &end);
    return end == copy || !isfinite(number) || fabs(number) > 1e6 ? otherwise : number;
}

static void place_tag(struct kn_ass_scan *scan, struct kn_line value)
{
    char copy[64];
    double x, y;
    (void)snprintf(copy, sizeof(copy), "%.*s", (int)value.n, value.text);
    if (scan->has_place || sscanf(copy, "(%lf,%lf", &x, &y) != 2 || scan->width_px <= 0 ||
        scan->height_px <= 0 || !isfinite(x) || !isfinite(y) || fabs(x) > 1e6 || fabs(y) > 1e6)
        return;
    scan->cue->place.x = x / scan->width_px;
    scan->cue->place.y = y / scan->height_px;
    scan->has_place = true; // the first one counts, as in libass
}

static void reset_tag(struct kn_ass_scan *scan, struct tag tag)
{
    struct kn_cue_style *style = &scan->builder->look.style;
    const struct kn_line name =
        kn_line_trim((struct kn_line){.text = tag.name + 1, .n = tag.n - 1});
    const struct kn_ass_style *named = name.n ? kn_ass_style_find(scan->styles, name.text, name.n) : NULL;
    *style = named ? kn_ass_look(named, &scan->styles->rows[0]) : scan->base;
    scan->is_hidden = false;
}

static void colour_tag(struct kn_ass_scan *scan, struct kn_line value)
{
    struct kn_cue_style *style = &scan->builder->look.style;
    int alpha;
    uint32_t rgb;
    style->has_colour = kn_ass_colour(value.text, value.n, &rgb, &alpha);
    style->colour = style->has_colour ? rgb : 0;
    if (!style->has_colour) {
        style->has_colour = scan->base.has_colour;
        style->colour = scan->base.colour;
    } else if (scan->styles && scan->styles->n && scan->styles->rows[0].look.has_colour &&
               scan->styles->rows[0].look.colour == style->colour) {
        style->has_colour = false; // back to what ordinary text has
        style->colour = 0;
    }
}

// "\t(0,500,\alpha&H00&)" brings out what was hidden: whoever watches reads it.
static bool is_revealing(struct kn_line value)
{
    const char *alpha = kn_line_find(value, "\\alpha");
    uint32_t rgb;
    int none;
    return alpha && kn_ass_colour(alpha + 6, strcspn(alpha + 6, "\\)}"), &rgb, &none) && rgb >> 16 != 0xFF;
}

static void font_tag(struct kn_ass_scan *scan, struct tag tag)
{
    const struct kn_line name =
        kn_line_trim((struct kn_line){.text = tag.name + 2, .n = tag.n - 2});
    scan->builder->look.style.font =
        name.n ? kn_arena_strndup(&scan->builder->list->arena, name.text, name.n) : scan->base.font;
}

// A switch: "\i1" on, "\i0" off, "\i" as the style has it.
static bool switched(struct kn_line value, bool base)
{
    const double number = value_number(value, -1);
    return number < 0 ? base : number > 0;
}

static bool is_karaoke(struct tag tag, struct kn_line *out_value)
{
    return tag_is(tag, "kf", out_value) || tag_is(tag, "ko", out_value) ||
        tag_is(tag, "K", out_value) || tag_is(tag, "k", out_value);
}

static void tag_apply(struct kn_ass_scan *scan, struct tag tag)
{
    struct kn_cue_style *style = &scan->builder->look.style;
    struct kn_line value;
    uint32_t rgb;
    int alpha;
    if (tag_is(tag, "an", &value)) {
        const int anchor = (int)value_number(value, 0);
        if (anchor >= 1 && anchor <= 9)
            scan->cue->place.anchor = anchor;
    } else if (tag_is(tag, "a", &value) && value_number(value, 0) > 0) {
        scan->cue->place.anchor = kn_ass_legacy_anchor((int)value_number(value, 0));
    } else if (tag_is(tag, "pos", &value) || tag_is(tag, "move", &value)) {
        place_tag(scan, value);
    } else if (tag_is(tag, "i", &value)) {
        style->is_italic = switched(value, scan->base.is_italic);
    } else if (tag_is(tag, "b", &value)) {
        // Weights from 100 are those of CSS: from 600 on it is bold.
        const double weight = value_number(value, -1);
        style->is_bold = weight > 1 ? weight >= 600 : switched(value, scan->base.is_bold);
    } else if (tag_is(tag, "u", &value)) {
        style->is_underline = switched(value, scan->base.is_underline);
    } else if (tag_is(tag, "s", &value)) {
        style->is_strike = switched(value, scan->base.is_strike);
    } else if (tag_is(tag, "c", &value) || tag_is(tag, "1c", &value)) {
        colour_tag(scan, value);
    } else if (tag_is(tag, "alpha", &value)) {
        scan->is_hidden = kn_ass_colour(value.text, value.n, &rgb, &alpha) && rgb >> 16 == 0xFF;
    } else if (tag_is(tag, "1a", &value)) { // alone it hides the letters' inside, not their outline
        scan->is_hidden = scan->is_hidden && kn_ass_colour(value.text, value.n, &rgb, &alpha) && rgb >> 16 == 0xFF;
    } else if (tag_is(tag, "t", &value)) {
        scan->is_hidden = scan->is_hidden && !is_revealing(value);
    } else if (tag_is(tag, "fs", &value)) {
        const double size = value_number(value, 0);
        style->size_px = size > 0 && value.text[0] != '+' ? size : scan->base.size_px;
    } else if (tag.n >= 2 && memcmp(tag.name, "fn", 2) == 0) {
        font_tag(scan, tag);
    } else if (tag_is(tag, "p", &value)) {
        scan->is_drawing = value_number(value, 0) > 0;
    } else if (is_karaoke(tag, &value)) {
        scan->builder->look.karaoke_us = scan->sung_us;
        scan->sung_us += (int64_t)(fmax(0, value_number(value, 0)) * 10000);
    } else if (tag.n && tag.name[0] == 'r' && (tag.n < 3 || memcmp(tag.name, "rnd", 3) != 0)) {
        reset_tag(scan, tag);
    }
}

bool kn_ass_override(struct kn_ass_scan *scan, const char *block, size_t n)
{
    bool has_tag = false;
    for (size_t i = 0; i < n;) {
        if (block[i] != '\\') {
            i++;
            continue;
        }
        // Arguments in brackets may hold tags of their own ("\t(\fs30)"): they belong to it.
        size_t to = i + 1;
        int depth = 0;
        while (to < n && (depth > 0 || block[to] != '\\')) {
            depth += block[to] == '(' ? 1 : block[to] == ')' ? -1 : 0;
            to++;
        }
        tag_apply(scan, (struct tag){.name = block + i + 1, .n = to - i - 1});
        has_tag = true;
        i = to;
    }
    return has_tag;
}

void kn_ass_text_scan(struct kn_ass_scan *scan, const char *text, size_t n)
{
    scan->builder->look.style = scan->base;
    const char *last = memrchr(text, '}', n); // without a '}' to come, a '{' is text
    size_t from = 0;
    for (size_t i = 0; i <= n;) {
        const bool is_block = i < n && text[i] == '{' && last && text + i < last;
        const bool is_escape = i + 1 < n && text[i] == '\\' && text[i + 1] && strchr("Nnh{}", text[i + 1]);
        if (i < n && !is_block && !is_escape) {
            i++;
            continue;
        }
        if (!scan->is_drawing && !scan->is_hidden)
            kn_cue_builder_text(scan->builder, text + from, i - from);
        if (is_block) {
            const char *end = memchr(text + i, '}', n - i);
            (void)kn_ass_override(scan, text + i + 1, (size_t)(end - text) - i - 1);
            i = (size_t)(end - text) + 1;
        } else if (is_escape && !scan->is_drawing && !scan->is_hidden) {
            const char *as = text[i + 1] == 'N' ? "\n" : text[i + 1] == 'n' ? " " : text[i + 1] == 'h' ? "\xC2\xA0" : text + i + 1;
            kn_cue_builder_text(scan->builder, as, text[i + 1] == 'h' ? 2 : 1);
            i += 2;
        } else {
            i += is_escape ? 2 : 1;
        }
        from = i;
    }
}
