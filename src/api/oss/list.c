/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Listings of a bucket: objects (both versions), uploads; and deleting many: spec 09, 4.2 to 4.4. */
#include "objects/list.h"

#include <string.h>

#include "api/oss/call.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/limits.h"
#include "base/strings.h"
#include "objects/multipart.h"

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

// encoding-type=url: names are percent-encoded, so that any key fits into XML.
static void name_write(struct kn_buf *xml, const char *tag, const char *name, bool is_encoded)
{
    kn_auto(kn_buf_clear) struct kn_buf coded = {0};
    if (is_encoded)
        kn_percent(&coded, name, strlen(name), true);
    kn_xml(xml, tag, is_encoded ? kn_buf_text(&coded) : name);
}

static bool wants_url_encoding(const struct kn_oss_call *call)
{
    return kn_equal(kn_oss_param(call, "encoding-type"), "url");
}

static kn_code list_allow(struct kn_oss_call *call, const char *prefix, struct kn_error *err)
{
    if (call->dialect == KN_OSS_ANONYMOUS && !call->oss->config.lists_public)
        return kn_fail_as(err, KN_EINVAL, "AccessDenied", "Anonymous listing is not allowed.");
    return kn_oss_allow(call, call->bucket, prefix, false, NULL, err);
}

/* ---- objects ---- */

struct page {
    const char *prefix, *delimiter, *marker;
    int64_t max;
    bool is_v2, is_encoded, has_owner;
    struct kn_listing listing;
};

// A continuation token is the last name in base64, so that it survives any client.
static kn_code page_read(struct page *page, struct kn_oss_call *call, struct kn_error *err)
{
    page->is_v2 = kn_equal(kn_oss_param(call, "list-type"), "2");
    page->is_encoded = wants_url_encoding(call);
    page->prefix = or_empty(kn_oss_param(call, "prefix"));
    page->delimiter = or_empty(kn_oss_param(call, "delimiter"));
    page->has_owner = !page->is_v2 || kn_equal(kn_oss_param(call, "fetch-owner"), "true");
    page->marker = or_empty(kn_oss_param(call, page->is_v2 ? "start-after" : "marker"));
    const char *token = page->is_v2 ? kn_oss_param(call, "continuation-token") : NULL;
    if (token && token[0]) {
        kn_auto(kn_buf_clear) struct kn_buf name = {0};
        if (!kn_unbase64(&name, token, strlen(token)))
            return kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                              "the continuation token is not one of ours");
        page->marker = or_empty(kn_arena_strdup(&call->arena, kn_buf_text(&name)));
    }
    return kn_oss_param_int(call, "max-keys", 1, 1000, call->dialect == KN_OSS_S3 ? 1000 : 100,
                            &page->max, err);
}

static void page_head(struct kn_buf *xml, const struct kn_oss_call *call, const struct page *page)
{
    const struct kn_listing *listing = &page->listing;
    const char *last = listing->n ? listing->items[listing->n - 1].key : "";
    kn_xml(xml, "Name", call->bucket);
    name_write(xml, "Prefix", page->prefix, page->is_encoded);
    kn_xml_int(xml, "MaxKeys", page->max);
    name_write(xml, "Delimiter", page->delimiter, page->is_encoded);
    if (page->is_encoded)
        kn_xml(xml, "EncodingType", "url");
    kn_xml(xml, "IsTruncated", listing->is_truncated ? "true" : "false");
    if (!page->is_v2) {
        name_write(xml, "Marker", page->marker, page->is_encoded);
        if (listing->is_truncated)
            name_write(xml, "NextMarker", last, page->is_encoded);
        return;
    }
    const char *start = kn_oss_param(call, "start-after");
    const char *token = kn_oss_param(call, "continuation-token");
    if (start)
        name_write(xml, "StartAfter", start, page->is_encoded);
    if (token)
        kn_xml(xml, "ContinuationToken", token);
    kn_xml_int(xml, "KeyCount", (int64_t)listing->n);
    if (listing->is_truncated) {
        kn_auto(kn_buf_clear) struct kn_buf next = {0};
        kn_base64(&next, last, strlen(last));
        kn_xml(xml, "NextContinuationToken", kn_buf_text(&next));
    }
}

static void item_write(struct kn_buf *xml, const struct kn_oss_call *call, const struct page *page,
                       const struct kn_list_item *item)
{
    if (item->is_prefix) {
        kn_buf_puts(xml, "<CommonPrefixes>");
        name_write(xml, "Prefix", item->key, page->is_encoded);
        kn_buf_puts(xml, "</CommonPrefixes>");
        return;
    }
    kn_buf_puts(xml, "<Contents>");
    name_write(xml, "Key", item->key, page->is_encoded);
    kn_oss_xml_time(xml, "LastModified", item->info.modified_us);
    kn_oss_xml_etag(xml, call, item->info.etag);
    kn_xml(xml, "Type", item->info.type);
    kn_xml_int(xml, "Size", item->info.size_bytes);
    kn_xml(xml, "StorageClass", call->dialect == KN_OSS_S3 ? "STANDARD" : "Standard");
    if (page->has_owner)
        kn_oss_xml_owner(xml, call);
    kn_buf_puts(xml, "</Contents>");
}

static void page_clear(struct page *page)
{
    kn_listing_clear(&page->listing);
}

kn_code kn_oss_list_objects(struct kn_oss_call *call, struct kn_error *err)
{
    kn_auto(page_clear) struct page page = {0};
    kn_code rc = page_read(&page, call, err);
    if (rc == KN_OK)
        rc = list_allow(call, page.prefix, err);
    if (rc != KN_OK)
        return rc;
    struct kn_list_query query = {.prefix = page.prefix, .delimiter = page.delimiter,
                                  .after = page.marker, .max = (int)page.max};
    rc = kn_object_list(call->oss->config.store, call->bucket, &query, &page.listing, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "ListBucketResult");
    page_head(&xml, call, &page);
    for (int is_prefix = 0; is_prefix < 2; is_prefix++)
        for (size_t i = 0; i < page.listing.n; i++)
            if (page.listing.items[i].is_prefix == (is_prefix == 1))
                item_write(&xml, call, &page, &page.listing.items[i]);
    kn_buf_puts(&xml, "</ListBucketResult>");
    return kn_oss_reply_xml(call, 200, &xml, err);
}

/* ---- uploads ---- */

kn_code kn_oss_list_uploads(struct kn_oss_call *call, struct kn_error *err)
{
    const char *prefix = or_empty(kn_oss_param(call, "prefix"));
    const char *after_key = or_empty(kn_oss_param(call, "key-marker"));
    const char *after_id = or_empty(kn_oss_param(call, "upload-id-marker"));
    bool is_encoded = wants_url_encoding(call);
    int64_t max = 0;
    kn_code rc = kn_oss_need_role(call, KN_ROLE_READ, err);
    if (rc == KN_OK)
        rc = kn_oss_param_int(call, "max-uploads", 1, 1000, 1000, &max, err);
    if (rc != KN_OK)
        return rc;
    struct kn_upload *uploads = NULL;
    size_t n = 0;
    bool is_truncated = false;
    rc = kn_upload_list(call->oss->config.store, call->bucket, prefix, after_key, after_id,
                        (int)max, &uploads, &n, &is_truncated, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "ListMultipartUploadsResult");
    kn_xml(&xml, "Bucket", call->bucket);
    name_write(&xml, "KeyMarker", after_key, is_encoded);
    kn_xml(&xml, "UploadIdMarker", after_id);
    name_write(&xml, "NextKeyMarker", is_truncated ? uploads[n - 1].key : "", is_encoded);
    kn_xml(&xml, "NextUploadIdMarker", is_truncated ? uploads[n - 1].id : "");
    name_write(&xml, "Prefix", prefix, is_encoded);
    kn_xml_int(&xml, "MaxUploads", max);
    kn_xml(&xml, "IsTruncated", is_truncated ? "true" : "false");
    for (size_t i = 0; i < n; i++) {
        kn_buf_puts(&xml, "<Upload>");
        name_write(&xml, "Key", uploads[i].key, is_encoded);
        kn_xml(&xml, "UploadId", uploads[i].id);
        kn_xml(&xml, "StorageClass", "Standard");
        kn_oss_xml_time(&xml, "Initiated", uploads[i].created_us);
        kn_buf_puts(&xml, "</Upload>");
    }
    kn_buf_puts(&xml, "</ListMultipartUploadsResult>");
    kn_upload_list_free(&uploads, n);
    return kn_oss_reply_xml(call, 200, &xml, err);
}

/* ---- deleting many ---- */

kn_code kn_oss_delete_many(struct kn_oss_call *call, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf body = {0};
    struct kn_oss_delete request = {0};
    // Strangers delete one by one, where each object's own ACL is asked.
    if (call->dialect == KN_OSS_ANONYMOUS)
        return kn_fail_as(err, KN_EINVAL, "AccessDenied", "deleting many needs a signature");
    kn_code rc = kn_oss_body_text(call, &body, KN_MAX_XML_BYTES, err);
    if (rc == KN_OK)
        rc = kn_oss_parse_delete(&request, kn_buf_text(&body), body.len, &call->arena, err);
    for (size_t i = 0; rc == KN_OK && i < request.n; i++)
        rc = kn_oss_allow(call, call->bucket, request.keys[i], true, NULL, err);
    if (rc == KN_OK)
        rc = kn_object_delete_many(call->oss->config.store, call->bucket, request.keys, request.n,
                                   err);
    if (rc != KN_OK)
        return rc;
    if (request.is_quiet && call->dialect != KN_OSS_S3)
        return kn_oss_reply_empty(call, 200);
    bool is_encoded = wants_url_encoding(call);
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "DeleteResult");
    if (is_encoded)
        kn_xml(&xml, "EncodingType", "url");
    for (size_t i = 0; !request.is_quiet && i < request.n; i++) {
        kn_buf_puts(&xml, "<Deleted>");
        name_write(&xml, "Key", request.keys[i], is_encoded);
        kn_buf_puts(&xml, "</Deleted>");
    }
    kn_buf_puts(&xml, "</DeleteResult>");
    return kn_oss_reply_xml(call, 200, &xml, err);
}
