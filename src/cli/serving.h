#pragma once
/* What `kinora serve` and `kinora worker` share: start, say so, wait for SIGTERM, drain. */
#include "base/error.h"
#include "server/config.h"
#include "server/serve.h"

struct kn_serving {
    const char *command;
    const char *usage;    // for --help, before the options
    const char *examples; // and after them
    kn_code (*start)(struct kn_service **out, const struct kn_config *config,
                     const char *worker_program, struct kn_error *err);
};
/* Answers the exit status. */
int kn_serving_run(const struct kn_serving *serving, int argc, char **argv);
