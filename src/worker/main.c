/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora-worker: started by kinora, never by people: as a nursery with a socket as descriptor 3, or to
 * report what its libraries can do.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/nursery.h"
#include "worker/report.h"

#define CONTROL_FD 3

static int report(void)
{
    json_auto_t *value = kn_worker_report();
    bool is_told = value && json_dumpf(value, stdout, JSON_COMPACT) == 0 && fflush(stdout) == 0;
    // Encoders and fontconfig keep memory until the process ends, which is now: without their handlers.
    _exit(is_told ? 0 : 1);
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    int type = 0;
    socklen_t size = sizeof(type);
    if (strcmp(what, "--report") == 0)
        return report();
    if (strcmp(what, "--version") == 0)
        return puts("kinora-worker " KN_VERSION) < 0;
    if (strcmp(what, "--nursery") == 0 &&
        getsockopt(CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
        return kn_nursery_main(CONTROL_FD, kn_worker_features);
    (void)fputs("kinora-worker: this program is started by kinora: run 'kinora serve' or "
                "'kinora convert'\n",
                stderr);
    return 2;
}
