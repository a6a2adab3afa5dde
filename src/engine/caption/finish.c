/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/finish.h"

#include <stdlib.h>

#include "base/strings.h"
#include "engine/caption/builder.h"

// How far back a repeat is looked for: a stream that sends pages again sends a few at once.
#define LOOK_BACK 8
#define REPAIRED_US (2 * KN_SECOND)

static bool number_equal(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a >= b && a <= b);
}

bool kn_cue_equal(const struct kn_cue *a, const struct kn_cue *b)
{
    if (a->n_runs != b->n_runs || a->place.anchor != b->place.anchor ||
        !number_equal(a->place.x, b->place.x) || !number_equal(a->place.y, b->place.y) ||
        a->is_comment != b->is_comment || !kn_equal(a->speaker, b->speaker))
        return false;
    for (size_t i = 0; i < a->n_runs; i++)
        if (!kn_equal(a->runs[i].text, b->runs[i].text) || !kn_equal(a->runs[i].ruby, b->runs[i].ruby) ||
            !kn_cue_style_equal(&a->runs[i].style, &b->runs[i].style))
            return false;
    return true;
}

static int cue_compare(const void *a, const void *b)
{
    const struct kn_cue *x = a, *y = b;
    if (x->start_us != y->start_us)
        return x->start_us < y->start_us ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void ends_fix(struct kn_cue_list *list, int64_t media_end_us)
{
    int64_t next_us = KN_NO_TIME; // the nearest start after this cue's
    int64_t later_us = KN_NO_TIME;
    for (size_t i = list->n_cues; i-- > 0;) {
        struct kn_cue *cue = &list->cues[i];
        if (later_us != KN_NO_TIME && later_us > cue->start_us)
            next_us = later_us;
        if (cue->is_comment) {
            cue->end_us = cue->end_us == KN_NO_TIME ? cue->start_us : cue->end_us;
            continue;
        }
        later_us = cue->start_us;
        if (cue->end_us == KN_NO_TIME) {
            const int64_t latest_us = cue->start_us + (list->longest_us ? list->longest_us : KN_CUE_MAX_UNSAID_US);
            cue->end_us = next_us != KN_NO_TIME ? next_us
                : media_end_us > cue->start_us  ? media_end_us
                                                : latest_us;
            cue->end_us = cue->end_us < latest_us ? cue->end_us : latest_us;
        } else if (cue->end_us <= cue->start_us) {
            const int64_t latest_us = cue->start_us + REPAIRED_US;
            kn_cue_list_warn(list, 0, "the cue at %.3f s ends no later than it begins",
                             (double)cue->start_us / KN_SECOND);
            cue->end_us = next_us != KN_NO_TIME && next_us < latest_us ? next_us : latest_us;
        }
    }
}

// Whether cue `next` only goes on with what `before` shows; then `before` lasts as long.
static bool joined(struct kn_cue *before, const struct kn_cue *next, bool closes_gaps)
{
    const bool is_repeat = before->start_us == next->start_us && before->end_us == next->end_us;
    const int64_t gap_us = next->start_us - before->end_us;
    const bool goes_on = closes_gaps && gap_us >= 0 && gap_us <= KN_CUE_MAX_BLINK_US;
    if ((!is_repeat && !goes_on) || !kn_cue_equal(before, next))
        return false;
    if (next->end_us > before->end_us)
        before->end_us = next->end_us;
    return true;
}

static void repeats_drop(struct kn_cue_list *list)
{
    const enum kn_caption_codec codec = list->codec;
    if (kn_caption_is_ass(codec) || codec == KN_CAPTION_WEBVTT || codec == KN_CAPTION_WVTT)
        return;
    const bool closes_gaps = codec >= KN_CAPTION_CEA608 && codec <= KN_CAPTION_XSUB;
    size_t kept = 0;
    for (size_t i = 0; i < list->n_cues; i++) {
        bool is_kept = true;
        for (size_t back = 1; is_kept && back <= LOOK_BACK && back <= kept; back++)
            is_kept = !joined(&list->cues[kept - back], &list->cues[i], closes_gaps);
        if (is_kept && kept++ != i)
            list->cues[kept - 1] = list->cues[i];
    }
    list->n_cues = kept;
}

// What is over before the media begins goes; what is still shown then begins with it.
static void beginning_clip(struct kn_cue_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n_cues; i++) {
        struct kn_cue *cue = &list->cues[i];
        if (cue->start_us < 0 && cue->end_us <= 0)
            continue;
        cue->start_us = cue->start_us < 0 ? 0 : cue->start_us;
        if (kept++ != i)
            list->cues[kept - 1] = *cue;
    }
    list->n_cues = kept;
}

void kn_cue_list_finish(struct kn_cue_list *list, int64_t media_end_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n_cues; i++)
        if (list->cues[i].start_us != KN_NO_TIME && kept++ != i)
            list->cues[kept - 1] = list->cues[i];
    list->n_cues = kept;
    bool is_sorted = true; // as nearly all are
    for (size_t i = 1; is_sorted && i < list->n_cues; i++)
        is_sorted = cue_compare(&list->cues[i - 1], &list->cues[i]) <= 0;
    if (!is_sorted)
        qsort(list->cues, list->n_cues, sizeof(*list->cues), cue_compare);
    ends_fix(list, media_end_us);
    if (list->n_cues && list->cues[0].start_us < 0)
        beginning_clip(list);
    repeats_drop(list);
}
