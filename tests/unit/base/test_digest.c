/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/crc64.h"
#include "base/digest.h"
#include "base/encode.h"

static void digests_give_the_published_vectors(void **state)
{
    (void)state;
    uint8_t md5[KN_MD5_BYTES];
    char text[65];
    kn_md5(md5, "abc", 3); // RFC 1321, A.5
    kn_hex(text, md5, sizeof(md5));
    assert_string_equal(text, "900150983cd24fb0d6963f7d28e17f72");
    kn_sha256_hex(text, "", 0);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmacs_give_the_published_vectors(void **state)
{
    (void)state;
    char text[65];
    uint8_t sha1[KN_SHA1_BYTES], sha256[KN_SHA256_BYTES], key[131];
    kn_hmac_sha1(sha1, "Jefe", 4, "what do ya want for nothing?", 28); // RFC 2202, 3, case 2
    kn_hex(text, sha1, sizeof(sha1));
    assert_string_equal(text, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    memset(key, 0xaa, sizeof(key)); // RFC 4231, case 6: a key longer than the block
    const char *data = "Test Using Larger Than Block-Size Key - Hash Key First";
    kn_hmac_sha256(sha256, key, sizeof(key), data, strlen(data));
    kn_hex(text, sha256, sizeof(sha256));
    assert_string_equal(text, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void streaming_equals_one_shot(void **state)
{
    (void)state;
    uint8_t a[KN_SHA256_BYTES], b[KN_SHA256_BYTES];
    struct kn_digest *d = kn_digest_new(KN_DIGEST_SHA256);
    kn_digest_add(d, "ab", 2);
    kn_digest_add(d, "c", 1);
    kn_digest_end(d, a);
    kn_digest_free(&d);
    kn_sha256(b, "abc", 3);
    assert_memory_equal(a, b, sizeof(a));
}

// Spec 09, 4.6.
static void crc64_gives_the_check_values(void **state)
{
    (void)state;
    assert_int_equal(kn_crc64(0, "123456789", 9), UINT64_C(0x995DC9BBDF1939FA));
    assert_int_equal(kn_crc64(0, "hello", 5), UINT64_C(11177612005948864433));
}

// One bit at a time: the definition.
static uint64_t crc64_slowly(const uint8_t *b, size_t n)
{
    uint64_t crc = UINT64_MAX;
    for (size_t i = 0; i < 8 * n; i++) {
        uint64_t bit = (crc ^ (uint64_t)b[i / 8] >> (i % 8)) & 1;
        crc = crc >> 1 ^ (bit ? UINT64_C(0xC96C5795D7870F42) : 0);
    }
    return ~crc;
}

static void crc64_is_the_same_at_every_length_and_alignment(void **state)
{
    (void)state;
    uint8_t bytes[16 + 300];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * i * 31 + i / 7);
    for (size_t n = 0; n <= 300; n++) {
        size_t at = n % 16;
        assert_int_equal(kn_crc64(0, bytes + at, n), crc64_slowly(bytes + at, n));
    }
    uint64_t all = crc64_slowly(bytes, sizeof(bytes));
    for (size_t cut = 0; cut <= sizeof(bytes); cut++)
        assert_int_equal(kn_crc64(kn_crc64(0, bytes, cut), bytes + cut, sizeof(bytes) - cut), all);
    for (size_t at = 0; at < 16; at++)
        assert_int_equal(kn_crc64(0, bytes + at, 257), crc64_slowly(bytes + at, 257));
}

static void crc64_goes_on_and_combines(void **state)
{
    (void)state;
    char text[1000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7);
    uint64_t whole = kn_crc64(0, text, sizeof(text));
    for (size_t cut = 0; cut <= sizeof(text); cut += 37) {
        uint64_t head = kn_crc64(0, text, cut);
        uint64_t tail = kn_crc64(0, text + cut, sizeof(text) - cut);
        assert_int_equal(kn_crc64(head, text + cut, sizeof(text) - cut), whole);
        assert_int_equal(kn_crc64_combine(head, tail, sizeof(text) - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_give_the_published_vectors),
        cmocka_unit_test(hmacs_give_the_published_vectors),
        cmocka_unit_test(streaming_equals_one_shot),
        cmocka_unit_test(crc64_gives_the_check_values),
        cmocka_unit_test(crc64_is_the_same_at_every_length_and_alignment),
        cmocka_unit_test(crc64_goes_on_and_combines),
    };
    return cmocka_run_group_tests_name("base/digest", tests, NULL, NULL);
}
