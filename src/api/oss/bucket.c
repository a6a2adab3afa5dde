/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The service and its buckets: spec 09, 4.1. Sub-resources we do not have answer NotImplemented. */
#include <string.h>

#include "api/oss/call.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"

static const char *endpoint_host(const struct kn_oss_call *call)
{
    const char *url = call->oss->config.public_url;
    const char *host = strstr(url, "://");
    return host ? host + 3 : url;
}

static kn_code not_allowed(struct kn_error *err)
{
    return kn_fail_as(err, KN_EINVAL, "MethodNotAllowed",
                      "The specified method is not allowed against this resource.");
}

/* ---- the service ---- */

static void bucket_write(struct kn_buf *xml, const struct kn_oss_call *call,
                         const struct kn_bucket *bucket)
{
    kn_xml(xml, "Name", bucket->name);
    kn_oss_xml_time(xml, "CreationDate", bucket->created_us);
    kn_buf_puts(xml, "<Location>oss-");
    kn_xml_text(xml, call->oss->config.region);
    kn_buf_puts(xml, "</Location>");
    kn_xml(xml, "Region", call->oss->config.region);
    kn_xml(xml, "StorageClass", "Standard");
    kn_xml(xml, "ExtranetEndpoint", endpoint_host(call));
    kn_xml(xml, "IntranetEndpoint", endpoint_host(call));
}

kn_code kn_oss_service(struct kn_oss_call *call, struct kn_error *err)
{
    if (strcmp(call->method, "GET") != 0)
        return not_allowed(err);
    int64_t max;
    kn_code rc = kn_oss_need_role(call, KN_ROLE_READ, err);
    if (rc == KN_OK)
        rc = kn_oss_param_int(call, "max-keys", 1, 1000, call->dialect == KN_OSS_S3 ? 1000 : 100,
                              &max, err);
    if (rc != KN_OK)
        return rc;
    struct kn_bucket *buckets = NULL;
    size_t n = 0;
    rc = kn_bucket_list(call->oss->config.store, &buckets, &n, err);
    if (rc != KN_OK)
        return rc;
    const char *prefix = kn_oss_param(call, "prefix");
    const char *marker = kn_oss_param(call, "marker");
    kn_auto(kn_buf_clear) struct kn_buf body = {0};
    const char *last = "";
    bool is_truncated = false;
    int64_t n_listed = 0;
    for (size_t i = 0; i < n; i++) {
        const char *name = buckets[i].name;
        if ((prefix && !kn_starts_with(name, prefix)) || (marker && strcmp(name, marker) <= 0) ||
            !kn_key_covers(&call->who, name, ""))
            continue;
        is_truncated = n_listed == max;
        if (is_truncated)
            break;
        kn_buf_puts(&body, "<Bucket>");
        bucket_write(&body, call, &buckets[i]);
        kn_buf_puts(&body, "</Bucket>");
        last = name;
        n_listed++;
    }
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "ListAllMyBucketsResult");
    kn_oss_xml_owner(&xml, call);
    if (prefix || marker || is_truncated) {
        kn_xml(&xml, "Prefix", prefix ? prefix : "");
        kn_xml(&xml, "Marker", marker ? marker : "");
        kn_xml_int(&xml, "MaxKeys", max);
        kn_xml(&xml, "IsTruncated", is_truncated ? "true" : "false");
        if (is_truncated)
            kn_xml(&xml, "NextMarker", last);
    }
    kn_buf_printf(&xml, "<Buckets>%s</Buckets></ListAllMyBucketsResult>", kn_buf_text(&body));
    for (size_t i = 0; i < n; i++)
        kn_bucket_clear(&buckets[i]);
    free(buckets);
    return kn_oss_reply_xml(call, 200, &xml, err);
}

/* ---- one bucket ---- */

static kn_code bucket_put(struct kn_oss_call *call, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf body = {0};
    kn_code rc = kn_oss_need_role(call, KN_ROLE_ADMIN, err);
    if (rc == KN_OK)
        rc = kn_oss_body_text(call, &body, KN_MAX_XML_BYTES, err); // storage class: one here
    if (rc == KN_OK)
        rc = kn_bucket_create(call->oss->config.store, call->bucket, kn_oss_header(call, "acl"),
                              err);
    if (rc != KN_OK)
        return rc;
    kn_http_setf(call->request, "Location", "/%s", call->bucket);
    return kn_oss_reply_empty(call, 200);
}

static kn_code bucket_delete(struct kn_oss_call *call, struct kn_error *err)
{
    kn_code rc = kn_oss_need_role(call, KN_ROLE_ADMIN, err);
    if (rc == KN_OK)
        rc = kn_bucket_delete(call->oss->config.store, call->bucket, err);
    return rc == KN_OK ? kn_oss_reply_empty(call, 204) : rc;
}

static kn_code bucket_info(struct kn_oss_call *call, const struct kn_bucket *bucket,
                           struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "BucketInfo");
    kn_buf_puts(&xml, "<Bucket>");
    bucket_write(&xml, call, bucket);
    kn_oss_xml_owner(&xml, call);
    kn_buf_printf(&xml, "<AccessControlList><Grant>%s</Grant></AccessControlList></Bucket>"
                        "</BucketInfo>",
                  bucket->acl);
    return kn_oss_reply_xml(call, 200, &xml, err);
}

static kn_code bucket_location(struct kn_oss_call *call, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "LocationConstraint");
    if (call->dialect != KN_OSS_S3)
        kn_buf_puts(&xml, "oss-");
    kn_xml_text(&xml, call->oss->config.region);
    kn_buf_puts(&xml, "</LocationConstraint>");
    return kn_oss_reply_xml(call, 200, &xml, err);
}

static kn_code bucket_acl(struct kn_oss_call *call, struct kn_bucket *bucket, struct kn_error *err)
{
    if (strcmp(call->method, "PUT") == 0) {
        const char *acl = kn_oss_header(call, "acl");
        kn_code rc = kn_oss_need_role(call, KN_ROLE_ADMIN, err);
        if (rc != KN_OK)
            return rc;
        if (!acl)
            return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "the header x-oss-acl is missing");
        kn_copy(bucket->acl, sizeof(bucket->acl), acl);
        rc = kn_bucket_update(call->oss->config.store, bucket, err);
        return rc == KN_OK ? kn_oss_reply_empty(call, 200) : rc;
    }
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "AccessControlPolicy");
    kn_oss_xml_owner(&xml, call);
    kn_buf_printf(&xml,
                  "<AccessControlList><Grant>%s</Grant></AccessControlList></AccessControlPolicy>",
                  bucket->acl);
    return kn_oss_reply_xml(call, 200, &xml, err);
}

// Ours: GET, PUT /?x-kinora-forbid-overwrite with "true" or "false" as the body.
static kn_code bucket_forbid(struct kn_oss_call *call, struct kn_bucket *bucket,
                             struct kn_error *err)
{
    if (strcmp(call->method, "PUT") == 0) {
        kn_auto(kn_buf_clear) struct kn_buf body = {0};
        kn_code rc = kn_oss_need_role(call, KN_ROLE_ADMIN, err);
        if (rc == KN_OK)
            rc = kn_oss_body_text(call, &body, 64, err);
        if (rc != KN_OK)
            return rc;
        if (!kn_parse_bool(kn_buf_text(&body), &bucket->forbid_overwrite))
            return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "the body is 'true' or 'false'");
        rc = kn_bucket_update(call->oss->config.store, bucket, err);
        if (rc != KN_OK)
            return rc;
    }
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "ForbidOverwrite");
    kn_buf_printf(&xml, "%s</ForbidOverwrite>", bucket->forbid_overwrite ? "true" : "false");
    return kn_oss_reply_xml(call, 200, &xml, err);
}

// A parameter that names a thing of the bucket we do not keep.
static const char *unknown_sub_resource(const struct kn_oss_call *call)
{
    static const char *const names[] = {
        "lifecycle", "logging", "website", "referer", "policy", "versioning", "versions",
        "encryption", "tagging", "inventory", "replication", "worm", "stat", "transferAcceleration",
        "requestPayment", "metaQuery", "cname", "notification", "object-lock", "accelerate"};
    for (size_t i = 0; i < KN_COUNT(names); i++)
        if (kn_oss_param(call, names[i]))
            return names[i];
    return NULL;
}

static kn_code sub_resource(struct kn_oss_call *call, struct kn_bucket *bucket,
                            struct kn_error *err)
{
    bool is_get = strcmp(call->method, "GET") == 0;
    bool is_put = strcmp(call->method, "PUT") == 0;
    if (!is_get && !is_put && !kn_oss_param(call, "cors"))
        return not_allowed(err);
    kn_code rc = kn_oss_need_role(call, is_get ? KN_ROLE_READ : KN_ROLE_ADMIN, err);
    if (rc == KN_OK)
        rc = kn_bucket_get(call->oss->config.store, call->bucket, bucket, err);
    if (rc != KN_OK)
        return rc;
    if (kn_oss_param(call, "acl"))
        return bucket_acl(call, bucket, err);
    if (kn_oss_param(call, "cors"))
        return kn_oss_bucket_cors(call, err);
    if (kn_oss_param(call, "x-kinora-forbid-overwrite"))
        return bucket_forbid(call, bucket, err);
    if (!is_get)
        return not_allowed(err);
    if (kn_oss_param(call, "location"))
        return bucket_location(call, err);
    return bucket_info(call, bucket, err);
}

kn_code kn_oss_bucket(struct kn_oss_call *call, struct kn_error *err)
{
    kn_auto(kn_bucket_clear) struct kn_bucket bucket = {0};
    const char *unknown = unknown_sub_resource(call);
    if (unknown)
        return kn_fail_as(err, KN_EUNSUP, "NotImplemented", "'%s' of a bucket is not implemented",
                          unknown);
    static const char *const own[] = {"acl", "cors", "location", "bucketInfo",
                                      "x-kinora-forbid-overwrite"};
    for (size_t i = 0; i < KN_COUNT(own); i++)
        if (kn_oss_param(call, own[i]))
            return sub_resource(call, &bucket, err);
    if (strcmp(call->method, "GET") == 0)
        return kn_oss_param(call, "uploads") ? kn_oss_list_uploads(call, err)
                                             : kn_oss_list_objects(call, err);
    if (strcmp(call->method, "HEAD") == 0) {
        kn_code rc = kn_oss_allow(call, call->bucket, "", false, NULL, err);
        if (rc == KN_OK)
            rc = kn_bucket_get(call->oss->config.store, call->bucket, &bucket, err);
        return rc == KN_OK ? kn_oss_reply_empty(call, 200) : rc;
    }
    if (strcmp(call->method, "PUT") == 0)
        return bucket_put(call, err);
    if (strcmp(call->method, "DELETE") == 0)
        return bucket_delete(call, err);
    if (strcmp(call->method, "POST") == 0 && kn_oss_param(call, "delete"))
        return kn_oss_delete_many(call, err);
    return not_allowed(err);
}
