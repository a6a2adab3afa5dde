/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON trees as XML elements, by the rule of spec 01, 8.2. */
#include "api/answer_xml.h"

#include <ctype.h>
#include <string.h>

// Jansson reads 2048 levels; nothing we answer is deeper than a few dozen.
#define MAX_DEPTH 64

/* XML 1.0 cannot hold control characters, not even escaped: they become U+FFFD. */
static void text_add(struct kn_buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        switch (*c) {
        case '<': kn_buf_puts(out, "&lt;"); break;
        case '>': kn_buf_puts(out, "&gt;"); break;
        case '&': kn_buf_puts(out, "&amp;"); break;
        case '"': kn_buf_puts(out, "&quot;"); break;
        case '\r': kn_buf_puts(out, "&#13;"); break;
        case '\t':
        case '\n': kn_buf_putc(out, *c); break;
        default:
            if ((unsigned char)*c < 0x20)
                kn_buf_puts(out, "\xEF\xBF\xBD");
            else
                kn_buf_putc(out, *c);
        }
    }
}

/* Names of members come from clients in a few places (TagConfig): what no XML name may hold is '_'. */
static void name_add(struct kn_buf *out, const char *name)
{
    if (!isalpha((unsigned char)name[0]))
        kn_buf_putc(out, '_');
    for (const char *c = name; *c; c++) {
        bool is_fine = isalnum((unsigned char)*c) || strchr("-_.", *c);
        kn_buf_putc(out, is_fine ? *c : '_');
    }
}

static void element_add(struct kn_buf *out, const char *name, const json_t *value, int depth);

static void members_add(struct kn_buf *out, const json_t *object, int depth)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
        element_add(out, name, value, depth + 1);
}

static void element_add(struct kn_buf *out, const char *name, const json_t *value, int depth)
{
    if (depth > MAX_DEPTH || json_is_null(value))
        return;
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            element_add(out, name, json_array_get(value, i), depth + 1);
        return;
    }
    kn_buf_putc(out, '<');
    name_add(out, name);
    kn_buf_putc(out, '>');
    if (json_is_object(value))
        members_add(out, value, depth);
    else if (json_is_string(value))
        text_add(out, json_string_value(value));
    else if (json_is_boolean(value))
        kn_buf_puts(out, json_is_true(value) ? "true" : "false");
    else if (json_is_integer(value))
        kn_buf_printf(out, "%lld", (long long)json_integer_value(value));
    else
        kn_buf_printf(out, "%.15g", json_real_value(value));
    kn_buf_puts(out, "</");
    name_add(out, name);
    kn_buf_putc(out, '>');
}

void kn_answer_xml(struct kn_buf *out, const char *action, const json_t *answer)
{
    kn_buf_printf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><%sResponse>", action);
    const char *name;
    json_t *value;
    json_t *request_id = json_object_get(answer, "RequestId");
    if (request_id)
        element_add(out, "RequestId", request_id, 0);
    json_object_foreach((json_t *)answer, name, value) {
        if (value != request_id)
            element_add(out, name, value, 0);
    }
    kn_buf_printf(out, "</%sResponse>", action);
}

void kn_error_xml(struct kn_buf *out, const json_t *error)
{
    kn_buf_puts(out, "<?xml version='1.0' encoding='UTF-8'?><Error>");
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)error, name, value) {
        if (strcmp(name, "Recommend") == 0 && !strstr(json_string_value(value), "]]>"))
            kn_buf_printf(out, "<Recommend><![CDATA[%s]]></Recommend>", json_string_value(value));
        else
            element_add(out, name, value, 0);
    }
    kn_buf_puts(out, "</Error>");
}
