/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/strings.h"
#include "engine/media/packet_log.h"
#include "features/convert/run.h"

// Pixels to encode from which on a log is worth its writing: over a second of work on a small machine
// (x264 at its medium preset encodes about 40 million pixels a second on two cores).
#define MIN_WORK_PX 5e7

/* ---- which, and under which key ---- */
static bool is_kept(const struct kn_video_rendition *r)
{
    const struct kn_video_plan *p = r->plan;
    const int64_t duration_us = r->target.output->duration_us;
    const double work_px = (double)duration_us / KN_SECOND * av_q2d(p->frame_rate) * p->width_px * p->height_px;
    return r->run->context->keep_folder && r->pass == 0 && p == &r->target.output->video &&
           (kn_equal(p->encoder, "libx264") || kn_equal(p->encoder, "libx265")) &&
           r->target.output->spec->video.rate != KN_RATE_CBR &&
           (duration_us == KN_NO_TIME || work_px >= MIN_WORK_PX);
}

// Everything the packets follow from.
static void key_make(char out[65], const struct kn_output_run *o)
{
    const struct kn_video_plan *p = &o->video;
    const struct kn_run *run = o->run;
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    kn_buf_printf(&b, "%u|%s|%s|%dx%d|%d:%d|%d|%d/%d|%d|%s|%s|%lld|%lld|%lld|%d|%s", avcodec_version(),
                  p->encoder, p->options, p->width_px, p->height_px, p->sample_aspect.num,
                  p->sample_aspect.den, (int)p->pixel_format, p->frame_rate.num, p->frame_rate.den,
                  p->is_constant_rate, p->before_scale, p->scale_and_after, (long long)p->bitrate_bps,
                  (long long)p->maxrate_bps, (long long)p->bufsize_bits, p->gop_frames, o->spec->uri);
    for (int i = 0; i < o->spec->features.n_watermarks; i++) {
        const struct kn_convert_watermark *w = &o->spec->features.watermarks[i];
        kn_buf_printf(&b, "|%s", w->is_text ? w->content : w->uri);
    }
    for (int i = 0; i < o->timeline.n_spans; i++)
        kn_buf_printf(&b, "|%lld-%lld", (long long)o->timeline.spans[i].from_us,
                      (long long)o->timeline.spans[i].to_us);
    kn_buf_printf(&b, "|%lld", (long long)o->spec->segment.duration_us);
    for (int i = 0; i < run->spec->n_inputs; i++)
        if (run->inputs[i].input)
            kn_buf_printf(&b, "|%s %lld %s", run->spec->inputs[i].uri,
                          (long long)run->inputs[i].input->size_bytes, run->inputs[i].input->identity);
    kn_sha256_hex(out, kn_buf_text(&b), b.len);
}

void kn_checkpoint_open(struct kn_video_rendition *r)
{
    if (!is_kept(r))
        return;
    const struct kn_video_plan *p = r->plan;
    char key[65];
    key_make(key, r->target.output);
    kn_auto(kn_buf_clear) struct kn_buf path = {0};
    kn_buf_printf(&path, "%s/video-%d.log", r->run->context->keep_folder,
                  (int)(r->target.output - r->run->outputs));
    struct kn_error err = {0};
    const double rate = av_q2d(p->frame_rate);
    if (kn_packet_log_open(&r->log,
                           &(struct kn_packet_log_setup){
                               .path = kn_buf_text(&path),
                               .key = key,
                               .buffer_bits = p->maxrate_bps ? (double)p->bufsize_bits : 0,
                               .bits_per_packet = rate > 0 ? (double)p->maxrate_bps / rate : 0,
                           },
                           &err) != KN_OK)
        KN_WARN(&r->run->context->log, "no checkpoints: %s", err.message);
}

/* ---- what the encoder was opened with ---- */
static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"Width", offsetof(AVFrame, width)},
    {"Height", offsetof(AVFrame, height)},
    {"Format", offsetof(AVFrame, format)},
    {"SarNum", offsetof(AVFrame, sample_aspect_ratio.num)},
    {"SarDen", offsetof(AVFrame, sample_aspect_ratio.den)},
    {"ColorRange", offsetof(AVFrame, color_range)},
    {"ColorPrimaries", offsetof(AVFrame, color_primaries)},
    {"ColorTrc", offsetof(AVFrame, color_trc)},
    {"ColorSpace", offsetof(AVFrame, colorspace)},
    {"ChromaLocation", offsetof(AVFrame, chroma_location)},
    {"Interlaced", offsetof(AVFrame, interlaced_frame)},
    {"TopFieldFirst", offsetof(AVFrame, top_field_first)},
};

static void extradata_hex(struct kn_buf *b, const AVCodecContext *codec)
{
    for (int i = 0; i < codec->extradata_size; i++)
        kn_buf_printf(b, "%02x", codec->extradata[i]);
}

bool kn_checkpoint_recall(struct kn_video_rendition *r, AVFrame *like)
{
    const json_t *facts = r->log ? kn_packet_log_facts(r->log) : NULL;
    int64_t value = 0;
    for (size_t i = 0; facts && i < KN_COUNT(numbers); i++) {
        if (kn_json_int(facts, numbers[i].name, "", INT32_MIN, INT32_MAX, &value, NULL) != KN_OK)
            return false;
        const int number = (int)value;
        memcpy((char *)like + numbers[i].offset, &number, sizeof(number)); // enums are ints in libav
    }
    return facts && kn_json_int(facts, "PhaseUs", "", 0, INT64_MAX, &r->phase_us, NULL) == KN_OK;
}

bool kn_checkpoint_agrees(const struct kn_video_rendition *r)
{
    kn_auto(kn_buf_clear) struct kn_buf hex = {0};
    extradata_hex(&hex, r->encoder->codec);
    return kn_equal(kn_buf_text(&hex), kn_json_get(kn_packet_log_facts(r->log), "Extradata", "-"));
}

static void give_up(struct kn_video_rendition *r, const struct kn_error *err)
{
    KN_WARN(&r->run->context->log, "no more checkpoints: %s", err->message);
    kn_packet_log_free(&r->log);
}

void kn_checkpoint_begin(struct kn_video_rendition *r, const AVFrame *like)
{
    if (!r->log)
        return;
    struct kn_error err = {0};
    kn_auto(kn_buf_clear) struct kn_buf hex = {0};
    extradata_hex(&hex, r->encoder->codec);
    json_auto_t *facts = json_object();
    for (size_t i = 0; i < KN_COUNT(numbers); i++) {
        int number;
        memcpy(&number, (const char *)like + numbers[i].offset, sizeof(number));
        json_object_set_new(facts, numbers[i].name, json_integer(number));
    }
    json_object_set_new(facts, "PhaseUs", json_integer(r->phase_us));
    json_object_set_new(facts, "Extradata", json_string(kn_buf_text(&hex)));
    if (kn_packet_log_begin(r->log, facts, &err) != KN_OK)
        give_up(r, &err);
}

void kn_checkpoint_add(struct kn_video_rendition *r, const AVPacket *packet)
{
    struct kn_error err = {0};
    if (r->log && kn_packet_log_add(r->log, packet, &err) != KN_OK)
        give_up(r, &err);
}

/* ---- first passes ---- */
static void pass_path(struct kn_buf *path, const struct kn_output_run *o)
{
    kn_buf_printf(path, "%s/pass-%d.done", o->run->context->keep_folder, (int)(o - o->run->outputs));
}

bool kn_checkpoint_has_pass(const struct kn_output_run *o)
{
    if (!o->run->context->keep_folder)
        return false;
    char key[65];
    key_make(key, o);
    kn_auto(kn_buf_clear) struct kn_buf path = {0};
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    pass_path(&path, o);
    return kn_fs_read(&text, kn_buf_text(&path), sizeof(key), NULL) == KN_OK &&
           kn_equal(kn_buf_text(&text), key);
}

void kn_checkpoint_mark_pass(const struct kn_output_run *o)
{
    if (!o->run->context->keep_folder)
        return;
    char key[65];
    key_make(key, o);
    kn_auto(kn_buf_clear) struct kn_buf path = {0};
    pass_path(&path, o);
    (void)kn_fs_write(kn_buf_text(&path), key, strlen(key), 0600, NULL); // else it is done again
}
