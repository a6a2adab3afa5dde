/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Replies. Whoever replies describes the reply and adds bytes to `pending`; the head is written by the
 * loop, which alone knows whether the connection is kept.
 */
#include "http/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <event2/buffer.h>

#include "base/cleanup.h"
#include "http/connection.h"

// A thread that replies in pieces waits while this much has not been fetched by the loop …
#define PENDING_BYTES (512 * 1024)
// … which fetches only while less than this waits for the client.
#define OUT_BYTES (512 * 1024)
#define PIECE_BYTES (256 * 1024)
// A body that nobody wants is still read, to keep the connection, when it is no longer than this.
#define DISCARD_BYTES (1024 * 1024)

/* ---- headers ---- */

// The line in `headers` that sets `name`, or NULL; *out_n is its length with CRLF.
static char *line_find(struct kn_buf *headers, const char *name, size_t *out_n)
{
    size_t n_name = strlen(name);
    char *line = headers->data;
    while (line && *line) {
        char *end = strstr(line, "\r\n");
        *out_n = (size_t)(end - line) + 2;
        if (strncasecmp(line, name, n_name) == 0 && line[n_name] == ':')
            return line;
        line = end + 2;
    }
    return NULL;
}

void kn_http_set(struct kn_http_request *request, const char *name, const char *value)
{
    struct kn_buf *headers = &request->reply_headers;
    size_t n_line = 0;
    char *old = line_find(headers, name, &n_line);
    if (old) {
        size_t after = headers->len - (size_t)(old - headers->data) - n_line;
        memmove(old, old + n_line, after + 1);
        headers->len -= n_line;
    }
    kn_buf_puts(headers, name);
    kn_buf_add(headers, ": ", 2);
    size_t from = headers->len;
    kn_buf_puts(headers, value);
    // A value never ends its line: what outsiders gave us (keys, messages) must not make headers.
    for (size_t i = from; i < headers->len; i++)
        if ((unsigned char)headers->data[i] < 0x20 && headers->data[i] != '\t')
            headers->data[i] = ' ';
    kn_buf_add(headers, "\r\n", 2);
}

void kn_http_setf(struct kn_http_request *request, const char *name, const char *fmt, ...)
{
    kn_auto(kn_buf_clear) struct kn_buf value = {0};
    va_list args;
    va_start(args, fmt);
    kn_buf_vprintf(&value, fmt, args);
    va_end(args);
    kn_http_set(request, name, kn_buf_text(&value));
}

static bool reply_keeps(const struct kn_http_request *request)
{
    if (!request->keeps_alive || request->is_cut || request->loop->shared->is_stopping ||
        !kn_buf_ok(&request->reply_headers))
        return false;
    if (request->has_body && request->reply_length < 0 && !request->is_chunked)
        return false;
    if (request->is_message_done || request->body_length == 0)
        return true;
    // The client is still sending, or waits for a word that it should.
    bool is_awaited = request->expects_continue && !request->is_continue_sent;
    return !is_awaited && request->body_length <= DISCARD_BYTES;
}

static void head_emit(struct kn_http_conn *conn, struct kn_http_request *request)
{
    struct kn_http_loop *loop = request->loop;
    struct kn_buf *head = &loop->scratch;
    bool is_bare = request->status < 200 || request->status == 204;
    const char *reason = request->status >= 100 && request->status < 600
                             ? http_status_str((enum http_status)request->status)
                             : "Unknown";

    request->closes_after = !reply_keeps(request);
    kn_buf_reset(head);
    kn_buf_add(head, "HTTP/1.1 ", 9);
    char digits[4] = {(char)('0' + request->status / 100 % 10),
                      (char)('0' + request->status / 10 % 10), (char)('0' + request->status % 10),
                      ' '};
    kn_buf_add(head, digits, sizeof(digits));
    kn_buf_puts(head, reason);
    kn_buf_add(head, "\r\n", 2);
    kn_buf_puts(head, kn_http_loop_date(loop));
    kn_buf_puts(head, request->closes_after ? "Connection: close\r\n"
                                            : loop->shared->keep_alive);
    kn_buf_add(head, request->reply_headers.data, request->reply_headers.len);
    if (request->is_chunked)
        kn_buf_puts(head, "Transfer-Encoding: chunked\r\n");
    else if (!is_bare && request->reply_length >= 0 &&
             !(request->status == 304 && request->reply_length == 0))
        kn_buf_printf(head, "Content-Length: %" PRId64 "\r\n", request->reply_length);
    kn_buf_add(head, "\r\n", 2);
    (void)evbuffer_add(conn->wire.out, head->data, head->len);
    request->is_head_sent = true;
}

/* ---- the replying side ---- */

// Describe the reply. On the direct way nobody else looks at the request; otherwise hold its lock.
static void reply_describe(struct kn_http_request *request, int status, int64_t length)
{
    request->status = status;
    request->reply_length = length;
    request->has_body =
        !request->is_head_method && status >= 200 && status != 204 && status != 304;
    request->is_chunked =
        length < 0 && !request->is_http10 && status >= 200 && status != 204 && status != 304;
    request->is_started = true;
}

static void reply_direct_end(struct kn_http_request *request)
{
    request->owner = KN_HTTP_REPLIED;
    request->is_ended = true;
}

void kn_http_reply(struct kn_http_request *request, int status, const void *body, size_t n)
{
    if (kn_http_conn_is_direct(request)) {
        reply_describe(request, status, (int64_t)n);
        head_emit(request->conn, request);
        if (request->has_body && n > 0)
            (void)evbuffer_add(request->conn->wire.out, body, n);
        reply_direct_end(request);
        return;
    }
    pthread_mutex_lock(&request->lock);
    reply_describe(request, status, (int64_t)n);
    if (request->has_body && n > 0 && !request->is_gone) {
        if (!request->pending)
            request->pending = evbuffer_new();
        if (!request->pending || evbuffer_add(request->pending, body, n) != 0)
            request->is_cut = true;
    }
    pthread_mutex_unlock(&request->lock);
    kn_http_loop_post(request->loop, request, true);
}

void kn_http_reply_file(struct kn_http_request *request, int status, int fd, int64_t offset,
                        int64_t length)
{
    bool is_direct = kn_http_conn_is_direct(request);
    pthread_mutex_lock(&request->lock);
    reply_describe(request, status, length);
    request->file_fd = fd;
    request->file_offset = offset;
    request->file_length = length;
    if (!request->has_body)
        kn_close_fd(&request->file_fd);
    pthread_mutex_unlock(&request->lock);
    if (is_direct)
        reply_direct_end(request);
    else
        kn_http_loop_post(request->loop, request, true);
}

void kn_http_reply_start(struct kn_http_request *request, int status, int64_t length)
{
    pthread_mutex_lock(&request->lock);
    reply_describe(request, status, length);
    pthread_mutex_unlock(&request->lock);
}

// With the lock held: wait until there is room.
static kn_code pending_wait(struct kn_http_request *request, struct kn_error *err)
{
    bool may_wait = !kn_http_loop_current();
    if (!request->pending)
        request->pending = evbuffer_new();
    if (!request->pending)
        return kn_fail(err, KN_ENOMEM, "no memory for a reply");
    while (may_wait && !request->is_gone && evbuffer_get_length(request->pending) >= PENDING_BYTES)
        pthread_cond_wait(&request->changed, &request->lock);
    return request->is_gone ? kn_fail(err, KN_EIO, "the client went away during the reply")
                            : KN_OK;
}

static bool pending_add(struct kn_http_request *request, const void *bytes, size_t n)
{
    if (request->is_chunked && evbuffer_add_printf(request->pending, "%zx\r\n", n) < 0)
        return false;
    if (evbuffer_add(request->pending, bytes, n) != 0)
        return false;
    return !request->is_chunked || evbuffer_add(request->pending, "\r\n", 2) == 0;
}

kn_code kn_http_reply_write(struct kn_http_request *request, const void *bytes, size_t n,
                            struct kn_error *err)
{
    const char *at = bytes;
    kn_code rc = KN_OK;
    pthread_mutex_lock(&request->lock);
    if (!request->has_body)
        n = 0;
    if (request->reply_length >= 0 && (int64_t)n > request->reply_length - request->n_written)
        n = (size_t)(request->reply_length - request->n_written);
    while (n > 0) {
        rc = pending_wait(request, err);
        if (rc != KN_OK)
            break;
        size_t piece = n < PIECE_BYTES ? n : (size_t)PIECE_BYTES;
        if (!pending_add(request, at, piece)) {
            request->is_cut = true;
            rc = kn_fail(err, KN_ENOMEM, "no memory for a reply");
            break;
        }
        at += piece;
        n -= piece;
        request->n_written += (int64_t)piece;
        pthread_mutex_unlock(&request->lock);
        kn_http_loop_post(request->loop, request, false);
        pthread_mutex_lock(&request->lock);
    }
    pthread_mutex_unlock(&request->lock);
    return rc;
}

static void reply_finish(struct kn_http_request *request, bool is_cut)
{
    pthread_mutex_lock(&request->lock);
    request->is_cut |= is_cut;
    if (request->has_body && request->reply_length >= 0 &&
        request->n_written < request->reply_length)
        request->is_cut = true;
    if (request->has_body && request->is_chunked && !request->is_cut) {
        if (!request->pending)
            request->pending = evbuffer_new();
        if (!request->pending || evbuffer_add(request->pending, "0\r\n\r\n", 5) != 0)
            request->is_cut = true;
    }
    pthread_mutex_unlock(&request->lock);
    kn_http_loop_post(request->loop, request, true);
}

void kn_http_reply_end(struct kn_http_request *request)
{
    reply_finish(request, false);
}

void kn_http_reply_abort(struct kn_http_request *request)
{
    reply_finish(request, true);
}

/* ---- the loop's side ---- */

void kn_http_reply_news(struct kn_http_request *request, bool is_final)
{
    if (is_final) {
        request->is_ended = true;
        request->owner = KN_HTTP_REPLIED;
    }
    if (request->conn) {
        kn_http_conn_advance(request->conn);
        return;
    }
    if (is_final)
        kn_http_request_drop(request);
}

// With the lock held: bytes to the wire; true when some moved.
static bool pending_move(struct kn_http_conn *conn, struct kn_http_request *request)
{
    struct evbuffer *out = conn->wire.out;
    bool has_moved = false;
    if (request->wants_continue && !request->is_continue_sent && !request->is_started) {
        (void)evbuffer_add(out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        request->is_continue_sent = has_moved = true;
    }
    if (request->is_started && !request->is_head_sent) {
        head_emit(conn, request);
        has_moved = true;
    }
    if (request->is_head_sent && request->pending && evbuffer_get_length(out) < OUT_BYTES &&
        evbuffer_get_length(request->pending) > 0) {
        (void)evbuffer_add_buffer(out, request->pending);
        pthread_cond_broadcast(&request->changed);
        has_moved = true;
    }
    return has_moved;
}

bool kn_http_reply_pull(struct kn_http_conn *conn)
{
    struct kn_http_request *request = conn->request;
    if (!request || request->is_reply_done)
        return false;
    pthread_mutex_lock(&request->lock);
    bool has_moved = pending_move(conn, request);
    bool is_drained = !request->pending || evbuffer_get_length(request->pending) == 0;
    bool is_cut = request->is_cut;
    pthread_mutex_unlock(&request->lock);

    if (request->is_ended && request->is_head_sent && is_drained) {
        if (request->file_fd >= 0) {
            kn_http_wire_send_file(&conn->wire, request->file_fd, request->file_offset,
                                   request->file_length);
            request->file_fd = -1; // the wire owns it
        }
        request->is_reply_done = has_moved = true;
        if (is_cut || request->closes_after) {
            conn->is_closing = true;
            conn->has_left_body |= !request->is_message_done;
        }
    }
    return has_moved;
}
