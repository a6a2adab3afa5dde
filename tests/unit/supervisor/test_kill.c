/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kill -9 of a supervisor, a nursery or a child at random moments while jobs run: every job ends once,
 * and its output is whole. The service is a process of its own here, started again after each death.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "supervisor/supervisor.h"

#define N_JOBS 40
#define MAX_ROUNDS 60

static char worker_program[4096];
static const char text[] = "a film of forty bytes, give or take some";

struct service {
    struct kn_db *db;
    struct kn_jobs *jobs;
    struct kn_store *store;
};

static bool service_open(struct service *service)
{
    struct kn_error err = {0};
    *service = (struct service){0};
    if (kn_db_open(&service->db, "sqlite:kill.db", &err) ||
        kn_jobs_open(&service->jobs, service->db, &err)) {
        print_error("%s\n", err.message);
        return false;
    }
    const struct kn_store_config store = {
        .url = "file:buckets", .db = service->db, .region = "cn-shanghai", .owner_id = "1"};
    return kn_store_open(&service->store, &store, &err) == KN_OK;
}

static void service_close(struct service *service)
{
    kn_store_close(&service->store);
    kn_jobs_close(&service->jobs);
    kn_db_close(&service->db);
}

static int n_in_state(struct service *service, enum kn_job_state state)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    const struct kn_job_filter filter = {
        .state = (int)state,
        .created_from_us = KN_NO_TIME,
        .created_before_us = KN_NO_TIME,
        .limit = 100,
    };
    struct kn_job *jobs;
    size_t n = 0;
    char next[128];
    if (kn_jobs_list(service->jobs, &filter, &arena, &jobs, &n, next, NULL))
        return -1;
    return (int)n;
}

static void submit_all(struct service *service)
{
    struct kn_object_info info = {0};
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    assert_int_equal(kn_bucket_create(service->store, "films", NULL, NULL), KN_OK);
    assert_int_equal(kn_object_create(service->store, "films", "in", NULL, &writer, NULL), KN_OK);
    assert_int_equal(kn_object_write(writer, text, strlen(text), NULL), KN_OK);
    assert_int_equal(kn_object_commit(writer, &info, NULL), KN_OK);
    kn_object_info_clear(&info);
    for (int i = 0; i < N_JOBS; i++) {
        kn_auto(kn_arena_clear) struct kn_arena arena = {0};
        struct kn_job job;
        bool is_repeat;
        char spec[200];
        (void)snprintf(spec, sizeof(spec),
                       "{\"Input\":\"oss://films/in\",\"Output\":\"oss://films/out-%d\","
                       "\"SleepUs\":150000}",
                       i);
        const struct kn_job_submit submit = {
            .kind = "copy", .key_id = "key", .spec = spec, .request = "{}", .request_id = "r"};
        assert_int_equal(kn_jobs_submit(service->jobs, &submit, &arena, &job, &is_repeat, NULL),
                         KN_OK);
    }
}

// The service's process: exits with 0 when nothing is left to do.
static void serve(void)
{
    struct service service;
    struct kn_supervisor *supervisor = NULL;
    struct kn_error err = {0};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int n = 0;
    if (!service_open(&service) || kn_jobs_recover(service.jobs, &n, &err))
        _exit(2);
    const struct kn_supervisor_config config = {
        .db = service.db,
        .jobs = service.jobs,
        .store = service.store,
        .n_workers = 3,
        .worker_program = worker_program,
        .data_folder = "data",
    };
    if (kn_supervisor_new(&supervisor, &config, &err) || kn_supervisor_start(supervisor, &err))
        _exit(2);
    while (n_in_state(&service, KN_JOB_QUEUED) || n_in_state(&service, KN_JOB_RUNNING))
        kn_sleep_us(5000);
    kn_supervisor_drain(supervisor, KN_SECOND);
    kn_supervisor_free(&supervisor);
    service_close(&service);
    _exit(0);
}

/* ---- victims ---- */

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

static int child_of(int parent)
{
    int found = 0;
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    while (folder && !found && (entry = readdir(folder))) {
        int64_t pid;
        if (kn_parse_int(entry->d_name, 1, INT32_MAX, &pid) && parent_of((int)pid) == parent)
            found = (int)pid;
    }
    if (folder)
        (void)closedir(folder);
    return found;
}

static bool has_ended(int pid, int *status)
{
    return waitpid(pid, status, WNOHANG) == pid;
}

static void kill_at_random_until_done(void)
{
    int status = 0;
    for (int round = 0; round < MAX_ROUNDS; round++) {
        pid_t pid = fork();
        if (pid == 0)
            serve();
        // Later rounds live longer, so that the work ends however slow the machine is.
        int64_t end = kn_mono_us() + (50 + rand() % 300 + 40 * round) * 1000;
        bool ended = false;
        while (!ended && kn_mono_us() < end) {
            int nursery = round % 3 ? child_of(pid) : 0, child = nursery ? child_of(nursery) : 0;
            if (round % 3 == 1 && child && rand() % 8 == 0)
                (void)kill(child, SIGKILL);
            if (round % 3 == 2 && nursery && rand() % 20 == 0)
                (void)kill(nursery, SIGKILL);
            kn_sleep_us(20000);
            ended = has_ended(pid, &status);
        }
        if (!ended) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
        } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            print_message("done after %d services\n", round + 1);
            return;
        }
    }
    fail_msg("not done after %d services", MAX_ROUNDS);
}

static void every_job_ends_once_and_whole(void **state)
{
    (void)state;
    struct service service;
    srand(20261121);
    assert_true(service_open(&service));
    submit_all(&service);
    service_close(&service);
    kill_at_random_until_done();
    assert_true(service_open(&service));
    // A child may be killed three times by chance: then its job fails, and says why.
    int n_succeeded = n_in_state(&service, KN_JOB_SUCCEEDED);
    int n_failed = n_in_state(&service, KN_JOB_FAILED), n_whole = 0;
    assert_int_equal(n_succeeded + n_failed, N_JOBS);
    for (int i = 0; i < N_JOBS; i++) {
        kn_auto(kn_object_reader_free) struct kn_object_reader *reader = NULL;
        kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
        char key[32], bytes[sizeof(text) + 8] = "";
        size_t got;
        (void)snprintf(key, sizeof(key), "out-%d", i);
        if (kn_object_open(service.store, "films", key, &reader, &info, NULL) != KN_OK)
            continue;
        assert_int_equal(kn_object_read_at(reader, 0, bytes, sizeof(bytes) - 1, &got, NULL), KN_OK);
        assert_string_equal(bytes, text);
        n_whole++;
    }
    assert_int_equal(n_whole, n_succeeded);
    assert_true(n_failed <= N_JOBS / 4);
    service_close(&service);
}

int main(void)
{
    (void)snprintf(worker_program, sizeof(worker_program),
                   "%s/tests/unit/worker/kinora-misbehaving-worker", getenv("KINORA_BUILD"));
    (void)setenv("KINORA_CHILD_STDERR", "1", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_ends_once_and_whole),
    };
    return cmocka_run_group_tests_name("supervisor/kill", tests, NULL, NULL);
}
