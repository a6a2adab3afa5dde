/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands. */
#include "cli/cli.h"

#include <stddef.h>

#include "cli/commands.h"

const struct kn_command kn_commands[] = {
    {"convert", "on files, no server", "convert a film, with many audio tracks", kn_cmd_convert},
    {"doctor", "this machine", "what this machine can do, and what is missing", kn_cmd_doctor},
    {NULL, NULL, NULL, NULL},
};
