#pragma once
/*
 * A window on a film: small pieces of a large file, each read for what it costs where it lies.
 *
 * What the kernel already holds in memory costs a system call, so a piece is asked for alone. What
 * lies on a disk or behind a network costs the same whether it is 4 KiB or a good part of a MiB, so
 * when pieces follow each other closely the window reads on in ever larger steps, until a far jump
 * makes it small again. Thread-safety: one thread.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"

struct kn_window {
    struct kn_source *source; // owned
    const atomic_bool *stop;  // borrowed, may be NULL
    uint8_t *bytes;           // owned
    size_t capacity;
    int64_t at;               // where bytes[0] lies in the file
    size_t n;
    size_t ahead;             // how much a costly read fetches
    bool is_sparse;           // the caller knows where to look: no reading ahead
    bool asks_memory;         // the kernel tells whether it holds the bytes (RWF_NOWAIT)
    bool is_cold;             // some bytes were not in memory: announcing is worth its call
    int64_t n_bytes_read;
    int64_t n_reads;
};

// The largest piece: a caption packet or a table is read as a whole.
#define KN_MAX_WINDOW_BYTES (64 * 1024 * 1024)

void kn_window_init(struct kn_window *window, struct kn_source *source, const atomic_bool *stop);
void kn_window_clear(struct kn_window *window);

/*
 * Show `n` bytes at `offset`.
 *
 *   out      borrowed until the next call
 *   out_got  less than n only where the file ends
 *
 * KN_ELIMIT beyond KN_MAX_WINDOW_BYTES; KN_ECANCELED; else as kn_source_read_at().
 */
kn_code kn_window_show(struct kn_window *window, int64_t offset, size_t n, const uint8_t **out,
                       size_t *out_got, struct kn_error *err);

/* From here on pieces are far apart and known beforehand (or again not). */
void kn_window_set_sparse(struct kn_window *window, bool is_sparse);
/* These bytes will be asked for soon: a disk may fetch them meanwhile. Best effort. */
void kn_window_announce(struct kn_window *window, int64_t offset, size_t n);
