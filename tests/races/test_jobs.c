/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two workers, one queue. Each race is run ROUNDS times: two threads start together, each after a
 * pause of its own, so that every order of the two gets its turn; then what is left must be one of
 * the outcomes that some order of whole calls could have had.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/time.h"
#include "jobs/jobs.h"
#include "support/test_database.h"

#define ROUNDS 60

static const char workers[2][KN_ID_SIZE] = {"one", "two"};

static struct fixture {
    struct kn_db *db;
    struct kn_jobs *jobs;
    struct kn_arena arena;
    struct kn_pipeline pipeline; // a fresh one for each round
} fx;

static int set_up(void **state)
{
    (void)state;
    struct kn_error err = {0};
    fx = (struct fixture){0};
    if (kn_db_open(&fx.db, test_database_url(), &err) != KN_OK ||
        kn_jobs_open(&fx.jobs, fx.db, &err) != KN_OK)
        fail_msg("%s", err.message);
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

/* ---- two threads at once ---- */

typedef void (*side_fn)(int side);

struct side {
    pthread_barrier_t *start;
    side_fn fn;
    int number;
};

static void *side_main(void *arg)
{
    const struct side *side = arg;
    uint32_t pause;
    kn_random(&pause, sizeof(pause));
    pthread_barrier_wait(side->start);
    kn_sleep_us(pause % 1500);
    side->fn(side->number);
    return NULL;
}

static void race(side_fn left, side_fn right)
{
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, 2);
    struct side sides[2] = {{&start, left, 0}, {&start, right, 1}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, side_main, &sides[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
}

/* ---- helpers ---- */

static void pipeline_fresh(int max_running)
{
    fx.pipeline = (struct kn_pipeline){.name = "race", .speed = "Standard", .priority = 5};
    fx.pipeline.max_running = max_running;
    assert_int_equal(kn_pipeline_create(fx.jobs, &fx.pipeline, NULL), KN_OK);
}

static kn_code submit(char id[KN_ID_SIZE])
{
    struct kn_job_submit s = {.kind = "convert", .key_id = "key", .spec = "{}"};
    s.pipeline_id = fx.pipeline.id;
    kn_id_hex(s.id);
    memcpy(id, s.id, KN_ID_SIZE);
    return kn_jobs_submit(fx.jobs, &s, NULL, NULL, NULL, NULL);
}

static struct kn_job job_get(const char *id)
{
    struct kn_job job;
    assert_int_equal(kn_jobs_get(fx.jobs, id, &fx.arena, &job, NULL), KN_OK);
    return job;
}

static struct outcome {
    kn_code rc;
    int n;
    struct kn_claim claims[16];
} outcomes[2];

static void side_claims(int side)
{
    struct outcome *o = &outcomes[side];
    o->rc = kn_jobs_claim(fx.jobs, workers[side], 16, KN_MINUTE, o->claims, &o->n, NULL);
}

static void claims_finish(int side)
{
    const struct kn_job_outcome done = {.state = KN_JOB_SUCCEEDED};
    for (int i = 0; i < outcomes[side].n; i++)
        assert_int_equal(kn_jobs_finish(fx.jobs, &outcomes[side].claims[i], &done, NULL), KN_OK);
}

/* ---- the races ---- */

static void two_claims_share_the_queue(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        char id[KN_ID_SIZE];
        pipeline_fresh(0);
        for (int i = 0; i < 6; i++)
            assert_int_equal(submit(id), KN_OK);
        race(side_claims, side_claims);
        assert_int_equal(outcomes[0].rc, KN_OK);
        assert_int_equal(outcomes[1].rc, KN_OK);
        assert_int_equal(outcomes[0].n + outcomes[1].n, 6);
        for (int a = 0; a < outcomes[0].n; a++)
            for (int b = 0; b < outcomes[1].n; b++)
                assert_string_not_equal(outcomes[0].claims[a].job_id, outcomes[1].claims[b].job_id);
        claims_finish(0);
        claims_finish(1);
    }
}

static void limit_holds_against_two_claims(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        char id[KN_ID_SIZE];
        pipeline_fresh(3);
        for (int i = 0; i < 8; i++)
            assert_int_equal(submit(id), KN_OK);
        race(side_claims, side_claims);
        int n = outcomes[0].n + outcomes[1].n;
        assert_in_range(n, 1, 3); // one may pass over jobs that the other only looked at
        struct outcome more = {0};
        assert_int_equal(
            kn_jobs_claim(fx.jobs, workers[0], 16, KN_MINUTE, more.claims, &more.n, NULL), KN_OK);
        assert_int_equal(n + more.n, 3);
        claims_finish(0);
        claims_finish(1);
        outcomes[0] = more;
        claims_finish(0);
        side_claims(0); // three places again
        assert_int_equal(outcomes[0].n, 3);
        claims_finish(0);
        side_claims(0);
        assert_int_equal(outcomes[0].n, 2);
        claims_finish(0);
    }
}

static struct kn_claim held;
static kn_code finished;
static int n_expired;

static void side_finishes(int side)
{
    (void)side;
    const struct kn_job_outcome done = {.state = KN_JOB_SUCCEEDED};
    finished = kn_jobs_finish(fx.jobs, &held, &done, NULL);
}

static void side_expires(int side)
{
    (void)side;
    assert_int_equal(kn_jobs_expire(fx.jobs, NULL, &n_expired, NULL), KN_OK);
}

static void finish_and_expiry_agree_who_was_first(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        char id[KN_ID_SIZE];
        int n = 0;
        pipeline_fresh(1);
        assert_int_equal(submit(id), KN_OK);
        assert_int_equal(kn_jobs_claim(fx.jobs, workers[0], 1, -1, &held, &n, NULL), KN_OK);
        assert_int_equal(n, 1);
        race(side_finishes, side_expires);
        if (finished == KN_OK) {
            assert_int_equal(n_expired, 0);
            assert_int_equal(job_get(id).state, KN_JOB_SUCCEEDED);
            assert_int_equal(submit(id), KN_OK); // its place is free, once
        } else {
            assert_int_equal(finished, KN_ECONFLICT);
            assert_int_equal(n_expired, 1);
            assert_int_equal(job_get(id).state, KN_JOB_QUEUED);
        }
        side_claims(0);
        assert_int_equal(outcomes[0].n, 1);
        claims_finish(0);
    }
}

static char target[KN_ID_SIZE];
static kn_code cancelled;

static void side_cancels(int side)
{
    (void)side;
    cancelled = kn_jobs_cancel(fx.jobs, target, NULL);
}

static void cancel_either_prevents_the_claim_or_reaches_the_worker(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        pipeline_fresh(0);
        assert_int_equal(submit(target), KN_OK);
        race(side_claims, side_cancels);
        assert_int_equal(cancelled, KN_OK);
        struct kn_job job = job_get(target);
        if (outcomes[0].n == 0) {
            assert_int_equal(job.state, KN_JOB_CANCELLED);
            continue;
        }
        assert_int_equal(job.state, KN_JOB_RUNNING);
        assert_true(job.is_cancel_asked);
        claims_finish(0);
    }
}

static kn_code deleted, submitted;

static void side_deletes(int side)
{
    (void)side;
    deleted = kn_pipeline_delete(fx.jobs, fx.pipeline.id, NULL);
}

static void side_submits(int side)
{
    (void)side;
    submitted = submit(target);
}

static void pipeline_is_not_deleted_under_a_job(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        pipeline_fresh(0);
        race(side_deletes, side_submits);
        if (deleted == KN_OK) {
            assert_int_equal(submitted, KN_ENOTFOUND);
        } else {
            assert_int_equal(deleted, KN_ECONFLICT);
            assert_int_equal(submitted, KN_OK);
            side_claims(0);
            claims_finish(0);
        }
    }
}

static void side_limits(int side)
{
    (void)side;
    struct kn_pipeline limited = fx.pipeline;
    limited.max_running = 2;
    assert_int_equal(kn_pipeline_update(fx.jobs, &limited, NULL), KN_OK);
}

static void limit_given_during_a_claim_or_a_finish_counts_right(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        char id[KN_ID_SIZE];
        int n = 0;
        pipeline_fresh(0);
        assert_int_equal(submit(id), KN_OK);
        assert_int_equal(kn_jobs_claim(fx.jobs, workers[0], 1, KN_MINUTE, &held, &n, NULL), KN_OK);
        race(side_finishes, side_limits);
        assert_int_equal(finished, KN_OK);
        for (int i = 0; i < 5; i++)
            assert_int_equal(submit(id), KN_OK);
        side_claims(0); // both places are free, no more
        assert_int_equal(outcomes[0].n, 2);
        claims_finish(0);
        fx.pipeline.max_running = 0;
        assert_int_equal(kn_pipeline_update(fx.jobs, &fx.pipeline, NULL), KN_OK);
        race(side_claims, side_limits);
        n = outcomes[0].n;
        assert_in_range(n, 0, 3); // 0: the limit came between its look and its lock
        side_claims(1);
        assert_int_equal(n + outcomes[1].n, n == 3 ? 3 : 2);
        claims_finish(0);
        claims_finish(1);
        side_claims(0);
        assert_int_equal(outcomes[0].n, n == 3 ? 0 : 1);
        claims_finish(0);
    }
}

static char token_ids[2][KN_ID_SIZE];

static void side_submits_with_token(int side)
{
    struct kn_job_submit s = {.kind = "convert", .key_id = "key", .client_token = target};
    s.pipeline_id = fx.pipeline.id;
    struct kn_job job = {0};
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    assert_int_equal(kn_jobs_submit(fx.jobs, &s, &arena, &job, NULL, NULL), KN_OK);
    memcpy(token_ids[side], job.id, KN_ID_SIZE);
}

static void one_token_makes_one_job(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        pipeline_fresh(0);
        kn_id_hex(target);
        race(side_submits_with_token, side_submits_with_token);
        assert_string_equal(token_ids[0], token_ids[1]);
        side_claims(0);
        assert_int_equal(outcomes[0].n, 1);
        claims_finish(0);
    }
}

static void side_purges(int side)
{
    (void)side;
    assert_int_equal(kn_jobs_purge(fx.jobs, kn_now_us() + KN_MINUTE, 100, NULL, NULL), KN_OK);
}

static void purge_takes_no_body_from_under_a_new_job(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        char id[KN_ID_SIZE];
        pipeline_fresh(0);
        assert_int_equal(submit(id), KN_OK);
        side_claims(0);
        claims_finish(0);
        race(side_purges, side_submits); // the new job has the same spec
        assert_int_equal(submitted, KN_OK);
        assert_string_equal(job_get(target).spec, "{}");
        side_claims(0);
        claims_finish(0);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_claims_share_the_queue),
        TEST(limit_holds_against_two_claims),
        TEST(finish_and_expiry_agree_who_was_first),
        TEST(cancel_either_prevents_the_claim_or_reaches_the_worker),
        TEST(pipeline_is_not_deleted_under_a_job),
        TEST(limit_given_during_a_claim_or_a_finish_counts_right),
        TEST(one_token_makes_one_job),
        TEST(purge_takes_no_body_from_under_a_new_job),
    };
    return cmocka_run_group_tests_name("races/jobs", tests, NULL, NULL);
}
