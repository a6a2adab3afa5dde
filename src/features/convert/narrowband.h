#pragma once
/*
 * Narrowband HD: the highest crf (so the fewest bits) at which a title still reaches a target SSIM.
 *
 * The run encodes short samples at the crf this search names, tells it what came out, and repeats
 * until the search is done, as a rule after three or four probes. Distortion, 1 - SSIM, grows close
 * to exponentially with crf, so in its logarithm the curve is nearly a line: the search is a secant
 * on that line, kept inside the bracket of what failed and what passed (regula falsi with a
 * bisection whenever a step would barely move).
 */
#include <stdbool.h>
#include <stdint.h>

#define KN_NARROWBAND_MAX_PROBES 7

struct kn_narrowband_probe {
    double crf;
    double ssim;         // luma, 0 to 1, averaged over the samples
    int64_t bitrate_bps; // of the samples
};

struct kn_narrowband {
    double target_ssim;
    double min_crf, max_crf; // bounds of the search
    int64_t max_bitrate_bps; // 0 none; else a crf that passes but costs more is no answer
    struct kn_narrowband_probe probes[KN_NARROWBAND_MAX_PROBES];
    int n_probes;
};

/* Bounds: crf 18 to 40 (H.264, H.265) or to 51 (AV1, whose scale is longer). */
void kn_narrowband_init(struct kn_narrowband *search, double target_ssim, bool is_av1,
                        int64_t max_bitrate_bps);

/* The next crf to try, in half steps, beginning near `first_crf`; false when the search is done. */
bool kn_narrowband_next(const struct kn_narrowband *search, double first_crf, double *out_crf);

/* Tell the search what a probe gave; beyond KN_NARROWBAND_MAX_PROBES it is ignored. */
void kn_narrowband_add(struct kn_narrowband *search, double crf, double ssim, int64_t bitrate_bps);

/*
 * The crf to encode with: the highest that passed. When none passed, the lowest tried, and
 * *out_reached is false. When the passing one costs more than max_bitrate_bps, the crf at which the
 * log of the bit rate, a line too, meets the cap, and *out_reached is false.
 */
double kn_narrowband_final(const struct kn_narrowband *search, bool *out_reached);
