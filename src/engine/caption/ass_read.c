/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/ass.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/srt.h"
#include "engine/caption/text.h"

#define MAX_STYLE_FIELDS 32

enum section { SECTION_NONE, SECTION_INFO, SECTION_STYLES, SECTION_EVENTS, SECTION_OTHER };

struct reader {
    struct kn_cue_list *list;
    struct kn_ass_script *script;
    struct kn_cue_builder builder;
    enum section section;
    bool is_legacy; // [V4 Styles]: alignment and colours are those of SSA
    struct kn_line style_format[MAX_STYLE_FIELDS];
    int n_style_fields;
    size_t n_style_room;
    struct kn_buf header, footer;
    bool has_events; // their section was there: what follows is footer
    int line;
};

/* ---- fields ---- */
// The next field up to a comma, without the white space around it; the last one takes all.
static bool field_next(struct kn_line *rest, bool is_last, struct kn_line *out)
{
    if (!rest->text)
        return false;
    const char *comma = is_last || !rest->n ? NULL : memchr(rest->text, ',', rest->n);
    *out = (struct kn_line){.text = rest->text, .n = comma ? (size_t)(comma - rest->text) : rest->n};
    *rest = comma ? (struct kn_line){.text = comma + 1, .n = rest->n - out->n - 1}
                  : (struct kn_line){.text = NULL, .n = 0};
    return true;
}

static int64_t number(struct kn_line field, int64_t otherwise)
{
    char copy[24];
    const struct kn_line word = kn_line_trim(field);
    if (!word.n || word.n >= sizeof(copy))
        return otherwise;
    memcpy(copy, word.text, word.n);
    copy[word.n] = '\0';
    char *end;
    const long long value = strtoll(copy, &end, 10);
    return end == copy || value > 1000000000 || value < -1000000000 ? otherwise : value;
}

static bool word_is(struct kn_line word, const char *name)
{
    return word.n == strlen(name) && kn_line_begins(word, name);
}

static const char *keep(struct kn_cue_list *list, struct kn_line text)
{
    return kn_arena_strndup(&list->arena, text.text, text.n);
}

// "*Default" is "Default".
static struct kn_line style_name(struct kn_line name)
{
    name = kn_line_trim(name);
    while (name.n && name.text[0] == '*') {
        name.text++;
        name.n--;
    }
    return name;
}

/* ---- styles ---- */
static void style_field(struct reader *reader, struct kn_ass_style *style, struct kn_line name,
                        struct kn_line value)
{
    int alpha;
    uint32_t rgb;
    if (word_is(name, "Name")) {
        style->name = keep(reader->list, style_name(value));
    } else if (word_is(name, "Fontname")) {
        style->look.font = keep(reader->list, value);
    } else if (word_is(name, "Fontsize")) {
        style->look.size_px = (double)number(value, 0);
    } else if (word_is(name, "PrimaryColour") && kn_ass_colour(value.text, value.n, &rgb, &alpha)) {
        style->look.has_colour = true;
        style->look.colour = rgb;
    } else if (word_is(name, "Bold")) {
        style->look.is_bold = number(value, 0) != 0;
    } else if (word_is(name, "Italic")) {
        style->look.is_italic = number(value, 0) != 0;
    } else if (word_is(name, "Underline")) {
        style->look.is_underline = number(value, 0) != 0;
    } else if (word_is(name, "StrikeOut")) {
        style->look.is_strike = number(value, 0) != 0;
    } else if (word_is(name, "Alignment")) {
        const int alignment = (int)number(value, 2);
        style->anchor = reader->is_legacy                ? kn_ass_legacy_anchor(alignment)
            : alignment >= 1 && alignment <= 9 ? alignment
                                               : 2;
    }
}

static void style_read(struct reader *reader, struct kn_line row)
{
    // A script without a Format line has the usual order.
    static const char usual[] = "Name,Fontname,Fontsize,PrimaryColour,SecondaryColour,OutlineColour,"
                                "BackColour,Bold,Italic,Underline,StrikeOut,ScaleX,ScaleY,Spacing,Angle,"
                                "BorderStyle,Outline,Shadow,Alignment,MarginL,MarginR,MarginV,Encoding";
    struct kn_ass_styles *styles = &reader->script->styles;
    if (styles->n >= KN_ASS_MAX_STYLES) {
        kn_cue_list_warn(reader->list, reader->line, "more than %d styles", KN_ASS_MAX_STYLES);
        return;
    }
    if (styles->n == reader->n_style_room) {
        const size_t room = reader->n_style_room ? reader->n_style_room * 4 : 16;
        struct kn_ass_style *grown = kn_arena_array(&reader->list->arena, room, sizeof(*grown));
        if (!grown)
            return;
        if (styles->n)
            memcpy(grown, styles->rows, styles->n * sizeof(*grown));
        styles->rows = grown;
        reader->n_style_room = room;
    }
    struct kn_ass_style *style = &styles->rows[styles->n];
    *style = (struct kn_ass_style){.name = NULL, .anchor = 2, .raw = keep(reader->list, row)};
    struct kn_line names = {.text = usual, .n = sizeof(usual) - 1}, name, value;
    for (int i = 0; field_next(&row, false, &value); i++) {
        if (reader->n_style_fields && i < reader->n_style_fields)
            name = reader->style_format[i];
        else if (reader->n_style_fields || !field_next(&names, false, &name))
            break;
        style_field(reader, style, name, kn_line_trim(value));
    }
    if (style->name)
        styles->n++;
}

/* ---- events ---- */
static const struct {
    const char *name;
    enum kn_ass_field field;
} field_names[] = {
    {"Layer", KN_ASS_LAYER},     {"Marked", KN_ASS_LAYER},    {"Start", KN_ASS_START},
    {"End", KN_ASS_END},         {"Style", KN_ASS_STYLE},     {"Name", KN_ASS_NAME},
    {"Actor", KN_ASS_NAME},      {"MarginL", KN_ASS_MARGIN_L}, {"MarginR", KN_ASS_MARGIN_R},
    {"MarginV", KN_ASS_MARGIN_V}, {"Effect", KN_ASS_EFFECT},  {"Text", KN_ASS_TEXT},
};

static void format_read(struct kn_ass_script *script, struct kn_line row)
{
    struct kn_line field;
    script->n_fields = 0;
    while (script->n_fields < KN_ASS_MAX_FIELDS && field_next(&row, false, &field)) {
        enum kn_ass_field is = KN_ASS_OTHER;
        for (size_t i = 0; i < KN_COUNT(field_names); i++)
            if (word_is(kn_line_trim(field), field_names[i].name))
                is = field_names[i].field;
        script->format[script->n_fields++] = is;
    }
}

static void format_default(struct kn_ass_script *script)
{
    static const enum kn_ass_field usual[] = {
        KN_ASS_LAYER,    KN_ASS_START,    KN_ASS_END,      KN_ASS_STYLE,  KN_ASS_NAME,
        KN_ASS_MARGIN_L, KN_ASS_MARGIN_R, KN_ASS_MARGIN_V, KN_ASS_EFFECT, KN_ASS_TEXT,
    };
    memcpy(script->format, usual, sizeof(usual));
    script->n_fields = (int)KN_COUNT(usual);
}

static bool event_field(struct kn_cue_list *list, struct kn_cue *cue, enum kn_ass_field field,
                        struct kn_line value)
{
    const struct kn_line word = kn_line_trim(value);
    const char *at = word.text;
    switch (field) {
    case KN_ASS_LAYER: cue->layer = (int)number(word, 0); return true;
    case KN_ASS_START: return kn_srt_time(&at, word.text + word.n, &cue->start_us);
    case KN_ASS_END: return kn_srt_time(&at, word.text + word.n, &cue->end_us);
    case KN_ASS_STYLE: cue->style = keep(list, style_name(word)); return true;
    case KN_ASS_NAME: cue->speaker = word.n ? keep(list, word) : NULL; return true;
    case KN_ASS_MARGIN_L: cue->margins[0] = (int)number(word, 0); return true;
    case KN_ASS_MARGIN_R: cue->margins[1] = (int)number(word, 0); return true;
    case KN_ASS_MARGIN_V: cue->margins[2] = (int)number(word, 0); return true;
    case KN_ASS_EFFECT: cue->effect = word.n ? keep(list, word) : NULL; return true;
    case KN_ASS_TEXT: cue->raw = keep(list, value); return true;
    case KN_ASS_OTHER: return true;
    }
    return true;
}

// Runs and place from `raw` and the style.
static kn_code event_finish(struct kn_cue_list *list, const struct kn_ass_script *script,
                            struct kn_cue_builder *builder, struct kn_cue *cue, struct kn_error *err)
{
    const struct kn_ass_styles *styles = &script->styles;
    const struct kn_ass_style *style = cue->style ? kn_ass_style_find(styles, cue->style, strlen(cue->style)) : NULL;
    if (!style && styles->n)
        style = &styles->rows[0];
    struct kn_ass_scan scan = {
        .builder = builder, .cue = cue, .styles = styles,
        .width_px = list->width_px, .height_px = list->height_px,
    };
    if (!cue->raw)
        cue->raw = "";
    if (style) {
        scan.base = kn_ass_look(style, &styles->rows[0]);
        cue->place.anchor = style->anchor;
    }
    if (!cue->is_comment)
        kn_ass_text_scan(&scan, cue->raw, strlen(cue->raw));
    return kn_cue_builder_finish(builder, cue, err);
}

static kn_code event_read(struct reader *reader, struct kn_line row, bool is_comment,
                          struct kn_error *err)
{
    struct kn_cue_list *list = reader->list;
    struct kn_cue *cue;
    kn_code rc = kn_cue_list_add(list, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->is_comment = is_comment;
    bool is_whole = true;
    struct kn_line value;
    for (int i = 0; i < reader->script->n_fields; i++) {
        if (!field_next(&row, i == reader->script->n_fields - 1, &value)) {
            kn_cue_list_warn(list, reader->line, "the event has %d fields of %d", i,
                             reader->script->n_fields);
            break;
        }
        is_whole = event_field(list, cue, reader->script->format[i], value) && is_whole;
    }
    if (!is_whole || cue->start_us == KN_NO_TIME) {
        kn_cue_list_warn(list, reader->line, "the event has no times that can be read; it is left out");
        list->n_cues--;
        return KN_OK;
    }
    if (cue->start_us < 0)
        cue->start_us = 0;
    return event_finish(list, reader->script, &reader->builder, cue, err);
}

kn_code kn_ass_packet(struct kn_cue_list *list, const struct kn_ass_script *script, const char *text,
                      size_t n, int64_t start_us, int64_t end_us, struct kn_error *err)
{
    static const enum kn_ass_field format[] = {
        KN_ASS_LAYER,    KN_ASS_STYLE,    KN_ASS_NAME,   KN_ASS_MARGIN_L,
        KN_ASS_MARGIN_R, KN_ASS_MARGIN_V, KN_ASS_EFFECT, KN_ASS_TEXT,
    };
    while (n && (text[n - 1] == '\0' || text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    struct kn_line row = {.text = text, .n = n}, value;
    struct kn_cue *cue;
    kn_code rc = kn_cue_list_add(list, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->start_us = start_us;
    cue->end_us = end_us;
    if (field_next(&row, false, &value))
        cue->order = (size_t)number(value, (int64_t)cue->order);
    for (size_t i = 0; i < KN_COUNT(format) && field_next(&row, i == KN_COUNT(format) - 1, &value); i++)
        (void)event_field(list, cue, format[i], value);
    if (!cue->raw)
        kn_cue_list_warn(list, 0, "a block of %zu bytes is no whole ASS event", n);
    struct kn_cue_builder builder;
    kn_cue_builder_init(&builder, list);
    rc = event_finish(list, script, &builder, cue, err);
    kn_cue_builder_clear(&builder);
    return rc;
}

/* ---- the script ---- */
static enum section section_of(struct kn_line name)
{
    return word_is(name, "[Script Info]")                                ? SECTION_INFO
        : word_is(name, "[V4+ Styles]") || word_is(name, "[V4 Styles]") ||
            word_is(name, "[V4 Styles+]") || word_is(name, "[V4++ Styles]") ? SECTION_STYLES
        : word_is(name, "[Events]")                                      ? SECTION_EVENTS
                                                                         : SECTION_OTHER;
}

// "Key: value", or false.
static bool key_is(struct kn_line line, const char *key, struct kn_line *out_value)
{
    const size_t n = strlen(key);
    if (!kn_line_begins(line, key) || line.n <= n || line.text[n] != ':')
        return false;
    *out_value = (struct kn_line){.text = line.text + n + 1, .n = line.n - n - 1};
    if (out_value->n && out_value->text[0] == ' ') {
        out_value->text++;
        out_value->n--;
    }
    return true;
}

static void info_line(struct reader *reader, struct kn_line line)
{
    struct kn_line value;
    if (key_is(line, "PlayResX", &value))
        reader->list->width_px = (int)number(value, 0);
    else if (key_is(line, "PlayResY", &value))
        reader->list->height_px = (int)number(value, 0);
    else if (key_is(line, "ScriptType", &value) && word_is(kn_line_trim(value), "v4.00"))
        reader->list->codec = KN_CAPTION_SSA;
}

static void styles_line(struct reader *reader, struct kn_line line)
{
    struct kn_line value, field;
    if (key_is(line, "Style", &value)) {
        style_read(reader, value);
    } else if (key_is(line, "Format", &value)) {
        reader->n_style_fields = 0;
        while (reader->n_style_fields < MAX_STYLE_FIELDS && field_next(&value, false, &field))
            reader->style_format[reader->n_style_fields++] = kn_line_trim(field);
    }
}

static kn_code events_line(struct reader *reader, struct kn_line line, struct kn_error *err)
{
    struct kn_line value;
    if (key_is(line, "Dialogue", &value))
        return event_read(reader, value, false, err);
    if (key_is(line, "Comment", &value))
        return event_read(reader, value, true, err);
    if (key_is(line, "Format", &value))
        format_read(reader->script, value);
    else if (line.text[0] == ';' || line.text[0] == '!')
        kn_buf_printf(&reader->header, "%.*s\n", (int)line.n, line.text); // a comment, kept before the events
    else
        kn_cue_list_warn(reader->list, reader->line, "neither an event nor a comment: '%.*s'",
                         (int)(line.n > 60 ? 60 : line.n), line.text);
    return KN_OK;
}

static void section_begin(struct reader *reader, struct kn_line name)
{
    reader->section = section_of(name);
    reader->is_legacy = reader->is_legacy || word_is(name, "[V4 Styles]");
    if (reader->section != SECTION_EVENTS)
        return;
    // Players that write no defaults mean these (libass: 384x288; one of them known gives the other).
    struct kn_cue_list *list = reader->list;
    if (list->width_px <= 0 && list->height_px <= 0) {
        list->width_px = 384;
        list->height_px = 288;
    } else if (list->width_px <= 0) {
        list->width_px = list->height_px == 1024 ? 1280 : list->height_px * 4 / 3;
    } else if (list->height_px <= 0) {
        list->height_px = list->width_px == 1280 ? 1024 : list->width_px * 3 / 4;
    }
    reader->has_events = true;
    kn_ass_styles_index(&reader->script->styles);
}

static kn_code lines_read(struct reader *reader, const char *text, size_t n, struct kn_error *err)
{
    struct kn_lines lines = kn_lines_of(text, n);
    struct kn_line line;
    kn_code rc = KN_OK;
    while (rc == KN_OK && kn_lines_next(&lines, &line)) {
        const struct kn_line word = kn_line_trim(line);
        reader->line = lines.number;
        if (word.n > 2 && word.text[0] == '[' && word.text[word.n - 1] == ']')
            section_begin(reader, word);
        if (reader->section != SECTION_EVENTS) {
            struct kn_buf *kept = reader->has_events ? &reader->footer : &reader->header;
            kn_buf_add(kept, line.text, line.n);
            kn_buf_putc(kept, '\n');
        }
        if (!word.n || word.text[0] == '[')
            continue;
        if (reader->section == SECTION_INFO)
            info_line(reader, word);
        else if (reader->section == SECTION_STYLES)
            styles_line(reader, word);
        else if (reader->section == SECTION_EVENTS)
            rc = events_line(reader, (struct kn_line){.text = word.text,
                                                      .n = (size_t)(line.text + line.n - word.text)}, err);
    }
    return rc;
}

static const char *section_keep(struct kn_cue_list *list, struct kn_buf *text)
{
    while (text->len && text->data[text->len - 1] == '\n')
        text->data[--text->len] = '\0';
    return text->len ? kn_arena_strdup(&list->arena, kn_buf_text(text)) : NULL;
}

kn_code kn_ass_header(struct kn_cue_list *list, struct kn_ass_script **out_script, const char *text,
                      size_t n, struct kn_error *err)
{
    struct reader reader = {.list = list};
    *out_script = reader.script = KN_ARENA_NEW(&list->arena, struct kn_ass_script);
    if (!reader.script)
        return kn_fail(err, KN_ENOMEM, "no memory for a script");
    if (!kn_caption_is_ass(list->codec))
        list->codec = KN_CAPTION_ASS;
    format_default(reader.script);
    kn_cue_builder_init(&reader.builder, list);
    kn_code rc = lines_read(&reader, text, n, err);
    if (!reader.has_events)
        section_begin(&reader, (struct kn_line){.text = "[Events]", .n = 8});
    kn_ass_styles_index(&reader.script->styles); // those after the events are for packets
    list->header = section_keep(list, &reader.header);
    list->footer = section_keep(list, &reader.footer);
    if (rc == KN_OK && (!kn_buf_ok(&reader.header) || !kn_buf_ok(&reader.footer) ||
                        (reader.header.len && !list->header)))
        rc = kn_fail(err, KN_ENOMEM, "no memory for a script's header");
    kn_buf_clear(&reader.header);
    kn_buf_clear(&reader.footer);
    kn_cue_builder_clear(&reader.builder);
    return rc;
}

kn_code kn_ass_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err)
{
    struct kn_ass_script *script;
    kn_code rc = kn_ass_header(list, &script, text, n, err);
    if (rc == KN_OK && !list->n_cues && !script->styles.n)
        return kn_fail(err, KN_EMEDIA, "no ASS script: neither styles nor events in it");
    return rc;
}
