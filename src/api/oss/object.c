/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Operations on one object but for reading: put, copy, append, delete, ACL (spec 09, 4.3). */
#include <string.h>

#include "api/oss/call.h"
#include "api/oss/callback.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"
#include "objects/store.h"

/* ---- what a write says of its object ---- */

static kn_code meta_read(struct kn_oss_call *call, json_t **out, struct kn_error *err)
{
    static const char *const plain[] = {"Cache-Control", "Content-Disposition", "Content-Encoding",
                                        "Expires", "Content-Language"};
    json_auto_t *meta = json_object();
    size_t n_bytes = 0;
    for (size_t i = 0; i < kn_http_n_headers(call->request); i++) {
        const char *name, *value;
        kn_http_header_at(call->request, i, &name, &value);
        bool is_meta = strncasecmp(name, "x-oss-meta-", 11) == 0 ||
                       strncasecmp(name, "x-amz-meta-", 11) == 0;
        if (!is_meta)
            continue;
        char lower[200];
        if (!kn_copy(lower, sizeof(lower), name + 11))
            return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "a meta header's name is too long");
        kn_lower(lower);
        n_bytes += strlen(lower) + strlen(value);
        // Latin-1 bytes would not be JSON; the cloud wants ASCII here
        if (!kn_is_utf8(value, strlen(value)) ||
            json_object_set_new(meta, lower, json_string(value)) != 0)
            return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "a meta header is not text");
    }
    if (n_bytes > 8192) // OSS PutObject: user metadata up to 8 KB
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "the meta headers exceed 8 KB");
    for (size_t i = 0; i < KN_COUNT(plain); i++) {
        const char *value = kn_http_header(call->request, plain[i]);
        if (!value || (strcmp(plain[i], "Content-Encoding") == 0 && strstr(value, "aws-chunked")))
            continue;
        (void)json_object_set_new(meta, plain[i], json_string(value));
    }
    *out = json_object_size(meta) ? KN_TAKE(meta) : NULL;
    return KN_OK;
}

kn_code kn_oss_acl_check(const char *acl, struct kn_error *err)
{
    static const char *const known[] = {"default", "private", "public-read", "public-read-write"};
    bool is_known = acl == NULL;
    for (size_t i = 0; i < KN_COUNT(known) && !is_known; i++)
        is_known = strcmp(acl, known[i]) == 0;
    if (is_known)
        return KN_OK;
    return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "'%s' is not an object ACL", acl);
}

kn_code kn_oss_put_options(struct kn_oss_call *call, struct kn_put_options *out, json_t **out_meta,
                           struct kn_error *err)
{
    *out = (struct kn_put_options){0};
    kn_code rc = meta_read(call, out_meta, err);
    if (rc != KN_OK)
        return rc;
    out->meta = *out_meta;
    out->content_type = kn_http_header(call->request, "Content-Type");
    out->content_md5 = kn_http_header(call->request, "Content-MD5");
    out->acl = kn_http_header(call->request, "x-oss-object-acl");
    if (!out->acl)
        out->acl = kn_http_header(call->request, "x-amz-acl");
    rc = kn_oss_acl_check(out->acl, err);
    if (rc != KN_OK)
        return rc;
    const char *forbid = kn_oss_header(call, "forbid-overwrite");
    const char *none = kn_http_header(call->request, "If-None-Match"); // S3's way to say the same
    out->forbid_overwrite = (forbid && kn_equal_nocase(forbid, "true")) || kn_equal(none, "*");
    return KN_OK;
}

kn_code kn_oss_copy_source(struct kn_oss_call *call, const char **out_bucket, const char **out_key,
                           struct kn_error *err)
{
    const char *header = kn_oss_header(call, "copy-source");
    *out_bucket = NULL;
    if (!header)
        return KN_OK;
    // Slashes inside the key may be encoded too: decode first, then split (spec 09, section 3).
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    bool is_fine = kn_unpercent(&text, header, strlen(header), false);
    char *path = kn_arena_strdup(&call->arena, kn_buf_text(&text));
    if (path && path[0] == '/')
        path++;
    char *slash = path ? strchr(path, '/') : NULL;
    if (!is_fine || !slash || slash == path || slash[1] == '\0')
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "the copy source is not /bucket/key");
    *slash = '\0';
    *out_bucket = path;
    *out_key = slash + 1;
    return KN_OK;
}

/* ---- may they ---- */

static kn_code write_allow(struct kn_oss_call *call, struct kn_error *err)
{
    if (call->dialect != KN_OSS_ANONYMOUS)
        return kn_oss_allow(call, call->bucket, call->key, true, NULL, err);
    // A stranger's right to replace an object is in that object's own ACL.
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    kn_code rc = kn_object_stat(call->oss->config.store, call->bucket, call->key, &info, err);
    if (rc != KN_OK && !kn_equal(err->reason, "NoSuchKey"))
        return rc;
    return kn_oss_allow(call, call->bucket, call->key, true, rc == KN_OK ? info.acl : NULL, err);
}

static kn_code source_allow(struct kn_oss_call *call, const char *bucket, const char *key,
                            struct kn_object_info *info, struct kn_error *err)
{
    kn_code rc = kn_object_stat(call->oss->config.store, bucket, key, info, err);
    return rc == KN_OK ? kn_oss_allow(call, bucket, key, false, info->acl, err) : rc;
}

/* ---- put ---- */

static void stored_set(struct kn_oss_call *call, const struct kn_object_info *info)
{
    kn_oss_set_etag(call, info->etag);
    kn_http_setf(call->request, "x-oss-hash-crc64ecma", "%llu", (unsigned long long)info->crc64);
    uint8_t md5[KN_MD5_BYTES];
    if (strlen(info->etag) == 32 && kn_unhex(md5, sizeof(md5), info->etag) &&
        strcmp(info->type, "Normal") == 0) {
        kn_auto(kn_buf_clear) struct kn_buf text = {0};
        kn_base64(&text, md5, sizeof(md5));
        kn_http_set(call->request, "Content-MD5", kn_buf_text(&text));
    }
}

static kn_code length_check(struct kn_oss_call *call, struct kn_error *err)
{
    if (kn_http_body_length(call->request) >= 0 &&
        !kn_http_header(call->request, "Content-Length"))
        return kn_fail_as(err, KN_EINVAL, "MissingContentLength",
                          "You must provide the Content-Length HTTP header.");
    return KN_OK;
}

static kn_code object_put(struct kn_oss_call *call, struct kn_error *err)
{
    json_auto_t *meta = NULL;
    struct kn_put_options options;
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    kn_auto(kn_oss_callback_clear) struct kn_oss_callback callback = {0};
    kn_code rc = length_check(call, err);
    if (rc == KN_OK)
        rc = kn_oss_callback_read(&callback, call, NULL, err);
    if (rc == KN_OK)
        rc = write_allow(call, err);
    if (rc == KN_OK)
        rc = kn_oss_put_options(call, &options, &meta, err);
    if (rc == KN_OK)
        rc = kn_object_create(call->oss->config.store, call->bucket, call->key, &options, &writer,
                              err);
    if (rc == KN_OK)
        rc = kn_oss_body_store(call, writer, err);
    if (rc == KN_OK)
        rc = kn_object_commit(writer, &info, err);
    if (rc != KN_OK)
        return rc;
    stored_set(call, &info);
    return callback.n_urls ? kn_oss_callback_make(&callback, call, &info, err)
                           : kn_oss_reply_empty(call, 200);
}

/* ---- copy ---- */

// x-oss-copy-source-if-*; KN_OK to go on.
static kn_code copy_conditions(struct kn_oss_call *call, const struct kn_object_info *info,
                               struct kn_error *err)
{
    char quoted[64];
    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", info->etag);
    const char *match = kn_oss_header(call, "copy-source-if-match");
    const char *none = kn_oss_header(call, "copy-source-if-none-match");
    const char *since = kn_oss_header(call, "copy-source-if-modified-since");
    const char *until = kn_oss_header(call, "copy-source-if-unmodified-since");
    int64_t us;
    bool fits = !match || kn_equal_nocase(match, info->etag) || kn_equal_nocase(match, quoted);
    fits = fits && !(none && (kn_equal_nocase(none, info->etag) || kn_equal_nocase(none, quoted)));
    int64_t modified = info->modified_us / KN_SECOND;
    fits = fits && !(since && kn_time_parse_http(since, &us) && modified <= us / KN_SECOND);
    fits = fits && !(until && kn_time_parse_http(until, &us) && modified > us / KN_SECOND);
    return fits ? KN_OK
                : kn_fail_as(err, KN_EINVAL, "PreconditionFailed",
                             "At least one of the pre-conditions you specified did not hold.");
}

static kn_code object_copy(struct kn_oss_call *call, const char *bucket, const char *key,
                           struct kn_error *err)
{
    json_auto_t *meta = NULL;
    struct kn_put_options options;
    kn_auto(kn_object_info_clear) struct kn_object_info source = {0};
    struct kn_object_info info = {0};
    kn_code rc = write_allow(call, err);
    if (rc == KN_OK)
        rc = source_allow(call, bucket, key, &source, err);
    if (rc == KN_OK)
        rc = copy_conditions(call, &source, err);
    if (rc == KN_OK)
        rc = kn_oss_put_options(call, &options, &meta, err);
    if (rc != KN_OK)
        return rc;
    const char *directive = kn_oss_header(call, "metadata-directive");
    struct kn_copy copy = {
        .from_bucket = bucket,
        .from_key = key,
        .to_bucket = call->bucket,
        .to_key = call->key,
        .if_version = source.version,
        .acl = options.acl,
        .replaces_meta = directive && kn_equal_nocase(directive, "REPLACE"),
        .content_type = options.content_type,
        .meta = meta,
        .forbid_overwrite = options.forbid_overwrite,
    };
    rc = kn_object_copy(call->oss->config.store, &copy, &info, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "CopyObjectResult");
    kn_oss_xml_time(&xml, "LastModified", info.modified_us);
    kn_oss_xml_etag(&xml, call, info.etag);
    kn_buf_puts(&xml, "</CopyObjectResult>");
    kn_object_info_clear(&info);
    return kn_oss_reply_xml(call, 200, &xml, err);
}

/* ---- append, ACL, delete ---- */

static kn_code object_append(struct kn_oss_call *call, struct kn_error *err)
{
    json_auto_t *meta = NULL;
    struct kn_put_options options;
    int64_t position = 0, length = -1;
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    struct kn_object_info info = {0};
    if (!kn_oss_param(call, "position"))
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "the position is missing");
    kn_code rc = kn_oss_param_int(call, "position", 0, INT64_MAX, 0, &position, err);
    if (rc == KN_OK)
        rc = length_check(call, err);
    if (rc == KN_OK)
        rc = write_allow(call, err);
    if (rc == KN_OK)
        rc = kn_oss_put_options(call, &options, &meta, err);
    if (rc != KN_OK)
        return rc;
    options.is_append = true;
    rc = kn_object_create(call->oss->config.store, call->bucket, call->key, &options, &writer, err);
    if (rc == KN_OK)
        rc = kn_oss_body_store(call, writer, err);
    if (rc == KN_OK)
        rc = kn_object_append(writer, position, &length, &info, err);
    if (length >= 0)
        kn_http_setf(call->request, "x-oss-next-append-position", "%lld", (long long)length);
    if (rc != KN_OK)
        return rc;
    stored_set(call, &info);
    return kn_oss_reply_empty(call, 200);
}

static kn_code object_acl(struct kn_oss_call *call, struct kn_error *err)
{
    struct kn_store *store = call->oss->config.store;
    bool is_put = strcmp(call->method, "PUT") == 0;
    kn_code rc = kn_oss_need_role(call, is_put ? KN_ROLE_OPERATE : KN_ROLE_READ, err);
    if (rc != KN_OK)
        return rc;
    if (is_put) {
        const char *acl = kn_http_header(call->request, "x-oss-object-acl");
        if (!acl)
            acl = kn_http_header(call->request, "x-amz-acl");
        if (!acl)
            return kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                              "the header x-oss-object-acl is missing");
        rc = kn_object_set_acl(store, call->bucket, call->key, acl, err);
        return rc == KN_OK ? kn_oss_reply_empty(call, 200) : rc;
    }
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    rc = kn_object_stat(store, call->bucket, call->key, &info, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "AccessControlPolicy");
    kn_oss_xml_owner(&xml, call);
    kn_buf_printf(&xml,
                  "<AccessControlList><Grant>%s</Grant></AccessControlList></AccessControlPolicy>",
                  info.acl);
    return kn_oss_reply_xml(call, 200, &xml, err);
}

static kn_code object_delete(struct kn_oss_call *call, struct kn_error *err)
{
    kn_code rc = write_allow(call, err);
    if (rc == KN_OK)
        rc = kn_object_delete(call->oss->config.store, call->bucket, call->key, NULL, err);
    return rc == KN_OK ? kn_oss_reply_empty(call, 204) : rc;
}

static kn_code object_write(struct kn_oss_call *call, struct kn_error *err)
{
    const char *bucket, *key;
    kn_code rc = kn_oss_copy_source(call, &bucket, &key, err);
    if (rc != KN_OK)
        return rc;
    return bucket ? object_copy(call, bucket, key, err) : object_put(call, err);
}

kn_code kn_oss_object(struct kn_oss_call *call, struct kn_error *err)
{
    static const char *const unknown[] = {"tagging", "symlink", "restore", "versionId", "img",
                                          "torrent", "retention", "legal-hold", "select", "live",
                                          "vod", "x-oss-async-process"};
    for (size_t i = 0; i < KN_COUNT(unknown); i++)
        if (kn_oss_param(call, unknown[i]))
            return kn_fail_as(err, KN_EUNSUP, "NotImplemented",
                              "'%s' of an object is not implemented", unknown[i]);
    if (kn_oss_param(call, "uploadId") || kn_oss_param(call, "uploads"))
        return kn_oss_upload(call, err);
    const char *method = call->method;
    bool is_put = strcmp(method, "PUT") == 0;
    bool is_get = strcmp(method, "GET") == 0;
    if (kn_oss_param(call, "acl") && (is_put || is_get))
        return object_acl(call, err);
    if (is_get || strcmp(method, "HEAD") == 0)
        return kn_oss_get(call, err);
    if (is_put)
        return object_write(call, err);
    if (strcmp(method, "DELETE") == 0)
        return object_delete(call, err);
    if (strcmp(method, "POST") == 0 && kn_oss_param(call, "append"))
        return object_append(call, err);
    return kn_fail_as(err, KN_EINVAL, "MethodNotAllowed",
                      "The specified method is not allowed against this resource.");
}
