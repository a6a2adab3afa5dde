/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * epoll, a list of timers (a supervisor has a few per running job), an eventfd that wakes the loop
 * for messages of other threads, and a pool.
 *
 * Locks: `posted_lock` and `work_lock` guard one list each, are held for a few instructions, and
 * neither is held while taking the other or calling anybody.
 */
#include "supervisor/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"

#define MAX_EVENTS 64

struct kn_loop_watch {
    int fd; // borrowed; -1 once unwatched
    kn_loop_ready ready;
    void *context;
    struct kn_loop_watch *next_dead;
};

struct message {
    struct message *next;
    kn_loop_fn work; // NULL: only `done`
    kn_loop_fn done;
    void *context;
};

struct queue {
    struct message *first, *last;
};

struct kn_loop {
    int epoll_fd, wake_fd; // owned
    atomic_bool is_stopped;
    // --- the loop's thread
    struct kn_loop_timer *timers;
    struct kn_loop_watch *dead; // unwatched in this turn: events may still name them
    int n_working;              // work whose `done` has not run
    // --- protected by posted_lock
    pthread_mutex_t posted_lock;
    struct queue posted;
    // --- protected by work_lock
    pthread_mutex_t work_lock;
    pthread_cond_t has_work;
    struct queue work;
    bool is_closing;
    // --- set once
    pthread_t *threads; // owned
    int n_threads;
};

/* ---- queues ---- */

static void queue_put(struct queue *queue, struct message *message)
{
    message->next = NULL;
    if (queue->last)
        queue->last->next = message;
    else
        queue->first = message;
    queue->last = message;
}

static struct message *queue_take(struct queue *queue)
{
    struct message *message = queue->first;
    if (message)
        queue->first = message->next;
    if (!queue->first)
        queue->last = NULL;
    return message;
}

static void loop_wake(struct kn_loop *loop)
{
    uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof(one));
    (void)n; // a full counter is a loop that has been woken already
}

static void loop_put(struct kn_loop *loop, struct message *message)
{
    (void)pthread_mutex_lock(&loop->posted_lock);
    queue_put(&loop->posted, message);
    (void)pthread_mutex_unlock(&loop->posted_lock);
    loop_wake(loop);
}

bool kn_loop_post(struct kn_loop *loop, kn_loop_fn fn, void *context)
{
    struct message *message = calloc(1, sizeof(*message));
    if (!message)
        return false;
    *message = (struct message){.done = fn, .context = context};
    loop_put(loop, message);
    return true;
}

// Run what has been posted until now; what it posts itself waits for the next turn.
static void posted_run(struct kn_loop *loop)
{
    (void)pthread_mutex_lock(&loop->posted_lock);
    struct queue all = loop->posted;
    loop->posted = (struct queue){0};
    (void)pthread_mutex_unlock(&loop->posted_lock);
    for (;;) {
        kn_auto(kn_free) struct message *message = queue_take(&all);
        if (!message)
            return;
        if (message->work)
            loop->n_working--;
        message->done(message->context);
    }
}

/* ---- the pool ---- */

static void *pool_main(void *argument)
{
    struct kn_loop *loop = argument;
    (void)pthread_setname_np(pthread_self(), "kn-pool");
    for (;;) {
        (void)pthread_mutex_lock(&loop->work_lock);
        while (!loop->work.first && !loop->is_closing)
            (void)pthread_cond_wait(&loop->has_work, &loop->work_lock);
        struct message *message = queue_take(&loop->work);
        (void)pthread_mutex_unlock(&loop->work_lock);
        if (!message)
            return NULL;
        message->work(message->context);
        loop_put(loop, message);
    }
}

bool kn_loop_work(struct kn_loop *loop, kn_loop_fn work, kn_loop_fn done, void *context)
{
    struct message *message = calloc(1, sizeof(*message));
    if (!message)
        return false;
    *message = (struct message){.work = work, .done = done, .context = context};
    loop->n_working++;
    if (loop->n_threads == 0) {
        work(context);
        loop_put(loop, message);
        return true;
    }
    (void)pthread_mutex_lock(&loop->work_lock);
    queue_put(&loop->work, message);
    (void)pthread_cond_signal(&loop->has_work);
    (void)pthread_mutex_unlock(&loop->work_lock);
    return true;
}

/* ---- timers ---- */

void kn_loop_timer_unset(struct kn_loop *loop, struct kn_loop_timer *timer)
{
    if (!timer->is_set)
        return;
    struct kn_loop_timer **at = &loop->timers;
    while (*at != timer)
        at = &(*at)->next;
    *at = timer->next;
    timer->is_set = false;
}

void kn_loop_timer_set(struct kn_loop *loop, struct kn_loop_timer *timer, int64_t after_us,
                       kn_loop_tick tick, void *context)
{
    kn_loop_timer_unset(loop, timer);
    *timer = (struct kn_loop_timer){
        .next = NULL,
        .due_us = kn_mono_us() + (after_us > 0 ? after_us : 0),
        .tick = tick,
        .context = context,
        .is_set = true,
    };
    struct kn_loop_timer **at = &loop->timers;
    while (*at && (*at)->due_us <= timer->due_us)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

static void timers_run(struct kn_loop *loop)
{
    int64_t now = kn_mono_us(); // timers set by ticks are due later than this: the loop below ends
    while (loop->timers && loop->timers->due_us <= now) {
        struct kn_loop_timer *timer = loop->timers;
        kn_loop_timer_unset(loop, timer);
        timer->tick(timer->context);
    }
}

static int timers_wait_ms(const struct kn_loop *loop)
{
    if (!loop->timers)
        return -1;
    int64_t left = loop->timers->due_us - kn_mono_us();
    if (left <= 0)
        return 0;
    return left > KN_HOUR ? (int)(KN_HOUR / 1000) : (int)((left + 999) / 1000);
}

/* ---- watches ---- */

static uint32_t epoll_bits(bool wants_writes)
{
    return wants_writes ? EPOLLIN | EPOLLOUT : EPOLLIN;
}

struct kn_loop_watch *kn_loop_watch(struct kn_loop *loop, int fd, kn_loop_ready ready,
                                    void *context)
{
    struct kn_loop_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return NULL;
    *watch = (struct kn_loop_watch){.fd = fd, .ready = ready, .context = context};
    struct epoll_event event = {.events = epoll_bits(false), .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(watch);
        return NULL;
    }
    return watch;
}

void kn_loop_watch_writes(struct kn_loop *loop, struct kn_loop_watch *watch, bool wants_writes)
{
    struct epoll_event event = {.events = epoll_bits(wants_writes), .data.ptr = watch};
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event); // cannot fail: it is there
}

void kn_loop_unwatch(struct kn_loop *loop, struct kn_loop_watch **watch)
{
    struct kn_loop_watch *w = *watch;
    *watch = NULL;
    if (!w)
        return;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->fd = -1;
    w->next_dead = loop->dead;
    loop->dead = w;
}

static void dead_free(struct kn_loop *loop)
{
    while (loop->dead) {
        struct kn_loop_watch *watch = loop->dead;
        loop->dead = watch->next_dead;
        free(watch);
    }
}

/* ---- the loop ---- */

static void loop_turn(struct kn_loop *loop)
{
    struct epoll_event events[MAX_EVENTS];
    int n = epoll_wait(loop->epoll_fd, events, MAX_EVENTS, timers_wait_ms(loop));
    for (int i = 0; i < n; i++) {
        struct kn_loop_watch *watch = events[i].data.ptr;
        if (!watch) { // the wake-up
            uint64_t count;
            ssize_t got = read(loop->wake_fd, &count, sizeof(count));
            (void)got; // only its being readable matters
        } else if (watch->fd >= 0) {
            uint32_t bits = events[i].events;
            watch->ready(watch->context, bits & (EPOLLIN | EPOLLHUP | EPOLLERR), bits & EPOLLOUT);
        }
    }
    posted_run(loop);
    timers_run(loop);
    dead_free(loop);
}

void kn_loop_run(struct kn_loop *loop)
{
    while (!atomic_load_explicit(&loop->is_stopped, memory_order_acquire))
        loop_turn(loop);
    atomic_store_explicit(&loop->is_stopped, false, memory_order_release);
}

void kn_loop_stop(struct kn_loop *loop)
{
    atomic_store_explicit(&loop->is_stopped, true, memory_order_release);
    loop_wake(loop);
}

static kn_code loop_start(struct kn_loop *loop, int n_pool, struct kn_error *err)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) != 0)
        return kn_fail_errno(err, errno, "cannot make an event loop");
    if (n_pool == 0)
        return KN_OK;
    loop->threads = calloc((size_t)n_pool, sizeof(*loop->threads));
    if (!loop->threads)
        return kn_fail(err, KN_ENOMEM, "no memory for %d threads", n_pool);
    for (; loop->n_threads < n_pool; loop->n_threads++) {
        int e = pthread_create(&loop->threads[loop->n_threads], NULL, pool_main, loop);
        if (e)
            return kn_fail_errno(err, e, "cannot start a thread");
    }
    return KN_OK;
}

kn_code kn_loop_new(struct kn_loop **out, int n_pool, struct kn_error *err)
{
    *out = NULL;
    struct kn_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return kn_fail(err, KN_ENOMEM, "no memory for an event loop");
    loop->epoll_fd = loop->wake_fd = -1;
    (void)pthread_mutex_init(&loop->posted_lock, NULL);
    (void)pthread_mutex_init(&loop->work_lock, NULL);
    (void)pthread_cond_init(&loop->has_work, NULL);
    kn_code rc = loop_start(loop, n_pool, err);
    if (rc)
        kn_loop_free(&loop);
    *out = loop;
    return rc;
}

void kn_loop_free(struct kn_loop **loop)
{
    struct kn_loop *l = *loop;
    if (!l)
        return;
    (void)pthread_mutex_lock(&l->work_lock);
    l->is_closing = true; // the pool drains what is queued, then ends
    (void)pthread_cond_broadcast(&l->has_work);
    (void)pthread_mutex_unlock(&l->work_lock);
    for (int i = 0; i < l->n_threads; i++)
        (void)pthread_join(l->threads[i], NULL);
    posted_run(l);
    dead_free(l);
    kn_close_fd(&l->epoll_fd);
    kn_close_fd(&l->wake_fd);
    (void)pthread_cond_destroy(&l->has_work);
    (void)pthread_mutex_destroy(&l->work_lock);
    (void)pthread_mutex_destroy(&l->posted_lock);
    free(l->threads);
    free(l);
    *loop = NULL;
}
