/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora usage: the ledger of what was converted, stored and fetched. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/table.h"

struct usage_options {
    struct kn_remote_flags flags;
    const char *from, *until, *kind;
    bool by_month;
};

static const struct kn_column columns[] = {
    {"PERIOD", "Period"},   {"KIND", "Kind"}, {"CODEC", "Codec"},   {"RESOLUTION", "Resolution"},
    {"BUCKET", "Bucket"},   {"ITEM", "Item"}, {"AMOUNT", "Amount"}, {"UNIT", "Unit"}, {NULL, NULL},
};

// "2026-03-01" or the wire's "2026-03-01T00:00:00Z", as the latter.
static kn_code day_put(json_t *params, const char *name, const char *option, const char *text,
                       struct kn_error *err)
{
    char whole[64];
    int64_t us;
    if (!text)
        return KN_OK;
    (void)snprintf(whole, sizeof(whole), "%.32s%s", text, strchr(text, 'T') ? "" : "T00:00:00Z");
    if (!kn_time_parse_iso(whole, &us))
        return kn_fail(err, KN_EINVAL, "%s '%s' is no day such as 2026-03-01", option, text);
    (void)json_object_set_new(params, name, json_string(whole));
    return KN_OK;
}

static kn_code usage(struct kn_remote *remote, int n, char **arguments, void *context,
                     struct kn_error *err)
{
    (void)n;
    (void)arguments;
    const struct usage_options *options = context;
    json_auto_t *params = json_pack("{s:s}", "Period", options->by_month ? "month" : "day");
    kn_code rc = day_put(params, "StartTime", "--from", options->from, err);
    if (rc == KN_OK)
        rc = day_put(params, "EndTime", "--until", options->until, err);
    if (rc != KN_OK)
        return rc;
    if (options->kind)
        (void)json_object_set_new(params, "Kind", json_string(options->kind));
    json_auto_t *answer = NULL;
    rc = kn_remote_call(remote, KN_VERSION_KINORA, "GetUsage", params, &answer, err);
    if (rc != KN_OK)
        return rc;
    const json_t *lines = json_object_get(answer, "Usage");
    if (remote->as_json)
        kn_cli_print_json(lines);
    else
        kn_table_print(lines, columns, "usage yet");
    return KN_OK;
}

int kn_cmd_usage(int argc, char **argv)
{
    struct usage_options options = {0};
    const struct kn_option table[] = {
        KN_REMOTE_OPTIONS(options.flags), {"from", &options.from, NULL},
        {"until", &options.until, NULL},  {"kind", &options.kind, NULL},
        {"month", NULL, &options.by_month}, {NULL, NULL, NULL},
    };
    static const struct kn_verb verbs[] = {
        {NULL, 0, 0, "no argument", usage},
        {NULL, 0, 0, NULL, NULL},
    };
    const struct kn_verbs command = {
        .command = "usage",
        .help = "usage: kinora usage [--from DAY] [--until DAY] [--month] [--kind KIND]\n\n"
                "What a running service has done: minutes converted by codec and resolution, requests\n"
                "and bytes by bucket, per day (UTC).\n\n"
                "options\n"
                "  --from DAY            from this day on: 2026-03-01\n"
                "  --until DAY           up to, but not including, this day\n"
                "  --month               added up per month\n"
                "  --kind KIND           only convert, or only object\n\n"
                "examples\n"
                "  kinora usage --from 2026-03-01 --month\n"
                "  kinora usage --kind convert --json | jq 'map(.Amount) | add'\n",
        .options = table,
        .flags = &options.flags,
        .verbs = verbs,
        .context = &options,
    };
    return kn_verbs_run(&command, argc, argv);
}
