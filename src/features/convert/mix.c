/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/mix.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/convert/run.h"

// How much goes on at once, at most: a second of 48 kHz.
#define MAX_FRAMES 48000
// A lane that runs ahead of the others waits in memory: more than marks and pacing ever allow.
#define MAX_AHEAD_S 120

static int64_t reached(const struct kn_mix *mix)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < mix->n_lanes; i++)
        if (!mix->lanes[i].is_over)
            next = FFMIN(next, mix->lanes[i].next);
    return FFMIN(next, mix->base + (int64_t)mix->n);
}

static kn_code mix_emit(struct kn_mix *mix, int n, struct kn_error *err)
{
    kn_auto(av_frame_free) AVFrame *frame = av_frame_alloc();
    if (!frame)
        return kn_fail(err, KN_ENOMEM, "no memory for sound");
    frame->format = AV_SAMPLE_FMT_FLTP;
    frame->sample_rate = mix->samplerate_hz;
    frame->nb_samples = n;
    av_channel_layout_default(&frame->ch_layout, mix->channels);
    if (av_frame_get_buffer(frame, 0) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for sound");
    for (int c = 0; c < mix->channels; c++)
        for (int i = 0; i < n; i++)
            ((float *)frame->extended_data[c])[i] = mix->sums[(size_t)i * (size_t)mix->channels + (size_t)c];
    frame->pts = av_rescale(mix->base, KN_SECOND, mix->samplerate_hz);
    mix->base += n;
    mix->n -= (size_t)n;
    memmove(mix->sums, mix->sums + (size_t)n * (size_t)mix->channels, mix->n * (size_t)mix->channels * sizeof(float));
    return kn_audio_rendition_frame(mix->out, frame, err);
}

static kn_code mix_flush(struct kn_mix *mix, struct kn_error *err)
{
    kn_code rc = KN_OK;
    int64_t n;
    while (rc == KN_OK && (n = reached(mix) - mix->base) > 0)
        rc = mix_emit(mix, (int)FFMIN(n, MAX_FRAMES), err);
    return rc;
}

// Room for frames up to the `end`th, silent at first.
static kn_code mix_reserve(struct kn_mix *mix, int64_t end, struct kn_error *err)
{
    const size_t n = end > mix->base ? (size_t)(end - mix->base) : 0, width = (size_t)mix->channels;
    if (n <= mix->n)
        return KN_OK;
    if (n > (size_t)MAX_AHEAD_S * (size_t)mix->samplerate_hz)
        return kn_fail(err, KN_ELIMIT, "tracks that are mixed lie more than %d s apart in their file", MAX_AHEAD_S);
    if (n > mix->room) {
        const size_t room = FFMAX(2 * mix->room, n);
        float *grown = realloc(mix->sums, room * width * sizeof(*grown));
        if (!grown)
            return kn_fail(err, KN_ENOMEM, "no memory for sound");
        mix->sums = grown;
        mix->room = room;
    }
    memset(mix->sums + mix->n * width, 0, (n - mix->n) * width * sizeof(*mix->sums));
    mix->n = n;
    return KN_OK;
}

static void mix_sum(struct kn_mix *mix, int64_t at, const AVFrame *frame)
{
    const float share = 1.0f / (float)mix->n_lanes;
    const int skip = at < mix->base ? (int)FFMIN(mix->base - at, frame->nb_samples) : 0;
    for (int c = 0; c < mix->channels; c++) {
        const float *in = (const float *)frame->extended_data[c];
        float *sums = mix->sums + c;
        for (int i = skip; i < frame->nb_samples; i++)
            sums[(size_t)(at + i - mix->base) * (size_t)mix->channels] += share * in[i];
    }
}

kn_code kn_mix_add(struct kn_mix *mix, int lane, int64_t at, const AVFrame *frame, struct kn_error *err)
{
    const int64_t end = at + frame->nb_samples;
    pthread_mutex_lock(&mix->lock);
    kn_code rc = mix_reserve(mix, end, err);
    if (rc == KN_OK) {
        mix_sum(mix, at, frame);
        mix->lanes[lane].next = FFMAX(mix->lanes[lane].next, end);
        rc = mix_flush(mix, err);
    }
    pthread_mutex_unlock(&mix->lock);
    return rc;
}

kn_code kn_mix_mark(struct kn_mix *mix, int lane, int64_t out_us, struct kn_error *err)
{
    pthread_mutex_lock(&mix->lock);
    struct kn_mix_lane *l = &mix->lanes[lane];
    l->next = FFMAX(l->next, av_rescale(out_us, mix->samplerate_hz, KN_SECOND));
    const kn_code rc = mix_flush(mix, err);
    pthread_mutex_unlock(&mix->lock);
    return rc;
}

kn_code kn_mix_end(struct kn_mix *mix, int lane, struct kn_error *err)
{
    pthread_mutex_lock(&mix->lock);
    mix->lanes[lane].is_over = true;
    bool is_over = true;
    for (int i = 0; i < mix->n_lanes; i++)
        is_over = is_over && mix->lanes[i].is_over;
    kn_code rc = mix_flush(mix, err);
    if (rc == KN_OK && is_over)
        rc = kn_audio_rendition_end(mix->out, err);
    pthread_mutex_unlock(&mix->lock);
    return rc;
}

void kn_mix_clear(struct kn_mix *mix)
{
    kn_audio_rendition_clear(mix->out);
    free(mix->sums);
    mix->sums = NULL;
    mix->n = mix->room = 0;
    pthread_mutex_destroy(&mix->lock);
}
