/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pictures to cues, one after another as they end, so that no more than two are in memory. */
#include "engine/caption/ocr_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/crc64.h"
#include "engine/caption/bitmap.h"
#include "engine/caption/bitmap_ink.h"
#include "engine/caption/builder.h"
#include "engine/caption/finish.h"
#include "engine/caption/ocr.h"
#include "engine/caption/ocr_text.h"

// Readings kept for pictures that come again: a power of two; a film has 1,500 captions.
#define N_SEEN 4096

// What a picture said.
struct reading {
    uint64_t sum; // of its ink; 0: free
    const char *text; // borrowed from the list's arena
    double confidence;
    int n_lines;
    bool is_italic[KN_MAX_INK_LINES];
};

struct kn_ocr_stream {
    struct kn_cue_list *list;         // borrowed
    struct kn_bitmap_reader *bitmaps; // owned
    struct kn_ocr *ocr;               // owned
    struct reading seen[N_SEEN];
    bool corrects;
    struct kn_ocr_facts facts;
    double confidence; // sum over n_read
};

/* ---- its life ---- */
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
    const char *language = options->language ? options->language : is_said ? own : options->fallback, *names;
    stream->list = list;
    stream->corrects = options->corrects;
    list->codec = track->facts.codec;
    kn_code rc = kn_ocr_language(language, &list->arena, &names, err);
    if (rc == KN_OK)
        rc = kn_bitmap_reader_new(&stream->bitmaps, track->facts.codec, track->private_bytes, track->n_private,
                                  track->width_px, track->height_px, err);
    if (rc == KN_OK)
        rc = kn_ocr_new(&stream->ocr, names, err);
    if (rc == KN_OK)
        *out_stream = KN_TAKE(stream);
    return rc;
}

void kn_ocr_stream_free(struct kn_ocr_stream **stream)
{
    struct kn_ocr_stream *s = *stream;
    if (!s)
        return;
    kn_bitmap_reader_free(&s->bitmaps);
    kn_ocr_free(&s->ocr);
    free(s);
    *stream = NULL;
}

struct kn_ocr_facts kn_ocr_stream_facts(const struct kn_ocr_stream *stream)
{
    struct kn_ocr_facts facts = stream->facts;
    facts.confidence = facts.n_read ? stream->confidence / (double)facts.n_read : NAN;
    return facts;
}

/* ---- reading ---- */
static uint64_t ink_sum(const struct kn_ink *ink)
{
    const int32_t size[2] = {ink->width, ink->height};
    const uint64_t sum = kn_crc64(kn_crc64(0, size, sizeof(size)), ink->pixels,
                                  (size_t)ink->width * (size_t)ink->height);
    return sum ? sum : 1;
}

static kn_code ink_read(struct kn_ocr_stream *stream, const struct kn_ink *ink, struct reading *reading,
                        struct kn_error *err)
{
    struct kn_arena *arena = &stream->list->arena;
    kn_code rc = kn_ocr_read(stream->ocr, ink->pixels, ink->width, ink->height, ink->n_lines == 1, arena,
                             &reading->text, &reading->confidence, err);
    if (rc != KN_OK)
        return rc;
    reading->text = kn_ocr_text_clean(reading->text, arena);
    if (reading->text && stream->corrects)
        reading->text = kn_ocr_text_correct(reading->text, arena);
    if (!reading->text)
        return kn_fail(err, KN_ENOMEM, "no memory for a caption");
    reading->n_lines = ink->n_lines;
    memcpy(reading->is_italic, ink->is_italic, sizeof(reading->is_italic));
    stream->facts.n_read++;
    stream->confidence += reading->confidence;
    return KN_OK;
}

// What one picture says; an empty text when there is nothing in it. Borrowed until the next one.
static kn_code object_read(struct kn_ocr_stream *stream, const struct kn_bitmap_object *object,
                           const struct reading **out, struct kn_error *err)
{
    static const struct reading nothing = {.text = NULL};
    kn_auto(kn_ink_clear) struct kn_ink ink = {0};
    *out = &nothing;
    kn_code rc = kn_ink_make(&ink, object, err);
    if (rc != KN_OK || !ink.pixels)
        return rc;
    const uint64_t sum = ink_sum(&ink);
    struct reading *reading = &stream->seen[sum % N_SEEN];
    if (reading->sum != sum) {
        *reading = (struct reading){0};
        rc = ink_read(stream, &ink, reading, err);
        if (rc != KN_OK)
            return rc;
        reading->sum = sum;
    }
    *out = reading;
    return KN_OK;
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
static void text_add(struct kn_cue_builder *builder, const struct reading *reading)
{
    const bool is_known = count_lines(reading->text) == reading->n_lines;
    const char *at = reading->text;
    for (int i = 0;; i++) {
        const size_t n = strcspn(at, "\n");
        builder->look.style.is_italic = is_known && reading->is_italic[i];
        kn_cue_builder_text(builder, at, n);
        at += n;
        if (!*at)
            return;
        const bool goes_on = is_known && reading->is_italic[i] && reading->is_italic[i + 1];
        builder->look.style.is_italic = goes_on;
        kn_cue_builder_character(builder, (uint32_t)*at++);
    }
}

// Upper third: said; all else is where captions are expected.
static int anchor_of(const struct kn_bitmap *bitmap, const struct kn_bitmap_object *object)
{
    const int centre = object->y + object->height / 2;
    return bitmap->frame_height > 0 && centre * 3 < bitmap->frame_height ? 8 : 0;
}

// The cue of all the objects that have this anchor; they lie from top to bottom.
static kn_code cue_add(struct kn_ocr_stream *stream, const struct kn_bitmap *bitmap, int anchor, struct kn_error *err)
{
    kn_auto(kn_cue_builder_clear) struct kn_cue_builder builder = {0};
    kn_cue_builder_init(&builder, stream->list);
    double confidence = 1;
    bool is_forced = false;
    int n_texts = 0, n_objects = 0;
    for (int i = 0; i < bitmap->n_objects; i++) {
        const struct kn_bitmap_object *object = &bitmap->objects[i];
        const struct reading *reading;
        if (anchor_of(bitmap, object) != anchor)
            continue;
        const kn_code rc = object_read(stream, object, &reading, err);
        if (rc != KN_OK)
            return rc;
        n_objects += reading->text != NULL;
        is_forced = is_forced || object->is_forced;
        if (!reading->text || !reading->text[0])
            continue;
        if (n_texts++ > 0)
            kn_cue_builder_character(&builder, '\n');
        text_add(&builder, reading);
        confidence = reading->confidence < confidence ? reading->confidence : confidence;
    }
    if (n_objects == 0)
        return KN_OK;
    if (n_texts == 0) {
        kn_cue_builder_text(&builder, "[?]", 3);
        stream->facts.n_unread++;
        kn_cue_list_warn(stream->list, 0, "the picture at %.3f s could not be read",
                         (double)bitmap->start_us / KN_SECOND);
    }
    struct kn_cue *cue;
    const kn_code rc = kn_cue_list_add(stream->list, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->start_us = bitmap->start_us;
    cue->end_us = bitmap->end_us;
    cue->is_forced = is_forced;
    cue->confidence = n_texts ? confidence : 0;
    cue->place.anchor = anchor;
    return kn_cue_builder_finish(&builder, cue, err);
}

static kn_code bitmap_add(struct kn_ocr_stream *stream, const struct kn_bitmap *bitmap, struct kn_error *err)
{
    stream->facts.n_pictures++;
    const kn_code rc = cue_add(stream, bitmap, 8, err);
    return rc == KN_OK ? cue_add(stream, bitmap, 0, err) : rc;
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

kn_code kn_ocr_stream_end(struct kn_ocr_stream *stream, int64_t media_end_us, struct kn_error *err)
{
    kn_auto(kn_bitmap_clear) struct kn_bitmap bitmap = {0};
    bool has;
    kn_bitmap_reader_end(stream->bitmaps, media_end_us, &bitmap, &has);
    const kn_code rc = has ? bitmap_add(stream, &bitmap, err) : KN_OK;
    kn_cue_list_finish(stream->list, media_end_us);
    return rc;
}
