#pragma once
/*
 * Listing a bucket in the byte order of its keys, page by page. Names that share a prefix up to the
 * delimiter are given as one entry, and are jumped over, not read.
 */
#include "objects/store.h"

struct kn_list_query {
    const char *prefix;    // "" or NULL: all
    const char *delimiter; // "" or NULL: none
    const char *after;     // list what comes after this key or common prefix; "" or NULL: from the start
    int max;               // entries of this page, common prefixes included
};

struct kn_list_item {
    char *key;                  // owned; for a common prefix, the prefix
    bool is_prefix;
    struct kn_object_info info; // without meta; empty for a common prefix
};

struct kn_listing {
    struct kn_list_item *items; // owned
    size_t n;
    bool is_truncated;          // go on with `after` = the last item's key
};

/* KN_ENOTFOUND, reason NoSuchBucket. */
kn_code kn_object_list(struct kn_store *store, const char *bucket,
                       const struct kn_list_query *query, struct kn_listing *out,
                       struct kn_error *err);
void kn_listing_clear(struct kn_listing *listing);
