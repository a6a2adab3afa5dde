/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parameter checks, driven by the operation table; decoding of flattened and JSON parameters. */
#include "api/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

// Nesting of flattened names: real ones have at most 4 levels (Tag.1.Values.2).
#define MAX_FLAT_DEPTH 16
// Indexes of flattened arrays, so that "Tag.2000000000" costs nothing.
#define MAX_FLAT_INDEX 100000

/* ---- flattened values ---- */

/*
 * One level's name at the front of *rest, which moves on to the next level or to NULL. The length
 * prefix that some clients put before map keys ("#3#abc") is taken off (spec 01, 2.2).
 */
static size_t flat_level(const char **rest, const char **out_name)
{
    const char *name = *rest;
    if (name[0] == '#') {
        char *end = NULL;
        unsigned long n = strtoul(name + 1, &end, 10);
        if (end != name + 1 && end[0] == '#' && n > 0 && n <= strlen(end + 1) &&
            (end[1 + n] == '.' || end[1 + n] == '\0')) {
            *out_name = end + 1;
            *rest = end[1 + n] == '.' ? end + 2 + n : NULL;
            return n;
        }
    }
    *out_name = name;
    const char *dot = strchr(name, '.');
    *rest = dot ? dot + 1 : NULL;
    return dot ? (size_t)(dot - name) : strlen(name);
}

/* Put `value` where `path` says, making objects on the way. A clash keeps what was there first. */
static void flat_put(json_t *object, const char *path, json_t *value)
{
    for (int depth = 0; path && depth < MAX_FLAT_DEPTH; depth++) {
        const char *level = NULL;
        size_t n = flat_level(&path, &level);
        kn_auto(kn_free) char *name = strndup(level, n);
        if (!name)
            return;
        json_t *inside = json_object_get(object, name);
        if (!path) {
            if (!inside)
                (void)json_object_set(object, name, value); // not UTF-8: as if absent
            return;
        }
        if (!inside) {
            inside = json_object();
            if (json_object_set_new(object, name, inside) != 0)
                return;
        } else if (!json_is_object(inside)) {
            return;
        }
        object = inside;
    }
}

struct flat_member {
    int64_t index;
    json_t *value; // borrowed
};

static int member_compare(const void *a, const void *b)
{
    const struct flat_member *left = a, *right = b;
    return (left->index > right->index) - (left->index < right->index);
}

static json_t *flat_shape(json_t *value, int depth);

/* An array in order of the indexes that are there, or NULL when some name is no index. */
static json_t *flat_array(json_t *object, int depth)
{
    kn_auto(kn_free) struct flat_member *members =
        calloc(json_object_size(object) + 1, sizeof(*members));
    if (!members || json_object_size(object) == 0)
        return NULL;
    size_t n = 0;
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) {
        if (!kn_parse_int(name, 0, MAX_FLAT_INDEX, &members[n].index))
            return NULL;
        members[n++].value = value;
    }
    qsort(members, n, sizeof(*members), member_compare);
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(array, flat_shape(members[i].value, depth + 1));
    return array;
}

/* Objects whose names are all indexes become arrays, at every level. A new reference. */
static json_t *flat_shape(json_t *value, int depth)
{
    if (!json_is_object(value) || depth > MAX_FLAT_DEPTH)
        return json_incref(value);
    json_t *array = flat_array(value, depth);
    if (array)
        return array;
    json_t *object = json_object();
    const char *name;
    json_t *member;
    json_object_foreach(value, name, member)
        (void)json_object_set_new(object, name, flat_shape(member, depth + 1));
    return object;
}

json_t *kn_unflatten(const json_t *params, const char *name)
{
    json_auto_t *tree = NULL;
    size_t n = strlen(name);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)params, key, value) {
        if (strncmp(key, name, n) != 0 || key[n] != '.' || key[n + 1] == '\0')
            continue;
        if (!tree)
            tree = json_object();
        if (tree)
            flat_put(tree, key + n + 1, value);
    }
    return tree ? flat_shape(tree, 0) : NULL;
}

/* ---- one parameter ---- */

static kn_code invalid(struct kn_error *err, const struct kn_param *param, const char *reason,
                       const char *what)
{
    return kn_fail_as(err, KN_EINVAL, reason, "'%s' %s", param->name, what);
}

/* Numbers and booleans of a JSON body as the text they would have been in a query. */
static const char *scalar_text(const json_t *value, char room[64])
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (json_is_integer(value)) {
        snprintf(room, 64, "%lld", (long long)json_integer_value(value));
        return room;
    }
    if (json_is_real(value)) {
        snprintf(room, 64, "%.17g", json_real_value(value));
        return room;
    }
    return NULL;
}

static kn_code check_string(json_t **out, const struct kn_param *param, const char *text,
                            struct kn_error *err)
{
    for (size_t i = 0; param->values; i++) {
        if (!param->values[i])
            return invalid(err, param, "InvalidParameter", "has none of the values it may have");
        if (strcmp(param->values[i], text) == 0)
            break;
    }
    *out = json_string(text);
    return *out ? KN_OK : invalid(err, param, "InvalidParameter", "is not UTF-8");
}

static kn_code check_integer(json_t **out, const struct kn_param *param, const char *text,
                             struct kn_error *err)
{
    int64_t value;
    if (!kn_parse_int(text, INT64_MIN, INT64_MAX, &value))
        return invalid(err, param, "NumberFormatInvalid", "is not a whole number");
    if (param->has_range && (value < param->min || value > param->max))
        return kn_fail_as(err, KN_EINVAL, "OutOfRange", "'%s' is not between %lld and %lld",
                          param->name, (long long)param->min, (long long)param->max);
    *out = json_integer(value);
    return KN_OK;
}

static kn_code check_number(json_t **out, const struct kn_param *param, const char *text,
                            struct kn_error *err)
{
    double value;
    if (!kn_parse_double(text, &value))
        return invalid(err, param, "NumberFormatInvalid", "is not a number");
    if (param->has_range && (value < (double)param->min || value > (double)param->max))
        return kn_fail_as(err, KN_EINVAL, "OutOfRange", "'%s' is not between %lld and %lld",
                          param->name, (long long)param->min, (long long)param->max);
    *out = json_real(value);
    return KN_OK;
}

static kn_code check_scalar(json_t **out, const struct kn_param *param, const json_t *value,
                            struct kn_error *err)
{
    char room[64];
    const char *text = scalar_text(value, room);
    if (!text)
        return invalid(err, param, "InvalidParameter", "is not a single value");
    if (param->max_bytes && strlen(text) > param->max_bytes)
        return kn_fail_as(err, KN_EINVAL, "OutOfRange", "'%s' is longer than %zu bytes",
                          param->name, param->max_bytes);
    bool is_true;
    int64_t time_us;
    switch (param->kind) {
    case KN_PARAM_INTEGER: return check_integer(out, param, text, err);
    case KN_PARAM_NUMBER: return check_number(out, param, text, err);
    case KN_PARAM_BOOLEAN:
        if (!kn_parse_bool(text, &is_true))
            return invalid(err, param, "InvalidParameter", "is neither true nor false");
        *out = json_boolean(is_true);
        return KN_OK;
    case KN_PARAM_TIME:
        if (!kn_time_parse_iso(text, &time_us))
            return invalid(err, param, "InvalidParameter", "is not a time like YYYY-MM-DDThh:mm:ssZ");
        *out = json_integer(time_us);
        return KN_OK;
    default: return check_string(out, param, text, err);
    }
}

static json_t *split_at_commas(const char *text)
{
    json_t *array = json_array();
    while (array && *text) {
        size_t n = strcspn(text, ",");
        if (n > 0)
            (void)json_array_append_new(array, json_stringn(text, n));
        text += n + (text[n] == ',');
    }
    return array;
}

static bool all_strings(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!json_is_string(json_array_get(array, i)))
            return false;
    }
    return true;
}

static kn_code check_structure(json_t **out, const struct kn_param *param, json_t *value,
                               struct kn_error *err)
{
    json_auto_t *parsed = NULL;
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        if (param->max_bytes && strlen(text) > param->max_bytes)
            return kn_fail_as(err, KN_EINVAL, "OutOfRange", "'%s' is longer than %zu bytes",
                              param->name, param->max_bytes);
        if (param->kind == KN_PARAM_STRINGS && text[0] != '[')
            parsed = split_at_commas(text);
        else if (kn_json_parse(&parsed, text, strlen(text), param->name, err) != KN_OK)
            return kn_fail_as(err, KN_EINVAL, "JsonFormatInvalid", "'%s' is not JSON: %s",
                              param->name, err ? err->message : "");
    } else {
        parsed = json_incref(value);
    }
    if (param->kind == KN_PARAM_OBJECT && !json_is_object(parsed))
        return invalid(err, param, "JsonObjectFormatInvalid", "is not a JSON object");
    if (param->kind != KN_PARAM_OBJECT && !json_is_array(parsed))
        return invalid(err, param, "JsonArrayFormatInvalid", "is not a JSON array");
    if (param->kind == KN_PARAM_STRINGS && !all_strings(parsed))
        return invalid(err, param, "InvalidParameter", "has elements that are not strings");
    *out = KN_TAKE(parsed);
    return KN_OK;
}

static bool is_structure(const struct kn_param *param)
{
    return param->kind == KN_PARAM_OBJECT || param->kind == KN_PARAM_ARRAY ||
           param->kind == KN_PARAM_STRINGS;
}

static bool is_empty(const json_t *value)
{
    return !value || json_is_null(value) ||
           (json_is_string(value) && json_string_length(value) == 0);
}

static kn_code check_one(json_t *args, const struct kn_param *param, const json_t *params,
                         struct kn_error *err)
{
    json_auto_t *value = json_incref(json_object_get(params, param->name));
    if (is_empty(value) && is_structure(param)) {
        json_decref(value);
        value = kn_unflatten(params, param->name);
    }
    if (is_empty(value)) {
        if (param->is_required)
            return invalid(err, param, "MissingParameter", "is not supplied");
        return KN_OK;
    }
    json_t *checked = NULL;
    kn_code rc = is_structure(param) ? check_structure(&checked, param, value, err)
                                     : check_scalar(&checked, param, value, err);
    if (rc != KN_OK)
        return rc;
    if (json_object_set_new(args, param->name, checked) != 0)
        return kn_fail(err, KN_ENOMEM, "no memory for the parameters");
    return KN_OK;
}

kn_code kn_check_parameters(json_t **out_args, const struct kn_operation *operation,
                            const json_t *params, struct kn_error *err)
{
    json_auto_t *args = json_object();
    if (!args)
        return kn_fail(err, KN_ENOMEM, "no memory for the parameters");
    for (size_t i = 0; i < operation->n_params; i++) {
        kn_code rc = check_one(args, &operation->params[i], params, err);
        if (rc != KN_OK)
            return rc;
    }
    *out_args = KN_TAKE(args);
    return KN_OK;
}
