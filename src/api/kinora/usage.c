/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The usage ledger on the wire: what src/usage counts in microseconds leaves here in minutes. */
#include <string.h>

#include "api/call.h"
#include "api/operations.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "usage/usage.h"

/* The members of "codec=H.264,resolution=HD" under the wire's names. */
static void dimension_put(json_t *out, const char *dimension)
{
    static const char *const names[][2] = {
        {"codec=", "Codec"}, {"resolution=", "Resolution"}, {"bucket=", "Bucket"}, {"item=", "Item"}};
    while (*dimension) {
        size_t n = strcspn(dimension, ",");
        for (size_t i = 0; i < KN_COUNT(names); i++) {
            size_t n_name = strlen(names[i][0]);
            if (n > n_name && strncmp(dimension, names[i][0], n_name) == 0)
                (void)json_object_set_new(out, names[i][1],
                                          json_stringn(dimension + n_name, n - n_name));
        }
        dimension += n + (dimension[n] == ',');
    }
}

static json_t *line_json(const struct kn_usage *line)
{
    json_t *out = json_object();
    kn_put_text(out, "Period", line->period);
    kn_put_text(out, "Kind", line->kind);
    dimension_put(out, line->dimension);
    bool is_time = strcmp(line->unit, "microseconds") == 0;
    kn_put_text(out, "Unit", is_time ? "minutes" : line->unit);
    (void)json_object_set_new(out, "Amount",
                              is_time ? json_real((double)line->amount / (double)KN_MINUTE)
                                      : json_integer(line->amount));
    return out;
}

kn_code kn_kinora_get_usage(struct kn_call *call, struct kn_error *err)
{
    struct kn_usage *lines = NULL;
    size_t n = 0;
    kn_code rc = kn_call_unbound(call, err);
    if (rc != KN_OK)
        return rc;
    rc = kn_usage_list(call->api->config.db, kn_arg_int(call, "StartTime", KN_NO_TIME),
                               kn_arg_int(call, "EndTime", KN_NO_TIME), kn_arg_text(call, "Kind"),
                               kn_equal(kn_arg_text(call, "Period"), "month"), &call->arena, &lines,
                               &n, err);
    if (rc != KN_OK)
        return rc;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, line_json(&lines[i]));
    (void)json_object_set_new(call->answer, "Usage", list);
    return KN_OK;
}
