/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/small.h"

#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "engine/caption/ass.h"
#include "engine/caption/entity.h"
#include "engine/media/av_error.h"

#define IO_BYTES 4096

static const AVRational microseconds = {1, 1000000};

// The text as an AVIOContext reads it.
struct memory {
    const uint8_t *bytes; // borrowed
    int64_t n, at;
};

static int memory_read(void *opaque, uint8_t *out, int n)
{
    struct memory *memory = opaque;
    const int64_t left = memory->n - memory->at;
    if (left <= 0)
        return AVERROR_EOF;
    const int got = left < n ? (int)left : n;
    memcpy(out, memory->bytes + memory->at, (size_t)got);
    memory->at += got;
    return got;
}

static int64_t memory_seek(void *opaque, int64_t to, int whence)
{
    struct memory *memory = opaque;
    if (whence == AVSEEK_SIZE)
        return memory->n;
    const int64_t at = whence == SEEK_CUR ? memory->at + to : whence == SEEK_END ? memory->n + to : to;
    if (at < 0 || at > memory->n)
        return AVERROR(EINVAL);
    return memory->at = at;
}

static void io_free(AVIOContext **io)
{
    if (*io)
        av_freep(&(*io)->buffer);
    avio_context_free(io);
}

// "0:00:01.00 0:00:02.00 D text": JACOsub, which libavformat takes for VPlayer ("0:00:01.00 text").
static bool is_jacosub(const char *head)
{
    while (*head) {
        char directive;
        if (sscanf(head, "%*u:%*u:%*u.%*u %*u:%*u:%*u.%*u %c", &directive) == 1)
            return true;
        head += strcspn(head, "\n");
        head += *head == '\n';
    }
    return false;
}

// Only these may be guessed: nothing of what a file says makes libavformat open another one.
static const AVInputFormat *format_find(const char *text, size_t n, const char *name)
{
    static const char *const names[] = {"sami", "microdvd", "mpl2", "jacosub", "pjs", "realtext", "stl",
                                        "subviewer", "subviewer1", "vplayer", "aqtitle"};
    kn_auto(kn_free) unsigned char *head = calloc(1, 4096 + AVPROBE_PADDING_SIZE);
    if (!head)
        return NULL;
    const size_t n_head = n < 4096 ? n : 4096;
    memcpy(head, text, n_head);
    if (is_jacosub((const char *)head))
        return av_find_input_format("jacosub");
    const AVProbeData probe = {.filename = name ? name : "", .buf = head, .buf_size = (int)n_head};
    int score = 0;
    const AVInputFormat *format = av_probe_input_format3(&probe, 1, &score);
    for (size_t i = 0; format && i < KN_COUNT(names); i++)
        if (strcmp(format->name, names[i]) == 0)
            return format;
    return NULL;
}

static kn_code events_add(struct kn_cue_list *list, const struct kn_ass_script *script, const AVSubtitle *subtitle,
                          int64_t start_us, int64_t end_us, struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (unsigned i = 0; rc == KN_OK && i < subtitle->num_rects; i++) {
        const char *event = subtitle->rects[i]->ass;
        if (event)
            rc = kn_ass_packet(list, script, event, strlen(event), start_us, end_us, err);
    }
    return rc;
}

// KN_NO_TIME for what no film is long enough for.
static int64_t time_us(int64_t ticks, AVRational base)
{
    const int64_t us = av_rescale_q(ticks, base, microseconds);
    return us > INT64_MIN / 4 && us < INT64_MAX / 4 ? us : KN_NO_TIME;
}

// SAMI and RealText are kinds of HTML, whose references libavcodec leaves as they are.
static kn_code references_resolve(struct kn_cue_list *list, size_t from, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf plain = {0};
    for (size_t i = from; i < list->n_cues; i++)
        for (size_t k = 0; k < list->cues[i].n_runs; k++) {
            struct kn_cue_run *run = &list->cues[i].runs[k];
            if (!strchr(run->text, '&'))
                continue;
            kn_buf_reset(&plain);
            kn_caption_put_resolved(&plain, run->text, strlen(run->text));
            const char *text = kn_buf_ok(&plain) ? kn_arena_strdup(&list->arena, kn_buf_text(&plain)) : NULL;
            if (!text)
                return kn_fail(err, KN_ENOMEM, "no memory for a cue");
            run->text = text;
        }
    return KN_OK;
}

static kn_code packets_read(struct kn_cue_list *list, AVFormatContext *in, AVCodecContext *decoder,
                            const struct kn_ass_script *script, struct kn_error *err)
{
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    if (!packet)
        return kn_fail(err, KN_ENOMEM, "no memory for a packet");
    const bool is_html = decoder->codec_id == AV_CODEC_ID_SAMI || decoder->codec_id == AV_CODEC_ID_REALTEXT;
    kn_code rc = KN_OK;
    for (; rc == KN_OK && av_read_frame(in, packet) >= 0; av_packet_unref(packet)) {
        const AVRational base = in->streams[packet->stream_index]->time_base;
        AVSubtitle subtitle = {0};
        int has = 0;
        if (packet->pts == AV_NOPTS_VALUE)
            continue;
        const int64_t start_us = time_us(packet->pts, base), duration_us = time_us(packet->duration, base);
        if (start_us == KN_NO_TIME) {
            kn_cue_list_warn(list, 0, "a cue at an impossible time was left out");
            continue;
        }
        const int64_t end_us = packet->duration > 0 && duration_us != KN_NO_TIME ? start_us + duration_us : KN_NO_TIME;
        const int av = avcodec_decode_subtitle2(decoder, &subtitle, &has, packet);
        const size_t before = list->n_cues;
        // A SYNC with a blank that does not break only takes the text before it away.
        if (av < 0 && !(is_html && memmem(packet->data, (size_t)packet->size, "&nbsp;", 6)))
            kn_cue_list_warn(list, 0, "the cue at %.3f s cannot be read", (double)start_us / KN_SECOND);
        else if (av >= 0 && has)
            rc = events_add(list, script, &subtitle, start_us, end_us, err);
        if (rc == KN_OK && is_html)
            rc = references_resolve(list, before, err);
        avsubtitle_free(&subtitle);
    }
    return rc;
}

static kn_code stream_read(struct kn_cue_list *list, AVFormatContext *in, struct kn_error *err)
{
    if (in->nb_streams == 0)
        return kn_fail(err, KN_EMEDIA, "no captions in it");
    const AVStream *stream = in->streams[0];
    const AVCodec *codec = avcodec_find_decoder(stream->codecpar->codec_id);
    kn_auto(avcodec_free_context) AVCodecContext *decoder = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!decoder)
        return kn_fail(err, KN_EUNSUP, "no decoder for '%s'", avcodec_get_name(stream->codecpar->codec_id));
    int av = avcodec_parameters_to_context(decoder, stream->codecpar);
    decoder->pkt_timebase = stream->time_base;
    if (av >= 0)
        av = avcodec_open2(decoder, codec, NULL);
    if (av < 0)
        return kn_av_fail(err, av, "cannot read captions of kind '%s'", codec->name);
    struct kn_ass_script *script;
    kn_code rc = kn_ass_header(list, &script, (const char *)decoder->subtitle_header,
                               (size_t)decoder->subtitle_header_size, err);
    if (rc == KN_OK)
        rc = packets_read(list, in, decoder, script, err);
    // What FFmpeg made of it is not the source's own script: the model speaks, not the header.
    list->codec = KN_CAPTION_SMALL;
    list->header = NULL;
    list->width_px = list->height_px = 0; // nor is the frame it counts in
    (void)kn_copy(list->track.codec_name, sizeof(list->track.codec_name), codec->name);
    return rc;
}

kn_code kn_small_read(struct kn_cue_list *list, const char *text, size_t n, const char *name,
                      struct kn_error *err)
{
    if (n > KN_MAX_CAPTION_TREE_BYTES)
        return kn_fail(err, KN_ELIMIT, "more than %d MiB of captions of a small format", KN_MAX_CAPTION_TREE_BYTES >> 20);
    struct memory memory = {.bytes = (const uint8_t *)text, .n = (int64_t)n};
    const AVInputFormat *format = format_find(text, n, name);
    if (!format)
        return kn_fail(err, KN_EMEDIA, "no caption format that is known");
    uint8_t *buffer = av_malloc(IO_BYTES);
    kn_auto(io_free) AVIOContext *io =
        buffer ? avio_alloc_context(buffer, IO_BYTES, 0, &memory, memory_read, NULL, memory_seek) : NULL;
    if (!io)
        av_free(buffer);
    kn_auto(avformat_close_input) AVFormatContext *in = io ? avformat_alloc_context() : NULL;
    if (!in)
        return kn_fail(err, KN_ENOMEM, "no memory for captions");
    in->pb = io;
    int av = avformat_open_input(&in, "", format, NULL);
    if (av < 0)
        return kn_av_fail(err, av, "cannot read captions of kind '%s'", format->name);
    return stream_read(list, in, err);
}
