#pragma once
/*
 * What becomes of the pictures of one output: copy or encode, which size, which filters, which
 * encoder settings. Decided from the request and the facts of the source alone; no frame is read.
 */
#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "base/arena.h"
#include "base/error.h"
#include "engine/media/encode.h"
#include "engine/media/input.h"
#include "features/convert/convert_spec.h"

struct kn_video_plan {
    bool is_copy;
    const char *encoder;    // FFmpeg's name
    int width_px, height_px; // of the whole output picture
    AVRational sample_aspect;
    enum AVPixelFormat pixel_format;
    AVRational frame_rate;  // of the output: said, or the source's average
    bool is_constant_rate;  // times lie on a grid of 1/frame_rate
    bool fills_holes;       // where no picture comes for longer, the last one is shown again
    bool is_fps_forced;     // the fps filter makes the grid; else times are only rounded to it
    bool is_tone_mapped;
    struct kn_rect crop;    // width_px 0: none
    // Filters in order, without the watermarks; "" is never the case (format is always said).
    const char *before_scale; // ends with ',' or is ""
    const char *scale_and_after;
    int64_t bitrate_bps, maxrate_bps, bufsize_bits;
    double crf;              // when bitrate_bps is 0
    int gop_frames;
    int profile;             // FF_PROFILE_…
    const char *options;     // the encoder's private options, "key=value:key=value"
    int n_passes;
    const char *note;        // something the result should say; NULL
};

struct kn_video_facts {
    const struct kn_input *input;
    const AVStream *stream;
    struct kn_rect border; // what is left without black bars; width_px 0: not looked for
    bool is_cut;           // a clip, a concatenation, watermarks: copying is out of the question
    bool has_holes;        // a joined input has no pictures: the one before it stands still
    bool is_uneven;        // joined inputs differ in their rates
    double crf;            // instead of the request's; 0: the request's
    int n_threads;
};

/*
 * Decide. Text lives in the arena.
 * KN_EINVAL when an IsCheck…Fail rule or ScanMode says no; KN_EUNSUP without an encoder or filter.
 */
kn_code kn_video_plan(struct kn_video_plan *plan, const struct kn_convert_output *output,
                      const struct kn_video_facts *facts, struct kn_arena *arena,
                      struct kn_error *err);

/* How an encoder is opened for a plan; `like` is borrowed. Options, pass and headers are the caller's. */
struct kn_encoder_setup kn_video_plan_setup(const struct kn_video_plan *plan, const AVFrame *like,
                                            int n_threads);

/* Degrees clockwise by which pictures are turned: as the request says, or as their stream does. */
int kn_video_turn(const struct kn_convert_video *video, const AVStream *stream);
