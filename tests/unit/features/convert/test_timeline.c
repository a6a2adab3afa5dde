/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "features/convert/timeline.h"

#define S(seconds) ((int64_t)((seconds) * KN_SECOND))
#define CLIP(seek, duration) {.is_set = true, .seek_us = S(seek), .duration_us = S(duration)}

static const struct kn_convert_clip whole = {0};

static void expect_spans(const struct kn_timeline *t, int n, const struct kn_span *spans)
{
    assert_int_equal(t->n_spans, n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(t->spans[i].from_us, spans[i].from_us);
        assert_int_equal(t->spans[i].to_us, spans[i].to_us);
        assert_int_equal(t->spans[i].out_us, spans[i].out_us);
    }
}

static void whole_inputs_are_one_span_without_end(void **state)
{
    (void)state;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    const struct kn_timeline_part parts[] = {{0, S(3), &whole}, {S(3), S(2), &whole}};
    struct kn_timeline t;
    int64_t duration_us;
    assert_int_equal(kn_timeline_plan(&t, &duration_us, parts, 2, &whole, &arena, NULL), KN_OK);
    expect_spans(&t, 1, &(struct kn_span){0, INT64_MAX, 0});
    assert_int_equal(duration_us, S(5));
}

static void each_part_has_its_own_clip(void **state)
{
    (void)state;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    const struct kn_convert_clip first = CLIP(1, 2), last = CLIP(0.5, 1);
    const struct kn_timeline_part parts[] = {{0, S(10), &first}, {S(10), S(4), &whole}, {S(14), S(4), &last}};
    struct kn_timeline t;
    int64_t duration_us, out_us;
    assert_int_equal(kn_timeline_plan(&t, &duration_us, parts, 3, &whole, &arena, NULL), KN_OK);
    expect_spans(&t, 3, (const struct kn_span[]){{S(1), S(3), 0}, {S(10), S(14), S(2)}, {S(14.5), S(15.5), S(6)}});
    assert_int_equal(duration_us, S(7));
    assert_true(kn_timeline_map(&t, S(11), &out_us));
    assert_int_equal(out_us, S(3));
    assert_false(kn_timeline_map(&t, S(5), &out_us)); // between: what comes next
    assert_int_equal(out_us, S(2));
    assert_int_equal(kn_timeline_source(&t, S(3)), S(11));
    assert_int_equal(kn_timeline_span(&t, S(15)), 2);
    assert_int_equal(kn_timeline_span(&t, S(14.2)), -1);
    int64_t first_us, end_us;
    assert_true(kn_timeline_shown(&t, S(10), S(14), &first_us, &end_us));
    assert_int_equal(first_us, S(10));
    assert_int_equal(end_us, S(14));
    assert_false(kn_timeline_shown(&t, S(4), S(9), &first_us, &end_us));
}

static void the_outputs_clip_cuts_what_the_parts_leave(void **state)
{
    (void)state;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    const struct kn_convert_clip first = CLIP(1, 2), output = CLIP(1.5, 2);
    const struct kn_timeline_part parts[] = {{0, S(10), &first}, {S(10), S(4), &whole}};
    struct kn_timeline t;
    int64_t duration_us;
    assert_int_equal(kn_timeline_plan(&t, &duration_us, parts, 2, &output, &arena, NULL), KN_OK);
    expect_spans(&t, 2, (const struct kn_span[]){{S(2.5), S(3), 0}, {S(10), S(11.5), S(0.5)}});
    assert_int_equal(duration_us, S(2));
}

static void a_clip_of_the_first_part_leaves_the_others_whole(void **state)
{
    (void)state;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_convert_clip clip = {.is_set = true, .first_part_only = true, .seek_us = S(0.5),
                                   .duration_us = KN_NO_TIME, .tail_us = S(0.5)};
    const struct kn_timeline_part parts[] = {{0, S(3), &whole}, {S(3), S(2), &whole}};
    struct kn_timeline t;
    int64_t duration_us;
    assert_int_equal(kn_timeline_plan(&t, &duration_us, parts, 2, &clip, &arena, NULL), KN_OK);
    expect_spans(&t, 2, (const struct kn_span[]){{S(0.5), S(2.5), 0}, {S(3), INT64_MAX, S(2)}});
    assert_int_equal(duration_us, S(4));
    clip.first_part_only = false;
    assert_int_equal(kn_timeline_plan(&t, &duration_us, parts, 2, &clip, &arena, NULL), KN_OK);
    expect_spans(&t, 1, &(struct kn_span){S(0.5), S(4.5), 0});
}

static void an_unknown_length_goes_to_the_end(void **state)
{
    (void)state;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    const struct kn_convert_clip seek = {.is_set = true, .seek_us = S(2), .duration_us = KN_NO_TIME};
    const struct kn_timeline_part part = {0, KN_NO_TIME, &whole};
    struct kn_timeline t;
    int64_t duration_us;
    assert_int_equal(kn_timeline_plan(&t, &duration_us, &part, 1, &seek, &arena, NULL), KN_OK);
    expect_spans(&t, 1, &(struct kn_span){S(2), INT64_MAX, 0});
    assert_int_equal(duration_us, KN_NO_TIME);
}

static void a_clip_beyond_the_end_is_refused(void **state)
{
    (void)state;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    const struct kn_convert_clip late = CLIP(5, 1);
    const struct kn_timeline_part parts[] = {{0, S(3), &whole}, {S(3), S(2), &late}};
    struct kn_timeline t;
    int64_t duration_us;
    assert_int_equal(kn_timeline_plan(&t, &duration_us, parts, 2, &whole, &arena, NULL), KN_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_inputs_are_one_span_without_end),
        cmocka_unit_test(each_part_has_its_own_clip),
        cmocka_unit_test(the_outputs_clip_cuts_what_the_parts_leave),
        cmocka_unit_test(a_clip_of_the_first_part_leaves_the_others_whole),
        cmocka_unit_test(an_unknown_length_goes_to_the_end),
        cmocka_unit_test(a_clip_beyond_the_end_is_refused),
    };
    return cmocka_run_group_tests_name("features/convert/timeline", tests, NULL, NULL);
}
