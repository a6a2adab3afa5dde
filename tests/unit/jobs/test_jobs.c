/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A job's life, on the database that KINORA_TEST_DATABASE names, or on SQLite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/time.h"
#include "jobs/jobs.h"
#include "support/test_database.h"

static const char worker[KN_ID_SIZE] = "worker";
static const char slow[KN_ID_SIZE] = "slow";

static struct fixture {
    struct kn_db *db;
    struct kn_jobs *jobs;
    struct kn_arena arena;
    int n_hooked;
    int last_state;
} fx;

static kn_code hook_notes(struct kn_tx *tx, const struct kn_job *job, void *context,
                          struct kn_error *err)
{
    (void)tx;
    (void)context;
    (void)err;
    fx.n_hooked++;
    fx.last_state = job->state;
    return KN_OK;
}

// Everything of an earlier test goes: on PostgreSQL the tests share one database.
static kn_code wipe_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    static const char *const statements[] = {
        "DELETE FROM job",   "DELETE FROM client_token",
        "DELETE FROM nonce", "DELETE FROM pipeline WHERE is_default = 0",
        "DELETE FROM body",  "UPDATE pipeline SET max_running = 0, n_running = 0, is_paused = 0"};
    kn_code rc = KN_OK;
    for (size_t i = 0; rc == KN_OK && i < KN_COUNT(statements); i++)
        rc = kn_tx_run(tx, NULL, err, statements[i], "");
    return rc;
}

static int set_up(void **state)
{
    (void)state;
    struct kn_error err = {0};
    fx = (struct fixture){0};
    if (kn_db_open(&fx.db, test_database_url(), &err) != KN_OK ||
        kn_db_write(fx.db, wipe_in_tx, NULL, &err) != KN_OK ||
        kn_jobs_open(&fx.jobs, fx.db, &err) != KN_OK)
        fail_msg("%s", err.message);
    kn_jobs_set_hook(fx.jobs, hook_notes, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kn_arena_clear(&fx.arena);
    kn_jobs_close(&fx.jobs);
    kn_db_close(&fx.db);
    return 0;
}

/* ---- helpers ---- */

static struct kn_job_submit convert_submit(void)
{
    return (struct kn_job_submit){
        .kind = "convert",
        .key_id = "key",
        .action = "SubmitMediaConvertJob",
        .spec = "{\"spec\":1}",
        .request = "{\"request\":1}",
        .user_data = "ü",
    };
}

static struct kn_job submit_ok(const struct kn_job_submit *submit)
{
    struct kn_job job;
    struct kn_error err = {0};
    bool is_repeat = true;
    if (kn_jobs_submit(fx.jobs, submit, &fx.arena, &job, &is_repeat, &err) != KN_OK)
        fail_msg("%s", err.message);
    assert_false(is_repeat);
    return job;
}

static struct kn_job get_ok(const char *id)
{
    struct kn_job job;
    assert_int_equal(kn_jobs_get(fx.jobs, id, &fx.arena, &job, NULL), KN_OK);
    return job;
}

static int claim_n(struct kn_claim *claims, int max)
{
    struct kn_error err = {0};
    int n = -1;
    if (kn_jobs_claim(fx.jobs, worker, max, KN_MINUTE, claims, &n, &err) != KN_OK)
        fail_msg("%s", err.message);
    return n;
}

static kn_code finish_with(const struct kn_claim *claim, enum kn_job_state state, kn_code code)
{
    struct kn_job_outcome outcome = {.state = state, .result = "{\"ok\":1}"};
    if (code != KN_OK)
        (void)kn_fail_as(&outcome.error, code, "Why", "because");
    return kn_jobs_finish(fx.jobs, claim, &outcome, NULL);
}

static struct kn_pipeline pipeline_make(int priority, int max_running)
{
    struct kn_pipeline p = {.name = "p", .speed = "Boost", .priority = priority};
    p.max_running = max_running;
    assert_int_equal(kn_pipeline_create(fx.jobs, &p, NULL), KN_OK);
    return p;
}

/* ---- the usual life ---- */

static void job_goes_from_submit_to_success(void **state)
{
    (void)state;
    struct kn_job_submit submit = convert_submit();
    struct kn_job job = submit_ok(&submit);
    assert_int_equal(job.state, KN_JOB_QUEUED);
    assert_int_equal(job.priority, 6);
    assert_string_equal(job.spec, "{\"spec\":1}");
    assert_string_equal(job.request, "{\"request\":1}");
    assert_string_equal(job.user_data, "ü");
    assert_null(job.name);

    struct kn_claim claims[4];
    assert_int_equal(claim_n(claims, 4), 1);
    assert_string_equal(claims[0].job_id, job.id);
    assert_int_equal(claims[0].attempt, 1);
    assert_int_equal(claim_n(claims + 1, 3), 0);

    bool is_cancel_asked = true;
    assert_int_equal(
        kn_jobs_renew(fx.jobs, &claims[0], KN_MINUTE, 40, "{\"a\":1}", &is_cancel_asked, NULL),
        KN_OK);
    assert_false(is_cancel_asked);
    job = get_ok(job.id);
    assert_int_equal(job.state, KN_JOB_RUNNING);
    assert_int_equal(job.percent, 40);
    assert_string_equal(job.detail, "{\"a\":1}");

    assert_int_equal(finish_with(&claims[0], KN_JOB_SUCCEEDED, KN_OK), KN_OK);
    job = get_ok(job.id);
    assert_int_equal(job.state, KN_JOB_SUCCEEDED);
    assert_int_equal(job.percent, 100);
    assert_string_equal(job.result, "{\"ok\":1}");
    assert_true(job.finished_us >= job.started_us && job.started_us >= job.created_us);
    assert_int_equal(fx.n_hooked, 3); // queued, running, succeeded
    assert_int_equal(finish_with(&claims[0], KN_JOB_SUCCEEDED, KN_OK), KN_ECONFLICT);
}

static void unknown_names_are_not_found(void **state)
{
    (void)state;
    struct kn_job job;
    struct kn_error err = {0};
    assert_int_equal(kn_jobs_get(fx.jobs, "none", &fx.arena, &job, &err), KN_ENOTFOUND);
    assert_string_equal(err.reason, "ResourceNotFound");
    struct kn_job_submit submit = convert_submit();
    submit.pipeline_id = "none";
    assert_int_equal(kn_jobs_submit(fx.jobs, &submit, &fx.arena, &job, NULL, &err), KN_ENOTFOUND);
    assert_string_equal(err.message, "there is no pipeline 'none'");
}

/* ---- tokens and nonces ---- */

static void same_token_answers_the_same_job(void **state)
{
    (void)state;
    struct kn_job_submit submit = convert_submit();
    submit.client_token = "token";
    (void)snprintf(submit.fingerprint, sizeof(submit.fingerprint), "f1");
    struct kn_job first = submit_ok(&submit);
    struct kn_job again;
    bool is_repeat = false;
    assert_int_equal(kn_jobs_submit(fx.jobs, &submit, &fx.arena, &again, &is_repeat, NULL), KN_OK);
    assert_true(is_repeat);
    assert_string_equal(again.id, first.id);

    struct kn_error err = {0};
    (void)snprintf(submit.fingerprint, sizeof(submit.fingerprint), "f2");
    assert_int_equal(kn_jobs_submit(fx.jobs, &submit, &fx.arena, &again, NULL, &err), KN_ECONFLICT);
    assert_string_equal(err.reason, "IdempotentParameterMismatch");
    submit.key_id = "another key";
    assert_string_not_equal(submit_ok(&submit).id, first.id);
    submit.action = "AnotherAction";
    assert_string_not_equal(submit_ok(&submit).id, first.id);
}

static void used_nonce_is_refused_and_leaves_no_job(void **state)
{
    (void)state;
    struct kn_job_submit submit = convert_submit();
    submit.nonce = "nonce";
    (void)submit_ok(&submit);
    struct kn_job job;
    struct kn_error err = {0};
    assert_int_equal(kn_jobs_submit(fx.jobs, &submit, &fx.arena, &job, NULL, &err), KN_ECONFLICT);
    assert_string_equal(err.reason, "SignatureNonceUsed");
    struct kn_claim claims[4];
    assert_int_equal(claim_n(claims, 4), 1);
}

/* ---- order, limits, pauses ---- */

static void claims_go_by_pipeline_then_priority_then_age(void **state)
{
    (void)state;
    struct kn_pipeline urgent = pipeline_make(9, 0);
    struct kn_job_submit submit = convert_submit();
    struct kn_job old = submit_ok(&submit);
    struct kn_job younger = submit_ok(&submit);
    submit.priority = 8;
    struct kn_job important = submit_ok(&submit);
    submit.priority = 1;
    submit.pipeline_id = urgent.id;
    struct kn_job urgent_job = submit_ok(&submit);

    struct kn_claim claims[8];
    assert_int_equal(claim_n(claims, 3), 3);
    assert_string_equal(claims[0].job_id, urgent_job.id);
    assert_string_equal(claims[1].job_id, important.id);
    assert_string_equal(claims[2].job_id, old.id);
    assert_int_equal(claim_n(claims, 3), 1);
    assert_string_equal(claims[0].job_id, younger.id);
}

static void limit_of_a_pipeline_holds(void **state)
{
    (void)state;
    struct kn_pipeline narrow = pipeline_make(5, 2);
    struct kn_job_submit submit = convert_submit();
    submit.pipeline_id = narrow.id;
    for (int i = 0; i < 4; i++)
        (void)submit_ok(&submit);
    struct kn_claim claims[8];
    assert_int_equal(claim_n(claims, 8), 2);
    assert_int_equal(claim_n(claims + 2, 6), 0);
    assert_int_equal(finish_with(&claims[0], KN_JOB_SUCCEEDED, KN_OK), KN_OK);
    assert_int_equal(claim_n(claims + 2, 6), 1);
    assert_int_equal(kn_pipeline_get(fx.jobs, narrow.id, &narrow, NULL), KN_OK);
    assert_int_equal(narrow.n_running, 2);
    assert_int_equal(narrow.n_queued, 1);
}

static void limit_given_later_counts_what_runs(void **state)
{
    (void)state;
    struct kn_pipeline p = pipeline_make(5, 0);
    struct kn_job_submit submit = convert_submit();
    submit.pipeline_id = p.id;
    for (int i = 0; i < 4; i++)
        (void)submit_ok(&submit);
    struct kn_claim claims[8];
    assert_int_equal(claim_n(claims, 2), 2);
    p.max_running = 3;
    assert_int_equal(kn_pipeline_update(fx.jobs, &p, NULL), KN_OK);
    assert_int_equal(claim_n(claims + 2, 6), 1);
}

static void paused_pipeline_keeps_its_jobs(void **state)
{
    (void)state;
    struct kn_pipeline p = pipeline_make(5, 0);
    struct kn_job_submit submit = convert_submit();
    submit.pipeline_id = p.id;
    (void)submit_ok(&submit);
    p.is_paused = true;
    assert_int_equal(kn_pipeline_update(fx.jobs, &p, NULL), KN_OK);
    struct kn_claim claims[2];
    assert_int_equal(claim_n(claims, 2), 0);
    p.is_paused = false;
    assert_int_equal(kn_pipeline_update(fx.jobs, &p, NULL), KN_OK);
    assert_int_equal(claim_n(claims, 2), 1);
}

static void pipeline_is_deleted_only_when_idle_and_not_the_default(void **state)
{
    (void)state;
    struct kn_pipeline p = pipeline_make(5, 0);
    struct kn_job_submit submit = convert_submit();
    submit.pipeline_id = p.id;
    struct kn_job job = submit_ok(&submit);
    assert_int_equal(kn_pipeline_delete(fx.jobs, p.id, NULL), KN_ECONFLICT);
    assert_int_equal(kn_jobs_cancel(fx.jobs, job.id, NULL), KN_OK);
    assert_int_equal(kn_pipeline_delete(fx.jobs, p.id, NULL), KN_OK);
    assert_int_equal(kn_pipeline_delete(fx.jobs, p.id, NULL), KN_ENOTFOUND);

    kn_auto(kn_free) struct kn_pipeline *all = NULL;
    size_t n = 0;
    assert_int_equal(kn_pipeline_list(fx.jobs, &all, &n, NULL), KN_OK);
    assert_int_equal(n, 1);
    assert_string_equal(all[0].name, "Standard");
    assert_int_equal(kn_pipeline_delete(fx.jobs, all[0].id, NULL), KN_ECONFLICT);
}

/* ---- failing, expiring, cancelling ---- */

static void retryable_failure_is_tried_again_until_attempts_are_used(void **state)
{
    (void)state;
    struct kn_job_submit submit = convert_submit();
    struct kn_job job = submit_ok(&submit);
    struct kn_claim claim;
    int n = 0;
    for (int i = 1; i <= KN_MAX_ATTEMPTS; i++) {
        assert_int_equal(claim_n(&claim, 1), 1);
        assert_int_equal(claim.attempt, i);
        assert_int_equal(kn_jobs_expire(fx.jobs, worker, &n, NULL), KN_OK);
        assert_int_equal(n, 1);
        job = get_ok(job.id);
        assert_int_equal(job.state, i < KN_MAX_ATTEMPTS ? KN_JOB_QUEUED : KN_JOB_FAILED);
    }
    assert_string_equal(job.reason, "WorkerLost");
    assert_int_equal(finish_with(&claim, KN_JOB_SUCCEEDED, KN_OK), KN_ECONFLICT);

    assert_int_equal(kn_jobs_retry(fx.jobs, job.id, NULL), KN_OK);
    assert_int_equal(claim_n(&claim, 1), 1);
    assert_int_equal(claim.attempt, KN_MAX_ATTEMPTS + 1); // an old claim stays an old claim
    assert_int_equal(finish_with(&claim, KN_JOB_FAILED, KN_EIO), KN_OK);
    assert_int_equal(get_ok(job.id).state, KN_JOB_QUEUED);
    assert_int_equal(claim_n(&claim, 1), 0); // only after a delay
}

static void bad_media_fails_at_once(void **state)
{
    (void)state;
    struct kn_job_submit submit = convert_submit();
    struct kn_job job = submit_ok(&submit);
    struct kn_claim claim;
    assert_int_equal(claim_n(&claim, 1), 1);
    assert_int_equal(finish_with(&claim, KN_JOB_FAILED, KN_EMEDIA), KN_OK);
    job = get_ok(job.id);
    assert_int_equal(job.state, KN_JOB_FAILED);
    assert_string_equal(job.code, "KN_EMEDIA");
    assert_string_equal(job.reason, "Why");
    assert_string_equal(job.message, "because");
}

static void lease_that_ran_out_gives_the_job_to_another(void **state)
{
    (void)state;
    struct kn_job_submit submit = convert_submit();
    (void)submit_ok(&submit);
    struct kn_claim first;
    struct kn_claim second;
    int n = 0;
    assert_int_equal(kn_jobs_claim(fx.jobs, slow, 1, -KN_SECOND, &first, &n, NULL), KN_OK);
    assert_int_equal(n, 1);
    assert_int_equal(kn_jobs_expire(fx.jobs, NULL, &n, NULL), KN_OK);
    assert_int_equal(n, 1);
    assert_int_equal(claim_n(&second, 1), 1);
    assert_int_equal(kn_jobs_renew(fx.jobs, &first, KN_MINUTE, 1, NULL, NULL, NULL), KN_ECONFLICT);
    assert_int_equal(finish_with(&first, KN_JOB_SUCCEEDED, KN_OK), KN_ECONFLICT);
    assert_int_equal(finish_with(&second, KN_JOB_SUCCEEDED, KN_OK), KN_OK);
    assert_int_equal(kn_jobs_expire(fx.jobs, NULL, &n, NULL), KN_OK);
    assert_int_equal(n, 0);
}

static void job_given_back_does_not_lose_an_attempt(void **state)
{
    (void)state;
    struct kn_job_submit submit = convert_submit();
    struct kn_job job = submit_ok(&submit);
    struct kn_claim claim;
    for (int i = 0; i < KN_MAX_ATTEMPTS + 2; i++) {
        assert_int_equal(claim_n(&claim, 1), 1);
        assert_int_equal(finish_with(&claim, KN_JOB_QUEUED, KN_OK), KN_OK);
    }
    assert_int_equal(get_ok(job.id).state, KN_JOB_QUEUED);
}

static void cancelled_jobs_end_and_finished_ones_refuse(void **state)
{
    (void)state;
    struct kn_job_submit submit = convert_submit();
    struct kn_job running = submit_ok(&submit);
    struct kn_claim claim;
    assert_int_equal(claim_n(&claim, 1), 1);
    struct kn_job queued = submit_ok(&submit);
    assert_int_equal(kn_jobs_cancel(fx.jobs, queued.id, NULL), KN_OK);
    assert_int_equal(get_ok(queued.id).state, KN_JOB_CANCELLED);
    assert_int_equal(fx.last_state, KN_JOB_CANCELLED);

    bool is_cancel_asked = false;
    assert_int_equal(kn_jobs_cancel(fx.jobs, running.id, NULL), KN_OK);
    assert_int_equal(kn_jobs_renew(fx.jobs, &claim, KN_MINUTE, 1, NULL, &is_cancel_asked, NULL),
                     KN_OK);
    assert_true(is_cancel_asked);
    assert_int_equal(finish_with(&claim, KN_JOB_FAILED, KN_ECANCELED), KN_OK);
    assert_int_equal(get_ok(running.id).state, KN_JOB_CANCELLED);
    struct kn_error err = {0};
    assert_int_equal(kn_jobs_cancel(fx.jobs, running.id, &err), KN_ECONFLICT);
    assert_string_equal(err.reason, "JobInFailure");
}

static kn_code publish_fails(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    (void)kn_tx_run(tx, NULL, err,
                    "INSERT INTO setting (name, value, modified_us)"
                    " VALUES ('published', 'yes', 0)",
                    "");
    return kn_fail(err, KN_EIO, "the store is away");
}

static void failed_publishing_leaves_the_job_running(void **state)
{
    (void)state;
    struct kn_job_submit submit = convert_submit();
    struct kn_job job = submit_ok(&submit);
    struct kn_claim claim;
    struct kn_error err = {0};
    struct kn_job_outcome outcome = {.state = KN_JOB_SUCCEEDED, .publish = publish_fails};
    assert_int_equal(claim_n(&claim, 1), 1);
    assert_int_equal(kn_jobs_finish(fx.jobs, &claim, &outcome, &err), KN_EIO);
    assert_string_equal(err.message, "the store is away");
    assert_int_equal(get_ok(job.id).state, KN_JOB_RUNNING);
}

/* ---- lists and housekeeping ---- */

static void list_pages_through_all_jobs_once(void **state)
{
    (void)state;
    struct kn_job_submit submit = convert_submit();
    char ids[7][KN_ID_SIZE];
    for (int i = 0; i < 7; i++)
        memcpy(ids[i], submit_ok(&submit).id, KN_ID_SIZE);
    struct kn_job_filter filter = {.kind = "convert",
                                   .state = -1,
                                   .limit = 3,
                                   .created_from_us = KN_NO_TIME,
                                   .created_before_us = KN_NO_TIME};
    char token[128] = "";
    int n_seen = 0;
    do {
        struct kn_job *jobs = NULL;
        size_t n = 0;
        char page[128];
        memcpy(page, token, sizeof(page));
        filter.page_token = page;
        assert_int_equal(kn_jobs_list(fx.jobs, &filter, &fx.arena, &jobs, &n, token, NULL), KN_OK);
        for (size_t i = 0; i < n; i++, n_seen++) {
            assert_string_equal(jobs[i].id, ids[6 - n_seen]); // newest first
            assert_string_equal(jobs[i].request, "{\"request\":1}");
            assert_null(jobs[i].spec);
        }
    } while (token[0]);
    assert_int_equal(n_seen, 7);

    struct kn_job *jobs = NULL;
    size_t n = 0;
    filter.page_token = "not a token";
    assert_int_equal(kn_jobs_list(fx.jobs, &filter, &fx.arena, &jobs, &n, token, NULL), KN_EINVAL);
    filter.page_token = NULL;
    filter.state = KN_JOB_FAILED;
    assert_int_equal(kn_jobs_list(fx.jobs, &filter, &fx.arena, &jobs, &n, token, NULL), KN_OK);
    assert_int_equal(n, 0);
}

static void finish_ok(const char *result)
{
    struct kn_claim claim;
    int n = 0;
    assert_int_equal(kn_jobs_claim(fx.jobs, worker, 1, KN_MINUTE, &claim, &n, NULL), KN_OK);
    assert_int_equal(n, 1);
    const struct kn_job_outcome outcome = {.state = KN_JOB_SUCCEEDED, .result = result};
    assert_int_equal(kn_jobs_finish(fx.jobs, &claim, &outcome, NULL), KN_OK);
}

// The ids of a list in pages of two, in `out`; how many.
static size_t listed(struct kn_job_filter *filter, char out[][KN_ID_SIZE])
{
    char token[128] = "";
    size_t n_all = 0;
    do {
        struct kn_job *jobs = NULL;
        size_t n = 0;
        char page[128];
        memcpy(page, token, sizeof(page));
        filter->page_token = page;
        filter->limit = 2;
        assert_int_equal(kn_jobs_list(fx.jobs, filter, &fx.arena, &jobs, &n, token, NULL), KN_OK);
        for (size_t i = 0; i < n; i++)
            memcpy(out[n_all++], jobs[i].id, KN_ID_SIZE);
    } while (token[0]);
    return n_all;
}

static void lists_by_id_by_end_and_by_name(void **state)
{
    (void)state;
    static const char *const ids[] = {"ffffffff000000000000000000000001", "0123456789abcdef0123456789abcdef",
                                      "80000000000000000000000000000000", "0123456789abcdef0123456789abcdee"};
    struct kn_job_submit submit = convert_submit();
    for (size_t i = 0; i < KN_COUNT(ids); i++) {
        submit.name = i == 0 ? "other" : "films";
        memcpy(submit.id, ids[i], KN_ID_SIZE);
        (void)submit_ok(&submit);
    }
    finish_ok("{\"a\":1}"); // the first, and so on
    finish_ok("{\"a\":2}");
    struct kn_job_filter filter = {.kind = "convert", .state = -1, .order = KN_JOBS_BY_ID, .oldest_first = true,
                                   .created_from_us = KN_NO_TIME, .created_before_us = KN_NO_TIME};
    char got[8][KN_ID_SIZE];
    assert_int_equal(listed(&filter, got), 4);
    static const int by_id[] = {3, 1, 2, 0};
    for (int i = 0; i < 4; i++)
        assert_string_equal(got[i], ids[by_id[i]]);
    filter.oldest_first = false;
    filter.name = "films";
    assert_int_equal(listed(&filter, got), 3);
    assert_string_equal(got[0], ids[2]);

    filter.order = KN_JOBS_BY_END;
    filter.oldest_first = true;
    assert_int_equal(listed(&filter, got), 3);
    assert_string_equal(got[0], ids[1]); // ended; the others are still to come
    filter.is_unfinished = true;
    assert_int_equal(listed(&filter, got), 2);
    filter.is_unfinished = false;
    filter.finished_before_us = kn_now_us() - KN_HOUR;
    assert_int_equal(listed(&filter, got), 0);

    struct kn_job *jobs = NULL;
    size_t n = 0;
    char token[128];
    filter.finished_before_us = 0;
    filter.has_result = true;
    filter.page_token = NULL;
    assert_int_equal(kn_jobs_list(fx.jobs, &filter, &fx.arena, &jobs, &n, token, NULL), KN_OK);
    assert_string_equal(jobs[0].result, "{\"a\":2}");
}

static kn_code bodies_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct kn_stmt *row = NULL;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err, "SELECT COUNT(*) FROM body", "");
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    *(int64_t *)context = kn_stmt_int(row, 0);
    return rc;
}

static void purge_removes_finished_jobs_and_bodies_nobody_has(void **state)
{
    (void)state;
    struct kn_job_submit submit = convert_submit();
    struct kn_job done = submit_ok(&submit);
    submit.spec = "{\"spec\":2}"; // shares its request with the first
    struct kn_job waiting = submit_ok(&submit);
    struct kn_claim claim;
    int n = 0;
    int64_t n_bodies = 0;
    assert_int_equal(claim_n(&claim, 1), 1);
    assert_int_equal(finish_with(&claim, KN_JOB_SUCCEEDED, KN_OK), KN_OK);
    assert_int_equal(kn_db_read(fx.db, bodies_in_tx, &n_bodies, NULL), KN_OK);
    assert_int_equal(n_bodies, 4); // two specs, a request, a result
    assert_int_equal(kn_jobs_purge(fx.jobs, kn_now_us() + KN_MINUTE, 100, &n, NULL), KN_OK);
    assert_int_equal(n, 1);
    assert_int_equal(kn_db_read(fx.db, bodies_in_tx, &n_bodies, NULL), KN_OK);
    assert_int_equal(n_bodies, 2);
    assert_int_equal(kn_jobs_get(fx.jobs, done.id, &fx.arena, &done, NULL), KN_ENOTFOUND);
    assert_string_equal(get_ok(waiting.id).request, "{\"request\":1}");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(job_goes_from_submit_to_success),
        TEST(unknown_names_are_not_found),
        TEST(same_token_answers_the_same_job),
        TEST(used_nonce_is_refused_and_leaves_no_job),
        TEST(claims_go_by_pipeline_then_priority_then_age),
        TEST(limit_of_a_pipeline_holds),
        TEST(limit_given_later_counts_what_runs),
        TEST(paused_pipeline_keeps_its_jobs),
        TEST(pipeline_is_deleted_only_when_idle_and_not_the_default),
        TEST(retryable_failure_is_tried_again_until_attempts_are_used),
        TEST(bad_media_fails_at_once),
        TEST(lease_that_ran_out_gives_the_job_to_another),
        TEST(job_given_back_does_not_lose_an_attempt),
        TEST(cancelled_jobs_end_and_finished_ones_refuse),
        TEST(failed_publishing_leaves_the_job_running),
        TEST(list_pages_through_all_jobs_once),
        TEST(lists_by_id_by_end_and_by_name),
        TEST(purge_removes_finished_jobs_and_bodies_nobody_has),
    };
    return cmocka_run_group_tests_name("jobs/jobs", tests, NULL, NULL);
}
