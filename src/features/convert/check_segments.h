#pragma once
/*
 * Checking a segmented output before it is handed over (decision 15). Each segment is read again when it
 * is closed, with its initialisation part before it: then its bytes are at hand, and neither memory nor
 * descriptors grow with the film. kn_segments_check() ends it when all are written.
 */
#include "features/convert/run.h"

/*
 * Whether a segment is what was written into it: it opens, has the tracks, every packet of them, and their
 * times run on from the segment before; encoded pictures: its first one decodes. For kn_segments_setup.look;
 * `impl` is the output. Failures as kn_output_check().
 */
kn_code kn_output_look(void *impl, const struct kn_segment_look *look, struct kn_error *err);

/*
 * Whether the segments follow upon each other without a hole and last as long as what was written.
 * KN_EBUG  they do not
 */
kn_code kn_segments_check(const struct kn_output_run *output, struct kn_error *err);

/* Fill output->meta, when the manifests are written too. */
kn_code kn_segments_meta(struct kn_output_run *output, struct kn_error *err);
