#pragma once
/*
 * The delivery threads' statements: which receivers have something due, take it, note the answer.
 * Used by delivery.c alone. Each call is one transaction.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/id.h"
#include "db/db.h"
#include "events/delivery.h"

/* The clock all statements use: the caller's, or the database's when `now` is NULL. */
struct kn_event_clock {
    int64_t (*now)(void *context);
    void *context;
};

/* One receiver with waiting rows: when the first is due. In the caller's arena. */
struct kn_event_due {
    const char *receiver;
    int64_t due_us;
    int quota;              // how many to claim; set by the caller
};
kn_code kn_event_scan(struct kn_db *db, const struct kn_event_clock *clock, struct kn_arena *arena,
                      struct kn_event_due **out, size_t *out_n, int64_t *out_now,
                      struct kn_error *err);

/* A claimed delivery, in an arena of its own. */
struct kn_event_claim {
    struct kn_arena arena;  // owned; holds the texts below
    const char *delivery_id, *event_id, *event_name, *body, *subject, *subscriber, *target_kind,
        *target, *receiver;
    char lease[KN_ID_SIZE];
    bool is_signed;
    char auth_key[33];
    int64_t n_attempts, n_round, first_us; // before this attempt
    int64_t now_us;                        // by the clock
    int64_t claimed_mono_us;
};
void kn_event_claim_free(struct kn_event_claim **claim);

/* Take up to `quota` due rows of each receiver; at most `max` claims, each owned by the caller. */
kn_code kn_event_claim_due(struct kn_db *db, const struct kn_event_clock *clock,
                           const struct kn_event_due *due, size_t n_due, int64_t lease_us,
                           struct kn_event_claim **out, size_t max, size_t *out_n,
                           struct kn_error *err);

/* What became of an attempt. */
enum kn_event_end {
    KN_EVENT_AGAIN = 0, // waits for its next attempt
    KN_EVENT_HEARD,
    KN_EVENT_GIVEN_UP,
    KN_EVENT_LOST,      // the lease had gone: nothing was written
};
kn_code kn_event_note(struct kn_db *db, const struct kn_event_clock *clock,
                      const struct kn_event_claim *claim, const struct kn_event_answer *answer,
                      bool has_sink, int64_t latency_us, enum kn_event_end *out_end,
                      struct kn_error *err);
