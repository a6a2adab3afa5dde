/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PostgreSQL: a pool of connections, each with its prepared statements.
 *
 * A transaction begins with one round trip that also brings the database's clock and, for writes,
 * the transaction's number. The number answers the one hard question: when the connection breaks
 * during COMMIT, did it commit? pg_xact_status() on a new connection tells, and only what did not
 * commit is run again. Serialisation failures and deadlocks are run again after a random pause.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/time.h"
#include "db/backend.h"
#include "db/postgres_notify.h"

// PostgreSQL takes 100 connections unless told otherwise; several machines share them.
#define MAX_CONNECTIONS 16
// Threads for kn_db_write_async(); PostgreSQL groups the commits of those that meet.
#define N_ASYNC 8
// A transaction is run again this often before its caller is told.
#define MAX_RETRIES 30
// How long a lost connection is tried again before the caller is told: the SDK waits 3 s.
#define RECONNECT_US (2500 * 1000)
// Oid of bytea (pg_type.dat); libpq has no header for it on the client.
#define BYTEA_OID 17
#define BOOL_OID 16

struct pg_connection {
    PGconn *handle; // owned
    struct kn_stmt_cache cache;
    unsigned n_named; // names given to statements
    struct pg_connection *next_idle;
};

struct pg_tx {
    struct kn_tx base;
    struct pg_connection *connection; // borrowed
    bool must_retry;                  // the database says: run it again
    bool is_lost;                     // the connection broke
    int64_t began_us;                 // the database's clock at the start …
    int64_t began_mono_us;            // … and ours
    char number[24];                  // pg_current_xact_id(), "" for reads
};

struct pg_param {
    char *text; // owned; also holds bytes
    size_t capacity;
    int length;
    bool is_bytes, is_null;
};

struct pg_stmt {
    struct kn_stmt base;
    struct pg_connection *connection; // borrowed
    char name[16];
    struct pg_param *params; // owned
    int n_params;
    bool is_broken; // a binding found no memory or no such parameter
    PGresult *rows; // owned
    int row, n_rows;
    bool has_run;
    unsigned char *unescaped; // owned: the blob read last
};

struct async_write {
    enum kn_tx_mode mode;
    kn_tx_fn fn;
    kn_db_done done;
    void *context; // borrowed
    struct async_write *next;
};

struct pg_db {
    struct kn_db base;
    char *url;                   // owned; may hold a password
    struct kn_pg_notify *notify; // owned
    pthread_t threads[N_ASYNC];
    int n_threads;

    pthread_mutex_t lock;
    pthread_cond_t connection_free;
    pthread_cond_t async_wake;
    // --- protected by lock
    struct pg_connection *idle; // owned
    int n_connections;
    struct async_write *first, *last;
    bool is_closing;
};

/* ---- errors ---- */

static const char *state_of(const PGresult *result)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    return state ? state : "";
}

static bool state_in(const char *state, const char *class)
{
    return strncmp(state, class, strlen(class)) == 0;
}

// The first line of libpq's message, which has a newline at its end and hints after it.
static kn_code pg_fail(struct kn_error *err, struct pg_connection *connection,
                       const PGresult *result, const char *what)
{
    const char *state = state_of(result);
    const char *why = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    if (!why)
        why = PQerrorMessage(connection->handle);
    kn_code code = KN_EIO;
    if (state_in(state, "23"))
        code = KN_ECONFLICT;
    else if (state_in(state, "42"))
        code = KN_EBUG;
    else if (state_in(state, "53100"))
        return kn_fail_as(err, KN_EIO, "DiskFull", "%s: the database's disk is full", what);
    return kn_fail(err, code, "%s: %.*s", what, (int)strcspn(why, "\n"), why);
}

static kn_code tx_note_failure(struct pg_tx *tx, const PGresult *result, const char *what,
                               struct kn_error *err)
{
    const char *state = state_of(result);
    if (state_in(state, "40001") || state_in(state, "40P01"))
        tx->must_retry = true;
    // 57P01 and its like: the server is shutting down and closes this connection next.
    if (PQstatus(tx->connection->handle) == CONNECTION_BAD || state_in(state, "57P") ||
        state_in(state, "08"))
        tx->is_lost = true;
    return pg_fail(err, tx->connection, result, what);
}

/* ---- statements ---- */

static struct pg_stmt *as_stmt(struct kn_stmt *stmt)
{
    return (struct pg_stmt *)stmt;
}

static struct pg_param *stmt_param(struct pg_stmt *stmt, int at, size_t n)
{
    if (at < 0 || at >= stmt->n_params) {
        stmt->is_broken = true;
        return NULL;
    }
    struct pg_param *param = &stmt->params[at];
    if (param->capacity < n + 1) {
        char *more = realloc(param->text, n + 1);
        if (!more) {
            stmt->is_broken = true;
            return NULL;
        }
        param->text = more;
        param->capacity = n + 1;
    }
    param->is_null = false;
    param->is_bytes = false;
    param->length = (int)n;
    param->text[n] = '\0';
    return param;
}

static void stmt_bind_int(struct kn_stmt *stmt, int at, int64_t value)
{
    struct pg_param *param = stmt_param(as_stmt(stmt), at, 24);
    if (param)
        param->length = snprintf(param->text, 24, "%lld", (long long)value);
}

static void stmt_bind_text(struct kn_stmt *stmt, int at, const char *text)
{
    size_t n = strlen(text);
    struct pg_param *param = stmt_param(as_stmt(stmt), at, n);
    if (param)
        memcpy(param->text, text, n);
}

static void stmt_bind_blob(struct kn_stmt *stmt, int at, const void *bytes, size_t n)
{
    struct pg_param *param = stmt_param(as_stmt(stmt), at, n);
    if (!param)
        return;
    memcpy(param->text, bytes, n);
    param->is_bytes = true;
}

static void stmt_bind_null(struct kn_stmt *stmt, int at)
{
    struct pg_param *param = stmt_param(as_stmt(stmt), at, 0);
    if (param)
        param->is_null = true;
}

static void stmt_drop_rows(struct pg_stmt *stmt)
{
    PQclear(stmt->rows);
    stmt->rows = NULL;
    PQfreemem(stmt->unescaped);
    stmt->unescaped = NULL;
    stmt->has_run = false;
    stmt->row = -1;
    stmt->n_rows = 0;
}

static kn_code stmt_run(struct pg_stmt *stmt, struct kn_error *err)
{
    enum { FEW = 32 };
    const char *few_values[FEW];
    int few_lengths[FEW];
    int few_formats[FEW];
    if (stmt->n_params > FEW)
        return kn_fail(err, KN_EBUG, "a statement has more than %d parameters", FEW);
    for (int i = 0; i < stmt->n_params; i++) {
        const struct pg_param *param = &stmt->params[i];
        few_values[i] = param->is_null ? NULL : param->text;
        few_lengths[i] = param->length;
        few_formats[i] = param->is_bytes;
    }
    stmt->rows = PQexecPrepared(stmt->connection->handle, stmt->name, stmt->n_params, few_values,
                                few_lengths, few_formats, 0);
    ExecStatusType status = PQresultStatus(stmt->rows);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        return tx_note_failure((struct pg_tx *)stmt->base.tx, stmt->rows, "a statement failed",
                               err);
    stmt->n_rows = status == PGRES_TUPLES_OK ? PQntuples(stmt->rows) : 0;
    stmt->row = -1;
    return KN_OK;
}

static kn_code stmt_step(struct kn_stmt *base, bool *has_row, struct kn_error *err)
{
    struct pg_stmt *stmt = as_stmt(base);
    if (stmt->is_broken)
        return kn_fail(err, KN_EBUG, "cannot bind a parameter");
    if (!stmt->has_run) {
        stmt->has_run = true;
        kn_code rc = stmt_run(stmt, err);
        if (rc != KN_OK)
            return rc;
    }
    if (stmt->row + 1 < stmt->n_rows) {
        stmt->row++;
        *has_row = true;
    }
    return KN_OK;
}

static bool stmt_is_null(struct kn_stmt *base, int column)
{
    struct pg_stmt *stmt = as_stmt(base);
    return stmt->row < 0 || stmt->row >= stmt->n_rows || column >= PQnfields(stmt->rows) ||
           PQgetisnull(stmt->rows, stmt->row, column);
}

static const char *stmt_get_text(struct kn_stmt *base, int column)
{
    struct pg_stmt *stmt = as_stmt(base);
    return stmt_is_null(base, column) ? NULL : PQgetvalue(stmt->rows, stmt->row, column);
}

static int64_t stmt_get_int(struct kn_stmt *base, int column)
{
    const char *text = stmt_get_text(base, column);
    if (!text)
        return 0;
    if (PQftype(as_stmt(base)->rows, column) == BOOL_OID)
        return text[0] == 't';
    return strtoll(text, NULL, 10);
}

static const void *stmt_get_blob(struct kn_stmt *base, int column, size_t *out_n)
{
    struct pg_stmt *stmt = as_stmt(base);
    const char *text = stmt_get_text(base, column);
    *out_n = 0;
    if (!text)
        return NULL;
    if (PQftype(stmt->rows, column) != BYTEA_OID) {
        *out_n = (size_t)PQgetlength(stmt->rows, stmt->row, column);
        return text;
    }
    PQfreemem(stmt->unescaped);
    stmt->unescaped = PQunescapeBytea((const unsigned char *)text, out_n);
    return stmt->unescaped;
}

static int64_t stmt_changes(struct kn_stmt *base)
{
    const char *n = as_stmt(base)->rows ? PQcmdTuples(as_stmt(base)->rows) : "";
    return strtoll(n, NULL, 10);
}

static void stmt_reset(struct kn_stmt *base)
{
    struct pg_stmt *stmt = as_stmt(base);
    stmt_drop_rows(stmt);
    stmt->is_broken = false;
    for (int i = 0; i < stmt->n_params; i++)
        stmt->params[i].is_null = true;
}

static void stmt_destroy(struct kn_stmt *base)
{
    struct pg_stmt *stmt = as_stmt(base);
    stmt_drop_rows(stmt);
    if (PQstatus(stmt->connection->handle) == CONNECTION_OK) {
        char sql[32];
        (void)snprintf(sql, sizeof(sql), "DEALLOCATE %s", stmt->name);
        PQclear(PQexec(stmt->connection->handle, sql));
    }
    for (int i = 0; i < stmt->n_params; i++)
        free(stmt->params[i].text);
    free(stmt->params);
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

// '?' outside of quotes becomes $1, $2, …
static int sql_number_params(const char *sql, struct kn_buf *out)
{
    int n = 0;
    char quote = '\0';
    for (; *sql; sql++) {
        if (quote ? *sql == quote : (*sql == '\'' || *sql == '"'))
            quote = quote ? '\0' : *sql;
        if (*sql == '?' && !quote)
            kn_buf_printf(out, "$%d", ++n);
        else
            kn_buf_putc(out, *sql);
    }
    return n;
}

static kn_code pg_prepare(struct kn_tx *base, struct kn_stmt **out, const char *sql,
                          struct kn_error *err)
{
    struct pg_tx *tx = (struct pg_tx *)base;
    struct pg_connection *connection = tx->connection;
    *out = kn_stmt_cache_find(&connection->cache, sql);
    if (*out)
        return KN_OK;

    kn_auto(kn_buf_clear) struct kn_buf numbered = {0};
    struct pg_stmt *stmt = calloc(1, sizeof(*stmt));
    if (!stmt)
        return kn_fail(err, KN_ENOMEM, "no memory for a statement");
    stmt->base.ops = &stmt_ops;
    stmt->connection = connection;
    stmt->row = -1;
    (void)snprintf(stmt->name, sizeof(stmt->name), "s%u", ++connection->n_named);
    stmt->n_params = sql_number_params(sql, &numbered);
    stmt->params = calloc((size_t)stmt->n_params + 1, sizeof(*stmt->params));
    if (!stmt->params || !kn_buf_ok(&numbered)) {
        free(stmt->params);
        free(stmt);
        return kn_fail(err, KN_ENOMEM, "no memory for a statement");
    }
    PGresult *result = PQprepare(connection->handle, stmt->name, kn_buf_text(&numbered), 0, NULL);
    kn_code rc = PQresultStatus(result) == PGRES_COMMAND_OK
                     ? KN_OK
                     : tx_note_failure(tx, result, "cannot prepare a statement", err);
    PQclear(result);
    stmt_reset(&stmt->base);
    if (rc == KN_OK && !kn_stmt_cache_add(&connection->cache, &stmt->base, sql))
        rc = kn_fail(err, KN_ENOMEM, "no memory for a statement");
    if (rc != KN_OK) {
        free(stmt->params);
        free(stmt);
        return rc;
    }
    *out = &stmt->base;
    return KN_OK;
}

/* ---- connections ---- */

static void connection_close(struct pg_connection **address)
{
    struct pg_connection *connection = *address;
    *address = NULL;
    if (!connection)
        return;
    kn_stmt_cache_clear(&connection->cache);
    PQfinish(connection->handle);
    free(connection);
}

static kn_code connection_open(const struct pg_db *db, struct pg_connection **out,
                               struct kn_error *err)
{
    kn_auto(connection_close) struct pg_connection *connection = calloc(1, sizeof(*connection));
    if (connection)
        connection->handle = kn_pg_connect(db->url);
    if (!connection || !connection->handle)
        return kn_fail(err, KN_ENOMEM, "no memory for a connection");
    if (PQstatus(connection->handle) != CONNECTION_OK)
        return pg_fail(err, connection, NULL, "cannot reach the database");
    *out = KN_TAKE(connection);
    return KN_OK;
}

static kn_code connection_take(struct pg_db *db, struct pg_connection **out, struct kn_error *err)
{
    pthread_mutex_lock(&db->lock);
    while (!db->idle && db->n_connections == MAX_CONNECTIONS)
        pthread_cond_wait(&db->connection_free, &db->lock);
    *out = db->idle;
    if (*out)
        db->idle = (*out)->next_idle;
    else
        db->n_connections++;
    pthread_mutex_unlock(&db->lock);
    kn_code rc = *out ? KN_OK : connection_open(db, out, err);
    if (rc != KN_OK) {
        pthread_mutex_lock(&db->lock);
        db->n_connections--;
        pthread_cond_signal(&db->connection_free);
        pthread_mutex_unlock(&db->lock);
    }
    return rc;
}

static void connection_give(struct pg_db *db, struct pg_connection *connection)
{
    kn_stmt_cache_end(&connection->cache);
    // Whatever is not plainly between two transactions is not worth keeping.
    bool is_good = PQtransactionStatus(connection->handle) == PQTRANS_IDLE;
    if (!is_good)
        connection_close(&connection);
    pthread_mutex_lock(&db->lock);
    if (is_good) {
        connection->next_idle = db->idle;
        db->idle = connection;
    } else {
        db->n_connections--;
    }
    pthread_cond_signal(&db->connection_free);
    pthread_mutex_unlock(&db->lock);
}

/* ---- transactions ---- */

#define CLOCK_SQL "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

static kn_code tx_begin(struct pg_tx *tx, const char *sql, struct kn_error *err)
{
    PGresult *result = PQexec(tx->connection->handle, sql);
    kn_code rc = KN_OK;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        rc = tx_note_failure(tx, result, "cannot begin a transaction", err);
    } else {
        tx->began_us = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
        tx->began_mono_us = kn_mono_us();
        if (PQnfields(result) > 1)
            (void)snprintf(tx->number, sizeof(tx->number), "%s", PQgetvalue(result, 0, 1));
    }
    PQclear(result);
    return rc;
}

static void tx_rollback(struct pg_tx *tx)
{
    if (!tx->is_lost)
        PQclear(PQexec(tx->connection->handle, "ROLLBACK")); // or the connection goes
}

// After the connection broke in COMMIT. KN_OK: it was committed; KN_ECANCELED: it was not.
static kn_code commit_find_out(struct pg_db *db, const char *number, struct kn_error *err)
{
    char sql[96];
    (void)snprintf(sql, sizeof(sql), "SELECT pg_xact_status('%s'::xid8)", number);
    int64_t deadline = kn_mono_us() + 2 * RECONNECT_US;
    while (kn_mono_us() < deadline) {
        kn_auto(connection_close) struct pg_connection *connection = NULL;
        if (connection_open(db, &connection, NULL) == KN_OK) {
            PGresult *result = PQexec(connection->handle, sql);
            char status[16] = "";
            if (PQresultStatus(result) == PGRES_TUPLES_OK)
                (void)snprintf(status, sizeof(status), "%s", PQgetvalue(result, 0, 0));
            PQclear(result);
            if (strcmp(status, "committed") == 0)
                return KN_OK;
            if (strcmp(status, "aborted") == 0)
                return kn_fail(err, KN_ECANCELED, "not committed");
        }
        kn_sleep_us(50 * 1000); // the server is away, or has not noticed the break yet
    }
    return kn_fail(err, KN_EIO, "the database went away during a commit and did not come back");
}

// KN_OK, or why not; tx->must_retry and is_lost say whether another run is of use.
static kn_code tx_commit(struct pg_db *db, struct pg_tx *tx, struct kn_error *err)
{
    PGresult *result = PQexec(tx->connection->handle, "COMMIT");
    kn_code rc = KN_OK;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        rc = tx_note_failure(tx, result, "cannot commit", err);
    else if (strcmp(PQcmdStatus(result), "COMMIT") != 0)
        rc = kn_fail(err, KN_EBUG, "a transaction went on after one of its statements failed");
    PQclear(result);
    if (rc == KN_OK || !tx->is_lost || !tx->number[0])
        return rc;
    rc = commit_find_out(db, tx->number, err);
    tx->is_lost = false;
    tx->must_retry = rc == KN_ECANCELED;
    return rc;
}

static kn_code tx_run_once(struct pg_db *db, struct pg_tx *tx, const char *begin, kn_tx_fn fn,
                           void *context, struct kn_error *err)
{
    kn_code rc = connection_take(db, &tx->connection, err);
    if (rc != KN_OK) {
        tx->is_lost = rc == KN_EIO;
        return rc;
    }
    rc = tx_begin(tx, begin, err);
    if (rc == KN_OK) {
        rc = fn(&tx->base, context, err);
        if (!tx->must_retry && !tx->is_lost)
            rc = kn_tx_verdict(&tx->base, rc, err);
        else if (rc == KN_OK)
            rc = kn_fail(err, KN_EIO, "the database gave up a transaction");
        if (rc == KN_OK)
            rc = tx_commit(db, tx, err);
        else
            tx_rollback(tx);
    }
    connection_give(db, tx->connection);
    return rc;
}

static void retry_pause(int n_retries)
{
    uint32_t random;
    kn_random(&random, sizeof(random));
    int64_t most = (int64_t)1000 << (n_retries < 6 ? n_retries : 6); // 1 ms to 64 ms
    kn_sleep_us(most / 2 + random % (uint32_t)most);
}

static kn_code tx_run(struct pg_db *db, const char *begin, kn_tx_fn fn, void *context,
                      struct kn_error *err)
{
    int64_t deadline = kn_mono_us() + RECONNECT_US;
    for (int n_retries = 0;; n_retries++) {
        struct pg_tx tx = {.base.db = &db->base};
        kn_code rc = tx_run_once(db, &tx, begin, fn, context, err);
        bool is_again =
            (tx.must_retry && n_retries < MAX_RETRIES) || (tx.is_lost && kn_mono_us() < deadline);
        if (rc == KN_OK) {
            kn_watchers_wake(&db->base.watchers, &tx.base.topics);
            kn_pg_notify_send(db->notify, &tx.base.topics);
            return KN_OK;
        }
        if (!is_again)
            return rc == KN_ECANCELED && tx.must_retry
                       ? kn_fail(err, KN_EIO, "the database is too busy for this transaction")
                       : rc;
        retry_pause(n_retries);
    }
}

static kn_code pg_write(struct kn_db *db, enum kn_tx_mode mode, kn_tx_fn fn, void *context,
                        struct kn_error *err)
{
    const char *begin =
        mode != KN_TX_SERIAL
            ? "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT " CLOCK_SQL ", pg_current_xact_id()"
            : "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT " CLOCK_SQL ", pg_current_xact_id()";
    return tx_run((struct pg_db *)db, begin, fn, context, err);
}

static kn_code pg_read(struct kn_db *db, kn_tx_fn fn, void *context, struct kn_error *err)
{
    return tx_run((struct pg_db *)db,
                  "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT " CLOCK_SQL, fn, context,
                  err);
}

static kn_code pg_now(struct kn_tx *base, int64_t *out_us, struct kn_error *err)
{
    (void)err;
    const struct pg_tx *tx = (const struct pg_tx *)base;
    *out_us = tx->began_us + (kn_mono_us() - tx->began_mono_us);
    return KN_OK;
}

static kn_code pg_lock(struct kn_tx *tx, const char *name, struct kn_error *err)
{
    uint8_t digest[KN_SHA256_BYTES];
    int64_t number;
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    kn_sha256(digest, name, strlen(name));
    memcpy(&number, digest, sizeof(number));
    kn_code rc = kn_tx_query(tx, &stmt, err, "SELECT pg_advisory_xact_lock(?)", "i", number);
    return rc == KN_OK ? kn_stmt_step(stmt, &has_row, err) : rc;
}

/* ---- writing without waiting ---- */

static void *async_main(void *arg)
{
    struct pg_db *db = arg;
    for (;;) {
        pthread_mutex_lock(&db->lock);
        while (!db->first && !db->is_closing)
            pthread_cond_wait(&db->async_wake, &db->lock);
        struct async_write *write = db->first;
        if (write)
            db->first = write->next;
        if (!db->first)
            db->last = NULL;
        pthread_mutex_unlock(&db->lock);
        if (!write)
            return NULL;
        struct kn_error err = {0};
        kn_code rc = pg_write(&db->base, write->mode, write->fn, write->context, &err);
        write->done(rc, &err, write->context);
        free(write);
    }
}

static void pg_write_async(struct kn_db *base, enum kn_tx_mode mode, kn_tx_fn fn, void *context,
                           kn_db_done done)
{
    struct pg_db *db = (struct pg_db *)base;
    struct async_write *write = calloc(1, sizeof(*write));
    if (!write) {
        struct kn_error err = {0};
        kn_code rc = kn_fail(&err, KN_ENOMEM, "no memory for a transaction");
        done(rc, &err, context);
        return;
    }
    *write = (struct async_write){.mode = mode, .fn = fn, .done = done, .context = context};
    pthread_mutex_lock(&db->lock);
    if (db->last)
        db->last->next = write;
    else
        db->first = write;
    db->last = write;
    pthread_cond_signal(&db->async_wake);
    pthread_mutex_unlock(&db->lock);
}

/* ---- opening and closing ---- */

static void pg_close(struct kn_db *base)
{
    struct pg_db *db = (struct pg_db *)base;
    pthread_mutex_lock(&db->lock);
    db->is_closing = true;
    pthread_cond_broadcast(&db->async_wake);
    pthread_mutex_unlock(&db->lock);
    for (int i = 0; i < db->n_threads; i++)
        pthread_join(db->threads[i], NULL);
    kn_pg_notify_free(&db->notify);
    while (db->idle) {
        struct pg_connection *connection = db->idle;
        db->idle = connection->next_idle;
        connection_close(&connection);
    }
    kn_watchers_clear(&db->base.watchers);
    pthread_cond_destroy(&db->async_wake);
    pthread_cond_destroy(&db->connection_free);
    pthread_mutex_destroy(&db->lock);
    free(db->url);
    free(db);
}

static const struct kn_db_ops pg_ops = {
    .close = pg_close,
    .write = pg_write,
    .write_async = pg_write_async,
    .read = pg_read,
    .prepare = pg_prepare,
    .now = pg_now,
    .lock = pg_lock,
};

static kn_code script_exec(struct kn_tx *base, const char *sql, struct kn_error *err)
{
    struct pg_tx *tx = (struct pg_tx *)base;
    PGresult *result = PQexec(tx->connection->handle, sql);
    kn_code rc = PQresultStatus(result) == PGRES_COMMAND_OK
                     ? KN_OK
                     : tx_note_failure(tx, result, "the schema failed", err);
    PQclear(result);
    return rc;
}

static kn_code migrate_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    // Of several that start at once, one does it and the others find it done.
    kn_code rc = kn_tx_lock(tx, "schema", err);
    return rc == KN_OK ? kn_migrate(tx, script_exec, err) : rc;
}

kn_code kn_postgres_open(struct kn_db **out_db, const char *url, struct kn_error *err)
{
    *out_db = NULL;
    struct pg_db *db = calloc(1, sizeof(*db));
    if (!db)
        return kn_fail(err, KN_ENOMEM, "no memory for the database");
    db->base.ops = &pg_ops;
    db->base.is_postgres = true;
    kn_watchers_init(&db->base.watchers);
    pthread_mutex_init(&db->lock, NULL);
    pthread_cond_init(&db->connection_free, NULL);
    pthread_cond_init(&db->async_wake, NULL);
    kn_auto(kn_db_close) struct kn_db *opened = &db->base;
    db->url = strdup(url);
    if (!db->url)
        return kn_fail(err, KN_ENOMEM, "no memory for the database");
    kn_code rc = kn_db_write_guarded(&db->base, migrate_in_tx, NULL, err);
    if (rc == KN_OK)
        rc = kn_pg_notify_new(&db->notify, db->url, &db->base.watchers, err);
    if (rc != KN_OK)
        return rc;
    for (; db->n_threads < N_ASYNC; db->n_threads++) {
        int failed = pthread_create(&db->threads[db->n_threads], NULL, async_main, db);
        if (failed)
            return kn_fail_errno(err, failed, "cannot start the database's threads");
        (void)pthread_setname_np(db->threads[db->n_threads], "kn-db-async"); // for top
    }
    *out_db = KN_TAKE(opened);
    return KN_OK;
}
