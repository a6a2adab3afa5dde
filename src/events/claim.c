/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The delivery threads' statements. A lease is nothing but a due time in the future and a word in the
 * row: a row whose holder died falls due again by itself.
 */
#include "events/claim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "events/callback.h"
#include "events/outbox.h"

// Design, section 8: a day of retries.
#define RETRY_SPAN_US KN_DAY

static kn_code clock_now(struct kn_tx *tx, const struct kn_event_clock *clock, int64_t *out,
                         struct kn_error *err)
{
    if (!clock->now)
        return kn_tx_now(tx, out, err);
    *out = clock->now(clock->context);
    return KN_OK;
}

/* ---- looking ---- */

struct scan {
    const struct kn_event_clock *clock;
    struct kn_arena *arena;
    struct kn_event_due *list; // malloc'd while it grows
    size_t n, capacity;
    int64_t now_us;
};

static kn_code scan_add(struct scan *scan, const char *receiver, int64_t due_us,
                        struct kn_error *err)
{
    if (scan->n == scan->capacity) {
        size_t capacity = scan->capacity ? 2 * scan->capacity : 16;
        struct kn_event_due *list = realloc(scan->list, capacity * sizeof(*list));
        if (!list)
            return kn_fail(err, KN_ENOMEM, "no memory for %zu receivers", capacity);
        scan->list = list;
        scan->capacity = capacity;
    }
    scan->list[scan->n++] = (struct kn_event_due){
        .receiver = kn_arena_strdup(scan->arena, receiver), .due_us = due_us};
    if (!scan->list[scan->n - 1].receiver)
        return kn_fail(err, KN_ENOMEM, "no memory for a receiver's name");
    return KN_OK;
}

// Two steps in the index (receiver, due_us) per receiver, however many rows each has waiting.
static kn_code scan_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct scan *scan = context;
    scan->n = 0;
    kn_code rc = clock_now(tx, scan->clock, &scan->now_us, err);
    const char *last = "";
    while (rc == KN_OK) {
        struct kn_stmt *row;
        bool has_row = false;
        rc = kn_tx_query(tx, &row, err,
                         "SELECT receiver, due_us FROM event_delivery WHERE state = 0"
                         " AND receiver > ? ORDER BY receiver, due_us LIMIT 1",
                         "s", last);
        if (rc == KN_OK)
            rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            return rc;
        rc = scan_add(scan, kn_stmt_text(row, 0), kn_stmt_int(row, 1), err);
        if (rc == KN_OK)
            last = scan->list[scan->n - 1].receiver;
    }
    return rc;
}

kn_code kn_event_scan(struct kn_db *db, const struct kn_event_clock *clock, struct kn_arena *arena,
                      struct kn_event_due **out, size_t *out_n, int64_t *out_now,
                      struct kn_error *err)
{
    struct scan scan = {.clock = clock, .arena = arena};
    kn_code rc = kn_db_read(db, scan_tx, &scan, err);
    *out = NULL;
    *out_n = 0;
    if (rc == KN_OK && scan.n > 0) {
        *out = kn_arena_array(arena, scan.n, sizeof(**out));
        if (*out) {
            memcpy(*out, scan.list, scan.n * sizeof(**out));
            *out_n = scan.n;
        } else {
            rc = kn_fail(err, KN_ENOMEM, "no memory for %zu receivers", scan.n);
        }
    }
    *out_now = scan.now_us;
    free(scan.list);
    return rc;
}

/* ---- claiming ---- */

struct claiming {
    const struct kn_event_clock *clock;
    const struct kn_event_due *due;
    size_t n_due;
    int64_t lease_us;
    struct kn_event_claim **out;
    size_t max, n;
};

void kn_event_claim_free(struct kn_event_claim **claim)
{
    if (!*claim)
        return;
    kn_arena_clear(&(*claim)->arena);
    free(*claim);
    *claim = NULL;
}

static void claiming_reset(struct claiming *claiming)
{
    for (size_t i = 0; i < claiming->n; i++)
        kn_event_claim_free(&claiming->out[i]);
    claiming->n = 0;
}

// Mark the rows with this claim's own word, then read those that bear it.
static kn_code take_ids(struct kn_tx *tx, const struct kn_event_due *due, const char *lease,
                        int64_t now, int64_t lease_us, int64_t *out_n, struct kn_error *err)
{
    const char *sql = kn_tx_is_postgres(tx)
                          ? "UPDATE event_delivery SET lease = ?, due_us = ? WHERE id IN (SELECT id"
                            " FROM event_delivery WHERE state = 0 AND receiver = ? AND due_us <= ?"
                            " ORDER BY due_us LIMIT ? FOR UPDATE SKIP LOCKED)"
                          : "UPDATE event_delivery SET lease = ?, due_us = ? WHERE id IN (SELECT id"
                            " FROM event_delivery WHERE state = 0 AND receiver = ? AND due_us <= ?"
                            " ORDER BY due_us LIMIT ?)";
    return kn_tx_run(tx, out_n, err, sql, "sisii", lease, now + lease_us, due->receiver, now,
                     (int64_t)due->quota);
}

static kn_code claim_fill(struct kn_event_claim *claim, struct kn_stmt *row, struct kn_error *err)
{
    const char **texts[] = {&claim->delivery_id, &claim->event_id,    &claim->event_name,
                            &claim->body,        &claim->subject,     &claim->subscriber,
                            &claim->target_kind, &claim->target,      &claim->receiver};
    for (size_t i = 0; i < KN_COUNT(texts); i++) {
        *texts[i] = kn_arena_strdup(&claim->arena, kn_stmt_text(row, (int)i));
        if (!*texts[i])
            return kn_fail(err, KN_ENOMEM, "no memory for a delivery");
    }
    int at = (int)KN_COUNT(texts);
    claim->n_attempts = kn_stmt_int(row, at);
    claim->n_round = kn_stmt_int(row, at + 1);
    claim->first_us = kn_stmt_int(row, at + 2);
    return KN_OK;
}

static kn_code read_claims(struct kn_tx *tx, struct claiming *claiming,
                           const struct kn_event_due *due, const char *lease, int64_t now,
                           struct kn_error *err)
{
    struct kn_stmt *row;
    kn_code rc = kn_tx_query(
        tx, &row, err,
        "SELECT d.id, d.event_id, e.name, e.body, d.subject, d.subscriber, d.target_kind, d.target,"
        " d.receiver, d.n_attempts, d.n_round, d.first_us FROM event_delivery d"
        " JOIN event e ON e.id = d.event_id"
        " WHERE d.state = 0 AND d.receiver = ? AND d.due_us = ? AND d.lease = ?",
        "sis", due->receiver, now + claiming->lease_us, lease);
    bool has_row = true;
    while (rc == KN_OK && claiming->n < claiming->max) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        struct kn_event_claim *claim = calloc(1, sizeof(*claim));
        if (!claim)
            return kn_fail(err, KN_ENOMEM, "no memory for a delivery");
        claiming->out[claiming->n++] = claim;
        rc = claim_fill(claim, row, err);
        (void)kn_copy(claim->lease, sizeof(claim->lease), lease);
        claim->now_us = now;
        claim->claimed_mono_us = kn_mono_us();
    }
    return rc;
}

static kn_code claim_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct claiming *claiming = context;
    claiming_reset(claiming); // the transaction may be run again
    struct kn_callback callback;
    int64_t now = 0;
    kn_code rc = kn_callback_get_tx(tx, &callback, err);
    if (rc == KN_OK)
        rc = clock_now(tx, claiming->clock, &now, err);
    for (size_t i = 0; i < claiming->n_due && rc == KN_OK; i++) {
        char lease[KN_ID_SIZE];
        kn_id_hex(lease);
        int64_t n = 0;
        if (claiming->due[i].quota > 0)
            rc = take_ids(tx, &claiming->due[i], lease, now, claiming->lease_us, &n, err);
        if (rc == KN_OK && n > 0)
            rc = read_claims(tx, claiming, &claiming->due[i], lease, now, err);
    }
    for (size_t i = 0; i < claiming->n; i++) {
        claiming->out[i]->is_signed = callback.is_signed;
        (void)kn_copy(claiming->out[i]->auth_key, sizeof(claiming->out[i]->auth_key),
                      callback.auth_key);
    }
    return rc;
}

kn_code kn_event_claim_due(struct kn_db *db, const struct kn_event_clock *clock,
                           const struct kn_event_due *due, size_t n_due, int64_t lease_us,
                           struct kn_event_claim **out, size_t max, size_t *out_n,
                           struct kn_error *err)
{
    struct claiming claiming = {.clock = clock, .due = due, .n_due = n_due, .lease_us = lease_us,
                                .out = out, .max = max};
    kn_code rc = kn_db_write(db, claim_tx, &claiming, err);
    if (rc != KN_OK)
        claiming_reset(&claiming);
    *out_n = claiming.n;
    return rc;
}

/* ---- noting the answer ---- */

struct noting {
    const struct kn_event_clock *clock;
    const struct kn_event_claim *claim;
    const struct kn_event_answer *answer;
    bool has_sink;
    int64_t latency_us;
    enum kn_event_end end;
};

// Decide what becomes of the row: its state, when it is due, and the sentence in the log.
static enum kn_event_end noting_decide(const struct noting *noting, int64_t now, int64_t first_us,
                                       int64_t *out_due_us, char error[320])
{
    const struct kn_event_claim *claim = noting->claim;
    (void)snprintf(error, 320, "%s", noting->answer->error);
    *out_due_us = 0;
    if (noting->answer->is_acknowledged)
        return KN_EVENT_HEARD;
    if (!noting->has_sink)
        return KN_EVENT_GIVEN_UP;
    uint32_t random;
    kn_random(&random, sizeof(random));
    *out_due_us = now + kn_delivery_wait_us((int)claim->n_round + 1, random);
    if (*out_due_us - first_us <= RETRY_SPAN_US)
        return KN_EVENT_AGAIN;
    (void)snprintf(error, 320, "given up after %" PRId64 " attempts in a day: %s",
                   claim->n_round + 1, noting->answer->error);
    return KN_EVENT_GIVEN_UP;
}

static kn_code note_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct noting *noting = context;
    const struct kn_event_claim *claim = noting->claim;
    int64_t now = 0, due_us = 0, n_changed = 0;
    kn_code rc = clock_now(tx, noting->clock, &now, err);
    if (rc != KN_OK)
        return rc;
    int64_t first_us = claim->first_us ? claim->first_us : claim->now_us;
    char error[320];
    noting->end = noting_decide(noting, now, first_us, &due_us, error);
    enum kn_delivery_state state = noting->end == KN_EVENT_HEARD      ? KN_DELIVERY_ACKNOWLEDGED
                                   : noting->end == KN_EVENT_GIVEN_UP ? KN_DELIVERY_SET_ASIDE
                                                                      : KN_DELIVERY_WAITING;
    bool has_ended = state != KN_DELIVERY_WAITING;
    const char *error_or_null = error[0] ? error : NULL;
    rc = kn_tx_run(tx, &n_changed, err,
                   "UPDATE event_delivery SET state = ?, due_us = ?, lease = NULL,"
                   " n_attempts = n_attempts + 1, n_round = n_round + 1, first_us = ?,"
                   " last_status = ?, last_error = ?, last_latency_us = ?, ended_us = ?"
                   " WHERE id = ? AND lease = ? AND state = 0",
                   "iiiisiiss", (int64_t)state, due_us, first_us, (int64_t)noting->answer->status,
                   error_or_null, noting->latency_us, has_ended ? now : (int64_t)0,
                   claim->delivery_id, claim->lease);
    if (rc != KN_OK)
        return rc;
    if (n_changed == 0) {
        noting->end = KN_EVENT_LOST;
        return KN_OK;
    }
    rc = kn_tx_run(tx, NULL, err,
                   "INSERT INTO event_attempt (delivery_id, n, at_us, status, error, latency_us)"
                   " VALUES (?, ?, ?, ?, ?, ?)",
                   "siiisi", claim->delivery_id, claim->n_attempts + 1, claim->now_us,
                   (int64_t)noting->answer->status, error_or_null, noting->latency_us);
    if (rc == KN_OK && has_ended)
        rc = kn_outbox_next(tx, claim->subject, claim->subscriber, now, err);
    return rc;
}

kn_code kn_event_note(struct kn_db *db, const struct kn_event_clock *clock,
                      const struct kn_event_claim *claim, const struct kn_event_answer *answer,
                      bool has_sink, int64_t latency_us, enum kn_event_end *out_end,
                      struct kn_error *err)
{
    struct noting noting = {.clock = clock, .claim = claim, .answer = answer,
                            .has_sink = has_sink, .latency_us = latency_us};
    kn_code rc = kn_db_write(db, note_tx, &noting, err);
    *out_end = noting.end;
    return rc;
}
