#pragma once
/*
 * One request as the server's files see it (handlers see http/server.h).
 *
 * A request belongs to its loop until its handler is called; from then on the application owes a
 * reply and the loop only adds body bytes, under `lock`. The reply's end gives it back. When the
 * client goes away, `conn` becomes NULL and `is_gone` is set; the memory stays until the reply.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "http/loop.h"
#include "http/server.h"

struct evbuffer;
struct kn_http_conn;

enum kn_http_owner {
    KN_HTTP_OWNED_BY_SERVER = 0, // its head, or a body to collect, is still arriving
    KN_HTTP_OWNED_BY_APP,        // a handler owes the reply
    KN_HTTP_REPLIED,
};

struct kn_http_field {
    uint32_t name, value; // offsets into the head's text
};

struct kn_http_request {
    struct kn_http_loop *loop;         // borrowed
    const struct kn_http_place *place; // borrowed
    char peer[46];
    // --- the head; read-only once the handler is called
    struct kn_buf head; // NUL-terminated pieces: target, path, query, then names and values
    size_t path_at, query_at, fields_at;
    struct kn_http_field *fields; // owned
    size_t n_fields, fields_capacity;
    const char *method;  // static
    int64_t body_length; // as kn_http_body_length()
    bool is_head_method, is_http10, expects_continue;
    // --- the loop's thread only
    struct kn_http_conn *conn; // NULL once the client is gone
    enum kn_http_owner owner;
    bool keeps_alive;          // what the client asked for
    bool is_target_sealed, is_value_open, is_head_done;
    bool is_message_done;      // the body has arrived whole
    bool is_head_sent;         // of the reply
    bool is_ended;             // the application is done with it
    bool is_reply_done;        // every byte of the reply is queued
    bool is_continue_sent;
    bool closes_after;         // the reply said that the connection closes
    size_t n_discarded;        // body bytes that came after the reply
    struct kn_buf body;        // collected; read-only for the handler afterwards
    bool is_collecting;
    size_t collect_limit;
    kn_http_handler collect_fn;
    void *collect_context;
    // --- the queue of the pool
    struct kn_http_request *next_in_pool;
    kn_http_handler pool_fn;
    void *pool_context;
    // --- protected by loop->lock
    struct kn_http_request *next_posted;
    bool is_posted, is_final;
    // --- protected by lock
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct evbuffer *stream;   // owned: body bytes nobody has read yet
    bool is_stream_ended, is_gone, is_stalled, is_paused, wants_continue;
    bool is_half_closed;       // the client sends no more
    size_t collected_read;     // of body, by kn_http_body_read()
    struct evbuffer *pending;  // owned: reply bytes on their way to the loop
    bool is_started;           // the reply is described below
    bool is_cut;               // the reply ended early: hang up instead of completing it
    int status;
    int64_t reply_length;      // -1: unknown
    int64_t n_written;
    bool has_body, is_chunked;
    struct kn_buf reply_headers;
    int file_fd;               // owned; -1 when the reply is no file
    int64_t file_offset, file_length;
};

/* NULL without memory. */
struct kn_http_request *kn_http_request_new(struct kn_http_loop *loop,
                                            const struct kn_http_place *place, const char *peer);
/* Empty it for the connection's next request, keeping small memory. */
void kn_http_request_reset(struct kn_http_request *request);
/* Free it, and tell the loop. */
void kn_http_request_drop(struct kn_http_request *request);
/* Free it; the caller holds the loop's lock and counts. */
void kn_http_request_free(struct kn_http_request *request);

/* ---- building the head; false when a limit is passed or memory is short ---- */

bool kn_http_head_target(struct kn_http_request *request, const char *bytes, size_t n);
bool kn_http_head_name(struct kn_http_request *request, const char *bytes, size_t n);
bool kn_http_head_value(struct kn_http_request *request, const char *bytes, size_t n);
/* Split the target and close the last field; may be called again. */
bool kn_http_head_seal(struct kn_http_request *request);

/* ---- the body, on the loop's thread ---- */

/* Bytes that lie unread; with `limit` or more of them the reader will ask for the rest. */
size_t kn_http_body_unread(struct kn_http_request *request, size_t limit);
/* Give bytes to whoever reads; false without memory. */
bool kn_http_body_feed(struct kn_http_request *request, const char *bytes, size_t n);
void kn_http_body_end(struct kn_http_request *request);
/* The client has closed its side; it may still read. */
void kn_http_request_half_close(struct kn_http_request *request);
/* Wake readers and writers with the reason why there will be no more. */
void kn_http_request_lose(struct kn_http_request *request, bool is_gone);
