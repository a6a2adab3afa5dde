/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Language codes. The table is text, one language a line, "T<tab>B<tab>1", '-' where a form is
 * missing; it is short enough (some 190 lines) to be walked for each question.
 */
#include "features/convert/language.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/embedded.h"
#include "base/strings.h"

extern const struct kn_embedded kn_language_table[];

// Call-by-line over the table; `column` 0 T, 1 B, 2 the two-letter code. Returns the line, or NULL.
static const char *line_find(const char *code, size_t n, int column)
{
    for (const char *line = kn_language_table[0].text; line && *line;) {
        const char *field = line;
        for (int i = 0; i < column && field; i++) {
            field = strpbrk(field, "\t\n");
            field = field && *field == '\t' ? field + 1 : NULL;
        }
        if (*line != '#' && field && strcspn(field, "\t\n") == n && memcmp(field, code, n) == 0)
            return line;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return NULL;
}

bool kn_language_normalize(char out[4], const char *text)
{
    out[0] = '\0';
    if (!text)
        return false;
    char code[4] = {0};
    size_t n = strcspn(text, "-_");
    if (n != 2 && n != 3)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isascii((unsigned char)text[i]) || !isalpha((unsigned char)text[i]))
            return false;
        code[i] = (char)tolower((unsigned char)text[i]);
    }
    const char *line = n == 2 ? line_find(code, 2, 2) : line_find(code, 3, 1);
    if (!line && n == 2)
        return false;
    memcpy(out, line ? line : code, 3);
    out[3] = '\0';
    return true;
}

bool kn_language_equal(const char *a, const char *b)
{
    char left[4], right[4];
    a = a ? a : "";
    b = b ? b : "";
    bool is_left = kn_language_normalize(left, a);
    bool is_right = kn_language_normalize(right, b);
    return is_left && is_right ? strcmp(left, right) == 0 : kn_equal_nocase(a, b);
}

void kn_language_short(char out[4], const char *t)
{
    const char *line = t && strlen(t) == 3 ? line_find(t, 3, 0) : NULL;
    const char *two = line ? strchr(strchr(line, '\t') + 1, '\t') + 1 : NULL;
    if (two && two[0] != '-') {
        memcpy(out, two, 2);
        out[2] = '\0';
    } else {
        (void)kn_copy(out, 4, t);
    }
}
