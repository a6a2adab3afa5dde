/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/srt.h"

#include <string.h>

#include "base/cleanup.h"

static bool font_equal(const struct kn_cue_style *a, const struct kn_cue_style *b)
{
    return a->has_colour == b->has_colour && a->colour == b->colour && a->size_px >= b->size_px &&
        a->size_px <= b->size_px && (a->font == b->font || (a->font && b->font && !strcmp(a->font, b->font)));
}

static void style_close(struct kn_buf *out, const struct kn_cue_style *style)
{
    if (style->is_strike)
        kn_buf_puts(out, "</s>");
    if (style->is_underline)
        kn_buf_puts(out, "</u>");
    if (style->is_italic)
        kn_buf_puts(out, "</i>");
    if (style->is_bold)
        kn_buf_puts(out, "</b>");
    if (style->has_colour || style->font || style->size_px > 0)
        kn_buf_puts(out, "</font>");
}

static void style_open(struct kn_buf *out, const struct kn_cue_style *style)
{
    if (style->has_colour || style->font || style->size_px > 0) {
        kn_buf_puts(out, "<font");
        if (style->has_colour)
            kn_buf_printf(out, " color=\"#%06x\"", style->colour);
        if (style->font)
            kn_buf_printf(out, " face=\"%s\"", style->font);
        if (style->size_px > 0)
            kn_buf_printf(out, " size=\"%.0f\"", style->size_px);
        kn_buf_putc(out, '>');
    }
    if (style->is_bold)
        kn_buf_puts(out, "<b>");
    if (style->is_italic)
        kn_buf_puts(out, "<i>");
    if (style->is_underline)
        kn_buf_puts(out, "<u>");
    if (style->is_strike)
        kn_buf_puts(out, "<s>");
}

// Face and size are those of a player's taste unless SubRip itself said them (spec 08, 8.1.8).
static struct kn_cue_style shown(const struct kn_cue_list *list, const struct kn_cue_run *run)
{
    struct kn_cue_style style = run->style;
    style.classes = style.language = NULL;
    style.has_background = false;
    if (list->codec != KN_CAPTION_SRT_TEXT) {
        style.font = NULL;
        style.size_px = 0;
    }
    return style;
}

static bool shown_equal(const struct kn_cue_style *a, const struct kn_cue_style *b)
{
    return font_equal(a, b) && a->is_bold == b->is_bold && a->is_italic == b->is_italic &&
        a->is_underline == b->is_underline && a->is_strike == b->is_strike;
}

// A blank line would end the cue in many players: line ends never stand side by side.
static void text_add(struct kn_buf *out, const char *text, bool *has_line,
                     const struct kn_caption_write_options *options)
{
    for (const char *at = text; *at;) {
        const size_t n = strcspn(at, "\n");
        const bool is_blank = strspn(at, " \t\n") >= n;
        if (n && !(is_blank && !*has_line)) {
            if (!*has_line)
                kn_caption_write_rtl(out, at, options);
            kn_buf_add(out, at, n);
            *has_line = true;
        }
        if (at[n] == '\n' && *has_line) {
            kn_buf_putc(out, '\n');
            *has_line = false;
        }
        at += n + (at[n] == '\n');
    }
}

static void runs_add(struct kn_buf *out, const struct kn_cue_list *list, const struct kn_cue *cue,
                     const struct kn_caption_write_options *options)
{
    struct kn_cue_style now = {0};
    bool has_line = false;
    for (size_t i = 0; i < cue->n_runs; i++) {
        const struct kn_cue_run *run = &cue->runs[i];
        const struct kn_cue_style next = shown(list, run);
        if (!shown_equal(&now, &next)) {
            style_close(out, &now);
            style_open(out, &next);
            now = next;
        }
        text_add(out, run->text, &has_line, options);
        if (run->ruby)
            kn_buf_printf(out, "(%s)", run->ruby);
    }
    while (out->len && out->data[out->len - 1] == '\n')
        out->data[--out->len] = '\0';
    style_close(out, &now);
}

// Broadcast captions stand anywhere; what counts without positions is above, middle or below.
static int broadcast_anchor(const struct kn_cue *cue)
{
    int n_lines = 1;
    for (size_t i = 0; i < cue->n_runs; i++)
        for (const char *at = strchr(cue->runs[i].text, '\n'); at; at = strchr(at + 1, '\n'))
            n_lines++;
    const int row = (cue->place.anchor - 1) / 3; // what the point is of: 0 the lower edge, 2 the upper one
    const double middle = cue->place.y + (row - 1) * n_lines * 0.0533 / 2;
    return middle < 0.35 ? 8 : middle < 0.6 ? 5 : 2;
}

void kn_srt_write(struct kn_buf *out, const struct kn_cue_list *list,
                  const struct kn_caption_write_options *options)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    int number = 0;
    for (size_t i = 0; i < list->n_cues; i++) {
        const struct kn_cue *cue = &list->cues[i];
        if (cue->is_comment || cue->end_us == KN_NO_TIME || kn_cue_is_empty(cue) ||
            (kn_caption_is_ass(list->codec) && kn_cue_is_repeat(list, i)))
            continue;
        kn_buf_printf(&text, "%d\n", ++number);
        kn_caption_write_time(&text, cue->start_us, 2, ',');
        kn_buf_puts(&text, " --> ");
        kn_caption_write_time(&text, cue->end_us, 2, ',');
        if (list->codec == KN_CAPTION_SRT_TEXT && cue->settings)
            kn_buf_printf(&text, "  %s", cue->settings);
        kn_buf_putc(&text, '\n');
        const int anchor = list->codec == KN_CAPTION_CEA608 ? broadcast_anchor(cue) : kn_cue_anchor(cue);
        if (anchor != 2)
            kn_buf_printf(&text, "{\\an%d}", anchor);
        runs_add(&text, list, cue, options);
        kn_buf_puts(&text, "\n\n");
    }
    const bool is_lf = options->line_end == KN_LINE_END_LF;
    kn_caption_write_end(out, &text, is_lf ? KN_LINE_END_LF : KN_LINE_END_CRLF, options->has_mark);
}
