#pragma once
/*
 * Names and values as the dialects with paths carry them (OSS, MNS): in a query, and in the list behind
 * an Authorization. The RPC front has a map instead (params.h), for there the last of a name counts.
 */
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

struct kn_pair {
    const char *name, *value; // decoded; value "" when there is none
};

/*
 * `n` bytes percent-decoded into the arena, a '+' stays one (spec 09, section 1). NULL: broken %XX, a NUL,
 * or no memory.
 */
const char *kn_text_decoded(struct kn_arena *arena, const char *text, size_t n);

/*
 * The `name=value&…` of a query, in its order, decoded as above, in the arena. KN_EINVAL, reason
 * InvalidArgument: what cannot be decoded.
 */
kn_code kn_pairs_read(struct kn_pair **out, size_t *out_n, struct kn_arena *arena, const char *query,
                      struct kn_error *err);

/* The value of `name=` in "a=b, c=d", in the arena; NULL when absent. */
const char *kn_list_value(struct kn_arena *arena, const char *list, const char *name);
