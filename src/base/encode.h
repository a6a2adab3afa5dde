#pragma once
/* Hex, base64 and percent encoding. Functions that append to a kn_buf never fail by themselves. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

void kn_hex(char *out, const void *bytes, size_t n);       // lower case; out holds 2n + 1
void kn_hex_upper(char *out, const void *bytes, size_t n); // upper case
bool kn_unhex(void *out, size_t n, const char *text);      // exactly 2n digits

void kn_base64(struct kn_buf *out, const void *bytes, size_t n);
/* Strict alphabet with padding; false when malformed. Appends to `out`. */
bool kn_unbase64(struct kn_buf *out, const char *text, size_t n);

/* RFC 3986: A-Z a-z 0-9 - _ . ~ stay, all else is %XX. With keep_slash '/' stays too. */
void kn_percent(struct kn_buf *out, const char *bytes, size_t n, bool keep_slash);
/* Decode %XX once; a '%' without two hex digits is an error. plus_is_space: forms and queries. */
bool kn_unpercent(struct kn_buf *out, const char *text, size_t n, bool plus_is_space);
