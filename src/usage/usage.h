#pragma once
/*
 * The usage ledger: what was used, added up per day.
 *
 *   kind     dimension                              unit
 *   convert  codec=H.264,resolution=HD              microseconds (of output; minutes on the wire)
 *   extract  item=ExtractSubtitleText               streams (of text that were delivered)
 *            item=ExtractSubtitleImage              microseconds (of streams of pictures)
 *   object   bucket=films                           reads, writes, bytes_in, bytes_out
 *   message  queue=films, topic=news                requests
 *
 * Later features add kinds of their own. An entry is written in the transaction that ends the job it
 * counts, so a job is counted once, whatever dies. Thread-safe: all state is in the database.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "db/db.h"
#include "jobs/jobs.h"

/* Add to an entry; at_us says which day (UTC). An amount of 0 writes nothing. */
kn_code kn_usage_add(struct kn_tx *tx, int64_t at_us, const char *kind, const char *dimension,
                     const char *unit, int64_t amount, struct kn_error *err);

/* The ledger's line, texts in the caller's arena. */
struct kn_usage {
    const char *period; // "2026-03-01", or "2026-03" by month
    const char *kind, *dimension, *unit;
    int64_t amount;
};
/*
 * Lines from the day of from_us up to, but not including, that of before_us (KN_NO_TIME: open), of
 * one kind or all (NULL), by period, kind, dimension, unit.
 */
kn_code kn_usage_list(struct kn_db *db, int64_t from_us, int64_t before_us, const char *kind,
                      bool by_month, struct kn_arena *arena, struct kn_usage **out, size_t *out_n,
                      struct kn_error *err);

/*
 * Count a finished job's result: its "Usage" array [{"Kind", "Codec", "Resolution", "Item", "Seconds", "Streams"}]. In
 * the transaction of its end; jobs that have not succeeded, and those without the array, pass by.
 */
kn_code kn_usage_on_job(struct kn_tx *tx, const struct kn_job *job, struct kn_error *err);
