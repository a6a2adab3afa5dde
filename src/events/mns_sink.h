#pragma once
/*
 * Letters into queues and topics of this service: the message is the letter's body, as it is (not
 * base64). Acknowledged when it is durable there.
 */
#include "events/delivery.h"
#include "queues/queues.h"

/* The sink for "mns". `queues` is borrowed. */
struct kn_event_sink kn_event_mns_sink(struct kn_queues *queues);

/*
 * What a target names: "ice-callback-films" a queue, "topics/NAME" and "queues/NAME" what they say, also at
 * the end of "acs:mns:REGION:ACCOUNT:…" and "mns://ACCOUNT.mns.REGION.…/…". Borrowed from `target`.
 */
const char *kn_event_mns_name(const char *target, bool *out_is_topic);
