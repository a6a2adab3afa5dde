/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Canonical form. Addresses, templates and names are resolved here; what is a matter of ranges and
 * references is left to kn_convert_spec_load(), which every canonical object goes through at the
 * end.
 */
#include "features/convert/canonical.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/uri.h"
#include "features/convert/convert_read.h"
#include "features/convert/output_name.h"

struct maker {
    struct kn_reader r;
    const struct kn_convert_site *site; // borrowed
    const char *first_input;            // canonical address of Inputs[0]; in the arena
    json_t *names;                      // owned: the set of final names so far
};

/* ---- building JSON; the reader remembers when there was no memory ---- */
// Steals `value`.
static void put(struct maker *m, json_t *object, const char *name, json_t *value)
{
    if (m->r.rc != KN_OK)
        json_decref(value);
    else if (!value || json_object_set_new(object, name, value) != 0)
        m->r.rc = kn_fail(m->r.err, KN_ENOMEM, "no memory for '%s'", name);
}

static void put_text(struct maker *m, json_t *object, const char *name, const char *text)
{
    if (text)
        put(m, object, name, json_string(text));
}

static void append(struct maker *m, json_t *array, json_t *value)
{
    if (m->r.rc != KN_OK)
        json_decref(value);
    else if (!value || json_array_append_new(array, value) != 0)
        m->r.rc = kn_fail(m->r.err, KN_ENOMEM, "no memory for a list");
}

static void put_copy(struct maker *m, json_t *object, const char *name, struct kn_place from)
{
    if (kn_read_has(from, name))
        put(m, object, name, json_deep_copy(json_object_get(from.value, name)));
}

// A member that may be an object or a string holding one: a new object, {} when absent.
static json_t *expand(struct maker *m, struct kn_place at, const char *name)
{
    json_t *found = NULL;
    if (m->r.rc == KN_OK)
        m->r.rc = kn_json_object(at.value, name, at.path, &found, m->r.err);
    json_t *copy = found ? json_deep_copy(found) : json_object();
    json_decref(found);
    return copy;
}

/* ---- addresses ---- */
static bool media_id_is_valid(const char *id)
{
    size_t n = strlen(id);
    return n > 0 && n <= 64 &&
           strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == n;
}

// A MediaObject (spec 02, 5.1), canonical. For outputs only buckets, and paths where allowed.
static const char *address(struct maker *m, struct kn_place parent, const char *name,
                           bool is_output)
{
    struct kn_reader *r = &m->r;
    static const struct kn_word kinds[] = {{"OSS", 0}, {"Media", 1}, {"ExternalURL", 2}, {NULL, 0}};
    struct kn_place at = kn_read_object(r, parent, name);
    if (!at.value)
        kn_read_fail(r, "EmptyValue", parent, name, "is needed");
    int kind = kn_read_word(r, at, "Type", kinds, "InvalidParameter", 0);
    const char *member = kn_read_has(at, "Media") ? "Media" : "Url";
    const char *text = kn_read_text(r, at, member);
    if (!text)
        kn_read_fail(r, "EmptyValue", at, "Media", "is empty");
    if (r->rc != KN_OK)
        return "";
    if (kind == 1) {
        if (is_output)
            kn_read_fail(r, "NotSupported", at, "Type", "is Media, but outputs go to a bucket");
        else if (!media_id_is_valid(text))
            kn_read_fail(r, "InvalidParameter", at, member, "is '%s', which is no media id", text);
        const char *uri = kn_arena_printf(r->arena, "media://%s", text);
        return uri ? uri : "";
    }
    struct kn_uri uri;
    kn_code rc = kn_uri_parse(&uri, text, m->site->oss_hosts, r->arena, r->err);
    if (rc != KN_OK) {
        r->rc = r->err ? kn_error_prefix(r->err, "'%s.%s'", at.path, member) : rc;
        return "";
    }
    if (uri.kind == KN_URI_FILE && !m->site->may_name_paths)
        kn_read_fail(r, "InvalidParameter", at, member,
                     "is '%s': an address begins with oss://, http:// or https://", text);
    if (uri.kind == KN_URI_HTTP && is_output)
        kn_read_fail(r, "NotSupported", at, member, "is '%s', which is no bucket of this service",
                     text);
    if (uri.kind == KN_URI_OBJECT && !uri.key[0] && !is_output)
        kn_read_fail(r, "ObjectKeyInvalid", at, member, "is '%s', a bucket without an object",
                     text);
    return uri.text;
}

// Append the canonical text of a final name; its key must be one a bucket takes, and new.
static const char *name_finish(struct maker *m, struct kn_place at, const char *member,
                               struct kn_buf *name)
{
    struct kn_reader *r = &m->r;
    const char *text = kn_arena_strdup(r->arena, kn_buf_text(name));
    if (!text || !kn_buf_ok(name)) {
        r->rc = kn_fail(r->err, KN_ENOMEM, "no memory for an output's name");
        return "";
    }
    const char *key = kn_starts_with(text, "oss://") ? strchr(text + 6, '/') : NULL;
    if (key && !kn_uri_key_is_valid(key + 1))
        kn_read_fail(r, "ObjectKeyInvalid", at, member,
                     "gives '%s', which is no usable object name", text);
    if (json_object_get(m->names, text))
        kn_read_fail(r, "InvalidParameter", at, member, "gives '%s', as another output does", text);
    put(m, m->names, text, json_true());
    return text;
}

/* ---- inputs ---- */
static json_t *inputs_make(struct maker *m, struct kn_place config)
{
    json_t *inputs = json_array();
    struct kn_place list = kn_read_array(&m->r, config, "Inputs");
    size_t n = list.value ? json_array_size(list.value) : 0;
    if (n == 0)
        kn_read_fail(&m->r, "EmptyValue", config, "Inputs",
                     "is empty: a conversion needs an input");
    for (size_t i = 0; i < n && m->r.rc == KN_OK; i++) {
        struct kn_place at = kn_read_item(&m->r, list, i);
        json_t *input = json_object();
        const char *uri = address(m, at, "InputFile", false);
        put_text(m, input, "Name", kn_read_text(&m->r, at, "Name"));
        put_text(m, input, "Uri", uri);
        put_copy(m, input, "AudioSelector", at);
        put_copy(m, input, "Clip", at);
        put_copy(m, input, "DisableVideo", at);
        put_copy(m, input, "DisableAudio", at);
        append(m, inputs, input);
        if (i == 0)
            m->first_input = uri;
    }
    return inputs;
}

/* ---- templates ---- */
/*
 * Members of a template that lose their meaning when a neighbour is overridden: a Profile belongs
 * to its Codec, TransMode to the Crf or Bitrate it was chosen for. They go, unless the override
 * names them too.
 */
static void template_yield(json_t *template, const json_t *over)
{
    static const char *const streams[] = {"Video", "Audio"};
    for (size_t i = 0; i < KN_COUNT(streams); i++) {
        json_t *old = json_object_get(template, streams[i]);
        const json_t *new = json_object_get(over, streams[i]);
        const char *codec = kn_json_get(new, "Codec", NULL);
        if (codec && !kn_equal_nocase(codec, kn_json_get(old, "Codec", "")))
            (void)json_object_del(old, "Profile");
    }
    const json_t *video = json_object_get(over, "Video");
    json_t *old_video = json_object_get(template, "Video");
    json_t *old_trans = json_object_get(template, "TransConfig");
    if (json_object_get(json_object_get(over, "TransConfig"), "TransMode"))
        return;
    bool has_crf = json_object_get(video, "Crf") || json_object_get(video, "Qscale");
    bool has_bitrate = json_object_get(video, "Bitrate");
    if (has_crf == has_bitrate)
        return;
    (void)json_object_del(old_trans, "TransMode");
    (void)json_object_del(old_video, has_crf ? "Bitrate" : "Crf");
    if (has_bitrate)
        (void)json_object_del(old_video, "Qscale");
}

// Each element of Audios over the template's Audio, whose Remove it does not inherit.
static void audios_fill(struct maker *m, struct kn_place at, json_t *config)
{
    struct kn_place list = kn_read_array(&m->r, at, "Audios");
    if (!list.value)
        return;
    json_t *filled = json_array();
    size_t n = json_array_size(list.value);
    for (size_t i = 0; i < n && m->r.rc == KN_OK; i++) {
        struct kn_place item = kn_read_item(&m->r, list, i);
        bool is_removed = kn_read_bool(&m->r, item, "Remove", false);
        if (!is_removed && !kn_read_has(item, "InputRef"))
            kn_read_fail(&m->r, "EmptyValue", item, "InputRef", "is needed in Audios");
        json_t *audio = json_object_get(config, "Audio");
        audio = audio ? json_deep_copy(audio) : json_object();
        (void)json_object_del(audio, "Remove");
        const char *codec = kn_json_get(item.value, "Codec", NULL);
        if (codec && !kn_equal_nocase(codec, kn_json_get(audio, "Codec", "")))
            (void)json_object_del(audio, "Profile");
        if (audio && item.value && kn_json_merge(audio, item.value) != 0) {
            json_decref(audio);
            audio = NULL;
        }
        append(m, filled, audio);
    }
    put(m, config, "Audios", filled);
    (void)json_object_del(config, "Audio");
}

// TemplateId looked up, OverrideParams merged in: sets Template, TemplateId… of `output`.
static json_t *template_make(struct maker *m, struct kn_place at, json_t *output)
{
    struct kn_reader *r = &m->r;
    json_t *over = expand(m, at, "OverrideParams");
    kn_auto(kn_template_clear) struct kn_template template = {0};
    const char *id = kn_read_text(r, at, "TemplateId");
    if (!id && !json_object_get(over, "Container")) // ours: a complete OverrideParams needs none
        kn_read_fail(r, "EmptyValue", at, "TemplateId", "is needed");
    if (id && r->rc == KN_OK) {
        r->rc = kn_template_find(&template, id, m->site->templates, r->err);
        if (r->rc != KN_OK && r->err)
            (void)kn_error_prefix(r->err, "'%s.TemplateId'", at.path);
    }
    if (r->rc == KN_OK && id && template.type != KN_TEMPLATE_TRANSCODE)
        kn_read_fail(r, "InvalidParameter", at, "TemplateId",
                     "is '%s', which is no transcoding template", id);
    if (r->rc != KN_OK) {
        json_decref(over);
        return NULL;
    }
    json_t *config = id ? KN_TAKE(template.config) : json_object();
    int subtype = id ? template.subtype : kn_template_subtype_of(KN_TEMPLATE_TRANSCODE, over);
    template_yield(config, over);
    if (!config || !over || kn_json_merge(config, over) != 0)
        r->rc = kn_fail(r->err, KN_ENOMEM, "no memory for a template");
    json_decref(over);
    const char *path = kn_arena_printf(r->arena, "%s.OverrideParams", at.path);
    audios_fill(m, (struct kn_place){config, path ? path : at.path}, config);
    put_text(m, output, "TemplateId", id ? template.id : NULL);
    put_text(m, output, "TemplateName", id ? template.name : NULL);
    put_text(m, output, "Subtype", kn_template_subtype_name(KN_TEMPLATE_TRANSCODE, subtype));
    put(m, output, "Template", config);
    return json_object_get(output, "Template");
}

// The extension the output's container asks for.
static const char *extension_of(const json_t *template)
{
    const char *format = kn_json_get(json_object_get(template, "Container"), "Format", "mp4");
    for (int c = KN_CONTAINER_MP4; c <= KN_CONTAINER_WAV; c++)
        if (kn_equal_nocase(kn_container_name((enum kn_container)c), format))
            return kn_container_extension((enum kn_container)c);
    return "mp4"; // kn_convert_spec_load() refuses the container right after
}

/* ---- features ---- */
static json_t *watermark_make(struct maker *m, struct kn_place at)
{
    struct kn_reader *r = &m->r;
    kn_auto(kn_template_clear) struct kn_template template = {0};
    const char *id = kn_read_text(r, at, "TemplateId");
    if (id && r->rc == KN_OK) {
        r->rc = kn_template_find(&template, id, m->site->templates, r->err);
        if (r->rc != KN_OK && r->err)
            (void)kn_error_prefix(r->err, "'%s.TemplateId'", at.path);
    }
    bool is_mark =
        template.type == KN_TEMPLATE_IMAGE_WATERMARK || template.type == KN_TEMPLATE_TEXT_WATERMARK;
    if (id && r->rc == KN_OK && !is_mark)
        kn_read_fail(r, "InvalidParameter", at, "TemplateId",
                     "is '%s', which is no watermark template", id);
    json_t *mark = template.config ? KN_TAKE(template.config) : json_object();
    if (is_mark)
        put_text(m, mark, "Type", template.type == KN_TEMPLATE_TEXT_WATERMARK ? "Text" : "Image");
    if (r->rc == KN_OK && (!mark || kn_json_merge(mark, at.value) != 0))
        r->rc = kn_fail(r->err, KN_ENOMEM, "no memory for a watermark");
    struct kn_place whole = {mark, at.path};
    if (r->rc == KN_OK && kn_read_has(whole, "File") &&
        !kn_equal_nocase(kn_json_get(mark, "Type", "Image"), "Text")) {
        const char *uri = address(m, whole, "File", false);
        put(m, mark, "File", json_pack("{s:s}", "Media", uri));
    }
    return mark;
}

static void features_make(struct maker *m, struct kn_place at, json_t *output)
{
    json_t *features = expand(m, at, "Features");
    const char *path = kn_arena_printf(m->r.arena, "%s.Features", at.path);
    struct kn_place own = {features, path ? path : at.path};
    struct kn_place list = kn_read_array(&m->r, own, "Watermarks");
    if (list.value) {
        json_t *marks = json_array();
        for (size_t i = 0; i < json_array_size(list.value) && m->r.rc == KN_OK; i++)
            append(m, marks, watermark_make(m, kn_read_item(&m->r, list, i)));
        put(m, features, "Watermarks", marks);
    }
    put(m, output, "Features", features);
}

/* ---- outputs ---- */
// `base` ends with '/'; NULL for the flat form, whose OutputFile is the whole name.
static json_t *output_make(struct maker *m, struct kn_place at, const char *base)
{
    json_t *output = json_object();
    put_text(m, output, "Name", kn_read_text(&m->r, at, "Name"));
    put_copy(m, output, "Priority", at);
    const json_t *template = template_make(m, at, output);

    kn_auto(kn_buf_clear) struct kn_buf name = {0};
    const char *member = base ? "OutputFileName" : "OutputFile.Media";
    const char *given =
        base ? kn_read_text(&m->r, at, "OutputFileName") : address(m, at, "OutputFile", true);
    if (!given)
        kn_read_fail(&m->r, "EmptyValue", at, "OutputFileName", "is needed");
    if (m->r.rc == KN_OK) {
        kn_buf_puts(&name, base ? base : "");
        if (base)
            given += strspn(given, "/");
        kn_convert_name_expand(&name, given, m->first_input, m->site->job_id);
        kn_convert_name_extend(&name, extension_of(template));
        if (base && !kn_uri_key_is_valid(given))
            kn_read_fail(&m->r, "ObjectKeyInvalid", at, member, "is '%s': no usable object name",
                         given);
        put_text(m, output, "Uri", name_finish(m, at, member, &name));
    }
    features_make(m, at, output);
    put_copy(m, output, "HlsGroupConfig", at);
    return output;
}

static const char *base_make(struct maker *m, struct kn_place at)
{
    const char *uri = address(m, at, "OutputFileBase", true);
    if (m->r.rc != KN_OK)
        return "";
    kn_auto(kn_buf_clear) struct kn_buf base = {0};
    kn_convert_name_expand(&base, uri, m->first_input, m->site->job_id);
    if (!kn_ends_with(kn_buf_text(&base), "/"))
        kn_buf_putc(&base, '/');
    const char *text = kn_buf_ok(&base) ? kn_arena_strdup(m->r.arena, kn_buf_text(&base)) : NULL;
    if (!text)
        m->r.rc = kn_fail(m->r.err, KN_ENOMEM, "no memory for an output's folder");
    return text ? text : "";
}

static json_t *group_make(struct maker *m, struct kn_place at)
{
    struct kn_reader *r = &m->r;
    static const struct kn_word kinds[] = {
        {"File", KN_GROUP_FILE}, {"Hls", KN_GROUP_HLS}, {"Dash", KN_GROUP_DASH}, {NULL, 0}};
    static const char *const words[] = {"File", "Hls", "Dash"};
    json_t *group = json_object();
    struct kn_place own = kn_read_object(r, at, "GroupConfig");
    if (!own.value)
        kn_read_fail(r, "EmptyValue", at, "GroupConfig", "is needed");
    int kind = kn_read_word(r, own, "Type", kinds, "InvalidParameter", KN_GROUP_FILE);
    const char *base = base_make(m, own);
    put_text(m, group, "Name", kn_read_text(r, at, "Name"));
    put_text(m, group, "Type", words[kind]);
    put_text(m, group, "Base", base);
    if (kind != KN_GROUP_FILE && r->rc == KN_OK) {
        const char *given = kn_read_text(r, own, "ManifestName");
        kn_auto(kn_buf_clear) struct kn_buf name = {0};
        kn_buf_puts(&name, base);
        kn_convert_name_expand(&name, given ? given + strspn(given, "/") : "master", m->first_input,
                               m->site->job_id);
        kn_convert_name_extend(&name, kind == KN_GROUP_HLS ? "m3u8" : "mpd");
        const char *uri = name_finish(m, own, "ManifestName", &name);
        put_text(m, group, "ManifestName", r->rc == KN_OK ? uri + strlen(base) : "");
    }
    put_copy(m, group, "ManifestExtend", own);
    json_t *outputs = json_array();
    struct kn_place list = kn_read_array(r, at, "Outputs");
    for (size_t i = 0; list.value && i < json_array_size(list.value) && r->rc == KN_OK; i++)
        append(m, outputs, output_make(m, kn_read_item(r, list, i), base));
    put(m, group, "Outputs", outputs);
    return group;
}

static json_t *canonical_make(struct maker *m, struct kn_place config)
{
    struct kn_reader *r = &m->r;
    json_t *out = json_object();
    put_text(m, out, "JobName", kn_read_text(r, config, "JobName"));
    put(m, out, "Inputs", inputs_make(m, config));
    put_copy(m, out, "AlignmentIndex", config);
    struct kn_place groups = kn_read_array(r, config, "OutputGroups");
    struct kn_place flat = kn_read_array(r, config, "Outputs");
    json_t *list = json_array();
    for (size_t i = 0; groups.value && i < json_array_size(groups.value) && r->rc == KN_OK; i++)
        append(m, list, group_make(m, kn_read_item(r, groups, i)));
    put(m, out, "OutputGroups", list);
    list = json_array();
    for (size_t i = 0; flat.value && i < json_array_size(flat.value) && r->rc == KN_OK; i++)
        append(m, list, output_make(m, kn_read_item(r, flat, i), NULL));
    put(m, out, "Outputs", list);
    return out;
}

kn_code kn_convert_canonical(json_t **out, const json_t *config, const struct kn_convert_site *site,
                             struct kn_error *err)
{
    if (!json_is_object(config))
        return kn_fail_as(err, KN_EINVAL, "JsonObjectFormatInvalid", "'Config' must be an object");
    struct kn_error own_err = {0}; // kn_error_prefix() needs one
    struct kn_arena arena = {0};
    struct maker m = {.r = {.arena = &arena, .err = err ? err : &own_err},
                      .site = site,
                      .first_input = "",
                      .names = json_object()};
    json_auto_t *canonical = canonical_make(&m, (struct kn_place){config, "Config"});
    if (m.r.rc == KN_OK) {
        struct kn_convert_spec spec;
        m.r.rc = kn_convert_spec_load(&spec, canonical, m.r.err);
        kn_convert_spec_clear(&spec);
    }
    json_decref(m.names);
    kn_arena_clear(&arena);
    if (m.r.rc == KN_OK)
        *out = KN_TAKE(canonical);
    return m.r.rc;
}

/* ---- the echo ---- */
static int media_echo(json_t *holder, const char *name)
{
    json_t *file = json_object_get(holder, name);
    json_t *url = json_object_get(file, "Url");
    if (!url || json_object_get(file, "Media"))
        return 0;
    return json_object_set(file, "Media", url) || json_object_del(file, "Url");
}

static int output_echo(json_t *output)
{
    static const char *const texts[] = {"OverrideParams", "Features"};
    int failed = media_echo(output, "OutputFile");
    for (size_t i = 0; i < KN_COUNT(texts); i++) {
        json_t *value = json_object_get(output, texts[i]);
        if (!value || json_is_string(value))
            continue;
        kn_auto(kn_free) char *text = json_is_null(value) ? NULL : kn_json_text(value);
        failed |= json_object_set_new(output, texts[i], json_string(text ? text : ""));
    }
    json_t *priority = json_object_get(output, "Priority");
    int64_t number = 6;
    if (json_is_string(priority))
        (void)kn_parse_int(json_string_value(priority), 1, 10, &number);
    if (json_is_object(output) && !json_is_integer(priority))
        failed |= json_object_set_new(output, "Priority", json_integer(number));
    return failed;
}

kn_code kn_convert_echo(json_t **out, const json_t *config, struct kn_error *err)
{
    json_auto_t *echo = json_deep_copy(config);
    int failed = !echo;
    size_t i, j;
    json_t *item, *output;
    json_array_foreach(json_object_get(echo, "Inputs"), i, item) failed |=
        media_echo(item, "InputFile");
    json_array_foreach(json_object_get(echo, "Outputs"), i, item) failed |= output_echo(item);
    json_array_foreach(json_object_get(echo, "OutputGroups"), i, item)
    {
        failed |= media_echo(json_object_get(item, "GroupConfig"), "OutputFileBase");
        json_array_foreach(json_object_get(item, "Outputs"), j, output) failed |=
            output_echo(output);
    }
    if (failed)
        return kn_fail(err, KN_ENOMEM, "no memory to echo 'Config'");
    *out = KN_TAKE(echo);
    return KN_OK;
}
