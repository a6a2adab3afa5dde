/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/group.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/limits.h"
#include "engine/media/codec_string.h"
#include "features/convert/manifest.h"

/* ---- facts of one output ---- */
static kn_code output_codecs(const struct kn_output_run *o, const char **out, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf codecs = {0};
    for (int i = 0; i < kn_mux_n_tracks(o->mux); i++) {
        kn_auto(kn_buf_clear) struct kn_buf one = {0};
        if (kn_codec_string(&one, kn_mux_parameters(o->mux, i)))
            kn_buf_printf(&codecs, "%s%s", codecs.len ? "," : "", kn_buf_text(&one));
    }
    *out = codecs.len ? kn_arena_strdup(&o->run->arena, codecs.data) : NULL;
    return codecs.len && !*out ? kn_fail(err, KN_ENOMEM, "no memory for a manifest") : KN_OK;
}

static void output_rates(const struct kn_output_run *o, struct kn_rendition_facts *facts)
{
    int n = 0;
    int64_t bytes = 0, length_us = 0;
    const struct kn_segment *list = kn_segments_list(o->segments, &n);
    for (int i = 0; i < n; i++) {
        if (list[i].duration_us <= 0)
            continue;
        const int64_t bps = av_rescale(list[i].size_bytes * 8, KN_SECOND, list[i].duration_us);
        facts->peak_bps = FFMAX(facts->peak_bps, bps);
        bytes += list[i].size_bytes;
        length_us += list[i].duration_us;
    }
    if (length_us > 0)
        facts->average_bps = av_rescale(bytes * 8, KN_SECOND, length_us);
}

static kn_code output_facts(struct kn_output_run *o, struct kn_rendition_facts *facts,
                            struct kn_error *err)
{
    *facts = (struct kn_rendition_facts){0};
    if (kn_output_has_failed(o) || !o->segments)
        return KN_OK;
    facts->uri = o->spec->uri;
    output_rates(o, facts);
    for (int i = 0; i < kn_mux_n_tracks(o->mux); i++) {
        const AVCodecParameters *par = kn_mux_parameters(o->mux, i);
        if (par->codec_type == AVMEDIA_TYPE_AUDIO)
            facts->channels = FFMAX(facts->channels, par->ch_layout.nb_channels);
    }
    if (o->has_video) {
        facts->width_px = o->video.width_px;
        facts->height_px = o->video.height_px;
        facts->fps_num = o->video.frame_rate.num;
        facts->fps_den = o->video.frame_rate.den;
    }
    return output_codecs(o, &facts->codecs, err);
}

/* ---- HLS ---- */
static kn_code read_existing(struct kn_run *run, int input, struct kn_master *master, struct kn_error *err)
{
    const char *uri = run->spec->inputs[input].uri;
    struct kn_source *source = NULL;
    kn_code rc = kn_run_open_source(run, uri, &source, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    size_t got = 1;
    while (rc == KN_OK && got && text.len < KN_MAX_XML_BYTES) {
        char part[4096];
        rc = kn_source_read_at(source, (int64_t)text.len, part, sizeof(part), &got, err);
        if (rc == KN_OK)
            kn_buf_add(&text, part, got);
    }
    kn_source_free(&source);
    return rc == KN_OK ? kn_master_read(master, kn_buf_text(&text), text.len, uri, err) : rc;
}

static kn_code write_text(struct kn_run *run, const char *uri, const struct kn_buf *text,
                          struct kn_error *err)
{
    if (!kn_buf_ok(text))
        return kn_fail(err, KN_ENOMEM, "no memory for a manifest");
    struct kn_sink *sink = NULL;
    kn_code rc = kn_run_open_sink(run, uri, &sink, err);
    if (rc == KN_OK)
        rc = kn_fs_write_all(sink->fd, text->data, text->len, err);
    if (rc == KN_OK)
        rc = kn_sink_commit(sink, err);
    kn_sink_free(&sink);
    return rc;
}

kn_code kn_group_write(struct kn_run *run, int group, struct kn_error *err)
{
    const struct kn_convert_group *g = &run->spec->groups[group];
    if (g->type != KN_GROUP_HLS || !g->manifest_uri)
        return KN_OK;
    struct kn_rendition_facts *facts =
        kn_arena_array(&run->arena, (size_t)g->n_outputs, sizeof(*facts));
    if (!facts)
        return kn_fail(err, KN_ENOMEM, "no memory for a manifest");
    kn_code rc = KN_OK;
    int n = 0;
    for (int i = 0; rc == KN_OK && i < run->n_outputs; i++)
        if (run->outputs[i].group == group)
            rc = output_facts(&run->outputs[i], &facts[n++], err);
    kn_auto(kn_master_clear) struct kn_master existing = {0};
    if (rc == KN_OK && g->extend_input >= 0)
        rc = read_existing(run, g->extend_input, &existing, err);
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    if (rc == KN_OK)
        rc = kn_master_write(&text, g, facts, g->extend_input >= 0 ? &existing : NULL, err);
    return rc == KN_OK ? write_text(run, g->manifest_uri, &text, err) : rc;
}
