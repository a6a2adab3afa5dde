/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/timeline.h"

#include "base/time.h"
#include "features/convert/resolve.h"

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t span_out_end(const struct kn_span *s)
{
    return s->to_us == INT64_MAX ? INT64_MAX : s->out_us + s->to_us - s->from_us;
}

// What follows the last span without a gap, in the inputs and in the output, lengthens it.
static void span_add(struct kn_timeline *timeline, struct kn_span span)
{
    struct kn_span *last = timeline->n_spans ? &timeline->spans[timeline->n_spans - 1] : NULL;
    if (last && last->to_us == span.from_us && span_out_end(last) == span.out_us)
        last->to_us = span.to_us;
    else
        timeline->spans[timeline->n_spans++] = span;
}

// What the spans of `row` show from `from_us` to `to_us` of their output, at `out_us` of the new one.
static void spans_keep(struct kn_timeline *timeline, const struct kn_timeline *row, int64_t from_us, int64_t to_us,
                       int64_t out_us)
{
    for (int i = 0; i < row->n_spans; i++) {
        const struct kn_span *s = &row->spans[i];
        const int64_t begin_us = later(s->out_us, from_us), end_us = earlier(span_out_end(s), to_us);
        if (begin_us < end_us)
            span_add(timeline, (struct kn_span){
                                   .from_us = s->from_us + begin_us - s->out_us,
                                   .to_us = end_us == INT64_MAX ? INT64_MAX : s->from_us + end_us - s->out_us,
                                   .out_us = out_us + begin_us - from_us,
                               });
    }
}

// Parts in a row; *out_first_us is how long the first of them is.
static kn_code row_make(struct kn_timeline *row, int64_t *out_whole_us, int64_t *out_first_us,
                        const struct kn_timeline_part *parts, int n_parts, struct kn_error *err)
{
    int64_t at_us = 0;
    for (int i = 0; i < n_parts; i++) {
        const struct kn_timeline_part *part = &parts[i];
        int64_t start_us = 0, end_us = 0;
        const kn_code rc = kn_resolve_clip(&start_us, &end_us, part->clip, part->duration_us, err);
        if (rc != KN_OK)
            return rc;
        const bool is_last = i + 1 == n_parts;
        // To the very last picture of the last part, whatever its headers say of its length.
        const bool is_open = end_us == KN_NO_TIME || (is_last && end_us == part->duration_us);
        span_add(row, (struct kn_span){part->offset_us + start_us, is_open ? INT64_MAX : part->offset_us + end_us,
                                       at_us});
        at_us = end_us == KN_NO_TIME ? KN_NO_TIME : at_us + end_us - start_us;
        *out_first_us = i == 0 ? at_us : *out_first_us;
        if (at_us == KN_NO_TIME)
            break;
    }
    *out_whole_us = at_us;
    return KN_OK;
}

kn_code kn_timeline_plan(struct kn_timeline *timeline, int64_t *out_duration_us, const struct kn_timeline_part *parts,
                         int n_parts, const struct kn_convert_clip *clip, struct kn_arena *arena, struct kn_error *err)
{
    struct kn_timeline row = {.spans = kn_arena_array(arena, (size_t)n_parts, sizeof(*row.spans))};
    // A clip of the first part alone cuts one span more.
    *timeline = (struct kn_timeline){.spans = kn_arena_array(arena, (size_t)n_parts + 1, sizeof(*timeline->spans))};
    if (!row.spans || !timeline->spans)
        return kn_fail(err, KN_ENOMEM, "no memory for a timeline");
    int64_t whole_us = 0, first_us = 0, start_us = 0, end_us = 0;
    kn_code rc = row_make(&row, &whole_us, &first_us, parts, n_parts, err);
    const bool first_only = clip->is_set && clip->first_part_only && n_parts > 1;
    if (rc == KN_OK)
        rc = kn_resolve_clip(&start_us, &end_us, clip, first_only ? first_us : whole_us, err);
    if (rc != KN_OK)
        return rc;
    const bool is_open = end_us == KN_NO_TIME || (!first_only && end_us == whole_us);
    spans_keep(timeline, &row, start_us, is_open ? INT64_MAX : end_us, 0);
    if (first_only)
        spans_keep(timeline, &row, first_us, INT64_MAX, end_us - start_us);
    const int64_t rest_us = !first_only ? 0 : whole_us == KN_NO_TIME ? KN_NO_TIME : whole_us - first_us;
    *out_duration_us = end_us == KN_NO_TIME || rest_us == KN_NO_TIME ? KN_NO_TIME : end_us - start_us + rest_us;
    return timeline->n_spans ? KN_OK : kn_fail_as(err, KN_EINVAL, "OutOfRange", "the clips leave nothing");
}

bool kn_timeline_map(const struct kn_timeline *timeline, int64_t in_us, int64_t *out_us)
{
    for (int i = 0; i < timeline->n_spans; i++) {
        const struct kn_span *s = &timeline->spans[i];
        if (in_us < s->from_us) {
            *out_us = s->out_us;
            return false;
        }
        if (in_us < s->to_us) {
            *out_us = in_us - s->from_us + s->out_us;
            return true;
        }
    }
    *out_us = INT64_MAX;
    return false;
}

int kn_timeline_span(const struct kn_timeline *timeline, int64_t in_us)
{
    for (int i = 0; i < timeline->n_spans; i++)
        if (in_us >= timeline->spans[i].from_us && in_us < timeline->spans[i].to_us)
            return i;
    return -1;
}

int64_t kn_timeline_source(const struct kn_timeline *timeline, int64_t out_us)
{
    const struct kn_span *s = &timeline->spans[0];
    for (int i = 1; i < timeline->n_spans; i++)
        if (out_us >= timeline->spans[i].out_us)
            s = &timeline->spans[i];
    return out_us - s->out_us + s->from_us;
}

bool kn_timeline_shown(const struct kn_timeline *timeline, int64_t from_us, int64_t to_us, int64_t *out_first_us,
                       int64_t *out_end_us)
{
    bool is_shown = false;
    for (int i = 0; i < timeline->n_spans; i++) {
        const struct kn_span *s = &timeline->spans[i];
        if (s->to_us <= from_us || s->from_us >= to_us)
            continue;
        if (!is_shown)
            *out_first_us = later(s->from_us, from_us);
        *out_end_us = earlier(s->to_us, to_us);
        is_shown = true;
    }
    return is_shown;
}

bool kn_timeline_equal(const struct kn_timeline *a, const struct kn_timeline *b)
{
    if (a->n_spans != b->n_spans)
        return false;
    for (int i = 0; i < a->n_spans; i++)
        if (a->spans[i].from_us != b->spans[i].from_us || a->spans[i].to_us != b->spans[i].to_us ||
            a->spans[i].out_us != b->spans[i].out_us)
            return false;
    return true;
}
