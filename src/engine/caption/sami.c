/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file is a row of blocks, each from a SYNC to the next, and a block a row of paragraphs, from a P to the next.
 * What stands before the first SYNC is the head.
 */
#include "engine/caption/sami.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/strings.h"
#include "engine/caption/text.h"

// How far the name of the format may be from the beginning: a mark, blanks, a document type.
#define HEAD_BYTES 1024

// A stretch of the file.
struct part {
    const char *from, *end;
};

/* ---- the file's parts ---- */
static bool is_tag(const char *at, const char *end, const char *name)
{
    const size_t n = strlen(name);
    return (size_t)(end - at) > n + 1 && *at == '<' && strncasecmp(at + 1, name, n) == 0 &&
        (kn_caption_is_space(at[n + 1]) || at[n + 1] == '>');
}

// The next tag of that name from `at` on, or `end`.
static const char *tag_find(const char *at, const char *end, const char *name)
{
    for (; at < end && (at = memchr(at, '<', (size_t)(end - at))); at++)
        if (is_tag(at, end, name))
            return at;
    return end;
}

// The part behind `part`, to where the next of its tag begins; false behind the last.
static bool part_next(struct part *part, const char *end, const char *name)
{
    part->from = part->end;
    if (part->from >= end)
        return false;
    part->end = tag_find(part->from + 1, end, name);
    return true;
}

// The class a paragraph names, "" when it names none.
static void class_read(struct part paragraph, char out[32])
{
    const char *close = memchr(paragraph.from, '>', (size_t)(paragraph.end - paragraph.from));
    const char *end = close ? close : paragraph.end;
    out[0] = '\0';
    for (const char *at = paragraph.from; at + 6 < end; at++) {
        if (!kn_caption_is_space(*at) || strncasecmp(at + 1, "class", 5) != 0)
            continue;
        for (at += 6; at < end && kn_caption_is_space(*at); at++)
            ;
        if (at == end || *at != '=')
            continue;
        for (at++; at < end && (kn_caption_is_space(*at) || *at == '"' || *at == '\''); at++)
            ;
        size_t n = 0;
        while (at + n < end && !kn_caption_is_space(at[n]) && at[n] != '"' && at[n] != '\'')
            n++;
        (void)snprintf(out, 32, "%.*s", (int)(n < 31 ? n : 31), at);
        return;
    }
}

// Whether anything of it is shown: not only tags, blanks and blanks that do not break.
static bool is_seen(struct part paragraph)
{
    for (const char *at = paragraph.from; at < paragraph.end; at++) {
        const size_t left = (size_t)(paragraph.end - at);
        if (*at == '<') {
            at = memchr(at, '>', left);
            if (!at)
                return false;
        } else if (left >= 6 && strncasecmp(at, "&nbsp;", 6) == 0) {
            at += 5;
        } else if (!kn_caption_is_space(*at)) {
            return true;
        }
    }
    return false;
}

/* ---- what the style says of a class ---- */
static void word_read(struct part rule, const char *word, char *out, size_t size)
{
    const size_t n_word = strlen(word);
    for (const char *at = rule.from; at + n_word < rule.end; at++) {
        const bool is_begun = at == rule.from || at[-1] == ';' || at[-1] == '{' || kn_caption_is_space(at[-1]);
        if (!is_begun || strncasecmp(at, word, n_word) != 0)
            continue;
        const char *value = at + n_word;
        while (value < rule.end && kn_caption_is_space(*value))
            value++;
        if (value == rule.end || *value != ':')
            continue;
        const char *end = memchr(value, ';', (size_t)(rule.end - value));
        const struct kn_line line =
            kn_line_trim((struct kn_line){.text = value + 1, .n = (size_t)((end ? end : rule.end) - value - 1)});
        (void)snprintf(out, size, "%.*s", (int)(line.n < size ? line.n : size - 1), line.text);
        return;
    }
}

static void style_read(struct part head, struct kn_sami_class *class)
{
    const size_t n_name = strlen(class->name);
    for (const char *at = head.from; at + n_name < head.end && (at = memchr(at, '.', (size_t)(head.end - at))); at++) {
        if ((size_t)(head.end - at) <= n_name + 1 || strncasecmp(at + 1, class->name, n_name) != 0)
            continue;
        const char *open = at + 1 + n_name;
        while (open < head.end && kn_caption_is_space(*open))
            open++;
        const char *close = open < head.end && *open == '{' ? memchr(open, '}', (size_t)(head.end - open)) : NULL;
        if (!close)
            continue;
        word_read((struct part){open, close}, "lang", class->language, sizeof(class->language));
        word_read((struct part){open, close}, "Name", class->title, sizeof(class->title));
        if (!kn_is_utf8(class->title, strlen(class->title)))
            class->title[0] = '\0'; // was cut within a character
        return;
    }
}

/* ---- for the callers ---- */
bool kn_sami_is_one(const char *bytes, size_t n)
{
    static const char name[] = "<SAMI";
    size_t met = 0;
    for (size_t i = 0; i < n && i < HEAD_BYTES; i++) {
        if (bytes[i] == '\0')
            continue; // UTF-16
        met = (bytes[i] & ~32) == (name[met] & ~32) ? met + 1 : (bytes[i] & ~32) == (name[0] & ~32);
        if (name[met] == '\0')
            return true;
    }
    return false;
}

size_t kn_sami_classes(const char *text, size_t n, struct kn_sami_class out[KN_MAX_SAMI_CLASSES])
{
    const char *end = text + n;
    const struct part head = {text, tag_find(text, end, "SYNC")};
    struct part block = {.end = head.end};
    size_t n_classes = 0;
    while (part_next(&block, end, "SYNC")) {
        struct part paragraph = {.end = tag_find(block.from, block.end, "P")};
        while (part_next(&paragraph, block.end, "P")) {
            char name[32];
            size_t i = 0;
            class_read(paragraph, name);
            while (i < n_classes && !kn_equal_nocase(out[i].name, name))
                i++;
            if (!name[0] || i < n_classes || !is_seen(paragraph))
                continue;
            if (n_classes == KN_MAX_SAMI_CLASSES)
                return 0;
            out[n_classes] = (struct kn_sami_class){0};
            (void)kn_copy(out[n_classes].name, sizeof(out->name), name);
            style_read(head, &out[n_classes++]);
        }
    }
    return n_classes;
}

void kn_sami_keep(struct kn_buf *out, const char *text, size_t n, const char *class_name)
{
    const char *end = text + n;
    struct part block = {.end = tag_find(text, end, "SYNC")};
    kn_buf_add(out, text, (size_t)(block.end - text));
    while (part_next(&block, end, "SYNC")) {
        struct part paragraph = {.end = tag_find(block.from, block.end, "P")};
        // Text before the first paragraph is everybody's; a SYNC with nothing for this class does not exist for it.
        const struct part open = {block.from, paragraph.end};
        bool is_written = paragraph.end == block.end || is_seen(open);
        if (is_written)
            kn_buf_add(out, open.from, (size_t)(open.end - open.from));
        while (part_next(&paragraph, block.end, "P")) {
            char name[32];
            class_read(paragraph, name);
            if (name[0] && !kn_equal_nocase(name, class_name))
                continue;
            if (!is_written)
                kn_buf_add(out, open.from, (size_t)(open.end - open.from));
            is_written = true;
            kn_buf_add(out, paragraph.from, (size_t)(paragraph.end - paragraph.from));
        }
    }
}
