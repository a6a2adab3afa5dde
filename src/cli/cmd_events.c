/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora events: what was sent to whom, and sending it again. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/strings.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/table.h"

#define PAGE_SIZE 100

struct events_options {
    struct kn_remote_flags flags;
    const char *job, *state, *limit;
};

static const struct kn_column columns[] = {
    {"DELIVERY", "DeliveryId"}, {"EVENT", "EventType"}, {"STATE", "State"},
    {"TRIES", "Attempts"},      {"LAST", "LastStatus"}, {"CREATED", "CreateTime"},
    {"JOB", "JobId"},           {"TO", "Target"},       {NULL, NULL},
};

// What --job and --state say, as parameters of an operation.
static json_t *filter_params(const struct events_options *options)
{
    json_t *params = json_object();
    if (options->job)
        (void)json_object_set_new(params, "JobId", json_string(options->job));
    if (options->state)
        (void)json_object_set_new(params, "State", json_string(options->state));
    return params;
}

static kn_code events_list(struct kn_remote *remote, int n, char **arguments, void *context,
                           struct kn_error *err)
{
    (void)n;
    (void)arguments;
    const struct events_options *options = context;
    int64_t limit = 20;
    if (options->limit && !kn_parse_int(options->limit, 1, 1000000, &limit))
        return kn_fail(err, KN_EINVAL, "--limit '%s' is no number from 1 on", options->limit);
    json_auto_t *params = filter_params(options);
    json_auto_t *rows = json_array();
    const char *token = "";
    json_auto_t *page = NULL;
    do {
        int64_t left = limit - (int64_t)json_array_size(rows);
        (void)json_object_set_new(params, "NextPageToken", json_string(token));
        (void)json_object_set_new(params, "PageSize",
                                  json_sprintf("%d", left < PAGE_SIZE ? (int)left : PAGE_SIZE));
        json_decref(page);
        page = NULL;
        kn_code rc = kn_remote_call(remote, KN_VERSION_KINORA, "ListEventDeliveries", params, &page,
                                    err);
        if (rc != KN_OK)
            return rc;
        (void)json_array_extend(rows, json_object_get(page, "Deliveries"));
        token = kn_json_get(page, "NextPageToken", "");
    } while (token[0] && (int64_t)json_array_size(rows) < limit);
    if (remote->as_json)
        kn_cli_print_json(rows);
    else
        kn_table_print(rows, columns, "deliveries");
    return KN_OK;
}

static void delivery_print(const json_t *answer)
{
    static const struct kn_column record[] = {
        {"Delivery", "DeliveryId"}, {"Event", "EventType"},      {"Event id", "EventId"},
        {"Job", "JobId"},           {"To", "Target"},            {"Subscriber", "Subscriber"},
        {"State", "State"},         {"Created", "CreateTime"},   {"Next try", "NextTime"},
        {"Ended", "EndTime"},       {"Last error", "LastError"}, {NULL, NULL},
    };
    static const struct kn_column attempts[] = {
        {"TRY", "Number"}, {"TIME", "Time"}, {"STATUS", "Status"}, {"MS", "LatencyMs"},
        {"ERROR", "Error"}, {NULL, NULL},
    };
    kn_record_print(json_object_get(answer, "Delivery"), record);
    (void)putchar('\n');
    kn_table_print(json_object_get(answer, "AttemptList"), attempts, "attempts yet");
    (void)printf("\n%s\n", kn_json_get(answer, "Body", ""));
}

static kn_code events_show(struct kn_remote *remote, int n, char **arguments, void *context,
                           struct kn_error *err)
{
    (void)n;
    (void)context;
    json_auto_t *params = json_pack("{s:s}", "DeliveryId", arguments[0]);
    json_auto_t *answer = NULL;
    kn_code rc = kn_remote_call(remote, KN_VERSION_KINORA, "GetEventDelivery", params, &answer, err);
    if (rc != KN_OK)
        return rc;
    if (remote->as_json)
        kn_cli_print_json(answer);
    else
        delivery_print(answer);
    return KN_OK;
}

static kn_code redeliver(struct kn_remote *remote, const json_t *params, int64_t *in_out_count,
                         struct kn_error *err)
{
    json_auto_t *answer = NULL;
    kn_code rc = kn_remote_call(remote, KN_VERSION_KINORA, "RedeliverEvents", params, &answer, err);
    *in_out_count += json_integer_value(json_object_get(answer, "Count"));
    return rc;
}

static kn_code events_redeliver(struct kn_remote *remote, int n, char **arguments, void *context,
                                struct kn_error *err)
{
    const struct events_options *options = context;
    int64_t count = 0;
    kn_code rc = KN_OK;
    if (n == 0 && !options->job && !options->state)
        return kn_fail(err, KN_EINVAL, "which? Give ids of deliveries, --job or --state set-aside");
    if (n > 0 && (options->job || options->state))
        return kn_fail(err, KN_EINVAL, "ids of deliveries say it all: no --job or --state beside them");
    for (int i = 0; i < n && rc == KN_OK; i++) {
        json_auto_t *one = json_pack("{s:s}", "DeliveryId", arguments[i]);
        rc = redeliver(remote, one, &count, err);
    }
    if (n == 0) {
        json_auto_t *many = filter_params(options);
        rc = redeliver(remote, many, &count, err);
    }
    if (rc != KN_OK)
        return rc;
    json_auto_t *said = json_pack("{s:I}", "Count", (json_int_t)count);
    if (remote->as_json)
        kn_cli_print_json(said);
    else
        (void)printf("sending %lld again\n", (long long)count);
    return KN_OK;
}

int kn_cmd_events(int argc, char **argv)
{
    struct events_options options = {0};
    const struct kn_option table[] = {
        KN_REMOTE_OPTIONS(options.flags),
        {"job", &options.job, NULL},
        {"state", &options.state, NULL},
        {"limit", &options.limit, NULL},
        {NULL, NULL, NULL},
    };
    static const struct kn_verb verbs[] = {
        {"list", 0, 0, "no argument", events_list},
        {"show", 1, 1, "a delivery's id", events_show},
        {"redeliver", 0, 1000, "ids of deliveries, --job or --state", events_redeliver},
        {NULL, 0, 0, NULL, NULL},
    };
    const struct kn_verbs command = {
        .command = "events",
        .help = "usage: kinora events list [--job ID] [--state STATE] [--limit N]\n"
                "       kinora events show ID\n"
                "       kinora events redeliver ID…\n"
                "       kinora events redeliver [--job ID] [--state STATE]\n\n"
                "Callbacks of a running service: what was sent to whom, what was answered, and sending\n"
                "it again. A delivery that nobody acknowledges for a day is set aside, and waits here.\n\n"
                "options\n"
                "  --job ID              only those of this job\n"
                "  --state STATE         only waiting, acknowledged or set-aside ones\n"
                "  --limit N             the newest N; 20 when not given\n\n"
                "examples\n"
                "  kinora events list --state set-aside\n"
                "  kinora events show 4b1d2c3e5f60718293a4b5c6d7e8f901\n"
                "  kinora events redeliver --state set-aside\n",
        .options = table,
        .flags = &options.flags,
        .verbs = verbs,
        .context = &options,
    };
    return kn_verbs_run(&command, argc, argv);
}
