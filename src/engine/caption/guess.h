#pragma once
/* What captions that are no Unicode are encoded in: a guess from their bytes. */
#include <stddef.h>

#include "base/error.h"

/*
 * The name of an encoding for iconv(), "" when there is no saying, into at least 40 bytes.
 *
 * KN_EUNSUP, reason "NeedsMediaLibraries": not in this program (front/absent.c).
 */
kn_code kn_caption_guess(char out_encoding[40], const char *bytes, size_t n, struct kn_error *err);
