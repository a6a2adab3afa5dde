#pragma once
/*
 * The HTTP client over libcurl, with the URL rules (design, section 7): http and https only; private,
 * loopback and link-local addresses are refused unless the host is allowed, checked on the address
 * that is really connected to, redirects included.
 *
 * Thread-safety: struct kn_http_client for all threads (a pool of handles inside, connections are
 * kept alive); one exchange belongs to one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct kn_http_client;

struct kn_http_client_config {
    const char *const *allowed_hosts; // NULL-terminated patterns ("*.lan", "10.0.0.7:8080"); copied
    bool trusts_all;                  // no address rules: for endpoints the operator configured
};
kn_code kn_http_client_new(struct kn_http_client **out, const struct kn_http_client_config *config,
                           struct kn_error *err);
void kn_http_client_free(struct kn_http_client **client);

#define KN_HTTP_STOP ((size_t)-1)

struct kn_http_exchange {
    // request
    const char *method;               // NULL: GET
    const char *url;
    const char *const *headers;       // NULL-terminated "Name: value"; may be NULL
    const void *body;                 // borrowed; NULL: none
    size_t n_body;
    // instead of body: called for bytes until it answers 0, or KN_HTTP_STOP to give up (then
    // KN_ECANCELED); read_length of them, or -1 for chunked
    size_t (*read)(void *out, size_t n, void *context);
    int64_t read_length;
    void *read_context;
    int64_t timeout_us;               // whole exchange; 0: 30 s
    int max_redirects;                // 0: none are followed
    size_t max_body;                  // of the answer; 0: 16 MiB. Beyond: KN_ELIMIT
    // called for answer bytes instead of collecting them (status is set by then); false stops
    bool (*write)(const void *bytes, size_t n, void *context);
    void *write_context;
    // answer
    int status;
    struct kn_buf answer;             // owned; kn_http_exchange_clear()
    struct kn_buf answer_headers;     // raw header lines
};
/* KN_OK whenever an answer arrived, whatever its status. KN_EINVAL, reason "UrlForbidden", when the
 * rules forbid the address. */
kn_code kn_http_do(struct kn_http_client *client, struct kn_http_exchange *exchange,
                   struct kn_error *err);
void kn_http_exchange_clear(struct kn_http_exchange *exchange);
/* A header of the answer, any case; copied into `out`; false when absent. */
bool kn_http_answer_header(const struct kn_http_exchange *exchange, const char *name, char *out,
                           size_t size);
