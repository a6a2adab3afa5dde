/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Jobs from their row to their end, with children that crash, hang and are killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/strings.h"
#include "base/time.h"
#include "supervisor/supervisor.h"

static char worker_program[4096];

static struct fixture {
    struct kn_db *db;
    struct kn_jobs *jobs;
    struct kn_store *store;
    struct kn_supervisor *supervisor;
} fx;

/* ---- the service around it ---- */

static void put(const char *bucket, const char *key, const char *text)
{
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    struct kn_object_info info = {0};
    assert_int_equal(kn_object_create(fx.store, bucket, key, NULL, &writer, NULL), KN_OK);
    assert_int_equal(kn_object_write(writer, text, strlen(text), NULL), KN_OK);
    assert_int_equal(kn_object_commit(writer, &info, NULL), KN_OK);
    kn_object_info_clear(&info);
}

static void supervisor_start(struct kn_run_limits limits)
{
    struct kn_error err = {0};
    const struct kn_supervisor_config config = {
        .db = fx.db,
        .jobs = fx.jobs,
        .store = fx.store,
        .n_workers = 2,
        .worker_program = worker_program,
        .data_folder = "data",
        .limits = limits,
    };
    if (kn_supervisor_new(&fx.supervisor, &config, &err) ||
        kn_supervisor_start(fx.supervisor, &err))
        fail_msg("%s", err.message);
}

static int set_up(void **state)
{
    (void)state;
    struct kn_error err = {0};
    static int n;
    char url[64], files[64];
    (void)snprintf(url, sizeof(url), "sqlite:jobs-%d.db", n);
    (void)snprintf(files, sizeof(files), "file:buckets-%d", n++);
    fx = (struct fixture){0};
    if (kn_db_open(&fx.db, url, &err) || kn_jobs_open(&fx.jobs, fx.db, &err))
        fail_msg("%s", err.message);
    const struct kn_store_config store = {
        .url = files, .db = fx.db, .region = "cn-shanghai", .owner_id = "1"};
    if (kn_store_open(&fx.store, &store, &err) ||
        kn_bucket_create(fx.store, "films", NULL, &err) ||
        kn_bucket_create(fx.store, "secrets", NULL, &err))
        fail_msg("%s", err.message);
    put("films", "in.txt", "moving pictures");
    put("secrets", "key", "do not read");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kn_supervisor_free(&fx.supervisor);
    kn_store_close(&fx.store);
    kn_jobs_close(&fx.jobs);
    kn_db_close(&fx.db);
    return 0;
}

/* ---- jobs ---- */

static void submit(char id[KN_ID_SIZE], const char *kind, const char *spec)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_error err = {0};
    struct kn_job job;
    bool is_repeat;
    const struct kn_job_submit submit = {
        .kind = kind, .key_id = "key", .spec = spec, .request = "{}", .request_id = "r"};
    if (kn_jobs_submit(fx.jobs, &submit, &arena, &job, &is_repeat, &err))
        fail_msg("%s", err.message);
    (void)kn_copy(id, KN_ID_SIZE, job.id);
}

struct seen {
    enum kn_job_state state;
    int attempt;
    char code[16], reason[64], message[256];
};

static struct seen look(const char *id)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_job job;
    struct seen seen = {0};
    assert_int_equal(kn_jobs_get(fx.jobs, id, &arena, &job, NULL), KN_OK);
    seen.state = job.state;
    seen.attempt = job.attempt;
    (void)kn_copy(seen.code, sizeof(seen.code), job.code);
    (void)kn_copy(seen.reason, sizeof(seen.reason), job.reason);
    (void)kn_copy(seen.message, sizeof(seen.message), job.message);
    return seen;
}

// Wait until the job is in `state`; 20 s is for sanitizers on a busy machine.
static struct seen await(const char *id, enum kn_job_state state)
{
    struct seen seen = look(id);
    for (int64_t end = kn_mono_us() + 20 * KN_SECOND; kn_mono_us() < end && seen.state != state;) {
        kn_sleep_us(2000);
        seen = look(id);
    }
    if (seen.state != state)
        fail_msg("state %d after 20 s, not %d: %s", seen.state, state, seen.message);
    return seen;
}

// The supervisor itself has so many in hand: a row says so a moment earlier.
static void await_in_hand(int64_t n)
{
    struct kn_supervisor_counters now = {0};
    for (int64_t end = kn_mono_us() + 20 * KN_SECOND; kn_mono_us() < end && now.n_running != n;) {
        kn_sleep_us(2000);
        kn_supervisor_count(fx.supervisor, &now);
    }
    assert_int_equal(now.n_running, n);
}

static void assert_object(const char *key, const char *text)
{
    kn_auto(kn_object_reader_free) struct kn_object_reader *reader = NULL;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    char bytes[256] = "";
    size_t got = 0;
    assert_int_equal(kn_object_open(fx.store, "films", key, &reader, &info, NULL), KN_OK);
    assert_int_equal(kn_object_read_at(reader, 0, bytes, sizeof(bytes) - 1, &got, NULL), KN_OK);
    assert_string_equal(bytes, text);
}

static bool is_there(const char *key)
{
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    return kn_object_stat(fx.store, "films", key, &info, NULL) == KN_OK;
}

/* ---- processes ---- */

static int parent_of(int pid)
{
    char path[48];
    int parent = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    kn_auto(kn_close_file) FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%*d (%*[^)]) %*c %d", &parent) != 1)
        return 0;
    return parent;
}

// Forked ahead, and without a job yet.
static bool is_spare(int pid)
{
    char path[48], name[32] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    kn_auto(kn_close_file) FILE *file = fopen(path, "r");
    return file && fgets(name, sizeof(name), file) && strcmp(name, "kinora-spare\n") == 0;
}

// A child of `parent`, or 0.
static int child_of(int parent, bool wants_spare)
{
    int found = 0;
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    while (folder && !found && (entry = readdir(folder))) {
        int64_t pid;
        if (kn_parse_int(entry->d_name, 1, INT32_MAX, &pid) && parent_of((int)pid) == parent &&
            is_spare((int)pid) == wants_spare)
            found = (int)pid;
    }
    if (folder)
        (void)closedir(folder);
    return found;
}

static int await_child(int parent, bool wants_spare)
{
    int pid = 0;
    for (int i = 0; i < 5000 && !pid; i++) {
        pid = child_of(parent, wants_spare);
        kn_sleep_us(2000);
    }
    assert_true(pid > 0);
    return pid;
}

static int await_child_of(int parent)
{
    return await_child(parent, false);
}

static int await_spare(void)
{
    return await_child(await_child_of(getpid()), true);
}

#define COPY "{\"Input\":\"oss://films/in.txt\",\"Output\":\"oss://films/out.txt\"}"
#define SLOW_COPY(us)                                                                              \
    "{\"Input\":\"oss://films/in.txt\",\"Output\":\"oss://films/out.txt\",\"SleepUs\":" us "}"

/* ---- tests ---- */

static void a_job_is_claimed_run_and_published(void **state)
{
    (void)state;
    char id[KN_ID_SIZE], path[128];
    supervisor_start((struct kn_run_limits){0});
    submit(id, "copy", COPY);
    struct seen end = await(id, KN_JOB_SUCCEEDED);
    assert_int_equal(end.attempt, 1);
    assert_object("out.txt", "moving pictures");
    (void)snprintf(path, sizeof(path), "data/scratch/%s", id);
    for (int i = 0; i < 1000 && kn_fs_exists(path); i++)
        kn_sleep_us(2000); // it goes right after the success is recorded
    assert_false(kn_fs_exists(path));
}

static void a_tiny_job_takes_milliseconds(void **state)
{
    (void)state;
    enum { N = 20 };
    char id[KN_ID_SIZE];
    supervisor_start((struct kn_run_limits){0});
    submit(id, "copy", COPY); // the first waits for the nursery to load
    (void)await(id, KN_JOB_SUCCEEDED);
    int64_t began = kn_mono_us();
    for (int i = 0; i < N; i++) {
        submit(id, "copy", COPY);
        (void)await(id, KN_JOB_SUCCEEDED);
    }
    print_message("a tiny job: %.1f ms from submit to success\n",
                  (double)(kn_mono_us() - began) / N / 1000);
}

static void a_job_sees_only_the_buckets_it_names(void **state)
{
    (void)state;
    char id[KN_ID_SIZE];
    supervisor_start((struct kn_run_limits){0});
    // Named nowhere as an address: a child that was taken over could ask for it all the same.
    submit(id, "copy", "{\"Input\":\"http-ish oss://secrets/key\",\"Output\":\"oss://films/o\"}");
    assert_int_equal(await(id, KN_JOB_FAILED).state, KN_JOB_FAILED);
    submit(id, "steal", "{\"Input\":\"oss://films/in.txt\",\"Output\":\"oss://films/o\"}");
    struct seen end = await(id, KN_JOB_FAILED);
    assert_string_equal(end.reason, "ResourceAccess");
    assert_false(is_there("o"));
}

static void a_taken_name_fails_the_job_by_name(void **state)
{
    (void)state;
    char id[KN_ID_SIZE];
    kn_auto(kn_bucket_clear) struct kn_bucket bucket = {0};
    assert_int_equal(kn_bucket_get(fx.store, "films", &bucket, NULL), KN_OK);
    bucket.forbid_overwrite = true;
    assert_int_equal(kn_bucket_update(fx.store, &bucket, NULL), KN_OK);
    supervisor_start((struct kn_run_limits){0});
    // Free when the job names it, taken when it is published.
    submit(id, "copy", SLOW_COPY("2000000"));
    (void)await_child_of(await_child_of(getpid()));
    kn_sleep_us(200000);
    put("films", "out.txt", "first come");
    struct seen end = await(id, KN_JOB_FAILED);
    assert_string_equal(end.reason, "FileAlreadyExists");
    assert_object("out.txt", "first come");
}

static void a_crash_fails_the_job_and_the_next_one_runs(void **state)
{
    (void)state;
    char id[KN_ID_SIZE];
    supervisor_start((struct kn_run_limits){0});
    submit(id, "crash", "{}");
    struct seen end = await(id, KN_JOB_FAILED);
    assert_int_equal(end.attempt, 1);
    assert_string_equal(end.message, "the job's process crashed: signal 11 (SIGSEGV)");
    submit(id, "copy", COPY);
    (void)await(id, KN_JOB_SUCCEEDED);
}

static void a_killed_child_runs_again(void **state)
{
    (void)state;
    char id[KN_ID_SIZE];
    supervisor_start((struct kn_run_limits){0});
    submit(id, "copy", SLOW_COPY("700000"));
    assert_int_equal(kill(await_child_of(await_child_of(getpid())), SIGKILL), 0);
    assert_int_equal(await(id, KN_JOB_SUCCEEDED).attempt, 2);
    assert_object("out.txt", "moving pictures");
}

static void a_job_is_given_to_the_child_forked_ahead(void **state)
{
    (void)state;
    char id[KN_ID_SIZE];
    supervisor_start((struct kn_run_limits){0});
    int spare = await_spare();
    submit(id, "copy", SLOW_COPY("700000"));
    assert_int_equal(await_child_of(await_child_of(getpid())), spare);
    assert_int_not_equal(await_spare(), spare); // the next one, while the job runs
    assert_int_equal(await(id, KN_JOB_SUCCEEDED).attempt, 1);
}

static void a_killed_spare_costs_no_job(void **state)
{
    (void)state;
    char id[KN_ID_SIZE];
    supervisor_start((struct kn_run_limits){0});
    int spare = await_spare();
    assert_int_equal(kill(spare, SIGKILL), 0);
    submit(id, "copy", COPY); // which may have been given to it all the same
    (void)await(id, KN_JOB_SUCCEEDED);
    assert_object("out.txt", "moving pictures");
    assert_int_not_equal(await_spare(), spare);
}

static void a_child_forked_ahead_is_locked_down(void **state)
{
    (void)state;
    static const char *const attacks[] = {
        "{\"What\":\"socket\"}", "{\"What\":\"exec\"}", "{\"What\":\"kill parent\"}",
        "{\"What\":\"other descriptors\"}", "{\"What\":\"new privileges\"}",
        "{\"What\":\"read\",\"Path\":\"/etc/shadow\"}",
    };
    supervisor_start((struct kn_run_limits){0});
    for (size_t i = 0; i < KN_COUNT(attacks); i++) {
        kn_auto(kn_arena_clear) struct kn_arena arena = {0};
        struct kn_job job;
        char id[KN_ID_SIZE];
        (void)await_spare();
        submit(id, "attack", attacks[i]);
        (void)await(id, KN_JOB_SUCCEEDED);
        assert_int_equal(kn_jobs_get(fx.jobs, id, &arena, &job, NULL), KN_OK);
        assert_non_null(strstr(job.result, "\"LetThrough\":false"));
        assert_non_null(strstr(job.result, "\"OwnFolders\":true"));
    }
}

static void a_killed_nursery_is_replaced_and_its_jobs_run_again(void **state)
{
    (void)state;
    char id[KN_ID_SIZE];
    struct kn_supervisor_counters counters;
    supervisor_start((struct kn_run_limits){0});
    kn_sleep_us(1200000); // one that dies young is left alone for a second
    submit(id, "copy", SLOW_COPY("700000"));
    int nursery = await_child_of(getpid());
    (void)await_child_of(nursery); // the row says that it runs a moment before it does
    int64_t killed_us = kn_mono_us();
    assert_int_equal(kill(nursery, SIGKILL), 0);
    assert_int_equal(await(id, KN_JOB_SUCCEEDED).attempt, 2);
    print_message("again after %.0f ms, its 700 ms included\n",
                  (double)(kn_mono_us() - killed_us) / 1000);
    kn_sleep_us(1100000);
    kn_supervisor_count(fx.supervisor, &counters);
    assert_int_equal(counters.n_nursery_starts, 2);
}

static void a_running_job_is_cancelled(void **state)
{
    (void)state;
    char id[KN_ID_SIZE];
    supervisor_start((struct kn_run_limits){0});
    submit(id, "copy", SLOW_COPY("60000000"));
    (void)await(id, KN_JOB_RUNNING);
    assert_int_equal(kn_jobs_cancel(fx.jobs, id, NULL), KN_OK);
    int64_t asked_us = kn_mono_us();
    (void)await(id, KN_JOB_CANCELLED);
    assert_true(kn_mono_us() - asked_us < 4 * KN_SECOND);
    assert_false(is_there("out.txt"));
}

static void a_job_that_hangs_is_killed(void **state)
{
    (void)state;
    char id[KN_ID_SIZE];
    supervisor_start((struct kn_run_limits){.stall_us = KN_SECOND});
    submit(id, "hang", "{}");
    assert_string_equal(await(id, KN_JOB_FAILED).reason, "Stalled");
}

static void draining_gives_back_what_does_not_finish(void **state)
{
    (void)state;
    char slow[KN_ID_SIZE], quick[KN_ID_SIZE], waiting[KN_ID_SIZE];
    supervisor_start((struct kn_run_limits){0});
    submit(slow, "copy", SLOW_COPY("60000000"));
    submit(quick, "copy",
           "{\"Input\":\"oss://films/in.txt\",\"Output\":\"oss://films/quick.txt\","
           "\"SleepUs\":500000}");
    await_in_hand(2); // both workers are busy
    submit(waiting, "copy", COPY);
    kn_supervisor_drain(fx.supervisor, 2 * KN_SECOND);
    assert_int_equal(look(quick).state, KN_JOB_SUCCEEDED);
    assert_int_equal(look(slow).state, KN_JOB_QUEUED);
    assert_int_equal(look(waiting).state, KN_JOB_QUEUED);
}

int main(void)
{
    (void)snprintf(worker_program, sizeof(worker_program),
                   "%s/tests/unit/worker/kinora-misbehaving-worker", getenv("KINORA_BUILD"));
    (void)setenv("KINORA_CHILD_STDERR", "1", 1);
#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(a_job_is_claimed_run_and_published),
        WITH_SERVICE(a_tiny_job_takes_milliseconds),
        WITH_SERVICE(a_job_sees_only_the_buckets_it_names),
        WITH_SERVICE(a_taken_name_fails_the_job_by_name),
        WITH_SERVICE(a_crash_fails_the_job_and_the_next_one_runs),
        WITH_SERVICE(a_killed_child_runs_again),
        WITH_SERVICE(a_job_is_given_to_the_child_forked_ahead),
        WITH_SERVICE(a_killed_spare_costs_no_job),
        WITH_SERVICE(a_child_forked_ahead_is_locked_down),
        WITH_SERVICE(a_killed_nursery_is_replaced_and_its_jobs_run_again),
        WITH_SERVICE(a_running_job_is_cancelled),
        WITH_SERVICE(a_job_that_hangs_is_killed),
        WITH_SERVICE(draining_gives_back_what_does_not_finish),
    };
    return cmocka_run_group_tests_name("supervisor/supervisor", tests, NULL, NULL);
}
