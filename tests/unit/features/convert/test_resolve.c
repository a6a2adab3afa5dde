/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "features/convert/resolve.h"

static void sizes_follow_the_template(void **state)
{
    (void)state;
    static const struct {
        struct kn_picture_facts source;
        struct kn_convert_video video;
        struct kn_convert_trans trans;
        int width, height;
    } rows[] = {
        // as input; anamorphic pixels become square; odd sizes become even
        {{.width_px = 1920, .height_px = 1080}, {0}, {0}, 1920, 1080},
        {{.width_px = 720, .height_px = 576, .sar_num = 64, .sar_den = 45}, {0}, {0}, 1024, 576},
        {{.width_px = 853, .height_px = 479}, {0}, {0}, 854, 480},
        // one side by aspect
        {{.width_px = 1920, .height_px = 1080}, {.width_px = 640}, {0}, 640, 360},
        {{.width_px = 1920, .height_px = 1080}, {.height_px = 720}, {0}, 1280, 720},
        // long and short edges follow the orientation, after the turn
        {{.width_px = 1920, .height_px = 1080},
         {.width_px = 640, .is_long_short = true},
         {0},
         640,
         360},
        {{.width_px = 1080, .height_px = 1920},
         {.width_px = 640, .is_long_short = true},
         {0},
         360,
         640},
        {{.width_px = 1920, .height_px = 1080, .rotation_degrees = 90},
         {.width_px = 640, .is_long_short = true},
         {0},
         360,
         640},
        {{.width_px = 1920, .height_px = 1080, .rotation_degrees = 90},
         {.width_px = 640, .is_long_short = true, .rotate = KN_ROTATE_0},
         {0},
         640,
         360},
        {{.width_px = 1080, .height_px = 1920},
         {.width_px = 1280, .height_px = 720, .is_long_short = true},
         {0},
         720,
         1280},
        // small sources are not enlarged when IsCheckReso says so
        {{.width_px = 320, .height_px = 180}, {.width_px = 640}, {0}, 640, 360},
        {{.width_px = 320, .height_px = 180},
         {.width_px = 640},
         {.resolution = KN_CHECK_USE_INPUT},
         320,
         180},
        // both sides given: the box is filled whatever the method
        {{.width_px = 640, .height_px = 480}, {.width_px = 1280, .height_px = 720}, {0}, 1280, 720},
        {{.width_px = 640, .height_px = 480},
         {.width_px = 1280, .height_px = 720},
         {.dar_method = KN_DAR_PAD},
         1280,
         720},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        struct kn_picture_plan plan;
        assert_int_equal(
            kn_resolve_picture(&plan, &rows[i].source, NULL, &rows[i].video, &rows[i].trans, NULL),
            KN_OK);
        if (plan.width_px != rows[i].width || plan.height_px != rows[i].height)
            fail_msg("row %zu: %dx%d", i, plan.width_px, plan.height_px);
    }
}

static void pad_fits_and_centres(void **state)
{
    (void)state;
    struct kn_picture_facts source = {.width_px = 640, .height_px = 480};
    struct kn_convert_video video = {.width_px = 1280, .height_px = 720};
    struct kn_convert_trans trans = {.dar_method = KN_DAR_PAD};
    struct kn_picture_plan plan;
    assert_int_equal(kn_resolve_picture(&plan, &source, NULL, &video, &trans, NULL), KN_OK);
    assert_int_equal(plan.scaled_width_px, 960);
    assert_int_equal(plan.scaled_height_px, 720);
    assert_int_equal(plan.left_px, 160);
    assert_int_equal(plan.top_px, 0);
}

static void crop_fills_and_cuts(void **state)
{
    (void)state;
    struct kn_picture_facts source = {.width_px = 640, .height_px = 480};
    struct kn_convert_video video = {.width_px = 1280, .height_px = 720};
    struct kn_convert_trans trans = {.dar_method = KN_DAR_CROP};
    struct kn_picture_plan plan;
    assert_int_equal(kn_resolve_picture(&plan, &source, NULL, &video, &trans, NULL), KN_OK);
    assert_int_equal(plan.crop.width_px, 640);
    assert_int_equal(plan.crop.height_px, 360);
    assert_int_equal(plan.crop.top_px, 60);
    assert_int_equal(plan.scaled_width_px, 1280);
}

static void black_bars_are_cut_where_found(void **state)
{
    (void)state;
    struct kn_picture_facts source = {.width_px = 640, .height_px = 480};
    struct kn_convert_video video = {.crop = KN_CROP_BORDER};
    struct kn_rect border = {640, 360, 0, 60};
    struct kn_picture_plan plan;
    assert_int_equal(
        kn_resolve_picture(&plan, &source, &border, &video, &(struct kn_convert_trans){0}, NULL),
        KN_OK);
    assert_int_equal(plan.height_px, 360);
    assert_int_equal(plan.crop.top_px, 60);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct kn_picture_facts source = {.width_px = 640, .height_px = 480};
    struct kn_picture_plan plan;
    struct kn_convert_video crop = {.crop = KN_CROP_RECT, .crop_rect = {600, 400, 100, 0}};
    assert_int_equal(
        kn_resolve_picture(&plan, &source, NULL, &crop, &(struct kn_convert_trans){0}, NULL),
        KN_EINVAL);
    struct kn_convert_video pad = {.has_pad = true, .pad_rect = {640, 480, 10, 10}};
    assert_int_equal(
        kn_resolve_picture(&plan, &source, NULL, &pad, &(struct kn_convert_trans){0}, NULL),
        KN_EINVAL);
    struct kn_convert_video large = {.width_px = 1280};
    struct kn_convert_trans fail = {.resolution = KN_CHECK_FAIL};
    assert_int_equal(kn_resolve_picture(&plan, &source, NULL, &large, &fail, NULL), KN_EINVAL);
}

static void frame_rate_is_the_sources_within_limits(void **state)
{
    (void)state;
    static const struct {
        int source_num, source_den, fps, max_fps, num, den;
    } rows[] = {
        {30000, 1001, 0, 0, 30000, 1001},
        {120, 1, 0, 0, 60, 1},
        {50, 1, 0, 30, 30, 1},
        {25, 1, 0, 30, 25, 1},
        {25, 1, 50, 0, 50, 1},
        {0, 0, 0, 0, 25, 1},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        struct kn_picture_facts source = {.fps_num = rows[i].source_num,
                                          .fps_den = rows[i].source_den};
        struct kn_convert_video video = {
            .fps_num = rows[i].fps, .fps_den = 1, .max_fps_num = rows[i].max_fps, .max_fps_den = 1};
        int num, den;
        assert_int_equal(kn_resolve_fps(&num, &den, &source, &video, KN_CHECK_OFF, NULL), KN_OK);
        assert_int_equal(num, rows[i].num);
        assert_int_equal(den, rows[i].den);
    }
}

static void rates_are_checked_against_the_source(void **state)
{
    (void)state;
    int num, den, hz;
    const struct kn_picture_facts film = {.fps_num = 2398, .fps_den = 100};
    const struct kn_convert_video fast = {.fps_num = 30, .fps_den = 1}, same = {.fps_num = 24000, .fps_den = 1001};
    assert_int_equal(kn_resolve_fps(&num, &den, &film, &fast, KN_CHECK_USE_INPUT, NULL), KN_OK);
    assert_int_equal(num, 2398);
    assert_int_equal(kn_resolve_fps(&num, &den, &film, &fast, KN_CHECK_FAIL, NULL), KN_EINVAL);
    assert_int_equal(kn_resolve_fps(&num, &den, &film, &same, KN_CHECK_FAIL, NULL), KN_OK);
    assert_int_equal(num, 24000);
    const struct kn_convert_audio audio = {.samplerate_hz = 48000};
    assert_int_equal(kn_resolve_samplerate(&hz, 22050, &audio, KN_CHECK_OFF, NULL), KN_OK);
    assert_int_equal(hz, 48000);
    assert_int_equal(kn_resolve_samplerate(&hz, 22050, &audio, KN_CHECK_USE_INPUT, NULL), KN_OK);
    assert_int_equal(hz, 22050);
    assert_int_equal(kn_resolve_samplerate(&hz, 96000, &audio, KN_CHECK_USE_INPUT, NULL), KN_OK);
    assert_int_equal(hz, 48000);
    assert_int_equal(kn_resolve_samplerate(&hz, 22050, &audio, KN_CHECK_FAIL, NULL), KN_EINVAL);
}

static void bit_rates_are_checked_against_the_source(void **state)
{
    (void)state;
    int64_t bps;
    struct kn_convert_video video = {.bitrate_bps = 800000};
    assert_int_equal(kn_resolve_video_bitrate(&bps, 500000, &video, KN_CHECK_OFF, NULL), KN_OK);
    assert_int_equal(bps, 800000);
    assert_int_equal(kn_resolve_video_bitrate(&bps, 500000, &video, KN_CHECK_USE_INPUT, NULL),
                     KN_OK);
    assert_int_equal(bps, 500000);
    assert_int_equal(kn_resolve_video_bitrate(&bps, 500000, &video, KN_CHECK_FAIL, NULL),
                     KN_EINVAL);
    video.bitrate_bps = KN_BITRATE_AS_INPUT;
    assert_int_equal(kn_resolve_video_bitrate(&bps, 500000, &video, KN_CHECK_OFF, NULL), KN_OK);
    assert_int_equal(bps, 500000);
    assert_int_equal(kn_resolve_video_bitrate(&bps, 0, &video, KN_CHECK_OFF, NULL), KN_EINVAL);
    struct kn_convert_audio audio = {.bitrate_bps = 128000};
    (void)kn_resolve_audio_bitrate(&bps, 64000, true, &audio, KN_CHECK_IF_SAME_CODEC, NULL);
    assert_int_equal(bps, 64000);
    (void)kn_resolve_audio_bitrate(&bps, 64000, false, &audio, KN_CHECK_IF_SAME_CODEC, NULL);
    assert_int_equal(bps, 128000);
}

static void selector_takes_the_first_stream_with_its_tags(void **state)
{
    (void)state;
    struct kn_tag_match titles[] = {{"title", "Commentary"}};
    struct kn_stream_facts streams[] = {
        {.is_audio = false, .language = "jpn"},
        {.is_audio = true, .language = "eng"},
        {.is_audio = true, .language = "ja"},
        {.is_audio = true, .language = "jpn", .tags = titles, .n_tags = 1}};
    struct kn_tag_match japanese[] = {{"language", "JPN"}, {"Title", "commentary"}};
    struct kn_convert_selector selector = {"s", japanese, 1};
    int at;
    assert_int_equal(kn_resolve_audio_stream(&at, streams, 4, NULL, NULL), KN_OK);
    assert_int_equal(at, 1);
    assert_int_equal(kn_resolve_audio_stream(&at, streams, 4, &selector, NULL), KN_OK);
    assert_int_equal(at, 2);
    selector.n_matches = 2;
    assert_int_equal(kn_resolve_audio_stream(&at, streams, 4, &selector, NULL), KN_OK);
    assert_int_equal(at, 3);
    struct kn_error err = {0};
    assert_int_equal(kn_resolve_audio_stream(&at, streams, 2, &selector, &err), KN_EMEDIA);
    assert_string_equal(err.reason, "NoAudioStream");
}

static void language_comes_from_where_the_control_says(void **state)
{
    (void)state;
    static const struct {
        enum kn_language_control control;
        const char *configured, *input, *result;
    } rows[] = {
        {KN_LANGUAGE_INPUT_FIRST, "eng", "chi", "zho"},
        {KN_LANGUAGE_INPUT_FIRST, "eng", "und", "eng"},
        {KN_LANGUAGE_INPUT_FIRST, "", NULL, "und"},
        {KN_LANGUAGE_CONFIGURED, "ger", "eng", "deu"},
        {KN_LANGUAGE_INPUT_FIRST, "", "ja", "jpn"},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        char out[4];
        kn_resolve_language(out, rows[i].control, rows[i].configured, rows[i].input);
        assert_string_equal(out, rows[i].result);
    }
}

static void clip_end_is_cut_off_the_tail(void **state)
{
    (void)state;
    int64_t start, end;
    struct kn_convert_clip clip = {
        .is_set = true, .seek_us = KN_SECOND, .duration_us = KN_NO_TIME, .tail_us = 2 * KN_SECOND};
    assert_int_equal(kn_resolve_clip(&start, &end, &clip, 10 * KN_SECOND, NULL), KN_OK);
    assert_int_equal(start, KN_SECOND);
    assert_int_equal(end, 8 * KN_SECOND);
    assert_int_equal(kn_resolve_clip(&start, &end, &clip, 3 * KN_SECOND, NULL), KN_EINVAL);
    clip.tail_us = 0;
    clip.duration_us = 4 * KN_SECOND;
    assert_int_equal(kn_resolve_clip(&start, &end, &clip, 3 * KN_SECOND, NULL), KN_OK);
    assert_int_equal(end, 3 * KN_SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_follow_the_template),
        cmocka_unit_test(pad_fits_and_centres),
        cmocka_unit_test(crop_fills_and_cuts),
        cmocka_unit_test(black_bars_are_cut_where_found),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(frame_rate_is_the_sources_within_limits),
        cmocka_unit_test(rates_are_checked_against_the_source),
        cmocka_unit_test(bit_rates_are_checked_against_the_source),
        cmocka_unit_test(selector_takes_the_first_stream_with_its_tags),
        cmocka_unit_test(language_comes_from_where_the_control_says),
        cmocka_unit_test(clip_end_is_cut_off_the_tail),
    };
    return cmocka_run_group_tests_name("features/convert/resolve", tests, NULL, NULL);
}
