/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fork on demand, and tell of every child that ended. */
#include "worker/nursery.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "link/link.h"
#include "worker/child.h"

#define CONTROL_FD 3

struct nursery {
    struct kn_link link;
    int signal_fd; // SIGCHLD
    const struct kn_worker_feature *features;
    void (*warm_up)(void); // NULL: done
    int n_children;
    int spare_fd; // owned; the link of a child to be forked when there is time; -1: none
    uint32_t spare_request;
};

static int64_t timeval_us(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static kn_code fork_one(struct nursery *nursery, uint32_t request, int fd, bool is_ahead,
                        struct kn_error *err)
{
    kn_auto(kn_close_fd) int child_fd = fd;
    if (child_fd < 0)
        return kn_fail_as(err, KN_EINVAL, "BrokenFrame", "a fork without a socket");
    pid_t self = getpid(), pid = fork();
    if (pid == 0)
        kn_child_main(child_fd, self, is_ahead, nursery->features);
    if (pid < 0) {
        struct kn_error why;
        (void)kn_fail(&why, KN_ELIMIT, "cannot start another process: %s", strerror(errno));
        return kn_link_post_error(&nursery->link, request, &why, err);
    }
    nursery->n_children++;
    // Not reaped before we say so, so the number cannot be anybody else's yet.
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    return kn_link_post_json(&nursery->link, KN_FRAME_FORKED, request,
                             json_pack("{s:i}", "pid", (int)pid), pidfd, err);
}

static kn_code reap(struct nursery *nursery, struct kn_error *err)
{
    struct signalfd_siginfo ignored;
    while (read(nursery->signal_fd, &ignored, sizeof(ignored)) > 0)
        ; // one signal may stand for several children: the loop below asks
    for (;;) {
        int status = 0;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid <= 0)
            return KN_OK;
        nursery->n_children--;
        int64_t cpu_us = timeval_us(usage.ru_utime) + timeval_us(usage.ru_stime);
        kn_code rc = kn_link_post_json(
            &nursery->link, KN_FRAME_EXITED, 0,
            json_pack("{s:i, s:i, s:I, s:I}", "pid", (int)pid, "status", status, "cpu_us",
                      (json_int_t)cpu_us, "peak_bytes", (json_int_t)usage.ru_maxrss * 1024),
            -1, err);
        if (rc)
            return rc;
    }
}

// A job goes first; one that is yet to come waits until nothing else does.
static kn_code fork_asked(struct nursery *nursery, const struct kn_frame *frame, int fd,
                          struct kn_error *err)
{
    kn_auto(kn_close_fd) int child_fd = fd;
    json_auto_t *object = NULL;
    kn_code rc = kn_frame_json(frame, &object, err);
    if (rc)
        return rc;
    if (!json_is_true(json_object_get(object, "ahead")))
        return fork_one(nursery, frame->request, KN_TAKE_FD(child_fd), false, err);
    if (nursery->spare_fd >= 0)
        return kn_fail_as(err, KN_EINVAL, "BrokenFrame", "two forks ahead at once");
    nursery->spare_fd = KN_TAKE_FD(child_fd);
    nursery->spare_request = frame->request;
    return KN_OK;
}

static kn_code serve_frames(struct nursery *nursery, bool *out_is_open, struct kn_error *err)
{
    kn_code rc = kn_link_pump(&nursery->link, out_is_open, err);
    while (rc == KN_OK && *out_is_open) {
        struct kn_frame frame;
        bool has = false;
        int fd = -1;
        rc = kn_link_next(&nursery->link, &frame, &fd, &has, err);
        if (rc || !has)
            break;
        if (frame.type == KN_FRAME_FORK)
            rc = fork_asked(nursery, &frame, fd, err);
        else
            kn_close_fd(&fd);
    }
    return rc;
}

// What there is to do when nobody waits: what is left of warming up, before a child is forked from it.
static bool has_idle_work(const struct nursery *nursery)
{
    return nursery->warm_up ? nursery->n_children == 0 : nursery->spare_fd >= 0;
}

static kn_code idle_work(struct nursery *nursery, struct kn_error *err)
{
    if (!nursery->warm_up)
        return fork_one(nursery, nursery->spare_request, KN_TAKE_FD(nursery->spare_fd), true, err);
    nursery->warm_up();
    nursery->warm_up = NULL;
    return KN_OK;
}

static kn_code serve(struct nursery *nursery, struct kn_error *err)
{
    for (;;) {
        struct pollfd polls[] = {
            {.fd = nursery->link.fd, .events = POLLIN},
            {.fd = nursery->signal_fd, .events = POLLIN},
        };
        // A job that waits goes first, and one that runs is not slowed.
        int n_ready = poll(polls, KN_COUNT(polls), has_idle_work(nursery) ? 0 : -1);
        if (n_ready < 0 && errno != EINTR)
            return kn_fail_errno(err, errno, "cannot wait");
        bool is_open = true;
        kn_code rc = n_ready == 0 ? idle_work(nursery, err) : KN_OK;
        if (rc == KN_OK && polls[1].revents)
            rc = reap(nursery, err);
        if (rc == KN_OK && polls[0].revents)
            rc = serve_frames(nursery, &is_open, err);
        if (rc || !is_open)
            return rc;
    }
}

int kn_nursery_main(int control_fd, const struct kn_worker_feature *features, void (*warm_up)(void))
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "kinora-nursery");
    if (control_fd != CONTROL_FD && dup2(control_fd, CONTROL_FD) < 0)
        return 1;
    (void)syscall(SYS_close_range, CONTROL_FD + 1, ~0U, 0); // nothing of the supervisor's stays open
    (void)signal(SIGINT, SIG_IGN); // Ctrl-C is the supervisor's business
    (void)signal(SIGPIPE, SIG_IGN);
    sigset_t children;
    (void)sigemptyset(&children);
    (void)sigaddset(&children, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &children, NULL);

    struct nursery nursery = {
        .signal_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK),
        .features = features,
        .warm_up = warm_up,
        .spare_fd = -1,
    };
    kn_link_init(&nursery.link, CONTROL_FD, KN_PEER_SUPERVISOR);
    struct kn_error error = {0};
    kn_code rc = serve(&nursery, &error);
    // Its supervisor gone is an ordinary end; the children die with us.
    if (rc && rc != KN_EIO)
        KN_ERROR(NULL, "nursery: %s", error.message);
    return rc && rc != KN_EIO;
}
