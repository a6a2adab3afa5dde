/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers, and the table that turns an error's reason into a status (spec 10, section 7). */
#include <string.h>

#include <jansson.h>

#include "api/mns/call.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"

/* ---- XML ---- */

void kn_mns_xml_open(struct kn_buf *out, const char *root)
{
    kn_buf_printf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s xmlns=\"" KN_MNS_NAMESPACE
                       "\">",
                  root);
}

static void base_url(struct kn_buf *out, const struct kn_mns_call *call)
{
    const char *host = kn_http_header(call->request, "Host");
    const char *public_url = call->mns->config.public_url;
    if (public_url[0])
        kn_buf_puts(out, public_url);
    else
        kn_buf_printf(out, "%s://%s", kn_http_is_tls(call->request) ? "https" : "http",
                      host ? host : "");
    while (out->len > 0 && out->data[out->len - 1] == '/')
        out->data[--out->len] = '\0';
}

void kn_mns_xml_url(struct kn_buf *out, const struct kn_mns_call *call, const char *name,
                    const char *path)
{
    kn_auto(kn_buf_clear) struct kn_buf url = {0};
    base_url(&url, call);
    kn_buf_puts(&url, path);
    kn_xml(out, name, kn_buf_text(&url));
}

static void properties_write(struct kn_buf *out, const json_t *list, const char *name,
                             const char *item)
{
    if (!json_is_array(list))
        return;
    kn_buf_printf(out, "<%s>", name);
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) {
        static const char *const parts[] = {"Name", "Value", "Type"};
        kn_buf_printf(out, "<%s>", item);
        for (size_t k = 0; k < KN_COUNT(parts); k++) {
            const char *text = json_string_value(json_array_get(one, k));
            kn_xml(out, parts[k], text ? text : "");
        }
        kn_buf_printf(out, "</%s>", item);
    }
    kn_buf_printf(out, "</%s>", name);
}

void kn_mns_xml_properties(struct kn_buf *out, const char *properties)
{
    json_auto_t *all = properties ? json_loads(properties, 0, NULL) : NULL;
    const char *group = all ? kn_json_get(all, "MessageGroupId", NULL) : NULL;
    if (group)
        kn_xml(out, "MessageGroupId", group);
    properties_write(out, json_object_get(all, "UserProperties"), "UserProperties", "PropertyValue");
    properties_write(out, json_object_get(all, "SystemProperties"), "SystemProperties",
                     "SystemPropertyValue");
}

/* ---- replies ---- */

static void set_common(struct kn_mns_call *call)
{
    kn_http_set(call->request, "x-mns-request-id", call->request_id);
    kn_http_set(call->request, "x-mns-version", KN_MNS_VERSION);
    kn_http_set(call->request, "Content-Type", "text/xml;charset=UTF-8");
}

kn_code kn_mns_reply_xml(struct kn_mns_call *call, int status, struct kn_buf *xml,
                         struct kn_error *err)
{
    if (!kn_buf_ok(xml))
        return kn_fail(err, KN_ENOMEM, "no memory for an answer");
    set_common(call);
    kn_http_reply(call->request, status, kn_buf_text(xml), xml->len);
    return KN_OK;
}

kn_code kn_mns_reply_empty(struct kn_mns_call *call, int status)
{
    set_common(call);
    kn_http_reply(call->request, status, NULL, 0);
    return KN_OK;
}

kn_code kn_mns_reply_created(struct kn_mns_call *call, bool is_new)
{
    kn_auto(kn_buf_clear) struct kn_buf url = {0};
    base_url(&url, call);
    kn_buf_puts(&url, call->path);
    kn_http_set(call->request, "Location", kn_buf_text(&url));
    return kn_mns_reply_empty(call, is_new ? 201 : 204);
}

static const struct {
    const char *code;
    int status;
} statuses[] = {
    {"AccessDenied", 403},          {"InvalidAccessKeyId", 403},
    {"SignatureDoesNotMatch", 403}, {"MissingAuthorizationHeader", 400},
    {"MissingDateHeader", 400},     {"MissingVersionHeader", 400},
    {"MissingReceiptHandle", 400},  {"MissingVisibilityTimeout", 400},
    {"InvalidAuthorizationHeader", 400}, {"InvalidDateHeader", 400},
    {"InvalidRequestURL", 400},     {"InvalidQueryString", 400},
    {"MalformedXML", 400},          {"InvalidDegist", 400},
    {"InvalidArgument", 400},       {"InvalidQueueName", 400},
    {"QueueNameLengthError", 400},  {"TopicNameInvalid", 400},
    {"TopicNameLengthError", 400},  {"SubscriptionNameInvalid", 400},
    {"SubscriptionNameLengthError", 400}, {"EndpointInvalid", 400},
    {"ReceiptHandleError", 400},    {"MessageNotExist", 404},
    {"QueueNotExist", 404},         {"TopicNotExist", 404},
    {"SubscriptionNotExist", 404},  {"TimeExpired", 408},
    {"QueueAlreadyExist", 409},     {"TopicAlreadyExist", 409},
    {"SubscriptionAlreadyExist", 409}, {"ServiceUnavailable", 503},
    {"RequestTimeout", 408},
};

static int status_of(const struct kn_error *err, const char **out_code)
{
    for (size_t i = 0; i < KN_COUNT(statuses); i++) {
        if (strcmp(err->reason, statuses[i].code) == 0) {
            *out_code = statuses[i].code;
            return statuses[i].status;
        }
    }
    *out_code = err->code == KN_EINVAL ? "InvalidArgument"
                : err->code == KN_ELIMIT ? "ServiceUnavailable"
                                         : "InternalError";
    return err->code == KN_EINVAL ? 400 : err->code == KN_ELIMIT ? 503 : 500;
}

void kn_mns_reply_error(struct kn_mns_call *call, const struct kn_error *err)
{
    const char *code;
    int status = status_of(err, &code);
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_auto(kn_buf_clear) struct kn_buf host = {0};
    base_url(&host, call);
    kn_mns_xml_open(&xml, "Error");
    kn_xml(&xml, "Code", code);
    // What failed inside (SQL, paths) is for the operator's log, not for strangers.
    kn_xml(&xml, "Message",
           status == 500 ? "We encountered an internal error. Please try again." : err->message);
    kn_xml(&xml, "RequestId", call->request_id);
    kn_xml(&xml, "HostId", kn_buf_text(&host));
    kn_buf_puts(&xml, "</Error>");
    set_common(call);
    kn_http_reply(call->request, status, kn_buf_text(&xml), xml.len);
}
