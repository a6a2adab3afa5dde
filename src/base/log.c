/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Logfmt lines; one line, one write(), so that lines of several threads never mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"

static atomic_int lowest_level = KN_LOG_INFO;
static _Atomic(kn_log_writer) line_writer; // NULL: standard error

void kn_log_set_level(enum kn_log_level level)
{
    atomic_store_explicit(&lowest_level, (int)level, memory_order_relaxed);
}

enum kn_log_level kn_log_level(void)
{
    return (enum kn_log_level)atomic_load_explicit(&lowest_level, memory_order_relaxed);
}

void kn_log_set_writer(kn_log_writer writer)
{
    atomic_store_explicit(&line_writer, writer, memory_order_release);
}

// Append `value`, in quotes when it needs them; control characters become spaces.
static size_t value_write(char *out, size_t size, const char *value, bool always_quote)
{
    bool quote = always_quote || value[0] == '\0' || strpbrk(value, " \"=\n\r\t") != NULL;
    size_t n = 0;
    if (quote && n + 1 < size)
        out[n++] = '"';
    for (; *value && n + 3 < size; value++) {
        if (*value == '"' || *value == '\\')
            out[n++] = '\\';
        out[n++] = (unsigned char)*value < 0x20 ? ' ' : *value;
    }
    if (quote && n + 1 < size)
        out[n++] = '"';
    out[n] = '\0';
    return n;
}

struct kn_log kn_log_with(const struct kn_log *log, const char *key, const char *value)
{
    struct kn_log more = {{0}};
    if (log)
        more = *log;
    size_t used = strlen(more.context);
    size_t room = sizeof(more.context) - used;
    int n = snprintf(more.context + used, room, " %s=", key);
    if (n > 0 && (size_t)n + 4 < room)
        (void)value_write(more.context + used + n, room - (size_t)n, value, false);
    else
        more.context[used] = '\0';
    return more;
}

void kn_log_write(const struct kn_log *log, enum kn_log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char message[1024], when[32], line[2048];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    kn_log_writer writer = atomic_load_explicit(&line_writer, memory_order_acquire);
    if (writer) {
        writer(level, log ? log->context : "", message);
        return;
    }
    kn_time_iso_ms(when, kn_now_us());
    int n = snprintf(line, sizeof(line), "time=%s level=%s%s msg=", when, names[level],
                     log ? log->context : "");
    if (n < 0 || (size_t)n >= sizeof(line) - 4)
        return;
    size_t used = (size_t)n;
    used += value_write(line + used, sizeof(line) - used - 1, message, true);
    line[used++] = '\n';
    ssize_t put = write(STDERR_FILENO, line, used);
    (void)put; // a log that cannot be written has nowhere to complain
}
