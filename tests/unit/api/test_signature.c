#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "api/params.h"
#include "api/signature.h"
#include "base/cleanup.h"
#include "base/json.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static json_t *decoded(const char *query)
{
    json_t *params = json_object();
    assert_int_equal(kn_params_add(params, query, strlen(query), NULL), KN_OK);
    return params;
}

static void assert_v1(const char *method, const char *query, const char *secret, const char *want)
{
    json_auto_t *params = decoded(query);
    kn_auto(kn_buf_clear) struct kn_buf text = {0}, signature = {0};
    kn_v1_string_to_sign(&text, method, params);
    kn_v1_signature(&signature, secret, &text);
    assert_string_equal(kn_buf_text(&signature), want);
}

// The vectors of spec 01, 4.3; the first two are the vendor's own.
static void v1_gives_the_published_signatures(void **state)
{
    (void)state;
    assert_v1("GET",
              "Timestamp=2016-02-23T12%3A46%3A24Z&Format=XML&AccessKeyId=testid&"
              "Action=DescribeRegions&SignatureMethod=HMAC-SHA1&"
              "SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&Version=2014-05-26&"
              "SignatureVersion=1.0&Signature=whatever",
              "testsecret", "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
    assert_v1("GET",
              "Timestamp=2015-05-14T09:03:45Z&Format=XML&AccessKeyId=testId&Action=SearchTemplate&"
              "PageSize=2&SignatureMethod=HMAC-SHA1&"
              "SignatureNonce=4902260a-516a-4b6a-a455-45b653cf6150&SignatureVersion=1.0&"
              "Version=2014-06-18",
              "testKeySecret", "kmDv4mWo806GWPjQMy2z4VhBBDQ=");
}

static void v1_signs_what_the_wire_decodes_to(void **state)
{
    (void)state;
    // Literal "!'()*~" and '+' for space, as some clients write what others encode.
    assert_v1("POST",
              "AccessKeyId=testid&Action=SubmitIProductionJob&Format=JSON&FunctionName=Cover&"
              "Input=oss://in+bucket/a%2Bb~*.mp4&JobParams={\"Model\":\"gif\"}&"
              "Output=oss://out/{Count}.jpg&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&"
              "SignatureNonce=0a1b2c3d4e5f60718293a4b5c6d7e8f9&Timestamp=2026-01-02T03:04:05Z&"
              "UserData=it's%20(ok)!%20%C3%A9%E4%B8%AD&Version=2014-06-18",
              "testsecret", "M5bxuIBn2g5zBEapm6K3+Jav3hs=");
}

static void assert_acs3(const struct kn_acs3_request *request, const char *secret, const char *hash,
                        const char *want)
{
    kn_auto(kn_buf_clear) struct kn_buf canonical = {0}, text = {0};
    char signature[65];
    kn_acs3_canonical_request(&canonical, request);
    kn_acs3_string_to_sign(&text, &canonical);
    kn_acs3_signature(signature, secret, &text);
    assert_string_equal(strchr(kn_buf_text(&text), '\n') + 1, hash);
    assert_string_equal(signature, want);
}

// The vectors of spec 01, 5.4; the first is the vendor's own.
static void acs3_gives_the_published_signature(void **state)
{
    (void)state;
    json_auto_t *query = decoded("RegionId=cn-shanghai&"
                                 "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd");
    const struct kn_acs3_header headers[] = {
        {"x-acs-action", "RunInstances"},
        {"host", "ecs.cn-shanghai.aliyuncs.com"},
        {"x-acs-content-sha256", EMPTY_SHA256},
        {"x-acs-date", "2023-10-26T10:22:32Z"},
        {"x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"},
        {"x-acs-version", "2014-05-26"},
    };
    const struct kn_acs3_request request = {
        .method = "POST",
        .query = query,
        .headers = headers,
        .n_headers = KN_COUNT(headers),
        .signed_headers = "host;x-acs-action;x-acs-content-sha256;x-acs-date;"
                          "x-acs-signature-nonce;x-acs-version",
        .body_sha256 = EMPTY_SHA256,
    };
    assert_acs3(&request, "YourAccessKeySecret",
                "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259",
                "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0");
}

static void acs3_signs_what_the_wire_decodes_to(void **state)
{
    (void)state;
    json_auto_t *query = decoded("ClientToken=ct-1&Config=%7B%22JobName%22%3A%22demo%20~*'()!%22%2C"
                                 "%22Inputs%22%3A%5B%5D%7D&UserData=v%20%C3%A9%20%E4%B8%AD");
    const struct kn_acs3_header headers[] = {
        {"Host", " ims.example.lan:8080 "},
        {"X-Acs-Action", "SubmitMediaConvertJob"},
        {"x-acs-content-sha256", EMPTY_SHA256},
        {"x-acs-credentials-provider", "static_ak"},
        {"x-acs-date", "2026-01-02T03:04:05Z"},
        {"x-acs-signature-nonce", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"},
        {"x-acs-version", "2020-11-09"},
        {"accept", "not signed"},
    };
    const struct kn_acs3_request request = {
        .method = "POST",
        .query = query,
        .headers = headers,
        .n_headers = KN_COUNT(headers),
        .signed_headers = "x-acs-version;host;x-acs-action;x-acs-content-sha256;"
                          "x-acs-credentials-provider;x-acs-date;x-acs-signature-nonce",
        .body_sha256 = EMPTY_SHA256,
    };
    assert_acs3(&request, "testsecret",
                "f32f81b2b400541bf4f2b4a8610242c14337a54769262a570eb0b8a6a7f20be1",
                "50f6d1c4cf010e8287535f88c772a6cf97f5e1a01c889eb988c5c922db8866ae");
}

static void authorization_headers_are_taken_apart(void **state)
{
    (void)state;
    struct kn_acs3_authorization out;
    assert_int_equal(kn_acs3_parse(&out,
                                   "ACS3-HMAC-SHA256 Credential=AKID, SignedHeaders=host;x-acs-date,"
                                   "Signature=0123456789",
                                   NULL),
                     KN_OK);
    assert_string_equal(out.key_id, "AKID");
    assert_string_equal(out.signature, "0123456789");
    assert_true(kn_acs3_signs(&out, "x-acs-date"));
    assert_false(kn_acs3_signs(&out, "x-acs"));
}

static void other_algorithms_and_broken_headers_are_refused(void **state)
{
    (void)state;
    struct kn_acs3_authorization out;
    struct kn_error err = {0};
    assert_int_equal(kn_acs3_parse(&out, "ACS3-RSA-SHA256 Credential=a", &err), KN_EINVAL);
    assert_string_equal(err.reason, "InvalidSignatureMethod");
    assert_int_equal(kn_acs3_parse(&out, "ACS3-HMAC-SHA256 Credential=a,Signature=b", &err),
                     KN_EINVAL);
    assert_string_equal(err.reason, "IncompleteSignature");
    assert_int_equal(kn_acs3_parse(&out, "ACS3-HMAC-SHA256", &err), KN_EINVAL);
}

static void broken_queries_are_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {"a=%", "a=%4", "a=%zz", "a=%00", "a=%ff", "%c3=b"};
    for (size_t i = 0; i < KN_COUNT(broken); i++) {
        json_auto_t *params = json_object();
        struct kn_error err = {0};
        assert_int_equal(kn_params_add(params, broken[i], strlen(broken[i]), &err), KN_EINVAL);
        assert_string_equal(err.reason, "BadRequest");
    }
}

static void odd_queries_are_read_as_far_as_they_go(void **state)
{
    (void)state;
    json_auto_t *params = decoded("&a&b=&=c&d=e=f&d=g&");
    assert_string_equal(kn_json_get(params, "a", "-"), "");
    assert_string_equal(kn_json_get(params, "b", "-"), "");
    assert_string_equal(kn_json_get(params, "d", "-"), "g");
    assert_int_equal(json_object_size(params), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v1_gives_the_published_signatures),
        cmocka_unit_test(v1_signs_what_the_wire_decodes_to),
        cmocka_unit_test(acs3_gives_the_published_signature),
        cmocka_unit_test(acs3_signs_what_the_wire_decodes_to),
        cmocka_unit_test(authorization_headers_are_taken_apart),
        cmocka_unit_test(other_algorithms_and_broken_headers_are_refused),
        cmocka_unit_test(broken_queries_are_refused),
        cmocka_unit_test(odd_queries_are_read_as_far_as_they_go),
    };
    return cmocka_run_group_tests_name("api/signature", tests, NULL, NULL);
}
