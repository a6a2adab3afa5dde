/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "support/local_context.h"
#include "support/quoted_json.h"
#include "worker/task.h"

#define EXTRACT(targets, source, target)                                                           \
    "{'Kind':'extract','Targets':[" targets "],'Spec':{'Format':'webvtt','Sources':[{'Uri':'" source  \
    "','Target':'" target "'}]}}"
#define CONVERT "{'Kind':'convert','Targets':[1],'Spec':{'Inputs':[]}}"

static void captions_write(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("1\n00:00:01,000 --> 00:00:02,000\nHello\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static kn_code run(const char *object, json_t **out_result, struct kn_error *err)
{
    json_auto_t *task = quoted(object);
    kn_auto(kn_local_context_clear) struct kn_local_context local;
    assert_true(kn_local_context_init(&local, ".", 1));
    *out_result = NULL;
    kn_code rc = kn_task_run(&local.context, task, out_result, err);
    if (rc == KN_OK)
        rc = kn_local_context_publish(&local, err);
    return rc;
}

static const json_t *step_at(const json_t *result, size_t i)
{
    return json_array_get(json_object_get(result, "Steps"), i);
}

static void every_step_is_done_and_counted(void **state)
{
    (void)state;
    struct kn_error err = {0};
    json_auto_t *result = NULL;
    captions_write("a.srt");
    if (run("{'Steps':[" EXTRACT("0", "a.srt", "one.{autoext}") "," EXTRACT("2", "a.srt", "two-{streamindex}.vtt") "]}",
            &result, &err) != KN_OK)
        fail_msg("%s", err.message);
    assert_true(kn_fs_exists("one.vtt"));
    assert_true(kn_fs_exists("two-0.vtt"));
    assert_int_equal(json_integer_value(json_array_get(json_object_get(step_at(result, 1), "Targets"), 0)), 2);
    assert_int_equal(json_array_size(json_object_get(result, "Usage")), 2);
}

static void captions_that_cannot_be_had_do_not_take_the_others_with_them(void **state)
{
    (void)state;
    struct kn_error err = {0};
    json_auto_t *result = NULL;
    captions_write("b.srt");
    if (run("{'Steps':[" EXTRACT("0", "absent.srt", "x.vtt") "," EXTRACT("1", "b.srt", "b.vtt") "]}", &result, &err) !=
        KN_OK)
        fail_msg("%s", err.message);
    assert_string_equal(kn_json_get(step_at(result, 0), "Code", ""), "KN_ENOTFOUND");
    assert_non_null(strstr(kn_json_get(step_at(result, 0), "Message", ""), "absent.srt"));
    assert_true(kn_fs_exists("b.vtt"));
}

static void a_film_that_cannot_be_made_fails_the_task(void **state)
{
    (void)state;
    struct kn_error err = {0};
    json_auto_t *result = NULL;
    captions_write("c.srt");
    assert_int_equal(run("{'Steps':[" EXTRACT("0", "c.srt", "c.vtt") "," CONVERT "]}", &result, &err), KN_EINVAL);
    assert_false(kn_fs_exists("c.vtt"));
    assert_string_equal(kn_json_get(step_at(result, 1), "Code", ""), "KN_EINVAL");
}

static void what_nobody_knows_is_our_mistake(void **state)
{
    (void)state;
    struct kn_error err = {0};
    json_auto_t *result = NULL;
    assert_int_equal(run("{'Steps':[{'Kind':'nap'}]}", &result, &err), KN_EBUG);
    json_decref(result);
    assert_int_equal(run("{'Steps':[]}", &result, &err), KN_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_is_done_and_counted),
        cmocka_unit_test(captions_that_cannot_be_had_do_not_take_the_others_with_them),
        cmocka_unit_test(a_film_that_cannot_be_made_fails_the_task),
        cmocka_unit_test(what_nobody_knows_is_our_mistake),
    };
    return cmocka_run_group_tests_name("worker/task", tests, NULL, NULL);
}
