/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The vectors of spec 10, section 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "api/mns/sign.h"
#include "base/cleanup.h"
#include "support/memory_request.h"

struct vector {
    const char *text, *secret;
    struct kn_pair params[4];
    size_t n_params;
};

static bool fits(const struct vector *vector)
{
    kn_auto(memory_request_clear) struct kn_http_request request = {0};
    assert_true(memory_request_parse(&request, vector->text, strlen(vector->text)));
    struct kn_mns_call call = {.request = &request, .method = kn_http_method(&request),
                               .path = kn_http_path(&request),
                               .params = (struct kn_pair *)(uintptr_t)vector->params,
                               .n_params = vector->n_params};
    while (call.path[0] == '/' && call.path[1] == '/')
        call.path++;
    struct kn_mns_signed claim;
    struct kn_error err = {0};
    assert_int_equal(kn_mns_signed_read(&claim, &call, &err), KN_OK);
    bool does_fit = kn_mns_signature_fits(&call, &claim, vector->secret);
    kn_arena_clear(&call.arena);
    return does_fit;
}

#define V2_DATE                                                                                    \
    "Date: Fri, 20 Nov 2026 16:09:26 GMT\nx-mns-date: Fri, 20 Nov 2026 16:09:26 GMT\n"             \
    "x-mns-version: 2015-06-06\n"

static void version_2_as_npm_signs(void **state)
{
    (void)state;
    const struct vector put = {
        "PUT /queues/q1\n" V2_DATE
        "content-type: text/xml\ncontent-md5: ZmYwMDMxYzdkMzY4M2VkNGJkNTM1NTU0ZDAwNTEyNzc=\n"
        "Authorization: MNS AKIDEXAMPLE:geMxJVWaKB4tb84r5pBLVefjE9c=\n\n",
        "SECRETEXAMPLE", {{0}}, 0};
    assert_true(fits(&put));
    const struct vector receive = {"GET /queues/q1/messages?waitseconds=10\n" V2_DATE
                                   "Authorization: MNS AKIDEXAMPLE:AjiMqemY7D6eSRDWpqEz5Wv0QRE=\n\n",
                                   "SECRETEXAMPLE", {{0}}, 0};
    assert_true(fits(&receive));
    const struct vector list = {"GET /queues\nx-mns-prefix: q\n" V2_DATE
                                "X-MNS-Marker: m\nx-mns-ret-number: 10\n"
                                "Authorization: MNS AKIDEXAMPLE:ocCFUwaYXyM6HTA/eW7NZkHK8k4=\n\n",
                                "SECRETEXAMPLE", {{0}}, 0};
    assert_true(fits(&list));
}

static void version_2_of_a_doubled_slash_and_a_bent_request(void **state)
{
    (void)state;
    const struct vector doubled = {"GET //queues/q1/messages?waitseconds=10\n" V2_DATE
                                   "Authorization: MNS AKIDEXAMPLE:AjiMqemY7D6eSRDWpqEz5Wv0QRE=\n\n",
                                   "SECRETEXAMPLE", {{0}}, 0};
    assert_true(fits(&doubled));
    const struct vector bent = {"GET /queues/q1/messages?waitseconds=11\n" V2_DATE
                                "Authorization: MNS AKIDEXAMPLE:AjiMqemY7D6eSRDWpqEz5Wv0QRE=\n\n",
                                "SECRETEXAMPLE", {{0}}, 0};
    assert_false(fits(&bent));
}

static void version_4_as_the_java_sdk_signs(void **state)
{
    (void)state;
    const struct vector vectors[] = {
        {"POST /queues/TestQueue/\nDate: Tue, 03 Jun 2025 10:52:35 GMT\n"
         "Authorization: MNS4-HMAC-SHA256 Credential=ak1/20250603/region1/mns/aliyun_v4_request,"
         "Signature=1fc6013f158d4c3aba09570895a2a93c8445c2c5213d82a1463baf602cf0d945\n\n",
         "sk1",
         {{"param1", "abc"}, {"PARAM4", "中文参数"}, {"PARAM3", "[def]#bbb"}, {"PARAM2", "d  ef"}},
         4},
        {"PUT /queues/TestQueue123456\nDate: Wed, 03 Dec 2025 11:23:48 GMT\nx-mns-abc: kkk\n"
         "X-MNS-Sss: 2015-06-06xFFF\n"
         "Authorization: MNS4-HMAC-SHA256 Credential=akkkkk1111111111/20251203/region2/mns/"
         "aliyun_v4_request,"
         "Signature=04f1e5f929b5aaac3af6a54970f591581ecd2aade2562f926c5f2ec5d5c8cfad\n\n",
         "skkkkkkk1111111111", {{0}}, 0},
        {"GET /queues\nDate: Thu, 04 Dec 2025 06:32:35 GMT\nx-mns-version: 2015-06-30\nx-mns-ttt: 1\n"
         "X-MNS-UUUuu: FALse\nContent-Type: application/json\nContent-MD5: 0d9d2ce750000593eb34f00\n"
         "Authorization: MNS4-HMAC-SHA256 Credential=akkkkk222222222/20251204/eu-west-1/mns/"
         "aliyun_v4_request,"
         "Signature=294f776a2d5726df679b54b081ab8126a199a2545c8c8a7a875adff0b386e458\n\n",
         "skkkkkk2222222222", {{0}}, 0},
        {"GET /\nDate: Tue, 03 Jun 2025 10:52:35 GMT\n"
         "Authorization: MNS4-HMAC-SHA256 Credential=testAk/20250603/testRegion/mns/"
         "aliyun_v4_request,"
         "Signature=63f78964dcd1132bab91b9c38ceebdfb59509149b34874c5b2c9dfc2b12e7291\n\n",
         "testSk", {{0}}, 0},
    };
    for (size_t i = 0; i < KN_COUNT(vectors); i++)
        assert_true(fits(&vectors[i]));
    struct vector other = vectors[3];
    other.secret = "another";
    assert_false(fits(&other));
}

static kn_code read_reason(const char *text, struct kn_error *err)
{
    kn_auto(memory_request_clear) struct kn_http_request request = {0};
    assert_true(memory_request_parse(&request, text, strlen(text)));
    struct kn_mns_call call = {.request = &request, .method = "GET", .path = "/"};
    struct kn_mns_signed claim;
    kn_code rc = kn_mns_signed_read(&claim, &call, err);
    kn_arena_clear(&call.arena);
    return rc;
}

static void malformed_claims_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"GET /\nDate: Tue, 03 Jun 2025 10:52:35 GMT\n\n", "MissingAuthorizationHeader"},
        {"GET /\nAuthorization: MNS a:b\n\n", "MissingDateHeader"},
        {"GET /\nAuthorization: MNS a:b\nDate: yesterday\n\n", "InvalidDateHeader"},
        {"GET /\nAuthorization: Basic a:b\nDate: Tue, 03 Jun 2025 10:52:35 GMT\n\n",
         "InvalidAuthorizationHeader"},
        {"GET /\nAuthorization: MNS :b\nDate: Tue, 03 Jun 2025 10:52:35 GMT\n\n",
         "InvalidAuthorizationHeader"},
        {"GET /\nAuthorization: MNS4-HMAC-SHA256 Credential=a/20250604/r/mns/aliyun_v4_request,"
         "Signature=00\nDate: Tue, 03 Jun 2025 10:52:35 GMT\n\n",
         "InvalidAuthorizationHeader"},
    };
    for (size_t i = 0; i < KN_COUNT(cases); i++) {
        struct kn_error err = {0};
        assert_int_equal(read_reason(cases[i].text, &err), KN_EINVAL);
        assert_string_equal(err.reason, cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2_as_npm_signs),
        cmocka_unit_test(version_2_of_a_doubled_slash_and_a_bent_request),
        cmocka_unit_test(version_4_as_the_java_sdk_signs),
        cmocka_unit_test(malformed_claims_are_named),
    };
    return cmocka_run_group_tests_name("api/mns/sign", tests, NULL, NULL);
}
