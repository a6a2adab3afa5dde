#pragma once
/*
 * Voices: several speakers in one cue, for formats that have one name for all of it (ASS). Each one's name stands
 * before what is said, as people write it there, and all of them in the Name field:
 *
 *     WebVTT  <v Ann>Hi.</v>                ASS  Name: Ann; Bob
 *             <v Bob>Hello.</v>                  Text: Ann: Hi.\NBob: Hello.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "engine/caption/cue.h"

/* Whether not all of it is said by one. */
bool kn_voices_differ(const struct kn_cue *cue);

/* Append the names of all who speak, each once, with "; " between them. Returns how many. */
size_t kn_voices_names(struct kn_buf *out, const struct kn_cue *cue);

/* Who begins to speak with this run, or NULL when nobody does. `now`: who spoke last, NULL at first. */
const char *kn_voices_next(const char **now, const struct kn_cue_run *run);

/*
 * The way back: make `out` the cue with voices instead of names in its text, if the speaker is several names and each
 * of them stands in the text before what is said.
 *
 *   out    a copy; its runs and names live in `arena`
 *
 * Returns false, and leaves `out` alone, when it is not so, or memory is short.
 */
bool kn_voices_split(struct kn_cue *out, const struct kn_cue *cue, struct kn_arena *arena);
