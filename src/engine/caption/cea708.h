#pragma once
/*
 * CEA-708 captions: the packets of digital television's own captions in cc_data, to the cues of one
 * service (CEA-708-E). Windows are read as text with a place; pens keep italics, underline and colour.
 *
 * A window is a cue from when it is shown with text until it is hidden, cleared or deleted. Text that
 * comes to a window already shown belongs to that cue; a line that rolls out ends one and begins another.
 */
#include "engine/caption/cue.h"

struct kn_cea708;

// Services that are listed; the standard has 63, broadcasters use the first two.
#define KN_CEA708_SERVICES 6

/* A decoder of `service`, from 1, whose cues go to `list` (borrowed). NULL without memory. */
struct kn_cea708 *kn_cea708_new(struct kn_cue_list *list, int service);
void kn_cea708_free(struct kn_cea708 **decoder);

/* cc_data triplets; those of 608 are passed over. */
kn_code kn_cea708_packet(struct kn_cea708 *decoder, const uint8_t *bytes, size_t n, int64_t time_us,
                         struct kn_error *err);

/* What is still shown ends, nobody knows when. */
kn_code kn_cea708_end(struct kn_cea708 *decoder, struct kn_error *err);

/* Which services were met so far: bit 0 is service 1. */
unsigned kn_cea708_services(const struct kn_cea708 *decoder);
