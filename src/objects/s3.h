#pragma once
/*
 * Requests to an S3-compatible store: one bucket there, names under one prefix. Nothing here knows of
 * our own buckets and objects; objects/bytes.h keeps its files through this.
 *
 * Requests carry our own SigV4 signature (http/sigv4.h; why not libcurl's: spec 09, 8.2), with the
 * body's SHA-256 over plain http and UNSIGNED-PAYLOAD inside TLS. What may pass (no connection, 429,
 * 5xx) is tried again for some seconds, then it is KN_EIO. Any other refusal is KN_EIO too: it is the
 * machine's set-up that is wrong, not the caller's request.
 *
 * Thread-safety: all calls from any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct kn_s3;

struct kn_s3_config {
    const char *url;       // s3://BUCKET[/PREFIX]
    const char *endpoint;  // "http://minio:9000"; NULL: AWS in that region. A host that begins with
                           // "BUCKET." is used as it is, otherwise the bucket leads the path
    const char *region;    // NULL: us-east-1
    const char *key_id, *secret;
    const char *token;     // of temporary keys; NULL: none
    int64_t retry_us;      // how long to try again; 0: 10 s
};
/* KN_EINVAL, with a sentence naming the setting. No request is made. */
kn_code kn_s3_open(struct kn_s3 **out, const struct kn_s3_config *config, struct kn_error *err);
void kn_s3_close(struct kn_s3 **s3);
/*
 * Whether the bucket answers to our keys; one try. *out_is_away (may be NULL): nobody answered, or not for now,
 * which is no refusal.
 */
kn_code kn_s3_check(struct kn_s3 *s3, bool *out_is_away, struct kn_error *err);
/* When the store last answered a request, by kn_mono_us(); 0: never. */
int64_t kn_s3_answered_us(const struct kn_s3 *s3);

kn_code kn_s3_put(struct kn_s3 *s3, const char *name, const void *bytes, size_t n,
                  struct kn_error *err);
/* n bytes at `offset`, all of them within the object. KN_ENOTFOUND: there is no such object. */
kn_code kn_s3_get(struct kn_s3 *s3, const char *name, int64_t offset, void *out, size_t n,
                  struct kn_error *err);
kn_code kn_s3_delete(struct kn_s3 *s3, const char *name, struct kn_error *err); // absent: KN_OK

/* ---- writing in parts ---- */

// S3: every part but the last has at least this; a copied part at most 5 GiB.
#define KN_S3_MIN_PART (5 * 1024 * 1024)

struct kn_s3_etag {
    char text[72]; // as the store quoted it
};
kn_code kn_s3_upload_create(struct kn_s3 *s3, const char *name, char **out_id,
                            struct kn_error *err); // malloc'd
kn_code kn_s3_upload_part(struct kn_s3 *s3, const char *name, const char *id, int number,
                          const void *bytes, size_t n, struct kn_s3_etag *out,
                          struct kn_error *err);
/* The part is a range of another object there. KN_EUNSUP: this store cannot. */
kn_code kn_s3_upload_copy(struct kn_s3 *s3, const char *name, const char *id, int number,
                          const char *from, int64_t offset, int64_t n, struct kn_s3_etag *out,
                          struct kn_error *err);
kn_code kn_s3_upload_complete(struct kn_s3 *s3, const char *name, const char *id,
                              const struct kn_s3_etag *etags, int n, struct kn_error *err);
kn_code kn_s3_upload_abort(struct kn_s3 *s3, const char *name, const char *id,
                           struct kn_error *err);

/* ---- what is there ---- */

/* Called for each; the name is without the prefix. upload_id NULL: an object. */
typedef kn_code (*kn_s3_seen)(const char *name, const char *upload_id, int64_t modified_us,
                              void *context, struct kn_error *err);
kn_code kn_s3_each_object(struct kn_s3 *s3, kn_s3_seen seen, void *context, struct kn_error *err);
kn_code kn_s3_each_upload(struct kn_s3 *s3, kn_s3_seen seen, void *context, struct kn_error *err);
