#pragma once
/*
 * Topics: messages told to everybody who subscribed (spec 10, section 5).
 *
 *     publish ─┬─> a subscribed queue: a message there, in the same transaction
 *              └─> an HTTP(S) endpoint: a row per message and subscription, until it is acknowledged or
 *                  its strategy gives up (push.h)
 *
 * A publish is durable, and complete for all subscriptions there are, when its call returns. Reasons:
 * "TopicNotExist", "TopicAlreadyExist", "SubscriptionNotExist", "SubscriptionAlreadyExist",
 * "EndpointInvalid", "InvalidArgument". Thread-safety: everything, from any thread.
 */
#include "base/id.h"
#include "queues/queues.h"

#define KN_TAG_SIZE 65          // 16 characters of UTF-8
#define KN_ENDPOINT_SIZE 1025

struct kn_topic {
    char name[KN_QUEUE_NAME_SIZE];
    int64_t max_message_bytes;
    int is_logging;
    // read-only
    int64_t created_us, modified_us;
    int64_t n_messages;         // that somebody is still to be told of
};
/* As kn_queue_create() and the like. */
kn_code kn_topic_create(struct kn_queues *queues, const struct kn_topic *topic, bool *out_is_new,
                        struct kn_error *err);
kn_code kn_topic_set(struct kn_queues *queues, const struct kn_topic *change, struct kn_error *err);
kn_code kn_topic_get(struct kn_queues *queues, const char *name, struct kn_topic *out,
                     struct kn_error *err);
/* With its subscriptions and what they were still to be told. Absent is fine. */
kn_code kn_topic_delete(struct kn_queues *queues, const char *name, struct kn_error *err);
kn_code kn_topic_list(struct kn_queues *queues, struct kn_name_page *page, struct kn_topic **out,
                      size_t *out_n, struct kn_error *err);

enum kn_notify_strategy {
    KN_NOTIFY_BACKOFF = 0, // BACKOFF_RETRY: 3 retries, 10 to 20 s apart
    KN_NOTIFY_DECAY,       // EXPONENTIAL_DECAY_RETRY: 176 retries within a day
};
enum kn_notify_format {
    KN_NOTIFY_XML = 0,
    KN_NOTIFY_JSON,
    KN_NOTIFY_SIMPLIFIED,  // the body alone; the rest in headers
};
/* The wire's words; -1 for an unknown one. STREAM means SIMPLIFIED. */
int kn_notify_strategy_from_name(const char *name);
int kn_notify_format_from_name(const char *name);
const char *kn_notify_strategy_name(enum kn_notify_strategy strategy);
const char *kn_notify_format_name(enum kn_notify_format format);

struct kn_subscription {
    char topic[KN_QUEUE_NAME_SIZE], name[KN_QUEUE_NAME_SIZE];
    char endpoint[KN_ENDPOINT_SIZE]; // http(s) URL, or acs:mns:REGION:ACCOUNT:queues/NAME
    char filter_tag[KN_TAG_SIZE];    // "": all messages
    enum kn_notify_strategy strategy;
    enum kn_notify_format format;
    int64_t created_us, modified_us;
};
kn_code kn_subscription_create(struct kn_queues *queues, const struct kn_subscription *subscription,
                               bool *out_is_new, struct kn_error *err);
/* Strategy below 0 and filter_tag NULL: as they are. */
kn_code kn_subscription_set(struct kn_queues *queues, const char *topic, const char *name,
                            int strategy, const char *filter_tag, struct kn_error *err);
kn_code kn_subscription_get(struct kn_queues *queues, const char *topic, const char *name,
                            struct kn_subscription *out, struct kn_error *err);
/* With what it was still to be told. Absent is fine. */
kn_code kn_subscription_delete(struct kn_queues *queues, const char *topic, const char *name,
                               struct kn_error *err);
kn_code kn_subscription_list(struct kn_queues *queues, const char *topic, struct kn_name_page *page,
                             struct kn_subscription **out, size_t *out_n, struct kn_error *err);

/* The queue's name in "acs:mns:REGION:ACCOUNT:queues/NAME", borrowed; NULL when it is none. */
const char *kn_endpoint_queue(const char *endpoint);

/* Tell all subscriptions whose filter fits. tag NULL or "": none. out_id: the MessageId. */
kn_code kn_topic_publish(struct kn_queues *queues, const char *topic, const char *body,
                         const char *tag, char out_id[KN_ID_SIZE], struct kn_error *err);
