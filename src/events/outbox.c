/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The outbox: rows in, one turn at a time. */
#include "events/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

/* ---- turns ---- */

kn_code kn_outbox_next(struct kn_tx *tx, const char *subject, const char *subscriber,
                       int64_t now_us, struct kn_error *err)
{
    // The row that has its turn is locked, if there is one: whoever ends it comes after us.
    int64_t n_having_turn = 0;
    kn_code rc = kn_tx_run(tx, &n_having_turn, err,
                           "UPDATE event_delivery SET seq = seq WHERE subject = ? AND subscriber = ?"
                           " AND state = 0 AND due_us < ?",
                           "ssi", subject, subscriber, KN_NOT_ITS_TURN);
    if (rc != KN_OK || n_having_turn > 0)
        return rc;
    return kn_tx_run(tx, NULL, err,
                     "UPDATE event_delivery SET due_us = ? WHERE state = 0 AND id ="
                     " (SELECT id FROM event_delivery WHERE subject = ? AND subscriber = ?"
                     " AND state = 0 ORDER BY seq LIMIT 1)",
                     "iss", now_us, subject, subscriber);
}

/* ---- adding ---- */

static kn_code next_seq(struct kn_tx *tx, const char *subject, const char *subscriber,
                        int64_t *out_seq, struct kn_error *err)
{
    struct kn_stmt *row;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT COALESCE(MAX(seq), 0) + 1 FROM event_delivery"
                             " WHERE subject = ? AND subscriber = ?",
                             "ss", subject, subscriber);
    bool has_row = false;
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK)
        *out_seq = kn_stmt_int(row, 0);
    return rc;
}

static kn_code add_delivery(struct kn_tx *tx, const char *event_id, const char *subject,
                            const char *subscriber, const char *target_kind, const char *target,
                            struct kn_error *err)
{
    char id[KN_ID_SIZE], receiver[300];
    kn_id_hex(id);
    kn_callback_receiver(receiver, target_kind, target);
    int64_t now = 0, seq = 0;
    kn_code rc = kn_tx_now(tx, &now, err);
    if (rc == KN_OK)
        rc = next_seq(tx, subject, subscriber, &seq, err);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err,
                       "INSERT INTO event_delivery (id, event_id, subject, subscriber, seq,"
                       " target_kind, target, receiver, state, due_us, lease, n_attempts, n_round,"
                       " first_us, last_status, last_error, last_latency_us, created_us, ended_us)"
                       " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, NULL, 0, 0, 0, 0, NULL, 0, ?, 0)",
                       "ssssisssii", id, event_id, subject, subscriber, seq, target_kind, target,
                       receiver, KN_NOT_ITS_TURN, now);
    return rc == KN_OK ? kn_outbox_next(tx, subject, subscriber, now, err) : rc;
}

// The envelope of spec 02, 10.4; UserId is a number there.
static char *envelope_text(const struct kn_event *event)
{
    char at[24];
    kn_time_iso(at, event->at_us);
    json_auto_t *envelope =
        json_pack("{s:s, s:I, s:s, s:O}", "EventType", event->name, "UserId",
                  (json_int_t)event->account_id, "EventTime", at, "MessageBody",
                  event->message_body);
    return envelope ? kn_json_text(envelope) : NULL;
}

static kn_code add_event(struct kn_tx *tx, const struct kn_event *event, const char *id,
                         struct kn_error *err)
{
    kn_auto(kn_free) char *body = event->text ? strdup(event->text) : envelope_text(event);
    if (!body)
        return kn_fail(err, KN_ENOMEM, "no memory for event '%s'", event->name);
    int64_t now = 0;
    kn_code rc = kn_tx_now(tx, &now, err);
    if (rc != KN_OK)
        return rc;
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO event (id, subject, name, body, created_us)"
                     " VALUES (?, ?, ?, ?, ?)",
                     "ssssi", id, event->subject, event->name, body, now);
}

static bool is_url(const char *address)
{
    return kn_starts_with(address, "http://") || kn_starts_with(address, "https://");
}

kn_code kn_outbox_add(struct kn_tx *tx, const struct kn_event *event, struct kn_error *err)
{
    struct kn_callback callback;
    kn_code rc = kn_callback_get_tx(tx, &callback, err);
    if (rc != KN_OK)
        return rc;
    bool has_account = !event->text && kn_callback_wants(&callback, event->name);
    bool has_own = event->notify_address && event->notify_address[0];
    if (!has_account && !has_own)
        return KN_OK;

    char id[KN_ID_SIZE];
    kn_id_hex(id);
    rc = add_event(tx, event, id, err);
    if (rc == KN_OK && has_account) {
        bool is_http = kn_equal(callback.type, "HTTP");
        rc = add_delivery(tx, id, event->subject, "account", is_http ? "http" : "mns",
                          is_http ? callback.url : callback.queue_name, err);
    }
    if (rc == KN_OK && has_own)
        rc = add_delivery(tx, id, event->subject, "job",
                          is_url(event->notify_address) ? "http" : "mns", event->notify_address,
                          err);
    if (rc == KN_OK)
        kn_tx_notify(tx, "events");
    return rc;
}

kn_code kn_outbox_add_for(struct kn_tx *tx, const struct kn_event *event, const char *subscriber,
                          const char *target_kind, const char *target, struct kn_error *err)
{
    char id[KN_ID_SIZE];
    kn_id_hex(id);
    kn_code rc = add_event(tx, event, id, err);
    if (rc == KN_OK)
        rc = add_delivery(tx, id, event->subject, subscriber, target_kind, target, err);
    if (rc == KN_OK)
        kn_tx_notify(tx, "events");
    return rc;
}

/* ---- another address ---- */

kn_code kn_outbox_retarget(struct kn_tx *tx, const struct kn_callback *callback,
                           struct kn_error *err)
{
    int64_t now = 0;
    kn_code rc = kn_tx_now(tx, &now, err);
    if (rc != KN_OK)
        return rc;
    if (!callback->type[0])
        return kn_tx_run(tx, NULL, err,
                         "UPDATE event_delivery SET state = ?, ended_us = ?, lease = NULL,"
                         " last_error = ? WHERE state = 0 AND subscriber = ?",
                         "iiss", (int64_t)KN_DELIVERY_SET_ASIDE, now, "the callback was removed",
                         "account");

    bool is_http = kn_equal(callback->type, "HTTP");
    const char *kind = is_http ? "http" : "mns";
    const char *target = is_http ? callback->url : callback->queue_name;
    char receiver[300];
    kn_callback_receiver(receiver, kind, target);
    rc = kn_tx_run(tx, NULL, err,
                   "UPDATE event_delivery SET target_kind = ?, target = ?, receiver = ?,"
                   " lease = NULL, n_round = 0, first_us = 0,"
                   " due_us = CASE WHEN due_us < ? THEN ? ELSE due_us END"
                   " WHERE state = 0 AND subscriber = ? AND (target_kind <> ? OR target <> ?)",
                   "sssiisss", kind, target, receiver, KN_NOT_ITS_TURN, now, "account", kind,
                   target);
    if (rc == KN_OK)
        kn_tx_notify(tx, "events");
    return rc;
}
