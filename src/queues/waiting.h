#pragma once
/*
 * The waiting list: long polls, without a thread each.
 *
 *     receive: nothing there ─> kn_waiting_add() ── a send, or the deadline ──> wake() ─> receive again
 *
 * A send of this process wakes as many waiters of its queue as it brought messages, oldest first. What
 * other servers send, and messages whose delay or visibility ends, one thread looks for: now and then,
 * and whenever the database tells of a send, with one small query per queue that is waited for.
 *
 * A send between a receiver's look and its getting in line would be missed; so the receiver asks for the
 * queue's ticket before it looks, and a send changes that.
 *
 * Thread-safety: everything, from any thread; wake() is called on the sender's thread or the list's own,
 * and must not block.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct kn_queues;
struct kn_waiting;

kn_code kn_waiting_new(struct kn_waiting **out, struct kn_queues *queues, struct kn_error *err);
/* As kn_waiting_drain(), then ends the thread. */
void kn_waiting_free(struct kn_waiting **waiting);

/* The queue's ticket, to be taken before looking. */
unsigned kn_waiting_ticket(struct kn_queues *queues, const char *queue);
/*
 * Get in line; wake(context) is called once. False: not put in line, look again now (there was a send
 * since the ticket) or give up (*out_is_over: too many wait, or the service stops).
 */
typedef void (*kn_queue_wake)(void *context);
bool kn_waiting_add(struct kn_queues *queues, const char *queue, unsigned ticket,
                    int64_t deadline_mono_us, kn_queue_wake wake, void *context, bool *out_is_over);
/* Wake everybody; nobody gets in line any more. For a service that stops. */
void kn_waiting_drain(struct kn_queues *queues);

/* n messages of `queue` became ready. */
void kn_waiting_sent(struct kn_queues *queues, const char *queue, size_t n);
/* How many wait. */
int64_t kn_waiting_length(struct kn_queues *queues);
