/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where kinora-worker is. */
#include "cli/worker_program.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"

char *kn_worker_program(void)
{
    kn_auto(kn_free) char *folder = kn_fs_program_folder();
    char *path = NULL;
    if (folder && asprintf(&path, "%s/kinora-worker", folder) >= 0) {
        if (kn_fs_exists(path))
            return path;
        kn_free(&path);
    }
    return strdup(KN_LIBEXEC "/kinora-worker");
}
