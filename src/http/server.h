#pragma once
/*
 * The HTTP/1.1 server: event loops (libevent, with its TLS) over http-parser (decisions 8).
 *
 * A handler is called on a loop thread as soon as a request's headers are complete. It must not
 * block: it replies at once, or hands the request on with kn_http_run() to a pool thread, where
 * blocking calls (body, database, replies in pieces) are welcome, or keeps the pointer ("parks" it)
 * and replies later from any thread. Every request is replied to exactly once; the request and all
 * it lends live until then. A client that goes away does not free a request: replying to it is
 * harmless.
 *
 * What the HTTP layer answers by itself (400, 408, 413, 414, 431, 503, 505) goes through the
 * listener's `on_error`, so that every dialect words its own errors.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct kn_http_server;
struct kn_http_request;

typedef void (*kn_http_handler)(struct kn_http_request *request, void *context);
/* Must reply with `status` in the listener's own dialect. May run on a loop thread. */
typedef void (*kn_http_on_error)(struct kn_http_request *request, int status, const char *message,
                                 void *context);

struct kn_http_config {
    int n_loops;              // 0: the number of cores, at most 4
    int n_pool;               // threads for kn_http_run(); 0: 64 (they start when needed)
    size_t max_buffered_bytes; // all connections together; 0: 256 MiB. Beyond: 503
    int64_t idle_us;          // keep-alive without a request; 0: 60 s
    int64_t stall_us;         // a request that stops arriving: 408; 0: 30 s
    const char *tls_cert_file, *tls_key_file; // needed by https listeners
};
kn_code kn_http_server_new(struct kn_http_server **out, const struct kn_http_config *config,
                           struct kn_error *err);
/*
 * Accept on "[http://|https://]HOST:PORT"; port 0 takes a free one. out_url (may be NULL) receives
 * "http://127.0.0.1:8800". Call before kn_http_server_start().
 */
struct kn_http_listener {
    const char *address;
    kn_http_handler handler;
    kn_http_on_error on_error;
    void *context;
};
kn_code kn_http_server_listen(struct kn_http_server *server, const struct kn_http_listener *listener,
                              char out_url[300], struct kn_error *err);
kn_code kn_http_server_start(struct kn_http_server *server, struct kn_error *err);
/* Stop accepting, let requests under way finish for at most drain_us, close. */
void kn_http_server_stop(struct kn_http_server *server, int64_t drain_us);
/* Stops first. Waits for pool threads; parked requests may be replied to even after this. */
void kn_http_server_free(struct kn_http_server **server);

/* ---- the request; all borrowed until the reply ---- */

const char *kn_http_method(const struct kn_http_request *request);
const char *kn_http_target(const struct kn_http_request *request); // as sent
const char *kn_http_path(const struct kn_http_request *request);   // before '?', still encoded
const char *kn_http_query(const struct kn_http_request *request);  // after '?', "" when none
/* First value of a header, any case; NULL when absent. */
const char *kn_http_header(const struct kn_http_request *request, const char *name);
size_t kn_http_n_headers(const struct kn_http_request *request);
/* The i-th header in order of arrival; names keep their spelling. */
void kn_http_header_at(const struct kn_http_request *request, size_t i, const char **out_name,
                       const char **out_value);
const char *kn_http_peer(const struct kn_http_request *request); // "127.0.0.1"
bool kn_http_is_tls(const struct kn_http_request *request);
/*
 * Whether the client has closed its side: for parked requests. It has gone away, or (rarely) sends no
 * more and still reads: a reply is owed all the same, but none that something is lost with.
 */
bool kn_http_is_gone(struct kn_http_request *request);
/* Announced length, -1 when chunked, 0 when there is no body. */
int64_t kn_http_body_length(const struct kn_http_request *request);

/* ---- going on elsewhere ---- */

/* Continue on a pool thread. When the pool's queue is full: 503 through on_error. */
void kn_http_run(struct kn_http_request *request, kn_http_handler fn, void *context);
/*
 * Collect the body (at most `limit` bytes, else 413 through on_error), then call fn on the loop
 * thread; at once when there is none. The body is kn_http_body(). Only the listener's handler may
 * call this, before it returns. When the client goes away or is refused meanwhile, fn is never
 * called: `context` must be something that needs no release.
 */
void kn_http_collect(struct kn_http_request *request, size_t limit, kn_http_handler fn,
                     void *context);
const struct kn_buf *kn_http_body(const struct kn_http_request *request);
/*
 * Pool threads: read the next bytes of the body, waiting for them; *out_got 0 at the end. The loop
 * stops reading the socket while 1 MiB lies unread. KN_EIO when the client went away or, reason
 * "RequestTimeout", stalled.
 * Sends "100 Continue" at the first call if the client waits for it.
 */
kn_code kn_http_body_read(struct kn_http_request *request, void *out, size_t n, size_t *out_got,
                          struct kn_error *err);

/* ---- replying; any thread; content-length, date and connection are written for you ---- */

struct kn_http_headers; // a growing list, made per reply
void kn_http_set(struct kn_http_request *request, const char *name, const char *value);
void kn_http_setf(struct kn_http_request *request, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The whole reply in one; bytes are copied. HEAD and 204/304 send no body but keep its length; for HEAD
   `body` may be NULL. */
void kn_http_reply(struct kn_http_request *request, int status, const void *body, size_t n);
/* From a file, by sendfile where there is no TLS; fd is taken over. */
void kn_http_reply_file(struct kn_http_request *request, int status, int fd, int64_t offset,
                        int64_t length);
/*
 * Pool threads: in pieces. length -1 sends chunks. write waits while the client is slow; KN_EIO when
 * it is gone. end must be called; ending early closes the connection.
 */
void kn_http_reply_start(struct kn_http_request *request, int status, int64_t length);
kn_code kn_http_reply_write(struct kn_http_request *request, const void *bytes, size_t n,
                            struct kn_error *err);
void kn_http_reply_end(struct kn_http_request *request);
/* Instead of kn_http_reply_end() when the rest cannot be made: the client sees a broken reply. */
void kn_http_reply_abort(struct kn_http_request *request);
