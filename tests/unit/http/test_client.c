/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "http/client.h"
#include "http/server.h"

static struct kn_http_server *server;
static struct kn_http_client *strict, *lenient;
static char base[300];

static void echo(struct kn_http_request *request, void *context)
{
    (void)context;
    const struct kn_buf *body = kn_http_body(request);
    kn_http_setf(request, "X-Method", "%s", kn_http_method(request));
    kn_http_setf(request, "X-Secret", "%s", kn_http_header(request, "Authorization") ? "yes" : "no");
    kn_http_reply(request, 200, kn_buf_text(body), body->len);
}

static void handle(struct kn_http_request *request, void *context)
{
    const char *path = kn_http_path(request);
    if (kn_starts_with(path, "/to/")) { // "/to/303/127.0.0.2": the same server, another address
        char target[400];
        (void)snprintf(target, sizeof(target), "http://%s%s/echo", path + 8, strrchr(base, ':'));
        kn_http_set(request, "Location", target);
        kn_http_reply(request, 300 + path[6] - '0', "elsewhere", 9);
    } else {
        kn_http_collect(request, 1000000, echo, context);
    }
}

static void on_error(struct kn_http_request *request, int status, const char *message,
                     void *context)
{
    (void)context;
    kn_http_reply(request, status, message, strlen(message));
}

static int begin(void **state)
{
    (void)state;
    static const char *const allowed[] = {"127.0.0.1", NULL};
    struct kn_http_config config = {.n_loops = 1};
    struct kn_http_listener listener = {
        .address = "0.0.0.0:0", .handler = handle, .on_error = on_error};
    assert_int_equal(kn_http_server_new(&server, &config, NULL), KN_OK);
    assert_int_equal(kn_http_server_listen(server, &listener, base, NULL), KN_OK);
    assert_int_equal(kn_http_server_start(server, NULL), KN_OK);
    assert_int_equal(kn_http_client_new(&strict, &(struct kn_http_client_config){0}, NULL), KN_OK);
    assert_int_equal(kn_http_client_new(
                         &lenient, &(struct kn_http_client_config){.allowed_hosts = allowed}, NULL),
                     KN_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kn_http_client_free(&strict);
    kn_http_client_free(&lenient);
    kn_http_server_free(&server);
    return 0;
}

static const char *url(const char *host, const char *path)
{
    static char text[400];
    (void)snprintf(text, sizeof(text), "http://%s%s%s", host, strrchr(base, ':'), path);
    return text;
}

static void assert_forbidden(struct kn_http_client *client, struct kn_http_exchange *exchange)
{
    struct kn_error err = {0};
    assert_int_equal(kn_http_do(client, exchange, &err), KN_EINVAL);
    assert_string_equal(err.reason, "UrlForbidden");
}

static void inner_addresses_are_refused_however_they_are_named(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f.1",
                                        "[::ffff:127.0.0.1]", "[::1]"};
    for (size_t i = 0; i < KN_COUNT(hosts); i++) {
        kn_auto(kn_http_exchange_clear) struct kn_http_exchange x = {.url = url(hosts[i], "/echo")};
        assert_forbidden(strict, &x);
    }
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange file = {.url = "file:///etc/passwd"};
    assert_forbidden(strict, &file);
}

static void bodies_and_headers_travel(void **state)
{
    (void)state;
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange x = {
        .method = "POST", .url = url("127.0.0.1", "/echo"), .body = "hello", .n_body = 5};
    struct kn_error err = {0};
    if (kn_http_do(lenient, &x, &err) != KN_OK)
        fail_msg("%s", err.message);
    char method[16];
    assert_int_equal(x.status, 200);
    assert_string_equal(kn_buf_text(&x.answer), "hello");
    assert_true(kn_http_answer_header(&x, "x-method", method, sizeof(method)));
    assert_string_equal(method, "POST");
}

static void answers_are_bounded(void **state)
{
    (void)state;
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange x = {
        .method = "PUT", .url = url("127.0.0.1", "/echo"), .body = "hello", .n_body = 5,
        .max_body = 4};
    assert_int_equal(kn_http_do(lenient, &x, NULL), KN_ELIMIT);
}

static void redirects_are_judged_anew(void **state)
{
    (void)state;
    static const char *const headers[] = {"Authorization: Bearer t", NULL};
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange away = {
        .url = url("127.0.0.1", "/to/302/127.0.0.2"), .max_redirects = 3};
    assert_forbidden(lenient, &away);

    kn_auto(kn_http_exchange_clear) struct kn_http_exchange kept = {
        .url = url("127.0.0.1", "/to/302/127.0.0.2")};
    assert_int_equal(kn_http_do(lenient, &kept, NULL), KN_OK);
    assert_int_equal(kept.status, 302);
    assert_string_equal(kn_buf_text(&kept.answer), "elsewhere");

    kn_auto(kn_http_exchange_clear) struct kn_http_exchange seen = {
        .method = "POST", .url = url("127.0.0.1", "/to/303/127.0.0.1"), .max_redirects = 3,
        .headers = headers, .body = "hello", .n_body = 5};
    char text[16];
    assert_int_equal(kn_http_do(lenient, &seen, NULL), KN_OK);
    assert_int_equal(seen.status, 200);
    assert_true(kn_http_answer_header(&seen, "X-Method", text, sizeof(text)));
    assert_string_equal(text, "GET");
    assert_true(kn_http_answer_header(&seen, "X-Secret", text, sizeof(text)));
    assert_string_equal(text, "no");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inner_addresses_are_refused_however_they_are_named),
        cmocka_unit_test(bodies_and_headers_travel),
        cmocka_unit_test(answers_are_bounded),
        cmocka_unit_test(redirects_are_judged_anew),
    };
    return cmocka_run_group_tests_name("http/client", tests, begin, end);
}
