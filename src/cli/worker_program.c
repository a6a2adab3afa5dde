/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the programs are that kinora starts. */
#include "cli/worker_program.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"

static char *program_named(const char *name)
{
    kn_auto(kn_free) char *folder = kn_fs_program_folder();
    char *path = NULL;
    if (folder && asprintf(&path, "%s/%s", folder, name) >= 0) {
        if (kn_fs_exists(path))
            return path;
        kn_free(&path);
    }
    return asprintf(&path, KN_LIBEXEC "/%s", name) >= 0 ? path : NULL;
}

char *kn_worker_program(void)
{
    return program_named("kinora-worker");
}

char *kn_commands_program(void)
{
    return program_named("kinora-commands");
}
