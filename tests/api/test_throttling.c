/* What a server says that has too much to do: documented codes, at once, and nobody else suffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "support/api_server.h"

#define CONFIG                                                                                     \
    "{\"Inputs\":[{\"InputFile\":{\"Type\":\"OSS\",\"Media\":\"oss://films/a.mov\"}}],"            \
    "\"OutputGroups\":[{\"GroupConfig\":{\"Type\":\"File\",\"OutputFileBase\":{\"Type\":\"OSS\","  \
    "\"Media\":\"oss://out/t/\"}},\"Outputs\":[{\"OutputFileName\":\"a.mp4\","                     \
    "\"TemplateId\":\"Video-360P\"}]}]}"

#define MAX_WAITING 4
#define N_CALLERS 12
#define N_PLACES 16 // that one pool thread has (src/http/pool.c)
#define N_KEYS 6

static struct api_server server;

/* What occupies the server's only pool thread until it is let go. */
struct plug {
    atomic_bool has_begun, is_let_go;
};
static struct plug plug;

static void plug_run(struct kn_http_request *request, void *context)
{
    (void)context;
    atomic_store(&plug.has_begun, true);
    while (!atomic_load(&plug.is_let_go))
        kn_sleep_us(1000);
    kn_http_reply(request, 200, "", 0);
}

static void plug_handle(struct kn_http_request *request, void *context)
{
    kn_http_run(request, plug_run, context);
}

static void plug_on_error(struct kn_http_request *request, int status, const char *message,
                          void *context)
{
    (void)context;
    kn_http_reply(request, status, message, strlen(message));
}

static int start(void **state)
{
    (void)state;
    const struct kn_http_listener beside = {
        .address = "127.0.0.1:0", .handler = plug_handle, .on_error = plug_on_error};
    api_server_start_limited(&server, &(struct api_limits){.n_pool = 1,
                                                           .max_waiting_per_key = MAX_WAITING,
                                                           .max_queued_jobs = 2,
                                                           .beside = &beside});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_server_stop(&server);
    return 0;
}

/* ---- a full queue of jobs ---- */

static void a_full_queue_takes_no_more_jobs(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        json_decref(api_call(&server, "SubmitMediaConvertJob", "Config=%s", CONFIG));
    json_auto_t *params = json_pack("{s:s}", "Config", CONFIG);
    const struct api_request request = {.action = "SubmitMediaConvertJob", .params = params};
    kn_auto(api_reply_clear) struct api_reply reply;
    api_send(&server, &reply, &request);
    assert_int_equal(reply.status, 400);
    assert_string_equal(kn_json_get(reply.json, "Code", ""), "Throttling.Api");
    int64_t wait_ms = 0;
    assert_true(kn_parse_int(reply.retry_after, 1, 60000, &wait_ms));

    json_auto_t *list = api_call(&server, "ListMediaConvertJobs", "%s", ""); // the rest goes on
    assert_int_equal(json_array_size(json_object_get(list, "Jobs")), 2);
}

/* ---- threads that are all taken ---- */

struct caller {
    pthread_t thread;
    const struct kn_key *key;
    int status;
    char code[64];
    atomic_bool has_ended;
};

static void *caller_main(void *context)
{
    struct caller *caller = context;
    json_auto_t *params = api_params("Name=q&Speed=Standard");
    const struct api_request request = {
        .action = "CreatePipeline", .params = params, .key = caller->key};
    struct api_reply reply;
    api_send(&server, &reply, &request);
    caller->status = reply.status;
    (void)kn_copy(caller->code, sizeof(caller->code), kn_json_get(reply.json, "Code", ""));
    api_reply_clear(&reply);
    atomic_store(&caller->has_ended, true);
    return NULL;
}

static void *plug_main(void *context)
{
    (void)context;
    struct kn_http_exchange exchange = {.method = "GET", .url = server.beside_url};
    assert_int_equal(kn_http_do(server.client, &exchange, NULL), KN_OK);
    kn_http_exchange_clear(&exchange);
    return NULL;
}

/* Take the server's only thread. */
static void plug_in(pthread_t *thread)
{
    atomic_store(&plug.has_begun, false);
    atomic_store(&plug.is_let_go, false);
    assert_int_equal(pthread_create(thread, NULL, plug_main, NULL), 0);
    while (!atomic_load(&plug.has_begun))
        kn_sleep_us(1000);
}

static void plug_out(pthread_t thread)
{
    atomic_store(&plug.is_let_go, true);
    pthread_join(thread, NULL);
}

static void callers_start(struct caller *callers, int n)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), 0);
}

/* Wait for `n_refused` answers: who is refused is told at once, while all others wait. */
static void refused_wait(const struct caller *callers, int n, int n_refused)
{
    int n_ended = 0;
    while (n_ended < n_refused) {
        kn_sleep_us(1000);
        n_ended = 0;
        for (int i = 0; i < n; i++)
            n_ended += atomic_load(&callers[i].has_ended);
    }
}

/* How many were served; all others got `code`. */
static int callers_end(struct caller *callers, int n, const char *code)
{
    int n_served = 0;
    for (int i = 0; i < n; i++) {
        pthread_join(callers[i].thread, NULL);
        n_served += callers[i].status == 200;
        if (callers[i].status != 200)
            assert_string_equal(callers[i].code, code);
    }
    return n_served;
}

static void one_caller_leaves_room_for_another(void **state)
{
    (void)state;
    static struct caller callers[N_CALLERS], other;
    struct kn_key second = {.role = KN_ROLE_ADMIN};
    assert_int_equal(kn_access_create(server.access, &second, NULL), KN_OK);
    other.key = &second;

    pthread_t plugged;
    plug_in(&plugged);
    callers_start(callers, N_CALLERS);
    refused_wait(callers, N_CALLERS, N_CALLERS - MAX_WAITING);
    callers_start(&other, 1);
    kn_sleep_us(50 * 1000);
    assert_false(atomic_load(&other.has_ended)); // waits for its turn instead of being refused
    plug_out(plugged);
    assert_int_equal(callers_end(callers, N_CALLERS, "Throttling.User"), MAX_WAITING);
    assert_int_equal(callers_end(&other, 1, ""), 1);
}

static void who_finds_no_place_at_all_is_told_so(void **state)
{
    (void)state;
    static struct caller callers[N_KEYS * MAX_WAITING];
    static struct kn_key keys[N_KEYS];
    const int n = N_KEYS * MAX_WAITING;
    for (int i = 0; i < N_KEYS; i++) {
        keys[i].role = KN_ROLE_ADMIN;
        assert_int_equal(kn_access_create(server.access, &keys[i], NULL), KN_OK);
    }
    for (int i = 0; i < n; i++)
        callers[i].key = &keys[i / MAX_WAITING];
    pthread_t plugged;
    plug_in(&plugged);
    callers_start(callers, n);
    refused_wait(callers, n, n - N_PLACES);
    plug_out(plugged);
    assert_int_equal(callers_end(callers, n, "Throttling"), N_PLACES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_takes_no_more_jobs),
        cmocka_unit_test(one_caller_leaves_room_for_another),
        cmocka_unit_test(who_finds_no_place_at_all_is_told_so),
    };
    return cmocka_run_group_tests_name("api-server/throttling", tests, start, stop);
}
