/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sockets, plain and TLS. The plain way is kept short because every small reply takes it: one recv(),
 * one writev(), no change to the epoll set as long as the client takes what it is sent.
 */
#include "http/wire.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>

#include "base/cleanup.h"
#include "base/time.h"

// One connection sends at most this much before the others of its loop get their turn.
#define TURN_BYTES (4 * 1024 * 1024)
// TLS takes files in pieces of this size, the next when most of the last has left.
#define TLS_PIECE_BYTES (256 * 1024)
#define TLS_LOW_BYTES (64 * 1024)

/* ---- events ---- */

static void plain_input(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct kn_http_wire *wire = context;
    wire->on_input(wire->context);
}

static void plain_output(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct kn_http_wire *wire = context;
    wire->awaits_output = false;
    wire->on_output(wire->context);
}

static void tls_input(struct bufferevent *bev, void *context)
{
    (void)bev;
    struct kn_http_wire *wire = context;
    wire->on_input(wire->context);
}

static void tls_output(struct bufferevent *bev, void *context)
{
    (void)bev;
    struct kn_http_wire *wire = context;
    wire->progress_us = kn_mono_us();
    wire->on_output(wire->context);
}

static void tls_event(struct bufferevent *bev, short what, void *context)
{
    (void)bev;
    struct kn_http_wire *wire = context;
    if (what & BEV_EVENT_CONNECTED)
        return;
    if (what & BEV_EVENT_EOF)
        wire->is_eof = true;
    else
        wire->is_gone = true;
    wire->on_input(wire->context);
}

/* ---- life ---- */

static bool tls_open(struct kn_http_wire *wire, struct event_base *base, SSL_CTX *tls)
{
    SSL *ssl = SSL_new(tls);
    if (!ssl)
        return false;
    wire->tls = bufferevent_openssl_socket_new(base, wire->fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                               BEV_OPT_DEFER_CALLBACKS);
    if (!wire->tls) {
        SSL_free(ssl);
        return false;
    }
    // Clients that just close are common; HTTP's own lengths tell a cut message from a whole one.
    bufferevent_openssl_set_allow_dirty_shutdown(wire->tls, 1);
    bufferevent_setcb(wire->tls, tls_input, tls_output, tls_event, wire);
    bufferevent_setwatermark(wire->tls, EV_READ, 0, TLS_PIECE_BYTES);
    bufferevent_setwatermark(wire->tls, EV_WRITE, TLS_LOW_BYTES, 0);
    wire->out = bufferevent_get_output(wire->tls);
    return bufferevent_enable(wire->tls, EV_READ | EV_WRITE) == 0;
}

static bool plain_open(struct kn_http_wire *wire, struct event_base *base)
{
    wire->out = evbuffer_new();
    wire->input = event_new(base, wire->fd, EV_READ | EV_PERSIST, plain_input, wire);
    wire->output = event_new(base, wire->fd, EV_WRITE, plain_output, wire);
    return wire->out && wire->input && wire->output && event_add(wire->input, NULL) == 0;
}

bool kn_http_wire_open(struct kn_http_wire *wire, struct event_base *base, int fd, SSL_CTX *tls)
{
    wire->fd = fd;
    wire->file_fd = -1;
    wire->is_reading = true;
    wire->progress_us = kn_mono_us();
    if (tls ? tls_open(wire, base, tls) : plain_open(wire, base))
        return true;
    kn_http_wire_close(wire);
    return false;
}

void kn_http_wire_close(struct kn_http_wire *wire)
{
    if (wire->tls) {
        SSL *ssl = bufferevent_openssl_get_ssl(wire->tls);
        SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
        (void)SSL_shutdown(ssl); // best effort: says that this was the end
        bufferevent_free(wire->tls);
        SSL_free(ssl);
    } else if (wire->out) {
        evbuffer_free(wire->out);
    }
    if (wire->input)
        event_free(wire->input);
    if (wire->output)
        event_free(wire->output);
    kn_close_fd(&wire->file_fd);
    kn_close_fd(&wire->fd);
    wire->tls = NULL;
    wire->out = NULL;
    wire->input = wire->output = NULL;
}

/* ---- reading ---- */

ssize_t kn_http_wire_read(struct kn_http_wire *wire, void *out, size_t n)
{
    if (wire->tls) {
        int got = evbuffer_remove(bufferevent_get_input(wire->tls), out, n);
        if (got > 0)
            return got;
        return wire->is_gone ? KN_WIRE_GONE : wire->is_eof ? 0 : KN_WIRE_WAIT;
    }
    ssize_t got;
    do
        got = recv(wire->fd, out, n, 0);
    while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got;
    return errno == EAGAIN || errno == EWOULDBLOCK ? KN_WIRE_WAIT : KN_WIRE_GONE;
}

void kn_http_wire_set_reading(struct kn_http_wire *wire, bool is_on)
{
    if (wire->is_reading == is_on)
        return;
    wire->is_reading = is_on;
    if (wire->tls)
        (void)(is_on ? bufferevent_enable(wire->tls, EV_READ)
                     : bufferevent_disable(wire->tls, EV_READ));
    else
        (void)(is_on ? event_add(wire->input, NULL) : event_del(wire->input));
}

/* ---- sending ---- */

void kn_http_wire_send_file(struct kn_http_wire *wire, int fd, int64_t offset, int64_t length)
{
    kn_close_fd(&wire->file_fd);
    wire->file_fd = fd;
    wire->file_offset = offset;
    wire->file_left = length;
    if (length <= 0)
        kn_close_fd(&wire->file_fd);
}

int64_t kn_http_wire_queued(const struct kn_http_wire *wire)
{
    return (int64_t)evbuffer_get_length(wire->out) + (wire->file_fd >= 0 ? wire->file_left : 0);
}

static void file_sent(struct kn_http_wire *wire, int64_t n)
{
    wire->file_offset += n;
    wire->file_left -= n;
    if (wire->file_left <= 0)
        kn_close_fd(&wire->file_fd);
}

static int tls_flush(struct kn_http_wire *wire)
{
    if (wire->is_gone)
        return KN_WIRE_GONE;
    while (wire->file_fd >= 0 && evbuffer_get_length(wire->out) <= TLS_LOW_BYTES) {
        struct evbuffer_iovec room;
        if (evbuffer_reserve_space(wire->out, TLS_PIECE_BYTES, &room, 1) != 1)
            return KN_WIRE_GONE;
        size_t want = wire->file_left < TLS_PIECE_BYTES ? (size_t)wire->file_left
                                                        : (size_t)TLS_PIECE_BYTES;
        ssize_t got = pread(wire->file_fd, room.iov_base, want, wire->file_offset);
        if (got <= 0)
            return KN_WIRE_GONE; // the file is shorter than promised: all we can do is hang up
        room.iov_len = (size_t)got;
        if (evbuffer_commit_space(wire->out, &room, 1) != 0)
            return KN_WIRE_GONE;
        file_sent(wire, got);
    }
    return kn_http_wire_queued(wire) ? KN_WIRE_WAIT : 0;
}

static int await_output(struct kn_http_wire *wire)
{
    if (!wire->awaits_output && event_add(wire->output, NULL) != 0)
        return KN_WIRE_GONE;
    wire->awaits_output = true;
    return KN_WIRE_WAIT;
}

int kn_http_wire_flush(struct kn_http_wire *wire)
{
    if (wire->tls)
        return tls_flush(wire);
    int64_t sent = 0;
    while (kn_http_wire_queued(wire) > 0) {
        if (sent >= TURN_BYTES)
            return await_output(wire);
        ssize_t n;
        if (evbuffer_get_length(wire->out) > 0) {
            n = evbuffer_write(wire->out, wire->fd);
        } else {
            off_t offset = wire->file_offset;
            size_t want = wire->file_left < TURN_BYTES ? (size_t)wire->file_left
                                                       : (size_t)TURN_BYTES;
            n = sendfile(wire->fd, wire->file_fd, &offset, want);
            if (n == 0)
                return KN_WIRE_GONE; // as above
            if (n > 0)
                file_sent(wire, n);
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (sent)
                wire->progress_us = kn_mono_us();
            return await_output(wire);
        }
        if (n < 0)
            return KN_WIRE_GONE;
        sent += n;
    }
    if (sent)
        wire->progress_us = kn_mono_us();
    return 0;
}

void kn_http_wire_shut_output(struct kn_http_wire *wire)
{
    if (wire->tls)
        (void)SSL_shutdown(bufferevent_openssl_get_ssl(wire->tls)); // best effort
    (void)shutdown(wire->fd, SHUT_WR); // best effort: the client may be gone already
}
