/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Captions out of MP4 films that are made here, box by box, also broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/caption/harvest.h"

/* ---- writing boxes ---- */
static void put_n(struct kn_buf *out, uint64_t value, int n_bytes)
{
    for (int shift = 8 * (n_bytes - 1); shift >= 0; shift -= 8)
        kn_buf_putc(out, (char)(value >> shift & 0xFF));
}

static void put_32s(struct kn_buf *out, size_t n, const uint32_t *values)
{
    for (size_t i = 0; i < n; i++)
        put_n(out, values[i], 4);
}

#define PUT_32S(out, ...)                                                                          \
    put_32s((out), sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static void put_box(struct kn_buf *out, const char *type, struct kn_buf *payload)
{
    put_n(out, 8 + payload->len, 4);
    kn_buf_add(out, type, 4);
    kn_buf_add(out, kn_buf_text(payload), payload->len);
    kn_buf_clear(payload);
}

#define PUT_TABLE(out, type, ...)                                                                  \
    do {                                                                                           \
        struct kn_buf table_ = {0};                                                                \
        PUT_32S(&table_, __VA_ARGS__);                                                             \
        put_box((out), (type), &table_);                                                           \
    } while (0)

// A caption track of 1,000 ticks a second; `edts` and `stbl` are used up.
static void put_trak(struct kn_buf *moov, uint32_t id, const char *format, struct kn_buf *edts,
                     struct kn_buf *stbl)
{
    struct kn_buf trak = {0}, mdia = {0}, minf = {0}, hdlr = {0}, mdhd = {0}, whole = {0};
    struct kn_buf stsd = {0}, entry = {0}, tkhd = {0};
    PUT_32S(&tkhd, 1, 0, 0, id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    put_box(&trak, "tkhd", &tkhd);
    if (edts && edts->len)
        put_box(&trak, "edts", edts);
    PUT_32S(&mdhd, 0, 0, 0, 1000, 9000);
    put_n(&mdhd, ('d' - 96) << 10 | ('e' - 96) << 5 | ('u' - 96), 2);
    put_n(&mdhd, 0, 2);
    put_box(&mdia, "mdhd", &mdhd);
    PUT_32S(&hdlr, 0, 0, 0x7362746C /* sbtl */, 0, 0, 0);
    put_box(&mdia, "hdlr", &hdlr);
    PUT_32S(&entry, 0, 1, 0x80000000u /* tx3g: all forced */, 0, 0);
    PUT_32S(&stsd, 0, 1);
    put_box(&stsd, format, &entry);
    put_box(&whole, "stsd", &stsd);
    kn_buf_add(&whole, kn_buf_text(stbl), stbl->len);
    kn_buf_clear(stbl);
    put_box(&minf, "stbl", &whole);
    put_box(&mdia, "minf", &minf);
    put_box(&trak, "mdia", &mdia);
    put_box(moov, "trak", &trak);
}

static void put_mvhd(struct kn_buf *moov)
{
    PUT_TABLE(moov, "mvhd", 0, 0, 0, 1000, 9000);
}

#define MEDIA "..aaaa..bbbcc.ddddd" // with what is not ours between

// ftyp and mdat: the media begin at byte 24.
static void film_begin(struct kn_buf *film)
{
    struct kn_buf ftyp = {0}, mdat = {0};
    kn_buf_puts(&ftyp, "isom\1\1\1\1");
    put_box(film, "ftyp", &ftyp);
    kn_buf_puts(&mdat, MEDIA);
    put_box(film, "mdat", &mdat);
}

// Three samples of 4, 3 and 2 bytes in two chunks, 1 s each.
static void put_usual_tables(struct kn_buf *stbl)
{
    PUT_TABLE(stbl, "stts", 0, 1, 3, 1000);
    PUT_TABLE(stbl, "stsc", 0, 2, 1, 1, 1, 2, 2, 1);
    PUT_TABLE(stbl, "stsz", 0, 0, 3, 4, 3, 2);
    PUT_TABLE(stbl, "stco", 0, 2, 26, 32);
}

/* ---- reading it back ---- */
static struct kn_harvest *open_film(struct kn_buf *film)
{
    int fd = open("film.mp4", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, film->data, film->len), film->len);
    struct kn_source *source = NULL;
    struct kn_harvest *harvest = NULL;
    struct kn_error err = {0};
    assert_int_equal(kn_source_take_fd(&source, fd, "film.mp4", &err), KN_OK);
    if (kn_harvest_open(&harvest, &source, NULL, &err) != KN_OK)
        fail_msg("%s", err.message);
    kn_buf_clear(film);
    return harvest;
}

static void check(struct kn_buf *film, const char *expected, int64_t n_notes)
{
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = open_film(film);
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    struct kn_harvest_packet packet;
    struct kn_error err = {0};
    bool has;
    while (kn_harvest_next(harvest, &packet, &has, &err) == KN_OK && has)
        kn_buf_printf(&out, "%d %d+%d %.*s\n", packet.track, (int)(packet.packet.start_us / 1000),
                      packet.packet.duration_us == KN_NO_TIME
                          ? -1 : (int)(packet.packet.duration_us / 1000),
                      (int)packet.packet.n, (const char *)packet.packet.bytes);
    assert_int_equal(err.code, KN_OK);
    assert_string_equal(kn_buf_text(&out), expected);
    assert_int_equal(kn_harvest_facts(harvest).n_notes, n_notes);
}

static void check_tables(struct kn_buf *edts, struct kn_buf *stbl, const char *expected, int64_t n_notes)
{
    struct kn_buf film = {0}, moov = {0};
    film_begin(&film);
    put_mvhd(&moov);
    put_trak(&moov, 7, "stpp", edts, stbl);
    put_box(&film, "moov", &moov);
    check(&film, expected, n_notes);
}

/* ---- tests ---- */
static void samples_are_found_chunk_by_chunk(void **state)
{
    (void)state;
    struct kn_buf stbl = {0};
    put_usual_tables(&stbl);
    check_tables(NULL, &stbl, "0 0+1000 aaaa\n0 1000+1000 bbb\n0 2000+1000 cc\n", 0);
}

static void a_header_before_the_media_does_as_well(void **state)
{
    (void)state;
    struct kn_buf film = {0}, moov = {0}, media = {0}, stbl = {0};
    for (int pass = 0; pass < 2; pass++) { // the second knows how long the header is
        const uint32_t at = (uint32_t)film.len;
        kn_buf_reset(&film);
        PUT_TABLE(&stbl, "stts", 0, 1, 1, 500);
        PUT_TABLE(&stbl, "stsc", 0, 1, 1, 1, 1);
        PUT_TABLE(&stbl, "stsz", 0, 4, 1);
        PUT_TABLE(&stbl, "co64", 0, 1, 0, at + 8);
        put_mvhd(&moov);
        put_trak(&moov, 1, "stpp", NULL, &stbl);
        put_box(&film, "moov", &moov);
    }
    kn_buf_puts(&media, "text");
    put_box(&film, "mdat", &media);
    check(&film, "0 0+500 text\n", 0);
}

static void compact_sizes_of_every_width_are_read(void **state)
{
    (void)state;
    static const struct {
        int bits;
        const char *sizes;
        size_t n;
    } WIDTHS[] = {{4, "\x43\x20", 2}, {8, "\x04\x03\x02", 3}, {16, "\0\x04\0\x03\0\x02", 6}};
    for (size_t i = 0; i < KN_COUNT(WIDTHS); i++) {
        struct kn_buf stbl = {0}, stz2 = {0};
        PUT_TABLE(&stbl, "stts", 0, 1, 3, 1000);
        PUT_TABLE(&stbl, "stsc", 0, 2, 1, 1, 1, 2, 2, 1);
        PUT_TABLE(&stbl, "stco", 0, 2, 26, 32);
        PUT_32S(&stz2, 0, (uint32_t)WIDTHS[i].bits, 3);
        kn_buf_add(&stz2, WIDTHS[i].sizes, WIDTHS[i].n);
        put_box(&stbl, "stz2", &stz2);
        check_tables(NULL, &stbl, "0 0+1000 aaaa\n0 1000+1000 bbb\n0 2000+1000 cc\n", 0);
    }
}

static void a_delay_moves_every_sample(void **state)
{
    (void)state;
    struct kn_buf stbl = {0}, edts = {0};
    put_usual_tables(&stbl);
    PUT_TABLE(&edts, "elst", 0, 2, 2500, 0xFFFFFFFFu, 0x10000, 2999, 0, 0x10000);
    check_tables(&edts, &stbl, "0 2500+1000 aaaa\n0 3500+1000 bbb\n0 4500+999 cc\n", 0);
}

static void a_cut_shows_only_what_it_keeps(void **state)
{
    (void)state;
    struct kn_buf stbl = {0}, edts = {0};
    put_usual_tables(&stbl);
    // From 0.5 to 1.5 s, then from 2.5 s on.
    PUT_TABLE(&edts, "elst", 0, 2, 1000, 500, 0x10000, 500, 2500, 0x10000);
    check_tables(&edts, &stbl, "0 0+500 aaaa\n0 500+500 bbb\n0 1000+500 cc\n", 0);
}

static void a_duration_nobody_knows_stays_unknown(void **state)
{
    (void)state;
    struct kn_buf stbl = {0};
    PUT_TABLE(&stbl, "stts", 0, 2, 1, 1000, 1, 0xFFFFFFFFu);
    PUT_TABLE(&stbl, "stsc", 0, 1, 1, 2, 1);
    PUT_TABLE(&stbl, "stsz", 0, 0, 2, 3, 2);
    PUT_TABLE(&stbl, "stco", 0, 1, 32);
    check_tables(NULL, &stbl, "0 0+1000 bbb\n0 1000+-1 cc\n", 0);
    // In the middle it leaves the times of the others alone; a table that is one too short says nothing of the last.
    PUT_TABLE(&stbl, "stts", 0, 2, 1, 0xFFFFFFFFu, 1, 1000);
    PUT_TABLE(&stbl, "stsc", 0, 1, 1, 3, 1);
    PUT_TABLE(&stbl, "stsz", 0, 0, 3, 3, 2, 2);
    PUT_TABLE(&stbl, "stco", 0, 1, 32);
    check_tables(NULL, &stbl, "0 0+-1 bbb\n0 0+1000 cc\n0 1000+-1 .d\n", 0);
}

static void samples_outside_the_file_are_noted(void **state)
{
    (void)state;
    struct kn_buf stbl = {0};
    PUT_TABLE(&stbl, "stts", 0, 1, 3, 1000);
    PUT_TABLE(&stbl, "stsc", 0, 1, 1, 1, 1);
    PUT_TABLE(&stbl, "stsz", 0, 0, 3, 0x7FFFFFFF, 3, 3);
    PUT_TABLE(&stbl, "stco", 0, 3, 26, 32, 0xFFFFFFF0u);
    check_tables(NULL, &stbl, "0 1000+1000 bbb\n", 2);
}

static void samples_without_a_chunk_are_noted(void **state)
{
    (void)state;
    struct kn_buf stbl = {0};
    PUT_TABLE(&stbl, "stts", 0, 1, 3, 1000);
    PUT_TABLE(&stbl, "stsc", 0, 1, 1, 1, 1);
    PUT_TABLE(&stbl, "stsz", 0, 0, 3, 4, 3, 2);
    PUT_TABLE(&stbl, "stco", 0, 1, 26);
    check_tables(NULL, &stbl, "0 0+1000 aaaa\n", 1);
}

static void empty_texts_are_not_read(void **state)
{
    (void)state;
    struct kn_buf film = {0}, moov = {0}, stbl = {0};
    film_begin(&film);
    put_mvhd(&moov);
    put_usual_tables(&stbl); // the third has two bytes: a length of nothing
    put_trak(&moov, 7, "tx3g", NULL, &stbl);
    put_box(&film, "moov", &moov);
    check(&film, "0 0+1000 aaaa\n0 1000+1000 bbb\n", 0);
}

static void fragments_follow_each_other(void **state)
{
    (void)state;
    struct kn_buf film = {0}, moov = {0}, stbl = {0}, mvex = {0};
    put_mvhd(&moov);
    put_trak(&moov, 3, "stpp", NULL, &stbl);
    PUT_TABLE(&mvex, "trex", 0, 3, 1, 400, 5, 0);
    put_box(&moov, "mvex", &mvex);
    put_box(&film, "moov", &moov);
    for (uint32_t i = 0; i < 2; i++) {
        struct kn_buf moof = {0}, traf = {0}, mdat = {0};
        PUT_TABLE(&traf, "tfhd", 0x020000, 3);
        if (i == 0)
            PUT_TABLE(&traf, "tfdt", 0x01000000, 0, 600);
        // Two samples; the first fragment gives sizes, the second durations.
        if (i == 0)
            PUT_TABLE(&traf, "trun", 0x201, 2, 88, 3, 2);
        else
            PUT_TABLE(&traf, "trun", 0x101, 2, 68, 100, 300);
        put_box(&moof, "traf", &traf);
        put_box(&film, "moof", &moof);
        kn_buf_puts(&mdat, i == 0 ? "onetw" : "threefour!");
        put_box(&film, "mdat", &mdat);
    }
    check(&film, "0 600+400 one\n0 1000+400 tw\n0 1400+100 three\n0 1500+300 four!\n", 0);
}

static void a_track_says_what_it_is(void **state)
{
    (void)state;
    struct kn_buf film = {0}, moov = {0}, stbl = {0};
    film_begin(&film);
    put_mvhd(&moov);
    put_trak(&moov, 1, "tx3g", NULL, &stbl);
    put_trak(&moov, 2, "enct", NULL, &stbl);
    put_trak(&moov, 3, "zz\x01z", NULL, &stbl);
    put_box(&film, "moov", &moov);
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = open_film(&film);
    int n;
    const struct kn_harvest_track *track = kn_harvest_tracks(harvest, &n);
    assert_int_equal(n, 3);
    assert_string_equal(track[0].facts.language, "deu");
    assert_true(track[0].facts.is_forced && track[0].facts.is_default);
    assert_int_equal(track[0].facts.codec, KN_CAPTION_MOV_TEXT);
    assert_int_equal(track[0].n_private, 12);
    struct kn_error err = {0};
    assert_int_equal(kn_harvest_choose(harvest, 1, &err), KN_EUNSUP);
    assert_non_null(strstr(err.message, "encrypted"));
    assert_int_equal(kn_harvest_choose(harvest, 2, &err), KN_EUNSUP);
    assert_non_null(strstr(err.message, "'zz?z'"));
    assert_int_equal(kn_harvest_facts(harvest).end_us, 9 * KN_SECOND);
}

static void a_film_without_its_header_is_refused(void **state)
{
    (void)state;
    struct kn_buf film = {0};
    film_begin(&film);
    struct kn_source *source = NULL;
    int fd = open("film.mp4", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, film.data, film.len), film.len);
    assert_int_equal(kn_source_take_fd(&source, fd, "film.mp4", NULL), KN_OK);
    struct kn_harvest *harvest = NULL;
    struct kn_error err = {0};
    assert_int_equal(kn_harvest_open(&harvest, &source, NULL, &err), KN_EMEDIA);
    assert_string_equal(err.reason, "ResourceContentBad");
    assert_null(source);
    kn_buf_clear(&film);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_found_chunk_by_chunk),
        cmocka_unit_test(a_header_before_the_media_does_as_well),
        cmocka_unit_test(compact_sizes_of_every_width_are_read),
        cmocka_unit_test(a_delay_moves_every_sample),
        cmocka_unit_test(a_cut_shows_only_what_it_keeps),
        cmocka_unit_test(a_duration_nobody_knows_stays_unknown),
        cmocka_unit_test(samples_outside_the_file_are_noted),
        cmocka_unit_test(samples_without_a_chunk_are_noted),
        cmocka_unit_test(empty_texts_are_not_read),
        cmocka_unit_test(fragments_follow_each_other),
        cmocka_unit_test(a_track_says_what_it_is),
        cmocka_unit_test(a_film_without_its_header_is_refused),
    };
    return cmocka_run_group_tests_name("engine/caption/mp4", tests, NULL, NULL);
}
