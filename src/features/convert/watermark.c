/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/watermark.h"

#include <math.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mem.h>
#include <libavutil/parseutils.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "features/convert/run.h"

// inferred: an Adaptive font has its stated size on a picture whose shorter edge is 1080.
#define ADAPTIVE_EDGE_PX 1080.0

static int length_px(const struct kn_length *length, int whole_px)
{
    return (int)lround(length->is_share ? length->value * whole_px : length->value);
}

/* ---- images ---- */
static kn_code keep_frame(void *impl, AVFrame *frame, struct kn_error *err)
{
    AVFrame **out = impl;
    if (*out)
        return KN_OK;
    *out = av_frame_alloc();
    if (!*out)
        return kn_fail(err, KN_ENOMEM, "no memory for a watermark");
    av_frame_move_ref(*out, frame);
    return KN_OK;
}

static kn_code image_load(struct kn_run *run, const char *uri, AVFrame **out, struct kn_error *err)
{
    kn_auto(kn_input_free) struct kn_input *input = NULL;
    const struct kn_input_env env = {.open = kn_run_open_source, .impl = run, .stop = &run->stop};
    kn_code rc = kn_input_open(&input, uri, &env, err);
    if (rc != KN_OK)
        return rc;
    const AVStream *st = kn_input_stream(input, AVMEDIA_TYPE_VIDEO, 0);
    if (!st)
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "the watermark '%s' is no picture", uri);
    kn_auto(kn_decoder_free) struct kn_decoder *decoder = NULL;
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    rc = packet ? kn_decoder_open(&decoder, input, st, 1, err)
                : kn_fail(err, KN_ENOMEM, "no memory for a watermark");
    while (rc == KN_OK && !*out && av_read_frame(input->format, packet) >= 0) {
        if (packet->stream_index == st->index)
            rc = kn_decoder_feed(decoder, packet, keep_frame, out, err);
        av_packet_unref(packet);
    }
    if (rc == KN_OK && !*out)
        rc = kn_decoder_feed(decoder, NULL, keep_frame, out, err);
    if (rc == KN_OK && !*out)
        rc = kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "the watermark '%s' holds no picture", uri);
    return rc;
}

static void image_chain(struct kn_buf *b, const struct kn_convert_watermark *w, int still, int from,
                        int to, int width_px, int height_px)
{
    const int w_px = w->width.is_set ? length_px(&w->width, width_px) : -1;
    const int h_px = w->height.is_set ? length_px(&w->height, height_px) : -1;
    const bool is_right = w->corner == KN_CORNER_TOP_RIGHT || w->corner == KN_CORNER_BOTTOM_RIGHT;
    const bool is_bottom = w->corner == KN_CORNER_BOTTOM_RIGHT || w->corner == KN_CORNER_BOTTOM_LEFT;
    kn_buf_printf(b, ";[still%d]format=rgba", still);
    if (w->width.is_set || w->height.is_set)
        kn_buf_printf(b, ",scale=%d:%d", w_px, h_px);
    kn_buf_printf(b, "[mark%d];[m%d][mark%d]overlay=format=auto:x=%s%d:y=%s%d", still, from, still,
                  is_right ? "W-w-" : "", length_px(&w->dx, width_px), is_bottom ? "H-h-" : "",
                  length_px(&w->dy, height_px));
    if (w->duration_us != KN_NO_TIME)
        kn_buf_printf(b, ":enable='gte(t,%.6f)*lt(t,%.6f)'", (double)w->start_us / KN_SECOND,
                      (double)(w->start_us + w->duration_us) / KN_SECOND);
    else if (w->start_us > 0)
        kn_buf_printf(b, ":enable='gte(t,%.6f)'", (double)w->start_us / KN_SECOND);
    kn_buf_printf(b, "[m%d]", to);
}

/* ---- text ---- */
static kn_code ass_color(struct kn_buf *b, const char *color, double alpha, struct kn_error *err)
{
    uint8_t rgba[4];
    if (av_parse_color(rgba, color, -1, NULL) < 0)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "'%s' is no colour", color);
    // ASS writes transparency, blue, green, red.
    kn_buf_printf(b, "&H%02X%02X%02X%02X", (unsigned)lround((1 - alpha) * 255), rgba[2], rgba[1], rgba[0]);
    return KN_OK;
}

static void ass_time(struct kn_buf *b, int64_t us)
{
    const int64_t cs = us / 10000;
    kn_buf_printf(b, "%d:%02d:%02d.%02d", (int)(cs / 360000), (int)(cs / 6000 % 60),
                  (int)(cs / 100 % 60), (int)(cs % 100));
}

static void ass_text(struct kn_buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            kn_buf_puts(b, "\\N");
        else if (*text == '{' || *text == '}')
            kn_buf_printf(b, "\\%c", *text);
        else if (*text == '\\')
            kn_buf_puts(b, "\\\xe2\x81\xa0"); // a word joiner keeps it from being an escape
        else if (*text != '\r')
            kn_buf_putc(b, *text);
    }
}

static kn_code text_script(struct kn_buf *b, const struct kn_convert_watermark *w, int width_px,
                           int height_px, struct kn_error *err)
{
    const double edge = width_px < height_px ? width_px : height_px;
    const double scale = w->is_adaptive ? edge / ADAPTIVE_EDGE_PX : 1;
    kn_buf_printf(b, "[Script Info]\nScriptType: v4.00+\nPlayResX: %d\nPlayResY: %d\n"
                  "ScaledBorderAndShadow: yes\nWrapStyle: 2\n\n[V4+ Styles]\nFormat: Name, Fontname, "
                  "Fontsize, PrimaryColour, OutlineColour, BorderStyle, Outline, Shadow, Alignment\n"
                  "Style: Mark,", width_px, height_px);
    for (const char *c = w->font_name; *c; c++) // a comma would end the field
        kn_buf_putc(b, *c == ',' || *c == '\n' ? ' ' : *c);
    kn_buf_printf(b, ",%.2f,", w->font_size_px * scale);
    kn_code rc = ass_color(b, w->font_color, w->font_alpha, err);
    kn_buf_putc(b, ',');
    if (rc == KN_OK)
        rc = ass_color(b, w->border_color, w->font_alpha, err);
    kn_buf_printf(b, ",1,%.2f,0,7\n\n[Events]\nFormat: Layer, Start, End, Style, Text\nDialogue: 0,",
                  w->border_width_px * scale);
    ass_time(b, w->start_us);
    kn_buf_putc(b, ',');
    ass_time(b, w->duration_us == KN_NO_TIME ? 9 * KN_HOUR + 3599 * KN_SECOND
                                             : w->start_us + w->duration_us);
    kn_buf_printf(b, ",Mark,{\\pos(%d,%d)}", length_px(&w->dx, width_px), length_px(&w->dy, height_px));
    ass_text(b, w->content);
    kn_buf_putc(b, '\n');
    return rc;
}

static kn_code text_chain(struct kn_buf *chain, struct kn_output_run *o, int index, int from, int to,
                          struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf script = {0};
    kn_auto(kn_buf_clear) struct kn_buf path = {0};
    if (!kn_graph_has("ass"))
        return kn_fail(err, KN_EUNSUP, "FFmpeg here cannot draw text: install a build with libass");
    kn_code rc = text_script(&script, &o->spec->features.watermarks[index], o->video.width_px,
                             o->video.height_px, err);
    kn_buf_printf(&path, "%s/mark-%d-%d.ass", o->run->context->scratch_folder,
                  (int)(o - o->run->outputs), index);
    if (rc == KN_OK)
        rc = kn_fs_write(kn_buf_text(&path), script.data, script.len, 0600, err);
    if (rc != KN_OK)
        return rc;
    // Two readers take this apart: the filter's options, and the graph around them.
    char *option = NULL, *quoted = NULL;
    if (av_escape(&option, kn_buf_text(&path), ":=", AV_ESCAPE_MODE_BACKSLASH, 0) < 0 ||
        av_escape(&quoted, option, NULL, AV_ESCAPE_MODE_QUOTE, 0) < 0)
        rc = kn_fail(err, KN_ENOMEM, "no memory for a watermark");
    else
        kn_buf_printf(chain, ";[m%d]ass=filename=%s[m%d]", from, quoted, to);
    av_free(option);
    av_free(quoted);
    return rc;
}

/* ---- all of an output ---- */
kn_code kn_watermarks_load(struct kn_watermarks *marks, struct kn_output_run *o, struct kn_error *err)
{
    *marks = (struct kn_watermarks){0};
    const struct kn_convert_features *f = &o->spec->features;
    kn_code rc = KN_OK;
    for (int i = 0; rc == KN_OK && i < f->n_watermarks; i++) {
        const struct kn_convert_watermark *w = &f->watermarks[i];
        if (w->is_text) {
            rc = text_chain(&marks->chain, o, i, i, i + 1, err);
            continue;
        }
        rc = image_load(o->run, w->uri, &marks->stills[marks->n_stills], err);
        if (rc == KN_OK)
            image_chain(&marks->chain, w, marks->n_stills++, i, i + 1, o->video.width_px, o->video.height_px);
    }
    if (rc == KN_OK && f->n_watermarks)
        kn_buf_printf(&marks->chain, ";[m%d]", f->n_watermarks);
    if (rc == KN_OK && !kn_buf_ok(&marks->chain))
        rc = kn_fail(err, KN_ENOMEM, "no memory for watermarks");
    if (rc != KN_OK)
        kn_watermarks_clear(marks);
    return rc;
}

void kn_watermarks_clear(struct kn_watermarks *marks)
{
    for (int i = 0; i < marks->n_stills; i++)
        av_frame_free(&marks->stills[i]);
    kn_buf_clear(&marks->chain);
    marks->n_stills = 0;
}
