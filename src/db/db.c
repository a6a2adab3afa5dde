/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The common face of the back ends: which one a URL means, and the helpers on top of both. */
#include "db/db.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "db/backend.h"

/* ---- databases ---- */

kn_code kn_db_open(struct kn_db **out_db, const char *url, struct kn_error *err)
{
    *out_db = NULL;
    if (kn_starts_with(url, "sqlite:"))
        return kn_sqlite_open(out_db, url + strlen("sqlite:"), err);
    if (kn_starts_with(url, "postgresql:") || kn_starts_with(url, "postgres:"))
        return kn_postgres_open(out_db, url, err);
    // The URL may hold a password, so that it is never repeated in a message.
    return kn_fail(err, KN_EINVAL,
                   "unknown kind of database: say sqlite:/path/to/kinora.db or postgresql://…");
}

kn_code kn_db_open_reader(struct kn_db **out_db, const char *url, struct kn_error *err)
{
    if (!kn_starts_with(url, "sqlite:"))
        return kn_db_open(out_db, url, err);
    return kn_sqlite_open_reader(out_db, url + strlen("sqlite:"), err);
}

void kn_db_close(struct kn_db **db)
{
    if (*db)
        (*db)->ops->close(*db);
    *db = NULL;
}

bool kn_db_is_postgres(const struct kn_db *db)
{
    return db->is_postgres;
}

kn_code kn_db_write(struct kn_db *db, kn_tx_fn fn, void *context, struct kn_error *err)
{
    return db->ops->write(db, KN_TX_SERIAL, fn, context, err);
}

kn_code kn_db_write_guarded(struct kn_db *db, kn_tx_fn fn, void *context, struct kn_error *err)
{
    return db->ops->write(db, KN_TX_GUARDED, fn, context, err);
}

kn_code kn_db_write_relaxed(struct kn_db *db, kn_tx_fn fn, void *context, struct kn_error *err)
{
    return db->ops->write(db, KN_TX_RELAXED, fn, context, err);
}

void kn_db_write_async(struct kn_db *db, kn_tx_fn fn, void *context, kn_db_done done)
{
    db->ops->write_async(db, KN_TX_SERIAL, fn, context, done);
}

kn_code kn_db_read(struct kn_db *db, kn_tx_fn fn, void *context, struct kn_error *err)
{
    return db->ops->read(db, fn, context, err);
}

/* ---- statements ---- */

kn_code kn_tx_prepare(struct kn_tx *tx, struct kn_stmt **out, const char *sql, struct kn_error *err)
{
    kn_code rc = tx->db->ops->prepare(tx, out, sql, err);
    if (rc == KN_OK)
        (*out)->tx = tx;
    else
        tx->has_failed = true;
    return rc;
}

void kn_stmt_bind_int(struct kn_stmt *stmt, int at, int64_t value)
{
    stmt->ops->bind_int(stmt, at, value);
}

void kn_stmt_bind_text(struct kn_stmt *stmt, int at, const char *text)
{
    if (text)
        stmt->ops->bind_text(stmt, at, text);
    else
        stmt->ops->bind_null(stmt, at);
}

void kn_stmt_bind_blob(struct kn_stmt *stmt, int at, const void *bytes, size_t n)
{
    if (bytes)
        stmt->ops->bind_blob(stmt, at, bytes, n);
    else
        stmt->ops->bind_null(stmt, at);
}

void kn_stmt_bind_null(struct kn_stmt *stmt, int at)
{
    stmt->ops->bind_null(stmt, at);
}

kn_code kn_stmt_step(struct kn_stmt *stmt, bool *has_row, struct kn_error *err)
{
    *has_row = false;
    kn_code rc = stmt->ops->step(stmt, has_row, err);
    if (rc != KN_OK)
        stmt->tx->has_failed = true;
    return rc;
}

int64_t kn_stmt_int(struct kn_stmt *stmt, int column)
{
    return stmt->ops->get_int(stmt, column);
}

const char *kn_stmt_text(struct kn_stmt *stmt, int column)
{
    return stmt->ops->get_text(stmt, column);
}

const void *kn_stmt_blob(struct kn_stmt *stmt, int column, size_t *out_n)
{
    return stmt->ops->get_blob(stmt, column, out_n);
}

bool kn_stmt_is_null(struct kn_stmt *stmt, int column)
{
    return stmt->ops->is_null(stmt, column);
}

int64_t kn_stmt_changes(struct kn_stmt *stmt)
{
    return stmt->ops->changes(stmt);
}

static kn_code stmt_bind_all(struct kn_stmt *stmt, const char *types, va_list args,
                             struct kn_error *err)
{
    for (int at = 0; types[at]; at++) {
        switch (types[at]) {
        case 'i': kn_stmt_bind_int(stmt, at, va_arg(args, int64_t)); break;
        case 's': kn_stmt_bind_text(stmt, at, va_arg(args, const char *)); break;
        case 'b': {
            const void *bytes = va_arg(args, const void *);
            kn_stmt_bind_blob(stmt, at, bytes, va_arg(args, size_t));
            break;
        }
        case 'n': kn_stmt_bind_null(stmt, at); break;
        default: return kn_fail(err, KN_EBUG, "'%c' is not a type of parameter", types[at]);
        }
    }
    return KN_OK;
}

kn_code kn_tx_run(struct kn_tx *tx, int64_t *out_changes, struct kn_error *err, const char *sql,
                  const char *types, ...)
{
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_prepare(tx, &stmt, sql, err);
    if (rc != KN_OK)
        return rc;
    va_list args;
    va_start(args, types);
    rc = stmt_bind_all(stmt, types, args, err);
    va_end(args);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc == KN_OK && out_changes)
        *out_changes = kn_stmt_changes(stmt);
    return rc;
}

kn_code kn_tx_query(struct kn_tx *tx, struct kn_stmt **out, struct kn_error *err, const char *sql,
                    const char *types, ...)
{
    kn_code rc = kn_tx_prepare(tx, out, sql, err);
    if (rc != KN_OK)
        return rc;
    va_list args;
    va_start(args, types);
    rc = stmt_bind_all(*out, types, args, err);
    va_end(args);
    return rc;
}

/* ---- transactions ---- */

bool kn_tx_is_postgres(const struct kn_tx *tx)
{
    return tx->db->is_postgres;
}

kn_code kn_tx_now(struct kn_tx *tx, int64_t *out_us, struct kn_error *err)
{
    return tx->db->ops->now(tx, out_us, err);
}

kn_code kn_tx_lock(struct kn_tx *tx, const char *name, struct kn_error *err)
{
    kn_code rc = tx->db->ops->lock(tx, name, err);
    if (rc != KN_OK)
        tx->has_failed = true;
    return rc;
}

void kn_tx_notify(struct kn_tx *tx, const char *topic)
{
    kn_topics_add(&tx->topics, topic);
}

kn_code kn_tx_verdict(const struct kn_tx *tx, kn_code rc, struct kn_error *err)
{
    if (rc == KN_OK && tx->has_failed)
        return kn_fail(err, KN_EBUG, "a transaction went on after one of its statements failed");
    return rc;
}
