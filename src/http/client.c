/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client over libcurl's easy interface. A small pool keeps handles with their connections.
 *
 * The rules are applied where libcurl opens a socket, on the very address it will connect to: neither
 * a name that resolves differently the second time nor a redirect gets around it. Which host that
 * address was looked up for is known from the URL of the step under way, so redirects are followed
 * here, one exchange each, and not inside libcurl. Kept connections are reused for the same host and
 * port only, which were checked when they were opened.
 */
#include "http/client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "http/url_rules.h"

#define KEPT_HANDLES 32
#define DEFAULT_TIMEOUT_US (30 * KN_SECOND)
#define DEFAULT_MAX_BODY ((size_t)16 * 1024 * 1024)
#define MAX_ANSWER_HEADERS ((size_t)256 * 1024)
#define CONNECT_TIMEOUT_MS 10000L

struct kn_http_client {
    char **allowed_hosts; // owned, NULL-terminated; set once
    bool trusts_all;      // set once
    pthread_mutex_t lock;
    // --- protected by lock
    CURL *kept[KEPT_HANDLES]; // owned
    int n_kept;
};

// One request and its answer, inside kn_http_do().
struct step {
    struct kn_http_client *client;
    struct kn_http_exchange *exchange;
    CURL *curl;
    size_t max_body;
    bool is_allowed;   // by name: any address will do
    bool is_forbidden; // the address rules said no
    bool is_too_large, is_stopped;
    bool may_redirect; // another step may follow
    bool was_redirected;
    bool has_no_body;  // after "see other"
    size_t sent;
};

/* ---- life ---- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static kn_code hosts_copy(struct kn_http_client *client, const char *const *hosts)
{
    size_t n = 0;
    while (hosts && hosts[n])
        n++;
    client->allowed_hosts = calloc(n + 1, sizeof(*client->allowed_hosts));
    if (!client->allowed_hosts)
        return KN_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        client->allowed_hosts[i] = strdup(hosts[i]);
        if (!client->allowed_hosts[i])
            return KN_ENOMEM;
    }
    return KN_OK;
}

kn_code kn_http_client_new(struct kn_http_client **out, const struct kn_http_client_config *config,
                           struct kn_error *err)
{
    *out = NULL;
    (void)pthread_once(&curl_once, curl_begin);
    kn_auto(kn_http_client_free) struct kn_http_client *client = calloc(1, sizeof(*client));
    if (!client)
        return kn_fail(err, KN_ENOMEM, "no memory for an HTTP client");
    pthread_mutex_init(&client->lock, NULL);
    client->trusts_all = config && config->trusts_all;
    if (hosts_copy(client, config ? config->allowed_hosts : NULL) != KN_OK)
        return kn_fail(err, KN_ENOMEM, "no memory for an HTTP client");
    *out = KN_TAKE(client);
    return KN_OK;
}

void kn_http_client_free(struct kn_http_client **client_at)
{
    struct kn_http_client *client = KN_TAKE(*client_at);
    if (!client)
        return;
    for (int i = 0; i < client->n_kept; i++)
        curl_easy_cleanup(client->kept[i]);
    for (char **host = client->allowed_hosts; host && *host; host++)
        free(*host);
    free(client->allowed_hosts);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

static CURL *handle_take(struct kn_http_client *client)
{
    pthread_mutex_lock(&client->lock);
    CURL *curl = client->n_kept > 0 ? client->kept[--client->n_kept] : NULL;
    pthread_mutex_unlock(&client->lock);
    return curl ? curl : curl_easy_init();
}

static void handle_give(struct kn_http_client *client, CURL *curl)
{
    curl_easy_reset(curl); // keeps connections
    pthread_mutex_lock(&client->lock);
    if (client->n_kept < KEPT_HANDLES) {
        client->kept[client->n_kept++] = curl;
        curl = NULL;
    }
    pthread_mutex_unlock(&client->lock);
    if (curl)
        curl_easy_cleanup(curl);
}

/* ---- libcurl's callbacks ---- */

static curl_socket_t on_open_socket(void *context, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    struct step *step = context;
    bool may = purpose == CURLSOCKTYPE_IPCXN && (address->family == AF_INET ||
                                                 address->family == AF_INET6) &&
               (step->is_allowed || kn_url_address_is_public(&address->addr));
    if (!may) {
        step->is_forbidden = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_header(char *bytes, size_t size, size_t n, void *context)
{
    struct step *step = context;
    struct kn_buf *headers = &step->exchange->answer_headers;
    n *= size;
    if (n >= 5 && memcmp(bytes, "HTTP/", 5) == 0) { // a new block: 100 Continue came before
        kn_buf_reset(headers);
        long status = 0;
        (void)curl_easy_getinfo(step->curl, CURLINFO_RESPONSE_CODE, &status);
        step->exchange->status = (int)status;
    }
    if (headers->len + n > MAX_ANSWER_HEADERS) {
        step->is_too_large = true;
        return 0;
    }
    kn_buf_add(headers, bytes, n);
    return kn_buf_ok(headers) ? n : 0;
}

static size_t on_bytes(char *bytes, size_t size, size_t n, void *context)
{
    struct step *step = context;
    struct kn_http_exchange *exchange = step->exchange;
    n *= size;
    if (step->may_redirect && exchange->status >= 300 && exchange->status < 400)
        return n; // nobody wants to read that something is elsewhere
    if (exchange->write) {
        step->is_stopped = !exchange->write(bytes, n, exchange->write_context);
        return step->is_stopped ? 0 : n;
    }
    if (n > step->max_body - exchange->answer.len) {
        step->is_too_large = true;
        return 0;
    }
    kn_buf_add(&exchange->answer, bytes, n);
    return kn_buf_ok(&exchange->answer) ? n : 0;
}

static size_t on_read(char *out, size_t size, size_t n, void *context)
{
    struct step *step = context;
    const struct kn_http_exchange *exchange = step->exchange;
    n *= size;
    if (exchange->read) {
        size_t got = exchange->read(out, n, exchange->read_context);
        step->is_stopped = got == KN_HTTP_STOP;
        return step->is_stopped ? CURL_READFUNC_ABORT : got;
    }
    size_t left = exchange->n_body - step->sent;
    n = n < left ? n : left;
    if (n > 0)
        memcpy(out, (const char *)exchange->body + step->sent, n);
    step->sent += n;
    return n;
}

/* ---- one step ---- */

static void curl_url_cleanup_at(CURLU **parts)
{
    curl_url_cleanup(*parts);
}

static void curl_free_at(char **text)
{
    curl_free(*text);
}

static kn_code url_check(struct step *step, const char *url, struct kn_error *err)
{
    kn_auto(curl_url_cleanup_at) CURLU *parts = curl_url();
    kn_auto(curl_free_at) char *scheme = NULL;
    kn_auto(curl_free_at) char *host = NULL;
    kn_auto(curl_free_at) char *port = NULL;
    int64_t number = 0;
    if (!parts || curl_url_set(parts, CURLUPART_URL, url, CURLU_PATH_AS_IS) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        !kn_parse_int(port, 0, 65535, &number) ||
        !(kn_equal_nocase(scheme, "http") || kn_equal_nocase(scheme, "https")))
        return kn_fail_as(err, KN_EINVAL, "UrlForbidden", "'%.200s' is no http or https URL", url);
    step->is_allowed =
        step->client->trusts_all ||
        kn_url_host_is_allowed((const char *const *)step->client->allowed_hosts, host, (int)number);
    return KN_OK;
}

// Credentials were meant for the first host alone.
static bool is_secret(const char *line)
{
    return strncasecmp(line, "Authorization:", 14) == 0 || strncasecmp(line, "Cookie:", 7) == 0;
}

static kn_code headers_make(struct curl_slist **out, const struct step *step, struct kn_error *err)
{
    // No "Expect: 100-continue": many callback receivers answer it badly, and it costs a round trip.
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    bool is_whole = list != NULL;
    for (const char *const *line = step->exchange->headers; is_whole && line && *line; line++) {
        if (step->was_redirected && is_secret(*line))
            continue;
        struct curl_slist *longer = curl_slist_append(list, *line);
        is_whole = longer != NULL;
        list = longer ? longer : list;
    }
    *out = list;
    return is_whole ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for the request's headers");
}

static void body_describe(const struct step *step, const char *method)
{
    CURL *curl = step->curl;
    const struct kn_http_exchange *exchange = step->exchange;
    bool has_body = !step->has_no_body && (exchange->read || exchange->body);
    if (strcmp(method, "HEAD") == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    if (has_body) {
        curl_off_t n = exchange->read ? (curl_off_t)exchange->read_length
                                      : (curl_off_t)exchange->n_body;
        (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, n);
    } else if (strcmp(method, "POST") == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
    }
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static kn_code step_failed(const struct step *step, CURLcode code, const char *url,
                           const char *reason, struct kn_error *err)
{
    if (step->is_forbidden)
        return kn_fail_as(err, KN_EINVAL, "UrlForbidden",
                          "'%.200s' leads to an address that is not public and not allowed", url);
    if (step->is_too_large)
        return kn_fail(err, KN_ELIMIT, "the answer of '%.200s' is too large", url);
    if (step->is_stopped)
        return kn_fail(err, KN_ECANCELED, "the exchange with '%.200s' was stopped", url);
    return kn_fail(err, code == CURLE_OUT_OF_MEMORY ? KN_ENOMEM : KN_EIO, "cannot reach '%.200s': %s",
                   url, reason[0] ? reason : curl_easy_strerror(code));
}

static kn_code step_run(struct step *step, const char *url, const char *method, int64_t timeout_us,
                        struct kn_error *err)
{
    kn_code rc = url_check(step, url, err);
    if (rc != KN_OK)
        return rc;
    CURL *curl = step->curl;
    char reason[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    rc = headers_make(&headers, step, err);
    if (rc == KN_OK) {
        (void)curl_easy_setopt(curl, CURLOPT_URL, url);
        (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); // signed as it stands
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
        (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_PROXY, ""); // a proxy would connect in our stead
        (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "kinora/" KN_VERSION);
        (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(timeout_us / 1000) + 1);
        (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
        (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
        (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, step);
        (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
        (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, step);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, step);
        (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
        (void)curl_easy_setopt(curl, CURLOPT_READDATA, step);
        body_describe(step, method);
        CURLcode code = curl_easy_perform(curl);
        long status = 0;
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        step->exchange->status = (int)status;
        if (code != CURLE_OK)
            rc = step_failed(step, code, url, reason, err);
    }
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    return rc;
}

/* ---- the exchange ---- */

// Where the answer sends us, malloc'd by libcurl; NULL when it does not, or we may not follow.
static char *redirect_target(const struct step *step)
{
    int status = step->exchange->status;
    char *target = NULL;
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
        return NULL;
    (void)curl_easy_getinfo(step->curl, CURLINFO_REDIRECT_URL, &target);
    // A streamed body cannot be sent twice.
    return target && !step->exchange->read ? strdup(target) : NULL;
}

kn_code kn_http_do(struct kn_http_client *client, struct kn_http_exchange *exchange,
                   struct kn_error *err)
{
    int64_t deadline =
        kn_mono_us() + (exchange->timeout_us > 0 ? exchange->timeout_us : DEFAULT_TIMEOUT_US);
    const char *method = exchange->method ? exchange->method : "GET";
    bool has_no_body = false;
    kn_auto(kn_free) char *url = strdup(exchange->url);
    kn_code rc = url ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a URL");
    for (int left = exchange->max_redirects; rc == KN_OK; left--) {
        struct step step = {
            .client = client,
            .exchange = exchange,
            .curl = handle_take(client),
            .may_redirect = left > 0,
            .was_redirected = left < exchange->max_redirects,
            .has_no_body = has_no_body,
        };
        step.max_body = exchange->max_body ? exchange->max_body : DEFAULT_MAX_BODY;
        kn_buf_reset(&exchange->answer);
        kn_buf_reset(&exchange->answer_headers);
        exchange->status = 0;
        if (!step.curl)
            return kn_fail(err, KN_ENOMEM, "no memory for an HTTP request");
        int64_t timeout_us = deadline - kn_mono_us();
        rc = timeout_us <= 0 ? kn_fail(err, KN_EIO, "cannot reach '%.200s' in time", url)
                             : step_run(&step, url, method, timeout_us, err);
        kn_auto(kn_free) char *target = rc == KN_OK && left > 0 ? redirect_target(&step) : NULL;
        handle_give(client, step.curl);
        if (!target)
            break;
        free(url);
        url = KN_TAKE(target);
        bool is_post = strcmp(method, "POST") == 0;
        if (exchange->status == 303 || (is_post && exchange->status < 303)) { // RFC 9110, 15.4
            has_no_body = true;
            method = strcmp(method, "HEAD") == 0 ? "HEAD" : "GET";
        }
    }
    return rc;
}

void kn_http_exchange_clear(struct kn_http_exchange *exchange)
{
    kn_buf_clear(&exchange->answer);
    kn_buf_clear(&exchange->answer_headers);
}

bool kn_http_answer_header(const struct kn_http_exchange *exchange, const char *name, char *out,
                           size_t size)
{
    size_t n_name = strlen(name);
    for (const char *line = kn_buf_text(&exchange->answer_headers); *line;) {
        size_t n = strcspn(line, "\r\n");
        if (n > n_name && strncasecmp(line, name, n_name) == 0 && line[n_name] == ':') {
            const char *value = line + n_name + 1;
            size_t n_value = n - n_name - 1;
            n_value = n_value < size - 1 ? n_value : size - 1;
            memcpy(out, value, n_value);
            out[n_value] = '\0';
            kn_trim(out);
            return true;
        }
        line += n + strspn(line + n, "\r\n");
    }
    return false;
}
