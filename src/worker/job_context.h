#pragma once
/*
 * The child's struct kn_context (features/context.h): inputs, outputs and progress over the link.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "features/context.h"
#include "worker/uplink.h"

struct kn_job_context {
    struct kn_context base;
    struct kn_uplink *uplink;          // borrowed
    const atomic_bool *is_cancel_asked; // borrowed; set by SIGTERM
    atomic_llong next_progress_us;     // monotonic; progress before it is not worth a frame
};

void kn_job_context_init(struct kn_job_context *context, struct kn_uplink *uplink,
                         const atomic_bool *is_cancel_asked);
