/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/loudness.h"

#include <math.h>
#include <stdlib.h>

#include <ebur128.h>
#include <libavutil/channel_layout.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/media/graph.h"

// One rate for all sources; the measure is defined at 48 kHz (ITU-R BS.1770).
#define RATE_HZ 48000

struct kn_loudness_meter {
    int channels;
    ebur128_state *state;   // owned
    struct kn_graph *graph; // owned; NULL before the first frame
    AVFrame *like;          // owned: what the graph was made for
};

kn_code kn_loudness_meter_new(struct kn_loudness_meter **out, int channels, struct kn_error *err)
{
    kn_auto(kn_loudness_meter_free) struct kn_loudness_meter *meter = calloc(1, sizeof(*meter));
    if (!meter)
        return kn_fail(err, KN_ENOMEM, "no memory to measure loudness");
    meter->channels = channels;
    meter->like = av_frame_alloc();
    meter->state = ebur128_init((unsigned)channels, RATE_HZ,
                                EBUR128_MODE_I | EBUR128_MODE_LRA | EBUR128_MODE_TRUE_PEAK);
    if (!meter->like || !meter->state)
        return kn_fail(err, KN_ENOMEM, "no memory to measure loudness");
    *out = KN_TAKE(meter);
    return KN_OK;
}

static kn_code meter_add(void *impl, AVFrame *frame, struct kn_error *err)
{
    struct kn_loudness_meter *meter = impl;
    const int e = ebur128_add_frames_float(meter->state, (const float *)(const void *)frame->data[0],
                                           (size_t)frame->nb_samples);
    return e ? kn_fail(err, KN_ENOMEM, "no memory to measure loudness") : KN_OK;
}

static kn_code meter_open_graph(struct kn_loudness_meter *meter, const AVFrame *frame,
                                struct kn_error *err)
{
    av_frame_unref(meter->like);
    meter->like->format = frame->format;
    meter->like->sample_rate = frame->sample_rate;
    meter->like->nb_samples = 1; // what tells sound from pictures
    if (av_channel_layout_copy(&meter->like->ch_layout, &frame->ch_layout) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory to measure loudness");
    if (meter->like->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
        av_channel_layout_default(&meter->like->ch_layout, frame->ch_layout.nb_channels);
    AVChannelLayout layout = {0};
    char name[64];
    av_channel_layout_default(&layout, meter->channels);
    (void)av_channel_layout_describe(&layout, name, sizeof(name));
    av_channel_layout_uninit(&layout);
    kn_auto(kn_buf_clear) struct kn_buf d = {0};
    kn_buf_printf(&d, "[in]aresample=%d,aformat=sample_fmts=flt:channel_layouts=%s[out]", RATE_HZ, name);
    return kn_graph_open(&meter->graph,
                         &(struct kn_graph_setup){
                             .description = kn_buf_text(&d),
                             .like = meter->like,
                             .time_base = {1, frame->sample_rate},
                             .n_threads = 1,
                         },
                         err);
}

kn_code kn_loudness_meter_feed(struct kn_loudness_meter *meter, AVFrame *frame, struct kn_error *err)
{
    kn_code rc = KN_OK;
    if (meter->graph && (frame->sample_rate != meter->like->sample_rate ||
                         frame->format != meter->like->format ||
                         frame->ch_layout.nb_channels != meter->like->ch_layout.nb_channels)) {
        rc = kn_graph_feed(meter->graph, NULL, meter_add, meter, err);
        kn_graph_free(&meter->graph);
    }
    if (rc == KN_OK && !meter->graph)
        rc = meter_open_graph(meter, frame, err);
    if (rc != KN_OK)
        return rc;
    if (frame->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC &&
        av_channel_layout_copy(&frame->ch_layout, &meter->like->ch_layout) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory to measure loudness");
    return kn_graph_feed(meter->graph, frame, meter_add, meter, err);
}

kn_code kn_loudness_meter_read(struct kn_loudness_meter *meter, struct kn_loudness *out,
                               struct kn_error *err)
{
    kn_code rc = KN_OK;
    double peak = 0;
    if (meter->graph)
        rc = kn_graph_feed(meter->graph, NULL, meter_add, meter, err);
    if (rc != KN_OK)
        return rc;
    *out = (struct kn_loudness){.integrated_lufs = -HUGE_VAL, .threshold_lufs = -70};
    for (int i = 0; i < meter->channels; i++) {
        double of_channel = 0;
        if (ebur128_true_peak(meter->state, (unsigned)i, &of_channel) == EBUR128_SUCCESS)
            peak = fmax(peak, of_channel);
    }
    out->true_peak_dbtp = peak > 0 ? 20 * log10(peak) : -HUGE_VAL;
    if (ebur128_loudness_global(meter->state, &out->integrated_lufs) != EBUR128_SUCCESS ||
        ebur128_loudness_range(meter->state, &out->range_lu) != EBUR128_SUCCESS ||
        ebur128_relative_threshold(meter->state, &out->threshold_lufs) != EBUR128_SUCCESS)
        return kn_fail(err, KN_ENOMEM, "no memory to measure loudness");
    return KN_OK;
}

void kn_loudness_meter_free(struct kn_loudness_meter **meter_ptr)
{
    struct kn_loudness_meter *meter = *meter_ptr;
    if (!meter)
        return;
    if (meter->state)
        ebur128_destroy(&meter->state);
    kn_graph_free(&meter->graph);
    av_frame_free(&meter->like);
    free(meter);
    *meter_ptr = NULL;
}
