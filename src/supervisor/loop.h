#pragma once
/*
 * The event loop of a supervisor: descriptors, timers, work for the pool.
 *
 * One thread runs the loop and alone touches watches, timers and everything hung on them. What may
 * block (store, database, HTTP, removing folders) goes to the pool with kn_loop_work(): `work` runs
 * on a pool thread, then `done` on the loop's, with the same context, which so belongs to one thread
 * at a time. From other threads only kn_loop_post() and kn_loop_stop() may be called.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct kn_loop;

/* `n_pool` threads, started now. 0: work is done by the loop's thread, where none of it takes long. */
kn_code kn_loop_new(struct kn_loop **out, int n_pool, struct kn_error *err);
/* Waits for work under way and calls its `done`; call it on the loop's thread, or after it ended. */
void kn_loop_free(struct kn_loop **loop);

/* Serve until kn_loop_stop(). Calls from inside `done` and callbacks are fine. */
void kn_loop_run(struct kn_loop *loop);
void kn_loop_stop(struct kn_loop *loop);

/* ---- descriptors ---- */

typedef void (*kn_loop_ready)(void *context, bool is_readable, bool is_writable);
struct kn_loop_watch;
/* The descriptor stays the caller's and must be open until kn_loop_unwatch(). NULL without memory. */
struct kn_loop_watch *kn_loop_watch(struct kn_loop *loop, int fd, kn_loop_ready ready,
                                    void *context);
/* Ask for writability too, or no longer. A new watch asks for readability alone. */
void kn_loop_watch_writes(struct kn_loop *loop, struct kn_loop_watch *watch, bool wants_writes);
/* Empty is welcome. No callback comes after it, also not from the present turn. */
void kn_loop_unwatch(struct kn_loop *loop, struct kn_loop_watch **watch);

/* ---- timers: embedded in their owner ---- */

typedef void (*kn_loop_tick)(void *context);
struct kn_loop_timer {
    struct kn_loop_timer *next;
    int64_t due_us; // monotonic
    kn_loop_tick tick;
    void *context;
    bool is_set;
};
/* Set, or set anew: one call of `tick`, `after_us` from now. */
void kn_loop_timer_set(struct kn_loop *loop, struct kn_loop_timer *timer, int64_t after_us,
                       kn_loop_tick tick, void *context);
void kn_loop_timer_unset(struct kn_loop *loop, struct kn_loop_timer *timer);

/* ---- other threads, and the pool ---- */

typedef void (*kn_loop_fn)(void *context);
/* Run `fn` on the loop's thread soon. Any thread. False without memory: it will not run. */
bool kn_loop_post(struct kn_loop *loop, kn_loop_fn fn, void *context);
/*
 * `work` on a pool thread, then `done` on the loop's. On the loop's thread only. The queue has no
 * bound of its own: whoever lets strangers queue work bounds it there.
 * False without memory: neither will run.
 */
bool kn_loop_work(struct kn_loop *loop, kn_loop_fn work, kn_loop_fn done, void *context);
