#pragma once
/* What a reader cannot know before the last cue: ends, order, repeats (spec 08, 9.1). */
#include "engine/caption/cue.h"

// A cue whose end nobody says lasts to the next one's start, at most this long.
#define KN_CUE_MAX_UNSAID_US (8 * KN_SECOND)
// Equal texts closer together than this are one cue that would blink.
#define KN_CUE_MAX_BLINK_US (KN_SECOND / 10)

/*
 * Cues are sorted by start, those of one start as the source had them. Unknown ends become the next
 * start, else `media_end_us` (KN_NO_TIME when unknown), at most list->longest_us away; ends not
 * after their start become the next start, at most 2 s away, with a warning. Overlaps stay.
 * Exact repeats are dropped unless the source was ASS or WebVTT (layers); of broadcast captions and
 * pictures also equal texts less than KN_CUE_MAX_BLINK_US apart become one.
 */
void kn_cue_list_finish(struct kn_cue_list *list, int64_t media_end_us);

/* The same text in the same look at the same place. */
bool kn_cue_equal(const struct kn_cue *a, const struct kn_cue *b);
