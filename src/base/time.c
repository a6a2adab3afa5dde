/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time: clocks and text forms, all UTC. */
#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts); // cannot fail for the two clocks asked for
    return (int64_t)ts.tv_sec * KN_SECOND + ts.tv_nsec / 1000;
}

int64_t kn_now_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t kn_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

void kn_sleep_us(int64_t us)
{
    if (us <= 0)
        return;
    struct timespec ts = {.tv_sec = us / KN_SECOND, .tv_nsec = us % KN_SECOND * 1000};
    while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
        ;
}

static void format(char *out, size_t size, const char *pattern, int64_t us)
{
    out[0] = '\0';
    if (us == KN_NO_TIME || us == 0)
        return;
    time_t seconds = (time_t)(us / KN_SECOND);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) && strftime(out, size, pattern, &tm) == 0)
        out[0] = '\0';
}

void kn_time_iso(char out[24], int64_t us)
{
    format(out, 24, "%Y-%m-%dT%H:%M:%SZ", us);
}

void kn_time_iso_ms(char out[32], int64_t us)
{
    format(out, 32, "%Y-%m-%dT%H:%M:%S", us);
    size_t used = strlen(out);
    if (used > 0)
        (void)snprintf(out + used, 32 - used, ".%03dZ", (int)(us % KN_SECOND / 1000));
}

void kn_time_basic(char out[20], int64_t us)
{
    format(out, 20, "%Y%m%dT%H%M%SZ", us);
}

void kn_time_http(char out[32], int64_t us)
{
    format(out, 32, "%a, %d %b %Y %H:%M:%S GMT", us);
}

static bool fraction_read(const char **text, int64_t *out_us)
{
    const char *s = *text;
    *out_us = 0;
    if (*s != '.')
        return true;
    int64_t unit = KN_SECOND / 10;
    for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
        *out_us += (*s - '0') * unit;
    *text = s;
    return true;
}

static bool tm_is_valid(const struct tm *tm)
{
    return tm->tm_year >= 70 && tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 &&
           tm->tm_mday <= 31 && tm->tm_hour >= 0 && tm->tm_hour < 24 && tm->tm_min >= 0 &&
           tm->tm_min < 60 && tm->tm_sec >= 0 && tm->tm_sec <= 60;
}

// From 1970 to 9999: what our writers can write. A 60th second may lead beyond.
static bool tm_to_us(struct tm *tm, int64_t fraction_us, int64_t *out_us)
{
    if (!tm_is_valid(tm))
        return false;
    int64_t seconds = timegm(tm);
    if (tm->tm_year > 9999 - 1900) // timegm() has put it in order
        return false;
    *out_us = seconds * KN_SECOND + fraction_us;
    return true;
}

bool kn_time_parse_iso(const char *text, int64_t *out_us)
{
    struct tm tm = {0};
    int used = 0;
    if (!text)
        return false;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 || used == 0) {
        used = 0;
        if (sscanf(text, "%4d%2d%2dT%2d%2d%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 || used == 0)
            return false;
    }
    text += used;
    int64_t fraction_us;
    if (!fraction_read(&text, &fraction_us) || strcmp(text, "Z") != 0)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return tm_to_us(&tm, fraction_us, out_us);
}

bool kn_time_parse_http(const char *text, int64_t *out_us)
{
    struct tm tm = {0};
    const char *end = text ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;
    return end && *end == '\0' && tm_to_us(&tm, 0, out_us);
}
