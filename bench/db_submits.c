/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Durable submits a second from N threads through kn_jobs_submit(), against what a careful program
 * gets from SQLite itself: one INSERT of the same bytes per transaction, synchronous = FULL, WAL,
 * on the same disk. Interleaved pairs; the median ratio counts.
 *
 *     db_submits [THREADS] [SECONDS] [PAIRS]     in an empty folder; KINORA_TEST_DATABASE: that one
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "jobs/jobs.h"

#define MAX_THREADS 256
#define MAX_PAIRS 15

static struct kn_jobs *jobs;
static atomic_bool is_over;
static char spec[1024];

struct submitter {
    int64_t n;
    int64_t *times_us; // owned
};

#define MAX_TIMES 200000

static void *submitter_main(void *arg)
{
    struct submitter *me = arg;
    while (!is_over) {
        char own[sizeof(spec)];
        struct kn_job_submit submit = {.kind = "convert", .key_id = "key", .spec = own};
        kn_id_hex(submit.id);
        // A spec of its own each: what is alike would be stored once.
        (void)snprintf(own, sizeof(own), "%.32s%.900s", submit.id, spec);
        char nonce[KN_ID_SIZE];
        kn_id_hex(nonce);
        submit.nonce = nonce;
        int64_t began = kn_mono_us();
        struct kn_error err = {0};
        if (kn_jobs_submit(jobs, &submit, NULL, NULL, NULL, &err) != KN_OK) {
            fprintf(stderr, "db_submits: %s\n", err.message);
            exit(1);
        }
        if (me->n < MAX_TIMES)
            me->times_us[me->n] = kn_mono_us() - began;
        me->n++;
    }
    return NULL;
}

static int time_compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static double submits_per_second(int n_threads, int seconds, double *out_p99_ms)
{
    static struct submitter submitters[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    is_over = false;
    int64_t began = kn_mono_us();
    for (int i = 0; i < n_threads; i++) {
        submitters[i].n = 0;
        if (!submitters[i].times_us)
            submitters[i].times_us = calloc(MAX_TIMES, sizeof(int64_t));
        if (!submitters[i].times_us ||
            pthread_create(&threads[i], NULL, submitter_main, &submitters[i]) != 0)
            exit(1);
    }
    kn_sleep_us(seconds * KN_SECOND);
    is_over = true;
    int64_t n = 0;
    for (int i = 0; i < n_threads; i++) {
        pthread_join(threads[i], NULL);
        n += submitters[i].n;
    }
    double elapsed = (double)(kn_mono_us() - began) / KN_SECOND;
    int64_t *all = calloc((size_t)n, sizeof(*all));
    size_t n_all = 0;
    for (int i = 0; all && i < n_threads; i++)
        for (int64_t j = 0; j < submitters[i].n && j < MAX_TIMES; j++)
            all[n_all++] = submitters[i].times_us[j];
    if (all)
        qsort(all, n_all, sizeof(*all), time_compare);
    *out_p99_ms = all && n_all ? (double)all[n_all * 99 / 100] / 1000 : 0;
    free(all);
    return (double)n / elapsed;
}

static double raw_inserts_per_second(int seconds)
{
    sqlite3 *handle = NULL;
    sqlite3_stmt *insert = NULL;
    if (sqlite3_open("raw.db", &handle) != SQLITE_OK ||
        sqlite3_exec(handle,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "CREATE TABLE IF NOT EXISTS job (id TEXT PRIMARY KEY, spec TEXT)",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(handle, "INSERT INTO job VALUES (?, ?)", -1, &insert, NULL) != SQLITE_OK)
        exit(1);
    int64_t began = kn_mono_us();
    int64_t n = 0;
    for (; kn_mono_us() - began < seconds * KN_SECOND; n++) {
        char id[KN_ID_SIZE];
        kn_id_hex(id);
        sqlite3_bind_text(insert, 1, id, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 2, spec, -1, SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            exit(1);
        sqlite3_reset(insert);
    }
    double elapsed = (double)(kn_mono_us() - began) / KN_SECOND;
    sqlite3_finalize(insert);
    sqlite3_close(handle);
    return (double)n / elapsed;
}

static int double_compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

int main(int argc, char **argv)
{
    int n_threads = argc > 1 ? atoi(argv[1]) : 64;
    int seconds = argc > 2 ? atoi(argv[2]) : 3;
    int n_pairs = argc > 3 ? atoi(argv[3]) : 3;
    if (n_threads < 1 || n_threads > MAX_THREADS || seconds < 1 || n_pairs < 1 ||
        n_pairs > MAX_PAIRS)
        return 2;
    const char *url = getenv("KINORA_TEST_DATABASE");
    struct kn_db *db = NULL;
    struct kn_error err = {0};
    if (kn_db_open(&db, url ? url : "sqlite:kinora.db", &err) != KN_OK ||
        kn_jobs_open(&jobs, db, &err) != KN_OK) {
        fprintf(stderr, "db_submits: %s\n", err.message);
        return 1;
    }
    memset(spec, 'x', sizeof(spec) - 1);
    double ratios[MAX_PAIRS];
    for (int i = 0; i < n_pairs; i++) {
        double p99_ms = 0;
        double raw = raw_inserts_per_second(seconds);
        double ours = submits_per_second(n_threads, seconds, &p99_ms);
        ratios[i] = ours / raw;
        printf("raw %.0f/s  submits %.0f/s  ratio %.2f  p99 %.1f ms\n", raw, ours, ratios[i],
               p99_ms);
    }
    qsort(ratios, (size_t)n_pairs, sizeof(*ratios), double_compare);
    printf("median ratio %.2f (%d threads, %d s, %d pairs)\n", ratios[n_pairs / 2], n_threads,
           seconds, n_pairs);
    kn_jobs_close(&jobs);
    kn_db_close(&db);
    return 0;
}
