/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From objects to events. Every upload passes here, so the usual answer, nobody listens, costs one
 * statement.
 */
#include "events/object_notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/time.h"
#include "events/object_rules.h"
#include "events/outbox.h"

struct telling {
    struct kn_tx *tx;
    const struct kn_object_change *change;
    const struct kn_event_source *source;
    const char *subject; // bucket/key
    int64_t now_us;
};

/* ---- what is said ---- */

static json_t *object_json(const struct kn_object_change *change)
{
    json_t *object = json_pack("{s:I, s:s, s:s, s:I}", "deltaSize", (json_int_t)change->size_delta_bytes,
                               "eTag", change->info->etag, "key", change->key, "size",
                               (json_int_t)change->info->size_bytes);
    if (object && change->position >= 0)
        (void)json_object_set_new(object, "position", json_integer(change->position));
    return object;
}

// Who asked and from where is not known here: those members are there for readers that insist on them.
static json_t *events_json(const struct telling *telling, const char *rule, const char *event_id)
{
    const struct kn_object_change *change = telling->change;
    const char *region = telling->source->region ? telling->source->region : "";
    char at[32], account[24], arn[256];
    kn_time_iso_ms(at, telling->now_us);
    (void)snprintf(account, sizeof(account), "%" PRId64, telling->source->account_id);
    (void)snprintf(arn, sizeof(arn), "acs:oss:%s:%s:%s", region, account, change->bucket);
    return json_pack("{s:[{s:s, s:s, s:s, s:s, s:{s:{s:s, s:s, s:s, s:s}, s:o, s:s, s:s}, s:s, s:{s:s},"
                     " s:{s:s}, s:{s:s}}]}",
                     "events", "eventName", change->event, "eventSource", "acs:oss", "eventTime", at,
                     "eventVersion", "1.0", "oss", "bucket", "arn", arn, "name", change->bucket,
                     "ownerIdentity", account, "virtualBucket", "", "object", object_json(change),
                     "ossSchemaVersion", "1.0", "ruleId", rule, "region", region, "requestParameters",
                     "sourceIPAddress", "", "responseElements", "requestId", event_id, "userIdentity",
                     "principalId", account);
}

/* ---- to whom ---- */

static kn_code rule_tell(const struct telling *telling, const struct kn_event_rule *rule,
                         struct kn_error *err)
{
    char event_id[KN_ID_SIZE], subscriber[KN_EVENT_RULE_NAME + 8], target[300];
    kn_id_hex(event_id);
    json_auto_t *events = events_json(telling, rule->name, event_id);
    kn_auto(kn_free) char *text = events ? kn_json_text(events) : NULL;
    kn_auto(kn_buf_clear) struct kn_buf body = {0};
    if (text)
        kn_base64(&body, text, strlen(text));
    if (!text || !kn_buf_ok(&body))
        return kn_fail(err, KN_ENOMEM, "no memory for an event of '%s'", telling->subject);
    (void)snprintf(subscriber, sizeof(subscriber), "rule:%s", rule->name);
    bool is_topic = strcmp(rule->endpoint_type, "topic") == 0;
    (void)snprintf(target, sizeof(target), "%s%s", is_topic ? "topics/" : "", rule->endpoint);
    const struct kn_event event = {.name = telling->change->event,
                                   .subject = telling->subject,
                                   .text = kn_buf_text(&body),
                                   .account_id = telling->source->account_id,
                                   .at_us = telling->now_us};
    return kn_outbox_add_for(telling->tx, &event, subscriber, "mns", target, err);
}

static kn_code callback_tell(const struct telling *telling, struct kn_error *err)
{
    char event_id[KN_ID_SIZE];
    kn_id_hex(event_id);
    json_auto_t *body = events_json(telling, "", event_id);
    if (!body)
        return kn_fail(err, KN_ENOMEM, "no memory for an event of '%s'", telling->subject);
    const struct kn_event event = {.name = telling->change->event,
                                   .subject = telling->subject,
                                   .message_body = body,
                                   .account_id = telling->source->account_id,
                                   .at_us = telling->now_us};
    return kn_outbox_add(telling->tx, &event, err);
}

static kn_code rules_tell(const struct telling *telling, struct kn_error *err)
{
    const struct kn_object_change *change = telling->change;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_event_rule *rules = NULL;
    size_t n = 0;
    kn_code rc = kn_event_rule_list_tx(telling->tx, NULL, &arena, &rules, &n, err);
    for (size_t i = 0; rc == KN_OK && i < n; i++) {
        if (kn_event_rule_matches(&rules[i], change->event, change->bucket, change->key))
            rc = rule_tell(telling, &rules[i], err);
    }
    kn_event_rules_free(&rules, n);
    return rc;
}

static kn_code is_somebody_there(struct kn_tx *tx, bool *out, struct kn_error *err)
{
    struct kn_stmt *row;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT 1 FROM event_rule UNION ALL"
                             " SELECT 1 FROM event_callback WHERE event_types LIKE ? LIMIT 1",
                             "s", "%Object%:%");
    return rc == KN_OK ? kn_stmt_step(row, out, err) : rc;
}

kn_code kn_events_on_object(struct kn_tx *tx, const struct kn_object_change *change, void *source,
                            struct kn_error *err)
{
    bool is_heard = false;
    kn_code rc = is_somebody_there(tx, &is_heard, err);
    if (rc != KN_OK || !is_heard)
        return rc;
    size_t size = strlen(change->bucket) + strlen(change->key) + 2;
    kn_auto(kn_free) char *subject = malloc(size);
    if (!subject)
        return kn_fail(err, KN_ENOMEM, "no memory for an event of '%s'", change->key);
    (void)snprintf(subject, size, "%s/%s", change->bucket, change->key);
    struct telling telling = {.tx = tx, .change = change, .source = source, .subject = subject};
    rc = kn_tx_now(tx, &telling.now_us, err);
    if (rc == KN_OK)
        rc = rules_tell(&telling, err);
    return rc == KN_OK ? callback_tell(&telling, err) : rc;
}
