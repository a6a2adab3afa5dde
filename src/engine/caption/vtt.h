#pragma once
/*
 * WebVTT (w3.org/TR/webvtt1): the reader follows the parser of section 6 step by step, and goes on where
 * that one gives up. What stands before the first cue stays in the list's `header` as it was; NOTE
 * blocks keep their place.
 */
#include "base/buf.h"
#include "engine/caption/builder.h"
#include "engine/caption/cue.h"
#include "engine/caption/write.h"

/* UTF-8 text of a whole file. KN_EMEDIA when it does not begin with WEBVTT and holds no cue. */
kn_code kn_vtt_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err);

/* The header a container keeps as private data; without its signature it gets one. */
kn_code kn_vtt_header(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err);

/* A cue's payload: also a packet of S_TEXT/WEBVTT, and the 'payl' box. Fills runs, raw, speaker. */
kn_code kn_vtt_cue_text(struct kn_cue_builder *builder, struct kn_cue *cue, const char *text,
                        size_t n, struct kn_error *err);

/* Cue settings ("line:0 align:start") into the cue's place; bad ones are warned of, one by one. */
void kn_vtt_settings(struct kn_cue_list *list, struct kn_cue *cue, const char *text, size_t n,
                     int line);

void kn_vtt_write(struct kn_buf *out, const struct kn_cue_list *list,
                  const struct kn_caption_write_options *options);
