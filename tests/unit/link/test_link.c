/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "link/link.h"

static void frames_survive_any_cut(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf wire = {0};
    kn_frame_encode(&wire, KN_FRAME_OPEN_INPUT, 7, false, "{\"uri\":\"a\"}", 11);
    kn_frame_encode(&wire, KN_FRAME_DROP, 0, false, "{}", 2);
    kn_frame_encode(&wire, KN_FRAME_PROGRESS, 0, false, NULL, 0);
    for (size_t piece = 1; piece <= wire.len; piece++) {
        kn_auto(kn_frame_decoder_clear) struct kn_frame_decoder decoder;
        kn_frame_decoder_init(&decoder, KN_PEER_CHILD);
        struct kn_frame frame;
        char seen[64] = "";
        for (size_t at = 0; at < wire.len; at += piece) {
            size_t n = wire.len - at < piece ? wire.len - at : piece;
            assert_int_equal(kn_frame_decoder_feed(&decoder, wire.data + at, n, NULL), KN_OK);
            bool has = true;
            while (kn_frame_decoder_next(&decoder, &frame, &has, NULL) == KN_OK && has) {
                assert_int_equal(frame.payload[frame.n], '\0');
                strncat(seen, frame.payload, sizeof(seen) - strlen(seen) - 2);
                strncat(seen, ";", 2);
            }
        }
        assert_string_equal(seen, "{\"uri\":\"a\"};{};;");
    }
}

static kn_code decode(enum kn_frame_peer peer, const struct kn_buf *wire)
{
    kn_auto(kn_frame_decoder_clear) struct kn_frame_decoder decoder;
    kn_frame_decoder_init(&decoder, peer);
    struct kn_frame frame;
    bool has;
    assert_int_equal(kn_frame_decoder_feed(&decoder, wire->data, wire->len, NULL), KN_OK);
    return kn_frame_decoder_next(&decoder, &frame, &has, NULL);
}

static void a_child_may_not_speak_for_others(void **state)
{
    (void)state;
    for (int type = 0; type < KN_N_FRAME_TYPES; type++) {
        kn_auto(kn_buf_clear) struct kn_buf wire = {0};
        kn_frame_encode(&wire, (enum kn_frame_type)type, 1, false, NULL, 0);
        bool is_own = type >= KN_FRAME_OPEN_INPUT;
        assert_int_equal(decode(KN_PEER_CHILD, &wire), is_own ? KN_OK : KN_EINVAL);
    }
}

static void a_length_is_refused_before_its_bytes_come(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf wire = {0};
    kn_frame_encode(&wire, KN_FRAME_LOG, 0, false, NULL, 0);
    wire.data[2] = 1; // 65,536 bytes of a log line are announced
    assert_int_equal(decode(KN_PEER_CHILD, &wire), KN_EINVAL);
}

static void reserved_bits_and_descriptors_are_refused(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf reserved = {0}, descriptor = {0};
    kn_frame_encode(&reserved, KN_FRAME_LOG, 0, false, NULL, 0);
    reserved.data[12] = 1;
    assert_int_equal(decode(KN_PEER_CHILD, &reserved), KN_EINVAL);
    kn_frame_encode(&descriptor, KN_FRAME_LOG, 0, true, NULL, 0);
    assert_int_equal(decode(KN_PEER_CHILD, &descriptor), KN_EINVAL);
}

static void a_descriptor_arrives_with_its_frame(void **state)
{
    (void)state;
    int fds[2], pipes[2];
    assert_int_equal(kn_link_pair(fds, NULL), KN_OK);
    assert_int_equal(pipe(pipes), 0);
    kn_auto(kn_link_clear) struct kn_link supervisor, child;
    kn_link_init(&supervisor, fds[0], KN_PEER_CHILD);
    kn_link_init(&child, fds[1], KN_PEER_SUPERVISOR);
    assert_int_equal(kn_link_post(&supervisor, KN_FRAME_BYTES, 1, "abc", 3, -1, NULL), KN_OK);
    assert_int_equal(kn_link_post(&supervisor, KN_FRAME_ANSWER, 2, "{}", 2, pipes[1], NULL), KN_OK);
    struct kn_frame frame;
    int fd;
    assert_int_equal(kn_link_receive(&child, &frame, &fd, NULL), KN_OK);
    assert_int_equal(fd, -1);
    assert_int_equal(kn_link_receive(&child, &frame, &fd, NULL), KN_OK);
    assert_int_equal(frame.request, 2);
    assert_true(fd >= 0);
    char byte = 0;
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    kn_close_fd(&fd);
    kn_close_fd(&pipes[0]);
}

// A descriptor that a child smuggles beside a frame never reaches the supervisor's table.
static void a_childs_descriptors_are_dropped(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(kn_link_pair(fds, NULL), KN_OK);
    kn_auto(kn_link_clear) struct kn_link supervisor, child;
    kn_link_init(&supervisor, fds[0], KN_PEER_CHILD);
    kn_link_init(&child, fds[1], KN_PEER_SUPERVISOR);
    int before = dup(0), stolen = dup(0);
    kn_close_fd(&before);
    assert_int_equal(kn_link_post(&child, KN_FRAME_ANSWER, 1, "{}", 2, stolen, NULL), KN_OK);
    bool is_open;
    assert_int_equal(kn_link_pump(&supervisor, &is_open, NULL), KN_OK);
    assert_int_equal(supervisor.n_fds, 0);
}

static void what_does_not_fit_now_is_sent_later(void **state)
{
    (void)state;
    static char block[KN_LINK_BLOCK];
    enum { N = 8 };
    int fds[2];
    assert_int_equal(kn_link_pair(fds, NULL), KN_OK);
    kn_auto(kn_link_clear) struct kn_link supervisor, child;
    kn_link_init(&supervisor, fds[0], KN_PEER_CHILD);
    kn_link_init(&child, fds[1], KN_PEER_SUPERVISOR);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(kn_link_post(&supervisor, KN_FRAME_BYTES, 1, block, sizeof(block), -1, NULL),
                         KN_OK);
    assert_true(kn_link_has_output(&supervisor));
    int n = 0;
    while (n < N) {
        struct kn_frame frame;
        bool is_open, has = true;
        int fd;
        assert_int_equal(kn_link_flush(&supervisor, NULL), KN_OK);
        assert_int_equal(kn_link_pump(&child, &is_open, NULL), KN_OK);
        while (kn_link_next(&child, &frame, &fd, &has, NULL) == KN_OK && has) {
            assert_int_equal(frame.n, sizeof(block));
            n++;
        }
    }
    assert_false(kn_link_has_output(&supervisor));
    assert_int_equal(supervisor.n_out_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_survive_any_cut),
        cmocka_unit_test(a_child_may_not_speak_for_others),
        cmocka_unit_test(a_length_is_refused_before_its_bytes_come),
        cmocka_unit_test(reserved_bits_and_descriptors_are_refused),
        cmocka_unit_test(a_descriptor_arrives_with_its_frame),
        cmocka_unit_test(a_childs_descriptors_are_dropped),
        cmocka_unit_test(what_does_not_fit_now_is_sent_later),
    };
    return cmocka_run_group_tests_name("link/link", tests, NULL, NULL);
}
