/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The delivery log on the wire: listing, one delivery with its attempts, sending again. */
#include "api/call.h"
#include "api/operations.h"
#include "base/time.h"
#include "events/delivery_log.h"

static json_t *delivery_json(const struct kn_delivery *delivery)
{
    json_t *out = json_object();
    kn_put_text(out, "DeliveryId", delivery->id);
    kn_put_text(out, "EventId", delivery->event_id);
    kn_put_text(out, "EventType", delivery->event_name);
    kn_put_text(out, "JobId", delivery->subject);
    kn_put_text(out, "Subscriber", delivery->subscriber);
    kn_put_text(out, "TargetType", delivery->target_kind);
    kn_put_text(out, "Target", delivery->target);
    kn_put_text(out, "State", kn_delivery_state_name(delivery->state));
    (void)json_object_set_new(out, "Attempts", json_integer(delivery->n_attempts));
    kn_put_time(out, "CreateTime", delivery->created_us);
    kn_put_time(out, "NextTime", delivery->due_us);
    kn_put_time(out, "EndTime", delivery->ended_us);
    if (delivery->n_attempts == 0)
        return out;
    if (delivery->last_status > 0)
        (void)json_object_set_new(out, "LastStatus", json_integer(delivery->last_status));
    kn_put_text(out, "LastError", delivery->last_error);
    (void)json_object_set_new(out, "LastLatencyMs", json_integer(delivery->last_latency_us / 1000));
    return out;
}

/* -1 when State was not sent. */
static int state_of(const struct kn_call *call)
{
    const char *word = kn_arg_text(call, "State");
    return word ? kn_delivery_state_from_name(word) : -1;
}

kn_code kn_kinora_list_event_deliveries(struct kn_call *call, struct kn_error *err)
{
    const struct kn_delivery_filter filter = {
        .subject = kn_arg_text(call, "JobId"),
        .state = state_of(call),
        .limit = (int)kn_arg_int(call, "PageSize", 20),
        .page_token = kn_arg_text(call, "NextPageToken"),
    };
    struct kn_delivery *deliveries = NULL;
    size_t n = 0;
    char next_token[64] = "";
    kn_code rc = kn_call_unbound(call, err);
    if (rc == KN_OK)
        rc = kn_delivery_list(call->api->config.db, &filter, &call->arena, &deliveries, &n, next_token, err);
    if (rc != KN_OK)
        return rc;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, delivery_json(&deliveries[i]));
    (void)json_object_set_new(call->answer, "NextPageToken", json_string(next_token));
    (void)json_object_set_new(call->answer, "Deliveries", list);
    return KN_OK;
}

static json_t *attempt_json(const struct kn_delivery_attempt *attempt)
{
    json_t *out = json_object();
    (void)json_object_set_new(out, "Number", json_integer(attempt->n));
    kn_put_time(out, "Time", attempt->at_us);
    if (attempt->status > 0)
        (void)json_object_set_new(out, "Status", json_integer(attempt->status));
    kn_put_text(out, "Error", attempt->error);
    (void)json_object_set_new(out, "LatencyMs", json_integer(attempt->latency_us / 1000));
    return out;
}

kn_code kn_kinora_get_event_delivery(struct kn_call *call, struct kn_error *err)
{
    struct kn_db *db = call->api->config.db;
    const char *id = kn_arg_text(call, "DeliveryId"), *body = NULL;
    const struct kn_delivery_filter filter = {.id = id, .state = -1, .limit = 1};
    struct kn_delivery *delivery = NULL;
    struct kn_delivery_attempt *attempts = NULL;
    size_t n = 0, n_attempts = 0;
    char next_token[64];
    kn_code rc = kn_call_unbound(call, err);
    if (rc == KN_OK)
        rc = kn_delivery_list(db, &filter, &call->arena, &delivery, &n, next_token, err);
    if (rc == KN_OK && n == 0)
        return kn_fail(err, KN_ENOTFOUND, "there is no delivery '%s'", id);
    if (rc == KN_OK)
        rc = kn_delivery_attempts(db, id, &call->arena, &attempts, &n_attempts, err);
    if (rc == KN_OK)
        rc = kn_delivery_body(db, id, &call->arena, &body, err);
    if (rc != KN_OK)
        return rc;
    json_t *list = json_array();
    for (size_t i = 0; i < n_attempts; i++)
        (void)json_array_append_new(list, attempt_json(&attempts[i]));
    (void)json_object_set_new(call->answer, "Delivery", delivery_json(delivery));
    (void)json_object_set_new(call->answer, "AttemptList", list);
    (void)json_object_set_new(call->answer, "Body", json_string(body));
    return KN_OK;
}

kn_code kn_kinora_redeliver_events(struct kn_call *call, struct kn_error *err)
{
    const struct kn_delivery_filter filter = {
        .id = kn_arg_text(call, "DeliveryId"),
        .subject = kn_arg_text(call, "JobId"),
        .state = state_of(call),
    };
    // Else a forgotten parameter would send a month of set-aside events again.
    if (!filter.id && !filter.subject && filter.state < 0)
        return kn_fail_as(err, KN_EINVAL, "MissingParameter",
                          "'DeliveryId', JobId or State is needed");
    int64_t n = 0;
    kn_code rc = kn_call_unbound(call, err);
    if (rc == KN_OK)
        rc = kn_events_redeliver(call->api->config.db, &filter, &n, err);
    if (rc == KN_OK)
        (void)json_object_set_new(call->answer, "Count", json_integer(n));
    return rc;
}
