#pragma once
/*
 * Records: SQLite and PostgreSQL behind one header.
 *
 * SQL is the common subset, with '?' for parameters (turned into $1… for PostgreSQL), BIGINT for
 * times (microseconds) and booleans, TEXT, and BLOB (BYTEA there). A transaction is a function: it
 * may be run again after a serialisation failure or a lost connection, so it changes nothing
 * outside its transaction except what its context says is safe to repeat.
 *
 * SQLite has one writer (decisions 6): write transactions of all threads go to one thread, which
 * runs several of them under one commit, each inside its own savepoint. PostgreSQL uses a pool of
 * connections. Reads use connections of their own on both.
 *
 * After any statement of a transaction has failed, the transaction can only be rolled back: a
 * function that answers KN_OK all the same gets KN_EBUG. "INSERT … ON CONFLICT DO NOTHING" and the
 * number of changes are how to try.
 *
 * PostgreSQL infers a parameter's type from its surroundings; where there is nothing to infer from,
 * write CAST(? AS BIGINT). Row locks (FOR UPDATE, FOR SHARE, SKIP LOCKED) at the end of a statement
 * are dropped for SQLite, whose writer is alone anyway.
 *
 * Thread-safety: struct kn_db is for all threads; a transaction and its statements belong to the
 * function they were given to. A transaction function must not begin another write.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct kn_db;
struct kn_tx;
struct kn_stmt;

/*
 * Open `url` ("sqlite:/path/kinora.db" or "postgresql://…") and bring its schema up to date.
 * KN_ECONFLICT when another server holds the SQLite file, or the schema is newer than this program.
 */
kn_code kn_db_open(struct kn_db **out_db, const char *url, struct kn_error *err);
/*
 * For kn_db_read() alone, also while another process owns the SQLite file: its schema is taken as it
 * is. KN_ENOTFOUND without the file.
 */
kn_code kn_db_open_reader(struct kn_db **out_db, const char *url, struct kn_error *err);
void kn_db_close(struct kn_db **db); // waits for writes under way
bool kn_db_is_postgres(const struct kn_db *db);

/*
 * The transaction's body. KN_OK commits; anything else rolls back just this transaction and is
 * returned to the caller with its error.
 */
typedef kn_code (*kn_tx_fn)(struct kn_tx *tx, void *context, struct kn_error *err);

/*
 * Run in a write transaction; returns when it is durable (or has failed). Transactions happen as if
 * one after another (on PostgreSQL: SERIALIZABLE, run again when two clash).
 */
kn_code kn_db_write(struct kn_db *db, kn_tx_fn fn, void *context, struct kn_error *err);
/*
 * The same at READ COMMITTED on PostgreSQL, for busy tables: nothing is run again merely because
 * others were near, but another transaction may commit between two statements of this one. The
 * function guards itself: conditional UPDATEs, ON CONFLICT, row locks, kn_tx_lock().
 */
kn_code kn_db_write_guarded(struct kn_db *db, kn_tx_fn fn, void *context, struct kn_error *err);
/*
 * kn_db_write_guarded() for what may be forgotten when the machine loses its power: SQLite commits it
 * without waiting for the disk. It outlives a crash of this program, and it is durable as soon as
 * anything committed after it is. PostgreSQL, whose other machines go on when it falls, waits.
 */
kn_code kn_db_write_relaxed(struct kn_db *db, kn_tx_fn fn, void *context, struct kn_error *err);
/*
 * kn_db_write() without waiting: `done` is called once, on a thread of the database's, after the
 * commit is durable or has failed. `done` must not block.
 */
typedef void (*kn_db_done)(kn_code rc, const struct kn_error *err, void *context);
void kn_db_write_async(struct kn_db *db, kn_tx_fn fn, void *context, kn_db_done done);
/* Run in a read-only transaction: a consistent picture. */
kn_code kn_db_read(struct kn_db *db, kn_tx_fn fn, void *context, struct kn_error *err);

/*
 * Statements. kn_tx_prepare() answers a cached statement, reset and unbound; it is valid until the
 * transaction ends or the same SQL is prepared again. Parameters and columns count from 0. Text and
 * blobs given to bind are copied; those read from columns are borrowed until the next step.
 */
kn_code kn_tx_prepare(struct kn_tx *tx, struct kn_stmt **out, const char *sql,
                      struct kn_error *err);
void kn_stmt_bind_int(struct kn_stmt *stmt, int at, int64_t value);
void kn_stmt_bind_text(struct kn_stmt *stmt, int at, const char *text); // NULL binds NULL
void kn_stmt_bind_blob(struct kn_stmt *stmt, int at, const void *bytes, size_t n);
void kn_stmt_bind_null(struct kn_stmt *stmt, int at);
/* Run to the next row. *has_row false: done. */
kn_code kn_stmt_step(struct kn_stmt *stmt, bool *has_row, struct kn_error *err);
int64_t kn_stmt_int(struct kn_stmt *stmt, int column);
const char *kn_stmt_text(struct kn_stmt *stmt, int column); // NULL when NULL
const void *kn_stmt_blob(struct kn_stmt *stmt, int column, size_t *out_n);
bool kn_stmt_is_null(struct kn_stmt *stmt, int column);
/* Rows changed by the last step of an INSERT, UPDATE or DELETE. */
int64_t kn_stmt_changes(struct kn_stmt *stmt);

/*
 * Prepare, bind and run in one: `types` has a letter per parameter: i int64_t, s const char *,
 * b (const void *, size_t), n none (NULL).
 *     kn_tx_run(tx, &n_changed, err, "UPDATE job SET state = ? WHERE id = ?", "is",
 *               (int64_t)state, id);
 * out_changes may be NULL.
 */
kn_code kn_tx_run(struct kn_tx *tx, int64_t *out_changes, struct kn_error *err, const char *sql,
                  const char *types, ...);
/* Prepare and bind in one; then kn_stmt_step(). */
kn_code kn_tx_query(struct kn_tx *tx, struct kn_stmt **out, struct kn_error *err, const char *sql,
                    const char *types, ...);
bool kn_tx_is_postgres(const struct kn_tx *tx);
/*
 * The database's own clock in microseconds: leases on PostgreSQL must not depend on the clocks of
 * several machines (decisions 5). On SQLite it is kn_now_us().
 */
kn_code kn_tx_now(struct kn_tx *tx, int64_t *out_us, struct kn_error *err);

/*
 * Until the end of this transaction no other transaction that locks the same name goes past this
 * call. In a guarded transaction everything read afterwards is current. Free on SQLite.
 */
kn_code kn_tx_lock(struct kn_tx *tx, const char *name, struct kn_error *err);

/*
 * Wake-ups between threads, processes and machines: kn_tx_notify() takes effect after the commit;
 * kn_db_watch() calls `wake` (on a thread of the database's; it must not block, nor watch or
 * unwatch) soon after anyone notified `topic` (at most 31 letters). After kn_db_unwatch() returns,
 * `wake` is not running and is not called again. Wake-ups are hints: they are coalesced, may come
 * for nothing, and whoever needs certainty also polls.
 */
void kn_tx_notify(struct kn_tx *tx, const char *topic);
typedef void (*kn_db_wake)(void *context);
kn_code kn_db_watch(struct kn_db *db, const char *topic, kn_db_wake wake, void *context,
                    struct kn_error *err);
void kn_db_unwatch(struct kn_db *db, const char *topic, void *context);
