#pragma once
/*
 * Queues: messages that wait until somebody takes them and says so (spec 10, sections 3 and 4).
 *
 *     send ─> ready ──receive──> hidden ──delete──> gone
 *       │       ^                  │
 *       └delay──┴──visibility ends─┘        gone, too, when its retention ends
 *
 * At least once: a message goes when its receiver deletes it, and comes back when that does not happen
 * in time. Everything is in the database; sends are durable when their call returns. Messages are in
 * message.h, topics in topic.h.
 *
 * Failures carry the wire's words as their reason: "QueueNotExist", "QueueAlreadyExist",
 * "InvalidArgument". Thread-safety: everything, from any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "db/db.h"

// Names have at most 256 characters (older text of the vendor; newer says 120).
#define KN_QUEUE_NAME_SIZE 257

struct kn_queues;

struct kn_queues_config {
    struct kn_db *db; // borrowed, outlives us
    const char *account_id; // TopicOwner, Subscriber; copied; NULL: ""
    // The clock; NULL: the database's. Tests let days pass with it.
    int64_t (*now)(void *context);
    void *now_context;
};
kn_code kn_queues_open(struct kn_queues **out, const struct kn_queues_config *config,
                       struct kn_error *err);
/* Ends the thread; whoever still waits (waiting.h) is woken. */
void kn_queues_close(struct kn_queues **queues);

/* A queue's attributes. */
struct kn_queue {
    char name[KN_QUEUE_NAME_SIZE];
    int64_t delay_us;          // of messages that name none
    int64_t max_message_bytes;
    int64_t retention_us;      // how long a message lives
    int64_t visibility_us;     // how long a received message stays hidden
    int64_t polling_wait_us;   // of receivers that name no wait
    int is_logging;
    // read-only
    int64_t created_us, modified_us;
    int64_t n_active, n_inactive, n_delayed;
};

/*
 * Create; *out_is_new false when it is there already with the same attributes. KN_ECONFLICT, reason
 * "QueueAlreadyExist": with others.
 */
kn_code kn_queue_create(struct kn_queues *queues, const struct kn_queue *queue, bool *out_is_new,
                        struct kn_error *err);
/* Change the attributes that are not below 0. */
kn_code kn_queue_set(struct kn_queues *queues, const struct kn_queue *change, struct kn_error *err);
kn_code kn_queue_get(struct kn_queues *queues, const char *name, struct kn_queue *out,
                     struct kn_error *err);
/* With its messages. Absent is fine. */
kn_code kn_queue_delete(struct kn_queues *queues, const char *name, struct kn_error *err);

/* A page of names: those that begin with `prefix` and come after `marker`, in order of their bytes. */
struct kn_name_page {
    const char *prefix, *marker; // "" : all
    int limit;
    bool has_more;               // out
};
/* *out: malloc'd. The counts are filled if with_counts. */
kn_code kn_queue_list(struct kn_queues *queues, struct kn_name_page *page, bool with_counts,
                      struct kn_queue **out, size_t *out_n, struct kn_error *err);

/*
 * Remove at most `max` messages whose time is over or whose queue is gone, and published ones that
 * nobody is left to be told of. *out_n: how many.
 */
kn_code kn_queues_prune(struct kn_queues *queues, int max, int64_t *out_n, struct kn_error *err);

/* ---- what was used: counted in memory, taken by whoever keeps the ledger ---- */

struct kn_queues_usage {
    char name[KN_QUEUE_NAME_SIZE + 8]; // "queue=films", "topic=news"
    int64_t n_requests;
};
void kn_queues_usage_add(struct kn_queues *queues, const char *kind, const char *name);
/* What was counted since the last call; malloc'd. */
struct kn_queues_usage *kn_queues_usage_take(struct kn_queues *queues, size_t *out_n);
