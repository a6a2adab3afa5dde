/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading one object after another with a remembered failure. */
#include "features/convert/convert_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

int64_t kn_read_int(struct kn_reader *r, struct kn_place at, const char *name, int64_t min,
                    int64_t max, int64_t otherwise)
{
    int64_t value = otherwise;
    if (r->rc == KN_OK)
        r->rc = kn_json_int(at.value, name, at.path, min, max, &value, r->err);
    return r->rc == KN_OK ? value : otherwise;
}

double kn_read_double(struct kn_reader *r, struct kn_place at, const char *name, double min,
                      double max, double otherwise)
{
    double value = otherwise;
    if (r->rc == KN_OK)
        r->rc = kn_json_double(at.value, name, at.path, min, max, &value, r->err);
    return r->rc == KN_OK ? value : otherwise;
}

bool kn_read_bool(struct kn_reader *r, struct kn_place at, const char *name, bool otherwise)
{
    bool value = otherwise;
    if (r->rc == KN_OK)
        r->rc = kn_json_bool(at.value, name, at.path, &value, r->err);
    return r->rc == KN_OK ? value : otherwise;
}

const char *kn_read_text(struct kn_reader *r, struct kn_place at, const char *name)
{
    const char *value = NULL;
    if (r->rc == KN_OK)
        r->rc = kn_json_string(at.value, name, at.path, r->arena, &value, r->err);
    return r->rc == KN_OK ? value : NULL;
}

int kn_read_word(struct kn_reader *r, struct kn_place at, const char *name,
                 const struct kn_word *words, const char *reason, int otherwise)
{
    const char *text = kn_read_text(r, at, name);
    if (!text)
        return otherwise;
    for (const struct kn_word *w = words; w->word; w++)
        if (kn_equal_nocase(w->word, text))
            return w->value;
    kn_read_fail(r, reason, at, name, "is '%s', which is not a known value", text);
    return otherwise;
}

// Digits and a point only: no sign, no exponent.
static bool seconds_parse(const char *text, double *out)
{
    return text[strspn(text, "0123456789.")] == '\0' && kn_parse_double(text, out);
}

int64_t kn_read_time_us(struct kn_reader *r, struct kn_place at, const char *name,
                        int64_t otherwise)
{
    const char *text = kn_read_text(r, at, name);
    if (!text)
        return otherwise;
    int64_t hours = 0, minutes = 0;
    double seconds = 0;
    const char *rest = text;
    bool is_time = true;
    if (strchr(text, ':')) {
        char h[3], m[3];
        int n_read = 0;
        is_time = sscanf(text, "%2[0-9]:%2[0-9]:%n", h, m, &n_read) == 2 && n_read > 0 &&
                  kn_parse_int(h, 0, 23, &hours) && kn_parse_int(m, 0, 59, &minutes);
        rest = text + n_read;
    }
    is_time = is_time && seconds_parse(rest, &seconds) && (rest == text || seconds < 60);
    if (!is_time) {
        kn_read_fail(r, "InvalidParameter", at, name,
                     "is '%s': a time is hh:mm:ss[.SSS] or seconds", text);
        return otherwise;
    }
    int64_t us = (hours * 3600 + minutes * 60) * KN_SECOND;
    if (seconds > 86399.999) {
        kn_read_fail(r, "OutOfRange", at, name, "is '%s', outside 0 to 86399.999 s", text);
        return otherwise;
    }
    return us + llround(seconds * 1e6);
}

bool kn_read_has(struct kn_place at, const char *name)
{
    const json_t *value = json_object_get(at.value, name);
    return value && !json_is_null(value) &&
           !(json_is_string(value) && json_string_length(value) == 0);
}

static struct kn_place nested(struct kn_reader *r, struct kn_place at, const char *name,
                              json_type type)
{
    struct kn_place found = {NULL, at.path};
    const json_t *value = json_object_get(at.value, name);
    if (r->rc != KN_OK || !kn_read_has(at, name))
        return found;
    if (json_typeof(value) != type) {
        bool is_object = type == JSON_OBJECT;
        kn_read_fail(r, is_object ? "JsonObjectFormatInvalid" : "JsonArrayFormatInvalid", at, name,
                     "must be an %s", is_object ? "object" : "array");
        return found;
    }
    found.path = kn_arena_printf(r->arena, "%s%s%s", at.path, at.path[0] ? "." : "", name);
    found.value = found.path ? value : NULL;
    if (!found.path)
        r->rc = kn_fail(r->err, KN_ENOMEM, "no memory to read '%s'", name);
    return found;
}

struct kn_place kn_read_object(struct kn_reader *r, struct kn_place at, const char *name)
{
    return nested(r, at, name, JSON_OBJECT);
}

struct kn_place kn_read_array(struct kn_reader *r, struct kn_place at, const char *name)
{
    return nested(r, at, name, JSON_ARRAY);
}

struct kn_place kn_read_item(struct kn_reader *r, struct kn_place array, size_t i)
{
    struct kn_place item = {NULL, array.path};
    if (r->rc != KN_OK)
        return item;
    item.path = kn_arena_printf(r->arena, "%s[%zu]", array.path, i);
    if (!item.path) {
        r->rc = kn_fail(r->err, KN_ENOMEM, "no memory to read '%s'", array.path);
        item.path = array.path;
        return item;
    }
    item.value = json_array_get(array.value, i);
    if (!json_is_object(item.value)) {
        kn_read_fail(r, "JsonObjectFormatInvalid", item, NULL, "must be an object");
        item.value = NULL;
    }
    return item;
}

void *kn_read_alloc(struct kn_reader *r, size_t n, size_t size)
{
    if (r->rc != KN_OK || n == 0)
        return NULL;
    void *memory = kn_arena_array(r->arena, n, size);
    if (!memory)
        r->rc = kn_fail(r->err, KN_ENOMEM, "no memory for %zu entries", n);
    return memory;
}

void kn_read_fail(struct kn_reader *r, const char *reason, struct kn_place at, const char *name,
                  const char *fmt, ...)
{
    if (r->rc != KN_OK)
        return;
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    r->rc = kn_fail_as(r->err, KN_EINVAL, reason, "'%s%s%s' %s", at.path,
                       name && at.path[0] ? "." : "", name ? name : "", text);
}
