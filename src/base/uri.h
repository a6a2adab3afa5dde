#pragma once
/*
 * Names of inputs and outputs, in every form the wire uses, brought to one: `oss://bucket/key`.
 *
 * These all mean a bucket here and are never fetched over the network (design, section 1):
 *     oss://bucket/key                          key literal
 *     http(s)://bucket.<public-oss>/key         key percent-decoded
 *     http(s)://<public-oss>/bucket/key
 *     http(s)://bucket.oss-<anything>.aliyuncs.com/key
 * Everything else that begins http:// or https:// is an outside URL. A query or a fragment on a
 * bucket address is refused ("no signed URL", spec 02, 5.1), as are names that leave their bucket.
 */
#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

enum kn_uri_kind {
    KN_URI_FILE = 0, // a path; only the command line accepts these
    KN_URI_OBJECT,   // bucket and key are set; key may be "" for a folder or a whole bucket
    KN_URI_HTTP,     // an outside http or https URL
};

struct kn_uri {
    enum kn_uri_kind kind;
    const char *bucket; // in the arena
    const char *key;
    const char *text;   // canonical: oss://bucket/key, the URL, or the path
};

/*
 *   oss_hosts  NULL-terminated list of our own object-store hosts, "host" or "host:port"; a name
 *              without a port matches any port. May be NULL.
 * KN_EINVAL with reason BucketNameInvalid, ObjectKeyInvalid or InvalidParameter.
 */
kn_code kn_uri_parse(struct kn_uri *uri, const char *text, const char *const *oss_hosts,
                     struct kn_arena *arena, struct kn_error *err);

/* 3 to 63 of a-z 0-9 -, first and last alphanumeric (spec 09, section 1). */
bool kn_uri_bucket_is_valid(const char *bucket);
/* 1 to 1023 bytes of UTF-8, no leading '/' or '\', no control characters, no '.'/'..' segments. */
bool kn_uri_key_is_valid(const char *key);
