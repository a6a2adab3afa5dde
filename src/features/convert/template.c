/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Templates. The built-in files are parsed once, on first use, into one array that is never changed
 * afterwards; who asks for a template gets a copy.
 */
#include "features/convert/template.h"

#include <pthread.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/embedded.h"
#include "base/json.h"
#include "base/strings.h"
#include "features/convert/convert_read.h"

extern const struct kn_embedded kn_template_files[];

/* ---- types ---- */
#define MAX_SUBTYPES 5
static const struct {
    const char *name;
    const char *subtypes[MAX_SUBTYPES];
} types[] = {
    [KN_TEMPLATE_TRANSCODE] = {"TranscodeTemplate",
                               {"Normal", "AudioTranscode", "Remux", "NarrowBandV1",
                                "NarrowBandV2"}},
    [KN_TEMPLATE_SNAPSHOT] = {"SnapshotTemplate", {"Normal", "Sprite", "WebVtt"}},
    [KN_TEMPLATE_ANIMATED_IMAGE] = {"AnimatedImageTemplate", {0}},
    [KN_TEMPLATE_IMAGE_WATERMARK] = {"ImageWatermarkTemplate", {0}},
    [KN_TEMPLATE_TEXT_WATERMARK] = {"TextWatermarkTemplate", {0}},
    [KN_TEMPLATE_SUBTITLE] = {"SubtitleTemplate", {0}},
    [KN_TEMPLATE_AI_REVIEW] = {"AiReviewTemplate", {"Video", "Audio", "Image"}},
    [KN_TEMPLATE_AI_COVER] = {"AiCoverTemplate", {0}},
    [KN_TEMPLATE_AI_ERASURE] = {"AiErasureTemplate", {"VideoDelogo", "VideoDetext"}},
    [KN_TEMPLATE_AI_DNA] = {"AiDnaTemplate", {0}},
    [KN_TEMPLATE_AI_LABEL] = {"AiLabelTemplate", {0}},
};

const char *kn_template_type_name(int type)
{
    return type > 0 && type < (int)KN_COUNT(types) ? types[type].name : NULL;
}

const char *kn_template_subtype_name(int type, int subtype)
{
    if (!kn_template_type_name(type))
        return NULL;
    if (!types[type].subtypes[0])
        return subtype == 0 || subtype == 1 ? "" : NULL;
    return subtype >= 1 && subtype <= MAX_SUBTYPES ? types[type].subtypes[subtype - 1] : NULL;
}

int kn_template_subtype_of(int type, const json_t *config)
{
    if (!kn_template_type_name(type) || !types[type].subtypes[0])
        return 0;
    const char *word = kn_json_get(config, "Type", "");
    for (int i = 0; i < MAX_SUBTYPES && types[type].subtypes[i]; i++)
        if (kn_equal_nocase(types[type].subtypes[i], word))
            return i + 1;
    return 1;
}

void kn_template_clear(struct kn_template *template)
{
    json_decref(template->config);
    *template = (struct kn_template){0};
}

/* ---- the system's ---- */
static json_t *system_templates; // set once by system_load(), then read only
static pthread_once_t system_once = PTHREAD_ONCE_INIT;

static void system_load(void)
{
    json_t *all = json_array();
    for (const struct kn_embedded *file = kn_template_files; all && file->name; file++) {
        json_t *list = json_loads(file->text, 0, NULL);
        if (!list || json_array_extend(all, list) != 0) {
            json_decref(list);
            json_decref(all);
            return; // no memory: kn_template_system_count() is 0, a look-up finds nothing
        }
        json_decref(list);
    }
    system_templates = all;
}

static const json_t *system_list(void)
{
    (void)pthread_once(&system_once, system_load);
    return system_templates;
}

size_t kn_template_system_count(void)
{
    return json_array_size(system_list());
}

kn_code kn_template_system(struct kn_template *out, size_t i, struct kn_error *err)
{
    const json_t *row = json_array_get(system_list(), i);
    *out = (struct kn_template){
        .type = (int)json_integer_value(json_object_get(row, "Type")),
        .subtype = (int)json_integer_value(json_object_get(row, "Subtype")),
        .config = json_deep_copy(json_object_get(row, "TemplateConfig")),
    };
    (void)kn_copy(out->id, sizeof(out->id), kn_json_get(row, "TemplateId", ""));
    (void)kn_copy(out->name, sizeof(out->name), kn_json_get(row, "TemplateName", ""));
    return out->config ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for system template %zu", i);
}

static kn_code system_find(struct kn_template *out, const char *member, const char *key,
                           struct kn_error *err)
{
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)system_list(), i, row)
    {
        // kn_json_get() is for what users wrote; these are ours, and there are dozens of them.
        if (kn_equal(json_string_value(json_object_get(row, member)), key))
            return kn_template_system(out, i, err);
    }
    return kn_fail_as(err, KN_EINVAL, "TemplateNotFound", "there is no template '%s'", key);
}

kn_code kn_template_find(struct kn_template *out, const char *key,
                         const struct kn_template_source *source, struct kn_error *err)
{
    *out = (struct kn_template){0};
    kn_code rc = source ? source->by_id(source->context, key, out, err) : KN_ENOTFOUND;
    if (rc != KN_ENOTFOUND)
        return rc;
    rc = system_find(out, "TemplateId", key, err);
    if (rc != KN_EINVAL)
        return rc;
    rc = source ? source->by_name(source->context, key, out, err) : KN_ENOTFOUND;
    return rc == KN_ENOTFOUND ? system_find(out, "TemplateName", key, err) : rc;
}

/* ---- checks ---- */
static void snapshot_check(struct kn_reader *r, struct kn_place at)
{
    static const struct kn_word frame_types[] = {{"normal", 0}, {"intra", 1}, {NULL, 0}};
    (void)kn_read_word(r, at, "FrameType", frame_types, "InvalidParameter", 0);
    (void)kn_read_double(r, at, "Time", 0, 86400000, 0); // milliseconds of a day
    (void)kn_read_double(r, at, "Interval", 0, 86400, 0);
    (void)kn_read_int(r, at, "Count", 1, 100000, 1);
    (void)kn_read_int(r, at, "Width", 8, 4096, 0);
    (void)kn_read_int(r, at, "Height", 8, 4096, 0);
}

// A watermark's File and Content may come with the job: checked here as if they had.
static void watermark_check(struct kn_reader *r, struct kn_place at, bool is_text)
{
    if (!is_text && !(kn_read_has(at, "Width") && kn_read_has(at, "Height")))
        kn_read_fail(r, "EmptyValue", at, kn_read_has(at, "Width") ? "Height" : "Width",
                     "is needed for an image watermark");
    json_auto_t *whole =
        is_text ? json_pack("{s:s, s:s}", "Content", "-", "Type", "Text")
                : json_pack("{s:{s:s}, s:s}", "File", "Media", "oss://any/any", "Type", "Image");
    json_auto_t *given = json_copy((json_t *)at.value);
    (void)json_object_del(given, "Type"); // absent is as good
    if (!whole || !given || kn_json_merge(whole, given) != 0) {
        r->rc = kn_fail(r->err, KN_ENOMEM, "no memory to check a watermark");
        return;
    }
    struct kn_convert_watermark mark = {0};
    kn_read_watermark(r, (struct kn_place){whole, at.path}, &mark);
}

static void subtitle_check(struct kn_reader *r, struct kn_place at)
{
    static const struct kn_word formats[] = {{"vtt", 0}, {"srt", 1},  {"ass", 2},
                                             {"stl", 3}, {"ttml", 4}, {NULL, 0}};
    static const struct kn_word encodings[] = {
        {"UTF-8", 0}, {"GBK", 1}, {"BIG5", 2}, {"auto", 3}, {NULL, 0}};
    (void)kn_read_word(r, at, "Format", formats, "NotSupported", 0);
    (void)kn_read_word(r, at, "CharEnc", encodings, "NotSupported", 0);
    (void)kn_read_object(r, at, "File");
}

kn_code kn_template_check(int type, int subtype, const json_t *config, struct kn_error *err)
{
    if (!json_is_object(config))
        return kn_fail_as(err, KN_EINVAL, "JsonObjectFormatInvalid",
                          "'TemplateConfig' must be an object");
    if (!kn_template_type_name(type))
        return kn_fail_as(err, KN_EINVAL, "OutOfRange", "'Type' is %d, which is no template type",
                          type);
    if (subtype == 0)
        subtype = kn_template_subtype_of(type, config);
    if (!kn_template_subtype_name(type, subtype))
        return kn_fail_as(err, KN_EINVAL, "OutOfRange", "'Subtype' is %d, which type %d lacks",
                          subtype, type);
    struct kn_arena arena = {0};
    struct kn_reader r = {.arena = &arena, .err = err};
    struct kn_place at = {config, "TemplateConfig"};
    switch (type) {
    case KN_TEMPLATE_TRANSCODE:
    case KN_TEMPLATE_ANIMATED_IMAGE: {
        struct kn_convert_output output = {
            .subtype = (enum kn_template_subtype)(subtype > 0 ? subtype - 1 : 0)};
        kn_read_transcode(&r, at, &(struct kn_read_inputs){0}, &output);
        break;
    }
    case KN_TEMPLATE_SNAPSHOT: snapshot_check(&r, at); break;
    case KN_TEMPLATE_IMAGE_WATERMARK: watermark_check(&r, at, false); break;
    case KN_TEMPLATE_TEXT_WATERMARK: watermark_check(&r, at, true); break;
    case KN_TEMPLATE_SUBTITLE: subtitle_check(&r, at); break;
    default: break; // the AI templates are kept for their owners; no feature reads them yet
    }
    kn_arena_clear(&arena);
    return r.rc;
}
