/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CreateEventRule, GetEventRule, ListEventRules and DeleteEventRule of Mns-open; the rows are src/events'. */
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/operations.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "events/object_rules.h"

#define DEFAULT_PAGE 20

/* ---- answers ---- */

// Every answer of this product says the same around its Data.
static void answer(struct kn_call *call, json_t *data)
{
    json_t *out = call->answer;
    (void)json_object_set_new(out, "Code", json_integer(200));
    (void)json_object_set_new(out, "Status", json_string("Success"));
    (void)json_object_set_new(out, "Message", json_string("operation success"));
    (void)json_object_set_new(out, "Data", data);
    kn_answer_success(call);
}

static json_t *rule_json(const struct kn_event_rule *rule)
{
    json_t *out = json_pack("{s:s, s:O, s:O, s:{s:s, s:s}, s:[]}", "RuleName", rule->name, "EventTypes",
                            rule->event_types, "MatchRules", rule->match_rules, "Endpoint", "EndpointType",
                            rule->endpoint_type, "EndpointValue", rule->endpoint, "Subscriptions");
    bool is_topic = strcmp(rule->endpoint_type, "topic") == 0;
    kn_put_text(out, "DeliveryMode", is_topic ? "BROADCAST" : "DIRECT");
    kn_put_text(out, "TopicName", is_topic ? rule->endpoint : NULL);
    return out;
}

/* ---- making and removing ---- */

// Endpoint, or the older Endpoints with one element.
static kn_code endpoint_read(const struct kn_call *call, struct kn_event_rule *rule, struct kn_error *err)
{
    const json_t *endpoint = kn_arg_json(call, "Endpoint");
    const json_t *endpoints = kn_arg_json(call, "Endpoints");
    if (!endpoint && json_array_size(endpoints) > 1)
        return kn_fail_as(err, KN_EINVAL, "NotSupported", "'Endpoints' names more than one endpoint");
    if (!endpoint)
        endpoint = json_array_get(endpoints, 0);
    if (!endpoint)
        return kn_fail_as(err, KN_EINVAL, "MissingParameter", "'Endpoint' is not supplied");
    rule->endpoint_type = kn_json_get(endpoint, "EndpointType", "");
    rule->endpoint = kn_json_get(endpoint, "EndpointValue", "");
    const char *slash = strrchr(rule->endpoint, '/'); // acs:mns:REGION:ACCOUNT:queues/NAME
    if (slash && kn_starts_with(rule->endpoint, "acs:mns:"))
        rule->endpoint = slash + 1;
    return KN_OK;
}

kn_code kn_mnsopen_create_event_rule(struct kn_call *call, struct kn_error *err)
{
    struct kn_event_rule rule = {.name = kn_arg_text(call, "RuleName"),
                                 .event_types = kn_arg_json(call, "EventTypes"),
                                 .match_rules = kn_arg_json(call, "MatchRules")};
    kn_code rc = kn_call_unbound(call, err);
    if (rc == KN_OK)
        rc = endpoint_read(call, &rule, err);
    if (rc == KN_OK)
        rc = kn_event_rule_create(call->api->config.db, &rule, err);
    if (rc == KN_OK)
        answer(call, json_string(rule.name));
    return rc;
}

kn_code kn_mnsopen_delete_event_rule(struct kn_call *call, struct kn_error *err)
{
    const char *name = kn_arg_text(call, "RuleName");
    kn_code rc = kn_call_unbound(call, err);
    if (rc == KN_OK)
        rc = kn_event_rule_delete(call->api->config.db, name, err);
    if (rc == KN_OK)
        answer(call, json_string(name));
    return rc;
}

/* ---- looking ---- */

kn_code kn_mnsopen_get_event_rule(struct kn_call *call, struct kn_error *err)
{
    const char *name = kn_arg_text(call, "RuleName");
    struct kn_event_rule *rules = NULL;
    size_t n = 0;
    kn_code rc = kn_call_unbound(call, err);
    if (rc == KN_OK)
        rc = kn_event_rule_list(call->api->config.db, name, &call->arena, &rules, &n, err);
    if (rc == KN_OK && n == 0)
        rc = kn_fail_as(err, KN_ENOTFOUND, "EventRuleNotExist", "there is no rule '%s'", name);
    if (rc == KN_OK)
        answer(call, rule_json(&rules[0]));
    kn_event_rules_free(&rules, n);
    return rc;
}

static bool is_asked_for(const struct kn_call *call, const struct kn_event_rule *rule)
{
    const char *name = kn_arg_text(call, "RuleName"), *bucket = kn_arg_text(call, "ResourceName");
    const char *topic = kn_arg_text(call, "TopicName");
    const json_t *endpoint = kn_arg_json(call, "Subscription");
    if (name && !kn_starts_with(rule->name, name))
        return false;
    if (bucket && !kn_event_rule_names_bucket(rule, bucket))
        return false;
    if (topic && (strcmp(rule->endpoint_type, "topic") != 0 || strcmp(rule->endpoint, topic) != 0))
        return false;
    return !endpoint || (strcmp(kn_json_get(endpoint, "EndpointType", ""), rule->endpoint_type) == 0 &&
                         strcmp(kn_json_get(endpoint, "EndpointValue", ""), rule->endpoint) == 0);
}

kn_code kn_mnsopen_list_event_rules(struct kn_call *call, struct kn_error *err)
{
    struct kn_event_rule *rules = NULL;
    size_t n = 0;
    kn_code rc = kn_call_unbound(call, err);
    if (rc == KN_OK)
        rc = kn_event_rule_list(call->api->config.db, NULL, &call->arena, &rules, &n, err);
    if (rc != KN_OK)
        return rc;
    // By page, or by token: how many came before.
    int64_t size = kn_arg_int(call, "MaxResults", kn_arg_int(call, "PageSize", DEFAULT_PAGE));
    int64_t skip = (kn_arg_int(call, "PageNum", 1) - 1) * size, total = 0;
    const char *token = kn_arg_text(call, "NextToken");
    json_t *list = json_array();
    if (token && !kn_parse_int(token, 0, KN_MAX_EVENT_RULES, &skip))
        rc = kn_fail_as(err, KN_EINVAL, "InvalidParameter", "'NextToken' is none of ours");
    for (size_t i = 0; rc == KN_OK && i < n; i++) {
        if (!is_asked_for(call, &rules[i]))
            continue;
        if (total++ >= skip && (int64_t)json_array_size(list) < size)
            (void)json_array_append_new(list, rule_json(&rules[i]));
    }
    kn_event_rules_free(&rules, n);
    int64_t n_shown = (int64_t)json_array_size(list);
    json_t *data = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "PageNum",
                             (json_int_t)(skip / size + 1), "PageSize", (json_int_t)size, "Pages",
                             (json_int_t)((total + size - 1) / size), "Size", (json_int_t)n_shown,
                             "Total", (json_int_t)total, "MaxResults", (json_int_t)size, "PageData", list);
    if (skip + n_shown < total)
        (void)json_object_set_new(data, "NextToken",
                                  json_sprintf("%lld", (long long)(skip + n_shown)));
    answer(call, data);
    return rc;
}
