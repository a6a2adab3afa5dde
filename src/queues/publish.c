/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Publishing: one transaction that puts the message into every subscribed queue and writes a row for
 * every push. A queue that is not there, or takes no message so long, gets a row, too: it is tried again
 * as its strategy says.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/strings.h"
#include "queues/notice.h"
#include "queues/room.h"

struct target {
    int64_t subscription_id;
    enum kn_notify_format format;
    char name[KN_QUEUE_NAME_SIZE];
    char queue[KN_QUEUE_NAME_SIZE]; // "": an HTTP endpoint
    bool is_in_queue;
};

struct publish_call {
    const struct kn_queues *queues;
    const char *topic, *body, *tag;
    char id[KN_ID_SIZE];
    struct target *targets; // owned, KN_MAX_SUBSCRIPTIONS
    size_t n;
};

static kn_code targets_load(struct kn_tx *tx, struct publish_call *call, int64_t topic_id,
                            struct kn_error *err)
{
    struct kn_stmt *row;
    bool has_row = true;
    call->n = 0;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT id, name, endpoint, format FROM topic_subscription"
                             " WHERE topic_id = ? AND (filter_tag = '' OR filter_tag = ?) LIMIT ?",
                             "isi", topic_id, call->tag, (int64_t)KN_MAX_SUBSCRIPTIONS);
    while (rc == KN_OK && (rc = kn_stmt_step(row, &has_row, err)) == KN_OK && has_row) {
        struct target *target = &call->targets[call->n++];
        *target = (struct target){.subscription_id = kn_stmt_int(row, 0),
                                  .format = (enum kn_notify_format)kn_stmt_int(row, 3)};
        (void)kn_copy(target->name, sizeof(target->name), kn_stmt_text(row, 1));
        (void)kn_copy(target->queue, sizeof(target->queue), kn_endpoint_queue(kn_stmt_text(row, 2)));
    }
    return rc;
}

kn_code kn_notice_put_tx(struct kn_tx *tx, const struct kn_queues *queues, const char *queue_name,
                         const struct kn_notice *notice, enum kn_notify_format format, int64_t now_us,
                         struct kn_error *err)
{
    struct kn_queue queue;
    int64_t queue_id = 0;
    kn_auto(kn_buf_clear) struct kn_buf body = {0};
    kn_notice_write(&body, notice, format);
    if (!kn_buf_ok(&body))
        return kn_fail(err, KN_ENOMEM, "no memory for a message");
    struct kn_message_send send = {.body = kn_buf_text(&body), .delay_us = -1};
    kn_code rc = kn_queue_find_tx(tx, queue_name, &queue, &queue_id, err);
    return rc == KN_OK ? kn_message_put_tx(tx, queues, &queue, queue_id, &send, now_us, err) : rc;
}

static kn_code push_add(struct kn_tx *tx, const struct target *target, int64_t message_seq,
                        int64_t now, struct kn_error *err)
{
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO topic_push (message_seq, subscription_id, due_us, lease,"
                     " n_attempts) VALUES (?, ?, ?, NULL, 0)",
                     "iii", message_seq, target->subscription_id, now);
}

static kn_code message_add(struct kn_tx *tx, const struct publish_call *call, int64_t topic_id,
                           int64_t now, int64_t *out_seq, struct kn_error *err)
{
    struct kn_stmt *row;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "INSERT INTO topic_message (topic_id, id, tag, body, published_us)"
                             " VALUES (?, ?, ?, ?, ?) RETURNING seq",
                             "isssi", topic_id, call->id, call->tag, call->body, now);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK)
        *out_seq = kn_stmt_int(row, 0);
    return rc == KN_OK ? kn_stmt_step(row, &has_row, err) : rc;
}

static kn_code publish_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct publish_call *call = context;
    struct kn_topic topic;
    int64_t topic_id = 0, now = 0, seq = 0;
    kn_code rc = kn_topic_find_tx(tx, call->topic, &topic, &topic_id, err);
    if (rc == KN_OK && (int64_t)strlen(call->body) > topic.max_message_bytes)
        rc = kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                        "The value of MessageBody should between 1 and %lld bytes.",
                        (long long)topic.max_message_bytes);
    if (rc == KN_OK)
        rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc == KN_OK)
        rc = targets_load(tx, call, topic_id, err);
    bool has_queue = false, has_push = false;
    for (size_t i = 0; i < call->n && rc == KN_OK; i++) {
        struct target *target = &call->targets[i];
        const struct kn_notice notice = {call->queues->account_id, call->topic, target->name,
                                         call->id, call->body, call->tag, now};
        struct kn_error refusal = {0};
        kn_code put = target->queue[0] ? kn_notice_put_tx(tx, call->queues, target->queue, &notice,
                                                          target->format, now, &refusal)
                                       : KN_ENOTFOUND;
        target->is_in_queue = put == KN_OK;
        has_queue = has_queue || put == KN_OK;
        if (put == KN_OK)
            continue;
        if (put != KN_ENOTFOUND && put != KN_EINVAL)
            return kn_fail(err, put, "%s", refusal.message);
        if (!has_push)
            rc = message_add(tx, call, topic_id, now, &seq, err);
        has_push = true;
        if (rc == KN_OK)
            rc = push_add(tx, target, seq, now, err);
    }
    if (rc == KN_OK && has_push)
        kn_tx_notify(tx, KN_PUSHES_TOPIC);
    if (rc == KN_OK && has_queue && kn_tx_is_postgres(tx))
        kn_tx_notify(tx, KN_QUEUES_TOPIC);
    return rc;
}

kn_code kn_topic_publish(struct kn_queues *queues, const char *topic, const char *body,
                         const char *tag, char out_id[KN_ID_SIZE], struct kn_error *err)
{
    kn_auto(kn_free) struct target *targets = calloc(KN_MAX_SUBSCRIPTIONS, sizeof(*targets));
    if (!targets)
        return kn_fail(err, KN_ENOMEM, "no memory to publish a message");
    struct publish_call call = {.queues = queues, .topic = topic, .body = body,
                                .tag = tag ? tag : "", .targets = targets};
    kn_id_upper(call.id);
    kn_code rc = kn_db_write_guarded(queues->db, publish_in_tx, &call, err);
    for (size_t i = 0; i < call.n && rc == KN_OK; i++)
        if (targets[i].is_in_queue)
            kn_waiting_sent(queues, targets[i].queue, 1);
    (void)kn_copy(out_id, KN_ID_SIZE, call.id);
    return rc;
}
