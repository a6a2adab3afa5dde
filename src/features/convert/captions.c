/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/captions.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "features/convert/formats.h"
#include "features/convert/run.h"

static const AVRational microseconds = {1, 1000000};

enum AVCodecID kn_caption_codec(enum kn_container container, enum AVCodecID from)
{
    const struct kn_container_format *format = kn_container_format(container);
    if (format->is_segmented)
        return kn_recode_is_text(from) ? AV_CODEC_ID_WEBVTT : AV_CODEC_ID_NONE;
    if (kn_container_takes(container, from))
        return from;
    return kn_recode_is_text(from) ? format->caption : AV_CODEC_ID_NONE;
}

enum AVCodecID kn_subtitle_codec_id(enum kn_subtitle_codec codec)
{
    static const enum AVCodecID ids[] = {
        [KN_SUBTITLE_VTT] = AV_CODEC_ID_WEBVTT,
        [KN_SUBTITLE_SRT] = AV_CODEC_ID_SUBRIP,
        [KN_SUBTITLE_ASS] = AV_CODEC_ID_ASS,
        [KN_SUBTITLE_MOV_TEXT] = AV_CODEC_ID_MOV_TEXT,
    };
    return ids[codec];
}

static void rendition_fail(struct kn_caption_rendition *r, const struct kn_error *err)
{
    kn_output_fail(r->output, err);
    r->is_done = true;
}

/* ---- beginning ---- */
void kn_caption_rendition_start(struct kn_caption_rendition *r, const AVStream *stream)
{
    struct kn_error err = {0};
    kn_code rc = KN_OK;
    if (stream->codecpar->codec_id != r->codec)
        rc = kn_recode_open(&r->recode, stream, r->codec, &err);
    if (rc == KN_OK && !r->file)
        rc = kn_mux_describe(r->output->mux, r->track,
                             r->recode ? r->recode->parameters : stream->codecpar, stream->time_base,
                             (AVRational){0, 1}, (AVRational){0, 1}, NULL, &err);
    if (rc == KN_OK && r->file) {
        kn_buf_puts(&r->file->text, "WEBVTT\n");
        // Says which moment of the segments' clock (90 kHz) a cue's 0 is (RFC 8216, 3.5).
        if (r->output->spec->container == KN_CONTAINER_M3U8)
            kn_buf_printf(&r->file->text, "X-TIMESTAMP-MAP=MPEGTS:%d,LOCAL:00:00:00.000\n",
                          KN_SEGMENTS_TS_OFFSET_US / 1000 * 90);
    }
    if (rc != KN_OK)
        rendition_fail(r, &err);
}

/* ---- one cue ---- */
static void stamp_write(struct kn_buf *out, int64_t us)
{
    const long long ms = (us + 500) / 1000;
    kn_buf_printf(out, "%02lld:%02lld:%02lld.%03lld", ms / 3600000, ms / 60000 % 60, ms / 1000 % 60,
                  ms % 1000);
}

static kn_code file_add(struct kn_caption_file *file, const AVPacket *cue, int64_t start_us,
                        int64_t end_us, struct kn_error *err)
{
    kn_buf_putc(&file->text, '\n');
    stamp_write(&file->text, start_us);
    kn_buf_puts(&file->text, " --> ");
    stamp_write(&file->text, end_us);
    kn_buf_putc(&file->text, '\n');
    // An empty line would end the cue (WebVTT, 4.1).
    for (int i = 0; i < cue->size && cue->data[i]; i++)
        if (cue->data[i] != '\r' && !(cue->data[i] == '\n' && (i == 0 || cue->data[i - 1] == '\n')))
            kn_buf_putc(&file->text, (char)cue->data[i]);
    kn_buf_putc(&file->text, '\n');
    file->end_us = FFMAX(file->end_us, end_us);
    if (!kn_buf_ok(&file->text))
        return kn_fail(err, KN_ENOMEM, "no memory for captions");
    return file->text.len > KN_MAX_XML_BYTES
        ? kn_fail(err, KN_ELIMIT, "captions of more than %d MiB", KN_MAX_XML_BYTES >> 20) : KN_OK;
}

// What of a cue lies in one span of the timeline goes there.
static kn_code cue_place(struct kn_caption_rendition *r, const struct kn_span *span,
                         const AVPacket *cue, int64_t start_us, int64_t end_us, struct kn_error *err)
{
    const int64_t from_us = FFMAX(start_us, span->from_us), to_us = FFMIN(end_us, span->to_us);
    if (to_us <= from_us)
        return KN_OK;
    const int64_t out_us = from_us - span->from_us + span->out_us;
    if (r->file)
        return file_add(r->file, cue, out_us, out_us + to_us - from_us, err);
    kn_auto(av_packet_free) AVPacket *copy = av_packet_clone(cue);
    if (!copy)
        return kn_fail(err, KN_ENOMEM, "no memory for a cue");
    copy->pts = copy->dts = av_rescale_q(out_us, microseconds, copy->time_base);
    copy->duration = av_rescale_q(to_us - from_us, microseconds, copy->time_base);
    return kn_mux_write(r->output->mux, r->track, copy, err);
}

void kn_caption_rendition_packet(struct kn_caption_rendition *r, const AVPacket *packet)
{
    struct kn_error err = {0};
    kn_auto(av_packet_free) AVPacket *cue = av_packet_alloc();
    kn_code rc = cue ? KN_OK : kn_fail(&err, KN_ENOMEM, "no memory for a cue");
    if (rc == KN_OK && r->recode)
        rc = kn_recode_cue(r->recode, packet, cue, &err);
    else if (rc == KN_OK && av_packet_ref(cue, packet) < 0)
        rc = kn_fail(&err, KN_ENOMEM, "no memory for a cue");
    if (rc == KN_OK && cue->size > 0 && cue->pts != AV_NOPTS_VALUE) {
        const int64_t start_us = av_rescale_q(cue->pts, packet->time_base, microseconds) + r->offset_us;
        const int64_t end_us =
            start_us + FFMAX(1, av_rescale_q(cue->duration, packet->time_base, microseconds));
        cue->time_base = packet->time_base;
        for (int i = 0; rc == KN_OK && i < r->output->timeline.n_spans; i++)
            rc = cue_place(r, &r->output->timeline.spans[i], cue, start_us, end_us, &err);
    }
    if (rc != KN_OK)
        rendition_fail(r, &err);
}

/* ---- ending ---- */
void kn_caption_rendition_mark(struct kn_caption_rendition *r, int64_t time_us)
{
    struct kn_error err = {0};
    int64_t out_us;
    (void)kn_timeline_map(&r->output->timeline, time_us + r->offset_us, &out_us);
    if (!r->file && !r->is_done && out_us != INT64_MAX &&
        kn_mux_mark(r->output->mux, r->track, out_us, &err) != KN_OK)
        rendition_fail(r, &err);
}

void kn_caption_rendition_end(struct kn_caption_rendition *r)
{
    struct kn_error err = {0};
    if (!r->file && kn_mux_end(r->output->mux, r->track, KN_NO_TIME, &err) != KN_OK)
        rendition_fail(r, &err);
}

void kn_caption_rendition_clear(struct kn_caption_rendition *r)
{
    kn_recode_free(&r->recode);
}
