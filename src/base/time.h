#pragma once
/*
 * Time. Inside Kinora time is int64_t microseconds; text forms exist only at the edges.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KN_SECOND INT64_C(1000000)
#define KN_MINUTE (60 * KN_SECOND)
#define KN_HOUR (60 * KN_MINUTE)
#define KN_DAY (24 * KN_HOUR)
#define KN_NO_TIME INT64_MIN // unknown

int64_t kn_now_us(void);  // wall clock, microseconds since 1970 (UTC)
int64_t kn_mono_us(void); // monotonic clock: for intervals and deadlines
void kn_sleep_us(int64_t us);

/* "2026-03-01T10:00:00Z"; out holds at least 21 bytes. KN_NO_TIME and 0 write "". */
void kn_time_iso(char out[24], int64_t us);
/* "2026-03-01T10:00:00.123Z" */
void kn_time_iso_ms(char out[32], int64_t us);
/* "20260301T100000Z" (signatures) */
void kn_time_basic(char out[20], int64_t us);
/* "Fri, 20 Nov 2026 15:59:04 GMT" (HTTP) */
void kn_time_http(char out[32], int64_t us);

/* "2026-03-01T10:00:00Z", optional fraction; or the basic form. False when malformed. */
bool kn_time_parse_iso(const char *text, int64_t *out_us);
bool kn_time_parse_http(const char *text, int64_t *out_us);
