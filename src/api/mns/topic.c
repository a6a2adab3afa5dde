/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Topics, their subscriptions, and publishing: spec 10, section 5. */
#include "queues/topic.h"

#include <stdlib.h>
#include <string.h>

#include "api/mns/call.h"
#include "base/cleanup.h"
#include "base/id.h"
#include "base/strings.h"
#include "base/time.h"
#include "queues/message.h"

#define MAX_TAG_CHARACTERS 16
#define TOPIC_RETENTION_S 86400 // a push is tried for a day at most

static const struct kn_mns_field fields[] = {
    {"MaximumMessageSize", 1024, 65536, 1, "bytes", offsetof(struct kn_topic, max_message_bytes)},
};

static bool is_override(const struct kn_mns_call *call)
{
    const char *flag = kn_mns_param(call, "metaoverride");
    return flag && kn_equal_nocase(flag, "true");
}

/* ---- topics ---- */

kn_code kn_mns_put_topic(struct kn_mns_call *call, struct kn_error *err)
{
    bool is_set = is_override(call), is_new = false;
    struct kn_topic topic = {.max_message_bytes = is_set ? -1 : 65536, .is_logging = is_set ? -1 : 0};
    (void)kn_copy(topic.name, sizeof(topic.name), call->name);
    kn_auto(kn_xml_free) xmlDoc *doc = NULL;
    const xmlNode *root;
    kn_code rc = kn_mns_body(call, "Topic", &doc, &root, err);
    if (rc == KN_OK)
        rc = kn_mns_read_fields(&topic, root, fields, KN_COUNT(fields), &call->arena, err);
    if (rc == KN_OK)
        rc = kn_mns_read_flag(&topic.is_logging, root, "LoggingEnabled", &call->arena, err);
    if (rc == KN_OK && is_set)
        rc = kn_topic_set(call->mns->config.queues, &topic, err);
    else if (rc == KN_OK)
        rc = kn_topic_create(call->mns->config.queues, &topic, &is_new, err);
    if (rc != KN_OK)
        return rc;
    return is_set ? kn_mns_reply_empty(call, 204) : kn_mns_reply_created(call, is_new);
}

kn_code kn_mns_get_topic(struct kn_mns_call *call, struct kn_error *err)
{
    struct kn_topic topic;
    kn_code rc = kn_topic_get(call->mns->config.queues, call->name, &topic, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_mns_xml_open(&xml, "Topic");
    kn_xml(&xml, "TopicName", topic.name);
    kn_xml_int(&xml, "CreateTime", topic.created_us / KN_SECOND);
    kn_xml_int(&xml, "LastModifyTime", topic.modified_us / KN_SECOND);
    kn_xml_int(&xml, "MaximumMessageSize", topic.max_message_bytes);
    kn_xml_int(&xml, "MessageRetentionPeriod", TOPIC_RETENTION_S);
    kn_xml_int(&xml, "MessageCount", topic.n_messages);
    kn_xml(&xml, "LoggingEnabled", topic.is_logging ? "True" : "False");
    kn_buf_puts(&xml, "</Topic>");
    return kn_mns_reply_xml(call, 200, &xml, err);
}

kn_code kn_mns_delete_topic(struct kn_mns_call *call, struct kn_error *err)
{
    kn_code rc = kn_topic_delete(call->mns->config.queues, call->name, err);
    return rc == KN_OK ? kn_mns_reply_empty(call, 204) : rc;
}

kn_code kn_mns_list_topic(struct kn_mns_call *call, struct kn_error *err)
{
    struct kn_name_page page;
    kn_auto(kn_free) struct kn_topic *topics = NULL;
    size_t n = 0;
    kn_code rc = kn_mns_page(call, &page, err);
    if (rc == KN_OK)
        rc = kn_topic_list(call->mns->config.queues, &page, &topics, &n, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_mns_xml_open(&xml, "Topics");
    for (size_t i = 0; i < n; i++) {
        char path[KN_QUEUE_NAME_SIZE + 16];
        (void)snprintf(path, sizeof(path), "/topics/%s", topics[i].name);
        kn_buf_puts(&xml, "<Topic>");
        kn_mns_xml_url(&xml, call, "TopicURL", path);
        kn_buf_puts(&xml, "</Topic>");
    }
    if (page.has_more && n > 0)
        kn_xml(&xml, "NextMarker", topics[n - 1].name);
    kn_buf_puts(&xml, "</Topics>");
    return kn_mns_reply_xml(call, 200, &xml, err);
}

/* ---- publishing ---- */

static kn_code tag_check(const char *name, const char *tag, struct kn_error *err)
{
    size_t n_characters = 0;
    bool has_control = false;
    for (const char *c = tag; *c; c++) {
        n_characters += ((unsigned char)*c & 0xC0) != 0x80;
        has_control = has_control || (unsigned char)*c < 0x20;
    }
    // A tag travels in a header of SIMPLIFIED pushes.
    if (n_characters <= MAX_TAG_CHARACTERS && !has_control)
        return KN_OK;
    return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "%s has at most %d characters.", name,
                      MAX_TAG_CHARACTERS);
}

kn_code kn_mns_publish(struct kn_mns_call *call, struct kn_error *err)
{
    kn_auto(kn_xml_free) xmlDoc *doc = NULL;
    const xmlNode *root;
    struct kn_message_send message;
    char id[KN_ID_SIZE], md5[33];
    kn_code rc = kn_mns_body(call, "Message", &doc, &root, err);
    if (rc == KN_OK && !root)
        rc = kn_xml_malformed(err, "there is no body");
    if (rc == KN_OK)
        rc = kn_mns_read_message(&message, root, &call->arena, err);
    if (rc != KN_OK)
        return rc;
    const char *tag = kn_xml_child_text(root, "MessageTag", &call->arena);
    rc = tag_check("MessageTag", tag ? tag : "", err);
    if (rc == KN_OK)
        rc = kn_topic_publish(call->mns->config.queues, call->name, message.body, tag, id, err);
    if (rc != KN_OK)
        return rc;
    kn_message_md5(md5, message.body);
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_mns_xml_open(&xml, "Message");
    kn_xml(&xml, "MessageId", id);
    kn_xml(&xml, "MessageBodyMD5", md5);
    kn_buf_puts(&xml, "</Message>");
    return kn_mns_reply_xml(call, 201, &xml, err);
}

/* ---- subscriptions ---- */

static kn_code word_unknown(const char *name, struct kn_error *err)
{
    return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "The value of %s is invalid.", name);
}

// The words the body names; -1 and NULL for those it does not.
struct choice {
    int strategy, format;
    const char *filter_tag, *endpoint;
};

static kn_code choice_read(struct choice *out, const xmlNode *root, struct kn_arena *arena,
                           struct kn_error *err)
{
    *out = (struct choice){.strategy = -1, .format = -1};
    const char *strategy = root ? kn_xml_child_text(root, "NotifyStrategy", arena) : NULL;
    const char *format = root ? kn_xml_child_text(root, "NotifyContentFormat", arena) : NULL;
    out->filter_tag = root ? kn_xml_child_text(root, "FilterTag", arena) : NULL;
    out->endpoint = root ? kn_xml_child_text(root, "Endpoint", arena) : NULL;
    if (strategy && strategy[0] && (out->strategy = kn_notify_strategy_from_name(strategy)) < 0)
        return word_unknown("NotifyStrategy", err);
    if (format && format[0] && (out->format = kn_notify_format_from_name(format)) < 0)
        return word_unknown("NotifyContentFormat", err);
    return out->filter_tag ? tag_check("FilterTag", out->filter_tag, err) : KN_OK;
}

static kn_code subscribe(struct kn_mns_call *call, const struct choice *choice, struct kn_error *err)
{
    struct kn_subscription subscription = {
        .strategy = choice->strategy < 0 ? KN_NOTIFY_BACKOFF : (enum kn_notify_strategy)choice->strategy,
        .format = choice->format < 0 ? KN_NOTIFY_XML : (enum kn_notify_format)choice->format};
    bool is_new = false;
    (void)kn_copy(subscription.topic, sizeof(subscription.topic), call->name);
    (void)kn_copy(subscription.name, sizeof(subscription.name), call->part_name);
    (void)kn_copy(subscription.filter_tag, sizeof(subscription.filter_tag), choice->filter_tag);
    if (!choice->endpoint ||
        !kn_copy(subscription.endpoint, sizeof(subscription.endpoint), choice->endpoint))
        return kn_fail_as(err, KN_EINVAL, "EndpointInvalid",
                          "an endpoint has between 1 and %d characters", KN_ENDPOINT_SIZE - 1);
    kn_code rc = kn_subscription_create(call->mns->config.queues, &subscription, &is_new, err);
    return rc == KN_OK ? kn_mns_reply_created(call, is_new) : rc;
}

kn_code kn_mns_put_subscription(struct kn_mns_call *call, struct kn_error *err)
{
    kn_auto(kn_xml_free) xmlDoc *doc = NULL;
    const xmlNode *root;
    struct choice choice;
    kn_code rc = kn_mns_body(call, "Subscription", &doc, &root, err);
    if (rc == KN_OK)
        rc = choice_read(&choice, root, &call->arena, err);
    if (rc == KN_OK && !is_override(call))
        return subscribe(call, &choice, err);
    if (rc == KN_OK)
        rc = kn_subscription_set(call->mns->config.queues, call->name, call->part_name,
                                 choice.strategy, choice.filter_tag, err);
    return rc == KN_OK ? kn_mns_reply_empty(call, 204) : rc;
}

kn_code kn_mns_get_subscription(struct kn_mns_call *call, struct kn_error *err)
{
    struct kn_subscription subscription;
    kn_code rc = kn_subscription_get(call->mns->config.queues, call->name, call->part_name,
                                     &subscription, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_mns_xml_open(&xml, "Subscription");
    kn_xml(&xml, "SubscriptionName", subscription.name);
    kn_xml(&xml, "Subscriber", call->mns->config.account_id);
    kn_xml(&xml, "TopicOwner", call->mns->config.account_id);
    kn_xml(&xml, "TopicName", subscription.topic);
    kn_xml(&xml, "Endpoint", subscription.endpoint);
    kn_xml(&xml, "NotifyStrategy", kn_notify_strategy_name(subscription.strategy));
    kn_xml(&xml, "NotifyContentFormat", kn_notify_format_name(subscription.format));
    if (subscription.filter_tag[0])
        kn_xml(&xml, "FilterTag", subscription.filter_tag);
    kn_xml_int(&xml, "CreateTime", subscription.created_us / KN_SECOND);
    kn_xml_int(&xml, "LastModifyTime", subscription.modified_us / KN_SECOND);
    kn_xml_int(&xml, "State", 0);
    kn_buf_puts(&xml, "</Subscription>");
    return kn_mns_reply_xml(call, 200, &xml, err);
}

kn_code kn_mns_unsubscribe(struct kn_mns_call *call, struct kn_error *err)
{
    kn_code rc =
        kn_subscription_delete(call->mns->config.queues, call->name, call->part_name, err);
    return rc == KN_OK ? kn_mns_reply_empty(call, 204) : rc;
}

kn_code kn_mns_list_subscription(struct kn_mns_call *call, struct kn_error *err)
{
    struct kn_name_page page;
    kn_auto(kn_free) struct kn_subscription *list = NULL;
    size_t n = 0;
    kn_code rc = kn_mns_page(call, &page, err);
    if (rc == KN_OK)
        rc = kn_subscription_list(call->mns->config.queues, call->name, &page, &list, &n, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_mns_xml_open(&xml, "Subscriptions");
    for (size_t i = 0; i < n; i++) {
        char path[2 * KN_QUEUE_NAME_SIZE + 32];
        (void)snprintf(path, sizeof(path), "/topics/%s/subscriptions/%s", list[i].topic, list[i].name);
        kn_buf_puts(&xml, "<Subscription>");
        kn_mns_xml_url(&xml, call, "SubscriptionURL", path);
        kn_buf_puts(&xml, "</Subscription>");
    }
    if (page.has_more && n > 0)
        kn_xml(&xml, "NextMarker", list[n - 1].name);
    kn_buf_puts(&xml, "</Subscriptions>");
    return kn_mns_reply_xml(call, 200, &xml, err);
}
