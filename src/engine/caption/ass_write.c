/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing ASS. A script that was ASS keeps its header, its events' text and order; SSA gets the
 * sections of v4.00+; everything else is written from the model, over a frame of its own size.
 */
#include "engine/caption/ass.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/text.h"
#include "engine/caption/voices.h"

static const char styles_format[] =
    "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, "
    "Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, "
    "Alignment, MarginL, MarginR, MarginV, Encoding\n";

static unsigned bgr(uint32_t rgb)
{
    return (rgb & 0xFF) << 16 | (rgb & 0xFF00) | rgb >> 16;
}

/* ---- headers ---- */
// A row of [V4 Styles] has no Underline to Angle, other colour names, and SSA's alignment.
static void legacy_style(struct kn_buf *out, struct kn_line row)
{
    struct kn_line fields[18] = {{.text = "", .n = 0}};
    size_t n = 0;
    for (const char *at = row.text, *end = row.text + row.n; n < KN_COUNT(fields); n++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        fields[n] = kn_line_trim((struct kn_line){.text = at, .n = (size_t)((comma ? comma : end) - at)});
        if (!comma)
            break;
        at = comma + 1;
    }
    if (n + 1 < KN_COUNT(fields)) { // not the usual 18 fields: players skip such a row
        kn_buf_printf(out, "; %.*s\n", (int)row.n, row.text);
        return;
    }
    kn_buf_puts(out, "Style: ");
    for (size_t i = 0; i < 9; i++)
        kn_buf_printf(out, "%.*s,", (int)fields[i].n, fields[i].text);
    kn_buf_puts(out, "0,0,100,100,0,0,");
    for (size_t i = 9; i < 12; i++)
        kn_buf_printf(out, "%.*s,", (int)fields[i].n, fields[i].text);
    char alignment[8];
    (void)snprintf(alignment, sizeof(alignment), "%.*s", (int)fields[12].n, fields[12].text);
    kn_buf_printf(out, "%d,", kn_ass_legacy_anchor(atoi(alignment)));
    for (size_t i = 13; i < 16; i++)
        kn_buf_printf(out, "%.*s,", (int)fields[i].n, fields[i].text);
    kn_buf_printf(out, "%.*s\n", (int)fields[17].n, fields[17].text);
}

static void legacy_header(struct kn_buf *out, const char *header)
{
    struct kn_lines lines = kn_lines_of(header, strlen(header));
    struct kn_line line;
    bool is_styles = false;
    while (kn_lines_next(&lines, &line)) {
        if (line.n && line.text[0] == '[')
            is_styles = kn_line_begins(line, "[V4 Styles]");
        if (is_styles && line.n && line.text[0] == '[')
            kn_buf_puts(out, "[V4+ Styles]\n");
        else if (is_styles && kn_line_begins(line, "Format:"))
            kn_buf_puts(out, styles_format);
        else if (is_styles && kn_line_begins(line, "Style:"))
            legacy_style(out, kn_line_trim((struct kn_line){.text = line.text + 6, .n = line.n - 6}));
        else if (kn_line_begins(line, "ScriptType:"))
            kn_buf_puts(out, "ScriptType: v4.00+\n");
        else
            kn_buf_printf(out, "%.*s\n", (int)line.n, line.text);
    }
}

static void header_make(struct kn_buf *out, const struct kn_cue_list *list, int width, int height)
{
    const char *language = list->track.language;
    kn_buf_puts(out, "[Script Info]\n");
    if (kn_caption_has_language(&list->track))
        kn_buf_printf(out, "; Language: %s\n", language);
    kn_buf_printf(out,
                  "ScriptType: v4.00+\nPlayResX: %d\nPlayResY: %d\nWrapStyle: 0\n"
                  "ScaledBorderAndShadow: yes\n\n[V4+ Styles]\n%s",
                  width, height, styles_format);
    // A twentieth of the picture's height and a border of a sixteenth of that, as players draw plain text.
    kn_buf_printf(out,
                  "Style: Default,Arial,%d,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,"
                  "1,%d,0,2,%d,%d,%d,1\n",
                  (height + 10) / 20 > 1 ? (height + 10) / 20 : 1, height >= 480 ? (height + 160) / 320 : 1,
                  width / 40, width / 40, height / 25);
}

/* ---- text ---- */
static void text_add(struct kn_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            kn_buf_puts(out, "\\N");
        else if (*text == '{' || *text == '}')
            kn_buf_printf(out, "\\%c", *text);
        else if (*text == '\\' && text[1] && strchr("Nnh{}", text[1]))
            kn_buf_puts(out, "\\\xE2\x81\xA0"); // a word joiner keeps it from being an escape
        else if (strncmp(text, "\xC2\xA0", 2) == 0) {
            kn_buf_puts(out, "\\h");
            text++;
        } else {
            kn_buf_putc(out, *text);
        }
    }
}

static void switches_add(struct kn_buf *tags, const struct kn_cue_style *from,
                         const struct kn_cue_style *to, double size_scale)
{
    if (from->is_bold != to->is_bold)
        kn_buf_printf(tags, "\\b%d", to->is_bold);
    if (from->is_italic != to->is_italic)
        kn_buf_printf(tags, "\\i%d", to->is_italic);
    if (from->is_underline != to->is_underline)
        kn_buf_printf(tags, "\\u%d", to->is_underline);
    if (from->is_strike != to->is_strike)
        kn_buf_printf(tags, "\\s%d", to->is_strike);
    if (to->has_colour && (!from->has_colour || from->colour != to->colour))
        kn_buf_printf(tags, "\\c&H%06X&", bgr(to->colour));
    else if (from->has_colour && !to->has_colour)
        kn_buf_puts(tags, "\\c");
    if (!kn_equal(from->font, to->font)) {
        kn_buf_puts(tags, "\\fn");
        for (const char *at = to->font ? to->font : ""; *at; at++)
            if (!strchr("\\{}", *at)) // they would end the tag
                kn_buf_putc(tags, *at);
    }
    if (to->size_px > 0 && (from->size_px < to->size_px || from->size_px > to->size_px))
        kn_buf_printf(tags, "\\fs%.0f", fmax(1, to->size_px * size_scale));
    else if (from->size_px > 0 && to->size_px <= 0)
        kn_buf_puts(tags, "\\fs");
}

static void place_add(struct kn_buf *tags, const struct kn_cue *cue, int width, int height)
{
    static const double columns[3] = {0.05, 0.5, 0.95};
    const struct kn_cue_place *place = &cue->place;
    const int anchor = kn_cue_anchor(cue);
    // Near the frame's edge the player's own margins serve better, and cues do not collide there.
    const bool is_free = !isnan(place->y) && (!isnan(place->x) || (place->y > 0.15 && place->y < 0.8));
    if (!is_free) {
        if (anchor != 2)
            kn_buf_printf(tags, "\\an%d", anchor);
        return;
    }
    const int said = place->anchor >= 1 && place->anchor <= 9 ? place->anchor : 2;
    const double x = isnan(place->x) ? columns[(said - 1) % 3] : place->x;
    if (said != 2)
        kn_buf_printf(tags, "\\an%d", said);
    kn_buf_printf(tags, "\\pos(%.0f,%.0f)", x * width, place->y * height);
}

// "\k" counts hundredths from one syllable to the next.
static void karaoke_add(struct kn_buf *tags, const struct kn_cue *cue, size_t run)
{
    const int64_t from_us = run == 0 && cue->runs[0].karaoke_us == KN_NO_TIME ? 0 : cue->runs[run].karaoke_us;
    int64_t to_us = cue->end_us - cue->start_us;
    for (size_t i = run + 1; i < cue->n_runs; i++)
        if (cue->runs[i].karaoke_us != KN_NO_TIME) {
            to_us = cue->runs[i].karaoke_us;
            break;
        }
    if (run == 0 && from_us > 0)
        kn_buf_printf(tags, "\\k%lld", (long long)((from_us + 5000) / 10000)); // nothing is lit until then
    if (from_us != KN_NO_TIME && to_us >= from_us)
        kn_buf_printf(tags, "\\k%lld", (long long)((to_us + 5000) / 10000 - (from_us + 5000) / 10000));
}

// A run's text behind the name of who says it: "Ann: ", apart from what stands before it, which ends with `before`.
static void voice_add(struct kn_buf *out, const char *voice, const char *text, char before)
{
    for (; *text == '\n' || *text == ' '; text++) {
        kn_buf_puts(out, *text == '\n' ? "\\N" : " ");
        before = ' ';
    }
    if (before != ' ' && before != '\n')
        kn_buf_putc(out, ' ');
    text_add(out, voice);
    kn_buf_puts(out, ": ");
    text_add(out, text);
}

static void runs_write(struct kn_buf *out, const struct kn_cue_list *list, const struct kn_cue *cue, int width, int height)
{
    // Plain text's sizes count on the frame that players suppose for it (libass: 384x288).
    const bool is_plain = list->codec == KN_CAPTION_SRT_TEXT || list->codec == KN_CAPTION_SMALL;
    const double size_scale = is_plain ? height / 288.0 : 1;
    kn_auto(kn_buf_clear) struct kn_buf tags = {0};
    struct kn_cue_style now = {0};
    const bool has_voices = !cue->speaker && kn_voices_differ(cue);
    const char *speaks = NULL;
    char before = '\n';
    bool is_sung = false;
    for (size_t i = 0; i < cue->n_runs; i++)
        is_sung = is_sung || cue->runs[i].karaoke_us != KN_NO_TIME;
    place_add(&tags, cue, width, height);
    for (size_t i = 0; i < cue->n_runs; i++) {
        if (is_sung && (i == 0 || cue->runs[i].karaoke_us != cue->runs[i - 1].karaoke_us))
            karaoke_add(&tags, cue, i);
        switches_add(&tags, &now, &cue->runs[i].style, size_scale);
        now = cue->runs[i].style;
        if (tags.len)
            kn_buf_printf(out, "{%s}", kn_buf_text(&tags));
        kn_buf_reset(&tags);
        const char *text = cue->runs[i].text;
        const char *voice = has_voices ? kn_voices_next(&speaks, &cue->runs[i]) : NULL;
        if (voice)
            voice_add(out, voice, text, before);
        else
            text_add(out, text);
        before = *text ? text[strlen(text) - 1] : before;
        if (cue->runs[i].ruby) {
            kn_buf_putc(out, '(');
            text_add(out, cue->runs[i].ruby);
            kn_buf_putc(out, ')');
        }
    }
    out->is_broken = out->is_broken || tags.is_broken;
}

/* ---- events ---- */
static void time_write(struct kn_buf *out, long long cs)
{
    kn_buf_printf(out, "%lld:%02lld:%02lld.%02lld", cs / 360000, cs / 6000 % 60, cs / 100 % 60, cs % 100);
}

// A name's comma would begin the next field.
static void field_write(struct kn_buf *out, const char *text)
{
    for (; text && *text; text++)
        kn_buf_putc(out, *text == ',' ? ';' : kn_caption_is_space(*text) ? ' ' : *text);
    kn_buf_putc(out, ',');
}

// As it was, but for line ends that a container's block may hold.
static void raw_write(struct kn_buf *out, const char *raw)
{
    for (const char *at = raw; *at;) {
        const size_t n = strcspn(at, "\r\n");
        kn_buf_add(out, at, n);
        at += n;
        if (*at)
            kn_buf_puts(out, "\\N");
        at += *at == '\r' && at[1] == '\n' ? 2 : *at ? 1 : 0;
    }
}

static void event_write(struct kn_buf *out, const struct kn_cue_list *list, const struct kn_cue *cue,
                        int width, int height)
{
    const bool is_ass = kn_caption_is_ass(list->codec);
    const long long start = (cue->start_us + 5000) / 10000;
    long long end = (cue->end_us + 5000) / 10000;
    if (end <= start)
        end = start + (cue->is_comment ? 0 : 1);
    kn_buf_printf(out, "%s: %d,", cue->is_comment ? "Comment" : "Dialogue", cue->layer);
    time_write(out, start);
    kn_buf_putc(out, ',');
    time_write(out, end);
    kn_buf_putc(out, ',');
    field_write(out, is_ass && cue->style ? cue->style : "Default");
    kn_auto(kn_buf_clear) struct kn_buf names = {0};
    const bool has_names = !cue->speaker && kn_voices_differ(cue) && kn_voices_names(&names, cue) > 1;
    field_write(out, has_names ? kn_buf_text(&names) : cue->speaker);
    kn_buf_printf(out, "%d,%d,%d,", cue->margins[0], cue->margins[1], cue->margins[2]);
    field_write(out, cue->effect);
    if (is_ass && cue->raw)
        raw_write(out, cue->raw);
    else
        runs_write(out, list, cue, width, height);
    kn_buf_putc(out, '\n');
}

static int order_compare(const void *a, const void *b)
{
    const struct kn_cue *x = *(const struct kn_cue *const *)a, *y = *(const struct kn_cue *const *)b;
    return x->order < y->order ? -1 : x->order > y->order ? 1 : x < y ? -1 : x > y;
}

void kn_ass_write(struct kn_buf *out, const struct kn_cue_list *list,
                  const struct kn_caption_write_options *options)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    const bool is_ass = kn_caption_is_ass(list->codec);
    const bool has_size = list->width_px > 0 && list->height_px > 0;
    const int width = has_size ? list->width_px : 1920, height = has_size ? list->height_px : 1080;
    if (is_ass && list->header && list->codec == KN_CAPTION_SSA)
        legacy_header(&text, list->header);
    else if (is_ass && list->header)
        kn_buf_printf(&text, "%s\n", list->header);
    else
        header_make(&text, list, width, height);
    kn_buf_puts(&text, "\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, "
                       "Effect, Text\n");
    kn_auto(kn_free) const struct kn_cue **order = calloc(list->n_cues + 1, sizeof(const struct kn_cue *));
    text.is_broken = text.is_broken || !order;
    for (size_t i = 0; order && i < list->n_cues; i++)
        order[i] = &list->cues[i];
    if (order && is_ass)
        qsort(order, list->n_cues, sizeof(const struct kn_cue *), order_compare);
    for (size_t i = 0; order && i < list->n_cues; i++) {
        const bool is_shown = is_ass || (!order[i]->is_comment && !kn_cue_is_empty(order[i]));
        if (is_shown && order[i]->end_us != KN_NO_TIME)
            event_write(&text, list, order[i], width, height);
    }
    if (is_ass && list->footer)
        kn_buf_printf(&text, "\n%s\n", list->footer);
    kn_caption_write_end(out, &text, options->line_end, options->has_mark);
}
