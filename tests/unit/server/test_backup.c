/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "db/db.h"
#include "jobs/jobs.h"
#include "objects/store.h"
#include "server/backup.h"
#include "support/test_database.h"

#define BIG (100 * 1024)

static void put(struct kn_store *store, const char *key, size_t n, char fill)
{
    struct kn_error err = {0};
    kn_auto(kn_free) char *bytes = malloc(n);
    memset(bytes, fill, n);
    struct kn_object_writer *writer = NULL;
    struct kn_object_info info = {0};
    if (kn_object_create(store, "films", key, &(struct kn_put_options){0}, &writer, &err) != KN_OK ||
        kn_object_write(writer, bytes, n, &err) != KN_OK ||
        kn_object_commit(writer, &info, &err) != KN_OK)
        fail_msg("%s", err.message);
    kn_object_info_clear(&info);
    kn_object_writer_free(&writer);
}

static void expect(struct kn_store *store, const char *key, size_t n, char fill)
{
    struct kn_error err = {0};
    struct kn_object_reader *reader = NULL;
    struct kn_object_info info = {0};
    if (kn_object_open(store, "films", key, &reader, &info, &err) != KN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(info.size_bytes, n);
    char last;
    size_t got;
    assert_int_equal(kn_object_read_at(reader, (int64_t)n - 1, &last, 1, &got, &err), KN_OK);
    assert_int_equal(got, 1);
    assert_int_equal(last, fill);
    kn_object_reader_free(&reader);
    kn_object_info_clear(&info);
}

static atomic_bool goes_on;

static void *write_on(void *store)
{
    for (int i = 0; atomic_load(&goes_on); i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "later-%d", i);
        put(store, key, i % 2 ? 10 : BIG, 'l');
        put(store, "changing", BIG, 'c');
    }
    return NULL;
}

static void what_was_there_is_there_again_though_writes_went_on(void **state)
{
    (void)state;
    struct kn_error err = {0};
    struct kn_db *db = NULL;
    struct kn_jobs *jobs = NULL;
    struct kn_store *store = NULL;
    struct kn_backup_result result;
    if (kn_db_open(&db, test_database_url(), &err) != KN_OK ||
        kn_jobs_open(&jobs, db, &err) != KN_OK ||
        kn_store_open(&store, &(struct kn_store_config){.url = "file:buckets", .db = db}, &err) !=
            KN_OK ||
        kn_bucket_create(store, "films", "private", &err) != KN_OK)
        fail_msg("%s", err.message);
    put(store, "small", 10, 's');
    put(store, "big", BIG, 'b');
    put(store, "changing", BIG, 'c');
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_job job;
    bool is_repeat;
    struct kn_job_submit submit = {.kind = "convert", .key_id = "k", .action = "A", .name = "n",
                                   .spec = "{\"a\":\"\u00e9\"}", .user_data = "u"};
    assert_int_equal(kn_jobs_submit(jobs, &submit, &arena, &job, &is_repeat, &err), KN_OK);

    atomic_store(&goes_on, true);
    pthread_t writer;
    pthread_create(&writer, NULL, write_on, store);
    kn_code rc = kn_backup_write(db, "buckets", "backup", &result, &err);
    atomic_store(&goes_on, false);
    pthread_join(writer, NULL);
    if (rc != KN_OK)
        fail_msg("%s", err.message);
    assert_true(result.n_rows > 4 && result.n_files > 2);
    assert_int_equal(kn_backup_write(db, "buckets", "backup", &result, &err), KN_ECONFLICT);
    // A database with something in it is left alone.
    kn_jobs_close(&jobs);
    kn_store_close(&store);
    kn_db_close(&db);
    assert_int_equal(kn_backup_restore("backup", test_database_url(), "other", &result, &err),
                     KN_ECONFLICT);
    assert_false(kn_fs_exists("other"));

    if (kn_backup_restore("backup", "sqlite:again.db", "again", &result, &err) != KN_OK)
        fail_msg("%s", err.message);
    if (kn_db_open(&db, "sqlite:again.db", &err) != KN_OK ||
        kn_jobs_open(&jobs, db, &err) != KN_OK ||
        kn_store_open(&store, &(struct kn_store_config){.url = "file:again", .db = db}, &err) != KN_OK)
        fail_msg("%s", err.message);
    expect(store, "small", 10, 's');
    expect(store, "big", BIG, 'b');
    expect(store, "changing", BIG, 'c');
    struct kn_job again;
    assert_int_equal(kn_jobs_get(jobs, job.id, &arena, &again, &err), KN_OK);
    assert_string_equal(again.spec, submit.spec);
    assert_string_equal(again.user_data, "u");
    assert_int_equal(kn_jobs_submit(jobs, &submit, &arena, &job, &is_repeat, &err), KN_OK);
    kn_jobs_close(&jobs);
    kn_store_close(&store);
    kn_db_close(&db);
}

static void a_damaged_backup_touches_nothing(void **state)
{
    (void)state;
    struct kn_error err = {0};
    struct kn_backup_result result;
    assert_int_equal(kn_backup_verify("backup", &err), KN_OK);
    assert_int_equal(kn_fs_write("backup/tables/bucket", "x", 1, 0600, &err), KN_OK);
    assert_int_equal(kn_backup_restore("backup", "sqlite:third.db", "third", &result, &err),
                     KN_EINVAL);
    assert_string_equal(err.message, "'tables/bucket' is not what the manifest says");
    assert_false(kn_fs_exists("third.db"));
    assert_false(kn_fs_exists("third"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_there_is_there_again_though_writes_went_on),
        cmocka_unit_test(a_damaged_backup_touches_nothing),
    };
    return cmocka_run_group_tests_name("server/backup", tests, NULL, NULL);
}
