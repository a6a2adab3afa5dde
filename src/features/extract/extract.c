/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/extract/extract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/time.h"
#include "engine/caption/cue_packet.h"
#include "engine/caption/edit.h"
#include "engine/caption/file.h"
#include "features/extract/extract_spec.h"
#include "features/extract/film.h"

#define READ_BYTES (256 * 1024)

/* ---- bytes ---- */
static kn_code source_read(struct kn_context *context, const char *uri, struct kn_buf *out, struct kn_error *err)
{
    kn_auto(kn_source_free) struct kn_source *source = NULL;
    kn_code rc = kn_context_open_input(context, uri, &source, err);
    if (rc == KN_OK && source->size_bytes > KN_MAX_CAPTION_BYTES)
        return kn_fail(err, KN_EMEDIA, "'%s' is no caption file: it has more than %d MiB", uri,
                       KN_MAX_CAPTION_BYTES >> 20);
    while (rc == KN_OK && out->len <= KN_MAX_CAPTION_BYTES) {
        size_t got = 0;
        if (!kn_buf_reserve(out, READ_BYTES))
            return kn_fail(err, KN_ENOMEM, "no memory for '%s'", uri);
        rc = kn_source_read_at(source, (int64_t)out->len, out->data + out->len, READ_BYTES, &got, err);
        if (rc == KN_OK && got == 0)
            return KN_OK;
        out->len += got;
        out->data[out->len] = '\0';
    }
    return rc == KN_OK ? kn_fail(err, KN_EMEDIA, "'%s' is no caption file: it does not end", uri) : rc;
}

// A film's streams have their number in the target already; a caption file is one stream.
static char *target_name(const char *target, enum kn_caption_format format)
{
    kn_auto(kn_free) char *numbered = kn_replace_all(target, "{streamindex}", "0");
    return numbered ? kn_replace_all(numbered, "{autoext}", kn_caption_format_extension(format)) : NULL;
}

static kn_code target_write(struct kn_context *context, const struct kn_extract_spec *spec,
                            const struct kn_cue_list *list, const char *name, struct kn_error *err)
{
    // Teletext's lines are sent as the screen shows them.
    const bool is_drawn = kn_caption_is_image(list->track.codec) || list->track.codec == KN_CAPTION_TELETEXT;
    const struct kn_caption_write_options options = {
        .line_end = !spec->line_end             ? KN_LINE_END_OF_FORMAT
            : kn_equal(spec->line_end, "crlf") ? KN_LINE_END_CRLF
                                               : KN_LINE_END_LF,
        .has_mark = spec->has_mark,
        // What was drawn right to left is to be drawn so again (spec 08, 9.5).
        .marks_rtl = spec->rtl_marks ? kn_equal(spec->rtl_marks, "on")
                                     : is_drawn && kn_equal(spec->format, "srt"),
    };
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_auto(kn_sink_free) struct kn_sink *sink = NULL;
    kn_code rc = kn_caption_write(&text, list, kn_caption_format_named(spec->format), &options, err);
    if (rc == KN_OK)
        rc = kn_context_open_output(context, name, &sink, err);
    if (rc == KN_OK)
        rc = kn_fs_write_all(sink->fd, kn_buf_text(&text), text.len, err);
    return rc == KN_OK ? kn_sink_commit(sink, err) : rc;
}

/* ---- what is told ---- */
static const char *kind_name(const struct kn_cue_list *list)
{
    switch (list->track.codec) {
    case KN_CAPTION_SRT_TEXT: return "srt";
    case KN_CAPTION_WEBVTT: return "webvtt";
    case KN_CAPTION_ASS: return list->codec == KN_CAPTION_SSA ? "ssa" : "ass";
    case KN_CAPTION_SSA: return "ssa";
    case KN_CAPTION_TTML: return "ttml";
    case KN_CAPTION_CEA608: return "scc";
    default: return list->track.codec_name;
    }
}

static void list_describe(json_t *file, const struct kn_cue_list *list)
{
    json_t *warnings = json_array();
    int64_t end_us = 0;
    size_t n = 0, n_forced = 0;
    for (size_t i = 0; i < list->n_warnings; i++)
        (void)json_array_append_new(
            warnings, json_pack("{s:i, s:s}", "Line", list->warnings[i].line, "Text", list->warnings[i].text));
    for (size_t i = 0; i < list->n_cues; i++) {
        n += !list->cues[i].is_comment;
        n_forced += list->cues[i].is_forced;
        if (!list->cues[i].is_comment && list->cues[i].end_us > end_us)
            end_us = list->cues[i].end_us;
    }
    (void)json_object_set_new(file, "Kind", json_string(kind_name(list)));
    (void)json_object_set_new(file, "Encoding", json_string(list->encoding ? list->encoding : ""));
    (void)json_object_set_new(file, "Language", json_string(list->track.language));
    (void)json_object_set_new(file, "Cues", json_integer((json_int_t)n));
    if (n_forced > 0)
        (void)json_object_set_new(file, "ForcedCues", json_integer((json_int_t)n_forced));
    if (n_forced > 0 && n_forced == n)
        (void)json_object_set_new(file, "Forced", json_true());
    (void)json_object_set_new(file, "StartUs", json_integer(list->n_cues ? list->cues[0].start_us : 0));
    (void)json_object_set_new(file, "EndUs", json_integer(end_us));
    (void)json_object_set_new(file, "Problems", json_integer((json_int_t)list->n_problems));
    (void)json_object_set_new(file, "Warnings", warnings);
}

/* ---- one source ---- */
static kn_code list_edit(const struct kn_extract_spec *spec, struct kn_cue_list *list, json_t *file,
                         struct kn_error *err)
{
    size_t n_changed = 0, n_dropped = 0, n_early = 0;
    kn_code rc = KN_OK;
    if (spec->scale < 1 || spec->scale > 1)
        kn_cue_list_scale(list, spec->scale);
    if (spec->shift_us)
        n_early = kn_cue_list_shift(list, spec->shift_us);
    if (spec->removes_hearing_impaired)
        rc = kn_cue_list_remove_hearing_impaired(list, &n_changed, &n_dropped, err);
    if (rc == KN_OK && spec->joins_simultaneous && kn_equal(spec->format, "srt"))
        rc = kn_cue_list_join_simultaneous(list, err);
    (void)json_object_set_new(file, "Changed", json_integer((json_int_t)n_changed));
    (void)json_object_set_new(file, "Dropped", json_integer((json_int_t)(n_dropped + n_early)));
    return rc;
}

kn_code kn_extract_list(struct kn_context *context, const struct kn_extract_spec *spec,
                        struct kn_cue_list *list, const char *target, json_t *row, struct kn_error *err)
{
    list_describe(row, list);
    if (spec->lists_only)
        return KN_OK;
    kn_auto(kn_free) char *name = target_name(target, kn_caption_format_named(spec->format));
    if (!name)
        return kn_fail(err, KN_ENOMEM, "no memory for a file's name");
    kn_code rc = list_edit(spec, list, row, err);
    if (rc == KN_OK)
        rc = target_write(context, spec, list, name, err);
    (void)json_object_set_new(row, "Uri", json_string(name));
    return rc;
}

// A row for a source that failed as a whole.
static kn_code row_fail(json_t *row, const struct kn_error *reason)
{
    (void)json_object_set_new(row, "Code", json_string(kn_code_name(reason->code)));
    (void)json_object_set_new(row, "Message", json_string(reason->message));
    return reason->code;
}

static bool is_asked_for(const struct kn_extract_spec *spec, int stream)
{
    for (size_t i = 0; i < spec->n_streams; i++)
        if (spec->streams[i] == stream)
            return true;
    return spec->n_streams == 0;
}

// A new row, borrowed from `files`.
static json_t *row_new(json_t *files, const struct kn_extract_source *source)
{
    json_t *row = json_pack("{s:s}", "Source", source->uri);
    return row && json_array_append_new(files, row) == 0 ? row : NULL;
}

// One stream of a caption file; `n_streams` is 1 but for those of several languages.
static kn_code stream_extract(struct kn_context *context, const struct kn_extract_spec *spec,
                              const struct kn_extract_source *source, const struct kn_buf *bytes, int stream,
                              const char *target, int n_streams, json_t *row, struct kn_error *err)
{
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    const struct kn_caption_file how = {.name = source->uri, .language = source->language, .stream = stream};
    if (source->language)
        (void)kn_copy(list.track.language, sizeof(list.track.language), source->language);
    list.longest_us = spec->longest_us;
    kn_code rc = kn_caption_read(&list, kn_buf_text(bytes), bytes->len, &how, err);
    if (rc != KN_OK)
        return kn_error_prefix(err, "'%s'", source->uri);
    if (n_streams > 1)
        (void)json_object_set_new(row, "StreamIndex", json_integer(stream));
    if (list.track.title)
        (void)json_object_set_new(row, "Title", json_string(list.track.title));
    char number[16];
    (void)snprintf(number, sizeof(number), "%d", stream);
    kn_auto(kn_free) char *numbered = target ? kn_replace_all(target, "{streamindex}", number) : NULL;
    if (target && !numbered)
        return kn_fail(err, KN_ENOMEM, "no memory for a file's name");
    return kn_extract_list(context, spec, &list, numbered, row, err);
}

// A caption file, which can have several languages as a film can.
static kn_code file_extract(struct kn_context *context, const struct kn_extract_spec *spec,
                            const struct kn_extract_source *source, json_t *files, size_t *out_n_good,
                            struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf bytes = {0};
    const struct kn_caption_file how = {.name = source->uri, .language = source->language};
    kn_code rc = source_read(context, source->uri, &bytes, err);
    if (rc != KN_OK)
        return rc;
    const int n = kn_caption_count(kn_buf_text(&bytes), bytes.len, &how);
    int n_asked = n == 1;
    for (int i = 0; i < n && n > 1; i++)
        n_asked += is_asked_for(spec, i);
    if (n_asked == 0)
        return kn_fail_as(err, KN_EINVAL, "NoCaptionStream", "'%s' has no caption stream of these numbers: it has %d, from 0",
                          source->uri, n);
    const char *target = n_asked > 1 && source->target_many ? source->target_many : source->target;
    if (!spec->lists_only && n_asked > 1 && !strstr(target, "{streamindex}"))
        return kn_fail(err, KN_EINVAL, "'%s' has %d caption streams: '%s' has no {streamindex} to tell them apart",
                       source->uri, n, target);
    for (int i = 0; i < n && (rc == KN_OK || rc == KN_EMEDIA); i++) {
        struct kn_error own = {0};
        if (n > 1 && !is_asked_for(spec, i))
            continue;
        json_t *row = row_new(files, source);
        if (!row)
            return kn_fail(err, KN_ENOMEM, "no memory for a result");
        rc = stream_extract(context, spec, source, &bytes, i, target, n, row, &own);
        *out_n_good += rc == KN_OK;
        if (rc != KN_OK)
            (void)row_fail(row, &own);
        if (rc != KN_OK && err && err->code == KN_OK)
            *err = own;
    }
    return err ? err->code : rc;
}

// A film or a caption file; its rows are added to `files`.
static kn_code source_extract(struct kn_context *context, const struct kn_extract_spec *spec,
                              const struct kn_extract_source *source, json_t *files, size_t *out_n_good,
                              struct kn_error *err)
{
    bool is_film = false;
    const size_t n_rows = json_array_size(files);
    kn_code rc = kn_film_is_one(context, source->uri, &is_film, err);
    if (rc == KN_OK)
        rc = is_film ? kn_film_extract(context, spec, source, files, out_n_good, err)
                     : file_extract(context, spec, source, files, out_n_good, err);
    if (rc == KN_OK || json_array_size(files) > n_rows)
        return rc;
    json_t *row = row_new(files, source);
    return row ? row_fail(row, err) : kn_fail(err, KN_ENOMEM, "no memory for a result");
}

static kn_code sources_extract(struct kn_context *context, const struct kn_extract_spec *spec, json_t *files,
                               struct kn_error *err)
{
    size_t n_good = 0;
    for (size_t i = 0; i < spec->n_sources; i++) {
        struct kn_error reason = {0};
        size_t n_delivered = 0;
        if (kn_context_is_cancelled(context))
            return kn_fail(err, KN_ECANCELED, "stopped after %zu of %zu files", i, spec->n_sources);
        const kn_code rc = source_extract(context, spec, &spec->sources[i], files, &n_delivered, &reason);
        n_good += n_delivered;
        if (rc == KN_ECANCELED || kn_extract_is_for_another_program(&reason)) {
            *err = reason;
            return rc;
        }
        if (rc != KN_OK && err && err->code == KN_OK)
            *err = reason;
        kn_context_progress(context, (double)(i + 1) / (double)spec->n_sources, NULL);
    }
    if (n_good || !spec->n_sources)
        return KN_OK;
    return err && err->code ? err->code : KN_EMEDIA;
}

// What was delivered, as IMM counts it: streams of text by their number, those of pictures by their length.
static void usage_put(json_t *result, const json_t *files)
{
    size_t i;
    json_int_t n = 0, pictures_us = 0;
    const json_t *file;
    json_array_foreach(files, i, file) {
        if (!json_object_get(file, "Uri") || json_object_get(file, "Code"))
            continue;
        if (json_object_get(file, "Pictures"))
            pictures_us += json_integer_value(json_object_get(file, "EndUs")) -
                           json_integer_value(json_object_get(file, "StartUs"));
        else
            n++;
    }
    json_t *usage = json_array();
    if (n > 0)
        (void)json_array_append_new(usage, json_pack("{s:s, s:s, s:I}", "Kind", "extract", "Item",
                                                     "ExtractSubtitleText", "Streams", n));
    if (pictures_us > 0)
        (void)json_array_append_new(usage,
                                    json_pack("{s:s, s:s, s:f}", "Kind", "extract", "Item", "ExtractSubtitleImage",
                                              "Seconds", (double)pictures_us / (double)KN_SECOND));
    (void)json_object_set_new(result, "Usage", usage);
}

kn_code kn_extract_run(struct kn_context *context, const json_t *object, json_t **out_result,
                       struct kn_error *err)
{
    struct kn_error reason = {0};
    kn_auto(kn_extract_spec_clear) struct kn_extract_spec spec = {0};
    kn_code rc = kn_extract_spec_load(&spec, object, err);
    if (rc != KN_OK)
        return rc;
    json_t *files = json_array();
    *out_result = json_pack("{s:o*}", "Files", files);
    if (!*out_result)
        return kn_fail(err, KN_ENOMEM, "no memory for a result");
    rc = sources_extract(context, &spec, files, &reason);
    if (rc == KN_OK && !spec.lists_only)
        usage_put(*out_result, files);
    if (rc != KN_OK && err)
        *err = reason;
    return rc;
}
