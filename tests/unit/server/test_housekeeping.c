/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/time.h"
#include "db/db.h"
#include "jobs/jobs.h"
#include "objects/store.h"
#include "server/housekeeping.h"
#include "support/test_database.h"
#include "usage/usage.h"

static void file_used_hours_ago(const char *path, int hours)
{
    char kilobyte[1024] = {0};
    assert_int_equal(kn_fs_write(path, kilobyte, sizeof(kilobyte), 0600, NULL), KN_OK);
    struct timespec used = {.tv_sec = kn_now_us() / KN_SECOND - 3600L * hours};
    const struct timespec times[2] = {used, used};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void the_cache_loses_what_was_used_longest_ago(void **state)
{
    (void)state;
    assert_int_equal(kn_fs_make_folders("cache/deep", 0700, NULL), KN_OK);
    file_used_hours_ago("cache/oldest", 30);
    file_used_hours_ago("cache/deep/old", 20);
    file_used_hours_ago("cache/young", 10);
    file_used_hours_ago("cache/in-use", 0);
    int64_t n;
    assert_int_equal(kn_cache_evict("cache", 2048, kn_now_us(), &n, NULL), KN_OK);
    assert_int_equal(n, 2);
    assert_false(kn_fs_exists("cache/oldest"));
    assert_false(kn_fs_exists("cache/deep/old"));
    assert_true(kn_fs_exists("cache/young"));
    assert_int_equal(kn_cache_evict("cache", 0, kn_now_us(), &n, NULL), KN_OK);
    assert_true(kn_fs_exists("cache/in-use"));
}

static void old_jobs_go_young_ones_stay_and_requests_are_counted(void **state)
{
    (void)state;
    struct kn_error err = {0};
    struct kn_db *db = NULL;
    struct kn_jobs *jobs = NULL;
    struct kn_store *store = NULL;
    struct kn_housekeeping *h = NULL;
    if (kn_db_open(&db, test_database_url(), &err) != KN_OK ||
        kn_jobs_open(&jobs, db, &err) != KN_OK ||
        kn_store_open(&store, &(struct kn_store_config){.url = "file:buckets", .db = db}, &err) !=
            KN_OK)
        fail_msg("%s", err.message);

    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_job ended, waiting;
    bool is_repeat;
    struct kn_job_submit submit = {.kind = "convert", .key_id = "k", .action = "A",
                                   .spec = "{\"a\":1}", .client_token = "t"};
    if (kn_jobs_submit(jobs, &submit, &arena, &ended, &is_repeat, &err) != KN_OK)
        fail_msg("%s", err.message);
    submit.client_token = NULL;
    assert_int_equal(kn_jobs_submit(jobs, &submit, &arena, &waiting, &is_repeat, &err), KN_OK);
    assert_int_equal(kn_jobs_cancel(jobs, ended.id, &err), KN_OK);

    struct kn_housekeeping_config config = {.db = db, .store = store};
    assert_int_equal(kn_housekeeping_new(&h, &config, &err), KN_OK);
    if (kn_housekeeping_run(h, kn_now_us() + 29 * KN_DAY, &err) != KN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(kn_jobs_get(jobs, ended.id, &arena, &ended, &err), KN_OK);

    kn_store_usage_add(store, "films", false, 0, 1000);
    kn_store_usage_add(store, "films", true, 500, 0);
    if (kn_housekeeping_run(h, kn_now_us() + 31 * KN_DAY, &err) != KN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(kn_jobs_get(jobs, ended.id, &arena, &ended, &err), KN_ENOTFOUND);
    // One that waits is never too old, and its spec, which the other shared, is still there.
    assert_int_equal(kn_jobs_get(jobs, waiting.id, &arena, &waiting, &err), KN_OK);
    assert_string_equal(waiting.spec, "{\"a\":1}");

    struct kn_usage *lines;
    size_t n_lines;
    assert_int_equal(kn_usage_list(db, KN_NO_TIME, KN_NO_TIME, "object", true, &arena, &lines,
                                   &n_lines, &err),
                     KN_OK);
    assert_int_equal(n_lines, 4);
    assert_string_equal(lines[0].dimension, "bucket=films");
    assert_string_equal(lines[0].unit, "bytes_in");
    assert_int_equal(lines[0].amount, 500);

    assert_int_equal(kn_housekeeping_start(h, &err), KN_OK);
    kn_housekeeping_free(&h);
    kn_store_close(&store);
    kn_jobs_close(&jobs);
    kn_db_close(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_loses_what_was_used_longest_ago),
        cmocka_unit_test(old_jobs_go_young_ones_stay_and_requests_are_counted),
    };
    return cmocka_run_group_tests_name("server/housekeeping", tests, NULL, NULL);
}
