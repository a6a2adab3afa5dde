/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Captions out of Matroska films that are made here, byte by byte, also broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/caption/harvest.h"

/* ---- writing EBML ---- */
static void put_id(struct kn_buf *out, uint32_t id)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        if (id >> shift)
            kn_buf_putc(out, (char)(id >> shift & 0xFF));
}

static void put_size(struct kn_buf *out, uint64_t n) // always 8 bytes, so that places are easy to tell
{
    kn_buf_putc(out, 0x01);
    for (int shift = 48; shift >= 0; shift -= 8)
        kn_buf_putc(out, (char)(n >> shift & 0xFF));
}

static void put(struct kn_buf *out, uint32_t id, const void *bytes, size_t n)
{
    put_id(out, id);
    put_size(out, n);
    kn_buf_add(out, bytes, n);
}

static void put_text(struct kn_buf *out, uint32_t id, const char *text)
{
    put(out, id, text, strlen(text));
}

static void put_uint(struct kn_buf *out, uint32_t id, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    put(out, id, bytes, sizeof(bytes));
}

static void put_master(struct kn_buf *out, uint32_t id, struct kn_buf *children)
{
    put(out, id, kn_buf_text(children), children->len);
    kn_buf_clear(children);
}

/* ---- the parts of a film ---- */
static void put_track(struct kn_buf *tracks, int number, int kind, const char *codec,
                      struct kn_buf *more)
{
    struct kn_buf entry = {0};
    put_uint(&entry, 0xD7, (uint64_t)number);
    put_uint(&entry, 0x73C5, (uint64_t)number + 100);
    put_uint(&entry, 0x83, (uint64_t)kind);
    put_text(&entry, 0x86, codec);
    if (more)
        kn_buf_add(&entry, kn_buf_text(more), more->len);
    if (more)
        kn_buf_clear(more);
    put_master(tracks, 0xAE, &entry);
}

static void block_head(struct kn_buf *out, int track, int time, int flags)
{
    kn_buf_putc(out, (char)(0x80 | track));
    kn_buf_putc(out, (char)(time >> 8));
    kn_buf_putc(out, (char)time);
    kn_buf_putc(out, (char)flags);
}

static void put_block(struct kn_buf *cluster, int track, int time, const void *bytes, size_t n)
{
    struct kn_buf block = {0};
    block_head(&block, track, time, 0);
    kn_buf_add(&block, bytes, n);
    put_master(cluster, 0xA3, &block);
}

static void put_picture(struct kn_buf *cluster, int time)
{
    static const char PICTURE[3000];
    put_block(cluster, 1, time, PICTURE, sizeof(PICTURE));
}

static void put_caption(struct kn_buf *cluster, int track, int time, int64_t duration, const char *text)
{
    struct kn_buf block = {0}, group = {0};
    block_head(&block, track, time, 0);
    kn_buf_puts(&block, text);
    put_master(&group, 0xA1, &block);
    put_uint(&group, 0x9B, (uint64_t)duration);
    put_master(cluster, 0xA0, &group);
}

static void film_begin(struct kn_buf *film, struct kn_buf *tracks)
{
    struct kn_buf ebml = {0}, info = {0};
    put_text(&ebml, 0x4282, "matroska");
    put_master(film, 0x1A45DFA3, &ebml);
    put_id(film, 0x18538067);
    kn_buf_add(film, "\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8); // of unknown size: to the end
    put_uint(&info, 0x2AD7B1, 1000000);
    put_text(&info, 0x4D80, "test");
    put_master(film, 0x1549A966, &info);
    put_master(film, 0x1654AE6B, tracks);
}

static size_t segment_at(const struct kn_buf *film)
{
    const char *id = memmem(film->data, film->len, "\x18\x53\x80\x67", 4);
    return (size_t)(id - film->data) + 12;
}

// A film of one caption track "2" beside a picture track "1".
static void film_of(struct kn_buf *film, const char *codec, struct kn_buf *more)
{
    struct kn_buf tracks = {0};
    put_track(&tracks, 1, 1, "V_MPEG4/ISO/AVC", NULL);
    put_track(&tracks, 2, 17, codec, more);
    film_begin(film, &tracks);
}

static void cluster_begin(struct kn_buf *cluster, uint64_t time)
{
    put_uint(cluster, 0xE7, time);
}

/* ---- reading it back ---- */
static struct kn_harvest *open_film(struct kn_buf *film)
{
    int fd = open("film.mkv", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, film->data, film->len), film->len);
    struct kn_source *source = NULL;
    struct kn_harvest *harvest = NULL;
    struct kn_error err = {0};
    assert_int_equal(kn_source_take_fd(&source, fd, "film.mkv", &err), KN_OK);
    if (kn_harvest_open(&harvest, &source, NULL, &err) != KN_OK)
        fail_msg("%s", err.message);
    kn_buf_clear(film);
    return harvest;
}

// All packets as "track start+duration text" lines.
static char *read_all(struct kn_harvest *harvest)
{
    struct kn_buf out = {0};
    struct kn_harvest_packet packet;
    struct kn_error err = {0};
    bool has;
    while (kn_harvest_next(harvest, &packet, &has, &err) == KN_OK && has) {
        kn_buf_printf(&out, "%d %d+%d %.*s", packet.track, (int)(packet.packet.start_us / 1000),
                      packet.packet.duration_us == KN_NO_TIME
                          ? -1 : (int)(packet.packet.duration_us / 1000),
                      (int)packet.packet.n, (const char *)packet.packet.bytes);
        if (packet.packet.id)
            kn_buf_printf(&out, " id=%s", packet.packet.id);
        if (packet.packet.settings)
            kn_buf_printf(&out, " settings=%s", packet.packet.settings);
        kn_buf_putc(&out, '\n');
    }
    assert_int_equal(err.code, KN_OK);
    return out.data ? kn_buf_take(&out) : strdup("");
}

static void check(struct kn_buf *film, const char *expected, int64_t n_notes)
{
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = open_film(film);
    kn_auto(kn_free) char *text = read_all(harvest);
    assert_string_equal(text, expected);
    assert_int_equal(kn_harvest_facts(harvest).n_notes, n_notes);
}

/* ---- tests ---- */
static void captions_between_pictures_are_found_without_an_index(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0};
    film_of(&film, "S_TEXT/UTF8", NULL);
    cluster_begin(&cluster, 0);
    put_picture(&cluster, 0);
    put_caption(&cluster, 2, 40, 1000, "one");
    put_picture(&cluster, 80);
    put_master(&film, 0x1F43B675, &cluster);
    cluster_begin(&cluster, 5000);
    put_picture(&cluster, 0);
    put_caption(&cluster, 2, -20, 500, "two");
    put_master(&film, 0x1F43B675, &cluster);
    check(&film, "0 40+1000 one\n0 4980+500 two\n", 0);
}

static void lengths_no_caption_has_are_none(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0};
    film_of(&film, "S_TEXT/UTF8", NULL);
    cluster_begin(&cluster, 0);
    put_picture(&cluster, 0);
    put_caption(&cluster, 2, 40, 0xFFFFFFFF, "four bytes of ones");
    put_caption(&cluster, 2, 1000, -1, "eight");
    put_caption(&cluster, 2, 2000, 0, "nothing");
    put_caption(&cluster, 2, 3000, 12 * 3600 * 1000, "long");
    put_master(&film, 0x1F43B675, &cluster);
    check(&film, "0 40+-1 four bytes of ones\n0 1000+-1 eight\n0 2000+-1 nothing\n0 3000+43200000 long\n", 0);
}

static void times_count_from_the_first_picture(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0};
    film_of(&film, "S_TEXT/UTF8", NULL);
    cluster_begin(&cluster, 7000);
    put_picture(&cluster, 100);
    put_caption(&cluster, 2, 400, 1000, "one");
    put_master(&film, 0x1F43B675, &cluster);
    check(&film, "0 300+1000 one\n", 0);
}

static void clusters_of_unknown_size_end_where_the_next_begins(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0};
    film_of(&film, "S_TEXT/UTF8", NULL);
    for (int i = 0; i < 3; i++) {
        put_id(&film, 0x1F43B675);
        kn_buf_putc(&film, (char)0xFF);
        cluster_begin(&cluster, (uint64_t)i * 1000);
        put_picture(&cluster, 0);
        put_caption(&cluster, 2, 10, 5, "live");
        kn_buf_add(&film, cluster.data, cluster.len);
        kn_buf_clear(&cluster);
    }
    check(&film, "0 10+5 live\n0 1010+5 live\n0 2010+5 live\n", 0);
}

static void laced_blocks_give_a_packet_for_each_frame(void **state)
{
    (void)state;
    static const struct {
        int flags;
        const char *sizes;
        size_t n;
    } LACINGS[] = {
        {2, "\x02\x02\x03", 3},     // Xiph: 2, 3, the rest
        {6, "\x02\x82\xC0", 3},     // EBML: 2, 2 + 1, the rest
    };
    for (size_t i = 0; i < KN_COUNT(LACINGS); i++) {
        struct kn_buf film = {0}, cluster = {0}, block = {0}, more = {0};
        put_uint(&more, 0x23E383, 40000000); // a frame lasts 40 ms
        film_of(&film, "S_TEXT/UTF8", &more);
        cluster_begin(&cluster, 0);
        put_picture(&cluster, 0);
        block_head(&block, 2, 100, LACINGS[i].flags);
        kn_buf_add(&block, LACINGS[i].sizes, LACINGS[i].n);
        kn_buf_puts(&block, "aabbbcccc");
        put_master(&cluster, 0xA3, &block);
        block_head(&block, 2, 500, 4); // all of one size
        kn_buf_puts(&block, "\x01xxyy");
        put_master(&cluster, 0xA3, &block);
        put_master(&film, 0x1F43B675, &cluster);
        check(&film, "0 100+40 aa\n0 140+40 bbb\n0 180+40 cccc\n0 500+40 xx\n0 540+40 yy\n", 0);
    }
}

static void put_encoding(struct kn_buf *more, int algorithm, const char *stripped)
{
    struct kn_buf compression = {0}, encoding = {0}, encodings = {0};
    put_uint(&compression, 0x4254, (uint64_t)algorithm);
    if (stripped)
        put_text(&compression, 0x4255, stripped);
    put_master(&encoding, 0x5034, &compression);
    put_uint(&encoding, 0x5032, 1);
    put_master(&encodings, 0x6240, &encoding);
    put_master(more, 0x6D80, &encodings);
}

static void compressed_frames_come_out_plain(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0}, more = {0};
    put_encoding(&more, 0, NULL);
    film_of(&film, "S_TEXT/UTF8", &more);
    uint8_t packed[100];
    uLongf n = sizeof(packed);
    assert_int_equal(compress(packed, &n, (const Bytef *)"small text", 10), Z_OK);
    cluster_begin(&cluster, 0);
    put_picture(&cluster, 0);
    put_block(&cluster, 2, 10, packed, n);
    put_block(&cluster, 2, 20, "not zlib", 8); // lost, and said so
    put_master(&film, 0x1F43B675, &cluster);
    check(&film, "0 10+-1 small text\n", 1);
}

static void stripped_headers_are_put_back(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0}, more = {0};
    put_encoding(&more, 3, "- ");
    film_of(&film, "S_TEXT/UTF8", &more);
    cluster_begin(&cluster, 0);
    put_picture(&cluster, 0);
    put_caption(&cluster, 2, 10, 20, "said she");
    put_master(&film, 0x1F43B675, &cluster);
    check(&film, "0 10+20 - said she\n", 0);
}

static void a_bomb_of_a_caption_is_left_out(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0}, more = {0};
    put_encoding(&more, 0, NULL);
    film_of(&film, "S_TEXT/UTF8", &more);
    const size_t n_zeros = 17 * 1024 * 1024; // more than a packet may have
    uLongf n = compressBound(n_zeros);
    kn_auto(kn_free) uint8_t *zeros = calloc(1, n_zeros), *packed = malloc(n);
    assert_true(zeros && packed);
    assert_int_equal(compress(packed, &n, zeros, n_zeros), Z_OK);
    cluster_begin(&cluster, 0);
    put_picture(&cluster, 0);
    put_block(&cluster, 2, 10, packed, n);
    put_master(&film, 0x1F43B675, &cluster);
    check(&film, "", 1);
}

static void webvtt_settings_stand_beside_the_payload(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0}, block = {0}, group = {0}, more = {0}, additions = {0};
    film_of(&film, "S_TEXT/WEBVTT", NULL);
    cluster_begin(&cluster, 0);
    put_picture(&cluster, 0);
    block_head(&block, 2, 10, 0);
    kn_buf_puts(&block, "hello");
    put_master(&group, 0xA1, &block);
    put_uint(&more, 0xEE, 1);
    put_text(&more, 0xA5, "line:10%\nfirst\n");
    put_master(&additions, 0xA6, &more);
    put_master(&group, 0x75A1, &additions);
    put_uint(&group, 0x9B, 5);
    put_master(&cluster, 0xA0, &group);
    put_caption(&cluster, 2, 20, 5, "plain");
    put_master(&film, 0x1F43B675, &cluster);
    check(&film, "0 10+5 hello id=first settings=line:10%\n0 20+5 plain\n", 0);
}

static void webm_webvtt_keeps_them_in_the_first_lines(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0};
    film_of(&film, "D_WEBVTT/SUBTITLES", NULL);
    cluster_begin(&cluster, 0);
    put_picture(&cluster, 0);
    put_caption(&cluster, 2, 10, 5, "first\r\nline:10%\nhello\nyou");
    put_caption(&cluster, 2, 20, 5, "\n\nbare");
    put_master(&film, 0x1F43B675, &cluster);
    check(&film, "0 10+5 hello\nyou id=first settings=line:10%\n0 20+5 bare\n", 0);
}

static void damage_costs_no_more_than_its_cluster(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0};
    film_of(&film, "S_TEXT/UTF8", NULL);
    for (int i = 0; i < 3; i++) {
        cluster_begin(&cluster, (uint64_t)i * 1000);
        put_picture(&cluster, 0);
        put_caption(&cluster, 2, 10, 5, "kept");
        if (i == 1)
            memset(cluster.data + 20, 0, cluster.len - 20);
        if (i == 1)
            kn_buf_add(&cluster, "\x1F\x43\xB6\x75\x81zz", 7); // looks like a cluster at first sight
        put_master(&film, 0x1F43B675, &cluster);
    }
    check(&film, "0 10+5 kept\n0 2010+5 kept\n", 1);
}

static void a_film_cut_off_gives_what_it_has(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0};
    film_of(&film, "S_TEXT/UTF8", NULL);
    cluster_begin(&cluster, 0);
    put_picture(&cluster, 0);
    put_caption(&cluster, 2, 10, 5, "whole");
    put_caption(&cluster, 2, 20, 5, "half of this is missing");
    put_master(&film, 0x1F43B675, &cluster);
    film.len -= 25;
    check(&film, "0 10+5 whole\n", 1);
}

// A cluster with two captions, then an index that names those of `n_indexed`.
static void indexed_film(struct kn_buf *film, int n_indexed, int n_counted, int wrong_by)
{
    struct kn_buf tracks = {0}, cluster = {0}, cues = {0}, tags = {0}, tag = {0}, part = {0};
    put_track(&tracks, 1, 1, "V_MPEG4/ISO/AVC", NULL);
    put_track(&tracks, 2, 17, "S_TEXT/UTF8", NULL);
    struct kn_buf seek = {0}, head = {0};
    film_begin(film, &tracks);
    const size_t first = segment_at(film);
    put_uint(&tag, 0x63C5, 102);
    put_master(&part, 0x63C0, &tag);
    put_text(&tag, 0x45A3, "NUMBER_OF_FRAMES");
    kn_buf_printf(&head, "%d", n_counted);
    put_text(&tag, 0x4487, head.data);
    kn_buf_clear(&head);
    put_master(&part, 0x67C8, &tag);
    put_master(&tags, 0x7373, &part);
    put_master(film, 0x1254C367, &tags);

    size_t within[2];
    cluster_begin(&cluster, 0);
    put_picture(&cluster, 0);
    within[0] = cluster.len;
    put_caption(&cluster, 2, 10, 5, "one");
    for (int i = 0; i < 20; i++)
        put_picture(&cluster, 20 + i);
    within[1] = cluster.len;
    put_caption(&cluster, 2, 50, 5, "two");

    for (int i = 0; i < n_indexed; i++) {
        struct kn_buf point = {0}, positions = {0};
        put_uint(&point, 0xB3, 0);
        put_uint(&positions, 0xF7, 2);
        // Behind the SeekHead that follows, and the index itself.
        put_uint(&positions, 0xF1, film->len - first + 54 + 12 + (size_t)n_indexed * 86);
        put_uint(&positions, 0xF0, within[i] + (size_t)wrong_by);
        put_master(&point, 0xB7, &positions);
        put_master(&cues, 0xBB, &point);
    }
    put(&seek, 0x53AB, "\x1C\x53\xBB\x6B", 4);
    put_uint(&seek, 0x53AC, film->len - first + 54);
    put_master(&head, 0x4DBB, &seek);
    put_master(film, 0x114D9B74, &head);
    put_master(film, 0x1C53BB6B, &cues);
    put_master(film, 0x1F43B675, &cluster);
}

static void check_indexed(int n_indexed, int n_counted, int wrong_by, bool is_indexed, int n_notes)
{
    struct kn_buf film = {0};
    indexed_film(&film, n_indexed, n_counted, wrong_by);
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = open_film(&film);
    kn_auto(kn_free) char *text = read_all(harvest);
    assert_string_equal(text, "0 10+5 one\n0 50+5 two\n");
    assert_int_equal(kn_harvest_facts(harvest).is_indexed, is_indexed);
    assert_int_equal(kn_harvest_facts(harvest).n_notes, n_notes);
}

static void a_complete_index_is_followed(void **state)
{
    (void)state;
    check_indexed(2, 2, 0, true, 0);
}

static void an_index_of_fewer_blocks_than_there_are_is_not(void **state)
{
    (void)state;
    check_indexed(1, 2, 0, false, 0);
}

static void a_wrong_index_costs_nothing_but_time(void **state)
{
    (void)state;
    check_indexed(2, 2, 3, false, 1);
}

static void a_codec_nobody_reads_is_refused_by_name(void **state)
{
    (void)state;
    struct kn_buf film = {0}, cluster = {0};
    film_of(&film, "S_KATE", NULL);
    cluster_begin(&cluster, 0);
    put_master(&film, 0x1F43B675, &cluster);
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = open_film(&film);
    int n;
    const struct kn_harvest_track *track = kn_harvest_tracks(harvest, &n);
    assert_int_equal(n, 1);
    assert_string_equal(track->facts.codec_name, "S_KATE");
    assert_int_equal(track->facts.stream_index, 1);
    struct kn_error err = {0};
    assert_int_equal(kn_harvest_choose(harvest, 0, &err), KN_EUNSUP);
    assert_non_null(strstr(err.message, "S_KATE"));
    assert_int_equal(kn_harvest_choose(harvest, 1, &err), KN_EINVAL);
}

static void only_chosen_tracks_are_delivered(void **state)
{
    (void)state;
    struct kn_buf film = {0}, tracks = {0}, cluster = {0}, more = {0};
    put_text(&more, 0x22B59C, "fre");
    put_text(&more, 0x22B59D, "fr-CA");
    put_text(&more, 0x536E, "Québec");
    put_uint(&more, 0x55AA, 1);
    put_uint(&more, 0x88, 0);
    put_track(&tracks, 2, 17, "S_TEXT/UTF8", &more);
    put_track(&tracks, 3, 17, "S_TEXT/ASS", NULL);
    film_begin(&film, &tracks);
    cluster_begin(&cluster, 0);
    put_caption(&cluster, 2, 0, 5, "no");
    put_caption(&cluster, 3, 0, 5, "yes");
    put_master(&film, 0x1F43B675, &cluster);
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = open_film(&film);
    int n;
    const struct kn_harvest_track *track = kn_harvest_tracks(harvest, &n);
    assert_int_equal(n, 2);
    assert_string_equal(track[0].facts.language, "fr-CA");
    assert_string_equal(track[0].facts.title, "Québec");
    assert_true(track[0].facts.is_forced && !track[0].facts.is_default);
    assert_string_equal(track[1].facts.language, "eng"); // the default of the format
    assert_int_equal(track[1].facts.codec, KN_CAPTION_ASS);
    assert_int_equal(kn_harvest_choose(harvest, 1, NULL), KN_OK);
    kn_auto(kn_free) char *text = read_all(harvest);
    assert_string_equal(text, "1 0+5 yes\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captions_between_pictures_are_found_without_an_index),
        cmocka_unit_test(lengths_no_caption_has_are_none),
        cmocka_unit_test(times_count_from_the_first_picture),
        cmocka_unit_test(clusters_of_unknown_size_end_where_the_next_begins),
        cmocka_unit_test(laced_blocks_give_a_packet_for_each_frame),
        cmocka_unit_test(compressed_frames_come_out_plain),
        cmocka_unit_test(stripped_headers_are_put_back),
        cmocka_unit_test(a_bomb_of_a_caption_is_left_out),
        cmocka_unit_test(webvtt_settings_stand_beside_the_payload),
        cmocka_unit_test(webm_webvtt_keeps_them_in_the_first_lines),
        cmocka_unit_test(damage_costs_no_more_than_its_cluster),
        cmocka_unit_test(a_film_cut_off_gives_what_it_has),
        cmocka_unit_test(a_complete_index_is_followed),
        cmocka_unit_test(an_index_of_fewer_blocks_than_there_are_is_not),
        cmocka_unit_test(a_wrong_index_costs_nothing_but_time),
        cmocka_unit_test(a_codec_nobody_reads_is_refused_by_name),
        cmocka_unit_test(only_chosen_tracks_are_delivered),
    };
    return cmocka_run_group_tests_name("engine/caption/matroska", tests, NULL, NULL);
}
