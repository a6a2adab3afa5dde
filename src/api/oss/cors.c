/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CORS: rules of a bucket, preflights, and the headers that let a page's script read an answer. The
 * ETag is always exposed where a rule allows the origin: browser multipart uploads need it
 * (spec 09, 6.6).
 */
#include <string.h>

#include "api/oss/call.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/strings.h"

#define EXPOSED "ETag, x-oss-request-id, x-oss-hash-crc64ecma, x-oss-next-append-position"

static bool list_matches(const json_t *list, const char *text)
{
    size_t i;
    json_t *pattern;
    json_array_foreach(list, i, pattern)
        if (kn_match(json_string_value(pattern), text))
            return true;
    return false;
}

// Every name in "a, b" is allowed.
static bool headers_match(const json_t *list, const char *wanted)
{
    char name[128];
    for (const char *p = wanted; *p;) {
        p += strspn(p, ", ");
        size_t n = strcspn(p, ", ");
        if (n == 0)
            break;
        if (n >= sizeof(name))
            return false;
        memcpy(name, p, n);
        name[n] = '\0';
        if (!list_matches(list, name))
            return false;
        p += n;
    }
    return true;
}

// The first rule of the bucket that allows this, as a new reference; NULL when none does.
static json_t *rule_find(struct kn_oss_call *call, const char *origin, const char *method,
                         const char *headers)
{
    kn_auto(kn_bucket_clear) struct kn_bucket bucket = {0};
    if (!call->bucket ||
        kn_bucket_get(call->oss->config.store, call->bucket, &bucket, NULL) != KN_OK || !bucket.cors)
        return NULL;
    json_auto_t *rules = json_loads(bucket.cors, 0, NULL);
    size_t i;
    json_t *rule;
    json_array_foreach(rules, i, rule) {
        if (list_matches(json_object_get(rule, "AllowedOrigin"), origin) &&
            list_matches(json_object_get(rule, "AllowedMethod"), method) &&
            headers_match(json_object_get(rule, "AllowedHeader"), headers))
            return json_incref(rule);
    }
    return NULL;
}

static void rule_tell(struct kn_oss_call *call, const json_t *rule, const char *origin)
{
    kn_auto(kn_buf_clear) struct kn_buf exposed = {0};
    kn_buf_puts(&exposed, EXPOSED);
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(rule, "ExposeHeader"), i, name)
        kn_buf_printf(&exposed, ", %s", json_string_value(name));
    kn_http_set(call->request, "Access-Control-Allow-Origin", origin);
    kn_http_set(call->request, "Access-Control-Expose-Headers", kn_buf_text(&exposed));
    kn_http_set(call->request, "Vary", "Origin");
}

void kn_oss_set_cors(struct kn_oss_call *call)
{
    const char *origin = kn_http_header(call->request, "Origin");
    if (!origin || strcmp(call->method, "OPTIONS") == 0)
        return;
    json_auto_t *rule = rule_find(call, origin, call->method, "");
    if (rule)
        rule_tell(call, rule, origin);
}

kn_code kn_oss_preflight(struct kn_oss_call *call, struct kn_error *err)
{
    const char *origin = kn_http_header(call->request, "Origin");
    const char *method = kn_http_header(call->request, "Access-Control-Request-Method");
    const char *headers = kn_http_header(call->request, "Access-Control-Request-Headers");
    if (!origin || !method)
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                          "a preflight has Origin and Access-Control-Request-Method");
    json_auto_t *rule = rule_find(call, origin, method, headers ? headers : "");
    if (!rule)
        return kn_fail_as(err, KN_EINVAL, "AccessDenied",
                          "CORSResponse: no rule of this bucket allows this request");
    rule_tell(call, rule, origin);
    kn_http_set(call->request, "Access-Control-Allow-Methods", method);
    if (headers)
        kn_http_set(call->request, "Access-Control-Allow-Headers", headers);
    json_t *age = json_object_get(rule, "MaxAgeSeconds");
    if (age)
        kn_http_setf(call->request, "Access-Control-Max-Age", "%lld",
                     (long long)json_integer_value(age));
    return kn_oss_reply_empty(call, 200);
}

/* ---- PUT, GET, DELETE /?cors ---- */

static void rules_write(struct kn_buf *xml, const json_t *rules)
{
    static const char *const lists[] = {"AllowedOrigin", "AllowedMethod", "AllowedHeader",
                                        "ExposeHeader"};
    size_t i, k;
    json_t *rule, *text;
    json_array_foreach(rules, i, rule) {
        kn_buf_puts(xml, "<CORSRule>");
        for (size_t l = 0; l < KN_COUNT(lists); l++)
            json_array_foreach(json_object_get(rule, lists[l]), k, text)
                kn_xml(xml, lists[l], json_string_value(text));
        json_t *age = json_object_get(rule, "MaxAgeSeconds");
        if (age)
            kn_xml_int(xml, "MaxAgeSeconds", json_integer_value(age));
        kn_buf_puts(xml, "</CORSRule>");
    }
}

kn_code kn_oss_bucket_cors(struct kn_oss_call *call, struct kn_error *err)
{
    struct kn_store *store = call->oss->config.store;
    kn_auto(kn_bucket_clear) struct kn_bucket bucket = {0};
    kn_code rc = kn_bucket_get(store, call->bucket, &bucket, err);
    if (rc != KN_OK)
        return rc;
    if (strcmp(call->method, "GET") == 0) {
        if (!bucket.cors)
            return kn_fail_as(err, KN_ENOTFOUND, "NoSuchCORSConfiguration",
                              "The CORS Configuration does not exist.");
        json_auto_t *rules = json_loads(bucket.cors, 0, NULL);
        kn_auto(kn_buf_clear) struct kn_buf xml = {0};
        kn_oss_xml_open(&xml, call, "CORSConfiguration");
        rules_write(&xml, rules);
        kn_buf_puts(&xml, "</CORSConfiguration>");
        return kn_oss_reply_xml(call, 200, &xml, err);
    }
    if (strcmp(call->method, "PUT") != 0 && strcmp(call->method, "DELETE") != 0)
        return kn_fail_as(err, KN_EINVAL, "MethodNotAllowed", "The method is not allowed here.");
    kn_free(&bucket.cors);
    if (strcmp(call->method, "PUT") == 0) {
        kn_auto(kn_buf_clear) struct kn_buf text = {0};
        json_auto_t *rules = NULL;
        rc = kn_oss_body_text(call, &text, KN_MAX_XML_BYTES, err);
        if (rc == KN_OK)
            rc = kn_oss_parse_cors(&rules, kn_buf_text(&text), text.len, err);
        if (rc != KN_OK)
            return rc;
        bucket.cors = kn_json_text(rules);
        if (!bucket.cors)
            return kn_fail(err, KN_ENOMEM, "no memory for the rules of a bucket");
    }
    rc = kn_bucket_update(store, &bucket, err);
    if (rc != KN_OK)
        return rc;
    return kn_oss_reply_empty(call, strcmp(call->method, "PUT") == 0 ? 200 : 204);
}
