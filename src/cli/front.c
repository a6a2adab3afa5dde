/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora: the program people type. It becomes kinora-commands, except for what takes less time than loading
 * the fifty libraries of the network and the databases does: `kinora captions` needs none of them.
 *
 * The function below stands in for that of supervisor/remote_input.c, which is the HTTP client's only way into a
 * run on files: the linker leaves out whoever is not asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/worker_program.h"
#include "supervisor/remote_input.h"

// `kinora captions` gives its run no client, and so no URL ever comes here.
kn_code kn_http_input_open(struct kn_source **out, struct kn_http_client *client, const char *url,
                           struct kn_error *err)
{
    (void)client;
    *out = NULL;
    return kn_fail(err, KN_EBUG, "'%s' cannot be fetched by this program", url);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "captions") == 0) {
        kn_cli_begin();
        return kn_cmd_captions(argc - 1, argv + 1);
    }
    kn_auto(kn_free) char *program = kn_commands_program();
    if (program)
        (void)execv(program, argv);
    struct kn_error err;
    (void)kn_fail(&err, KN_EIO, "cannot start '%s': %s", program ? program : "kinora-commands", strerror(errno));
    return kn_cli_fail(&err, "install Kinora again");
}
