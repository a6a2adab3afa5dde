/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The server's wiring, the signer, and the check of every reply. */
#include "support/api_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "support/spec_check.h"
#include "support/test_database.h"
#include "usage/usage.h"

/* ---- the server ---- */

void api_server_start(struct api_server *server)
{
    api_server_start_limited(server, &(struct api_limits){0});
}

void api_server_start_limited(struct api_server *server, const struct api_limits *limits)
{
    *server = (struct api_server){0};
    struct kn_error err = {0};
    if (kn_db_open(&server->db, test_database_url(), &err) != KN_OK ||
        kn_access_open(&server->access, server->db, &err) != KN_OK ||
        kn_jobs_open(&server->jobs, server->db, &err) != KN_OK)
        fail_msg("%s", err.message);
    char store_url[] = "file:buckets";
    const struct kn_store_config store = {
        .url = store_url, .db = server->db, .region = "cn-shanghai", .owner_id = "1"};
    if (kn_store_open(&server->store, &store, &err) != KN_OK)
        fail_msg("%s", err.message);
    server->admin.role = KN_ROLE_ADMIN;
    assert_int_equal(kn_access_create(server->access, &server->admin, &err), KN_OK);
    static const char *const oss_hosts[] = {"oss.example.lan", NULL};
    const struct kn_api_config api = {
        .db = server->db,
        .access = server->access,
        .jobs = server->jobs,
        .store = server->store,
        .account_id = "1000000000000001",
        .region = "cn-shanghai",
        .oss_hosts = oss_hosts,
        .max_waiting_per_key = limits->max_waiting_per_key,
        .max_queued_jobs = limits->max_queued_jobs,
    };
    const struct kn_http_config http = {.n_loops = 2, .n_pool = limits->n_pool};
    assert_int_equal(kn_api_new(&server->api, &api, &err), KN_OK);
    assert_int_equal(kn_http_server_new(&server->http, &http, &err), KN_OK);
    const struct kn_http_listener listener = {.address = "127.0.0.1:0",
                                              .handler = kn_api_handle,
                                              .on_error = kn_api_on_error,
                                              .context = server->api};
    assert_int_equal(kn_http_server_listen(server->http, &listener, server->url, &err), KN_OK);
    if (limits->beside)
        assert_int_equal(kn_http_server_listen(server->http, limits->beside, server->beside_url,
                                               &err), KN_OK);
    assert_int_equal(kn_http_server_start(server->http, &err), KN_OK);
    (void)kn_copy(server->host, sizeof(server->host), server->url + strlen("http://"));
    const struct kn_http_client_config client = {.trusts_all = true};
    assert_int_equal(kn_http_client_new(&server->client, &client, &err), KN_OK);
}

static kn_code on_job(struct kn_tx *tx, const struct kn_job *job, void *source, struct kn_error *err)
{
    kn_code rc = kn_events_on_job(tx, job, source, err);
    return rc == KN_OK ? kn_usage_on_job(tx, job, err) : rc;
}

void api_server_tell(struct api_server *server, struct kn_event_source *source)
{
    kn_jobs_set_hook(server->jobs, on_job, source);
}

void api_server_stop(struct api_server *server)
{
    kn_http_client_free(&server->client);
    kn_http_server_stop(server->http, KN_SECOND);
    kn_http_server_free(&server->http);
    kn_api_free(&server->api);
    kn_store_close(&server->store);
    kn_jobs_close(&server->jobs);
    kn_access_close(&server->access);
    kn_db_close(&server->db);
}

/* ---- the signer: spec 01, sections 3 to 5, once more ---- */

static void percent_add(struct kn_buf *out, const char *text)
{
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || strchr("-_.~", *text))
            kn_buf_putc(out, *text);
        else
            kn_buf_printf(out, "%%%02X", (unsigned char)*text);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void query_add(struct kn_buf *out, const json_t *params)
{
    const char *names[128];
    size_t n = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)params, name, value) {
        names[n++] = name;
    }
    qsort(names, n, sizeof(names[0]), by_name);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            kn_buf_putc(out, '&');
        percent_add(out, names[i]);
        kn_buf_putc(out, '=');
        percent_add(out, kn_json_get(params, names[i], ""));
    }
}

static void sha256_hex(char out[65], const char *text, size_t n)
{
    unsigned char hash[32];
    unsigned n_hash = 0;
    EVP_Digest(text, n, hash, &n_hash, EVP_sha256(), NULL);
    for (int i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static bool leaves_out(const struct api_request *request, const char *name)
{
    return request->without && strcasecmp(request->without, name) == 0;
}

static void put(const struct api_request *request, json_t *params, const char *name,
                const char *value)
{
    if (value && !leaves_out(request, name))
        (void)json_object_set_new(params, name, json_string(value));
}

static void v1_sign(const struct api_request *request, const struct kn_key *key, const char *nonce,
                    const char *now, const char *method, json_t *params)
{
    put(request, params, "Action", request->action);
    put(request, params, "Version", request->version);
    put(request, params, "AccessKeyId", key->id);
    put(request, params, "SignatureMethod", "HMAC-SHA1");
    put(request, params, "SignatureVersion", "1.0");
    put(request, params, "SignatureNonce", nonce);
    put(request, params, "Timestamp", now);
    put(request, params, "Format", request->format ? request->format : "JSON");
    put(request, params, "SecurityToken", request->token);
    if (request->also) {
        json_auto_t *also = api_params(request->also);
        (void)json_object_update(params, also);
    }
    kn_auto(kn_buf_clear) struct kn_buf canonical = {0}, text = {0};
    query_add(&canonical, params);
    kn_buf_printf(&text, "%s&%%2F&", method);
    percent_add(&text, kn_buf_text(&canonical));
    char secret[80];
    unsigned char mac[20];
    char base64[32];
    unsigned n = 0;
    int n_secret = snprintf(secret, sizeof(secret), "%s&", key->secret);
    HMAC(EVP_sha1(), secret, n_secret, (const unsigned char *)kn_buf_text(&text), text.len, mac, &n);
    EVP_EncodeBlock((unsigned char *)base64, mac, 20);
    put(request, params, "Signature", base64);
    if (request->is_tampered)
        (void)json_object_set_new(params, "Name", json_string("tampered"));
}

struct header_list {
    char *lines[16]; // owned
    size_t n;
};

static void headers_clear(struct header_list *headers)
{
    for (size_t i = 0; i < headers->n; i++)
        free(headers->lines[i]);
    headers->n = 0;
}

static void header_put(const struct api_request *request, struct header_list *headers,
                       const char *name, const char *value)
{
    if (value && !leaves_out(request, name) &&
        asprintf(&headers->lines[headers->n], "%s: %s", name, value) > 0)
        headers->n++;
}

static void acs3_sign(const struct api_server *server, const struct api_request *request,
                      const struct kn_key *key, const char *nonce, const char *now,
                      const char *method, const char *query, const struct kn_buf *body,
                      const char *content_type, struct header_list *headers)
{
    char hash[65];
    sha256_hex(hash, kn_buf_text(body), body->len);
    header_put(request, headers, "x-acs-action", request->action);
    header_put(request, headers, "x-acs-version", request->version);
    header_put(request, headers, "x-acs-date", now);
    header_put(request, headers, "x-acs-signature-nonce", nonce);
    header_put(request, headers, "x-acs-content-sha256", hash);
    header_put(request, headers, "x-acs-security-token", request->token);
    header_put(request, headers, "content-type", content_type);
    kn_auto(kn_buf_clear) struct kn_buf canonical = {0}, names = {0}, text = {0};
    char *lines[17];
    memcpy(lines, headers->lines, sizeof(headers->lines));
    char host_line[320];
    snprintf(host_line, sizeof(host_line), "host: %s", server->host);
    lines[headers->n] = host_line;
    qsort(lines, headers->n + 1, sizeof(lines[0]), by_name);
    kn_buf_printf(&canonical, "%s\n/\n%s\n", method, query);
    for (size_t i = 0; i <= headers->n; i++) {
        size_t n_name = strcspn(lines[i], ":");
        kn_buf_printf(&canonical, "%.*s:%s\n", (int)n_name, lines[i], lines[i] + n_name + 2);
        kn_buf_printf(&names, "%s%.*s", i > 0 ? ";" : "", (int)n_name, lines[i]);
    }
    kn_buf_printf(&canonical, "\n%s\n%s", kn_buf_text(&names), hash);
    char canonical_hash[65], signature[65];
    sha256_hex(canonical_hash, kn_buf_text(&canonical), canonical.len);
    kn_buf_printf(&text, "ACS3-HMAC-SHA256\n%s", canonical_hash);
    unsigned char mac[32];
    unsigned n = 0;
    HMAC(EVP_sha256(), key->secret, (int)strlen(key->secret),
         (const unsigned char *)kn_buf_text(&text), text.len, mac, &n);
    for (int i = 0; i < 32; i++)
        snprintf(signature + 2 * i, 3, "%02x", mac[i]);
    kn_auto(kn_buf_clear) struct kn_buf authorization = {0};
    kn_buf_printf(&authorization, "ACS3-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%s",
                  key->id, kn_buf_text(&names), signature);
    header_put(request, headers, "Authorization", kn_buf_text(&authorization));
    if (request->also)
        headers->lines[headers->n++] = strdup(request->also);
}

/* ---- sending ---- */

static const struct {
    const char *version, *product;
} products[] = {{"2020-11-09", "ice"}, {"2014-06-18", "mts"}, {"2017-03-21", "vod"},
                {"2020-09-30", "imm"}, {"2015-04-01", "sts"}, {"2022-01-19", "mnsopen"}, {"2026-01-01", "kinora"}};

static const char *product_of(const char *version)
{
    for (size_t i = 0; i < KN_COUNT(products); i++) {
        if (strcmp(products[i].version, version) == 0)
            return products[i].product;
    }
    return NULL;
}

/* The version whose spec/ folder declares `action`; ICE's when none does. */
static const char *version_of(const char *action)
{
    for (size_t i = 0; i < KN_COUNT(products); i++) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/spec/%s/%s.json", getenv("KINORA_SOURCE"),
                 products[i].product, action);
        if (access(path, F_OK) == 0)
            return products[i].version;
    }
    return products[0].version;
}

static void exchange_do(const struct api_server *server, struct api_reply *reply,
                        struct kn_http_exchange *exchange)
{
    struct kn_error err = {0};
    char request_id[64] = "";
    *reply = (struct api_reply){0};
    if (kn_http_do(server->client, exchange, &err) != KN_OK)
        fail_msg("%s", err.message);
    reply->status = exchange->status;
    reply->body = strdup(kn_buf_text(&exchange->answer));
    reply->json = json_loads(reply->body, 0, NULL);
    (void)kn_http_answer_header(exchange, "content-type", reply->content_type,
                                sizeof(reply->content_type));
    (void)kn_http_answer_header(exchange, "x-acs-retry-after", reply->retry_after,
                                sizeof(reply->retry_after));
    assert_true(kn_http_answer_header(exchange, "x-acs-request-id", request_id, sizeof(request_id)));
    if (reply->json) {
        assert_string_equal(reply->content_type, "application/json;charset=utf-8");
        assert_string_equal(kn_json_get(reply->json, "RequestId", ""), request_id);
    } else {
        assert_string_equal(reply->content_type, "text/xml;charset=utf-8");
        assert_non_null(strstr(reply->body, request_id));
    }
    kn_http_exchange_clear(exchange);
}

void api_send(const struct api_server *server, struct api_reply *reply,
              const struct api_request *asked)
{
    struct api_request request = *asked;
    if (!request.version)
        request.version = "2020-11-09";
    const struct kn_key *key = request.key ? request.key : &server->admin;
    char fresh_nonce[KN_ID_SIZE], now[24];
    kn_id_hex(fresh_nonce);
    kn_time_iso(now, kn_now_us());
    const char *nonce = request.nonce ? request.nonce : fresh_nonce;
    const char *time = request.time ? request.time : now;
    bool is_v1 = request.form == API_V1 || request.form == API_V1_FORM;
    bool has_body = request.form == API_ACS3_FORM || request.form == API_ACS3_JSON ||
                    request.form == API_V1_FORM;
    const char *method = request.method ? request.method : request.form == API_V1 ? "GET" : "POST";
    const char *type = !has_body                      ? NULL
                       : request.form == API_ACS3_JSON ? "application/json; charset=utf-8"
                                                       : "application/x-www-form-urlencoded";

    json_auto_t *params = request.params ? json_deep_copy(request.params) : json_object();
    kn_auto(kn_buf_clear) struct kn_buf query = {0}, body = {0}, url = {0};
    kn_auto(headers_clear) struct header_list headers = {0};
    if (is_v1)
        v1_sign(&request, key, nonce, time, method, params);
    if (request.form == API_ACS3_JSON) {
        kn_auto(kn_free) char *text = kn_json_text(params);
        kn_buf_puts(&body, text);
    } else {
        query_add(has_body ? &body : &query, params);
    }
    if (is_v1)
        header_put(&request, &headers, "content-type", type);
    else
        acs3_sign(server, &request, key, nonce, time, method, kn_buf_text(&query), &body, type,
                  &headers);
    if (!is_v1 && request.is_tampered)
        kn_buf_puts(&query, query.len ? "&Name=tampered" : "Name=tampered");
    kn_buf_printf(&url, "%s/?%s", server->url, kn_buf_text(&query));
    headers.lines[headers.n] = NULL;
    struct kn_http_exchange exchange = {
        .method = method,
        .url = kn_buf_text(&url),
        .headers = (const char *const *)headers.lines,
        .body = has_body ? kn_buf_text(&body) : NULL,
        .n_body = has_body ? body.len : 0,
    };
    exchange_do(server, reply, &exchange);
    if (reply->json && reply->status == 200)
        spec_check_answer(product_of(request.version), request.action, reply->json);
    else if (reply->json)
        spec_check_error(reply->json);
}

void api_reply_clear(struct api_reply *reply)
{
    json_decref(reply->json);
    free(reply->body);
    *reply = (struct api_reply){0};
}

/* ---- the short way ---- */

/* Whether `text` goes on with "&Name=": what ends a value. */
static bool next_begins(const char *text)
{
    if (text[0] != '&' || !isupper((unsigned char)text[1]))
        return false;
    size_t n = 1;
    while (isalnum((unsigned char)text[n]) || text[n] == '.')
        n++;
    return text[n] == '=';
}

json_t *api_params(const char *text)
{
    json_t *params = json_object();
    while (*text) {
        const char *equals = strchr(text, '=');
        assert_non_null(equals);
        const char *end = equals + 1;
        while (*end && !next_begins(end))
            end++;
        kn_auto(kn_free) char *name = strndup(text, (size_t)(equals - text));
        (void)json_object_set_new(params, name,
                                  json_stringn(equals + 1, (size_t)(end - equals - 1)));
        text = *end ? end + 1 : end;
    }
    return params;
}

static void send_text(const struct api_server *server, struct api_reply *reply, const char *action,
                      const char *format, va_list args)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_buf_vprintf(&text, format, args);
    json_auto_t *params = api_params(kn_buf_text(&text));
    const struct api_request request = {
        .action = action, .version = version_of(action), .params = params};
    api_send(server, reply, &request);
}

const json_t *reply_at(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    assert_non_null(value);
    return value;
}

const char *reply_text(const json_t *json, const char *name)
{
    return kn_json_get(json, name, "");
}

int64_t reply_number(const json_t *json, const char *name)
{
    return json_integer_value(reply_at(json, name));
}

json_t *api_call(const struct api_server *server, const char *action, const char *format, ...)
{
    kn_auto(api_reply_clear) struct api_reply reply;
    va_list args;
    va_start(args, format);
    send_text(server, &reply, action, format, args);
    va_end(args);
    if (reply.status != 200)
        fail_msg("%s was refused: %s", action, reply.body);
    return json_incref(reply.json);
}

char *api_refused(const struct api_server *server, int status, const char *code,
                  const char *action, const char *format, ...)
{
    kn_auto(api_reply_clear) struct api_reply reply;
    va_list args;
    va_start(args, format);
    send_text(server, &reply, action, format, args);
    va_end(args);
    if (reply.status != status || strcmp(kn_json_get(reply.json, "Code", ""), code) != 0)
        fail_msg("%s: %d %s was expected, this came: %d %s", action, status, code, reply.status,
                 reply.body);
    return strdup(kn_json_get(reply.json, "Message", ""));
}
