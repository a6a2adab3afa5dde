#pragma once
/*
 * Delivering: threads that take what is due from the outbox, send it and note the answer.
 *
 *   waiting ──2xx──> acknowledged          tries 1, 2, 3 a second apart, then after 5 s, 10 s, … at
 *      │  ^                                most an hour, a day long (kn_delivery_wait_us())
 *      │  └──redeliver──┐
 *      └─a day failed─> set aside
 *
 * At least once: a row is acknowledged only by a commit after the answer, so a process that dies
 * between answer and commit sends again. Normally once: an attempt holds a lease of LEASE_US on its
 * row, and its result counts only while it does. So several servers may deliver from one PostgreSQL.
 * Nothing waits for polling: a commit of kn_outbox_add() wakes the dispatcher.
 *
 * A receiver (host and port) has at most `max_per_receiver` attempts under way, and one while it fails:
 * a dead receiver takes one thread of many.
 *
 * Thread-safety: after kn_events_start() everything, from any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "db/db.h"

/* One attempt, as a sink sees it; all borrowed. */
struct kn_event_letter {
    const char *delivery_id, *event_id, *event_name;
    const char *subscriber;  // "account" or "job"
    const char *target;      // URL or queue
    const char *body;        // the envelope, UTF-8 JSON
    size_t n_body;
    bool is_signed;          // by the account's callback, as it is now
    const char *auth_key;    // secret; "" when not signed
    int64_t now_us;          // for X-ICE-TIMESTAMP
    int64_t answer_limit_us;
};

struct kn_event_answer {
    bool is_acknowledged;
    int status;              // HTTP status; 0 when none arrived
    char error[256];         // why not, for the delivery log
};

/* Sends letters to one kind of target ("http", "mns"). `send` blocks its thread, not for longer than
 * answer_limit_us; it is called by several threads. */
struct kn_event_sink {
    void (*send)(const struct kn_event_letter *letter, struct kn_event_answer *out, void *context);
    void *context;
};

struct kn_events_config {
    struct kn_db *db;         // borrowed, outlives us
    int max_threads;          // 0: 32; they start when needed
    int max_per_receiver;     // 0: 4
    int64_t answer_limit_us;  // 0: 3 s (spec 02, 10.3)
    // The clock; NULL: the database's. Tests let a day pass with it.
    int64_t (*now)(void *context);
    void *now_context;
};

struct kn_events;
kn_code kn_events_new(struct kn_events **out, const struct kn_events_config *config,
                      struct kn_error *err);
/* Before kn_events_start(). Rows of a kind without a sink are set aside, saying so. */
void kn_events_set_sink(struct kn_events *events, const char *target_kind,
                        struct kn_event_sink sink);
kn_code kn_events_start(struct kn_events *events, struct kn_error *err);
/* Look again now. */
void kn_events_wake(struct kn_events *events);
/* Ends the threads; attempts under way are finished and noted (at most answer_limit_us). */
void kn_events_free(struct kn_events **events);

/* How long after the nth attempt in a row has failed the next is made. `random` jitters it by a fifth. */
int64_t kn_delivery_wait_us(int n, uint32_t random);
