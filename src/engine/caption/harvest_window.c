/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The window over a kn_source. A local file is asked with RWF_NOWAIT first: the kernel answers from
 * its memory or says that it would have to wait. Only then does reading ahead pay.
 */
#include "engine/caption/harvest_window.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

// A page is what the kernel reads at least.
#define PAGE 4096
// Requests to other sources are a message away, and answered from blocks of 1 MiB (decisions 16).
#define REMOTE_LEAST (16 * 1024)
#define MOST_AHEAD (1024 * 1024)
// Reading this much costs a disk about as long as finding another place on it (0.1 ms at 2 GB/s).
#define NEAR_LOCAL (256 * 1024)
#define NEAR_REMOTE (1024 * 1024)

static bool is_local(const struct kn_window *window)
{
    return window->source->fd >= 0 && !window->source->read_at;
}

void kn_window_init(struct kn_window *window, struct kn_source *source, const atomic_bool *stop)
{
    *window = (struct kn_window){.source = source, .stop = stop};
    window->asks_memory = is_local(window);
    window->ahead = is_local(window) ? PAGE : REMOTE_LEAST;
}

void kn_window_clear(struct kn_window *window)
{
    if (window->source)
        kn_window_set_sparse(window, false); // the descriptor may be shared
    kn_source_free(&window->source);
    free(window->bytes);
    *window = (struct kn_window){0};
}

void kn_window_set_sparse(struct kn_window *window, bool is_sparse)
{
    if (window->is_sparse == is_sparse)
        return;
    window->is_sparse = is_sparse;
    if (is_local(window))
        (void)posix_fadvise(window->source->fd, 0, 0, // a hint
                            is_sparse ? POSIX_FADV_RANDOM : POSIX_FADV_NORMAL);
}

void kn_window_announce(struct kn_window *window, int64_t offset, size_t n)
{
    if (window->is_cold && is_local(window))
        (void)posix_fadvise(window->source->fd, offset, (off_t)n, POSIX_FADV_WILLNEED); // a hint
}

static bool make_room(struct kn_window *window, size_t n)
{
    if (n <= window->capacity)
        return true;
    size_t capacity = n < 2 * PAGE ? 2 * PAGE : n;
    uint8_t *bytes = realloc(window->bytes, capacity);
    if (!bytes)
        return false;
    window->bytes = bytes;
    window->capacity = capacity;
    return true;
}

// From the kernel's memory if it holds all `n` bytes; false when somebody would have to wait.
static bool read_from_memory(struct kn_window *window, int64_t offset, size_t n)
{
    if (!window->asks_memory)
        return false;
    struct iovec piece = {window->bytes, n};
    const ssize_t got = preadv2(window->source->fd, &piece, 1, offset, RWF_NOWAIT);
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        window->asks_memory = false; // a file system or a filter that does not know the flag
    if (got < 0)
        return false;
    window->n_reads++;
    window->n_bytes_read += got;
    window->at = offset;
    window->n = (size_t)got;
    return window->n == n || offset + got == window->source->size_bytes;
}

// Pieces that follow closely make the steps larger, a far jump makes them small.
static void learn_distance(struct kn_window *window, int64_t offset)
{
    const size_t least = is_local(window) ? PAGE : REMOTE_LEAST;
    const int64_t gap = offset - (window->at + (int64_t)window->n);
    const bool is_near = gap >= 0 && gap <= (is_local(window) ? NEAR_LOCAL : NEAR_REMOTE);
    if (window->is_sparse)
        window->ahead = least;
    else if (is_near && window->ahead < MOST_AHEAD)
        window->ahead *= 2;
    else if (!is_near && window->ahead > least)
        window->ahead /= 2;
}

static kn_code fill(struct kn_window *window, int64_t offset, size_t n, struct kn_error *err)
{
    window->at = offset;
    window->n = 0;
    while (window->n < n) {
        size_t got = 0;
        const kn_code rc = kn_source_read_at(window->source, offset + (int64_t)window->n,
                                             window->bytes + window->n, n - window->n, &got, err);
        if (rc != KN_OK)
            return rc;
        if (got == 0)
            break;
        window->n += got;
        window->n_reads++;
        window->n_bytes_read += (int64_t)got;
    }
    return KN_OK;
}

kn_code kn_window_show(struct kn_window *window, int64_t offset, size_t n, const uint8_t **out,
                       size_t *out_got, struct kn_error *err)
{
    *out = NULL;
    *out_got = 0;
    if (window->stop && atomic_load_explicit(window->stop, memory_order_relaxed))
        return kn_fail(err, KN_ECANCELED, "stopped");
    if (n > KN_MAX_WINDOW_BYTES)
        return kn_fail(err, KN_ELIMIT, "a piece of %zu bytes at %" PRId64 " is more than is read at once",
                       n, offset);
    if (offset < 0)
        return kn_fail(err, KN_EBUG, "asked for bytes at %" PRId64, offset);
    const bool is_held = window->bytes && offset >= window->at &&
                         (uint64_t)(offset - window->at) + n <= window->n;
    if (!is_held) {
        // To the end of the page: the rest of it costs nothing.
        const size_t to_page_end = PAGE - (size_t)(offset % PAGE);
        size_t wanted = n < to_page_end ? to_page_end : n;
        if (!make_room(window, wanted))
            return kn_fail(err, KN_ENOMEM, "no memory for %zu bytes of '%s'", wanted,
                           window->source->uri);
        const int64_t was_at = window->at;
        const size_t was_n = window->n;
        if (!read_from_memory(window, offset, wanted)) {
            window->at = was_at;
            window->n = was_n;
            window->is_cold = true;
            learn_distance(window, offset);
            if (wanted < window->ahead)
                wanted = window->ahead;
            if (!make_room(window, wanted))
                return kn_fail(err, KN_ENOMEM, "no memory for %zu bytes of '%s'", wanted,
                               window->source->uri);
            const kn_code rc = fill(window, offset, wanted, err);
            if (rc != KN_OK)
                return rc;
        }
    }
    const size_t before = (size_t)(offset - window->at);
    *out = window->bytes + before;
    *out_got = window->n - before < n ? window->n - before : n;
    return KN_OK;
}
