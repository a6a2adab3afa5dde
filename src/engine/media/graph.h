#pragma once
/*
 * Graph: one libavfilter chain with one moving input and one output, and still pictures beside it
 * (watermarks).
 *
 * Thread-safety: one thread at a time.
 */
#include <libavfilter/avfilter.h>
#include <libavutil/frame.h>

#include "base/error.h"
#include "engine/media/decode.h"

#define KN_GRAPH_MAX_STILLS 4

struct kn_graph {
    AVFilterGraph *graph;  // owned
    AVFilterContext *in;   // borrowed from graph
    AVFilterContext *out;  // borrowed from graph
    AVFrame *frame;        // owned
    int64_t end_pts;       // of pictures: where the last one that came in ends
};

struct kn_graph_setup {
    // libavfilter's notation; reads [in] (and [still0] …) and writes [out].
    const char *description;
    const AVFrame *like;       // frames that will come in: size, format, rate, layout
    AVRational time_base;      // of their pts
    AVRational frame_rate;     // video; 0/1 unknown
    const AVFrame *const *stills; // borrowed; each is shown for the whole length
    int n_stills;
    int n_threads;
    int frame_samples; // audio: how many samples each frame out shall have; 0 any
};

/* KN_EUNSUP when libavfilter lacks a filter; KN_EBUG when the description is wrong. */
kn_code kn_graph_open(struct kn_graph **out, const struct kn_graph_setup *setup,
                      struct kn_error *err);
/* Push a frame (pts and pkt_duration in `time_base`; NULL: the end) and hand on what comes out, with pts in kn_graph_time_base(). */
kn_code kn_graph_feed(struct kn_graph *graph, AVFrame *frame, kn_frame_fn on_frame, void *impl,
                      struct kn_error *err);
AVRational kn_graph_time_base(const struct kn_graph *graph);
void kn_graph_free(struct kn_graph **graph);

/* Whether this build has a filter. */
int kn_graph_has(const char *filter);
