#pragma once
/*
 * Text of caption files: what it is encoded in, its lines, its characters.
 *
 * Which encoding a file has, by this rule (spec 08, 9.4):
 *   1. a byte order mark says UTF-8, UTF-16 or UTF-32;
 *   2. zeros in every other byte say UTF-16 without one;
 *   3. well-formed UTF-8 is UTF-8, and UTF-8 that was taken for Windows-1252 and encoded once more is
 *      put right;
 *   4. else the detector (uchardet) and the code page that the language was written in: whichever
 *      decodes the whole file, the language's first where the detector sees Western letters; a few
 *      words that are GB 2312's frequent characters are Chinese;
 *   5. else Windows-1252.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/*
 * Append `bytes` to `out` as UTF-8 without byte order mark; NUL becomes U+FFFD.
 *
 *   language      ISO 639 code or BCP 47 tag, as a hint; NULL when unknown
 *   out_encoding  what was chosen ("UTF-8", "GB18030", "UTF-8 encoded twice"); at least 40 bytes
 */
kn_code kn_caption_decode(struct kn_buf *out, const void *bytes, size_t n, const char *language,
                          char out_encoding[40], struct kn_error *err);

/* UTF-8 of one character; what is no character becomes U+FFFD. */
void kn_caption_put(struct kn_buf *out, uint32_t character);
/* The same into four bytes: how many it took. */
size_t kn_caption_utf8(char out[4], uint32_t character);
/* The character at `text` and its length in bytes (1 and U+FFFD when malformed); n > 0. */
uint32_t kn_caption_character(const char *text, size_t n, size_t *out_n);
/* What a byte means in Windows-1252; the five it leaves undefined stay as they are. */
uint32_t kn_caption_windows_1252(uint8_t byte);
/* Of the tags' and entities' kind: ASCII white space. */
static inline bool kn_caption_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* Lines ended by LF, CR or CR LF; the last one may lack its end. */
struct kn_lines {
    const char *at, *end; // borrowed
    int number;           // of the line last given, from 1
};

struct kn_line {
    const char *text; // borrowed; without its end
    size_t n;
};

static inline struct kn_lines kn_lines_of(const char *text, size_t n)
{
    return (struct kn_lines){.at = text, .end = text + n};
}
bool kn_lines_next(struct kn_lines *lines, struct kn_line *out_line);
/* Whether there is nothing but white space. */
bool kn_line_is_blank(struct kn_line line);
/* Without white space at both ends. */
struct kn_line kn_line_trim(struct kn_line line);
/* Whether it begins with `prefix`, ASCII case ignored. */
bool kn_line_begins(struct kn_line line, const char *prefix);
/* Where a word first is in it, or NULL. */
const char *kn_line_find(struct kn_line line, const char *word);

/* A colour as HTML has it: "#rgb", "#rrggbb", "#rrggbbaa", "rrggbb", "rgb(…)", a name. */
bool kn_caption_colour(const char *text, size_t n, uint32_t *out_rgb);
