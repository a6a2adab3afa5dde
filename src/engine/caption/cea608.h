#pragma once
/*
 * CEA-608 captions: byte pairs of line 21, as they come in cc_data of a picture, in c608 samples and
 * in .scc files, to the cues of one channel (47 CFR 15.119 and CEA-608-E say what the codes mean).
 *
 * Pop-on: a cue from the code that shows the caption to the one that takes it away; rows apart are
 * cues of their own. Roll-up: a cue per row, from its first letter until it scrolls away. Paint-on: a
 * cue from the first letter until the screen is cleared or painted anew.
 */
#include "engine/caption/cue.h"

struct kn_cea608;

/* A decoder of `channel` 1-4 (CC1-CC4), whose cues go to `list` (borrowed). NULL without memory. */
struct kn_cea608 *kn_cea608_new(struct kn_cue_list *list, int channel);
void kn_cea608_free(struct kn_cea608 **decoder);

/* Two bytes of one field (1 or 2), parity or not, shown at `time_us`. */
kn_code kn_cea608_pair(struct kn_cea608 *decoder, int field, uint8_t a, uint8_t b, int64_t time_us,
                       struct kn_error *err);

/* cc_data triplets, or the boxes of a c608 sample ('cdat', 'cdt2'). */
kn_code kn_cea608_packet(struct kn_cea608 *decoder, const uint8_t *bytes, size_t n, int64_t time_us,
                         int64_t duration_us, struct kn_error *err);

/* What still stands on the screen ends, at `end_us` or, when that is KN_NO_TIME, nobody knows when. */
kn_code kn_cea608_end(struct kn_cea608 *decoder, int64_t end_us, struct kn_error *err);

/* Which of CC1-CC4 were met so far: bit 0 is CC1. */
unsigned kn_cea608_channels(const struct kn_cea608 *decoder);
