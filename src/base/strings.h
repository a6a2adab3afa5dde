#pragma once
/* Small string helpers: copying with a bound, comparing, reading numbers. ASCII case only. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copy into a fixed field; false when `text` did not fit (then it is cut). NULL copies "". */
bool kn_copy(char *out, size_t size, const char *text);

bool kn_starts_with(const char *text, const char *prefix);
bool kn_ends_with(const char *text, const char *suffix);
bool kn_equal_nocase(const char *a, const char *b);
/* NULL-safe equality; NULL equals only NULL. */
bool kn_equal(const char *a, const char *b);
/* Equality in time that depends on the lengths alone: for signatures and secrets. */
bool kn_equal_secret(const char *a, const char *b);

/* A whole decimal number in [min, max]; false when there is anything else in `text`. */
bool kn_parse_int(const char *text, int64_t min, int64_t max, int64_t *out);
/* A finite decimal number; '.' is the point whatever the locale. */
bool kn_parse_double(const char *text, double *out);
/* "true", "false", "1", "0", "on", "off", "yes", "no", any case. */
bool kn_parse_bool(const char *text, bool *out);

/* `text` with every occurrence of `word` replaced, malloc'd; NULL without memory. */
char *kn_replace_all(const char *text, const char *word, const char *with);

void kn_lower(char *text); // in place
void kn_trim(char *text);  // white space off both ends, in place

/* Whether `n` bytes are well-formed UTF-8 (no surrogates, no overlong forms). */
bool kn_is_utf8(const void *bytes, size_t n);

/* Shell-style match with '*' and '?', ASCII case ignored: for host patterns and event names. */
bool kn_match(const char *pattern, const char *text);
