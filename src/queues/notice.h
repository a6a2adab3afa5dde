#pragma once
/*
 * A notice: what a subscriber is sent of a published message, in the three formats (spec 10, section 6).
 */
#include <stdint.h>

#include "base/buf.h"
#include "queues/topic.h"

struct kn_notice {
    const char *account_id, *topic, *subscription;
    const char *message_id, *body, *tag; // tag "": none
    int64_t published_us;
};
/* The body of the request, or of the message in a subscribed queue. */
void kn_notice_write(struct kn_buf *out, const struct kn_notice *notice,
                     enum kn_notify_format format);
