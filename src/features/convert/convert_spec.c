/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Loading the canonical object. Inputs come first, for everything else refers to them; outputs read
 * their template in transcode_config.c and their features in features_read.c.
 */
#include "features/convert/convert_spec.h"

#include <string.h>

#include "base/strings.h"
#include "features/convert/convert_read.h"

static const struct kn_word group_types[] = {
    {"File", KN_GROUP_FILE}, {"Hls", KN_GROUP_HLS}, {"Dash", KN_GROUP_DASH}, {NULL, 0}};
static const struct kn_word rendition_types[] = {{"hybrid", KN_RENDITION_HYBRID},
                                                 {"video", KN_RENDITION_VIDEO},
                                                 {"audio", KN_RENDITION_AUDIO},
                                                 {"subtitle", KN_RENDITION_SUBTITLE},
                                                 {NULL, 0}};
static const struct kn_word exclude_types[] = {
    {"Audio", KN_EXCLUDE_AUDIO}, {"Subtitle", KN_EXCLUDE_SUBTITLE}, {NULL, 0}};
static const struct kn_word selector_rules[] = {{"tag", 0}, {NULL, 0}};
static const struct kn_word subtypes[] = {{"Normal", KN_SUBTYPE_NORMAL},
                                          {"AudioTranscode", KN_SUBTYPE_AUDIO},
                                          {"Remux", KN_SUBTYPE_REMUX},
                                          {"NarrowBandV1", KN_SUBTYPE_NARROWBAND_V1},
                                          {"NarrowBandV2", KN_SUBTYPE_NARROWBAND_V2},
                                          {NULL, 0}};

/* ---- inputs ---- */
static void selector_read(struct kn_reader *r, struct kn_place at,
                          struct kn_convert_selector *selector)
{
    selector->name = kn_read_text(r, at, "Name");
    if (!selector->name)
        kn_read_fail(r, "EmptyValue", at, "Name", "is needed: Audios refer to a selector by it");
    (void)kn_read_word(r, at, "Rule", selector_rules, "NotSupported", 0);
    struct kn_place tags = kn_read_object(r, at, "TagConfig");
    selector->matches = kn_read_alloc(r, json_object_size(tags.value), sizeof(*selector->matches));
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)tags.value, name, value)
    {
        const char *text = kn_read_text(r, tags, name);
        if (!text || r->rc != KN_OK)
            continue;
        struct kn_tag_match *match = &selector->matches[selector->n_matches++];
        *match = (struct kn_tag_match){kn_arena_strdup(r->arena, name), text};
    }
    if (selector->n_matches == 0)
        kn_read_fail(r, "EmptyValue", at, "TagConfig", "is needed: the tags to look for");
}

static void inputs_read(struct kn_reader *r, struct kn_place root, struct kn_convert_spec *spec)
{
    struct kn_place list = kn_read_array(r, root, "Inputs");
    size_t n = list.value ? json_array_size(list.value) : 0;
    if (n == 0)
        kn_read_fail(r, "EmptyValue", root, "Inputs", "is empty: a conversion needs an input");
    spec->inputs = kn_read_alloc(r, n, sizeof(*spec->inputs));
    for (size_t i = 0; i < n && r->rc == KN_OK; i++) {
        struct kn_place at = kn_read_item(r, list, i);
        struct kn_convert_input *input = &spec->inputs[spec->n_inputs++];
        input->name = kn_read_text(r, at, "Name");
        input->joins_first = i > 0 && !input->name;
        input->uri = kn_read_text(r, at, "Uri");
        if (!input->uri)
            kn_read_fail(r, "EmptyValue", at, "InputFile.Media", "is empty");
        kn_read_clip(r, at, &input->clip);
        input->disables_video = kn_read_bool(r, at, "DisableVideo", false);
        input->disables_audio = kn_read_bool(r, at, "DisableAudio", false);
        struct kn_place selectors = kn_read_array(r, at, "AudioSelector");
        size_t n_selectors = selectors.value ? json_array_size(selectors.value) : 0;
        input->selectors = kn_read_alloc(r, n_selectors, sizeof(*input->selectors));
        for (size_t s = 0; s < n_selectors && r->rc == KN_OK; s++)
            selector_read(r, kn_read_item(r, selectors, s),
                          &input->selectors[input->n_selectors++]);
    }
}

// A clip cuts the inputs' common time; an input beside it has a time of its own.
static void clips_check(struct kn_reader *r, struct kn_place root, const struct kn_convert_spec *spec)
{
    struct kn_place list = kn_read_array(r, root, "Inputs");
    for (int i = 0; i < spec->n_inputs && r->rc == KN_OK; i++)
        for (int other = 1; other < spec->n_inputs; other++)
            if (spec->inputs[i].clip.is_set && !spec->inputs[other].joins_first)
                kn_read_fail(r, "NotSupported", kn_read_item(r, list, (size_t)i), "Clip",
                             "goes together with joined inputs alone, and Inputs[%d] has a Name", other);
}

// Names are one namespace over inputs and selectors; `upto` counts what was already accepted.
static bool name_is_taken(const struct kn_convert_spec *spec, const char *name, int n_before)
{
    int seen = 0;
    for (int i = 0; i < spec->n_inputs; i++) {
        if (seen++ < n_before && kn_equal(spec->inputs[i].name, name))
            return true;
        for (int s = 0; s < spec->inputs[i].n_selectors; s++)
            if (seen++ < n_before && kn_equal(spec->inputs[i].selectors[s].name, name))
                return true;
    }
    return false;
}

static void names_check(struct kn_reader *r, struct kn_place root,
                        const struct kn_convert_spec *spec)
{
    struct kn_place list = kn_read_array(r, root, "Inputs");
    int seen = 0;
    for (int i = 0; i < spec->n_inputs && r->rc == KN_OK; i++) {
        const struct kn_convert_input *input = &spec->inputs[i];
        struct kn_place at = kn_read_item(r, list, (size_t)i);
        if (input->name && name_is_taken(spec, input->name, seen))
            kn_read_fail(r, "InvalidParameter", at, "Name", "is '%s', a name that is taken",
                         input->name);
        seen++;
        struct kn_place selectors = kn_read_array(r, at, "AudioSelector");
        for (int s = 0; s < input->n_selectors && r->rc == KN_OK; s++, seen++)
            if (name_is_taken(spec, input->selectors[s].name, seen))
                kn_read_fail(r, "InvalidParameter", kn_read_item(r, selectors, (size_t)s), "Name",
                             "is '%s', a name that is taken", input->selectors[s].name);
    }
}

/* ---- outputs ---- */
static const char *text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static void hls_read(struct kn_reader *r, struct kn_place output, struct kn_convert_hls *hls)
{
    static const char *const own_group[] = {"hybrid", "video", "audio", "subtitle"};
    struct kn_place at = kn_read_object(r, output, "HlsGroupConfig");
    hls->type = (enum kn_rendition)kn_read_word(r, at, "Type", rendition_types, "InvalidParameter",
                                                KN_RENDITION_HYBRID);
    hls->audio_group = text_or(kn_read_text(r, at, "AudioGroup"), "audio");
    hls->subtitle_group = text_or(kn_read_text(r, at, "SubtitleGroup"), "subtitle");
    hls->group = text_or(kn_read_text(r, at, "Group"), own_group[hls->type]);
    hls->name = kn_read_text(r, at, "Name");
    hls->language = kn_read_text(r, at, "Language");
    hls->is_default = kn_read_bool(r, at, "IsDefault", false);
    hls->is_auto_select = kn_read_bool(r, at, "AutoSelect", false);
    hls->is_forced = kn_read_bool(r, at, "Forced", false);
    bool is_named = hls->type == KN_RENDITION_AUDIO || hls->type == KN_RENDITION_SUBTITLE;
    if (is_named && !hls->name)
        kn_read_fail(r, "EmptyValue", at, "Name", "is needed for %s renditions",
                     own_group[hls->type]);
    const char *const quoted[] = {hls->audio_group, hls->subtitle_group, hls->group, hls->name,
                                  hls->language};
    for (size_t i = 0; i < sizeof(quoted) / sizeof(quoted[0]); i++)
        if (quoted[i] && strpbrk(quoted[i], "\"\r\n")) // RFC 8216, 4.2: not in a quoted-string
            kn_read_fail(r, "InvalidParameter", at, NULL,
                         "holds '%s': no quotes or line breaks in a playlist", quoted[i]);
}

static void caption_names_read(struct kn_reader *r, struct kn_place output, struct kn_convert_caption_names *names)
{
    struct kn_place at = kn_read_object(r, output, "CaptionNames");
    names->one = kn_read_text(r, at, "One");
    names->many = kn_read_text(r, at, "Many");
    if (!names->one != !names->many || (names->many && !strstr(names->many, "{streamindex}")))
        kn_read_fail(r, "InvalidParameter", at, "Many", "does not tell several files apart");
}

static void output_read(struct kn_reader *r, struct kn_place at,
                        const struct kn_read_inputs *inputs, struct kn_convert_output *output)
{
    output->name = kn_read_text(r, at, "Name");
    output->uri = kn_read_text(r, at, "Uri");
    if (!output->uri)
        kn_read_fail(r, "EmptyValue", at, "Uri", "is empty");
    output->template_id = kn_read_text(r, at, "TemplateId");
    output->template_name = kn_read_text(r, at, "TemplateName");
    output->subtype = (enum kn_template_subtype)kn_read_word(r, at, "Subtype", subtypes,
                                                             "InvalidParameter", KN_SUBTYPE_NORMAL);
    output->priority = (int)kn_read_int(r, at, "Priority", 1, 10, 6);
    caption_names_read(r, at, &output->caption_names);
    struct kn_place config = kn_read_object(r, at, "Template");
    if (r->rc != KN_OK)
        return;
    config.path = kn_arena_printf(r->arena, "%s.OverrideParams", at.path);
    if (!config.path) {
        r->rc = kn_fail(r->err, KN_ENOMEM, "no memory to read an output");
        return;
    }
    kn_read_transcode(r, config, inputs, output);
    kn_read_features(r, kn_read_object(r, at, "Features"), &output->features);
}

/* ---- groups ---- */
static void extend_read(struct kn_reader *r, struct kn_place group_at,
                        const struct kn_read_inputs *inputs, struct kn_convert_group *group)
{
    struct kn_place at = kn_read_object(r, group_at, "ManifestExtend");
    group->extend_input = -1;
    if (!at.value)
        return;
    const char *name = kn_read_text(r, at, "InputRef");
    for (int i = 0; name && i < inputs->n_inputs; i++)
        if (kn_equal(inputs->inputs[i].name, name))
            group->extend_input = i;
    if (group->extend_input < 0)
        kn_read_fail(r, name ? "InvalidParameter" : "EmptyValue", at, "InputRef",
                     "must name the input that is the manifest to extend");
    if (group->type != KN_GROUP_HLS)
        kn_read_fail(r, "NotSupported", at, NULL, "is for groups of type Hls");
    struct kn_place list = kn_read_array(r, at, "Excludes");
    size_t n = list.value ? json_array_size(list.value) : 0;
    group->excludes = kn_read_alloc(r, n, sizeof(*group->excludes));
    for (size_t i = 0; i < n && r->rc == KN_OK; i++) {
        struct kn_place item = kn_read_item(r, list, i);
        struct kn_convert_exclude *exclude = &group->excludes[group->n_excludes++];
        exclude->type = (enum kn_exclude_type)kn_read_word(r, item, "Type", exclude_types,
                                                           "InvalidParameter", KN_EXCLUDE_ANY);
        exclude->language = kn_read_text(r, item, "Language");
        exclude->name = kn_read_text(r, item, "Name");
        if (exclude->type == KN_EXCLUDE_ANY && !exclude->language && !exclude->name)
            kn_read_fail(r, "EmptyValue", item, NULL, "has no condition");
    }
}

// Which renditions a manifest can join, and one DEFAULT per rendition group (RFC 8216, 4.3.4.1.1).
static void renditions_check(struct kn_reader *r, struct kn_place outputs_at,
                             const struct kn_convert_group *group)
{
    for (int i = 0; i < group->n_outputs && r->rc == KN_OK; i++) {
        const struct kn_convert_output *output = &group->outputs[i];
        struct kn_place at = kn_read_item(r, outputs_at, (size_t)i);
        enum kn_container c = output->container;
        bool is_hls = c == KN_CONTAINER_M3U8 || c == KN_CONTAINER_HLS_FMP4;
        bool is_dash = c == KN_CONTAINER_MPD;
        bool fits = c == KN_CONTAINER_CMAF || (group->type == KN_GROUP_HLS ? is_hls : is_dash);
        if (!fits)
            kn_read_fail(r, "NotSupported", at, "OverrideParams.Container.Format",
                         "is %s, which a group of type %s does not join", kn_container_name(c),
                         group->type == KN_GROUP_HLS ? "Hls" : "Dash");
        for (int j = 0; j < i; j++) {
            const struct kn_convert_hls *a = &group->outputs[j].hls, *b = &output->hls;
            if (a->is_default && b->is_default && a->type == b->type &&
                kn_equal(a->group, b->group))
                kn_read_fail(r, "InvalidParameter", at, "HlsGroupConfig.IsDefault",
                             "is true for a second rendition of group '%s'", b->group);
        }
    }
}

static void group_read(struct kn_reader *r, struct kn_place at, const struct kn_read_inputs *inputs,
                       struct kn_convert_group *group)
{
    group->name = kn_read_text(r, at, "Name");
    // What the canonical object keeps in the group itself stands in GroupConfig on the wire.
    const char *path = kn_arena_printf(r->arena, "%s.GroupConfig", at.path);
    struct kn_place own = {at.value, path ? path : at.path};
    group->type = (enum kn_group_type)kn_read_word(r, own, "Type", group_types, "InvalidParameter",
                                                   KN_GROUP_FILE);
    group->base = kn_read_text(r, own, "Base");
    const char *manifest = kn_read_text(r, own, "ManifestName");
    extend_read(r, own, inputs, group);
    if (group->type != KN_GROUP_FILE && r->rc == KN_OK) {
        if (!group->base || !manifest) {
            kn_read_fail(r, "EmptyValue", own, group->base ? "ManifestName" : "OutputFileBase",
                         "is empty");
            return;
        }
        group->manifest_uri = kn_arena_printf(r->arena, "%s%s", group->base, manifest);
        if (!group->manifest_uri)
            r->rc = kn_fail(r->err, KN_ENOMEM, "no memory to read a group");
    }
    struct kn_place list = kn_read_array(r, at, "Outputs");
    size_t n = list.value ? json_array_size(list.value) : 0;
    if (n == 0)
        kn_read_fail(r, "EmptyValue", at, "Outputs", "is empty: a group needs an output");
    group->outputs = kn_read_alloc(r, n, sizeof(*group->outputs));
    for (size_t i = 0; i < n && r->rc == KN_OK; i++) {
        struct kn_place output = kn_read_item(r, list, i);
        if (group->type == KN_GROUP_HLS)
            hls_read(r, output, &group->outputs[i].hls);
        output_read(r, output, inputs, &group->outputs[i]);
        group->n_outputs++;
    }
    if (group->type != KN_GROUP_FILE)
        renditions_check(r, list, group);
}

static void spec_read(struct kn_reader *r, struct kn_place root, struct kn_convert_spec *spec)
{
    spec->job_name = kn_read_text(r, root, "JobName");
    if (spec->job_name && strlen(spec->job_name) > 64)
        kn_read_fail(r, "OutOfRange", root, "JobName", "is longer than 64 bytes");
    inputs_read(r, root, spec);
    names_check(r, root, spec);
    clips_check(r, root, spec);
    const int n_inputs = spec->n_inputs;
    spec->alignment_index = (int)kn_read_int(r, root, "AlignmentIndex", 0, n_inputs > 0 ? n_inputs - 1 : 0, 0);
    struct kn_read_inputs inputs = {spec->inputs, spec->n_inputs};

    struct kn_place groups = kn_read_array(r, root, "OutputGroups");
    struct kn_place flat = kn_read_array(r, root, "Outputs");
    size_t n_groups = groups.value ? json_array_size(groups.value) : 0;
    size_t n_flat = flat.value ? json_array_size(flat.value) : 0;
    if (n_groups + n_flat == 0)
        kn_read_fail(r, "EmptyValue", root, "OutputGroups",
                     "and Outputs are empty: a conversion needs an output");
    spec->groups = kn_read_alloc(r, n_groups, sizeof(*spec->groups));
    spec->outputs = kn_read_alloc(r, n_flat, sizeof(*spec->outputs));
    for (size_t i = 0; i < n_groups && r->rc == KN_OK; i++)
        group_read(r, kn_read_item(r, groups, i), &inputs, &spec->groups[spec->n_groups++]);
    for (size_t i = 0; i < n_flat && r->rc == KN_OK; i++)
        output_read(r, kn_read_item(r, flat, i), &inputs, &spec->outputs[spec->n_outputs++]);
}

kn_code kn_convert_spec_load(struct kn_convert_spec *spec, const json_t *canonical,
                             struct kn_error *err)
{
    *spec = (struct kn_convert_spec){0};
    if (!json_is_object(canonical))
        return kn_fail_as(err, KN_EINVAL, "JsonObjectFormatInvalid", "'Config' must be an object");
    struct kn_reader r = {.arena = &spec->arena, .err = err};
    spec_read(&r, (struct kn_place){canonical, "Config"}, spec);
    if (r.rc != KN_OK)
        kn_convert_spec_clear(spec);
    return r.rc;
}

void kn_convert_spec_clear(struct kn_convert_spec *spec)
{
    kn_arena_clear(&spec->arena);
    *spec = (struct kn_convert_spec){0};
}
