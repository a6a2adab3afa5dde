#pragma once
/*
 * The delivery log: what was sent to whom, what they answered, and sending it again.
 *
 * `kinora events` and the operator's API show it. Thread-safe: all state is in the database.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/id.h"
#include "db/db.h"
#include "events/outbox.h"

/* A delivery as read; texts in the caller's arena. */
struct kn_delivery {
    char id[KN_ID_SIZE], event_id[KN_ID_SIZE];
    const char *event_name;
    const char *subject;       // the job's id
    const char *subscriber;    // "account" or "job"
    const char *target_kind, *target;
    enum kn_delivery_state state;
    bool is_leased;            // a delivery thread has it; due_us is when another may take it over
    int n_attempts;
    int64_t created_us;
    int64_t due_us;            // KN_NO_TIME while it waits for its turn, or has ended
    int64_t ended_us;          // KN_NO_TIME while it waits
    int last_status;           // 0: no answer
    const char *last_error;    // NULL: none
    int64_t last_latency_us;
};

struct kn_delivery_filter {
    const char *id;         // NULL: any
    const char *subject;    // a job; NULL: any
    int state;              // -1: any
    int limit;              // 0: 100
    const char *page_token; // NULL or "": the first page
};
/* Newest first. next_token "" at the end. KN_EINVAL for a token that is none. */
kn_code kn_delivery_list(struct kn_db *db, const struct kn_delivery_filter *filter,
                         struct kn_arena *arena, struct kn_delivery **out, size_t *out_n,
                         char next_token[64], struct kn_error *err);
/* The words of states on the wire and the command line: waiting, acknowledged, set-aside. */
const char *kn_delivery_state_name(enum kn_delivery_state state);
/* -1 for an unknown name. */
int kn_delivery_state_from_name(const char *name);

struct kn_delivery_attempt {
    int n;                  // 1, 2, 3, …
    int64_t at_us;
    int status;             // 0: no answer
    const char *error;      // NULL: acknowledged
    int64_t latency_us;
};
/* Oldest first. */
kn_code kn_delivery_attempts(struct kn_db *db, const char *delivery_id, struct kn_arena *arena,
                             struct kn_delivery_attempt **out, size_t *out_n,
                             struct kn_error *err);
/* The envelope as it was sent. KN_ENOTFOUND. */
kn_code kn_delivery_body(struct kn_db *db, const char *delivery_id, struct kn_arena *arena,
                         const char **out, struct kn_error *err);

/*
 * Send ended deliveries again, to where they would go now, with a fresh day of attempts: those that
 * `filter` names by id, job and state (limit and page are not looked at; state -1 means set aside
 * ones unless an id is given). Order per job holds again. *out_n: how many. KN_ENOTFOUND: an id
 * that is none; KN_ECONFLICT: one that still waits.
 */
kn_code kn_events_redeliver(struct kn_db *db, const struct kn_delivery_filter *filter, int64_t *out_n,
                            struct kn_error *err);

/*
 * Forget ended deliveries, acknowledged before one time and set aside before another, with their
 * attempts, and events that have no delivery left. At most max_rows deliveries; *out_n how many.
 */
kn_code kn_events_prune(struct kn_db *db, int64_t acknowledged_before_us,
                        int64_t set_aside_before_us, int max_rows, int64_t *out_n,
                        struct kn_error *err);
