/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>

#include "features/convert/narrowband.h"

// A title whose distortion and bit rate follow crf as real ones do, with a bend at the top.
static double title_ssim(double crf, double complexity)
{
    return 1 - 0.004 * complexity * exp(0.11 * (crf - 18) + 0.0015 * (crf - 18) * (crf - 18));
}

static int64_t title_rate(double crf)
{
    return (int64_t)(4e6 * exp(-0.115 * (crf - 18)));
}

static double search_title(double target, double complexity, int64_t cap, bool *reached,
                           int *probes)
{
    struct kn_narrowband search;
    kn_narrowband_init(&search, target, false, cap);
    double crf;
    while (kn_narrowband_next(&search, 23, &crf))
        kn_narrowband_add(&search, crf, title_ssim(crf, complexity), title_rate(crf));
    *probes = search.n_probes;
    return kn_narrowband_final(&search, reached);
}

static void finds_the_highest_crf_that_passes(void **state)
{
    (void)state;
    for (double complexity = 0.3; complexity < 4; complexity += 0.1) {
        bool reached;
        int probes;
        double crf = search_title(0.97, complexity, 0, &reached, &probes);
        assert_true(reached);
        assert_true(title_ssim(crf, complexity) >= 0.97);
        assert_true(crf == 40 || title_ssim(crf + 0.5, complexity) < 0.97);
        assert_true(probes <= 6);
    }
}

static void impossible_target_ends_at_the_lowest_crf(void **state)
{
    (void)state;
    bool reached;
    int probes;
    assert_true(search_title(0.97, 50, 0, &reached, &probes) == 18);
    assert_false(reached);
}

static void easy_title_ends_at_the_highest_crf(void **state)
{
    (void)state;
    bool reached;
    int probes;
    assert_true(search_title(0.9, 0.01, 0, &reached, &probes) == 40);
    assert_true(reached);
}

static void cap_on_the_bit_rate_wins_over_quality(void **state)
{
    (void)state;
    bool reached;
    int probes;
    double crf = search_title(0.97, 1, 500000, &reached, &probes);
    assert_false(reached);
    assert_true(fabs((double)title_rate(crf) - 500000) < 50000);
}

static void nothing_probed_is_the_lower_bound(void **state)
{
    (void)state;
    struct kn_narrowband search;
    kn_narrowband_init(&search, 0.97, true, 0);
    bool reached;
    assert_true(kn_narrowband_final(&search, &reached) == 18);
    assert_false(reached);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_highest_crf_that_passes),
        cmocka_unit_test(impossible_target_ends_at_the_lowest_crf),
        cmocka_unit_test(easy_title_ends_at_the_highest_crf),
        cmocka_unit_test(cap_on_the_bit_rate_wins_over_quality),
        cmocka_unit_test(nothing_probed_is_the_lower_bound),
    };
    return cmocka_run_group_tests_name("features/convert/narrowband", tests, NULL, NULL);
}
