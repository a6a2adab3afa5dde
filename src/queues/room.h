#pragma once
/*
 * What the files of this room share: the room itself, its clock, and rows read within a transaction.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "queues/message.h"
#include "queues/notice.h"
#include "queues/queues.h"
#include "queues/topic.h"
#include "queues/waiting.h"

struct kn_queues {
    struct kn_db *db;              // borrowed
    int64_t (*now)(void *context); // NULL: the database's
    void *now_context;
    char account_id[32];           // set once
    uint8_t receipt_key[32];       // set once: of the MAC in receipt handles
    struct kn_waiting *waiting;    // owned
    pthread_mutex_t usage_lock;
    // --- protected by usage_lock
    struct kn_queues_usage *usage; // owned
    size_t n_usage;
};

kn_code kn_queues_now(struct kn_tx *tx, const struct kn_queues *queues, int64_t *out_us,
                      struct kn_error *err);

/* A queue as its row says, without the counts. KN_ENOTFOUND, reason "QueueNotExist". */
kn_code kn_queue_find_tx(struct kn_tx *tx, const char *name, struct kn_queue *out, int64_t *out_id,
                         struct kn_error *err);

/*
 * Put one message into a queue, as part of `tx`. KN_EINVAL, reason "InvalidArgument": the body is longer
 * than the queue takes; nothing was written.
 */
kn_code kn_message_put_tx(struct kn_tx *tx, const struct kn_queues *queues,
                          const struct kn_queue *queue, int64_t queue_id,
                          struct kn_message_send *send, int64_t now_us, struct kn_error *err);

/* A topic as its row says, without the count. KN_ENOTFOUND, reason "TopicNotExist". */
kn_code kn_topic_find_tx(struct kn_tx *tx, const char *name, struct kn_topic *out, int64_t *out_id,
                         struct kn_error *err);
/* Put a notice into a subscribed queue. KN_ENOTFOUND, KN_EINVAL: it cannot take it; nothing was written. */
kn_code kn_notice_put_tx(struct kn_tx *tx, const struct kn_queues *queues, const char *queue_name,
                         const struct kn_notice *notice, enum kn_notify_format format, int64_t now_us,
                         struct kn_error *err);

/* Wake-ups of other servers, which share the database. */
#define KN_QUEUES_TOPIC "queues"
#define KN_PUSHES_TOPIC "pushes"
