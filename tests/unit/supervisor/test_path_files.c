/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/io.h"
#include "supervisor/path_files.h"

static void put(struct kn_path_files *files, const char *path, const char *text)
{
    struct kn_files *face = kn_path_files_face(files);
    kn_auto(kn_sink_free) struct kn_sink *sink = NULL;
    assert_int_equal(face->open_output(face, path, &sink, NULL), KN_OK);
    assert_int_equal(kn_fs_write_all(sink->fd, text, strlen(text), NULL), KN_OK);
    assert_int_equal(kn_sink_commit(sink, NULL), KN_OK);
}

static void assert_file(const char *path, const char *text)
{
    kn_auto(kn_buf_clear) struct kn_buf content = {0};
    assert_int_equal(kn_fs_read(&content, path, 1 << 20, NULL), KN_OK);
    assert_string_equal(kn_buf_text(&content), text);
}

static struct kn_path_files *new_files(void)
{
    struct kn_path_files *files = NULL;
    assert_int_equal(kn_path_files_new(&files, NULL, NULL, NULL), KN_OK);
    return files;
}

static void names_new_and_taken_appear_together(void **state)
{
    (void)state;
    assert_int_equal(kn_fs_write("taken", "old and longer", 14, 0600, NULL), KN_OK);
    kn_auto(kn_path_files_free) struct kn_path_files *files = new_files();
    put(files, "new", "one");
    put(files, "taken", "two");
    assert_false(kn_fs_exists("new"));
    assert_file("taken", "old and longer");
    assert_int_equal(kn_path_files_publish(files, NULL), KN_OK);
    kn_path_files_free(&files);
    assert_file("new", "one");
    assert_file("taken", "two");
}

static void a_name_taken_meanwhile_takes_the_others_back(void **state)
{
    (void)state;
    kn_auto(kn_path_files_free) struct kn_path_files *files = new_files();
    struct kn_error err = {0};
    kn_path_files_keep_existing(files);
    put(files, "first", "1");
    put(files, "second", "2");
    put(files, "made/third", "3");
    assert_int_equal(kn_fs_write("second", "theirs", 6, 0600, NULL), KN_OK);
    assert_int_equal(kn_path_files_publish(files, &err), KN_ECONFLICT);
    assert_string_equal(err.message, "'second' exists already");
    kn_path_files_free(&files);
    assert_file("second", "theirs");
    assert_false(kn_fs_exists("first"));
    assert_false(kn_fs_exists("made"));
}

static void a_url_without_a_client_is_no_file(void **state)
{
    (void)state;
    kn_auto(kn_path_files_free) struct kn_path_files *files = new_files();
    struct kn_files *face = kn_path_files_face(files);
    struct kn_source *source = NULL;
    struct kn_error err = {0};
    assert_int_equal(face->open_input(face, "http://127.0.0.1/film.mkv", &source, &err), KN_EINVAL);
    assert_string_equal(err.reason, "ResourceAccess");
    assert_null(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_new_and_taken_appear_together),
        cmocka_unit_test(a_name_taken_meanwhile_takes_the_others_back),
        cmocka_unit_test(a_url_without_a_client_is_no_file),
    };
    return cmocka_run_group_tests_name("supervisor/path_files", tests, NULL, NULL);
}
