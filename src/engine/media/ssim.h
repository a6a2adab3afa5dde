#pragma once
/*
 * SSIM of two pictures' brightness (Wang, Bovik, Sheikh and Simoncelli 2004): windows of 8x8, every
 * four pixels, equal weights, as x264 and FFmpeg's ssim filter reckon it. 1 is equal.
 */
#include <libavutil/frame.h>

/* Both planar YUV of one size and format. -1 when they cannot be compared. */
double kn_ssim_luma(const AVFrame *a, const AVFrame *b);
