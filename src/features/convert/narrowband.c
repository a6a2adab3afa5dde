/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The search for the highest crf that reaches a target SSIM. */
#include "features/convert/narrowband.h"

#include <math.h>
#include <stddef.h>

#include "base/cleanup.h"

#define STEP 0.5 // finer steps change the bit rate by under 3 %, less than titles vary inside

void kn_narrowband_init(struct kn_narrowband *search, double target_ssim, bool is_av1,
                        int64_t max_bitrate_bps)
{
    *search = (struct kn_narrowband){
        .target_ssim = target_ssim,
        .min_crf = 18,
        .max_crf = is_av1 ? 51 : 40,
        .max_bitrate_bps = max_bitrate_bps,
    };
}

// The tightest bracket: the highest crf that passed below the lowest that failed. NULL where none.
static void bracket(const struct kn_narrowband *search, const struct kn_narrowband_probe **out_pass,
                    const struct kn_narrowband_probe **out_fail)
{
    *out_pass = *out_fail = NULL;
    for (int i = 0; i < search->n_probes; i++) {
        const struct kn_narrowband_probe *probe = &search->probes[i];
        if (probe->ssim < search->target_ssim && (!*out_fail || probe->crf < (*out_fail)->crf))
            *out_fail = probe;
    }
    // A pass above a failure is noise of short samples: the failure counts.
    for (int i = 0; i < search->n_probes; i++) {
        const struct kn_narrowband_probe *probe = &search->probes[i];
        if (probe->ssim >= search->target_ssim && (!*out_fail || probe->crf < (*out_fail)->crf) &&
            (!*out_pass || probe->crf > (*out_pass)->crf))
            *out_pass = probe;
    }
}

// Lossless samples would be minus infinity: below 1e-6 nothing is visible anyway.
static double log_distortion(double ssim)
{
    return log(fmax(1 - ssim, 1e-6));
}

static double clamp_step(double crf, double low, double high)
{
    crf = round(crf / STEP) * STEP;
    return fmin(fmax(crf, low), high);
}

static bool was_tried(const struct kn_narrowband *search, double crf)
{
    for (int i = 0; i < search->n_probes; i++)
        if (fabs(search->probes[i].crf - crf) < STEP / 2)
            return true;
    return false;
}

bool kn_narrowband_next(const struct kn_narrowband *search, double first_crf, double *out_crf)
{
    if (search->n_probes >= KN_NARROWBAND_MAX_PROBES)
        return false;
    const struct kn_narrowband_probe *pass, *fail;
    bracket(search, &pass, &fail);
    double goal = log_distortion(search->target_ssim);
    double next;
    if (!pass && !fail) {
        next = clamp_step(first_crf, search->min_crf, search->max_crf);
    } else if (pass && fail) {
        double gap = fail->crf - pass->crf;
        if (gap <= STEP + 1e-9)
            return false;
        double slope = (log_distortion(fail->ssim) - log_distortion(pass->ssim)) / gap;
        next = slope > 0 ? pass->crf + (goal - log_distortion(pass->ssim)) / slope
                         : pass->crf + gap / 2;
        next = clamp_step(next, pass->crf + STEP, fail->crf - STEP);
        // Two probes from the same side: the line bends here, halve instead.
        if (search->n_probes >= 4 && search->n_probes % 2 == 0)
            next = clamp_step(pass->crf + gap / 2, pass->crf + STEP, fail->crf - STEP);
    } else {
        // One side only: a typical slope (distortion grows by an eighth a step of crf), at least
        // two steps further so that the bracket closes soon.
        const struct kn_narrowband_probe *only = pass ? pass : fail;
        double move = (goal - log_distortion(only->ssim)) / 0.12;
        move = pass ? fmax(move, 2) : fmin(move, -2);
        next = clamp_step(only->crf + move, search->min_crf, search->max_crf);
    }
    *out_crf = next;
    return !was_tried(search, next);
}

void kn_narrowband_add(struct kn_narrowband *search, double crf, double ssim, int64_t bitrate_bps)
{
    if (search->n_probes < (int)KN_COUNT(search->probes))
        search->probes[search->n_probes++] = (struct kn_narrowband_probe){crf, ssim, bitrate_bps};
}

// Where the line through two probes' log bit rates meets the cap; the steepest usual slope (six
// steps of crf halve the rate) from one.
static double crf_at_cap(const struct kn_narrowband *search, const struct kn_narrowband_probe *from)
{
    double slope = -M_LN2 / 6;
    for (int i = 0; i < search->n_probes; i++) {
        const struct kn_narrowband_probe *other = &search->probes[i];
        if (other->crf > from->crf && other->bitrate_bps > 0 &&
            other->bitrate_bps < from->bitrate_bps)
            slope = log((double)other->bitrate_bps / (double)from->bitrate_bps) /
                    (other->crf - from->crf);
    }
    double crf =
        from->crf + log((double)search->max_bitrate_bps / (double)from->bitrate_bps) / slope;
    return fmin(ceil(crf / STEP) * STEP, 51);
}

double kn_narrowband_final(const struct kn_narrowband *search, bool *out_reached)
{
    const struct kn_narrowband_probe *pass, *fail;
    bracket(search, &pass, &fail);
    const struct kn_narrowband_probe *best = pass ? pass : fail;
    *out_reached = pass;
    if (!best)
        return search->min_crf;
    if (search->max_bitrate_bps > 0 && best->bitrate_bps > search->max_bitrate_bps) {
        *out_reached = false;
        return crf_at_cap(search, best);
    }
    return best->crf;
}
