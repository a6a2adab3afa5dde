#pragma once
/*
 * The keeper: keeps one nursery (worker/nursery.h) alive and has it fork children.
 *
 * Everything here belongs to the loop's thread, which must live as long as the keeper: the nursery
 * dies with the thread that started it (PR_SET_PDEATHSIG), and its children with it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "supervisor/loop.h"

struct kn_keeper;

/* How a child ended. */
struct kn_exit {
    bool is_lost;        // the nursery died, and so did the child; `status` is unknown
    int status;          // as from wait()
    int64_t cpu_us;      // of processor time
    int64_t peak_bytes;  // of resident memory
};

/* A child, embedded in its owner; zeroed before the first use. */
struct kn_kept {
    struct kn_kept *next;
    struct kn_loop_watch *watch; // owned by the keeper: on the pidfd of a child of our own
    uint32_t request;
    int pid;   // 0 before it is forked
    int pidfd; // owned; -1 before it is forked and after it ended
    // Called once: with the child's end, or with the reason why there will be none.
    void (*ended)(void *context, const struct kn_exit *exit, const struct kn_error *why_not);
    void *context;
};

/* `program`: path of kinora-worker; copied. The nursery is started now. */
kn_code kn_keeper_new(struct kn_keeper **out, struct kn_loop *loop, const char *program,
                      struct kn_error *err);
/*
 * The life of a child forked from this process, from its link's first frame on; it does not return. `parent_pid` is
 * this process, with which it is to die. As much of our environment as a nursery may know is left to it.
 */
typedef void (*kn_keeper_child)(int link_fd, int parent_pid);
/*
 * A keeper without a nursery: children, one at a time, are forked from this process, which must have one thread then
 * and hold nothing in memory that a job must not see. For the moments that starting a program takes.
 */
kn_code kn_keeper_new_own(struct kn_keeper **out, struct kn_loop *loop, kn_keeper_child child, struct kn_error *err);
/* Nobody needs the nursery any more: its end begins now, and kn_keeper_free() finds it over. The loop must not run again. */
void kn_keeper_dismiss(struct kn_keeper *keeper);
/* Kills what still lives. No callback comes any more. */
void kn_keeper_free(struct kn_keeper **keeper);

/*
 * Fork a child, or take the one forked ahead; *out_fd is our end of its link, non-blocking, the
 * caller's. KN_OK: `ended` will be called, later. KN_EIO: there is no nursery, and starting one failed
 * just now.
 */
kn_code kn_keeper_fork(struct kn_keeper *keeper, struct kn_kept *kept, int *out_fd,
                       struct kn_error *err);
/*
 * Have one child forked ahead, unless there is one: it waits for its job, which then need not wait for a
 * fork. The nursery forks it when it has nothing else to do. Best effort: it is only speed.
 */
void kn_keeper_fork_ahead(struct kn_keeper *keeper);
/* False while a nursery that keeps dying is left alone for a moment: claim no jobs now. */
bool kn_keeper_is_ready(const struct kn_keeper *keeper);
int64_t kn_keeper_n_starts(const struct kn_keeper *keeper);

/* Send a signal to the child, if it lives. */
void kn_kept_signal(const struct kn_kept *kept, int signal_number);
