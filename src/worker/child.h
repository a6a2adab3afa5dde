#pragma once
/*
 * A job's child: from the JOB frame to the RESULT frame.
 */
#include <stdbool.h>
#include <stdnoreturn.h>

#include "worker/feature.h"

/*
 * Called in the forked child. `link_fd` is its socket to the supervisor, `nursery_pid` its parent: it
 * dies with it. `is_ahead`: its job is yet to come, and what takes time may be done before. Ends the
 * process; the exit status is 0 once a result was sent.
 */
noreturn void kn_child_main(int link_fd, int nursery_pid, bool is_ahead,
                            const struct kn_worker_feature *features);
