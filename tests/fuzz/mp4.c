/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hostile MP4 films, harvested to their end. */
#include "harvest_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    harvest_all(bytes, n);
    return 0;
}
