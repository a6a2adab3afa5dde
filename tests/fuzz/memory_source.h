#pragma once
/* A file in memory, for the fuzz targets that read films, pairs and playlists. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/caption/harvest_part.h"

struct memory_file {
    const uint8_t *bytes; // borrowed
    size_t n;
};

static inline kn_code memory_read_at(struct kn_source *source, int64_t offset, void *out, size_t n, size_t *out_got,
                                     struct kn_error *err)
{
    (void)err;
    const struct memory_file *file = source->impl;
    const size_t left = offset < (int64_t)file->n ? file->n - (size_t)offset : 0;
    *out_got = left < n ? left : n;
    if (*out_got)
        memcpy(out, file->bytes + offset, *out_got);
    return KN_OK;
}

/* A source over `file`, which is borrowed; the caller frees it. */
static inline struct kn_source *memory_source(struct memory_file *file, const char *uri)
{
    struct kn_source *source = calloc(1, sizeof(*source));
    assert(source);
    *source = (struct kn_source){
        .fd = -1, .size_bytes = (int64_t)file->n, .uri = strdup(uri), .read_at = memory_read_at, .impl = file};
    return source;
}
