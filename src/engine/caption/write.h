#pragma once
/*
 * What all caption writers share. A writer appends a whole file to a buffer; the same list and options
 * give the same bytes. Cues are written in the list's order; one without a known end is not written,
 * so call kn_cue_list_finish() first.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "engine/caption/cue.h"

enum kn_line_end {
    KN_LINE_END_OF_FORMAT = 0, // CR LF in SRT, LF in the others
    KN_LINE_END_LF,
    KN_LINE_END_CRLF,
};

struct kn_caption_write_options {
    enum kn_line_end line_end;
    bool has_mark;   // begin with a byte order mark: some television sets ask for it
    bool marks_rtl;  // U+200F before lines of right-to-left text that begin with punctuation
};

/* Whether the track's language is one, and may stand in a file: what a container says may be anything. */
bool kn_caption_has_language(const struct kn_caption_track *track);

/* Whether there is anything to see. */
bool kn_cue_is_empty(const struct kn_cue *cue);

/*
 * Whether the cue at `index` says what one just before it says at the same time: ASS paints a text in
 * several layers, the plainer formats write it once.
 */
bool kn_cue_is_repeat(const struct kn_cue_list *list, size_t index);

/* Which of nine places (as on a numeric pad) a cue stands at, from its anchor or its point. 2 when unsaid. */
int kn_cue_anchor(const struct kn_cue *cue);

/* The text with LF for its line ends becomes the final file, appended to `out`. */
void kn_caption_write_end(struct kn_buf *out, const struct kn_buf *text, enum kn_line_end line_end,
                          bool has_mark);

/* "h:mm:ss.fff" with `digits` of hours at least and this separator, rounded half up to milliseconds. */
void kn_caption_write_time(struct kn_buf *out, int64_t us, int hour_digits, char separator);
/* In decimal; without the cost of printf(). */
void kn_caption_write_number(struct kn_buf *out, unsigned number);

/* "hh:mm:ss.fff --> hh:mm:ss.fff"; the second is at least a millisecond after the first. */
void kn_caption_write_times(struct kn_buf *out, const struct kn_cue *cue, char separator);

/* U+200F where options ask for one; call at the beginning of each line. */
void kn_caption_write_rtl(struct kn_buf *out, const char *line,
                          const struct kn_caption_write_options *options);
