#pragma once
/*
 * Multipart uploads: parts arrive in any order and may be replaced; the object appears at completion,
 * whole, or never.
 */
#include "objects/store.h"

struct kn_part {
    int number;
    int64_t size_bytes;
    int64_t modified_us;
    char etag[48];
    uint64_t crc64;
};

struct kn_upload {
    char id[KN_ID_SIZE];
    char *key; // owned
    int64_t created_us;
};

kn_code kn_upload_create(struct kn_store *store, const char *bucket, const char *key,
                         const struct kn_put_options *options, char out_id[KN_ID_SIZE],
                         struct kn_error *err);
/*
 * A writer for one part; ended by kn_upload_part_commit() instead of kn_object_commit(), freed by
 * kn_object_writer_free(). KN_ENOTFOUND, reason NoSuchUpload.
 */
kn_code kn_upload_part_create(struct kn_store *store, const char *bucket, const char *key,
                              const char *upload_id, int number, const char *content_md5,
                              struct kn_object_writer **out, struct kn_error *err);
kn_code kn_upload_part_commit(struct kn_object_writer *writer, struct kn_part *out,
                              struct kn_error *err);

/*
 * Make the object of the parts named (number and etag; NULL and 0: of all there are), ascending.
 * Reasons InvalidPart, InvalidPartOrder, EntityTooSmall (a part but the last under min_part_bytes),
 * NoSuchUpload, FileAlreadyExists.
 */
kn_code kn_upload_complete(struct kn_store *store, const char *bucket, const char *key,
                           const char *upload_id, const struct kn_part *parts, size_t n,
                           int64_t min_part_bytes, struct kn_object_info *out_info,
                           struct kn_error *err);
kn_code kn_upload_abort(struct kn_store *store, const char *bucket, const char *key,
                        const char *upload_id, struct kn_error *err);
/* Parts after `after_number`, at most `max`; malloc'd array for the caller to free. */
kn_code kn_upload_parts(struct kn_store *store, const char *bucket, const char *key,
                        const char *upload_id, int after_number, int max, struct kn_part **out,
                        size_t *out_n, bool *out_is_truncated, struct kn_error *err);
/* Uploads under way in the order of key, then id, after (after_key, after_id); "" for the start. */
kn_code kn_upload_list(struct kn_store *store, const char *bucket, const char *prefix,
                       const char *after_key, const char *after_id, int max,
                       struct kn_upload **out, size_t *out_n, bool *out_is_truncated,
                       struct kn_error *err);
void kn_upload_list_free(struct kn_upload **uploads, size_t n);
/* Abort uploads begun before `before_us` (their users forgot them). */
kn_code kn_upload_expire(struct kn_store *store, int64_t before_us, size_t *out_n,
                         struct kn_error *err);
