/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/ssim.h"

#include <stdint.h>

#include <libavutil/pixdesc.h>

#define WINDOW 8
#define STEP 4
// (0.01 · 255)² and (0.03 · 255)²
#define C1 6.5025
#define C2 58.5225

// Deeper pictures are looked at with eight bits: what is lost lies far below what an encoder changes.
static unsigned luma_at(const AVFrame *frame, int shift, int x, int y)
{
    const uint8_t *row = frame->data[0] + (ptrdiff_t)y * frame->linesize[0];
    return shift ? ((const uint16_t *)(const void *)row)[x] >> shift : row[x];
}

static double window_ssim(const AVFrame *a, const AVFrame *b, int shift, int left, int top)
{
    uint32_t sum_a = 0, sum_b = 0, squares_a = 0, squares_b = 0, products = 0;
    for (int y = top; y < top + WINDOW; y++)
        for (int x = left; x < left + WINDOW; x++) {
            const unsigned p = luma_at(a, shift, x, y), q = luma_at(b, shift, x, y);
            sum_a += p;
            sum_b += q;
            squares_a += p * p;
            squares_b += q * q;
            products += p * q;
        }
    const double n = WINDOW * WINDOW;
    const double mean_a = sum_a / n, mean_b = sum_b / n;
    const double variance_a = squares_a / n - mean_a * mean_a;
    const double variance_b = squares_b / n - mean_b * mean_b;
    const double covariance = products / n - mean_a * mean_b;
    return (2 * mean_a * mean_b + C1) * (2 * covariance + C2) /
           ((mean_a * mean_a + mean_b * mean_b + C1) * (variance_a + variance_b + C2));
}

double kn_ssim_luma(const AVFrame *a, const AVFrame *b)
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(a->format);
    if (!format || a->format != b->format || a->width != b->width || a->height != b->height ||
        format->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BE) ||
        !(format->flags & AV_PIX_FMT_FLAG_PLANAR) || a->width < WINDOW || a->height < WINDOW)
        return -1;
    const int shift = format->comp[0].depth - 8;
    double sum = 0;
    int64_t n = 0;
    for (int y = 0; y + WINDOW <= a->height; y += STEP)
        for (int x = 0; x + WINDOW <= a->width; x += STEP, n++)
            sum += window_ssim(a, b, shift, x, y);
    return sum / (double)n;
}
