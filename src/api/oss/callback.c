/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The template's ${names} are filled in as its type wants: percent-encoded, or as JSON values. */
#include "api/oss/callback.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

#define TIMEOUT_US (5 * KN_SECOND)              // Callback: the application answers within 5 s
#define MAX_ANSWER_BYTES ((size_t)3 * 1024 * 1024) // likewise

/* ---- what is asked for ---- */

static kn_code malformed(struct kn_error *err, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "the callback configuration %s", what);
}

// Base64 of a JSON object.
static kn_code object_decode(json_t **out, const char *encoded, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    if (!kn_unbase64(&text, encoded, strlen(encoded)))
        return malformed(err, "is not base64 encoded");
    if (kn_json_parse(out, kn_buf_text(&text), text.len, "callback", NULL) != KN_OK ||
        !json_is_object(*out))
        return malformed(err, "is not json format");
    return KN_OK;
}

static kn_code urls_split(struct kn_oss_callback *out, struct kn_oss_call *call, const char *list,
                          struct kn_error *err)
{
    while (*list) {
        size_t n = strcspn(list, ";");
        char *url = kn_arena_strndup(&call->arena, list, n);
        if (!url)
            return kn_fail(err, KN_ENOMEM, "no memory for a callback");
        kn_trim(url);
        if (url[0] && out->n_urls == KN_OSS_MAX_CALLBACK_URLS)
            return malformed(err, "has more than 5 URLs");
        // The documentation's own examples leave the scheme out.
        if (url[0])
            out->urls[out->n_urls++] =
                strstr(url, "://") ? url : kn_arena_printf(&call->arena, "http://%s", url);
        list += n + (list[n] == ';');
    }
    return out->n_urls ? KN_OK : malformed(err, "has no callbackUrl");
}

static kn_code vars_read(struct kn_oss_callback *out, const char *encoded,
                         const struct kn_oss_form *form, struct kn_error *err)
{
    if (encoded)
        return object_decode(&out->vars, encoded, err);
    out->vars = json_object();
    for (size_t i = 0; form && i < form->n; i++)
        if (kn_starts_with(form->items[i].name, "x:"))
            (void)json_object_set_new(out->vars, form->items[i].name,
                                      json_string(form->items[i].value));
    return KN_OK;
}

kn_code kn_oss_callback_read(struct kn_oss_callback *out, struct kn_oss_call *call,
                             const struct kn_oss_form *form, struct kn_error *err)
{
    *out = (struct kn_oss_callback){0};
    const char *encoded = form ? kn_oss_form_get(form, "callback") : kn_oss_header(call, "callback");
    const char *vars = form ? kn_oss_form_get(form, "callback-var")
                            : kn_oss_header(call, "callback-var");
    if (!form && !encoded) { // in a signed URL
        encoded = kn_oss_param(call, "callback");
        vars = kn_oss_param(call, "callback-var");
    }
    if (!encoded)
        return KN_OK;
    if (!call->oss->config.client)
        return kn_fail_as(err, KN_EUNSUP, "NotImplemented", "upload callbacks are switched off");
    json_auto_t *config = NULL;
    kn_code rc = object_decode(&config, encoded, err);
    if (rc == KN_OK)
        rc = vars_read(out, vars, form, err);
    if (rc != KN_OK)
        return rc;
    const char *body = kn_json_get(config, "callbackBody", NULL);
    const char *host = kn_json_get(config, "callbackHost", "");
    out->type = kn_arena_strdup(&call->arena, kn_json_get(config, "callbackBodyType",
                                                          "application/x-www-form-urlencoded"));
    out->body = kn_arena_strdup(&call->arena, body ? body : "");
    out->host = host[0] ? kn_arena_strdup(&call->arena, host) : NULL;
    out->is_json = kn_equal(out->type, "application/json");
    if (!body || !body[0])
        return malformed(err, "has no callbackBody");
    if (!out->is_json && !kn_equal(out->type, "application/x-www-form-urlencoded"))
        return malformed(err, "has an unknown callbackBodyType");
    if (out->host && strpbrk(out->host, "\r\n"))
        return malformed(err, "has a malformed callbackHost");
    return urls_split(out, call, kn_json_get(config, "callbackUrl", ""), err);
}

void kn_oss_callback_clear(struct kn_oss_callback *callback)
{
    json_decref(callback->vars);
    *callback = (struct kn_oss_callback){0};
}

/* ---- the body ---- */

// The value of a name between ${ and }; a new reference. Unknown names are empty, as in the cloud.
static json_t *value_of(const struct kn_oss_callback *callback, const struct kn_oss_call *call,
                        const struct kn_object_info *info, const char *name)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"bucket", call->bucket},
                 {"object", call->key},
                 {"etag", info->etag},
                 {"mimeType", info->content_type},
                 {"clientIp", kn_http_peer(call->request)},
                 {"reqId", call->request_id}};
    for (size_t i = 0; i < KN_COUNT(texts); i++)
        if (strcmp(name, texts[i].name) == 0)
            return json_string(texts[i].value);
    if (strcmp(name, "size") == 0)
        return json_integer(info->size_bytes);
    if (strcmp(name, "crc64") == 0) {
        char crc[24];
        (void)snprintf(crc, sizeof(crc), "%llu", (unsigned long long)info->crc64);
        return json_string(crc);
    }
    json_t *var = json_object_get(callback->vars, name);
    return var ? json_incref(var) : json_string("");
}

static void value_add(struct kn_buf *out, const struct kn_oss_callback *callback,
                      const json_t *value, bool is_quoted)
{
    if (callback->is_json) {
        // Templates write ${size} bare, and some write "${object}" with quotes of their own.
        kn_auto(kn_free) char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        size_t n = text ? strlen(text) : 0;
        bool is_string = json_is_string(value);
        if (is_quoted && is_string && n >= 2)
            kn_buf_add(out, text + 1, n - 2);
        else if (text)
            kn_buf_add(out, text, n);
        return;
    }
    if (json_is_string(value)) {
        kn_percent(out, json_string_value(value), json_string_length(value), false);
        return;
    }
    kn_auto(kn_free) char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text)
        kn_percent(out, text, strlen(text), false);
}

static void body_make(struct kn_buf *out, const struct kn_oss_callback *callback,
                      const struct kn_oss_call *call, const struct kn_object_info *info)
{
    for (const char *p = callback->body; *p;) {
        const char *end = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;
        char name[128];
        size_t n = end ? (size_t)(end - p) - 2 : 0;
        if (!end || n >= sizeof(name)) {
            kn_buf_putc(out, *p++);
            continue;
        }
        memcpy(name, p + 2, n);
        name[n] = '\0';
        json_t *value = value_of(callback, call, info, name);
        value_add(out, callback, value, p > callback->body && p[-1] == '"');
        json_decref(value);
        p = end + 1;
    }
}

/* ---- the call ---- */

static kn_code failed(struct kn_error *err, const char *url, const char *why)
{
    return kn_fail_as(err, KN_EINVAL, "CallbackFailed", "Error status : %s. The callback to '%.200s' "
                      "failed; the object is stored", why, url);
}

// KN_OK when the application answered 200 with JSON.
static kn_code url_call(const struct kn_oss_callback *callback, struct kn_oss_call *call,
                        const char *url, const struct kn_buf *body,
                        struct kn_http_exchange *exchange, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf type = {0}, host = {0}, bucket = {0}, id = {0};
    kn_buf_printf(&type, "Content-Type: %s", callback->type);
    kn_buf_printf(&host, "Host: %s", callback->host ? callback->host : "");
    kn_buf_printf(&bucket, "x-oss-bucket: %s", call->bucket);
    kn_buf_printf(&id, "x-oss-request-id: %s", call->request_id);
    const char *headers[] = {kn_buf_text(&type), kn_buf_text(&bucket), kn_buf_text(&id),
                             callback->host ? kn_buf_text(&host) : NULL, NULL};
    *exchange = (struct kn_http_exchange){.method = "POST", .url = url, .headers = headers,
                                          .body = body->data, .n_body = body->len,
                                          .timeout_us = TIMEOUT_US, .max_body = MAX_ANSWER_BYTES};
    struct kn_error why = {0};
    kn_code rc = kn_http_do(call->oss->config.client, exchange, &why);
    exchange->headers = NULL; // ours end here
    if (rc != KN_OK)
        return failed(err, url, why.message);
    char status[16];
    (void)snprintf(status, sizeof(status), "%d", exchange->status);
    if (exchange->status != 200)
        return failed(err, url, status);
    json_auto_t *answer = NULL;
    if (kn_json_parse(&answer, kn_buf_text(&exchange->answer), exchange->answer.len, "answer",
                      NULL) != KN_OK)
        return failed(err, url, "200, and the response body is not valid json format");
    return KN_OK;
}

kn_code kn_oss_callback_make(const struct kn_oss_callback *callback, struct kn_oss_call *call,
                             const struct kn_object_info *info, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf body = {0};
    body_make(&body, callback, call, info);
    if (!kn_buf_ok(&body))
        return failed(err, callback->urls[0], "no memory");
    kn_code rc = KN_EINVAL;
    for (size_t i = 0; i < callback->n_urls && rc != KN_OK; i++) {
        kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {0};
        rc = url_call(callback, call, callback->urls[i], &body, &exchange, err);
        if (rc != KN_OK)
            continue;
        kn_oss_set_common(call);
        kn_http_set(call->request, "Content-Type", "application/json");
        call->bytes_out += (int64_t)exchange.answer.len;
        kn_http_reply(call->request, 200, kn_buf_text(&exchange.answer), exchange.answer.len);
    }
    return rc;
}
