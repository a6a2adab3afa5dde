#pragma once
/*
 * Timeline: which parts of the joined inputs' time an output shows, and where. Made of each input's own clip
 * and the output's; pure.
 *
 *     inputs   0 ──────[=====]──── 10 ───────[========] 20     joined time: one file after the other, whole
 *     output           0     2               2        5       spans
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "features/convert/convert_spec.h"

struct kn_span {
    int64_t from_us, to_us; // of the inputs' time; to_us INT64_MAX: to the end
    int64_t out_us;         // where from_us lies in the output
};

struct kn_timeline {
    struct kn_span *spans; // in the arena of who made it; rising, at least one
    int n_spans;
};

/* An input of those that are joined. */
struct kn_timeline_part {
    int64_t offset_us;   // where it begins in the joined time
    int64_t duration_us; // KN_NO_TIME unknown, of the last one alone
    const struct kn_convert_clip *clip; // its own; borrowed for the call
};

/*
 * Lay the parts in a row, each cut to its own clip, and cut that row to the output's `clip`.
 *
 *   out_duration_us  how long the output is, KN_NO_TIME when nobody knows
 * KN_EINVAL reason OutOfRange when a clip leaves nothing; others as kn_resolve_clip().
 */
kn_code kn_timeline_plan(struct kn_timeline *timeline, int64_t *out_duration_us, const struct kn_timeline_part *parts,
                         int n_parts, const struct kn_convert_clip *clip, struct kn_arena *arena, struct kn_error *err);

/* Where `in_us` lies in the output. False when it is not shown; *out_us is then where the next
 * span begins, or INT64_MAX after the last. */
bool kn_timeline_map(const struct kn_timeline *timeline, int64_t in_us, int64_t *out_us);
/* The number of the span that shows `in_us`; -1: none does. */
int kn_timeline_span(const struct kn_timeline *timeline, int64_t in_us);
/* The inverse of kn_timeline_map(): what is shown at `out_us`. */
int64_t kn_timeline_source(const struct kn_timeline *timeline, int64_t out_us);
/* What is shown of the inputs' time from `from_us` to `to_us`, its first and its last moment. False: nothing. */
bool kn_timeline_shown(const struct kn_timeline *timeline, int64_t from_us, int64_t to_us, int64_t *out_first_us,
                       int64_t *out_end_us);
bool kn_timeline_equal(const struct kn_timeline *a, const struct kn_timeline *b);
