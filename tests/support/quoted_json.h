#pragma once
/*
 * JSON written in a C string without backslashes: single quotes stand for double ones. Include cmocka.h first.
 */
#include <jansson.h>

#include "base/buf.h"
#include "base/cleanup.h"

/* A new reference; the test fails, saying where, when the text is no JSON. */
static inline json_t *quoted(const char *text)
{
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    for (; *text; text++)
        kn_buf_putc(&b, *text == '\'' ? '"' : *text);
    json_error_t why;
    json_t *value = json_loads(kn_buf_text(&b), 0, &why);
    if (!value)
        fail_msg("%s in %s", why.text, kn_buf_text(&b));
    return value;
}
