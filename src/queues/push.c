/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pushing. One dispatcher thread looks at what is due and claims it; sender threads, started when there
 * is work for them, make the attempts. The dispatcher claims no more than there are threads, so a lease
 * is never spent waiting in a queue here.
 */
#include "queues/push.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "queues/push_claim.h"
#include "queues/push_http.h"
#include "queues/room.h"

#define MAX_THREADS 64
#define MAX_PER_SUBSCRIPTION 8
#define ANSWER_LIMIT_US (5 * KN_SECOND) // spec 10, section 6
// Long enough that a stalled process is not mistaken for a dead one too soon.
#define LEASE_US (30 * KN_SECOND)
// Wake-ups are hints (db/db.h); whoever needs certainty also polls.
#define POLL_US (10 * KN_SECOND)
#define PAUSE_US (1 * KN_SECOND)
// A subscription that failed this often in a row has one attempt under way at a time.
#define N_FAILING 3

// Spec 10, section 5: NotifyStrategy.
#define N_BACKOFF_RETRIES 3
#define BACKOFF_LEAST_US (10 * KN_SECOND)
#define N_DECAY_RETRIES 176
#define N_DECAY_DOUBLINGS 9
#define DECAY_LONGEST_US (512 * KN_SECOND)

struct place {
    int64_t subscription_id; // 0: free
    int n_running, n_failed; // failed: in a row
};

struct kn_pushes {
    struct kn_queues *queues;      // borrowed
    struct kn_push_sender sender;  // set once; its URL is `certificate_url`
    char *certificate_url;         // owned
    int max_threads, max_per_subscription;
    struct kn_channel *work;       // owned: claims on their way to a sender
    pthread_t dispatcher;
    bool is_started, is_watching;  // owner's thread only
    struct kn_metric *heard, *failed, *given_up;

    pthread_mutex_t lock;
    pthread_cond_t changed;        // CLOCK_MONOTONIC
    // --- protected by lock
    bool is_woken, is_stopping;
    struct place *places;          // owned
    size_t n_places;
    size_t next_turn;              // where the next round begins: nobody is always last
    int n_running, n_threads;
    pthread_t *threads;            // owned
};

int64_t kn_push_wait_us(enum kn_notify_strategy strategy, int64_t n, uint32_t random)
{
    if (strategy == KN_NOTIFY_BACKOFF)
        return n > N_BACKOFF_RETRIES ? -1
                                     : BACKOFF_LEAST_US + (int64_t)((uint64_t)random *
                                                                    BACKOFF_LEAST_US >> 32);
    if (n > N_DECAY_RETRIES)
        return -1;
    return n <= N_DECAY_DOUBLINGS ? KN_SECOND << (n - 1) : DECAY_LONGEST_US;
}

/* ---- places; the lock is held ---- */

static struct place *place_find(struct kn_pushes *pushes, int64_t subscription_id)
{
    for (size_t i = 0; i < pushes->n_places; i++)
        if (pushes->places[i].subscription_id == subscription_id)
            return &pushes->places[i];
    return NULL;
}

static struct place *place_get(struct kn_pushes *pushes, int64_t subscription_id)
{
    struct place *place = place_find(pushes, subscription_id);
    if (!place)
        place = place_find(pushes, 0);
    if (!place) {
        struct place *more = reallocarray(pushes->places, pushes->n_places + 1, sizeof(*more));
        if (!more)
            return NULL;
        pushes->places = more;
        place = &more[pushes->n_places++];
        *place = (struct place){0};
    }
    place->subscription_id = subscription_id;
    return place;
}

static int place_quota(struct kn_pushes *pushes, int64_t subscription_id)
{
    const struct place *place = place_find(pushes, subscription_id);
    if (!place)
        return pushes->max_per_subscription;
    int limit = place->n_failed >= N_FAILING ? 1 : pushes->max_per_subscription;
    return limit > place->n_running ? limit - place->n_running : 0;
}

/* ---- one attempt ---- */

static kn_code attempt(struct kn_pushes *pushes, const struct kn_push_claim *claim,
                       struct kn_error *err)
{
    const char *queue = kn_endpoint_queue(claim->endpoint);
    if (queue)
        return kn_push_into_queue(pushes->queues, claim, queue, err);
    return kn_push_post(&pushes->sender, claim, kn_now_us(), err);
}

static kn_code attempt_note(struct kn_pushes *pushes, const struct kn_push_claim *claim,
                            bool has_arrived, const struct kn_error *failure, struct kn_error *err)
{
    if (has_arrived) // a queue's row went with the message
        return kn_endpoint_queue(claim->endpoint) ? KN_OK : kn_push_end(pushes->queues, claim, err);
    uint32_t random;
    kn_random(&random, sizeof(random));
    int64_t wait_us = kn_push_wait_us(claim->strategy, claim->n_attempts + 1, random);
    struct kn_log log = kn_log_with(NULL, "topic", claim->topic);
    log = kn_log_with(&log, "subscription", claim->subscription);
    log = kn_log_with(&log, "message", claim->message_id);
    if (wait_us >= 0) {
        KN_DEBUG(&log, "push failed: %s", failure->message);
        return kn_push_again(pushes->queues, claim, wait_us, err);
    }
    KN_WARN(&log, "push given up after %lld attempts: %s", (long long)claim->n_attempts + 1,
            failure->message);
    kn_metric_add(pushes->given_up, 1);
    return kn_push_end(pushes->queues, claim, err);
}

static bool attempt_run(struct kn_pushes *pushes, const struct kn_push_claim *claim)
{
    // A process that was stopped for long has lost its lease: whoever holds it now sends.
    if (kn_mono_us() - claim->claimed_mono_us > LEASE_US / 2)
        return true;
    struct kn_error failure = {0}, err = {0};
    bool has_arrived = attempt(pushes, claim, &failure) == KN_OK;
    kn_metric_add(has_arrived ? pushes->heard : pushes->failed, 1);
    if (attempt_note(pushes, claim, has_arrived, &failure, &err) != KN_OK)
        KN_WARN(NULL, "the answer to a push of '%s' was not noted, it will be sent again: %s",
                claim->topic, err.message);
    return has_arrived;
}

static void *sender_main(void *context)
{
    struct kn_pushes *pushes = context;
    (void)pthread_setname_np(pthread_self(), "kn-push");
    for (struct kn_push_claim *claim; (claim = kn_channel_pop(pushes->work)) != NULL;) {
        int64_t subscription_id = claim->subscription_id;
        bool is_well = attempt_run(pushes, claim);
        kn_push_claim_free(&claim);
        pthread_mutex_lock(&pushes->lock);
        struct place *place = place_find(pushes, subscription_id);
        if (place) {
            place->n_running--;
            place->n_failed = is_well ? 0 : place->n_failed + 1;
            if (place->n_running == 0 && is_well)
                place->subscription_id = 0;
        }
        pushes->n_running--;
        pushes->is_woken = true;
        pthread_cond_signal(&pushes->changed);
        pthread_mutex_unlock(&pushes->lock);
    }
    return NULL;
}

/* ---- the dispatcher ---- */

// With the lock held: shares the free threads out. Returns how many pushes may be claimed.
static int quotas_set(struct kn_pushes *pushes, struct kn_push_due *due, size_t n, int64_t now_us,
                      int64_t *out_next_us)
{
    int n_free = pushes->max_threads - pushes->n_running, n_wanted = 0;
    *out_next_us = now_us + POLL_US;
    size_t first = n > 0 ? pushes->next_turn++ % n : 0;
    for (size_t i = 0; i < n; i++) {
        struct kn_push_due *one = &due[(first + i) % n];
        one->quota = 0;
        if (one->due_us > now_us) {
            if (one->due_us < *out_next_us)
                *out_next_us = one->due_us;
            continue;
        }
        int quota = place_quota(pushes, one->subscription_id);
        one->quota = quota < n_free - n_wanted ? quota : n_free - n_wanted;
        n_wanted += one->quota;
    }
    return n_wanted;
}

// With the lock held. A claim nobody can be found for is left to its lease.
static void hand_out(struct kn_pushes *pushes, struct kn_push_claim *claim)
{
    struct place *place = place_get(pushes, claim->subscription_id);
    if (place && pushes->n_running == pushes->n_threads && pushes->n_threads < pushes->max_threads &&
        pthread_create(&pushes->threads[pushes->n_threads], NULL, sender_main, pushes) == 0)
        pushes->n_threads++;
    if (!place || pushes->n_threads == 0 || !kn_channel_try_push(pushes->work, claim)) {
        kn_push_claim_free(&claim);
        return;
    }
    place->n_running++;
    pushes->n_running++;
}

// One look: claim what is due and may be claimed. Returns when to look again, monotonic.
static int64_t dispatch(struct kn_pushes *pushes)
{
    struct kn_error err = {0};
    kn_auto(kn_free) struct kn_push_due *due = NULL;
    struct kn_push_claim *claims[MAX_THREADS];
    size_t n_due = 0, n = 0;
    int64_t now_us = 0, next_us = 0;
    kn_code rc = kn_push_scan(pushes->queues, &due, &n_due, &now_us, &err);
    int n_wanted = 0;
    if (rc == KN_OK) {
        pthread_mutex_lock(&pushes->lock);
        n_wanted = quotas_set(pushes, due, n_due, now_us, &next_us);
        pthread_mutex_unlock(&pushes->lock);
    }
    if (rc == KN_OK && n_wanted > 0)
        rc = kn_push_claim_due(pushes->queues, due, n_due, LEASE_US, claims, (size_t)n_wanted, &n,
                               &err);
    if (rc != KN_OK) {
        KN_WARN(NULL, "pushes wait: %s", err.message);
        return kn_mono_us() + PAUSE_US;
    }
    pthread_mutex_lock(&pushes->lock);
    for (size_t i = 0; i < n; i++)
        hand_out(pushes, claims[i]);
    pthread_mutex_unlock(&pushes->lock);
    // More of the same may be due: those that run wake us when they end.
    return kn_mono_us() + (n_wanted > 0 && n == 0 ? PAUSE_US : next_us - now_us);
}

static void *dispatcher_main(void *context)
{
    struct kn_pushes *pushes = context;
    (void)pthread_setname_np(pthread_self(), "kn-pushes");
    pthread_mutex_lock(&pushes->lock);
    while (!pushes->is_stopping) {
        pushes->is_woken = false;
        pthread_mutex_unlock(&pushes->lock);
        int64_t until_us = dispatch(pushes);
        struct timespec until = {.tv_sec = until_us / KN_SECOND,
                                 .tv_nsec = until_us % KN_SECOND * 1000};
        pthread_mutex_lock(&pushes->lock);
        while (!pushes->is_stopping && !pushes->is_woken && kn_mono_us() < until_us)
            (void)pthread_cond_timedwait(&pushes->changed, &pushes->lock, &until);
    }
    pthread_mutex_unlock(&pushes->lock);
    return NULL;
}

void kn_pushes_wake(struct kn_pushes *pushes)
{
    pthread_mutex_lock(&pushes->lock);
    pushes->is_woken = true;
    pthread_cond_signal(&pushes->changed);
    pthread_mutex_unlock(&pushes->lock);
}

static void on_notified(void *context)
{
    kn_pushes_wake(context);
}

/* ---- the life of it ---- */

kn_code kn_pushes_new(struct kn_pushes **out, const struct kn_pushes_config *config,
                      struct kn_error *err)
{
    *out = NULL;
    struct kn_pushes *pushes = calloc(1, sizeof(*pushes));
    if (!pushes)
        return kn_fail(err, KN_ENOMEM, "no memory for pushes");
    pushes->queues = config->queues;
    pushes->max_threads = config->max_threads > 0 && config->max_threads < MAX_THREADS
                              ? config->max_threads
                              : MAX_THREADS;
    pushes->max_per_subscription =
        config->max_per_subscription ? config->max_per_subscription : MAX_PER_SUBSCRIPTION;
    pushes->sender = (struct kn_push_sender){
        .client = config->client,
        .signer = config->signer,
        .account_id = config->queues->account_id,
        .answer_limit_us = config->answer_limit_us ? config->answer_limit_us : ANSWER_LIMIT_US,
    };
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pushes->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&pushes->lock, NULL);
    pushes->work = kn_channel_new((size_t)pushes->max_threads);
    pushes->threads = calloc((size_t)pushes->max_threads, sizeof(*pushes->threads));
    if (!pushes->work || !pushes->threads) {
        kn_pushes_free(&pushes);
        return kn_fail(err, KN_ENOMEM, "no memory for pushes");
    }
    const char *help = "Attempts to tell subscribers of topics, by outcome";
    pushes->heard = kn_metric_counter("kinora_pushes_total", "outcome=\"heard\"", help);
    pushes->failed = kn_metric_counter("kinora_pushes_total", "outcome=\"failed\"", help);
    pushes->given_up = kn_metric_counter("kinora_pushes_given_up_total", "",
                                         "Messages that a subscriber never acknowledged");
    *out = pushes;
    return KN_OK;
}

kn_code kn_pushes_start(struct kn_pushes *pushes, const char *certificate_url, struct kn_error *err)
{
    pushes->certificate_url = strdup(certificate_url);
    if (!pushes->certificate_url)
        return kn_fail(err, KN_ENOMEM, "no memory for pushes");
    pushes->sender.certificate_url = pushes->certificate_url;
    kn_code rc = kn_db_watch(pushes->queues->db, KN_PUSHES_TOPIC, on_notified, pushes, err);
    if (rc != KN_OK)
        return rc;
    pushes->is_watching = true;
    int error_number = pthread_create(&pushes->dispatcher, NULL, dispatcher_main, pushes);
    if (error_number != 0)
        return kn_fail_errno(err, error_number, "cannot start the thread of the pushes");
    pushes->is_started = true;
    return KN_OK;
}

static void claim_drop(void *item)
{
    struct kn_push_claim *claim = item;
    kn_push_claim_free(&claim);
}

void kn_pushes_free(struct kn_pushes **pushes_at)
{
    struct kn_pushes *pushes = *pushes_at;
    if (!pushes)
        return;
    if (pushes->is_watching)
        kn_db_unwatch(pushes->queues->db, KN_PUSHES_TOPIC, pushes);
    pthread_mutex_lock(&pushes->lock);
    pushes->is_stopping = true;
    pthread_cond_signal(&pushes->changed);
    pthread_mutex_unlock(&pushes->lock);
    if (pushes->is_started)
        pthread_join(pushes->dispatcher, NULL);
    if (pushes->work)
        kn_channel_close(pushes->work);
    for (int i = 0; i < pushes->n_threads; i++)
        pthread_join(pushes->threads[i], NULL);
    kn_channel_free(&pushes->work, claim_drop);
    pthread_cond_destroy(&pushes->changed);
    pthread_mutex_destroy(&pushes->lock);
    free(pushes->threads);
    free(pushes->places);
    free(pushes->certificate_url);
    free(pushes);
    *pushes_at = NULL;
}
