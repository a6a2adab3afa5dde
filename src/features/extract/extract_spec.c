/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/extract/extract_spec.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

void kn_extract_spec_clear(struct kn_extract_spec *spec)
{
    kn_arena_clear(&spec->arena);
    *spec = (struct kn_extract_spec){0};
}

static kn_code source_load(struct kn_extract_spec *spec, const json_t *object, size_t i, struct kn_error *err)
{
    struct kn_extract_source *source = &spec->sources[i];
    char path[48];
    (void)snprintf(path, sizeof(path), "Sources[%zu]", i);
    kn_code rc = kn_json_string(object, "Uri", path, &spec->arena, &source->uri, err);
    if (rc == KN_OK)
        rc = kn_json_string(object, "Target", path, &spec->arena, &source->target, err);
    if (rc == KN_OK)
        rc = kn_json_string(object, "TargetMany", path, &spec->arena, &source->target_many, err);
    if (rc == KN_OK)
        rc = kn_json_string(object, "Language", path, &spec->arena, &source->language, err);
    if (rc != KN_OK)
        return rc;
    if (!source->uri || (!source->target && !spec->lists_only))
        return kn_fail_as(err, KN_EINVAL, "MissingParameter", "%s.%s is missing", path,
                          source->uri ? "Target" : "Uri");
    return KN_OK;
}

static kn_code sources_load(struct kn_extract_spec *spec, const json_t *object, struct kn_error *err)
{
    json_auto_t *sources = NULL;
    kn_code rc = kn_json_array(object, "Sources", "", &sources, err);
    if (rc != KN_OK)
        return rc;
    const size_t n = json_array_size(sources);
    if (n == 0 || n > KN_MAX_EXTRACT_SOURCES)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "Sources holds %zu files, not 1 to %d", n,
                          KN_MAX_EXTRACT_SOURCES);
    spec->sources = kn_arena_array(&spec->arena, n, sizeof(*spec->sources));
    if (!spec->sources)
        return kn_fail(err, KN_ENOMEM, "no memory for %zu sources", n);
    for (; rc == KN_OK && spec->n_sources < n; spec->n_sources++)
        rc = source_load(spec, json_array_get(sources, spec->n_sources), spec->n_sources, err);
    return rc;
}

static kn_code streams_load(struct kn_extract_spec *spec, const json_t *object, struct kn_error *err)
{
    json_auto_t *streams = NULL;
    kn_code rc = kn_json_array(object, "Streams", "", &streams, err);
    const size_t n = json_array_size(streams);
    if (rc != KN_OK || n == 0)
        return rc;
    if (n > KN_MAX_EXTRACT_STREAMS)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "Streams names %zu streams, not up to %d", n,
                          KN_MAX_EXTRACT_STREAMS);
    spec->streams = kn_arena_array(&spec->arena, n, sizeof(*spec->streams));
    if (!spec->streams)
        return kn_fail(err, KN_ENOMEM, "no memory for %zu streams", n);
    for (; spec->n_streams < n; spec->n_streams++) {
        const json_t *value = json_array_get(streams, spec->n_streams);
        const json_int_t number = json_integer_value(value);
        if (!json_is_integer(value) || number < 0 || number >= KN_MAX_EXTRACT_STREAMS)
            return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "Streams[%zu] is no stream's number",
                              spec->n_streams);
        spec->streams[spec->n_streams] = (int)number;
    }
    return KN_OK;
}

static kn_code words_check(const struct kn_extract_spec *spec, struct kn_error *err)
{
    static const char *const formats[] = {"srt", "webvtt", "ass"};
    bool is_format = false;
    for (size_t i = 0; i < KN_COUNT(formats); i++)
        is_format = is_format || kn_equal(spec->format, formats[i]);
    if (!is_format)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "Format '%s' is none of srt, webvtt, ass",
                          spec->format);
    if (spec->line_end && !kn_equal(spec->line_end, "lf") && !kn_equal(spec->line_end, "crlf"))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "LineEnd '%s' is neither lf nor crlf",
                          spec->line_end);
    if (spec->rtl_marks && !kn_equal(spec->rtl_marks, "on") && !kn_equal(spec->rtl_marks, "off"))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "RtlMarks '%s' is neither on nor off",
                          spec->rtl_marks);
    return KN_OK;
}

static kn_code fields_load(struct kn_extract_spec *spec, const json_t *object, struct kn_error *err)
{
    kn_code rc = kn_json_string(object, "Format", "", &spec->arena, &spec->format, err);
    if (rc == KN_OK)
        rc = kn_json_string(object, "LineEnd", "", &spec->arena, &spec->line_end, err);
    if (rc == KN_OK)
        rc = kn_json_string(object, "RtlMarks", "", &spec->arena, &spec->rtl_marks, err);
    if (rc == KN_OK)
        rc = kn_json_string(object, "OcrLanguage", "", &spec->arena, &spec->ocr_language, err);
    if (rc == KN_OK)
        rc = kn_json_bool(object, "FixOcr", "", &spec->fixes_ocr, err);
    if (rc == KN_OK)
        rc = kn_json_bool(object, "ListOnly", "", &spec->lists_only, err);
    if (rc == KN_OK)
        rc = kn_json_bool(object, "ForcedOnly", "", &spec->forced_only, err);
    if (rc == KN_OK)
        rc = kn_json_bool(object, "ClosedOnly", "", &spec->closed_only, err);
    if (rc == KN_OK)
        rc = kn_json_bool(object, "LookEverywhere", "", &spec->looks_everywhere, err);
    if (rc == KN_OK)
        rc = kn_json_bool(object, "IgnoreMissing", "", &spec->ignores_missing, err);
    if (rc == KN_OK)
        rc = streams_load(spec, object, err);
    if (rc == KN_OK)
        rc = kn_json_bool(object, "RemoveHearingImpaired", "", &spec->removes_hearing_impaired, err);
    if (rc == KN_OK)
        rc = kn_json_bool(object, "ByteOrderMark", "", &spec->has_mark, err);
    if (rc == KN_OK)
        rc = kn_json_int(object, "ShiftUs", "", -1000 * KN_HOUR, 1000 * KN_HOUR, &spec->shift_us, err);
    if (rc == KN_OK)
        rc = kn_json_int(object, "LongestUs", "", 0, KN_HOUR, &spec->longest_us, err);
    if (rc == KN_OK)
        rc = kn_json_bool(object, "JoinSimultaneous", "", &spec->joins_simultaneous, err);
    if (rc == KN_OK)
        rc = kn_json_double(object, "Scale", "", 0.1, 10, &spec->scale, err);
    if (rc == KN_OK)
        rc = words_check(spec, err);
    return rc == KN_OK ? sources_load(spec, object, err) : rc;
}

kn_code kn_extract_spec_load(struct kn_extract_spec *spec, const json_t *object, struct kn_error *err)
{
    *spec = (struct kn_extract_spec){.format = "srt", .scale = 1};
    kn_code rc = fields_load(spec, object, err);
    if (rc != KN_OK)
        kn_extract_spec_clear(spec);
    return rc;
}
