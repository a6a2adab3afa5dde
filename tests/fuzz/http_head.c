/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests off a wire: heads, bodies, pipelining, refusals. An input arrives twice, once whole and
 * once in pieces as large as its first byte says: both must be understood as the same requests.
 */
#include <assert.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/time.h"
#include "http/connection.h"
#include "http/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define COLLECT_BYTES 1000
#define MAX_TURNS 10000

static struct kn_http_shared shared;
static struct kn_http_loop *loop;

// This thread turns the loop by hand.
struct kn_http_loop *__wrap_kn_http_loop_current(void);
struct kn_http_loop *__wrap_kn_http_loop_current(void)
{
    return loop;
}

/* ---- the application: writes down what it is asked ---- */

static void head_note(struct kn_buf *trace, struct kn_http_request *request)
{
    const char *path = kn_http_path(request), *query = kn_http_query(request);
    kn_buf_printf(trace, "%s %s [%s] [%s] %lld\n", kn_http_method(request), kn_http_target(request),
                  path, query, (long long)kn_http_body_length(request));
    assert(!strpbrk(kn_http_target(request), " \r\n") && !strchr(path, '?'));
    for (size_t i = 0; i < kn_http_n_headers(request); i++) {
        const char *name, *value;
        kn_http_header_at(request, i, &name, &value);
        assert(name[0] && !strpbrk(name, ": \r\n") && !strpbrk(value, "\r\n"));
        assert(kn_http_header(request, name) != NULL);
        kn_buf_printf(trace, "%s: %s\n", name, value);
    }
}

static void collected(struct kn_http_request *request, void *context)
{
    struct kn_buf *trace = context;
    const struct kn_buf *body = kn_http_body(request);
    assert(!body || body->len <= COLLECT_BYTES);
    kn_buf_puts(trace, "body ");
    if (body)
        kn_buf_add(trace, kn_buf_text(body), body->len);
    kn_buf_putc(trace, '\n');
    kn_http_set(request, "x", "y");
    kn_http_reply(request, 200, "ok", 2);
}

static void handle(struct kn_http_request *request, void *context)
{
    head_note(context, request);
    if (strcmp(kn_http_method(request), "POST") == 0)
        kn_http_collect(request, COLLECT_BYTES, collected, context);
    else
        kn_http_reply(request, 204, NULL, 0);
}

static void refuse(struct kn_http_request *request, int status, const char *message, void *context)
{
    assert(status >= 400 && message && message[0]);
    kn_buf_printf(context, "refused %d\n", status);
    kn_http_reply(request, status, message, strlen(message));
}

/* ---- the client ---- */

static void turn(int client)
{
    char away[4096];
    (void)event_base_loop(loop->base, EVLOOP_NONBLOCK);
    while (recv(client, away, sizeof(away), MSG_DONTWAIT) > 0)
        continue;
}

static void converse(struct kn_buf *trace, const uint8_t *bytes, size_t n, size_t piece)
{
    const struct kn_http_place place = {.handler = handle, .on_error = refuse, .context = trace};
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
        abort();
    struct kn_http_arrival arrival = {.place = &place, .fd = fds[1], .peer = "127.0.0.1"};
    kn_http_conn_open(loop, &arrival);
    for (size_t at = 0; at < n; at += piece) {
        size_t now = n - at < piece ? n - at : piece;
        if (send(fds[0], bytes + at, now, MSG_NOSIGNAL) != (ssize_t)now)
            break; // hung up on
        turn(fds[0]);
    }
    (void)shutdown(fds[0], SHUT_WR);
    for (int i = 0; loop->conns; i++) {
        turn(fds[0]);
        assert(i < MAX_TURNS); // the end of the client is the end of the connection
    }
    (void)close(fds[0]);
    turn(fds[0]);
    assert(kn_buf_ok(trace));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct kn_error err = {0};
    if (!loop) {
        shared.idle_us = shared.stall_us = KN_HOUR;
        shared.max_buffered_bytes = (size_t)1 << 30;
        (void)snprintf(shared.keep_alive, sizeof(shared.keep_alive), "Connection: keep-alive\r\n");
        if (kn_http_loop_new(&loop, &shared, &err) != KN_OK)
            abort();
    }
    if (n < 2)
        return 0;
    kn_auto(kn_buf_clear) struct kn_buf whole = {0}, pieces = {0};
    converse(&whole, bytes + 1, n - 1, n);
    converse(&pieces, bytes + 1, n - 1, (size_t)bytes[0] % 64 + 1);
    if (whole.len != pieces.len ||
        memcmp(kn_buf_text(&whole), kn_buf_text(&pieces), whole.len) != 0) {
        fprintf(stderr, "whole:\n%s\nin pieces:\n%s\n", kn_buf_text(&whole), kn_buf_text(&pieces));
        abort();
    }
    return 0;
}
