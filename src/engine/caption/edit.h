#pragma once
/* Work on cues that were read: in time, and on what they say. */
#include "engine/caption/cue.h"

/* Later by `offset_us` (earlier when negative). What would end before zero goes; answers how many went. */
size_t kn_cue_list_shift(struct kn_cue_list *list, int64_t offset_us);

/* All times multiplied, as when a film made for 24 frames a second runs at 25 (factor 0.96). */
void kn_cue_list_scale(struct kn_cue_list *list, double factor);

/*
 * Cues of the same start and end become one, those at the top of the frame first; it has their place when they share
 * it. For formats whose players show one caption at a time.
 */
kn_code kn_cue_list_join_simultaneous(struct kn_cue_list *list, struct kn_error *err);

/* Without cues that are not forced. */
void kn_cue_list_keep_forced(struct kn_cue_list *list);

/*
 * Without what only those who cannot hear need: sounds in brackets, also over several lines, names in
 * capitals before a colon, sung lines between notes. Lines and cues that become empty go, a dash that
 * no longer sets two speakers apart goes, case stays (spec 08, 9.5).
 *
 *   out_changed, out_dropped  how many cues say less, how many are gone; may be NULL
 */
kn_code kn_cue_list_remove_hearing_impaired(struct kn_cue_list *list, size_t *out_changed,
                                            size_t *out_dropped, struct kn_error *err);
