/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Start, say so, wait for SIGTERM, drain. */
#include "cli/serving.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/worker_program.h"

static int start_fail(const struct kn_error *err)
{
    return kn_cli_fail(err, kn_code_is_retryable(err->code)
                                ? "nothing was started; 'kinora doctor' looks at what it needs"
                                : "nothing was started");
}

int kn_serving_run(const struct kn_serving *serving, int argc, char **argv)
{
    struct kn_error err = {0};
    kn_auto(kn_config_clear) struct kn_config config = {0};
    bool help = false;
    if (kn_config_load(&config, argc, (const char *const *)argv, &help, &err) != KN_OK)
        return kn_cli_usage(serving->command, "%s", err.message);
    if (help) {
        (void)printf("%s\n\noptions\n", serving->usage);
        kn_config_help(stdout);
        (void)printf("\nexamples\n%s\n", serving->examples);
        return KN_EXIT_OK;
    }

    // Blocked before any thread starts, so that every thread inherits it and sigwait() gets them.
    sigset_t ending;
    (void)sigemptyset(&ending);
    (void)sigaddset(&ending, SIGTERM);
    (void)sigaddset(&ending, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &ending, NULL);

    kn_auto(kn_free) char *worker = config.worker_program ? strdup(config.worker_program)
                                                          : kn_worker_program();
    struct kn_service *service = NULL;
    if (!worker)
        return kn_fail(&err, KN_ENOMEM, "no memory"), kn_cli_fail(&err, NULL);
    if (serving->start(&service, &config, worker, &err) != KN_OK)
        return start_fail(&err);
    (void)printf("kinora: ready %s\n", kn_service_addresses(service));
    (void)fflush(stdout);

    int got = 0;
    while (sigwait(&ending, &got) != 0)
        ;
    struct kn_log log = {{0}};
    KN_INFO(&log, "%s: draining", strsignal(got));
    kn_service_stop(&service, config.drain_seconds * KN_SECOND);
    return KN_EXIT_OK;
}
