/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Films of made-up packets: where the index of an MP4 lies, and that the film behind it is whole,
 * whatever room was reserved for the index.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <libavutil/intreadwrite.h>

#include "base/cleanup.h"
#include "engine/media/mux.h"

#define FILM_BYTES (4 * 1024 * 1024)
#define MAX_BOXES 8

struct box {
    char name[5];
    size_t at, bytes;
};

struct film {
    uint8_t bytes[FILM_BYTES];
    size_t n_bytes;
    struct box boxes[MAX_BOXES];
    int n_boxes;
};

static struct film film;

/* A film to be made: pictures at 25 a second and sound in as many tracks, its packets all different. */
struct recipe {
    const char *format;
    int n_sounds;
    int seconds;
    int64_t expected_us;
    unsigned jitter; // of times, in ticks; 0: all even
};

static uint32_t noise(uint32_t *state)
{
    return *state = *state * 1664525u + 1013904223u;
}

/* ---- making ---- */
static void describe(struct kn_mux *mux, int track, const struct recipe *recipe)
{
    const bool is_video = track == 0;
    kn_auto(avcodec_parameters_free) AVCodecParameters *par = avcodec_parameters_alloc();
    par->codec_type = is_video ? AVMEDIA_TYPE_VIDEO : AVMEDIA_TYPE_AUDIO;
    par->codec_id = is_video ? AV_CODEC_ID_MPEG4 : AV_CODEC_ID_AAC;
    par->width = 320;
    par->height = 180;
    par->video_delay = is_video;
    par->sample_rate = is_video ? 0 : 48000;
    par->frame_size = is_video ? 0 : 1024;
    if (!is_video)
        av_channel_layout_default(&par->ch_layout, 2);
    // Packets of uneven films last no whole number of ticks.
    const AVRational rate = !is_video ? (AVRational){0, 1} : recipe->jitter ? (AVRational){25000, 1001}
                                                                            : (AVRational){25, 1};
    assert_int_equal(kn_mux_describe(mux, track, par, (AVRational){1, recipe->jitter ? 44100 : 48000}, rate,
                                     (AVRational){0, 1}, NULL, NULL), KN_OK);
}

static void write_packet(struct kn_mux *mux, int track, int k, const struct recipe *recipe, uint32_t *state)
{
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    assert_int_equal(av_new_packet(packet, 40 + (int)(noise(state) >> 24)), 0);
    for (int i = 0; i < packet->size; i++)
        packet->data[i] = (uint8_t)(noise(state) >> 24);
    packet->data[0] = 0; // no ADTS header
    packet->duration = (recipe->jitter ? 44100 : 48000) / (track == 0 ? 25 : 46);
    packet->dts = k * packet->duration + (recipe->jitter ? (noise(state) >> 8) % recipe->jitter : 0);
    packet->pts = packet->dts + (track == 0 ? (recipe->jitter ? (noise(state) >> 8) % 4 : (unsigned)k % 3) * 1900 : 0);
    packet->flags = k % 12 == 0 || track > 0 ? AV_PKT_FLAG_KEY : 0;
    assert_int_equal(kn_mux_write(mux, track, packet, NULL), KN_OK);
}

// The sum of all packets' bytes, which is what mdat holds.
static int64_t make(const struct recipe *recipe)
{
    struct kn_sink sink = {.fd = open("film", O_RDWR | O_CREAT | O_TRUNC, 0600), .uri = (char[]){"film"}};
    AVDictionary *options = NULL;
    av_dict_set(&options, "movflags", "+faststart", 0);
    const struct kn_mux_setup setup = {.format = recipe->format, .sink = &sink, .options = options,
                                       .chapters_end_us = KN_NO_TIME, .expected_us = recipe->expected_us};
    kn_auto(kn_mux_free) struct kn_mux *mux = NULL;
    assert_int_equal(kn_mux_new(&mux, &setup, NULL), KN_OK);
    av_dict_free(&options);
    int track;
    for (int i = 0; i <= recipe->n_sounds; i++)
        assert_int_equal(kn_mux_add(mux, i ? "eng" : NULL, 0, &track, NULL), KN_OK);
    for (int i = 0; i <= recipe->n_sounds; i++)
        describe(mux, i, recipe);
    uint32_t state = 1;
    for (int i = 0; i <= recipe->n_sounds; i++) {
        const int n = recipe->seconds * (i == 0 ? 25 : 46);
        for (int k = 0; k < n; k++)
            write_packet(mux, i, k, recipe, &state);
        assert_int_equal(kn_mux_end(mux, i, KN_NO_TIME, NULL), KN_OK);
    }
    struct kn_error err = {0};
    if (kn_mux_finish(mux, &err) != KN_OK)
        fail_msg("%s", err.message);
    int64_t bytes = 0;
    for (int i = 0; i <= recipe->n_sounds; i++) {
        struct kn_ledger ledger;
        kn_mux_ledger(mux, i, &ledger);
        bytes += ledger.bytes;
    }
    close(sink.fd);
    return bytes;
}

/* ---- looking ---- */
static void look(void)
{
    const int fd = open("film", O_RDONLY);
    film.n_bytes = (size_t)read(fd, film.bytes, sizeof(film.bytes));
    film.n_boxes = 0;
    close(fd);
    for (size_t at = 0; at < film.n_bytes;) {
        struct box *box = &film.boxes[film.n_boxes++];
        assert_true(film.n_boxes < MAX_BOXES);
        *box = (struct box){.at = at, .bytes = AV_RB32(film.bytes + at)};
        memcpy(box->name, film.bytes + at + 4, 4);
        assert_true(box->bytes >= 8);
        at += box->bytes;
        assert_true(at <= film.n_bytes);
    }
}

static const struct box *box(const char *name)
{
    for (int i = 0; i < film.n_boxes; i++)
        if (strcmp(film.boxes[i].name, name) == 0)
            return &film.boxes[i];
    fail_msg("no box '%s'", name);
    return NULL;
}

// Read the film again: every packet of the recipe is there, in each track's order.
static void assert_whole(const struct recipe *recipe)
{
    kn_auto(avformat_close_input) AVFormatContext *in = NULL;
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    assert_int_equal(avformat_open_input(&in, "film", NULL, NULL), 0);
    assert_int_equal(in->nb_streams, recipe->n_sounds + 1);
    in->flags |= AVFMT_FLAG_NOFILLIN;
    uint32_t state = 1;
    for (int i = 0; i <= recipe->n_sounds; i++) {
        for (unsigned k = 0; k < in->nb_streams; k++)
            in->streams[k]->discard = (int)k == i ? AVDISCARD_NONE : AVDISCARD_ALL;
        assert_true(av_seek_frame(in, i, INT64_MIN / 2, AVSEEK_FLAG_BACKWARD) >= 0 || i == 0);
        const int n = recipe->seconds * (i == 0 ? 25 : 46);
        for (int k = 0; k < n; k++) {
            assert_int_equal(av_read_frame(in, packet), 0);
            assert_int_equal(packet->size, 40 + (int)(noise(&state) >> 24));
            for (int at = 0; at < packet->size; at++) {
                const uint8_t byte = (uint8_t)(noise(&state) >> 24);
                if (at > 0 && packet->data[at] != byte)
                    fail_msg("track %d, packet %d, byte %d is wrong", i, k, at);
            }
            for (int n_times = recipe->jitter ? (i == 0 ? 2 : 1) : 0; n_times > 0; n_times--)
                (void)noise(&state);
            av_packet_unref(packet);
        }
    }
}

/* ---- the tests ---- */
static void index_of_a_foreseen_film_lies_in_the_room_in_front(void **state)
{
    (void)state;
    const char *const formats[] = {"mp4", "mov"};
    for (int i = 0; i < 2; i++) {
        const struct recipe recipe = {formats[i], .n_sounds = 3, .seconds = 60, .expected_us = 60 * KN_SECOND};
        const int64_t bytes = make(&recipe);
        look();
        assert_string_equal(film.boxes[0].name, "ftyp");
        assert_string_equal(film.boxes[1].name, "moov");
        assert_string_equal(film.boxes[2].name, "free");
        assert_true(box("free")->bytes < 16 * 1024);
        assert_int_equal(box("mdat")->bytes, bytes + 8);
        assert_whole(&recipe);
    }
}

static void film_longer_than_foreseen_is_moved(void **state)
{
    (void)state;
    const struct recipe recipe = {"mp4", .n_sounds = 1, .seconds = 20, .expected_us = 5 * KN_SECOND};
    const int64_t bytes = make(&recipe);
    look();
    assert_string_equal(film.boxes[1].name, "moov");
    assert_string_equal(film.boxes[2].name, "free"); // the room that did not do
    assert_true(box("free")->bytes < box("moov")->bytes);
    assert_int_equal(box("mdat")->bytes, bytes + 8);
    assert_whole(&recipe);
}

static void film_of_unknown_or_little_length_leaves_no_room(void **state)
{
    (void)state;
    const int64_t expected_us[] = {KN_NO_TIME, KN_SECOND};
    for (int i = 0; i < 2; i++) {
        const struct recipe recipe = {"mp4", .n_sounds = 1, .seconds = 20, .expected_us = expected_us[i]};
        (void)make(&recipe);
        look();
        assert_string_equal(film.boxes[1].name, "moov");
        assert_int_equal(box("free")->bytes, 8); // where a large mdat would begin
        assert_whole(&recipe);
    }
}

// The muxer fails when the index does not fit, so what was counted must never be too little. Uneven films
// and rooms of many sizes lie on both sides of what fits.
static void film_is_whole_whatever_the_room(void **state)
{
    (void)state;
    int n_fit = 0, n_moved = 0;
    for (int i = 0; i < 60; i++) {
        const struct recipe recipe = {i % 2 ? "mp4" : "mov", .n_sounds = 1 + i % 3, .seconds = 12,
                                      .expected_us = (8000 + 100 * i) * 1000, .jitter = (unsigned)i % 5 * 60};
        const int64_t bytes = make(&recipe);
        look();
        assert_string_equal(film.boxes[1].name, "moov");
        assert_int_equal(box("mdat")->bytes, bytes + 8);
        assert_whole(&recipe);
        // What is left of a room that did is little; one that did not is left whole.
        const bool is_moved = film.boxes[2].bytes > box("moov")->bytes * 3 / 4;
        n_moved += is_moved;
        n_fit += !is_moved;
    }
    assert_true(n_fit > 15 && n_moved > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_of_a_foreseen_film_lies_in_the_room_in_front),
        cmocka_unit_test(film_longer_than_foreseen_is_moved),
        cmocka_unit_test(film_of_unknown_or_little_length_leaves_no_room),
        cmocka_unit_test(film_is_whole_whatever_the_room),
    };
    return cmocka_run_group_tests_name("engine/media/mux", tests, NULL, NULL);
}
