#pragma once
/*
 * The store's inside, shared by the files of this folder: the store itself, rows and the one function
 * that makes an object visible, the writer. What rows point to is objects/bytes.h.
 */
#include <pthread.h>

#include "base/buf.h"
#include "base/digest.h"
#include "objects/bytes.h"
#include "objects/s3.h"
#include "objects/store.h"

// Objects up to this size lie in the database: their durable PUT is one share of a grouped commit and
// no file is made, synced or named.
#define KN_INLINE_BYTES (16 * 1024)
// Appends to one object take turns; two objects may share a lock, which is harmless.
#define KN_N_APPEND_LOCKS 64

struct kn_store {
    char *dir;          // owned; no trailing '/'; NULL when bytes lie in S3
    struct kn_s3 *s3;   // owned; NULL when bytes lie in `dir`
    bool sync_covers_name; // a file's sync is enough, its folder needs none; set once
    char *scratch;      // owned: where outputs are staged before they go to S3
    struct kn_db *db;   // borrowed
    char region[64];
    char owner_id[64];
    kn_object_hook hook; // set once, before requests arrive
    void *hook_context;
    pthread_mutex_t append_locks[KN_N_APPEND_LOCKS];
    pthread_mutex_t usage_lock;
    // --- protected by usage_lock
    struct kn_store_usage *usage; // owned
    size_t n_usage;
};

/* ---- rows; inside a transaction ---- */

struct kn_object_row {
    struct kn_object_info info;
    char file[KN_ID_SIZE];
    bool is_inline;
};
// The columns kn_object_row_read() takes, in its order.
#define KN_OBJECT_COLUMNS                                                                          \
    "size_bytes, modified_us, etag, crc64, has_crc64, content_type, type, acl, version, meta, "    \
    "file, is_inline"
/* Fill `row` from columns `first`… of the statement's current row; clear info afterwards. */
void kn_object_row_read(struct kn_object_row *row, struct kn_stmt *stmt, int first);
/* KN_ENOTFOUND with NoSuchKey or NoSuchBucket. */
kn_code kn_object_row_find(struct kn_tx *tx, const char *bucket, const char *key,
                           struct kn_object_row *out, struct kn_error *err);
/* KN_ENOTFOUND, NoSuchBucket; for reading transactions. */
kn_code kn_bucket_exists(struct kn_tx *tx, const char *bucket, struct kn_error *err);
/* The same for writing ones, and whether it forbids overwriting; holds the bucket in place until the transaction ends. */
kn_code kn_bucket_check(struct kn_tx *tx, const char *bucket, bool *out_forbid,
                        struct kn_error *err);

/*
 * Make `row` the object of this name: the only way an object becomes visible. Checks bucket and
 * forbid_overwrite, releases what was there, tells the hook. `bytes` is for inline rows.
 */
kn_code kn_object_row_put(struct kn_store *store, struct kn_tx *tx, const char *bucket,
                          const char *key, const struct kn_object_row *row, const void *bytes,
                          bool forbid_overwrite, const char *event, struct kn_error *err);
/* An append's event, whose first one puts a row like any other write. */
#define KN_EVENT_APPEND "ObjectCreated:AppendObject"
/* Tell the hook, if there is one. */
kn_code kn_object_tell(struct kn_store *store, struct kn_tx *tx, const struct kn_object_change *change,
                       struct kn_error *err);
/* A row that referred to `file` is gone: when none does any more, the bytes go too. */
kn_code kn_bytes_release(struct kn_tx *tx, const char *file, bool is_inline, struct kn_error *err);

/* ---- the writer, which parts and appends use too ---- */

struct kn_object_writer {
    struct kn_store *store; // borrowed
    char bucket[64];
    char *key;              // owned
    struct kn_object_row row;
    bool forbid_overwrite;
    char event[64];
    char content_md5[32];   // "" when none was given
    char upload_id[KN_ID_SIZE];
    int part_number;        // 0: not a part
    size_t inline_limit;    // more bytes than this go to a file
    struct kn_buf head;     // bytes while there are few
    struct kn_bytes_writer *bytes; // owned; NULL while there are few
    struct kn_digest *md5;  // owned
    uint8_t md5_bytes[16];  // after kn_object_writer_end()
    bool is_finished;       // there is a file, complete
    bool is_visible;        // it belongs to a row now
};
/* Refuse a bad key, an absent bucket, and a name that must not be overwritten. */
kn_code kn_object_check_name(struct kn_store *store, const char *bucket, const char *key,
                             bool forbid_overwrite, struct kn_error *err);
/* Digest, compare Content-MD5, sync: the bytes are final and durable (but for inline ones). */
kn_code kn_object_writer_end(struct kn_object_writer *writer, struct kn_error *err);
