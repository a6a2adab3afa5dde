/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/graph.h"

#include <stdio.h>
#include <stdlib.h>

#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/channel_layout.h>
#include <libavutil/pixdesc.h>

#include "base/cleanup.h"
#include "engine/media/av_error.h"

static kn_code source_open(struct kn_graph *g, const char *name, const AVFrame *like,
                           AVRational time_base, AVRational frame_rate, AVFilterContext **out,
                           struct kn_error *err)
{
    const bool is_audio = like->nb_samples > 0;
    AVFilterContext *source = avfilter_graph_alloc_filter(
        g->graph, avfilter_get_by_name(is_audio ? "abuffer" : "buffer"), name);
    AVBufferSrcParameters *par = av_buffersrc_parameters_alloc();
    if (!source || !par) {
        av_free(par);
        return kn_fail(err, KN_ENOMEM, "no memory for a filter");
    }
    par->format = like->format;
    par->time_base = time_base;
    if (is_audio) {
        par->sample_rate = like->sample_rate;
        (void)av_channel_layout_copy(&par->ch_layout, &like->ch_layout);
    } else {
        par->width = like->width;
        par->height = like->height;
        par->sample_aspect_ratio = like->sample_aspect_ratio;
        par->frame_rate = frame_rate;
    }
    int av = av_buffersrc_parameters_set(source, par);
    av_channel_layout_uninit(&par->ch_layout);
    av_free(par);
    if (av >= 0)
        av = avfilter_init_dict(source, NULL);
    if (av < 0)
        return kn_av_fail(err, av, "cannot make the filter input '%s'", name);
    *out = source;
    return KN_OK;
}

// Prepends an open pad to the list that avfilter_graph_parse_ptr() links by name.
static int pads_add(AVFilterInOut **list, const char *name, AVFilterContext *filter)
{
    AVFilterInOut *pad = avfilter_inout_alloc();
    if (!pad)
        return AVERROR(ENOMEM);
    pad->name = av_strdup(name);
    pad->filter_ctx = filter;
    pad->next = *list;
    *list = pad;
    return pad->name ? 0 : AVERROR(ENOMEM);
}

static kn_code graph_connect(struct kn_graph *g, const struct kn_graph_setup *setup,
                             AVFilterContext **stills, struct kn_error *err)
{
    kn_auto(avfilter_inout_free) AVFilterInOut *outputs = NULL;
    kn_auto(avfilter_inout_free) AVFilterInOut *inputs = NULL;
    int av = pads_add(&outputs, "in", g->in);
    for (int i = 0; av >= 0 && i < setup->n_stills; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "still%d", i);
        av = pads_add(&outputs, name, stills[i]);
    }
    if (av >= 0)
        av = pads_add(&inputs, "out", g->out);
    if (av >= 0)
        av = avfilter_graph_parse_ptr(g->graph, setup->description, &inputs, &outputs, NULL);
    if (av >= 0)
        av = avfilter_graph_config(g->graph, NULL);
    if (av < 0)
        return kn_av_fail(err, av == AVERROR(EINVAL) ? AVERROR_BUG : av, "cannot set up the filters '%s'",
                          setup->description);
    return KN_OK;
}

kn_code kn_graph_open(struct kn_graph **out, const struct kn_graph_setup *setup,
                      struct kn_error *err)
{
    kn_auto(kn_graph_free) struct kn_graph *g = calloc(1, sizeof(*g));
    if (g) {
        g->graph = avfilter_graph_alloc();
        g->frame = av_frame_alloc();
    }
    if (!g || !g->graph || !g->frame)
        return kn_fail(err, KN_ENOMEM, "no memory for filters");
    g->graph->nb_threads = setup->n_threads;
    // FFmpeg's own default, so that equal work gives equal pictures.
    g->graph->scale_sws_opts = av_strdup("flags=bicubic");

    const bool is_audio = setup->like->nb_samples > 0;
    AVFilterContext *stills[KN_GRAPH_MAX_STILLS] = {0};
    kn_code rc = source_open(g, "in", setup->like, setup->time_base, setup->frame_rate, &g->in, err);
    for (int i = 0; rc == KN_OK && i < setup->n_stills; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "still%d", i);
        rc = source_open(g, name, setup->stills[i], (AVRational){1, 1000000}, (AVRational){0, 1},
                         &stills[i], err);
    }
    if (rc != KN_OK)
        return rc;
    int av = avfilter_graph_create_filter(
        &g->out, avfilter_get_by_name(is_audio ? "abuffersink" : "buffersink"), "out", NULL, NULL,
        g->graph);
    if (av < 0)
        return kn_av_fail(err, av, "cannot make the filter output");
    rc = graph_connect(g, setup, stills, err);
    if (rc != KN_OK)
        return rc;
    if (is_audio && setup->frame_samples > 0)
        av_buffersink_set_frame_size(g->out, (unsigned)setup->frame_samples);
    for (int i = 0; i < setup->n_stills; i++) {
        // A still is one frame at time 0 and then the end; overlay goes on showing it.
        av_frame_unref(g->frame);
        av = av_frame_ref(g->frame, setup->stills[i]);
        g->frame->pts = 0;
        if (av >= 0)
            av = av_buffersrc_add_frame(stills[i], g->frame);
        if (av >= 0)
            av = av_buffersrc_add_frame(stills[i], NULL);
        if (av < 0)
            return kn_av_fail(err, av, "cannot lay a picture over the film");
    }
    *out = KN_TAKE(g);
    return KN_OK;
}

kn_code kn_graph_feed(struct kn_graph *g, AVFrame *frame, kn_frame_fn on_frame, void *impl,
                      struct kn_error *err)
{
    // Filters that make a rate of their own fill it up to where the last picture ends.
    const bool is_picture = frame && frame->nb_samples == 0 && frame->pts != AV_NOPTS_VALUE;
    if (is_picture)
        g->end_pts = frame->pts + FFMAX(frame->pkt_duration, 0);
    int av = !frame && g->end_pts > 0
        ? av_buffersrc_close(g->in, g->end_pts, 0)
        : av_buffersrc_add_frame_flags(g->in, frame, AV_BUFFERSRC_FLAG_KEEP_REF);
    if (av < 0 && av != AVERROR_EOF)
        return kn_av_fail(err, av, "cannot filter");
    for (;;) {
        av = av_buffersink_get_frame(g->out, g->frame);
        if (av == AVERROR(EAGAIN) || av == AVERROR_EOF)
            return KN_OK;
        if (av < 0)
            return kn_av_fail(err, av, "cannot filter");
        g->frame->time_base = kn_graph_time_base(g);
        const kn_code rc = on_frame(impl, g->frame, err);
        av_frame_unref(g->frame);
        if (rc != KN_OK)
            return rc;
    }
}

AVRational kn_graph_time_base(const struct kn_graph *g)
{
    return av_buffersink_get_time_base(g->out);
}

void kn_graph_free(struct kn_graph **g)
{
    if (!*g)
        return;
    avfilter_graph_free(&(*g)->graph);
    av_frame_free(&(*g)->frame);
    free(*g);
    *g = NULL;
}

int kn_graph_has(const char *filter)
{
    return avfilter_get_by_name(filter) != NULL;
}
