/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The document is a tree of content elements, each with a look inherited from its parent and a time
 * within its parent's. A <p> is a cue; a <span> with times of its own is one too.
 */
#include "engine/caption/ttml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/hash.h>
#include <libxml/tree.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/builder.h"
#include "engine/caption/finish.h"
#include "engine/caption/text.h"
#include "engine/caption/xml.h"

#define MAX_STYLE_DEPTH 8         // a style that refers to a style that …
#define MAX_STYLE_STEPS 5000000   // of a whole document: circles and fans end here
#define MAX_DEPTH 64              // of elements; real documents have six
#define LOOK_BACK 32              // cues of a sample that may go on in the next
#define MAX_US (1000 * KN_HOUR)

enum ruby { RUBY_NONE, RUBY_BASE, RUBY_TEXT, RUBY_DELIMITER };

// What is inherited, or said of one element.
struct look {
    struct kn_cue_style style;
    int column, row;     // 0-2 from the left, from below; -1 unsaid
    double x, y, w, h;   // of the region, fractions of the frame; NAN unsaid
    enum kn_writing writing;
    bool is_preserved;   // xml:space
    bool is_hidden, is_forced;
    enum ruby ruby;
    const char *language;
};

struct span {
    int64_t begin_us, end_us; // end_us is KN_NO_TIME when open
};

struct reader {
    struct kn_cue_list *list;
    xmlHashTablePtr ids; // of <style> and <region>; borrowed nodes
    struct kn_cue_builder builder;
    double frame_rate, tick_rate, sub_frames;
    double frame_w, frame_h; // px of tts:extent on <tt>; 0 unknown
    double cells_w, cells_h;
    int64_t from_us, to_us;  // what of the document is shown; KN_NO_TIME: all
    int64_t style_steps;
    struct kn_buf ruby;
    bool was_space;          // the last character written was one that collapses
    struct kn_error *err;
};

/* ---- attributes ---- */
static char *attribute(const xmlNode *node, const char *name)
{
    return (char *)xmlGetProp((xmlNodePtr)node, (const xmlChar *)name);
}

static void xml_text_free(char **text)
{
    if (*text)
        xmlFree(*text);
    *text = NULL;
}

static bool node_is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

/* ---- times ---- */
static double positive(const char *text, double otherwise)
{
    double value;
    return text && kn_parse_double(text, &value) && value > 0 && value < 1e9 ? value : otherwise;
}

static bool clock_read(const struct reader *reader, const char *text, double *out_s)
{
    double part[3], frames = 0, sub = 0;
    int n = 0;
    if (sscanf(text, "%9lf:%9lf:%12lf%n", &part[0], &part[1], &part[2], &n) != 3)
        return false;
    if (text[n] == ':' && sscanf(text + n + 1, "%9lf", &frames) != 1)
        return false;
    const char *dot = text[n] == ':' ? strchr(text + n + 1, '.') : NULL;
    if (dot && sscanf(dot + 1, "%9lf", &sub) == 1)
        frames = floor(frames) + sub / reader->sub_frames;
    *out_s = part[0] * 3600 + part[1] * 60 + part[2] + frames / reader->frame_rate;
    return true;
}

static bool offset_read(const struct reader *reader, const char *text, double *out_s)
{
    const struct {
        const char *unit;
        double seconds;
    } units[] = {{"h", 3600}, {"m", 60}, {"s", 1}, {"ms", 0.001}, {"f", 1 / reader->frame_rate},
                 {"t", 1 / reader->tick_rate}};
    char *end;
    const double value = strtod(text, &end);
    for (size_t i = 0; end != text && i < KN_COUNT(units); i++)
        if (strcmp(end, units[i].unit) == 0) {
            *out_s = value * units[i].seconds;
            return true;
        }
    return false;
}

// KN_NO_TIME when the attribute is absent or no time (then with a warning).
static int64_t time_attribute(struct reader *reader, const xmlNode *node, const char *name)
{
    kn_auto(xml_text_free) char *text = attribute(node, name);
    double seconds;
    if (!text)
        return KN_NO_TIME;
    kn_trim(text);
    if ((!clock_read(reader, text, &seconds) && !offset_read(reader, text, &seconds)) ||
        !isfinite(seconds) || seconds < 0 || seconds > (double)(MAX_US / KN_SECOND)) {
        kn_cue_list_warn(reader->list, (int)xmlGetLineNo(node), "%s='%.40s' is no time", name, text);
        return KN_NO_TIME;
    }
    return (int64_t)llround(seconds * KN_SECOND);
}

// The element's time on the document's clock: within its parent's.
static struct span span_of(struct reader *reader, const xmlNode *node, struct span parent)
{
    struct span span = parent;
    const int64_t begin_us = time_attribute(reader, node, "begin");
    const int64_t end_us = time_attribute(reader, node, "end");
    const int64_t dur_us = time_attribute(reader, node, "dur");
    if (begin_us != KN_NO_TIME)
        span.begin_us = parent.begin_us + begin_us;
    int64_t to_us = KN_NO_TIME;
    if (end_us != KN_NO_TIME)
        to_us = parent.begin_us + end_us;
    if (dur_us != KN_NO_TIME && (to_us == KN_NO_TIME || span.begin_us + dur_us < to_us))
        to_us = span.begin_us + dur_us;
    if (to_us != KN_NO_TIME && (parent.end_us == KN_NO_TIME || to_us < parent.end_us))
        span.end_us = to_us;
    return span;
}

static bool is_timed(const xmlNode *node)
{
    return xmlHasProp((xmlNodePtr)node, (const xmlChar *)"begin") ||
        xmlHasProp((xmlNodePtr)node, (const xmlChar *)"end") ||
        xmlHasProp((xmlNodePtr)node, (const xmlChar *)"dur");
}

/* ---- looks ---- */
// "10% 80%", "64px 48px", "2c 1c": fractions of the frame.
static bool pair_read(const struct reader *reader, const char *text, double *out_x, double *out_y)
{
    double value[2];
    char unit[2][4];
    if (sscanf(text, "%lf%3[%a-z] %lf%3[%a-z]", &value[0], unit[0], &value[1], unit[1]) != 4)
        return false;
    const double frame[2] = {reader->frame_w, reader->frame_h}, cells[2] = {reader->cells_w, reader->cells_h};
    for (int i = 0; i < 2; i++) {
        if (strcmp(unit[i], "%") == 0)
            value[i] /= 100;
        else if (strcmp(unit[i], "px") == 0 && frame[i] > 0)
            value[i] /= frame[i];
        else if (strcmp(unit[i], "c") == 0)
            value[i] /= cells[i];
        else
            return false;
        if (!isfinite(value[i]) || value[i] < 0 || value[i] > 1)
            return false;
    }
    *out_x = value[0];
    *out_y = value[1];
    return true;
}

static void align_apply(struct look *look, const char *name, const char *value)
{
    if (strcmp(name, "textAlign") == 0)
        look->column = !strcmp(value, "center") ? 1 : !strcmp(value, "end") || !strcmp(value, "right") ? 2 : 0;
    else
        look->row = !strcmp(value, "after") ? 0 : !strcmp(value, "center") ? 1 : 2;
}

static void ruby_apply(struct look *look, const char *value)
{
    look->ruby = !strcmp(value, "base") ? RUBY_BASE
        : !strcmp(value, "text")        ? RUBY_TEXT
        : !strcmp(value, "delimiter")   ? RUBY_DELIMITER
                                        : RUBY_NONE;
}

static void property_apply(struct reader *reader, struct look *look, const char *name, const char *value)
{
    uint32_t rgb;
    if (strcmp(name, "color") == 0 && kn_caption_colour(value, strlen(value), &rgb)) {
        look->style.has_colour = rgb != 0xFFFFFF; // white is ordinary
        look->style.colour = look->style.has_colour ? rgb : 0;
    } else if (strcmp(name, "fontStyle") == 0) {
        look->style.is_italic = !strcmp(value, "italic") || !strcmp(value, "oblique");
    } else if (strcmp(name, "fontWeight") == 0) {
        look->style.is_bold = strcmp(value, "bold") == 0;
    } else if (strcmp(name, "textDecoration") == 0) {
        if (strstr(value, "nderline"))
            look->style.is_underline = !strstr(value, "noUnderline");
        if (strstr(value, "ineThrough"))
            look->style.is_strike = !strstr(value, "noLineThrough");
        if (strcmp(value, "none") == 0)
            look->style.is_underline = look->style.is_strike = false;
    } else if (strcmp(name, "textAlign") == 0 || strcmp(name, "displayAlign") == 0) {
        align_apply(look, name, value);
    } else if (strcmp(name, "origin") == 0) {
        (void)pair_read(reader, value, &look->x, &look->y);
    } else if (strcmp(name, "extent") == 0) {
        (void)pair_read(reader, value, &look->w, &look->h);
    } else if (strcmp(name, "writingMode") == 0) {
        look->writing = !strcmp(value, "tbrl") || !strcmp(value, "tb") ? KN_WRITING_VERTICAL_RL
            : !strcmp(value, "tblr")                                   ? KN_WRITING_VERTICAL_LR
                                                                       : KN_WRITING_HORIZONTAL;
    } else if (strcmp(name, "visibility") == 0) {
        look->is_hidden = strcmp(value, "hidden") == 0;
    } else if (strcmp(name, "display") == 0) {
        look->is_hidden = strcmp(value, "none") == 0;
    } else if (strcmp(name, "forcedDisplay") == 0) { // IMSC 1.1, 8.2
        look->is_forced = strcmp(value, "true") == 0;
    } else if (strcmp(name, "ruby") == 0) {
        ruby_apply(look, value);
    }
}

static void look_apply(struct reader *reader, struct look *look, const xmlNode *node, int depth);

static void references_apply(struct reader *reader, struct look *look, const char *ids, int depth)
{
    char id[128];
    for (const char *at = ids + strspn(ids, " \t\r\n"); *at; at += strspn(at, " \t\r\n")) {
        const size_t n = strcspn(at, " \t\r\n");
        if (n < sizeof(id)) {
            memcpy(id, at, n);
            id[n] = '\0';
            const xmlNode *style = xmlHashLookup(reader->ids, (const xmlChar *)id);
            if (style)
                look_apply(reader, look, style, depth + 1);
        }
        at += n;
    }
}

// What a node refers to, then what it says itself; a region's own styles may be its children.
static void look_apply(struct reader *reader, struct look *look, const xmlNode *node, int depth)
{
    if (depth > MAX_STYLE_DEPTH || reader->style_steps++ > MAX_STYLE_STEPS)
        return;
    kn_auto(xml_text_free) char *styles = attribute(node, "style");
    if (styles)
        references_apply(reader, look, styles, depth);
    for (const xmlNode *child = node_is(node, "region") ? node->children : NULL; child; child = child->next)
        if (node_is(child, "style"))
            look_apply(reader, look, child, depth + 1);
    for (const xmlAttr *at = node->properties; at; at = at->next) {
        kn_auto(xml_text_free) char *value = (char *)xmlNodeListGetString(node->doc, at->children, 1);
        if (!value)
            continue;
        const char *name = (const char *)at->name;
        if (at->ns && at->ns->prefix && strcmp((const char *)at->ns->prefix, "xml") == 0) {
            if (strcmp(name, "space") == 0)
                look->is_preserved = strcmp(value, "preserve") == 0;
            else if (strcmp(name, "lang") == 0 && depth == 0)
                look->language = *value ? kn_arena_strdup(&reader->list->arena, value) : NULL;
        } else if (at->ns) {
            property_apply(reader, look, name, value);
        }
    }
}

// An element of content: what it inherits, its region, its styles.
static struct look look_of(struct reader *reader, const xmlNode *node, const struct look *parent)
{
    struct look look = *parent;
    look.ruby = RUBY_NONE;
    kn_auto(xml_text_free) char *region = attribute(node, "region");
    const xmlNode *at = region ? xmlHashLookup(reader->ids, (const xmlChar *)region) : NULL;
    if (at)
        look_apply(reader, &look, at, 1);
    look_apply(reader, &look, node, 0);
    return look;
}

/* ---- text ---- */
// White space collapses as in HTML unless it is preserved (xml:space).
static void text_add(struct reader *reader, const struct look *look, const char *text)
{
    reader->builder.look.style = look->style;
    for (; *text; text++) {
        const bool is_space = kn_caption_is_space(*text) && !look->is_preserved;
        if (is_space && reader->was_space)
            continue;
        const char c = is_space ? ' ' : *text;
        if (look->ruby == RUBY_TEXT)
            kn_buf_putc(&reader->ruby, c);
        else
            kn_cue_builder_text(&reader->builder, &c, 1);
        reader->was_space = is_space;
    }
}

static bool has_timed_child(const xmlNode *node, int depth)
{
    for (const xmlNode *child = node->children; child && depth < MAX_DEPTH; child = child->next)
        if (child->type == XML_ELEMENT_NODE && (is_timed(child) || has_timed_child(child, depth + 1)))
            return true;
    return false;
}

// All text below a node that has no time of its own.
static void content_add(struct reader *reader, const xmlNode *node, const struct look *look, int depth)
{
    for (const xmlNode *child = node->children; child && depth < MAX_DEPTH; child = child->next) {
        if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE) {
            if (!look->is_hidden && look->ruby != RUBY_DELIMITER && child->content)
                text_add(reader, look, (const char *)child->content);
        } else if (node_is(child, "br")) {
            kn_cue_builder_text(&reader->builder, "\n", 1);
            reader->was_space = true;
        } else if (node_is(child, "span") && !is_timed(child)) {
            const struct look inner = look_of(reader, child, look);
            if (inner.ruby == RUBY_BASE)
                kn_cue_builder_cut(&reader->builder, NULL);
            content_add(reader, child, &inner, depth + 1);
            if (inner.ruby == RUBY_TEXT) {
                kn_cue_builder_cut(&reader->builder, kn_buf_text(&reader->ruby));
                kn_buf_reset(&reader->ruby);
            }
        }
    }
}

static void place_set(struct kn_cue_place *place, const struct look *look)
{
    const bool has_region = !isnan(look->x) && !isnan(look->w);
    int column = look->column >= 0 ? look->column : 1;
    int row = look->row >= 0 ? look->row : has_region ? 2 : 0;
    if (look->writing != KN_WRITING_HORIZONTAL) { // textAlign counts from above, displayAlign from the first line's side
        const int line = look->row >= 0 ? look->row : 2;
        row = look->column >= 0 ? 2 - look->column : 2;
        column = look->writing == KN_WRITING_VERTICAL_RL ? line : 2 - line;
    }
    place->writing = look->writing;
    place->anchor = row * 3 + column + 1;
    if (!has_region)
        return;
    const double x = look->x + look->w * column / 2, y = look->y + look->h * (2 - row) / 2;
    // Bottom centre, where a player would put it anyhow, is no place worth saying.
    if (place->anchor == 2 && y >= 0.8 && fabs(x - 0.5) < 0.02)
        return;
    place->x = x;
    place->y = fmin(1, y);
}

// Blanks before and after line ends are layout of the document.
static void line_ends_trim(struct kn_cue_list *list, struct kn_cue *cue)
{
    for (size_t i = 0; i < cue->n_runs; i++) {
        const char *text = cue->runs[i].text;
        char *copy = kn_arena_alloc(&list->arena, strlen(text) + 1);
        size_t n = 0;
        if (!copy)
            return;
        for (const char *at = text; *at; at++) {
            while (*at == '\n' && n && copy[n - 1] == ' ')
                n--;
            if (*at == ' ' && (n ? copy[n - 1] == '\n' : i == 0))
                continue;
            copy[n++] = *at;
        }
        while (i + 1 == cue->n_runs && n && copy[n - 1] == ' ')
            n--;
        copy[n] = '\0';
        cue->runs[i].text = copy;
    }
}

// A cue of the sample before that goes on in this one.
static bool extended(struct kn_cue_list *list, const struct kn_cue *cue)
{
    for (size_t back = 2; back <= LOOK_BACK && back <= list->n_cues; back++) {
        struct kn_cue *before = &list->cues[list->n_cues - back];
        if (before->end_us == cue->start_us && kn_cue_equal(before, cue)) {
            before->end_us = cue->end_us;
            return true;
        }
    }
    return false;
}

static kn_code cue_end(struct reader *reader, const xmlNode *node, struct span span, const struct look *look)
{
    struct kn_cue_list *list = reader->list;
    struct kn_cue *cue;
    if (reader->from_us != KN_NO_TIME && span.begin_us < reader->from_us)
        span.begin_us = reader->from_us;
    if (reader->to_us != KN_NO_TIME && (span.end_us == KN_NO_TIME || span.end_us > reader->to_us))
        span.end_us = reader->to_us;
    const bool is_outside = reader->from_us != KN_NO_TIME && span.end_us != KN_NO_TIME &&
        span.end_us <= span.begin_us;
    kn_code rc = kn_cue_list_add(list, &cue, reader->err);
    if (rc != KN_OK)
        return rc;
    rc = kn_cue_builder_finish(&reader->builder, cue, reader->err);
    if (rc != KN_OK)
        return rc;
    if (!look->is_preserved)
        line_ends_trim(list, cue);
    cue->start_us = span.begin_us;
    cue->end_us = span.end_us;
    cue->language = look->language;
    cue->is_forced = look->is_forced;
    place_set(&cue->place, look);
    kn_auto(xml_text_free) char *id = (char *)xmlGetNsProp((xmlNodePtr)node, (const xmlChar *)"id", XML_XML_NAMESPACE);
    cue->id = kn_arena_strdup(&list->arena, id);
    bool has_text = false;
    for (size_t i = 0; i < cue->n_runs; i++)
        has_text = has_text || strspn(cue->runs[i].text, " \n") < strlen(cue->runs[i].text);
    if (!has_text || is_outside || (reader->from_us != KN_NO_TIME && extended(list, cue)))
        list->n_cues--;
    return KN_OK;
}

/* ---- elements ---- */
static kn_code timed_read(struct reader *reader, const xmlNode *node, struct span span,
                          const struct look *look, int depth);

// A <p>, or a <span> with times: its untimed text is one cue, timed elements within are cues of their own.
static kn_code paragraph_read(struct reader *reader, const xmlNode *node, struct span span,
                              const struct look *look, int depth)
{
    reader->was_space = true;
    content_add(reader, node, look, depth);
    kn_code rc = cue_end(reader, node, span, look);
    return rc == KN_OK && has_timed_child(node, depth) ? timed_read(reader, node, span, look, depth) : rc;
}

static kn_code timed_read(struct reader *reader, const xmlNode *node, struct span span,
                          const struct look *look, int depth)
{
    kn_code rc = KN_OK;
    for (const xmlNode *child = node->children; rc == KN_OK && child && depth < MAX_DEPTH; child = child->next) {
        const bool has_time = node_is(child, "span") && is_timed(child);
        if (!has_time && !(node_is(child, "span") && has_timed_child(child, depth)))
            continue;
        const struct look inner = look_of(reader, child, look);
        if (has_time)
            rc = paragraph_read(reader, child, span_of(reader, child, span), &inner, depth + 1);
        else
            rc = timed_read(reader, child, span, &inner, depth + 1);
    }
    return rc;
}

static kn_code container_read(struct reader *reader, const xmlNode *node, struct span span,
                              const struct look *look, int depth)
{
    kn_code rc = KN_OK;
    for (const xmlNode *child = node->children; rc == KN_OK && child && depth < MAX_DEPTH; child = child->next) {
        if (!node_is(child, "div") && !node_is(child, "p") && !node_is(child, "body"))
            continue;
        const struct look inner = look_of(reader, child, look);
        const struct span own = span_of(reader, child, span);
        for (const xmlAttr *at = child->properties; at; at = at->next)
            if (strcmp((const char *)at->name, "backgroundImage") == 0)
                kn_cue_list_warn(reader->list, (int)xmlGetLineNo(child), "a caption that is a picture");
        if (node_is(child, "p"))
            rc = paragraph_read(reader, child, own, &inner, depth + 1);
        else
            rc = container_read(reader, child, own, &inner, depth + 1);
    }
    return rc;
}

static void ids_collect(struct reader *reader, const xmlNode *node, int depth)
{
    for (const xmlNode *child = node->children; child && depth < MAX_DEPTH; child = child->next) {
        if (child->type != XML_ELEMENT_NODE)
            continue;
        if (node_is(child, "style") || node_is(child, "region")) {
            kn_auto(xml_text_free) char *id =
                (char *)xmlGetNsProp((xmlNodePtr)child, (const xmlChar *)"id", XML_XML_NAMESPACE);
            if (!id)
                id = attribute(child, "id");
            if (id)
                (void)xmlHashAddEntry(reader->ids, (const xmlChar *)id, (void *)child);
        }
        ids_collect(reader, child, depth + 1);
    }
}

static void parameters_read(struct reader *reader, const xmlNode *root)
{
    kn_auto(xml_text_free) char *rate = attribute(root, "frameRate");
    kn_auto(xml_text_free) char *multiplier = attribute(root, "frameRateMultiplier");
    kn_auto(xml_text_free) char *ticks = attribute(root, "tickRate");
    kn_auto(xml_text_free) char *subs = attribute(root, "subFrameRate");
    kn_auto(xml_text_free) char *cells = attribute(root, "cellResolution");
    kn_auto(xml_text_free) char *extent = attribute(root, "extent");
    double a, b;
    reader->frame_rate = positive(rate, 30);
    if (multiplier && sscanf(multiplier, "%lf%*[ :]%lf", &a, &b) == 2 && a > 0 && b > 0)
        reader->frame_rate *= a / b;
    reader->sub_frames = positive(subs, 1);
    reader->tick_rate = positive(ticks, rate ? reader->frame_rate * reader->sub_frames : 1);
    reader->cells_w = 32;
    reader->cells_h = 15;
    if (cells && sscanf(cells, "%lf %lf", &a, &b) == 2 && a > 0 && b > 0) {
        reader->cells_w = a;
        reader->cells_h = b;
    }
    if (extent && sscanf(extent, "%lfpx %lfpx", &a, &b) == 2 && a > 0 && b > 0 && a < 1e5 && b < 1e5) {
        reader->frame_w = a;
        reader->frame_h = b;
    }
}

static kn_code root_read(struct reader *reader, const xmlNode *root)
{
    struct look look = {.column = -1, .row = -1, .x = NAN, .y = NAN, .w = NAN, .h = NAN};
    parameters_read(reader, root);
    ids_collect(reader, root, 0);
    look_apply(reader, &look, root, 0);
    if (look.language && !reader->list->track.language[0])
        (void)kn_copy(reader->list->track.language, sizeof(reader->list->track.language), look.language);
    look.language = NULL;
    look.w = look.h = NAN; // of the frame, not of a region
    return container_read(reader, root, (struct span){.begin_us = 0, .end_us = KN_NO_TIME}, &look, 0);
}

static kn_code document_read(struct reader *reader, const char *text, size_t n)
{
    xmlDoc *doc = NULL;
    kn_code rc = kn_caption_xml(&doc, text, n, reader->err);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (root && !node_is(root, "tt"))
        rc = kn_fail(reader->err, KN_EMEDIA, "no TTML document: there is no <tt> in it");
    reader->ids = rc == KN_OK ? xmlHashCreate(0) : NULL;
    if (rc == KN_OK && !reader->ids)
        rc = kn_fail(reader->err, KN_ENOMEM, "no memory for styles");
    if (rc == KN_OK)
        rc = root_read(reader, root);
    if (reader->ids)
        xmlHashFree(reader->ids, NULL);
    if (doc)
        xmlFreeDoc(doc);
    return rc;
}

kn_code kn_ttml_sample(struct kn_cue_list *list, const char *text, size_t n, int64_t start_us,
                       int64_t end_us, struct kn_error *err)
{
    struct reader reader = {.list = list, .from_us = start_us, .to_us = end_us, .err = err};
    kn_cue_builder_init(&reader.builder, list);
    kn_code rc = document_read(&reader, text, n);
    kn_cue_builder_clear(&reader.builder);
    kn_buf_clear(&reader.ruby);
    return rc;
}

kn_code kn_ttml_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err)
{
    list->codec = KN_CAPTION_TTML;
    return kn_ttml_sample(list, text, n, KN_NO_TIME, KN_NO_TIME, err);
}
