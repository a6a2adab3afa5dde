#pragma once
/*
 * Black bars around a film, found in pictures from all over it (Crop "border").
 */
#include "base/error.h"
#include "features/convert/convert_spec.h"

struct kn_output_run;

/*
 * What remains of the picture, turned upright by `turn_degrees`, without its bars; width_px 0 when
 * there are none, or when all that was looked at is black.
 */
kn_code kn_border_find(struct kn_rect *out, const struct kn_output_run *output, int input,
                       int turn_degrees, struct kn_error *err);
