/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/vtt.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/entity.h"
#include "engine/caption/srt.h"
#include "engine/caption/text.h"
#include "engine/caption/voices.h"

#define MAX_DEPTH 64 // elements within elements; real cues have three
// A number of lines (line:3) counts rows of the height the standard's rendering gives them.
#define ROWS 15.0

/* ---- settings ---- */
static bool percentage(struct kn_line value, double *out)
{
    char copy[24];
    if (value.n < 2 || value.n >= sizeof(copy) || value.text[value.n - 1] != '%')
        return false;
    memcpy(copy, value.text, value.n - 1);
    copy[value.n - 1] = '\0';
    double number;
    if (strspn(copy, "0123456789.") != value.n - 1 || !kn_parse_double(copy, &number) || number > 100)
        return false;
    *out = number / 100;
    return true;
}

static bool word_is(struct kn_line value, const char *word)
{
    return value.n == strlen(word) && memcmp(value.text, word, value.n) == 0;
}

// What of the settings bears on each other.
struct settings {
    double line, position, size;
    bool is_rows;       // `line` counts rows
    int line_row;       // of the anchor: 0 below the line, 1 centred on it, 2 above
    int column;         // 0 left, 1 centre, 2 right
    bool has_align;
    int position_column; // `column` of what `position` is of; -1 as `column` says
};

static bool line_setting(struct settings *settings, struct kn_line value)
{
    const char *comma = memchr(value.text, ',', value.n);
    struct kn_line number = value, align = {.text = "", .n = 0};
    if (comma) {
        number.n = (size_t)(comma - value.text);
        align = (struct kn_line){.text = comma + 1, .n = value.n - number.n - 1};
        if (!word_is(align, "start") && !word_is(align, "center") && !word_is(align, "end"))
            return false;
    }
    settings->is_rows = false;
    if (!percentage(number, &settings->line)) {
        char copy[16];
        int64_t row;
        if (!number.n || number.n >= sizeof(copy))
            return false;
        memcpy(copy, number.text, number.n);
        copy[number.n] = '\0';
        if (!kn_parse_int(copy, -1000, 1000, &row))
            return false;
        settings->is_rows = true;
        settings->line = (double)row;
    }
    settings->line_row = word_is(align, "center") ? 1 : word_is(align, "end") ? 0 : 2;
    return true;
}

static bool align_setting(struct settings *settings, struct kn_line value)
{
    settings->has_align = true;
    if (word_is(value, "start") || word_is(value, "left"))
        settings->column = 0;
    else if (word_is(value, "end") || word_is(value, "right"))
        settings->column = 2;
    else if (word_is(value, "center") || word_is(value, "middle"))
        settings->column = 1;
    else
        return settings->has_align = false;
    return true;
}

static bool setting_read(struct kn_cue_list *list, struct kn_cue *cue, struct settings *settings,
                         struct kn_line name, struct kn_line value)
{
    if (word_is(name, "line"))
        return line_setting(settings, value);
    if (word_is(name, "position")) {
        const char *comma = memchr(value.text, ',', value.n);
        const size_t n = comma ? (size_t)(comma - value.text) : value.n;
        const struct kn_line of = {.text = value.text + n + 1, .n = comma ? value.n - n - 1 : 0};
        const int column = word_is(of, "line-left") ? 0 : word_is(of, "center") ? 1 : word_is(of, "line-right") ? 2 : -1;
        if ((comma && column < 0) || !percentage((struct kn_line){.text = value.text, .n = n}, &settings->position))
            return false;
        settings->position_column = column;
        return true;
    }
    if (word_is(name, "size"))
        return percentage(value, &settings->size);
    if (word_is(name, "align"))
        return align_setting(settings, value);
    if (word_is(name, "vertical")) {
        cue->place.writing = word_is(value, "rl")  ? KN_WRITING_VERTICAL_RL
            : word_is(value, "lr") ? KN_WRITING_VERTICAL_LR
                                   : KN_WRITING_HORIZONTAL;
        return cue->place.writing != KN_WRITING_HORIZONTAL;
    }
    if (word_is(name, "region")) {
        cue->place.region = kn_arena_strndup(&list->arena, value.text, value.n);
        return true;
    }
    return false;
}

static void settings_place(struct kn_cue_place *place, const struct settings *settings)
{
    if (place->writing != KN_WRITING_HORIZONTAL)
        return; // line and position change their roles; they stay in `settings`
    int row = 0;
    if (!isnan(settings->line)) {
        row = settings->line_row;
        if (!settings->is_rows) {
            place->y = settings->line;
        } else if (settings->line >= 0) {
            place->y = fmin(1, settings->line / ROWS);
        } else {
            row = 0;
            if (settings->line < -1) // the last row is where captions stand anyhow
                place->y = fmax(0, 1 + (settings->line + 1) / ROWS);
        }
    }
    place->x = settings->position;
    place->width = settings->size;
    const int column = settings->position_column >= 0 ? settings->position_column : settings->column;
    if (settings->has_align || settings->position_column >= 0 || !isnan(place->y))
        place->anchor = row * 3 + column + 1;
}

void kn_vtt_settings(struct kn_cue_list *list, struct kn_cue *cue, const char *text, size_t n,
                     int line)
{
    struct settings settings = {.line = NAN, .position = NAN, .size = NAN, .column = 1, .position_column = -1};
    for (size_t i = 0; i < n;) {
        while (i < n && kn_caption_is_space(text[i]))
            i++;
        const size_t from = i;
        while (i < n && !kn_caption_is_space(text[i]))
            i++;
        if (i == from)
            break;
        const char *colon = memchr(text + from, ':', i - from);
        const struct kn_line name = {.text = text + from,
                                     .n = colon ? (size_t)(colon - text) - from : i - from};
        const struct kn_line value = {.text = colon ? colon + 1 : "", .n = colon ? i - from - name.n - 1 : 0};
        if (!colon || !name.n || !value.n || !setting_read(list, cue, &settings, name, value))
            kn_cue_list_warn(list, line, "the setting '%.*s' is none of WebVTT", (int)(i - from > 60 ? 60 : i - from),
                             text + from);
    }
    settings_place(&cue->place, &settings);
}

/* ---- cue text ---- */
enum element { ELEMENT_NONE, ELEMENT_C, ELEMENT_I, ELEMENT_B, ELEMENT_U, ELEMENT_V, ELEMENT_LANG,
               ELEMENT_RUBY, ELEMENT_RT };

static const char *const element_names[] = {"", "c", "i", "b", "u", "v", "lang", "ruby", "rt"};

struct scan {
    struct kn_cue_builder *builder;
    struct kn_cue *cue;
    struct {
        enum element element;
        struct kn_cue_run before; // the look outside
    } stack[MAX_DEPTH];
    int depth;
    struct kn_buf annotation; // of the <rt> being read
    bool is_annotation;
};

static void text_add(struct scan *scan, const char *text, size_t n)
{
    if (scan->is_annotation)
        kn_buf_add(&scan->annotation, text, n);
    else
        kn_cue_builder_text(scan->builder, text, n);
}

static void element_close(struct scan *scan)
{
    const enum element element = scan->stack[--scan->depth].element;
    if (element == ELEMENT_RT) {
        for (size_t i = 0; i < scan->annotation.len; i++)
            if (kn_caption_is_space(scan->annotation.data[i]))
                scan->annotation.data[i] = ' '; // it stands above one line
        kn_cue_builder_cut(scan->builder, kn_buf_text(&scan->annotation));
        scan->builder->is_broken = scan->builder->is_broken || !kn_buf_ok(&scan->annotation);
        kn_buf_reset(&scan->annotation);
        scan->is_annotation = false;
    } else if (element == ELEMENT_RUBY) {
        kn_cue_builder_cut(scan->builder, NULL);
    }
    scan->builder->look = scan->stack[scan->depth].before;
}

static void end_tag(struct scan *scan, struct kn_line name)
{
    enum element element = ELEMENT_NONE;
    for (size_t i = 1; i < KN_COUNT(element_names); i++)
        if (word_is(name, element_names[i]))
            element = (enum element)i;
    if (!scan->depth || element == ELEMENT_NONE)
        return;
    if (element == ELEMENT_RUBY && scan->stack[scan->depth - 1].element == ELEMENT_RT)
        element_close(scan);
    if (scan->depth && scan->stack[scan->depth - 1].element == element)
        element_close(scan);
}

// The eight colours that have classes of their own (WebVTT, 5.1).
static void class_apply(struct kn_cue_style *style, struct kn_line class)
{
    static const char *const names[] = {"white",  "lime",    "cyan", "red",
                                        "yellow", "magenta", "blue", "black"};
    const bool is_background = class.n > 3 && memcmp(class.text, "bg_", 3) == 0;
    const struct kn_line word = {.text = class.text + (is_background ? 3 : 0),
                                 .n = class.n - (is_background ? 3 : 0)};
    uint32_t rgb;
    for (size_t i = 0; i < KN_COUNT(names); i++) {
        if (!word_is(word, names[i]) || !kn_caption_colour(word.text, word.n, &rgb))
            continue;
        if (is_background) {
            style->has_background = true;
            style->background = rgb;
        } else {
            style->has_colour = true;
            style->colour = rgb;
        }
    }
}

// Text with its references resolved and white space trimmed, in the arena.
static const char *annotation_text(struct scan *scan, struct kn_line text)
{
    kn_auto(kn_buf_clear) struct kn_buf plain = {0};
    const struct kn_line word = kn_line_trim(text);
    kn_caption_put_resolved(&plain, word.text, word.n);
    for (size_t i = 0; i < plain.len; i++)
        if (kn_caption_is_space(plain.data[i]))
            plain.data[i] = ' ';
    return kn_arena_strdup(&scan->builder->list->arena, kn_buf_text(&plain));
}

static void start_tag(struct scan *scan, struct kn_line name, struct kn_line classes,
                      struct kn_line annotation)
{
    enum element element = ELEMENT_NONE;
    for (size_t i = 1; i < KN_COUNT(element_names); i++)
        if (word_is(name, element_names[i]))
            element = (enum element)i;
    if (element == ELEMENT_NONE || scan->depth == MAX_DEPTH)
        return;
    if (element == ELEMENT_RT && (!scan->depth || scan->stack[scan->depth - 1].element != ELEMENT_RUBY))
        return;
    scan->stack[scan->depth].element = element;
    scan->stack[scan->depth++].before = scan->builder->look;
    struct kn_cue_run *look = &scan->builder->look;
    look->style.is_italic = look->style.is_italic || element == ELEMENT_I;
    look->style.is_bold = look->style.is_bold || element == ELEMENT_B;
    look->style.is_underline = look->style.is_underline || element == ELEMENT_U;
    if (classes.n) {
        look->style.classes = kn_arena_strndup(&scan->builder->list->arena, classes.text, classes.n);
        for (size_t i = 0; i < classes.n;) {
            const char *dot = memchr(classes.text + i, '.', classes.n - i);
            const size_t to = dot ? (size_t)(dot - classes.text) : classes.n;
            if (to > i)
                class_apply(&look->style, (struct kn_line){.text = classes.text + i, .n = to - i});
            i = to + 1;
        }
    }
    if (element == ELEMENT_V && kn_line_trim(annotation).n)
        look->voice = annotation_text(scan, annotation);
    if (element == ELEMENT_LANG)
        look->style.language = annotation_text(scan, annotation);
    if (element == ELEMENT_RUBY)
        kn_cue_builder_cut(scan->builder, NULL);
    scan->is_annotation = element == ELEMENT_RT;
}

// What stands between '<' and '>' (WebVTT, 6.4: the cue text tokenizer).
static void tag_read(struct scan *scan, struct kn_line tag)
{
    if (!tag.n)
        return;
    if (tag.text[0] == '/') {
        end_tag(scan, kn_line_trim((struct kn_line){.text = tag.text + 1, .n = tag.n - 1}));
        return;
    }
    if (tag.text[0] >= '0' && tag.text[0] <= '9') {
        char line[64];
        struct kn_srt_timing timing;
        const int n = snprintf(line, sizeof(line), "%.*s --> 0:00", (int)(tag.n > 40 ? 40 : tag.n), tag.text);
        if (kn_srt_timing((struct kn_line){.text = line, .n = (size_t)n}, &timing) &&
            timing.start_us >= scan->cue->start_us)
            scan->builder->look.karaoke_us = timing.start_us - scan->cue->start_us;
        return;
    }
    size_t name = 0;
    while (name < tag.n && tag.text[name] != '.' && !kn_caption_is_space(tag.text[name]))
        name++;
    size_t classes = name;
    while (classes < tag.n && !kn_caption_is_space(tag.text[classes]))
        classes++;
    start_tag(scan, (struct kn_line){.text = tag.text, .n = name},
              (struct kn_line){.text = tag.text + name + (classes > name), .n = classes - name - (classes > name)},
              (struct kn_line){.text = tag.text + classes, .n = tag.n - classes});
}

// The one voice that says all of the cue becomes its speaker; blanks between two of its texts are nobody's.
static void speaker_find(struct kn_cue *cue)
{
    if (kn_voices_differ(cue))
        return;
    for (size_t i = 0; i < cue->n_runs && !cue->speaker; i++)
        cue->speaker = cue->runs[i].voice;
}

kn_code kn_vtt_cue_text(struct kn_cue_builder *builder, struct kn_cue *cue, const char *text,
                        size_t n, struct kn_error *err)
{
    struct scan scan = {.builder = builder, .cue = cue};
    cue->raw = kn_arena_strndup(&builder->list->arena, text, n);
    for (size_t i = 0; i < n;) {
        size_t to = i;
        while (to < n && text[to] != '<' && text[to] != '&' && text[to] != '\r')
            to++;
        text_add(&scan, text + i, to - i);
        i = to;
        if (i == n)
            break;
        uint32_t c[2];
        const size_t entity = kn_caption_entity(text + i, n - i, c);
        if (text[i] == '<') {
            // A tag that is never closed takes the rest of the cue, as the tokenizer says.
            const char *end = memchr(text + i, '>', n - i);
            to = end ? (size_t)(end - text) : n;
            tag_read(&scan, (struct kn_line){.text = text + i + 1, .n = to - i - 1});
            i = to + 1;
        } else if (entity) {
            kn_auto(kn_buf_clear) struct kn_buf utf8 = {0};
            kn_caption_put_resolved(&utf8, text + i, entity);
            text_add(&scan, kn_buf_text(&utf8), utf8.len);
            i += entity;
        } else {
            text_add(&scan, text[i] == '\r' ? "\n" : text + i, 1);
            i += text[i] == '\r' && i + 1 < n && text[i + 1] == '\n' ? 2 : 1;
        }
    }
    while (scan.depth)
        element_close(&scan);
    kn_buf_clear(&scan.annotation);
    kn_code rc = kn_cue_builder_finish(builder, cue, err);
    if (rc == KN_OK && !cue->raw)
        return kn_fail(err, KN_ENOMEM, "no memory for a cue");
    if (rc == KN_OK)
        speaker_find(cue);
    return rc;
}

/* ---- the file ---- */
static bool has_arrow(struct kn_line line)
{
    return kn_line_find(line, "-->");
}

// "mm:ss.ttt" or "h…h:mm:ss.ttt", nothing else (WebVTT, 6.3: collect a timestamp).
static bool is_strict_time(const char *text, size_t n)
{
    size_t colons = 0, hours = 0;
    for (size_t i = 0; i < n; i++)
        colons += text[i] == ':';
    while (colons == 2 && hours < n && text[hours] >= '0' && text[hours] <= '9')
        hours++;
    const size_t from = colons == 2 ? hours + 1 : 0;
    static const char form[] = "dd:dd.ddd";
    if ((colons == 2 && hours < 2) || colons < 1 || colons > 2 || n < from || n - from != sizeof(form) - 1)
        return false;
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        const char c = text[from + i];
        if (form[i] == 'd' ? c < '0' || c > '9' : c != form[i])
            return false;
    }
    return text[from] < '6' && text[from + 3] < '6';
}

static bool is_strict(struct kn_line line)
{
    const struct kn_line word = kn_line_trim(line);
    const char *arrow = kn_line_find(word, "-->");
    struct kn_line left = kn_line_trim((struct kn_line){.text = word.text, .n = (size_t)(arrow - word.text)});
    struct kn_line right = kn_line_trim(
        (struct kn_line){.text = arrow + 3, .n = word.n - (size_t)(arrow - word.text) - 3});
    size_t n = 0;
    while (n < right.n && !kn_caption_is_space(right.text[n]))
        n++;
    return is_strict_time(left.text, left.n) && is_strict_time(right.text, n);
}

struct block {
    struct kn_line first;  // its first line
    int line;              // its number
    struct kn_line timing; // n is 0 for a block without one
    int timing_line;
    const char *from, *to; // of what follows the timing line, or of the whole block
};

// A block ends at a blank line, and before a line with an arrow that cannot be its timing line.
static bool block_next(struct kn_lines *lines, struct block *out)
{
    struct kn_lines before = *lines;
    struct kn_line line;
    int n = 0;
    *out = (struct block){.from = NULL};
    while (kn_lines_next(lines, &line)) {
        const bool is_arrow = has_arrow(line);
        if (line.n == 0 && n == 0) {
            before = *lines;
            continue;
        }
        if (line.n == 0)
            return true;
        n++;
        if (is_arrow && (out->timing.n || n > 2)) {
            *lines = before;
            return true;
        }
        if (n == 1) {
            out->first = line;
            out->line = lines->number;
            out->from = line.text;
        }
        if (is_arrow) {
            out->timing = line;
            out->timing_line = lines->number;
            out->from = lines->at;
        }
        out->to = is_arrow ? lines->at : line.text + line.n;
        before = *lines;
    }
    return n > 0;
}

static kn_code cue_read(struct kn_cue_list *list, struct kn_cue_builder *builder,
                        const struct block *block, struct kn_error *err)
{
    struct kn_srt_timing timing;
    struct kn_cue *cue;
    if (!kn_srt_timing(block->timing, &timing)) {
        kn_cue_list_warn(list, block->timing_line, "no times: '%.*s'; the cue is left out",
                         (int)(block->timing.n > 80 ? 80 : block->timing.n), block->timing.text);
        return KN_OK;
    }
    if (!is_strict(block->timing))
        kn_cue_list_warn(list, block->timing_line, "the times are not written as WebVTT has them");
    kn_code rc = kn_cue_list_add(list, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->start_us = timing.start_us < 0 ? 0 : timing.start_us;
    cue->end_us = timing.end_us < 0 && timing.end_us != KN_NO_TIME ? 0 : timing.end_us;
    if (block->first.text != block->timing.text)
        cue->id = kn_arena_strndup(&list->arena, block->first.text, block->first.n);
    if (timing.rest.n) {
        cue->settings = kn_arena_strndup(&list->arena, timing.rest.text, timing.rest.n);
        kn_vtt_settings(list, cue, timing.rest.text, timing.rest.n, block->timing_line);
    }
    return kn_vtt_cue_text(builder, cue, block->from, (size_t)(block->to - block->from), err);
}

// Verbatim but for the line ends.
static const char *verbatim(struct kn_cue_list *list, const char *text, size_t n)
{
    kn_auto(kn_buf_clear) struct kn_buf copy = {0};
    struct kn_lines lines = kn_lines_of(text, n);
    struct kn_line line;
    while (kn_lines_next(&lines, &line)) {
        kn_buf_add(&copy, line.text, line.n);
        kn_buf_putc(&copy, '\n');
    }
    while (copy.len && copy.data[copy.len - 1] == '\n')
        copy.data[--copy.len] = '\0';
    return kn_buf_ok(&copy) ? kn_arena_strdup(&list->arena, kn_buf_text(&copy)) : NULL;
}

static kn_code note_keep(struct kn_cue_list *list, const struct block *block, struct kn_error *err)
{
    struct kn_cue *cue;
    kn_code rc = kn_cue_list_add(list, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->is_comment = true;
    cue->start_us = list->n_cues > 1 ? list->cues[list->n_cues - 2].start_us : 0; // stays behind it
    cue->raw = verbatim(list, block->from, (size_t)(block->to - block->from));
    return cue->raw ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a comment");
}

static bool is_signature(struct kn_line line)
{
    return line.n >= 6 && memcmp(line.text, "WEBVTT", 6) == 0 &&
        (line.n == 6 || line.text[6] == ' ' || line.text[6] == '\t');
}

// The lines up to the first blank one or the first arrow.
static struct kn_lines header_skip(struct kn_cue_list *list, const char *text, size_t n, bool *out_signed)
{
    struct kn_lines lines = kn_lines_of(text, n), before = lines;
    struct kn_line line;
    *out_signed = kn_lines_next(&lines, &line) && is_signature(line);
    if (!*out_signed) {
        kn_cue_list_warn(list, 1, "the file does not begin with 'WEBVTT'");
        return before;
    }
    for (before = lines; kn_lines_next(&lines, &line) && line.n; before = lines)
        if (has_arrow(line))
            return before;
    return lines;
}

static kn_code blocks_read(struct kn_cue_list *list, struct kn_cue_builder *builder, const char *text,
                           size_t n, bool *out_signed, struct kn_error *err)
{
    struct kn_lines lines = header_skip(list, text, n, out_signed);
    const char *header_end = lines.at;
    bool has_cue = false;
    struct block block;
    kn_code rc = KN_OK;
    while (rc == KN_OK && block_next(&lines, &block)) {
        const bool is_note = kn_line_begins(block.first, "NOTE");
        if (block.timing.n) {
            has_cue = true;
            rc = cue_read(list, builder, &block, err);
        } else if (!has_cue) {
            header_end = block.to; // STYLE, REGION, NOTE before the first cue
            if (!is_note && !kn_line_begins(block.first, "STYLE") && !kn_line_begins(block.first, "REGION"))
                kn_cue_list_warn(list, block.line, "a block without times, before the first cue");
        } else if (is_note) {
            rc = note_keep(list, &block, err);
        } else {
            kn_cue_list_warn(list, block.line, "a block without times is left out");
        }
    }
    if (*out_signed && rc == KN_OK) {
        list->header = verbatim(list, text, (size_t)(header_end - text));
        if (!list->header)
            return kn_fail(err, KN_ENOMEM, "no memory for the header");
    }
    return rc;
}

kn_code kn_vtt_header(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err)
{
    const char *kept = verbatim(list, text, n);
    struct kn_lines lines = kn_lines_of(text, n);
    struct kn_line first;
    const bool is_signed = kn_lines_next(&lines, &first) && is_signature(first);
    list->header = !kept || is_signed ? kept : kn_arena_printf(&list->arena, "WEBVTT\n\n%s", kept);
    return list->header ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for the header");
}

kn_code kn_vtt_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err)
{
    struct kn_cue_builder builder;
    kn_cue_builder_init(&builder, list);
    list->codec = KN_CAPTION_WEBVTT;
    const size_t before = list->n_cues;
    bool is_signed;
    kn_code rc = blocks_read(list, &builder, text, n, &is_signed, err);
    kn_cue_builder_clear(&builder);
    if (rc == KN_OK && !is_signed && list->n_cues == before)
        return kn_fail(err, KN_EMEDIA, "no WebVTT: neither 'WEBVTT' at its beginning nor a cue in it");
    return rc;
}
