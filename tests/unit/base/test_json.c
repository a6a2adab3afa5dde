/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/json.h"

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    assert_int_equal(kn_json_parse(&value, text, strlen(text), "test", NULL), KN_OK);
    return value;
}

static void numbers_come_as_numbers_or_as_text(void **state)
{
    (void)state;
    json_auto_t *o =
        parse("{\"a\":\"64\",\"b\":64,\"c\":\"\",\"d\":null,\"e\":64.0,\"f\":\"29.97\"}");
    int64_t n = 7;
    static const char *const names[] = {"a", "b", "e"};
    for (size_t i = 0; i < KN_COUNT(names); i++, n = 7) {
        assert_int_equal(kn_json_int(o, names[i], "Audio", 8, 1000, &n, NULL), KN_OK);
        assert_int_equal(n, 64);
    }
    assert_int_equal(kn_json_int(o, "c", "Audio", 8, 1000, &n, NULL), KN_OK);
    assert_int_equal(kn_json_int(o, "d", "Audio", 8, 1000, &n, NULL), KN_OK);
    assert_int_equal(n, 7); // absent leaves the default
    assert_int_equal(kn_json_int(o, "f", "Audio", 8, 1000, &n, NULL), KN_EINVAL);
    double d;
    assert_int_equal(kn_json_double(o, "f", "Video", 0, 60, &d, NULL), KN_OK);
    assert_true(d > 29.96 && d < 29.98);
}

static void complaints_name_the_path(void **state)
{
    (void)state;
    struct kn_error err = {0};
    json_auto_t *o = parse("{\"Bitrate\":5,\"Remove\":\"maybe\",\"Audios\":{}}");
    int64_t n;
    bool b;
    json_t *list = NULL;
    assert_int_equal(kn_json_int(o, "Bitrate", "Config.Outputs[0].Audio", 8, 1000, &n, &err),
                     KN_EINVAL);
    assert_string_equal(err.message, "'Config.Outputs[0].Audio.Bitrate' is 5, outside 8 to 1000");
    assert_string_equal(err.reason, "OutOfRange");
    assert_int_equal(kn_json_bool(o, "Remove", "Audio", &b, &err), KN_EINVAL);
    assert_string_equal(err.message, "'Audio.Remove' must be true or false");
    assert_int_equal(kn_json_array(o, "Audios", "Config", &list, &err), KN_EINVAL);
    assert_string_equal(err.reason, "JsonArrayFormatInvalid");
}

static void objects_come_as_objects_or_as_text(void **state)
{
    (void)state;
    json_auto_t *o = parse("{\"a\":{\"x\":1},\"b\":\"{\\\"x\\\":1}\",\"c\":\"{\"}");
    json_auto_t *a = NULL;
    json_auto_t *b = NULL;
    json_t *c = NULL;
    struct kn_error err = {0};
    assert_int_equal(kn_json_object(o, "a", "", &a, NULL), KN_OK);
    assert_int_equal(kn_json_object(o, "b", "", &b, NULL), KN_OK);
    assert_true(json_equal(a, b));
    assert_int_equal(kn_json_object(o, "c", "", &c, &err), KN_EINVAL);
    assert_string_equal(err.reason, "JsonFormatInvalid");
}

static void merging_replaces_scalars_and_arrays_and_goes_into_objects(void **state)
{
    (void)state;
    json_auto_t *base = parse("{\"V\":{\"w\":1,\"h\":2},\"A\":[1,2],\"s\":\"x\"}");
    json_auto_t *over = parse("{\"V\":{\"h\":3},\"A\":[9],\"t\":true}");
    json_auto_t *want = parse("{\"V\":{\"w\":1,\"h\":3},\"A\":[9],\"s\":\"x\",\"t\":true}");
    assert_int_equal(kn_json_merge(base, over), 0);
    assert_true(json_equal(base, want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_as_numbers_or_as_text),
        cmocka_unit_test(complaints_name_the_path),
        cmocka_unit_test(objects_come_as_objects_or_as_text),
        cmocka_unit_test(merging_replaces_scalars_and_arrays_and_goes_into_objects),
    };
    return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
