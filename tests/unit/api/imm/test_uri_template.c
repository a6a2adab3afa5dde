/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "api/imm/uri_template.h"
#include "base/cleanup.h"
#include "base/time.h"

static const char *const oss_hosts[] = {"oss.example.lan", NULL};

static struct fixture {
    struct kn_arena arena;
    struct kn_error err;
    struct kn_uri source;
    json_t *tags;
    const char *one, *many;
} fx;

static int set_up(void **state)
{
    (void)state;
    fx = (struct fixture){0};
    fx.tags = json_pack("{s:s}", "case", "17");
    return kn_uri_parse(&fx.source, "oss://media/in/a film.mkv", NULL, &fx.arena, &fx.err);
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(fx.tags);
    kn_arena_clear(&fx.arena);
    return 0;
}

static struct kn_imm_names names(void)
{
    struct kn_imm_names names = {.source = &fx.source, .tags = fx.tags, .oss_hosts = oss_hosts};
    (void)kn_time_parse_iso("2026-03-01T10:20:30Z", &names.created_us);
    (void)kn_time_parse_iso("2025-12-31T23:59:58Z", &names.uploaded_us);
    return names;
}

static kn_code captions(const char *text)
{
    const struct kn_imm_names all = names();
    fx.err = (struct kn_error){0};
    return kn_imm_caption_targets(&fx.one, &fx.many, text, "URI", &all, &fx.arena, &fx.err);
}

static void expect(const char *text, const char *one, const char *many)
{
    if (captions(text) != KN_OK)
        fail_msg("%s: %s", text, fx.err.message);
    assert_string_equal(fx.one, one);
    assert_string_equal(fx.many, many);
}

static void expect_refused(const char *text, const char *word)
{
    assert_int_equal(captions(text), KN_EINVAL);
    if (!strstr(fx.err.message, word))
        fail_msg("'%s' does not name '%s'", fx.err.message, word);
}

static void a_template_that_tells_streams_apart_is_taken_as_it_is(void **state)
{
    (void)state;
    expect("oss://media/out/cap-{streamindex}.{autoext}", "oss://media/out/cap-{streamindex}.{autoext}",
           "oss://media/out/cap-{streamindex}.{autoext}");
}

static void a_name_without_extension_is_a_prefix(void **state)
{
    (void)state;
    expect("oss://media/outputSubtitle", "oss://media/outputSubtitle_{streamindex}.{autoext}",
           "oss://media/outputSubtitle_{streamindex}.{autoext}");
}

static void what_would_overwrite_itself_gets_numbers_for_several_streams(void **state)
{
    (void)state;
    expect("oss://media/out/cap.srt", "oss://media/out/cap.srt", "oss://media/out/cap_{streamindex}.srt");
    expect("oss://media/out.d/cap-{t_year}.{autoext}", "oss://media/out.d/cap-2026.{autoext}",
           "oss://media/out.d/cap-2026_{streamindex}.{autoext}");
    expect("oss://media/{barename}", "oss://media/a film", "oss://media/a film_{streamindex}.{autoext}");
    // %d of the vendor's prose is no variable.
    expect("oss://media/subtitle-%d.vtt", "oss://media/subtitle-%d.vtt", "oss://media/subtitle-%d_{streamindex}.vtt");
}

static void the_source_the_times_and_the_tags_are_variables(void **state)
{
    (void)state;
    expect("oss://{bucket}/{dirname}/{barename}-{ext}-{tags.case}_{streamindex}",
           "oss://media/in/a film-mkv-17_{streamindex}", "oss://media/in/a film-mkv-17_{streamindex}");
    expect("oss://b-2/{key}/{basename}/{streamindex}", "oss://b-2/in/a film.mkv/a film.mkv/{streamindex}",
           "oss://b-2/in/a film.mkv/a film.mkv/{streamindex}");
    expect("oss://b-2/{year}{mon}{day}{hour}{min}{sec}-{t_mon}{t_day}{t_hour}{t_min}{t_sec}/{streamindex}",
           "oss://b-2/20251231235958-0301102030/{streamindex}", "oss://b-2/20251231235958-0301102030/{streamindex}");
}

static void a_folder_at_the_root_has_no_name(void **state)
{
    (void)state;
    assert_int_equal(kn_uri_parse(&fx.source, "oss://media/film.mkv", NULL, &fx.arena, &fx.err), KN_OK);
    static const char at_root[] = "oss://media/x-{streamindex}.srt", below[] = "oss://media/o/x-{streamindex}.srt";
    expect("oss://media/{dirname}/x-{streamindex}.srt", at_root, at_root);
    expect("oss://media/o/{dirname}/x-{streamindex}.srt", below, below);
}

static void every_form_of_an_address_is_one_bucket(void **state)
{
    (void)state;
    static const char one[] = "oss://media/out/c-{streamindex}.srt";
    expect("https://media.oss-cn-shanghai.aliyuncs.com/out/c-{streamindex}.srt", one, one);
    expect("http://oss.example.lan/media/out/c-%7Bstreamindex%7D.srt", one, one);
}

static void a_doubled_brace_is_a_brace(void **state)
{
    (void)state;
    expect("oss://media/{{x}}-{streamindex}.srt", "oss://media/{x}-{streamindex}.srt",
           "oss://media/{x}-{streamindex}.srt");
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    expect_refused("oss://media/{streamindx}.srt", "streamindx");
    expect_refused("oss://media/{tags.none}.srt", "tags.none");
    expect_refused("oss://media/{streamindex.srt", "brace");
    expect_refused("oss://media/streamindex}.srt", "brace");
    expect_refused("oss://media/{}.srt", "brace");
    expect_refused("oss://media/", "object");
    expect_refused("https://elsewhere.example.com/a.srt", "bucket");
    expect_refused("/tmp/a.srt", "bucket");
    expect_refused("oss://media/../{streamindex}.srt", "URI");
}

static void outside_captions_the_runs_variables_are_unknown(void **state)
{
    (void)state;
    const struct kn_imm_names all = names();
    const char *out = NULL;
    assert_int_equal(kn_imm_template_resolve(&out, "oss://media/{barename}.mp4", "URI", &all, &fx.arena, &fx.err), KN_OK);
    assert_string_equal(out, "oss://media/a film.mp4");
    assert_int_equal(kn_imm_template_resolve(&out, "oss://media/{autoext}", "URI", &all, &fx.arena, &fx.err), KN_EINVAL);
}

static void only_the_upload_time_asks_for_a_look_at_the_source(void **state)
{
    (void)state;
    assert_true(kn_imm_template_wants_upload_time("oss://media/{year}/x"));
    assert_false(kn_imm_template_wants_upload_time("oss://media/{t_year}/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_template_that_tells_streams_apart_is_taken_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_without_extension_is_a_prefix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_would_overwrite_itself_gets_numbers_for_several_streams, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_source_the_times_and_the_tags_are_variables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_at_the_root_has_no_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_form_of_an_address_is_one_bucket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_doubled_brace_is_a_brace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outside_captions_the_runs_variables_are_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_upload_time_asks_for_a_look_at_the_source, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("api/imm/uri_template", tests, NULL, NULL);
}
