#pragma once
/*
 * Caption distribution packets (SMPTE 334-2): what QuickTime's c708 tracks keep, in boxes named 'ccdp', and
 * broadcast chains hand on. Inside are the cc_data triplets that pictures carry.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Whether it is a sample of boxes of either kind of track: c608's 'cdat' and 'cdt2', c708's 'ccdp'. */
bool kn_cea_is_boxes(const uint8_t *bytes, size_t n);

/* Add the triplets of all 'ccdp' boxes of a sample to `out`. False when there is no such box. */
bool kn_cea_cdp_boxes(struct kn_buf *out, const uint8_t *bytes, size_t n);
