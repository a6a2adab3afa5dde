/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora pipelines: the queues of a running service. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/table.h"

struct pipelines_options {
    struct kn_remote_flags flags;
    const char *name, *priority, *speed;
};

static const struct kn_column columns[] = {
    {"QUEUE", "PipelineId"},   {"NAME", "Name"},     {"STATUS", "Status"},
    {"PRIORITY", "Priority"},  {"SPEED", "Speed"},   {"CREATED", "CreateTime"},
    {NULL, NULL},
};

static kn_code pipelines_list(struct kn_remote *remote, int n, char **arguments, void *context,
                              struct kn_error *err)
{
    (void)n;
    (void)arguments;
    (void)context;
    json_auto_t *params = json_object();
    json_auto_t *answer = NULL;
    kn_code rc = kn_remote_call(remote, KN_VERSION_ICE, "ListPipelines", params, &answer, err);
    if (rc != KN_OK)
        return rc;
    const json_t *list = json_object_get(answer, "PipelineList");
    if (remote->as_json)
        kn_cli_print_json(list);
    else
        kn_table_print(list, columns, "queues");
    return KN_OK;
}

static void given_set(json_t *params, const char *name, const char *value)
{
    if (value)
        (void)json_object_set_new(params, name, json_string(value));
}

static kn_code pipelines_create(struct kn_remote *remote, int n, char **arguments, void *context,
                                struct kn_error *err)
{
    (void)n;
    const struct pipelines_options *options = context;
    json_auto_t *params = json_pack("{s:s, s:s}", "Name", arguments[0], "Speed",
                                    options->speed ? options->speed : "Standard");
    given_set(params, "Priority", options->priority);
    json_auto_t *answer = NULL;
    kn_code rc = kn_remote_call(remote, KN_VERSION_ICE, "CreatePipeline", params, &answer, err);
    if (rc != KN_OK)
        return rc;
    const json_t *pipeline = json_object_get(answer, "Pipeline");
    if (remote->as_json)
        kn_cli_print_json(pipeline);
    else
        (void)puts(kn_json_get(pipeline, "PipelineId", ""));
    return KN_OK;
}

static kn_code pipeline_update(struct kn_remote *remote, json_t *params, const char *id,
                               const char *done, struct kn_error *err)
{
    (void)json_object_set_new(params, "PipelineId", json_string(id));
    json_auto_t *answer = NULL;
    kn_code rc = kn_remote_call(remote, KN_VERSION_ICE, "UpdatePipeline", params, &answer, err);
    if (rc != KN_OK)
        return rc;
    if (remote->as_json)
        kn_cli_print_json(answer);
    else
        (void)printf("%s %s\n", done, id);
    return KN_OK;
}

static kn_code pipelines_pause(struct kn_remote *remote, int n, char **arguments, void *context,
                               struct kn_error *err)
{
    (void)n;
    (void)context;
    json_auto_t *params = json_pack("{s:s}", "Status", "Paused");
    return pipeline_update(remote, params, arguments[0], "paused", err);
}

static kn_code pipelines_resume(struct kn_remote *remote, int n, char **arguments, void *context,
                                struct kn_error *err)
{
    (void)n;
    (void)context;
    json_auto_t *params = json_pack("{s:s}", "Status", "Active");
    return pipeline_update(remote, params, arguments[0], "resumed", err);
}

static kn_code pipelines_set(struct kn_remote *remote, int n, char **arguments, void *context,
                             struct kn_error *err)
{
    (void)n;
    const struct pipelines_options *options = context;
    json_auto_t *params = json_object();
    given_set(params, "Name", options->name);
    given_set(params, "Priority", options->priority);
    if (json_object_size(params) == 0)
        return kn_fail(err, KN_EINVAL, "nothing to set: give --name or --priority");
    return pipeline_update(remote, params, arguments[0], "changed", err);
}

static kn_code pipelines_delete(struct kn_remote *remote, int n, char **arguments, void *context,
                                struct kn_error *err)
{
    (void)n;
    (void)context;
    json_auto_t *params = json_pack("{s:s}", "PipelineId", arguments[0]);
    json_auto_t *answer = NULL;
    kn_code rc = kn_remote_call(remote, KN_VERSION_ICE, "DeletePipeline", params, &answer, err);
    if (rc == KN_OK && remote->as_json)
        kn_cli_print_json(answer);
    else if (rc == KN_OK)
        (void)printf("deleted %s\n", arguments[0]);
    return rc;
}

int kn_cmd_pipelines(int argc, char **argv)
{
    struct pipelines_options options = {0};
    const struct kn_option table[] = {
        KN_REMOTE_OPTIONS(options.flags),
        {"name", &options.name, NULL},
        {"priority", &options.priority, NULL},
        {"speed", &options.speed, NULL},
        {NULL, NULL, NULL},
    };
    static const struct kn_verb verbs[] = {
        {"list", 0, 0, "no argument", pipelines_list},
        {"create", 1, 1, "a name", pipelines_create},
        {"pause", 1, 1, "a queue's id", pipelines_pause},
        {"resume", 1, 1, "a queue's id", pipelines_resume},
        {"set", 1, 1, "a queue's id", pipelines_set},
        {"delete", 1, 1, "a queue's id", pipelines_delete},
        {NULL, 0, 0, NULL, NULL},
    };
    const struct kn_verbs command = {
        .command = "pipelines",
        .help = "usage: kinora pipelines list\n"
                "       kinora pipelines create NAME [--priority N] [--speed LABEL]\n"
                "       kinora pipelines pause|resume|delete ID\n"
                "       kinora pipelines set ID [--name NAME] [--priority N]\n\n"
                "The queues of a running service. A paused one keeps its jobs waiting; running ones\n"
                "go on.\n\n"
                "options\n"
                "  --name NAME           the new name\n"
                "  --priority N          1 to 10, larger first; 6 when not given\n"
                "  --speed LABEL         Standard, Boost or NarrowBandHDV2\n\n"
                "examples\n"
                "  kinora pipelines create night --priority 2\n"
                "  kinora pipelines pause d41d8cd98f00b204e9800998ecf8427e\n",
        .options = table,
        .flags = &options.flags,
        .verbs = verbs,
        .context = &options,
    };
    return kn_verbs_run(&command, argc, argv);
}
