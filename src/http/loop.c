/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Event loops and their mailboxes. libevent's own locking stays off: a base is touched by its thread
 * alone, and an eventfd carries the news that the mailbox has something.
 */
#include "http/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "http/connection.h"
#include "http/reply.h"
#include "http/request.h"

// Deadlines are checked this often: a quarter of the shortest, within these bounds.
#define TICK_MIN_US (10 * 1000)
#define TICK_MAX_US KN_SECOND

static _Thread_local struct kn_http_loop *current;

struct kn_http_loop *kn_http_loop_current(void)
{
    return current;
}

/* ---- the mailbox ---- */

// Called with the lock held.
static void loop_wake(struct kn_http_loop *loop)
{
    if (loop->is_woken || loop->is_over)
        return;
    loop->is_woken = true;
    uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof(one));
    (void)n; // an eventfd with room takes 8 bytes
}

void kn_http_loop_give(struct kn_http_loop *loop, struct kn_http_arrival *arrival)
{
    pthread_mutex_lock(&loop->lock);
    arrival->next = loop->arrivals;
    loop->arrivals = arrival;
    loop_wake(loop);
    pthread_mutex_unlock(&loop->lock);
}

static void loop_free(struct kn_http_loop *loop)
{
    if (loop->wake)
        event_free(loop->wake);
    if (loop->tick)
        event_free(loop->tick);
    if (loop->base)
        event_base_free(loop->base);
    kn_close_fd(&loop->wake_fd);
    kn_buf_clear(&loop->scratch);
    pthread_cond_destroy(&loop->emptied);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

// A reply after the end: nobody is there to send it to.
static void post_late(struct kn_http_loop *loop, struct kn_http_request *request, bool is_final)
{
    bool is_last = false;
    if (is_final) {
        kn_http_request_free(request);
        loop->n_requests--;
        is_last = loop->is_released && loop->n_requests == 0;
    }
    pthread_mutex_unlock(&loop->lock);
    if (is_last)
        loop_free(loop);
}

void kn_http_loop_post(struct kn_http_loop *loop, struct kn_http_request *request, bool is_final)
{
    pthread_mutex_lock(&loop->lock);
    if (loop->is_over) {
        post_late(loop, request, is_final);
        return;
    }
    request->is_final |= is_final;
    if (!request->is_posted) {
        request->is_posted = true;
        request->next_posted = NULL;
        if (loop->posted_last)
            loop->posted_last->next_posted = request;
        else
            loop->posted_first = request;
        loop->posted_last = request;
        loop_wake(loop);
    }
    pthread_mutex_unlock(&loop->lock);
}

static void arrivals_open(struct kn_http_loop *loop, struct kn_http_arrival *list)
{
    while (list) {
        struct kn_http_arrival *next = list->next;
        kn_http_conn_open(loop, list);
        free(list);
        list = next;
    }
}

static struct kn_http_request *posted_take(struct kn_http_loop *loop, bool *out_is_final)
{
    pthread_mutex_lock(&loop->lock);
    struct kn_http_request *request = loop->posted_first;
    if (request) {
        loop->posted_first = request->next_posted;
        if (!loop->posted_first)
            loop->posted_last = NULL;
        request->is_posted = false;
        *out_is_final = request->is_final;
    }
    pthread_mutex_unlock(&loop->lock);
    return request;
}

static void loop_news(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    struct kn_http_loop *loop = context;
    uint64_t count;
    ssize_t n = read((int)fd, &count, sizeof(count));
    (void)n; // woken without a count is fine: the mailbox decides

    pthread_mutex_lock(&loop->lock);
    loop->is_woken = false;
    struct kn_http_arrival *arrivals = loop->arrivals;
    loop->arrivals = NULL;
    bool must_drain = loop->must_drain, must_close = loop->must_close, must_end = loop->must_end;
    pthread_mutex_unlock(&loop->lock);

    arrivals_open(loop, arrivals);
    bool is_final = false;
    for (struct kn_http_request *r; (r = posted_take(loop, &is_final)) != NULL;)
        kn_http_reply_news(r, is_final);
    if (must_drain)
        kn_http_conns_drain(loop, must_close || must_end);
    if (must_end)
        (void)event_base_loopbreak(loop->base);
}

/* ---- the thread ---- */

static void loop_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    kn_http_conns_check(context);
}

static void *loop_main(void *context)
{
    struct kn_http_loop *loop = context;
    current = loop;
    (void)event_base_dispatch(loop->base);

    // What came in during the last round is refused; what was replied to is freed.
    pthread_mutex_lock(&loop->lock);
    loop->is_over = true;
    struct kn_http_arrival *arrivals = loop->arrivals;
    loop->arrivals = NULL;
    pthread_mutex_unlock(&loop->lock);
    while (arrivals) {
        struct kn_http_arrival *next = arrivals->next;
        (void)close(arrivals->fd);
        free(arrivals);
        arrivals = next;
    }
    bool is_final = false;
    for (struct kn_http_request *r; (r = posted_take(loop, &is_final)) != NULL;)
        kn_http_reply_news(r, is_final);
    return NULL;
}

static struct timeval tick_interval(const struct kn_http_shared *shared)
{
    int64_t us = (shared->idle_us < shared->stall_us ? shared->idle_us : shared->stall_us) / 4;
    us = us < TICK_MIN_US ? TICK_MIN_US : us > TICK_MAX_US ? TICK_MAX_US : us;
    return (struct timeval){.tv_sec = us / KN_SECOND, .tv_usec = us % KN_SECOND};
}

kn_code kn_http_loop_new(struct kn_http_loop **out, struct kn_http_shared *shared,
                         struct kn_error *err)
{
    *out = NULL;
    struct kn_http_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return kn_fail(err, KN_ENOMEM, "no memory for an event loop");
    loop->shared = shared;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&loop->emptied, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&loop->lock, NULL);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct event_config *config = event_config_new();
    if (config)
        (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    loop->base = config ? event_base_new_with_config(config) : NULL;
    if (config)
        event_config_free(config);
    if (loop->base && loop->wake_fd >= 0) {
        loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, loop_news, loop);
        loop->tick = event_new(loop->base, -1, EV_PERSIST, loop_tick, loop);
    }
    struct timeval interval = tick_interval(shared);
    if (!loop->wake || !loop->tick || event_add(loop->wake, NULL) != 0 ||
        event_add(loop->tick, &interval) != 0) {
        loop_free(loop);
        return kn_fail(err, KN_ELIMIT, "cannot set up an event loop");
    }
    *out = loop;
    return KN_OK;
}

kn_code kn_http_loop_start(struct kn_http_loop *loop, struct kn_error *err)
{
    // Signals belong to the main thread; a blocked SIGPIPE makes writing to a gone client an errno.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&loop->thread, NULL, loop_main, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return kn_fail_errno(err, failed, "cannot start an event loop");
    loop->has_thread = true;
    (void)pthread_setname_np(loop->thread, "http-loop"); // best effort
    return KN_OK;
}

void kn_http_loop_join(struct kn_http_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->must_drain = loop->must_end = true;
    loop_wake(loop);
    pthread_mutex_unlock(&loop->lock);
    if (loop->has_thread)
        (void)pthread_join(loop->thread, NULL);
    loop->has_thread = false;
}

void kn_http_loop_end(struct kn_http_loop **loop_at)
{
    struct kn_http_loop *loop = KN_TAKE(*loop_at);
    if (!loop)
        return;
    kn_http_loop_join(loop);
    pthread_mutex_lock(&loop->lock);
    loop->is_over = loop->is_released = true;
    bool is_last = loop->n_requests == 0;
    pthread_mutex_unlock(&loop->lock);
    if (is_last)
        loop_free(loop);
}

/* ---- draining ---- */

void kn_http_loop_drain(struct kn_http_loop *loop, bool at_once)
{
    pthread_mutex_lock(&loop->lock);
    loop->must_drain = true;
    loop->must_close |= at_once;
    loop_wake(loop);
    pthread_mutex_unlock(&loop->lock);
}

bool kn_http_loop_wait_empty(struct kn_http_loop *loop, int64_t deadline_us)
{
    struct timespec until = {.tv_sec = deadline_us / KN_SECOND,
                             .tv_nsec = (deadline_us % KN_SECOND) * 1000};
    pthread_mutex_lock(&loop->lock);
    while (loop->n_conns > 0 || loop->arrivals)
        if (pthread_cond_timedwait(&loop->emptied, &loop->lock, &until) == ETIMEDOUT)
            break;
    bool is_empty = loop->n_conns == 0;
    pthread_mutex_unlock(&loop->lock);
    return is_empty;
}

void kn_http_loop_count_conn(struct kn_http_loop *loop, int change)
{
    pthread_mutex_lock(&loop->lock);
    loop->n_conns += change;
    if (loop->n_conns == 0)
        pthread_cond_broadcast(&loop->emptied);
    pthread_mutex_unlock(&loop->lock);
}

const char *kn_http_loop_date(struct kn_http_loop *loop)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != loop->date_at) {
        char text[32];
        kn_time_http(text, (int64_t)now.tv_sec * KN_SECOND);
        (void)snprintf(loop->date, sizeof(loop->date), "Date: %s\r\n", text);
        loop->date_at = now.tv_sec;
    }
    return loop->date;
}
