#pragma once
/*
 * What SQLite and PostgreSQL have in common inside this folder: the tables of functions behind
 * db.h, the statement cache, the watchers. Nobody outside src/db includes this.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

enum kn_tx_mode {
    KN_TX_SERIAL = 0, // as if one after another
    KN_TX_GUARDED,    // READ COMMITTED on PostgreSQL
    KN_TX_RELAXED,    // the same; SQLite does not wait for the disk
};

/* ---- statements ---- */

struct kn_stmt_ops {
    void (*bind_int)(struct kn_stmt *stmt, int at, int64_t value);
    void (*bind_text)(struct kn_stmt *stmt, int at, const char *text);
    void (*bind_blob)(struct kn_stmt *stmt, int at, const void *bytes, size_t n);
    void (*bind_null)(struct kn_stmt *stmt, int at);
    kn_code (*step)(struct kn_stmt *stmt, bool *has_row, struct kn_error *err);
    int64_t (*get_int)(struct kn_stmt *stmt, int column);
    const char *(*get_text)(struct kn_stmt *stmt, int column);
    const void *(*get_blob)(struct kn_stmt *stmt, int column, size_t *out_n);
    bool (*is_null)(struct kn_stmt *stmt, int column);
    int64_t (*changes)(struct kn_stmt *stmt);
    void (*reset)(struct kn_stmt *stmt); // forget rows and parameters
    void (*destroy)(struct kn_stmt *stmt);
};

/* The head of both back ends' statements. */
struct kn_stmt {
    const struct kn_stmt_ops *ops;
    struct kn_tx *tx; // borrowed: the transaction that prepared it last
    // --- the cache's
    char *sql; // owned
    uint64_t hash;
    uint64_t last_used;
    bool is_touched;
    struct kn_stmt *next_in_bucket;
    struct kn_stmt *next_touched;
};

#define KN_STMT_BUCKETS 64

/* The prepared statements of one connection, found by their SQL. Zero is empty. */
struct kn_stmt_cache {
    struct kn_stmt *buckets[KN_STMT_BUCKETS]; // owned
    struct kn_stmt *touched;                  // used in the transaction under way
    int n_stmts;
    uint64_t clock;
};

/* The statement with this SQL, reset, or NULL. */
struct kn_stmt *kn_stmt_cache_find(struct kn_stmt_cache *cache, const char *sql);
/* Hand `stmt` to the cache. False without memory: it stays the caller's. */
bool kn_stmt_cache_add(struct kn_stmt_cache *cache, struct kn_stmt *stmt, const char *sql);
/* The transaction ends: reset what it used, drop the least recently used beyond the limit. */
void kn_stmt_cache_end(struct kn_stmt_cache *cache);
void kn_stmt_cache_clear(struct kn_stmt_cache *cache);

/* ---- wake-ups ---- */

#define KN_TOPIC_SIZE 32
#define KN_MAX_TOPICS 8

/* Topics to notify after a commit. Beyond KN_MAX_TOPICS everybody is woken instead. */
struct kn_topics {
    char names[KN_MAX_TOPICS][KN_TOPIC_SIZE];
    int n_names;
    bool is_all;
};

void kn_topics_add(struct kn_topics *topics, const char *name);
void kn_topics_merge(struct kn_topics *topics, const struct kn_topics *more);

struct kn_watchers {
    pthread_mutex_t lock;
    // --- protected by lock
    struct kn_watcher *first; // owned
};

void kn_watchers_init(struct kn_watchers *watchers);
void kn_watchers_clear(struct kn_watchers *watchers);
void kn_watchers_wake(struct kn_watchers *watchers, const struct kn_topics *topics);
void kn_watchers_wake_all(struct kn_watchers *watchers);

/* ---- databases and transactions ---- */

struct kn_db_ops {
    void (*close)(struct kn_db *db); // frees it, too
    kn_code (*write)(struct kn_db *db, enum kn_tx_mode mode, kn_tx_fn fn, void *context,
                     struct kn_error *err);
    void (*write_async)(struct kn_db *db, enum kn_tx_mode mode, kn_tx_fn fn, void *context,
                        kn_db_done done);
    kn_code (*read)(struct kn_db *db, kn_tx_fn fn, void *context, struct kn_error *err);
    kn_code (*prepare)(struct kn_tx *tx, struct kn_stmt **out, const char *sql,
                       struct kn_error *err);
    kn_code (*now)(struct kn_tx *tx, int64_t *out_us, struct kn_error *err);
    kn_code (*lock)(struct kn_tx *tx, const char *name, struct kn_error *err);
};

/* The head of both back ends' databases. */
struct kn_db {
    const struct kn_db_ops *ops;
    bool is_postgres;
    struct kn_watchers watchers;
};

/* The head of both back ends' transactions. */
struct kn_tx {
    struct kn_db *db; // borrowed
    bool has_failed;  // a statement failed: nothing but a rollback may follow
    struct kn_topics topics;
};

kn_code kn_sqlite_open(struct kn_db **out_db, const char *path, struct kn_error *err);
kn_code kn_sqlite_open_reader(struct kn_db **out_db, const char *path, struct kn_error *err);
kn_code kn_postgres_open(struct kn_db **out_db, const char *url, struct kn_error *err);

/*
 * Settle what a transaction function answered: KN_OK after a failed statement becomes KN_EBUG, and
 * a failure without a sentence gets one.
 */
kn_code kn_tx_verdict(const struct kn_tx *tx, kn_code rc, struct kn_error *err);

/* ---- migrations ---- */

struct kn_migration {
    int number;
    const char *name;
    const char *sql; // portable: see kn_migration_sql()
};

/* Made from schema/NNNN_name.sql by embed_schema.py, in order of number. */
extern const struct kn_migration kn_migrations[];
extern const int kn_n_migrations;

/* The SQL of a migration for one back end, malloc'd; NULL without memory. */
char *kn_migration_sql(const struct kn_migration *migration, bool is_postgres);

/* Runs several statements without results. */
typedef kn_code (*kn_exec_script)(struct kn_tx *tx, const char *sql, struct kn_error *err);
/* Bring the schema up to date inside `tx`. KN_ECONFLICT: it is newer than this program. */
kn_code kn_migrate(struct kn_tx *tx, kn_exec_script exec, struct kn_error *err);
