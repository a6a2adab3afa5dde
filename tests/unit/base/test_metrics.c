/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/metrics.h"
#include "base/time.h"

static int64_t forty_two(void *context)
{
    (void)context;
    return 42;
}

static void the_text_is_prometheus(void **state)
{
    (void)state;
    struct kn_metric *reads = kn_metric_counter("kinora_a_total", "kind=\"read\"", "Calls");
    kn_metric_add(reads, 2);
    assert_ptr_equal(kn_metric_counter("kinora_a_total", "kind=\"read\"", "Calls"), reads);
    kn_metric_add(kn_metric_counter("kinora_a_total", "kind=\"write\"", "Calls"), 1);
    int place;
    kn_metric_gauge_fn("kinora_b", "", "Asked for", forty_two, &place);
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_metrics_render(&text);
    assert_string_equal(kn_buf_text(&text), "# HELP kinora_a_total Calls\n"
                                            "# TYPE kinora_a_total counter\n"
                                            "kinora_a_total{kind=\"read\"} 2\n"
                                            "kinora_a_total{kind=\"write\"} 1\n"
                                            "# HELP kinora_b Asked for\n"
                                            "# TYPE kinora_b gauge\n"
                                            "kinora_b 42\n");
    kn_metrics_forget(&place);
    kn_buf_reset(&text);
    kn_metrics_render(&text);
    assert_null(strstr(kn_buf_text(&text), "kinora_b"));
}

static void a_histogram_counts_up_to_each_bound(void **state)
{
    (void)state;
    struct kn_metric *time = kn_metric_seconds("kinora_c_seconds", "", "Time");
    kn_metric_observe(time, 1000);
    kn_metric_observe(time, 1001);
    kn_metric_observe(time, 2 * KN_MINUTE);
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_metrics_render(&text);
    assert_non_null(strstr(kn_buf_text(&text), "kinora_c_seconds_bucket{le=\"0.001\"} 1\n"));
    assert_non_null(strstr(kn_buf_text(&text), "kinora_c_seconds_bucket{le=\"60\"} 2\n"));
    assert_non_null(strstr(kn_buf_text(&text), "kinora_c_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(kn_buf_text(&text), "kinora_c_seconds_sum 120.002001\n"));
    assert_int_equal(kn_metric_value(time), 3);
}

static void a_callers_text_is_quoted_in_a_label(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf labels = {0};
    kn_metric_label(&labels, "a", "x\"y\\z\n");
    kn_metric_label(&labels, "b", "c");
    assert_string_equal(kn_buf_text(&labels), "a=\"x\\\"y\\\\z\\n\",b=\"c\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_prometheus),
        cmocka_unit_test(a_histogram_counts_up_to_each_bound),
        cmocka_unit_test(a_callers_text_is_quoted_in_a_label),
    };
    return cmocka_run_group_tests_name("base/metrics", tests, NULL, NULL);
}
