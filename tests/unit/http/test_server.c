/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/time.h"
#include "http/server.h"

/* ---- a server whose paths each try one thing ---- */

static struct kn_http_server *server;
static int port;

static void echo(struct kn_http_request *request, void *context)
{
    (void)context;
    const struct kn_buf *body = kn_http_body(request);
    kn_http_reply(request, 200, kn_buf_text(body), body->len);
}

static void *reply_later(void *context)
{
    struct kn_http_request *request = context;
    kn_sleep_us(50 * 1000);
    kn_http_set(request, "X-Late", "yes\r\nInjected: no");
    kn_http_reply(request, 200, "late", 4);
    return NULL;
}

static void count_body(struct kn_http_request *request, void *context)
{
    (void)context;
    static _Thread_local char bytes[50000];
    size_t total = 0, got = 0;
    kn_code rc;
    do {
        rc = kn_http_body_read(request, bytes, sizeof(bytes), &got, NULL);
        total += got;
    } while (rc == KN_OK && got > 0);
    char text[64];
    int n = snprintf(text, sizeof(text), "%s %zu", kn_code_name(rc), total);
    kn_http_reply(request, 200, text, (size_t)n);
}

static void send_pieces(struct kn_http_request *request, void *context)
{
    (void)context;
    static _Thread_local char bytes[100000];
    memset(bytes, 'p', sizeof(bytes));
    kn_http_reply_start(request, 200, -1);
    kn_code rc = KN_OK;
    for (int i = 0; i < 50 && rc == KN_OK; i++)
        rc = kn_http_reply_write(request, bytes, sizeof(bytes), NULL);
    kn_http_reply_end(request);
}

static void handle(struct kn_http_request *request, void *context)
{
    const char *path = kn_http_path(request);
    pthread_t thread;
    if (kn_equal(path, "/echo")) {
        kn_http_collect(request, 100000, echo, context);
    } else if (kn_equal(path, "/later")) {
        assert_int_equal(pthread_create(&thread, NULL, reply_later, request), 0);
        (void)pthread_detach(thread);
    } else if (kn_equal(path, "/count")) {
        kn_http_run(request, count_body, NULL);
    } else if (kn_equal(path, "/pieces")) {
        kn_http_run(request, send_pieces, NULL);
    } else {
        char text[200];
        int n = snprintf(text, sizeof(text), "%s %.100s?%.50s", kn_http_method(request), path,
                         kn_http_query(request));
        kn_http_reply(request, 200, text, (size_t)n);
    }
}

static void on_error(struct kn_http_request *request, int status, const char *message,
                     void *context)
{
    (void)context;
    kn_http_set(request, "X-Dialect", "ours");
    kn_http_reply(request, status, message, strlen(message));
}

static int server_begin(void **state)
{
    (void)state;
    struct kn_http_config config = {.n_loops = 2, .stall_us = 300 * 1000};
    struct kn_http_listener listener = {
        .address = "127.0.0.1:0", .handler = handle, .on_error = on_error};
    char url[300];
    assert_int_equal(kn_http_server_new(&server, &config, NULL), KN_OK);
    assert_int_equal(kn_http_server_listen(server, &listener, url, NULL), KN_OK);
    assert_int_equal(kn_http_server_start(server, NULL), KN_OK);
    port = atoi(strrchr(url, ':') + 1);
    return 0;
}

static int server_end(void **state)
{
    (void)state;
    kn_http_server_stop(server, KN_SECOND);
    kn_http_server_free(&server);
    return 0;
}

/* ---- raw sockets ---- */

static int client(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    struct timeval patience = {.tv_sec = 10};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

static void say(int fd, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

// Read until `end` was seen, or until the server closes when it is NULL.
static void hear(struct kn_buf *out, int fd, const char *end)
{
    char bytes[4096];
    while (!end || !strstr(kn_buf_text(out), end)) {
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
        if (n <= 0)
            break;
        kn_buf_add(out, bytes, (size_t)n);
    }
}

static void assert_holds(const struct kn_buf *text, const char *what)
{
    if (!strstr(kn_buf_text(text), what))
        fail_msg("'%s' is not in: %s", what, kn_buf_text(text));
}

/* ---- tests ---- */

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    kn_auto(kn_close_fd) int fd = client();
    kn_auto(kn_buf_clear) struct kn_buf got = {0};
    say(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /one?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    hear(&got, fd, NULL);
    const char *late = strstr(kn_buf_text(&got), "\r\n\r\nlate");
    const char *one = strstr(kn_buf_text(&got), "GET /one?x=1");
    const char *abc = strstr(kn_buf_text(&got), "\r\n\r\nabc");
    const char *last = strstr(kn_buf_text(&got), "GET /last?");
    assert_true(late && late < one && one < abc && abc < last);
    assert_null(strstr(kn_buf_text(&got), "\r\nInjected"));
}

static void chunked_bodies_arrive_whole_byte_by_byte(void **state)
{
    (void)state;
    kn_auto(kn_close_fd) int fd = client();
    kn_auto(kn_buf_clear) struct kn_buf got = {0};
    const char *text = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "5\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n";
    for (const char *at = text; *at; at++) {
        char one[2] = {*at, '\0'};
        say(fd, one);
    }
    hear(&got, fd, "hello world");
    assert_holds(&got, "Content-Length: 11\r\n");
}

static void head_sends_the_length_alone(void **state)
{
    (void)state;
    kn_auto(kn_close_fd) int fd = client();
    kn_auto(kn_buf_clear) struct kn_buf got = {0};
    say(fd, "HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    hear(&got, fd, NULL);
    assert_holds(&got, "Content-Length: 8\r\n");
    assert_true(kn_ends_with(kn_buf_text(&got), "\r\n\r\n"));
}

static void continue_is_sent_before_the_body_is_read(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        kn_auto(kn_close_fd) int fd = client();
        kn_auto(kn_buf_clear) struct kn_buf got = {0};
        char head[200];
        (void)snprintf(head, sizeof(head),
                       "PUT %s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
                       "Expect: 100-continue\r\n\r\n",
                       i ? "/count" : "/echo");
        say(fd, head);
        hear(&got, fd, "100 Continue\r\n\r\n");
        assert_holds(&got, "HTTP/1.1 100 Continue\r\n\r\n");
        say(fd, "body");
        hear(&got, fd, i ? "KN_OK 4" : "\r\n\r\nbody");
        assert_holds(&got, i ? "KN_OK 4" : "\r\n\r\nbody");
    }
}

static void assert_refused(const char *request, const char *status)
{
    kn_auto(kn_close_fd) int fd = client();
    kn_auto(kn_buf_clear) struct kn_buf got = {0};
    (void)send(fd, request, strlen(request), MSG_NOSIGNAL);
    hear(&got, fd, NULL);
    assert_holds(&got, status);
    assert_holds(&got, "X-Dialect: ours\r\n");
    assert_holds(&got, "Connection: close\r\n");
}

static void what_http_refuses_is_worded_by_the_listener(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf big = {0};
    kn_buf_puts(&big, "GET /");
    for (size_t i = 0; i < KN_MAX_TARGET_BYTES; i++)
        kn_buf_putc(&big, 'x');
    kn_buf_puts(&big, " HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_refused(kn_buf_text(&big), "HTTP/1.1 414 ");
    kn_buf_reset(&big);
    kn_buf_puts(&big, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    for (size_t i = 0; i < KN_MAX_HEADER_BYTES; i++)
        kn_buf_putc(&big, 'x');
    kn_buf_puts(&big, "\r\n\r\n");
    assert_refused(kn_buf_text(&big), "HTTP/1.1 431 ");
    assert_refused("nonsense\r\n\r\n", "HTTP/1.1 400 ");
    assert_refused("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
    assert_refused("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
                   "HTTP/1.1 400 ");
    assert_refused("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n",
                   "HTTP/1.1 413 ");
    assert_refused("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
                   "HTTP/1.1 408 ");
    assert_refused("GET / HT", "HTTP/1.1 408 ");
    assert_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400 ");
}

static void a_long_target_is_welcome(void **state)
{
    (void)state;
    kn_auto(kn_close_fd) int fd = client();
    kn_auto(kn_buf_clear) struct kn_buf got = {0}, big = {0};
    kn_buf_puts(&big, "POST /?q=");
    for (size_t i = 0; i < KN_MAX_TARGET_BYTES - 100; i++)
        kn_buf_putc(&big, 'x');
    kn_buf_puts(&big, " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    say(fd, kn_buf_text(&big));
    hear(&got, fd, "POST /?q=xxx");
    assert_holds(&got, "HTTP/1.1 200 OK");
}

static void large_bodies_pass_both_ways_with_back_pressure(void **state)
{
    (void)state;
    kn_auto(kn_close_fd) int fd = client();
    kn_auto(kn_buf_clear) struct kn_buf got = {0};
    say(fd, "PUT /count HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
    static char bytes[8000000];
    size_t sent = 0;
    while (sent < sizeof(bytes)) {
        ssize_t n = send(fd, bytes + sent, sizeof(bytes) - sent, MSG_NOSIGNAL);
        assert_true(n > 0);
        sent += (size_t)n;
    }
    hear(&got, fd, "KN_OK 8000000");
    assert_holds(&got, "KN_OK 8000000");
    kn_buf_reset(&got);
    say(fd, "GET /pieces HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    kn_sleep_us(100 * 1000);
    hear(&got, fd, NULL);
    assert_true(kn_ends_with(kn_buf_text(&got), "\r\n0\r\n\r\n"));
    assert_true(got.len > 5000000);
}

static void clients_that_leave_do_no_harm(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", "GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT /count HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx", "GET /la",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"};
    for (int i = 0; i < 50; i++) {
        kn_auto(kn_close_fd) int fd = client();
        say(fd, requests[(size_t)i % KN_COUNT(requests)]);
        struct linger reset = {.l_onoff = 1};
        if (i % 2)
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    kn_sleep_us(200 * 1000);
    pipelined_requests_are_answered_in_order(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(chunked_bodies_arrive_whole_byte_by_byte),
        cmocka_unit_test(head_sends_the_length_alone),
        cmocka_unit_test(continue_is_sent_before_the_body_is_read),
        cmocka_unit_test(what_http_refuses_is_worded_by_the_listener),
        cmocka_unit_test(a_long_target_is_welcome),
        cmocka_unit_test(large_bodies_pass_both_ways_with_back_pressure),
        cmocka_unit_test(clients_that_leave_do_no_harm),
    };
    return cmocka_run_group_tests_name("http/server", tests, server_begin, server_end);
}
