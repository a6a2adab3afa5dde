/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing XML. */
#include "base/xml.h"

#include <stdbool.h>
#include <string.h>

#include "base/strings.h"

// What stands for the character at `p`, NULL for itself; *out_n: how many bytes it replaces.
static const char *stand_in(const char *p, bool is_utf8, size_t *out_n)
{
    unsigned char c = (unsigned char)*p;
    *out_n = 1;
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\r': return "&#13;";
    case '\t':
    case '\n': return NULL;
    default: break;
    }
    if (is_utf8 && (strncmp(p, "\xEF\xBF\xBE", 3) == 0 || strncmp(p, "\xEF\xBF\xBF", 3) == 0)) {
        *out_n = 3; // U+FFFE, U+FFFF
        return "?";
    }
    return c < 0x20 || (c >= 0x80 && !is_utf8) ? "?" : NULL;
}

void kn_xml_text(struct kn_buf *out, const char *text)
{
    bool is_utf8 = kn_is_utf8(text, strlen(text));
    const char *plain = text; // what was not written yet
    while (*text) {
        size_t n;
        const char *word = stand_in(text, is_utf8, &n);
        if (word) {
            kn_buf_add(out, plain, (size_t)(text - plain));
            kn_buf_puts(out, word);
            plain = text + n;
        }
        text += n;
    }
    kn_buf_add(out, plain, (size_t)(text - plain));
}

void kn_xml(struct kn_buf *out, const char *name, const char *text)
{
    kn_buf_printf(out, "<%s>", name);
    kn_xml_text(out, text);
    kn_buf_printf(out, "</%s>", name);
}

void kn_xml_int(struct kn_buf *out, const char *name, int64_t value)
{
    kn_buf_printf(out, "<%s>%lld</%s>", name, (long long)value, name);
}
