#pragma once
/*
 * Messages of a queue: send, receive, peek, keep hidden for longer, delete.
 *
 * A receipt handle names a message and one taking of it; it carries a MAC, so that handles are not
 * made up, and dies when the message is taken again, is made hidden for another time, or comes back.
 */
#include "base/arena.h"
#include "queues/queues.h"

#define KN_MESSAGE_ID_SIZE 40
#define KN_RECEIPT_SIZE 80
#define KN_MESSAGE_PRIORITY 8 // of those that name none; 1 to 16, smaller first
// Messages of one send, receive or delete.
#define KN_MAX_BATCH 16

struct kn_message_send {
    const char *body;       // UTF-8 that XML can hold
    const char *properties; // JSON, handed to receivers as it is; NULL: none
    int64_t delay_us;       // below 0: the queue's
    int priority;           // 0: KN_MESSAGE_PRIORITY
    // out
    bool is_too_long;       // for this queue: it was not sent
    char id[KN_MESSAGE_ID_SIZE];
    char receipt[KN_RECEIPT_SIZE]; // of a delayed message, to delete it before it appears; else ""
};
/*
 * Durable on return, all but those that are too long; each says so. *out_max_bytes: what the queue takes.
 */
kn_code kn_message_send(struct kn_queues *queues, const char *queue, struct kn_message_send *sends,
                        size_t n, int64_t *out_max_bytes, struct kn_error *err);

/* A message as read; texts in the caller's arena. */
struct kn_message {
    char id[KN_MESSAGE_ID_SIZE];
    char receipt[KN_RECEIPT_SIZE]; // "" of a peeked one
    const char *body;
    const char *properties;        // NULL: none
    int64_t seq;
    int64_t enqueued_us, visible_us;
    int64_t first_dequeued_us;     // 0: never
    int64_t n_dequeued;
    int priority;
};

/*
 * Take up to `max` messages, by priority and age; they are hidden for the queue's VisibilityTimeout.
 * *out_n 0: there is none now. *out_wait_us: the queue's PollingWaitSeconds.
 */
kn_code kn_message_receive(struct kn_queues *queues, const char *queue, int max,
                           struct kn_arena *arena, struct kn_message *out, size_t *out_n,
                           int64_t *out_wait_us, struct kn_error *err);
/* Look at the next ones without taking them. */
kn_code kn_message_peek(struct kn_queues *queues, const char *queue, int max,
                        struct kn_arena *arena, struct kn_message *out, size_t *out_n,
                        struct kn_error *err);

/*
 * Hidden until visibility_us from now; the handle is replaced. KN_EINVAL, reason "ReceiptHandleError":
 * not a handle of ours. KN_ENOTFOUND, reason "MessageNotExist": it does not hold any more.
 */
kn_code kn_message_hide(struct kn_queues *queues, const char *queue, const char *receipt,
                        int64_t visibility_us, char out_receipt[KN_RECEIPT_SIZE],
                        int64_t *out_visible_us, struct kn_error *err);

/*
 * Delete those that hold. out_codes has an entry per handle: KN_OK, KN_EINVAL or KN_ENOTFOUND as above;
 * the call itself fails for other reasons alone.
 */
kn_code kn_message_delete(struct kn_queues *queues, const char *queue, const char *const *receipts,
                          size_t n, kn_code *out_codes, struct kn_error *err);

/* MessageBodyMD5: upper-case hex. */
void kn_message_md5(char out[33], const char *body);
