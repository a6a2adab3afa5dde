/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "http/tls_auto.h"

static void certificates_are_made_once_and_again_for_new_names(void **state)
{
    (void)state;
    struct kn_tls_auto paths;
    kn_auto(kn_buf_clear) struct kn_buf first = {0}, again = {0}, more = {0}, ca = {0}, ca2 = {0};
    assert_int_equal(kn_tls_auto_ensure(&paths, "tls", NULL, NULL), KN_OK);
    assert_int_equal(kn_fs_read(&first, paths.cert_file, 100000, NULL), KN_OK);
    assert_int_equal(kn_fs_read(&ca, paths.ca_file, 100000, NULL), KN_OK);
    struct stat st;
    assert_int_equal(stat(paths.key_file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    assert_int_equal(kn_tls_auto_ensure(&paths, "tls", NULL, NULL), KN_OK);
    assert_int_equal(kn_fs_read(&again, paths.cert_file, 100000, NULL), KN_OK);
    assert_string_equal(kn_buf_text(&first), kn_buf_text(&again));

    static const char *const hosts[] = {"*.oss.lan", "10.0.0.9", NULL};
    assert_int_equal(kn_tls_auto_ensure(&paths, "tls", hosts, NULL), KN_OK);
    assert_int_equal(kn_fs_read(&more, paths.cert_file, 100000, NULL), KN_OK);
    assert_int_equal(kn_fs_read(&ca2, paths.ca_file, 100000, NULL), KN_OK);
    assert_string_not_equal(kn_buf_text(&first), kn_buf_text(&more));
    assert_string_equal(kn_buf_text(&ca), kn_buf_text(&ca2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_are_made_once_and_again_for_new_names),
    };
    return cmocka_run_group_tests_name("http/tls_auto", tests, NULL, NULL);
}
