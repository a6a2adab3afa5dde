/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was acknowledged survives kill -9 of the process, and broken connections count nothing
 * twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "db/settings.h"
#include "jobs/jobs.h"
#include "support/test_database.h"

/* ---- kill -9 in mid-write ---- */

#define N_SUBMITTERS 8

struct submitter {
    struct kn_jobs *jobs;
    int acknowledged_fd;
};

static void *submitter_main(void *arg)
{
    const struct submitter *submitter = arg;
    for (;;) {
        struct kn_job_submit s = {.kind = "convert", .key_id = "key", .spec = "{}"};
        kn_id_hex(s.id);
        if (kn_jobs_submit(submitter->jobs, &s, NULL, NULL, NULL, NULL) == KN_OK &&
            write(submitter->acknowledged_fd, s.id, KN_ID_SIZE) != KN_ID_SIZE)
            return NULL;
    }
}

static void child_main(int acknowledged_fd)
{
    struct kn_db *db = NULL;
    struct kn_jobs *jobs = NULL;
    if (kn_db_open(&db, test_database_url(), NULL) != KN_OK ||
        kn_jobs_open(&jobs, db, NULL) != KN_OK)
        _exit(1);
    pthread_t threads[N_SUBMITTERS];
    struct submitter submitter = {.jobs = jobs, .acknowledged_fd = acknowledged_fd};
    for (int i = 0; i < N_SUBMITTERS; i++)
        if (pthread_create(&threads[i], NULL, submitter_main, &submitter) != 0)
            _exit(1);
    for (;;)
        pause();
}

static void acknowledged_jobs_survive_kill_9(void **state)
{
    (void)state;
    int n_checked = 0;
    for (int round = 0; round < 4; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fds[0]);
            child_main(fds[1]);
        }
        close(fds[1]);
        char ids[512][KN_ID_SIZE];
        int n = 0;
        while (n < 100 + 37 * round && read(fds[0], ids[n], KN_ID_SIZE) == KN_ID_SIZE)
            n++;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (n < 512 && read(fds[0], ids[n], KN_ID_SIZE) == KN_ID_SIZE)
            n++;
        close(fds[0]);

        struct kn_db *db = NULL;
        struct kn_jobs *jobs = NULL;
        kn_auto(kn_arena_clear) struct kn_arena arena = {0};
        assert_int_equal(kn_db_open(&db, test_database_url(), NULL), KN_OK);
        assert_int_equal(kn_jobs_open(&jobs, db, NULL), KN_OK);
        for (int i = 0; i < n; i++, n_checked++) {
            struct kn_job job;
            assert_int_equal(kn_jobs_get(jobs, ids[i], &arena, &job, NULL), KN_OK);
            assert_string_equal(job.spec, "{}");
        }
        kn_jobs_close(&jobs);
        kn_db_close(&db);
    }
    assert_true(n_checked >= 400);
}

/* ---- connections broken under way ---- */

struct adder {
    struct kn_db *db;
    int n_ok;
};

static kn_code add_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    kn_auto(kn_free) char *old = NULL;
    kn_code rc = kn_settings_get_tx(tx, "counter", &old, err);
    char sum[24];
    (void)snprintf(sum, sizeof(sum), "%d", (old ? atoi(old) : 0) + 1);
    return rc == KN_OK ? kn_settings_set_tx(tx, "counter", sum, err) : rc;
}

static void *adder_main(void *arg)
{
    struct adder *adder = arg;
    for (int i = 0; i < 100; i++)
        if (kn_db_write(adder->db, add_in_tx, NULL, NULL) == KN_OK)
            adder->n_ok++;
    return NULL;
}

static kn_code terminate_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    return kn_tx_run(tx, NULL, err,
                     "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                     " WHERE pid <> pg_backend_pid() AND application_name = 'kinora'",
                     "");
}

static void broken_connections_count_nothing_twice(void **state)
{
    (void)state;
    struct kn_db *db = NULL;
    assert_int_equal(kn_db_open(&db, test_database_url(), NULL), KN_OK);
    if (!kn_db_is_postgres(db)) {
        kn_db_close(&db);
        skip();
    }
    assert_int_equal(kn_settings_set(db, "counter", "0", NULL), KN_OK);
    pthread_t threads[2];
    struct adder adders[2] = {{.db = db}, {.db = db}};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, adder_main, &adders[i]), 0);
    for (int i = 0; i < 10; i++) {
        kn_sleep_us(30 * 1000);
        (void)kn_db_read(db, terminate_in_tx, NULL, NULL); // may be hit itself
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    kn_auto(kn_free) char *sum = NULL;
    assert_int_equal(kn_settings_get(db, "counter", &sum, NULL), KN_OK);
    assert_int_equal(atoi(sum), adders[0].n_ok + adders[1].n_ok);
    assert_int_equal(atoi(sum), 200);
    kn_db_close(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_jobs_survive_kill_9),
        cmocka_unit_test(broken_connections_count_nothing_twice),
    };
    return cmocka_run_group_tests_name("races/crash", tests, NULL, NULL);
}
