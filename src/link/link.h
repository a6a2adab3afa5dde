#pragma once
/*
 * One end of a link (link/frame.h): a socket, what has been received and what waits to be sent.
 *
 * The same functions serve both kinds of owner. The nursery and the child keep the socket blocking:
 * kn_link_post() returns when all is sent. The supervisor makes it non-blocking: what the socket does
 * not take now waits, and kn_link_flush() goes on when it is writable.
 *
 * Thread-safety: one thread may send while another receives; two may not do the same.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/error.h"
#include "link/frame.h"

struct kn_link {
    int fd; // owned; -1 when closed
    // --- receiving
    struct kn_frame_decoder decoder;
    int fds[4]; // owned: descriptors received whose frames have not been answered yet
    int n_fds;
    // --- sending
    struct kn_link_out *out; // owned: the oldest frame not wholly sent
    struct kn_link_out *out_last;
    size_t n_out_bytes;
};

/* Take over the socket. A peer that is a child may send no descriptors; the kernel drops them. */
void kn_link_init(struct kn_link *link, int fd, enum kn_frame_peer peer);
void kn_link_clear(struct kn_link *link); // an empty link (fd -1) is welcome

/* A connected pair, close-on-exec, blocking. */
kn_code kn_link_pair(int fds[2], struct kn_error *err);

/*
 * Send a frame, or queue what the socket does not take. `fd` is taken over in every case; -1: none.
 * KN_EIO, reason "LinkClosed": the peer is gone; what it sent before can still be read.
 */
kn_code kn_link_post(struct kn_link *link, enum kn_frame_type type, uint32_t request,
                     const void *payload, size_t n, int fd, struct kn_error *err);
/* The same for a JSON object; the reference is taken over. NULL means out of memory while building. */
kn_code kn_link_post_json(struct kn_link *link, enum kn_frame_type type, uint32_t request,
                          json_t *object, int fd, struct kn_error *err);
/* ERROR {code, reason, message}. */
kn_code kn_link_post_error(struct kn_link *link, uint32_t request, const struct kn_error *what,
                           struct kn_error *err);
kn_code kn_link_flush(struct kn_link *link, struct kn_error *err);
static inline bool kn_link_has_output(const struct kn_link *link)
{
    return link->out != NULL;
}

/* Receive once. *out_is_open false: the peer has closed. Nothing there yet is KN_OK. */
kn_code kn_link_pump(struct kn_link *link, bool *out_is_open, struct kn_error *err);
/*
 * The next whole frame; borrowed until the next kn_link_next() or kn_link_pump(). Its descriptor, if
 * it has one, becomes the caller's in *out_fd (-1 otherwise).
 */
kn_code kn_link_next(struct kn_link *link, struct kn_frame *out, int *out_fd, bool *out_has,
                     struct kn_error *err);
/* Wait for a frame on a blocking link. KN_EIO, reason "LinkClosed": the peer has closed. */
kn_code kn_link_receive(struct kn_link *link, struct kn_frame *out, int *out_fd,
                        struct kn_error *err);

/* The payload as a JSON object, a new reference. KN_EINVAL, reason "BrokenFrame", when it is none. */
kn_code kn_frame_json(const struct kn_frame *frame, json_t **out, struct kn_error *err);
/* What an ERROR frame (or the same members of a RESULT) says; answers the code, never KN_OK. */
kn_code kn_frame_error(const json_t *object, struct kn_error *err);
