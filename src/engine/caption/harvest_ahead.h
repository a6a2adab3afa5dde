#pragma once
/*
 * Ahead: streams that a broadcast begins with later. The tables of a transport stream (PAT, PMT) are sent again and
 * again, and say what is there from then on; a look at some places of a long recording meets what they announce.
 */
#include <stdbool.h>

#include "engine/media/input.h"

/* Whether `input` is a transport stream of a known size: its streams may change, and it can be looked at anywhere. */
bool kn_ahead_can_look(const struct kn_input *input);

/*
 * Look at KN_AHEAD_PLACES places of it, the last of them its end, and go back to its beginning. `input->format` has
 * the streams that were met then, behind those it had. No packet may have been taken from it before: those that it
 * keeps are read again. A place that cannot be read ends the looking.
 *
 * KN_ECANCELED, KN_ENOMEM; KN_EIO or KN_EMEDIA when there is no way back.
 */
kn_code kn_ahead_look(struct kn_input *input, struct kn_error *err);

#define KN_AHEAD_PLACES 16
