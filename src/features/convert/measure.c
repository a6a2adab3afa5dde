/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file is opened a second time, for the run's own readers stand elsewhere in it; only the packets
 * of this one track are decoded.
 */
#include "features/convert/measure.h"

#include "base/cleanup.h"

// Packets between two questions whether to stop: about a second of work.
#define ASK_EVERY 20000

static const AVRational microseconds = {1, 1000000};

/* What was measured, a list in the run's arena. */
struct kn_measured {
    int input, stream, channels;
    struct kn_timeline timeline;
    struct kn_loudness loudness;
    struct kn_measured *next;
};

struct measuring {
    struct kn_loudness_meter *meter;
    const struct kn_timeline *timeline;
    int64_t shift_us; // from the file's time to the joined time
    bool is_over;
};

static kn_code measure_frame(void *impl, AVFrame *frame, struct kn_error *err)
{
    struct measuring *m = impl;
    int64_t out_us;
    const int64_t at_us = av_rescale_q(frame->pts, frame->time_base, microseconds) + m->shift_us;
    const bool is_shown = frame->pts != AV_NOPTS_VALUE && kn_timeline_map(m->timeline, at_us, &out_us);
    if (is_shown)
        return kn_loudness_meter_feed(m->meter, frame, err);
    m->is_over |= frame->pts != AV_NOPTS_VALUE && out_us == INT64_MAX;
    return KN_OK;
}

static kn_code read_packets(struct kn_run *run, struct kn_input *input, int stream,
                            struct measuring *m, struct kn_error *err)
{
    const AVStream *st = input->format->streams[stream];
    kn_auto(kn_decoder_free) struct kn_decoder *decoder = NULL;
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    kn_code rc = packet ? kn_decoder_open(&decoder, input, st, 1, err)
                        : kn_fail(err, KN_ENOMEM, "no memory for a packet");
    int av = 0;
    for (int n = 0; rc == KN_OK && !m->is_over && (av = av_read_frame(input->format, packet)) >= 0; n++) {
        if (packet->stream_index == stream)
            rc = kn_decoder_feed(decoder, packet, measure_frame, m, err);
        av_packet_unref(packet);
        if (rc == KN_OK && n % ASK_EVERY == 0 && kn_context_is_cancelled(run->context))
            rc = kn_fail(err, KN_ECANCELED, "the conversion was cancelled");
    }
    if (rc == KN_OK && av < 0 && av != AVERROR_EOF)
        return kn_input_fail(input, err, av, "read");
    return rc == KN_OK && !m->is_over ? kn_decoder_feed(decoder, NULL, measure_frame, m, err) : rc;
}

// One stream of one file.
static kn_code measure_part(struct kn_run *run, int at, int stream, struct measuring *m,
                            struct kn_error *err)
{
    const struct kn_input_run *in = &run->inputs[at];
    kn_auto(kn_input_free) struct kn_input *input = NULL;
    const struct kn_input_env env = {.open = kn_run_open_source, .impl = run, .stop = &run->stop};
    const kn_code rc = kn_input_open(&input, in->input->uri, &env, err);
    if (rc != KN_OK)
        return rc;
    for (unsigned i = 0; i < input->format->nb_streams; i++)
        if ((int)i != stream)
            input->format->streams[i]->discard = AVDISCARD_ALL;
    m->shift_us = in->offset_us - in->origin_us;
    const int64_t end_us = in->duration_us == KN_NO_TIME ? INT64_MAX : in->offset_us + in->duration_us;
    int64_t from_us, to_us;
    if (!kn_timeline_shown(m->timeline, in->offset_us, end_us, &from_us, &to_us))
        return KN_OK;
    if (from_us > in->offset_us)
        (void)avformat_seek_file(input->format, -1, INT64_MIN, from_us - m->shift_us,
                                 from_us - m->shift_us, 0);
    return read_packets(run, input, stream, m, err);
}

kn_code kn_loudness_measure(const struct kn_loudness **out, struct kn_run *run, int input, int stream,
                            const struct kn_timeline *timeline, int channels, struct kn_error *err)
{
    for (const struct kn_measured *old = run->measured; old; old = old->next)
        if (old->input == input && old->stream == stream && old->channels == channels &&
            kn_timeline_equal(&old->timeline, timeline)) {
            *out = &old->loudness;
            return KN_OK;
        }
    struct kn_measured *own = KN_ARENA_NEW(&run->arena, struct kn_measured);
    struct kn_feed_part *parts = kn_arena_array(&run->arena, (size_t)run->spec->n_inputs, sizeof(*parts));
    int n = 0;
    if (!own || !parts)
        return kn_fail(err, KN_ENOMEM, "no memory to measure loudness");
    *own = (struct kn_measured){
        .input = input,
        .stream = stream,
        .channels = channels,
        .timeline = *timeline,
        .next = run->measured,
    };
    kn_auto(kn_loudness_meter_free) struct kn_loudness_meter *meter = NULL;
    kn_code rc = kn_loudness_meter_new(&meter, channels, err);
    struct measuring m = {.meter = meter, .timeline = timeline};
    if (rc == KN_OK)
        n = kn_run_parts(run, input, run->inputs[input].input->format->streams[stream], parts);
    for (int i = 0; rc == KN_OK && !m.is_over && i < n; i++)
        rc = measure_part(run, parts[i].input, parts[i].stream, &m, err);
    if (rc == KN_OK)
        rc = kn_loudness_meter_read(meter, &own->loudness, err);
    if (rc != KN_OK)
        return rc;
    run->measured = own;
    *out = &own->loudness;
    return KN_OK;
}
