/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/id.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_failure_is_a_code_and_a_sentence(void **state)
{
    (void)state;
    struct kn_error err = {0};
    assert_int_equal(kn_fail(&err, KN_EINVAL, "track %d has no clips", 3), KN_EINVAL);
    assert_string_equal(err.message, "track 3 has no clips");
    assert_int_equal(kn_fail_as(&err, KN_EMEDIA, "NoAudioStream", "no audio"), KN_EMEDIA);
    assert_string_equal(err.reason, "NoAudioStream");
    assert_int_equal(kn_fail(NULL, KN_EIO, "nobody listens"), KN_EIO);
}

static void errno_picks_the_code_and_ends_the_sentence(void **state)
{
    (void)state;
    struct kn_error err = {0};
    assert_int_equal(kn_fail_errno(&err, ENOSPC, "cannot write '%s'", "a"), KN_EIO);
    assert_string_equal(err.message, "cannot write 'a': No space left on device");
    assert_int_equal(kn_fail_errno(&err, ENOENT, "x"), KN_ENOTFOUND);
    assert_int_equal(kn_error_prefix(&err, "output %d", 2), KN_ENOTFOUND);
    assert_string_equal(err.message, "output 2: x: No such file or directory");
}

static void a_long_sentence_is_cut_with_an_ellipsis(void **state)
{
    (void)state;
    struct kn_error err = {0};
    char text[2000];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    kn_fail(&err, KN_EINVAL, "%s", text);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
    assert_string_equal(err.message + sizeof(err.message) - 1 - 3, "\xE2\x80\xA6");
}

static void a_full_disk_has_a_reason_of_its_own(void **state)
{
    (void)state;
    struct kn_error err = {0};
    assert_int_equal(kn_fail_errno(&err, ENOSPC, "cannot write"), KN_EIO);
    assert_string_equal(err.reason, "DiskFull");
    assert_int_equal(kn_fail_errno(&err, EIO, "cannot write"), KN_EIO);
    assert_string_equal(err.reason, "");
}

static void codes_have_names_both_ways(void **state)
{
    (void)state;
    for (int code = KN_OK; code <= KN_ECANCELED; code++)
        assert_int_equal(kn_code_from_name(kn_code_name((kn_code)code)), code);
    assert_int_equal(kn_code_from_name("nonsense"), KN_EBUG);
}

static void ids_differ_also_across_a_fork(void **state)
{
    (void)state;
    char mine[KN_ID_SIZE], theirs[KN_ID_SIZE] = "";
    kn_id_hex(mine); // fills the pool that the child inherits
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        kn_id_hex(theirs);
        _exit(write(ends[1], theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
    }
    kn_id_hex(mine);
    assert_int_equal(read(ends[0], theirs, sizeof(theirs)), sizeof(theirs));
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
    assert_string_not_equal(mine, theirs);
    assert_int_equal(strlen(mine), 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_a_code_and_a_sentence),
        cmocka_unit_test(errno_picks_the_code_and_ends_the_sentence),
        cmocka_unit_test(a_long_sentence_is_cut_with_an_ellipsis),
        cmocka_unit_test(a_full_disk_has_a_reason_of_its_own),
        cmocka_unit_test(codes_have_names_both_ways),
        cmocka_unit_test(ids_differ_also_across_a_fork),
    };
    return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
