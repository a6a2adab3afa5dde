#pragma once
/* The pushes' statements: what is due, take it, note the answer. Used by push.c alone. */
#include "base/arena.h"
#include "base/id.h"
#include "queues/push.h"

/* A subscription with waiting rows: when the first is due. */
struct kn_push_due {
    int64_t subscription_id, due_us;
    int quota; // how many to claim; set by the caller
};
/* *out: malloc'd. */
kn_code kn_push_scan(struct kn_queues *queues, struct kn_push_due **out, size_t *out_n,
                     int64_t *out_now_us, struct kn_error *err);

/* A claimed push, in an arena of its own. */
struct kn_push_claim {
    struct kn_arena arena; // owned; holds the texts below
    char lease[KN_ID_SIZE];
    int64_t seq, message_seq, subscription_id, n_attempts, published_us;
    enum kn_notify_strategy strategy;
    enum kn_notify_format format;
    const char *endpoint, *topic, *subscription, *message_id, *body, *tag;
    int64_t claimed_mono_us;
};
void kn_push_claim_free(struct kn_push_claim **claim);
/* Take up to `quota` due rows of each subscription; at most `max` claims, each owned by the caller. */
kn_code kn_push_claim_due(struct kn_queues *queues, const struct kn_push_due *due, size_t n_due,
                          int64_t lease_us, struct kn_push_claim **out, size_t max, size_t *out_n,
                          struct kn_error *err);

/* The message has arrived, or will not: its row goes. */
kn_code kn_push_end(struct kn_queues *queues, const struct kn_push_claim *claim,
                    struct kn_error *err);
/* Another attempt, wait_us from now. */
kn_code kn_push_again(struct kn_queues *queues, const struct kn_push_claim *claim, int64_t wait_us,
                      struct kn_error *err);
/* Put the message into a subscribed queue, and end the push with it. */
kn_code kn_push_into_queue(struct kn_queues *queues, const struct kn_push_claim *claim,
                           const char *queue, struct kn_error *err);
