/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets to pages and where they were shown, as they come; pages to cues at the end. */
#include "engine/caption/ocr_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "engine/caption/bitmap.h"
#include "engine/caption/bitmap_ink.h"
#include "engine/caption/builder.h"
#include "engine/caption/finish.h"
#include "engine/caption/ocr.h"
#include "engine/caption/ocr_pages.h"
#include "engine/caption/ocr_text.h"

// Part of a caption: a page at a place.
struct part {
    size_t page; // its number in the pile
    int anchor;  // as in struct kn_cue_place
    bool is_forced;
};

// What is shown at one time.
struct caption {
    int64_t start_us, end_us;
    size_t first_part;
    int n_parts;
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
static int anchor_of(const struct kn_bitmap *bitmap, const struct kn_bitmap_object *object)
{
    const int centre = object->y + object->height / 2;
    return bitmap->frame_height > 0 && centre * 3 < bitmap->frame_height ? 8 : 0;
}

static kn_code part_add(struct kn_ocr_stream *stream, const struct kn_bitmap *bitmap,
                        const struct kn_bitmap_object *object, bool *out_has, struct kn_error *err)
{
    kn_auto(kn_ink_clear) struct kn_ink ink = {0};
    struct part part = {.anchor = anchor_of(bitmap, object), .is_forced = object->is_forced};
    *out_has = false;
    kn_code rc = kn_ink_make(&ink, object, err);
    if (rc != KN_OK || !ink.pixels)
        return rc;
    if (stream->refusal.code != KN_OK)
        return refuse(stream, err);
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
        .start_us = bitmap->start_us, .end_us = bitmap->end_us, .first_part = stream->n_parts};
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

static kn_code part_say(struct kn_ocr_stream *stream, const struct part *part, struct kn_cue_builder *builder,
                        int *n_texts, double *confidence, struct kn_error *err)
{
    const struct kn_ocr_said said = kn_ocr_pages_said(stream->pages, part->page);
    const char *text = kn_ocr_text_clean(said.text, &stream->list->arena);
    if (text && stream->corrects)
        text = kn_ocr_text_correct(text, &stream->list->arena);
    if (!text)
        return kn_fail(err, KN_ENOMEM, "no memory for a caption");
    if (!text[0])
        return KN_OK;
    if ((*n_texts)++ > 0)
        kn_cue_builder_character(builder, '\n');
    text_add(builder, text, &said);
    *confidence = said.confidence < *confidence ? said.confidence : *confidence;
    return KN_OK;
}

// The cue of all the parts at this anchor, if there are any; they lie from top to bottom.
static kn_code cue_add(struct kn_ocr_stream *stream, const struct caption *caption, int anchor, struct kn_error *err)
{
    kn_auto(kn_cue_builder_clear) struct kn_cue_builder builder = {0};
    kn_cue_builder_init(&builder, stream->list);
    double confidence = 1;
    bool is_forced = false;
    int n_texts = 0, n_parts = 0;
    for (int i = 0; i < caption->n_parts; i++) {
        const struct part *part = &stream->parts[caption->first_part + (size_t)i];
        if (part->anchor != anchor)
            continue;
        const kn_code rc = part_say(stream, part, &builder, &n_texts, &confidence, err);
        if (rc != KN_OK)
            return rc;
        is_forced = is_forced || part->is_forced;
        n_parts++;
    }
    if (n_parts == 0)
        return KN_OK;
    if (n_texts == 0) {
        kn_cue_builder_text(&builder, "[?]", 3);
        stream->facts.n_unread++;
        kn_cue_list_warn(stream->list, 0, "the picture at %.3f s could not be read",
                         (double)caption->start_us / KN_SECOND);
    }
    struct kn_cue *cue;
    const kn_code rc = kn_cue_list_add(stream->list, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->start_us = caption->start_us;
    cue->end_us = caption->end_us;
    cue->is_forced = is_forced;
    cue->confidence = n_texts ? confidence : 0;
    cue->place.anchor = anchor;
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
