/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of inputs and outputs. */
#include "base/uri.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/strings.h"

bool kn_uri_bucket_is_valid(const char *bucket)
{
    size_t n = strlen(bucket);
    if (n < 3 || n > 63 || bucket[0] == '-' || bucket[n - 1] == '-')
        return false;
    return strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static bool has_dot_segment(const char *key)
{
    for (const char *at = key; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL) {
        size_t n = strcspn(at, "/");
        if ((n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
            return true;
    }
    return false;
}

bool kn_uri_key_is_valid(const char *key)
{
    size_t n = strlen(key);
    if (n < 1 || n > 1023 || key[0] == '/' || key[0] == '\\' || !kn_is_utf8(key, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)key[i] < 0x20 || key[i] == 0x7F)
            return false;
    return !has_dot_segment(key);
}

static kn_code object_set(struct kn_uri *uri, const char *whole, const char *bucket,
                          size_t n_bucket, const char *key, struct kn_arena *arena,
                          struct kn_error *err)
{
    uri->kind = KN_URI_OBJECT;
    uri->bucket = kn_arena_strndup(arena, bucket, n_bucket);
    uri->key = kn_arena_strdup(arena, key);
    if (!uri->bucket || !uri->key)
        return kn_fail(err, KN_ENOMEM, "no memory for '%s'", whole);
    if (!kn_uri_bucket_is_valid(uri->bucket))
        return kn_fail_as(err, KN_EINVAL, "BucketNameInvalid",
                          "'%s' names no bucket: a bucket is 3 to 63 of a-z, 0-9 and '-'", whole);
    if (uri->key[0] && !kn_uri_key_is_valid(uri->key))
        return kn_fail_as(err, KN_EINVAL, "ObjectKeyInvalid", "'%s' is not a usable object name",
                          whole);
    uri->text = kn_arena_printf(arena, "oss://%s/%s", uri->bucket, uri->key);
    return uri->text ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for '%s'", whole);
}

// Whether `host[:port]` (n bytes) is the host `ours`; a name of ours without a port takes any.
static bool host_equals(const char *host, size_t n, const char *ours)
{
    size_t m = strlen(ours);
    if (!strchr(ours, ':')) {
        const char *colon = memchr(host, ':', n);
        if (colon)
            n = (size_t)(colon - host);
    }
    return n == m && strncasecmp(host, ours, n) == 0;
}

// The length of the bucket label in `bucket.<one of our hosts>`; 0 when the host is not ours.
static size_t bucket_label(const char *host, size_t n, const char *const *oss_hosts)
{
    const char *dot = memchr(host, '.', n);
    if (!dot)
        return 0;
    size_t n_label = (size_t)(dot - host);
    const char *rest = dot + 1;
    size_t n_rest = n - n_label - 1;
    for (const char *const *h = oss_hosts; h && *h; h++)
        if (host_equals(rest, n_rest, *h))
            return n_label;
    const char *colon = memchr(rest, ':', n_rest);
    if (colon)
        n_rest = (size_t)(colon - rest);
    static const char suffix[] = ".aliyuncs.com";
    const size_t n_suffix = sizeof(suffix) - 1;
    bool is_vendor = n_rest > 4 + n_suffix && strncasecmp(rest, "oss-", 4) == 0 &&
                     strncasecmp(rest + n_rest - n_suffix, suffix, n_suffix) == 0;
    return is_vendor ? n_label : 0;
}

static kn_code http_parse(struct kn_uri *uri, const char *text, const char *const *oss_hosts,
                          struct kn_arena *arena, struct kn_error *err)
{
    const char *host = strstr(text, "://") + 3;
    size_t n_host = strcspn(host, "/?#");
    const char *path = host + n_host;

    size_t n_bucket = bucket_label(host, n_host, oss_hosts);
    bool is_service = false;
    for (const char *const *h = oss_hosts; h && *h; h++)
        is_service = is_service || host_equals(host, n_host, *h);
    if (n_bucket == 0 && !is_service) {
        uri->kind = KN_URI_HTTP;
        uri->text = kn_arena_strdup(arena, text);
        return uri->text ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for '%s'", text);
    }
    if (strpbrk(path, "?#"))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                          "'%s' has a query: name the object without its signature", text);
    kn_auto(kn_buf_clear) struct kn_buf decoded = {0};
    while (*path == '/')
        path++;
    if (!kn_unpercent(&decoded, path, strlen(path), false) ||
        memchr(kn_buf_text(&decoded), '\0', decoded.len))
        return kn_fail_as(err, KN_EINVAL, "ObjectKeyInvalid", "'%s' is badly percent-encoded",
                          text);
    if (n_bucket > 0)
        return object_set(uri, text, host, n_bucket, kn_buf_text(&decoded), arena, err);
    const char *first = kn_buf_text(&decoded);
    size_t n_first = strcspn(first, "/");
    const char *key = first + n_first + (first[n_first] == '/');
    return object_set(uri, text, first, n_first, key, arena, err);
}

kn_code kn_uri_parse(struct kn_uri *uri, const char *text, const char *const *oss_hosts,
                     struct kn_arena *arena, struct kn_error *err)
{
    *uri = (struct kn_uri){0};
    if (!text || !text[0])
        return kn_fail_as(err, KN_EINVAL, "EmptyValue", "an address is empty");
    if (strncasecmp(text, "oss://", 6) == 0) {
        const char *bucket = text + 6;
        size_t n_bucket = strcspn(bucket, "/");
        const char *key = bucket + n_bucket + (bucket[n_bucket] == '/');
        return object_set(uri, text, bucket, n_bucket, key, arena, err);
    }
    if (strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0)
        return http_parse(uri, text, oss_hosts, arena, err);
    if (strstr(text, "://"))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                          "'%s': only oss://, http:// and https:// addresses are read", text);
    uri->kind = KN_URI_FILE;
    uri->text = kn_arena_strdup(arena, text);
    return uri->text ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for '%s'", text);
}
