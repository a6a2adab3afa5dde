/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small string helpers. */
#include "base/strings.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"

bool kn_copy(char *out, size_t size, const char *text)
{
    if (!text)
        text = "";
    return snprintf(out, size, "%s", text) < (int)size;
}

bool kn_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool kn_ends_with(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

bool kn_equal_nocase(const char *a, const char *b)
{
    return a == b || (a && b && strcasecmp(a, b) == 0);
}

bool kn_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool kn_equal_secret(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned difference = n != m;
    for (size_t i = 0; i < n && m > 0; i++)
        difference |= (unsigned char)a[i] ^ (unsigned char)b[i < m ? i : m - 1];
    return difference == 0;
}

bool kn_parse_int(const char *text, int64_t min, int64_t max, int64_t *out)
{
    if (!text || !(isdigit((unsigned char)text[0]) ||
                   (text[0] == '-' && isdigit((unsigned char)text[1]))))
        return false;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < min || value > max)
        return false;
    *out = value;
    return true;
}

bool kn_parse_double(const char *text, double *out)
{
    // Programs of ours never call setlocale(), so strtod() reads '.'.
    if (!text || text[strspn(text, "+-.0123456789eE")] != '\0' || text[0] == '\0')
        return false;
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value))
        return false;
    *out = value;
    return true;
}

bool kn_parse_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "1", "on", "yes"};
    static const char *const no[] = {"false", "0", "off", "no"};
    for (size_t i = 0; i < 4; i++) {
        if (kn_equal_nocase(text, yes[i]))
            return *out = true, true;
        if (kn_equal_nocase(text, no[i]))
            return *out = false, true;
    }
    return false;
}

char *kn_replace_all(const char *text, const char *word, const char *with)
{
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    const char *at;
    while ((at = strstr(text, word))) {
        kn_buf_add(&out, text, (size_t)(at - text));
        kn_buf_puts(&out, with);
        text = at + strlen(word);
    }
    kn_buf_puts(&out, text);
    return kn_buf_take(&out);
}

void kn_lower(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

void kn_trim(char *text)
{
    size_t lead = strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n > lead && strchr(" \t\r\n", text[n - 1]))
        n--;
    memmove(text, text + lead, n - lead);
    text[n - lead] = '\0';
}

bool kn_is_utf8(const void *bytes, size_t n)
{
    const unsigned char *s = bytes, *end = s + n;
    while (s < end) {
        unsigned c = *s++;
        if (c < 0x80)
            continue;
        int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
        if (c < 0xC2 || c > 0xF4 || end - s < more)
            return false;
        // First continuation bytes that would be overlong, a surrogate or beyond U+10FFFF.
        unsigned low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
        unsigned high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        for (int i = 0; i < more; i++, s++, low = 0x80, high = 0xBF)
            if (*s < low || *s > high)
                return false;
    }
    return true;
}

bool kn_match(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?' || (*pattern && tolower((unsigned char)*pattern) ==
                                                       tolower((unsigned char)*text))) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
