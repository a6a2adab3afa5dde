/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a segmented output wrote becomes a list of renditions: its one set of segments, or one per
 * track where tracks are split, and its caption files. Playlists, master playlists and MPDs are all
 * written from such lists.
 */
#include "features/convert/group.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/strings.h"
#include "engine/media/codec_string.h"
#include "features/convert/formats.h"
#include "features/convert/language.h"
#include "features/convert/manifest.h"

const char *kn_output_base(struct kn_output_run *o)
{
    const char *uri = o->spec->uri;
    const char *dot = strrchr(kn_fs_name(uri), '.');
    return kn_arena_strndup(&o->run->arena, uri, dot ? (size_t)(dot - uri) : strlen(uri));
}

static bool is_in_hls_group(const struct kn_output_run *o)
{
    return o->group >= 0 && o->run->spec->groups[o->group].type == KN_GROUP_HLS;
}

/* ---- facts of one rendition ---- */
static kn_code track_codecs(const struct kn_output_run *o, int from, int to, const char **out,
                            struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf codecs = {0};
    for (int i = from; i < to; i++) {
        kn_auto(kn_buf_clear) struct kn_buf one = {0};
        if (kn_codec_string(&one, kn_mux_parameters(o->mux, i)) &&
            !strstr(kn_buf_text(&codecs), kn_buf_text(&one)))
            kn_buf_printf(&codecs, "%s%s", codecs.len ? "," : "", kn_buf_text(&one));
    }
    *out = codecs.len ? kn_arena_strdup(&o->run->arena, codecs.data) : NULL;
    return codecs.len && !*out ? kn_fail(err, KN_ENOMEM, "no memory for a manifest") : KN_OK;
}

static void segment_rates(struct kn_rendition_facts *facts, const struct kn_segment *list, int n)
{
    int64_t bytes = 0, length_us = 0;
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

// Where a caption file goes ("vtt"), or the playlist over it ("m3u8"). In the arena; NULL without memory.
static const char *caption_uri(struct kn_output_run *o, int nth, const char *extension)
{
    const struct kn_convert_caption_names *names = &o->spec->caption_names;
    struct kn_arena *arena = &o->run->arena;
    char number[12];
    if (!names->many) {
        const char *base = kn_output_base(o);
        return base ? kn_arena_printf(arena, "%s-s%d.%s", base, nth, extension) : NULL;
    }
    const char *name = o->n_caption_files > 1 ? names->many : names->one;
    (void)snprintf(number, sizeof(number), "%d", o->caption_files[nth].index);
    kn_auto(kn_free) char *numbered = kn_replace_all(name, "{streamindex}", number);
    kn_auto(kn_free) char *named = numbered ? kn_replace_all(numbered, "{autoext}", extension) : NULL;
    if (!named)
        return NULL;
    // A name that has its extension is the text's; the playlist's is made of it.
    if (strstr(name, "{autoext}") || !kn_equal(extension, "m3u8"))
        return kn_arena_strdup(arena, named);
    const size_t n = strlen(named) - (kn_ends_with(named, ".vtt") ? strlen(".vtt") : 0);
    return kn_arena_printf(arena, "%.*s.m3u8", (int)n, named);
}

// The playlist of rendition `i`. One alone, and the first in an Hls group, has the output's own name;
// else that is the name of the manifest over them.
static const char *playlist_uri(struct kn_output_run *o, int i, int n, int n_sets)
{
    const char *base = kn_output_base(o);
    if (n == 1 || (i == 0 && is_in_hls_group(o)))
        return o->spec->uri;
    if (i >= n_sets)
        return caption_uri(o, i - n_sets, "m3u8");
    return base ? kn_arena_printf(&o->run->arena, "%s-t%d.m3u8", base, i) : NULL;
}

// Tracks `from` to `to` of the mux, which share their segments.
static kn_code tracks_describe(struct kn_output_run *o, struct kn_output_rendition *r, int from,
                               int to, struct kn_error *err)
{
    int n = 0;
    bool has_sound = false;
    const struct kn_segments *segments = kn_mux_segments(o->mux, from);
    const struct kn_segment *list = kn_segments_list(segments, &n);
    struct kn_manifest_segment *names = kn_arena_array(&o->run->arena, (size_t)n, sizeof(*names));
    if (!names)
        return kn_fail(err, KN_ENOMEM, "no memory for a manifest");
    for (int i = 0; i < n; i++)
        names[i] = (struct kn_manifest_segment){list[i].uri, list[i].duration_us};
    r->dash.segments = names;
    r->dash.n_segments = n;
    r->dash.init_uri = kn_segments_init_uri(segments);
    segment_rates(&r->facts, list, n);
    bool has_pictures = false;
    for (int i = from; i < to; i++) {
        const AVCodecParameters *par = kn_mux_parameters(o->mux, i);
        if (par->codec_type == AVMEDIA_TYPE_VIDEO)
            has_pictures = true;
        if (par->codec_type != AVMEDIA_TYPE_AUDIO)
            continue;
        has_sound = true;
        r->facts.channels = r->dash.channels = FFMAX(r->dash.channels, par->ch_layout.nb_channels);
        r->dash.samplerate_hz = par->sample_rate;
        r->dash.language = kn_mux_language(o->mux, i);
    }
    if (has_pictures) {
        r->facts.width_px = r->dash.width_px = o->video.width_px;
        r->facts.height_px = r->dash.height_px = o->video.height_px;
        r->facts.fps_num = r->dash.fps_num = o->video.frame_rate.num;
        r->facts.fps_den = r->dash.fps_den = o->video.frame_rate.den;
    }
    r->kind = !has_pictures ? KN_RENDITION_AUDIO : has_sound ? KN_RENDITION_HYBRID : KN_RENDITION_VIDEO;
    return track_codecs(o, from, to, &r->facts.codecs, err);
}

int64_t kn_output_length_us(const struct kn_output_run *o)
{
    int64_t length_us = 0;
    for (int i = 0; o->mux && i < kn_mux_n_tracks(o->mux); i++) {
        struct kn_ledger ledger;
        kn_mux_ledger(o->mux, i, &ledger);
        length_us = ledger.end_us == KN_NO_TIME ? length_us : FFMAX(length_us, ledger.end_us);
    }
    for (int i = 0; i < o->n_caption_files; i++)
        length_us = FFMAX(length_us, o->caption_files[i].end_us);
    return length_us;
}

// Reads the file again, before it is handed over.
static kn_code text_compare(const struct kn_sink *sink, const struct kn_buf *text, struct kn_error *err)
{
    char part[4096];
    size_t at = 0;
    for (;;) {
        const ssize_t got = pread(sink->fd, part, sizeof(part), (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kn_fail_errno(err, errno, "cannot read '%s' again", sink->uri);
        if (got == 0 && at == text->len)
            return KN_OK;
        if (got == 0 || (size_t)got > text->len - at || memcmp(part, text->data + at, (size_t)got) != 0)
            return kn_fail(err, KN_EBUG, "'%s' is not what was written", sink->uri);
        at += (size_t)got;
    }
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
        rc = text_compare(sink, text, err);
    if (rc == KN_OK)
        rc = kn_sink_commit(sink, err);
    kn_sink_free(&sink);
    return rc;
}

static kn_code caption_describe(struct kn_output_run *o, struct kn_output_rendition *r, int nth,
                                struct kn_error *err)
{
    const struct kn_caption_file *file = &o->caption_files[nth];
    struct kn_manifest_segment *segment = KN_ARENA_NEW(&o->run->arena, struct kn_manifest_segment);
    const char *uri = caption_uri(o, nth, "vtt");
    if (!segment || !uri)
        return kn_fail(err, KN_ENOMEM, "no memory for captions");
    *segment = (struct kn_manifest_segment){uri, kn_output_length_us(o)};
    r->kind = KN_RENDITION_SUBTITLE;
    r->is_forced = file->is_forced;
    r->dash.segments = segment;
    r->dash.n_segments = 1;
    r->dash.language = file->language;
    if (segment->duration_us > 0)
        r->facts.peak_bps = r->facts.average_bps =
            av_rescale((int64_t)file->text.len * 8, KN_SECOND, segment->duration_us);
    o->text_bytes += (int64_t)file->text.len;
    return write_text(o->run, uri, &file->text, err);
}

// "eng", and "eng 2" for another of its kind.
static kn_code rendition_name(struct kn_output_run *o, int at, struct kn_error *err)
{
    struct kn_output_rendition *r = &o->renditions[at];
    const char *language = r->dash.language ? r->dash.language : "und";
    int same = 1;
    for (int i = 0; i < at; i++)
        same += o->renditions[i].kind == r->kind &&
                kn_equal(o->renditions[i].dash.language ? o->renditions[i].dash.language : "und",
                         language);
    r->name = same == 1 ? language : kn_arena_printf(&o->run->arena, "%s %d", language, same);
    return r->name && r->facts.uri ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a manifest");
}

static kn_code output_describe(struct kn_output_run *o, struct kn_error *err)
{
    const bool splits = kn_container_format(o->spec->container)->splits_tracks;
    const int n_tracks = o->mux ? kn_mux_n_tracks(o->mux) : 0;
    const int n_sets = splits ? n_tracks : n_tracks > 0;
    const int n = n_sets + o->n_caption_files;
    o->renditions = kn_arena_array(&o->run->arena, (size_t)n, sizeof(*o->renditions));
    if (!o->renditions)
        return kn_fail(err, KN_ENOMEM, "no memory for a manifest");
    kn_code rc = KN_OK;
    for (int i = 0; rc == KN_OK && i < n; i++) {
        struct kn_output_rendition *r = &o->renditions[i];
        const bool is_caption = i >= n_sets;
        r->facts.uri = playlist_uri(o, i, n, n_sets);
        rc = is_caption ? caption_describe(o, r, i - n_sets, err)
                        : tracks_describe(o, r, i, splits ? i + 1 : n_tracks, err);
        r->dash.kind = r->kind;
        r->dash.codecs = r->facts.codecs;
        r->dash.bandwidth_bps = r->facts.peak_bps;
        if (rc == KN_OK)
            rc = rendition_name(o, i, err);
    }
    o->n_renditions = rc == KN_OK ? n : 0;
    return rc;
}

/* ---- HLS ---- */
static const char *short_language(struct kn_run *run, const char *language)
{
    char text[4];
    if (!language || kn_equal(language, "und"))
        return NULL;
    kn_language_short(text, language);
    return kn_arena_strdup(&run->arena, text);
}

// Which line of a master playlist a rendition becomes. The first is what its HlsGroupConfig says;
// what else the output holds is offered beside it.
static struct kn_convert_hls line_of(struct kn_output_run *o, int i)
{
    const struct kn_output_rendition *r = &o->renditions[i];
    struct kn_convert_hls own = o->spec->hls;
    if (!is_in_hls_group(o))
        own = (struct kn_convert_hls){.audio_group = "audio", .subtitle_group = "subtitle"};
    if (i == 0) {
        // A hybrid of split tracks has its sound in renditions of their own.
        if (own.type == KN_RENDITION_HYBRID && r->kind == KN_RENDITION_VIDEO)
            own.type = KN_RENDITION_VIDEO;
        return own;
    }
    const bool is_audio = r->kind == KN_RENDITION_AUDIO;
    return (struct kn_convert_hls){
        .type = r->kind,
        .group = is_audio ? own.audio_group : own.subtitle_group,
        .name = r->name,
        .language = short_language(o->run, r->dash.language),
        .is_default = is_audio && o->renditions[i - 1].kind != KN_RENDITION_AUDIO,
        .is_auto_select = true,
        .is_forced = r->is_forced,
    };
}

static bool is_listed(const struct kn_convert_group *group, const struct kn_convert_hls *line)
{
    for (int i = 0; i < group->n_outputs; i++) {
        const struct kn_convert_hls *other = &group->outputs[i].hls;
        if (other->type == line->type && kn_equal(other->group, line->group) &&
            kn_equal(other->name, line->name))
            return true;
    }
    return false;
}

// The playlist that ManifestExtend names.
static kn_code master_fetch(struct kn_run *run, int input, struct kn_master *master,
                            struct kn_error *err)
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

/*
 * A master playlist over the outputs of `group` (-1: over `only`). Sound and captions that several
 * outputs of a ladder carry alike are listed once: their names and groups are the same.
 */
static kn_code master_write(struct kn_run *run, const char *uri, int group,
                            struct kn_output_run *only, struct kn_error *err)
{
    struct kn_convert_group lines = {.extend_input = -1};
    if (group >= 0)
        lines = run->spec->groups[group];
    int n = 0;
    for (int i = 0; i < run->n_outputs; i++)
        n += run->outputs[i].n_renditions;
    lines.manifest_uri = uri;
    lines.n_outputs = 0;
    lines.outputs = kn_arena_array(&run->arena, (size_t)n, sizeof(*lines.outputs));
    struct kn_rendition_facts *facts = kn_arena_array(&run->arena, (size_t)n, sizeof(*facts));
    if (n > 0 && (!lines.outputs || !facts))
        return kn_fail(err, KN_ENOMEM, "no memory for a manifest");
    for (int i = 0; i < run->n_outputs; i++) {
        struct kn_output_run *o = &run->outputs[i];
        for (int k = 0; (group < 0 ? o == only : o->group == group) && k < o->n_renditions; k++) {
            const struct kn_convert_hls line = line_of(o, k);
            if (kn_output_has_failed(o) || (k > 0 && is_listed(&lines, &line)))
                continue;
            facts[lines.n_outputs] = o->renditions[k].facts;
            lines.outputs[lines.n_outputs++].hls = line;
        }
    }
    kn_auto(kn_master_clear) struct kn_master existing = {0};
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_code rc = KN_OK;
    if (lines.extend_input >= 0)
        rc = master_fetch(run, lines.extend_input, &existing, err);
    if (rc == KN_OK)
        rc = kn_master_write(&text, &lines, facts, lines.extend_input >= 0 ? &existing : NULL, err);
    if (only)
        only->text_bytes += (int64_t)text.len;
    return rc == KN_OK ? write_text(run, uri, &text, err) : rc;
}

static kn_code playlists_write(struct kn_output_run *o, struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (int i = 0; rc == KN_OK && i < o->n_renditions; i++) {
        const struct kn_output_rendition *r = &o->renditions[i];
        kn_auto(kn_buf_clear) struct kn_buf text = {0};
        rc = kn_media_playlist_write(&text, r->facts.uri, r->dash.init_uri, o->spec->segment.first_number,
                                     r->dash.segments, r->dash.n_segments, err);
        if (rc == KN_OK)
            rc = kn_media_playlist_check(kn_buf_text(&text), r->facts.uri, r->dash.init_uri,
                                         r->dash.segments, r->dash.n_segments, err);
        if (rc == KN_OK)
            rc = write_text(o->run, r->facts.uri, &text, err);
        o->text_bytes += (int64_t)text.len;
    }
    if (rc == KN_OK && o->n_renditions > 1 && !is_in_hls_group(o))
        rc = master_write(o->run, o->spec->uri, -1, o, err);
    return rc;
}

/* ---- DASH ---- */
// Over the outputs of a group, or over one of them.
static kn_code mpd_write(struct kn_run *run, const char *uri, int group,
                         struct kn_output_run *only, struct kn_error *err)
{
    int n = 0;
    int64_t length_us = 0;
    for (int i = 0; i < run->n_outputs; i++)
        n += run->outputs[i].n_renditions;
    struct kn_dash_track *tracks = kn_arena_array(&run->arena, (size_t)n, sizeof(*tracks));
    if (n > 0 && !tracks)
        return kn_fail(err, KN_ENOMEM, "no memory for a manifest");
    n = 0;
    for (int i = 0; i < run->n_outputs; i++) {
        struct kn_output_run *o = &run->outputs[i];
        if ((only ? o != only : o->group != group) || kn_output_has_failed(o))
            continue;
        length_us = FFMAX(length_us, kn_output_length_us(o));
        for (int k = 0; k < o->n_renditions; k++)
            tracks[n++] = o->renditions[k].dash;
    }
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_code rc = kn_mpd_write(&text, uri, length_us, tracks, n, err);
    if (rc == KN_OK)
        rc = kn_mpd_check(kn_buf_text(&text), uri, tracks, n, err);
    if (only)
        only->text_bytes += (int64_t)text.len;
    return rc == KN_OK ? write_text(run, uri, &text, err) : rc;
}

/* ---- public ---- */
kn_code kn_output_write_manifests(struct kn_output_run *o, struct kn_error *err)
{
    const struct kn_container_format *format = kn_container_format(o->spec->container);
    const bool is_in_group = o->group >= 0 && o->run->spec->groups[o->group].manifest_uri;
    kn_code rc = output_describe(o, err);
    if (rc == KN_OK && format->has_playlist)
        rc = playlists_write(o, err);
    if (rc != KN_OK || !format->has_mpd || (format->has_playlist && is_in_group))
        return rc;
    const char *base = kn_output_base(o);
    const char *uri = !format->has_playlist ? o->spec->uri
                      : base ? kn_arena_printf(&o->run->arena, "%s.mpd", base) : NULL;
    return uri ? mpd_write(o->run, uri, -1, o, err)
               : kn_fail(err, KN_ENOMEM, "no memory for a manifest");
}

kn_code kn_group_write(struct kn_run *run, int group, struct kn_error *err)
{
    const struct kn_convert_group *g = &run->spec->groups[group];
    if (!g->manifest_uri)
        return KN_OK;
    return g->type == KN_GROUP_DASH ? mpd_write(run, g->manifest_uri, group, NULL, err)
                                    : master_write(run, g->manifest_uri, group, NULL, err);
}
