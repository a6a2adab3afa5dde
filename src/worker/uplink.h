#pragma once
/*
 * The child's end of its link: questions with answers, and things told.
 *
 * Thread-safety: any thread of the child may ask; whoever waits for an answer while nobody reads the
 * socket reads it for all (so there is no reader thread to start before each tiny job).
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "link/link.h"

struct kn_uplink {
    struct kn_link link;
    pthread_mutex_t lock; // sending; and what follows
    pthread_cond_t answered;
    // --- protected by lock
    struct kn_uplink_waiter *waiters;
    uint32_t last_request;
    bool is_reading; // some waiter is inside kn_link_receive()
    bool is_broken;  // nothing can be asked any more
};

/* Takes over the socket, until the process ends. */
void kn_uplink_init(struct kn_uplink *uplink, int fd);

/*
 * Ask and wait. The question's reference is taken over; *out_answer is a new reference, *out_fd (may
 * be NULL when no descriptor is expected) the caller's. An ERROR frame comes back as its error.
 */
kn_code kn_uplink_call(struct kn_uplink *uplink, enum kn_frame_type type, json_t *question,
                       json_t **out_answer, int *out_fd, struct kn_error *err);
/* READ: at most KN_LINK_BLOCK bytes of a remote input. */
kn_code kn_uplink_read(struct kn_uplink *uplink, int64_t handle, int64_t offset, void *out,
                       size_t n, size_t *out_got, struct kn_error *err);
/* Tell without waiting for an answer. The reference is taken over. */
kn_code kn_uplink_tell(struct kn_uplink *uplink, enum kn_frame_type type, json_t *what,
                       struct kn_error *err);
