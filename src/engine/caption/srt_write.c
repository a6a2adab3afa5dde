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
            kn_buf_printf(out, strchr(style->font, '"') ? " face='%s'" : " face=\"%s\"", style->font);
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

struct writer {
    struct kn_buf *out;
    const struct kn_caption_write_options *options;
    struct kn_cue_style now; // the tags that are open
    bool has_line;           // the line being written is not empty so far
    bool is_ended;           // its end is not written yet: tags close before it and open after it
};

// A blank line would end the cue in many players: line ends never stand side by side.
static void text_add(struct writer *writer, const char *text, const struct kn_cue_style *style)
{
    for (const char *at = text; *at;) {
        const size_t n = strcspn(at, "\n");
        const bool is_blank = strspn(at, " \t\n") >= n;
        if (n && !(is_blank && !writer->has_line)) {
            const bool is_other = !shown_equal(&writer->now, style);
            if (is_other)
                style_close(writer->out, &writer->now);
            if (writer->is_ended)
                kn_buf_putc(writer->out, '\n');
            if (is_other)
                style_open(writer->out, style);
            if (!writer->has_line)
                kn_caption_write_rtl(writer->out, at, writer->options);
            kn_buf_add(writer->out, at, n);
            writer->now = *style;
            writer->has_line = true;
            writer->is_ended = false;
        }
        if (at[n] == '\n' && writer->has_line) {
            writer->is_ended = true;
            writer->has_line = false;
        }
        at += n + (at[n] == '\n');
    }
}

static void runs_add(struct kn_buf *out, const struct kn_cue_list *list, const struct kn_cue *cue,
                     const struct kn_caption_write_options *options)
{
    struct writer writer = {.out = out, .options = options};
    for (size_t i = 0; i < cue->n_runs; i++) {
        const struct kn_cue_run *run = &cue->runs[i];
        const struct kn_cue_style style = shown(list, run);
        text_add(&writer, run->text, &style);
        if (run->ruby)
            kn_buf_printf(out, "(%s)", run->ruby);
    }
    style_close(out, &writer.now);
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
    unsigned number = 0;
    for (size_t i = 0; i < list->n_cues; i++) {
        const struct kn_cue *cue = &list->cues[i];
        if (cue->is_comment || cue->end_us == KN_NO_TIME || kn_cue_is_empty(cue) ||
            (kn_caption_is_ass(list->codec) && kn_cue_is_repeat(list, i)))
            continue;
        kn_caption_write_number(&text, ++number);
        kn_buf_putc(&text, '\n');
        kn_caption_write_times(&text, cue, ',');
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
