/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora jobs: look at the jobs of a running service, wait for them, stop them, run them again. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/table.h"

#define PAGE_SIZE 100
// Often enough that a bar moves, seldom enough that a hundred watchers are no load.
#define WATCH_GAP_US (KN_SECOND / 2)

struct jobs_options {
    struct kn_remote_flags flags;
    const char *state, *limit;
};

static const struct kn_column columns[] = {
    {"JOB", "JobId"},
    {"STATE", "State"},
    {"CREATED", "CreateTime"},
    {"FINISHED", "FinishTime"},
    {"NAME", "Config.JobName"},
    {NULL, NULL},
};

/* ---- list ---- */

static kn_code page_get(struct kn_remote *remote, const struct jobs_options *options, int64_t n,
                        const char *token, json_t **out, struct kn_error *err)
{
    json_auto_t *params = json_pack("{s:s, s:o}", "NextPageToken", token, "PageSize",
                                    json_sprintf("%d", n < PAGE_SIZE ? (int)n : PAGE_SIZE));
    if (options->state)
        (void)json_object_set_new(params, "Status", json_string(options->state));
    return kn_remote_call(remote, KN_VERSION_ICE, "ListMediaConvertJobs", params, out, err);
}

static kn_code jobs_list(struct kn_remote *remote, int n, char **arguments, void *context,
                         struct kn_error *err)
{
    (void)n;
    (void)arguments;
    const struct jobs_options *options = context;
    int64_t limit = 20;
    if (options->limit && !kn_parse_int(options->limit, 1, 1000000, &limit))
        return kn_fail(err, KN_EINVAL, "--limit '%s' is no number from 1 on", options->limit);
    json_auto_t *jobs = json_array();
    char token[256] = "";
    do {
        json_auto_t *page = NULL;
        kn_code rc = page_get(remote, options, limit - (int64_t)json_array_size(jobs), token, &page,
                              err);
        if (rc != KN_OK)
            return rc;
        (void)json_array_extend(jobs, json_object_get(page, "Jobs"));
        (void)kn_copy(token, sizeof(token), kn_json_get(page, "NextPageToken", ""));
    } while (token[0] && (int64_t)json_array_size(jobs) < limit);
    if (remote->as_json)
        kn_cli_print_json(jobs);
    else
        kn_table_print(jobs, columns, "jobs");
    return KN_OK;
}

/* ---- one job ---- */

static kn_code job_get(struct kn_remote *remote, const char *id, json_t **out_job,
                       struct kn_error *err)
{
    json_auto_t *params = json_pack("{s:s}", "JobId", id);
    json_auto_t *answer = NULL;
    kn_code rc =
        kn_remote_call(remote, KN_VERSION_ICE, "GetMediaConvertJob", params, &answer, err);
    if (rc == KN_OK)
        *out_job = json_incref(json_object_get(answer, "Job"));
    return rc;
}

static void outputs_print(const json_t *outputs)
{
    size_t i;
    json_t *output;
    json_array_foreach((json_t *)outputs, i, output)
    {
        const json_t *result = json_object_get(output, "Result");
        const char *uri = kn_json_get(json_object_get(result, "OutputFile"), "Media", "");
        const char *message = kn_json_get(output, "Message", "");
        (void)printf("  %-9s %s %s%s\n", kn_json_get(output, "Status", ""),
                     kn_json_get(output, "Name", ""), uri, message);
        outputs_print(json_object_get(output, "Outputs"));
    }
}

static void job_print(const json_t *job)
{
    static const struct kn_column record[] = {
        {"Job", "JobId"},        {"Name", "Config.JobName"}, {"State", "State"},
        {"Percent", "Percent"},  {"Code", "Code"},           {"Message", "Message"},
        {"Queue", "PipelineId"}, {"Created", "CreateTime"},  {"Finished", "FinishTime"},
        {NULL, NULL},
    };
    kn_record_print(job, record);
    (void)puts("Outputs");
    outputs_print(json_object_get(job, "OutputDetails"));
    outputs_print(json_object_get(job, "OutputGroupDetails"));
}

static kn_code jobs_show(struct kn_remote *remote, int n, char **arguments, void *context,
                         struct kn_error *err)
{
    (void)n;
    (void)context;
    json_auto_t *job = NULL;
    kn_code rc = job_get(remote, arguments[0], &job, err);
    if (rc != KN_OK)
        return rc;
    if (remote->as_json)
        kn_cli_print_json(job);
    else
        job_print(job);
    return KN_OK;
}

static kn_code jobs_watch(struct kn_remote *remote, int n, char **arguments, void *context,
                          struct kn_error *err)
{
    (void)n;
    (void)context;
    for (;;) {
        json_auto_t *job = NULL;
        kn_code rc = job_get(remote, arguments[0], &job, err);
        if (rc != KN_OK)
            return rc;
        const char *state = kn_json_get(job, "State", "");
        if (strcmp(state, "Inited") != 0 && strcmp(state, "Running") != 0) {
            kn_cli_progress(arguments[0], 1.0);
            if (remote->as_json)
                kn_cli_print_json(job);
            else
                job_print(job);
            if (strcmp(state, "Complete") == 0)
                return KN_OK;
            return kn_fail(err, KN_EMEDIA, "the job '%s' ended as %s: %s", arguments[0], state,
                           kn_json_get(job, "Message", "no reason was given"));
        }
        double percent = json_number_value(json_object_get(job, "Percent"));
        kn_cli_progress(arguments[0], percent < 100 ? percent / 100 : 0.99);
        kn_sleep_us(WATCH_GAP_US);
    }
}

/* ---- changing jobs ---- */

static kn_code jobs_change(struct kn_remote *remote, const char *version, const char *action,
                           const char *done, int n, char **ids, struct kn_error *err)
{
    for (int i = 0; i < n; i++) {
        json_auto_t *params = json_pack("{s:s}", "JobId", ids[i]);
        json_auto_t *answer = NULL;
        kn_code rc = kn_remote_call(remote, version, action, params, &answer, err);
        if (rc != KN_OK)
            return rc;
        if (remote->as_json)
            kn_cli_print_json(answer);
        else
            (void)printf("%s %s\n", done, ids[i]);
    }
    return KN_OK;
}

static kn_code jobs_cancel(struct kn_remote *remote, int n, char **arguments, void *context,
                           struct kn_error *err)
{
    (void)context;
    return jobs_change(remote, KN_VERSION_ICE, "CancelMediaConvertJob", "cancelled", n, arguments,
                       err);
}

static kn_code jobs_retry(struct kn_remote *remote, int n, char **arguments, void *context,
                          struct kn_error *err)
{
    (void)context;
    return jobs_change(remote, KN_VERSION_KINORA, "RetryMediaConvertJob", "queued again", n,
                       arguments, err);
}

int kn_cmd_jobs(int argc, char **argv)
{
    struct jobs_options options = {0};
    const struct kn_option table[] = {
        KN_REMOTE_OPTIONS(options.flags),
        {"state", &options.state, NULL},
        {"limit", &options.limit, NULL},
        {NULL, NULL, NULL},
    };
    static const struct kn_verb verbs[] = {
        {"list", 0, 0, "no argument", jobs_list}, {"show", 1, 1, "a job's id", jobs_show},
        {"watch", 1, 1, "a job's id", jobs_watch}, {"cancel", 1, 1000, "ids of jobs", jobs_cancel},
        {"retry", 1, 1000, "ids of jobs", jobs_retry}, {NULL, 0, 0, NULL, NULL},
    };
    const struct kn_verbs command = {
        .command = "jobs",
        .help = "usage: kinora jobs list [--state STATE] [--limit N]\n"
                "       kinora jobs show|watch ID\n"
                "       kinora jobs cancel|retry ID…\n\n"
                "The jobs of a running service. 'watch' waits for the end and exits 1 when the job\n"
                "failed; 'retry' queues a failed or cancelled job once more.\n\n"
                "options\n"
                "  --state STATE         only Inited, Running, Complete, Error or Cancelled ones\n"
                "  --limit N             the newest N; 20 when not given\n\n"
                "examples\n"
                "  kinora jobs list --state Running\n"
                "  kinora jobs watch 0b7f3f2a9c1d4e5f8a6b7c8d9e0f1a2b\n"
                "  kinora jobs list --state Error --json | jq -r '.[].JobId' | xargs kinora jobs retry\n",
        .options = table,
        .flags = &options.flags,
        .verbs = verbs,
        .context = &options,
    };
    return kn_verbs_run(&command, argc, argv);
}
