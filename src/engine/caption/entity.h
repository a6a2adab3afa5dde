#pragma once
/*
 * Character references of HTML ("&amp;", "&#39;", "&hellip;"), which WebVTT takes over whole: the reader
 * follows the HTML standard (13.2.5.72 to 80), where a browser would show "&copy 2020" as "© 2020".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

// One that has a name. The table is made from the standard's list when Kinora is built.
struct kn_entity {
    char name[32];         // without '&' and ';'
    uint32_t character[2]; // the second is 0 but for a few dozen of them
    bool is_legacy;        // also without ';'
};

extern const struct kn_entity kn_entities[]; // sorted by name
extern const size_t kn_n_entities;

/* The reference that `text` begins with: its length, 0 when it is none. out[1] is 0 for a single character. */
size_t kn_caption_entity(const char *text, size_t n, uint32_t out[2]);

/* Append `text` with its references resolved. */
void kn_caption_put_resolved(struct kn_buf *out, const char *text, size_t n);
