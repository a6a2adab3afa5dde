/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Features of an output (spec 02, 6.5): Clip, Watermarks, Metadata. */
#include <string.h>

#include "base/strings.h"
#include "base/time.h"
#include "features/convert/convert_read.h"

static const struct kn_word corners[] = {{"TopRight", KN_CORNER_TOP_RIGHT},
                                         {"TopLeft", KN_CORNER_TOP_LEFT},
                                         {"BottomRight", KN_CORNER_BOTTOM_RIGHT},
                                         {"BottomLeft", KN_CORNER_BOTTOM_LEFT},
                                         {NULL, 0}};
static const struct kn_word mark_types[] = {{"Image", 0}, {"Text", 1}, {NULL, 0}};

/* ---- Clip ---- */
void kn_read_clip(struct kn_reader *r, struct kn_place features, struct kn_convert_clip *clip)
{
    struct kn_place at = kn_read_object(r, features, "Clip");
    struct kn_place span = kn_read_object(r, at, "TimeSpan");
    clip->duration_us = KN_NO_TIME;
    clip->first_part_only = kn_read_bool(r, at, "ConfigToClipFirstPart", false);
    if (!span.value)
        return;
    clip->is_set = true;
    clip->seek_us = kn_read_time_us(r, span, "Seek", 0);
    clip->duration_us = kn_read_time_us(r, span, "Duration", KN_NO_TIME);
    clip->tail_us = kn_read_time_us(r, span, "End", 0);
    if (clip->duration_us == 0)
        kn_read_fail(r, "OutOfRange", span, "Duration", "is 0: nothing would be left");
    if (kn_read_has(span, "End"))
        clip->duration_us = KN_NO_TIME; // "End present: Duration ignored"
}

/* ---- Watermarks ---- */
// A whole number of pixels from `min` to 4096, or a share of the output's size in (0,1).
static struct kn_length length_read(struct kn_reader *r, struct kn_place at, const char *name,
                                    double min)
{
    struct kn_length length = {0};
    if (!kn_read_has(at, name))
        return length;
    double value = kn_read_double(r, at, name, 0, 4096, 0);
    bool is_whole = value == (double)(int)value;
    length = (struct kn_length){.is_set = true, .is_share = !is_whole, .value = value};
    if ((is_whole && value < min) || (!is_whole && value > 1))
        kn_read_fail(r, "OutOfRange", at, name,
                     "is %g: whole pixels from %g to 4096, or a share between 0 and 1", value, min);
    return length;
}

// The first of two names that is given: a watermark's own member before its template's.
static struct kn_length offset_read(struct kn_reader *r, struct kn_place at, const char *own,
                                    const char *of_template)
{
    struct kn_length length = length_read(r, at, own, 0);
    return length.is_set ? length : length_read(r, at, of_template, 0);
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static void mark_text_read(struct kn_reader *r, struct kn_place at,
                           struct kn_convert_watermark *mark)
{
    mark->dx = offset_read(r, at, "X", "Left");
    mark->dy = offset_read(r, at, "Y", "Top");
    mark->corner = KN_CORNER_TOP_LEFT;
    mark->content = kn_read_text(r, at, "Content");
    if (!mark->content)
        kn_read_fail(r, "EmptyValue", at, "Content", "is needed for a text watermark");
    mark->font_name = text_or(kn_read_text(r, at, "FontName"), "SimSun");
    mark->font_size_px = kn_read_double(r, at, "FontSize", 4, 120, 16);
    mark->font_alpha = kn_read_double(r, at, "FontAlpha", 0, 1, 1);
    if (mark->font_alpha <= 0)
        kn_read_fail(r, "OutOfRange", at, "FontAlpha", "is 0: it is above 0 and at most 1");
    mark->font_color = text_or(kn_read_text(r, at, "FontColor"), "black");
    mark->border_width_px = kn_read_double(r, at, "BorderWidth", 0, 4096, 0);
    mark->border_color = text_or(kn_read_text(r, at, "BorderColor"), "black");
    mark->is_adaptive = kn_read_bool(r, at, "Adaptive", false);
}

static void mark_image_read(struct kn_reader *r, struct kn_place at,
                            struct kn_convert_watermark *mark)
{
    mark->dx = offset_read(r, at, "X", "Dx");
    mark->dy = offset_read(r, at, "Y", "Dy");
    mark->width = length_read(r, at, "Width", 8);
    mark->height = length_read(r, at, "Height", 8);
    mark->corner = (enum kn_corner)kn_read_word(r, at, "ReferPos", corners, "InvalidParameter",
                                                KN_CORNER_TOP_RIGHT);
    struct kn_place file = kn_read_object(r, at, "File");
    mark->uri = kn_read_text(r, file, "Media");
    if (!mark->uri)
        kn_read_fail(r, "EmptyValue", at, "File.Media", "is needed for an image watermark");
}

void kn_read_watermark(struct kn_reader *r, struct kn_place at, struct kn_convert_watermark *mark)
{
    mark->is_text = kn_read_word(r, at, "Type", mark_types, "InvalidParameter", 0);
    if (mark->is_text)
        mark_text_read(r, at, mark);
    else
        mark_image_read(r, at, mark);
    struct kn_place timeline = kn_read_object(r, at, "Timeline");
    mark->start_us = kn_read_time_us(r, timeline, "Start", 0);
    mark->duration_us = KN_NO_TIME;
    const char *duration = kn_read_text(r, timeline, "Duration");
    if (duration && !kn_equal_nocase(duration, "ToEND"))
        mark->duration_us = kn_read_time_us(r, timeline, "Duration", KN_NO_TIME);
}

/* ---- Metadata ---- */
static void metadata_read(struct kn_reader *r, struct kn_place features,
                          struct kn_convert_features *out)
{
    struct kn_place at = kn_read_object(r, features, "Metadata");
    if (json_object_size(at.value) > KN_CONVERT_MAX_METADATA) {
        kn_read_fail(r, "OutOfRange", at, NULL, "has %zu pairs, more than %d",
                     json_object_size(at.value), KN_CONVERT_MAX_METADATA);
        return;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)at.value, key, value)
    {
        struct kn_convert_metadata *pair = &out->metadata[out->n_metadata];
        pair->key = kn_arena_strdup(r->arena, key);
        pair->value = kn_read_text(r, at, key);
        if (!pair->value)
            continue;
        out->n_metadata++;
        if (strlen(key) == 0 || strlen(key) > 64 || strlen(pair->value) > 512)
            kn_read_fail(r, "OutOfRange", at, key,
                         "is too long: a key has 1 to 64 characters, a value at most 512");
    }
}

void kn_read_features(struct kn_reader *r, struct kn_place at, struct kn_convert_features *features)
{
    kn_read_clip(r, at, &features->clip);
    struct kn_place marks = kn_read_array(r, at, "Watermarks");
    size_t n = marks.value ? json_array_size(marks.value) : 0;
    if (n > KN_CONVERT_MAX_WATERMARKS)
        kn_read_fail(r, "OutOfRange", marks, NULL, "has %zu entries, more than %d", n,
                     KN_CONVERT_MAX_WATERMARKS);
    for (size_t i = 0; i < n && r->rc == KN_OK; i++)
        kn_read_watermark(r, kn_read_item(r, marks, i), &features->watermarks[i]);
    features->n_watermarks = r->rc == KN_OK ? (int)n : 0;
    metadata_read(r, at, features);
}
