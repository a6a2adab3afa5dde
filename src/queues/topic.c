/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Topics and subscriptions as rows. Publishing is in publish.c. */
#include "queues/topic.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "queues/room.h"

/* ---- words ---- */

static const char *const strategy_names[] = {"BACKOFF_RETRY", "EXPONENTIAL_DECAY_RETRY"};
static const char *const format_names[] = {"XML", "JSON", "SIMPLIFIED"};

static int place_of(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

int kn_notify_strategy_from_name(const char *name)
{
    return place_of(strategy_names, KN_COUNT(strategy_names), name);
}

int kn_notify_format_from_name(const char *name)
{
    return strcmp(name, "STREAM") == 0 ? KN_NOTIFY_SIMPLIFIED
                                       : place_of(format_names, KN_COUNT(format_names), name);
}

const char *kn_notify_strategy_name(enum kn_notify_strategy strategy)
{
    return strategy_names[strategy];
}

const char *kn_notify_format_name(enum kn_notify_format format)
{
    return format_names[format];
}

/* ---- topics ---- */

#define TOPIC_COLUMNS "id, name, max_message_bytes, is_logging, created_us, modified_us"

static void topic_fill(struct kn_topic *topic, struct kn_stmt *row)
{
    *topic = (struct kn_topic){.max_message_bytes = kn_stmt_int(row, 2),
                               .is_logging = (int)kn_stmt_int(row, 3),
                               .created_us = kn_stmt_int(row, 4),
                               .modified_us = kn_stmt_int(row, 5)};
    (void)kn_copy(topic->name, sizeof(topic->name), kn_stmt_text(row, 1));
}

kn_code kn_topic_find_tx(struct kn_tx *tx, const char *name, struct kn_topic *out, int64_t *out_id,
                         struct kn_error *err)
{
    struct kn_stmt *row;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err, "SELECT " TOPIC_COLUMNS " FROM topic WHERE name = ?",
                             "s", name);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (!has_row)
        return kn_fail_as(err, KN_ENOTFOUND, "TopicNotExist",
                          "The topic name you provided is not exist.");
    *out_id = kn_stmt_int(row, 0);
    topic_fill(out, row);
    return KN_OK;
}

struct topic_call {
    const struct kn_queues *queues;
    const char *name;
    const struct kn_topic *topic; // in
    struct kn_topic *out;
    bool is_new;
};

static kn_code topic_create_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct topic_call *call = context;
    int64_t now = 0, n_changed = 0, id;
    struct kn_topic there;
    kn_code rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, &n_changed, err,
                       "INSERT INTO topic (name, max_message_bytes, is_logging, created_us,"
                       " modified_us) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                       "siiii", call->topic->name, call->topic->max_message_bytes,
                       (int64_t)call->topic->is_logging, now, now);
    call->is_new = n_changed > 0;
    if (rc == KN_OK && !call->is_new)
        rc = kn_topic_find_tx(tx, call->topic->name, &there, &id, err);
    if (rc != KN_OK || call->is_new)
        return rc;
    bool is_same = there.max_message_bytes == call->topic->max_message_bytes &&
                   there.is_logging == call->topic->is_logging;
    return is_same ? KN_OK
                   : kn_fail_as(err, KN_ECONFLICT, "TopicAlreadyExist",
                                "The topic you want to create is already exist.");
}

kn_code kn_topic_create(struct kn_queues *queues, const struct kn_topic *topic, bool *out_is_new,
                        struct kn_error *err)
{
    struct topic_call call = {.queues = queues, .topic = topic};
    kn_code rc = kn_db_write(queues->db, topic_create_tx, &call, err);
    *out_is_new = call.is_new;
    return rc;
}

static kn_code topic_set_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct topic_call *call = context;
    const struct kn_topic *change = call->topic;
    struct kn_topic topic;
    int64_t id, now;
    kn_code rc = kn_topic_find_tx(tx, change->name, &topic, &id, err);
    if (rc == KN_OK)
        rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc != KN_OK)
        return rc;
    return kn_tx_run(tx, NULL, err,
                     "UPDATE topic SET max_message_bytes = ?, is_logging = ?, modified_us = ?"
                     " WHERE id = ?",
                     "iiii",
                     change->max_message_bytes < 0 ? topic.max_message_bytes
                                                   : change->max_message_bytes,
                     (int64_t)(change->is_logging < 0 ? topic.is_logging : change->is_logging), now,
                     id);
}

kn_code kn_topic_set(struct kn_queues *queues, const struct kn_topic *change, struct kn_error *err)
{
    struct topic_call call = {.queues = queues, .topic = change};
    return kn_db_write(queues->db, topic_set_tx, &call, err);
}

static kn_code topic_get_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct topic_call *call = context;
    struct kn_stmt *row;
    bool has_row = false;
    int64_t id = 0;
    kn_code rc = kn_topic_find_tx(tx, call->name, call->out, &id, err);
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &row, err, "SELECT COUNT(*) FROM topic_message WHERE topic_id = ?", "i",
                         id);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK)
        call->out->n_messages = kn_stmt_int(row, 0);
    return rc;
}

kn_code kn_topic_get(struct kn_queues *queues, const char *name, struct kn_topic *out,
                     struct kn_error *err)
{
    struct topic_call call = {.queues = queues, .name = name, .out = out};
    return kn_db_read(queues->db, topic_get_tx, &call, err);
}

static kn_code topic_delete_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct topic_call *call = context;
    static const char *const deletes[] = {
        ("DELETE FROM topic_push WHERE subscription_id IN (SELECT s.id FROM topic_subscription s"
         " JOIN topic t ON t.id = s.topic_id WHERE t.name = ?)"),
        "DELETE FROM topic_message WHERE topic_id IN (SELECT id FROM topic WHERE name = ?)",
        "DELETE FROM topic_subscription WHERE topic_id IN (SELECT id FROM topic WHERE name = ?)",
        "DELETE FROM topic WHERE name = ?",
    };
    kn_code rc = KN_OK;
    for (size_t i = 0; i < KN_COUNT(deletes) && rc == KN_OK; i++)
        rc = kn_tx_run(tx, NULL, err, deletes[i], "s", call->name);
    return rc;
}

kn_code kn_topic_delete(struct kn_queues *queues, const char *name, struct kn_error *err)
{
    struct topic_call call = {.queues = queues, .name = name};
    return kn_db_write(queues->db, topic_delete_tx, &call, err);
}

struct topic_list {
    struct kn_name_page *page;
    struct kn_topic *list; // malloc'd, page->limit + 1
    size_t n;
};

static kn_code topic_list_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct topic_list *call = context;
    struct kn_name_page *page = call->page;
    struct kn_stmt *row;
    bool has_row = true;
    call->n = 0;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT " TOPIC_COLUMNS " FROM topic WHERE name > ?"
                             " AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
                             "sisi", page->marker, (int64_t)strlen(page->prefix), page->prefix,
                             (int64_t)page->limit + 1);
    while (rc == KN_OK && (rc = kn_stmt_step(row, &has_row, err)) == KN_OK && has_row)
        topic_fill(&call->list[call->n++], row);
    page->has_more = call->n > (size_t)page->limit;
    call->n -= page->has_more;
    return rc;
}

kn_code kn_topic_list(struct kn_queues *queues, struct kn_name_page *page, struct kn_topic **out,
                      size_t *out_n, struct kn_error *err)
{
    kn_auto(kn_free) struct kn_topic *list = calloc((size_t)page->limit + 1, sizeof(*list));
    if (!list)
        return kn_fail(err, KN_ENOMEM, "no memory for a list of topics");
    struct topic_list call = {.page = page, .list = list};
    kn_code rc = kn_db_read(queues->db, topic_list_tx, &call, err);
    if (rc != KN_OK)
        return rc;
    *out_n = call.n;
    *out = KN_TAKE(list);
    return KN_OK;
}

/* ---- endpoints ---- */

const char *kn_endpoint_queue(const char *endpoint)
{
    // acs:mns:REGION:ACCOUNT:queues/NAME; clients guess region and account from host names, so any do.
    if (!kn_starts_with(endpoint, "acs:mns:"))
        return NULL;
    const char *account = strchr(endpoint + 8, ':');
    const char *resource = account ? strchr(account + 1, ':') : NULL;
    return resource && kn_starts_with(resource, ":queues/") && resource[8] ? resource + 8 : NULL;
}

static kn_code endpoint_check(const char *endpoint, struct kn_error *err)
{
    const char *host = kn_starts_with(endpoint, "http://")    ? endpoint + 7
                       : kn_starts_with(endpoint, "https://") ? endpoint + 8
                                                              : NULL;
    bool is_url = host && host[0] && !strchr("/?#:", host[0]) && !strpbrk(endpoint, " \t\r\n\"<>\\");
    for (const char *c = endpoint; *c; c++)
        is_url = is_url && (unsigned char)*c > 0x20 && (unsigned char)*c < 0x7F;
    if (is_url && !memchr(host, '@', strcspn(host, "/?#")))
        return KN_OK;
    if (kn_endpoint_queue(endpoint))
        return KN_OK;
    return kn_fail_as(err, KN_EINVAL, "EndpointInvalid",
                      "The endpoint must be an http or https URL, or acs:mns:REGION:ACCOUNT:queues/NAME.");
}

/* ---- subscriptions ---- */

#define SUBSCRIPTION_COLUMNS                                                                       \
    "id, name, endpoint, filter_tag, strategy, format, created_us, modified_us"

static void subscription_fill(struct kn_subscription *out, const char *topic, struct kn_stmt *row)
{
    *out = (struct kn_subscription){.strategy = (enum kn_notify_strategy)kn_stmt_int(row, 4),
                                    .format = (enum kn_notify_format)kn_stmt_int(row, 5),
                                    .created_us = kn_stmt_int(row, 6),
                                    .modified_us = kn_stmt_int(row, 7)};
    (void)kn_copy(out->topic, sizeof(out->topic), topic);
    (void)kn_copy(out->name, sizeof(out->name), kn_stmt_text(row, 1));
    (void)kn_copy(out->endpoint, sizeof(out->endpoint), kn_stmt_text(row, 2));
    (void)kn_copy(out->filter_tag, sizeof(out->filter_tag), kn_stmt_text(row, 3));
}

struct subscription_call {
    const struct kn_queues *queues;
    const char *topic, *name;
    const struct kn_subscription *subscription; // in
    struct kn_subscription *out;
    int strategy;
    const char *filter_tag;
    bool is_new;
};

static kn_code subscription_find(struct kn_tx *tx, const struct subscription_call *call,
                                 int64_t *out_id, struct kn_error *err)
{
    struct kn_topic topic;
    struct kn_stmt *row;
    bool has_row = false;
    int64_t topic_id = 0;
    kn_code rc = kn_topic_find_tx(tx, call->topic, &topic, &topic_id, err);
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &row, err,
                         "SELECT " SUBSCRIPTION_COLUMNS " FROM topic_subscription"
                         " WHERE topic_id = ? AND name = ?",
                         "is", topic_id, call->name);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (!has_row)
        return kn_fail_as(err, KN_ENOTFOUND, "SubscriptionNotExist",
                          "The subscription name you provided is not exist.");
    *out_id = kn_stmt_int(row, 0);
    subscription_fill(call->out, call->topic, row);
    return KN_OK;
}

static kn_code subscription_room(struct kn_tx *tx, int64_t topic_id, struct kn_error *err)
{
    struct kn_stmt *row;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT COUNT(*) FROM topic_subscription WHERE topic_id = ?", "i",
                             topic_id);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK && kn_stmt_int(row, 0) >= KN_MAX_SUBSCRIPTIONS)
        rc = kn_fail_as(err, KN_EINVAL, "InvalidArgument", "a topic has at most %d subscriptions",
                        KN_MAX_SUBSCRIPTIONS);
    return rc;
}

static kn_code subscription_create_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct subscription_call *call = context;
    const struct kn_subscription *new = call->subscription;
    struct kn_topic topic;
    int64_t topic_id = 0, id = 0, now = 0;
    struct kn_error absent = {0};
    call->is_new = false;
    kn_code rc = kn_topic_find_tx(tx, call->topic, &topic, &topic_id, err);
    if (rc != KN_OK)
        return rc;
    rc = subscription_find(tx, call, &id, &absent);
    if (rc == KN_OK) {
        const struct kn_subscription *there = call->out;
        bool is_same = kn_equal(there->endpoint, new->endpoint) &&
                       kn_equal(there->filter_tag, new->filter_tag) &&
                       there->strategy == new->strategy && there->format == new->format;
        return is_same ? KN_OK
                       : kn_fail_as(err, KN_ECONFLICT, "SubscriptionAlreadyExist",
                                    "The subscription you want to create is already exist.");
    }
    if (rc != KN_ENOTFOUND)
        return kn_fail(err, rc, "%s", absent.message);
    rc = subscription_room(tx, topic_id, err);
    if (rc == KN_OK)
        rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc != KN_OK)
        return rc;
    call->is_new = true;
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO topic_subscription (topic_id, name, endpoint, filter_tag, strategy,"
                     " format, created_us, modified_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                     "isssiiii", topic_id, new->name, new->endpoint, new->filter_tag,
                     (int64_t)new->strategy, (int64_t)new->format, now, now);
}

kn_code kn_subscription_create(struct kn_queues *queues, const struct kn_subscription *subscription,
                               bool *out_is_new, struct kn_error *err)
{
    struct kn_subscription there;
    struct subscription_call call = {.queues = queues, .topic = subscription->topic,
                                     .name = subscription->name, .subscription = subscription,
                                     .out = &there};
    *out_is_new = false;
    kn_code rc = endpoint_check(subscription->endpoint, err);
    if (rc == KN_OK)
        rc = kn_db_write(queues->db, subscription_create_tx, &call, err);
    *out_is_new = call.is_new;
    return rc;
}

static kn_code subscription_set_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct subscription_call *call = context;
    int64_t id = 0, now = 0;
    kn_code rc = subscription_find(tx, call, &id, err);
    if (rc == KN_OK)
        rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc != KN_OK)
        return rc;
    return kn_tx_run(tx, NULL, err,
                     "UPDATE topic_subscription SET strategy = ?, filter_tag = ?, modified_us = ?"
                     " WHERE id = ?",
                     "isii", (int64_t)(call->strategy < 0 ? (int)call->out->strategy : call->strategy),
                     call->filter_tag ? call->filter_tag : call->out->filter_tag, now, id);
}

kn_code kn_subscription_set(struct kn_queues *queues, const char *topic, const char *name,
                            int strategy, const char *filter_tag, struct kn_error *err)
{
    struct kn_subscription there;
    struct subscription_call call = {.queues = queues, .topic = topic, .name = name, .out = &there,
                                     .strategy = strategy, .filter_tag = filter_tag};
    return kn_db_write(queues->db, subscription_set_tx, &call, err);
}

static kn_code subscription_get_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    int64_t id;
    return subscription_find(tx, context, &id, err);
}

kn_code kn_subscription_get(struct kn_queues *queues, const char *topic, const char *name,
                            struct kn_subscription *out, struct kn_error *err)
{
    struct subscription_call call = {.queues = queues, .topic = topic, .name = name, .out = out};
    return kn_db_read(queues->db, subscription_get_tx, &call, err);
}

static kn_code subscription_delete_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct subscription_call *call = context;
    int64_t id = 0;
    struct kn_error absent = {0};
    kn_code rc = subscription_find(tx, call, &id, &absent);
    if (rc == KN_ENOTFOUND)
        return kn_equal(absent.reason, "SubscriptionNotExist")
                   ? KN_OK
                   : kn_fail_as(err, rc, absent.reason, "%s", absent.message);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err, "DELETE FROM topic_push WHERE subscription_id = ?", "i", id);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err, "DELETE FROM topic_subscription WHERE id = ?", "i", id);
    return rc;
}

kn_code kn_subscription_delete(struct kn_queues *queues, const char *topic, const char *name,
                               struct kn_error *err)
{
    struct kn_subscription there;
    struct subscription_call call = {.queues = queues, .topic = topic, .name = name, .out = &there};
    return kn_db_write(queues->db, subscription_delete_tx, &call, err);
}

struct subscription_list {
    const char *topic;
    struct kn_name_page *page;
    struct kn_subscription *list; // malloc'd, page->limit + 1
    size_t n;
};

static kn_code subscription_list_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct subscription_list *call = context;
    struct kn_name_page *page = call->page;
    struct kn_topic topic;
    struct kn_stmt *row;
    bool has_row = true;
    int64_t topic_id = 0;
    call->n = 0;
    kn_code rc = kn_topic_find_tx(tx, call->topic, &topic, &topic_id, err);
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &row, err,
                         "SELECT " SUBSCRIPTION_COLUMNS " FROM topic_subscription WHERE topic_id = ?"
                         " AND name > ? AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
                         "isisi", topic_id, page->marker, (int64_t)strlen(page->prefix),
                         page->prefix, (int64_t)page->limit + 1);
    while (rc == KN_OK && (rc = kn_stmt_step(row, &has_row, err)) == KN_OK && has_row)
        subscription_fill(&call->list[call->n++], call->topic, row);
    page->has_more = call->n > (size_t)page->limit;
    call->n -= page->has_more;
    return rc;
}

kn_code kn_subscription_list(struct kn_queues *queues, const char *topic, struct kn_name_page *page,
                             struct kn_subscription **out, size_t *out_n, struct kn_error *err)
{
    kn_auto(kn_free) struct kn_subscription *list = calloc((size_t)page->limit + 1, sizeof(*list));
    if (!list)
        return kn_fail(err, KN_ENOMEM, "no memory for a list of subscriptions");
    struct subscription_list call = {.topic = topic, .page = page, .list = list};
    kn_code rc = kn_db_read(queues->db, subscription_list_tx, &call, err);
    if (rc != KN_OK)
        return rc;
    *out_n = call.n;
    *out = KN_TAKE(list);
    return KN_OK;
}
