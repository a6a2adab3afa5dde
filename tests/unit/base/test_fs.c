/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"

static void a_file_is_written_whole_and_read_back(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    assert_int_equal(kn_fs_write("a.txt", "hello", 5, 0600, NULL), KN_OK);
    assert_int_equal(kn_fs_write("a.txt", "again", 5, 0600, NULL), KN_OK);
    assert_int_equal(kn_fs_read(&b, "a.txt", 100, NULL), KN_OK);
    assert_string_equal(kn_buf_text(&b), "again");
}

static void limits_and_absence_are_told(void **state)
{
    (void)state;
    struct kn_error err = {0};
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    assert_int_equal(kn_fs_read(&b, "absent", 100, &err), KN_ENOTFOUND);
    assert_string_equal(err.message, "cannot open 'absent': No such file or directory");
    assert_int_equal(kn_fs_write("big", "0123456789", 10, 0600, NULL), KN_OK);
    assert_int_equal(kn_fs_read(&b, "big", 9, NULL), KN_ELIMIT);
    assert_int_equal(kn_fs_write("no/such/folder", "x", 1, 0600, &err), KN_ENOTFOUND);
}

static void trees_are_made_and_removed(void **state)
{
    (void)state;
    assert_int_equal(kn_fs_make_folders("x/y/z", 0700, NULL), KN_OK);
    assert_int_equal(kn_fs_make_folders("x/y/z", 0700, NULL), KN_OK);
    assert_int_equal(kn_fs_write("x/y/f", "1", 1, 0600, NULL), KN_OK);
    assert_int_equal(kn_fs_make_folders("x/y/f", 0700, NULL), KN_ECONFLICT);
    assert_int_equal(kn_fs_remove_tree("x", NULL), KN_OK);
    assert_false(kn_fs_exists("x"));
    assert_int_equal(kn_fs_remove_tree("x", NULL), KN_OK);
}

// /proc has no journal; what lies below the test's own folder is this machine's choice.
static void a_name_is_not_covered_by_the_files_sync_when_in_doubt(void **state)
{
    (void)state;
    assert_false(kn_fs_sync_covers_name("absent"));
    assert_false(kn_fs_sync_covers_name("/proc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_not_covered_by_the_files_sync_when_in_doubt),
        cmocka_unit_test(a_file_is_written_whole_and_read_back),
        cmocka_unit_test(limits_and_absence_are_told),
        cmocka_unit_test(trees_are_made_and_removed),
    };
    return cmocka_run_group_tests_name("base/fs", tests, NULL, NULL);
}
