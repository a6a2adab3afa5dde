/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/time.h"
#include "supervisor/local.h"

static char worker_program[4096];

struct outcome {
    kn_code rc;
    struct kn_error error;
    json_t *result;
    double last_progress;
};

static void outcome_clear(struct outcome *outcome)
{
    json_decref(outcome->result);
    outcome->result = NULL;
}

static void note_progress(void *context, double fraction, const char *detail)
{
    (void)detail;
    *(double *)context = fraction;
}

// Run and wait; the spec's reference is taken over.
static struct outcome run(const char *kind, json_t *spec, struct kn_run_limits limits, bool signals)
{
    struct outcome outcome = {0};
    const struct kn_local_config config = {
        .program = worker_program,
        .n_threads = 2,
        .limits = limits,
        .catches_signals = signals,
        .progressed = note_progress,
        .context = &outcome.last_progress,
    };
    outcome.rc = kn_local_run(&config, kind, spec, &outcome.result, &outcome.error);
    json_decref(spec);
    return outcome;
}

static const struct kn_run_limits no_limits = {0};

static void write_text(const char *path, const char *text)
{
    assert_int_equal(kn_fs_write(path, text, strlen(text), 0600, NULL), KN_OK);
}

static void assert_file(const char *path, const char *text)
{
    kn_auto(kn_buf_clear) struct kn_buf content = {0};
    assert_int_equal(kn_fs_read(&content, path, 1 << 20, NULL), KN_OK);
    assert_string_equal(kn_buf_text(&content), text);
}

// How many names a folder holds, hidden ones too.
static int n_names(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    int n = -2; // . and ..
    while (readdir(folder))
        n++;
    (void)closedir(folder);
    return n;
}

/* ---- what works ---- */

static void a_copy_appears_under_its_name(void **state)
{
    (void)state;
    write_text("in.txt", "moving pictures");
    kn_auto(outcome_clear) struct outcome end =
        run("copy", json_pack("{s:s, s:s}", "Input", "in.txt", "Output", "a/b/out.txt"), no_limits,
            false);
    assert_string_equal(end.error.message, "");
    assert_int_equal(end.rc, KN_OK);
    assert_file("a/b/out.txt", "moving pictures");
    assert_int_equal(n_names("a/b"), 1);
    assert_int_equal(json_integer_value(json_object_get(end.result, "Bytes")), 15);
    assert_true(end.last_progress > 0.99);
}

static void an_existing_output_is_replaced_whole(void **state)
{
    (void)state;
    write_text("new.txt", "new");
    write_text("target.txt", "an old and longer text");
    kn_auto(outcome_clear) struct outcome end = run(
        "copy", json_pack("{s:s, s:s}", "Input", "new.txt", "Output", "target.txt"), no_limits,
        false);
    assert_int_equal(end.rc, KN_OK);
    assert_file("target.txt", "new");
}

static void a_failure_carries_code_reason_sentence_and_result(void **state)
{
    (void)state;
    kn_auto(outcome_clear) struct outcome end = run(
        "refuse", json_pack("{s:s, s:s}", "Code", "KN_EUNSUP", "What", "flying"), no_limits, false);
    assert_int_equal(end.rc, KN_EUNSUP);
    assert_string_equal(end.error.reason, "NoSuchThing");
    assert_string_equal(end.error.message, "'flying' cannot be done");
    assert_int_equal(json_integer_value(json_object_get(end.result, "Half")), 1);
}

static void an_absent_input_is_not_found_and_leaves_nothing(void **state)
{
    (void)state;
    kn_auto(outcome_clear) struct outcome end =
        run("copy", json_pack("{s:s, s:s}", "Input", "absent.txt", "Output", "none/out.txt"),
            no_limits, false);
    assert_int_equal(end.rc, KN_ENOTFOUND);
    assert_string_equal(end.error.reason, "ResourceNotFound");
    assert_false(kn_fs_exists("none"));
}

static void an_unknown_kind_is_refused(void **state)
{
    (void)state;
    kn_auto(outcome_clear) struct outcome end = run("dance", json_object(), no_limits, false);
    assert_int_equal(end.rc, KN_EUNSUP);
    assert_string_equal(end.error.message, "this worker cannot run jobs of kind 'dance'");
}

static void an_absent_worker_program_is_named(void **state)
{
    (void)state;
    const struct kn_local_config config = {.program = "/nowhere/kinora-worker"};
    json_auto_t *spec = json_object(), *result = NULL;
    struct kn_error error = {0};
    assert_int_equal(kn_local_run(&config, "copy", spec, &result, &error), KN_EIO);
    assert_string_equal(error.message,
                        "cannot start '/nowhere/kinora-worker': No such file or directory");
}

/* ---- a child without a program ---- */

// Leaves in a file what it can see of the environment, wherever that is: the pointers, and the bytes behind them.
static void child_that_looks(int link_fd, int parent_pid)
{
    static const char name[] = "KINORA_SOURCE="; // every test is started with it
    FILE *seen = fopen("seen.txt", "w");
    kn_auto(kn_buf_clear) struct kn_buf first = {0};
    (void)kn_fs_read(&first, "/proc/self/environ", 1 << 20, NULL);
    const bool is_there = getenv("KINORA_SECRET") || (first.len && memmem(first.data, first.len, name, sizeof(name) - 1));
    (void)fprintf(seen, "%s %s %s", link_fd >= 0 && getppid() == parent_pid ? "child" : "nobody",
                  getenv("PATH") ? "PATH" : "no PATH", is_there ? "secret" : "no secret");
    (void)fclose(seen);
    _exit(3);
}

static void child_that_hangs(int link_fd, int parent_pid)
{
    (void)link_fd, (void)parent_pid;
    write_text("hangs.txt", "");
    for (;;)
        (void)pause();
}

static kn_code run_own(kn_keeper_child child, struct kn_run_limits limits, struct kn_error *error)
{
    const struct kn_local_config config = {.child = child, .limits = limits, .is_brief = true, .n_threads = 1};
    json_auto_t *spec = json_object(), *result = NULL;
    return kn_local_run(&config, "copy", spec, &result, error);
}

static void a_child_of_our_own_knows_no_more_of_the_environment_than_a_nursery(void **state)
{
    (void)state;
    struct kn_error error = {0};
    (void)setenv("KINORA_SECRET", "1234", 1);
    assert_int_equal(run_own(child_that_looks, no_limits, &error), KN_EBUG);
    assert_string_equal(error.message, "the job's process ended without a result (status 3)");
    assert_file("seen.txt", "child PATH no secret");
    assert_string_equal(getenv("KINORA_SECRET"), "1234");
    (void)unsetenv("KINORA_SECRET");
}

static void child_that_crashes(int link_fd, int parent_pid)
{
    (void)link_fd, (void)parent_pid;
    (void)signal(SIGSEGV, SIG_DFL); // not a sanitizer's
    (void)raise(SIGSEGV);
}

// With one core the child may have come and gone before its parent goes on: as the kernel's fork, but always so.
static bool fork_waits;

pid_t fork(void)
{
    pid_t (*real)(void) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "fork");
    const pid_t pid = real();
    siginfo_t info;
    if (pid > 0 && fork_waits)
        (void)waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    return pid;
}

static void a_child_that_ended_before_its_job_came_is_judged_by_its_end(void **state)
{
    (void)state;
    struct kn_error error = {0};
    fork_waits = true;
    const kn_code ended = run_own(child_that_looks, no_limits, &error);
    fork_waits = false;
    assert_int_equal(ended, KN_EBUG);
    assert_string_equal(error.message, "the job's process ended without a result (status 3)");
    fork_waits = true;
    const kn_code crashed = run_own(child_that_crashes, no_limits, &error);
    fork_waits = false;
    assert_int_equal(crashed, KN_EBUG);
    assert_string_equal(error.message, "the job's process crashed: signal 11 (SIGSEGV)");
}

static void a_child_of_our_own_is_killed_as_any(void **state)
{
    (void)state;
    struct kn_error error = {0};
    const struct kn_run_limits limits = {.wall_us = KN_SECOND / 2, .grace_us = KN_SECOND / 10};
    assert_int_equal(run_own(child_that_hangs, limits, &error), KN_EUNSUP);
    assert_string_equal(error.reason, "TimeLimit");
    assert_true(kn_fs_exists("hangs.txt"));
}

/* ---- what breaks ---- */

static void a_crash_is_a_failed_job_with_the_signal_named(void **state)
{
    (void)state;
    kn_auto(outcome_clear) struct outcome end = run("crash", json_object(), no_limits, false);
    assert_int_equal(end.rc, KN_EBUG);
    assert_string_equal(end.error.message, "the job's process crashed: signal 11 (SIGSEGV)");
}

static void an_end_without_a_result_is_a_failure(void **state)
{
    (void)state;
    kn_auto(outcome_clear) struct outcome end = run("leave", json_object(), no_limits, false);
    assert_int_equal(end.rc, KN_EBUG);
    assert_string_equal(end.error.message,
                        "the job's process ended without a result (status 3)");
}

static void a_run_without_progress_is_killed(void **state)
{
    (void)state;
    kn_auto(outcome_clear) struct outcome end =
        run("hang", json_object(), (struct kn_run_limits){.stall_us = KN_SECOND}, false);
    assert_int_equal(end.rc, KN_EMEDIA);
    assert_string_equal(end.error.reason, "Stalled");
}

static void a_run_beyond_its_time_is_killed(void **state)
{
    (void)state;
    kn_auto(outcome_clear) struct outcome end =
        run("hang", json_object(), (struct kn_run_limits){.wall_us = KN_SECOND / 2}, false);
    assert_int_equal(end.rc, KN_EUNSUP);
    assert_string_equal(end.error.reason, "TimeLimit");
}

static void a_run_beyond_its_processor_time_is_killed(void **state)
{
    (void)state;
    kn_auto(outcome_clear) struct outcome end =
        run("spin", json_object(), (struct kn_run_limits){.cpu_us = 1}, false);
    assert_int_equal(end.rc, KN_EUNSUP);
    assert_string_equal(end.error.reason, "CpuLimit");
}

static void a_memory_hog_is_stopped_and_told_so(void **state)
{
    (void)state;
    kn_auto(outcome_clear) struct outcome end = run(
        "hog", json_object(), (struct kn_run_limits){.memory_bytes = 300ll << 20}, false);
    // Whichever comes first: the limit on data, as an error of malloc, or the watch.
    assert_true(end.rc == KN_ENOMEM || end.rc == KN_EUNSUP);
    assert_true(strstr(end.error.message, "memory") != NULL);
}

static void a_broken_frame_ends_the_job(void **state)
{
    (void)state;
    static const char *const ways[] = {"type", "length", "json", "handle"};
    for (size_t i = 0; i < KN_COUNT(ways); i++) {
        kn_auto(outcome_clear) struct outcome end =
            run("broken frame", json_pack("{s:s}", "How", ways[i]), no_limits, false);
        assert_int_equal(end.rc, KN_EBUG);
        assert_string_equal(end.error.reason, "BrokenFrame");
    }
}

/* ---- signals ---- */

static void *interrupt_soon(void *argument)
{
    kn_sleep_us(300000);
    (void)kill(getpid(), *(int *)argument);
    return NULL;
}

static void ctrl_c_stops_cleanly_and_leaves_nothing(void **state)
{
    (void)state;
    int signal_number = SIGINT;
    pthread_t thread;
    // The helper thread must not take the signal itself.
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    write_text("film.txt", "frames");
    assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, &signal_number), 0);
    kn_auto(outcome_clear) struct outcome end =
        run("copy", json_pack("{s:s, s:s, s:I}", "Input", "film.txt", "Output", "late/out.txt",
                              "SleepUs", (json_int_t)KN_MINUTE),
            no_limits, true);
    (void)pthread_join(thread, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    assert_int_equal(end.rc, KN_ECANCELED);
    assert_string_equal(end.error.message, "stopped by signal 2 (SIGINT)");
    assert_false(kn_fs_exists("late"));
}

/* ---- attacks ---- */

static bool is_let_through(const char *what, const char *path)
{
    kn_auto(outcome_clear) struct outcome end =
        run("attack", json_pack("{s:s, s:s}", "What", what, "Path", path), no_limits, false);
    assert_int_equal(end.rc, KN_OK);
    assert_true(json_is_true(json_object_get(end.result, "OwnFolders")));
    return json_is_true(json_object_get(end.result, "LetThrough"));
}

static void a_child_cannot_reach_out(void **state)
{
    (void)state;
    static const char *const attacks[] = {
        "socket", "unix socket",       "exec",           "fork", "ptrace",
        "kill parent", "kill parent's thread", "other descriptors", "new privileges",
    };
    for (size_t i = 0; i < KN_COUNT(attacks); i++) {
        if (is_let_through(attacks[i], ""))
            fail_msg("a child could: %s", attacks[i]);
    }
    assert_true(is_let_through("signal itself", "")); // as abort() does
}

static void a_child_sees_no_files_but_its_own(void **state)
{
    (void)state;
    char here[4096], other[4200], mine[4200];
    assert_non_null(getcwd(here, sizeof(here)));
    (void)snprintf(other, sizeof(other), "%s/other-job/frame", here);
    (void)snprintf(mine, sizeof(mine), "%s/chmod-me", here);
    assert_int_equal(kn_fs_make_folders("other-job", 0700, NULL), KN_OK);
    write_text("other-job/frame", "secret");
    write_text("chmod-me", "secret");
    assert_true(is_let_through("read", "/usr/share/common-licenses/GPL-3"));
    assert_false(is_let_through("read", "/etc/shadow"));
    assert_false(is_let_through("read", other));
    assert_false(is_let_through("write", other));
    assert_false(is_let_through("write", "/tmp/kinora-escaped"));
    assert_false(is_let_through("write", "/usr/share/kinora-escaped"));
    assert_false(is_let_through("chmod", mine));
}

int main(void)
{
    (void)snprintf(worker_program, sizeof(worker_program),
                   "%s/tests/unit/worker/kinora-misbehaving-worker", getenv("KINORA_BUILD"));
    (void)setenv("KINORA_CHILD_STDERR", "1", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_appears_under_its_name),
        cmocka_unit_test(an_existing_output_is_replaced_whole),
        cmocka_unit_test(a_failure_carries_code_reason_sentence_and_result),
        cmocka_unit_test(an_absent_input_is_not_found_and_leaves_nothing),
        cmocka_unit_test(an_unknown_kind_is_refused),
        cmocka_unit_test(an_absent_worker_program_is_named),
        cmocka_unit_test(a_child_of_our_own_knows_no_more_of_the_environment_than_a_nursery),
        cmocka_unit_test(a_child_that_ended_before_its_job_came_is_judged_by_its_end),
        cmocka_unit_test(a_child_of_our_own_is_killed_as_any),
        cmocka_unit_test(a_crash_is_a_failed_job_with_the_signal_named),
        cmocka_unit_test(an_end_without_a_result_is_a_failure),
        cmocka_unit_test(a_run_without_progress_is_killed),
        cmocka_unit_test(a_run_beyond_its_time_is_killed),
        cmocka_unit_test(a_run_beyond_its_processor_time_is_killed),
        cmocka_unit_test(a_memory_hog_is_stopped_and_told_so),
        cmocka_unit_test(a_broken_frame_ends_the_job),
        cmocka_unit_test(ctrl_c_stops_cleanly_and_leaves_nothing),
        cmocka_unit_test(a_child_cannot_reach_out),
        cmocka_unit_test(a_child_sees_no_files_but_its_own),
    };
    return cmocka_run_group_tests_name("supervisor/local", tests, NULL, NULL);
}
