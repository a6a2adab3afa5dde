/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Letters into queues and topics. */
#include "events/mns_sink.h"

#include <stdio.h>
#include <string.h>

#include "base/strings.h"
#include "queues/message.h"
#include "queues/topic.h"

const char *kn_event_mns_name(const char *target, bool *out_is_topic)
{
    const char *slash = strrchr(target, '/');
    *out_is_topic = false;
    if (!slash)
        return target;
    size_t n = (size_t)(slash - target);
    *out_is_topic = n >= 6 && strncmp(slash - 6, "topics", 6) == 0;
    return slash + 1;
}

static void send_letter(const struct kn_event_letter *letter, struct kn_event_answer *out,
                        void *context)
{
    struct kn_queues *queues = context;
    struct kn_error err = {0};
    bool is_topic;
    const char *name = kn_event_mns_name(letter->target, &is_topic);
    kn_code rc;
    if (is_topic) {
        char id[KN_ID_SIZE];
        rc = kn_topic_publish(queues, name, letter->body, NULL, id, &err);
    } else {
        struct kn_message_send send = {.body = letter->body, .delay_us = -1};
        int64_t max_bytes = 0;
        rc = kn_message_send(queues, name, &send, 1, &max_bytes, &err);
        if (rc == KN_OK && send.is_too_long)
            rc = kn_fail(&err, KN_EINVAL, "the queue takes at most %lld bytes, the event has %zu",
                         (long long)max_bytes, letter->n_body);
    }
    out->is_acknowledged = rc == KN_OK;
    if (rc != KN_OK)
        (void)snprintf(out->error, sizeof(out->error), "%s '%.100s': %.120s",
                       is_topic ? "topic" : "queue", name, err.message);
}

struct kn_event_sink kn_event_mns_sink(struct kn_queues *queues)
{
    return (struct kn_event_sink){.send = send_letter, .context = queues};
}
