#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "api/sts/policy.h"

static kn_code policy_of(struct kn_policy *policy, const char *text, struct kn_error *err)
{
    json_auto_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return kn_policy_read(policy, json, err);
}

#define STATEMENT(action, resource)                                                                \
    "{\"Effect\":\"Allow\",\"Action\":" action ",\"Resource\":" resource "}"
#define POLICY(statements) "{\"Version\":\"1\",\"Statement\":[" statements "]}"

static void an_upload_policy_gives_its_prefix(void **state)
{
    (void)state;
    struct kn_policy policy;
    assert_int_equal(policy_of(&policy,
                          POLICY(STATEMENT("[\"oss:PutObject\"]", "\"acs:oss:*:*:films/in/*\"")),
                          NULL),
                     KN_OK);
    assert_string_equal(policy.bucket_prefix, "films/in");
    assert_int_equal(policy.role, KN_ROLE_OPERATE);
}

static void reading_actions_give_the_reading_role(void **state)
{
    (void)state;
    struct kn_policy policy;
    assert_int_equal(
        policy_of(&policy,
             POLICY(STATEMENT("[\"oss:GetObject\",\"oss:ListObjects\"]",
                              "[\"acs:oss:*:*:films\",\"acs:oss:*:*:films/out/*\"]")),
             NULL),
        KN_OK);
    assert_string_equal(policy.bucket_prefix, "films/out");
    assert_int_equal(policy.role, KN_ROLE_READ);
}

static void what_no_key_can_express_is_refused(void **state)
{
    (void)state;
    static const char *const policies[] = {
        "{}",
        POLICY("{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\"}"),
        POLICY("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":{}}"),
        POLICY(STATEMENT("\"ecs:Run\"", "\"*\"")),
        POLICY(STATEMENT("\"oss:*\"", "\"acs:oss:*:*:films/*/in\"")),
        POLICY(STATEMENT("\"oss:*\"", "[\"acs:oss:*:*:films/*\",\"acs:oss:*:*:sounds/*\"]")),
        POLICY(STATEMENT("\"oss:*\"", "\"acs:ram:*:*:x\"")),
    };
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct kn_policy policy;
        struct kn_error err = {0};
        assert_int_equal(policy_of(&policy, policies[i], &err), KN_EINVAL);
        assert_string_equal(err.reason, "PolicyGrammar");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upload_policy_gives_its_prefix),
        cmocka_unit_test(reading_actions_give_the_reading_role),
        cmocka_unit_test(what_no_key_can_express_is_refused),
    };
    return cmocka_run_group_tests_name("api/policy", tests, NULL, NULL);
}
