/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Queries and forms to maps, and back to the canonical text that is signed. What is signed is never
 * what was on the wire, but what it decodes to: clients differ in what they leave literal.
 */
#include "api/params.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/encode.h"

static kn_code malformed(struct kn_error *err, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "BadRequest", "%s", what);
}

kn_code kn_params_add(json_t *params, const char *text, size_t n, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf name = {0}, value = {0};
    for (const char *end = text + n; text < end;) {
        const char *stop = memchr(text, '&', (size_t)(end - text));
        if (!stop)
            stop = end;
        const char *equals = memchr(text, '=', (size_t)(stop - text));
        const char *name_end = equals ? equals : stop;
        kn_buf_reset(&name);
        kn_buf_reset(&value);
        bool is_fine = kn_unpercent(&name, text, (size_t)(name_end - text), true);
        if (equals)
            is_fine = is_fine && kn_unpercent(&value, equals + 1, (size_t)(stop - equals - 1), true);
        text = stop + 1;
        if (!is_fine)
            return malformed(err, "a parameter is not percent-encoded text");
        if (!kn_buf_ok(&name) || !kn_buf_ok(&value))
            return kn_fail(err, KN_ENOMEM, "no memory for the parameters");
        if (name.len == 0)
            continue;
        // A NUL would end the text early for everyone but the signature.
        if (memchr(kn_buf_text(&name), '\0', name.len) ||
            memchr(kn_buf_text(&value), '\0', value.len))
            return malformed(err, "a parameter holds a NUL byte");
        json_t *string = json_stringn(kn_buf_text(&value), value.len);
        if (!string || json_object_set_new(params, kn_buf_text(&name), string) != 0)
            return malformed(err, "a parameter is not UTF-8");
    }
    return KN_OK;
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void kn_params_canonical(struct kn_buf *out, const json_t *params, const char *except,
                         bool raw_names)
{
    kn_auto(kn_free) const char **names = calloc(json_object_size(params) + 1, sizeof(*names));
    if (!names) {
        out->is_broken = true;
        return;
    }
    size_t n = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)params, name, value) {
        if (json_is_string(value) && !(except && strcmp(name, except) == 0))
            names[n++] = name;
    }
    qsort(names, n, sizeof(*names), name_compare);
    for (size_t i = 0; i < n; i++) {
        value = json_object_get(params, names[i]);
        if (i > 0)
            kn_buf_putc(out, '&');
        if (raw_names)
            kn_buf_puts(out, names[i]);
        else
            kn_percent(out, names[i], strlen(names[i]), false);
        kn_buf_putc(out, '=');
        kn_percent(out, json_string_value(value), json_string_length(value), false);
    }
}
