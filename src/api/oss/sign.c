/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The three ways object clients sign. V4 and SigV4 share their shape and differ in three points: OSS
 * always names the bucket in the path, writes valueless parameters without '=', and signs its own
 * headers without listing them.
 */
#include "api/oss/sign.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"
#include "http/sigv4.h"

/* ---- reading what the client claims ---- */

static kn_code malformed(struct kn_error *err)
{
    return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "the Authorization is malformed");
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static kn_code credential_split(struct kn_oss_signed *out, struct kn_arena *arena,
                                const char *credential, struct kn_error *err)
{
    const char *slash = credential ? strchr(credential, '/') : NULL;
    int n_slashes = 0;
    for (const char *p = slash; p && *p; p++)
        n_slashes += *p == '/';
    // id/date/region/service/request; the day must be that of the time
    if (n_slashes != 4 || !out->date || strlen(out->date) != 16 ||
        strncmp(slash + 1, out->date, 8) != 0 || slash[9] != '/')
        return malformed(err);
    out->key_id = kn_arena_strndup(arena, credential, (size_t)(slash - credential));
    out->scope = slash + 1;
    return kn_time_parse_iso(out->date, &out->time_us) ? KN_OK : malformed(err);
}

static kn_code v4_header_read(struct kn_oss_signed *out, struct kn_oss_call *call,
                              const char *fields, struct kn_error *err)
{
    bool is_s3 = out->dialect == KN_OSS_S3;
    out->signature = kn_list_value(&call->arena, fields, "Signature");
    out->signed_headers =
        or_empty(kn_list_value(&call->arena, fields, is_s3 ? "SignedHeaders" : "AdditionalHeaders"));
    out->date = kn_http_header(call->request, is_s3 ? "x-amz-date" : "x-oss-date");
    out->token = or_empty(kn_http_header(
        call->request, is_s3 ? "x-amz-security-token" : "x-oss-security-token"));
    if (!out->date)
        return kn_fail_as(err, KN_EINVAL, "AccessDenied", "the request has no date");
    kn_code rc = credential_split(out, &call->arena, kn_list_value(&call->arena, fields, "Credential"), err);
    return rc == KN_OK && !out->signature ? malformed(err) : rc;
}

static kn_code v4_url_read(struct kn_oss_signed *out, struct kn_oss_call *call, const char *prefix,
                           struct kn_error *err)
{
    bool is_s3 = out->dialect == KN_OSS_S3;
    const char *values[6];
    static const char *const oss[] = {"credential", "date", "expires", "additional-headers",
                                      "security-token", "signature"};
    static const char *const s3[] = {"Credential", "Date", "Expires", "SignedHeaders",
                                     "Security-Token", "Signature"};
    for (size_t i = 0; i < KN_COUNT(values); i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "%s%s", prefix, is_s3 ? s3[i] : oss[i]);
        values[i] = kn_oss_param(call, name);
    }
    int64_t seconds = 0;
    out->is_url = true;
    out->date = values[1];
    out->signed_headers = or_empty(values[3]);
    out->token = or_empty(values[4]);
    out->signature = or_empty(values[5]);
    if (!values[2] || !kn_parse_int(values[2], 1, 604800, &seconds))
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                          "%sexpires must be between 1 and 604800 seconds", prefix);
    kn_code rc = credential_split(out, &call->arena, values[0], err);
    out->expires_us = out->time_us + seconds * KN_SECOND;
    return rc;
}

static kn_code v1_header_read(struct kn_oss_signed *out, struct kn_oss_call *call,
                              const char *fields, struct kn_error *err)
{
    const char *colon = strchr(fields, ':');
    if (!colon)
        return malformed(err);
    out->key_id = kn_arena_strndup(&call->arena, fields, (size_t)(colon - fields));
    out->signature = colon + 1;
    out->token = or_empty(kn_http_header(call->request, "x-oss-security-token"));
    out->date = kn_http_header(call->request, "x-oss-date");
    if (!out->date)
        out->date = kn_http_header(call->request, "Date");
    if (!out->date || !kn_time_parse_http(out->date, &out->time_us))
        return kn_fail_as(err, KN_EINVAL, "AccessDenied", "the request has no valid date");
    return KN_OK;
}

static kn_code v1_url_read(struct kn_oss_signed *out, struct kn_oss_call *call,
                           struct kn_error *err)
{
    int64_t seconds;
    out->is_url = true;
    out->key_id = kn_oss_param(call, "OSSAccessKeyId");
    out->signature = kn_oss_param(call, "Signature");
    out->token = or_empty(kn_oss_param(call, "security-token"));
    out->date = kn_oss_param(call, "Expires");
    if (!out->signature || !out->date || !kn_parse_int(out->date, 0, INT64_C(1) << 40, &seconds))
        return kn_fail_as(err, KN_EINVAL, "AccessDenied", "the signed URL is incomplete");
    out->expires_us = seconds * KN_SECOND;
    return KN_OK;
}

kn_code kn_oss_signed_read(struct kn_oss_signed *out, struct kn_oss_call *call,
                           struct kn_error *err)
{
    *out = (struct kn_oss_signed){.expires_us = KN_NO_TIME, .token = "", .signed_headers = ""};
    const char *header = kn_http_header(call->request, "Authorization");
    if (header) { // a header goes before a signed URL (spec 09, 2.4)
        if (kn_starts_with(header, "OSS4-HMAC-SHA256 ")) {
            out->dialect = KN_OSS_V4;
            return v4_header_read(out, call, header + strlen("OSS4-HMAC-SHA256 "), err);
        }
        if (kn_starts_with(header, "AWS4-HMAC-SHA256 ")) {
            out->dialect = KN_OSS_S3;
            return v4_header_read(out, call, header + strlen("AWS4-HMAC-SHA256 "), err);
        }
        if (!kn_starts_with(header, "OSS "))
            return malformed(err);
        out->dialect = KN_OSS_V1;
        return v1_header_read(out, call, header + strlen("OSS "), err);
    }
    if (kn_oss_param(call, "x-oss-signature")) {
        out->dialect = KN_OSS_V4;
        return v4_url_read(out, call, "x-oss-", err);
    }
    if (kn_oss_param(call, "X-Amz-Signature")) {
        out->dialect = KN_OSS_S3;
        return v4_url_read(out, call, "X-Amz-", err);
    }
    if (kn_oss_param(call, "OSSAccessKeyId")) {
        out->dialect = KN_OSS_V1;
        return v1_url_read(out, call, err);
    }
    return KN_OK;
}

/* ---- sorted lines ---- */

struct line {
    const char *name, *value;
};

static int line_compare(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int by_name = strcmp(x->name, y->name);
    return by_name ? by_name : strcmp(x->value, y->value);
}

static bool name_is_listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; *p;) {
        size_t n_item = strcspn(p, ";");
        if (n_item == n && strncmp(p, name, n) == 0)
            return true;
        p += n_item + (p[n_item] == ';');
    }
    return false;
}

static bool header_is_signed(const struct kn_oss_signed *sig, const char *name)
{
    switch (sig->dialect) {
    case KN_OSS_V1: return kn_starts_with(name, "x-oss-");
    case KN_OSS_V4:
        return kn_starts_with(name, "x-oss-") || strcmp(name, "content-type") == 0 ||
               strcmp(name, "content-md5") == 0 || name_is_listed(sig->signed_headers, name);
    default: return name_is_listed(sig->signed_headers, name);
    }
}

// "name:value\n" of the signed headers, sorted.
static void headers_add(struct kn_buf *out, struct kn_oss_call *call,
                        const struct kn_oss_signed *sig)
{
    size_t n = kn_http_n_headers(call->request);
    struct line *lines = kn_arena_array(&call->arena, n + 1, sizeof(*lines));
    size_t n_lines = 0;
    for (size_t i = 0; lines && i < n; i++) {
        const char *name, *value;
        kn_http_header_at(call->request, i, &name, &value);
        char *lower = kn_arena_strdup(&call->arena, name);
        char *trimmed = kn_arena_strdup(&call->arena, value);
        if (!lower || !trimmed)
            continue; // the signature will not fit
        kn_lower(lower);
        kn_trim(trimmed);
        if (header_is_signed(sig, lower))
            lines[n_lines++] = (struct line){lower, trimmed};
    }
    if (n_lines)
        qsort(lines, n_lines, sizeof(*lines), line_compare);
    for (size_t i = 0; i < n_lines; i++) {
        kn_buf_printf(out, "%s:", lines[i].name);
        for (const char *p = lines[i].value; *p; p++) {
            bool is_doubled = sig->dialect == KN_OSS_S3 && *p == ' ' && p[1] == ' ';
            if (!is_doubled)
                kn_buf_putc(out, *p);
        }
        kn_buf_putc(out, '\n');
    }
}

/* ---- V1 ---- */

// Query names that are part of the resource (spec 09, 2.1).
static bool is_sub_resource(const char *name)
{
    static const char words[] =
        " acl accessPoint accessPointPolicy append asyncFetch bucketInfo callback callback-var cname "
        "comp continuation-token cors delete encryption endTime group img inventory inventoryId "
        "lifecycle link live location logging metaQuery objectInfo objectMeta partNumber policy "
        "policyStatus position qos qosInfo referer regionList replication replicationLocation "
        "replicationProgress requestPayment resourceGroup response-cache-control "
        "response-content-disposition response-content-encoding response-content-language "
        "response-content-type response-expires restore security-token sequential startTime stat "
        "status style styleName symlink tagging transferAcceleration udf uploadId uploads versionId "
        "versioning versions vod website worm wormExtend wormId x-oss-async-process x-oss-process "
        "x-oss-request-payer x-oss-traffic-limit ";
    char framed[96];
    if (kn_starts_with(name, "x-oss-ac-"))
        return true;
    int n = snprintf(framed, sizeof(framed), " %s ", name);
    return n < (int)sizeof(framed) && !strchr(name, ' ') && strstr(words, framed) != NULL;
}

static void v1_resource_add(struct kn_buf *out, struct kn_oss_call *call)
{
    kn_buf_puts(out, "/");
    if (call->bucket)
        kn_buf_printf(out, "%s/", call->bucket);
    kn_buf_puts(out, call->key);
    struct line *lines = kn_arena_array(&call->arena, call->n_params + 1, sizeof(*lines));
    size_t n = 0;
    for (size_t i = 0; lines && i < call->n_params; i++)
        if (is_sub_resource(call->params[i].name))
            lines[n++] = (struct line){call->params[i].name, call->params[i].value};
    if (n)
        qsort(lines, n, sizeof(*lines), line_compare);
    for (size_t i = 0; i < n; i++) {
        kn_buf_printf(out, "%c%s", i ? '&' : '?', lines[i].name);
        if (lines[i].value[0])
            kn_buf_printf(out, "=%s", lines[i].value);
    }
}

static void v1_sign(struct kn_oss_computed *out, struct kn_oss_call *call,
                    const struct kn_oss_signed *sig, const char *secret)
{
    kn_buf_printf(&out->to_sign, "%s\n%s\n%s\n%s\n", call->method,
                  or_empty(kn_http_header(call->request, "Content-MD5")),
                  or_empty(kn_http_header(call->request, "Content-Type")), sig->date);
    headers_add(&out->to_sign, call, sig);
    v1_resource_add(&out->to_sign, call);
    uint8_t mac[KN_SHA1_BYTES];
    kn_hmac_sha1(mac, secret, strlen(secret), kn_buf_text(&out->to_sign), out->to_sign.len);
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_base64(&text, mac, sizeof(mac));
    kn_copy(out->signature, sizeof(out->signature), kn_buf_text(&text));
}

/* ---- V4 and SigV4 ---- */

static const char *encoded(struct kn_oss_call *call, const char *text)
{
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    kn_percent(&out, text, strlen(text), false);
    return or_empty(kn_arena_strdup(&call->arena, kn_buf_text(&out)));
}

bool kn_oss_sign_has_blanks(const struct kn_oss_call *call, const struct kn_oss_signed *sig)
{
    bool has = false;
    for (size_t i = 0; i < call->n_params; i++)
        has = has || call->params[i].value[0] == '\0';
    return has && sig->dialect == KN_OSS_V4;
}

// Whether a parameter without a value is signed with its '='.
static bool blank_has_equals(const struct kn_oss_signed *sig, const char *name)
{
    return sig->dialect == KN_OSS_S3 || sig->blank == KN_OSS_BLANK_EQUALS ||
           (sig->blank == KN_OSS_BLANK_SUB_RESOURCE && !is_sub_resource(name));
}

static void v4_query_add(struct kn_buf *out, struct kn_oss_call *call,
                         const struct kn_oss_signed *sig)
{
    const char *left_out = sig->dialect == KN_OSS_S3 ? "X-Amz-Signature" : "x-oss-signature";
    struct line *lines = kn_arena_array(&call->arena, call->n_params + 1, sizeof(*lines));
    size_t n = 0;
    for (size_t i = 0; lines && i < call->n_params; i++)
        if (!sig->is_url || strcmp(call->params[i].name, left_out) != 0)
            lines[n++] = (struct line){encoded(call, call->params[i].name),
                                       encoded(call, call->params[i].value)};
    if (n)
        qsort(lines, n, sizeof(*lines), line_compare);
    for (size_t i = 0; i < n; i++) {
        kn_buf_printf(out, "%s%s", i ? "&" : "", lines[i].name);
        if (lines[i].value[0] || blank_has_equals(sig, lines[i].name))
            kn_buf_printf(out, "=%s", lines[i].value);
    }
}

static void v4_path_add(struct kn_buf *out, struct kn_oss_call *call,
                        const struct kn_oss_signed *sig)
{
    if (sig->dialect == KN_OSS_S3) { // the path of the request line, whoever the bucket is
        kn_auto(kn_buf_clear) struct kn_buf path = {0};
        const char *raw = kn_http_path(call->request);
        (void)kn_unpercent(&path, raw, strlen(raw), false); // well-formed: the address was read
        kn_percent(out, kn_buf_text(&path), path.len, true);
        return;
    }
    kn_buf_putc(out, '/');
    if (call->bucket)
        kn_buf_printf(out, "%s/", call->bucket);
    kn_percent(out, call->key, strlen(call->key), true);
}

static void v4_sign(struct kn_oss_computed *out, struct kn_oss_call *call,
                    const struct kn_oss_signed *sig, const char *secret)
{
    bool is_s3 = sig->dialect == KN_OSS_S3;
    struct kn_buf *canonical = &out->canonical;
    kn_buf_printf(canonical, "%s\n", call->method);
    v4_path_add(canonical, call, sig);
    kn_buf_putc(canonical, '\n');
    v4_query_add(canonical, call, sig);
    kn_buf_putc(canonical, '\n');
    headers_add(canonical, call, sig);
    const char *payload = kn_http_header(
        call->request, is_s3 ? "x-amz-content-sha256" : "x-oss-content-sha256");
    if (!payload || sig->is_url)
        payload = "UNSIGNED-PAYLOAD";
    kn_buf_printf(canonical, "\n%s\n%s", sig->signed_headers, payload);

    char hex[65];
    kn_sha256_hex(hex, kn_buf_text(canonical), canonical->len);
    kn_buf_printf(&out->to_sign, "%s\n%s\n%s\n%s", is_s3 ? "AWS4-HMAC-SHA256" : "OSS4-HMAC-SHA256",
                  sig->date, sig->scope, hex);
    uint8_t key[KN_SHA256_BYTES], mac[KN_SHA256_BYTES];
    kn_sigv4_key(key, is_s3 ? "AWS4" : "aliyun_v4", secret, sig->scope);
    kn_hmac_sha256(mac, key, sizeof(key), kn_buf_text(&out->to_sign), out->to_sign.len);
    kn_hex(out->signature, mac, sizeof(mac));
}

void kn_oss_sign(struct kn_oss_computed *out, struct kn_oss_call *call,
                 const struct kn_oss_signed *sig, const char *secret)
{
    kn_buf_reset(&out->to_sign);
    kn_buf_reset(&out->canonical);
    if (sig->dialect == KN_OSS_V1)
        v1_sign(out, call, sig, secret);
    else
        v4_sign(out, call, sig, secret);
}

void kn_oss_computed_clear(struct kn_oss_computed *computed)
{
    kn_buf_clear(&computed->to_sign);
    kn_buf_clear(&computed->canonical);
}
