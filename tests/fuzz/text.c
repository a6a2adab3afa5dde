/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The small readers of base: numbers, times, encodings, patterns. What is written reads back. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void encodings(const char *text, size_t n)
{
    kn_auto(kn_buf_clear) struct kn_buf coded = {0}, plain = {0}, decoded = {0};
    kn_base64(&coded, text, n);
    assert(kn_unbase64(&plain, kn_buf_text(&coded), coded.len));
    assert(plain.len == n && (n == 0 || memcmp(plain.data, text, n) == 0));
    kn_buf_reset(&coded);
    kn_buf_reset(&plain);
    kn_percent(&coded, text, n, n % 2);
    assert(kn_unpercent(&plain, kn_buf_text(&coded), coded.len, false));
    assert(plain.len == n && (n == 0 || memcmp(plain.data, text, n) == 0));
    (void)kn_unbase64(&decoded, text, n);
    (void)kn_unpercent(&decoded, text, n, true);
}

static void times(const char *text)
{
    int64_t us, again;
    if (kn_time_parse_iso(text, &us)) {
        char iso[32];
        kn_time_iso_ms(iso, us);
        assert(iso[0] == '\0' || (kn_time_parse_iso(iso, &again) && again / 1000 == us / 1000));
    }
    if (kn_time_parse_http(text, &us)) {
        char http[32];
        kn_time_http(http, us);
        assert(http[0] == '\0' || (kn_time_parse_http(http, &again) && again == us));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    char *text = kn_arena_strndup(&arena, n ? (const char *)bytes : "", n);
    int64_t whole;
    double number;
    bool truth;
    if (kn_parse_int(text, -1000, 1000, &whole))
        assert(whole >= -1000 && whole <= 1000);
    if (kn_parse_double(text, &number))
        assert(number == number);
    (void)kn_parse_bool(text, &truth);
    (void)kn_is_utf8(bytes, n);
    uint8_t raw[16];
    (void)kn_unhex(raw, sizeof(raw), text);
    encodings((const char *)bytes, n);
    times(text);
    char *pattern = strchr(text, '\n');
    if (pattern) {
        *pattern++ = '\0';
        (void)kn_match(pattern, text);
        assert(kn_match("*", text));
        assert(kn_equal_secret(pattern, text) == (strcmp(pattern, text) == 0));
    }
    kn_trim(text);
    return 0;
}
