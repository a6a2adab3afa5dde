#pragma once
/* Caption files of any format: which one it is, reading and writing it whole. */
#include "base/buf.h"
#include "engine/caption/cue.h"
#include "engine/caption/write.h"

enum kn_caption_format {
    KN_CAPTION_FORMAT_NONE = 0,
    KN_CAPTION_FORMAT_SRT,
    KN_CAPTION_FORMAT_WEBVTT,
    KN_CAPTION_FORMAT_ASS,
};

/* "srt", "webvtt" or "vtt", "ass": as IMM's Format and file extensions name them, any case. */
enum kn_caption_format kn_caption_format_named(const char *name);
/* What {autoext} becomes: "srt", "vtt", "ass". */
const char *kn_caption_format_extension(enum kn_caption_format format);

struct kn_caption_file {
    const char *name;     // for the format when the contents do not tell, and for messages; may be NULL
    const char *language; // hint for the encoding; may be NULL
    int stream;           // which of several, from 0: kn_caption_count()
};

/* How many streams a file has: one, but SAMI may have several languages. */
int kn_caption_count(const void *bytes, size_t n, const struct kn_caption_file *file);

/*
 * Read a caption file of any known format; the list is finished (kn_cue_list_finish()) and its
 * `encoding` says what the text was written in.
 *
 * KN_EMEDIA  no caption file, or one without anything that can be read
 * KN_ELIMIT  more than KN_MAX_CAPTION_BYTES, KN_MAX_CUES
 */
kn_code kn_caption_read(struct kn_cue_list *list, const void *bytes, size_t n,
                        const struct kn_caption_file *file, struct kn_error *err);

/* Append a whole file to `out`. KN_EINVAL for KN_CAPTION_FORMAT_NONE. */
kn_code kn_caption_write(struct kn_buf *out, const struct kn_cue_list *list,
                         enum kn_caption_format format, const struct kn_caption_write_options *options,
                         struct kn_error *err);
