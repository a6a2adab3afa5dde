#pragma once
/*
 * Housekeeping: what time has made worthless is removed, in small steps, so that nobody waits for it.
 *
 *   ended jobs, their texts and tokens      keep_jobs_us; tasks of IMM keep_tasks_us
 *   deliveries acknowledged / set aside     keep_events_us / keep_set_aside_us
 *   messages of queues whose time is over    their retention, said by the queue
 *   nonces                                  an hour (the clock window is 15 minutes)
 *   uploads begun and forgotten             keep_uploads_us
 *   bytes nothing refers to                 an hour; strays of dead writers after a day (looked for
 *                                           every hour)
 *   caches and intermediates                beyond cache_limit_bytes, least recently used first
 * and the counters of object store and queues are added to the usage ledger.
 *
 * Thread-safety: kn_housekeeping_run() by one thread at a time; the thread of start is one.
 */
#include <stdint.h>

#include "base/error.h"
#include "db/db.h"
#include "objects/store.h"
#include "queues/queues.h"

struct kn_housekeeping_config {
    struct kn_db *db;            // borrowed
    struct kn_store *store;      // borrowed; NULL: none
    struct kn_queues *queues;    // borrowed; NULL: none
    const char *cache_folder;    // copied; NULL: none
    int64_t keep_jobs_us;        // 0: 30 days
    int64_t keep_tasks_us;       // 0: 7 days
    int64_t keep_events_us;      // 0: 7 days
    int64_t keep_set_aside_us;   // 0: 30 days
    int64_t keep_uploads_us;     // 0: 7 days
    int64_t cache_limit_bytes;   // 0: the cache is not looked at
    int64_t interval_us;         // 0: a minute
};

struct kn_housekeeping;
kn_code kn_housekeeping_new(struct kn_housekeeping **out,
                            const struct kn_housekeeping_config *config, struct kn_error *err);
/* One round now, as if it were now_us. Every task is tried; the first failure is returned. */
kn_code kn_housekeeping_run(struct kn_housekeeping *housekeeping, int64_t now_us,
                            struct kn_error *err);
/* Rounds on a thread of its own until kn_housekeeping_free(). */
kn_code kn_housekeeping_start(struct kn_housekeeping *housekeeping, struct kn_error *err);
void kn_housekeeping_free(struct kn_housekeeping **housekeeping);

/*
 * Remove files below `folder`, least recently used (access or change, whichever is later) first, until
 * at most limit_bytes are left. Files used within the last hour stay. *out_n: how many went.
 */
kn_code kn_cache_evict(const char *folder, int64_t limit_bytes, int64_t now_us, int64_t *out_n,
                       struct kn_error *err);
