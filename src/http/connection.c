/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Connections. Bytes go through feed() into http-parser, whose callbacks build the request and call
 * the handler; the parser is paused at the end of each message, so that what follows waits in the
 * stash until the reply is out. After every event advance() moves whatever can be moved.
 */
#include "http/connection.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/time.h"
#include "http/reply.h"

// The loop stops reading a socket while this much of a body lies unread (http/server.h) …
#define UNREAD_BYTES (1024 * 1024)
// … or this much when all connections together hold too much …
#define UNREAD_TIGHT_BYTES (64 * 1024)
// … or this much came ahead of its turn.
#define STASH_BYTES (64 * 1024)
// Pipelined requests are not looked at while this much waits to be read by their client.
#define OUT_BYTES (1024 * 1024)
// After a refusal we read on for a while: closing at once would destroy the answer on its way.
#define LINGER_US (2 * KN_SECOND)
// A body that nobody wants: as in reply.c.
#define DISCARD_BYTES (1024 * 1024)
// A head may take stall_us and then this long for each byte, so that dripping has an end.
#define HEAD_BYTE_US 1000
// Buffers are counted in steps, so that small requests cost no shared counter.
#define CHARGE_STEP (16 * 1024)

/* ---- refusing ---- */

// Answer in the listener's dialect what the application does not own; no more requests follow.
static void conn_refuse(struct kn_http_conn *conn, int status, const char *message)
{
    struct kn_http_request *request = conn->request;
    conn->is_closing = true;
    conn->has_left_body = true;
    if (!request || request->owner == KN_HTTP_REPLIED)
        return;
    request->keeps_alive = false;
    request->is_collecting = false;
    if (request->owner == KN_HTTP_OWNED_BY_APP) { // it finds out when it reads
        kn_http_request_lose(request, false);
        return;
    }
    (void)kn_http_head_seal(request);
    request->owner = KN_HTTP_OWNED_BY_APP;
    kn_buf_reset(&request->reply_headers);
    conn->place->on_error(request, status, message, conn->place->context);
}

// From a callback of the parser: remember the reason and stop parsing.
static int callback_refuse(struct kn_http_conn *conn, int status, const char *message)
{
    conn->refuse_status = status;
    conn->refuse_message = message;
    return -1; // 1 and 2 have meanings of their own in on_headers_complete
}

/* ---- the parser's callbacks ---- */

static int on_message_begin(http_parser *parser)
{
    struct kn_http_conn *conn = parser->data;
    conn->request = KN_TAKE(conn->spare);
    if (!conn->request)
        conn->request = kn_http_request_new(conn->loop, conn->place, conn->peer);
    if (!conn->request) {
        conn->is_dying = true;
        return -1;
    }
    conn->request->conn = conn;
    conn->head_us = conn->input_us;
    return 0;
}

static int on_url(http_parser *parser, const char *bytes, size_t n)
{
    struct kn_http_conn *conn = parser->data;
    if (kn_http_head_target(conn->request, bytes, n))
        return 0;
    return callback_refuse(conn, 414, "the request target is too long");
}

static int on_header_field(http_parser *parser, const char *bytes, size_t n)
{
    struct kn_http_conn *conn = parser->data;
    if (conn->request->is_head_done) // a trailer
        return 0;
    if (kn_http_head_name(conn->request, bytes, n))
        return 0;
    return callback_refuse(conn, 431, "the request's headers are too large");
}

static int on_header_value(http_parser *parser, const char *bytes, size_t n)
{
    struct kn_http_conn *conn = parser->data;
    if (conn->request->is_head_done)
        return 0;
    if (kn_http_head_value(conn->request, bytes, n))
        return 0;
    return callback_refuse(conn, 431, "the request's headers are too large");
}

static int n_hosts(const struct kn_http_request *request)
{
    int n = 0;
    for (size_t i = 0; i < request->n_fields; i++)
        n += kn_equal_nocase(request->head.data + request->fields[i].name, "host");
    return n;
}

// The parser takes blanks in names. "Transfer-Encoding : chunked" would be one header to us and
// another to a proxy in front of us, which then disagree where a request ends (RFC 9112, 5.1).
static bool has_blank_in_name(const struct kn_http_request *request)
{
    for (size_t i = 0; i < request->n_fields; i++)
        if (strchr(request->head.data + request->fields[i].name, ' '))
            return true;
    return false;
}

static int head_check(struct kn_http_conn *conn)
{
    struct kn_http_request *request = conn->request;
    if (conn->parser.http_major != 1)
        return callback_refuse(conn, 505, "this is HTTP/1.1 only");
    if (conn->parser.method == HTTP_CONNECT)
        return callback_refuse(conn, 400, "CONNECT is not served here");
    if (has_blank_in_name(request))
        return callback_refuse(conn, 400, "a header's name holds a blank");
    int hosts = n_hosts(request); // RFC 9112, 3.2
    if (hosts > 1 || (hosts == 0 && !request->is_http10))
        return callback_refuse(conn, 400, "a request has exactly one Host header");
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    struct kn_http_conn *conn = parser->data;
    struct kn_http_request *request = conn->request;
    // The target of a request without any header is still open.
    if (!kn_http_head_seal(request) || !kn_http_head_seal(request))
        return callback_refuse(conn, 503, "no memory for the request");
    request->is_head_done = true;
    request->method = http_method_str((enum http_method)parser->method);
    request->is_head_method = parser->method == HTTP_HEAD;
    request->is_http10 = parser->http_minor == 0;
    request->keeps_alive = http_should_keep_alive(parser);
    request->body_length = parser->flags & F_CHUNKED                   ? -1
                           : parser->content_length == UINT64_MAX ? 0
                                                                  : (int64_t)parser->content_length;
    parser->upgrade = 0; // "Upgrade: h2c" is an offer we do not take
    if (head_check(conn) != 0)
        return -1;
    const char *expect = kn_http_header(request, "Expect");
    request->expects_continue = expect && kn_equal_nocase(expect, "100-continue") &&
                                !request->is_http10 && request->body_length != 0;
    if (request->body_length == 0)
        kn_http_body_end(request);
    request->owner = KN_HTTP_OWNED_BY_APP;
    conn->place->handler(request, conn->place->context);
    return 0;
}

static int on_body(http_parser *parser, const char *bytes, size_t n)
{
    struct kn_http_conn *conn = parser->data;
    struct kn_http_request *request = conn->request;
    if (request->is_ended) {
        request->n_discarded += n;
        if (request->n_discarded > DISCARD_BYTES)
            conn->is_closing = conn->has_left_body = true;
        return 0;
    }
    if (request->is_collecting && request->body.len + n > request->collect_limit)
        return callback_refuse(conn, 413, "the request's body is too large");
    if (kn_http_body_feed(request, bytes, n))
        return 0;
    return callback_refuse(conn, 503, "no memory for the request's body");
}

static int on_message_complete(http_parser *parser)
{
    struct kn_http_conn *conn = parser->data;
    struct kn_http_request *request = conn->request;
    request->is_message_done = true;
    if (request->body_length != 0)
        kn_http_body_end(request);
    if (request->is_collecting) {
        request->is_collecting = false;
        request->owner = KN_HTTP_OWNED_BY_APP;
        request->collect_fn(request, request->collect_context);
    }
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings callbacks = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- collecting ---- */

bool kn_http_conn_is_direct(const struct kn_http_request *request)
{
    return kn_http_loop_current() == request->loop && request->conn && request->conn->is_busy &&
           request->conn->request == request;
}

void kn_http_conn_collect(struct kn_http_request *request)
{
    struct kn_http_conn *conn = request->conn;
    request->owner = KN_HTTP_OWNED_BY_SERVER;
    if (request->body_length > (int64_t)request->collect_limit) {
        conn_refuse(conn, 413, "the request's body is too large");
    } else if (request->is_message_done || request->body_length == 0) {
        request->owner = KN_HTTP_OWNED_BY_APP;
        request->collect_fn(request, request->collect_context);
    } else {
        request->is_collecting = true;
        if (request->expects_continue && !request->is_continue_sent) {
            (void)evbuffer_add(conn->wire.out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
            request->is_continue_sent = true;
        }
    }
}

/* ---- life ---- */

static void conn_charge(struct kn_http_conn *conn)
{
    size_t held = conn->stash.capacity + evbuffer_get_length(conn->wire.out);
    if (conn->request) {
        held += conn->request->head.capacity + conn->request->body.capacity;
        held += kn_http_body_unread(conn->request, SIZE_MAX);
    }
    held -= held % CHARGE_STEP;
    if (held == conn->charged_bytes)
        return;
    atomic_fetch_add(&conn->loop->shared->buffered_bytes, held - conn->charged_bytes);
    conn->charged_bytes = held;
}

static bool is_tight(const struct kn_http_conn *conn)
{
    struct kn_http_shared *shared = conn->loop->shared;
    return conn->charged_bytes > 0 &&
           atomic_load_explicit(&shared->buffered_bytes, memory_order_relaxed) >
               shared->max_buffered_bytes;
}

static void conn_free(struct kn_http_conn *conn)
{
    struct kn_http_request *request = conn->request;
    if (request) {
        request->conn = NULL;
        if (request->owner == KN_HTTP_OWNED_BY_SERVER || request->is_ended)
            kn_http_request_drop(request);
        else
            kn_http_request_lose(request, true);
    }
    kn_http_request_drop(conn->spare);
    kn_http_wire_close(&conn->wire);
    kn_buf_clear(&conn->stash);
    atomic_fetch_sub(&conn->loop->shared->buffered_bytes, conn->charged_bytes);
    *conn->prev = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    kn_http_loop_count_conn(conn->loop, -1);
    free(conn);
}

/* ---- going on ---- */

static bool can_parse(const struct kn_http_conn *conn)
{
    return !conn->is_closing && !conn->is_dying &&
           !(conn->request && conn->request->is_message_done) &&
           evbuffer_get_length(conn->wire.out) < OUT_BYTES;
}

// The request is over when it has arrived whole and its reply is queued; then the next may begin.
static bool request_finish(struct kn_http_conn *conn)
{
    struct kn_http_request *request = conn->request;
    if (!request || !request->is_message_done || !request->is_reply_done ||
        conn->wire.file_fd >= 0)
        return false;
    request->conn = NULL;
    conn->request = NULL;
    kn_http_request_reset(request);
    conn->spare = request;
    return true;
}

// How many of n bytes were used; the rest must wait for a reply.
static size_t feed(struct kn_http_conn *conn, const char *bytes, size_t n)
{
    size_t used = 0;
    while (used < n && can_parse(conn)) {
        used += http_parser_execute(&conn->parser, &callbacks, bytes + used, n - used);
        enum http_errno http = HTTP_PARSER_ERRNO(&conn->parser);
        if (http == HPE_PAUSED) {
            http_parser_pause(&conn->parser, 0);
        } else if (http != HPE_OK) {
            int status = conn->refuse_status ? conn->refuse_status : 400;
            if (!conn->refuse_status && http == HPE_HEADER_OVERFLOW)
                status = conn->request && conn->request->is_target_sealed ? 431 : 414;
            if (!conn->request && !conn->is_dying)
                (void)on_message_begin(&conn->parser);
            if (!conn->is_dying)
                conn_refuse(conn, status,
                            conn->refuse_message ? conn->refuse_message
                                                 : http_errno_description(http));
            return n;
        }
        (void)kn_http_reply_pull(conn);
        (void)request_finish(conn);
    }
    return conn->is_closing ? n : used;
}

static void reading_update(struct kn_http_conn *conn)
{
    struct kn_http_request *request = conn->request;
    bool is_full = conn->stash.len >= STASH_BYTES;
    if (request && !request->is_message_done && !request->is_ended && !request->is_collecting) {
        size_t limit = is_tight(conn) ? UNREAD_TIGHT_BYTES : UNREAD_BYTES;
        is_full |= kn_http_body_unread(request, limit) >= limit;
    }
    kn_http_wire_set_reading(&conn->wire, !conn->is_eof && (!is_full || conn->is_closing));
}

// What remains to be done for a connection that takes no more requests.
static void closing_go_on(struct kn_http_conn *conn)
{
    if (!conn->is_closing || conn->is_lingering ||
        (conn->request && !conn->request->is_reply_done) ||
        kn_http_wire_queued(&conn->wire) > 0)
        return;
    if (!conn->has_left_body || conn->is_eof) {
        conn->is_dying = true;
        return;
    }
    conn->is_lingering = true;
    conn->input_us = kn_mono_us();
    kn_http_wire_shut_output(&conn->wire);
}

// After the client's end: a half request is lost, whole ones are still answered.
static void eof_go_on(struct kn_http_conn *conn)
{
    if (!conn->is_eof || conn->stash.len > 0)
        return;
    if (conn->is_lingering || (conn->request && !conn->request->is_message_done))
        conn->is_dying = true;
    else if (!conn->request)
        conn->is_closing = true;
}

void kn_http_conn_advance(struct kn_http_conn *conn)
{
    conn->is_busy = true;
    for (bool again = true; again && !conn->is_dying;) {
        again = false;
        again |= kn_http_reply_pull(conn);
        if (kn_http_wire_flush(&conn->wire) == KN_WIRE_GONE)
            conn->is_dying = true;
        again |= kn_http_reply_pull(conn); // into the room that flushing made
        if (request_finish(conn)) {
            conn->input_us = kn_mono_us();
            again = true;
        }
        if (conn->stash.len > 0 && (can_parse(conn) || conn->is_closing)) {
            size_t used = feed(conn, conn->stash.data, conn->stash.len);
            kn_buf_drop_front(&conn->stash, used);
            again |= used > 0;
        }
    }
    if (conn->stash.len == 0 && conn->stash.capacity > 0)
        kn_buf_clear(&conn->stash);
    conn_charge(conn);
    eof_go_on(conn);
    closing_go_on(conn);
    conn->is_busy = false;
    if (conn->is_dying)
        conn_free(conn);
    else
        reading_update(conn);
}

/* ---- events ---- */

static void conn_take(struct kn_http_conn *conn, const char *bytes, size_t n)
{
    size_t used = conn->stash.len > 0 ? 0 : feed(conn, bytes, n);
    if (conn->is_closing || used == n)
        return;
    kn_buf_add(&conn->stash, bytes + used, n - used);
    if (!kn_buf_ok(&conn->stash))
        conn->is_dying = true;
}

static void conn_input(void *context)
{
    struct kn_http_conn *conn = context;
    struct kn_http_loop *loop = conn->loop;
    ssize_t n;
    conn->is_busy = true;
    do {
        n = kn_http_wire_read(&conn->wire, loop->read_buffer, sizeof(loop->read_buffer));
        if (n > 0 && !conn->is_lingering) {
            conn->input_us = kn_mono_us();
            conn_take(conn, loop->read_buffer, (size_t)n);
        }
    } while (n > 0 && conn->wire.tls && !conn->is_dying); // TLS has taken it off the socket already
    if (n == 0) {
        conn->is_eof = true;
        if (conn->request)
            kn_http_request_half_close(conn->request);
    } else if (n == KN_WIRE_GONE) {
        conn->is_dying = true;
    }
    conn_charge(conn);
    if (conn->request && conn->request->owner == KN_HTTP_OWNED_BY_SERVER && !conn->is_dying &&
        is_tight(conn))
        conn_refuse(conn, 503, "too much is being received at once");
    kn_http_conn_advance(conn);
}

static void conn_output(void *context)
{
    kn_http_conn_advance(context);
}

void kn_http_conn_open(struct kn_http_loop *loop, const struct kn_http_arrival *arrival)
{
    struct kn_http_conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        (void)close(arrival->fd);
        return;
    }
    conn->loop = loop;
    conn->place = arrival->place;
    (void)kn_copy(conn->peer, sizeof(conn->peer), arrival->peer);
    conn->input_us = kn_mono_us();
    http_parser_init(&conn->parser, HTTP_REQUEST);
    conn->parser.data = conn;
    conn->wire.on_input = conn_input;
    conn->wire.on_output = conn_output;
    conn->wire.context = conn;
    SSL_CTX *tls = arrival->place->is_tls ? loop->shared->tls : NULL;
    if (!kn_http_wire_open(&conn->wire, loop->base, arrival->fd, tls)) {
        free(conn);
        return;
    }
    conn->next = loop->conns;
    conn->prev = &loop->conns;
    if (conn->next)
        conn->next->prev = &conn->next;
    loop->conns = conn;
    kn_http_loop_count_conn(loop, 1);
}

/* ---- all of a loop ---- */

static bool is_head_overdue(const struct kn_http_conn *conn, int64_t now, int64_t stall_us)
{
    int64_t n = (int64_t)conn->request->head.len;
    return now - conn->input_us > stall_us || now - conn->head_us > stall_us + n * HEAD_BYTE_US;
}

static void conn_check(struct kn_http_conn *conn, int64_t now)
{
    const struct kn_http_shared *shared = conn->loop->shared;
    struct kn_http_request *request = conn->request;
    bool is_idle = now - conn->input_us > shared->stall_us;
    bool awaits = request && request->expects_continue && !request->is_continue_sent;

    if (conn->is_lingering) {
        conn->is_dying = now - conn->input_us > LINGER_US;
    } else if (kn_http_wire_queued(&conn->wire) > 0) {
        conn->is_dying = now - conn->wire.progress_us > shared->stall_us && is_idle;
    } else if (!request) {
        conn->is_dying = now - conn->input_us > shared->idle_us;
    } else if (request->is_message_done || !conn->wire.is_reading || awaits) {
        return; // it is the application's turn
    } else if (!request->is_head_done ? is_head_overdue(conn, now, shared->stall_us) : is_idle) {
        conn->is_busy = true;
        conn_refuse(conn, 408, "the request did not arrive in time");
        kn_http_conn_advance(conn);
        return;
    }
    if (conn->is_dying)
        conn_free(conn);
}

void kn_http_conns_check(struct kn_http_loop *loop)
{
    int64_t now = kn_mono_us();
    for (struct kn_http_conn *conn = loop->conns, *next; conn; conn = next) {
        next = conn->next;
        conn_check(conn, now);
    }
}

void kn_http_conns_drain(struct kn_http_loop *loop, bool at_once)
{
    for (struct kn_http_conn *conn = loop->conns, *next; conn; conn = next) {
        next = conn->next;
        bool is_idle = !conn->request && conn->stash.len == 0 &&
                       kn_http_wire_queued(&conn->wire) == 0;
        if (at_once || is_idle)
            conn_free(conn);
    }
}
