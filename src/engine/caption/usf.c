/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *     <USFSubtitles><styles><style name="…"><fontstyle …/><position …/></style></styles>
 *       <subtitles><subtitle start="hh:mm:ss.mmm" stop="…"><text style="…" alignment="…">…</text></subtitle>
 *
 * A style named "Default" is what the others and all texts begin with.
 */
#include "engine/caption/usf.h"

#include <stdlib.h>
#include <string.h>

#include <libxml/tree.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/builder.h"
#include "engine/caption/text.h"
#include "engine/caption/xml.h"

#define MAX_STYLES 1000
#define MAX_DEPTH 32 // of elements in a text

struct look {
    struct kn_cue_style style;
    int anchor; // 0 unsaid
};

struct kn_usf {
    struct {
        const char *name;
        struct look look;
    } *styles; // in the list's arena
    size_t n_styles;
};

struct reader {
    struct kn_cue_list *list;
    const struct kn_usf *usf;
    struct kn_cue_builder builder;
    int64_t karaoke_us; // from the cue's start; KN_NO_TIME before the first <k>
    struct kn_error *err;
};

/* ---- XML ---- */
static void doc_free(xmlDoc **doc)
{
    if (*doc)
        xmlFreeDoc(*doc);
    *doc = NULL;
}

static void xml_text_free(char **text)
{
    if (*text)
        xmlFree(*text);
    *text = NULL;
}

static char *attribute(const xmlNode *node, const char *name)
{
    return (char *)xmlGetProp((xmlNodePtr)node, (const xmlChar *)name);
}

static bool node_is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && kn_equal_nocase((const char *)node->name, name);
}

/* ---- looks ---- */
static int anchor_named(const char *name)
{
    static const char *const names[] = {"BottomLeft", "BottomCenter", "BottomRight", "MiddleLeft", "MiddleCenter",
                                        "MiddleRight", "TopLeft", "TopCenter", "TopRight"};
    for (size_t i = 0; i < KN_COUNT(names); i++)
        if (kn_equal_nocase(name, names[i]))
            return (int)i + 1;
    return 0;
}

static bool is_yes(const char *word)
{
    return kn_equal_nocase(word, "yes") || kn_equal_nocase(word, "bold") || kn_equal_nocase(word, "true");
}

// <fontstyle>, and <font> within a text.
static void font_apply(struct kn_cue_list *list, struct kn_cue_style *style, const xmlNode *node)
{
    kn_auto(xml_text_free) char *face = attribute(node, "face");
    kn_auto(xml_text_free) char *colour = attribute(node, "color");
    kn_auto(xml_text_free) char *weight = attribute(node, "weight");
    kn_auto(xml_text_free) char *italic = attribute(node, "italic");
    kn_auto(xml_text_free) char *underline = attribute(node, "underline");
    if (face && *face)
        style->font = kn_arena_strdup(&list->arena, face);
    if (colour && kn_caption_colour(colour, strlen(colour), &style->colour))
        style->has_colour = style->colour != 0xFFFFFF;
    style->colour = style->has_colour ? style->colour : 0;
    style->is_bold = weight ? is_yes(weight) : style->is_bold;
    style->is_italic = italic ? is_yes(italic) : style->is_italic;
    style->is_underline = underline ? is_yes(underline) : style->is_underline;
}

static struct look look_named(const struct kn_usf *usf, const char *name)
{
    for (size_t i = 0; usf && name && i < usf->n_styles; i++)
        if (kn_equal_nocase(usf->styles[i].name, name))
            return usf->styles[i].look;
    return (struct look){0};
}

static void style_read(struct kn_cue_list *list, struct kn_usf *usf, const xmlNode *node)
{
    kn_auto(xml_text_free) char *name = attribute(node, "name");
    struct look look = look_named(usf, "Default");
    for (const xmlNode *child = node->children; child; child = child->next) {
        kn_auto(xml_text_free) char *alignment = node_is(child, "position") ? attribute(child, "alignment") : NULL;
        if (node_is(child, "fontstyle"))
            font_apply(list, &look.style, child);
        look.anchor = alignment ? anchor_named(alignment) : look.anchor;
    }
    look.style.font = NULL; // a style's font says how the author's screen looked, not how a word differs
    const char *kept = name ? kn_arena_strdup(&list->arena, name) : NULL;
    if (kept && usf->n_styles < MAX_STYLES) {
        usf->styles[usf->n_styles].name = kept;
        usf->styles[usf->n_styles++].look = look;
    }
}

static void styles_read(struct kn_cue_list *list, struct kn_usf *usf, const xmlNode *root)
{
    for (const xmlNode *styles = root->children; styles; styles = styles->next)
        for (const xmlNode *style = node_is(styles, "styles") ? styles->children : NULL; style; style = style->next)
            if (node_is(style, "style"))
                style_read(list, usf, style);
}

/* ---- texts ---- */
// White space with a line end in it is one blank: line breaks are <br/>.
static void words_add(struct reader *reader, const char *text)
{
    for (size_t n = strlen(text); n > 0;) {
        size_t space = 0;
        bool has_end = false;
        for (; space < n && kn_caption_is_space(text[space]); space++)
            has_end = has_end || text[space] == '\n' || text[space] == '\r';
        kn_cue_builder_text(&reader->builder, has_end ? " " : text, has_end ? 1 : space);
        text += space;
        n -= space;
        size_t word = 0;
        while (word < n && !kn_caption_is_space(text[word]))
            word++;
        kn_cue_builder_text(&reader->builder, text, word);
        text += word;
        n -= word;
    }
}

static void karaoke_apply(struct reader *reader, const xmlNode *node)
{
    kn_auto(xml_text_free) char *length = attribute(node, "t");
    int64_t ms;
    const int64_t now_us = reader->karaoke_us == KN_NO_TIME ? 0 : reader->karaoke_us;
    reader->builder.look.karaoke_us = now_us;
    reader->karaoke_us = now_us + (length && kn_parse_int(length, 0, 3600000, &ms) ? ms * 1000 : 0);
}

static void text_read(struct reader *reader, const xmlNode *node, struct kn_cue_style style, int depth)
{
    for (const xmlNode *child = node->children; child && depth < MAX_DEPTH; child = child->next) {
        struct kn_cue_style own = style;
        reader->builder.look.style = style;
        if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE) {
            words_add(reader, (const char *)child->content);
            continue;
        }
        if (child->type != XML_ELEMENT_NODE || node_is(child, "image"))
            continue;
        if (node_is(child, "br"))
            kn_cue_builder_text(&reader->builder, "\n", 1);
        if (node_is(child, "k"))
            karaoke_apply(reader, child);
        if (node_is(child, "font"))
            font_apply(reader->list, &own, child);
        own.is_bold = own.is_bold || node_is(child, "b");
        own.is_italic = own.is_italic || node_is(child, "i");
        own.is_underline = own.is_underline || node_is(child, "u");
        text_read(reader, child, own, depth + 1);
    }
}

static kn_code cue_add(struct reader *reader, const xmlNode *node, int64_t start_us, int64_t end_us)
{
    kn_auto(xml_text_free) char *style = attribute(node, "style");
    kn_auto(xml_text_free) char *alignment = attribute(node, "alignment");
    kn_auto(xml_text_free) char *speaker = attribute(node, "speaker");
    const struct look look = look_named(reader->usf, style ? style : "Default");
    struct kn_cue *cue;
    const kn_code rc = kn_cue_list_add(reader->list, &cue, reader->err);
    if (rc != KN_OK)
        return rc;
    const int anchor = alignment ? anchor_named(alignment) : look.anchor;
    cue->start_us = start_us;
    cue->end_us = end_us;
    cue->place.anchor = anchor == 2 ? 0 : anchor;
    cue->speaker = speaker && *speaker ? kn_arena_strdup(&reader->list->arena, speaker) : NULL;
    reader->karaoke_us = KN_NO_TIME;
    text_read(reader, node, look.style, 0);
    return kn_cue_builder_finish(&reader->builder, cue, reader->err);
}

static kn_code texts_read(struct reader *reader, const xmlNode *parent, int64_t start_us, int64_t end_us)
{
    kn_code rc = KN_OK;
    for (const xmlNode *child = parent->children; rc == KN_OK && child; child = child->next)
        if (node_is(child, "text") || node_is(child, "karaoke"))
            rc = cue_add(reader, child, start_us, end_us);
    return rc;
}

kn_code kn_usf_header(struct kn_cue_list *list, struct kn_usf **out_usf, const char *text, size_t n,
                      struct kn_error *err)
{
    kn_auto(doc_free) xmlDoc *doc = NULL;
    if (n)
        (void)kn_caption_xml(&doc, text, n, NULL); // without it the texts have no looks
    struct kn_usf *usf = KN_ARENA_NEW(&list->arena, struct kn_usf);
    if (usf)
        usf->styles = kn_arena_array(&list->arena, MAX_STYLES, sizeof(*usf->styles));
    if (!usf || !usf->styles)
        return kn_fail(err, KN_ENOMEM, "no memory for styles");
    if (doc)
        styles_read(list, usf, xmlDocGetRootElement(doc));
    *out_usf = usf;
    return KN_OK;
}

kn_code kn_usf_packet(struct kn_cue_list *list, const struct kn_usf *usf, const char *text, size_t n,
                      int64_t start_us, int64_t end_us, struct kn_error *err)
{
    // A block may hold several <text>s, so it needs a root.
    kn_auto(kn_buf_clear) struct kn_buf whole = {0};
    kn_buf_add(&whole, "<usf>", 5);
    kn_buf_add(&whole, text, n);
    kn_buf_add(&whole, "</usf>", 6);
    if (!kn_buf_ok(&whole))
        return kn_fail(err, KN_ENOMEM, "no memory for a caption");
    kn_auto(doc_free) xmlDoc *doc = NULL;
    struct kn_error reason = {0};
    if (kn_caption_xml(&doc, kn_buf_text(&whole), whole.len, &reason) != KN_OK) {
        kn_cue_list_warn(list, 0, "the caption at %.3f s is no USF: %s", (double)start_us / KN_SECOND, reason.message);
        return KN_OK;
    }
    struct reader reader = {.list = list, .usf = usf, .err = err};
    const xmlNode *root = xmlDocGetRootElement(doc), *inner = root->children;
    kn_cue_builder_init(&reader.builder, list);
    kn_code rc = texts_read(&reader, inner && !inner->next && node_is(inner, "subtitle") ? inner : root, start_us, end_us);
    kn_cue_builder_clear(&reader.builder);
    return rc;
}

/* ---- files ---- */
// hh:mm:ss.mmm, or seconds; KN_NO_TIME when it is none.
static int64_t time_read(const char *text)
{
    double part[3], seconds = 0;
    int n = 0;
    for (const char *at = text; at && n < 3; n++) {
        char *end;
        part[n] = strtod(at, &end);
        if (end == at || !(part[n] >= 0) || part[n] > 1e6)
            return KN_NO_TIME;
        at = *end == ':' ? end + 1 : NULL;
    }
    for (int i = 0; i < n; i++)
        seconds = seconds * 60 + part[i];
    return n > 0 && seconds < 1e6 ? (int64_t)(seconds * KN_SECOND + 0.5) : KN_NO_TIME;
}

static kn_code subtitle_read(struct reader *reader, const xmlNode *node)
{
    kn_auto(xml_text_free) char *start = attribute(node, "start");
    kn_auto(xml_text_free) char *stop = attribute(node, "stop");
    kn_auto(xml_text_free) char *length = attribute(node, "duration");
    const int64_t start_us = time_read(start), length_us = time_read(length);
    if (start_us == KN_NO_TIME) {
        kn_cue_list_warn(reader->list, (int)xmlGetLineNo((xmlNodePtr)node), "a subtitle without a time is left out");
        return KN_OK;
    }
    return texts_read(reader, node, start_us, length_us != KN_NO_TIME ? start_us + length_us : time_read(stop));
}

kn_code kn_usf_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err)
{
    kn_auto(doc_free) xmlDoc *doc = NULL;
    struct kn_usf *usf;
    list->codec = KN_CAPTION_USF;
    kn_code rc = kn_caption_xml(&doc, text, n, err);
    if (rc != KN_OK)
        return rc;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (!node_is(root, "USFSubtitles"))
        return kn_fail(err, KN_EMEDIA, "no USF document: there is no <USFSubtitles> in it");
    rc = kn_usf_header(list, &usf, NULL, 0, err);
    if (rc != KN_OK)
        return rc;
    styles_read(list, usf, root);
    struct reader reader = {.list = list, .usf = usf, .err = err};
    kn_cue_builder_init(&reader.builder, list);
    for (const xmlNode *part = root->children; part; part = part->next)
        for (const xmlNode *child = node_is(part, "subtitles") ? part->children : NULL; rc == KN_OK && child;
             child = child->next)
            if (node_is(child, "subtitle"))
                rc = subtitle_read(&reader, child);
    kn_cue_builder_clear(&reader.builder);
    return rc;
}
