/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora-worker: the nursery. */
#include <stdio.h>
#include <string.h>

#include "worker/report.h"

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--report") == 0) {
        json_auto_t *report = kn_worker_report();
        return report && json_dumpf(report, stdout, JSON_COMPACT) == 0 ? 0 : 1;
    }
    puts("kinora-worker " KN_VERSION);
    return 0;
}
