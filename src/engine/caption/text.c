/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/text.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/guess.h"

#define REPLACEMENT 0xFFFDu

/* ---- characters ---- */
size_t kn_caption_utf8(char out[4], uint32_t c)
{
    if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        c = REPLACEMENT;
    size_t n = 0;
    if (c < 0x80) {
        out[n++] = (char)c;
    } else if (c < 0x800) {
        out[n++] = (char)(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        out[n++] = (char)(0xE0 | c >> 12);
        out[n++] = (char)(0x80 | (c >> 6 & 0x3F));
    } else {
        out[n++] = (char)(0xF0 | c >> 18);
        out[n++] = (char)(0x80 | (c >> 12 & 0x3F));
        out[n++] = (char)(0x80 | (c >> 6 & 0x3F));
    }
    if (c >= 0x80)
        out[n++] = (char)(0x80 | (c & 0x3F));
    return n;
}

void kn_caption_put(struct kn_buf *out, uint32_t c)
{
    char utf8[4];
    kn_buf_add(out, utf8, kn_caption_utf8(utf8, c));
}

uint32_t kn_caption_character(const char *text, size_t n, size_t *out_n)
{
    const unsigned char *at = (const unsigned char *)text;
    const size_t length = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    *out_n = 1;
    if (length == 1)
        return at[0];
    if (length > n || !kn_is_utf8(text, length))
        return REPLACEMENT;
    *out_n = length;
    uint32_t c = at[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++)
        c = c << 6 | (at[i] & 0x3F);
    return c;
}

static const uint16_t windows_1252[32] = { // 0x80 to 0x9F
    0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178,
};

uint32_t kn_caption_windows_1252(uint8_t byte)
{
    return byte >= 0x80 && byte < 0xA0 ? windows_1252[byte - 0x80] : byte;
}

/* ---- lines ---- */
bool kn_lines_next(struct kn_lines *lines, struct kn_line *out_line)
{
    if (lines->at >= lines->end)
        return false;
    const char *from = lines->at, *at = from;
    while (at < lines->end && *at != '\n' && *at != '\r')
        at++;
    *out_line = (struct kn_line){.text = from, .n = (size_t)(at - from)};
    if (at < lines->end)
        at += *at == '\r' && at + 1 < lines->end && at[1] == '\n' ? 2 : 1;
    lines->at = at;
    lines->number++;
    return true;
}

struct kn_line kn_line_trim(struct kn_line line)
{
    while (line.n && kn_caption_is_space(line.text[0])) {
        line.text++;
        line.n--;
    }
    while (line.n && kn_caption_is_space(line.text[line.n - 1]))
        line.n--;
    return line;
}

bool kn_line_is_blank(struct kn_line line)
{
    return kn_line_trim(line).n == 0;
}

bool kn_line_begins(struct kn_line line, const char *prefix)
{
    const size_t n = strlen(prefix);
    return line.n >= n && strncasecmp(line.text, prefix, n) == 0;
}

const char *kn_line_find(struct kn_line line, const char *word)
{
    return line.text ? memmem(line.text, line.n, word, strlen(word)) : NULL;
}

/* ---- colours ---- */
static bool hex_colour(const char *text, size_t n, uint32_t *out)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++) {
        const char c = (char)(text[i] | 32);
        if (!(text[i] >= '0' && text[i] <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
        value = value << 4 | (uint32_t)(text[i] <= '9' ? text[i] - '0' : c - 'a' + 10);
    }
    if (n == 3)
        value = (value >> 8 & 15) * 0x110000 + (value >> 4 & 15) * 0x1100 + (value & 15) * 0x11;
    else if (n == 8)
        value >>= 8;
    else if (n != 6)
        return false;
    *out = value;
    return true;
}

bool kn_caption_colour(const char *text, size_t n, uint32_t *out_rgb)
{
    // HTML's sixteen names, those of CEA-608 and TTML among them, and a few more that files use.
    static const struct {
        const char *name;
        uint32_t rgb;
    } names[] = {
        {"white", 0xFFFFFF},  {"black", 0x000000},  {"red", 0xFF0000},     {"lime", 0x00FF00},
        {"green", 0x008000},  {"blue", 0x0000FF},   {"yellow", 0xFFFF00},  {"cyan", 0x00FFFF},
        {"aqua", 0x00FFFF},   {"magenta", 0xFF00FF}, {"fuchsia", 0xFF00FF}, {"silver", 0xC0C0C0},
        {"gray", 0x808080},   {"grey", 0x808080},   {"maroon", 0x800000},  {"olive", 0x808000},
        {"purple", 0x800080}, {"teal", 0x008080},   {"navy", 0x000080},    {"orange", 0xFFA500},
        {"pink", 0xFFC0CB},   {"brown", 0xA52A2A},  {"gold", 0xFFD700},    {"violet", 0xEE82EE},
    };
    const struct kn_line word = kn_line_trim((struct kn_line){.text = text, .n = n});
    if (word.n && word.text[0] == '#')
        return hex_colour(word.text + 1, word.n - 1, out_rgb);
    for (size_t i = 0; i < KN_COUNT(names); i++)
        if (word.n == strlen(names[i].name) && kn_line_begins(word, names[i].name)) {
            *out_rgb = names[i].rgb;
            return true;
        }
    if (kn_line_begins(word, "rgb")) {
        char copy[64];
        unsigned r, g, b;
        (void)snprintf(copy, sizeof(copy), "%.*s", (int)word.n, word.text);
        if (sscanf(copy, "%*[rgbaRGBA](%3u,%3u,%3u", &r, &g, &b) != 3 || r > 255 || g > 255 || b > 255)
            return false;
        *out_rgb = r << 16 | g << 8 | b;
        return true;
    }
    return hex_colour(word.text, word.n, out_rgb);
}

/* ---- encodings ---- */
// Convert the whole of it; false when `encoding` is unknown or the bytes are not of it.
static bool converted(struct kn_buf *out, const char *encoding, const char *bytes, size_t n)
{
    iconv_t how = iconv_open("UTF-8", encoding);
    if (how == (iconv_t)-1)
        return false;
    const size_t before = out->len;
    char *in = (char *)bytes; // iconv() takes the input without const and leaves it alone
    bool is_whole = true;
    while (n && is_whole) {
        char part[4096];
        char *to = part;
        size_t room = sizeof(part);
        is_whole = iconv(how, &in, &n, &to, &room) != (size_t)-1 || errno == E2BIG;
        kn_buf_add(out, part, (size_t)(to - part));
    }
    (void)iconv_close(how);
    // glibc's UTF-8 goes beyond U+10FFFF, and the detector may have said UTF-8.
    is_whole = is_whole && kn_is_utf8(kn_buf_text(out) + before, out->len - before);
    if (!is_whole && out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return is_whole;
}

// UTF-16 or UTF-32 as far as it is well formed: a half character at the end is cut off.
static void wide_decode(struct kn_buf *out, const uint8_t *at, size_t n, size_t width, bool is_big)
{
    for (size_t i = 0; i + width <= n; i += width) {
        uint32_t c = 0;
        for (size_t k = 0; k < width; k++)
            c = c << 8 | at[i + (is_big ? k : width - 1 - k)];
        if (width == 2 && c >= 0xD800 && c < 0xDC00 && i + 4 <= n) {
            const uint32_t low = is_big ? (uint32_t)(at[i + 2] << 8 | at[i + 3])
                                        : (uint32_t)(at[i + 3] << 8 | at[i + 2]);
            if (low >= 0xDC00 && low < 0xE000) {
                c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
                i += 2;
            }
        }
        kn_caption_put(out, c);
    }
}

static bool marked(struct kn_buf *out, const uint8_t *at, size_t n, char encoding[40])
{
    static const struct {
        const char *mark, *name;
        size_t n, width;
        bool is_big;
    } marks[] = {
        {"\0\0\xFE\xFF", "UTF-32BE", 4, 4, true},
        {"\xFF\xFE\0\0", "UTF-32LE", 4, 4, false},
        {"\xFE\xFF", "UTF-16BE", 2, 2, true},
        {"\xFF\xFE", "UTF-16LE", 2, 2, false},
    };
    for (size_t i = 0; i < KN_COUNT(marks); i++)
        if (n >= marks[i].n && memcmp(at, marks[i].mark, marks[i].n) == 0) {
            wide_decode(out, at + marks[i].n, n - marks[i].n, marks[i].width, marks[i].is_big);
            (void)kn_copy(encoding, 40, marks[i].name);
            return true;
        }
    size_t zeros[2] = {0, 0};
    const size_t span = n < 512 ? n & ~(size_t)1 : 512;
    for (size_t i = 0; i < span; i++)
        zeros[i & 1] += at[i] == 0;
    // Digits, colons and line ends alone make a third of a caption file.
    if (span < 16 || (zeros[0] <= span / 6) == (zeros[1] <= span / 6))
        return false;
    wide_decode(out, at, n, 2, zeros[0] > zeros[1]);
    (void)kn_copy(encoding, 40, zeros[0] > zeros[1] ? "UTF-16BE" : "UTF-16LE");
    return true;
}

// UTF-8 read as Windows-1252 and encoded once more ("Ã©" for "é"): undone when all of it can be.
static bool repaired(struct kn_buf *out, const char *text, size_t n)
{
    kn_auto(kn_buf_clear) struct kn_buf once = {0};
    bool is_ascii = true;
    for (size_t i = 0; is_ascii && i < n; i++)
        is_ascii = (unsigned char)text[i] < 0x80;
    if (is_ascii)
        return false;
    for (size_t i = 0, step; i < n; i += step) {
        uint32_t c = kn_caption_character(text + i, n - i, &step);
        for (size_t k = 0; k < 32 && c > 0xFF; k++)
            if (windows_1252[k] == c)
                c = (uint32_t)(0x80 + k);
        if (c > 0xFF)
            return false;
        kn_buf_putc(&once, (char)c);
    }
    if (!kn_buf_ok(&once) || !kn_is_utf8(once.data, once.len))
        return false;
    kn_buf_add(out, once.data, once.len);
    return true;
}

// The code page that captions of a language were written in before Unicode.
static const char *language_encoding(const char *language)
{
    static const struct {
        const char *languages, *encoding;
    } pages[] = {
        {"zh zho chi cmn zh-cn zh-hans chs", "GB18030"},
        {"zh-tw zh-hk zh-hant cht yue", "BIG5-HKSCS"},
        {"ja jpn", "CP932"},
        {"ko kor", "CP949"},
        {"ru rus uk ukr be bel bg bul mk mkd mac sr srp", "CP1251"},
        {"pl pol cs ces cze sk slk slo hu hun ro ron rum hr hrv sl slv bs bos sq sqi alb", "CP1250"},
        {"el ell gre", "CP1253"},
        {"tr tur az aze", "CP1254"},
        {"he heb iw yi yid", "CP1255"},
        {"ar ara fa fas per ur urd", "CP1256"},
        {"et est lv lav lt lit", "CP1257"},
        {"vi vie", "CP1258"},
        {"th tha", "CP874"},
    };
    for (int is_short = 0; language && is_short < 2; is_short++) {
        const size_t n = is_short ? strcspn(language, "-_") : strlen(language);
        for (size_t i = 0; n && i < KN_COUNT(pages); i++)
            for (const char *at = pages[i].languages; *at; at += strspn(at, " ")) {
                const size_t word = strcspn(at, " ");
                if (word == n && strncasecmp(at, language, n) == 0)
                    return pages[i].encoding;
                at += word;
            }
    }
    return NULL;
}

static bool is_western(const char *encoding)
{
    static const char *const western[] = {"WINDOWS-1252", "ISO-8859-1", "ISO-8859-15", "MAC-CENTRALEUROPE",
                                          "ISO-8859-10", "ISO-8859-3", "ISO-8859-16", "ASCII"};
    for (size_t i = 0; i < KN_COUNT(western); i++)
        if (kn_equal_nocase(encoding, western[i]))
            return true;
    return false;
}

static kn_code code_page_decode(struct kn_buf *out, const char *bytes, size_t n, const char *language,
                                char encoding[40], struct kn_error *err)
{
    char guess[40];
    const kn_code rc = kn_caption_guess(guess, bytes, n, err);
    if (rc != KN_OK)
        return rc;
    const char *page = language_encoding(language);
    const char *order[3] = {guess, page, "WINDOWS-1252"};
    if (page && is_western(guess)) {
        order[0] = page;
        order[1] = guess;
    }
    for (size_t i = 0; i < KN_COUNT(order); i++)
        if (order[i] && order[i][0] && converted(out, order[i], bytes, n)) {
            (void)kn_copy(encoding, 40, order[i]);
            return KN_OK;
        }
    // Windows-1252 leaves five bytes undefined: they alone are lost.
    (void)kn_copy(encoding, 40, "WINDOWS-1252");
    for (size_t i = 0; i < n; i++)
        if (!converted(out, "WINDOWS-1252", bytes + i, 1))
            kn_caption_put(out, REPLACEMENT);
    return KN_OK;
}

// ASCII without zeros: the same in every encoding that is looked for, and most of what films hold.
static bool is_plain(const char *text, size_t n)
{
    unsigned char all = 0;
    bool has_zero = false;
    for (size_t i = 0; i < n; i++) {
        all |= (unsigned char)text[i];
        has_zero |= text[i] == '\0';
    }
    return all < 0x80 && !has_zero;
}

kn_code kn_caption_decode(struct kn_buf *out, const void *bytes, size_t n, const char *language,
                          char out_encoding[40], struct kn_error *err)
{
    const char *at = bytes;
    (void)kn_copy(out_encoding, 40, "UTF-8");
    // A mark may come after blank lines that an editor put before it.
    size_t blank = 0;
    while (blank < n && kn_caption_is_space(at[blank]))
        blank++;
    if (n - blank >= 3 && memcmp(at + blank, "\xEF\xBB\xBF", 3) == 0) {
        at += blank + 3;
        n -= blank + 3;
    }
    if (is_plain(at, n)) {
        kn_buf_add(out, at, n);
    } else if (!marked(out, (const uint8_t *)at, n, out_encoding)) {
        kn_auto(kn_buf_clear) struct kn_buf plain = {0};
        const bool is_utf8 = kn_is_utf8(at, n);
        const kn_code rc = is_utf8 ? KN_OK : code_page_decode(&plain, at, n, language, out_encoding, err);
        if (rc != KN_OK)
            return rc;
        if (is_utf8 && repaired(&plain, at, n))
            (void)kn_copy(out_encoding, 40, "UTF-8 encoded twice");
        else if (is_utf8)
            kn_buf_add(&plain, at, n);
        for (size_t i = 0; i < plain.len;) {
            const char *zero = memchr(plain.data + i, '\0', plain.len - i);
            const size_t to = zero ? (size_t)(zero - plain.data) : plain.len;
            kn_buf_add(out, plain.data + i, to - i);
            if (zero)
                kn_caption_put(out, REPLACEMENT);
            i = to + 1;
        }
        out->is_broken = out->is_broken || plain.is_broken;
    }
    return kn_buf_ok(out) ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for %zu bytes of captions", n);
}
