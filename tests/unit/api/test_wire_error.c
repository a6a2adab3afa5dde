#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "api/wire_error.h"

static struct kn_wire_error wire_of(struct kn_error *err)
{
    struct kn_wire_error wire;
    kn_wire_error_of(&wire, err);
    return wire;
}

static void a_reason_gives_code_and_message_with_its_subject(void **state)
{
    (void)state;
    struct kn_error err = {0};
    (void)kn_fail_as(&err, KN_EINVAL, "OutOfRange", "'Config.Inputs[0].Name' is too long");
    struct kn_wire_error wire = wire_of(&err);
    assert_int_equal(wire.status, 400);
    assert_string_equal(wire.code, "InvalidParameter.OutOfRange");
    assert_string_equal(wire.message,
                        "The specified parameter \"Config.Inputs[0].Name\" is out of range.");
    assert_string_equal(wire.detail, "'Config.Inputs[0].Name' is too long");
}

static void without_a_subject_our_sentence_is_the_message(void **state)
{
    (void)state;
    struct kn_error err = {0};
    (void)kn_fail(&err, KN_EINVAL, "the page token is none of ours");
    struct kn_wire_error wire = wire_of(&err);
    assert_string_equal(wire.code, "InvalidParameter");
    assert_string_equal(wire.message, "the page token is none of ours");
    assert_null(wire.detail);
}

static void what_broke_inside_stays_inside(void **state)
{
    (void)state;
    struct kn_error err = {0};
    (void)kn_fail(&err, KN_EIO, "cannot write '/var/lib/kinora/kinora.db'");
    struct kn_wire_error wire = wire_of(&err);
    assert_int_equal(wire.status, 500);
    assert_string_equal(wire.code, "InternalError");
    assert_null(wire.detail);
}

static void throttled_callers_are_told_how_long_to_wait(void **state)
{
    (void)state;
    struct kn_error err = {0};
    (void)kn_fail(&err, KN_ELIMIT, "the nonces are full");
    struct kn_wire_error wire = wire_of(&err);
    assert_int_equal(wire.status, 400); // the SDKs know throttling by its Code, not by 429
    assert_string_equal(wire.code, "Throttling.User");
    assert_true(wire.retry_after_ms > 0);
}

static void absence_is_another_code_for_a_job_than_for_a_call(void **state)
{
    (void)state;
    struct kn_error err = {0};
    (void)kn_fail_as(&err, KN_ENOTFOUND, "ResourceNotFound", "no job has the id 'x'");
    assert_string_equal(wire_of(&err).code, "ResourceNotFound");
    struct kn_wire_error wire;
    kn_wire_error_of_job(&wire, "KN_ENOTFOUND", "ResourceNotFound", "there is no 'oss://b/k'");
    assert_string_equal(wire.code, "InvalidParameter.ResourceNotFound");
    assert_string_equal(wire.message, "The resource operated \"oss://b/k\" cannot be found. "
                                      "(there is no 'oss://b/k')");
}

static void jobs_that_failed_for_no_fault_of_theirs_say_internal_error(void **state)
{
    (void)state;
    struct kn_wire_error wire;
    kn_wire_error_of_job(&wire, "KN_EBUG", NULL, NULL);
    assert_string_equal(wire.code, "InternalError");
    assert_string_equal(wire.message, "The operation has failed due to some unknown error, "
                                      "exception or failure.");
    kn_wire_error_of_job(&wire, "KN_EMEDIA", NULL, "nothing can be read from 'oss://b/k'");
    assert_string_equal(wire.code, "InvalidParameter.ResourceContentBad");
}

static void a_product_with_words_of_its_own_uses_them(void **state)
{
    (void)state;
    struct kn_error err = {0};
    struct kn_wire_error wire;
    (void)kn_fail_as(&err, KN_EINVAL, "MissingParameter", "'ProjectName' is not supplied");
    kn_wire_error_of_product(&wire, "imm", &err);
    assert_string_equal(wire.code, "InvalidArgument");
    assert_string_equal(wire.message, "The parameter ProjectName is required but not provided.");
    kn_wire_error_of_product(&wire, "ice", &err);
    assert_string_equal(wire.code, "MissingParameter");

    (void)kn_fail_as(&err, KN_ENOTFOUND, "ProjectNotFound", "there is no project 'x'");
    kn_wire_error_of_product(&wire, "imm", &err);
    assert_int_equal(wire.status, 400);
    assert_string_equal(wire.code, "ResourceNotFound");

    // What the gateway refuses sounds the same everywhere.
    (void)kn_fail_as(&err, KN_EINVAL, "SignatureDoesNotMatch", "it does not");
    kn_wire_error_of_product(&wire, "imm", &err);
    assert_string_equal(wire.code, "SignatureDoesNotMatch");
}

static void a_tasks_code_is_one_of_five(void **state)
{
    (void)state;
    char code[64], message[1024];
    kn_wire_error_of_task("KN_EMEDIA", "NoCaptionStream", "'oss://b/k' has no captions", code, message);
    assert_string_equal(code, "InvalidArgument");
    assert_string_equal(message, "The source has no subtitle stream that can be extracted."
                                 " ('oss://b/k' has no captions)");
    kn_wire_error_of_task("KN_ENOTFOUND", NULL, "there is no 'oss://b/k'", code, message);
    assert_string_equal(code, "ResourceNotFound");
    kn_wire_error_of_task("", NULL, NULL, code, message);
    assert_string_equal(code, "Cancelled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reason_gives_code_and_message_with_its_subject),
        cmocka_unit_test(without_a_subject_our_sentence_is_the_message),
        cmocka_unit_test(what_broke_inside_stays_inside),
        cmocka_unit_test(throttled_callers_are_told_how_long_to_wait),
        cmocka_unit_test(absence_is_another_code_for_a_job_than_for_a_call),
        cmocka_unit_test(jobs_that_failed_for_no_fault_of_theirs_say_internal_error),
        cmocka_unit_test(a_product_with_words_of_its_own_uses_them),
        cmocka_unit_test(a_tasks_code_is_one_of_five),
    };
    return cmocka_run_group_tests_name("api/wire_error", tests, NULL, NULL);
}
