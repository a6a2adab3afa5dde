/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The account-wide event callback (spec 02, 10.1). The row and its checks are src/events'. */
#include <ctype.h>
#include <string.h>

#include "api/call.h"
#include "base/strings.h"
#include "events/callback.h"
#include "api/operations.h"

/* The vendor's rule for AuthKey: upper case, lower case and digits, each at least once. */
static bool auth_key_is_valid(const char *key)
{
    bool has_upper = false, has_lower = false, has_digit = false;
    for (const char *c = key; *c; c++) {
        has_upper |= isupper((unsigned char)*c) != 0;
        has_lower |= islower((unsigned char)*c) != 0;
        has_digit |= isdigit((unsigned char)*c) != 0;
        if (!isalnum((unsigned char)*c))
            return false;
    }
    return has_upper && has_lower && has_digit;
}

static kn_code missing(struct kn_error *err, const char *name)
{
    return kn_fail_as(err, KN_EINVAL, "MissingParameter", "'%s' is not supplied", name);
}

kn_code kn_ice_set_event_callback(struct kn_call *call, struct kn_error *err)
{
    const char *type = kn_arg_text(call, "CallbackType");
    const char *url = kn_arg_text(call, "CallbackURL");
    const char *queue = kn_arg_text(call, "CallbackQueueName");
    const char *key = kn_arg_text(call, "AuthKey");
    struct kn_callback callback = {.is_signed = kn_equal(kn_arg_text(call, "AuthSwitch"), "on")};
    bool is_http = !type || strcmp(type, "HTTP") == 0;
    if (is_http && !url)
        return missing(err, "CallbackURL");
    if (!is_http && !queue)
        return missing(err, "CallbackQueueName");
    if (is_http && callback.is_signed && !key)
        return missing(err, "AuthKey");
    if (is_http && key && !auth_key_is_valid(key))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                          "'AuthKey' must have upper case, lower case and digits, and nothing else");
    (void)kn_copy(callback.type, sizeof(callback.type), is_http ? "HTTP" : "MNS");
    if (is_http) {
        (void)kn_copy(callback.url, sizeof(callback.url), url);
        (void)kn_copy(callback.auth_key, sizeof(callback.auth_key), key);
    } else {
        (void)kn_copy(callback.queue_name, sizeof(callback.queue_name), queue);
        callback.is_signed = false;
    }
    (void)kn_copy(callback.event_types, sizeof(callback.event_types),
                  kn_arg_text(call, "EventTypeList"));
    kn_code rc = kn_call_unbound(call, err);
    if (rc == KN_OK)
        rc = kn_callback_set(call->api->config.db, &callback, err);
    if (rc == KN_OK)
        kn_answer_success(call);
    return rc;
}

kn_code kn_ice_get_event_callback(struct kn_call *call, struct kn_error *err)
{
    struct kn_callback callback = {0};
    kn_code rc = kn_call_unbound(call, err);
    if (rc == KN_OK)
        rc = kn_callback_get(call->api->config.db, &callback, err);
    if (rc != KN_OK || !callback.type[0])
        return rc;
    json_t *answer = call->answer;
    kn_put_text(answer, "CallbackType", callback.type);
    kn_put_text(answer, "CallbackURL", callback.url);
    kn_put_text(answer, "CallbackQueueName", callback.queue_name);
    (void)json_object_set_new(answer, "EventTypeList", json_string(callback.event_types));
    if (strcmp(callback.type, "HTTP") == 0) {
        kn_put_text(answer, "AuthSwitch", callback.is_signed ? "on" : "off");
        kn_put_text(answer, "AuthKey", callback.auth_key);
    }
    return KN_OK;
}
