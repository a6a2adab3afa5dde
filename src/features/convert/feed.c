/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A feed: the thread that takes one stream's packets and hands them on, as they are to outputs that
 * copy, decoded to renditions.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/media/av_error.h"
#include "features/convert/run.h"

static const AVRational microseconds = {1, 1000000};

// A file that ends this much before its own word for it was cut off.
#define SHORT_US KN_SECOND
#define SHORT_SHARE 0.9

// Before the first picture a rendition needs, filters with a memory want some. Less than
// KN_MUX_AHEAD_US, or sound would wait for pictures that wait for it.
#define WARM_US (KN_SECOND / 2)
// Beyond this much of one GOP it is cheaper to decode than to keep.
#define SKIP_BYTES (64ll * 1024 * 1024)

/* ---- copies ---- */
static kn_code copy_describe(struct kn_feed *feed, struct kn_error *err)
{
    const struct kn_feed_part *part = &feed->parts[0];
    const AVStream *st = feed->run->inputs[part->input].input->format->streams[part->stream];
    for (int i = 0; i < feed->n_copies; i++) {
        struct kn_target *t = &feed->copies[i];
        const AVRational sar = st->sample_aspect_ratio.num ? st->sample_aspect_ratio
                                                           : st->codecpar->sample_aspect_ratio;
        if (kn_mux_describe(t->output->mux, t->track, st->codecpar, st->time_base, st->avg_frame_rate,
                            sar, NULL, err) != KN_OK)
            kn_output_fail(t->output, err);
    }
    return KN_OK;
}

// Matroska and others do not say when pictures are decoded. FFmpeg works it out, but not for the first ones of
// a stream with reordered pictures: each is decoded a picture before the next, the last before the first is shown.
static void packet_date(struct kn_feed *feed, const AVStream *st, AVPacket *packet)
{
    if (feed->n_undated < 0 || feed->kind != AVMEDIA_TYPE_VIDEO)
        return;
    if (packet->dts != AV_NOPTS_VALUE || packet->pts == AV_NOPTS_VALUE || st->avg_frame_rate.num <= 0 ||
        feed->n_undated >= st->codecpar->video_delay) {
        feed->n_undated = -1;
        return;
    }
    if (feed->n_undated == 0)
        feed->undated_pts = packet->pts;
    const int n_ahead = st->codecpar->video_delay - feed->n_undated++;
    packet->dts = feed->undated_pts - av_rescale_q(n_ahead, av_inv_q(st->avg_frame_rate), packet->time_base);
}

// Where the packet lies in an output that copies: its times shift by a constant.
static bool copy_place(const struct kn_target *t, AVPacket *packet, int64_t pts_us)
{
    int64_t out_us = 0;
    const struct kn_timeline *timeline = &t->output->timeline;
    if (!kn_timeline_map(timeline, pts_us, &out_us)) {
        // Sound that begins a packet's length early belongs to the start (encoder delay).
        if (out_us != 0 || pts_us < timeline->spans[0].from_us - 50000)
            return false;
        out_us = pts_us - timeline->spans[0].from_us;
    }
    const int64_t shift = av_rescale_q(out_us - pts_us, microseconds, packet->time_base);
    if (packet->pts != AV_NOPTS_VALUE)
        packet->pts += shift;
    if (packet->dts != AV_NOPTS_VALUE)
        packet->dts += shift;
    return true;
}

// Copied pictures of each clip begin with a key frame: what comes before it, in time or in the file, could
// not be decoded.
static bool copy_begins(struct kn_target *t, enum AVMediaType kind, const AVPacket *packet, int64_t pts_us)
{
    const struct kn_timeline *timeline = &t->output->timeline;
    const int span = kn_timeline_span(timeline, pts_us);
    if (kind != AVMEDIA_TYPE_VIDEO)
        return true;
    if (span < 0) // a little before the first
        return timeline->spans[0].from_us == 0;
    t->has_begun = t->has_begun && span == t->span;
    t->span = span;
    if (timeline->spans[span].from_us == 0)
        return true;
    if (!t->has_begun && packet->flags & AV_PKT_FLAG_KEY) {
        t->has_begun = true;
        t->begin_us = pts_us;
    }
    return t->has_begun && pts_us >= t->begin_us;
}

static void caption_packet(struct kn_feed *feed, const AVPacket *packet)
{
    for (int i = 0; i < feed->n_captions; i++)
        if (!feed->captions[i]->is_done)
            kn_caption_rendition_packet(feed->captions[i], packet);
}

static void copy_packet(struct kn_feed *feed, const AVPacket *packet, int64_t time_us)
{
    const int64_t pts_us = packet->pts == AV_NOPTS_VALUE
        ? time_us : av_rescale_q(packet->pts, packet->time_base, microseconds);
    for (int i = 0; i < feed->n_copies; i++) {
        struct kn_target *t = &feed->copies[i];
        if (t->is_done)
            continue;
        struct kn_error err = {0};
        AVPacket *copy = av_packet_clone(packet);
        kn_code rc = copy ? KN_OK : kn_fail(&err, KN_ENOMEM, "no memory for a packet");
        if (rc == KN_OK && copy_place(t, copy, pts_us)) {
            const int64_t shift_us = copy->pts == AV_NOPTS_VALUE
                ? 0 : av_rescale_q(copy->pts, copy->time_base, microseconds) - pts_us;
            const int64_t end_us = pts_us + shift_us + av_rescale_q(copy->duration, copy->time_base, microseconds);
            feed->copy_end_us = FFMAX(feed->copy_end_us, end_us);
            if (t->track == 0)
                kn_mux_lead(t->output->mux, time_us + shift_us);
            rc = copy_begins(t, feed->kind, packet, pts_us)
                ? kn_mux_write(t->output->mux, t->track, copy, &err)
                : kn_mux_mark(t->output->mux, t->track, time_us + shift_us, &err);
        }
        av_packet_free(&copy);
        if (rc != KN_OK) {
            kn_output_fail(t->output, &err);
            t->is_done = true;
        }
    }
}

/* ---- frames ---- */
static kn_code feed_frame(void *impl, AVFrame *frame, struct kn_error *err)
{
    struct kn_feed *feed = impl;
    if (frame->pts == AV_NOPTS_VALUE)
        return KN_OK; // nobody can say where it belongs
    frame->pkt_duration = av_rescale_q(frame->pkt_duration, frame->time_base, microseconds);
    frame->pts = av_rescale_q(frame->pts, frame->time_base, microseconds);
    frame->time_base = microseconds;
    for (int i = 0; i < feed->n_videos; i++) {
        struct kn_video_rendition *r = feed->videos[i];
        if (r->target.is_done || (r->resume_us != INT64_MIN && frame->pts < r->resume_us - WARM_US))
            continue;
        AVFrame *copy = av_frame_clone(frame);
        if (!copy)
            return kn_fail(err, KN_ENOMEM, "no memory for a frame");
        if (!kn_channel_push(r->channel, copy)) {
            av_frame_free(&copy);
            r->target.is_done = true;
        }
    }
    for (int i = 0; i < feed->n_audios; i++) {
        struct kn_audio_rendition *r = feed->audios[i];
        bool is_wanted = false;
        for (int k = 0; k < r->n_targets; k++)
            is_wanted |= !r->targets[k].is_done;
        if (!is_wanted)
            continue;
        AVFrame *copy = av_frame_clone(frame);
        if (!copy)
            return kn_fail(err, KN_ENOMEM, "no memory for a frame");
        struct kn_error why = {0};
        const kn_code rc = kn_audio_rendition_frame(r, copy, &why);
        av_frame_free(&copy);
        for (int k = 0; rc != KN_OK && k < r->n_targets; k++) {
            kn_output_fail(r->targets[k].output, &why);
            r->targets[k].is_done = true;
        }
    }
    return KN_OK;
}

/* ---- skipping what an earlier attempt encoded ---- */
static kn_code skipped_feed(struct kn_feed *feed, struct kn_decoder *decoder, struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (size_t i = 0; i < feed->n_skipped; i++) {
        if (rc == KN_OK && decoder)
            rc = kn_decoder_feed(decoder, feed->skipped[i], feed_frame, feed, err);
        av_packet_free(&feed->skipped[i]);
    }
    free(feed->skipped);
    feed->skipped = NULL;
    feed->n_skipped = feed->max_skipped = feed->last_key = 0;
    feed->skipped_bytes = 0;
    return rc;
}

// Pictures are decoded from the last key frame but one before they are needed (the last may be of an
// open GOP), so packets since then are kept. Takes the packet.
static kn_code feed_skip(struct kn_feed *feed, struct kn_decoder *decoder, AVPacket *packet,
                         int64_t time_us, struct kn_error *err)
{
    const int64_t pts_us = packet->pts == AV_NOPTS_VALUE
        ? time_us : av_rescale_q(packet->pts, packet->time_base, microseconds);
    if (packet->flags & AV_PKT_FLAG_KEY && pts_us <= feed->skip_us && feed->n_skipped > 0) {
        for (size_t i = 0; i < feed->last_key; i++) {
            feed->skipped_bytes -= feed->skipped[i]->size;
            av_packet_free(&feed->skipped[i]);
        }
        feed->n_skipped -= feed->last_key;
        memmove(feed->skipped, feed->skipped + feed->last_key, feed->n_skipped * sizeof(*feed->skipped));
        feed->last_key = feed->n_skipped;
    }
    if (feed->n_skipped == feed->max_skipped) {
        const size_t more = feed->max_skipped ? 2 * feed->max_skipped : 256;
        AVPacket **grown = realloc(feed->skipped, more * sizeof(*grown));
        if (!grown) {
            av_packet_free(&packet);
            return kn_fail(err, KN_ENOMEM, "no memory for packets");
        }
        feed->skipped = grown;
        feed->max_skipped = more;
    }
    feed->skipped_bytes += packet->size;
    feed->skipped[feed->n_skipped++] = packet;
    if (time_us < feed->skip_us && feed->skipped_bytes < SKIP_BYTES)
        return KN_OK;
    feed->skip_us = INT64_MIN; // from here on all is decoded
    return skipped_feed(feed, decoder, err);
}

// What none of the renditions needs. Sound is always made anew.
static int64_t feed_skip_until(const struct kn_feed *feed)
{
    int64_t until_us = feed->n_videos ? INT64_MAX : INT64_MIN;
    for (int i = 0; i < feed->n_videos; i++)
        until_us = FFMIN(until_us, feed->videos[i]->resume_us);
    return until_us == INT64_MIN ? INT64_MIN : until_us - WARM_US;
}

/* ---- pace ---- */
// Whether an output still wants what comes at `time_us`; waits for its leader.
static bool target_wants(struct kn_target *t, const struct kn_timeline *timeline, int64_t time_us)
{
    int64_t out_us;
    if (t->is_done)
        return false;
    // Beyond the last span nothing is shown; one second covers reordering.
    (void)kn_timeline_map(timeline, FFMAX(0, time_us - KN_SECOND), &out_us);
    if (out_us == INT64_MAX)
        t->is_done = true;
    else if (!kn_mux_pace(t->output->mux, t->track, FFMAX(0, out_us)))
        t->is_done = true;
    return !t->is_done;
}

static bool caption_is_wanted(struct kn_caption_rendition *r, int64_t time_us)
{
    struct kn_target target = {.output = r->output, .track = r->track, .is_done = r->is_done};
    int64_t out_us;
    time_us += r->offset_us;
    if (!r->file) {
        r->is_done = !target_wants(&target, &r->output->timeline, time_us);
        return !r->is_done;
    }
    (void)kn_timeline_map(&r->output->timeline, time_us, &out_us);
    r->is_done |= out_us == INT64_MAX;
    return !r->is_done;
}

static bool feed_is_wanted(struct kn_feed *feed, int64_t time_us)
{
    bool wanted = false;
    for (int i = 0; i < feed->n_captions; i++)
        wanted |= caption_is_wanted(feed->captions[i], time_us);
    for (int i = 0; i < feed->n_videos; i++) {
        struct kn_video_rendition *r = feed->videos[i];
        int64_t out_us;
        (void)kn_timeline_map(&r->target.output->timeline, FFMAX(0, time_us - KN_SECOND), &out_us);
        r->target.is_done |= out_us == INT64_MAX;
        wanted |= !r->target.is_done;
    }
    for (int i = 0; i < feed->n_copies; i++)
        wanted |= target_wants(&feed->copies[i], &feed->copies[i].output->timeline, time_us);
    for (int i = 0; i < feed->n_audios; i++)
        for (int k = 0; k < feed->audios[i]->n_targets; k++) {
            struct kn_target *t = &feed->audios[i]->targets[k];
            wanted |= target_wants(t, &feed->audios[i]->timeline, time_us);
            if (t->track == 0 && !t->is_done)
                kn_mux_lead(t->output->mux, time_us);
        }
    return wanted;
}

static void target_mark(struct kn_target *t, const struct kn_timeline *timeline, int64_t time_us)
{
    struct kn_error err = {0};
    int64_t out_us;
    (void)kn_timeline_map(timeline, time_us, &out_us);
    if (!t->is_done && out_us != INT64_MAX &&
        kn_mux_mark(t->output->mux, t->track, out_us, &err) != KN_OK)
        kn_output_fail(t->output, &err);
}

static void lane_mark(struct kn_audio_rendition *r, int64_t time_us)
{
    struct kn_error err = {0};
    int64_t out_us;
    (void)kn_timeline_map(&r->timeline, time_us, &out_us);
    if (r->mix && out_us != INT64_MAX && kn_mix_mark(r->mix, r->lane, out_us, &err) != KN_OK)
        kn_output_fail(r->targets[0].output, &err);
}

static void feed_mark(struct kn_feed *feed, int64_t time_us)
{
    for (int i = 0; i < feed->n_captions; i++)
        kn_caption_rendition_mark(feed->captions[i], time_us);
    for (int i = 0; i < feed->n_copies; i++)
        target_mark(&feed->copies[i], &feed->copies[i].output->timeline, time_us);
    for (int i = 0; i < feed->n_audios; i++)
        lane_mark(feed->audios[i], time_us - 4 * KN_SECOND);
    // What an encoder still holds (its delay, filters with look-ahead) lies a little before.
    for (int i = 0; i < feed->n_audios; i++)
        for (int k = 0; !feed->audios[i]->mix && k < feed->audios[i]->n_targets; k++)
            target_mark(&feed->audios[i]->targets[k], &feed->audios[i]->timeline, time_us - 4 * KN_SECOND);
}

/* ---- one part after the other ---- */
kn_code kn_input_is_whole(const struct kn_input_run *in, int64_t said_us, int64_t got_us,
                          struct kn_error *err)
{
    if (got_us >= said_us - SHORT_US || (double)got_us >= SHORT_SHARE * (double)said_us)
        return KN_OK;
    return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad",
                      "'%s' is cut off: it says %.1f s and holds %.1f s", in->input->uri,
                      (double)said_us / KN_SECOND, (double)got_us / KN_SECOND);
}

// A time of the run, as the file itself tells it.
static int64_t file_time_us(const struct kn_input_run *in, int64_t time_us)
{
    return time_us - in->offset_us + in->origin_us;
}

static kn_code part_judge(const struct kn_feed *feed, const struct kn_feed_part *part, int64_t end_us,
                          struct kn_error *err)
{
    const struct kn_input_run *in = &feed->run->inputs[part->input];
    const AVStream *st = in->input->format->streams[part->stream];
    if (feed->kind == AVMEDIA_TYPE_SUBTITLE || st->duration == AV_NOPTS_VALUE || st->duration <= 0 ||
        in->input->format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE)
        return KN_OK;
    const int64_t said_us = av_rescale_q(st->duration, st->time_base, microseconds);
    const int64_t start_us = st->start_time == AV_NOPTS_VALUE
        ? kn_input_start_us(in->input) : av_rescale_q(st->start_time, st->time_base, microseconds);
    return kn_input_is_whole(in, said_us, end_us == KN_NO_TIME ? 0 : file_time_us(in, end_us) - start_us, err);
}

// Signs of damage that reading passes over.
static bool packet_is_hurt(const AVPacket *packet)
{
    return packet->flags & AV_PKT_FLAG_CORRUPT || packet->size == 0 ||
           (packet->pts != AV_NOPTS_VALUE && packet->dts != AV_NOPTS_VALUE && packet->pts < packet->dts);
}

static void tell_damage(struct kn_input_run *in, const struct kn_decoder *decoder)
{
    if (decoder)
        (void)atomic_fetch_add(&in->n_hurt, decoder->n_broken + decoder->n_patched);
}

// Whether a part was read beyond what any output shows of it; a second covers reordering.
static bool part_is_over(const struct kn_input_run *in, int64_t time_us)
{
    return in->end_us != INT64_MAX && time_us > in->end_us + KN_SECOND;
}

static kn_code feed_part(struct kn_feed *feed, const struct kn_feed_part *part, bool *out_wanted,
                         struct kn_error *err)
{
    struct kn_run *run = feed->run;
    struct kn_input_run *in = &run->inputs[part->input];
    const AVStream *st = in->input->format->streams[part->stream];
    const bool decodes = feed->n_videos + feed->n_audios > 0;
    kn_auto(kn_decoder_free) struct kn_decoder *decoder = NULL;
    kn_code rc = KN_OK;
    if (decodes)
        rc = kn_decoder_open(&decoder, in->input, st,
                             feed->kind == AVMEDIA_TYPE_VIDEO ? run->context->n_threads : 1, err);
    int64_t end_us = KN_NO_TIME;
    bool is_over = false;
    feed->n_undated = 0;
    while (rc == KN_OK && !is_over) {
        struct kn_demux_item item;
        rc = kn_demux_next(in->demux, part->stream, &item, err);
        if (rc != KN_OK || item.is_end)
            break;
        *out_wanted = feed_is_wanted(feed, item.time_us);
        if (!*out_wanted) {
            av_packet_free(&item.packet);
            kn_demux_leave(in->demux, part->stream);
            tell_damage(in, decoder);
            return KN_OK;
        }
        is_over = part_is_over(in, item.time_us);
        if (is_over) {
            av_packet_free(&item.packet);
            kn_demux_leave(in->demux, part->stream);
            continue;
        }
        if (!item.packet) {
            feed_mark(feed, item.time_us);
            continue;
        }
        end_us = FFMAX(end_us, item.time_us + av_rescale_q(item.packet->duration, st->time_base, microseconds));
        if (packet_is_hurt(item.packet))
            (void)atomic_fetch_add(&in->n_hurt, 1);
        packet_date(feed, st, item.packet);
        copy_packet(feed, item.packet, item.time_us);
        caption_packet(feed, item.packet);
        if (decodes && feed->skip_us != INT64_MIN) {
            rc = feed_skip(feed, decoder, item.packet, item.time_us, err);
            continue;
        }
        if (decodes)
            rc = kn_decoder_feed(decoder, item.packet, feed_frame, feed, err);
        av_packet_free(&item.packet);
    }
    const kn_code skipped = skipped_feed(feed, rc == KN_OK ? decoder : NULL, err);
    rc = rc == KN_OK ? skipped : rc;
    if (rc == KN_OK && decodes)
        rc = kn_decoder_feed(decoder, NULL, feed_frame, feed, err);
    tell_damage(in, decoder);
    if (rc == KN_OK && !is_over && feed->kind != AVMEDIA_TYPE_SUBTITLE) {
        pthread_mutex_lock(&run->lock);
        in->n_read++;
        if (end_us != KN_NO_TIME)
            in->read_us = FFMAX(in->read_us, file_time_us(in, end_us) - kn_input_start_us(in->input));
        pthread_mutex_unlock(&run->lock);
    }
    return rc == KN_OK && !is_over ? part_judge(feed, part, end_us, err) : rc;
}

static void copies_end(struct kn_feed *feed)
{
    for (int i = 0; i < feed->n_copies; i++) {
        struct kn_target *t = &feed->copies[i];
        struct kn_error why = {0};
        const bool is_empty = feed->kind == AVMEDIA_TYPE_VIDEO && !t->has_begun &&
                              t->output->timeline.spans[t->span].from_us > 0;
        const kn_code rc = is_empty
            ? kn_fail_as(&why, KN_EINVAL, "NotSupported",
                         "no key frame lies in the clip, so its pictures cannot be copied")
            : kn_mux_end(t->output->mux, t->track, feed->copy_end_us, &why);
        if (rc != KN_OK)
            kn_output_fail(t->output, &why);
    }
}

static kn_code feed_run(struct kn_feed *feed, struct kn_error *err)
{
    kn_code rc = feed->n_copies ? copy_describe(feed, err) : KN_OK;
    const struct kn_feed_part *first = &feed->parts[0];
    for (int i = 0; rc == KN_OK && i < feed->n_captions; i++)
        kn_caption_rendition_start(
            feed->captions[i], feed->run->inputs[first->input].input->format->streams[first->stream]);
    bool wanted = true;
    for (int i = 0; rc == KN_OK && wanted && i < feed->n_parts; i++)
        rc = feed_part(feed, &feed->parts[i], &wanted, err);
    if (rc != KN_OK)
        return rc;
    for (int i = 0; i < feed->n_videos; i++)
        kn_channel_close(feed->videos[i]->channel);
    for (int i = 0; i < feed->n_audios; i++)
        (void)kn_audio_rendition_end(feed->audios[i], &(struct kn_error){0}); // told to its outputs
    for (int i = 0; i < feed->n_captions; i++)
        kn_caption_rendition_end(feed->captions[i]);
    copies_end(feed);
    return KN_OK;
}

static void *feed_main(void *arg)
{
    struct kn_feed *feed = arg;
    struct kn_error err = {0};
    if (feed_run(feed, &err) != KN_OK)
        kn_run_fail(feed->run, &err);
    kn_run_thread_done(feed->run);
    return NULL;
}

kn_code kn_feed_start(struct kn_feed *feed, struct kn_error *err)
{
    feed->skip_us = feed_skip_until(feed);
    const kn_code rc = kn_run_thread(feed->run, &feed->thread, feed_main, feed, "kn-feed", err);
    feed->has_thread = rc == KN_OK;
    return rc;
}
