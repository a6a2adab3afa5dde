/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lists of jobs in one of three orders. A page token is where the last page ended: the keys of
 * its last job in that order, with a check so that a mistyped or foreign token is
 * refused instead of giving some other page.
 *
 *     16 hex digits of the first key | 16 of the second | 16 hex digits of SHA-256(both, order, kind)
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"
#include "jobs/record.h"

#define MAX_PAGE 1000
#define TOKEN_LENGTH 48

// KN_JOBS_BY_ID: the two halves of the id; else a time and a row number.
struct place {
    int64_t first;
    int64_t second;
};

struct list_call {
    const struct kn_job_filter *filter;
    int limit;
    bool has_place;
    struct place place;
    struct kn_arena *arena;
    struct kn_job *jobs;
    size_t n;
    bool has_more;
    struct place last;
};

static void place_token(const struct place *place, const struct kn_job_filter *filter,
                        char out[TOKEN_LENGTH + 1])
{
    char text[128];
    uint8_t check[KN_SHA256_BYTES];
    int n = snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64 "%d%d%.40s", (uint64_t)place->first,
                     (uint64_t)place->second, (int)filter->order, filter->oldest_first,
                     filter->kind ? filter->kind : "");
    kn_sha256(check, text, (size_t)n);
    memcpy(out, text, 32);
    kn_hex(out + 32, check, 8);
}

static bool token_place(const char *token, const struct kn_job_filter *filter, struct place *out)
{
    uint8_t raw[24];
    char again[TOKEN_LENGTH + 1];
    if (strlen(token) != TOKEN_LENGTH || !kn_unhex(raw, sizeof(raw), token))
        return false;
    uint64_t numbers[2] = {0};
    for (int i = 0; i < 16; i++)
        numbers[i / 8] = numbers[i / 8] << 8 | raw[i];
    out->first = (int64_t)numbers[0];
    out->second = (int64_t)numbers[1];
    place_token(out, filter, again);
    return kn_equal_nocase(again, token);
}

// What has not ended sorts as if it ended after all others.
#define UNENDED_LAST "COALESCE(j.finished_us, 9223372036854775807)"

static bool is_time(int64_t us)
{
    return us != 0 && us != KN_NO_TIME;
}

// Only the conditions in use are written, so that each combination is planned for what it is.
static void list_sql(const struct list_call *call, struct kn_buf *sql)
{
    const struct kn_job_filter *f = call->filter;
    kn_buf_printf(sql, "SELECT " KN_JOB_COLUMNS ", q.content, j.seq, %s, %s FROM job j"
                       " LEFT JOIN body q ON q.hash = j.request_hash%s%s WHERE 1 = 1",
                  f->has_result ? "r.content" : "NULL", f->has_spec ? "s.content" : "NULL",
                  f->has_result ? " LEFT JOIN body r ON r.hash = j.result_hash" : "",
                  f->has_spec ? " LEFT JOIN body s ON s.hash = j.spec_hash" : "");
    if (f->kind)
        kn_buf_puts(sql, " AND j.kind = ?");
    if (f->id)
        kn_buf_puts(sql, " AND j.id = ?");
    if (f->pipeline_id)
        kn_buf_puts(sql, " AND j.pipeline_id = ?");
    if (f->user_data)
        kn_buf_puts(sql, " AND j.user_data = ?");
    if (f->name)
        kn_buf_puts(sql, " AND j.name = ?");
    if (f->is_unfinished)
        kn_buf_puts(sql, " AND j.state < 2");
    if (f->is_stopped)
        kn_buf_puts(sql, " AND j.state > 2");
    if (f->state >= 0)
        kn_buf_printf(sql, " AND j.state = %d", f->state); // literal: partial indexes need it
    if (f->created_from_us != KN_NO_TIME)
        kn_buf_puts(sql, " AND j.created_us >= ?");
    if (f->created_before_us != KN_NO_TIME)
        kn_buf_puts(sql, " AND j.created_us < ?");
    if (is_time(f->finished_from_us))
        kn_buf_puts(sql, " AND j.finished_us >= ?");
    if (is_time(f->finished_before_us))
        kn_buf_puts(sql, " AND j.finished_us < ?");
    static const char *const orders[][2] = {
        [KN_JOBS_BY_CREATION] = {"j.created_us", "j.seq"},
        [KN_JOBS_BY_ID] = {"j.id", "j.seq"},
        [KN_JOBS_BY_END] = {UNENDED_LAST, "j.seq"},
    };
    const char *first = orders[f->order][0], *second = orders[f->order][1];
    const char *way = f->oldest_first ? ">" : "<", *down = f->oldest_first ? "" : " DESC";
    if (call->has_place && f->order == KN_JOBS_BY_ID)
        kn_buf_printf(sql, " AND j.id %s ?", way);
    else if (call->has_place)
        kn_buf_printf(sql, " AND (%s, %s) %s (?, ?)", first, second, way);
    kn_buf_printf(sql, " ORDER BY %s%s, %s%s LIMIT ?", first, down, second, down);
}

static void list_bind(const struct list_call *call, struct kn_stmt *stmt)
{
    const struct kn_job_filter *f = call->filter;
    const char *const texts[] = {f->kind, f->id, f->pipeline_id, f->user_data, f->name};
    const int64_t times[] = {f->created_from_us, f->created_before_us,
                             is_time(f->finished_from_us) ? f->finished_from_us : KN_NO_TIME,
                             is_time(f->finished_before_us) ? f->finished_before_us : KN_NO_TIME};
    int at = 0;
    for (size_t i = 0; i < KN_COUNT(texts); i++)
        if (texts[i])
            kn_stmt_bind_text(stmt, at++, texts[i]);
    for (size_t i = 0; i < KN_COUNT(times); i++)
        if (times[i] != KN_NO_TIME)
            kn_stmt_bind_int(stmt, at++, times[i]);
    if (call->has_place && f->order == KN_JOBS_BY_ID) {
        char id[KN_ID_SIZE];
        (void)snprintf(id, sizeof(id), "%016" PRIx64 "%016" PRIx64, (uint64_t)call->place.first,
                       (uint64_t)call->place.second);
        kn_stmt_bind_text(stmt, at++, id);
    } else if (call->has_place) {
        kn_stmt_bind_int(stmt, at++, call->place.first);
        kn_stmt_bind_int(stmt, at++, call->place.second);
    }
    kn_stmt_bind_int(stmt, at, call->limit + 1); // one more tells whether there is a next page
}

static struct place place_of(const struct kn_job *job, int64_t seq, enum kn_job_order order)
{
    struct place place = {.first = job->created_us, .second = seq};
    uint64_t halves[2] = {0};
    if (order == KN_JOBS_BY_ID && sscanf(job->id, "%16" SCNx64 "%16" SCNx64, &halves[0], &halves[1]) == 2)
        place = (struct place){(int64_t)halves[0], (int64_t)halves[1]};
    else if (order == KN_JOBS_BY_END)
        place.first = job->finished_us == KN_NO_TIME ? INT64_MAX : job->finished_us;
    return place;
}

static kn_code list_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct list_call *call = context;
    kn_auto(kn_buf_clear) struct kn_buf sql = {0};
    struct kn_stmt *row = NULL;
    bool has_row = false;
    call->n = 0;
    call->has_more = false;
    list_sql(call, &sql);
    if (!kn_buf_ok(&sql))
        return kn_fail(err, KN_ENOMEM, "no memory for a list");
    kn_code rc = kn_tx_prepare(tx, &row, kn_buf_text(&sql), err);
    if (rc != KN_OK)
        return rc;
    list_bind(call, row);
    while ((rc = kn_stmt_step(row, &has_row, err)) == KN_OK && has_row) {
        if (call->n == (size_t)call->limit) {
            call->has_more = true;
            return KN_OK;
        }
        struct kn_job *job = &call->jobs[call->n++];
        kn_job_from_row(job, row, call->arena);
        job->request = kn_arena_strdup(call->arena, kn_stmt_text(row, KN_JOB_N_COLUMNS));
        job->result = kn_arena_strdup(call->arena, kn_stmt_text(row, KN_JOB_N_COLUMNS + 2));
        job->spec = kn_arena_strdup(call->arena, kn_stmt_text(row, KN_JOB_N_COLUMNS + 3));
        call->last = place_of(job, kn_stmt_int(row, KN_JOB_N_COLUMNS + 1), call->filter->order);
    }
    return rc;
}

kn_code kn_jobs_list(struct kn_jobs *jobs, const struct kn_job_filter *filter,
                     struct kn_arena *arena, struct kn_job **out_jobs, size_t *out_n,
                     char next_token[128], struct kn_error *err)
{
    struct list_call call = {.filter = filter, .arena = arena};
    next_token[0] = '\0';
    *out_n = 0;
    call.limit = filter->limit < 1 ? 20 : filter->limit > MAX_PAGE ? MAX_PAGE : filter->limit;
    call.has_place = filter->page_token && filter->page_token[0];
    if (call.has_place && !token_place(filter->page_token, filter, &call.place))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "the page token is not one of ours");
    call.jobs = kn_arena_array(arena, (size_t)call.limit, sizeof(*call.jobs));
    if (!call.jobs)
        return kn_fail(err, KN_ENOMEM, "no memory for %d jobs", call.limit);
    kn_code rc = kn_db_read(jobs->db, list_in_tx, &call, err);
    if (rc != KN_OK)
        return rc;
    if (call.has_more)
        place_token(&call.last, filter, next_token);
    *out_jobs = call.jobs;
    *out_n = call.n;
    return KN_OK;
}
