/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A nonce is kept as the first 128 bits of a SHA-256: it cannot be made to collide, and two honest
 * ones never do. Each period has an open-addressing table that doubles when three quarters full.
 */
#include "access/nonce_set.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/limits.h"
#include "base/time.h"

#define PERIOD_US (10 * KN_MINUTE)
#define N_PERIODS 4 // the one under way and three whole ones: 30 to 40 minutes
#define FIRST_CAPACITY 256

struct mark {
    uint64_t high, low; // both 0: empty
};

struct period {
    int64_t number;     // time / PERIOD_US
    struct mark *marks; // owned
    size_t n_marks, capacity;
};

struct kn_nonce_set {
    pthread_mutex_t lock;
    // --- protected by lock
    struct period periods[N_PERIODS];
    size_t n_marks;
};

struct kn_nonce_set *kn_nonce_set_new(void)
{
    struct kn_nonce_set *set = calloc(1, sizeof(*set));
    if (set)
        pthread_mutex_init(&set->lock, NULL);
    return set;
}

void kn_nonce_set_free(struct kn_nonce_set **set)
{
    if (!*set)
        return;
    for (int i = 0; i < N_PERIODS; i++)
        free((*set)->periods[i].marks);
    pthread_mutex_destroy(&(*set)->lock);
    free(*set);
    *set = NULL;
}

static struct mark mark_of(const char *key_id, const char *nonce)
{
    uint8_t digest[KN_SHA256_BYTES];
    struct mark mark;
    struct kn_digest *sum = kn_digest_new(KN_DIGEST_SHA256);
    if (!sum)
        return (struct mark){0};
    kn_digest_add(sum, key_id, strlen(key_id) + 1); // the NUL keeps the two apart
    kn_digest_add(sum, nonce, strlen(nonce));
    kn_digest_end(sum, digest);
    kn_digest_free(&sum);
    memcpy(&mark, digest, sizeof(mark));
    mark.high |= 1; // never empty
    return mark;
}

// Where the mark is, or the empty place where it would go. The table is never full.
static struct mark *period_find(const struct period *period, struct mark mark)
{
    size_t at = mark.low & (period->capacity - 1);
    while (period->marks[at].high &&
           (period->marks[at].high != mark.high || period->marks[at].low != mark.low))
        at = (at + 1) & (period->capacity - 1);
    return &period->marks[at];
}

static bool period_grow(struct period *period)
{
    struct period wider = *period;
    wider.capacity = period->capacity ? 2 * period->capacity : FIRST_CAPACITY;
    wider.marks = calloc(wider.capacity, sizeof(*wider.marks));
    if (!wider.marks)
        return false;
    for (size_t i = 0; i < period->capacity; i++)
        if (period->marks[i].high)
            *period_find(&wider, period->marks[i]) = period->marks[i];
    free(period->marks);
    *period = wider;
    return true;
}

static kn_code set_use_locked(struct kn_nonce_set *set, struct mark mark, int64_t number,
                              struct kn_error *err)
{
    for (int i = 0; i < N_PERIODS; i++) {
        struct period *period = &set->periods[i];
        if (period->number <= number - N_PERIODS && period->marks) {
            set->n_marks -= period->n_marks;
            free(period->marks);
            *period = (struct period){0};
        }
        if (period->marks && period_find(period, mark)->high)
            return kn_fail_as(err, KN_ECONFLICT, "SignatureNonceUsed",
                              "the nonce of this request was used before");
    }
    struct period *now = &set->periods[number % N_PERIODS];
    now->number = number;
    if (set->n_marks >= KN_MAX_NONCES)
        return kn_fail_as(err, KN_ELIMIT, "Throttling", "too many requests in the last half hour");
    if (now->n_marks * 4 >= now->capacity * 3 && !period_grow(now))
        return kn_fail(err, KN_ENOMEM, "no memory for a nonce");
    *period_find(now, mark) = mark;
    now->n_marks++;
    set->n_marks++;
    return KN_OK;
}

kn_code kn_nonce_set_use(struct kn_nonce_set *set, const char *key_id, const char *nonce,
                         int64_t now_us, struct kn_error *err)
{
    struct mark mark = mark_of(key_id, nonce);
    if (!mark.high)
        return kn_fail(err, KN_ENOMEM, "no memory for a nonce");
    pthread_mutex_lock(&set->lock);
    kn_code rc = set_use_locked(set, mark, now_us / PERIOD_US, err);
    pthread_mutex_unlock(&set->lock);
    return rc;
}
