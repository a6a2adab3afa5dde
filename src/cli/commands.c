/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands. */
#include "cli/cli.h"

#include <stddef.h>

#include "cli/commands.h"

const struct kn_command kn_commands[] = {
    {"convert", "on files, no server", "convert a film, with many audio tracks", kn_cmd_convert},
    {"serve", "service", "the API, the object store and workers on this machine", kn_cmd_serve},
    {"doctor", "this machine", "what this machine can do, and what is missing", kn_cmd_doctor},
    {"jobs", "a running service", "list, show, watch, cancel and retry jobs", kn_cmd_jobs},
    {"buckets", "a running service", "list, create and delete buckets", kn_cmd_buckets},
    {"cp", "a running service", "copy files and objects", kn_cmd_cp},
    {"pipelines", "a running service", "queues: list, create, pause, resume, set", kn_cmd_pipelines},
    {"call", "a running service", "any operation of the API", kn_cmd_call},
    {"completion", "the shell", "completion for bash and zsh", kn_cmd_completion},
    {NULL, NULL, NULL, NULL},
};
