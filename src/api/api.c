/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One request's way: the loop thread collects the body, verifies the signature and looks up the
 * operation. What only reads, from a database in this process, is served there and then: it takes less
 * time than a change of threads. All else, and large bodies, goes to the pool.
 */
#include "api/api.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer_xml.h"
#include "api/authenticate.h"
#include "api/call.h"
#include "api/check.h"
#include "api/observe.h"
#include "api/wire_error.h"
#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/time.h"

// Hashing and decoding a body of this size takes about a millisecond: more is not for a loop thread.
#define INLINE_BODY_BYTES (256 * 1024)

/*
 * Calls handed to the pool. The HTTP layer knows the request alone: when it refuses to run it (pool
 * full), kn_api_on_error() finds the call here.
 */
struct kn_api_calls {
    pthread_mutex_t lock;
    // --- protected by lock
    struct entry {
        struct kn_call *call;
        struct entry *next;
    } *first;
};

/* ---- the life of a call ---- */

static struct kn_call *call_new(struct kn_api *api, struct kn_http_request *request)
{
    struct kn_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    call->api = api;
    call->began_us = kn_mono_us();
    call->request = request;
    kn_id_uuid(call->request_id);
    call->answer = json_object();
    kn_put_text(call->answer, "RequestId", call->request_id);
    return call;
}

static void call_free(struct kn_call **address)
{
    struct kn_call *call = *address;
    *address = NULL;
    if (!call)
        return;
    json_decref(call->params);
    json_decref(call->args);
    json_decref(call->answer);
    kn_buf_clear(&call->string_to_sign);
    kn_buf_clear(&call->canonical_request);
    kn_arena_clear(&call->arena);
    free(call);
}

/*
 * Put a call on the list. Who sent a large body is not known yet (call->key is empty): those share one
 * place among the callers.
 */
static kn_code calls_add(struct kn_api_calls *calls, struct kn_call *call, int max_per_key,
                         struct kn_error *err)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return kn_fail(err, KN_ENOMEM, "no memory to hand the call over");
    entry->call = call;
    int n_waiting = 0;
    pthread_mutex_lock(&calls->lock);
    for (const struct entry *at = calls->first; at; at = at->next)
        n_waiting += strcmp(at->call->key.id, call->key.id) == 0;
    bool has_room = n_waiting < max_per_key;
    if (has_room) {
        entry->next = calls->first;
        calls->first = entry;
    }
    pthread_mutex_unlock(&calls->lock);
    if (has_room)
        return KN_OK;
    free(entry);
    return kn_fail_as(err, KN_ELIMIT, "Throttling.User", "%d calls of this key wait already",
                      n_waiting);
}

/* Take the call of a request off the list: whoever gets it replies. NULL when it is not there. */
static struct kn_call *calls_take(struct kn_api_calls *calls, const struct kn_http_request *request)
{
    struct kn_call *call = NULL;
    struct entry *found = NULL;
    pthread_mutex_lock(&calls->lock);
    for (struct entry **at = &calls->first; *at; at = &(*at)->next) {
        if ((*at)->call->request == request) {
            found = *at;
            *at = found->next;
            break;
        }
    }
    pthread_mutex_unlock(&calls->lock);
    if (found)
        call = found->call;
    free(found);
    return call;
}

/* ---- answering ---- */

static void trace_id_set(struct kn_http_request *request, const char *request_id)
{
    char trace_id[KN_ID_SIZE];
    kn_id_hex(trace_id);
    kn_http_set(request, "x-acs-request-id", request_id);
    kn_http_set(request, "x-acs-trace-id", trace_id);
}

static void reply_json(struct kn_http_request *request, int status, const json_t *body)
{
    kn_auto(kn_free) char *text = kn_json_text(body);
    // Without memory for the body: the client must still see that this was no success.
    static const char no_memory[] = "{\"Code\":\"ServiceUnavailable\"}";
    kn_http_set(request, "Content-Type", "application/json;charset=utf-8");
    if (text)
        kn_http_reply(request, status, text, strlen(text));
    else
        kn_http_reply(request, 503, no_memory, sizeof(no_memory) - 1);
}

static void answer_success(struct kn_call *call)
{
    kn_observer_count(call->api->observer, call->operation, NULL, kn_mono_us() - call->began_us);
    trace_id_set(call->request, call->request_id);
    if (!call->wants_xml) {
        reply_json(call->request, 200, call->answer);
        return;
    }
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_answer_xml(&xml, call->operation->name, call->answer);
    kn_http_set(call->request, "Content-Type", "text/xml;charset=utf-8");
    kn_http_reply(call->request, 200, kn_buf_text(&xml), xml.len);
}

/* What the caller's signature should have signed, appended to the vendor's sentence. */
static void message_put(json_t *body, const struct kn_call *call, const struct kn_wire_error *wire)
{
    bool shows_text =
        call && call->string_to_sign.len > 0 && !call->api->config.hides_string_to_sign;
    kn_auto(kn_buf_clear) struct kn_buf message = {0};
    kn_buf_puts(&message, wire->message);
    if (shows_text) // a megabyte, if the request was
        kn_buf_printf(&message, " server string to sign is:%s", kn_buf_text(&call->string_to_sign));
    (void)json_object_set_new(body, "Message", json_string(kn_buf_text(&message)));
    const char *detail = wire->detail;
    if (shows_text && call->canonical_request.len > 0)
        detail = kn_buf_text(&call->canonical_request);
    kn_put_text(body, "Description", detail);
}

static void answer_error(const struct kn_api *api, struct kn_http_request *request,
                         const struct kn_call *call, const struct kn_error *err)
{
    struct kn_wire_error wire;
    kn_wire_error_of_product(&wire, call && call->operation ? call->operation->product : "", err);
    kn_observer_count(api->observer, call ? call->operation : NULL, &wire,
                      call ? kn_mono_us() - call->began_us : 0);
    char fresh_id[37];
    if (!call)
        kn_id_uuid(fresh_id);
    const char *request_id = call ? call->request_id : fresh_id;
    const char *host = kn_http_header(request, "host");
    json_auto_t *body = json_object();
    kn_put_text(body, "RequestId", request_id);
    (void)json_object_set_new(body, "HostId", json_string(host ? host : ""));
    kn_put_text(body, "Code", wire.code);
    message_put(body, call, &wire);
    if (api->config.help_url)
        (void)json_object_set_new(body, "Recommend",
                                  json_sprintf("%s?code=%s", api->config.help_url, wire.code));
    if (wire.retry_after_ms > 0)
        kn_http_setf(request, "x-acs-retry-after", "%d", wire.retry_after_ms);
    trace_id_set(request, request_id);
    if (!call || !call->has_asked_xml) {
        reply_json(request, wire.status, body);
        return;
    }
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_error_xml(&xml, body);
    // Exactly this text: the SDKs compare it byte for byte (spec 01, 8.2).
    kn_http_set(request, "Content-Type", "text/xml;charset=utf-8");
    kn_http_reply(request, wire.status, kn_buf_text(&xml), xml.len);
}

/* The one place where a failed call is told to the operator. */
static void failure_log(const struct kn_call *call, const struct kn_error *err)
{
    struct kn_log log = kn_log_with(NULL, "request", call->request_id);
    if (call->operation)
        log = kn_log_with(&log, "action", call->operation->name);
    bool is_ours = err->code == KN_EBUG || err->code == KN_EIO || err->code == KN_ENOMEM;
    KN_LOG_AT(&log, is_ours ? KN_LOG_ERROR : KN_LOG_DEBUG, "call refused: %s", err->message);
}

static void call_end(struct kn_call *call, kn_code rc, const struct kn_error *err)
{
    if (rc == KN_OK) {
        answer_success(call);
    } else {
        failure_log(call, err);
        answer_error(call->api, call->request, call, err);
    }
    call_free(&call);
}

/* ---- doing ---- */

static kn_code call_serve(struct kn_call *call, struct kn_error *err)
{
    kn_code rc = KN_OK;
    if (!call->operation->keeps_nonce)
        rc = kn_authenticate_nonce(call, err);
    if (rc == KN_OK)
        rc = kn_authorize(call, err);
    if (rc == KN_OK)
        rc = kn_check_parameters(&call->args, call->operation, call->params, err);
    if (rc == KN_OK)
        rc = call->operation->handler(call, err);
    return rc;
}

static void call_serve_on_pool(struct kn_http_request *request, void *context)
{
    struct kn_api *api = context;
    struct kn_call *call = calls_take(api->calls, request);
    if (!call)
        return; // kn_api_on_error() has replied
    struct kn_error err = {0};
    kn_code rc = KN_OK;
    if (!call->operation)
        rc = kn_authenticate(call, &err);
    if (rc == KN_OK)
        rc = call_serve(call, &err);
    call_end(call, rc, &err);
}

static void call_hand_over(struct kn_call *call)
{
    struct kn_error err = {0};
    struct kn_api *api = call->api;
    kn_code rc = calls_add(api->calls, call, api->config.max_waiting_per_key, &err);
    if (rc != KN_OK) {
        call_end(call, rc, &err);
        return;
    }
    kn_http_run(call->request, call_serve_on_pool, call->api);
}

static bool may_serve_here(const struct kn_call *call)
{
    const struct kn_api_config *config = &call->api->config;
    return !call->operation->changes && !kn_db_is_postgres(config->db) &&
           kn_store_is_local(config->store);
}

static void body_collected(struct kn_http_request *request, void *context)
{
    struct kn_error err = {0};
    struct kn_call *call = call_new(context, request);
    if (!call) {
        (void)kn_fail(&err, KN_ENOMEM, "no memory for the call");
        answer_error(context, request, NULL, &err);
        return;
    }
    const struct kn_buf *body = kn_http_body(request);
    if (body && body->len > INLINE_BODY_BYTES) {
        call_hand_over(call);
        return;
    }
    kn_code rc = kn_authenticate(call, &err);
    if (rc == KN_OK && !may_serve_here(call)) {
        call_hand_over(call);
        return;
    }
    if (rc == KN_OK)
        rc = call_serve(call, &err);
    call_end(call, rc, &err);
}

void kn_api_handle(struct kn_http_request *request, void *api)
{
    const char *method = kn_http_method(request);
    if (strcmp(method, "GET") != 0 && strcmp(method, "POST") != 0) {
        struct kn_error err = {0};
        (void)kn_fail_as(&err, KN_EINVAL, "UnsupportedHTTPMethod", "the method is '%s'", method);
        answer_error(api, request, NULL, &err);
        return;
    }
    kn_http_collect(request, KN_MAX_FORM_BYTES, body_collected, api);
}

void kn_api_on_error(struct kn_http_request *request, int status, const char *message, void *context)
{
    struct kn_api *api = context;
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {400, "BadRequest"},      {408, "RequestTimeout"},         {413, "RequestTooLarge"},
        {414, "RequestUriTooLong"}, {431, "RequestHeadersTooLarge"}, {503, "Throttling"},
    };
    struct kn_error err = {0};
    (void)kn_fail(&err, KN_EBUG, "%s", message ? message : "");
    for (size_t i = 0; i < KN_COUNT(reasons); i++) {
        if (reasons[i].status == status)
            (void)kn_copy(err.reason, sizeof(err.reason), reasons[i].reason);
    }
    struct kn_call *call = calls_take(api->calls, request);
    answer_error(api, request, call, &err);
    call_free(&call);
}

/* ---- the front ---- */

static bool texts_dup(struct kn_api_config *own, const struct kn_api_config *config)
{
    size_t n = 0;
    while (config->oss_hosts && config->oss_hosts[n])
        n++;
    char **hosts = calloc(n + 1, sizeof(*hosts));
    own->account_id = strdup(config->account_id);
    own->region = strdup(config->region);
    own->help_url = config->help_url ? strdup(config->help_url) : NULL;
    own->oss_hosts = (const char *const *)hosts;
    bool is_whole = hosts && own->account_id && own->region && (!config->help_url || own->help_url);
    for (size_t i = 0; hosts && i < n; i++) {
        hosts[i] = strdup(config->oss_hosts[i]);
        is_whole = is_whole && hosts[i];
    }
    return is_whole;
}

kn_code kn_api_new(struct kn_api **out, const struct kn_api_config *config, struct kn_error *err)
{
    *out = NULL;
    kn_auto(kn_api_free) struct kn_api *api = calloc(1, sizeof(*api));
    if (!api)
        return kn_fail(err, KN_ENOMEM, "no memory for the API");
    api->config = *config;
    api->started_us = kn_now_us();
    if (api->config.max_waiting_per_key == 0)
        api->config.max_waiting_per_key = KN_MAX_WAITING_PER_KEY;
    if (api->config.max_queued_jobs == 0)
        api->config.max_queued_jobs = KN_MAX_QUEUED_JOBS;
    api->calls = calloc(1, sizeof(*api->calls));
    bool has_texts = texts_dup(&api->config, config);
    if (!api->calls || !has_texts)
        return kn_fail(err, KN_ENOMEM, "no memory for the API");
    kn_code rc = kn_observer_new(&api->observer, config->jobs, err);
    if (rc != KN_OK)
        return rc;
    pthread_mutex_init(&api->calls->lock, NULL);
    *out = KN_TAKE(api);
    return KN_OK;
}

void kn_api_free(struct kn_api **address)
{
    struct kn_api *api = *address;
    *address = NULL;
    if (!api)
        return;
    free((void *)api->config.account_id);
    free((void *)api->config.region);
    free((void *)api->config.help_url);
    for (size_t i = 0; api->config.oss_hosts && api->config.oss_hosts[i]; i++)
        free((void *)api->config.oss_hosts[i]);
    free((void *)api->config.oss_hosts);
    kn_observer_free(&api->observer);
    free(api->calls);
    free(api);
}
