/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SQLite: one writer thread, grouped commits, a few connections for reading.
 *
 * Writers put their transaction function on a list and wait. The writer thread takes what is on the
 * list, runs each function inside a savepoint of one transaction, and commits once: one fsync for
 * all. While it waits for the disk the next group gathers, so that groups grow with the load and a
 * lone writer waits for nobody. A group that is relaxed as a whole waits for no disk either: its
 * pages lie in the log before those of the next group, whose fsync covers them. A function that fails
 * undoes its savepoint only. When SQLite gives up the whole transaction (disk full, I/O error), each
 * function is run again in a transaction of its own, so that the one at fault is the only one to
 * suffer.
 *
 * The database file is held by a lock on a file beside it: locks on the database itself are
 * SQLite's, and closing any other descriptor of that file would drop them.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/strings.h"
#include "base/time.h"
#include "db/backend.h"

// Reads are short; more connections than this only share the same two or four cores.
#define MAX_READERS 8
// Transactions under one commit: enough to make the disk's wait cheap, few enough that the first of
// them is not kept long (a transaction is some 50 us of work).
#define MAX_GROUP 256
// Pages (4 KiB) in the log before it is folded back: rarely enough to stay out of the way of
// commits, often enough that a restart reads little.
#define CHECKPOINT_PAGES 4000

// What surrounds every transaction, compiled once for each connection.
enum control { BEGIN_READ = 0, BEGIN_WRITE, SAVEPOINT, RELEASE, COMMIT, ROLLBACK, N_CONTROLS };
static const char *const controls[N_CONTROLS] = {
    "BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT one", "RELEASE one", "COMMIT", "ROLLBACK"};

struct sqlite_connection {
    sqlite3 *handle;                    // owned
    sqlite3_stmt *controls[N_CONTROLS]; // owned; NULL until first used
    struct kn_stmt_cache cache;
    bool is_relaxed; // PRAGMA synchronous is NORMAL, not FULL
    struct sqlite_connection *next_idle;
};

struct sqlite_tx {
    struct kn_tx base;
    struct sqlite_connection *connection; // borrowed
};

struct sqlite_stmt {
    struct kn_stmt base;
    sqlite3_stmt *handle; // owned
    sqlite3 *connection;  // borrowed
    int bind_rc;          // the first binding that failed, reported by the step
    int64_t n_changed;
    bool is_done;
};

struct write_request {
    kn_tx_fn fn;
    void *context;   // borrowed
    bool is_relaxed;
    kn_db_done done; // NULL: someone waits on `finished`
    struct kn_error *err;
    struct kn_error own_err; // for those who do not wait
    kn_code rc;
    struct kn_topics topics;
    sem_t finished; // a semaphore may be destroyed as soon as the wait for it has returned
    struct write_request *next;
};

struct sqlite_db {
    struct kn_db base;
    char *path;                      // owned
    int lock_fd;                     // held while the database is open
    struct sqlite_connection writer; // the writer thread's
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock;
    pthread_cond_t wake_writer;
    pthread_cond_t reader_free;
    // --- protected by lock
    struct write_request *first, *last;
    bool is_closing, is_writer_idle;
    struct sqlite_connection *idle; // owned
    int n_readers;
};

/* ---- errors ---- */

static kn_code sqlite_fail(struct kn_error *err, sqlite3 *handle, int sq, const char *what)
{
    const char *why = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(sq);
    switch (sq & 0xff) {
    case SQLITE_NOMEM: return kn_fail(err, KN_ENOMEM, "%s: %s", what, why);
    case SQLITE_CONSTRAINT: return kn_fail(err, KN_ECONFLICT, "%s: %s", what, why);
    case SQLITE_FULL: return kn_fail_as(err, KN_EIO, "DiskFull", "%s: the disk is full", what);
    case SQLITE_ERROR:
    case SQLITE_RANGE:
    case SQLITE_MISUSE: return kn_fail(err, KN_EBUG, "%s: %s", what, why);
    default: return kn_fail(err, KN_EIO, "%s: %s", what, why);
    }
}

static kn_code connection_exec(struct sqlite_connection *connection, const char *sql,
                               struct kn_error *err)
{
    int sq = sqlite3_exec(connection->handle, sql, NULL, NULL, NULL);
    if (sq == SQLITE_OK)
        return KN_OK;
    return sqlite_fail(err, connection->handle, sq, "the database failed");
}

static kn_code connection_control(struct sqlite_connection *connection, enum control control,
                                  struct kn_error *err)
{
    sqlite3_stmt **at = &connection->controls[control];
    int sq = SQLITE_OK;
    if (!*at)
        sq = sqlite3_prepare_v3(connection->handle, controls[control], -1,
                                SQLITE_PREPARE_PERSISTENT, at, NULL);
    if (sq == SQLITE_OK) {
        (void)sqlite3_step(*at);
        sq = sqlite3_reset(*at); // answers what the step came to
    }
    return sq == SQLITE_OK ? KN_OK
                           : sqlite_fail(err, connection->handle, sq, "the database failed");
}

/* ---- statements ---- */

static struct sqlite_stmt *as_stmt(struct kn_stmt *stmt)
{
    return (struct sqlite_stmt *)stmt;
}

static void stmt_note_bind(struct sqlite_stmt *stmt, int sq)
{
    if (stmt->bind_rc == SQLITE_OK)
        stmt->bind_rc = sq;
}

static void stmt_bind_int(struct kn_stmt *stmt, int at, int64_t value)
{
    stmt_note_bind(as_stmt(stmt), sqlite3_bind_int64(as_stmt(stmt)->handle, at + 1, value));
}

static void stmt_bind_text(struct kn_stmt *stmt, int at, const char *text)
{
    stmt_note_bind(as_stmt(stmt), sqlite3_bind_text64(as_stmt(stmt)->handle, at + 1, text,
                                                      strlen(text), SQLITE_TRANSIENT, SQLITE_UTF8));
}

static void stmt_bind_blob(struct kn_stmt *stmt, int at, const void *bytes, size_t n)
{
    stmt_note_bind(as_stmt(stmt),
                   sqlite3_bind_blob64(as_stmt(stmt)->handle, at + 1, bytes, n, SQLITE_TRANSIENT));
}

static void stmt_bind_null(struct kn_stmt *stmt, int at)
{
    stmt_note_bind(as_stmt(stmt), sqlite3_bind_null(as_stmt(stmt)->handle, at + 1));
}

static kn_code stmt_step(struct kn_stmt *base, bool *has_row, struct kn_error *err)
{
    struct sqlite_stmt *stmt = as_stmt(base);
    if (stmt->bind_rc != SQLITE_OK)
        return sqlite_fail(err, NULL, stmt->bind_rc, "cannot bind a parameter");
    if (stmt->is_done)
        return KN_OK; // stepping on would start the statement again
    int sq = sqlite3_step(stmt->handle);
    if (sq == SQLITE_ROW) {
        *has_row = true;
        return KN_OK;
    }
    stmt->is_done = true;
    if (sq != SQLITE_DONE)
        return sqlite_fail(err, stmt->connection, sq, "a statement failed");
    stmt->n_changed = sqlite3_changes64(stmt->connection);
    return KN_OK;
}

static int64_t stmt_get_int(struct kn_stmt *stmt, int column)
{
    return sqlite3_column_int64(as_stmt(stmt)->handle, column);
}

static const char *stmt_get_text(struct kn_stmt *stmt, int column)
{
    return (const char *)sqlite3_column_text(as_stmt(stmt)->handle, column);
}

static const void *stmt_get_blob(struct kn_stmt *stmt, int column, size_t *out_n)
{
    const void *bytes = sqlite3_column_blob(as_stmt(stmt)->handle, column);
    *out_n = (size_t)sqlite3_column_bytes(as_stmt(stmt)->handle, column);
    return bytes;
}

static bool stmt_is_null(struct kn_stmt *stmt, int column)
{
    return sqlite3_column_type(as_stmt(stmt)->handle, column) == SQLITE_NULL;
}

static int64_t stmt_changes(struct kn_stmt *stmt)
{
    return as_stmt(stmt)->n_changed;
}

static void stmt_reset(struct kn_stmt *base)
{
    struct sqlite_stmt *stmt = as_stmt(base);
    (void)sqlite3_reset(stmt->handle); // repeats the error of the last step, told already
    (void)sqlite3_clear_bindings(stmt->handle);
    stmt->bind_rc = SQLITE_OK;
    stmt->n_changed = 0;
    stmt->is_done = false;
}

static void stmt_destroy(struct kn_stmt *stmt)
{
    (void)sqlite3_finalize(as_stmt(stmt)->handle);
    free(stmt);
}

static const struct kn_stmt_ops stmt_ops = {
    .bind_int = stmt_bind_int,
    .bind_text = stmt_bind_text,
    .bind_blob = stmt_bind_blob,
    .bind_null = stmt_bind_null,
    .step = stmt_step,
    .get_int = stmt_get_int,
    .get_text = stmt_get_text,
    .get_blob = stmt_get_blob,
    .is_null = stmt_is_null,
    .changes = stmt_changes,
    .reset = stmt_reset,
    .destroy = stmt_destroy,
};

// The length of `sql` without the row locks at its end, which SQLite does not know.
static size_t sql_without_locks(const char *sql)
{
    static const char *const locks[] = {" FOR UPDATE", " FOR SHARE", " FOR KEY SHARE",
                                        " SKIP LOCKED"};
    size_t n = strlen(sql);
    for (size_t i = 0; i < KN_COUNT(locks);) {
        size_t n_lock = strlen(locks[i]);
        if (n >= n_lock && strncmp(sql + n - n_lock, locks[i], n_lock) == 0) {
            n -= n_lock;
            i = 0; // "FOR UPDATE SKIP LOCKED" has two
        } else {
            i++;
        }
    }
    return n;
}

static kn_code tx_prepare(struct kn_tx *tx, struct kn_stmt **out, const char *sql,
                          struct kn_error *err)
{
    struct sqlite_connection *connection = ((struct sqlite_tx *)tx)->connection;
    *out = kn_stmt_cache_find(&connection->cache, sql);
    if (*out)
        return KN_OK;

    struct sqlite_stmt *stmt = calloc(1, sizeof(*stmt));
    if (!stmt)
        return kn_fail(err, KN_ENOMEM, "no memory for a statement");
    stmt->base.ops = &stmt_ops;
    stmt->connection = connection->handle;
    int sq = sqlite3_prepare_v3(connection->handle, sql, (int)sql_without_locks(sql),
                                SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL);
    if (sq != SQLITE_OK) {
        free(stmt);
        return sqlite_fail(err, connection->handle, sq, "cannot prepare a statement");
    }
    if (!kn_stmt_cache_add(&connection->cache, &stmt->base, sql)) {
        stmt_destroy(&stmt->base);
        return kn_fail(err, KN_ENOMEM, "no memory for a statement");
    }
    *out = &stmt->base;
    return KN_OK;
}

static kn_code tx_now(struct kn_tx *tx, int64_t *out_us, struct kn_error *err)
{
    (void)tx;
    (void)err;
    *out_us = kn_now_us();
    return KN_OK;
}

static kn_code tx_lock(struct kn_tx *tx, const char *name, struct kn_error *err)
{
    (void)tx;
    (void)name;
    (void)err;
    return KN_OK; // the writer is alone
}

/* ---- connections ---- */

static void connection_close(struct sqlite_connection *connection)
{
    kn_stmt_cache_clear(&connection->cache);
    for (int i = 0; i < N_CONTROLS; i++) {
        (void)sqlite3_finalize(connection->controls[i]);
        connection->controls[i] = NULL;
    }
    (void)sqlite3_close(connection->handle);
    connection->handle = NULL;
}

static kn_code connection_open(struct sqlite_connection *connection, const char *path,
                               const char *pragmas, struct kn_error *err)
{
    *connection = (struct sqlite_connection){0};
    int sq =
        sqlite3_open_v2(path, &connection->handle,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (sq != SQLITE_OK) {
        kn_code rc =
            kn_fail(err, KN_EIO, "cannot open the database '%s': %s", path, sqlite3_errstr(sq));
        connection_close(connection);
        return rc;
    }
    (void)sqlite3_extended_result_codes(connection->handle, 1);
    // Only opening and closing connections contend for the file: the writer thread is alone.
    (void)sqlite3_busy_timeout(connection->handle, 2000);
    kn_code rc = connection_exec(connection, pragmas, err);
    if (rc != KN_OK) {
        kn_error_prefix(err, "cannot open the database '%s'", path);
        connection_close(connection);
    }
    return rc;
}

/* ---- the writer ---- */

static kn_code request_run(struct sqlite_db *db, struct write_request *request)
{
    struct sqlite_tx tx = {.base.db = &db->base, .connection = &db->writer};
    kn_code rc = connection_control(&db->writer, SAVEPOINT, request->err);
    if (rc != KN_OK)
        return rc;
    rc = request->fn(&tx.base, request->context, request->err);
    rc = kn_tx_verdict(&tx.base, rc, request->err);
    kn_stmt_cache_end(&db->writer.cache);
    if (sqlite3_get_autocommit(db->writer.handle))
        return rc == KN_OK ? kn_fail(request->err, KN_EIO, "the database gave up a transaction")
                           : rc;
    if (rc != KN_OK) {
        (void)connection_exec(&db->writer, "ROLLBACK TO one; RELEASE one", NULL);
        return rc;
    }
    request->topics = tx.base.topics;
    return connection_control(&db->writer, RELEASE, request->err);
}

// Whether the next commit waits for the disk. It cannot be changed inside a transaction.
static kn_code group_prepare(struct sqlite_db *db, const struct write_request *request, int n,
                             struct kn_error *err)
{
    bool is_relaxed = true;
    for (int i = 0; i < n; i++, request = request->next)
        is_relaxed = is_relaxed && request->is_relaxed;
    if (is_relaxed == db->writer.is_relaxed)
        return KN_OK;
    kn_code rc = connection_exec(&db->writer, is_relaxed ? "PRAGMA synchronous = NORMAL"
                                                         : "PRAGMA synchronous = FULL", err);
    if (rc == KN_OK)
        db->writer.is_relaxed = is_relaxed;
    return rc;
}

// Run `request` and those after it, `n` in all, under one commit. False: nothing was committed, and
// whose fault it was is not known.
static bool group_commit(struct sqlite_db *db, struct write_request *request, int n,
                         struct kn_error *err)
{
    if (group_prepare(db, request, n, err) != KN_OK ||
        connection_control(&db->writer, BEGIN_WRITE, err) != KN_OK)
        return false;
    for (int i = 0; i < n; i++, request = request->next) {
        request->topics = (struct kn_topics){0};
        request->rc = request_run(db, request);
        if (sqlite3_get_autocommit(db->writer.handle)) {
            (void)kn_fail(err, KN_EIO, "the database gave up a transaction");
            return false;
        }
    }
    if (connection_control(&db->writer, COMMIT, err) == KN_OK)
        return true;
    (void)connection_control(&db->writer, ROLLBACK, NULL); // fails when SQLite did so itself
    return false;
}

static void request_run_alone(struct sqlite_db *db, struct write_request *request)
{
    struct kn_error err = {0};
    request->rc = KN_OK;
    if (group_commit(db, request, 1, &err) || request->rc != KN_OK)
        return;
    request->rc = err.code;
    if (request->err)
        *request->err = err;
}

// Take all requests of the list, waiting for one; NULL when the database closes.
static struct write_request *group_take(struct sqlite_db *db)
{
    pthread_mutex_lock(&db->lock);
    while (!db->first && !db->is_closing) {
        db->is_writer_idle = true;
        pthread_cond_wait(&db->wake_writer, &db->lock);
    }
    db->is_writer_idle = false;
    struct write_request *group = db->first;
    db->first = db->last = NULL;
    pthread_mutex_unlock(&db->lock);
    return group;
}

static void group_finish(struct sqlite_db *db, struct write_request *request, int n)
{
    struct kn_topics topics = {0};
    struct write_request *at = request;
    for (int i = 0; i < n; i++, at = at->next)
        if (at->rc == KN_OK)
            kn_topics_merge(&topics, &at->topics);
    kn_watchers_wake(&db->base.watchers, &topics);

    for (int i = 0; i < n; i++) {
        struct write_request *next = request->next;
        if (request->done) {
            request->done(request->rc, request->err, request->context);
            free(request);
        } else {
            (void)sem_post(&request->finished); // from here on the waiter may be gone
        }
        request = next;
    }
}

static void *writer_main(void *arg)
{
    struct sqlite_db *db = arg;
    struct write_request *group = NULL;
    while ((group = group_take(db))) {
        while (group) {
            int n = 0;
            struct write_request *rest = group;
            for (; rest && n < MAX_GROUP; rest = rest->next)
                n++;
            if (n == 1 || !group_commit(db, group, n, NULL)) {
                struct write_request *at = group;
                for (int i = 0; i < n; i++, at = at->next)
                    request_run_alone(db, at);
            }
            group_finish(db, group, n);
            group = rest;
        }
    }
    return NULL;
}

static void request_enqueue(struct sqlite_db *db, struct write_request *request)
{
    pthread_mutex_lock(&db->lock);
    if (db->last)
        db->last->next = request;
    else
        db->first = request;
    db->last = request;
    bool must_wake = db->is_writer_idle;
    db->is_writer_idle = false;
    pthread_mutex_unlock(&db->lock);
    if (must_wake)
        pthread_cond_signal(&db->wake_writer);
}

static kn_code sqlite_write(struct kn_db *base, enum kn_tx_mode mode, kn_tx_fn fn, void *context,
                            struct kn_error *err)
{
    struct sqlite_db *db = (struct sqlite_db *)base;
    assert(!pthread_equal(pthread_self(), db->thread)); // it would wait for itself
    // One writer: all transactions are one after another, in every mode.
    struct write_request request = {
        .fn = fn, .context = context, .is_relaxed = mode == KN_TX_RELAXED, .err = err};
    (void)sem_init(&request.finished, 0, 0);
    request_enqueue(db, &request);
    while (sem_wait(&request.finished) != 0) // interrupted by a signal
        continue;
    (void)sem_destroy(&request.finished);
    return request.rc;
}

static void sqlite_write_async(struct kn_db *base, enum kn_tx_mode mode, kn_tx_fn fn, void *context,
                               kn_db_done done)
{
    struct sqlite_db *db = (struct sqlite_db *)base;
    struct write_request *request = calloc(1, sizeof(*request));
    if (!request) {
        struct kn_error err = {0};
        kn_code rc = kn_fail(&err, KN_ENOMEM, "no memory for a transaction");
        done(rc, &err, context);
        return;
    }
    *request = (struct write_request){
        .fn = fn, .context = context, .is_relaxed = mode == KN_TX_RELAXED, .done = done};
    request->err = &request->own_err;
    request_enqueue(db, request);
}

/* ---- reading ---- */

#define READER_PRAGMAS "PRAGMA query_only = 1; PRAGMA cache_size = -1024"

static kn_code reader_take(struct sqlite_db *db, struct sqlite_connection **out,
                           struct kn_error *err)
{
    pthread_mutex_lock(&db->lock);
    while (!db->idle && db->n_readers == MAX_READERS)
        pthread_cond_wait(&db->reader_free, &db->lock);
    struct sqlite_connection *reader = db->idle;
    if (reader)
        db->idle = reader->next_idle;
    else
        db->n_readers++;
    pthread_mutex_unlock(&db->lock);
    kn_code rc = KN_OK;
    if (!reader) {
        reader = calloc(1, sizeof(*reader));
        rc = reader ? connection_open(reader, db->path, READER_PRAGMAS, err)
                    : kn_fail(err, KN_ENOMEM, "no memory for a connection");
    }
    if (rc != KN_OK) {
        free(reader);
        pthread_mutex_lock(&db->lock);
        db->n_readers--;
        pthread_cond_signal(&db->reader_free);
        pthread_mutex_unlock(&db->lock);
        return rc;
    }
    *out = reader;
    return KN_OK;
}

static void reader_give(struct sqlite_db *db, struct sqlite_connection *reader)
{
    pthread_mutex_lock(&db->lock);
    reader->next_idle = db->idle;
    db->idle = reader;
    pthread_mutex_unlock(&db->lock);
    pthread_cond_signal(&db->reader_free);
}

static kn_code sqlite_read(struct kn_db *base, kn_tx_fn fn, void *context, struct kn_error *err)
{
    struct sqlite_db *db = (struct sqlite_db *)base;
    struct sqlite_connection *reader = NULL;
    kn_code rc = reader_take(db, &reader, err);
    if (rc != KN_OK)
        return rc;
    struct sqlite_tx tx = {.base.db = base, .connection = reader};
    rc = connection_control(reader, BEGIN_READ, err);
    if (rc == KN_OK) {
        rc = fn(&tx.base, context, err);
        rc = kn_tx_verdict(&tx.base, rc, err);
        kn_stmt_cache_end(&reader->cache);
        (void)connection_control(reader, ROLLBACK, NULL); // there is nothing to commit
    }
    reader_give(db, reader);
    return rc;
}

/* ---- opening and closing ---- */

static void sqlite_close_db(struct kn_db *base)
{
    struct sqlite_db *db = (struct sqlite_db *)base;
    if (db->has_thread) {
        pthread_mutex_lock(&db->lock);
        db->is_closing = true;
        pthread_cond_signal(&db->wake_writer);
        pthread_mutex_unlock(&db->lock);
        pthread_join(db->thread, NULL);
    }
    while (db->idle) {
        struct sqlite_connection *reader = db->idle;
        db->idle = reader->next_idle;
        connection_close(reader);
        free(reader);
    }
    connection_close(&db->writer);
    kn_close_fd(&db->lock_fd);
    kn_watchers_clear(&db->base.watchers);
    pthread_cond_destroy(&db->reader_free);
    pthread_cond_destroy(&db->wake_writer);
    pthread_mutex_destroy(&db->lock);
    free(db->path);
    free(db);
}

static const struct kn_db_ops sqlite_ops = {
    .close = sqlite_close_db,
    .write = sqlite_write,
    .write_async = sqlite_write_async,
    .read = sqlite_read,
    .prepare = tx_prepare,
    .now = tx_now,
    .lock = tx_lock,
};

// Hold `path` for this process. The holder's number is in the lock file, for the other's message.
static kn_code file_lock(struct sqlite_db *db, struct kn_error *err)
{
    char lock_path[4096];
    int n = snprintf(lock_path, sizeof(lock_path), "%s.lock", db->path);
    if (n < 0 || n >= (int)sizeof(lock_path))
        return kn_fail(err, KN_EINVAL, "the path of the database is too long: '%s'", db->path);
    db->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (db->lock_fd < 0)
        return kn_fail_errno(err, errno, "cannot open '%s'", lock_path);
    if (flock(db->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        char holder[24];
        int n_holder = snprintf(holder, sizeof(holder), "%d\n", (int)getpid());
        // The number only serves a message: a disk too full for it must not stop the start.
        if (ftruncate(db->lock_fd, 0) == 0 && n_holder > 0)
            (void)!pwrite(db->lock_fd, holder, (size_t)n_holder, 0);
        return KN_OK;
    }
    if (errno != EWOULDBLOCK)
        return kn_fail_errno(err, errno, "cannot lock '%s'", lock_path);
    char holder[24] = {0};
    ssize_t got = pread(db->lock_fd, holder, sizeof(holder) - 1, 0);
    holder[got > 0 ? strcspn(holder, "\n") : 0] = '\0';
    return kn_fail_as(err, KN_ECONFLICT, "DatabaseInUse",
                      "the database '%s' is in use by another Kinora (process %s): stop that one, "
                      "give this one another data folder, or let both use PostgreSQL",
                      db->path, holder[0] ? holder : "unknown");
}

// Made before SQLite sees it, for its mode: keys and secrets are in there.
static kn_code file_create(const char *path, struct kn_error *err)
{
    kn_code rc = kn_fs_make_parents(path, 0700, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_close_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 ? KN_OK : kn_fail_errno(err, errno, "cannot make the database '%s'", path);
}

static kn_code script_exec(struct kn_tx *tx, const char *sql, struct kn_error *err)
{
    return connection_exec(((struct sqlite_tx *)tx)->connection, sql, err);
}

static kn_code schema_update(struct sqlite_db *db, struct kn_error *err)
{
    struct sqlite_tx tx = {.base.db = &db->base, .connection = &db->writer};
    kn_code rc = connection_exec(&db->writer, "BEGIN IMMEDIATE", err);
    if (rc != KN_OK)
        return rc;
    rc = kn_migrate(&tx.base, script_exec, err);
    kn_stmt_cache_end(&db->writer.cache);
    if (rc == KN_OK)
        rc = connection_exec(&db->writer, "COMMIT", err);
    if (rc != KN_OK)
        (void)connection_exec(&db->writer, "ROLLBACK", NULL);
    return rc;
}

static kn_code db_new(struct sqlite_db **out, const struct kn_db_ops *ops, const char *path,
                      struct kn_error *err)
{
    struct sqlite_db *db = calloc(1, sizeof(*db));
    if (!db)
        return kn_fail(err, KN_ENOMEM, "no memory for the database");
    db->base.ops = ops;
    db->lock_fd = -1;
    kn_watchers_init(&db->base.watchers);
    pthread_mutex_init(&db->lock, NULL);
    pthread_cond_init(&db->wake_writer, NULL);
    pthread_cond_init(&db->reader_free, NULL);
    *out = db;
    db->path = strdup(path);
    return db->path ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for the database");
}

kn_code kn_sqlite_open(struct kn_db **out_db, const char *path, struct kn_error *err)
{
    *out_db = NULL;
    struct sqlite_db *db = NULL;
    kn_code rc = db_new(&db, &sqlite_ops, path, err);
    kn_auto(kn_db_close) struct kn_db *opened = db ? &db->base : NULL;
    if (rc == KN_OK)
        rc = file_create(path, err);
    if (rc == KN_OK)
        rc = file_lock(db, err);
    if (rc == KN_OK)
        rc = connection_open(&db->writer, path,
                             "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                             "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -4096",
                             err);
    if (rc == KN_OK) {
        (void)sqlite3_wal_autocheckpoint(db->writer.handle, CHECKPOINT_PAGES);
        rc = schema_update(db, err);
    }
    if (rc != KN_OK)
        return rc;
    int failed = pthread_create(&db->thread, NULL, writer_main, db);
    if (failed)
        return kn_fail_errno(err, failed, "cannot start the database's thread");
    db->has_thread = true;
    (void)pthread_setname_np(db->thread, "kn-db-writer"); // only for those who look with top
    *out_db = KN_TAKE(opened);
    return KN_OK;
}

/* ---- looking on while another process writes ---- */

static kn_code reader_write(struct kn_db *base, enum kn_tx_mode mode, kn_tx_fn fn, void *context,
                            struct kn_error *err)
{
    (void)base;
    (void)mode;
    (void)fn;
    (void)context;
    return kn_fail(err, KN_EBUG, "the database was opened for reading");
}

static void reader_write_async(struct kn_db *base, enum kn_tx_mode mode, kn_tx_fn fn, void *context,
                               kn_db_done done)
{
    struct kn_error err = {0};
    kn_code rc = reader_write(base, mode, fn, context, &err);
    done(rc, &err, context);
}

static const struct kn_db_ops reader_ops = {
    .close = sqlite_close_db,
    .write = reader_write,
    .write_async = reader_write_async,
    .read = sqlite_read,
    .prepare = tx_prepare,
    .now = tx_now,
    .lock = tx_lock,
};

kn_code kn_sqlite_open_reader(struct kn_db **out_db, const char *path, struct kn_error *err)
{
    *out_db = NULL;
    // SQLite would make the file, and an empty database is an answer to nothing.
    if (!kn_fs_exists(path))
        return kn_fail(err, KN_ENOTFOUND, "there is no database '%s'", path);
    struct sqlite_db *db = NULL;
    kn_code rc = db_new(&db, &reader_ops, path, err);
    kn_auto(kn_db_close) struct kn_db *opened = db ? &db->base : NULL;
    if (rc == KN_OK)
        *out_db = KN_TAKE(opened);
    return rc;
}
