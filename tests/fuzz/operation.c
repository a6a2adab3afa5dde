/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Parameters of an operation against spec/. The first line names the operation, or its number in the
 * table; what follows is a query, or a JSON object.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/check.h"
#include "api/params.h"
#include "api/wire_error.h"
#include "base/cleanup.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const struct kn_operation *operation_of(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < kn_n_operations; i++)
        if (strlen(kn_operations[i].name) == n && memcmp(kn_operations[i].name, bytes, n) == 0)
            return &kn_operations[i];
    return n ? &kn_operations[bytes[0] % kn_n_operations] : NULL;
}

// What was let through is of the declared type and complete.
static void args_assert(const json_t *args, const struct kn_operation *operation)
{
    for (size_t i = 0; i < operation->n_params; i++) {
        const struct kn_param *param = &operation->params[i];
        const json_t *value = json_object_get(args, param->name);
        assert(value || !param->is_required);
        if (!value)
            continue;
        switch (param->kind) {
        case KN_PARAM_STRING: assert(json_is_string(value)); break;
        case KN_PARAM_TIME: assert(json_is_integer(value)); break;
        case KN_PARAM_INTEGER:
            assert(json_is_integer(value));
            assert(!param->has_range || (json_integer_value(value) >= param->min &&
                                         json_integer_value(value) <= param->max));
            break;
        case KN_PARAM_NUMBER: assert(json_is_number(value)); break;
        case KN_PARAM_BOOLEAN: assert(json_is_boolean(value)); break;
        case KN_PARAM_OBJECT: assert(json_is_object(value)); break;
        case KN_PARAM_ARRAY: assert(json_is_array(value)); break;
        case KN_PARAM_STRINGS: assert(json_is_array(value)); break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const uint8_t *line = n ? memchr(bytes, '\n', n) : NULL;
    const struct kn_operation *operation = line ? operation_of(bytes, (size_t)(line - bytes)) : NULL;
    if (!operation)
        return 0;
    const char *text = (const char *)line + 1;
    size_t n_text = n - (size_t)(line + 1 - bytes);
    json_auto_t *params = NULL, *args = NULL;
    struct kn_error err = {0};
    if (n_text && text[0] == '{') {
        if (kn_json_parse(&params, text, n_text, "body", &err) != KN_OK)
            return 0;
    } else {
        params = json_object();
        if (kn_params_add(params, text, n_text, &err) != KN_OK)
            return 0;
    }
    if (kn_check_parameters(&args, operation, params, &err) == KN_OK) {
        args_assert(args, operation);
        return 0;
    }
    struct kn_wire_error wire;
    kn_wire_error_of(&wire, &err);
    assert(wire.code[0] && wire.status >= 400 && wire.status < 600);
    return 0;
}
