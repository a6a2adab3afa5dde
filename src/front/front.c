/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora: the program people type. It becomes kinora-commands, except for what takes less time than loading
 * the fifty libraries of the network and the databases does: `kinora captions` needs none of them. The job's child is
 * forked from this very process, locked down as a nursery's is, and reads with what is linked here (absent.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/captions.h"
#include "cli/cli.h"
#include "cli/worker_program.h"
#include "features/extract/extract.h"
#include "worker/child.h"

static void child(int link_fd, int parent_pid)
{
    static const struct kn_worker_feature features[] = {
        {"extract", NULL, kn_extract_run},
        {NULL, NULL, NULL},
    };
    kn_child_main(link_fd, parent_pid, false, features);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "captions") == 0) {
        kn_cli_begin();
        return kn_captions_command(argc - 1, argv + 1, child);
    }
    kn_auto(kn_free) char *program = kn_commands_program();
    if (program)
        (void)execv(program, argv);
    struct kn_error err;
    (void)kn_fail(&err, KN_EIO, "cannot start '%s': %s", program ? program : "kinora-commands", strerror(errno));
    return kn_cli_fail(&err, "install Kinora again");
}
