/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/samples.h"

#include "base/cleanup.h"
#include "features/convert/run.h"

struct place {
    int64_t from_us; // of the file
    int n_wanted;
    kn_sample_fn on_picture;
    void *impl;
};

static kn_code place_frame(void *impl, AVFrame *frame, struct kn_error *err)
{
    struct place *place = impl;
    if (frame->pts == AV_NOPTS_VALUE || place->n_wanted == 0)
        return KN_OK;
    frame->pkt_duration = av_rescale_q(frame->pkt_duration, frame->time_base, AV_TIME_BASE_Q);
    frame->pts = av_rescale_q(frame->pts, frame->time_base, AV_TIME_BASE_Q);
    frame->time_base = AV_TIME_BASE_Q;
    if (frame->pts < place->from_us)
        return KN_OK;
    place->n_wanted--;
    return place->on_picture(place->impl, frame, err);
}

static kn_code place_read(struct kn_input *input, const AVStream *st, struct kn_decoder *decoder,
                          struct place *place, struct kn_error *err)
{
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    if (!packet)
        return kn_fail(err, KN_ENOMEM, "no memory for samples");
    (void)avformat_seek_file(input->format, -1, INT64_MIN, place->from_us, place->from_us, 0);
    avcodec_flush_buffers(decoder->codec);
    kn_code rc = KN_OK;
    while (rc == KN_OK && place->n_wanted > 0 && av_read_frame(input->format, packet) >= 0) {
        if (packet->stream_index == st->index)
            rc = kn_decoder_feed(decoder, packet, place_frame, place, err);
        av_packet_unref(packet);
    }
    if (input->io_error.code == KN_ECANCELED && rc == KN_OK)
        return kn_fail(err, KN_ECANCELED, "stopped");
    // What the decoder still holds would need its end, after which it takes nothing more.
    return rc == KN_OK ? place->on_picture(place->impl, NULL, err) : rc;
}

kn_code kn_samples_read(const struct kn_output_run *output, const struct kn_samples_setup *setup,
                        kn_sample_fn on_picture, void *impl, struct kn_error *err)
{
    struct kn_run *run = output->run;
    const struct kn_input_run *in = &run->inputs[setup->input];
    // What is shown of this file, in its own time.
    const int64_t end_us = in->duration_us == KN_NO_TIME ? INT64_MAX : in->offset_us + in->duration_us;
    int64_t from_us = in->offset_us, to_us = in->offset_us;
    (void)kn_timeline_shown(&output->timeline, in->offset_us, end_us, &from_us, &to_us);
    const int64_t length_us = to_us == INT64_MAX ? 0 : to_us - from_us;
    from_us -= in->offset_us;
    const int n_places = length_us > 0 ? setup->n_places : 1;

    kn_auto(kn_input_free) struct kn_input *input = NULL;
    kn_auto(kn_decoder_free) struct kn_decoder *decoder = NULL;
    const struct kn_input_env env = {.open = kn_run_open_source, .impl = run, .stop = &run->stop};
    kn_code rc = kn_input_open(&input, run->spec->inputs[setup->input].uri, &env, err);
    const AVStream *st = rc == KN_OK ? kn_input_stream(input, AVMEDIA_TYPE_VIDEO, output->video_nth) : NULL;
    if (rc == KN_OK && !st)
        rc = kn_fail_as(err, KN_EINVAL, "NoVideoStream", "'%s' has no video stream", input->uri);
    // One thread: several would hold back as many pictures at the end of each place.
    if (rc == KN_OK)
        rc = kn_decoder_open(&decoder, input, st, 1, err);
    for (int i = 0; rc == KN_OK && i < n_places; i++) {
        struct place place = {
            .from_us = in->origin_us + from_us + length_us * i / n_places,
            .n_wanted = setup->n_pictures,
            .on_picture = on_picture,
            .impl = impl,
        };
        rc = place_read(input, st, decoder, &place, err);
        if (rc == KN_OK && kn_context_is_cancelled(run->context))
            rc = kn_fail(err, KN_ECANCELED, "the conversion was cancelled");
    }
    return rc;
}
