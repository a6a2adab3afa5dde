/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A bounded queue: a ring under one lock with two conditions. */
#include "base/channel.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/time.h"

struct kn_channel {
    pthread_mutex_t lock;
    pthread_cond_t not_empty; // on the monotonic clock
    pthread_cond_t not_full;
    // --- protected by lock
    size_t head;
    size_t length;
    bool is_closed;
    // --- constant
    size_t capacity;
    void *items[];
};

struct kn_channel *kn_channel_new(size_t capacity)
{
    struct kn_channel *c = calloc(1, sizeof(*c) + capacity * sizeof(void *));
    if (!c)
        return NULL;
    c->capacity = capacity;
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->not_empty, &attr);
    (void)pthread_cond_init(&c->not_full, &attr);
    (void)pthread_condattr_destroy(&attr);
    return c;
}

void kn_channel_free(struct kn_channel **channel, void (*drop)(void *item))
{
    struct kn_channel *c = *channel;
    if (!c)
        return;
    for (; drop && c->length > 0; c->length--) {
        drop(c->items[c->head]);
        c->head = (c->head + 1) % c->capacity;
    }
    (void)pthread_cond_destroy(&c->not_empty);
    (void)pthread_cond_destroy(&c->not_full);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
    *channel = NULL;
}

static bool push(struct kn_channel *c, void *item, bool may_wait)
{
    (void)pthread_mutex_lock(&c->lock);
    while (may_wait && c->length == c->capacity && !c->is_closed)
        (void)pthread_cond_wait(&c->not_full, &c->lock);
    bool can = !c->is_closed && c->length < c->capacity;
    if (can) {
        c->items[(c->head + c->length) % c->capacity] = item;
        c->length++;
        (void)pthread_cond_signal(&c->not_empty);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return can;
}

bool kn_channel_push(struct kn_channel *channel, void *item)
{
    return push(channel, item, true);
}

bool kn_channel_try_push(struct kn_channel *channel, void *item)
{
    return push(channel, item, false);
}

static void *take(struct kn_channel *c)
{
    if (c->length == 0)
        return NULL;
    void *item = c->items[c->head];
    c->head = (c->head + 1) % c->capacity;
    c->length--;
    (void)pthread_cond_signal(&c->not_full);
    return item;
}

void *kn_channel_pop(struct kn_channel *channel)
{
    (void)pthread_mutex_lock(&channel->lock);
    while (channel->length == 0 && !channel->is_closed)
        (void)pthread_cond_wait(&channel->not_empty, &channel->lock);
    void *item = take(channel);
    (void)pthread_mutex_unlock(&channel->lock);
    return item;
}

void *kn_channel_pop_until(struct kn_channel *channel, int64_t deadline_us)
{
    struct timespec until = {.tv_sec = deadline_us / KN_SECOND,
                             .tv_nsec = deadline_us % KN_SECOND * 1000};
    (void)pthread_mutex_lock(&channel->lock);
    while (channel->length == 0 && !channel->is_closed)
        if (pthread_cond_timedwait(&channel->not_empty, &channel->lock, &until) != 0)
            break;
    void *item = take(channel);
    (void)pthread_mutex_unlock(&channel->lock);
    return item;
}

void kn_channel_close(struct kn_channel *channel)
{
    (void)pthread_mutex_lock(&channel->lock);
    channel->is_closed = true;
    (void)pthread_cond_broadcast(&channel->not_empty);
    (void)pthread_cond_broadcast(&channel->not_full);
    (void)pthread_mutex_unlock(&channel->lock);
}

size_t kn_channel_length(struct kn_channel *channel)
{
    (void)pthread_mutex_lock(&channel->lock);
    size_t n = channel->length;
    (void)pthread_mutex_unlock(&channel->lock);
    return n;
}
