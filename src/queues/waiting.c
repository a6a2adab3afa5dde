/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The waiting list: lines by the hash of the queue's name, each in order of arrival. A sender takes its
 * waiters out under the lock and wakes them after it; so do the thread's rounds.
 */
#include "queues/waiting.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/time.h"
#include "queues/room.h"

// How often the database is asked while somebody waits; how often at most when it tells of sends.
#define POLL_US (200 * INT64_C(1000))
#define POLL_LEAST_US (20 * INT64_C(1000))
// Asking takes at most this share of one processor, however many queues are waited for.
#define POLL_SHARE 20
#define N_LINES 1024

struct waiter {
    struct waiter *next;
    char queue[KN_QUEUE_NAME_SIZE];
    int64_t deadline_us; // monotonic
    kn_queue_wake wake;
    void *context;
};

struct line {
    struct waiter *first, **last; // owned, oldest first
    unsigned ticket;              // counts sends
};

struct kn_waiting {
    struct kn_queues *queues; // borrowed
    pthread_t thread;
    bool is_started, is_watching; // owner's thread only
    pthread_mutex_t lock;
    pthread_cond_t changed; // CLOCK_MONOTONIC
    // --- protected by lock
    struct line lines[N_LINES];
    int64_t n;
    bool is_told; // the database told of a send
    bool is_draining, is_stopping;
};

static struct line *line_of(struct kn_waiting *waiting, const char *queue)
{
    unsigned hash = 5381;
    for (const char *c = queue; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    return &waiting->lines[hash % N_LINES];
}

/* ---- taking waiters out; the lock is held ---- */

static void take_at(struct kn_waiting *waiting, struct line *line, struct waiter **at,
                    struct waiter ***io_end)
{
    struct waiter *waiter = *at;
    *at = waiter->next;
    if (line->last == &waiter->next)
        line->last = at;
    waiter->next = NULL;
    **io_end = waiter;
    *io_end = &waiter->next;
    waiting->n--;
}

static void take_of_queue(struct kn_waiting *waiting, const char *queue, size_t n,
                          struct waiter ***io_end)
{
    struct line *line = line_of(waiting, queue);
    for (struct waiter **at = &line->first; *at && n > 0;) {
        if (strcmp((*at)->queue, queue) == 0) {
            take_at(waiting, line, at, io_end);
            n--;
        } else {
            at = &(*at)->next;
        }
    }
}

static void take_due(struct kn_waiting *waiting, int64_t now, struct waiter ***io_end)
{
    for (struct line *line = waiting->lines; line < waiting->lines + N_LINES; line++) {
        for (struct waiter **at = &line->first; *at;) {
            if (waiting->is_draining || (*at)->deadline_us <= now)
                take_at(waiting, line, at, io_end);
            else
                at = &(*at)->next;
        }
    }
}

static void wake_all(struct waiter *waiter)
{
    while (waiter) {
        struct waiter *next = waiter->next;
        waiter->wake(waiter->context);
        free(waiter);
        waiter = next;
    }
}

/* ---- asking the database ---- */

struct asked {
    char queue[KN_QUEUE_NAME_SIZE];
    int64_t n_waiting, n_there;
};

struct asking {
    const struct kn_queues *queues;
    struct asked *list; // owned
    size_t n, capacity;
};

// The entry of a queue among those of its line, which begin at `from`; NULL without memory.
static struct asked *asked_get(struct asking *asking, size_t from, const char *queue)
{
    for (size_t i = from; i < asking->n; i++)
        if (strcmp(asking->list[i].queue, queue) == 0)
            return &asking->list[i];
    if (asking->n == asking->capacity) {
        size_t capacity = asking->capacity ? 2 * asking->capacity : 16;
        struct asked *list = reallocarray(asking->list, capacity, sizeof(*list));
        if (!list)
            return NULL;
        asking->list = list;
        asking->capacity = capacity;
    }
    struct asked *asked = &asking->list[asking->n++];
    *asked = (struct asked){0};
    (void)kn_copy(asked->queue, sizeof(asked->queue), queue);
    return asked;
}

// With the lock held: which queues are waited for, and by how many.
static void asking_collect(struct asking *asking, const struct kn_waiting *waiting)
{
    asking->n = 0;
    for (const struct line *line = waiting->lines; line < waiting->lines + N_LINES; line++) {
        size_t from = asking->n;
        for (const struct waiter *waiter = line->first; waiter; waiter = waiter->next) {
            struct asked *asked = asked_get(asking, from, waiter->queue);
            if (!asked)
                return; // the others are asked for in a later round
            asked->n_waiting++;
        }
    }
}

static kn_code ask_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct asking *asking = context;
    int64_t now = 0;
    kn_code rc = kn_queues_now(tx, asking->queues, &now, err);
    for (size_t i = 0; i < asking->n && rc == KN_OK; i++) {
        struct asked *asked = &asking->list[i];
        struct kn_stmt *row;
        bool has_row = false;
        // A queue that is gone wakes its waiters: they will say so.
        rc = kn_tx_query(
            tx, &row, err,
            "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM queue_message m WHERE m.queue_id = q.id"
            " AND m.is_ready = 1 LIMIT ?) AS ready) + (SELECT COUNT(*) FROM (SELECT 1"
            " FROM queue_message m WHERE m.queue_id = q.id AND m.is_ready = 0 AND m.visible_us <= ?"
            " LIMIT ?) AS due) FROM queue q WHERE q.name = ?",
            "iiis", asked->n_waiting, now, asked->n_waiting, asked->queue);
        if (rc == KN_OK)
            rc = kn_stmt_step(row, &has_row, err);
        if (rc == KN_OK)
            asked->n_there = has_row ? kn_stmt_int(row, 0) : asked->n_waiting;
    }
    return rc;
}

/* ---- the thread ---- */

static void waiting_pause(struct kn_waiting *waiting, int64_t until_us, bool ends_when_told)
{
    struct timespec until = {.tv_sec = until_us / KN_SECOND, .tv_nsec = until_us % KN_SECOND * 1000};
    while (!waiting->is_stopping && !(ends_when_told && waiting->is_told) &&
           kn_mono_us() < until_us)
        (void)pthread_cond_timedwait(&waiting->changed, &waiting->lock, &until);
}

static void round_run(struct kn_waiting *waiting, struct asking *asking)
{
    waiting->is_told = false;
    asking_collect(asking, waiting);
    pthread_mutex_unlock(&waiting->lock);
    struct kn_error err = {0};
    kn_code rc = kn_db_read(waiting->queues->db, ask_in_tx, asking, &err);
    if (rc != KN_OK)
        KN_DEBUG(NULL, "looking for messages: %s", err.message);
    struct waiter *woken = NULL, **end = &woken;
    pthread_mutex_lock(&waiting->lock);
    for (size_t i = 0; i < asking->n && rc == KN_OK; i++)
        take_of_queue(waiting, asking->list[i].queue, (size_t)asking->list[i].n_there, &end);
    take_due(waiting, kn_mono_us(), &end);
    pthread_mutex_unlock(&waiting->lock);
    wake_all(woken);
    pthread_mutex_lock(&waiting->lock);
}

static void *waiting_main(void *context)
{
    struct kn_waiting *waiting = context;
    (void)pthread_setname_np(pthread_self(), "kn-waiting");
    struct asking asking = {.queues = waiting->queues};
    pthread_mutex_lock(&waiting->lock);
    while (!waiting->is_stopping) {
        if (waiting->n == 0) {
            (void)pthread_cond_wait(&waiting->changed, &waiting->lock);
            continue;
        }
        int64_t began = kn_mono_us();
        round_run(waiting, &asking);
        int64_t took = kn_mono_us() - began;
        int64_t least = POLL_LEAST_US > POLL_SHARE * took ? POLL_LEAST_US : POLL_SHARE * took;
        waiting_pause(waiting, began + least, false);
        waiting_pause(waiting, began + POLL_US, true);
    }
    pthread_mutex_unlock(&waiting->lock);
    free(asking.list);
    return NULL;
}

static void on_told(void *context)
{
    struct kn_waiting *waiting = context;
    pthread_mutex_lock(&waiting->lock);
    waiting->is_told = true;
    pthread_cond_signal(&waiting->changed);
    pthread_mutex_unlock(&waiting->lock);
}

kn_code kn_waiting_new(struct kn_waiting **out, struct kn_queues *queues, struct kn_error *err)
{
    *out = NULL;
    struct kn_waiting *waiting = calloc(1, sizeof(*waiting));
    if (!waiting)
        return kn_fail(err, KN_ENOMEM, "no memory for the waiting list");
    waiting->queues = queues;
    for (size_t i = 0; i < N_LINES; i++)
        waiting->lines[i].last = &waiting->lines[i].first;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&waiting->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&waiting->lock, NULL);
    kn_code rc = kn_db_watch(queues->db, KN_QUEUES_TOPIC, on_told, waiting, err);
    waiting->is_watching = rc == KN_OK;
    int error_number = rc == KN_OK ? pthread_create(&waiting->thread, NULL, waiting_main, waiting) : 0;
    if (error_number != 0)
        rc = kn_fail_errno(err, error_number, "cannot start the thread of the waiting list");
    waiting->is_started = rc == KN_OK;
    if (rc != KN_OK) {
        kn_waiting_free(&waiting);
        return rc;
    }
    *out = waiting;
    return KN_OK;
}

void kn_waiting_free(struct kn_waiting **waiting_at)
{
    struct kn_waiting *waiting = *waiting_at;
    if (!waiting)
        return;
    if (waiting->is_watching)
        kn_db_unwatch(waiting->queues->db, KN_QUEUES_TOPIC, waiting);
    if (waiting->is_started) {
        kn_waiting_drain(waiting->queues);
        pthread_mutex_lock(&waiting->lock);
        waiting->is_stopping = true;
        pthread_cond_signal(&waiting->changed);
        pthread_mutex_unlock(&waiting->lock);
        pthread_join(waiting->thread, NULL);
    }
    pthread_cond_destroy(&waiting->changed);
    pthread_mutex_destroy(&waiting->lock);
    free(waiting);
    *waiting_at = NULL;
}

/* ---- the line ---- */

unsigned kn_waiting_ticket(struct kn_queues *queues, const char *queue)
{
    struct kn_waiting *waiting = queues->waiting;
    pthread_mutex_lock(&waiting->lock);
    unsigned ticket = line_of(waiting, queue)->ticket;
    pthread_mutex_unlock(&waiting->lock);
    return ticket;
}

bool kn_waiting_add(struct kn_queues *queues, const char *queue, unsigned ticket,
                    int64_t deadline_mono_us, kn_queue_wake wake, void *context, bool *out_is_over)
{
    struct kn_waiting *waiting = queues->waiting;
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    if (waiter) {
        (void)kn_copy(waiter->queue, sizeof(waiter->queue), queue);
        waiter->deadline_us = deadline_mono_us;
        waiter->wake = wake;
        waiter->context = context;
    }
    pthread_mutex_lock(&waiting->lock);
    struct line *line = line_of(waiting, queue);
    *out_is_over = !waiter || waiting->is_draining || waiting->n >= KN_MAX_LONG_POLLS;
    bool is_in_line = !*out_is_over && line->ticket == ticket;
    if (is_in_line) {
        if (waiting->n++ == 0)
            pthread_cond_signal(&waiting->changed);
        *line->last = waiter;
        line->last = &waiter->next;
    }
    pthread_mutex_unlock(&waiting->lock);
    if (!is_in_line)
        free(waiter);
    return is_in_line;
}

void kn_waiting_drain(struct kn_queues *queues)
{
    struct kn_waiting *waiting = queues->waiting;
    struct waiter *woken = NULL, **end = &woken;
    pthread_mutex_lock(&waiting->lock);
    waiting->is_draining = true;
    take_due(waiting, 0, &end);
    pthread_mutex_unlock(&waiting->lock);
    wake_all(woken);
}

void kn_waiting_sent(struct kn_queues *queues, const char *queue, size_t n)
{
    struct kn_waiting *waiting = queues->waiting;
    struct waiter *woken = NULL, **end = &woken;
    pthread_mutex_lock(&waiting->lock);
    line_of(waiting, queue)->ticket++;
    take_of_queue(waiting, queue, n, &end);
    pthread_mutex_unlock(&waiting->lock);
    wake_all(woken);
}

int64_t kn_waiting_length(struct kn_queues *queues)
{
    struct kn_waiting *waiting = queues->waiting;
    pthread_mutex_lock(&waiting->lock);
    int64_t n = waiting->n;
    pthread_mutex_unlock(&waiting->lock);
    return n;
}
