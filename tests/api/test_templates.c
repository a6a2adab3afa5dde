/* Custom and system templates (spec 02, section 7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "support/api_server.h"

static struct api_server server;

static int start(void **state)
{
    (void)state;
    api_server_start(&server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_server_stop(&server);
    return 0;
}

// With the caller's own spacing, which must come back.
#define CONFIG                                                                                     \
    "{ \"Container\":{\"Format\":\"mp4\"}, \"Video\":{\"Codec\":\"H.264\",\"Width\":\"1280\"}}"

static void a_template_is_returned_as_it_was_sent(void **state)
{
    (void)state;
    json_auto_t *made = api_call(&server, "CreateCustomTemplate",
                                 "Name=video-720p&Type=1&TemplateConfig=" CONFIG);
    const json_t *created = reply_at(made, "CustomTemplate");
    assert_string_equal(reply_text(created, "Subtype"), "Normal"); // here alone it is the name
    assert_string_equal(reply_text(created, "TypeName"), "TranscodeTemplate");
    assert_string_equal(reply_text(created, "TemplateConfig"), CONFIG);
    json_auto_t *got =
        api_call(&server, "GetCustomTemplate", "TemplateId=%s", reply_text(created, "TemplateId"));
    const json_t *template = reply_at(got, "CustomTemplate");
    assert_int_equal(json_integer_value(reply_at(template, "Subtype")), 1);
    assert_string_equal(reply_text(template, "SubtypeName"), "Normal");
    assert_string_equal(reply_text(template, "TemplateConfig"), CONFIG);
    assert_string_equal(reply_text(template, "Status"), "Normal");
}

static void the_subtype_may_stand_in_the_configuration(void **state)
{
    (void)state;
    json_auto_t *made = api_call(
        &server, "CreateCustomTemplate",
        "Name=copy&Type=1&TemplateConfig={\"Type\":\"Remux\",\"Container\":{\"Format\":\"flv\"},"
        "\"Video\":{},\"Audio\":{}}");
    assert_string_equal(reply_text(reply_at(made, "CustomTemplate"), "Subtype"), "Remux");
}

static void an_update_replaces_what_it_names(void **state)
{
    (void)state;
    json_auto_t *made =
        api_call(&server, "CreateCustomTemplate", "Name=old&Type=1&TemplateConfig=" CONFIG);
    char id[64];
    snprintf(id, sizeof(id), "%s", reply_text(reply_at(made, "CustomTemplate"), "TemplateId"));
    json_decref(api_call(&server, "UpdateCustomTemplate", "TemplateId=%s&Name=new", id));
    json_auto_t *renamed = api_call(&server, "GetCustomTemplate", "TemplateId=%s", id);
    assert_string_equal(reply_text(reply_at(renamed, "CustomTemplate"), "TemplateName"), "new");
    assert_string_equal(reply_text(reply_at(renamed, "CustomTemplate"), "TemplateConfig"), CONFIG);
    free(api_refused(&server, 400, "InvalidParameter.OutOfRange", "UpdateCustomTemplate",
                     "TemplateId=%s&TemplateConfig={\"Container\":{\"Format\":\"mp4\"},"
                     "\"Video\":{\"Width\":99999}}",
                     id));
    json_decref(api_call(&server, "DeleteCustomTemplate", "TemplateId=%s", id));
    free(api_refused(&server, 404, "ResourceNotFound", "DeleteCustomTemplate", "TemplateId=%s", id));
    free(api_refused(&server, 404, "ResourceNotFound", "UpdateCustomTemplate",
                     "TemplateId=%s&Name=a", id));
    free(api_refused(&server, 404, "ResourceNotFound", "GetCustomTemplate", "TemplateId=%s", id));
}

static void a_type_has_one_default(void **state)
{
    (void)state;
    char ids[2][64];
    for (int i = 0; i < 2; i++) {
        json_auto_t *made = api_call(&server, "CreateCustomTemplate",
                                     "Name=d%d&Type=1&Subtype=2&TemplateConfig={\"Container\":"
                                     "{\"Format\":\"mp3\"},\"Audio\":{\"Codec\":\"mp3\"}}", i);
        snprintf(ids[i], sizeof(ids[i]), "%s", reply_text(reply_at(made, "CustomTemplate"), "TemplateId"));
        json_decref(api_call(&server, "SetDefaultCustomTemplate", "TemplateId=%s", ids[i]));
    }
    json_auto_t *now = api_call(&server, "GetCustomTemplate", "Type=1&Subtype=2");
    assert_string_equal(reply_text(reply_at(now, "CustomTemplate"), "TemplateId"), ids[1]);
    json_auto_t *before = api_call(&server, "GetCustomTemplate", "TemplateId=%s", ids[0]);
    assert_true(json_is_false(reply_at(reply_at(before, "CustomTemplate"), "IsDefault")));
    free(api_refused(&server, 404, "ResourceNotFound", "SetDefaultCustomTemplate",
                     "TemplateId=none"));
    free(api_refused(&server, 404, "ResourceNotFound", "GetCustomTemplate", "Type=2"));
    free(api_refused(&server, 400, "MissingParameter", "GetCustomTemplate", "%s", ""));
}

static void lists_filter_and_page(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        json_decref(api_call(&server, "CreateCustomTemplate",
                             "Name=listed-%d&Type=1&TemplateConfig=" CONFIG, i));
    json_auto_t *page = api_call(&server, "ListCustomTemplates",
                                 "Type=1,2&Name=listed&PageSize=2&PageNumber=2&"
                                 "OrderBy=CreateTimeAsc");
    assert_int_equal(json_integer_value(reply_at(page, "Total")), 3);
    const json_t *list = reply_at(page, "CustomTemplateList");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(reply_text(json_array_get(list, 0), "TemplateName"), "listed-2");
    json_auto_t *none = api_call(&server, "ListCustomTemplates", "Type=2&Name=listed");
    assert_int_equal(json_integer_value(reply_at(none, "Total")), 0);
    free(api_refused(&server, 400, "InvalidParameter", "ListCustomTemplates", "Type=x"));
    free(api_refused(&server, 400, "MissingParameter", "ListCustomTemplates", "%s", ""));
}

static void a_job_finds_a_template_by_id_and_by_name(void **state)
{
    (void)state;
    json_auto_t *made =
        api_call(&server, "CreateCustomTemplate", "Name=mine&Type=1&TemplateConfig=" CONFIG);
    const char *keys[] = {reply_text(reply_at(made, "CustomTemplate"), "TemplateId"), "mine",
                          "S00000001-200030", "Video-360P"};
    for (size_t i = 0; i < KN_COUNT(keys); i++)
        json_decref(api_call(
            &server, "SubmitMediaConvertJob",
            "Config={\"Inputs\":[{\"InputFile\":{\"Type\":\"OSS\",\"Media\":\"oss://films/a.mp4\"}}],"
            "\"Outputs\":[{\"TemplateId\":\"%s\",\"OutputFile\":{\"Type\":\"OSS\","
            "\"Media\":\"oss://out/a.mp4\"}}]}",
            keys[i]));
}

static void system_templates_are_listed(void **state)
{
    (void)state;
    json_auto_t *all = api_call(&server, "ListSystemTemplates", "Type=1&PageSize=100");
    assert_true(json_integer_value(reply_at(all, "Total")) > 40);
    const json_t *list = reply_at(all, "SystemTemplateList");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_auto_t *one = api_call(&server, "GetSystemTemplate", "TemplateId=%s",
                                    reply_text(json_array_get(list, i), "TemplateId"));
        assert_true(json_equal(reply_at(one, "SystemTemplate"), json_array_get(list, i)));
    }
    json_auto_t *hidden = api_call(&server, "ListSystemTemplates", "Type=1&Status=Invisible");
    assert_int_equal(json_integer_value(reply_at(hidden, "Total")), 0);
    free(api_refused(&server, 404, "ResourceNotFound", "GetSystemTemplate", "TemplateId=S0"));
}

static void bad_templates_are_refused(void **state)
{
    (void)state;
    free(api_refused(&server, 400, "InvalidParameter.JsonFormatInvalid", "CreateCustomTemplate",
                     "Name=a&Type=1&TemplateConfig={"));
    free(api_refused(&server, 400, "InvalidParameter.OutOfRange", "CreateCustomTemplate",
                     "Name=a&Type=12&TemplateConfig=" CONFIG));
    free(api_refused(&server, 400, "InvalidParameter", "CreateCustomTemplate",
                     "Name=a&Type=2&Subtype=5&TemplateConfig={}"));
    free(api_refused(&server, 400, "MissingParameter", "CreateCustomTemplate", "Name=a&Type=1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_is_returned_as_it_was_sent),
        cmocka_unit_test(the_subtype_may_stand_in_the_configuration),
        cmocka_unit_test(an_update_replaces_what_it_names),
        cmocka_unit_test(a_type_has_one_default),
        cmocka_unit_test(lists_filter_and_page),
        cmocka_unit_test(a_job_finds_a_template_by_id_and_by_name),
        cmocka_unit_test(system_templates_are_listed),
        cmocka_unit_test(bad_templates_are_refused),
    };
    return cmocka_run_group_tests_name("api-server/templates", tests, start, stop);
}
