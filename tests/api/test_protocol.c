/* Forms, signatures and the gateway's errors (spec 01, sections 2 to 8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "api/operation.h"
#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "support/api_server.h"
#include "support/spec_check.h"

static struct api_server server;

static int start(void **state)
{
    (void)state;
    api_server_start(&server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_server_stop(&server);
    return 0;
}

/* Sends and wants this refusal; its Message is in reply->json. */
static void assert_refused(struct api_reply *reply, const struct api_request *request, int status,
                           const char *code)
{
    api_send(&server, reply, request);
    if (reply->status != status || strcmp(kn_json_get(reply->json, "Code", ""), code) != 0)
        fail_msg("%d %s was expected, this came: %d %s", status, code, reply->status, reply->body);
}

static void refused(const struct api_request *request, int status, const char *code,
                    const char *message)
{
    kn_auto(api_reply_clear) struct api_reply reply;
    assert_refused(&reply, request, status, code);
    assert_string_equal(kn_json_get(reply.json, "Message", ""), message);
}

static void every_form_of_a_request_is_understood(void **state)
{
    (void)state;
    json_auto_t *params = json_pack("{s:s, s:s}", "Name", "~*'()! +\xE4\xB8\xAD", "Speed", "Boost");
    for (int form = API_ACS3; form <= API_V1_FORM; form++) {
        kn_auto(api_reply_clear) struct api_reply reply;
        const struct api_request request = {
            .form = (enum api_form)form, .action = "CreatePipeline", .params = params};
        api_send(&server, &reply, &request);
        if (reply.status != 200)
            fail_msg("form %d: %s", form, reply.body);
        const json_t *pipeline = json_object_get(reply.json, "Pipeline");
        assert_string_equal(kn_json_get(pipeline, "Name", ""), "~*'()! +\xE4\xB8\xAD");
    }
}

static void get_and_post_are_equal(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "POST"};
    for (size_t i = 0; i < KN_COUNT(methods); i++) {
        for (int form = API_ACS3; form <= API_V1; form += API_V1) {
            kn_auto(api_reply_clear) struct api_reply reply;
            const struct api_request request = {.form = (enum api_form)form,
                                                .action = "ListPipelines",
                                                .method = methods[i]};
            api_send(&server, &reply, &request);
            assert_int_equal(reply.status, 200);
        }
    }
}

static void other_methods_are_refused(void **state)
{
    (void)state;
    const struct api_request request = {.action = "ListPipelines", .method = "DELETE"};
    refused(&request, 403, "UnsupportedHTTPMethod", "This http method is not supported.");
}

static void a_request_as_long_as_a_timeline_is_understood(void **state)
{
    (void)state;
    static char name[600 * 1024];
    memset(name, 'x', sizeof(name) - 1);
    json_auto_t *params = json_pack("{s:s, s:s}", "Name", name, "Speed", "Boost");
    for (int form = API_ACS3; form <= API_ACS3_FORM; form++) {
        const struct api_request request = {
            .form = (enum api_form)form, .action = "CreatePipeline", .params = params};
        kn_auto(api_reply_clear) struct api_reply reply;
        assert_refused(&reply, &request, 400, "InvalidParameter.OutOfRange"); // 127 bytes at most
    }
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    static const char *const needed[] = {"Action", "Version", "AccessKeyId", "Signature",
                                         "SignatureNonce"};
    for (size_t i = 0; i < KN_COUNT(needed); i++) {
        char message[160];
        snprintf(message, sizeof(message),
                 "The input parameter \"%s\" that is mandatory for processing this request is not "
                 "supplied.",
                 needed[i]);
        const struct api_request request = {
            .form = API_V1, .action = "ListPipelines", .without = needed[i]};
        refused(&request, 400, "MissingParameter", message);
    }
    const struct api_request request = {
        .form = API_V1, .action = "ListPipelines", .without = "Timestamp"};
    refused(&request, 400, "IllegalTimestamp",
            "The input parameter \"Timestamp\" that is mandatory for processing this request is not "
            "supplied.");
    const struct api_request no_date = {.action = "ListPipelines", .without = "x-acs-date"};
    kn_auto(api_reply_clear) struct api_reply reply;
    assert_refused(&reply, &no_date, 400, "MissingParameter");
}

static void unknown_actions_and_versions_answer_as_the_vendor_does(void **state)
{
    (void)state;
    for (int form = API_ACS3; form <= API_V1; form += API_V1) {
        enum api_form f = (enum api_form)form;
        const struct api_request action = {.form = f, .action = "NoSuchThing"};
        refused(&action, 404, "InvalidAction.NotFound",
                "Specified api is not found, please check your url and method.");
        const struct api_request other = {.form = f, .action = "GetPipeline", .version = "2017-03-21"};
        refused(&other, 404, "InvalidAction.NotFound",
                "Specified api is not found, please check your url and method.");
        const struct api_request product = {
            .form = f, .action = "GetPipeline", .version = "1999-01-01"};
        refused(&product, 404, "InvalidProduct.NotFound",
                "Cannot find product according to your specified domain.");
        const struct api_request version = {.form = f, .action = "GetPipeline", .version = "latest"};
        refused(&version, 400, "InvalidVersion", "Specified parameter Version is not valid.");
    }
}

static void action_names_are_known_in_any_case(void **state)
{
    (void)state;
    const struct api_request request = {.form = API_V1, .action = "listpipelines", .format = "XML"};
    kn_auto(api_reply_clear) struct api_reply reply;
    api_send(&server, &reply, &request);
    assert_int_equal(reply.status, 200);
}

static void keys_must_exist_and_be_active(void **state)
{
    (void)state;
    struct kn_key stranger = {.id = "LTAIstranger", .secret = "x"}, revoked = {0};
    assert_int_equal(kn_access_create(server.access, &revoked, NULL), KN_OK);
    assert_int_equal(kn_access_revoke(server.access, revoked.id, NULL), KN_OK);
    for (int form = API_ACS3; form <= API_V1; form += API_V1) {
        struct api_request request = {
            .form = (enum api_form)form, .action = "ListPipelines", .key = &stranger};
        refused(&request, 404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.");
        request.key = &revoked;
        refused(&request, 400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled.");
    }
}

static void the_clock_may_differ_by_a_quarter_of_an_hour(void **state)
{
    (void)state;
    for (int form = API_ACS3; form <= API_V1; form += API_V1) {
        for (int minutes = -16; minutes <= 16; minutes += 2) {
            char time[24];
            kn_time_iso(time, kn_now_us() + minutes * KN_MINUTE);
            const struct api_request request = {
                .form = (enum api_form)form, .action = "ListPipelines", .time = time};
            kn_auto(api_reply_clear) struct api_reply reply;
            if (minutes < -15 || minutes > 15)
                assert_refused(&reply, &request, 400, "InvalidTimeStamp.Expired");
            else
                api_send(&server, &reply, &request);
            assert_int_equal(reply.status == 200, minutes >= -15 && minutes <= 15);
        }
        const struct api_request request = {
            .form = (enum api_form)form, .action = "ListPipelines", .time = "now"};
        refused(&request, 400, "InvalidTimeStamp.Format",
                "Specified time stamp or date value is not well formatted.");
    }
}

static void a_wrong_signature_is_told_what_was_signed(void **state)
{
    (void)state;
    json_auto_t *params = json_pack("{s:s, s:s}", "Name", "a", "Speed", "Boost");
    for (int form = API_ACS3; form <= API_V1_FORM; form++) {
        if (form == API_ACS3_FORM || form == API_ACS3_JSON)
            continue;
        const struct api_request request = {.form = (enum api_form)form,
                                            .action = "CreatePipeline",
                                            .params = params,
                                            .is_tampered = true};
        kn_auto(api_reply_clear) struct api_reply reply;
        assert_refused(&reply, &request, 400, "SignatureDoesNotMatch");
        const char *message = kn_json_get(reply.json, "Message", "");
        static const char prefix[] = "Specified signature is not matched with our calculation. "
                                     "server string to sign is:";
        assert_true(kn_starts_with(message, prefix));
        assert_true(kn_starts_with(message + sizeof(prefix) - 1,
                                   form == API_ACS3 ? "ACS3-HMAC-SHA256\n"
                                   : form == API_V1 ? "GET&%2F&AccessKeyId%3D"
                                                    : "POST&%2F&AccessKeyId%3D"));
    }
}

static void a_wrong_secret_opens_nothing(void **state)
{
    (void)state;
    struct kn_key forged = server.admin;
    (void)kn_copy(forged.secret, sizeof(forged.secret), "guessed");
    for (int form = API_ACS3; form <= API_V1_FORM; form++) {
        const struct api_request request = {
            .form = (enum api_form)form, .action = "ListPipelines", .key = &forged};
        kn_auto(api_reply_clear) struct api_reply reply;
        assert_refused(&reply, &request, 400, "SignatureDoesNotMatch");
    }
}

static void a_nonce_counts_once(void **state)
{
    (void)state;
    static const char *const actions[] = {"ListPipelines", "SetEventCallback"};
    json_auto_t *params = json_pack("{s:s}", "CallbackURL", "http://example.lan/");
    for (size_t i = 0; i < KN_COUNT(actions); i++) {
        for (int form = API_ACS3; form <= API_V1; form += API_V1) {
            char nonce[KN_ID_SIZE];
            kn_id_hex(nonce);
            const struct api_request request = {.form = (enum api_form)form,
                                                .action = actions[i],
                                                .params = params,
                                                .nonce = nonce};
            kn_auto(api_reply_clear) struct api_reply first;
            api_send(&server, &first, &request);
            assert_int_equal(first.status, 200);
            refused(&request, 400, "SignatureNonceUsed",
                    "Specified signature nonce was used already.");
        }
    }
}

static void a_failed_signature_burns_no_nonce(void **state)
{
    (void)state;
    struct kn_key forged = server.admin;
    (void)kn_copy(forged.secret, sizeof(forged.secret), "guessed");
    struct api_request request = {.action = "ListPipelines", .nonce = "victim", .key = &forged};
    kn_auto(api_reply_clear) struct api_reply forgery, real;
    assert_refused(&forgery, &request, 400, "SignatureDoesNotMatch");
    request.key = NULL;
    api_send(&server, &real, &request);
    assert_int_equal(real.status, 200);
}

static void formats_are_json_and_xml(void **state)
{
    (void)state;
    struct api_request request = {.form = API_V1, .action = "ListPipelines", .format = "xml"};
    kn_auto(api_reply_clear) struct api_reply xml, error;
    api_send(&server, &xml, &request);
    assert_int_equal(xml.status, 200);
    assert_null(xml.json);
    assert_non_null(strstr(xml.body, "<ListPipelinesResponse><RequestId>"));
    assert_non_null(strstr(xml.body, "<PipelineList><PipelineId>"));

    request.action = "NoSuchThing";
    api_send(&server, &error, &request);
    assert_int_equal(error.status, 404);
    assert_string_equal(error.content_type, "text/xml;charset=utf-8");
    assert_non_null(strstr(error.body, "<Code>InvalidAction.NotFound</Code>"));

    request.format = "YAML";
    refused(&request, 400, "InvalidParameter.Format", "Specified parameter format is not valid.");
}

static void other_ways_to_say_who_one_is_are_refused(void **state)
{
    (void)state;
    const struct api_request bearer = {.form = API_V1,
                                       .action = "ListPipelines",
                                       .also = "BearerToken=abc"};
    refused(&bearer, 400, "UnsupportedOperation", "The specified action is not supported.");
    const struct api_request method = {.form = API_V1,
                                       .action = "ListPipelines",
                                       .without = "SignatureMethod",
                                       .also = "SignatureMethod=HMAC-SHA256"};
    refused(&method, 400, "InvalidSignatureMethod", "Specified signature method is not valid.");
    const struct api_request unsigned_token = {
        .action = "ListPipelines", .also = "x-acs-security-token: abc"};
    kn_auto(api_reply_clear) struct api_reply reply;
    assert_refused(&reply, &unsigned_token, 400, "IncompleteSignature");
}

static void roles_bound_what_a_key_may_do(void **state)
{
    (void)state;
    struct kn_key reader = {.role = KN_ROLE_READ}, operator= {.role = KN_ROLE_OPERATE};
    assert_int_equal(kn_access_create(server.access, &reader, NULL), KN_OK);
    assert_int_equal(kn_access_create(server.access, &operator, NULL), KN_OK);
    json_auto_t *pipeline = json_pack("{s:s, s:s}", "Name", "a", "Speed", "Boost");
    json_auto_t *template = json_pack("{s:s, s:s, s:s}", "Name", "a", "Type", "1", "TemplateConfig",
                                      "{\"Container\":{\"Format\":\"mp4\"},\"Video\":{}}");
    struct api_request request = {.action = "ListPipelines", .key = &reader};
    kn_auto(api_reply_clear) struct api_reply list, made;
    api_send(&server, &list, &request);
    assert_int_equal(list.status, 200);
    request.action = "CreateCustomTemplate";
    request.params = template;
    refused(&request, 403, "Forbidden.RAM",
            "User not authorized to operate on the specified resource, or this API doesn't support "
            "RAM.");
    request.key = &operator;
    api_send(&server, &made, &request);
    assert_int_equal(made.status, 200);
    request.action = "CreatePipeline";
    request.params = pipeline;
    refused(&request, 403, "Forbidden.RAM",
            "User not authorized to operate on the specified resource, or this API doesn't support "
            "RAM.");
}

static void broken_requests_are_told_so_in_json(void **state)
{
    (void)state;
    struct kn_http_exchange exchange = {0};
    kn_auto(kn_buf_clear) struct kn_buf url = {0};
    kn_buf_printf(&url, "%s/?a=%%zz", server.url);
    exchange.url = kn_buf_text(&url);
    assert_int_equal(kn_http_do(server.client, &exchange, NULL), KN_OK);
    assert_int_equal(exchange.status, 400);
    json_auto_t *json = json_loads(kn_buf_text(&exchange.answer), 0, NULL);
    spec_check_error(json);
    kn_http_exchange_clear(&exchange);
}

static void the_examples_in_spec_keep_to_their_own_trees(void **state)
{
    (void)state;
    for (size_t i = 0; i < kn_n_operations; i++)
        spec_check_example(kn_operations[i].product, kn_operations[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_a_request_is_understood),
        cmocka_unit_test(get_and_post_are_equal),
        cmocka_unit_test(other_methods_are_refused),
        cmocka_unit_test(a_request_as_long_as_a_timeline_is_understood),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(unknown_actions_and_versions_answer_as_the_vendor_does),
        cmocka_unit_test(action_names_are_known_in_any_case),
        cmocka_unit_test(keys_must_exist_and_be_active),
        cmocka_unit_test(the_clock_may_differ_by_a_quarter_of_an_hour),
        cmocka_unit_test(a_wrong_signature_is_told_what_was_signed),
        cmocka_unit_test(a_wrong_secret_opens_nothing),
        cmocka_unit_test(a_nonce_counts_once),
        cmocka_unit_test(a_failed_signature_burns_no_nonce),
        cmocka_unit_test(formats_are_json_and_xml),
        cmocka_unit_test(other_ways_to_say_who_one_is_are_refused),
        cmocka_unit_test(roles_bound_what_a_key_may_do),
        cmocka_unit_test(broken_requests_are_told_so_in_json),
        cmocka_unit_test(the_examples_in_spec_keep_to_their_own_trees),
    };
    return cmocka_run_group_tests_name("api-server/protocol", tests, start, stop);
}
