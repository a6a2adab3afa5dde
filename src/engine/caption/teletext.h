#pragma once
/*
 * Teletext captions: one page of a DVB stream (ETSI EN 300 472), the text in its boxes, to cues
 * (EN 300 706; levels 1 and 1.5).
 *
 * A cue lasts from the header of the page that shows it to the header of one that shows something else. A
 * page that only goes on with the text before it makes that cue longer, not a new one.
 */
#include "engine/caption/cue.h"

struct kn_teletext;

/*
 * A decoder of `page` (0x100 to 0x8FF, its digits as a viewer types them; 0: the first subtitle page that
 * comes), whose cues go to `list` (borrowed). The list's language says which national letters are meant
 * where the stream does not. NULL without memory.
 */
struct kn_teletext *kn_teletext_new(struct kn_cue_list *list, int page);
void kn_teletext_free(struct kn_teletext **decoder);

/* One PES packet's payload: the data identifier and its data units. */
kn_code kn_teletext_packet(struct kn_teletext *decoder, const uint8_t *bytes, size_t n, int64_t time_us,
                           struct kn_error *err);

/* What is still shown ends, nobody knows when. */
kn_code kn_teletext_end(struct kn_teletext *decoder, struct kn_error *err);

/* The pages of a packet that say they are subtitles, at most `n_max`; returns how many. */
size_t kn_teletext_subtitle_pages(const uint8_t *bytes, size_t n, int *out_pages, size_t n_max);
