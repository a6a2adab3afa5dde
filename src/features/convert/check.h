#pragma once
/*
 * Checking an output before it is handed over (decision 15): the muxed file is read again, and its
 * tracks, lengths, times and every packet's bytes are compared with what went in.
 */
#include "features/convert/run.h"

/*
 * The output's muxer has finished. Fills output->meta of a file; that of a segmented output, whose segments
 * were looked at one by one, comes with its manifests (check_segments.h).
 *
 * KN_EMEDIA reason "ResourceContentBad": the file is not what was written, and an input was damaged
 * KN_EBUG   it is not, and no input was
 */
kn_code kn_output_check(struct kn_output_run *output, struct kn_error *err);
