/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing XML. */
#include "base/xml.h"

void kn_xml_text(struct kn_buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        switch (*p) {
        case '&': kn_buf_puts(out, "&amp;"); break;
        case '<': kn_buf_puts(out, "&lt;"); break;
        case '>': kn_buf_puts(out, "&gt;"); break;
        case '"': kn_buf_puts(out, "&quot;"); break;
        case '\r': kn_buf_puts(out, "&#13;"); break;
        default:
            // XML 1.0 has no way to write other control characters
            kn_buf_putc(out, (unsigned char)*p < 0x20 && *p != '\t' && *p != '\n' ? '?' : *p);
        }
    }
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
