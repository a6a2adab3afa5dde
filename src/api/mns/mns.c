/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A request's way through the dialect: collect its body, read its address, verify its signature, find
 * the operation, reply; or park it until a message may be there.
 *
 *     loop thread ─collect─> pool thread: run ──reply
 *                                ^       └─wants_wait─> parked ─wake─┐
 *                                └───────────────────────────────────┘
 */
#include "api/mns/mns.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api/mns/call.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/strings.h"
#include "base/time.h"
#include "queues/waiting.h"

// A receiver that keeps meeting sends which others were quicker to take gets in line all the same.
#define MAX_LOOKS 3

/* ---- operations ---- */

static const struct operation {
    const char *name, *method, *kind;
    bool has_name;
    const char *part; // NULL: the queue or topic itself
    bool has_part_name;
    const char *flag; // a query parameter that must be "true"; NULL: none
    enum kn_role role;
    kn_code (*run)(struct kn_mns_call *call, struct kn_error *err);
} operations[] = {
    {"ListQueue", "GET", "queues", false, NULL, false, NULL, KN_ROLE_READ, kn_mns_list_queue},
    {"PutQueue", "PUT", "queues", true, NULL, false, NULL, KN_ROLE_ADMIN, kn_mns_put_queue},
    {"GetQueueAttributes", "GET", "queues", true, NULL, false, NULL, KN_ROLE_READ, kn_mns_get_queue},
    {"DeleteQueue", "DELETE", "queues", true, NULL, false, NULL, KN_ROLE_ADMIN, kn_mns_delete_queue},
    {"SendMessage", "POST", "queues", true, "messages", false, NULL, KN_ROLE_OPERATE, kn_mns_send},
    {"PeekMessage", "GET", "queues", true, "messages", false, "peekonly", KN_ROLE_READ, kn_mns_peek},
    {"ReceiveMessage", "GET", "queues", true, "messages", false, NULL, KN_ROLE_OPERATE,
     kn_mns_receive},
    {"ChangeMessageVisibility", "PUT", "queues", true, "messages", false, NULL, KN_ROLE_OPERATE,
     kn_mns_hide},
    {"DeleteMessage", "DELETE", "queues", true, "messages", false, NULL, KN_ROLE_OPERATE,
     kn_mns_delete},
    {"ListTopic", "GET", "topics", false, NULL, false, NULL, KN_ROLE_READ, kn_mns_list_topic},
    {"PutTopic", "PUT", "topics", true, NULL, false, NULL, KN_ROLE_ADMIN, kn_mns_put_topic},
    {"GetTopicAttributes", "GET", "topics", true, NULL, false, NULL, KN_ROLE_READ, kn_mns_get_topic},
    {"DeleteTopic", "DELETE", "topics", true, NULL, false, NULL, KN_ROLE_ADMIN, kn_mns_delete_topic},
    {"PublishMessage", "POST", "topics", true, "messages", false, NULL, KN_ROLE_OPERATE,
     kn_mns_publish},
    {"ListSubscriptionByTopic", "GET", "topics", true, "subscriptions", false, NULL, KN_ROLE_READ,
     kn_mns_list_subscription},
    {"Subscribe", "PUT", "topics", true, "subscriptions", true, NULL, KN_ROLE_ADMIN,
     kn_mns_put_subscription},
    {"GetSubscriptionAttributes", "GET", "topics", true, "subscriptions", true, NULL, KN_ROLE_READ,
     kn_mns_get_subscription},
    {"Unsubscribe", "DELETE", "topics", true, "subscriptions", true, NULL, KN_ROLE_ADMIN,
     kn_mns_unsubscribe},
};
_Static_assert(KN_COUNT(operations) <= KN_MNS_MAX_OPERATIONS, "the counters have a place for each");

static bool operation_fits(const struct operation *operation, const struct kn_mns_call *call)
{
    const char *flag = operation->flag ? kn_mns_param(call, operation->flag) : "true";
    return strcmp(operation->method, call->method) == 0 && strcmp(operation->kind, call->kind) == 0 &&
           operation->has_name == (call->name != NULL) && kn_equal(operation->part, call->part) &&
           operation->has_part_name == (call->part_name != NULL) && flag &&
           kn_equal_nocase(flag, "true");
}

static kn_code operation_find(struct kn_mns_call *call, struct kn_error *err)
{
    for (size_t i = 0; i < KN_COUNT(operations); i++) {
        if (operation_fits(&operations[i], call)) {
            call->operation = i;
            return KN_OK;
        }
    }
    return kn_fail_as(err, KN_EINVAL, "InvalidRequestURL",
                      "Http request URL is invalid: there is no %s of %s.", call->method, call->path);
}

/* ---- the dialect ---- */

static void counters_make(struct kn_mns *mns)
{
    for (size_t i = 0; i <= KN_MNS_MAX_OPERATIONS; i++) {
        if (i >= KN_COUNT(operations) && i < KN_MNS_MAX_OPERATIONS)
            continue;
        for (int is_refused = 0; is_refused < 2; is_refused++) {
            char labels[96];
            (void)snprintf(labels, sizeof(labels), "action=\"%s\",outcome=\"%s\"",
                           i < KN_COUNT(operations) ? operations[i].name : "",
                           is_refused ? "refused" : "ok");
            mns->counters[i][is_refused] = kn_metric_counter(
                "kinora_mns_calls_total", labels, "Calls of the MNS dialect, by operation and outcome");
        }
    }
}

kn_code kn_mns_new(struct kn_mns **out, const struct kn_mns_config *config, struct kn_error *err)
{
    struct kn_mns *mns = calloc(1, sizeof(*mns));
    if (!mns)
        return kn_fail(err, KN_ENOMEM, "no memory for the queues' front");
    pthread_mutex_init(&mns->lock, NULL);
    mns->config = *config;
    const char *public_url = config->public_url ? config->public_url : "";
    mns->config.public_url = kn_arena_strdup(&mns->arena, public_url);
    mns->config.account_id = kn_arena_strdup(&mns->arena, config->account_id);
    mns->config.certificate = kn_arena_strdup(&mns->arena, config->certificate);
    if (!mns->config.public_url || !mns->config.account_id) {
        kn_mns_free(&mns);
        return kn_fail(err, KN_ENOMEM, "no memory for the queues' front");
    }
    counters_make(mns);
    *out = mns;
    return KN_OK;
}

void kn_mns_free(struct kn_mns **mns)
{
    if (!*mns)
        return;
    kn_arena_clear(&(*mns)->arena);
    pthread_mutex_destroy(&(*mns)->lock);
    free(*mns);
    *mns = NULL;
}

void kn_mns_drain(struct kn_mns *mns)
{
    kn_waiting_drain(mns->config.queues);
}

int64_t kn_mns_now(const struct kn_mns *mns)
{
    return mns->config.now_us ? mns->config.now_us(mns->config.now_context) : kn_now_us();
}

/* ---- query and headers ---- */

const char *kn_mns_param(const struct kn_mns_call *call, const char *name)
{
    for (size_t i = 0; i < call->n_params; i++)
        if (kn_equal_nocase(call->params[i].name, name))
            return call->params[i].value;
    return NULL;
}

static kn_code number_read(const char *name, const char *text, int64_t min, int64_t max,
                           int64_t otherwise, int64_t *out, struct kn_error *err)
{
    *out = otherwise;
    if (!text || text[0] == '\0' || kn_parse_int(text, min, max, out))
        return KN_OK;
    return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "The value of %s should between %lld and %lld.",
                      name, (long long)min, (long long)max);
}

kn_code kn_mns_param_int(const struct kn_mns_call *call, const char *name, int64_t min, int64_t max,
                         int64_t otherwise, int64_t *out, struct kn_error *err)
{
    return number_read(name, kn_mns_param(call, name), min, max, otherwise, out, err);
}

kn_code kn_mns_page(const struct kn_mns_call *call, struct kn_name_page *out, struct kn_error *err)
{
    const char *marker = kn_http_header(call->request, "x-mns-marker");
    const char *prefix = kn_http_header(call->request, "x-mns-prefix");
    int64_t limit;
    kn_code rc = number_read("x-mns-ret-number", kn_http_header(call->request, "x-mns-ret-number"), 1,
                             1000, 1000, &limit, err);
    if (rc != KN_OK)
        return rc;
    *out = (struct kn_name_page){.marker = marker ? marker : "", .prefix = prefix ? prefix : "",
                                 .limit = (int)limit};
    if (!kn_is_utf8(out->marker, strlen(out->marker)) || !kn_is_utf8(out->prefix, strlen(out->prefix)))
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "the marker or prefix is not a name");
    return KN_OK;
}

static kn_code query_read(struct kn_mns_call *call, struct kn_error *err)
{
    kn_code rc = kn_pairs_read(&call->params, &call->n_params, &call->arena, kn_http_query(call->request), err);
    return rc == KN_EINVAL ? kn_fail_as(err, KN_EINVAL, "InvalidQueryString",
                                        "Http request contains invalid query string.")
                           : rc;
}

/* ---- the address ---- */

static bool name_is_valid(const char *name)
{
    if (!isalnum((unsigned char)name[0]))
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
            return false;
    return true;
}

static kn_code name_check(const char *name, const char *kind, struct kn_error *err)
{
    static const struct {
        const char *kind, *invalid, *length;
    } words[] = {
        {"queues", "InvalidQueueName", "QueueNameLengthError"},
        {"topics", "TopicNameInvalid", "TopicNameLengthError"},
        {"subscriptions", "SubscriptionNameInvalid", "SubscriptionNameLengthError"},
    };
    for (size_t i = 0; i < KN_COUNT(words) && name; i++) {
        if (strcmp(words[i].kind, kind) != 0)
            continue;
        if (strlen(name) >= KN_QUEUE_NAME_SIZE)
            return kn_fail_as(err, KN_EINVAL, words[i].length, "a name has at most %d characters",
                              KN_QUEUE_NAME_SIZE - 1);
        if (!name_is_valid(name))
            return kn_fail_as(err, KN_EINVAL, words[i].invalid,
                              "a name begins with a letter or digit, and has letters, digits and '-'");
    }
    return KN_OK;
}

static kn_code address_read(struct kn_mns_call *call, struct kn_error *err)
{
    const char *path = kn_http_path(call->request);
    while (path[0] == '/' && path[1] == '/')
        path++;
    call->path = path;
    const char *parts[5] = {0};
    size_t n = 0;
    for (const char *p = path + (path[0] == '/'); *p && n < KN_COUNT(parts);) {
        size_t n_part = strcspn(p, "/");
        parts[n] = kn_text_decoded(&call->arena, p, n_part);
        if (!parts[n++])
            break;
        p += n_part + (p[n_part] == '/');
    }
    bool is_whole = n < KN_COUNT(parts) && (n == 0 || parts[n - 1]);
    if (!is_whole)
        return kn_fail_as(err, KN_EINVAL, "InvalidRequestURL", "Http request URL is invalid.");
    call->kind = parts[0] ? parts[0] : "";
    call->name = parts[1];
    call->part = parts[2];
    call->part_name = parts[3];
    return KN_OK;
}

/* ---- serving ---- */

static kn_code call_begin(struct kn_mns_call *call, struct kn_error *err)
{
    kn_code rc = address_read(call, err);
    if (rc == KN_OK)
        rc = query_read(call, err);
    if (rc == KN_OK)
        rc = kn_mns_authenticate(call, err);
    if (rc == KN_OK)
        rc = operation_find(call, err);
    if (rc != KN_OK)
        return rc;
    // A key that is narrowed to a bucket was given away for that alone.
    if (call->who.role < operations[call->operation].role || call->who.bucket_prefix[0])
        return kn_fail_as(err, KN_EINVAL, "AccessDenied",
                          "The OwnerId that your Access Key Id associated to is forbidden for this"
                          " operation.");
    rc = name_check(call->name, call->kind, err);
    return rc == KN_OK && call->part ? name_check(call->part_name, call->part, err) : rc;
}

static struct kn_mns_call *call_new(struct kn_mns *mns, struct kn_http_request *request)
{
    struct kn_mns_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    *call = (struct kn_mns_call){.mns = mns, .request = request, .kind = "", .path = "",
                                 .operation = KN_MNS_MAX_OPERATIONS};
    uint8_t random[12];
    kn_random(random, sizeof(random));
    kn_hex_upper(call->request_id, random, sizeof(random));
    call->method = kn_arena_strdup(&call->arena, kn_http_method(request));
    if (!call->method)
        call->method = "";
    return call;
}

static void call_free(struct kn_mns_call **call)
{
    if (!*call)
        return;
    kn_arena_clear(&(*call)->arena);
    free(*call);
    *call = NULL;
}

// Strangers' guesses at names are nobody's usage.
static void call_end(struct kn_mns_call **call_at, const struct kn_error *err)
{
    struct kn_mns_call *call = *call_at;
    bool is_refused = err->code != KN_OK;
    kn_metric_add(call->mns->counters[call->operation][is_refused], 1);
    if (call->operation < KN_COUNT(operations) && call->name && err->code != KN_EINVAL &&
        !kn_equal(err->reason, "QueueNotExist") && !kn_equal(err->reason, "TopicNotExist"))
        kn_queues_usage_add(call->mns->config.queues,
                            strcmp(call->kind, "queues") == 0 ? "queue" : "topic", call->name);
    if (is_refused) {
        if (err->code != KN_EINVAL && err->code != KN_ENOTFOUND && err->code != KN_ECONFLICT)
            KN_WARN(NULL, "%s %s: %s", call->method, call->path, err->message);
        kn_mns_reply_error(call, err);
    }
    call_free(call_at);
}

static void on_wake(void *context);

static void park(struct kn_mns_call *call)
{
    pthread_mutex_lock(&call->mns->lock);
    call->previous = NULL;
    call->next = call->mns->parked;
    if (call->next)
        call->next->previous = call;
    call->mns->parked = call;
    pthread_mutex_unlock(&call->mns->lock);
}

static void unpark(struct kn_mns_call *call)
{
    pthread_mutex_lock(&call->mns->lock);
    if (call->previous)
        call->previous->next = call->next;
    else
        call->mns->parked = call->next;
    if (call->next)
        call->next->previous = call->previous;
    pthread_mutex_unlock(&call->mns->lock);
}

// Whether the call is in line; from then on it belongs to whoever wakes it.
static bool wait_begin(struct kn_mns_call *call, bool *out_is_over)
{
    struct kn_queues *queues = call->mns->config.queues;
    if (++call->n_looks >= MAX_LOOKS)
        call->ticket = kn_waiting_ticket(queues, call->name);
    park(call);
    if (kn_waiting_add(queues, call->name, call->ticket, call->deadline_us, on_wake, call,
                       out_is_over))
        return true;
    unpark(call);
    return false;
}

static void call_run(struct kn_mns_call *call)
{
    struct kn_error err = {0};
    for (;;) {
        bool is_over = false;
        call->wants_wait = false;
        kn_code rc = operations[call->operation].run(call, &err);
        if (rc == KN_OK)
            err = (struct kn_error){0}; // it has replied, or waits: what was tried on the way does not count
        if (rc != KN_OK || !call->wants_wait)
            break;
        if (wait_begin(call, &is_over))
            return;
        if (is_over) {
            (void)kn_fail_as(&err, KN_ENOTFOUND, "MessageNotExist", "Message not exist.");
            break;
        }
    }
    call_end(&call, &err);
}

static void run_again(struct kn_http_request *request, void *context)
{
    struct kn_mns_call *call = context;
    (void)request;
    unpark(call);
    if (kn_http_is_gone(call->request)) {
        struct kn_error err = {0}; // nobody would get the message
        (void)kn_fail_as(&err, KN_ENOTFOUND, "MessageNotExist", "Message not exist.");
        call_end(&call, &err);
        return;
    }
    call->n_looks = 0;
    call_run(call);
}

// When the pool is full, kn_mns_on_error() finds the call among the parked.
static void on_wake(void *context)
{
    struct kn_mns_call *call = context;
    kn_http_run(call->request, run_again, call);
}

static void run_on_pool(struct kn_http_request *request, void *context)
{
    struct kn_mns_call *call = call_new(context, request);
    struct kn_error err = {0};
    if (!call) {
        kn_http_reply(request, 503, NULL, 0);
        return;
    }
    if (call_begin(call, &err) == KN_OK)
        call_run(call);
    else
        call_end(&call, &err);
}

static void on_body(struct kn_http_request *request, void *context)
{
    kn_http_run(request, run_on_pool, context);
}

// For receivers of pushes, who have no key here.
static void reply_certificate(struct kn_http_request *request, const char *pem)
{
    kn_http_set(request, "Content-Type", "application/x-pem-file");
    kn_http_reply(request, 200, pem, strlen(pem));
}

void kn_mns_handle(struct kn_http_request *request, void *context)
{
    const struct kn_mns *mns = context;
    if (mns->config.certificate && strcmp(kn_http_path(request), KN_MNS_CERTIFICATE_PATH) == 0 &&
        strcmp(kn_http_method(request), "GET") == 0) {
        reply_certificate(request, mns->config.certificate);
        return;
    }
    kn_http_collect(request, KN_MAX_XML_BYTES, on_body, context);
}

static struct kn_mns_call *parked_take(struct kn_mns *mns, const struct kn_http_request *request)
{
    pthread_mutex_lock(&mns->lock);
    struct kn_mns_call *call = mns->parked;
    while (call && call->request != request)
        call = call->next;
    pthread_mutex_unlock(&mns->lock);
    if (call)
        unpark(call);
    return call;
}

void kn_mns_on_error(struct kn_http_request *request, int status, const char *message,
                     void *context)
{
    struct kn_mns *mns = context;
    struct kn_mns_call *call = status == 503 ? parked_take(mns, request) : NULL;
    if (!call)
        call = call_new(mns, request);
    if (!call) {
        kn_http_reply(request, status, NULL, 0);
        return;
    }
    struct kn_error err = {0};
    const char *reason = status == 408   ? "RequestTimeout"
                         : status == 503 ? "ServiceUnavailable"
                         : status < 500  ? "InvalidArgument"
                                         : "";
    (void)kn_fail_as(&err, status < 500 ? KN_EINVAL : KN_ELIMIT, reason, "%s", message);
    kn_mns_reply_error(call, &err);
    call_free(&call);
}
