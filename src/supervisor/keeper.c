/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Starting the nursery, and telling which child ended. The nursery gets a chosen environment (keys may
 * be in ours) and no descriptor but its end of the control socket.
 */
#include "supervisor/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "link/link.h"

// A nursery that lived less than this died of something that will happen again.
#define SHORT_LIFE_US KN_SECOND
#define PAUSE_US KN_SECOND
// SIGKILL is on its way to children whose nursery died; more than this is a machine in trouble.
#define LAST_BREATH_MS 2000
#define CONTROL_FD 3

struct kn_keeper {
    struct kn_loop *loop; // borrowed
    char *program;        // owned; NULL: children of our own
    kn_keeper_child child; // what these do
    int pid;              // 0: no nursery
    int64_t started_us;   // monotonic
    int64_t pause_until_us;
    int64_t n_starts;
    uint32_t last_request;
    struct kn_link link;
    struct kn_loop_watch *watch;
    struct kn_kept *kept; // borrowed, in no order
    struct kn_kept spare; // the child forked ahead, among `kept` as long as it lives
    int spare_fd;         // owned; our end of its link; -1: there is none, nor asked for
};

/* ---- the process ---- */

// What a nursery may know of our environment.
static const char *const passed_on[] = {
    "PATH", "LANG", "LC_ALL", "TZ", "KINORA_LOG", "KINORA_CHILD_STDERR", "FONTCONFIG_FILE",
    "FONTCONFIG_PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
    "UBSAN_OPTIONS", "TESSDATA_PREFIX",
};

static bool is_passed_on(const char *variable)
{
    for (size_t i = 0; i < KN_COUNT(passed_on); i++) {
        const size_t n = strlen(passed_on[i]);
        if (strncmp(variable, passed_on[i], n) == 0 && variable[n] == '=')
            return true;
    }
    return false;
}

// NULL-terminated, owned as a whole by the caller through one pointer to the array and its texts.
static bool environment_make(char *out[KN_COUNT(passed_on) + 2])
{
    size_t n = 0;
    // libgomp reads it when it is loaded (decisions 2); our own threads are counted by n_threads.
    out[n] = strdup("OMP_THREAD_LIMIT=1");
    bool ok = out[n++] != NULL;
    for (size_t i = 0; i < KN_COUNT(passed_on) && ok; i++) {
        const char *value = getenv(passed_on[i]);
        if (!value)
            continue;
        ok = asprintf(&out[n], "%s=%s", passed_on[i], value) >= 0;
        n += ok;
    }
    out[n] = NULL;
    return ok;
}

static int spawn(const char *program, int control_fd, int *out_pid)
{
    char *environment[KN_COUNT(passed_on) + 2] = {0};
    char *arguments[] = {(char[]){"kinora-worker"}, (char[]){"--nursery"}, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    int e = ENOMEM;
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawnattr_init(&attr);
    // A group of its own: Ctrl-C in a terminal reaches us alone.
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    sigset_t none, defaults;
    (void)sigemptyset(&none);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &defaults);
    if (environment_make(environment) &&
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0) == 0 &&
        posix_spawn_file_actions_adddup2(&files, 0, 1) == 0 &&
        posix_spawn_file_actions_adddup2(&files, control_fd, CONTROL_FD) == 0)
        e = posix_spawn(out_pid, program, &files, &attr, arguments, environment);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attr);
    for (size_t i = 0; environment[i]; i++)
        free(environment[i]);
    return e;
}

static void keeper_ready(void *context, bool is_readable, bool is_writable);

// The two ends of a new link, ours non-blocking.
static kn_code link_make(int *out_ours, int *out_theirs, struct kn_error *err)
{
    int fds[2];
    kn_code rc = kn_link_pair(fds, err);
    if (rc)
        return rc;
    *out_ours = fds[0];
    *out_theirs = fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 ? KN_OK : kn_fail_errno(err, errno, "cannot prepare a socket");
}

static kn_code nursery_start(struct kn_keeper *keeper, struct kn_error *err)
{
    kn_auto(kn_close_fd) int ours = -1;
    kn_auto(kn_close_fd) int theirs = -1;
    kn_code rc = link_make(&ours, &theirs, err);
    if (rc)
        return rc;
    // posix_spawn's dup2 onto itself would leave close-on-exec set: be sure to be elsewhere.
    kn_auto(kn_close_fd) int moved = fcntl(theirs, F_DUPFD_CLOEXEC, CONTROL_FD + 1);
    if (moved < 0)
        return kn_fail_errno(err, errno, "cannot prepare a socket");
    int pid = 0, e = spawn(keeper->program, moved, &pid);
    if (e)
        return kn_fail(err, KN_EIO, "cannot start '%s': %s", keeper->program, strerror(e));
    keeper->pid = pid;
    keeper->started_us = kn_mono_us();
    keeper->n_starts++;
    kn_link_init(&keeper->link, KN_TAKE_FD(ours), KN_PEER_NURSERY);
    keeper->watch = kn_loop_watch(keeper->loop, keeper->link.fd, keeper_ready, keeper);
    if (!keeper->watch)
        return kn_fail(err, KN_ENOMEM, "no memory to watch the nursery");
    return KN_OK;
}

static void nursery_end(struct kn_keeper *keeper)
{
    kn_loop_unwatch(keeper->loop, &keeper->watch);
    kn_link_clear(&keeper->link);
    if (keeper->pid > 0) {
        (void)kill(keeper->pid, SIGKILL); // not reaped yet, so the number is still its own
        while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    keeper->pid = 0;
}

/* ---- children ---- */

void kn_kept_signal(const struct kn_kept *kept, int signal_number)
{
    if (kept->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, kept->pidfd, signal_number, NULL, 0); // may have ended
}

static void kept_end(struct kn_keeper *keeper, struct kn_kept *kept, const struct kn_exit *exit,
                     const struct kn_error *why_not)
{
    struct kn_kept **at = &keeper->kept;
    while (*at != kept)
        at = &(*at)->next;
    *at = kept->next;
    kept->next = NULL;
    kn_close_fd(&kept->pidfd);
    kept->ended(kept->context, exit, why_not);
}

// The nursery is gone: its children are being killed by the kernel. Wait for each, so that nobody
// writes into a job's folder after we say that it ended.
static void keeper_lost(struct kn_keeper *keeper)
{
    bool was_short = kn_mono_us() - keeper->started_us < SHORT_LIFE_US;
    KN_WARN(NULL, "the nursery died%s", was_short ? " soon after its start" : "");
    nursery_end(keeper);
    if (was_short)
        keeper->pause_until_us = kn_mono_us() + PAUSE_US;
    while (keeper->kept) {
        struct kn_kept *kept = keeper->kept;
        struct pollfd gone = {.fd = kept->pidfd, .events = POLLIN};
        kn_kept_signal(kept, SIGKILL);
        if (kept->pidfd >= 0)
            (void)poll(&gone, 1, LAST_BREATH_MS);
        const struct kn_exit lost = {.is_lost = true};
        kept_end(keeper, kept, &lost, NULL);
    }
    struct kn_error error = {0};
    if (!was_short && nursery_start(keeper, &error)) // be ready before the next job asks
        KN_ERROR(NULL, "%s", error.message);
}

static void on_forked(struct kn_keeper *keeper, const struct kn_frame *frame, const json_t *object,
                      int pidfd)
{
    kn_auto(kn_close_fd) int owned_fd = pidfd;
    for (struct kn_kept *kept = keeper->kept; kept; kept = kept->next) {
        if (kept->request != frame->request || kept->pid)
            continue;
        kept->pid = (int)json_integer_value(json_object_get(object, "pid"));
        kept->pidfd = KN_TAKE_FD(owned_fd);
        return;
    }
}

static void on_exited(struct kn_keeper *keeper, const json_t *object)
{
    int pid = (int)json_integer_value(json_object_get(object, "pid"));
    const struct kn_exit exit = {
        .status = (int)json_integer_value(json_object_get(object, "status")),
        .cpu_us = json_integer_value(json_object_get(object, "cpu_us")),
        .peak_bytes = json_integer_value(json_object_get(object, "peak_bytes")),
    };
    for (struct kn_kept *kept = keeper->kept; kept; kept = kept->next) {
        if (kept->pid == pid) {
            kept_end(keeper, kept, &exit, NULL);
            return;
        }
    }
}

static void on_fork_failed(struct kn_keeper *keeper, const struct kn_frame *frame,
                           const json_t *object)
{
    struct kn_error why = {0};
    (void)kn_frame_error(object, &why);
    for (struct kn_kept *kept = keeper->kept; kept; kept = kept->next) {
        if (kept->request == frame->request && !kept->pid) {
            kept_end(keeper, kept, NULL, &why);
            return;
        }
    }
}

static kn_code frame_take(struct kn_keeper *keeper, const struct kn_frame *frame, int fd,
                          struct kn_error *err)
{
    kn_auto(kn_close_fd) int owned_fd = fd;
    json_auto_t *object = NULL;
    kn_code rc = kn_frame_json(frame, &object, err);
    if (rc)
        return rc;
    if (frame->type == KN_FRAME_FORKED)
        on_forked(keeper, frame, object, KN_TAKE_FD(owned_fd));
    else if (frame->type == KN_FRAME_EXITED)
        on_exited(keeper, object);
    else
        on_fork_failed(keeper, frame, object);
    return KN_OK;
}

static void keeper_ready(void *context, bool is_readable, bool is_writable)
{
    struct kn_keeper *keeper = context;
    struct kn_error error = {0};
    bool is_open = true, has = true;
    kn_code rc = is_writable ? kn_link_flush(&keeper->link, &error) : KN_OK;
    if (rc == KN_OK && is_readable)
        rc = kn_link_pump(&keeper->link, &is_open, &error);
    while (rc == KN_OK && is_open && has) {
        struct kn_frame frame;
        int fd = -1;
        rc = kn_link_next(&keeper->link, &frame, &fd, &has, &error);
        if (rc == KN_OK && has)
            rc = frame_take(keeper, &frame, fd, &error);
    }
    if (rc)
        KN_WARN(NULL, "nursery: %s", error.message);
    if (rc || !is_open)
        keeper_lost(keeper);
    else
        kn_loop_watch_writes(keeper->loop, keeper->watch, kn_link_has_output(&keeper->link));
}

/* ---- children of our own ---- */

// In the child: what a nursery would not know must not be in its memory either.
static void environment_forget(void)
{
    for (char **at = environ; at && *at; at++)
        if (!is_passed_on(*at))
            explicit_bzero(*at, strlen(*at));
}

// In the child: what spawn() does for a nursery. Signals and descriptors from 3 on are its own business.
static void own_begin(const struct kn_keeper *keeper, int link_fd, int parent_pid)
{
    const int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0)
        _exit(70);
    (void)setpgid(0, 0); // Ctrl-C in a terminal reaches its parent alone
    environment_forget();
    keeper->child(link_fd, parent_pid);
    _exit(70);
}

static void own_wait(struct kn_keeper *keeper, struct kn_kept *kept, struct kn_exit *out_exit)
{
    struct rusage usage = {0};
    kn_loop_unwatch(keeper->loop, &kept->watch);
    *out_exit = (struct kn_exit){0};
    while (wait4(kept->pid, &out_exit->status, 0, &usage) < 0 && errno == EINTR)
        ;
    out_exit->cpu_us = (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * KN_SECOND +
                       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    out_exit->peak_bytes = (int64_t)usage.ru_maxrss * 1024;
}

static void own_ended(void *context, bool is_readable, bool is_writable)
{
    struct kn_keeper *keeper = context;
    struct kn_kept *kept = keeper->kept;
    struct kn_exit exit;
    (void)is_readable, (void)is_writable;
    own_wait(keeper, kept, &exit);
    kept_end(keeper, kept, &exit, NULL);
}

static void own_kill(struct kn_keeper *keeper, struct kn_kept *kept)
{
    struct kn_exit ignored;
    (void)kill(kept->pid, SIGKILL); // not reaped yet, so the number is still its own
    own_wait(keeper, kept, &ignored);
    kn_close_fd(&kept->pidfd);
}

static kn_code own_fork(struct kn_keeper *keeper, struct kn_kept *kept, int *out_fd, struct kn_error *err)
{
    kn_auto(kn_close_fd) int ours = -1;
    kn_auto(kn_close_fd) int theirs = -1;
    if (keeper->kept)
        return kn_fail(err, KN_EBUG, "a second child was asked for");
    kn_code rc = link_make(&ours, &theirs, err);
    if (rc)
        return rc;
    const int self = getpid(), pid = fork();
    if (pid == 0)
        own_begin(keeper, theirs, self);
    if (pid < 0)
        return kn_fail(err, KN_ELIMIT, "cannot start another process: %s", strerror(errno));
    kept->pid = pid;
    kept->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (kept->pidfd >= 0)
        kept->watch = kn_loop_watch(keeper->loop, kept->pidfd, own_ended, keeper);
    if (!kept->watch) {
        own_kill(keeper, kept);
        return kn_fail(err, KN_ELIMIT, "cannot watch another process");
    }
    keeper->kept = kept;
    *out_fd = KN_TAKE_FD(ours);
    return KN_OK;
}

/* ---- the keeper ---- */

kn_code kn_keeper_new_own(struct kn_keeper **out, struct kn_loop *loop, kn_keeper_child child, struct kn_error *err)
{
    struct kn_keeper *keeper = calloc(1, sizeof(*keeper));
    *out = keeper;
    if (!keeper)
        return kn_fail(err, KN_ENOMEM, "no memory for children");
    keeper->loop = loop;
    keeper->child = child;
    keeper->link.fd = keeper->spare_fd = -1;
    return KN_OK;
}

kn_code kn_keeper_new(struct kn_keeper **out, struct kn_loop *loop, const char *program,
                      struct kn_error *err)
{
    *out = NULL;
    struct kn_keeper *keeper = calloc(1, sizeof(*keeper));
    if (!keeper)
        return kn_fail(err, KN_ENOMEM, "no memory for a nursery");
    keeper->loop = loop;
    keeper->link.fd = keeper->spare_fd = -1;
    keeper->program = strdup(program);
    kn_code rc = keeper->program ? nursery_start(keeper, err)
                                 : kn_fail(err, KN_ENOMEM, "no memory for a nursery");
    if (rc)
        kn_keeper_free(&keeper);
    *out = keeper;
    return rc;
}

void kn_keeper_dismiss(struct kn_keeper *keeper)
{
    if (keeper->pid > 0)
        (void)kill(keeper->pid, SIGKILL); // not reaped yet, so the number is still its own
}

void kn_keeper_free(struct kn_keeper **keeper)
{
    struct kn_keeper *k = *keeper;
    if (!k)
        return;
    nursery_end(k);
    for (struct kn_kept *kept = k->kept; kept; kept = kept->next) {
        if (k->child)
            own_kill(k, kept);
        kn_close_fd(&kept->pidfd);
    }
    kn_close_fd(&k->spare_fd);
    free(k->program);
    free(k);
    *keeper = NULL;
}

// Ask the nursery for a child. *out_fd: our end of its link, non-blocking.
static kn_code child_ask(struct kn_keeper *keeper, bool is_ahead, struct kn_kept *kept, int *out_fd,
                         struct kn_error *err)
{
    kn_auto(kn_close_fd) int ours = -1;
    kn_auto(kn_close_fd) int theirs = -1;
    kn_code rc = link_make(&ours, &theirs, err);
    if (rc)
        return rc;
    kept->request = ++keeper->last_request;
    kept->pid = 0;
    kept->pidfd = -1;
    rc = kn_link_post_json(&keeper->link, KN_FRAME_FORK, kept->request,
                           json_pack("{s:b}", "ahead", is_ahead), KN_TAKE_FD(theirs), err);
    if (rc)
        return rc; // its end comes through the watch as well
    kept->next = keeper->kept;
    keeper->kept = kept;
    *out_fd = KN_TAKE_FD(ours);
    kn_loop_watch_writes(keeper->loop, keeper->watch, kn_link_has_output(&keeper->link));
    return KN_OK;
}

static void spare_ended(void *context, const struct kn_exit *exit, const struct kn_error *why_not)
{
    struct kn_keeper *keeper = context;
    (void)exit;
    (void)why_not;
    kn_close_fd(&keeper->spare_fd);
}

void kn_keeper_fork_ahead(struct kn_keeper *keeper)
{
    if (keeper->spare_fd >= 0 || !keeper->pid)
        return;
    keeper->spare = (struct kn_kept){.ended = spare_ended, .context = keeper};
    (void)child_ask(keeper, true, &keeper->spare, &keeper->spare_fd, NULL); // only speed
}

// The waiting child becomes the job's: `kept` takes its place in the list.
static void spare_take(struct kn_keeper *keeper, struct kn_kept *kept, int *out_fd)
{
    struct kn_kept **at = &keeper->kept;
    while (*at != &keeper->spare)
        at = &(*at)->next;
    *at = kept;
    kept->next = keeper->spare.next;
    kept->request = keeper->spare.request;
    kept->pid = keeper->spare.pid;
    kept->pidfd = KN_TAKE_FD(keeper->spare.pidfd);
    *out_fd = KN_TAKE_FD(keeper->spare_fd);
}

kn_code kn_keeper_fork(struct kn_keeper *keeper, struct kn_kept *kept, int *out_fd,
                       struct kn_error *err)
{
    *out_fd = -1;
    if (keeper->child)
        return own_fork(keeper, kept, out_fd, err);
    if (!kn_keeper_is_ready(keeper))
        return kn_fail(err, KN_EIO, "the worker program '%s' dies as soon as it starts",
                       keeper->program);
    kn_code rc = keeper->pid ? KN_OK : nursery_start(keeper, err);
    if (rc) {
        nursery_end(keeper);
        keeper->pause_until_us = kn_mono_us() + PAUSE_US;
        return rc;
    }
    // One that is asked for and not forked yet waits until the nursery is idle: no job waits with it.
    if (keeper->spare_fd >= 0 && keeper->spare.pid)
        spare_take(keeper, kept, out_fd);
    else
        rc = child_ask(keeper, false, kept, out_fd, err);
    return rc;
}

bool kn_keeper_is_ready(const struct kn_keeper *keeper)
{
    return kn_mono_us() >= keeper->pause_until_us;
}

int64_t kn_keeper_n_starts(const struct kn_keeper *keeper)
{
    return keeper->n_starts;
}
