/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The delivery log. */
#include "events/delivery_log.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "events/callback.h"

#define DEFAULT_LIMIT 100
#define MAX_LIMIT 1000
// Rows redelivered in one transaction: it holds the one writer of SQLite for some milliseconds.
#define REDELIVER_BATCH 200

static const char *const state_names[] = {
    [KN_DELIVERY_WAITING] = "waiting",
    [KN_DELIVERY_ACKNOWLEDGED] = "acknowledged",
    [KN_DELIVERY_SET_ASIDE] = "set-aside",
};

const char *kn_delivery_state_name(enum kn_delivery_state state)
{
    return (size_t)state < KN_COUNT(state_names) ? state_names[state] : "unknown";
}

int kn_delivery_state_from_name(const char *name)
{
    for (size_t i = 0; i < KN_COUNT(state_names); i++)
        if (strcmp(name, state_names[i]) == 0)
            return (int)i;
    return -1;
}

/* ---- lists ---- */

struct listing {
    const struct kn_delivery_filter *filter;
    struct kn_arena *arena;
    int limit;
    int64_t before_us;          // page: rows older than (before_us, before_id)
    char before_id[KN_ID_SIZE];
    struct kn_delivery *list;   // in the arena, room for limit + 1
    size_t n;
};

// "<created_us>-<id>" of the last row of a page.
static kn_code read_page_token(struct listing *listing, struct kn_error *err)
{
    const char *token = listing->filter->page_token;
    listing->before_us = INT64_MAX;
    if (!token || !token[0])
        return KN_OK;
    char number[24];
    const char *dash = strchr(token, '-');
    bool is_valid = dash && (size_t)(dash - token) < sizeof(number) &&
                    kn_copy(listing->before_id, sizeof(listing->before_id), dash + 1);
    if (is_valid) {
        (void)snprintf(number, sizeof(number), "%.*s", (int)(dash - token), token);
        is_valid = kn_parse_int(number, 0, INT64_MAX, &listing->before_us);
    }
    return is_valid ? KN_OK
                    : kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                                 "'%s' is not a page token of this list", token);
}

static int64_t time_or_none(int64_t us)
{
    return us > 0 && us < KN_NOT_ITS_TURN ? us : KN_NO_TIME;
}

static bool delivery_fill(struct kn_delivery *delivery, struct kn_stmt *row,
                          struct kn_arena *arena)
{
    (void)kn_copy(delivery->id, sizeof(delivery->id), kn_stmt_text(row, 0));
    (void)kn_copy(delivery->event_id, sizeof(delivery->event_id), kn_stmt_text(row, 1));
    const char **texts[] = {&delivery->event_name, &delivery->subject, &delivery->subscriber,
                            &delivery->target_kind, &delivery->target};
    for (size_t i = 0; i < KN_COUNT(texts); i++) {
        *texts[i] = kn_arena_strdup(arena, kn_stmt_text(row, 2 + (int)i));
        if (!*texts[i])
            return false;
    }
    delivery->state = (enum kn_delivery_state)kn_stmt_int(row, 7);
    delivery->n_attempts = (int)kn_stmt_int(row, 8);
    delivery->created_us = kn_stmt_int(row, 9);
    delivery->due_us = delivery->state == KN_DELIVERY_WAITING ? time_or_none(kn_stmt_int(row, 10))
                                                              : KN_NO_TIME;
    delivery->ended_us = time_or_none(kn_stmt_int(row, 11));
    delivery->last_status = (int)kn_stmt_int(row, 12);
    delivery->last_latency_us = kn_stmt_int(row, 14);
    delivery->is_leased = !kn_stmt_is_null(row, 15);
    if (kn_stmt_is_null(row, 13))
        return true;
    delivery->last_error = kn_arena_strdup(arena, kn_stmt_text(row, 13));
    return delivery->last_error != NULL;
}

static kn_code list_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct listing *listing = context;
    const struct kn_delivery_filter *filter = listing->filter;
    listing->n = 0;
    struct kn_stmt *row;
    // An absent condition is an empty text, or a range of all states: one statement, one plan.
    kn_code rc = kn_tx_query(
        tx, &row, err,
        "SELECT d.id, d.event_id, e.name, d.subject, d.subscriber, d.target_kind, d.target, d.state,"
        " d.n_attempts, d.created_us, d.due_us, d.ended_us, d.last_status, d.last_error,"
        " d.last_latency_us, d.lease FROM event_delivery d JOIN event e ON e.id = d.event_id"
        " WHERE (d.created_us < ? OR (d.created_us = ? AND d.id < ?))"
        " AND (? = '' OR d.id = ?) AND (? = '' OR d.subject = ?) AND d.state BETWEEN ? AND ?"
        " ORDER BY d.created_us DESC, d.id DESC LIMIT ?",
        "iisssssiii", listing->before_us, listing->before_us, listing->before_id,
        filter->id ? filter->id : "", filter->id ? filter->id : "",
        filter->subject ? filter->subject : "", filter->subject ? filter->subject : "",
        filter->state < 0 ? (int64_t)0 : (int64_t)filter->state,
        filter->state < 0 ? INT64_MAX : (int64_t)filter->state, (int64_t)listing->limit + 1);
    bool has_row = true;
    while (rc == KN_OK && listing->n <= (size_t)listing->limit) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        if (!delivery_fill(&listing->list[listing->n++], row, listing->arena))
            rc = kn_fail(err, KN_ENOMEM, "no memory for a list of deliveries");
    }
    return rc;
}

kn_code kn_delivery_list(struct kn_db *db, const struct kn_delivery_filter *filter,
                         struct kn_arena *arena, struct kn_delivery **out, size_t *out_n,
                         char next_token[64], struct kn_error *err)
{
    struct listing listing = {.filter = filter, .arena = arena};
    next_token[0] = '\0';
    *out_n = 0;
    listing.limit = filter->limit <= 0          ? DEFAULT_LIMIT
                    : filter->limit > MAX_LIMIT ? MAX_LIMIT
                                                : filter->limit;
    kn_code rc = read_page_token(&listing, err);
    if (rc != KN_OK)
        return rc;
    listing.list = kn_arena_array(arena, (size_t)listing.limit + 1, sizeof(*listing.list));
    if (!listing.list)
        return kn_fail(err, KN_ENOMEM, "no memory for a list of deliveries");
    rc = kn_db_read(db, list_tx, &listing, err);
    if (rc != KN_OK)
        return rc;
    if (listing.n > (size_t)listing.limit) {
        const struct kn_delivery *last = &listing.list[--listing.n - 1];
        (void)snprintf(next_token, 64, "%" PRId64 "-%s", last->created_us, last->id);
    }
    *out = listing.list;
    *out_n = listing.n;
    return KN_OK;
}

/* ---- one delivery ---- */

struct reading {
    const char *delivery_id;
    struct kn_arena *arena;
    struct kn_delivery_attempt *list; // malloc'd
    size_t n, capacity;
    const char *body;
};

static kn_code attempts_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct reading *reading = context;
    reading->n = 0;
    struct kn_stmt *row;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT n, at_us, status, error, latency_us FROM event_attempt"
                             " WHERE delivery_id = ? ORDER BY n",
                             "s", reading->delivery_id);
    bool has_row = true;
    while (rc == KN_OK) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        if (reading->n == reading->capacity) {
            size_t capacity = reading->capacity ? 2 * reading->capacity : 16;
            void *list = realloc(reading->list, capacity * sizeof(*reading->list));
            if (!list)
                return kn_fail(err, KN_ENOMEM, "no memory for a list of attempts");
            reading->list = list;
            reading->capacity = capacity;
        }
        reading->list[reading->n++] = (struct kn_delivery_attempt){
            .n = (int)kn_stmt_int(row, 0),
            .at_us = kn_stmt_int(row, 1),
            .status = (int)kn_stmt_int(row, 2),
            .error = kn_arena_strdup(reading->arena, kn_stmt_text(row, 3)),
            .latency_us = kn_stmt_int(row, 4),
        };
    }
    return rc;
}

kn_code kn_delivery_attempts(struct kn_db *db, const char *delivery_id, struct kn_arena *arena,
                             struct kn_delivery_attempt **out, size_t *out_n,
                             struct kn_error *err)
{
    struct reading reading = {.delivery_id = delivery_id, .arena = arena};
    kn_code rc = kn_db_read(db, attempts_tx, &reading, err);
    *out_n = 0;
    *out = rc == KN_OK ? kn_arena_array(arena, reading.n + 1, sizeof(**out)) : NULL;
    if (*out && reading.n > 0)
        memcpy(*out, reading.list, reading.n * sizeof(**out));
    if (*out)
        *out_n = reading.n;
    else if (rc == KN_OK)
        rc = kn_fail(err, KN_ENOMEM, "no memory for a list of attempts");
    free(reading.list);
    return rc;
}

static kn_code body_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct reading *reading = context;
    struct kn_stmt *row;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT e.body FROM event_delivery d JOIN event e ON e.id = d.event_id"
                             " WHERE d.id = ?",
                             "s", reading->delivery_id);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (!has_row)
        return kn_fail_as(err, KN_ENOTFOUND, "ResourceNotFound", "no delivery '%s'",
                          reading->delivery_id);
    reading->body = kn_arena_strdup(reading->arena, kn_stmt_text(row, 0));
    return reading->body ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for an event's body");
}

kn_code kn_delivery_body(struct kn_db *db, const char *delivery_id, struct kn_arena *arena,
                         const char **out, struct kn_error *err)
{
    struct reading reading = {.delivery_id = delivery_id, .arena = arena};
    kn_code rc = kn_db_read(db, body_tx, &reading, err);
    *out = reading.body;
    return rc;
}

/* ---- once more ---- */

struct again_row {
    char id[KN_ID_SIZE];
    char subscriber[16];
    char *subject; // owned
    int64_t seq;
};

struct again {
    const struct kn_delivery_filter *filter;
    // The last row of the batch before: what is redelivered and ends again is not met twice.
    struct again_row last;
    struct again_row rows[REDELIVER_BATCH];
    size_t n;
};

static void again_clear(struct again *again)
{
    for (size_t i = 0; i < again->n; i++)
        free(again->rows[i].subject);
    again->n = 0;
}

// Take the last row of a batch as the place where the next one begins.
static void again_advance(struct again *again)
{
    if (again->n > 0) {
        free(again->last.subject);
        again->last = again->rows[--again->n];
    }
    again_clear(again);
}

static kn_code again_select(struct kn_tx *tx, struct again *again, struct kn_error *err)
{
    const struct kn_delivery_filter *filter = again->filter;
    const char *id = filter->id ? filter->id : "", *subject = filter->subject ? filter->subject : "";
    bool is_any_state = filter->state < 0 && id[0];
    int64_t lowest = is_any_state        ? KN_DELIVERY_ACKNOWLEDGED
                     : filter->state < 0 ? KN_DELIVERY_SET_ASIDE
                                         : (int64_t)filter->state;
    int64_t highest = is_any_state ? (int64_t)KN_DELIVERY_SET_ASIDE : lowest;
    struct kn_stmt *row;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT id, subscriber, subject, seq FROM event_delivery"
                             " WHERE (subject, subscriber, seq) > (?, ?, ?) AND (? = '' OR id = ?) AND (? = '' OR subject = ?)"
                             " AND state <> 0 AND state BETWEEN ? AND ?"
                             " ORDER BY subject, subscriber, seq LIMIT ?",
                             "ssissssiii", again->last.subject ? again->last.subject : "",
                             again->last.subscriber, again->last.seq, id, id, subject, subject, lowest, highest,
                             (int64_t)REDELIVER_BATCH);
    bool has_row = true;
    while (rc == KN_OK && again->n < REDELIVER_BATCH) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        struct again_row *one = &again->rows[again->n];
        (void)kn_copy(one->id, sizeof(one->id), kn_stmt_text(row, 0));
        (void)kn_copy(one->subscriber, sizeof(one->subscriber), kn_stmt_text(row, 1));
        one->seq = kn_stmt_int(row, 3);
        one->subject = strdup(kn_stmt_text(row, 2));
        if (!one->subject)
            return kn_fail(err, KN_ENOMEM, "no memory for a redelivery");
        again->n++;
    }
    return rc;
}

static kn_code again_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct again *again = context;
    again_clear(again); // the transaction may be run again
    int64_t now = 0;
    struct kn_callback callback;
    kn_code rc = again_select(tx, again, err);
    if (rc == KN_OK)
        rc = kn_tx_now(tx, &now, err);
    if (rc == KN_OK)
        rc = kn_callback_get_tx(tx, &callback, err);
    for (size_t i = 0; i < again->n && rc == KN_OK; i++)
        rc = kn_tx_run(tx, NULL, err,
                       "UPDATE event_delivery SET state = 0, due_us = ?, lease = NULL, n_round = 0,"
                       " first_us = 0, ended_us = 0 WHERE id = ? AND state <> 0",
                       "is", KN_NOT_ITS_TURN, again->rows[i].id);
    // Account-wide ones follow the callback as it is now; without one their old address is tried.
    if (rc == KN_OK && again->n > 0 && callback.type[0])
        rc = kn_outbox_retarget(tx, &callback, err);
    for (size_t i = 0; i < again->n && rc == KN_OK; i++)
        rc = kn_outbox_next(tx, again->rows[i].subject, again->rows[i].subscriber, now, err);
    if (rc == KN_OK)
        kn_tx_notify(tx, "events");
    return rc;
}

// Why a delivery that was named by its id is not redelivered.
static kn_code explain_none(struct kn_db *db, const char *id, struct kn_error *err)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    const char *body = NULL;
    kn_code rc = kn_delivery_body(db, id, &arena, &body, err);
    if (rc != KN_OK)
        return rc;
    return kn_fail(err, KN_ECONFLICT, "delivery '%s' still waits or was acknowledged", id);
}

kn_code kn_events_redeliver(struct kn_db *db, const struct kn_delivery_filter *filter, int64_t *out_n,
                            struct kn_error *err)
{
    *out_n = 0;
    if (filter->state == KN_DELIVERY_WAITING)
        return kn_fail(err, KN_EINVAL, "what still waits is not redelivered");
    kn_auto(kn_free) struct again *again = calloc(1, sizeof(*again));
    if (!again)
        return kn_fail(err, KN_ENOMEM, "no memory for a redelivery");
    again->filter = filter;
    kn_code rc;
    size_t n;
    do {
        rc = kn_db_write(db, again_tx, again, err);
        n = again->n;
        if (rc == KN_OK)
            *out_n += (int64_t)n;
        again_advance(again);
    } while (rc == KN_OK && n == REDELIVER_BATCH);
    free(again->last.subject);
    if (rc == KN_OK && *out_n == 0 && filter->id && filter->id[0])
        return explain_none(db, filter->id, err);
    return rc;
}

/* ---- forgetting ---- */

struct pruning {
    int64_t acknowledged_before_us, set_aside_before_us, max_rows, n;
};

static kn_code prune_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct pruning *pruning = context;
    // The same rows thrice: they are chosen by age, and nothing in here changes an ended row's age.
    static const char *const chosen =
        "(SELECT id FROM event_delivery WHERE (state = 1 AND ended_us < ?)"
        " OR (state = 2 AND ended_us < ?) ORDER BY created_us, id LIMIT ?)";
    char sql[512];
    (void)snprintf(sql, sizeof(sql), "DELETE FROM event_attempt WHERE delivery_id IN %s", chosen);
    kn_code rc = kn_tx_run(tx, NULL, err, sql, "iii", pruning->acknowledged_before_us,
                           pruning->set_aside_before_us, pruning->max_rows);
    (void)snprintf(sql, sizeof(sql), "DELETE FROM event_delivery WHERE id IN %s", chosen);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, &pruning->n, err, sql, "iii", pruning->acknowledged_before_us,
                       pruning->set_aside_before_us, pruning->max_rows);
    int64_t older = pruning->acknowledged_before_us > pruning->set_aside_before_us
                        ? pruning->acknowledged_before_us
                        : pruning->set_aside_before_us;
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err,
                       "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE created_us < ?"
                       " AND NOT EXISTS (SELECT 1 FROM event_delivery d WHERE d.event_id = event.id)"
                       " ORDER BY created_us LIMIT ?)",
                       "ii", older, pruning->max_rows);
    return rc;
}

kn_code kn_events_prune(struct kn_db *db, int64_t acknowledged_before_us,
                        int64_t set_aside_before_us, int max_rows, int64_t *out_n,
                        struct kn_error *err)
{
    struct pruning pruning = {acknowledged_before_us, set_aside_before_us, max_rows, 0};
    kn_code rc = kn_db_write(db, prune_tx, &pruning, err);
    *out_n = rc == KN_OK ? pruning.n : 0;
    return rc;
}
