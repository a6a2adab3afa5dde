#pragma once
/*
 * Universal Subtitle Format: XML, in Matroska's S_TEXT/USF the styles in the private data and the inside of a
 * <subtitle> in each block; in .usf files all of it.
 */
#include "engine/caption/cue.h"

struct kn_usf; // the styles of a stream

/* The private data (may be empty or broken: then there are no styles). Lies in the list's arena. */
kn_code kn_usf_header(struct kn_cue_list *list, struct kn_usf **out_usf, const char *text, size_t n,
                      struct kn_error *err);

/* A block; each <text> in it is a cue. What is no XML is a warning. */
kn_code kn_usf_packet(struct kn_cue_list *list, const struct kn_usf *usf, const char *text, size_t n,
                      int64_t start_us, int64_t end_us, struct kn_error *err);

/* A whole file. KN_EMEDIA when it is none. */
kn_code kn_usf_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err);
