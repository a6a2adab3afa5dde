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

// Texts are keys of caches and are compared by hash: ours is byte for byte what jansson writes.
static void text_is_what_jansson_writes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}", "[]", "0", "-9223372036854775808", "9223372036854775807", "0.1", "-1.5e+300", "2.0",
        "\"a\\\"b\\\\c\\/d\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u00e9\\u4e2d\"",
        "{\"b\":[1,[],{},null,true,false],\"a\":{\"\":\"\",\"q\\\"\":[0.30000000000000004]}}",
    };
    for (size_t i = 0; i < KN_COUNT(texts); i++) {
        json_auto_t *value = parse(texts[i]);
        kn_auto(kn_free) char *ours = kn_json_text(value);
        kn_auto(kn_free) char *theirs = json_dumps(
            value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        assert_string_equal(ours, theirs);
    }
    assert_null(kn_json_text(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_as_numbers_or_as_text),
        cmocka_unit_test(complaints_name_the_path),
        cmocka_unit_test(objects_come_as_objects_or_as_text),
        cmocka_unit_test(merging_replaces_scalars_and_arrays_and_goes_into_objects),
        cmocka_unit_test(text_is_what_jansson_writes),
    };
    return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
