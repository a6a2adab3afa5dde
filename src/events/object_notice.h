#pragma once
/*
 * From objects to events: what a change of an object says, and to whom (spec 09, 6.2).
 *
 * Rules (object_rules.h) and the account's callback, when its EventTypeList names events of objects, are
 * looked up in the transaction that changes the object; what is to be told is written there, too. A message
 * to a rule's queue or topic is the base64 of {"events":[…]}, as the vendor's; the callback gets the same
 * object as MessageBody of its envelope.
 */
#include "base/error.h"
#include "db/db.h"
#include "events/compose.h"
#include "objects/store.h"

/* A kn_object_hook; `source` is a struct kn_event_source. */
kn_code kn_events_on_object(struct kn_tx *tx, const struct kn_object_change *change, void *source,
                            struct kn_error *err);
