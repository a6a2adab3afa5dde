#pragma once
/* What someone may have meant: the names nearest to a word that is none of them. */
#include <stddef.h>

#include "base/buf.h"

/*
 * Append " (did you mean 'a' or 'b'?)" with up to three of `names`, nearest first; nothing when none is
 * near. Letters that differ only in case are the same. `prefix` ("--") is shown before
 * each.
 */
void kn_suggest(struct kn_buf *out, const char *word, const char *prefix,
                const char *const *names, size_t n);
