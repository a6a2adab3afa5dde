/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A request's way through the dialect: read its address and query, verify its signature, find the
 * operation, reply. One address can be read in two ways (spec 09, section 1, rule 4); the signature
 * decides between them.
 */
#include "api/oss/oss.h"

#include <arpa/inet.h>
#include <string.h>

#include "api/oss/call.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"
#include "base/uri.h"

/* ---- the dialect ---- */

kn_code kn_oss_new(struct kn_oss **out, const struct kn_oss_config *config, struct kn_error *err)
{
    kn_auto(kn_oss_free) struct kn_oss *oss = calloc(1, sizeof(*oss));
    if (!oss)
        return kn_fail(err, KN_ENOMEM, "no memory for the object store's front");
    struct kn_arena *arena = &oss->arena;
    oss->config = *config;
    oss->config.public_url = kn_arena_strdup(arena, config->public_url ? config->public_url : "");
    oss->config.region = kn_arena_strdup(arena, config->region);
    oss->config.account_id = kn_arena_strdup(arena, config->account_id);
    size_t n = 0;
    while (config->hosts && config->hosts[n])
        n++;
    const char **hosts = kn_arena_array(arena, n + 1, sizeof(*hosts));
    for (size_t i = 0; hosts && i < n; i++)
        hosts[i] = kn_arena_strdup(arena, config->hosts[i]);
    oss->config.hosts = hosts;
    if (!hosts || !oss->config.public_url || !oss->config.region || !oss->config.account_id)
        return kn_fail(err, KN_ENOMEM, "no memory for the object store's front");
    *out = KN_TAKE(oss);
    return KN_OK;
}

void kn_oss_free(struct kn_oss **oss)
{
    if (!*oss)
        return;
    kn_arena_clear(&(*oss)->arena);
    free(*oss);
    *oss = NULL;
}

int64_t kn_oss_now(const struct kn_oss *oss)
{
    return oss->config.now_us ? oss->config.now_us(oss->config.now_context) : kn_now_us();
}

/* ---- query and headers ---- */

const char *kn_oss_param(const struct kn_oss_call *call, const char *name)
{
    for (size_t i = 0; i < call->n_params; i++)
        if (strcmp(call->params[i].name, name) == 0)
            return call->params[i].value;
    return NULL;
}

kn_code kn_oss_param_int(const struct kn_oss_call *call, const char *name, int64_t min, int64_t max,
                         int64_t otherwise, int64_t *out, struct kn_error *err)
{
    const char *text = kn_oss_param(call, name);
    *out = otherwise;
    if (!text || text[0] == '\0' || kn_parse_int(text, min, max, out))
        return KN_OK;
    return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "argument %s is not in [%lld, %lld]: '%s'",
                      name, (long long)min, (long long)max, text);
}

const char *kn_oss_header(const struct kn_oss_call *call, const char *name)
{
    static const char *const prefixes[] = {"x-oss-", "x-amz-"};
    for (size_t i = 0; i < KN_COUNT(prefixes); i++) {
        char full[128];
        (void)snprintf(full, sizeof(full), "%s%s", prefixes[i], name);
        const char *value = kn_http_header(call->request, full);
        if (value)
            return value;
    }
    return NULL;
}

/* ---- the address ---- */

static bool is_service_host(const struct kn_oss *oss, const char *host)
{
    struct in_addr ip4;
    struct in6_addr ip6;
    if (host[0] == '\0' || host[0] == '.' || host[0] == '[' || strcmp(host, "localhost") == 0 ||
        inet_pton(AF_INET, host, &ip4) == 1 || inet_pton(AF_INET6, host, &ip6) == 1)
        return true;
    for (size_t i = 0; oss->config.hosts[i]; i++)
        if (kn_equal_nocase(host, oss->config.hosts[i]))
            return true;
    return kn_starts_with(host, "oss-") && kn_ends_with(host, ".aliyuncs.com");
}

static bool is_service_suffix(const struct kn_oss *oss, const char *rest)
{
    return is_service_host(oss, rest) || kn_ends_with(rest, ".aliyuncs.com") ||
           kn_ends_with(rest, ".localhost");
}

static void path_split(struct kn_oss_call *call, const char *path, const char **bucket,
                       const char **key)
{
    const char *slash = strchr(path, '/');
    *bucket = *path ? kn_arena_strndup(&call->arena, path, slash ? (size_t)(slash - path)
                                                                  : strlen(path))
                    : NULL;
    *key = slash ? slash + 1 : "";
}

static kn_code address_read(struct kn_oss_call *call, struct kn_error *err)
{
    const char *raw = kn_http_path(call->request);
    const char *path = kn_text_decoded(&call->arena, raw, strlen(raw));
    if (!path || path[0] != '/')
        return kn_fail_as(err, KN_EINVAL, "InvalidObjectName", "the path is malformed");
    path++;
    const char *header = kn_http_header(call->request, "Host");
    char host[300];
    kn_copy(host, sizeof(host), header ? header : "");
    kn_lower(host);
    char *colon = strrchr(host, ':');
    if (colon && !strchr(colon, ']'))
        *colon = '\0';

    const char *dot = strchr(host, '.');
    char bucket[64];
    bool has_label = dot && (size_t)(dot - host) < sizeof(bucket);
    if (has_label) {
        memcpy(bucket, host, (size_t)(dot - host));
        bucket[dot - host] = '\0';
    }
    if (is_service_host(call->oss, host) || !has_label || !kn_uri_bucket_is_valid(bucket) ||
        !is_service_suffix(call->oss, dot + 1)) {
        path_split(call, path, &call->bucket, &call->key);
        return KN_OK;
    }
    call->bucket = kn_arena_strdup(&call->arena, bucket);
    call->key = path;
    size_t n = strlen(bucket);
    if (strncmp(path, bucket, n) == 0 && (path[n] == '/' || path[n] == '\0'))
        path_split(call, path, &call->other_bucket, &call->other_key);
    return KN_OK;
}

/* ---- serving ---- */

static kn_code serve(struct kn_oss_call *call, struct kn_error *err)
{
    kn_code rc = kn_pairs_read(&call->params, &call->n_params, &call->arena,
                               kn_http_query(call->request), err);
    if (rc == KN_OK)
        rc = address_read(call, err);
    if (rc != KN_OK)
        return rc;
    if (strcmp(call->method, "OPTIONS") == 0)
        return kn_oss_preflight(call, err);
    const char *type = kn_http_header(call->request, "Content-Type");
    if (call->bucket && !call->key[0] && strcmp(call->method, "POST") == 0 && type &&
        strncasecmp(type, "multipart/form-data", 19) == 0)
        return kn_oss_form_post(call, err);
    rc = kn_oss_authenticate(call, err);
    if (rc != KN_OK)
        return rc;
    call->is_write = strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0;
    if (!call->bucket)
        return kn_oss_service(call, err);
    if (!kn_uri_bucket_is_valid(call->bucket))
        return kn_fail_as(err, KN_EINVAL, "InvalidBucketName", "'%s' is not a bucket name",
                          call->bucket);
    return call->key[0] ? kn_oss_object(call, err) : kn_oss_bucket(call, err);
}

static void call_start(struct kn_oss_call *call, struct kn_oss *oss,
                       struct kn_http_request *request)
{
    *call = (struct kn_oss_call){.oss = oss, .request = request, .key = ""};
    uint8_t random[12];
    kn_random(random, sizeof(random));
    kn_hex_upper(call->request_id, random, sizeof(random));
    call->method = kn_arena_strdup(&call->arena, kn_http_method(request));
    if (!call->method)
        call->method = "";
}

static void call_end(struct kn_oss_call *call)
{
    kn_buf_clear(&call->extra);
    kn_arena_clear(&call->arena);
}

static void handle_on_pool(struct kn_http_request *request, void *context)
{
    kn_auto(call_end) struct kn_oss_call call;
    call_start(&call, context, request);
    struct kn_error err = {0};
    if (serve(&call, &err) != KN_OK)
        kn_oss_reply_error(&call, &err);
    // Strangers' guesses at bucket names are nobody's usage.
    if (call.bucket && !kn_equal(err.reason, "NoSuchBucket") &&
        !kn_equal(err.reason, "InvalidBucketName"))
        kn_store_usage_add(call.oss->config.store, call.bucket, call.is_write, call.bytes_in,
                           call.bytes_out);
}

void kn_oss_handle(struct kn_http_request *request, void *context)
{
    kn_http_run(request, handle_on_pool, context);
}

void kn_oss_on_error(struct kn_http_request *request, int status, const char *message,
                     void *context)
{
    kn_auto(call_end) struct kn_oss_call call;
    call_start(&call, context, request);
    struct kn_error err = {0};
    const char *reason = status == 408   ? "RequestTimeout"
                         : status == 413 ? "EntityTooLarge"
                         : status == 503 ? "SlowDown"
                         : status < 500  ? "InvalidRequest"
                                         : "";
    (void)kn_fail_as(&err, status < 500 ? KN_EINVAL : KN_EIO, reason, "%s", message);
    kn_oss_reply_error(&call, &err);
}
