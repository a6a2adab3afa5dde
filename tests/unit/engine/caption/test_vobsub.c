/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pairs of files made here: a picture is any bytes that begin with their own number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/caption/harvest_any.h"

#define PICTURE "\0\x0Apicture"
#define N_PICTURE 10

static void file_write(const char *name, const void *bytes, size_t n)
{
    kn_auto(kn_close_file) FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
}

// A pack and a packet of private stream 1 with a part of a picture.
static void packet_put(struct kn_buf *out, int substream, const void *bytes, size_t n)
{
    kn_buf_add(out, "\0\0\1\xBA\x44\0\0\0\0\0\0\0\0\xF8", 14);
    kn_buf_add(out, "\0\0\1\xBD\0", 5);
    kn_buf_putc(out, (char)(9 + n));
    kn_buf_add(out, "\x81\x80\5\x21\0\1\0\1", 8);
    kn_buf_putc(out, (char)substream);
    kn_buf_add(out, bytes, n);
}

static kn_code source_open(void *impl, const char *uri, struct kn_source **out, struct kn_error *err)
{
    (void)impl;
    return kn_source_open_file(out, uri, err);
}

static const struct kn_input_env env = {.open = source_open};

// Two tracks; the second picture of the first one lies in two packets with one of the other track between.
static void pair_write(void)
{
    kn_auto(kn_buf_clear) struct kn_buf pictures = {0};
    char index[1024];
    packet_put(&pictures, 0x20, PICTURE, N_PICTURE);
    const size_t second = pictures.len;
    packet_put(&pictures, 0x20, PICTURE, 4);
    const size_t other = pictures.len;
    packet_put(&pictures, 0x23, PICTURE, N_PICTURE);
    packet_put(&pictures, 0x20, &PICTURE[4], N_PICTURE - 4);
    const int n = snprintf(index, sizeof(index),
                           "# VobSub index file, v7\nsize: 720x576\npalette: 000000, ffffff\n\n"
                           "id: en, index: 0\ntimestamp: 00:00:01:500, filepos: 000000000\n"
                           "delay: -00:00:00:250\ntimestamp: 01:00:00:000, filepos: %09zx\n"
                           "id: de, index: 3\r\ntimestamp: 00:00:02:000, filepos: %09zx\r\n"
                           "timestamp: 00:00:09:000, filepos: 0000fffff\n", second, other);
    file_write("a.idx", index, (size_t)n);
    file_write("a.sub", pictures.data, pictures.len);
}

static void packet_is(struct kn_harvest *harvest, int track, int64_t start_us)
{
    struct kn_harvest_packet packet;
    bool has;
    assert_int_equal(kn_harvest_next(harvest, &packet, &has, NULL), KN_OK);
    assert_true(has);
    assert_int_equal(packet.track, track);
    assert_int_equal(packet.packet.start_us, start_us);
    assert_int_equal(packet.packet.n, N_PICTURE);
    assert_memory_equal(packet.packet.bytes, PICTURE, N_PICTURE);
}

static void both_tracks_are_read_with_their_times(void **state)
{
    (void)state;
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = NULL;
    pair_write();
    assert_int_equal(kn_harvest_open_any(&harvest, "a.idx", &env, NULL), KN_OK);
    int n;
    const struct kn_harvest_track *tracks = kn_harvest_tracks(harvest, &n);
    assert_int_equal(n, 2);
    assert_int_equal(tracks[0].facts.codec, KN_CAPTION_VOBSUB);
    assert_string_equal(tracks[0].facts.language, "en");
    assert_string_equal(tracks[1].facts.language, "de");
    assert_int_equal(tracks[1].width_px, 720);
    assert_memory_equal(tracks[1].private_bytes, "# VobSub index file, v7\nsize: 720x576\n", 37);
    packet_is(harvest, 0, 1500 * KN_SECOND / 1000);
    packet_is(harvest, 0, KN_HOUR - KN_SECOND / 4);
    packet_is(harvest, 1, 2 * KN_SECOND);
    struct kn_harvest_packet packet;
    bool has;
    assert_int_equal(kn_harvest_next(harvest, &packet, &has, NULL), KN_OK);
    assert_false(has); // the last one lies beyond the end
    assert_string_equal(kn_harvest_note(harvest, 0), "the picture at byte 1048575 is not there as a whole");
}

static void pictures_alone_find_the_index_beside_them(void **state)
{
    (void)state;
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = NULL;
    pair_write();
    assert_int_equal(kn_harvest_open_any(&harvest, "a.sub", &env, NULL), KN_OK);
    packet_is(harvest, 0, 1500 * KN_SECOND / 1000);
}

static void a_track_that_is_not_chosen_stays_behind(void **state)
{
    (void)state;
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = NULL;
    pair_write();
    assert_int_equal(kn_harvest_open_any(&harvest, "a.idx", &env, NULL), KN_OK);
    assert_int_equal(kn_harvest_choose(harvest, 1, NULL), KN_OK);
    packet_is(harvest, 1, 2 * KN_SECOND);
}

static void without_its_pictures_an_index_says_so(void **state)
{
    (void)state;
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = NULL;
    struct kn_error err = {0};
    file_write("alone.idx", "# VobSub index file, v7\n", 24);
    assert_int_equal(kn_harvest_open_any(&harvest, "alone.idx", &env, &err), KN_ENOTFOUND);
    assert_non_null(strstr(err.message, "alone.sub"));
}

static void an_index_without_pictures_is_bad(void **state)
{
    (void)state;
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = NULL;
    struct kn_error err = {0};
    file_write("empty.idx", "# VobSub index file, v7\nid: en, index: 0\ntimestamp: soon\n", 57);
    file_write("empty.sub", "", 0);
    assert_int_equal(kn_harvest_open_any(&harvest, "empty.idx", &env, &err), KN_EMEDIA);
    assert_string_equal(err.message, "'empty.idx' names no pictures");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_tracks_are_read_with_their_times),
        cmocka_unit_test(pictures_alone_find_the_index_beside_them),
        cmocka_unit_test(a_track_that_is_not_chosen_stays_behind),
        cmocka_unit_test(without_its_pictures_an_index_says_so),
        cmocka_unit_test(an_index_without_pictures_is_bad),
    };
    return cmocka_run_group_tests_name("engine/caption/vobsub", tests, NULL, NULL);
}
