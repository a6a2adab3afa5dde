/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/uri.h"

static const char *const hosts[] = {"oss.media.example", "127.0.0.1:8801", NULL};

static void expect_object(const char *text, const char *bucket, const char *key)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_uri uri;
    struct kn_error err = {0};
    if (kn_uri_parse(&uri, text, hosts, &arena, &err) != KN_OK)
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(uri.kind, KN_URI_OBJECT);
    assert_string_equal(uri.bucket, bucket);
    assert_string_equal(uri.key, key);
}

static void every_address_form_of_a_bucket_means_the_bucket(void **state)
{
    (void)state;
    expect_object("oss://media-in/a b/c%20d.mp4", "media-in", "a b/c%20d.mp4"); // literal
    expect_object("https://media-in.oss.media.example/a%20b.mp4", "media-in", "a b.mp4");
    expect_object("http://media-in.oss.media.example:9000/dir/", "media-in", "dir/");
    expect_object("http://oss.media.example/media-in/a+b.mp4", "media-in", "a+b.mp4");
    expect_object("http://127.0.0.1:8801/media-in/x/y.mp4", "media-in", "x/y.mp4");
    expect_object("https://media-in.oss-cn-shanghai.aliyuncs.com/v.mp4", "media-in", "v.mp4");
    expect_object("https://media-in.oss-cn-hangzhou-internal.aliyuncs.com/v.mp4", "media-in",
                  "v.mp4");
    expect_object("oss://media-in", "media-in", "");
}

static void other_hosts_are_outside_urls(void **state)
{
    (void)state;
    static const char *const outside[] = {
        "https://example.com/a.mp4?sig=1",
        "http://127.0.0.1:8800/media-in/a", // another port is another service
        "https://media-in.aliyuncs.com/a",  // no oss- endpoint
        "https://oss-cn-shanghai.aliyuncs.com.evil.example/a",
        "https://x.evil-oss-cn.aliyuncs.com.example/a",
    };
    for (size_t i = 0; i < KN_COUNT(outside); i++) {
        kn_auto(kn_arena_clear) struct kn_arena arena = {0};
        struct kn_uri uri;
        assert_int_equal(kn_uri_parse(&uri, outside[i], hosts, &arena, NULL), KN_OK);
        assert_int_equal(uri.kind, KN_URI_HTTP);
    }
}

static void expect_refused(const char *text, const char *reason)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_uri uri;
    struct kn_error err = {0};
    assert_int_equal(kn_uri_parse(&uri, text, hosts, &arena, &err), KN_EINVAL);
    assert_string_equal(err.reason, reason);
}

static void names_that_leave_their_bucket_are_refused(void **state)
{
    (void)state;
    expect_refused("oss://media-in/../secret", "ObjectKeyInvalid");
    expect_refused("oss://media-in/a/./b", "ObjectKeyInvalid");
    expect_refused("https://media-in.oss.media.example/%2e%2e/secret", "ObjectKeyInvalid");
    expect_refused("https://media-in.oss.media.example/a%00b", "ObjectKeyInvalid");
    expect_refused("oss://media-in/a\nb", "ObjectKeyInvalid");
    expect_refused("oss://M/a", "BucketNameInvalid");
    expect_refused("oss:///a", "BucketNameInvalid");
    expect_refused("https://media-in.oss.media.example/a?Expires=1", "InvalidParameter");
    expect_refused("ftp://example.com/a", "InvalidParameter");
    expect_refused("file:///etc/passwd", "InvalidParameter");
    expect_refused("", "EmptyValue");
}

static void a_plain_path_is_a_file(void **state)
{
    (void)state;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_uri uri;
    assert_int_equal(kn_uri_parse(&uri, "films/a.mp4", hosts, &arena, NULL), KN_OK);
    assert_int_equal(uri.kind, KN_URI_FILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_address_form_of_a_bucket_means_the_bucket),
        cmocka_unit_test(other_hosts_are_outside_urls),
        cmocka_unit_test(names_that_leave_their_bucket_are_refused),
        cmocka_unit_test(a_plain_path_is_a_file),
    };
    return cmocka_run_group_tests_name("base/uri", tests, NULL, NULL);
}
