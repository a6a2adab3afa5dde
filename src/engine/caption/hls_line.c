/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/hls_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "base/strings.h"

// No file is larger.
#define MAX_RANGE (1ll << 50)

char *kn_hls_attribute(struct kn_line line, const char *name)
{
    const size_t n_name = strlen(name);
    const char *at = memchr(line.text, ':', line.n), *end = line.text + line.n;
    while (at && ++at < end) {
        const char *equals = memchr(at, '=', (size_t)(end - at));
        if (!equals)
            return NULL;
        const bool is_quoted = equals + 1 < end && equals[1] == '"';
        const char *value = equals + 1 + is_quoted;
        const char *stop = memchr(value, is_quoted ? '"' : ',', (size_t)(end - value));
        stop = stop ? stop : end;
        while (at < equals && *at == ' ')
            at++;
        if ((size_t)(equals - at) == n_name && strncmp(at, name, n_name) == 0)
            return strndup(value, (size_t)(stop - value));
        at = memchr(stop, ',', (size_t)(end - stop));
    }
    return NULL;
}

/* ---- keys ---- */
// "0x" and up to 32 hexadecimal digits, the last of them the lowest.
static bool iv_read(const char *text, unsigned char out[KN_AES_BLOCK])
{
    char digits[2 * KN_AES_BLOCK + 1];
    const bool has_prefix = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    text += has_prefix ? 2 : 0;
    const size_t n = strlen(text);
    if (n == 0 || n > 2 * KN_AES_BLOCK)
        return false;
    memset(digits, '0', 2 * KN_AES_BLOCK);
    memcpy(digits + 2 * KN_AES_BLOCK - n, text, n + 1);
    return kn_unhex(out, KN_AES_BLOCK, digits);
}

void kn_hls_key_read(struct kn_hls_key *key, struct kn_line line)
{
    kn_auto(kn_free) char *method = kn_hls_attribute(line, "METHOD");
    kn_auto(kn_free) char *format = kn_hls_attribute(line, "KEYFORMAT");
    kn_auto(kn_free) char *iv = kn_hls_attribute(line, "IV");
    kn_hls_key_clear(key);
    if (kn_equal(method, "NONE"))
        return;
    const bool is_in_the_open = !format || kn_equal(format, "identity");
    key->method = kn_equal(method, "AES-128") && is_in_the_open ? KN_HLS_AES_128 : KN_HLS_FOREIGN;
    (void)snprintf(key->name, sizeof(key->name), "%.15s%s%.28s", method ? method : "no METHOD",
                   is_in_the_open ? "" : ", ", is_in_the_open ? "" : format);
    key->uri = kn_hls_attribute(line, "URI");
    key->has_iv = iv && iv_read(iv, key->iv);
}

void kn_hls_key_clear(struct kn_hls_key *key)
{
    free(key->uri);
    *key = (struct kn_hls_key){0};
}

void kn_hls_key_iv(const struct kn_hls_key *key, uint64_t sequence, unsigned char out[KN_AES_BLOCK])
{
    memcpy(out, key->iv, KN_AES_BLOCK);
    for (int i = 0; i < KN_AES_BLOCK && !key->has_iv; i++)
        out[KN_AES_BLOCK - 1 - i] = i < 8 ? (unsigned char)(sequence >> (8 * i)) : 0;
}

/* ---- ranges ---- */
bool kn_hls_range_read(struct kn_line line, int64_t *start, int64_t *end)
{
    char text[64];
    long long n = -1, at = *end;
    const char *colon = memchr(line.text, ':', line.n);
    const size_t length = colon ? line.n - (size_t)(colon + 1 - line.text) : 0;
    if (length == 0 || length >= sizeof(text))
        return false;
    memcpy(text, colon + 1, length);
    text[length] = '\0';
    char *rest = NULL;
    n = strtoll(text, &rest, 10);
    if (*rest == '@')
        at = strtoll(rest + 1, &rest, 10);
    if (*rest != '\0' || n < 0 || at < 0 || n > MAX_RANGE || at > MAX_RANGE)
        return false;
    *start = at;
    *end = at + n;
    return true;
}
