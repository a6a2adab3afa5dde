/* Temporary keys (spec 01, section 7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "support/api_server.h"

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

#define ROLE "RoleArn=acs:ram::1000000000000001:role/upload&RoleSessionName=browser"

/* A temporary key of the admin's, under `policy` ("" for none). */
static struct kn_key assumed(const char *policy, char token[256])
{
    json_auto_t *answer = api_call(&server, "AssumeRole", ROLE "&Policy=%s", policy);
    const json_t *credentials = json_object_get(answer, "Credentials");
    struct kn_key key = {0};
    (void)kn_copy(key.id, sizeof(key.id), kn_json_get(credentials, "AccessKeyId", ""));
    (void)kn_copy(key.secret, sizeof(key.secret), kn_json_get(credentials, "AccessKeySecret", ""));
    (void)kn_copy(token, 256, kn_json_get(credentials, "SecurityToken", ""));
    return key;
}

static void a_temporary_key_signs_in_both_forms(void **state)
{
    (void)state;
    char token[256];
    struct kn_key key = assumed("", token);
    assert_true(kn_starts_with(key.id, "STS."));
    for (int form = API_ACS3; form <= API_V1_FORM; form++) {
        const struct api_request request = {.form = (enum api_form)form,
                                            .action = "GetCallerIdentity",
                                            .version = "2015-04-01",
                                            .key = &key,
                                            .token = token};
        kn_auto(api_reply_clear) struct api_reply reply;
        api_send(&server, &reply, &request);
        assert_int_equal(reply.status, 200);
        assert_string_equal(kn_json_get(reply.json, "IdentityType", ""), "AssumedRoleUser");
    }
}

static void a_temporary_key_needs_its_own_token(void **state)
{
    (void)state;
    char token[256], other[256];
    struct kn_key key = assumed("", token);
    (void)assumed("", other);
    const struct {
        const struct kn_key *key;
        const char *token, *code;
    } cases[] = {
        {&key, NULL, "MissingSecurityToken"},
        {&key, "made-up", "InvalidSecurityToken.Malformed"},
        {&server.admin, other, "InvalidSecurityToken.MismatchWithAccessKey"},
    };
    for (size_t i = 0; i < KN_COUNT(cases); i++) {
        const struct api_request request = {
            .action = "ListPipelines", .key = cases[i].key, .token = cases[i].token};
        kn_auto(api_reply_clear) struct api_reply reply;
        api_send(&server, &reply, &request);
        assert_int_equal(reply.status, 400);
        assert_string_equal(kn_json_get(reply.json, "Code", ""), cases[i].code);
    }
}

static void a_policy_narrows_the_key(void **state)
{
    (void)state;
    char token[256];
    struct kn_key key = assumed("{\"Version\":\"1\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":"
                                "\"oss:PutObject\",\"Resource\":\"acs:oss:*:*:films/in/*\"}]}",
                                token);
    struct kn_key stored;
    assert_int_equal(kn_access_find(server.access, key.id, &stored, NULL), KN_OK);
    assert_true(kn_key_covers(&stored, "films", "in/a.mp4"));
    assert_false(kn_key_covers(&stored, "films", "out/a.mp4"));
    assert_int_equal(stored.role, KN_ROLE_OPERATE);
}

static void a_temporary_key_makes_no_further_ones(void **state)
{
    (void)state;
    char token[256];
    struct kn_key key = assumed("", token);
    json_auto_t *params = api_params(ROLE);
    const struct api_request request = {.action = "AssumeRole",
                                        .version = "2015-04-01",
                                        .params = params,
                                        .key = &key,
                                        .token = token};
    kn_auto(api_reply_clear) struct api_reply reply;
    api_send(&server, &reply, &request);
    assert_int_equal(reply.status, 403);
    assert_string_equal(kn_json_get(reply.json, "Code", ""), "NoPermission");
}

static void malformed_roles_are_refused(void **state)
{
    (void)state;
    free(api_refused(&server, 400, "InvalidParameter.RoleArn", "AssumeRole",
                     "RoleArn=upload&RoleSessionName=browser"));
    free(api_refused(&server, 400, "InvalidParameter.RoleArn", "AssumeRole",
                     "RoleArn=acs:ram::2:role/upload&RoleSessionName=browser"));
    free(api_refused(&server, 400, "InvalidParameter.RoleSessionName", "AssumeRole",
                     "RoleArn=acs:ram::1000000000000001:role/upload&RoleSessionName=a"));
    free(api_refused(&server, 400, "InvalidParameter.OutOfRange", "AssumeRole",
                     ROLE "&DurationSeconds=60"));
    free(api_refused(&server, 400, "InvalidParameter.PolicyGrammar", "AssumeRole",
                     ROLE "&Policy={}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_temporary_key_signs_in_both_forms),
        cmocka_unit_test(a_temporary_key_needs_its_own_token),
        cmocka_unit_test(a_policy_narrows_the_key),
        cmocka_unit_test(a_temporary_key_makes_no_further_ones),
        cmocka_unit_test(malformed_roles_are_refused),
    };
    return cmocka_run_group_tests_name("api-server/sts", tests, start, stop);
}
