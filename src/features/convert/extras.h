#pragma once
/* What films carry beside pictures, sound and captions: cover art, and the fonts of ASS captions. */
#include "features/convert/run.h"

/*
 * Add the first input's cover pictures and attachments as tracks, where KeepCoverArt and
 * KeepAttachments say so and the container has a place for them; otherwise a note says what was
 * left out. After all other tracks: readers number these last.
 */
kn_code kn_extras_add(struct kn_output_run *output, struct kn_error *err);
