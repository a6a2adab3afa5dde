#pragma once
/*
 * Narrowband HD on a real title: samples of it are encoded at the crf narrowband.h asks for, decoded,
 * and compared with what went into the encoder.
 */
#include "base/error.h"
#include "features/convert/video_plan.h"

struct kn_output_run;

/*
 * The crf for an output with a target SSIM. `facts` are the plan's, without a crf; *out_note is what
 * the result shall say of it, in the run's arena.
 */
kn_code kn_title_crf(double *out_crf, const char **out_note, const struct kn_output_run *output,
                     int input, const struct kn_video_facts *facts, struct kn_error *err);
