#pragma once
/*
 * The nursery: a process that has the media libraries loaded and waits, single-threaded, to fork a
 * child for each job (2 ms) instead of starting a program for each (50 ms).
 *
 *     supervisor ──FORK + socket──> nursery ──fork──> child (keeps the socket, dies with the nursery)
 *     supervisor <──FORKED {pid} + pidfd, EXITED {pid, status, cpu_us, peak_bytes}── nursery
 *
 * It reads nothing of a job, and ends when its supervisor closes the control socket or dies.
 */
#include "worker/feature.h"

/*
 * Serve FORK frames on `control_fd` until it closes. The program's exit status.
 *
 *   warm_up  called once, when there is nothing to do for the first time: the place for work that
 *            every child would do again. Leaves one thread. May be NULL.
 */
int kn_nursery_main(int control_fd, const struct kn_worker_feature *features, void (*warm_up)(void));
