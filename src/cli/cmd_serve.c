/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora serve: the whole service on this machine. */
#include "cli/commands.h"
#include "cli/serving.h"

int kn_cmd_serve(int argc, char **argv)
{
    static const struct kn_serving serving = {
        .command = "serve",
        .usage = "usage: kinora serve [OPTIONS]\n\n"
                 "The API, the object store and workers on this machine. When everything accepts, one\n"
                 "line goes to stdout: 'kinora: ready api=… oss=… mns=…'. SIGTERM drains.",
        .examples = "  kinora serve\n"
                    "  kinora serve --data /srv/kinora --listen https://0.0.0.0:8443 --tls auto\n"
                    "  kinora serve --database postgresql://kinora@db/kinora --workers 8",
        .start = kn_service_start,
    };
    return kn_serving_run(&serving, argc, argv);
}
