/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/strings.h"
#include "base/time.h"
#include "events/http_sink.h"
#include "http/server.h"

/* A real receiver: /ok acknowledges, /moved redirects to it, /busy refuses, /slow answers too late. */
static struct {
    pthread_mutex_t lock;
    // --- protected by lock
    int n_ok;
    char timestamp[32], signature[40], content_type[64], body[256];
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_slow(struct kn_http_request *request, void *context)
{
    (void)context;
    kn_sleep_us(600000);
    kn_http_reply(request, 200, "", 0);
}

static void on_body(struct kn_http_request *request, void *context)
{
    (void)context;
    const char *path = kn_http_path(request);
    if (strcmp(path, "/busy") == 0) {
        kn_http_reply(request, 503, "later", 5);
        return;
    }
    if (strcmp(path, "/slow") == 0) {
        kn_http_run(request, on_slow, NULL);
        return;
    }
    if (strcmp(path, "/moved") == 0) {
        kn_http_set(request, "Location", "/ok");
        kn_http_reply(request, 302, "", 0);
        return;
    }
    pthread_mutex_lock(&heard.lock);
    heard.n_ok++;
    (void)kn_copy(heard.timestamp, sizeof(heard.timestamp),
                  kn_http_header(request, "X-ICE-TIMESTAMP"));
    (void)kn_copy(heard.signature, sizeof(heard.signature),
                  kn_http_header(request, "X-ICE-SIGNATURE"));
    (void)kn_copy(heard.content_type, sizeof(heard.content_type),
                  kn_http_header(request, "Content-Type"));
    (void)kn_copy(heard.body, sizeof(heard.body), kn_buf_text(kn_http_body(request)));
    pthread_mutex_unlock(&heard.lock);
    kn_http_reply(request, 201, "heard", 5);
}

static void on_request(struct kn_http_request *request, void *context)
{
    kn_http_collect(request, 65536, on_body, context);
}

static void on_error(struct kn_http_request *request, int status, const char *message, void *context)
{
    (void)context;
    kn_http_reply(request, status, message, strlen(message));
}

static struct kn_http_server *server;
static struct kn_http_client *client;
static char url[300];

static int setup(void **state)
{
    (void)state;
    struct kn_error err = {0};
    static const char *const allowed[] = {"127.0.0.1", NULL};
    struct kn_http_listener listener = {"127.0.0.1:0", on_request, on_error, NULL};
    if (kn_http_server_new(&server, &(struct kn_http_config){.n_loops = 1}, &err) != KN_OK ||
        kn_http_server_listen(server, &listener, url, &err) != KN_OK ||
        kn_http_server_start(server, &err) != KN_OK ||
        kn_http_client_new(&client, &(struct kn_http_client_config){.allowed_hosts = allowed},
                           &err) != KN_OK)
        fail_msg("%s", err.message);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kn_http_client_free(&client);
    kn_http_server_stop(server, KN_SECOND);
    kn_http_server_free(&server);
    return 0;
}

static struct kn_event_answer post(struct kn_http_client *with, const char *path, bool is_signed)
{
    char target[400];
    (void)snprintf(target, sizeof(target), "%s%s", url, path);
    static const char body[] = "{\"EventType\":\"MediaConvertComplete\"}";
    struct kn_event_letter letter = {.target = target, .body = body, .n_body = strlen(body),
                                     .is_signed = is_signed, .auth_key = is_signed ? "Test123" : "",
                                     .now_us = 1519375990 * KN_SECOND,
                                     .answer_limit_us = 300000};
    struct kn_event_answer answer = {0};
    struct kn_event_sink sink = kn_event_http_sink(with);
    sink.send(&letter, &answer, sink.context);
    return answer;
}

static void the_vendors_signature_vector_holds(void **state)
{
    (void)state;
    char out[33];
    kn_event_signature(out, "https://www.example.com/your/callback", 1519375990, "Test123");
    assert_string_equal(out, "c587b80d2d0ede300e8967937da7219b");
}

static void any_2xx_acknowledges_a_signed_letter(void **state)
{
    (void)state;
    struct kn_event_answer answer = post(client, "/ok", true);
    assert_true(answer.is_acknowledged);
    assert_int_equal(answer.status, 201);
    char target[400], expected[33];
    (void)snprintf(target, sizeof(target), "%s/ok", url);
    kn_event_signature(expected, target, 1519375990, "Test123");
    assert_string_equal(heard.signature, expected);
    assert_string_equal(heard.timestamp, "1519375990");
    assert_string_equal(heard.content_type, "application/json; charset=utf-8");
    assert_string_equal(heard.body, "{\"EventType\":\"MediaConvertComplete\"}");
    (void)post(client, "/ok", false);
    assert_string_equal(heard.signature, "");
}

static void refusals_redirects_and_late_answers_are_failures(void **state)
{
    (void)state;
    int n_before = heard.n_ok;
    struct kn_event_answer answer = post(client, "/busy", false);
    assert_false(answer.is_acknowledged);
    assert_string_equal(answer.error, "the receiver answered 503");
    answer = post(client, "/moved", false);
    assert_false(answer.is_acknowledged);
    assert_int_equal(answer.status, 302);
    int64_t began = kn_mono_us();
    answer = post(client, "/slow", false);
    assert_false(answer.is_acknowledged);
    assert_true(answer.error[0]);
    assert_true(kn_mono_us() - began < 590000);
    assert_int_equal(heard.n_ok, n_before);
}

static void addresses_inside_are_refused_unless_allowed(void **state)
{
    (void)state;
    struct kn_http_client *strict = NULL;
    assert_int_equal(kn_http_client_new(&strict, &(struct kn_http_client_config){0}, NULL), KN_OK);
    struct kn_event_answer answer = post(strict, "/ok", false);
    assert_false(answer.is_acknowledged);
    assert_true(answer.error[0]);
    kn_http_client_free(&strict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vendors_signature_vector_holds),
        cmocka_unit_test(any_2xx_acknowledges_a_signed_letter),
        cmocka_unit_test(refusals_redirects_and_late_answers_are_failures),
        cmocka_unit_test(addresses_inside_are_refused_unless_allowed),
    };
    return cmocka_run_group_tests_name("events/http_sink", tests, setup, teardown);
}
