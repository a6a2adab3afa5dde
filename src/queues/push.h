#pragma once
/*
 * Pushing: threads that tell subscribers of published messages, and note whether they heard.
 *
 *     waiting ──2xx within 5 s──> gone
 *        │  ^
 *        └──┴ again as the strategy says (kn_push_wait_us()); after its last retry: gone, and logged
 *
 * At least once: a row goes by a commit after the answer, so that a process which dies between the two
 * tells it again. An attempt holds a lease on its row, so several servers may push from one database. A
 * subscription has at most `max_per_subscription` attempts under way, and one while it fails. A queue that
 * could not take its message when it was published is tried the same way.
 *
 * Thread-safety: after kn_pushes_start() everything, from any thread.
 */
#include <stdint.h>

#include "http/client.h"
#include "queues/signer.h"
#include "queues/topic.h"

struct kn_pushes_config {
    struct kn_queues *queues;         // borrowed, outlives us
    const struct kn_signer *signer;   // borrowed, outlives us
    struct kn_http_client *client;    // borrowed; under the rules for outside URLs
    int max_threads;                  // 0: 64; they start when needed
    int max_per_subscription;         // 0: 8
    int64_t answer_limit_us;          // 0: 5 s (spec 10, section 6)
};

struct kn_pushes;
kn_code kn_pushes_new(struct kn_pushes **out, const struct kn_pushes_config *config,
                      struct kn_error *err);
/* certificate_url: where receivers find the signer's certificate; copied. */
kn_code kn_pushes_start(struct kn_pushes *pushes, const char *certificate_url, struct kn_error *err);
/* Look again now. */
void kn_pushes_wake(struct kn_pushes *pushes);
/* Ends the threads; attempts under way are finished and noted. */
void kn_pushes_free(struct kn_pushes **pushes);

/* How long after the nth attempt has failed the next is made; below 0: there is none. */
int64_t kn_push_wait_us(enum kn_notify_strategy strategy, int64_t n, uint32_t random);
