/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/imm/task_request.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "base/uri.h"

// At most so many sources (spec 08, 3.1), and targets: each is a pass over the source.
#define MAX_SOURCES 11
#define MAX_TARGETS 64
// A larger number in Stream means all streams (spec 08, 3.3).
#define ALL_STREAMS_ABOVE 100

struct reading {
    const struct kn_imm_request *request;
    struct kn_arena arena; // owned
    struct kn_uri source;  // the first
    size_t n_sources;
    json_t *steps;         // owned
};

static void reading_clear(struct reading *reading)
{
    kn_arena_clear(&reading->arena);
    json_decref(reading->steps);
}

static kn_code wrong(struct kn_error *err, const char *path, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s %s", path, what);
}

static kn_code not_built(struct kn_error *err, const char *path, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "NotSupported", "%s: %s", path, what);
}

// Members that are documented but not built; present and meaning something, they are refused.
static kn_code absent_check(const json_t *object, const char *const *names, const char *path, struct kn_error *err)
{
    for (; *names; names++) {
        const json_t *value = json_object_get(object, *names);
        const bool means_nothing = !value || json_is_null(value) || json_is_false(value) ||
                                   (json_is_number(value) && json_number_value(value) <= 0) ||
                                   (json_is_array(value) && json_array_size(value) == 0) ||
                                   (json_is_object(value) && json_object_size(value) == 0) ||
                                   (json_is_string(value) && json_string_length(value) == 0);
        if (!means_nothing) {
            char whole[160];
            (void)snprintf(whole, sizeof(whole), "%s.%s", path, *names);
            return not_built(err, whole, "this is not supported here");
        }
    }
    return KN_OK;
}

/* ---- sources ---- */

static kn_code source_read(struct reading *reading, const json_t *source, size_t i, struct kn_error *err)
{
    const struct kn_imm_request *request = reading->request;
    static const char *const unbuilt[] = {"StartTime", "Duration",     "Subtitles",    "Attached",
                                          "AlignMode", "DisableAudio", "DisableVideo", NULL};
    char path[48];
    (void)snprintf(path, sizeof(path), "Sources[%zu]", i);
    const char *text = kn_json_get(source, "URI", NULL);
    if (!text || !text[0])
        return wrong(err, path, "has no URI");
    struct kn_uri uri;
    kn_code rc = kn_uri_parse(&uri, text, request->oss_hosts, &reading->arena, err);
    if (rc != KN_OK)
        return kn_error_prefix(err, "%s.URI", path);
    if (uri.kind != KN_URI_OBJECT || !uri.key[0])
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s.URI: '%s' is no address of an object in a bucket",
                          path, text);
    rc = request->covers(request->context, uri.text, err);
    if (rc == KN_OK)
        rc = absent_check(source, unbuilt, path, err);
    if (i == 0)
        reading->source = uri;
    return rc;
}

static kn_code sources_read(struct reading *reading, struct kn_error *err)
{
    const json_t *sources = reading->request->sources;
    reading->n_sources = json_array_size(sources);
    if (reading->n_sources == 0 || reading->n_sources > MAX_SOURCES)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "Sources has %zu members, not 1 to %d",
                          reading->n_sources, MAX_SOURCES);
    kn_code rc = KN_OK;
    for (size_t i = 0; i < reading->n_sources && rc == KN_OK; i++)
        rc = source_read(reading, json_array_get(sources, i), i, err);
    if (rc == KN_OK && reading->n_sources > 1)
        return not_built(err, "Sources", "more than one source, joined, is not supported here");
    return rc;
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

static bool is_format(const char *format)
{
    return kn_equal(format, "srt") || kn_equal(format, "webvtt") || kn_equal(format, "ass");
}

static kn_code extract_read(struct reading *reading, const json_t *subtitle, size_t at, struct kn_error *err)
{
    char path[80];
    (void)snprintf(path, sizeof(path), "Targets[%zu].Subtitle.ExtractSubtitle", at);
    const json_t *extract = json_object_get(subtitle, "ExtractSubtitle");
    const char *format = kn_json_get(extract, "Format", NULL), *text = kn_json_get(extract, "URI", NULL);
    if (!is_format(format))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s.Format '%s' is none of srt, webvtt, ass", path,
                          format ? format : "");
    if (!text || !text[0])
        return wrong(err, path, "has no URI");
    char uri_path[96], stream_path[64];
    (void)snprintf(uri_path, sizeof(uri_path), "%s.URI", path);
    (void)snprintf(stream_path, sizeof(stream_path), "Targets[%zu].Subtitle.Stream", at);
    struct kn_imm_names names;
    const char *one = NULL, *many = NULL;
    kn_code rc = names_of(reading, text, &names, err);
    if (rc == KN_OK)
        rc = kn_imm_caption_targets(&one, &many, text, uri_path, &names, &reading->arena, err);
    if (rc == KN_OK)
        rc = reading->request->covers(reading->request->context, one, err);
    json_t *streams = json_array();
    if (rc == KN_OK)
        rc = streams_read(subtitle, stream_path, streams, err);
    if (rc != KN_OK) {
        json_decref(streams);
        return rc;
    }
    // Our own extensions: the vendor has no words for them.
    const char *ocr_language = kn_json_get(reading->request->tags, "ocr.lang", NULL);
    const bool forced_only = kn_equal(kn_json_get(reading->request->tags, "forcedOnly", ""), "true");
    json_t *step = json_pack("{s:s, s:I, s:{s:[{s:s, s:s, s:s}], s:s, s:o, s:b, s:b, s:s*}}", "Kind", "extract", "Target",
                             (json_int_t)at, "Spec", "Sources", "Uri", reading->source.text, "Target", one,
                             "TargetMany", many, "Format", format, "Streams", streams, "IgnoreMissing", true,
                             "ForcedOnly", forced_only, "OcrLanguage", ocr_language);
    if (!step || json_array_append_new(reading->steps, step) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a task");
    return KN_OK;
}

/* ---- targets ---- */

static kn_code target_read(struct reading *reading, const json_t *target, size_t at, struct kn_error *err)
{
    static const char *const unbuilt[] = {"URI", "Container", "Image", NULL};
    char path[48];
    (void)snprintf(path, sizeof(path), "Targets[%zu]", at);
    const json_t *subtitle = json_object_get(target, "Subtitle");
    const bool has_captions = json_is_object(json_object_get(subtitle, "ExtractSubtitle"));
    kn_code rc = absent_check(target, unbuilt, path, err);
    if (rc == KN_OK && !has_captions)
        return wrong(err, path, "asks for nothing: it has no Subtitle.ExtractSubtitle");
    return rc == KN_OK ? extract_read(reading, subtitle, at, err) : rc;
}

static kn_code targets_read(struct reading *reading, struct kn_error *err)
{
    const json_t *targets = reading->request->targets;
    const size_t n = json_array_size(targets);
    if (json_array_size(reading->request->target_groups) > 0)
        return not_built(err, "TargetGroups", "packages are not supported here; a target with Segment makes HLS");
    if (n == 0 || n > MAX_TARGETS)
        return kn_fail_as(err, KN_EINVAL, n ? "InvalidParameter" : "MissingParameter",
                          "'Targets' has %zu members, not 1 to %d", n, MAX_TARGETS);
    kn_code rc = KN_OK;
    for (size_t i = 0; i < n && rc == KN_OK; i++)
        rc = target_read(reading, json_array_get(targets, i), i, err);
    return rc;
}

kn_code kn_imm_request_read(json_t **out, const struct kn_imm_request *request, struct kn_error *err)
{
    kn_auto(reading_clear) struct reading reading = {.request = request, .steps = json_array()};
    *out = NULL;
    kn_code rc = sources_read(&reading, err);
    if (rc == KN_OK)
        rc = targets_read(&reading, err);
    if (rc != KN_OK)
        return rc;
    *out = json_pack("{s:O}", "Steps", reading.steps);
    return *out ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a task");
}
