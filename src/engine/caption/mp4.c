/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MP4. */
#include "engine/caption/harvest_part.h"

bool kn_mp4_is_one(const uint8_t *head, size_t n)
{
    (void)head;
    (void)n;
    return false;
}

kn_code kn_mp4_open(struct kn_harvest *harvest, struct kn_error *err)
{
    return kn_fail(err, KN_EUNSUP, "'%s' is neither Matroska nor MP4", harvest->window.source->uri);
}
