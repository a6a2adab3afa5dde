#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "api/check.h"
#include "base/cleanup.h"
#include "base/json.h"

static const char *const colours[] = {"red", "green", NULL};
static const struct kn_param params[] = {
    {.name = "Name", .kind = KN_PARAM_STRING, .is_required = true, .max_bytes = 8},
    {.name = "Size", .kind = KN_PARAM_INTEGER, .has_range = true, .min = 1, .max = 100},
    {.name = "Rate", .kind = KN_PARAM_NUMBER},
    {.name = "On", .kind = KN_PARAM_BOOLEAN},
    {.name = "Since", .kind = KN_PARAM_TIME},
    {.name = "Colour", .kind = KN_PARAM_STRING, .values = colours},
    {.name = "Config", .kind = KN_PARAM_OBJECT},
    {.name = "Tag", .kind = KN_PARAM_ARRAY},
    {.name = "Ids", .kind = KN_PARAM_STRINGS},
};
static const struct kn_operation operation = {
    .name = "Test", .params = params, .n_params = KN_COUNT(params)};

static kn_code check(json_t **out, const char *sent, struct kn_error *err)
{
    json_auto_t *json = json_loads(sent, 0, NULL);
    assert_non_null(json);
    return kn_check_parameters(out, &operation, json, err);
}

static void assert_args(const char *sent, const char *want)
{
    json_auto_t *args = NULL, *wanted = json_loads(want, 0, NULL);
    assert_int_equal(check(&args, sent, NULL), KN_OK);
    if (!json_equal(args, wanted)) {
        kn_auto(kn_free) char *text = kn_json_text(args);
        fail_msg("%s gave %s instead of %s", sent, text, want);
    }
}

static void assert_refused(const char *sent, const char *reason, const char *subject)
{
    json_auto_t *args = NULL;
    struct kn_error err = {0};
    assert_int_equal(check(&args, sent, &err), KN_EINVAL);
    assert_string_equal(err.reason, reason);
    assert_non_null(strstr(err.message, subject));
    assert_null(args);
}

static void texts_become_what_the_operation_declares(void **state)
{
    (void)state;
    assert_args("{\"Name\":\"a\",\"Size\":\"7\",\"On\":\"true\",\"Since\":\"1970-01-01T00:00:01Z\"}",
                "{\"Name\":\"a\",\"Size\":7,\"On\":true,\"Since\":1000000}");
    assert_args("{\"Name\":\"a\",\"Rate\":\"37.5\",\"Colour\":\"green\"}",
                "{\"Name\":\"a\",\"Rate\":37.5,\"Colour\":\"green\"}");
}

static void values_of_a_json_body_do_as_well(void **state)
{
    (void)state;
    assert_args("{\"Name\":5,\"Size\":7,\"On\":false,\"Config\":{\"a\":1},\"Ids\":[\"x\"]}",
                "{\"Name\":\"5\",\"Size\":7,\"On\":false,\"Config\":{\"a\":1},\"Ids\":[\"x\"]}");
}

static void empty_and_unknown_ones_are_as_if_absent(void **state)
{
    (void)state;
    assert_args("{\"Name\":\"a\",\"Size\":\"\",\"Else\":\"b\",\"Config\":\"\"}", "{\"Name\":\"a\"}");
}

static void a_required_one_must_be_there_and_not_empty(void **state)
{
    (void)state;
    assert_refused("{}", "MissingParameter", "'Name'");
    assert_refused("{\"Name\":\"\"}", "MissingParameter", "'Name'");
}

static void numbers_keep_to_their_range(void **state)
{
    (void)state;
    assert_refused("{\"Name\":\"a\",\"Size\":\"0\"}", "OutOfRange", "'Size'");
    assert_refused("{\"Name\":\"a\",\"Size\":\"101\"}", "OutOfRange", "'Size'");
    assert_refused("{\"Name\":\"a\",\"Size\":\"1x\"}", "NumberFormatInvalid", "'Size'");
    assert_refused("{\"Name\":\"a\",\"Rate\":\"fast\"}", "NumberFormatInvalid", "'Rate'");
}

static void texts_keep_to_their_length_and_values(void **state)
{
    (void)state;
    assert_refused("{\"Name\":\"123456789\"}", "OutOfRange", "'Name'");
    assert_refused("{\"Name\":\"a\",\"Colour\":\"blue\"}", "InvalidParameter", "'Colour'");
    assert_refused("{\"Name\":\"a\",\"On\":\"maybe\"}", "InvalidParameter", "'On'");
    assert_refused("{\"Name\":\"a\",\"Since\":\"yesterday\"}", "InvalidParameter", "'Since'");
    assert_refused("{\"Name\":{\"a\":1}}", "InvalidParameter", "'Name'");
}

static void json_text_must_be_json_of_the_right_kind(void **state)
{
    (void)state;
    assert_args("{\"Name\":\"a\",\"Config\":\"{\\\"b\\\":[1]}\"}",
                "{\"Name\":\"a\",\"Config\":{\"b\":[1]}}");
    assert_refused("{\"Name\":\"a\",\"Config\":\"{\"}", "JsonFormatInvalid", "'Config'");
    assert_refused("{\"Name\":\"a\",\"Config\":\"[]\"}", "JsonObjectFormatInvalid", "'Config'");
    assert_refused("{\"Name\":\"a\",\"Tag\":\"{}\"}", "JsonArrayFormatInvalid", "'Tag'");
    assert_refused("{\"Name\":\"a\",\"Ids\":\"[1]\"}", "InvalidParameter", "'Ids'");
}

static void flattened_arrays_are_put_together_by_index(void **state)
{
    (void)state;
    assert_args("{\"Name\":\"a\",\"Tag.3.Key\":\"k3\",\"Tag.1.Key\":\"k\",\"Tag.1.Values.1\":\"x\","
                "\"Tag.1.Values.2\":\"y\"}",
                "{\"Name\":\"a\",\"Tag\":[{\"Key\":\"k\",\"Values\":[\"x\",\"y\"]},{\"Key\":\"k3\"}]}");
    assert_args("{\"Name\":\"a\",\"Ids.10\":\"j\",\"Ids.9\":\"i\"}",
                "{\"Name\":\"a\",\"Ids\":[\"i\",\"j\"]}");
}

static void flattened_objects_keep_their_names(void **state)
{
    (void)state;
    assert_args("{\"Name\":\"a\",\"Config.x.y\":\"z\"}",
                "{\"Name\":\"a\",\"Config\":{\"x\":{\"y\":\"z\"}}}");
    assert_args("{\"Name\":\"a\",\"Config.#3#a.b\":\"z\"}",
                "{\"Name\":\"a\",\"Config\":{\"a.b\":\"z\"}}");
}

static void lists_of_strings_may_have_commas(void **state)
{
    (void)state;
    assert_args("{\"Name\":\"a\",\"Ids\":\"p,q,,r\"}",
                "{\"Name\":\"a\",\"Ids\":[\"p\",\"q\",\"r\"]}");
}

static void clashing_and_endless_names_do_no_harm(void **state)
{
    (void)state;
    json_auto_t *sent = json_loads("{\"T.a\":\"1\",\"T.a.b\":\"2\",\"T.\":\"3\",\"T..\":\"4\","
                                   "\"T.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s\":\"5\"}",
                                   0, NULL);
    json_auto_t *tree = kn_unflatten(sent, "T");
    assert_string_equal(kn_json_get(tree, "a", ""), "1");
    assert_null(kn_unflatten(sent, "U"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_what_the_operation_declares),
        cmocka_unit_test(values_of_a_json_body_do_as_well),
        cmocka_unit_test(empty_and_unknown_ones_are_as_if_absent),
        cmocka_unit_test(a_required_one_must_be_there_and_not_empty),
        cmocka_unit_test(numbers_keep_to_their_range),
        cmocka_unit_test(texts_keep_to_their_length_and_values),
        cmocka_unit_test(json_text_must_be_json_of_the_right_kind),
        cmocka_unit_test(flattened_arrays_are_put_together_by_index),
        cmocka_unit_test(flattened_objects_keep_their_names),
        cmocka_unit_test(lists_of_strings_may_have_commas),
        cmocka_unit_test(clashing_and_endless_names_do_no_harm),
    };
    return cmocka_run_group_tests_name("api/check", tests, NULL, NULL);
}
