/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A walk over two trees: what spec/ declares, and what came. KINORA_SOURCE says where spec/ is. */
#include "support/spec_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"

static json_t *spec_load(const char *product, const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/spec/%s/%s.json", getenv("KINORA_SOURCE"), product, name);
    json_error_t why;
    json_t *json = json_load_file(path, 0, &why);
    if (!json)
        fail_msg("%s: %s", path, why.text);
    return json;
}

/* ---- the types that a strict client accepts ---- */

static bool is_decimal(const char *text)
{
    size_t n = strspn(text, "0123456789");
    if (n > 0 && text[n] == '.')
        n += 1 + strspn(text + n + 1, "0123456789");
    return n > 0 && text[n] == '\0';
}

static bool is_boolean_text(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

static bool type_accepts(const char *type, const json_t *value)
{
    const char *text = json_string_value(value);
    if (strcmp(type, "any") == 0)
        return true;
    if (strcmp(type, "string") == 0)
        return text || json_is_number(value) || json_is_boolean(value);
    if (strcmp(type, "number") == 0)
        return json_is_number(value) || (text && is_decimal(text));
    if (strcmp(type, "boolean") == 0)
        return json_is_boolean(value) || (text && is_boolean_text(text)) ||
               (json_is_integer(value) && json_integer_value(value) >> 1 == 0);
    fail_msg("spec/ declares the type '%s', which nobody knows", type);
    return false;
}

static void tree_check(const json_t *declared, const json_t *value, const json_t *types,
                       const char *path)
{
    char inside[512];
    const char *type = json_string_value(declared);
    if (type && type[0] == '@') {
        tree_check(json_object_get(types, type + 1), value, types, path);
    } else if (type) {
        if (!type_accepts(type, value))
            fail_msg("%s: a %s is declared, this is not one", path, type);
    } else if (json_is_array(declared)) {
        if (!json_is_array(value))
            fail_msg("%s: an array is declared, this is not one", path);
        for (size_t i = 0; i < json_array_size(value); i++) {
            snprintf(inside, sizeof(inside), "%s[%zu]", path, i);
            tree_check(json_array_get(declared, 0), json_array_get(value, i), types, inside);
        }
    } else {
        const char *name;
        json_t *member;
        if (!json_is_object(value))
            fail_msg("%s: an object is declared, this is not one", path);
        json_object_foreach((json_t *)declared, name, member) {
            char plain[128];
            (void)kn_copy(plain, sizeof(plain), name);
            bool is_optional = kn_ends_with(plain, "?");
            if (is_optional)
                plain[strlen(plain) - 1] = '\0';
            const json_t *there = json_object_get(value, plain);
            snprintf(inside, sizeof(inside), "%s.%s", path, plain);
            if (!there && !is_optional)
                fail_msg("%s: is declared, but not there", inside);
            if (there && !json_is_null(there))
                tree_check(member, there, types, inside);
        }
    }
}

static void request_id_check(const json_t *answer)
{
    const char *id = kn_json_get(answer, "RequestId", "");
    assert_int_equal(strlen(id), 36);
    for (const char *c = id; *c; c++)
        assert_true(*c == '-' || isdigit((unsigned char)*c) || (*c >= 'A' && *c <= 'F'));
}

void spec_check_answer(const char *product, const char *action, const json_t *answer)
{
    json_auto_t *operation = spec_load(product, action), *types = spec_load(product, "types");
    request_id_check(answer);
    const json_t *response = json_object_get(operation, "response");
    const char *code = kn_json_get(answer, "Code", NULL);
    if (json_object_get(answer, "Code") && !json_object_get(response, "Code")) {
        if (!code || (strcmp(code, "OK") != 0 && strcasecmp(code, "Success") != 0 &&
                      strcmp(code, "200") != 0))
            fail_msg("%s: an undeclared top-level Code, which clients take for an error", action);
    }
    tree_check(response, answer, types, action);
}

void spec_check_error(const json_t *error)
{
    request_id_check(error);
    static const char *const needed[] = {"HostId", "Code", "Message"};
    for (size_t i = 0; i < KN_COUNT(needed); i++) {
        if (!kn_json_get(error, needed[i], NULL))
            fail_msg("an error without %s", needed[i]);
    }
}

void spec_check_example(const char *product, const char *action)
{
    json_auto_t *operation = spec_load(product, action);
    spec_check_answer(product, action,
                      json_object_get(json_object_get(operation, "example"), "response"));
}
