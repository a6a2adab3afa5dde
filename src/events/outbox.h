#pragma once
/*
 * The outbox: events are rows, written in the transaction that makes them true.
 *
 * An event has one delivery row per subscriber: the account-wide callback when its EventTypeList
 * names the event, and the address the job itself gave. Deliveries of one (subject, subscriber) have
 * a sequence; only the first that waits has its turn (due_us), and whoever ends it, in whatever way,
 * gives the next its turn in the same transaction. So order per job needs no search, and a receiver
 * that is down holds back its own rows only.
 *
 * Two transactions meet over a sequence when one adds to it while the other ends its first row. Both
 * begin by updating that first row, so on PostgreSQL the second waits for the first and then sees what
 * it did. (SQLite has one writer.)
 */
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "db/db.h"
#include "events/callback.h"

enum kn_delivery_state {
    KN_DELIVERY_WAITING = 0,
    KN_DELIVERY_ACKNOWLEDGED, // a 2xx arrived
    KN_DELIVERY_SET_ASIDE,    // a day of attempts failed, or nobody is there to tell
};

// due_us of a delivery that waits for its turn.
#define KN_NOT_ITS_TURN INT64_MAX

/* What happened; all borrowed. */
struct kn_event {
    const char *name;           // MediaConvertComplete
    const char *subject;        // what order is kept for: a job's id, "bucket/key"
    const json_t *message_body; // spec 02, 10.4
    // A ready text instead of the envelope around message_body, for products with one of their own; only
    // notify_address is told. NULL: none.
    const char *text;
    // The subject's own address: a URL, a queue's name, "topics/NAME" (mns_sink.h); NULL or "": none.
    const char *notify_address;
    int64_t account_id;         // UserId
    int64_t at_us;              // EventTime
};

/*
 * Write the event and its deliveries, and wake whoever delivers once `tx` commits. Nobody to tell: no
 * row at all.
 */
kn_code kn_outbox_add(struct kn_tx *tx, const struct kn_event *event, struct kn_error *err);

/*
 * The same for one subscriber alone, who is told event->text: `subscriber` is its name in the log, and order
 * is kept for (subject, subscriber).
 */
kn_code kn_outbox_add_for(struct kn_tx *tx, const struct kn_event *event, const char *subscriber,
                          const char *target_kind, const char *target, struct kn_error *err);

/* Account-wide deliveries that wait go to `callback`'s address from now on; set aside when none. */
kn_code kn_outbox_retarget(struct kn_tx *tx, const struct kn_callback *callback,
                           struct kn_error *err);

/* Give the next delivery of (subject, subscriber) its turn, if one waits and none has it. */
kn_code kn_outbox_next(struct kn_tx *tx, const char *subject, const char *subscriber,
                       int64_t now_us, struct kn_error *err);
