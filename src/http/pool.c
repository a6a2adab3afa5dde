/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pool: one queue, threads that come when needed and go when idle. */
#include "http/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "http/request.h"

// A thread without work ends after this.
#define IDLE_US (10 * KN_SECOND)
// Requests that may wait for each thread: with handlers of 10 ms the last waits 160 ms.
#define QUEUE_PER_THREAD 16

struct kn_http_pool {
    int max_threads, max_queued; // set once
    pthread_mutex_t lock;
    pthread_cond_t has_work, has_ended;
    // --- protected by lock
    struct kn_http_request *first, *last;
    int n_queued, n_threads, n_idle;
    bool is_waking; // a thread was woken and has not run yet
    bool is_closing;
};

kn_code kn_http_pool_new(struct kn_http_pool **out, int max_threads, struct kn_error *err)
{
    *out = NULL;
    struct kn_http_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return kn_fail(err, KN_ENOMEM, "no memory for the request threads");
    pool->max_threads = max_threads;
    pool->max_queued = max_threads * QUEUE_PER_THREAD;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->has_work, &monotonic);
    pthread_cond_init(&pool->has_ended, NULL);
    pthread_condattr_destroy(&monotonic);
    *out = pool;
    return KN_OK;
}

/*
 * With the lock held: whether to signal has_work. One thread is woken at a time, and wakes the next when
 * there is more than it can take: a thread that is about to be free often comes first, and waking costs
 * more than a small request does.
 */
static bool pool_must_wake(struct kn_http_pool *pool)
{
    if (!pool->first || pool->n_idle == 0 || pool->is_waking)
        return false;
    pool->is_waking = true;
    return true;
}

// With the lock held: the next request, or NULL when this thread should end.
static struct kn_http_request *pool_next(struct kn_http_pool *pool)
{
    int64_t deadline = kn_mono_us() + IDLE_US;
    struct timespec until = {.tv_sec = deadline / KN_SECOND,
                             .tv_nsec = (deadline % KN_SECOND) * 1000};
    while (!pool->first && !pool->is_closing) {
        pool->n_idle++;
        int rc = pthread_cond_timedwait(&pool->has_work, &pool->lock, &until);
        pool->n_idle--;
        pool->is_waking = false;
        if (rc == ETIMEDOUT)
            break;
    }
    struct kn_http_request *request = pool->first;
    if (request) {
        pool->first = request->next_in_pool;
        if (!pool->first)
            pool->last = NULL;
        pool->n_queued--;
    }
    return request;
}

static void *pool_main(void *context)
{
    struct kn_http_pool *pool = context;
    pthread_mutex_lock(&pool->lock);
    for (struct kn_http_request *request; (request = pool_next(pool)) != NULL;) {
        bool must_wake = pool_must_wake(pool);
        pthread_mutex_unlock(&pool->lock);
        if (must_wake)
            pthread_cond_signal(&pool->has_work);
        request->pool_fn(request, request->pool_context);
        pthread_mutex_lock(&pool->lock);
    }
    pool->n_threads--;
    pthread_cond_broadcast(&pool->has_ended);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

// With the lock held.
static bool thread_start(struct kn_http_pool *pool)
{
    sigset_t all, before;
    pthread_attr_t detached;
    pthread_t thread;
    if (pthread_attr_init(&detached) != 0)
        return false;
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); // signals belong to the main thread
    bool is_started = pthread_create(&thread, &detached, pool_main, pool) == 0;
    if (is_started) {
        pool->n_threads++;
        (void)pthread_setname_np(thread, "http-pool"); // best effort
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    return is_started;
}

bool kn_http_pool_run(struct kn_http_pool *pool, struct kn_http_request *request,
                      kn_http_handler fn, void *context)
{
    request->pool_fn = fn;
    request->pool_context = context;
    request->next_in_pool = NULL;
    bool must_wake = false;
    pthread_mutex_lock(&pool->lock);
    bool is_taken = pool->n_queued < pool->max_queued;
    if (is_taken && pool->n_queued >= pool->n_idle && pool->n_threads < pool->max_threads)
        is_taken = thread_start(pool) || pool->n_threads > 0;
    if (is_taken) {
        if (pool->last)
            pool->last->next_in_pool = request;
        else
            pool->first = request;
        pool->last = request;
        pool->n_queued++;
        must_wake = pool_must_wake(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    if (must_wake)
        pthread_cond_signal(&pool->has_work);
    return is_taken;
}

void kn_http_pool_free(struct kn_http_pool **pool_at)
{
    struct kn_http_pool *pool = KN_TAKE(*pool_at);
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->is_closing = true;
    pthread_cond_broadcast(&pool->has_work);
    while (pool->n_threads > 0)
        pthread_cond_wait(&pool->has_ended, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_destroy(&pool->has_ended);
    pthread_cond_destroy(&pool->has_work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
