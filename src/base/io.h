#pragma once
/*
 * Where media bytes come from and go to, without saying how: a local file, a ranged reader over a
 * socket, a remote object. engine/media builds its AVIOContext on these; the worker and the command
 * line hand them out through features/context.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * A random-access input. Thread-safety: read_at may be called by one thread at a time.
 */
struct kn_source {
    int fd;             // owned; -1 when the bytes do not lie in a local file
    int64_t size_bytes; // -1 when unknown (then read_at() answers 0 at the end)
    char identity[96];  // changes when the content does (etag, inode + mtime); "" when unknown
    char *uri;          // owned: as asked for, for messages and for resolving relative references
    // For inputs without a descriptor; NULL otherwise. Reads at most n bytes at `offset`.
    kn_code (*read_at)(struct kn_source *source, int64_t offset, void *out, size_t n,
                       size_t *out_got, struct kn_error *err);
    void (*release)(struct kn_source *source); // frees `impl`; NULL when there is nothing
    void *impl;
};

/* Open a local file as a source. */
kn_code kn_source_open_file(struct kn_source **out_source, const char *path, struct kn_error *err);
/* Take over a descriptor (its size is asked of the kernel). */
kn_code kn_source_take_fd(struct kn_source **out_source, int fd, const char *uri,
                          struct kn_error *err);
/* Read up to n bytes at `offset`, whatever kind it is; *out_got is 0 only at the end. */
kn_code kn_source_read_at(struct kn_source *source, int64_t offset, void *out, size_t n,
                          size_t *out_got, struct kn_error *err);
void kn_source_free(struct kn_source **source);

/*
 * An output being made: bytes go to `fd` (seekable, read-write, staged out of sight). What is not
 * committed leaves no trace.
 */
struct kn_sink {
    int fd;    // owned
    char *uri; // owned: the final name
    // Flush and hand over: from here on the output is complete. Visible when its job succeeds.
    kn_code (*commit)(struct kn_sink *sink, struct kn_error *err);
    void (*release)(struct kn_sink *sink); // abandons when not committed
    void *impl;
    bool is_committed;
};

kn_code kn_sink_commit(struct kn_sink *sink, struct kn_error *err);
void kn_sink_free(struct kn_sink **sink);
