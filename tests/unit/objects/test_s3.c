/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a storage set up wrongly, or out of reach, says. The store's own tests run on S3 as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/time.h"
#include "http/sigv4.h"
#include "objects/s3.h"

static struct kn_s3_config config(void)
{
    return (struct kn_s3_config){.url = "s3://depot/kinora", .endpoint = "http://127.0.0.1:1",
                                 .key_id = "id", .secret = "secret", .retry_us = KN_SECOND};
}

static void expect_refusal(const struct kn_s3_config *wrong, const char *sentence)
{
    struct kn_error err = {0};
    kn_auto(kn_s3_close) struct kn_s3 *s3 = NULL;
    assert_int_equal(kn_s3_open(&s3, wrong, &err), KN_EINVAL);
    assert_string_equal(err.message, sentence);
}

static void settings_that_are_wrong_are_named(void **state)
{
    (void)state;
    struct kn_s3_config wrong = config();
    wrong.url = "s3:///kinora";
    expect_refusal(&wrong, "storage 's3:///kinora' is not s3://BUCKET[/PREFIX]");
    wrong = config();
    wrong.secret = NULL;
    expect_refusal(&wrong, "storage 's3://depot/kinora' needs storage_key_id and storage_key_secret "
                           "(KINORA_STORAGE_KEY_ID, KINORA_STORAGE_KEY_SECRET)");
    wrong = config();
    wrong.endpoint = "minio:9000";
    expect_refusal(&wrong, "storage_endpoint 'minio:9000' does not begin with http:// or https://");
    wrong.endpoint = "http://minio:9000/path";
    expect_refusal(&wrong,
                   "storage_endpoint 'http://minio:9000/path' is more than scheme, host and port");
}

static void unreachable_store_is_tried_again_then_told(void **state)
{
    (void)state;
    struct kn_s3_config there = config();
    kn_auto(kn_s3_close) struct kn_s3 *s3 = NULL;
    struct kn_error err = {0};
    assert_int_equal(kn_s3_open(&s3, &there, &err), KN_OK);
    int64_t start_us = kn_mono_us();
    assert_int_equal(kn_s3_put(s3, "a", "x", 1, &err), KN_EIO);
    assert_true(kn_mono_us() - start_us > KN_SECOND / 4);
    assert_non_null(strstr(err.message, "the storage 's3://depot' is out of reach: cannot reach "
                                        "'http://127.0.0.1:1/depot/kinora/a'"));
}

// The example of Amazon's documentation for Signature Version 4, "GET Object".
static void known_request_has_the_known_signature(void **state)
{
    (void)state;
    static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    static const struct kn_sigv4_header headers[] = {
        {"host", "examplebucket.s3.amazonaws.com"},
        {"range", "bytes=0-9"},
        {"x-amz-content-sha256", empty},
        {"x-amz-date", "20130524T000000Z"},
    };
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    kn_sigv4_authorization(&out, &(struct kn_sigv4_request){
                                     .method = "GET",
                                     .path = "/test.txt",
                                     .query = "",
                                     .headers = headers,
                                     .n_headers = KN_COUNT(headers),
                                     .payload_sha256 = empty,
                                     .region = "us-east-1",
                                     .service = "s3",
                                     .key_id = "AKIAIOSFODNN7EXAMPLE",
                                     .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                     .date = "20130524T000000Z"});
    assert_string_equal(
        kn_buf_text(&out),
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_that_are_wrong_are_named),
        cmocka_unit_test(unreachable_store_is_tried_again_then_told),
        cmocka_unit_test(known_request_has_the_known_signature),
    };
    return cmocka_run_group_tests_name("objects/s3", tests, NULL, NULL);
}
