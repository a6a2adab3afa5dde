/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Statements of the pushes, each call one guarded transaction. */
#include "queues/push_claim.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "queues/room.h"

/* ---- what is due ---- */

struct scanning {
    const struct kn_queues *queues;
    struct kn_push_due *list; // owned
    size_t n, capacity;
    int64_t now_us;
};

// One step in the index (subscription_id, due_us) per subscription, however many rows each has waiting.
static kn_code scan_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct scanning *scan = context;
    int64_t last = 0;
    scan->n = 0;
    kn_code rc = kn_queues_now(tx, scan->queues, &scan->now_us, err);
    while (rc == KN_OK) {
        struct kn_stmt *row;
        bool has_row = false;
        rc = kn_tx_query(tx, &row, err,
                         "SELECT subscription_id, due_us FROM topic_push WHERE subscription_id > ?"
                         " ORDER BY subscription_id, due_us LIMIT 1",
                         "i", last);
        if (rc == KN_OK)
            rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            return rc;
        if (scan->n == scan->capacity) {
            size_t capacity = scan->capacity ? 2 * scan->capacity : 16;
            void *list = reallocarray(scan->list, capacity, sizeof(*scan->list));
            if (!list)
                return kn_fail(err, KN_ENOMEM, "no memory for %zu subscriptions", capacity);
            scan->list = list;
            scan->capacity = capacity;
        }
        last = kn_stmt_int(row, 0);
        scan->list[scan->n++] =
            (struct kn_push_due){.subscription_id = last, .due_us = kn_stmt_int(row, 1)};
    }
    return rc;
}

kn_code kn_push_scan(struct kn_queues *queues, struct kn_push_due **out, size_t *out_n,
                     int64_t *out_now_us, struct kn_error *err)
{
    struct scanning scan = {.queues = queues};
    kn_code rc = kn_db_read(queues->db, scan_tx, &scan, err);
    *out = rc == KN_OK ? KN_TAKE(scan.list) : NULL;
    *out_n = rc == KN_OK ? scan.n : 0;
    *out_now_us = scan.now_us;
    free(scan.list);
    return rc;
}

/* ---- claiming ---- */

struct claiming {
    const struct kn_queues *queues;
    const struct kn_push_due *due;
    size_t n_due;
    int64_t lease_us;
    struct kn_push_claim **out;
    size_t max, n;
};

void kn_push_claim_free(struct kn_push_claim **claim)
{
    if (!*claim)
        return;
    kn_arena_clear(&(*claim)->arena);
    free(*claim);
    *claim = NULL;
}

static kn_code claim_fill(struct kn_push_claim *claim, struct kn_stmt *row, struct kn_error *err)
{
    claim->seq = kn_stmt_int(row, 0);
    claim->message_seq = kn_stmt_int(row, 1);
    claim->subscription_id = kn_stmt_int(row, 2);
    claim->n_attempts = kn_stmt_int(row, 3);
    claim->published_us = kn_stmt_int(row, 4);
    claim->strategy = (enum kn_notify_strategy)kn_stmt_int(row, 5);
    claim->format = (enum kn_notify_format)kn_stmt_int(row, 6);
    const char **texts[] = {&claim->endpoint, &claim->topic, &claim->subscription,
                            &claim->message_id, &claim->body, &claim->tag};
    for (size_t i = 0; i < KN_COUNT(texts); i++) {
        *texts[i] = kn_arena_strdup(&claim->arena, kn_stmt_text(row, 7 + (int)i));
        if (!*texts[i])
            return kn_fail(err, KN_ENOMEM, "no memory for a push");
    }
    return KN_OK;
}

// Mark the rows with this claim's own word, then read those that bear it.
static kn_code claim_one(struct kn_tx *tx, struct claiming *claiming, const struct kn_push_due *due,
                         int64_t now, struct kn_error *err)
{
#define TAKE_SQL                                                                                   \
    "UPDATE topic_push SET lease = ?, due_us = ? WHERE seq IN (SELECT seq FROM topic_push"         \
    " WHERE subscription_id = ? AND due_us <= ? ORDER BY due_us LIMIT ?"
    char lease[KN_ID_SIZE];
    kn_id_hex(lease);
    int64_t n = 0;
    kn_code rc = kn_tx_run(tx, &n, err,
                           kn_tx_is_postgres(tx) ? TAKE_SQL " FOR UPDATE SKIP LOCKED)" : TAKE_SQL ")",
                           "siiii", lease, now + claiming->lease_us, due->subscription_id, now,
                           (int64_t)due->quota);
#undef TAKE_SQL
    struct kn_stmt *row;
    bool has_row = true;
    if (rc == KN_OK && n > 0)
        rc = kn_tx_query(
            tx, &row, err,
            "SELECT p.seq, p.message_seq, p.subscription_id, p.n_attempts, m.published_us,"
            " s.strategy, s.format, s.endpoint, t.name, s.name, m.id, m.body, m.tag"
            " FROM topic_push p JOIN topic_subscription s ON s.id = p.subscription_id"
            " JOIN topic t ON t.id = s.topic_id JOIN topic_message m ON m.seq = p.message_seq"
            " WHERE p.subscription_id = ? AND p.due_us = ? AND p.lease = ?",
            "iis", due->subscription_id, now + claiming->lease_us, lease);
    while (rc == KN_OK && n > 0 && claiming->n < claiming->max) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        struct kn_push_claim *claim = calloc(1, sizeof(*claim));
        if (!claim)
            return kn_fail(err, KN_ENOMEM, "no memory for a push");
        claiming->out[claiming->n++] = claim;
        (void)kn_copy(claim->lease, sizeof(claim->lease), lease);
        claim->claimed_mono_us = kn_mono_us();
        rc = claim_fill(claim, row, err);
    }
    return rc;
}

static void claiming_reset(struct claiming *claiming)
{
    for (size_t i = 0; i < claiming->n; i++)
        kn_push_claim_free(&claiming->out[i]);
    claiming->n = 0;
}

static kn_code claim_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct claiming *claiming = context;
    int64_t now = 0;
    claiming_reset(claiming); // the transaction may be run again
    kn_code rc = kn_queues_now(tx, claiming->queues, &now, err);
    for (size_t i = 0; i < claiming->n_due && rc == KN_OK; i++)
        if (claiming->due[i].quota > 0)
            rc = claim_one(tx, claiming, &claiming->due[i], now, err);
    return rc;
}

kn_code kn_push_claim_due(struct kn_queues *queues, const struct kn_push_due *due, size_t n_due,
                          int64_t lease_us, struct kn_push_claim **out, size_t max, size_t *out_n,
                          struct kn_error *err)
{
    struct claiming claiming = {.queues = queues, .due = due, .n_due = n_due,
                                .lease_us = lease_us, .out = out, .max = max};
    kn_code rc = kn_db_write_guarded(queues->db, claim_tx, &claiming, err);
    if (rc != KN_OK)
        claiming_reset(&claiming);
    *out_n = claiming.n;
    return rc;
}

/* ---- noting the answer ---- */

struct noting {
    const struct kn_queues *queues;
    const struct kn_push_claim *claim;
    int64_t wait_us;
    const char *queue;
};

static kn_code push_remove(struct kn_tx *tx, const struct kn_push_claim *claim, int64_t *out_n,
                           struct kn_error *err)
{
    // The lock: of two pushes of one message that end together, the second sees that the first has gone.
    struct kn_stmt *row;
    bool has_row = false;
    *out_n = 0;
    kn_code rc = kn_tx_query(tx, &row, err, "SELECT 1 FROM topic_message WHERE seq = ? FOR UPDATE",
                             "i", claim->message_seq);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, out_n, err, "DELETE FROM topic_push WHERE seq = ? AND lease = ?", "is",
                       claim->seq, claim->lease);
    if (rc == KN_OK && *out_n > 0)
        rc = kn_tx_run(tx, NULL, err,
                       "DELETE FROM topic_message WHERE seq = ? AND NOT EXISTS (SELECT 1"
                       " FROM topic_push WHERE message_seq = ?)",
                       "ii", claim->message_seq, claim->message_seq);
    return rc;
}

static kn_code end_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    int64_t n;
    return push_remove(tx, ((const struct noting *)context)->claim, &n, err);
}

kn_code kn_push_end(struct kn_queues *queues, const struct kn_push_claim *claim,
                    struct kn_error *err)
{
    struct noting noting = {.queues = queues, .claim = claim};
    return kn_db_write_guarded(queues->db, end_tx, &noting, err);
}

static kn_code again_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct noting *noting = context;
    int64_t now = 0;
    kn_code rc = kn_queues_now(tx, noting->queues, &now, err);
    return rc == KN_OK
               ? kn_tx_run(tx, NULL, err,
                           "UPDATE topic_push SET due_us = ?, lease = NULL,"
                           " n_attempts = n_attempts + 1 WHERE seq = ? AND lease = ?",
                           "iis", now + noting->wait_us, noting->claim->seq, noting->claim->lease)
               : rc;
}

kn_code kn_push_again(struct kn_queues *queues, const struct kn_push_claim *claim, int64_t wait_us,
                      struct kn_error *err)
{
    struct noting noting = {.queues = queues, .claim = claim, .wait_us = wait_us};
    return kn_db_write_guarded(queues->db, again_tx, &noting, err);
}

static kn_code into_queue_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct noting *noting = context;
    const struct kn_push_claim *claim = noting->claim;
    const struct kn_notice notice = {noting->queues->account_id, claim->topic, claim->subscription,
                                     claim->message_id, claim->body, claim->tag,
                                     claim->published_us};
    int64_t now = 0, n = 0;
    kn_code rc = push_remove(tx, claim, &n, err);
    if (rc != KN_OK || n == 0)
        return rc; // another server has it
    rc = kn_queues_now(tx, noting->queues, &now, err);
    return rc == KN_OK ? kn_notice_put_tx(tx, noting->queues, noting->queue, &notice, claim->format,
                                          now, err)
                       : rc;
}

kn_code kn_push_into_queue(struct kn_queues *queues, const struct kn_push_claim *claim,
                           const char *queue, struct kn_error *err)
{
    struct noting noting = {.queues = queues, .claim = claim, .queue = queue};
    kn_code rc = kn_db_write_guarded(queues->db, into_queue_tx, &noting, err);
    if (rc == KN_OK)
        kn_waiting_sent(queues, queue, 1);
    return rc;
}
