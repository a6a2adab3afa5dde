/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each target is read into what its feature takes: a step of extraction, or an output of the one conversion
 * that all targets with a container share, so that the source is decoded once.
 */
#include "api/imm/task_request.h"

#include <stdio.h>
#include <string.h>

#include "api/imm/caption_tags.h"
#include "api/imm/convert_target.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "base/uri.h"
#include "features/convert/canonical.h"

// At most so many sources (spec 08, 3.1), and targets: each is read, encoded and written by itself.
#define MAX_SOURCES 11
#define MAX_TARGETS 64
// Captions laid beside a source, all together.
#define MAX_SUBTITLES 16
// A larger number in Stream means all streams (spec 08, 3.3).
#define ALL_STREAMS_ABOVE 100

struct reading {
    const struct kn_imm_request *request;
    struct kn_arena arena; // owned
    struct kn_uri source;  // the first
    json_t *inputs;        // owned: sources as features/convert takes them
    bool is_cut;           // a source has StartTime or Duration
    json_t *subtitles;     // owned: template's Subtitles for captions that lie beside the sources
    json_t *names;         // owned: the set of outputs' names
    json_t *steps;         // owned
    json_t *conversion;    // owned: its canonical object, NULL before the first output
    json_t *converted;     // owned: the numbers of its outputs' targets
};

static void reading_clear(struct reading *reading)
{
    kn_arena_clear(&reading->arena);
    json_decref(reading->inputs);
    json_decref(reading->subtitles);
    json_decref(reading->names);
    json_decref(reading->steps);
    json_decref(reading->conversion);
    json_decref(reading->converted);
}

static kn_code wrong(struct kn_error *err, const char *path, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s %s", path, what);
}

static kn_code not_built(struct kn_error *err, const char *path, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "NotSupported", "%s: %s", path, what);
}

static bool means_something(const json_t *value)
{
    if (json_is_number(value))
        return json_number_value(value) > 0;
    if (json_is_string(value))
        return json_string_length(value) > 0 && !kn_equal(json_string_value(value), "false");
    return json_is_true(value) || json_array_size(value) > 0 || json_object_size(value) > 0;
}

/* ---- sources ---- */

// Captions lie in the time of one file.
static bool is_changed(const struct reading *reading)
{
    return json_array_size(reading->request->sources) > 1 || reading->is_cut;
}

static kn_code not_whole(struct kn_error *err, const char *path, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "NotSupported",
                      "%s: %s: no others joined, no StartTime, no Duration", path, what);
}

// The part of a source that is shown, as a member of its input.
static kn_code clip_read(const json_t *source, const char *path, json_t *input, struct kn_error *err)
{
    double start = 0, duration = 0;
    kn_code rc = kn_json_double(source, "StartTime", path, 0, 86399, &start, err);
    if (rc == KN_OK)
        rc = kn_json_double(source, "Duration", path, 0, 86399, &duration, err);
    if (rc != KN_OK || (start <= 0 && duration <= 0))
        return rc;
    json_t *span = json_pack("{s:o}", "Seek", json_sprintf("%.3f", start));
    if (duration > 0)
        (void)json_object_set_new(span, "Duration", json_sprintf("%.3f", duration));
    return json_object_set_new(input, "Clip", json_pack("{s:o}", "TimeSpan", span)) == 0
               ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a task");
}

// Streams that count as absent, as members of the input.
static kn_code disabled_read(const json_t *source, const char *path, json_t *input, struct kn_error *err)
{
    static const char *const names[] = {"DisableAudio", "DisableVideo"};
    size_t n = 0;
    int failed = 0;
    for (size_t i = 0; i < KN_COUNT(names); i++) {
        if (!means_something(json_object_get(source, names[i])))
            continue;
        failed |= json_object_set_new(input, names[i], json_true());
        n++;
    }
    if (n == KN_COUNT(names))
        return wrong(err, path, "has DisableAudio and DisableVideo: nothing of it is left");
    return failed ? kn_fail(err, KN_ENOMEM, "no memory for a task") : KN_OK;
}

// The address of an object that the caller's key covers; `owner` has a member URI.
static kn_code object_uri_read(struct reading *reading, const json_t *owner, const char *path, struct kn_uri *out,
                               struct kn_error *err)
{
    const struct kn_imm_request *request = reading->request;
    const char *text = kn_json_get(owner, "URI", NULL);
    if (!text || !text[0])
        return wrong(err, path, "has no URI");
    kn_code rc = kn_uri_parse(out, text, request->oss_hosts, &reading->arena, err);
    if (rc != KN_OK)
        return kn_error_prefix(err, "%s.URI", path);
    if (out->kind != KN_URI_OBJECT || !out->key[0])
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s.URI: '%s' is no address of an object in a bucket",
                          path, text);
    return request->covers(request->context, out->text, err);
}

// A caption file beside the source: an input of its own, and a track of every output that holds captions.
static kn_code subtitle_read(struct reading *reading, const json_t *subtitle, const char *path, struct kn_error *err)
{
    struct kn_uri uri;
    double offset = 0;
    kn_code rc = object_uri_read(reading, subtitle, path, &uri, err);
    if (rc == KN_OK)
        rc = kn_json_double(subtitle, "TimeOffset", path, -86399, 86399, &offset, err);
    if (rc != KN_OK)
        return rc;
    char name[24];
    (void)snprintf(name, sizeof(name), "subtitle-%zu", json_array_size(reading->subtitles));
    const char *language = kn_json_get(subtitle, "Language", "");
    json_t *track = json_pack("{s:s, s:f}", "InputRef", name, "TimeOffset", offset);
    if (language[0])
        (void)json_object_set_new(track, "Language", json_string(language));
    if (language[0])
        (void)json_object_set_new(track, "LanguageControl", json_string("Configured"));
    int failed = json_array_append_new(reading->subtitles, track);
    failed |= json_array_append_new(reading->inputs, json_pack("{s:s, s:{s:s, s:s}}", "Name", name, "InputFile",
                                                               "Type", "OSS", "Media", uri.text));
    return failed ? kn_fail(err, KN_ENOMEM, "no memory for a task") : KN_OK;
}

static kn_code subtitles_read(struct reading *reading, const json_t *source, const char *source_path,
                              struct kn_error *err)
{
    const json_t *list = json_object_get(source, "Subtitles"), *subtitle;
    char path[80];
    size_t i;
    kn_code rc = KN_OK;
    (void)snprintf(path, sizeof(path), "%s.Subtitles", source_path);
    if (list && !json_is_null(list) && !json_is_array(list))
        return wrong(err, path, "is no array");
    if (json_array_size(list) > MAX_SUBTITLES)
        return wrong(err, path, "has more than 16 members");
    if (json_array_size(list) > 0 && is_changed(reading))
        return not_whole(err, path, "captions are laid beside one whole source");
    json_array_foreach(list, i, subtitle) {
        (void)snprintf(path, sizeof(path), "%s.Subtitles[%zu]", source_path, i);
        if (rc == KN_OK)
            rc = subtitle_read(reading, subtitle, path, err);
    }
    return rc;
}

static kn_code source_read(struct reading *reading, const json_t *source, size_t i, struct kn_error *err)
{
    static const char *const unbuilt[] = {"Attached", "AlignMode"};
    char path[48];
    (void)snprintf(path, sizeof(path), "Sources[%zu]", i);
    struct kn_uri uri = {0};
    kn_code rc = object_uri_read(reading, source, path, &uri, err);
    for (size_t k = 0; rc == KN_OK && k < KN_COUNT(unbuilt); k++)
        if (means_something(json_object_get(source, unbuilt[k])))
            return kn_fail_as(err, KN_EINVAL, "NotSupported", "%s.%s is not supported here", path, unbuilt[k]);
    if (rc != KN_OK)
        return rc;
    if (i == 0)
        reading->source = uri;
    // Inputs without a name continue the first (docs/convert.md).
    json_t *input = json_pack("{s:{s:s, s:s}}", "InputFile", "Type", "OSS", "Media", uri.text);
    if (!input || json_array_append_new(reading->inputs, input) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a task");
    rc = clip_read(source, path, input, err);
    if (rc == KN_OK)
        rc = disabled_read(source, path, input, err);
    reading->is_cut = reading->is_cut || json_object_get(input, "Clip");
    return rc == KN_OK ? subtitles_read(reading, source, path, err) : rc;
}

static kn_code sources_read(struct reading *reading, struct kn_error *err)
{
    const json_t *sources = reading->request->sources;
    const size_t n = json_array_size(sources);
    if (n == 0 || n > MAX_SOURCES)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "Sources has %zu members, not 1 to %d", n,
                          MAX_SOURCES);
    if (reading->request->alignment_index < 0 || reading->request->alignment_index >= (int64_t)n)
        return wrong(err, "AlignmentIndex", "is not the number of a source");
    kn_code rc = KN_OK;
    for (size_t i = 0; i < n && rc == KN_OK; i++)
        rc = source_read(reading, json_array_get(sources, i), i, err);
    return rc;
}

/* ---- names ---- */

static kn_code names_of(struct reading *reading, const char *text, struct kn_imm_names *out, struct kn_error *err)
{
    const struct kn_imm_request *request = reading->request;
    *out = (struct kn_imm_names){.source = &reading->source,
                                 .tags = request->tags,
                                 .created_us = request->created_us,
                                 .uploaded_us = KN_NO_TIME,
                                 .oss_hosts = request->oss_hosts};
    if (!kn_imm_template_wants_upload_time(text))
        return KN_OK;
    return request->uploaded(request->context, &reading->source, &out->uploaded_us, err);
}

// Nothing overwrites what another target makes, nor the source.
static kn_code name_take(struct reading *reading, const char *name, const char *path, struct kn_error *err)
{
    if (strcmp(name, reading->source.text) == 0)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s: '%s' is the source itself", path, name);
    if (json_object_get(reading->names, name))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s: '%s' is the name of another target, too", path,
                          name);
    if (json_object_set_new(reading->names, name, json_true()) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a task");
    return reading->request->covers(reading->request->context, name, err);
}

/* ---- extraction ---- */

// The streams asked for, as features/extract names them; empty: all.
static kn_code streams_read(const json_t *subtitle, const char *path, json_t *out, struct kn_error *err)
{
    json_t *streams = json_object_get(subtitle, "Stream");
    size_t i;
    const json_t *value;
    if (streams && !json_is_null(streams) && !json_is_array(streams))
        return wrong(err, path, "is no array of numbers");
    json_array_foreach(streams, i, value) {
        const json_int_t number = json_integer_value(value);
        if (!json_is_integer(value) || number < 0)
            return wrong(err, path, "has something that is no stream's number");
        if (number > ALL_STREAMS_ABOVE) {
            (void)json_array_clear(out);
            return KN_OK;
        }
        (void)json_array_append_new(out, json_integer(number));
    }
    return KN_OK;
}

// The extension that {autoext} stands for; NULL for an unknown format.
static const char *extension_of(const char *format)
{
    if (kn_equal(format, "webvtt"))
        return "vtt";
    return kn_equal(format, "srt") || kn_equal(format, "ass") ? format : NULL;
}

// Two targets may share a template when {autoext} tells their files apart.
static kn_code captions_name_take(struct reading *reading, const char *template, const char *extension,
                                  const char *path, struct kn_error *err)
{
    static const char variable[] = "{autoext}";
    const char *at = strstr(template, variable);
    if (!at)
        return name_take(reading, template, path, err);
    const char *name = kn_arena_printf(&reading->arena, "%.*s%s%s", (int)(at - template), template, extension,
                                       at + strlen(variable));
    return name ? name_take(reading, name, path, err) : kn_fail(err, KN_ENOMEM, "no memory for a task");
}

struct captions { // a target's, resolved
    const char *format, *one, *many;
    json_t *streams; // owned
};

static kn_code step_add(struct reading *reading, const struct captions *captions, size_t at, struct kn_error *err)
{
    json_t *step = json_pack("{s:s, s:[I], s:{s:[{s:s, s:s, s:s}], s:s, s:O, s:b}}", "Kind", "extract", "Targets",
                             (json_int_t)at, "Spec", "Sources", "Uri", reading->source.text, "Target", captions->one,
                             "TargetMany", captions->many, "Format", captions->format, "Streams", captions->streams,
                             "IgnoreMissing", true);
    if (!step || json_array_append_new(reading->steps, step) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a task");
    return kn_imm_caption_tags(json_object_get(step, "Spec"), reading->request->tags, err);
}

static kn_code extract_read(struct reading *reading, const json_t *subtitle, size_t at, struct kn_error *err)
{
    char path[80], uri_path[96], stream_path[64];
    (void)snprintf(path, sizeof(path), "Targets[%zu].Subtitle.ExtractSubtitle", at);
    (void)snprintf(uri_path, sizeof(uri_path), "%s.URI", path);
    (void)snprintf(stream_path, sizeof(stream_path), "Targets[%zu].Subtitle.Stream", at);
    if (is_changed(reading))
        return not_whole(err, path, "captions come out of one whole source");
    const json_t *extract = json_object_get(subtitle, "ExtractSubtitle");
    const char *text = kn_json_get(extract, "URI", NULL);
    struct captions captions = {.format = kn_json_get(extract, "Format", NULL)};
    const char *extension = extension_of(captions.format);
    if (!extension)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s.Format '%s' is none of srt, webvtt, ass", path,
                          captions.format ? captions.format : "");
    if (!text || !text[0])
        return wrong(err, path, "has no URI");
    struct kn_imm_names names;
    kn_code rc = names_of(reading, text, &names, err);
    if (rc == KN_OK)
        rc = kn_imm_caption_targets(&captions.one, &captions.many, text, uri_path, &names, &reading->arena, err);
    if (rc == KN_OK)
        rc = captions_name_take(reading, captions.one, extension, uri_path, err);
    if (rc != KN_OK)
        return rc;
    json_auto_t *streams = json_array();
    captions.streams = streams;
    rc = streams_read(subtitle, stream_path, streams, err);
    return rc == KN_OK ? step_add(reading, &captions, at, err) : rc;
}

/* ---- conversion ---- */

// The object's name: as it is given, or with the extension that its container asks for (spec 08, 3.3).
static const char *output_name(struct reading *reading, const char *uri, const char *extension, bool is_listed)
{
    const char *slash = strrchr(uri, '/'), *dot = strrchr(slash ? slash : uri, '.');
    const bool is_whole = dot && (!is_listed || kn_equal(dot + 1, extension));
    return is_whole ? uri : kn_arena_printf(&reading->arena, "%s.%s", uri, extension);
}

/*
 * A refusal of features/convert speaks of the object we made; the target's place is told instead:
 * "'Config.Outputs[0].OverrideParams.Video.Width' is 3: …" becomes "Targets[1]: 'Video.Width' is 3: …".
 */
static kn_code refusal_tell(struct kn_error *err, const char *path)
{
    static const char own[] = "Config.Outputs[0].OverrideParams.";
    char rest[sizeof(err->message)];
    char *at = strstr(err->message, own);
    if (at) {
        (void)kn_copy(rest, sizeof(rest), at + strlen(own));
        (void)kn_copy(at, sizeof(err->message) - (size_t)(at - err->message), rest);
    }
    return kn_error_prefix(err, "%s", path);
}

// The outputs and groups of `canonical` join those of the one conversion, whose inputs are the same.
static kn_code conversion_join(struct reading *reading, json_t *canonical, struct kn_error *err)
{
    static const char *const lists[] = {"Outputs", "OutputGroups"};
    int failed = 0;
    for (size_t i = 0; reading->conversion && i < KN_COUNT(lists); i++)
        failed |= json_array_extend(json_object_get(reading->conversion, lists[i]),
                                    json_object_get(canonical, lists[i]));
    if (!reading->conversion)
        reading->conversion = json_incref(canonical);
    return failed ? kn_fail(err, KN_ENOMEM, "no memory for a task") : KN_OK;
}

static kn_code conversion_add(struct reading *reading, json_t *canonical, size_t at, const char *name,
                              struct kn_error *err)
{
    json_t *output = json_array_get(json_object_get(canonical, "Outputs"), 0);
    int failed = json_object_set_new(output, "Uri", json_string(name));
    failed |= json_array_append_new(reading->converted, json_integer((json_int_t)at));
    return failed ? kn_fail(err, KN_ENOMEM, "no memory for a task") : conversion_join(reading, canonical, err);
}

// What lies beside the sources becomes tracks where the container holds any; others drop captions (spec 08, 3.3).
static void subtitles_put(struct reading *reading, const json_t *target, const char *extension, json_t *override)
{
    static const char *const holders[] = {"mp4", "mov", "mkv", "m3u8", "mpd"};
    const json_t *subtitle = json_object_get(target, "Subtitle");
    if (json_array_size(reading->subtitles) == 0 || means_something(json_object_get(subtitle, "DisableSubtitle")))
        return;
    for (size_t i = 0; i < KN_COUNT(holders); i++)
        if (kn_equal(holders[i], extension))
            (void)json_object_set(override, "Subtitles", reading->subtitles); // convert_read() checks for memory
}

static kn_code convert_read(struct reading *reading, const json_t *target, const char *path, size_t at,
                            struct kn_error *err)
{
    const struct kn_convert_site site = {.oss_hosts = reading->request->oss_hosts};
    char uri_path[64];
    (void)snprintf(uri_path, sizeof(uri_path), "%s.URI", path);
    const char *text = kn_json_get(target, "URI", ""), *uri = NULL, *extension = NULL;
    bool is_listed = false;
    json_auto_t *override = NULL, *canonical = NULL;
    struct kn_imm_names names;
    kn_code rc = names_of(reading, text, &names, err);
    if (rc == KN_OK)
        rc = kn_imm_template_resolve(&uri, text, uri_path, &names, &reading->arena, err);
    if (rc == KN_OK)
        rc = kn_imm_convert_target(&override, &extension, &is_listed, target, path, &reading->arena, err);
    if (rc != KN_OK)
        return rc;
    const char *name = output_name(reading, uri, extension, is_listed);
    if (!name)
        return kn_fail(err, KN_ENOMEM, "no memory for a task");
    rc = name_take(reading, name, uri_path, err);
    if (rc != KN_OK)
        return rc;
    subtitles_put(reading, target, extension, override);
    json_auto_t *config = json_pack("{s:O, s:I, s:[{s:{s:s, s:s}, s:O}]}", "Inputs", reading->inputs, "AlignmentIndex",
                                    (json_int_t)reading->request->alignment_index, "Outputs", "OutputFile", "Type",
                                    "OSS", "Media", name, "OverrideParams", override);
    rc = kn_convert_canonical(&canonical, config, &site, err);
    if (rc != KN_OK)
        return refusal_tell(err, path);
    return conversion_add(reading, canonical, at, name, err);
}

/* ---- groups: a master playlist over several targets (spec 08, 3.4) ---- */

struct group_captions { // of the one target that has them, for the whole group
    bool is_there;
    size_t target;
    const char *one, *many; // in the arena
};

// In the group's folder or below, as the master playlist's other lines.
static kn_code group_captions_read(struct reading *reading, const json_t *extract, const char *target_path,
                                   const char *base, struct group_captions *out, struct kn_error *err)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s.Subtitle.ExtractSubtitle", target_path);
    if (out->is_there)
        return wrong(err, path, "is the second of its group: one target's covers all caption streams");
    out->is_there = true;
    const char *format = kn_json_get(extract, "Format", ""), *text = kn_json_get(extract, "URI", "");
    if (!kn_equal(format, "vtt") && !kn_equal(format, "webvtt"))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s.Format is '%s', not vtt, as playlists have it", path,
                          format);
    if (is_changed(reading))
        return not_whole(err, path, "captions come out of one whole source");
    struct kn_imm_names names;
    kn_code rc = names_of(reading, text, &names, err);
    if (rc == KN_OK)
        rc = kn_imm_caption_targets(&out->one, &out->many, text, path, &names, &reading->arena, err);
    if (rc == KN_OK)
        rc = captions_name_take(reading, out->one, "vtt", path, err);
    if (rc == KN_OK && (!kn_starts_with(out->one, base) || !kn_starts_with(out->many, base)))
        return wrong(err, path, "has a URI that is not in the folder of its group's, nor below");
    return rc;
}

// A variant: the same target, with a playlist; captions are the group's.
static kn_code variant_read(struct reading *reading, const json_t *target, const char *path, const char *base,
                            bool has_captions, json_t *outputs, struct kn_error *err)
{
    char uri_path[96];
    (void)snprintf(uri_path, sizeof(uri_path), "%s.URI", path);
    const char *text = kn_json_get(target, "URI", ""), *uri = NULL, *extension = NULL;
    bool is_listed = false;
    struct kn_imm_names names;
    json_auto_t *plain = json_deep_copy(target), *override = NULL;
    if (!plain || (!json_object_get(plain, "Segment") &&
                   json_object_set_new(plain, "Segment", json_pack("{s:s}", "Format", "hls")) != 0) ||
        json_object_set_new(plain, "Subtitle", json_pack("{s:b}", "DisableSubtitle", !has_captions)) != 0)
        return kn_fail(err, json_is_object(target) ? KN_ENOMEM : KN_EINVAL, "%s is no object", path);
    kn_code rc = names_of(reading, text, &names, err);
    if (rc == KN_OK)
        rc = kn_imm_template_resolve(&uri, text, uri_path, &names, &reading->arena, err);
    if (rc == KN_OK)
        rc = kn_imm_convert_target(&override, &extension, &is_listed, plain, path, &reading->arena, err);
    if (rc == KN_OK && !kn_equal(extension, "m3u8"))
        return not_built(err, path, "a group is of HLS: Segment.Format 'hls', Container ts or mp4");
    if (rc != KN_OK)
        return rc;
    const char *name = output_name(reading, uri, extension, true);
    if (!name)
        return kn_fail(err, KN_ENOMEM, "no memory for a task");
    if (!kn_starts_with(name, base) || !name[strlen(base)])
        return wrong(err, uri_path, "is not in the folder of its group's URI, nor below");
    rc = name_take(reading, name, uri_path, err);
    if (has_captions)
        subtitles_put(reading, plain, extension, override);
    json_t *output = json_pack("{s:s, s:O, s:{s:s}}", "OutputFileName", name + strlen(base), "OverrideParams",
                               override, "HlsGroupConfig", "Type", "hybrid");
    if (json_array_append_new(outputs, output) != 0 && rc == KN_OK)
        rc = kn_fail(err, KN_ENOMEM, "no memory for a task");
    return rc;
}

// The group's URI resolved, and the folder it lies in, with its slash; both in the arena.
static kn_code master_read(struct reading *reading, const json_t *group, const char *path, const char **out_uri,
                           const char **out_base, struct kn_error *err)
{
    char uri_path[64];
    (void)snprintf(uri_path, sizeof(uri_path), "%s.URI", path);
    const char *text = kn_json_get(group, "URI", "");
    struct kn_imm_names names;
    kn_code rc = names_of(reading, text, &names, err);
    if (rc == KN_OK)
        rc = kn_imm_template_resolve(out_uri, text, uri_path, &names, &reading->arena, err);
    if (rc == KN_OK && !kn_ends_with(*out_uri, ".m3u8"))
        return wrong(err, uri_path, "does not end in .m3u8");
    if (rc == KN_OK)
        rc = name_take(reading, *out_uri, uri_path, err);
    if (rc != KN_OK)
        return rc;
    *out_base = kn_arena_strndup(&reading->arena, *out_uri, (size_t)(strrchr(*out_uri, '/') + 1 - *out_uri));
    return *out_base ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a task");
}

static kn_code group_read(struct reading *reading, const json_t *group, size_t at, struct kn_error *err)
{
    const struct kn_convert_site site = {.oss_hosts = reading->request->oss_hosts};
    const json_t *targets = json_object_get(group, "Targets");
    const char *uri = NULL, *base = NULL;
    char path[40], target_path[80];
    (void)snprintf(path, sizeof(path), "TargetGroups[%zu]", at);
    if (json_array_size(targets) == 0 || json_array_size(targets) > MAX_TARGETS)
        return wrong(err, path, "has no Targets, or more than 64");
    kn_code rc = master_read(reading, group, path, &uri, &base, err);
    json_auto_t *outputs = json_array(), *canonical = NULL;
    struct group_captions captions = {0};
    for (size_t i = 0; rc == KN_OK && i < json_array_size(targets); i++) {
        const json_t *target = json_array_get(targets, i);
        const json_t *extract = json_object_get(json_object_get(target, "Subtitle"), "ExtractSubtitle");
        const bool has_captions = means_something(extract);
        (void)snprintf(target_path, sizeof(target_path), "%s.Targets[%zu]", path, i);
        if (has_captions)
            rc = group_captions_read(reading, extract, target_path, base, &captions, err);
        captions.target = has_captions ? i : captions.target;
        if (rc == KN_OK)
            rc = variant_read(reading, target, target_path, base, has_captions, outputs, err);
    }
    if (rc != KN_OK)
        return rc;
    json_auto_t *config = json_pack("{s:O, s:I, s:[{s:{s:s, s:{s:s, s:s}, s:s}, s:O}]}", "Inputs", reading->inputs,
                                    "AlignmentIndex", (json_int_t)reading->request->alignment_index, "OutputGroups",
                                    "GroupConfig", "Type", "Hls", "OutputFileBase", "Type", "OSS",
                                    "Media", base, "ManifestName", uri + strlen(base), "Outputs", outputs);
    rc = kn_convert_canonical(&canonical, config, &site, err);
    if (rc != KN_OK)
        return refusal_tell(err, path);
    json_t *first = json_array_get(json_object_get(canonical, "OutputGroups"), 0);
    json_t *output = json_array_get(json_object_get(first, "Outputs"), captions.target);
    if (captions.is_there && json_object_set_new(output, "CaptionNames", json_pack("{s:s, s:s}", "One", captions.one,
                                                                                   "Many", captions.many)) != 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a task");
    return conversion_join(reading, canonical, err);
}

/* ---- targets ---- */

static kn_code target_read(struct reading *reading, const json_t *target, size_t at, struct kn_error *err)
{
    char path[48];
    (void)snprintf(path, sizeof(path), "Targets[%zu]", at);
    const json_t *subtitle = json_object_get(target, "Subtitle");
    const bool has_captions = json_is_object(json_object_get(subtitle, "ExtractSubtitle"));
    const bool has_uri = means_something(json_object_get(target, "URI"));
    const bool has_container = means_something(json_object_get(target, "Container"));
    if (has_uri != has_container)
        return wrong(err, path, has_uri ? "has a URI, but no Container" : "has a Container, but no URI");
    if (means_something(json_object_get(target, "Image")))
        return not_built(err, path, "Image is not supported here");
    if (!has_captions && !has_uri)
        return wrong(err, path, "asks for nothing: neither Subtitle.ExtractSubtitle nor URI and Container");
    kn_code rc = has_captions ? extract_read(reading, subtitle, at, err) : KN_OK;
    return rc == KN_OK && has_uri ? convert_read(reading, target, path, at, err) : rc;
}

static kn_code targets_read(struct reading *reading, struct kn_error *err)
{
    const json_t *targets = reading->request->targets;
    const json_t *groups = reading->request->target_groups;
    const size_t n = json_array_size(targets), n_groups = json_array_size(groups);
    if (n + n_groups == 0)
        return kn_fail_as(err, KN_EINVAL, "MissingParameter", "'Targets' is not supplied");
    if (n + n_groups > MAX_TARGETS)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "Targets and TargetGroups have %zu members, more than %d",
                          n + n_groups, MAX_TARGETS);
    kn_code rc = KN_OK;
    for (size_t i = 0; i < n && rc == KN_OK; i++)
        rc = target_read(reading, json_array_get(targets, i), i, err);
    for (size_t i = 0; i < n_groups && rc == KN_OK; i++)
        rc = group_read(reading, json_array_get(groups, i), i, err);
    return rc;
}

kn_code kn_imm_request_read(json_t **out, const struct kn_imm_request *request, struct kn_error *err)
{
    kn_auto(reading_clear) struct reading reading = {.request = request,
                                                     .inputs = json_array(),
                                                     .names = json_object(),
                                                     .steps = json_array(),
                                                     .subtitles = json_array(),
                                                     .converted = json_array()};
    *out = NULL;
    kn_code rc = sources_read(&reading, err);
    if (rc == KN_OK)
        rc = targets_read(&reading, err);
    if (rc != KN_OK)
        return rc;
    if (reading.conversion)
        (void)json_array_append_new(reading.steps, json_pack("{s:s, s:O, s:O}", "Kind", "convert", "Targets",
                                                             reading.converted, "Spec", reading.conversion));
    *out = json_pack("{s:O}", "Steps", reading.steps);
    return *out ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a task");
}
