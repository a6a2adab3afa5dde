/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing WebVTT. Cues that were WebVTT keep their payload and settings as they were; others are
 * written from the model. Colours beyond the eight that have classes become a class and a STYLE rule
 * each, in the order in which they first appear.
 */
#include "engine/caption/vtt.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/text.h"
#include "engine/caption/voices.h"

#define MAX_COLOURS 256 // rules in one file; text of further colours is written without

static bool is_vtt(const struct kn_cue_list *list)
{
    return list->codec == KN_CAPTION_WEBVTT || list->codec == KN_CAPTION_WVTT;
}

static const char *class_of(uint32_t rgb)
{
    static const struct {
        uint32_t rgb;
        const char *name;
    } classes[] = {
        {0xFFFFFF, "white"},  {0x00FF00, "lime"},    {0x00FFFF, "cyan"}, {0xFF0000, "red"},
        {0xFFFF00, "yellow"}, {0xFF00FF, "magenta"}, {0x0000FF, "blue"}, {0x000000, "black"},
    };
    for (size_t i = 0; i < KN_COUNT(classes); i++)
        if (classes[i].rgb == rgb)
            return classes[i].name;
    return NULL;
}

/* ---- colours that need a rule ---- */
struct colours {
    uint32_t rgb[MAX_COLOURS];
    size_t n;
};

static bool colours_has(const struct colours *colours, uint32_t rgb)
{
    for (size_t i = 0; i < colours->n; i++)
        if (colours->rgb[i] == rgb)
            return true;
    return false;
}

static void colours_collect(struct colours *colours, const struct kn_cue_list *list)
{
    for (size_t i = 0; i < list->n_cues; i++)
        for (size_t k = 0; k < list->cues[i].n_runs; k++) {
            const struct kn_cue_style *style = &list->cues[i].runs[k].style;
            if (style->has_colour && !class_of(style->colour) && colours->n < MAX_COLOURS &&
                !colours_has(colours, style->colour))
                colours->rgb[colours->n++] = style->colour;
        }
}

static void rules_write(struct kn_buf *out, const struct colours *colours)
{
    if (!colours->n)
        return;
    kn_buf_puts(out, "\nSTYLE\n");
    for (size_t i = 0; i < colours->n; i++)
        kn_buf_printf(out, "::cue(.c%06x) { color: #%06x; }\n", colours->rgb[i], colours->rgb[i]);
}

/* ---- text ---- */
struct writer {
    struct kn_buf *out;
    const struct kn_cue *cue;
    const struct colours *colours;
    const struct kn_caption_write_options *options;
    bool has_line; // the line being written is not empty so far
};

static void text_add(struct writer *writer, const char *text)
{
    for (; *text; text++) {
        if (!writer->has_line && *text != '\n')
            kn_caption_write_rtl(writer->out, text, writer->options);
        switch (*text) {
        case '&': kn_buf_puts(writer->out, "&amp;"); break;
        case '<': kn_buf_puts(writer->out, "&lt;"); break;
        case '>': kn_buf_puts(writer->out, "&gt;"); break;
        case '\n':
            if (!writer->has_line)
                kn_buf_puts(writer->out, "\xC2\xA0"); // an empty line would end the cue
            kn_buf_putc(writer->out, '\n');
            break;
        default: kn_buf_putc(writer->out, *text);
        }
        writer->has_line = *text != '\n';
    }
}

// "<v Ann>": a tag that says something.
static void annotation_write(struct writer *writer, const char *tag, const char *text)
{
    const bool had_line = writer->has_line;
    kn_buf_printf(writer->out, "<%s ", tag);
    writer->has_line = true; // no mark before it, and no blank for a line end in it
    text_add(writer, text);
    kn_buf_putc(writer->out, '>');
    writer->has_line = had_line;
}

// What opens before a run and closes after it, innermost last.
static void style_open(struct writer *writer, const struct kn_cue_run *run)
{
    const struct kn_cue_style *style = &run->style;
    const char *class = style->has_colour ? class_of(style->colour) : NULL;
    const char *background = style->has_background ? class_of(style->background) : NULL;
    if (run->voice && !writer->cue->speaker)
        annotation_write(writer, "v", run->voice);
    if (style->language)
        annotation_write(writer, "lang", style->language);
    if (style->classes)
        kn_buf_printf(writer->out, "<c.%s>", style->classes);
    else if (class || background)
        kn_buf_printf(writer->out, "<c%s%s%s%s>", class ? "." : "", class ? class : "",
                      background ? ".bg_" : "", background ? background : "");
    else if (style->has_colour && colours_has(writer->colours, style->colour))
        kn_buf_printf(writer->out, "<c.c%06x>", style->colour);
    if (style->is_bold)
        kn_buf_puts(writer->out, "<b>");
    if (style->is_italic)
        kn_buf_puts(writer->out, "<i>");
    if (style->is_underline)
        kn_buf_puts(writer->out, "<u>");
}

static void style_close(struct writer *writer, const struct kn_cue_run *run)
{
    const struct kn_cue_style *style = &run->style;
    const bool has_class = style->classes || (style->has_colour && (class_of(style->colour) ||
                                                                    colours_has(writer->colours, style->colour))) ||
        (style->has_background && class_of(style->background));
    if (style->is_underline)
        kn_buf_puts(writer->out, "</u>");
    if (style->is_italic)
        kn_buf_puts(writer->out, "</i>");
    if (style->is_bold)
        kn_buf_puts(writer->out, "</b>");
    if (has_class)
        kn_buf_puts(writer->out, "</c>");
    if (style->language)
        kn_buf_puts(writer->out, "</lang>");
    if (run->voice && !writer->cue->speaker)
        kn_buf_puts(writer->out, "</v>");
}

static void runs_write(struct writer *writer)
{
    const struct kn_cue *cue = writer->cue;
    int64_t lit_us = KN_NO_TIME;
    if (cue->speaker)
        annotation_write(writer, "v", cue->speaker);
    for (size_t i = 0; i < cue->n_runs; i++) {
        const struct kn_cue_run *run = &cue->runs[i];
        // A time inside a cue lies within it (WebVTT, 4.2.2).
        if (run->karaoke_us != lit_us && run->karaoke_us > 0 &&
            run->karaoke_us < cue->end_us - cue->start_us) {
            kn_buf_putc(writer->out, '<');
            kn_caption_write_time(writer->out, cue->start_us + run->karaoke_us, 2, '.');
            kn_buf_putc(writer->out, '>');
        }
        lit_us = run->karaoke_us;
        style_open(writer, run);
        if (run->ruby)
            kn_buf_puts(writer->out, "<ruby>");
        text_add(writer, run->text);
        if (run->ruby) {
            kn_buf_puts(writer->out, "<rt>");
            text_add(writer, run->ruby);
            kn_buf_puts(writer->out, "</rt></ruby>");
        }
        style_close(writer, run);
    }
}

/* ---- place ---- */
static void percent_write(struct kn_buf *out, const char *name, double fraction)
{
    const double percent = fmin(100, fmax(0, fraction * 100));
    char number[32];
    (void)snprintf(number, sizeof(number), "%.2f", percent);
    size_t n = strlen(number); // "33.33", "10", "12.5"
    while (n && number[n - 1] == '0')
        n--;
    if (n && number[n - 1] == '.')
        n--;
    kn_buf_printf(out, " %s:%.*s%%", name, (int)n, number);
}

static void place_write(struct kn_buf *out, const struct kn_cue_place *place)
{
    static const double rows[3] = {NAN, 0.5, 0.1}; // below, middle, above
    static const char *const aligns[3] = {"start", NULL, "end"};
    static const char *const line_aligns[3] = {",end", ",center", ""};
    const int anchor = place->anchor >= 1 && place->anchor <= 9 ? place->anchor : 2;
    const int row = (anchor - 1) / 3, column = (anchor - 1) % 3;
    if (place->writing != KN_WRITING_HORIZONTAL) {
        // Lines stand beside each other: `line` is where from the left, `position` where from above.
        kn_buf_printf(out, " vertical:%s", place->writing == KN_WRITING_VERTICAL_RL ? "rl" : "lr");
        if (!isnan(place->x) && !isnan(place->y)) {
            percent_write(out, "line", place->x);
            kn_buf_puts(out, line_aligns[2 - column]);
            percent_write(out, "position", place->y);
            kn_buf_puts(out, row == 2 ? " align:start" : row == 0 ? " align:end" : "");
        }
        return;
    }
    const double y = isnan(place->y) ? rows[row] : place->y;
    if (!isnan(y)) {
        percent_write(out, "line", y);
        kn_buf_puts(out, line_aligns[row]);
    }
    if (!isnan(place->x))
        percent_write(out, "position", place->x);
    if (!isnan(place->width) && place->width > 0)
        percent_write(out, "size", place->width);
    if (aligns[column])
        kn_buf_printf(out, " align:%s", aligns[column]);
}

/* ---- the file ---- */
static void header_write(struct kn_buf *out, const struct kn_cue_list *list,
                         const struct colours *colours)
{
    const struct kn_caption_track *track = &list->track;
    const bool has_language = kn_caption_has_language(track);
    if (is_vtt(list) && list->header) {
        kn_buf_printf(out, "%s\n", list->header);
        return;
    }
    kn_buf_puts(out, "WEBVTT\n");
    if (has_language || track->is_hearing_impaired) {
        kn_buf_puts(out, "\nNOTE\n");
        if (has_language)
            kn_buf_printf(out, "Language: %s\n", track->language);
        if (track->is_hearing_impaired)
            kn_buf_puts(out, "Kind: captions\n");
    }
    rules_write(out, colours);
}

// The payload as it was, unless it is empty in parts that would end the cue early.
static void payload_write(struct kn_buf *out, const char *raw)
{
    bool has_line = false;
    for (; *raw; raw++) {
        if (*raw == '\r' && raw[1] == '\n')
            continue;
        const bool is_end = *raw == '\n' || *raw == '\r';
        if (is_end && !has_line)
            kn_buf_puts(out, "\xC2\xA0");
        kn_buf_putc(out, is_end ? '\n' : *raw);
        has_line = !is_end;
    }
}

static void cue_write(struct writer *writer, const struct kn_cue_list *list)
{
    struct kn_buf *out = writer->out;
    const struct kn_cue *cue = writer->cue;
    kn_buf_putc(out, '\n');
    if (is_vtt(list) && cue->id && *cue->id && !strstr(cue->id, "-->") && !strchr(cue->id, '\n'))
        kn_buf_printf(out, "%s\n", cue->id);
    kn_caption_write_times(out, cue, '.');
    if (is_vtt(list) && cue->settings)
        kn_buf_printf(out, " %s", cue->settings);
    else
        place_write(out, &cue->place);
    kn_buf_putc(out, '\n');
    if (is_vtt(list) && cue->raw && !strstr(cue->raw, "-->"))
        payload_write(out, cue->raw);
    else
        runs_write(writer);
    if (out->len && out->data[out->len - 1] != '\n')
        kn_buf_putc(out, '\n');
}

void kn_vtt_write(struct kn_buf *out, const struct kn_cue_list *list,
                  const struct kn_caption_write_options *options)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    struct colours colours = {.n = 0};
    struct kn_arena arena = {0}; // of cues in which several speak
    colours_collect(&colours, list);
    header_write(&text, list, &colours);
    for (size_t i = 0; i < list->n_cues; i++) {
        const struct kn_cue *cue = &list->cues[i];
        if (cue->is_comment && is_vtt(list) && cue->raw)
            kn_buf_printf(&text, "\n%s\n", cue->raw);
        if (cue->is_comment || cue->end_us == KN_NO_TIME || (!is_vtt(list) && kn_cue_is_empty(cue)) ||
            (kn_caption_is_ass(list->codec) && kn_cue_is_repeat(list, i)))
            continue;
        struct kn_cue voices;
        const bool is_split = kn_caption_is_ass(list->codec) && kn_voices_split(&voices, cue, &arena);
        struct writer writer = {.out = &text, .cue = is_split ? &voices : cue, .colours = &colours, .options = options};
        cue_write(&writer, list);
    }
    kn_arena_clear(&arena);
    kn_caption_write_end(out, &text, options->line_end, options->has_mark);
}
