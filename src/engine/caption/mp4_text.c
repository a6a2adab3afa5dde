/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/mp4_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/text.h"
#include "engine/caption/vtt.h"

#define MAX_RECORDS 4096 // of one sample; a character each would be this many
#define LOOK_BACK 32     // WebVTT cues that are open at once

static uint32_t be16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t be32(const uint8_t *at)
{
    return be16(at) << 16 | be16(at + 2);
}

/* ---- boxes ---- */
struct box {
    char type[5];
    const uint8_t *bytes; // its contents
    size_t n;
};

// The next box; false at the end, or where a box lies about its size.
static bool box_next(const uint8_t **at, const uint8_t *end, struct box *out)
{
    if (end - *at < 8)
        return false;
    const uint32_t size = be32(*at);
    if (size < 8 || size > (size_t)(end - *at))
        return false;
    memcpy(out->type, *at + 4, 4);
    out->type[4] = '\0';
    out->bytes = *at + 8;
    out->n = size - 8;
    *at += size;
    return true;
}

static bool box_is(const struct box *box, const char *type)
{
    return memcmp(box->type, type, 4) == 0;
}

/* ---- tx3g ---- */
void kn_tx3g_entry(struct kn_tx3g *entry, const struct kn_cue_list *list, const uint8_t *bytes, size_t n)
{
    *entry = (struct kn_tx3g){.column = 1, .colour = 0xFFFFFF};
    // displayFlags, justifications, background, box, then the style: start, end, font, face, size, colour
    if (n < 30)
        return;
    entry->flags = be32(bytes);
    const int8_t across = (int8_t)bytes[4], down = (int8_t)bytes[5];
    entry->column = across < 0 ? 2 : across == 1 ? 1 : 0;
    entry->row = down < 0 ? 0 : down == 1 ? 1 : 2;
    const int box_px = (int)(int16_t)be16(bytes + 14) - (int)(int16_t)be16(bytes + 10);
    entry->has_place = list->height_px > 0 && box_px * 2 >= list->height_px;
    entry->face = bytes[24];
    entry->colour = be32(bytes + 26) >> 8;
}

struct record {
    size_t from, to; // characters, or bytes
    uint8_t face;
    uint32_t rgba;
    bool is_highlight;
};

struct sample {
    struct kn_buf text; // UTF-8
    struct record records[MAX_RECORDS];
    size_t n_records;
    bool counts_bytes, is_forced;
};

static void styles_read(struct sample *sample, const struct box *box)
{
    const size_t n = box->n >= 2 ? be16(box->bytes) : 0;
    for (size_t i = 0; i < n && 2 + (i + 1) * 12 <= box->n && sample->n_records < MAX_RECORDS; i++) {
        const uint8_t *at = box->bytes + 2 + i * 12;
        sample->records[sample->n_records++] = (struct record){
            .from = be16(at), .to = be16(at + 2), .face = at[6], .rgba = be32(at + 8)};
    }
}

static void sample_boxes(struct sample *sample, const uint8_t *at, const uint8_t *end)
{
    struct box box;
    uint32_t highlight = 0x00FFFF00; // no 'hclr': players invert; cyan stands out
    size_t highlighted = MAX_RECORDS;
    while (box_next(&at, end, &box)) {
        if (box_is(&box, "styl")) {
            styles_read(sample, &box);
        } else if (box_is(&box, "hlit") && box.n >= 4 && sample->n_records < MAX_RECORDS) {
            highlighted = sample->n_records;
            sample->records[sample->n_records++] = (struct record){
                .from = be16(box.bytes), .to = be16(box.bytes + 2), .is_highlight = true};
        } else if (box_is(&box, "hclr") && box.n >= 4) {
            highlight = be32(box.bytes);
        } else if (box_is(&box, "frcd")) {
            sample->is_forced = true;
        }
    }
    if (highlighted < sample->n_records)
        sample->records[highlighted].rgba = highlight;
}

static void character_style(const struct sample *sample, const struct kn_tx3g *entry, size_t place,
                            struct kn_cue_style *out)
{
    *out = (struct kn_cue_style){0};
    for (size_t i = 0; i < sample->n_records; i++) {
        const struct record *record = &sample->records[i];
        if (place < record->from || place >= record->to)
            continue;
        if (!record->is_highlight) {
            const uint8_t face = record->face & (uint8_t)~entry->face; // what all text has is ordinary
            out->is_bold = face & 1;
            out->is_italic = face & 2;
            out->is_underline = face & 4;
        }
        out->has_colour = record->rgba >> 8 != entry->colour;
        out->colour = out->has_colour ? record->rgba >> 8 : 0;
    }
}

// Writers count characters as the standard says, or bytes; what lies beyond all characters is bytes. Where both would
// do, the writer counts as it did before, unless that were to cut a character.
static void counting_find(struct sample *sample, struct kn_tx3g *entry)
{
    const char *text = kn_buf_text(&sample->text);
    const size_t n = sample->text.len;
    size_t characters = 0;
    for (size_t i = 0; sample->n_records && i < n; i++)
        characters += (text[i] & 0xC0) != 0x80;
    bool cuts = false;
    for (size_t i = 0; i < sample->n_records; i++) {
        const struct record *record = &sample->records[i];
        entry->counts_bytes = entry->counts_bytes || (record->to > characters && record->to <= n);
        cuts = cuts || (record->from < n && (text[record->from] & 0xC0) == 0x80) ||
            (record->to < n && (text[record->to] & 0xC0) == 0x80);
    }
    sample->counts_bytes = entry->counts_bytes && !cuts;
}

// Given to the builder in stretches of one look, with '\n' for line ends of every kind.
static void text_add(struct kn_cue_builder *builder, const struct sample *sample, const struct kn_tx3g *entry)
{
    const char *text = kn_buf_text(&sample->text);
    const size_t n = sample->text.len;
    size_t from = 0;
    for (size_t i = 0, step, characters = 0; i < n; i += step, characters++) {
        step = 1;
        if (!sample->n_records && (unsigned char)text[i] < 0x80 && text[i] != '\r')
            continue; // as nearly all are
        const uint32_t c = kn_caption_character(text + i, n - i, &step);
        if (sample->n_records) {
            struct kn_cue_style style;
            character_style(sample, entry, sample->counts_bytes ? i : characters, &style);
            if (!kn_cue_style_equal(&style, &builder->look.style)) {
                kn_cue_builder_text(builder, text + from, i - from);
                from = i;
                builder->look.style = style;
            }
        }
        if (c != '\r' && c != 0x2028 && c != 0x2029 && c != 0x85)
            continue;
        kn_cue_builder_text(builder, text + from, i - from);
        from = i + step;
        if (c != '\r' || from == n || text[from] != '\n')
            kn_cue_builder_text(builder, "\n", 1);
    }
    kn_cue_builder_text(builder, text + from, n - from);
}

static kn_code sample_cue(struct kn_cue_list *list, struct sample *sample, const struct kn_tx3g *entry,
                          const struct kn_caption_packet *packet, struct kn_error *err)
{
    struct kn_cue *cue;
    kn_code rc = kn_cue_of_packet(list, packet, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->is_forced = sample->is_forced || (entry->flags & 0x80000000u);
    if (entry->has_place)
        cue->place.anchor = entry->row * 3 + entry->column + 1;
    kn_auto(kn_cue_builder_clear) struct kn_cue_builder builder;
    kn_cue_builder_init(&builder, list);
    text_add(&builder, sample, entry);
    return kn_cue_builder_finish(&builder, cue, err);
}

kn_code kn_tx3g_sample(struct kn_cue_list *list, struct kn_tx3g *entry,
                       const struct kn_caption_packet *packet, struct kn_error *err)
{
    if (packet->n < 2)
        return KN_OK;
    const size_t said = be16(packet->bytes), n = said < packet->n - 2 ? said : packet->n - 2;
    if (said > packet->n - 2)
        kn_cue_list_warn(list, 0, "a sample of %zu bytes says it has %zu bytes of text", packet->n, said);
    if (n == 0)
        return KN_OK;
    struct sample *sample = malloc(sizeof(*sample));
    if (!sample)
        return kn_fail(err, KN_ENOMEM, "no memory for a sample");
    // The records are filled before they are read: clearing 128 KiB took most of the time of a film.
    sample->text = (struct kn_buf){0};
    sample->n_records = 0;
    sample->counts_bytes = sample->is_forced = false;
    char encoding[40];
    kn_code rc = kn_caption_decode(&sample->text, packet->bytes + 2, n, NULL, encoding, err);
    if (rc == KN_OK) {
        sample_boxes(sample, packet->bytes + 2 + n, packet->bytes + packet->n);
        if (kn_equal(encoding, "UTF-8")) // bytes of what was UTF-16 are not those of `text`
            counting_find(sample, entry);
        rc = sample_cue(list, sample, entry, packet, err);
    }
    kn_buf_clear(&sample->text);
    free(sample);
    return rc;
}

/* ---- wvtt ---- */
static const char *box_text(struct kn_cue_list *list, const struct box *box)
{
    return kn_is_utf8(box->bytes, box->n)
        ? kn_arena_strndup(&list->arena, (const char *)box->bytes, box->n) : NULL;
}

static bool extended(struct kn_cue_list *list, const char *payload, const char *settings, const char *id,
                     const struct kn_caption_packet *packet)
{
    for (size_t back = 1; back <= LOOK_BACK && back <= list->n_cues; back++) {
        struct kn_cue *cue = &list->cues[list->n_cues - back];
        if (cue->end_us == packet->start_us && kn_equal(cue->raw, payload) &&
            kn_equal(cue->settings, settings) && kn_equal(cue->id, id)) {
            cue->end_us = packet->duration_us > 0 ? packet->start_us + packet->duration_us : KN_NO_TIME;
            return true;
        }
    }
    return false;
}

static kn_code vttc_read(struct kn_cue_list *list, const struct box *vttc,
                         const struct kn_caption_packet *packet, struct kn_error *err)
{
    const uint8_t *at = vttc->bytes, *end = at + vttc->n;
    const char *payload = "", *settings = NULL, *id = NULL;
    struct box box;
    while (box_next(&at, end, &box)) {
        if (box_is(&box, "payl"))
            payload = box_text(list, &box);
        else if (box_is(&box, "sttg"))
            settings = box_text(list, &box);
        else if (box_is(&box, "iden"))
            id = box_text(list, &box);
    }
    if (!payload) {
        kn_cue_list_warn(list, 0, "a cue at %.3f s is no UTF-8", (double)packet->start_us / KN_SECOND);
        return KN_OK;
    }
    if (extended(list, payload, settings, id, packet))
        return KN_OK;
    struct kn_cue *cue;
    kn_code rc = kn_cue_of_packet(list, packet, &cue, err);
    if (rc != KN_OK)
        return rc;
    cue->id = id;
    cue->settings = settings;
    if (settings)
        kn_vtt_settings(list, cue, settings, strlen(settings), 0);
    kn_auto(kn_cue_builder_clear) struct kn_cue_builder builder;
    kn_cue_builder_init(&builder, list);
    return kn_vtt_cue_text(&builder, cue, payload, strlen(payload), err);
}

kn_code kn_wvtt_sample(struct kn_cue_list *list, const struct kn_caption_packet *packet,
                       struct kn_error *err)
{
    const uint8_t *at = packet->bytes, *end = at + packet->n;
    struct box box;
    kn_code rc = KN_OK;
    while (rc == KN_OK && box_next(&at, end, &box))
        if (box_is(&box, "vttc"))
            rc = vttc_read(list, &box, packet, err);
    if (at != end)
        kn_cue_list_warn(list, 0, "a sample at %.3f s is cut short", (double)packet->start_us / KN_SECOND);
    return rc;
}
