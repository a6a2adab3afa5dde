/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Display sets of PGS, put together here as Matroska has them: segments of type, size and payload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <libavcodec/avcodec.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/caption/bitmap.h"

enum { PDS = 0x14, ODS = 0x15, PCS = 0x16, END = 0x80 };

static void put_16(struct kn_buf *out, int value)
{
    kn_buf_putc(out, (char)(value >> 8));
    kn_buf_putc(out, (char)value);
}

static void segment(struct kn_buf *out, int kind, const struct kn_buf *payload)
{
    kn_buf_putc(out, (char)kind);
    put_16(out, (int)payload->len);
    kn_buf_add(out, payload->data, payload->len);
}

// What is shown: one object at (40, 20) of a frame of 128 x 64, or nothing.
static void composition(struct kn_buf *out, bool is_new, bool has_object, bool is_forced)
{
    kn_auto(kn_buf_clear) struct kn_buf payload = {0};
    put_16(&payload, 128);
    put_16(&payload, 64);
    kn_buf_putc(&payload, 0x10);
    put_16(&payload, 1);
    kn_buf_putc(&payload, is_new ? (char)0x80 : 0);
    kn_buf_putc(&payload, 0);
    kn_buf_putc(&payload, 0);
    kn_buf_putc(&payload, has_object);
    if (has_object) {
        put_16(&payload, 0);
        kn_buf_putc(&payload, 0);
        kn_buf_putc(&payload, is_forced ? 0x40 : 0);
        put_16(&payload, 40);
        put_16(&payload, 20);
    }
    segment(out, PCS, &payload);
}

// Colour 1 is white of this alpha; 0 is clear.
static void colours(struct kn_buf *out, int alpha)
{
    kn_auto(kn_buf_clear) struct kn_buf payload = {0};
    kn_buf_add(&payload, "\0\0\1\xEB\x80\x80", 6);
    kn_buf_putc(&payload, (char)alpha);
    segment(out, PDS, &payload);
}

// 16 x 4 pixels: the first `n` of each row are white.
static void object(struct kn_buf *out, int n)
{
    kn_auto(kn_buf_clear) struct kn_buf rows = {0};
    kn_auto(kn_buf_clear) struct kn_buf payload = {0};
    for (int row = 0; row < 4; row++) {
        for (int x = 0; x < n; x++)
            kn_buf_putc(&rows, 1);
        kn_buf_putc(&rows, 0);
        kn_buf_putc(&rows, (char)(16 - n)); // a run of clear pixels
        kn_buf_add(&rows, "\0\0", 2);
    }
    kn_buf_add(&payload, "\0\0\0\xC0\0", 5);
    put_16(&payload, (int)rows.len + 4);
    put_16(&payload, 16);
    put_16(&payload, 4);
    kn_buf_add(&payload, rows.data, rows.len);
    segment(out, ODS, &payload);
}

struct shown {
    struct kn_bitmap_reader *reader;
    struct kn_bitmap bitmap;
    bool has;
};

static void begin(struct shown *shown)
{
    *shown = (struct shown){0};
    assert_int_equal(kn_bitmap_reader_new(&shown->reader, KN_CAPTION_PGS, NULL, 0, 0, 0, NULL), KN_OK);
}

static void end(struct shown *shown)
{
    kn_bitmap_clear(&shown->bitmap);
    kn_bitmap_reader_free(&shown->reader);
}

static kn_code packet(struct shown *shown, const struct kn_buf *set, int64_t at_us)
{
    const struct kn_caption_packet packet = {
        .start_us = at_us, .duration_us = KN_NO_TIME, .bytes = (const uint8_t *)set->data, .n = set->len};
    kn_bitmap_clear(&shown->bitmap);
    return kn_bitmap_reader_packet(shown->reader, &packet, &shown->bitmap, &shown->has, NULL);
}

static void show(struct shown *shown, int64_t at_us, int n_white, int alpha)
{
    kn_auto(kn_buf_clear) struct kn_buf set = {0};
    composition(&set, true, true, false);
    colours(&set, alpha);
    object(&set, n_white);
    kn_buf_add(&set, "\x80\0\0", 3);
    assert_int_equal(packet(shown, &set, at_us), KN_OK);
}

static void fade(struct shown *shown, int64_t at_us, int alpha)
{
    kn_auto(kn_buf_clear) struct kn_buf set = {0};
    composition(&set, false, true, false);
    colours(&set, alpha);
    kn_buf_add(&set, "\x80\0\0", 3);
    assert_int_equal(packet(shown, &set, at_us), KN_OK);
}

static void take_away(struct shown *shown, int64_t at_us)
{
    kn_auto(kn_buf_clear) struct kn_buf set = {0};
    composition(&set, false, false, false);
    kn_buf_add(&set, "\x80\0\0", 3);
    assert_int_equal(packet(shown, &set, at_us), KN_OK);
}

static void finish(struct shown *shown, int64_t media_end_us)
{
    kn_bitmap_clear(&shown->bitmap);
    kn_bitmap_reader_end(shown->reader, media_end_us, &shown->bitmap, &shown->has);
}

static void times_are(const struct shown *shown, int64_t start_us, int64_t end_us)
{
    assert_true(shown->has);
    assert_int_equal(shown->bitmap.start_us, start_us);
    assert_int_equal(shown->bitmap.end_us, end_us);
}

static void a_clearing_packet_ends_a_picture(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    begin(&shown);
    show(&shown, KN_SECOND, 8, 255);
    assert_false(shown.has);
    take_away(&shown, 3 * KN_SECOND);
    times_are(&shown, KN_SECOND, 3 * KN_SECOND);
    assert_int_equal(shown.bitmap.n_objects, 1);
    const struct kn_bitmap_object *object_ = &shown.bitmap.objects[0];
    assert_int_equal(object_->x, 40);
    assert_int_equal(object_->y, 20);
    assert_int_equal(object_->width, 16);
    assert_int_equal(object_->height, 4);
    assert_int_equal(shown.bitmap.frame_height, 64);
    assert_false(object_->is_forced);
    assert_int_equal(object_->palette[object_->indices[0]] >> 24, 255);
    assert_int_equal(object_->palette[object_->indices[15]] >> 24, 0);
}

static void forced_pictures_are_known(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    kn_auto(kn_buf_clear) struct kn_buf set = {0};
    begin(&shown);
    composition(&set, true, true, true);
    colours(&set, 255);
    object(&set, 4);
    kn_buf_add(&set, "\x80\0\0", 3);
    assert_int_equal(packet(&shown, &set, 0), KN_OK);
    take_away(&shown, KN_SECOND);
    assert_true(shown.bitmap.objects[0].is_forced);
}

static void show_forced(struct shown *shown, int64_t at_us, int n_white)
{
    kn_auto(kn_buf_clear) struct kn_buf set = {0};
    composition(&set, true, true, true);
    colours(&set, 255);
    object(&set, n_white);
    kn_buf_add(&set, "\x80\0\0", 3);
    assert_int_equal(packet(shown, &set, at_us), KN_OK);
}

static void of_all_pictures_only_the_forced_are_seen_if_wanted(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    begin(&shown);
    kn_bitmap_reader_see_forced(shown.reader);
    show(&shown, KN_SECOND, 8, 255);
    show_forced(&shown, 2 * KN_SECOND, 4);
    assert_false(shown.has);
    show(&shown, 3 * KN_SECOND, 8, 255);
    times_are(&shown, 2 * KN_SECOND, 3 * KN_SECOND);
    take_away(&shown, 4 * KN_SECOND);
    assert_false(shown.has);
}

// 16 x 4 pixels of one colour at (8, 8), from the beginning on; `command` shows it.
// `stop` is when it says itself that it goes, in 1024ths of 90,000 a second; 0 for never.
static void vobsub_show(struct shown *shown, char command, int64_t at_us, int stop)
{
    kn_auto(kn_buf_clear) struct kn_buf unit = {0};
    put_16(&unit, 12 + 24 + (stop ? 6 : 0)); // all of it
    put_16(&unit, 12);      // where its commands are
    for (int row = 0; row < 4; row++)
        put_16(&unit, 1);   // to the end of the row in colour 1
    put_16(&unit, 0);       // the commands: when, the next ones are these or those behind them
    put_16(&unit, stop ? 36 : 12);
    kn_buf_putc(&unit, command);
    kn_buf_add(&unit, "\3\x32\x10\4\xFF\xF0\5\0\x80\x17\0\x80\x0B\6\0\4\0\x08\xFF", 19);
    if (stop) {
        put_16(&unit, stop);
        put_16(&unit, 36);
        kn_buf_add(&unit, "\2\xFF", 2);
    }
    const struct kn_caption_packet sent = {
        .start_us = at_us, .duration_us = KN_SECOND, .bytes = (const uint8_t *)unit.data, .n = unit.len};
    kn_bitmap_clear(&shown->bitmap);
    assert_int_equal(kn_bitmap_reader_packet(shown->reader, &sent, &shown->bitmap, &shown->has, NULL), KN_OK);
}

static void vobsub_begin(struct shown *shown)
{
    static const char head[] = "size: 720x576\npalette: 000000, ffffff, 808080, 404040\n";
    *shown = (struct shown){0};
    assert_int_equal(kn_bitmap_reader_new(&shown->reader, KN_CAPTION_VOBSUB, (const uint8_t *)head, sizeof(head) - 1,
                                          720, 576, NULL), KN_OK);
}

// Their packets say one second.
static void vobsub_knows_better_than_its_container_unless_it_is_absurd(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    vobsub_begin(&shown);
    vobsub_show(&shown, 1, KN_SECOND, 225); // 2.56 s
    vobsub_show(&shown, 1, 6 * KN_SECOND, 0xFFFF); // 12 minutes
    times_are(&shown, KN_SECOND, 3560000);
    finish(&shown, KN_HOUR);
    times_are(&shown, 6 * KN_SECOND, 7 * KN_SECOND);
}

// A display set as a broadcaster sends it: 16 x 4 pixels, or nothing. It says that it times out after 30 s.
static void dvb_show(struct shown *shown, AVCodecContext *encoder, bool has_picture, int64_t at_us)
{
    uint8_t pixels[16 * 4], bytes[1024];
    memset(pixels, 1, sizeof(pixels));
    uint32_t palette[4] = {0, 0xFFFFFFFF, 0xFF808080, 0xFF000000};
    AVSubtitleRect rect = {.type = SUBTITLE_BITMAP, .x = 8, .y = 8, .w = 16, .h = 4, .nb_colors = 4,
                           .data = {pixels, (uint8_t *)palette}, .linesize = {16, sizeof(palette)}};
    AVSubtitleRect *rects[] = {&rect};
    const AVSubtitle subtitle = {.num_rects = has_picture, .rects = rects};
    const int n = avcodec_encode_subtitle(encoder, bytes, sizeof(bytes), &subtitle);
    assert_true(n > 0);
    const struct kn_caption_packet sent = {.start_us = at_us, .duration_us = KN_NO_TIME, .bytes = bytes, .n = (size_t)n};
    kn_bitmap_clear(&shown->bitmap);
    assert_int_equal(kn_bitmap_reader_packet(shown->reader, &sent, &shown->bitmap, &shown->has, NULL), KN_OK);
}

static void dvb_times_out_only_when_nothing_else_ends_it(void **state)
{
    (void)state;
    static const uint8_t ids[] = {0, 1, 0, 1};
    kn_auto(avcodec_free_context) AVCodecContext *encoder =
        avcodec_alloc_context3(avcodec_find_encoder(AV_CODEC_ID_DVB_SUBTITLE));
    encoder->time_base = AV_TIME_BASE_Q;
    encoder->width = 720;
    encoder->height = 576;
    assert_int_equal(avcodec_open2(encoder, encoder->codec, NULL), 0);
    kn_auto(end) struct shown shown = {0};
    assert_int_equal(kn_bitmap_reader_new(&shown.reader, KN_CAPTION_DVB, ids, sizeof(ids), 720, 576, NULL), KN_OK);
    dvb_show(&shown, encoder, true, KN_SECOND);
    dvb_show(&shown, encoder, false, 3 * KN_SECOND);
    times_are(&shown, KN_SECOND, 3 * KN_SECOND);
    dvb_show(&shown, encoder, true, 10 * KN_SECOND);
    finish(&shown, KN_HOUR);
    times_are(&shown, 10 * KN_SECOND, 40 * KN_SECOND);
}

static void regions_that_no_frame_has_are_refused(void **state)
{
    (void)state;
    static const uint8_t ids[] = {0, 1, 0, 1};
    // A page, and a region of 65,535 by 20,000 pixels in it.
    static const uint8_t hostile[] = {0x0F, 0x10, 0, 1, 0, 2, 5, 0x04, 0x0F, 0x11, 0,    1,    0, 10,
                                      7,    0,    0xFF, 0xFF, 0x4E, 0x20, 0x24, 0, 0, 0};
    const struct kn_caption_packet sent = {
        .start_us = KN_SECOND, .duration_us = KN_NO_TIME, .bytes = hostile, .n = sizeof(hostile)};
    kn_auto(end) struct shown shown = {0};
    assert_int_equal(kn_bitmap_reader_new(&shown.reader, KN_CAPTION_DVB, ids, sizeof(ids), 720, 576, NULL), KN_OK);
    struct kn_error err = {0};
    assert_int_equal(kn_bitmap_reader_packet(shown.reader, &sent, &shown.bitmap, &shown.has, &err), KN_EMEDIA);
    assert_string_equal(err.message, "regions of 1310700000 pixels are no caption");
}

static void vobsub_is_forced_by_its_command(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    vobsub_begin(&shown);
    vobsub_show(&shown, 0, KN_SECOND, 0);
    vobsub_show(&shown, 1, 3 * KN_SECOND, 0);
    times_are(&shown, KN_SECOND, 2 * KN_SECOND);
    assert_true(shown.bitmap.objects[0].is_forced);
    vobsub_show(&shown, 1, 5 * KN_SECOND, 0);
    times_are(&shown, 3 * KN_SECOND, 4 * KN_SECOND);
    assert_false(shown.bitmap.objects[0].is_forced);
}

static void the_next_picture_ends_one(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    begin(&shown);
    show(&shown, KN_SECOND, 8, 255);
    show(&shown, 3 * KN_SECOND, 4, 255);
    times_are(&shown, KN_SECOND, 3 * KN_SECOND);
}

static void nothing_ends_the_last_but_a_limit(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    begin(&shown);
    show(&shown, KN_SECOND, 8, 255);
    finish(&shown, KN_HOUR);
    times_are(&shown, KN_SECOND, 11 * KN_SECOND);
    kn_bitmap_reader_end_after(shown.reader, 4 * KN_SECOND);
    show(&shown, 20 * KN_SECOND, 8, 255);
    finish(&shown, KN_HOUR);
    times_are(&shown, 20 * KN_SECOND, 24 * KN_SECOND);
}

static void the_media_ends_the_last(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    begin(&shown);
    show(&shown, KN_SECOND, 8, 255);
    kn_bitmap_reader_end(shown.reader, 4 * KN_SECOND, &shown.bitmap, &shown.has);
    times_are(&shown, KN_SECOND, 4 * KN_SECOND);
}

static void a_fade_is_one_picture_as_bright_as_it_was(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    begin(&shown);
    show(&shown, KN_SECOND, 8, 0); // not seen yet
    fade(&shown, 2 * KN_SECOND, 100);
    fade(&shown, 3 * KN_SECOND, 255);
    fade(&shown, 4 * KN_SECOND, 100);
    assert_false(shown.has);
    take_away(&shown, 5 * KN_SECOND);
    times_are(&shown, 2 * KN_SECOND, 5 * KN_SECOND);
    assert_int_equal(shown.bitmap.objects[0].palette[shown.bitmap.objects[0].indices[0]] >> 24, 255);
}

static void what_is_sent_again_goes_on(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    begin(&shown);
    show(&shown, KN_SECOND, 8, 255);
    show(&shown, 2 * KN_SECOND, 8, 255);
    assert_false(shown.has);
    take_away(&shown, 3 * KN_SECOND);
    times_are(&shown, KN_SECOND, 3 * KN_SECOND);
}

static void words_that_come_one_by_one_are_one_picture(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    begin(&shown);
    for (int i = 1; i <= 3; i++) {
        show(&shown, KN_SECOND + i * KN_SECOND / 2, 4 * i, 255);
        assert_false(shown.has);
    }
    take_away(&shown, 5 * KN_SECOND);
    times_are(&shown, 3 * KN_SECOND / 2, 5 * KN_SECOND);
    assert_int_equal(shown.bitmap.objects[0].palette[shown.bitmap.objects[0].indices[11]] >> 24, 255);
}

static void a_broken_packet_loses_itself_alone(void **state)
{
    (void)state;
    kn_auto(end) struct shown shown;
    kn_auto(kn_buf_clear) struct kn_buf set = {0};
    begin(&shown);
    show(&shown, KN_SECOND, 8, 255);
    kn_buf_add(&set, "\x16\xFF\xFF", 3); // a segment longer than the packet
    (void)packet(&shown, &set, 2 * KN_SECOND);
    assert_false(shown.has);
    assert_int_equal(packet(&shown, &(struct kn_buf){0}, 2 * KN_SECOND), KN_EMEDIA);
    take_away(&shown, 3 * KN_SECOND);
    times_are(&shown, KN_SECOND, 3 * KN_SECOND);
}

static void text_is_no_picture(void **state)
{
    (void)state;
    struct kn_bitmap_reader *reader;
    assert_int_equal(kn_bitmap_reader_new(&reader, KN_CAPTION_SRT_TEXT, NULL, 0, 0, 0, NULL), KN_EUNSUP);
    assert_null(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clearing_packet_ends_a_picture),
        cmocka_unit_test(forced_pictures_are_known),
        cmocka_unit_test(of_all_pictures_only_the_forced_are_seen_if_wanted),
        cmocka_unit_test(regions_that_no_frame_has_are_refused),
        cmocka_unit_test(vobsub_is_forced_by_its_command),
        cmocka_unit_test(vobsub_knows_better_than_its_container_unless_it_is_absurd),
        cmocka_unit_test(dvb_times_out_only_when_nothing_else_ends_it),
        cmocka_unit_test(the_next_picture_ends_one),
        cmocka_unit_test(nothing_ends_the_last_but_a_limit),
        cmocka_unit_test(the_media_ends_the_last),
        cmocka_unit_test(a_fade_is_one_picture_as_bright_as_it_was),
        cmocka_unit_test(what_is_sent_again_goes_on),
        cmocka_unit_test(words_that_come_one_by_one_are_one_picture),
        cmocka_unit_test(a_broken_packet_loses_itself_alone),
        cmocka_unit_test(text_is_no_picture),
    };
    return cmocka_run_group_tests_name("engine/caption/bitmap", tests, NULL, NULL);
}
