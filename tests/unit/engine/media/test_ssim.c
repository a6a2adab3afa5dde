/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "engine/media/ssim.h"

// A gradient of 64x48, each pixel off by up to `noise`.
static AVFrame *gradient(enum AVPixelFormat format, unsigned noise)
{
    AVFrame *frame = av_frame_alloc();
    frame->width = 64;
    frame->height = 48;
    frame->format = format;
    assert_int_equal(av_frame_get_buffer(frame, 0), 0);
    uint32_t random = 1;
    for (int y = 0; y < frame->height; y++)
        for (int x = 0; x < frame->width; x++) {
            random = random * 1664525 + 1013904223;
            const unsigned value = (unsigned)(60 + x + 2 * y) + (noise ? (random >> 16) % noise : 0);
            uint8_t *row = frame->data[0] + y * frame->linesize[0];
            if (format == AV_PIX_FMT_YUV420P10)
                ((uint16_t *)(void *)row)[x] = (uint16_t)(value << 2);
            else
                row[x] = (uint8_t)value;
        }
    return frame;
}

static void equal_pictures_are_equal(void **state)
{
    (void)state;
    kn_auto(av_frame_free) AVFrame *a = gradient(AV_PIX_FMT_YUV420P, 0);
    assert_true(kn_ssim_luma(a, a) > 0.999999);
}

static void more_noise_is_less_alike_at_any_depth(void **state)
{
    (void)state;
    const enum AVPixelFormat formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10};
    for (size_t i = 0; i < KN_COUNT(formats); i++) {
        kn_auto(av_frame_free) AVFrame *a = gradient(formats[i], 0);
        kn_auto(av_frame_free) AVFrame *b = gradient(formats[i], 4);
        kn_auto(av_frame_free) AVFrame *c = gradient(formats[i], 30);
        const double little = kn_ssim_luma(a, b), much = kn_ssim_luma(a, c);
        assert_true(little > 0.9 && little < 1);
        assert_true(much > 0 && much < little - 0.1);
    }
}

static void other_sizes_and_formats_cannot_be_compared(void **state)
{
    (void)state;
    kn_auto(av_frame_free) AVFrame *a = gradient(AV_PIX_FMT_YUV420P, 0);
    kn_auto(av_frame_free) AVFrame *b = gradient(AV_PIX_FMT_YUV420P10, 0);
    assert_true(kn_ssim_luma(a, b) < 0);
    b->format = AV_PIX_FMT_YUV420P;
    b->width = 32;
    assert_true(kn_ssim_luma(a, b) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_pictures_are_equal),
        cmocka_unit_test(more_noise_is_less_alike_at_any_depth),
        cmocka_unit_test(other_sizes_and_formats_cannot_be_compared),
    };
    return cmocka_run_group_tests_name("engine/media/ssim", tests, NULL, NULL);
}
