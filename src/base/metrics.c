/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Metrics. The registry is a list under a lock that only registering and rendering take; a metric's
 * numbers are atomics that their owners reach by pointer, so counting costs one relaxed add.
 */
#include "base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/time.h"

enum metric_kind { METRIC_COUNTER = 0, METRIC_GAUGE, METRIC_SECONDS };

// Upper bounds in microseconds; the last bucket, without a bound, is +Inf.
static const int64_t bucket_bounds_us[] = {
    1000,   5000,          10000,          25000,      50000,          100000,         250000,
    500000, 1 * KN_SECOND, 2500 * INT64_C(1000), 5 * KN_SECOND, 10 * KN_SECOND, 30 * KN_SECOND,
    60 * KN_SECOND,
};
#define N_BOUNDS (sizeof(bucket_bounds_us) / sizeof(bucket_bounds_us[0]))

struct kn_metric {
    char *name, *labels, *help; // owned, never changed
    enum metric_kind kind;
    kn_metric_read read;        // NULL: `value` counts
    const void *context;        // borrowed
    _Atomic int64_t value;      // histograms: the sum, in microseconds
    _Atomic int64_t buckets[N_BOUNDS + 1];
};

static struct {
    pthread_mutex_t lock;
    // --- protected by lock
    struct kn_metric *list[KN_MAX_METRICS]; // owned, sorted by name, then labels
    size_t n;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

// What registrations beyond the limit, or without memory, share; it is never shown.
static struct kn_metric nowhere;

/* ---- registering ---- */

static int metric_order(const struct kn_metric *metric, const char *name, const char *labels)
{
    int order = strcmp(metric->name, name);
    return order ? order : strcmp(metric->labels, labels);
}

static void metric_free(struct kn_metric *metric)
{
    if (!metric)
        return;
    free(metric->name);
    free(metric->labels);
    free(metric->help);
    free(metric);
}

static struct kn_metric *metric_new(enum metric_kind kind, const char *name, const char *labels,
                                    const char *help)
{
    struct kn_metric *metric = calloc(1, sizeof(*metric));
    if (!metric)
        return NULL;
    metric->kind = kind;
    metric->name = strdup(name);
    metric->labels = strdup(labels);
    metric->help = strdup(help);
    if (!metric->name || !metric->labels || !metric->help) {
        metric_free(metric);
        return NULL;
    }
    return metric;
}

static struct kn_metric *metric_register(enum metric_kind kind, const char *name,
                                         const char *labels, const char *help, kn_metric_read read,
                                         const void *context)
{
    struct kn_metric *metric = &nowhere;
    pthread_mutex_lock(&registry.lock);
    size_t at = 0, end = registry.n;
    while (at < end) {
        size_t middle = (at + end) / 2;
        if (metric_order(registry.list[middle], name, labels) < 0)
            at = middle + 1;
        else
            end = middle;
    }
    bool is_known = at < registry.n && metric_order(registry.list[at], name, labels) == 0;
    if (is_known) {
        metric = registry.list[at];
    } else if (registry.n < KN_MAX_METRICS) {
        struct kn_metric *fresh = metric_new(kind, name, labels, help);
        if (fresh) {
            memmove(&registry.list[at + 1], &registry.list[at],
                    (registry.n - at) * sizeof(registry.list[0]));
            registry.list[at] = metric = fresh;
            registry.n++;
        }
    }
    if (read && metric != &nowhere) {
        metric->read = read;
        metric->context = context;
    }
    pthread_mutex_unlock(&registry.lock);
    return metric;
}

struct kn_metric *kn_metric_counter(const char *name, const char *labels, const char *help)
{
    return metric_register(METRIC_COUNTER, name, labels, help, NULL, NULL);
}

struct kn_metric *kn_metric_gauge(const char *name, const char *labels, const char *help)
{
    return metric_register(METRIC_GAUGE, name, labels, help, NULL, NULL);
}

struct kn_metric *kn_metric_seconds(const char *name, const char *labels, const char *help)
{
    return metric_register(METRIC_SECONDS, name, labels, help, NULL, NULL);
}

void kn_metric_gauge_fn(const char *name, const char *labels, const char *help,
                        kn_metric_read read, void *context)
{
    (void)metric_register(METRIC_GAUGE, name, labels, help, read, context);
}

void kn_metric_counter_fn(const char *name, const char *labels, const char *help,
                          kn_metric_read read, void *context)
{
    (void)metric_register(METRIC_COUNTER, name, labels, help, read, context);
}

void kn_metrics_forget(const void *context)
{
    pthread_mutex_lock(&registry.lock);
    size_t kept = 0;
    for (size_t i = 0; i < registry.n; i++) {
        if (registry.list[i]->read && registry.list[i]->context == context)
            metric_free(registry.list[i]); // nobody holds a pointer to a gauge that is asked for
        else
            registry.list[kept++] = registry.list[i];
    }
    registry.n = kept;
    pthread_mutex_unlock(&registry.lock);
}

/* ---- counting ---- */

void kn_metric_add(struct kn_metric *metric, int64_t n)
{
    atomic_fetch_add_explicit(&metric->value, n, memory_order_relaxed);
}

void kn_metric_set(struct kn_metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void kn_metric_observe(struct kn_metric *metric, int64_t us)
{
    size_t at = 0;
    while (at < N_BOUNDS && us > bucket_bounds_us[at])
        at++;
    atomic_fetch_add_explicit(&metric->buckets[at], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->value, us, memory_order_relaxed);
}

int64_t kn_metric_value(const struct kn_metric *metric)
{
    if (metric->kind != METRIC_SECONDS)
        return atomic_load_explicit(&metric->value, memory_order_relaxed);
    int64_t n = 0;
    for (size_t i = 0; i <= N_BOUNDS; i++)
        n += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
    return n;
}

/* ---- showing ---- */

void kn_metric_label(struct kn_buf *out, const char *name, const char *value)
{
    kn_buf_printf(out, "%s%s=\"", out->len ? "," : "", name);
    for (const char *c = value; *c; c++) {
        if (*c == '\\' || *c == '"')
            kn_buf_putc(out, '\\');
        if (*c == '\n')
            kn_buf_puts(out, "\\n");
        else
            kn_buf_putc(out, *c);
    }
    kn_buf_putc(out, '"');
}

static void render_seconds(struct kn_buf *out, int64_t us)
{
    kn_buf_printf(out, "%" PRId64 ".%06" PRId64, us / KN_SECOND, us % KN_SECOND);
}

static void render_histogram(struct kn_buf *out, const struct kn_metric *metric)
{
    const char *comma = metric->labels[0] ? "," : "";
    int64_t n = 0;
    for (size_t i = 0; i <= N_BOUNDS; i++) {
        n += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        kn_buf_printf(out, "%s_bucket{%s%sle=\"", metric->name, metric->labels, comma);
        if (i < N_BOUNDS)
            kn_buf_printf(out, "%g", (double)bucket_bounds_us[i] / (double)KN_SECOND);
        else
            kn_buf_puts(out, "+Inf");
        kn_buf_printf(out, "\"} %" PRId64 "\n", n);
    }
    const char *open = metric->labels[0] ? "{" : "", *close = metric->labels[0] ? "}" : "";
    kn_buf_printf(out, "%s_sum%s%s%s ", metric->name, open, metric->labels, close);
    render_seconds(out, atomic_load_explicit(&metric->value, memory_order_relaxed));
    kn_buf_printf(out, "\n%s_count%s%s%s %" PRId64 "\n", metric->name, open, metric->labels, close,
                  n);
}

void kn_metrics_render(struct kn_buf *out)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_SECONDS] = "histogram"};
    pthread_mutex_lock(&registry.lock);
    for (size_t i = 0; i < registry.n; i++) {
        struct kn_metric *metric = registry.list[i];
        if (i == 0 || strcmp(registry.list[i - 1]->name, metric->name) != 0)
            kn_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                          metric->name, types[metric->kind]);
        if (metric->kind == METRIC_SECONDS) {
            render_histogram(out, metric);
            continue;
        }
        int64_t value = metric->read ? metric->read((void *)(uintptr_t)metric->context)
                                     : atomic_load_explicit(&metric->value, memory_order_relaxed);
        if (metric->labels[0])
            kn_buf_printf(out, "%s{%s} %" PRId64 "\n", metric->name, metric->labels, value);
        else
            kn_buf_printf(out, "%s %" PRId64 "\n", metric->name, value);
    }
    pthread_mutex_unlock(&registry.lock);
}
