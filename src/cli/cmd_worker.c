/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora worker: workers alone, on another machine than the service's. */
#include "cli/commands.h"
#include "cli/serving.h"

int kn_cmd_worker(int argc, char **argv)
{
    static const struct kn_serving serving = {
        .command = "worker",
        .usage = "usage: kinora worker --database postgresql://… --storage URL [OPTIONS]\n\n"
                 "Workers alone, beside a 'kinora serve' elsewhere: they take jobs from the same\n"
                 "PostgreSQL, and read and write the same object store. Nothing listens here. When jobs\n"
                 "can run, one line goes to stdout: 'kinora: ready workers=N'. SIGTERM drains: running\n"
                 "jobs finish or go back to the queue.",
        .examples = "  kinora worker --database postgresql://kinora@db/kinora --storage file:/mnt/buckets\n"
                    "  kinora worker --config /etc/kinora/kinora.yaml --workers 16",
        .start = kn_service_start_workers,
    };
    return kn_serving_run(&serving, argc, argv);
}
