#pragma once
/*
 * TTML and its profiles (IMSC text, EBU-TT-D, SMPTE-TT, DFXP): .ttml files and stpp samples. Pictures
 * in a document (IMSC image profile) are warned of.
 */
#include "engine/caption/cue.h"

/* A whole document; a broken one is read as far as it is well formed. KN_EMEDIA when it is no TTML. */
kn_code kn_ttml_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err);

/*
 * A sample: a document of which what lies between `start_us` and `end_us` (KN_NO_TIME when unknown)
 * is shown. Its times count from the beginning of the track (ISO/IEC 14496-30, 4.3). A cue that goes
 * on from the sample before becomes longer.
 */
kn_code kn_ttml_sample(struct kn_cue_list *list, const char *text, size_t n, int64_t start_us,
                       int64_t end_us, struct kn_error *err);
