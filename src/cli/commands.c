/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands. */
#include "cli/cli.h"

#include <stddef.h>

#include "cli/commands.h"

const struct kn_command kn_commands[] = {
    {"convert", "on files, no server", "convert a film, with many audio tracks", kn_cmd_convert},
    {"captions", "on files, no server", "read captions and write them in another format", kn_cmd_captions},
    {"doctor", "this machine", "what this machine can do, and what is missing", kn_cmd_doctor},
    {"serve", "the service", "the API, the object store and workers on this machine",
     kn_cmd_serve},
    {"worker", "the service", "workers alone, beside a service on another machine", kn_cmd_worker},
    {"keys", "the service", "access keys: list, create, disable, enable, revoke", kn_cmd_keys},
    {"backup", "the service", "records and objects into a folder, while it runs", kn_cmd_backup},
    {"restore", "the service", "a backup into an empty place", kn_cmd_restore},
    {"jobs", "a running service", "list, show, watch, cancel and retry jobs", kn_cmd_jobs},
    {"pipelines", "a running service", "queues: list, create, pause, resume, set, delete",
     kn_cmd_pipelines},
    {"events", "a running service", "callbacks: list, show, redeliver", kn_cmd_events},
    {"usage", "a running service", "minutes converted, requests and bytes, per day", kn_cmd_usage},
    {"buckets", "a running service", "list, create and delete buckets", kn_cmd_buckets},
    {"cp", "a running service", "copy files and objects", kn_cmd_cp},
    {"call", "a running service", "any operation of the API", kn_cmd_call},
    {"completion", "the shell", "completion for bash and zsh", kn_cmd_completion},
    {NULL, NULL, NULL, NULL},
};
