/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages. Each call is one guarded transaction: many of them share a commit on SQLite, and on
 * PostgreSQL receivers pass by the rows that others are taking (SKIP LOCKED).
 */
#include "queues/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/strings.h"
#include "queues/receipt.h"
#include "queues/room.h"

// Hidden messages one receiver makes ready: enough that a crowd of them is soon through, few enough that
// a receiver does not pay for a million.
#define MAX_DUE "200"

/* ---- sending ---- */

void kn_message_md5(char out[33], const char *body)
{
    uint8_t md5[KN_MD5_BYTES];
    kn_md5(md5, body, strlen(body));
    kn_hex_upper(out, md5, sizeof(md5));
}

kn_code kn_message_put_tx(struct kn_tx *tx, const struct kn_queues *queues,
                          const struct kn_queue *queue, int64_t queue_id,
                          struct kn_message_send *send, int64_t now_us, struct kn_error *err)
{
    send->is_too_long = (int64_t)strlen(send->body) > queue->max_message_bytes;
    if (send->is_too_long)
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                          "The value of MessageBody should between 1 and %lld bytes.",
                          (long long)queue->max_message_bytes);
    int64_t delay_us = send->delay_us < 0 ? queue->delay_us : send->delay_us;
    struct kn_receipt receipt = {.queue_id = queue_id};
    kn_random(&receipt.salt, sizeof(receipt.salt));
    struct kn_stmt *row;
    bool has_row = false;
    kn_code rc = kn_tx_query(
        tx, &row, err,
        "INSERT INTO queue_message (queue_id, salt, priority, is_ready, visible_us, enqueued_us,"
        " expires_us, first_dequeued_us, n_dequeued, claim_n, properties, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?) RETURNING seq",
        "iiiiiiiss", queue_id, receipt.salt,
        (int64_t)(send->priority ? send->priority : KN_MESSAGE_PRIORITY),
        (int64_t)(delay_us == 0), now_us + delay_us, now_us, now_us + queue->retention_us,
        send->properties, send->body);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK)
        return rc;
    receipt.seq = kn_stmt_int(row, 0);
    kn_message_id(send->id, receipt.salt, receipt.seq);
    send->receipt[0] = '\0';
    if (delay_us > 0)
        kn_receipt_write(send->receipt, &receipt, queues->receipt_key);
    return kn_stmt_step(row, &has_row, err); // to its end: the statement is over
}

struct send_call {
    const struct kn_queues *queues;
    const char *queue;
    struct kn_message_send *sends;
    size_t n, n_sent;
    int64_t max_bytes;
};

static kn_code send_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct send_call *call = context;
    struct kn_queue queue;
    int64_t id = 0, now = 0;
    call->n_sent = 0;
    kn_code rc = kn_queue_find_tx(tx, call->queue, &queue, &id, err);
    if (rc == KN_OK)
        rc = kn_queues_now(tx, call->queues, &now, err);
    call->max_bytes = queue.max_message_bytes;
    for (size_t i = 0; i < call->n && rc == KN_OK; i++) {
        struct kn_error refusal = {0};
        rc = kn_message_put_tx(tx, call->queues, &queue, id, &call->sends[i], now, &refusal);
        call->n_sent += rc == KN_OK;
        if (call->sends[i].is_too_long)
            rc = KN_OK; // it says so itself; the others go
        else if (rc != KN_OK)
            rc = kn_fail_as(err, rc, refusal.reason, "%s", refusal.message);
    }
    if (rc == KN_OK && call->n_sent > 0 && kn_tx_is_postgres(tx))
        kn_tx_notify(tx, KN_QUEUES_TOPIC); // SQLite has one server: us
    return rc;
}

kn_code kn_message_send(struct kn_queues *queues, const char *queue, struct kn_message_send *sends,
                        size_t n, int64_t *out_max_bytes, struct kn_error *err)
{
    struct send_call call = {.queues = queues, .queue = queue, .sends = sends, .n = n};
    kn_code rc = kn_db_write_guarded(queues->db, send_in_tx, &call, err);
    *out_max_bytes = call.max_bytes;
    if (rc == KN_OK && call.n_sent > 0)
        kn_waiting_sent(queues, queue, call.n_sent);
    return rc;
}

/* ---- receiving ---- */

#define MESSAGE_COLUMNS                                                                            \
    "seq, salt, priority, visible_us, enqueued_us, first_dequeued_us, n_dequeued, claim_n,"        \
    " properties, body"

struct receive_call {
    const struct kn_queues *queues;
    const char *queue;
    size_t max, n;
    struct kn_arena *arena;
    struct kn_message *out;
    int64_t wait_us;
};

static kn_code message_fill(struct kn_message *message, struct kn_stmt *row, struct kn_arena *arena,
                            struct kn_error *err)
{
    *message = (struct kn_message){
        .seq = kn_stmt_int(row, 0),
        .priority = (int)kn_stmt_int(row, 2),
        .visible_us = kn_stmt_int(row, 3),
        .enqueued_us = kn_stmt_int(row, 4),
        .first_dequeued_us = kn_stmt_int(row, 5),
        .n_dequeued = kn_stmt_int(row, 6),
        .properties = kn_arena_strdup(arena, kn_stmt_text(row, 8)),
        .body = kn_arena_strdup(arena, kn_stmt_text(row, 9)),
    };
    kn_message_id(message->id, kn_stmt_int(row, 1), message->seq);
    bool is_whole = message->body && (message->properties || kn_stmt_is_null(row, 8));
    return is_whole ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a message");
}

static int message_compare(const void *left, const void *right)
{
    const struct kn_message *a = left, *b = right;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

// Those whose delay or visibility has ended.
static kn_code wake_due(struct kn_tx *tx, int64_t queue_id, int64_t now, struct kn_error *err)
{
#define WAKE_SQL                                                                                   \
    "UPDATE queue_message SET is_ready = 1 WHERE seq IN (SELECT seq FROM queue_message"            \
    " WHERE queue_id = ? AND is_ready = 0 AND visible_us <= ? ORDER BY visible_us LIMIT " MAX_DUE
    return kn_tx_run(tx, NULL, err,
                     kn_tx_is_postgres(tx) ? WAKE_SQL " FOR UPDATE SKIP LOCKED)" : WAKE_SQL ")",
                     "ii", queue_id, now);
#undef WAKE_SQL
}

static kn_code claim(struct kn_tx *tx, struct receive_call *call, int64_t queue_id,
                     int64_t visibility_us, int64_t now, struct kn_error *err)
{
#define CLAIM_SQL                                                                                  \
    "UPDATE queue_message SET is_ready = 0, visible_us = ?, claim_n = claim_n + 1,"                \
    " n_dequeued = n_dequeued + 1,"                                                                \
    " first_dequeued_us = CASE WHEN first_dequeued_us = 0 THEN ? ELSE first_dequeued_us END"       \
    " WHERE seq IN (SELECT seq FROM queue_message WHERE queue_id = ? AND is_ready = 1"             \
    " AND expires_us > ? ORDER BY priority, seq LIMIT ?"
#define CLAIM_END ") RETURNING " MESSAGE_COLUMNS
    struct kn_stmt *row;
    bool has_row = true;
    kn_code rc = kn_tx_query(tx, &row, err,
                             kn_tx_is_postgres(tx) ? CLAIM_SQL " FOR UPDATE SKIP LOCKED" CLAIM_END
                                                   : CLAIM_SQL CLAIM_END,
                             "iiiii", now + visibility_us, now, queue_id, now, (int64_t)call->max);
#undef CLAIM_SQL
#undef CLAIM_END
    while (rc == KN_OK && call->n < call->max) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        struct kn_message *message = &call->out[call->n++];
        const struct kn_receipt receipt = {.queue_id = queue_id,
                                           .salt = kn_stmt_int(row, 1),
                                           .seq = kn_stmt_int(row, 0),
                                           .claim_n = kn_stmt_int(row, 7)};
        rc = message_fill(message, row, call->arena, err);
        kn_receipt_write(message->receipt, &receipt, call->queues->receipt_key);
    }
    return rc;
}

static kn_code receive_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct receive_call *call = context;
    struct kn_queue queue;
    int64_t id = 0, now = 0;
    call->n = 0;
    kn_code rc = kn_queue_find_tx(tx, call->queue, &queue, &id, err);
    if (rc == KN_OK)
        rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc != KN_OK)
        return rc;
    call->wait_us = queue.polling_wait_us;
    rc = wake_due(tx, id, now, err);
    return rc == KN_OK ? claim(tx, call, id, queue.visibility_us, now, err) : rc;
}

kn_code kn_message_receive(struct kn_queues *queues, const char *queue, int max,
                           struct kn_arena *arena, struct kn_message *out, size_t *out_n,
                           int64_t *out_wait_us, struct kn_error *err)
{
    struct receive_call call = {.queues = queues, .queue = queue, .max = (size_t)max,
                                .arena = arena, .out = out};
    kn_code rc = kn_db_write_guarded(queues->db, receive_in_tx, &call, err);
    *out_n = rc == KN_OK ? call.n : 0;
    *out_wait_us = call.wait_us;
    qsort(out, *out_n, sizeof(*out), message_compare); // RETURNING has no order
    return rc;
}

static kn_code peek_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct receive_call *call = context;
    struct kn_queue queue;
    struct kn_stmt *row;
    bool has_row = true;
    int64_t id = 0, now = 0;
    call->n = 0;
    kn_code rc = kn_queue_find_tx(tx, call->queue, &queue, &id, err);
    if (rc == KN_OK)
        rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &row, err,
                         "SELECT * FROM (SELECT " MESSAGE_COLUMNS " FROM queue_message"
                         " WHERE queue_id = ? AND is_ready = 1 AND expires_us > ?"
                         " ORDER BY priority, seq LIMIT ?) AS ready UNION ALL"
                         " SELECT * FROM (SELECT " MESSAGE_COLUMNS " FROM queue_message"
                         " WHERE queue_id = ? AND is_ready = 0 AND visible_us <= ?"
                         " AND expires_us > ? ORDER BY priority, seq LIMIT ?) AS due"
                         " ORDER BY priority, seq LIMIT ?",
                         "iiiiiiii", id, now, (int64_t)call->max, id, now, now, (int64_t)call->max,
                         (int64_t)call->max);
    while (rc == KN_OK && call->n < call->max && (rc = kn_stmt_step(row, &has_row, err)) == KN_OK &&
           has_row)
        rc = message_fill(&call->out[call->n++], row, call->arena, err);
    return rc;
}

kn_code kn_message_peek(struct kn_queues *queues, const char *queue, int max,
                        struct kn_arena *arena, struct kn_message *out, size_t *out_n,
                        struct kn_error *err)
{
    struct receive_call call = {.queues = queues, .queue = queue, .max = (size_t)max,
                                .arena = arena, .out = out};
    kn_code rc = kn_db_read(queues->db, peek_in_tx, &call, err);
    *out_n = rc == KN_OK ? call.n : 0;
    return rc;
}

/* ---- with a handle ---- */

struct hide_call {
    const struct kn_queues *queues;
    const char *queue, *text;
    int64_t visibility_us, visible_us;
    char *receipt;
};

static kn_code hide_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct hide_call *call = context;
    struct kn_queue queue;
    struct kn_receipt receipt;
    int64_t now = 0, n_changed = 0;
    kn_code rc = kn_queue_find_tx(tx, call->queue, &queue, &receipt.queue_id, err);
    if (rc == KN_OK)
        rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc != KN_OK)
        return rc;
    if (!kn_receipt_read(&receipt, call->text, call->queues->receipt_key))
        return kn_fail_as(err, KN_EINVAL, "ReceiptHandleError",
                          "The receipt handle you provide is not valid.");
    call->visible_us = now + call->visibility_us;
    rc = kn_tx_run(tx, &n_changed, err,
                   "UPDATE queue_message SET visible_us = ?, claim_n = claim_n + 1 WHERE seq = ?"
                   " AND salt = ? AND claim_n = ? AND is_ready = 0 AND visible_us > ?"
                   " AND expires_us > ?",
                   "iiiiii", call->visible_us, receipt.seq, receipt.salt, receipt.claim_n, now, now);
    if (rc == KN_OK && n_changed == 0)
        return kn_fail_as(err, KN_ENOTFOUND, "MessageNotExist", "Message not exist.");
    receipt.claim_n++;
    kn_receipt_write(call->receipt, &receipt, call->queues->receipt_key);
    return rc;
}

kn_code kn_message_hide(struct kn_queues *queues, const char *queue, const char *receipt,
                        int64_t visibility_us, char out_receipt[KN_RECEIPT_SIZE],
                        int64_t *out_visible_us, struct kn_error *err)
{
    struct hide_call call = {.queues = queues, .queue = queue, .text = receipt,
                             .visibility_us = visibility_us, .receipt = out_receipt};
    kn_code rc = kn_db_write_guarded(queues->db, hide_in_tx, &call, err);
    *out_visible_us = call.visible_us;
    return rc;
}

struct delete_call {
    const struct kn_queues *queues;
    const char *queue;
    const char *const *receipts;
    size_t n;
    kn_code *codes;
};

static kn_code delete_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct delete_call *call = context;
    struct kn_queue queue;
    struct kn_receipt receipt;
    int64_t now = 0;
    kn_code rc = kn_queue_find_tx(tx, call->queue, &queue, &receipt.queue_id, err);
    if (rc == KN_OK)
        rc = kn_queues_now(tx, call->queues, &now, err);
    for (size_t i = 0; i < call->n && rc == KN_OK; i++) {
        int64_t n_changed = 0;
        call->codes[i] = KN_EINVAL;
        if (!kn_receipt_read(&receipt, call->receipts[i], call->queues->receipt_key))
            continue;
        rc = kn_tx_run(tx, &n_changed, err,
                       "DELETE FROM queue_message WHERE seq = ? AND salt = ? AND claim_n = ?"
                       " AND is_ready = 0 AND visible_us > ?",
                       "iiii", receipt.seq, receipt.salt, receipt.claim_n, now);
        call->codes[i] = n_changed > 0 ? KN_OK : KN_ENOTFOUND;
    }
    return rc;
}

kn_code kn_message_delete(struct kn_queues *queues, const char *queue, const char *const *receipts,
                          size_t n, kn_code *out_codes, struct kn_error *err)
{
    struct delete_call call = {queues, queue, receipts, n, out_codes};
    return kn_db_write_guarded(queues->db, delete_in_tx, &call, err);
}
