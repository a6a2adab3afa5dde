/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Housekeeping: a table of tasks, each bounded in rows and in rounds. */
#include "server/housekeeping.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <fts.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "events/delivery_log.h"
#include "jobs/prune.h"
#include "objects/multipart.h"
#include "usage/usage.h"

// Rows of one transaction: some milliseconds of the one writer SQLite has.
#define BATCH 200
// Transactions of one task in one round; what is left waits for the next.
#define MAX_BATCHES 50
// The same for messages of queues.
#define MESSAGE_BATCH 1000
#define MAX_MESSAGE_BATCHES 200
#define KEEP_NONCES_US KN_HOUR
#define SWEEP_GRACE_US KN_HOUR
// Whoever reads a local file keeps it; one in S3 must outlast the longest job that reads it.
#define SWEEP_REMOTE_GRACE_US (2 * KN_DAY)
#define SWEEP_STRAY_US KN_DAY
// Looking for strays walks over every file there is: once in a while, and after a start.
#define STRAY_WALK_US KN_HOUR
// A file in use must not vanish between being chosen and being opened.
#define CACHE_GRACE_US KN_HOUR

struct kn_housekeeping {
    struct kn_housekeeping_config config;
    char *cache_folder; // owned; NULL: none
    pthread_t thread;
    bool is_started;    // owner's thread only
    int64_t next_walk_us; // the thread of kn_housekeeping_run()
    pthread_mutex_t lock;
    pthread_cond_t stopping; // CLOCK_MONOTONIC
    // --- protected by lock
    bool is_stopping;
};

/* ---- the cache ---- */

struct cached_file {
    char *path; // owned
    int64_t used_us, size_bytes;
};

struct cache {
    struct cached_file *files; // owned
    size_t n, capacity;
    int64_t total_bytes;
};

static void cache_clear(struct cache *cache)
{
    for (size_t i = 0; i < cache->n; i++)
        free(cache->files[i].path);
    free(cache->files);
    *cache = (struct cache){0};
}

static bool cache_add(struct cache *cache, const FTSENT *entry)
{
    if (cache->n == cache->capacity) {
        size_t capacity = cache->capacity ? 2 * cache->capacity : 64;
        void *files = realloc(cache->files, capacity * sizeof(*cache->files));
        if (!files)
            return false;
        cache->files = files;
        cache->capacity = capacity;
    }
    const struct stat *st = entry->fts_statp;
    int64_t used_s = st->st_atime > st->st_mtime ? st->st_atime : st->st_mtime;
    char *path = strdup(entry->fts_path);
    if (!path)
        return false;
    cache->files[cache->n++] = (struct cached_file){path, used_s * KN_SECOND, st->st_size};
    cache->total_bytes += st->st_size;
    return true;
}

static kn_code cache_read(struct cache *cache, const char *folder, struct kn_error *err)
{
    char *const roots[] = {(char *)(uintptr_t)folder, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return kn_fail_errno(err, errno, "cannot look into '%s'", folder);
    kn_code rc = KN_OK;
    for (FTSENT *entry = fts_read(walk); entry && rc == KN_OK; entry = fts_read(walk))
        if (entry->fts_info == FTS_F && !cache_add(cache, entry))
            rc = kn_fail(err, KN_ENOMEM, "no memory to look into '%s'", folder);
    fts_close(walk);
    return rc;
}

static int older_first(const void *a, const void *b)
{
    const struct cached_file *one = a, *other = b;
    return one->used_us < other->used_us ? -1 : one->used_us > other->used_us;
}

kn_code kn_cache_evict(const char *folder, int64_t limit_bytes, int64_t now_us, int64_t *out_n,
                       struct kn_error *err)
{
    *out_n = 0;
    kn_auto(cache_clear) struct cache cache = {0};
    kn_code rc = cache_read(&cache, folder, err);
    if (rc != KN_OK || cache.total_bytes <= limit_bytes)
        return rc;
    qsort(cache.files, cache.n, sizeof(*cache.files), older_first);
    for (size_t i = 0; i < cache.n && cache.total_bytes > limit_bytes; i++) {
        if (cache.files[i].used_us > now_us - CACHE_GRACE_US)
            break; // all that follow were used later still
        if (unlink(cache.files[i].path) != 0 && errno != ENOENT)
            continue;
        cache.total_bytes -= cache.files[i].size_bytes;
        ++*out_n;
    }
    return KN_OK;
}

/* ---- the tasks; each answers how many it removed ---- */

typedef kn_code (*task_fn)(struct kn_housekeeping *h, int64_t now_us, int64_t *out_n,
                           struct kn_error *err);

static kn_code task_jobs(struct kn_housekeeping *h, int64_t now_us, int64_t *out_n,
                         struct kn_error *err)
{
    return kn_jobs_prune(h->config.db, NULL, now_us - h->config.keep_jobs_us, BATCH, out_n, err);
}

static kn_code task_tasks(struct kn_housekeeping *h, int64_t now_us, int64_t *out_n,
                          struct kn_error *err)
{
    return kn_jobs_prune(h->config.db, "task", now_us - h->config.keep_tasks_us, BATCH, out_n, err);
}

static kn_code task_events(struct kn_housekeeping *h, int64_t now_us, int64_t *out_n,
                           struct kn_error *err)
{
    return kn_events_prune(h->config.db, now_us - h->config.keep_events_us,
                           now_us - h->config.keep_set_aside_us, BATCH, out_n, err);
}

static kn_code task_nonces(struct kn_housekeeping *h, int64_t now_us, int64_t *out_n,
                           struct kn_error *err)
{
    return kn_nonces_prune(h->config.db, now_us - KEEP_NONCES_US, out_n, err);
}

// Messages come and go faster than anything else: a round removes as many as are sent in one.
static kn_code task_messages(struct kn_housekeeping *h, int64_t now_us, int64_t *out_n,
                             struct kn_error *err)
{
    int64_t n = MESSAGE_BATCH;
    kn_code rc = KN_OK;
    (void)now_us; // the queues have their own clock
    *out_n = 0;
    for (int i = 0; i < MAX_MESSAGE_BATCHES && n == MESSAGE_BATCH && rc == KN_OK; i++) {
        n = 0;
        if (h->config.queues)
            rc = kn_queues_prune(h->config.queues, MESSAGE_BATCH, &n, err);
        *out_n += n;
    }
    return rc;
}

static kn_code task_uploads(struct kn_housekeeping *h, int64_t now_us, int64_t *out_n,
                            struct kn_error *err)
{
    size_t n = 0;
    kn_code rc = h->config.store ? kn_upload_expire(h->config.store,
                                                    now_us - h->config.keep_uploads_us, &n, err)
                                 : KN_OK;
    *out_n = (int64_t)n;
    return rc;
}

static kn_code task_bytes(struct kn_housekeeping *h, int64_t now_us, int64_t *out_n,
                          struct kn_error *err)
{
    size_t n = 0;
    struct kn_store *store = h->config.store;
    if (!store)
        return KN_OK;
    const bool is_walk = now_us >= h->next_walk_us;
    kn_code rc = kn_store_sweep(
        store, kn_store_is_local(store) ? SWEEP_GRACE_US : SWEEP_REMOTE_GRACE_US,
        is_walk ? SWEEP_STRAY_US : KN_NO_TIME, &n, err);
    if (rc == KN_OK && is_walk)
        h->next_walk_us = now_us + STRAY_WALK_US;
    *out_n = (int64_t)n;
    return rc;
}

static kn_code task_cache(struct kn_housekeeping *h, int64_t now_us, int64_t *out_n,
                          struct kn_error *err)
{
    *out_n = 0;
    if (!h->cache_folder || h->config.cache_limit_bytes == 0 || access(h->cache_folder, F_OK) != 0)
        return KN_OK;
    return kn_cache_evict(h->cache_folder, h->config.cache_limit_bytes, now_us, out_n, err);
}

struct draining {
    const struct kn_store_usage *usage;
    size_t n;
    int64_t now_us;
};

static kn_code drain_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct draining *draining = context;
    for (size_t i = 0; i < draining->n; i++) {
        const struct kn_store_usage *one = &draining->usage[i];
        const struct {
            const char *unit;
            int64_t amount;
        } lines[] = {{"reads", one->n_reads},
                     {"writes", one->n_writes},
                     {"bytes_in", one->bytes_in},
                     {"bytes_out", one->bytes_out}};
        char dimension[80];
        (void)snprintf(dimension, sizeof(dimension), "bucket=%s", one->bucket);
        for (size_t k = 0; k < KN_COUNT(lines); k++) {
            kn_code rc = kn_usage_add(tx, draining->now_us, "object", dimension, lines[k].unit,
                                      lines[k].amount, err);
            if (rc != KN_OK)
                return rc;
        }
    }
    return KN_OK;
}

struct draining_queues {
    const struct kn_queues_usage *usage;
    size_t n;
    int64_t now_us;
};

static kn_code drain_queues_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct draining_queues *draining = context;
    kn_code rc = KN_OK;
    for (size_t i = 0; i < draining->n && rc == KN_OK; i++)
        rc = kn_usage_add(tx, draining->now_us, "message", draining->usage[i].name, "requests",
                          draining->usage[i].n_requests, err);
    return rc;
}

static kn_code task_queue_usage(struct kn_housekeeping *h, int64_t now_us, int64_t *out_n,
                                struct kn_error *err)
{
    *out_n = 0;
    if (!h->config.queues)
        return KN_OK;
    size_t n = 0;
    kn_auto(kn_free) struct kn_queues_usage *usage = kn_queues_usage_take(h->config.queues, &n);
    struct draining_queues draining = {usage, n, now_us};
    return n > 0 ? kn_db_write(h->config.db, drain_queues_tx, &draining, err) : KN_OK;
}

// Counters since the last round; a process that dies loses at most one round's.
static kn_code task_usage(struct kn_housekeeping *h, int64_t now_us, int64_t *out_n,
                          struct kn_error *err)
{
    *out_n = 0;
    if (!h->config.store)
        return KN_OK;
    size_t n = 0;
    kn_auto(kn_free) struct kn_store_usage *usage = kn_store_usage_take(h->config.store, &n);
    struct draining draining = {usage, n, now_us};
    return n > 0 ? kn_db_write(h->config.db, drain_tx, &draining, err) : KN_OK;
}

static const struct {
    const char *name;
    task_fn run;
    bool is_batched; // again while a whole batch was removed
} tasks[] = {
    {"usage", task_usage, false},    {"jobs", task_jobs, true},   {"events", task_events, true},
    {"tasks", task_tasks, true},
    {"nonces", task_nonces, false},  {"uploads", task_uploads, false},
    {"messages", task_messages, false}, {"queue usage", task_queue_usage, false},
    {"bytes", task_bytes, false},    {"cache", task_cache, false},
};

/* ---- rounds ---- */

static bool is_stopping(struct kn_housekeeping *h)
{
    pthread_mutex_lock(&h->lock);
    bool answer = h->is_stopping;
    pthread_mutex_unlock(&h->lock);
    return answer;
}

kn_code kn_housekeeping_run(struct kn_housekeeping *h, int64_t now_us, struct kn_error *err)
{
    kn_code first = KN_OK;
    for (size_t i = 0; i < KN_COUNT(tasks); i++) {
        char label[48];
        (void)snprintf(label, sizeof(label), "kind=\"%s\"", tasks[i].name);
        struct kn_metric *removed = kn_metric_counter("kinora_housekeeping_removed_total", label,
                                                      "What housekeeping removed, by kind");
        int64_t n = BATCH;
        int n_batches = 0;
        kn_code rc = KN_OK;
        struct kn_error failure = {0};
        while (rc == KN_OK && n == BATCH && n_batches++ < MAX_BATCHES && !is_stopping(h)) {
            rc = tasks[i].run(h, now_us, &n, &failure);
            if (rc == KN_OK)
                kn_metric_add(removed, n);
            if (!tasks[i].is_batched)
                break;
        }
        if (rc != KN_OK && first == KN_OK)
            first = kn_fail(err, rc, "housekeeping of %s: %s", tasks[i].name, failure.message);
    }
    return first;
}

static void *housekeeping_main(void *context)
{
    struct kn_housekeeping *h = context;
    (void)pthread_setname_np(pthread_self(), "kn-housekeep");
    for (;;) {
        struct kn_error err = {0};
        if (kn_housekeeping_run(h, kn_now_us(), &err) != KN_OK)
            KN_WARN(NULL, "%s", err.message);
        int64_t until = kn_mono_us() + h->config.interval_us;
        struct timespec ts = {.tv_sec = until / KN_SECOND, .tv_nsec = until % KN_SECOND * 1000};
        pthread_mutex_lock(&h->lock);
        while (!h->is_stopping && pthread_cond_timedwait(&h->stopping, &h->lock, &ts) == 0)
            ;
        bool ends = h->is_stopping;
        pthread_mutex_unlock(&h->lock);
        if (!ends)
            continue;
        // What was served since the last round is not to be lost by stopping.
        int64_t n = 0;
        if (task_usage(h, kn_now_us(), &n, &err) != KN_OK)
            KN_WARN(NULL, "the last requests were not counted: %s", err.message);
        return NULL;
    }
}

/* ---- a life ---- */

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

kn_code kn_housekeeping_new(struct kn_housekeeping **out,
                            const struct kn_housekeeping_config *config, struct kn_error *err)
{
    *out = NULL;
    struct kn_housekeeping *h = calloc(1, sizeof(*h));
    if (!h)
        return kn_fail(err, KN_ENOMEM, "no memory for housekeeping");
    h->config = *config;
    h->config.cache_folder = NULL; // our copy lies beside it
    h->config.keep_jobs_us = or_default(config->keep_jobs_us, 30 * KN_DAY);
    h->config.keep_tasks_us = or_default(config->keep_tasks_us, 7 * KN_DAY);
    h->config.keep_events_us = or_default(config->keep_events_us, 7 * KN_DAY);
    h->config.keep_set_aside_us = or_default(config->keep_set_aside_us, 30 * KN_DAY);
    h->config.keep_uploads_us = or_default(config->keep_uploads_us, 7 * KN_DAY);
    h->config.interval_us = or_default(config->interval_us, KN_MINUTE);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&h->stopping, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&h->lock, NULL);
    if (config->cache_folder && !(h->cache_folder = strdup(config->cache_folder))) {
        kn_housekeeping_free(&h);
        return kn_fail(err, KN_ENOMEM, "no memory for housekeeping");
    }
    *out = h;
    return KN_OK;
}

kn_code kn_housekeeping_start(struct kn_housekeeping *h, struct kn_error *err)
{
    int error_number = pthread_create(&h->thread, NULL, housekeeping_main, h);
    if (error_number != 0)
        return kn_fail_errno(err, error_number, "cannot start the housekeeping thread");
    h->is_started = true;
    return KN_OK;
}

void kn_housekeeping_free(struct kn_housekeeping **housekeeping)
{
    struct kn_housekeeping *h = *housekeeping;
    if (!h)
        return;
    if (h->is_started) {
        pthread_mutex_lock(&h->lock);
        h->is_stopping = true;
        pthread_cond_broadcast(&h->stopping);
        pthread_mutex_unlock(&h->lock);
        pthread_join(h->thread, NULL);
    }
    pthread_cond_destroy(&h->stopping);
    pthread_mutex_destroy(&h->lock);
    free(h->cache_folder);
    free(h);
    *housekeeping = NULL;
}
