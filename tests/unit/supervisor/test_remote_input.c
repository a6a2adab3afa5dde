/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "supervisor/peers.h"
#include "supervisor/remote_input.h"

#define MIB ((int64_t)1024 * 1024)

/* A far film whose byte at `offset` can be computed. */
static struct {
    int64_t size;
    int n_fetches;
    int64_t n_bytes;
    kn_code fails;
} far;

static char byte_at(int64_t offset)
{
    return (char)(offset * 31 + offset / 1000);
}

static kn_code fetch(void *impl, int64_t offset, void *out, size_t n, size_t *out_got,
                     struct kn_error *err)
{
    (void)impl;
    if (far.fails)
        return kn_fail(err, far.fails, "its server is away");
    size_t got = 0;
    for (; got < n && offset + (int64_t)got < far.size; got++)
        ((char *)out)[got] = byte_at(offset + (int64_t)got);
    far.n_fetches++;
    far.n_bytes += (int64_t)got;
    *out_got = got;
    return KN_OK;
}

static void release(void *impl)
{
    *(int *)impl += 1;
}

static struct kn_source *open_far(int64_t size, int *n_released)
{
    struct kn_source *source = NULL;
    memset(&far, 0, sizeof(far));
    far.size = size;
    assert_int_equal(kn_remote_input_new(&source, "oss://far/film", size, "v1", fetch, release,
                                         n_released, NULL),
                     KN_OK);
    return source;
}

static void assert_reads(struct kn_source *source, int64_t offset, size_t n)
{
    static char bytes[200000];
    size_t got = 0, done = 0;
    do {
        assert_int_equal(
            kn_source_read_at(source, offset + (int64_t)done, bytes, n - done, &got, NULL), KN_OK);
        for (size_t i = 0; i < got; i++)
            if (bytes[i] != byte_at(offset + (int64_t)(done + i)))
                fail_msg("wrong byte at %zu", done + i);
        done += got;
    } while (got && done < n);
    assert_int_equal(done, n);
}

static void reading_forward_takes_few_requests(void **state)
{
    (void)state;
    int n_released = 0;
    struct kn_source *source = open_far(20 * MIB + 5, &n_released);
    for (int64_t at = 0; at + 100000 < far.size; at += 100000)
        assert_reads(source, at, 100000);
    assert_true(far.n_fetches <= 6);
    assert_true(far.n_bytes <= far.size);
    kn_source_free(&source);
    assert_int_equal(n_released, 1);
}

static void a_jump_fetches_one_block_and_coming_back_none(void **state)
{
    (void)state;
    int n_released = 0;
    kn_auto(kn_source_free) struct kn_source *source = open_far(4000 * MIB, &n_released);
    assert_reads(source, 3000 * MIB + 17, 1000);
    assert_int_equal(far.n_bytes, MIB);
    assert_reads(source, 10 * MIB, 1000);
    assert_int_equal(far.n_bytes, 2 * MIB);
    assert_reads(source, 3000 * MIB + 100, 1000);
    assert_int_equal(far.n_fetches, 2);
}

static void the_end_is_the_end(void **state)
{
    (void)state;
    int n_released = 0;
    kn_auto(kn_source_free) struct kn_source *source = open_far(MIB + 10, &n_released);
    char byte;
    size_t got = 1;
    assert_reads(source, MIB, 10);
    assert_int_equal(kn_source_read_at(source, MIB + 10, &byte, 1, &got, NULL), KN_OK);
    assert_int_equal(got, 0);
    assert_int_equal(kn_source_read_at(source, 900 * MIB, &byte, 1, &got, NULL), KN_OK);
    assert_int_equal(got, 0);
}

static void a_failure_names_the_input(void **state)
{
    (void)state;
    int n_released = 0;
    kn_auto(kn_source_free) struct kn_source *source = open_far(MIB, &n_released);
    struct kn_error err = {0};
    char byte;
    size_t got;
    far.fails = KN_EIO;
    assert_int_equal(kn_source_read_at(source, 0, &byte, 1, &got, &err), KN_EIO);
    assert_string_equal(err.message, "cannot read 'oss://far/film': its server is away");
}

/* ---- peers ---- */

static void a_dead_peer_is_found_and_a_living_one_is_not(void **state)
{
    (void)state;
    static const char ours[] = "00000000000000000000000000000001";
    static const char theirs[] = "00000000000000000000000000000002";
    kn_auto(kn_peers_free) struct kn_peers *peers = NULL;
    assert_int_equal(kn_peers_new(&peers, "data", ours, NULL), KN_OK);
    int ready[2];
    char byte, dead[KN_ID_SIZE] = "";
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct kn_peers *other = NULL;
        if (kn_peers_new(&other, "data", theirs, NULL) == KN_OK)
            (void)!write(ready[1], "r", 1);
        (void)pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_false(kn_peers_next_dead(peers, dead));
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(kn_peers_next_dead(peers, dead));
    assert_string_equal(dead, theirs);
    kn_peers_forget(peers, dead);
    assert_false(kn_peers_next_dead(peers, dead));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_forward_takes_few_requests),
        cmocka_unit_test(a_jump_fetches_one_block_and_coming_back_none),
        cmocka_unit_test(the_end_is_the_end),
        cmocka_unit_test(a_failure_names_the_input),
        cmocka_unit_test(a_dead_peer_is_found_and_a_living_one_is_not),
    };
    return cmocka_run_group_tests_name("supervisor/remote_input", tests, NULL, NULL);
}
