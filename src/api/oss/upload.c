/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Multipart uploads on the wire: spec 09, 4.4. */
#include <string.h>

#include "api/oss/call.h"
#include "api/oss/callback.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "objects/multipart.h"

// OSS UploadPart: parts but the last are at least 100 KB.
#define MIN_PART_BYTES (100 * 1024)
#define COPY_BYTES (256 * 1024)

static kn_code upload_create(struct kn_oss_call *call, struct kn_error *err)
{
    json_auto_t *meta = NULL;
    struct kn_put_options options;
    char id[KN_ID_SIZE];
    kn_code rc = kn_oss_put_options(call, &options, &meta, err);
    if (rc == KN_OK)
        rc = kn_upload_create(call->oss->config.store, call->bucket, call->key, &options, id, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "InitiateMultipartUploadResult");
    kn_xml(&xml, "Bucket", call->bucket);
    kn_xml(&xml, "Key", call->key);
    kn_xml(&xml, "UploadId", id);
    kn_buf_puts(&xml, "</InitiateMultipartUploadResult>");
    return kn_oss_reply_xml(call, 200, &xml, err);
}

/* ---- parts ---- */

// "bytes=a-b" of a part copy; the whole object without it.
static kn_code copy_range(struct kn_oss_call *call, int64_t size, int64_t *first, int64_t *n,
                          struct kn_error *err)
{
    const char *text = kn_oss_header(call, "copy-source-range");
    *first = 0;
    *n = size;
    if (!text)
        return KN_OK;
    char copy[64];
    kn_copy(copy, sizeof(copy), text);
    char *dash = strchr(copy, '-');
    int64_t last = 0;
    if (dash)
        *dash = '\0';
    if (!dash || !kn_starts_with(copy, "bytes=") || !kn_parse_int(copy + 6, 0, size - 1, first) ||
        !kn_parse_int(dash + 1, *first, size - 1, &last))
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                          "the copy source range is not within the object");
    *n = last - *first + 1;
    return KN_OK;
}

static kn_code part_copy_bytes(struct kn_oss_call *call, const char *bucket, const char *key,
                               struct kn_object_writer *writer, struct kn_error *err)
{
    kn_auto(kn_object_reader_free) struct kn_object_reader *reader = NULL;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    int64_t at = 0, left = 0;
    kn_code rc = kn_object_open(call->oss->config.store, bucket, key, &reader, &info, err);
    if (rc == KN_OK)
        rc = kn_oss_allow(call, bucket, key, false, info.acl, err);
    if (rc == KN_OK)
        rc = copy_range(call, info.size_bytes, &at, &left, err);
    kn_auto(kn_free) char *bytes = malloc(COPY_BYTES);
    if (!bytes)
        return kn_fail(err, KN_ENOMEM, "no memory to copy a part");
    while (rc == KN_OK && left > 0) {
        size_t got = 0;
        rc = kn_object_read_at(reader, at, bytes,
                               left < COPY_BYTES ? (size_t)left : COPY_BYTES, &got, err);
        if (rc == KN_OK)
            rc = kn_object_write(writer, bytes, got, err);
        at += (int64_t)got;
        left -= (int64_t)got;
    }
    return rc;
}

static kn_code part_put(struct kn_oss_call *call, const char *upload_id, struct kn_error *err)
{
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    struct kn_part part = {0};
    const char *from_bucket, *from_key;
    int64_t number = 0;
    kn_code rc = kn_oss_param_int(call, "partNumber", 1, KN_MAX_PARTS, 0, &number, err);
    if (rc == KN_OK)
        rc = kn_oss_copy_source(call, &from_bucket, &from_key, err);
    if (rc == KN_OK)
        rc = kn_upload_part_create(call->oss->config.store, call->bucket, call->key, upload_id,
                                   (int)number,
                                   from_bucket ? NULL
                                               : kn_http_header(call->request, "Content-MD5"),
                                   &writer, err);
    if (rc == KN_OK)
        rc = from_bucket ? part_copy_bytes(call, from_bucket, from_key, writer, err)
                         : kn_oss_body_store(call, writer, err);
    if (rc == KN_OK)
        rc = kn_upload_part_commit(writer, &part, err);
    if (rc != KN_OK)
        return rc;
    if (!from_bucket) {
        kn_oss_set_etag(call, part.etag);
        kn_http_setf(call->request, "x-oss-hash-crc64ecma", "%llu",
                     (unsigned long long)part.crc64);
        return kn_oss_reply_empty(call, 200);
    }
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "CopyPartResult");
    kn_oss_xml_time(&xml, "LastModified", part.modified_us);
    kn_oss_xml_etag(&xml, call, part.etag);
    kn_buf_puts(&xml, "</CopyPartResult>");
    return kn_oss_reply_xml(call, 200, &xml, err);
}

static kn_code parts_list(struct kn_oss_call *call, const char *upload_id, struct kn_error *err)
{
    struct kn_part *parts = NULL;
    size_t n = 0;
    bool is_truncated = false;
    int64_t max, after;
    kn_code rc = kn_oss_param_int(call, "max-parts", 1, 1000, 1000, &max, err);
    if (rc == KN_OK)
        rc = kn_oss_param_int(call, "part-number-marker", 0, KN_MAX_PARTS, 0, &after, err);
    if (rc == KN_OK)
        rc = kn_upload_parts(call->oss->config.store, call->bucket, call->key, upload_id,
                             (int)after, (int)max, &parts, &n, &is_truncated, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "ListPartsResult");
    kn_xml(&xml, "Bucket", call->bucket);
    kn_xml(&xml, "Key", call->key);
    kn_xml(&xml, "UploadId", upload_id);
    kn_xml(&xml, "StorageClass", "Standard");
    kn_xml_int(&xml, "PartNumberMarker", after);
    if (n)
        kn_xml_int(&xml, "NextPartNumberMarker", parts[n - 1].number);
    kn_xml_int(&xml, "MaxParts", max);
    kn_xml(&xml, "IsTruncated", is_truncated ? "true" : "false");
    for (size_t i = 0; i < n; i++) {
        kn_buf_puts(&xml, "<Part>");
        kn_xml_int(&xml, "PartNumber", parts[i].number);
        kn_oss_xml_time(&xml, "LastModified", parts[i].modified_us);
        kn_oss_xml_etag(&xml, call, parts[i].etag);
        kn_xml_int(&xml, "Size", parts[i].size_bytes);
        kn_buf_printf(&xml, "<HashCrc64ecma>%llu</HashCrc64ecma></Part>",
                      (unsigned long long)parts[i].crc64);
    }
    kn_buf_puts(&xml, "</ListPartsResult>");
    free(parts);
    return kn_oss_reply_xml(call, 200, &xml, err);
}

/* ---- the end ---- */

static kn_code upload_complete(struct kn_oss_call *call, const char *upload_id,
                               struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf body = {0};
    struct kn_part *parts = NULL;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    size_t n = 0;
    kn_auto(kn_oss_callback_clear) struct kn_oss_callback callback = {0};
    kn_code rc = kn_oss_callback_read(&callback, call, NULL, err);
    if (rc == KN_OK)
        rc = kn_oss_body_text(call, &body, KN_MAX_XML_BYTES, err);
    const char *all = kn_oss_header(call, "complete-all");
    if (rc == KN_OK && !(all && kn_equal_nocase(all, "yes")))
        rc = kn_oss_parse_complete(&parts, &n, kn_buf_text(&body), body.len, &call->arena, err);
    if (rc == KN_OK)
        rc = kn_upload_complete(call->oss->config.store, call->bucket, call->key, upload_id, parts,
                                n, MIN_PART_BYTES, &info, err);
    if (rc != KN_OK)
        return rc;
    kn_oss_set_etag(call, info.etag);
    kn_http_setf(call->request, "x-oss-hash-crc64ecma", "%llu", (unsigned long long)info.crc64);
    if (callback.n_urls)
        return kn_oss_callback_make(&callback, call, &info, err);
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "CompleteMultipartUploadResult");
    kn_oss_xml_location(&xml, call);
    kn_xml(&xml, "Bucket", call->bucket);
    kn_xml(&xml, "Key", call->key);
    kn_oss_xml_etag(&xml, call, info.etag);
    kn_buf_puts(&xml, "</CompleteMultipartUploadResult>");
    return kn_oss_reply_xml(call, 200, &xml, err);
}

kn_code kn_oss_upload(struct kn_oss_call *call, struct kn_error *err)
{
    const char *method = call->method;
    const char *id = kn_oss_param(call, "uploadId");
    bool is_get = strcmp(method, "GET") == 0;
    kn_code rc = kn_oss_allow(call, call->bucket, call->key, !is_get, NULL, err);
    if (rc != KN_OK)
        return rc;
    if (!id && strcmp(method, "POST") == 0)
        return upload_create(call, err);
    if (id && strcmp(method, "PUT") == 0)
        return part_put(call, id, err);
    if (id && is_get)
        return parts_list(call, id, err);
    if (id && strcmp(method, "POST") == 0)
        return upload_complete(call, id, err);
    if (id && strcmp(method, "DELETE") == 0) {
        rc = kn_upload_abort(call->oss->config.store, call->bucket, call->key, id, err);
        return rc == KN_OK ? kn_oss_reply_empty(call, 204) : rc;
    }
    return kn_fail_as(err, KN_EINVAL, "MethodNotAllowed",
                      "The specified method is not allowed against this resource.");
}
