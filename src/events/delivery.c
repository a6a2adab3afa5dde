/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Delivering. One dispatcher thread looks at what is due and claims it; sender threads, started when
 * there is work for them, make the attempts. The dispatcher claims no more than there are threads, so
 * a lease is never spent waiting in a queue here.
 */
#include "events/delivery.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/strings.h"
#include "base/time.h"
#include "events/claim.h"

#define MAX_THREADS 32
#define MAX_PER_RECEIVER 4
#define ANSWER_LIMIT_US (3 * KN_SECOND) // spec 02, 10.3
// Five times what an attempt may take: a stalled process is not mistaken for a dead one too soon.
#define LEASE_US (15 * KN_SECOND)
// Wake-ups are hints (db/db.h); whoever needs certainty also polls.
#define POLL_US (10 * KN_SECOND)
// After the database failed, or another server was claiming the same rows.
#define PAUSE_US (1 * KN_SECOND)
#define CONTENTION_US (50 * INT64_C(1000))
// Receivers remembered as failing; beyond, the one that is asked least is forgotten.
#define MAX_RECEIVERS 1024
#define MAX_SINKS 4

// Spec 02, 10.3: "retried twice more at 1 s intervals"; then design, section 8.
#define N_QUICK_TRIES 3
#define QUICK_WAIT_US (1 * KN_SECOND)
#define FIRST_WAIT_US (5 * KN_SECOND)
#define LONGEST_WAIT_US (1 * KN_HOUR)

struct receiver {
    char name[300];
    int n_running;
    int n_failed; // in a row
};

struct named_sink {
    char kind[16];
    struct kn_event_sink sink;
};

struct kn_events {
    struct kn_db *db;            // borrowed
    struct kn_event_clock clock; // set once
    int max_threads, max_per_receiver;
    int64_t answer_limit_us;
    struct named_sink sinks[MAX_SINKS]; // set before start
    size_t n_sinks;
    struct kn_channel *work;     // owned: claims on their way to a sender
    pthread_t dispatcher;
    bool is_started;             // the dispatcher runs; owner's thread only
    struct kn_metric *heard, *failed, *given_up, *attempt_time, *under_way;

    pthread_mutex_t lock;
    pthread_cond_t changed;      // CLOCK_MONOTONIC
    // --- protected by lock
    bool is_woken, is_stopping;
    struct receiver *receivers;  // owned
    size_t n_receivers;
    size_t next_turn;            // where the next round of claims begins: nobody is always last
    int n_running, n_threads;
    pthread_t *threads;          // owned
};

/* ---- waiting between attempts ---- */

int64_t kn_delivery_wait_us(int n, uint32_t random)
{
    if (n < N_QUICK_TRIES)
        return QUICK_WAIT_US;
    int64_t wait = FIRST_WAIT_US;
    for (int i = N_QUICK_TRIES; i < n && wait < LONGEST_WAIT_US; i++)
        wait *= 2;
    if (wait > LONGEST_WAIT_US)
        wait = LONGEST_WAIT_US;
    // Between 4/5 and 6/5 of it: receivers that came back are not met by everybody at once.
    return wait - wait / 5 + (int64_t)((double)random / 4294967296.0 * 0.4 * (double)wait);
}

/* ---- receivers; the lock is held ---- */

static struct receiver *receiver_find(struct kn_events *events, const char *name)
{
    for (size_t i = 0; i < events->n_receivers; i++)
        if (strcmp(events->receivers[i].name, name) == 0)
            return &events->receivers[i];
    return NULL;
}

static struct receiver *receiver_get(struct kn_events *events, const char *name)
{
    struct receiver *receiver = receiver_find(events, name);
    for (size_t i = 0; !receiver && i < events->n_receivers; i++)
        if (events->receivers[i].n_running == 0 &&
            (events->receivers[i].n_failed == 0 || events->n_receivers == MAX_RECEIVERS))
            receiver = &events->receivers[i]; // a place that says nothing any more
    if (!receiver && events->n_receivers < MAX_RECEIVERS)
        receiver = &events->receivers[events->n_receivers++];
    if (receiver && strcmp(receiver->name, name) != 0) {
        *receiver = (struct receiver){0};
        (void)kn_copy(receiver->name, sizeof(receiver->name), name);
    }
    return receiver;
}

static int receiver_quota(struct kn_events *events, const char *name)
{
    const struct receiver *receiver = receiver_find(events, name);
    if (!receiver)
        return events->max_per_receiver;
    int limit = receiver->n_failed >= N_QUICK_TRIES ? 1 : events->max_per_receiver;
    return limit > receiver->n_running ? limit - receiver->n_running : 0;
}

/* ---- senders ---- */

static const struct kn_event_sink *sink_of(const struct kn_events *events, const char *kind)
{
    for (size_t i = 0; i < events->n_sinks; i++)
        if (strcmp(events->sinks[i].kind, kind) == 0)
            return &events->sinks[i].sink;
    return NULL;
}

static void attempt_send(struct kn_events *events, const struct kn_event_claim *claim,
                         const struct kn_event_sink *sink, struct kn_event_answer *answer)
{
    if (!sink) {
        (void)snprintf(answer->error, sizeof(answer->error), "nothing here delivers to '%s' targets",
                       claim->target_kind);
        return;
    }
    const struct kn_event_letter letter = {
        .delivery_id = claim->delivery_id,
        .event_id = claim->event_id,
        .event_name = claim->event_name,
        .subscriber = claim->subscriber,
        .target = claim->target,
        .body = claim->body,
        .n_body = strlen(claim->body),
        .is_signed = claim->is_signed,
        .auth_key = claim->auth_key,
        .now_us = claim->now_us,
        .answer_limit_us = events->answer_limit_us,
    };
    sink->send(&letter, answer, sink->context);
}

static void attempt_log(const struct kn_event_claim *claim, enum kn_event_end end,
                        const struct kn_event_answer *answer)
{
    struct kn_log log = kn_log_with(NULL, "delivery", claim->delivery_id);
    log = kn_log_with(&log, "event", claim->event_name);
    log = kn_log_with(&log, "subject", claim->subject);
    if (end == KN_EVENT_GIVEN_UP)
        KN_WARN(&log, "callback set aside: %s", answer->error);
    else if (end == KN_EVENT_AGAIN && claim->n_round + 1 == N_QUICK_TRIES)
        KN_WARN(&log, "callback refused %d times, trying on for a day: %s", N_QUICK_TRIES,
                answer->error);
    else if (end == KN_EVENT_LOST)
        KN_DEBUG(&log, "the delivery was changed while it was sent");
    else
        KN_DEBUG(&log, "callback: %s", answer->is_acknowledged ? "acknowledged" : answer->error);
}

// One attempt from claim to its note in the log. Returns whether the receiver is to be called well.
static bool attempt_run(struct kn_events *events, const struct kn_event_claim *claim)
{
    // A process that was stopped for long has lost its lease: whoever holds it now sends.
    if (kn_mono_us() - claim->claimed_mono_us > LEASE_US / 2)
        return true;
    const struct kn_event_sink *sink = sink_of(events, claim->target_kind);
    struct kn_event_answer answer = {0};
    int64_t began_us = kn_mono_us();
    attempt_send(events, claim, sink, &answer);
    int64_t latency_us = kn_mono_us() - began_us;
    kn_metric_observe(events->attempt_time, latency_us);
    kn_metric_add(answer.is_acknowledged ? events->heard : events->failed, 1);

    struct kn_error err = {0};
    enum kn_event_end end = KN_EVENT_LOST;
    kn_code rc = kn_event_note(events->db, &events->clock, claim, &answer, sink != NULL, latency_us,
                               &end, &err);
    if (rc != KN_OK)
        KN_WARN(NULL, "the answer to delivery '%s' was not noted, it will be sent again: %s",
                claim->delivery_id, err.message);
    else
        attempt_log(claim, end, &answer);
    if (rc == KN_OK && end == KN_EVENT_GIVEN_UP)
        kn_metric_add(events->given_up, 1);
    return answer.is_acknowledged;
}

static void *sender_main(void *context)
{
    struct kn_events *events = context;
    (void)pthread_setname_np(pthread_self(), "kn-event-send");
    for (;;) {
        struct kn_event_claim *claim = kn_channel_pop(events->work);
        if (!claim)
            return NULL;
        bool is_well = attempt_run(events, claim);

        pthread_mutex_lock(&events->lock);
        struct receiver *receiver = receiver_find(events, claim->receiver);
        if (receiver) {
            receiver->n_running--;
            receiver->n_failed = is_well ? 0 : receiver->n_failed + 1;
        }
        events->n_running--;
        kn_metric_set(events->under_way, events->n_running);
        events->is_woken = true;
        pthread_cond_broadcast(&events->changed);
        pthread_mutex_unlock(&events->lock);
        kn_event_claim_free(&claim);
    }
}

// Hand claims to senders, starting threads as they are needed. The lock is held.
static void hand_over(struct kn_events *events, struct kn_event_claim **claims, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct receiver *receiver = receiver_get(events, claims[i]->receiver);
        if (receiver)
            receiver->n_running++;
        events->n_running++;
        if (events->n_threads < events->n_running && events->n_threads < events->max_threads &&
            pthread_create(&events->threads[events->n_threads], NULL, sender_main, events) == 0)
            events->n_threads++;
        // Room for max_threads claims, and no more are claimed: this does not wait.
        if (!kn_channel_push(events->work, claims[i])) {
            events->n_running--;
            kn_event_claim_free(&claims[i]);
        }
    }
    kn_metric_set(events->under_way, events->n_running);
}

/* ---- the dispatcher ---- */

/*
 * Share the free threads among receivers with something due, a round at a time from where the last
 * one ended. Answers how many claims that makes; *out_next_us is when something else falls due.
 */
static int share_threads(struct kn_events *events, struct kn_event_due *due, size_t n,
                         int64_t now_us, int64_t *out_next_us)
{
    int n_claims = 0;
    *out_next_us = KN_NO_TIME;
    pthread_mutex_lock(&events->lock);
    int n_free = events->max_threads - events->n_running;
    for (size_t k = 0; k < n; k++) {
        struct kn_event_due *one = &due[(k + events->next_turn) % n];
        if (one->due_us > now_us) {
            if (*out_next_us == KN_NO_TIME || one->due_us < *out_next_us)
                *out_next_us = one->due_us;
            continue;
        }
        int quota = receiver_quota(events, one->receiver);
        one->quota = quota < n_free ? quota : n_free;
        n_free -= one->quota;
        n_claims += one->quota;
    }
    events->next_turn = n > 0 ? (events->next_turn + 1) % n : 0;
    pthread_mutex_unlock(&events->lock);
    return n_claims;
}

/*
 * Look once, claim and hand over what is due. *out_wait_us: how long nothing is to be done unless
 * someone wakes us; 0 to look again at once.
 */
static kn_code dispatch(struct kn_events *events, int64_t *out_wait_us, struct kn_error *err)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_event_due *due = NULL;
    size_t n_due = 0, n_claimed = 0;
    int64_t now_us = 0, next_us = 0;
    *out_wait_us = PAUSE_US;
    kn_code rc = kn_event_scan(events->db, &events->clock, &arena, &due, &n_due, &now_us, err);
    if (rc != KN_OK)
        return rc;
    int n_claims = share_threads(events, due, n_due, now_us, &next_us);
    *out_wait_us = next_us == KN_NO_TIME ? POLL_US : next_us - now_us;
    if (*out_wait_us > POLL_US)
        *out_wait_us = POLL_US;
    if (n_claims == 0)
        return KN_OK;

    struct kn_event_claim **claims =
        kn_arena_array(&arena, (size_t)n_claims, sizeof(*claims));
    if (!claims)
        return kn_fail(err, KN_ENOMEM, "no memory for %d deliveries", n_claims);
    rc = kn_event_claim_due(events->db, &events->clock, due, n_due, LEASE_US, claims,
                            (size_t)n_claims, &n_claimed, err);
    if (rc != KN_OK) {
        *out_wait_us = PAUSE_US;
        return rc;
    }
    pthread_mutex_lock(&events->lock);
    hand_over(events, claims, n_claimed);
    pthread_mutex_unlock(&events->lock);
    // There may be more behind what was claimed; nothing claimed means another server was quicker.
    *out_wait_us = n_claimed > 0 ? 0 : CONTENTION_US;
    return KN_OK;
}

// Wait until woken or for at most wait_us. False: time to end.
static bool dispatcher_wait(struct kn_events *events, int64_t wait_us)
{
    int64_t until = kn_mono_us() + wait_us;
    struct timespec ts = {.tv_sec = until / KN_SECOND, .tv_nsec = until % KN_SECOND * 1000};
    pthread_mutex_lock(&events->lock);
    while (!events->is_woken && !events->is_stopping && wait_us > 0)
        if (pthread_cond_timedwait(&events->changed, &events->lock, &ts) != 0)
            break;
    events->is_woken = false;
    bool goes_on = !events->is_stopping;
    pthread_mutex_unlock(&events->lock);
    return goes_on;
}

static void *dispatcher_main(void *context)
{
    struct kn_events *events = context;
    (void)pthread_setname_np(pthread_self(), "kn-events");
    bool has_failed = false;
    int64_t wait_us = 0;
    while (dispatcher_wait(events, wait_us)) {
        struct kn_error err = {0};
        kn_code rc = dispatch(events, &wait_us, &err);
        if (rc != KN_OK && !has_failed)
            KN_ERROR(NULL, "events cannot be delivered, trying on: %s", err.message);
        if (rc == KN_OK && has_failed)
            KN_INFO(NULL, "events are delivered again");
        has_failed = rc != KN_OK;
    }
    return NULL;
}

/* ---- a life ---- */

kn_code kn_events_new(struct kn_events **out, const struct kn_events_config *config,
                      struct kn_error *err)
{
    *out = NULL;
    struct kn_events *events = calloc(1, sizeof(*events));
    if (!events)
        return kn_fail(err, KN_ENOMEM, "no memory for the event threads");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&events->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&events->lock, NULL);
    events->db = config->db;
    events->clock = (struct kn_event_clock){config->now, config->now_context};
    events->max_threads = config->max_threads > 0 ? config->max_threads : MAX_THREADS;
    events->max_per_receiver =
        config->max_per_receiver > 0 ? config->max_per_receiver : MAX_PER_RECEIVER;
    events->answer_limit_us =
        config->answer_limit_us > 0 ? config->answer_limit_us : ANSWER_LIMIT_US;
    events->heard = kn_metric_counter("kinora_event_attempts_total", "result=\"acknowledged\"",
                                      "Attempts to deliver an event, by result");
    events->failed = kn_metric_counter("kinora_event_attempts_total", "result=\"failed\"",
                                       "Attempts to deliver an event, by result");
    events->given_up = kn_metric_counter("kinora_event_set_aside_total", "",
                                         "Deliveries given up and set aside in the log");
    events->attempt_time = kn_metric_seconds("kinora_event_attempt_seconds", "",
                                             "Time from sending an event to its answer");
    events->under_way = kn_metric_gauge("kinora_event_attempts_under_way", "",
                                        "Attempts to deliver an event under way");
    events->work = kn_channel_new((size_t)events->max_threads);
    events->threads = calloc((size_t)events->max_threads, sizeof(*events->threads));
    events->receivers = calloc(MAX_RECEIVERS, sizeof(*events->receivers));
    if (!events->work || !events->threads || !events->receivers) {
        kn_events_free(&events);
        return kn_fail(err, KN_ENOMEM, "no memory for the event threads");
    }
    *out = events;
    return KN_OK;
}

void kn_events_set_sink(struct kn_events *events, const char *target_kind,
                        struct kn_event_sink sink)
{
    struct named_sink *at = NULL;
    for (size_t i = 0; i < events->n_sinks; i++)
        if (strcmp(events->sinks[i].kind, target_kind) == 0)
            at = &events->sinks[i];
    if (!at && events->n_sinks < MAX_SINKS)
        at = &events->sinks[events->n_sinks++];
    if (!at)
        return;
    (void)kn_copy(at->kind, sizeof(at->kind), target_kind);
    at->sink = sink;
}

void kn_events_wake(struct kn_events *events)
{
    pthread_mutex_lock(&events->lock);
    events->is_woken = true;
    pthread_cond_broadcast(&events->changed);
    pthread_mutex_unlock(&events->lock);
}

static void on_wake(void *context)
{
    kn_events_wake(context);
}

// SQLite has one server: whoever held a lease before us is dead, and need not be waited for.
static kn_code drop_leases(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    if (kn_tx_is_postgres(tx))
        return KN_OK;
    return kn_tx_run(tx, NULL, err,
                     "UPDATE event_delivery SET lease = NULL, due_us = created_us"
                     " WHERE state = 0 AND lease IS NOT NULL",
                     "");
}

kn_code kn_events_start(struct kn_events *events, struct kn_error *err)
{
    kn_code rc = kn_db_write(events->db, drop_leases, NULL, err);
    if (rc == KN_OK)
        rc = kn_db_watch(events->db, "events", on_wake, events, err);
    if (rc != KN_OK)
        return rc;
    int error_number = pthread_create(&events->dispatcher, NULL, dispatcher_main, events);
    if (error_number != 0) {
        kn_db_unwatch(events->db, "events", events);
        return kn_fail_errno(err, error_number, "cannot start the event thread");
    }
    events->is_started = true;
    return KN_OK;
}

static void drop_claim(void *item)
{
    struct kn_event_claim *claim = item;
    kn_event_claim_free(&claim);
}

void kn_events_free(struct kn_events **events_at)
{
    struct kn_events *events = *events_at;
    if (!events)
        return;
    if (events->is_started) {
        kn_db_unwatch(events->db, "events", events);
        pthread_mutex_lock(&events->lock);
        events->is_stopping = true;
        pthread_cond_broadcast(&events->changed);
        pthread_mutex_unlock(&events->lock);
        pthread_join(events->dispatcher, NULL);
        kn_channel_close(events->work);
        for (int i = 0; i < events->n_threads; i++)
            pthread_join(events->threads[i], NULL);
    }
    if (events->work)
        kn_channel_free(&events->work, drop_claim);
    free(events->threads);
    free(events->receivers);
    pthread_cond_destroy(&events->changed);
    pthread_mutex_destroy(&events->lock);
    free(events);
    *events_at = NULL;
}
