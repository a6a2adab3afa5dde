#pragma once
/*
 * Metrics: counters, gauges and histograms that any room registers, rendered as Prometheus text.
 *
 *     static struct kn_metric *sent; // in a struct or a static, set once
 *     sent = kn_metric_counter("kinora_events_sent_total", "", "Events acknowledged by a receiver");
 *     kn_metric_add(sent, 1);
 *
 * Names begin with kinora_ and end in their unit: _total (counts), _bytes, _seconds. `labels` is ""
 * or ready text: `bucket="films",kind="get"` (kn_metric_label() quotes a value that others chose).
 * The same name and labels give the same metric. Metrics live as long as the process; there are at
 * most KN_MAX_METRICS, and what is asked for beyond shares one that is not shown.
 *
 * Thread-safety: everything, from any thread; add, set and observe are lock-free.
 */
#include <stdint.h>

#include "base/buf.h"

struct kn_metric;

struct kn_metric *kn_metric_counter(const char *name, const char *labels, const char *help);
struct kn_metric *kn_metric_gauge(const char *name, const char *labels, const char *help);
/* Buckets from 1 ms to 60 s; observed in microseconds, shown in seconds. */
struct kn_metric *kn_metric_seconds(const char *name, const char *labels, const char *help);

void kn_metric_add(struct kn_metric *metric, int64_t n);     // counters and gauges
void kn_metric_set(struct kn_metric *metric, int64_t value); // gauges
void kn_metric_observe(struct kn_metric *metric, int64_t us);
/* The value of a counter or gauge, the number of observations of a histogram. */
int64_t kn_metric_value(const struct kn_metric *metric);

/*
 * A gauge that is asked for when it is shown (jobs waiting, bytes on disk). `read` is called by the
 * thread that renders, under the registry's lock: it must not register metrics. `context` is
 * borrowed until kn_metrics_forget(context), after which it is called no more.
 */
typedef int64_t (*kn_metric_read)(void *context);
void kn_metric_gauge_fn(const char *name, const char *labels, const char *help,
                        kn_metric_read read, void *context);
void kn_metrics_forget(const void *context);

/* The same for a number that only grows. */
void kn_metric_counter_fn(const char *name, const char *labels, const char *help,
                          kn_metric_read read, void *context);

/* Append `,name="value"` (without the comma when `out` is empty), the value quoted. */
void kn_metric_label(struct kn_buf *out, const char *name, const char *value);

/* Append all metrics in the Prometheus text format 0.0.4, sorted by name. */
void kn_metrics_render(struct kn_buf *out);
