/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets to pages and where they were shown, as they come; pages to cues at the end. */
#include "engine/caption/ocr_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "engine/caption/bitmap.h"
#include "engine/caption/bitmap_ink.h"
#include "engine/caption/builder.h"
#include "engine/caption/finish.h"
#include "engine/caption/ocr.h"
#include "engine/caption/ocr_pages.h"
#include "engine/caption/ocr_text.h"

// Where lines stand, in parts of the frame's width: left edges so far apart, with neither line in the middle, are
// those of two speakers; nearer than this is in the middle, or in one column.
#define LEAST_OFFSET 0.1
#define ALIGNED 0.02

// Part of a caption: a page at a place.
struct part {
    size_t page; // its number in the pile
    int anchor;  // as in struct kn_cue_place
    bool is_forced;
    int n_lines;
    struct {
        int left, right; // columns of the frame
    } lines[2], all;     // the first two, and all together
};

// What is shown at one time.
struct caption {
    int64_t start_us, end_us;
    size_t first_part;
    int n_parts;
    int frame_width; // 0 when unknown
};

// The parts of a caption at one anchor, and what they say.
struct saying {
    const struct part *parts[KN_MAX_BITMAP_OBJECTS]; // borrowed
    const char *texts[KN_MAX_BITMAP_OBJECTS];        // borrowed from the list's arena
    int n_parts;
    bool is_forced;
    double confidence;
};

struct kn_ocr_stream {
    struct kn_cue_list *list;         // borrowed
    struct kn_bitmap_reader *bitmaps; // owned
    struct kn_ocr_pages *pages;       // owned
    struct part *parts;               // owned
    size_t n_parts, parts_capacity;
    struct caption *captions;         // owned
    size_t n_captions, captions_capacity;
    bool corrects;
    struct kn_error refusal;          // why no picture can be read; empty when they can
    struct kn_ocr_facts facts;
    double confidence; // summed over all cues
    int64_t n_cues;
};

/* ---- its life ---- */
static kn_code refuse(const struct kn_ocr_stream *stream, struct kn_error *err)
{
    if (err)
        *err = stream->refusal;
    return stream->refusal.code;
}

kn_code kn_ocr_stream_new(struct kn_ocr_stream **out_stream, struct kn_cue_list *list,
                          const struct kn_harvest_track *track, const struct kn_ocr_options *options,
                          struct kn_error *err)
{
    *out_stream = NULL;
    kn_auto(kn_ocr_stream_free) struct kn_ocr_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return kn_fail(err, KN_ENOMEM, "no memory for a caption stream");
    const char *own = track->facts.language;
    const bool is_said = own[0] && strcmp(own, "und") != 0 && strcmp(own, "mul") != 0;
    const char *language = options->language ? options->language : is_said ? own : options->fallback;
    struct kn_ocr_how how = {
        .n_threads = options->n_threads,
        .is_cancelled = options->is_cancelled,
        .progress = options->progress,
        .impl = options->impl,
    };
    stream->list = list;
    stream->corrects = options->corrects;
    list->codec = track->facts.codec;
    kn_code rc = kn_ocr_check(&stream->refusal);
    if (rc == KN_OK)
        rc = kn_ocr_language(language, &list->arena, &how.names, &stream->refusal);
    if (rc != KN_OK && (rc != KN_EUNSUP || !options->forced_only)) // else there may be none to be read
        return refuse(stream, err);
    rc = kn_bitmap_reader_new(&stream->bitmaps, track->facts.codec, track->private_bytes, track->n_private,
                              track->width_px, track->height_px, err);
    if (rc == KN_OK)
        rc = kn_ocr_pages_new(&stream->pages, &how, err);
    if (rc != KN_OK)
        return rc;
    if (list->longest_us)
        kn_bitmap_reader_end_after(stream->bitmaps, list->longest_us);
    if (options->forced_only)
        kn_bitmap_reader_see_forced(stream->bitmaps);
    *out_stream = KN_TAKE(stream);
    return KN_OK;
}

void kn_ocr_stream_free(struct kn_ocr_stream **stream)
{
    struct kn_ocr_stream *s = *stream;
    if (!s)
        return;
    kn_bitmap_reader_free(&s->bitmaps);
    kn_ocr_pages_free(&s->pages);
    free(s->parts);
    free(s->captions);
    free(s);
    *stream = NULL;
}

struct kn_ocr_facts kn_ocr_stream_facts(const struct kn_ocr_stream *stream)
{
    struct kn_ocr_facts facts = stream->facts;
    facts.n_read = (int64_t)kn_ocr_pages_count(stream->pages);
    facts.confidence = stream->n_cues ? stream->confidence / (double)stream->n_cues : NAN;
    return facts;
}

/* ---- what was shown ---- */
// Room for one more; false without memory.
static bool array_grow(void *address_of_array, size_t n, size_t *capacity, size_t size)
{
    void **array = address_of_array;
    if (n < *capacity)
        return true;
    const size_t more = *capacity ? 2 * *capacity : 64;
    void *grown = realloc(*array, more * size);
    if (!grown)
        return false;
    *array = grown;
    *capacity = more;
    return true;
}

// Upper third: said; all else is where captions are expected.
static int anchor_of(const struct kn_bitmap *bitmap, const struct kn_bitmap_object *object, const struct kn_ink *ink)
{
    const int centre = object->y + (ink->boxes[0].top + ink->boxes[ink->n_lines - 1].bottom) / 2;
    return bitmap->frame_height > 0 && centre * 3 < bitmap->frame_height ? 8 : 0;
}

static void lines_place(struct part *part, const struct kn_bitmap_object *object, const struct kn_ink *ink)
{
    part->n_lines = ink->n_lines;
    for (int i = 0; i < ink->n_lines; i++) {
        const int left = object->x + ink->boxes[i].left, right = object->x + ink->boxes[i].right;
        if (i < 2) {
            part->lines[i].left = left;
            part->lines[i].right = right;
        }
        part->all.left = i == 0 || left < part->all.left ? left : part->all.left;
        part->all.right = i == 0 || right > part->all.right ? right : part->all.right;
    }
}

static kn_code part_add(struct kn_ocr_stream *stream, const struct kn_bitmap *bitmap,
                        const struct kn_bitmap_object *object, bool *out_has, struct kn_error *err)
{
    kn_auto(kn_ink_clear) struct kn_ink ink = {0};
    struct part part = {.is_forced = object->is_forced};
    *out_has = false;
    kn_code rc = kn_ink_make(&ink, object, err);
    if (rc != KN_OK || !ink.pixels)
        return rc;
    if (stream->refusal.code != KN_OK)
        return refuse(stream, err);
    part.anchor = anchor_of(bitmap, object, &ink);
    lines_place(&part, object, &ink);
    rc = kn_ocr_pages_add(stream->pages, &ink, &part.page, err);
    if (rc != KN_OK)
        return rc;
    if (!array_grow(&stream->parts, stream->n_parts, &stream->parts_capacity, sizeof(part)))
        return kn_fail(err, KN_ENOMEM, "no memory for %zu captions", stream->n_parts);
    stream->parts[stream->n_parts++] = part;
    *out_has = true;
    return KN_OK;
}

static kn_code bitmap_add(struct kn_ocr_stream *stream, const struct kn_bitmap *bitmap, struct kn_error *err)
{
    struct caption caption = {
        .start_us = bitmap->start_us,
        .end_us = bitmap->end_us,
        .first_part = stream->n_parts,
        .frame_width = bitmap->frame_width,
    };
    for (int i = 0; i < bitmap->n_objects; i++) {
        bool has;
        const kn_code rc = part_add(stream, bitmap, &bitmap->objects[i], &has, err);
        if (rc != KN_OK)
            return rc;
        caption.n_parts += has;
    }
    if (caption.n_parts == 0)
        return KN_OK; // nothing in it can be seen
    if (stream->n_captions >= KN_MAX_CUES)
        return kn_fail(err, KN_ELIMIT, "more than %d captions", KN_MAX_CUES);
    if (!array_grow(&stream->captions, stream->n_captions, &stream->captions_capacity, sizeof(caption)))
        return kn_fail(err, KN_ENOMEM, "no memory for %zu captions", stream->n_captions);
    stream->captions[stream->n_captions++] = caption;
    stream->facts.n_pictures++;
    return KN_OK;
}

kn_code kn_ocr_stream_packet(struct kn_ocr_stream *stream, const struct kn_caption_packet *packet,
                             struct kn_error *err)
{
    kn_auto(kn_bitmap_clear) struct kn_bitmap bitmap = {0};
    struct kn_error own = {0};
    bool has = false;
    const kn_code rc = kn_bitmap_reader_packet(stream->bitmaps, packet, &bitmap, &has, &own);
    if (rc == KN_ENOMEM)
        return kn_fail(err, rc, "%s", own.message);
    if (rc != KN_OK)
        kn_cue_list_warn(stream->list, 0, "%s", own.message);
    return has ? bitmap_add(stream, &bitmap, err) : KN_OK;
}

/* ---- cues ---- */
static int count_lines(const char *text)
{
    int n = 1;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

// The text with the looks of its lines, if the engine saw the lines that we saw.
static void text_add(struct kn_cue_builder *builder, const char *text, const struct kn_ocr_said *said)
{
    const bool is_known = count_lines(text) == said->n_lines;
    for (int i = 0;; i++) {
        const size_t n = strcspn(text, "\n");
        builder->look.style.is_italic = is_known && said->lines[i].is_italic;
        kn_cue_builder_text(builder, text, n);
        text += n;
        if (!*text)
            return;
        builder->look.style.is_italic = is_known && said->lines[i].is_italic && said->lines[i + 1].is_italic;
        kn_cue_builder_character(builder, (uint32_t)*text++);
    }
}

// What the part says is added to the saying, if it says anything.
static kn_code part_say(struct kn_ocr_stream *stream, const struct part *part, struct saying *saying,
                        struct kn_error *err)
{
    const struct kn_ocr_said said = kn_ocr_pages_said(stream->pages, part->page);
    const char *text = kn_ocr_text_clean(said.text, &stream->list->arena);
    if (text && stream->corrects)
        text = kn_ocr_text_correct(text, &stream->list->arena);
    if (!text)
        return kn_fail(err, KN_ENOMEM, "no memory for a caption");
    saying->parts[saying->n_parts] = part;
    saying->texts[saying->n_parts++] = text;
    saying->is_forced = saying->is_forced || part->is_forced;
    if (text[0])
        saying->confidence = said.confidence < saying->confidence ? said.confidence : saying->confidence;
    return KN_OK;
}

static bool begins_with_dash(const char *line)
{
    return line[0] == '-' || (kn_starts_with(line, "\xE2\x80") && (unsigned char)line[2] >= 0x90 &&
                              (unsigned char)line[2] <= 0x95); // U+2010 to U+2015
}

// Two lines, of which each stands for itself: side by side, or one to the left and one to the right.
static bool has_two_speakers(const struct caption *caption, const struct saying *saying)
{
    int left[2], right[2], n = 0;
    for (int i = 0; i < saying->n_parts; i++) {
        const struct part *part = saying->parts[i];
        if (n + part->n_lines > 2 || !saying->texts[i][0] || count_lines(saying->texts[i]) != part->n_lines)
            return false;
        for (int k = 0; k < part->n_lines; k++, n++) {
            left[n] = part->lines[k].left;
            right[n] = part->lines[k].right;
        }
        const char *second = strchr(saying->texts[i], '\n');
        if (begins_with_dash(saying->texts[i]) || (second && begins_with_dash(second + 1)))
            return false;
    }
    if (n != 2 || caption->frame_width <= 0)
        return false;
    const double apart = LEAST_OFFSET * caption->frame_width, aligned = ALIGNED * caption->frame_width;
    const double first = (left[0] + right[0]) / 2.0, second = (left[1] + right[1]) / 2.0;
    const double middle = caption->frame_width / 2.0;
    return abs(left[0] - left[1]) > apart && abs(right[0] - right[1]) > aligned && fabs(first - second) > aligned &&
        fabs(first - middle) > aligned && fabs(second - middle) > aligned;
}

// The text with a dash before each of its lines; NULL without memory.
static const char *dashes_add(const char *text, struct kn_arena *arena)
{
    const char *end = strchr(text, '\n');
    return end ? kn_arena_printf(arena, "- %.*s\n- %s", (int)(end - text), text, end + 1)
               : kn_arena_printf(arena, "- %s", text);
}

// Beside the middle third of the frame: said, in parts of its width; NAN is where captions are expected.
static double centre_of(const struct caption *caption, const struct saying *saying)
{
    int left = saying->parts[0]->all.left, right = saying->parts[0]->all.right;
    for (int i = 1; i < saying->n_parts; i++) {
        left = saying->parts[i]->all.left < left ? saying->parts[i]->all.left : left;
        right = saying->parts[i]->all.right > right ? saying->parts[i]->all.right : right;
    }
    const double centre = caption->frame_width > 0 ? (left + right) / (2.0 * caption->frame_width) : 0.5;
    return centre < 1.0 / 3 || centre > 2.0 / 3 ? centre : NAN;
}

static kn_code texts_add(struct kn_ocr_stream *stream, const struct caption *caption, const struct saying *saying,
                         struct kn_cue_builder *builder, bool *out_has, struct kn_error *err)
{
    const bool is_dialogue = has_two_speakers(caption, saying);
    *out_has = false;
    for (int i = 0; i < saying->n_parts; i++) {
        const struct kn_ocr_said said = kn_ocr_pages_said(stream->pages, saying->parts[i]->page);
        const char *text = saying->texts[i];
        if (is_dialogue)
            text = dashes_add(text, &stream->list->arena);
        if (!text)
            return kn_fail(err, KN_ENOMEM, "no memory for a caption");
        if (!text[0])
            continue;
        if (*out_has)
            kn_cue_builder_character(builder, '\n');
        text_add(builder, text, &said);
        *out_has = true;
    }
    return KN_OK;
}

// The cue of all the parts at this anchor, if there are any; they lie from top to bottom.
static kn_code cue_add(struct kn_ocr_stream *stream, const struct caption *caption, int anchor, struct kn_error *err)
{
    struct saying saying = {.confidence = 1};
    for (int i = 0; i < caption->n_parts; i++) {
        const struct part *part = &stream->parts[caption->first_part + (size_t)i];
        const kn_code rc = part->anchor == anchor ? part_say(stream, part, &saying, err) : KN_OK;
        if (rc != KN_OK)
            return rc;
    }
    if (saying.n_parts == 0)
        return KN_OK;
    kn_auto(kn_cue_builder_clear) struct kn_cue_builder builder = {0};
    kn_cue_builder_init(&builder, stream->list);
    bool has_text;
    kn_code rc = texts_add(stream, caption, &saying, &builder, &has_text, err);
    if (rc != KN_OK)
        return rc;
    if (!has_text) {
        kn_cue_builder_text(&builder, "[?]", 3);
        stream->facts.n_unread++;
        kn_cue_list_warn(stream->list, 0, "the picture at %.3f s could not be read",
                         (double)caption->start_us / KN_SECOND);
    }
    struct kn_cue *cue;
    rc = kn_cue_list_add(stream->list, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->start_us = caption->start_us;
    cue->end_us = caption->end_us;
    cue->is_forced = saying.is_forced;
    cue->confidence = has_text ? saying.confidence : 0;
    cue->place.anchor = anchor;
    cue->place.x = centre_of(caption, &saying);
    stream->confidence += cue->confidence;
    stream->n_cues++;
    return kn_cue_builder_finish(&builder, cue, err);
}

kn_code kn_ocr_stream_end(struct kn_ocr_stream *stream, int64_t media_end_us, struct kn_error *err)
{
    kn_auto(kn_bitmap_clear) struct kn_bitmap bitmap = {0};
    bool has;
    kn_bitmap_reader_end(stream->bitmaps, media_end_us, &bitmap, &has);
    kn_code rc = has ? bitmap_add(stream, &bitmap, err) : KN_OK;
    if (rc == KN_OK)
        rc = kn_ocr_pages_read(stream->pages, err);
    for (size_t i = 0; i < stream->n_captions && rc == KN_OK; i++) {
        rc = cue_add(stream, &stream->captions[i], 8, err);
        if (rc == KN_OK)
            rc = cue_add(stream, &stream->captions[i], 0, err);
    }
    kn_cue_list_finish(stream->list, media_end_us);
    return rc;
}
