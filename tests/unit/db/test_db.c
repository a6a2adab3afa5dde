/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The promises of db.h, on the database that KINORA_TEST_DATABASE names (a PostgreSQL URL), or on
 * SQLite in the current folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "db/db.h"
#include "db/settings.h"
#include "support/test_database.h"

static int open_database(void **state)
{
    struct kn_db *db = NULL;
    struct kn_error err = {0};
    if (kn_db_open(&db, test_database_url(), &err) != KN_OK)
        fail_msg("%s", err.message);
    *state = db;
    return 0;
}

static int close_database(void **state)
{
    kn_db_close((struct kn_db **)state);
    return 0;
}

/* ---- helpers: the table `setting` serves as the guinea pig ---- */

struct put {
    const char *name;
    const char *value;
    kn_code answer; // what the function returns after its statement
};

static kn_code put_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct put *put = context;
    kn_code rc = kn_settings_set_tx(tx, put->name, put->value, err);
    if (rc == KN_OK && put->answer != KN_OK)
        return kn_fail(err, put->answer, "refused by the test");
    return rc;
}

static void assert_setting(struct kn_db *db, const char *name, const char *value)
{
    kn_auto(kn_free) char *found = NULL;
    assert_int_equal(kn_settings_get(db, name, &found, NULL), KN_OK);
    if (value)
        assert_string_equal(found, value);
    else
        assert_null(found);
}

/* ---- tests ---- */

static void setting_is_kept_replaced_and_removed(void **state)
{
    struct kn_db *db = *state;
    assert_setting(db, "a", NULL);
    assert_int_equal(kn_settings_set(db, "a", "1", NULL), KN_OK);
    assert_setting(db, "a", "1");
    assert_int_equal(kn_settings_set(db, "a", "it's ? two", NULL), KN_OK);
    assert_setting(db, "a", "it's ? two");
    assert_int_equal(kn_settings_set(db, "a", NULL, NULL), KN_OK);
    assert_setting(db, "a", NULL);
}

static void failed_transaction_leaves_nothing(void **state)
{
    struct kn_db *db = *state;
    struct put put = {.name = "b", .value = "1", .answer = KN_EMEDIA};
    struct kn_error err = {0};
    assert_int_equal(kn_db_write(db, put_in_tx, &put, &err), KN_EMEDIA);
    assert_string_equal(err.message, "refused by the test");
    assert_setting(db, "b", NULL);
}

static kn_code types_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    static const unsigned char bytes[] = {0, 1, 0xff, 'x', 0};
    kn_code rc = kn_tx_run(tx, NULL, err, "INSERT INTO body (hash, content) VALUES (?, ?)", "bs",
                           (const void *)bytes, sizeof(bytes), "text ü '?' \\ end");
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &stmt, err,
                         "SELECT hash, content, 'a ? b', CAST(? AS BIGINT), CAST(? AS TEXT)"
                         " FROM body WHERE hash = ?",
                         "isb", INT64_MIN, (const char *)NULL, (const void *)bytes, sizeof(bytes));
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    assert_int_equal(rc, KN_OK);
    assert_true(has_row);
    size_t n = 0;
    const void *back = kn_stmt_blob(stmt, 0, &n);
    assert_int_equal(n, sizeof(bytes));
    assert_memory_equal(back, bytes, n);
    assert_string_equal(kn_stmt_text(stmt, 1), "text ü '?' \\ end");
    assert_string_equal(kn_stmt_text(stmt, 2), "a ? b");
    assert_int_equal(kn_stmt_int(stmt, 3), INT64_MIN);
    assert_true(kn_stmt_is_null(stmt, 4));
    assert_null(kn_stmt_text(stmt, 4));
    assert_int_equal(kn_stmt_step(stmt, &has_row, err), KN_OK);
    assert_false(has_row);
    assert_int_equal(kn_stmt_step(stmt, &has_row, err), KN_OK);
    assert_false(has_row); // and it does not begin again
    int64_t n_changed = 0;
    rc = kn_tx_run(tx, &n_changed, err, "DELETE FROM body WHERE hash = ?", "b", (const void *)bytes,
                   sizeof(bytes));
    assert_int_equal(n_changed, 1);
    return rc;
}

static void values_come_back_as_they_went_in(void **state)
{
    struct kn_error err = {0};
    if (kn_db_write(*state, types_in_tx, NULL, &err) != KN_OK)
        fail_msg("%s", err.message);
}

static kn_code locks_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_lock(tx, "a name", err);
    if (rc == KN_OK)
        rc =
            kn_tx_query(tx, &stmt, err,
                        "SELECT name FROM setting WHERE name = ? FOR UPDATE SKIP LOCKED", "s", "c");
    return rc == KN_OK ? kn_stmt_step(stmt, &has_row, err) : rc;
}

static void row_locks_are_understood(void **state)
{
    struct kn_error err = {0};
    if (kn_db_write_guarded(*state, locks_in_tx, NULL, &err) != KN_OK)
        fail_msg("%s", err.message);
}

static kn_code stubborn_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    (void)kn_settings_set_tx(tx, "d", "1", err);
    assert_int_equal(kn_tx_run(tx, NULL, NULL, "INSERT INTO setting (name) VALUES (?)", "s", "e"),
                     KN_ECONFLICT); // NOT NULL
    return KN_OK;
}

static void failed_statement_dooms_its_transaction(void **state)
{
    assert_int_equal(kn_db_write(*state, stubborn_in_tx, NULL, NULL), KN_EBUG);
    assert_setting(*state, "d", NULL);
}

static kn_code clock_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    return kn_tx_now(tx, context, err);
}

static void clock_of_the_database_runs(void **state)
{
    int64_t now = 0;
    assert_int_equal(kn_db_write(*state, clock_in_tx, &now, NULL), KN_OK);
    assert_true(llabs(now - kn_now_us()) < 5 * KN_SECOND); // the test's server is on this machine
}

/* ---- many threads ---- */

struct adder {
    struct kn_db *db;
    int64_t n_ok;
};

static kn_code add_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    // Reads, then writes what it read: right only if transactions are one after another.
    kn_auto(kn_free) char *old = NULL;
    kn_code rc = kn_settings_get_tx(tx, "sum", &old, err);
    char sum[24];
    (void)snprintf(sum, sizeof(sum), "%d", (old ? atoi(old) : 0) + 1);
    return rc == KN_OK ? kn_settings_set_tx(tx, "sum", sum, err) : rc;
}

static void *adder_main(void *arg)
{
    struct adder *adder = arg;
    for (int i = 0; i < 25; i++)
        if (kn_db_write(adder->db, add_in_tx, NULL, NULL) == KN_OK)
            adder->n_ok++;
    return NULL;
}

static void writes_are_as_if_one_after_another(void **state)
{
    assert_int_equal(kn_settings_set(*state, "sum", "0", NULL), KN_OK);
    pthread_t threads[4];
    struct adder adders[4];
    int64_t n_ok = 0;
    for (int i = 0; i < 4; i++) {
        adders[i] = (struct adder){.db = *state};
        assert_int_equal(pthread_create(&threads[i], NULL, adder_main, &adders[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        n_ok += adders[i].n_ok;
    }
    assert_int_equal(n_ok, 100);
    assert_setting(*state, "sum", "100");
}

/* ---- relaxed ---- */

static kn_code note_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    return kn_settings_set_tx(tx, context, "noted", err);
}

static kn_code note_and_fail_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)note_in_tx(tx, context, err);
    return kn_fail(err, KN_ECONFLICT, "changed our mind");
}

static void a_relaxed_write_is_seen_at_once_and_among_others(void **state)
{
    char relaxed[] = "relaxed", durable[] = "durable", again[] = "again", undone[] = "undone";
    assert_int_equal(kn_db_write_relaxed(*state, note_in_tx, relaxed, NULL), KN_OK);
    assert_setting(*state, relaxed, "noted");
    assert_int_equal(kn_db_write(*state, note_in_tx, durable, NULL), KN_OK);
    assert_int_equal(kn_db_write_relaxed(*state, note_and_fail_in_tx, undone, NULL), KN_ECONFLICT);
    assert_int_equal(kn_db_write_relaxed(*state, note_in_tx, again, NULL), KN_OK);
    assert_setting(*state, durable, "noted");
    assert_setting(*state, again, "noted");
    assert_setting(*state, undone, NULL);
}

/* ---- without waiting ---- */

struct tally {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int n_ok, n_failed;
};

static void tally_done(kn_code rc, const struct kn_error *err, void *context)
{
    struct put *put = context;
    struct tally *tally = (struct tally *)(uintptr_t)strtoull(put->value, NULL, 16);
    pthread_mutex_lock(&tally->lock);
    if (rc == KN_OK)
        tally->n_ok++;
    else if (strcmp(err->message, "refused by the test") == 0)
        tally->n_failed++;
    pthread_cond_signal(&tally->moved);
    pthread_mutex_unlock(&tally->lock);
}

static void one_failure_does_not_undo_its_neighbours(void **state)
{
    struct tally tally = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};
    char address[24];
    char names[50][8];
    struct put puts[50];
    (void)snprintf(address, sizeof(address), "%llx", (unsigned long long)(uintptr_t)&tally);
    for (int i = 0; i < 50; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%d", i);
        puts[i] = (struct put){names[i], address, i % 5 == 0 ? KN_EINVAL : KN_OK};
        kn_db_write_async(*state, put_in_tx, &puts[i], tally_done);
    }
    pthread_mutex_lock(&tally.lock);
    while (tally.n_ok + tally.n_failed < 50)
        pthread_cond_wait(&tally.moved, &tally.lock);
    pthread_mutex_unlock(&tally.lock);
    assert_int_equal(tally.n_ok, 40);
    assert_int_equal(tally.n_failed, 10);
    for (int i = 0; i < 50; i++)
        assert_setting(*state, names[i], i % 5 == 0 ? NULL : address);
}

/* ---- wake-ups ---- */

static void wake_counts(void *context)
{
    __atomic_add_fetch((int *)context, 1, __ATOMIC_SEQ_CST);
}

static kn_code notify_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)err;
    kn_tx_notify(tx, context);
    return KN_OK;
}

static void watcher_is_woken_for_its_topic_only(void **state)
{
    int n_mine = 0;
    int n_other = 0;
    char mine[] = "mine";
    assert_int_equal(kn_db_watch(*state, "mine", wake_counts, &n_mine, NULL), KN_OK);
    assert_int_equal(kn_db_watch(*state, "other", wake_counts, &n_other, NULL), KN_OK);
    assert_int_equal(kn_db_write(*state, notify_in_tx, mine, NULL), KN_OK);
    int64_t deadline = kn_mono_us() + 5 * KN_SECOND;
    while (__atomic_load_n(&n_mine, __ATOMIC_SEQ_CST) == 0 && kn_mono_us() < deadline)
        kn_sleep_us(1000);
    kn_db_unwatch(*state, "mine", &n_mine);
    kn_db_unwatch(*state, "other", &n_other);
    assert_true(n_mine > 0);
    if (!kn_db_is_postgres(*state)) // there, everybody is woken once when listening begins
        assert_int_equal(n_other, 0);
}

/* ---- opening ---- */

static void second_server_is_refused(void **state)
{
    if (kn_db_is_postgres(*state))
        skip();
    struct kn_db *second = NULL;
    struct kn_error err = {0};
    assert_int_equal(kn_db_open(&second, test_database_url(), &err), KN_ECONFLICT);
    char sentence[256];
    (void)snprintf(sentence, sizeof(sentence),
                   "the database 'kinora.db' is in use by another Kinora (process %d): stop that "
                   "one, give this one another data folder, or let both use PostgreSQL",
                   (int)getpid());
    assert_string_equal(err.message, sentence);
}

static kn_code age_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO schema_version (number, name, applied_us) VALUES (?, ?, ?)",
                     "isi", (int64_t)9999, "future", (int64_t)0);
}

static kn_code rejuvenate_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    return kn_tx_run(tx, NULL, err, "DELETE FROM schema_version WHERE number = 9999", "");
}

static void newer_schema_is_refused(void **state)
{
    struct kn_db *second = NULL;
    struct kn_error err = {0};
    assert_int_equal(kn_db_write(*state, age_in_tx, NULL, NULL), KN_OK);
    if (!kn_db_is_postgres(*state)) {
        struct kn_db *first = *state;
        kn_db_close(&first);
        assert_int_equal(kn_db_open(&second, test_database_url(), &err), KN_ECONFLICT);
        assert_non_null(strstr(err.message, "made by a newer Kinora"));
        test_database_sql("DELETE FROM schema_version WHERE number = 9999");
        open_database(state);
        return;
    }
    assert_int_equal(kn_db_open(&second, test_database_url(), &err), KN_ECONFLICT);
    assert_non_null(strstr(err.message, "made by a newer Kinora"));
    assert_int_equal(kn_db_write(*state, rejuvenate_in_tx, NULL, NULL), KN_OK);
}

static void unknown_kind_of_database_is_refused(void **state)
{
    (void)state;
    struct kn_db *db = NULL;
    struct kn_error err = {0};
    assert_int_equal(kn_db_open(&db, "mysql://root:secret@host/db", &err), KN_EINVAL);
    assert_null(strstr(err.message, "secret"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_database, close_database)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(setting_is_kept_replaced_and_removed),
        TEST(failed_transaction_leaves_nothing),
        TEST(values_come_back_as_they_went_in),
        TEST(row_locks_are_understood),
        TEST(failed_statement_dooms_its_transaction),
        TEST(clock_of_the_database_runs),
        TEST(writes_are_as_if_one_after_another),
        TEST(a_relaxed_write_is_seen_at_once_and_among_others),
        TEST(one_failure_does_not_undo_its_neighbours),
        TEST(watcher_is_woken_for_its_topic_only),
        TEST(second_server_is_refused),
        TEST(newer_schema_is_refused),
        TEST(unknown_kind_of_database_is_refused),
    };
    return cmocka_run_group_tests_name("db/db", tests, NULL, NULL);
}
