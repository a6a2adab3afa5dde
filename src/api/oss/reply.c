/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers: XML as the cloud writes it, and the table that turns an error's reason into a status.
 */
#include <string.h>

#include "api/oss/call.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"

#define S3_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

/* ---- XML ---- */

void kn_oss_xml_time(struct kn_buf *out, const char *name, int64_t us)
{
    char text[32];
    kn_time_iso_ms(text, us);
    kn_xml(out, name, text);
}

void kn_oss_xml_owner(struct kn_buf *out, const struct kn_oss_call *call)
{
    kn_buf_puts(out, "<Owner>");
    kn_xml(out, "ID", call->oss->config.account_id);
    kn_xml(out, "DisplayName", call->oss->config.account_id);
    kn_buf_puts(out, "</Owner>");
}

// OSS spells ETags in upper case, S3 in lower.
static void etag_spell(const struct kn_oss_call *call, const char *etag, char out[64])
{
    (void)snprintf(out, 64, "\"%s\"", etag);
    if (call->dialect == KN_OSS_S3)
        kn_lower(out);
}

void kn_oss_xml_etag(struct kn_buf *out, const struct kn_oss_call *call, const char *etag)
{
    char text[64];
    etag_spell(call, etag, text);
    kn_xml(out, "ETag", text);
}

void kn_oss_xml_location(struct kn_buf *out, const struct kn_oss_call *call)
{
    kn_auto(kn_buf_clear) struct kn_buf url = {0};
    const char *host = kn_http_header(call->request, "Host");
    const char *public_url = call->oss->config.public_url;
    if (public_url[0])
        kn_buf_puts(&url, public_url);
    else
        kn_buf_printf(&url, "%s://%s", kn_http_is_tls(call->request) ? "https" : "http",
                      host ? host : "");
    kn_buf_printf(&url, "/%s/%s", call->bucket, call->key);
    kn_xml(out, "Location", kn_buf_text(&url));
}

void kn_oss_xml_open(struct kn_buf *out, const struct kn_oss_call *call, const char *root)
{
    kn_buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if (call->dialect == KN_OSS_S3)
        kn_buf_printf(out, "<%s xmlns=\"" S3_NAMESPACE "\">", root);
    else
        kn_buf_printf(out, "<%s>", root);
}

/* ---- replies ---- */

void kn_oss_set_common(struct kn_oss_call *call)
{
    kn_http_set(call->request, "Server", "AliyunOSS");
    kn_http_set(call->request, "x-oss-request-id", call->request_id);
    if (call->dialect == KN_OSS_S3)
        kn_http_set(call->request, "x-amz-request-id", call->request_id);
    kn_oss_set_cors(call);
}

void kn_oss_set_etag(struct kn_oss_call *call, const char *etag)
{
    char text[64];
    etag_spell(call, etag, text);
    kn_http_set(call->request, "ETag", text);
}

kn_code kn_oss_reply_xml(struct kn_oss_call *call, int status, struct kn_buf *xml,
                         struct kn_error *err)
{
    if (!kn_buf_ok(xml))
        return kn_fail(err, KN_ENOMEM, "no memory for an answer");
    kn_oss_set_common(call);
    kn_http_set(call->request, "Content-Type", "application/xml");
    call->bytes_out += (int64_t)xml->len;
    kn_http_reply(call->request, status, kn_buf_text(xml), xml->len);
    return KN_OK;
}

kn_code kn_oss_reply_empty(struct kn_oss_call *call, int status)
{
    kn_oss_set_common(call);
    kn_http_reply(call->request, status, NULL, 0);
    return KN_OK;
}

/* ---- errors ---- */

static const struct {
    const char *code;
    int status;
} statuses[] = {
    {"InvalidArgument", 400},    {"InvalidBucketName", 400},
    {"InvalidObjectName", 400},  {"InvalidDigest", 400},
    {"InvalidPart", 400},        {"InvalidPartOrder", 400},
    {"EntityTooLarge", 400},     {"EntityTooSmall", 400},
    {"MalformedXML", 400},       {"InvalidPolicyDocument", 400},
    {"FilePartNotExist", 400},   {"MalformedPOSTRequest", 400},
    {"IncompleteBody", 400},     {"XAmzContentSHA256Mismatch", 400},
    {"InvalidRequest", 400},     {"AccessDenied", 403},
    {"InvalidAccessKeyId", 403}, {"SignatureDoesNotMatch", 403},
    {"RequestTimeTooSkewed", 403}, {"SecurityTokenExpired", 403},
    {"InvalidSecurityToken", 403}, {"NoSuchBucket", 404},
    {"NoSuchKey", 404},          {"NoSuchUpload", 404},
    {"NoSuchCORSConfiguration", 404}, {"MethodNotAllowed", 405},
    {"RequestTimeout", 408},     {"BucketAlreadyExists", 409},
    {"BucketNotEmpty", 409},     {"FileAlreadyExists", 409},
    {"ObjectNotAppendable", 409}, {"PositionNotEqualToLength", 409},
    {"MissingContentLength", 411}, {"PreconditionFailed", 412},
    {"InvalidRange", 416},       {"CallbackFailed", 203},
    {"NotImplemented", 501},     {"SlowDown", 503},
    {"DiskFull", 507},
};

int kn_oss_status(const struct kn_error *err, const char **out_code)
{
    for (size_t i = 0; i < KN_COUNT(statuses); i++) {
        if (strcmp(err->reason, statuses[i].code) == 0) {
            *out_code = statuses[i].code;
            return statuses[i].status;
        }
    }
    switch (err->code) {
    case KN_EINVAL: *out_code = "InvalidArgument"; return 400;
    case KN_ENOTFOUND: *out_code = "NoSuchKey"; return 404;
    case KN_ECONFLICT: *out_code = "FileAlreadyExists"; return 409;
    case KN_EUNSUP: *out_code = "NotImplemented"; return 501;
    case KN_ELIMIT: *out_code = "SlowDown"; return 503;
    default: *out_code = "InternalError"; return 500;
    }
}

void kn_oss_reply_error(struct kn_oss_call *call, const struct kn_error *err)
{
    const char *code;
    int status = kn_oss_status(err, &code);
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_buf_puts(&xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    kn_xml(&xml, "Code", code);
    // What failed inside (paths, SQL) is for the operator's log, not for strangers.
    kn_xml(&xml, "Message",
               status == 500   ? "We encountered an internal error. Please try again."
               : status == 507 ? "The disk of this service is full."
                               : err->message);
    kn_xml(&xml, "RequestId", call->request_id);
    const char *host = kn_http_header(call->request, "Host");
    kn_xml(&xml, "HostId", host ? host : "");
    if (call->bucket && status == 404)
        kn_xml(&xml, "BucketName", call->bucket);
    if (call->key && call->key[0] && strcmp(code, "NoSuchKey") == 0)
        kn_xml(&xml, "Key", call->key);
    kn_buf_add(&xml, kn_buf_text(&call->extra), call->extra.len);
    kn_buf_puts(&xml, "</Error>\n");

    kn_oss_set_common(call);
    kn_http_set(call->request, "Content-Type", "application/xml");
    if (kn_equal(kn_http_method(call->request), "HEAD")) {
        // A HEAD has no body to say it in.
        kn_auto(kn_buf_clear) struct kn_buf coded = {0};
        kn_base64(&coded, kn_buf_text(&xml), xml.len);
        kn_http_set(call->request, "x-oss-err", kn_buf_text(&coded));
    }
    call->bytes_out += (int64_t)xml.len;
    kn_http_reply(call->request, status, kn_buf_text(&xml), xml.len);
}
