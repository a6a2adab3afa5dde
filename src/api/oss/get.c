/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GetObject and HeadObject: conditions, ranges in both behaviours, response-* overrides
 * (spec 09, 4.3). Files go out by sendfile, objects of an S3 store in pieces, the few bytes of small
 * objects in one.
 */
#include <string.h>

#include "api/oss/call.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "objects/store.h"

// Below this an answer is copied with its headers into one send.
#define WHOLE_REPLY_BYTES (64 * 1024)
// Bytes of a remote object go through memory this much at a time.
#define PIECE_BYTES (256 * 1024)

/* ---- conditions ---- */

static bool etag_listed(const char *list, const char *etag)
{
    for (const char *p = list; *p;) {
        p += strspn(p, " ,\"");
        size_t n = strcspn(p, " ,\"");
        if (n == 0)
            break;
        if ((n == 1 && *p == '*') || (n == strlen(etag) && strncasecmp(p, etag, n) == 0))
            return true;
        p += n;
    }
    return false;
}

// Times on the wire have whole seconds.
static bool changed_since(const struct kn_object_info *info, const char *text, bool otherwise)
{
    int64_t us;
    if (!kn_time_parse_http(text, &us))
        return otherwise;
    return info->modified_us / KN_SECOND > us / KN_SECOND;
}

/* 0 to go on, 304 or 412. An ETag goes before a time (RFC 9110, 13.2.2). */
static int conditions_judge(struct kn_oss_call *call, const struct kn_object_info *info)
{
    struct kn_http_request *request = call->request;
    const char *match = kn_http_header(request, "If-Match");
    const char *none_match = kn_http_header(request, "If-None-Match");
    const char *modified = kn_http_header(request, "If-Modified-Since");
    const char *unmodified = kn_http_header(request, "If-Unmodified-Since");
    if (match ? !etag_listed(match, info->etag)
              : unmodified && changed_since(info, unmodified, false))
        return 412;
    if (none_match ? etag_listed(none_match, info->etag)
                   : modified && !changed_since(info, modified, true))
        return 304;
    return 0;
}

/* ---- ranges ---- */

struct range {
    int64_t first, n;
    bool is_partial, is_unsatisfiable;
};

// "bytes=a-b", "bytes=a-", "bytes=-n"; false when it is nothing of the kind.
static bool range_parse(const char *text, int64_t *first, int64_t *last)
{
    char one[64];
    if (!text || strncasecmp(text, "bytes=", 6) != 0)
        return false;
    text += 6;
    size_t n = strcspn(text, ",");
    if (n >= sizeof(one))
        return false;
    memcpy(one, text, n);
    one[n] = '\0';
    kn_trim(one);
    char *dash = strchr(one, '-');
    if (!dash)
        return false;
    *dash = '\0';
    *first = *last = -1;
    bool has_first = one[0] != '\0', has_last = dash[1] != '\0';
    if ((has_first && !kn_parse_int(one, 0, INT64_MAX, first)) ||
        (has_last && !kn_parse_int(dash + 1, 0, INT64_MAX, last)))
        return false;
    return (has_first || has_last) && !(has_first && has_last && *last < *first);
}

static struct range range_read(struct kn_oss_call *call, int64_t size)
{
    struct range whole = {.n = size};
    const char *text = kn_http_header(call->request, "Range");
    const char *behaviour = kn_oss_header(call, "range-behavior");
    // Players want the standard behaviour, so only OSS-signed headers get the cloud's oddity.
    bool is_standard = kn_equal(behaviour, "standard") || call->dialect == KN_OSS_ANONYMOUS ||
                       call->dialect == KN_OSS_S3 || call->is_url_signed;
    int64_t first, last;
    if (!text || !range_parse(text, &first, &last) || (is_standard && strchr(text, ',')))
        return whole;
    if (first < 0) { // the last n bytes
        bool is_empty = last == 0 || size == 0;
        if (last > size || is_empty) {
            if (!is_standard)
                return whole;
            last = last > size ? size : last;
        }
        return (struct range){.first = size - last, .n = last, .is_partial = !is_empty,
                              .is_unsatisfiable = is_empty};
    }
    if (first >= size)
        return (struct range){.n = size, .is_unsatisfiable = is_standard};
    if (last >= size && !is_standard)
        return whole;
    if (last < 0 || last >= size)
        last = size - 1;
    return (struct range){.first = first, .n = last - first + 1, .is_partial = true};
}

/* ---- headers ---- */

static void meta_set(struct kn_oss_call *call, const json_t *meta)
{
    static const char *const plain[] = {"Cache-Control", "Content-Disposition", "Content-Encoding",
                                        "Expires", "Content-Language"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)meta, name, value) {
        bool is_plain = false;
        for (size_t i = 0; i < KN_COUNT(plain); i++)
            is_plain = is_plain || strcmp(name, plain[i]) == 0;
        char full[256];
        (void)snprintf(full, sizeof(full), "%s%s",
                       is_plain                       ? ""
                       : call->dialect == KN_OSS_S3 ? "x-amz-meta-"
                                                      : "x-oss-meta-",
                       name);
        kn_http_set(call->request, full, json_string_value(value));
    }
}

// response-content-type and its like, for signed requests only.
static const char *override(const struct kn_oss_call *call, const char *name)
{
    return call->dialect == KN_OSS_ANONYMOUS ? NULL : kn_oss_param(call, name);
}

static void overrides_set(struct kn_oss_call *call, struct kn_object_info *info)
{
    static const char *const names[][2] = {{"response-cache-control", "Cache-Control"},
                                           {"response-content-disposition", "Content-Disposition"},
                                           {"response-content-encoding", "Content-Encoding"},
                                           {"response-content-language", "Content-Language"},
                                           {"response-expires", "Expires"}};
    for (size_t i = 0; i < KN_COUNT(names); i++) {
        const char *value = override(call, names[i][0]);
        if (!value || strpbrk(value, "\r\n"))
            continue;
        if (!info->meta)
            info->meta = json_object();
        (void)json_object_set_new(info->meta, names[i][1], json_string(value));
    }
    const char *type = override(call, "response-content-type");
    if (type && !strpbrk(type, "\r\n"))
        kn_copy(info->content_type, sizeof(info->content_type), type);
}

static void info_set(struct kn_oss_call *call, const struct kn_object_info *info)
{
    struct kn_http_request *request = call->request;
    char date[32];
    kn_time_http(date, info->modified_us);
    kn_http_set(request, "Last-Modified", date);
    kn_oss_set_etag(call, info->etag);
    kn_http_set(request, "Accept-Ranges", "bytes");
    kn_http_set(request, "x-oss-object-type", info->type);
    kn_http_set(request, "x-oss-storage-class", "Standard");
    if (info->has_crc64)
        kn_http_setf(request, "x-oss-hash-crc64ecma", "%llu", (unsigned long long)info->crc64);
    if (strcmp(info->type, "Appendable") == 0)
        kn_http_setf(request, "x-oss-next-append-position", "%lld", (long long)info->size_bytes);
    meta_set(call, info->meta);
}

/* ---- the reply ---- */

// In pieces, as they come out of an S3 store. Once the first is there, a failure can only cut it off.
static kn_code remote_reply(struct kn_oss_call *call, struct kn_object_reader *reader, int status,
                            const struct range *range, struct kn_error *err)
{
    kn_auto(kn_free) char *bytes = malloc(PIECE_BYTES);
    if (!bytes)
        return kn_fail(err, KN_ENOMEM, "no memory to read '%s'", call->key);
    for (int64_t at = 0; at < range->n;) {
        int64_t left = range->n - at;
        size_t got = 0;
        kn_code rc = kn_object_read_at(reader, range->first + at, bytes,
                                       left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, &got, err);
        if (rc != KN_OK && at == 0)
            return rc;
        if (rc == KN_OK && at == 0)
            kn_http_reply_start(call->request, status, range->n);
        if (rc != KN_OK || kn_http_reply_write(call->request, bytes, got, err) != KN_OK) {
            kn_http_reply_abort(call->request);
            return KN_OK;
        }
        at += (int64_t)got;
    }
    kn_http_reply_end(call->request);
    return KN_OK;
}

static kn_code bytes_reply(struct kn_oss_call *call, struct kn_object_reader *reader, int status,
                           const struct range *range, struct kn_error *err)
{
    if (strcmp(call->method, "HEAD") == 0) { // the length alone: no bytes are fetched for it
        kn_http_reply(call->request, status, NULL, (size_t)range->n);
        return KN_OK;
    }
    call->bytes_out += range->n;
    if (range->n > WHOLE_REPLY_BYTES) {
        if (kn_object_fd(reader) < 0)
            return remote_reply(call, reader, status, range, err);
        int fd = dup(kn_object_fd(reader));
        if (fd < 0)
            return kn_fail(err, KN_EIO, "cannot open the bytes of '%s'", call->key);
        kn_http_reply_file(call->request, status, fd, range->first, range->n);
        return KN_OK;
    }
    kn_auto(kn_free) char *bytes = malloc((size_t)range->n + 1);
    if (!bytes)
        return kn_fail(err, KN_ENOMEM, "no memory to read '%s'", call->key);
    size_t at = 0;
    while ((int64_t)at < range->n) {
        size_t got = 0;
        kn_code rc = kn_object_read_at(reader, range->first + (int64_t)at, bytes + at,
                                       (size_t)range->n - at, &got, err);
        if (rc != KN_OK)
            return rc;
        at += got;
    }
    kn_http_reply(call->request, status, bytes, at);
    return KN_OK;
}

static kn_code object_reply(struct kn_oss_call *call, struct kn_object_reader *reader,
                            struct kn_object_info *info, struct kn_error *err)
{
    int condition = conditions_judge(call, info);
    if (condition == 412)
        return kn_fail_as(err, KN_EINVAL, "PreconditionFailed",
                          "At least one of the pre-conditions you specified did not hold.");
    if (condition == 304) {
        kn_oss_set_etag(call, info->etag);
        return kn_oss_reply_empty(call, 304);
    }
    struct range range = range_read(call, info->size_bytes);
    if (range.is_unsatisfiable) {
        kn_http_setf(call->request, "Content-Range", "bytes */%lld", (long long)info->size_bytes);
        return kn_fail_as(err, KN_EINVAL, "InvalidRange",
                          "The requested range cannot be satisfied.");
    }
    kn_oss_set_common(call);
    overrides_set(call, info);
    kn_http_set(call->request, "Content-Type", info->content_type);
    info_set(call, info);
    if (range.is_partial)
        kn_http_setf(call->request, "Content-Range", "bytes %lld-%lld/%lld",
                     (long long)range.first, (long long)(range.first + range.n - 1),
                     (long long)info->size_bytes);
    return bytes_reply(call, reader, range.is_partial ? 206 : 200, &range, err);
}

static kn_code meta_reply(struct kn_oss_call *call, const struct kn_object_info *info)
{
    char date[32];
    kn_oss_set_common(call);
    kn_oss_set_etag(call, info->etag);
    kn_time_http(date, info->modified_us);
    kn_http_set(call->request, "Last-Modified", date);
    kn_http_setf(call->request, "x-oss-object-size", "%lld", (long long)info->size_bytes);
    kn_http_reply(call->request, 200, NULL, 0);
    return KN_OK;
}

kn_code kn_oss_get(struct kn_oss_call *call, struct kn_error *err)
{
    if (kn_oss_param(call, "x-oss-process"))
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "x-oss-process is not implemented");
    kn_auto(kn_object_reader_free) struct kn_object_reader *reader = NULL;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    kn_code rc = kn_object_open(call->oss->config.store, call->bucket, call->key, &reader, &info,
                                err);
    if (rc == KN_ENOTFOUND && kn_equal(err->reason, "NoSuchKey")) {
        // Whether a name exists is only for those who may read it.
        struct kn_error why = {0};
        if (kn_oss_allow(call, call->bucket, call->key, false, NULL, &why) != KN_OK)
            *err = why;
        return err->code;
    }
    if (rc == KN_OK)
        rc = kn_oss_allow(call, call->bucket, call->key, false, info.acl, err);
    if (rc != KN_OK)
        return rc;
    return kn_oss_param(call, "objectMeta") ? meta_reply(call, &info)
                                            : object_reply(call, reader, &info, err);
}
