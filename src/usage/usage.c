/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The usage ledger. */
#include "usage/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/time.h"

static void day_of(char out[11], int64_t us)
{
    char iso[24];
    kn_time_iso(iso, us);
    (void)snprintf(out, 11, "%.10s", iso);
}

kn_code kn_usage_add(struct kn_tx *tx, int64_t at_us, const char *kind, const char *dimension,
                     const char *unit, int64_t amount, struct kn_error *err)
{
    if (amount == 0)
        return KN_OK;
    char day[11];
    day_of(day, at_us);
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO usage_entry (day, kind, dimension, unit, amount)"
                     " VALUES (?, ?, ?, ?, ?) ON CONFLICT (day, kind, dimension, unit)"
                     " DO UPDATE SET amount = usage_entry.amount + excluded.amount",
                     "ssssi", day, kind, dimension, unit, amount);
}

/* ---- listing ---- */

struct listing {
    char from[11], before[11];
    const char *kind;
    bool by_month;
    struct kn_arena *arena;
    struct kn_usage *list; // malloc'd while it grows
    size_t n, capacity;
};

static kn_code listing_add(struct listing *listing, struct kn_stmt *row, struct kn_error *err)
{
    if (listing->n == listing->capacity) {
        size_t capacity = listing->capacity ? 2 * listing->capacity : 64;
        void *list = realloc(listing->list, capacity * sizeof(*listing->list));
        if (!list)
            return kn_fail(err, KN_ENOMEM, "no memory for the usage ledger");
        listing->list = list;
        listing->capacity = capacity;
    }
    struct kn_usage *line = &listing->list[listing->n++];
    line->period = kn_arena_strdup(listing->arena, kn_stmt_text(row, 0));
    line->kind = kn_arena_strdup(listing->arena, kn_stmt_text(row, 1));
    line->dimension = kn_arena_strdup(listing->arena, kn_stmt_text(row, 2));
    line->unit = kn_arena_strdup(listing->arena, kn_stmt_text(row, 3));
    line->amount = kn_stmt_int(row, 4);
    bool is_whole = line->period && line->kind && line->dimension && line->unit;
    return is_whole ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for the usage ledger");
}

static kn_code list_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct listing *listing = context;
    listing->n = 0;
    struct kn_stmt *row;
    // SUM of BIGINT is NUMERIC in PostgreSQL: brought back by the cast.
    const char *sql =
        listing->by_month
            ? "SELECT substr(day, 1, 7) AS period, kind, dimension, unit,"
              " CAST(SUM(amount) AS BIGINT) FROM usage_entry"
              " WHERE day >= ? AND day < ? AND (? = '' OR kind = ?)"
              " GROUP BY substr(day, 1, 7), kind, dimension, unit ORDER BY 1, 2, 3, 4"
            : "SELECT day, kind, dimension, unit, amount FROM usage_entry"
              " WHERE day >= ? AND day < ? AND (? = '' OR kind = ?) ORDER BY 1, 2, 3, 4";
    kn_code rc = kn_tx_query(tx, &row, err, sql, "ssss", listing->from, listing->before,
                             listing->kind, listing->kind);
    bool has_row = true;
    while (rc == KN_OK) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        rc = listing_add(listing, row, err);
    }
    return rc;
}

kn_code kn_usage_list(struct kn_db *db, int64_t from_us, int64_t before_us, const char *kind,
                      bool by_month, struct kn_arena *arena, struct kn_usage **out, size_t *out_n,
                      struct kn_error *err)
{
    struct listing listing = {.from = "", .before = "9999-12-31", .kind = kind ? kind : "",
                              .by_month = by_month, .arena = arena};
    if (from_us != KN_NO_TIME)
        day_of(listing.from, from_us);
    if (before_us != KN_NO_TIME)
        day_of(listing.before, before_us);
    kn_code rc = kn_db_read(db, list_tx, &listing, err);
    *out_n = 0;
    *out = rc == KN_OK ? kn_arena_array(arena, listing.n + 1, sizeof(**out)) : NULL;
    if (*out && listing.n > 0)
        memcpy(*out, listing.list, listing.n * sizeof(**out));
    if (*out)
        *out_n = listing.n;
    else if (rc == KN_OK)
        rc = kn_fail(err, KN_ENOMEM, "no memory for the usage ledger");
    free(listing.list);
    return rc;
}

/* ---- jobs ---- */

// "codec=H.264,resolution=HD": what a line of the result is counted by.
static void dimension_of(struct kn_buf *out, const json_t *line)
{
    static const char *const names[][2] = {
        {"Codec", "codec"}, {"Resolution", "resolution"}, {"Item", "item"}};
    for (size_t i = 0; i < KN_COUNT(names); i++) {
        const char *value = kn_json_get(line, names[i][0], "");
        if (value[0])
            kn_buf_printf(out, "%s%s=%s", out->len ? "," : "", names[i][1], value);
    }
}

kn_code kn_usage_on_job(struct kn_tx *tx, const struct kn_job *job, struct kn_error *err)
{
    if (job->state != KN_JOB_SUCCEEDED || !job->result)
        return KN_OK;
    json_auto_t *result = NULL;
    kn_code rc = kn_json_parse(&result, job->result, strlen(job->result), "the job's result", err);
    if (rc != KN_OK)
        return rc;
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(result, "Usage"), i, line) {
        kn_auto(kn_buf_clear) struct kn_buf dimension = {0};
        dimension_of(&dimension, line);
        const json_int_t n_streams = json_integer_value(json_object_get(line, "Streams"));
        double seconds = json_number_value(json_object_get(line, "Seconds"));
        rc = kn_usage_add(tx, job->finished_us, kn_json_get(line, "Kind", job->kind),
                          kn_buf_text(&dimension), "microseconds",
                          (int64_t)(seconds * (double)KN_SECOND), err);
        if (rc == KN_OK)
            rc = kn_usage_add(tx, job->finished_us, kn_json_get(line, "Kind", job->kind),
                              kn_buf_text(&dimension), "streams", n_streams, err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}
