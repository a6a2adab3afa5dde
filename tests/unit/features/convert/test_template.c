/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "features/convert/template.h"

static void every_system_template_passes_its_own_check(void **state)
{
    (void)state;
    assert_true(kn_template_system_count() > 60);
    for (size_t i = 0; i < kn_template_system_count(); i++) {
        kn_auto(kn_template_clear) struct kn_template t = {0};
        struct kn_error err = {0};
        assert_int_equal(kn_template_system(&t, i, NULL), KN_OK);
        if (kn_template_check(t.type, t.subtype, t.config, &err) != KN_OK)
            fail_msg("%s: %s", t.name, err.message);
        assert_int_equal(kn_template_subtype_of(t.type, t.config), t.subtype);
    }
}

static void tutorial_templates_are_found_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"Video-360P",      "Video-540P",      "Video-720P",
                                        "Video-1080P",     "Video-360P-H265", "Video-540P-H265",
                                        "Video-720P-H265", "Video-1080P-H265"};
    for (size_t i = 0; i < KN_COUNT(names); i++) {
        kn_auto(kn_template_clear) struct kn_template t = {0};
        assert_int_equal(kn_template_find(&t, names[i], NULL, NULL), KN_OK);
        assert_string_equal(t.name, names[i]);
        const json_t *audio = json_object_get(t.config, "Audio");
        assert_int_equal(json_integer_value(json_object_get(audio, "Samplerate")), 48000);
        assert_true(json_is_true(json_object_get(audio, "AllowLowComplexity")));
    }
}

static void system_templates_are_found_by_id(void **state)
{
    (void)state;
    kn_auto(kn_template_clear) struct kn_template t = {0};
    assert_int_equal(kn_template_find(&t, "S00000001-200010", NULL, NULL), KN_OK);
    assert_string_equal(t.name, "MP4-LD");
}

static void unknown_template_is_template_not_found(void **state)
{
    (void)state;
    struct kn_error err = {0};
    kn_auto(kn_template_clear) struct kn_template t = {0};
    assert_int_equal(kn_template_find(&t, "Video-9000P", NULL, &err), KN_EINVAL);
    assert_string_equal(err.reason, "TemplateNotFound");
}

static kn_code custom_by_id(void *context, const char *id, struct kn_template *out,
                            struct kn_error *err)
{
    (void)context, (void)id, (void)out;
    return kn_fail(err, KN_ENOTFOUND, "no such id");
}

static kn_code custom_by_name(void *context, const char *name, struct kn_template *out,
                              struct kn_error *err)
{
    (void)context;
    if (strcmp(name, "Video-360P") != 0)
        return kn_fail(err, KN_ENOTFOUND, "no such name");
    *out = (struct kn_template){.id = "mine", .type = 1, .subtype = 1, .config = json_object()};
    return KN_OK;
}

static void own_template_of_the_same_name_comes_first(void **state)
{
    (void)state;
    struct kn_template_source source = {custom_by_id, custom_by_name, NULL};
    kn_auto(kn_template_clear) struct kn_template t = {0};
    assert_int_equal(kn_template_find(&t, "Video-360P", &source, NULL), KN_OK);
    assert_string_equal(t.id, "mine");
    kn_template_clear(&t);
    assert_int_equal(kn_template_find(&t, "Video-540P", &source, NULL), KN_OK);
    assert_string_equal(t.id, "S00000009-000020");
}

static void bad_configurations_are_refused_by_field(void **state)
{
    (void)state;
    static const struct {
        int type, subtype;
        const char *config, *reason, *field;
    } rows[] = {
        {1, 0, "{\"Video\":{\"Bitrate\":5}}", "OutOfRange", "'TemplateConfig.Video.Bitrate'"},
        {1, 0, "{}", "EmptyValue", "'TemplateConfig'"},
        {1, 9, "{\"Video\":{}}", "OutOfRange", "'Subtype'"},
        {12, 0, "{}", "OutOfRange", "'Type'"},
        {2, 0, "{\"FrameType\":\"odd\"}", "InvalidParameter", "'TemplateConfig.FrameType'"},
        {2, 0, "{\"Count\":0}", "OutOfRange", "'TemplateConfig.Count'"},
        {4, 0, "{\"Width\":100}", "EmptyValue", "'TemplateConfig.Height'"},
        {4, 0, "{\"Width\":0.2,\"Height\":4}", "OutOfRange", "'TemplateConfig.Height'"},
        {4, 0, "{\"Width\":100,\"Height\":10,\"ReferPos\":\"Middle\"}", "InvalidParameter",
         "'TemplateConfig.ReferPos'"},
        {5, 0, "{\"Content\":\"a\",\"FontSize\":200}", "OutOfRange", "'TemplateConfig.FontSize'"},
        {6, 0, "{\"Format\":\"doc\"}", "NotSupported", "'TemplateConfig.Format'"},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        struct kn_error err = {0};
        json_auto_t *config = json_loads(rows[i].config, 0, NULL);
        assert_int_equal(kn_template_check(rows[i].type, rows[i].subtype, config, &err), KN_EINVAL);
        assert_string_equal(err.reason, rows[i].reason);
        if (!strstr(err.message, rows[i].field))
            fail_msg("row %zu: %s", i, err.message);
    }
}

static void good_watermarks_and_snapshots_pass(void **state)
{
    (void)state;
    static const struct {
        int type;
        const char *config;
    } rows[] = {
        {2, "{\"Type\":\"Normal\",\"FrameType\":\"intra\",\"Time\":0,\"Interval\":5,\"Count\":10}"},
        {4, "{\"Width\":0.1,\"Height\":0.1,\"Dx\":10,\"Dy\":\"0.05\",\"ReferPos\":\"TopLeft\","
            "\"Timeline\":{\"Start\":0,\"Duration\":\"ToEND\"}}"},
        {5, "{\"Content\":\"Kinora\",\"FontSize\":\"24\",\"Top\":10,\"Left\":10}"},
        {6, "{\"Format\":\"vtt\",\"CharEnc\":\"UTF-8\"}"},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        struct kn_error err = {0};
        json_auto_t *config = json_loads(rows[i].config, 0, NULL);
        if (kn_template_check(rows[i].type, 0, config, &err) != KN_OK)
            fail_msg("row %zu: %s", i, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_system_template_passes_its_own_check),
        cmocka_unit_test(tutorial_templates_are_found_by_name),
        cmocka_unit_test(system_templates_are_found_by_id),
        cmocka_unit_test(unknown_template_is_template_not_found),
        cmocka_unit_test(own_template_of_the_same_name_comes_first),
        cmocka_unit_test(bad_configurations_are_refused_by_field),
        cmocka_unit_test(good_watermarks_and_snapshots_pass),
    };
    return cmocka_run_group_tests_name("features/convert/template", tests, NULL, NULL);
}
