/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libavfilter's cropdetect looks at the pictures; it keeps the largest picture it has seen, so one dark
 * scene does not cut anything away.
 */
#include "features/convert/border.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/media/graph.h"
#include "engine/media/rotation.h"
#include "features/convert/run.h"
#include "features/convert/samples.h"

#define PLACES 12
#define PICTURES 2

struct search {
    struct kn_graph *graph; // owned
    const char *chain;
    int64_t n_pictures;
    int like_width_px, like_height_px; // as decoded
    int width_px, height_px; // of the turned picture
    struct kn_rect found;
};

static int tag(const AVFrame *frame, const char *name)
{
    const AVDictionaryEntry *entry = av_dict_get(frame->metadata, name, NULL, 0);
    return entry ? atoi(entry->value) : 0;
}

static kn_code search_result(void *impl, AVFrame *frame, struct kn_error *err)
{
    (void)err;
    struct search *s = impl;
    s->width_px = frame->width;
    s->height_px = frame->height;
    s->found = (struct kn_rect){
        .width_px = tag(frame, "lavfi.cropdetect.w"),
        .height_px = tag(frame, "lavfi.cropdetect.h"),
        .left_px = tag(frame, "lavfi.cropdetect.x"),
        .top_px = tag(frame, "lavfi.cropdetect.y"),
    };
    return KN_OK;
}

static kn_code search_picture(void *impl, AVFrame *frame, struct kn_error *err)
{
    struct search *s = impl;
    if (!frame || (s->graph && (frame->width != s->like_width_px || frame->height != s->like_height_px)))
        return KN_OK; // where the size changes, the first one is what is judged
    kn_code rc = KN_OK;
    s->like_width_px = frame->width;
    s->like_height_px = frame->height;
    if (!s->graph)
        rc = kn_graph_open(&s->graph,
                           &(struct kn_graph_setup){
                               .description = s->chain,
                               .like = frame,
                               .time_base = AV_TIME_BASE_Q,
                               .n_threads = 1,
                           },
                           err);
    frame->pts = s->n_pictures++;
    frame->pkt_duration = 0;
    return rc == KN_OK ? kn_graph_feed(s->graph, frame, search_result, s, err) : rc;
}

kn_code kn_border_find(struct kn_rect *out, const struct kn_output_run *output, int input,
                       int turn_degrees, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf chain = {0};
    // 24 of 255 is black with the noise of a recording (cropdetect's own default).
    kn_buf_printf(&chain, "[in]%scropdetect=limit=0.0941:round=2:skip=0:reset=0[out]",
                  kn_rotation_filter(turn_degrees));
    struct search s = {.chain = kn_buf_text(&chain)};
    *out = (struct kn_rect){0};
    const kn_code rc = kn_samples_read(
        output, &(struct kn_samples_setup){.input = input, .n_places = PLACES, .n_pictures = PICTURES},
        search_picture, &s, err);
    kn_graph_free(&s.graph);
    // Black throughout gives a picture turned inside out.
    if (rc == KN_OK && s.found.width_px > 0 && s.found.height_px > 0 &&
        (s.found.width_px < s.width_px || s.found.height_px < s.height_px))
        *out = s.found;
    return rc;
}
