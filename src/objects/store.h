#pragma once
/*
 * Buckets and objects. Metadata lies in the database (the truth); bytes lie in files named by a random
 * id and never changed in place, so that publishing an object is one row:
 *
 *   file:DIR               DIR/<first two of id>/<id>
 *   s3://BUCKET[/PREFIX]   the same names in a bucket of any S3-compatible store, multipart for large
 *                          writes, ranged reads (docs/design/2026-11-21-s3-storage.md says why so)
 *
 * A write is staged out of sight, then committed: readers see the old object or the new one, whole.
 * Thread-safety: struct kn_store for all threads; readers and writers belong to one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "base/id.h"
#include "db/db.h"

struct kn_store;

struct kn_object_info {
    int64_t size_bytes;
    int64_t modified_us;
    char etag[48];          // without quotes: upper-case MD5, or MD5-N of a multipart upload
    uint64_t crc64;
    bool has_crc64;
    char content_type[128];
    char type[16];          // Normal, Multipart, Appendable
    char acl[24];           // default, private, public-read, public-read-write
    char version[KN_ID_SIZE]; // changes with the content; "" when the back end has none
    json_t *meta;           // owned; x-oss-meta-* (without prefix) and Cache-Control,
                            // Content-Disposition, Content-Encoding, Expires; NULL when none
};
void kn_object_info_clear(struct kn_object_info *info);

struct kn_store_config {
    const char *url;      // file:DIR or s3://BUCKET[/PREFIX]
    struct kn_db *db;     // borrowed
    const char *region, *owner_id;
    // for s3:// only
    const char *endpoint;       // "http://minio:9000"; NULL: AWS
    const char *storage_region; // NULL: us-east-1
    const char *key_id, *key_secret;
    const char *key_token;      // NULL: none
    const char *scratch_folder; // where outputs are staged; NULL: /var/tmp
    int64_t retry_us;           // how long to try again when the store is out of reach; 0: 10 s
    bool may_be_away;           // open although nothing answers: requests are KN_EIO until something does
};
/* s3://: the bucket is asked whether it answers to these keys; KN_EIO when it does not. */
kn_code kn_store_open(struct kn_store **out, const struct kn_store_config *config,
                      struct kn_error *err);
void kn_store_close(struct kn_store **store);
bool kn_store_is_local(const struct kn_store *store);
/* Whether bytes can be reached now. S3 is asked when it has not answered anything for ten seconds. */
kn_code kn_store_check(struct kn_store *store, struct kn_error *err);

/* ---- buckets ---- */

struct kn_bucket {
    char name[64];
    char acl[24];
    int64_t created_us;
    bool forbid_overwrite;   // every write to an existing name is refused
    char *cors;              // owned JSON array of rules, or NULL
};
void kn_bucket_clear(struct kn_bucket *bucket);
kn_code kn_bucket_create(struct kn_store *store, const char *name, const char *acl,
                         struct kn_error *err); // an own bucket again: KN_OK, ACL updated
kn_code kn_bucket_get(struct kn_store *store, const char *name, struct kn_bucket *out,
                      struct kn_error *err);    // KN_ENOTFOUND, reason NoSuchBucket
kn_code kn_bucket_update(struct kn_store *store, const struct kn_bucket *bucket,
                         struct kn_error *err);
kn_code kn_bucket_delete(struct kn_store *store, const char *name, struct kn_error *err);
kn_code kn_bucket_list(struct kn_store *store, struct kn_bucket **out, size_t *out_n,
                       struct kn_error *err);   // malloc'd array, each to be cleared

/* ---- reading ---- */

kn_code kn_object_stat(struct kn_store *store, const char *bucket, const char *key,
                       struct kn_object_info *out, struct kn_error *err); // reason NoSuchKey
struct kn_object_reader;
kn_code kn_object_open(struct kn_store *store, const char *bucket, const char *key,
                       struct kn_object_reader **out, struct kn_object_info *out_info,
                       struct kn_error *err);
/* A local descriptor to the bytes (borrowed; read it at offsets), or -1 when they are remote. */
int kn_object_fd(struct kn_object_reader *reader);
/* Always the version that was opened. */
kn_code kn_object_read_at(struct kn_object_reader *reader, int64_t offset, void *out, size_t n,
                          size_t *out_got, struct kn_error *err);
void kn_object_reader_free(struct kn_object_reader **reader);

/* ---- writing ---- */

struct kn_put_options {
    const char *content_type;   // NULL: application/octet-stream
    const char *acl;            // NULL: default
    const json_t *meta;         // borrowed, may be NULL
    bool forbid_overwrite;      // KN_ECONFLICT, reason FileAlreadyExists, also at commit
    const char *content_md5;    // base64; checked at commit (reason InvalidDigest); may be NULL
    bool is_append;             // the writer will be given to kn_object_append()
    const char *event;          // what the hook is told; NULL: ObjectCreated:PutObject
};
struct kn_object_writer;
kn_code kn_object_create(struct kn_store *store, const char *bucket, const char *key,
                         const struct kn_put_options *options, struct kn_object_writer **out,
                         struct kn_error *err);
kn_code kn_object_write(struct kn_object_writer *writer, const void *bytes, size_t n,
                        struct kn_error *err);
/* Durable and visible on return. */
kn_code kn_object_commit(struct kn_object_writer *writer, struct kn_object_info *out_info,
                         struct kn_error *err);
void kn_object_writer_free(struct kn_object_writer **writer); // abandons when not committed

/* ---- outputs of jobs: staged by a worker, published with the job's end ---- */

/*
 * Stage an output: *out_fd is a file out of sight to write to (seekable), owned by the caller, who
 * may close it before or after sealing but writes nothing after. The name is checked now (bucket exists, key valid, forbid_overwrite) and again at
 * publishing.
 */
struct kn_staged;
kn_code kn_staged_create(struct kn_store *store, const char *bucket, const char *key,
                         const char *job_id, struct kn_staged **out, int *out_fd,
                         struct kn_error *err);
/* The bytes are complete: digest, and fsync or upload to S3. */
kn_code kn_staged_seal(struct kn_staged *staged, const char *content_type, struct kn_error *err);
/*
 * Make sealed outputs visible, inside the transaction that ends their job. kn_staged_prepare() asks
 * beforehand, outside it, what would be refused.
 */
kn_code kn_staged_prepare(struct kn_store *store, struct kn_staged *const *staged, size_t n,
                          struct kn_error *err);
kn_code kn_staged_publish(struct kn_store *store, struct kn_tx *tx, struct kn_staged *const *staged,
                          size_t n, struct kn_error *err);
void kn_staged_free(struct kn_staged **staged); // abandons what was not published

/* ---- changing what is there ---- */

/* KN_OK also when there was no such object. *out_existed may be NULL. */
kn_code kn_object_delete(struct kn_store *store, const char *bucket, const char *key,
                         bool *out_existed, struct kn_error *err);
/* All in one transaction. */
kn_code kn_object_delete_many(struct kn_store *store, const char *bucket, const char *const *keys,
                              size_t n, struct kn_error *err);
kn_code kn_object_set_acl(struct kn_store *store, const char *bucket, const char *key,
                          const char *acl, struct kn_error *err);
/*
 * Copy without copying bytes: both names share them.
 *
 *   options     NULL keeps the source's type and meta; otherwise replaces them (then "Normal")
 *   if_version  the source must still be this version (KN_ECONFLICT); NULL: any
 */
struct kn_copy {
    const char *from_bucket, *from_key, *to_bucket, *to_key; // borrowed
    const char *if_version;
    const char *acl;                // NULL: default
    bool replaces_meta;             // take content_type and meta from here
    const char *content_type;
    const json_t *meta;
    bool forbid_overwrite;
};
kn_code kn_object_copy(struct kn_store *store, const struct kn_copy *copy,
                       struct kn_object_info *out_info, struct kn_error *err);
/*
 * Append what `writer` (made by kn_object_create() for this name) collected at `position`, which
 * must be the object's length (reason PositionNotEqualToLength; *out_length then holds it); an
 * object written otherwise is refused (ObjectNotAppendable). Durable and visible on return.
 */
kn_code kn_object_append(struct kn_object_writer *writer, int64_t position, int64_t *out_length,
                         struct kn_object_info *out_info, struct kn_error *err);

/* Listing: objects/list.h. Multipart uploads: objects/multipart.h. */

/* ---- housekeeping ---- */

/*
 * Remove files that nothing refers to: released ones after grace_us, strays of writes that never
 * finished when untouched for stray_us; these are found by walking over all files, which KN_NO_TIME
 * leaves out. *out_n (may be NULL) counts them. A local reader keeps a
 * removed file as long as it is open; one of S3 does not, so that grace_us must outlast any job there.
 */
kn_code kn_store_sweep(struct kn_store *store, int64_t grace_us, int64_t stray_us, size_t *out_n,
                       struct kn_error *err);

/* What the dialects served, per bucket, since the last take: the usage ledger drains it. */
struct kn_store_usage {
    char bucket[64];
    int64_t n_reads, n_writes;
    int64_t bytes_in, bytes_out;
};
void kn_store_usage_add(struct kn_store *store, const char *bucket, bool is_write, int64_t bytes_in,
                        int64_t bytes_out);
/* malloc'd array for the caller to free; NULL and 0 when there is nothing. */
struct kn_store_usage *kn_store_usage_take(struct kn_store *store, size_t *out_n);

/* What happened to an object; all borrowed. */
struct kn_object_change {
    const char *event;      // ObjectCreated:PutObject, ObjectRemoved:DeleteObject, …
    const char *bucket, *key;
    const struct kn_object_info *info; // as it is now; of a removed one, as it was
    int64_t size_delta_bytes;          // new size less old one; what is not there has 0
    int64_t position;                  // where an append began; -1: it was none
};
/*
 * Called inside the transaction that makes an object visible or removes it: object events hang here.
 * Set once.
 */
typedef kn_code (*kn_object_hook)(struct kn_tx *tx, const struct kn_object_change *change,
                                  void *context, struct kn_error *err);
void kn_store_set_hook(struct kn_store *store, kn_object_hook hook, void *context);
