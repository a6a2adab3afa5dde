#pragma once
/*
 * SubRip. There is no standard: what is read is what files have (spec 08, 9.4), what is written is
 * what every player takes.
 */
#include "base/buf.h"
#include "engine/caption/builder.h"
#include "engine/caption/cue.h"
#include "engine/caption/text.h"
#include "engine/caption/write.h"

struct kn_srt_timing {
    int64_t start_us;
    int64_t end_us;      // KN_NO_TIME when it cannot be read
    struct kn_line rest; // coordinates or settings behind the times
};

/* One time ("1:02:03,45") at the cursor, which goes behind it; ASS writes times alike. */
bool kn_srt_time(const char **cursor, const char *end, int64_t *out_us);
/* Whether a line holds two times and an arrow, in any of the forms that files have. */
bool kn_srt_timing(struct kn_line line, struct kn_srt_timing *out);

/* UTF-8 text of a whole file. KN_EMEDIA when there is not one timing line in it. */
kn_code kn_srt_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err);

/* The text of one cue, with its tags: also a packet of S_TEXT/UTF8. Fills runs and place. */
kn_code kn_srt_cue_text(struct kn_cue_builder *builder, struct kn_cue *cue, const char *text,
                        size_t n, struct kn_error *err);

void kn_srt_write(struct kn_buf *out, const struct kn_cue_list *list,
                  const struct kn_caption_write_options *options);
