/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hex, base64 and percent encoding. */
#include "base/encode.h"

#include <string.h>

static void hex_with(char *out, const void *bytes, size_t n, const char *digits)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * n] = '\0';
}

void kn_hex(char *out, const void *bytes, size_t n)
{
    hex_with(out, bytes, n, "0123456789abcdef");
}

void kn_hex_upper(char *out, const void *bytes, size_t n)
{
    hex_with(out, bytes, n, "0123456789ABCDEF");
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool kn_unhex(void *out, size_t n, const char *text)
{
    uint8_t *b = out;
    if (strlen(text) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        b[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void kn_base64(struct kn_buf *out, const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    if (!kn_buf_reserve(out, (n + 2) / 3 * 4))
        return;
    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i < 3 ? n - i : 3;
        uint32_t v = (uint32_t)b[i] << 16 | (have > 1 ? (uint32_t)b[i + 1] << 8 : 0) |
                     (have > 2 ? b[i + 2] : 0);
        char quad[4] = {base64_digits[v >> 18], base64_digits[v >> 12 & 63],
                        have > 1 ? base64_digits[v >> 6 & 63] : '=',
                        have > 2 ? base64_digits[v & 63] : '='};
        kn_buf_add(out, quad, 4);
    }
}

static int base64_value(char c)
{
    const char *at = c ? strchr(base64_digits, c) : NULL;
    return at ? (int)(at - base64_digits) : -1;
}

bool kn_unbase64(struct kn_buf *out, const char *text, size_t n)
{
    if (n % 4 != 0)
        return false;
    for (size_t i = 0; i < n; i += 4) {
        bool is_last = i + 4 == n;
        int pad = is_last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = (int)k >= 4 - pad ? 0 : base64_value(text[i + k]);
            if (digit < 0)
                return false;
            v = v << 6 | (uint32_t)digit;
        }
        uint8_t three[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        kn_buf_add(out, three, (size_t)(3 - pad));
    }
    return true;
}

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.' || c == '~';
}

void kn_percent(struct kn_buf *out, const char *bytes, size_t n, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    if (!kn_buf_reserve(out, 3 * n))
        return;
    char *at = out->data + out->len; // reserved above: no byte needs a check of its own
    for (size_t i = 0; i < n; i++) {
        char c = bytes[i];
        if (is_unreserved(c) || (keep_slash && c == '/')) {
            *at++ = c;
        } else {
            *at++ = '%';
            *at++ = digits[(uint8_t)c >> 4];
            *at++ = digits[(uint8_t)c & 15];
        }
    }
    *at = '\0';
    out->len = (size_t)(at - out->data);
}

bool kn_unpercent(struct kn_buf *out, const char *text, size_t n, bool plus_is_space)
{
    if (!kn_buf_reserve(out, n))
        return false;
    char *at = out->data + out->len;
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            int high = n - i > 2 ? hex_value(text[i + 1]) : -1;
            int low = n - i > 2 ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                ok = false;
                break;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        *at++ = c;
    }
    *at = '\0';
    out->len = (size_t)(at - out->data);
    return ok;
}
