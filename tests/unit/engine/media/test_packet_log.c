/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "engine/media/packet_log.h"

#define PATH "video.log"

static struct kn_packet_log *log_open(const char *key)
{
    struct kn_packet_log *log = NULL;
    const struct kn_packet_log_setup setup = {
        .path = PATH, .key = key, .buffer_bits = 10000, .bits_per_packet = 500};
    assert_int_equal(kn_packet_log_open(&log, &setup, NULL), KN_OK);
    return log;
}

static void add(struct kn_packet_log *log, int64_t pts, bool is_key)
{
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    assert_int_equal(av_new_packet(packet, 100), 0);
    memset(packet->data, (int)pts, 100);
    packet->pts = pts;
    packet->dts = pts - 2;
    packet->duration = 1;
    packet->flags = is_key ? AV_PKT_FLAG_KEY : 0;
    assert_int_equal(kn_packet_log_add(log, packet, NULL), KN_OK);
}

// Key packets at 0, 5, 10 … up to `n` packets, as an encoder killed after them leaves it.
static void write_log(const char *key, int n)
{
    (void)unlink(PATH);
    kn_auto(kn_packet_log_free) struct kn_packet_log *log = log_open(key);
    json_auto_t *facts = json_pack("{s:i}", "Width", 640);
    assert_int_equal(kn_packet_log_begin(log, facts, NULL), KN_OK);
    for (int i = 0; i < n; i++)
        add(log, i, i % 5 == 0);
}

static void replay(struct kn_packet_log *log, int n_expected)
{
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    bool has = true;
    for (int i = 0; i <= n_expected; i++) {
        assert_int_equal(kn_packet_log_next(log, packet, &has, NULL), KN_OK);
        assert_int_equal(has, i < n_expected);
        if (!has)
            break;
        assert_int_equal(packet->pts, i);
        assert_int_equal(packet->dts, i - 2);
        assert_int_equal(packet->flags & AV_PKT_FLAG_KEY, i % 5 == 0);
        assert_int_equal(packet->data[99], i);
        av_packet_unref(packet);
    }
}

static void all_before_the_last_key_packet_is_kept(void **state)
{
    (void)state;
    write_log("a", 13);
    kn_auto(kn_packet_log_free) struct kn_packet_log *log = log_open("a");
    const struct kn_packet_log_seam *seam = kn_packet_log_seam(log);
    assert_int_equal(seam->n_packets, 10);
    assert_int_equal(seam->n_repeated, 3);
    assert_int_equal(seam->pts, 10);
    assert_int_equal(seam->last_dts, 7);
    // Nine tenths at first, 500 come and 800 go with each packet.
    assert_int_equal((int)seam->buffer_bits, 9000 - 10 * 300);
    assert_int_equal(json_integer_value(json_object_get(kn_packet_log_facts(log), "Width")), 640);
    replay(log, 10);
}

static void packets_added_after_a_replay_take_the_place_of_the_rest(void **state)
{
    (void)state;
    write_log("a", 13);
    struct kn_packet_log *log = log_open("a");
    replay(log, 10);
    for (int i = 10; i < 16; i++)
        add(log, i, i % 5 == 0);
    kn_packet_log_free(&log);
    log = log_open("a");
    assert_int_equal(kn_packet_log_seam(log)->n_packets, 15);
    replay(log, 15);
    kn_packet_log_free(&log);
}

static void dying_before_the_first_new_packet_loses_nothing(void **state)
{
    (void)state;
    write_log("a", 13);
    struct kn_packet_log *log = log_open("a");
    replay(log, 10);
    kn_packet_log_free(&log);
    log = log_open("a");
    assert_int_equal(kn_packet_log_seam(log)->n_packets, 10);
    kn_packet_log_free(&log);
}

static void a_torn_tail_is_cut_off(void **state)
{
    (void)state;
    write_log("a", 11);
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    assert_int_equal(kn_fs_read(&text, PATH, 1 << 20, NULL), KN_OK);
    assert_int_equal(truncate(PATH, (off_t)text.len - 1), 0); // the key packet at 10 is torn
    kn_auto(kn_packet_log_free) struct kn_packet_log *log = log_open("a");
    assert_int_equal(kn_packet_log_seam(log)->n_packets, 5);
    assert_int_equal(kn_packet_log_seam(log)->n_repeated, 5);
    replay(log, 5);
}

static void a_changed_byte_ends_what_is_believed(void **state)
{
    (void)state;
    write_log("a", 13);
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    assert_int_equal(kn_fs_read(&text, PATH, 1 << 20, NULL), KN_OK);
    text.data[text.len - 5 * 140 - 10] ^= 1; // inside the packet at 7
    assert_int_equal(kn_fs_write(PATH, text.data, text.len, 0600, NULL), KN_OK);
    kn_auto(kn_packet_log_free) struct kn_packet_log *log = log_open("a");
    assert_int_equal(kn_packet_log_seam(log)->n_packets, 5);
}

static void a_log_under_another_key_holds_nothing(void **state)
{
    (void)state;
    write_log("a", 13);
    struct kn_packet_log *log = log_open("b");
    assert_int_equal(kn_packet_log_seam(log)->n_packets, 0);
    assert_null(kn_packet_log_facts(log));
    json_auto_t *facts = json_object();
    assert_int_equal(kn_packet_log_begin(log, facts, NULL), KN_OK);
    kn_packet_log_free(&log);
    log = log_open("b");
    assert_int_equal(kn_packet_log_seam(log)->n_packets, 0);
    kn_packet_log_free(&log);
}

static void one_gop_is_nothing_to_go_on_from(void **state)
{
    (void)state;
    write_log("a", 4);
    kn_auto(kn_packet_log_free) struct kn_packet_log *log = log_open("a");
    assert_int_equal(kn_packet_log_seam(log)->n_packets, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_before_the_last_key_packet_is_kept),
        cmocka_unit_test(packets_added_after_a_replay_take_the_place_of_the_rest),
        cmocka_unit_test(dying_before_the_first_new_packet_loses_nothing),
        cmocka_unit_test(a_torn_tail_is_cut_off),
        cmocka_unit_test(a_changed_byte_ends_what_is_believed),
        cmocka_unit_test(a_log_under_another_key_holds_nothing),
        cmocka_unit_test(one_gop_is_nothing_to_go_on_from),
    };
    return cmocka_run_group_tests_name("engine/media/packet_log", tests, NULL, NULL);
}
