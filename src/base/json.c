/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading JSON the wire's way, and writing it. */
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/strings.h"

kn_code kn_json_parse(json_t **out, const char *text, size_t n, const char *what,
                      struct kn_error *err)
{
    json_error_t why;
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (*out)
        return KN_OK;
    if (json_error_code(&why) == json_error_out_of_memory)
        return kn_fail(err, KN_ENOMEM, "no memory to read '%s'", what);
    return kn_fail_as(err, KN_EINVAL, "JsonFormatInvalid", "'%s' is not JSON: line %d, column %d: %s",
                      what, why.line, why.column, why.text);
}

/* ---- writing ---- */

// jansson's own writer prints the address of every array and object into a table, to find circles: three
// times the work of writing the text. We only write trees.

static void text_put(struct kn_buf *out, const char *text, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";
    kn_buf_putc(out, '"');
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        kn_buf_add(out, text + done, i - done);
        done = i + 1;
        const char *at = c ? strchr("\"\"\\\\\bb\ff\nn\rr\tt", c) : NULL;
        char escaped[6] = {'\\', at ? at[1] : 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        kn_buf_add(out, escaped, at ? 2 : 6);
    }
    kn_buf_add(out, text + done, n - done);
    kn_buf_putc(out, '"');
}

static void int_put(struct kn_buf *out, json_int_t value)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--at = '-';
    kn_buf_add(out, at, (size_t)(digits + sizeof(digits) - at));
}

static void real_put(struct kn_buf *out, const json_t *value)
{
    char text[64]; // 15 digits: 0.1 is written as 0.1
    size_t n = json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    kn_buf_add(out, text, n <= sizeof(text) ? n : 0);
}

static void value_put(struct kn_buf *out, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: {
        char before = '{';
        json_t *object = (json_t *)value; // iterating changes nothing
        for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
            kn_buf_putc(out, before);
            before = ',';
            const char *key = json_object_iter_key(at);
            text_put(out, key, strlen(key));
            kn_buf_putc(out, ':');
            value_put(out, json_object_iter_value(at));
        }
        if (before == '{')
            kn_buf_putc(out, '{');
        kn_buf_putc(out, '}');
        break;
    }
    case JSON_ARRAY:
        kn_buf_putc(out, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (i > 0)
                kn_buf_putc(out, ',');
            value_put(out, json_array_get(value, i));
        }
        kn_buf_putc(out, ']');
        break;
    case JSON_STRING: text_put(out, json_string_value(value), json_string_length(value)); break;
    case JSON_INTEGER: int_put(out, json_integer_value(value)); break;
    case JSON_REAL: real_put(out, value); break;
    case JSON_TRUE: kn_buf_puts(out, "true"); break;
    case JSON_FALSE: kn_buf_puts(out, "false"); break;
    case JSON_NULL: kn_buf_puts(out, "null"); break;
    }
}

char *kn_json_text(const json_t *value)
{
    if (!value)
        return NULL;
    struct kn_buf out = {0};
    value_put(&out, value);
    return kn_buf_take(&out);
}

/* ---- reading members ---- */

// The member, or NULL when it is absent, null or "" (which all mean "not given").
static const json_t *member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value) ||
        (json_is_string(value) && json_string_length(value) == 0))
        return NULL;
    return value;
}

static kn_code complain(struct kn_error *err, const char *path, const char *name, const char *want)
{
    return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "'%s%s%s' must be %s", path,
                      path[0] ? "." : "", name, want);
}

kn_code kn_json_double(const json_t *object, const char *name, const char *path, double min,
                       double max, double *out, struct kn_error *err)
{
    const json_t *value = member(object, name);
    double number;
    if (!value)
        return KN_OK;
    if (json_is_number(value))
        number = json_number_value(value);
    else if (!json_is_string(value) || !kn_parse_double(json_string_value(value), &number))
        return complain(err, path, name, "a number");
    if (number < min || number > max)
        return kn_fail_as(err, KN_EINVAL, "OutOfRange", "'%s%s%s' is %g, outside %g to %g", path,
                          path[0] ? "." : "", name, number, min, max);
    *out = number;
    return KN_OK;
}

kn_code kn_json_int(const json_t *object, const char *name, const char *path, int64_t min,
                    int64_t max, int64_t *out, struct kn_error *err)
{
    const json_t *value = member(object, name);
    int64_t number;
    if (!value)
        return KN_OK;
    if (json_is_integer(value)) {
        number = json_integer_value(value);
    } else if (!json_is_string(value) ||
               !kn_parse_int(json_string_value(value), INT64_MIN, INT64_MAX, &number)) {
        double real; // "25.0" and 25.0 are whole too
        if (json_is_real(value))
            real = json_real_value(value);
        else if (!json_is_string(value) || !kn_parse_double(json_string_value(value), &real))
            return complain(err, path, name, "a whole number");
        if (real < -9e15 || real > 9e15 || (double)(int64_t)real != real)
            return complain(err, path, name, "a whole number");
        number = (int64_t)real;
    }
    if (number < min || number > max)
        return kn_fail_as(err, KN_EINVAL, "OutOfRange", "'%s%s%s' is %lld, outside %lld to %lld",
                          path, path[0] ? "." : "", name, (long long)number, (long long)min,
                          (long long)max);
    *out = number;
    return KN_OK;
}

kn_code kn_json_bool(const json_t *object, const char *name, const char *path, bool *out,
                     struct kn_error *err)
{
    const json_t *value = member(object, name);
    if (!value)
        return KN_OK;
    if (json_is_boolean(value))
        *out = json_is_true(value);
    else if (json_is_integer(value) && json_integer_value(value) >> 1 == 0)
        *out = json_integer_value(value) == 1;
    else if (!json_is_string(value) || !kn_parse_bool(json_string_value(value), out))
        return complain(err, path, name, "true or false");
    return KN_OK;
}

kn_code kn_json_string(const json_t *object, const char *name, const char *path,
                       struct kn_arena *arena, const char **out, struct kn_error *err)
{
    const json_t *value = member(object, name);
    char *text;
    if (!value)
        return KN_OK;
    if (json_is_string(value)) {
        text = kn_arena_strndup(arena, json_string_value(value), json_string_length(value));
    } else if (json_is_boolean(value)) {
        text = kn_arena_strdup(arena, json_is_true(value) ? "true" : "false");
    } else if (json_is_integer(value)) {
        text = kn_arena_printf(arena, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        text = kn_arena_printf(arena, "%.15g", json_real_value(value));
    } else {
        return complain(err, path, name, "a string");
    }
    if (!text)
        return kn_fail(err, KN_ENOMEM, "no memory for '%s.%s'", path, name);
    *out = text;
    return KN_OK;
}

static kn_code nested(const json_t *object, const char *name, const char *path, json_type type,
                      json_t **out, struct kn_error *err)
{
    const char *want = type == JSON_OBJECT ? "an object" : "an array";
    const json_t *value = member(object, name);
    if (!value)
        return KN_OK;
    json_t *found = NULL;
    if (json_is_string(value)) {
        char what[256];
        (void)snprintf(what, sizeof(what), "%s%s%s", path, path[0] ? "." : "", name);
        kn_code rc = kn_json_parse(&found, json_string_value(value), json_string_length(value),
                                   what, err);
        if (rc != KN_OK)
            return rc;
    } else {
        found = json_incref((json_t *)value);
    }
    if (json_typeof(found) != type) {
        json_decref(found);
        (void)complain(err, path, name, want);
        if (err)
            (void)kn_copy(err->reason, sizeof(err->reason),
                          type == JSON_OBJECT ? "JsonObjectFormatInvalid"
                                              : "JsonArrayFormatInvalid");
        return KN_EINVAL;
    }
    *out = found;
    return KN_OK;
}

kn_code kn_json_object(const json_t *object, const char *name, const char *path, json_t **out,
                       struct kn_error *err)
{
    return nested(object, name, path, JSON_OBJECT, out, err);
}

kn_code kn_json_array(const json_t *object, const char *name, const char *path, json_t **out,
                      struct kn_error *err)
{
    return nested(object, name, path, JSON_ARRAY, out, err);
}

const char *kn_json_get(const json_t *object, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : otherwise;
}

int kn_json_merge(json_t *base, const json_t *over)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)over, name, value)
    {
        json_t *old = json_object_get(base, name);
        if (json_is_object(old) && json_is_object(value)) {
            if (kn_json_merge(old, value) != 0)
                return -1;
        } else if (json_object_set_new(base, name, json_deep_copy(value)) != 0) {
            return -1;
        }
    }
    return 0;
}
