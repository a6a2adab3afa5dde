/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A Matroska block to packets.
 *
 *     SimpleBlock, Block:  track (vint) | time, from the cluster's (int16) | flags | [laces] | frames
 *     BlockGroup:          Block | BlockDuration | BlockAdditions (WebVTT: settings, identifier)
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "engine/caption/matroska.h"

// As much of a block as tells whose it is: the heads of group and block, track, time, flags.
#define PEEK_BYTES 48
// Children of a group that stand before its Block.
#define MAX_GROUP_CHILDREN 64

/* ---- encodings ---- */
static bool inflate_into(const uint8_t *bytes, size_t n, size_t limit, struct kn_buf *plain)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)bytes, .avail_in = (uInt)n}; // zlib only reads it
    if (inflateInit(&z) != Z_OK)
        return false;
    int answer = Z_OK;
    while (answer == Z_OK && plain->len < limit && kn_buf_reserve(plain, 16 * 1024)) {
        const size_t room = plain->capacity - plain->len - 1;
        z.next_out = (uint8_t *)plain->data + plain->len;
        z.avail_out = (uInt)room;
        answer = inflate(&z, Z_NO_FLUSH);
        plain->len += room - z.avail_out;
        plain->data[plain->len] = '\0';
    }
    (void)inflateEnd(&z);
    return answer == Z_STREAM_END && plain->len <= limit;
}

bool kn_matroska_undo(const struct kn_matroska_track *track, bool is_private,
                      const uint8_t **bytes, size_t *n, size_t limit, struct kn_buf *plain)
{
    for (int i = 0; i < track->n_encodings; i++) {
        const struct kn_matroska_encoding *encoding = &track->encodings[i];
        if (is_private ? !encoding->has_private : !encoding->has_frames)
            continue;
        struct kn_buf next = {0};
        bool is_undone = true;
        if (encoding->is_zlib) {
            is_undone = inflate_into(*bytes, *n, limit, &next);
        } else {
            kn_buf_add(&next, encoding->stripped, encoding->n_stripped);
            kn_buf_add(&next, *bytes, *n);
            is_undone = kn_buf_ok(&next) && next.len <= limit;
        }
        kn_buf_clear(plain);
        *plain = next;
        if (!is_undone)
            return false;
        *bytes = (const uint8_t *)kn_buf_text(plain);
        *n = plain->len;
    }
    return true;
}

/* ---- laces ---- */
// Sizes of all but the last frame, each 255 + 255 + … + rest.
static size_t xiph_sizes(struct kn_matroska_block *block, const uint8_t *bytes, size_t n)
{
    size_t at = 0;
    for (int i = 0; i < block->n_laces - 1; i++) {
        size_t size = 0;
        uint8_t part;
        do {
            if (at == n)
                return SIZE_MAX;
            part = bytes[at++];
            size += part;
        } while (part == 255);
        block->laces[i] = size;
    }
    return at;
}

// The first as a vint, the others as differences from the one before, shifted to be signed.
static size_t ebml_sizes(struct kn_matroska_block *block, const uint8_t *bytes, size_t n)
{
    size_t at = 0;
    int64_t size = 0;
    for (int i = 0; i < block->n_laces - 1; i++) {
        uint64_t value = 0;
        const int length = kn_ebml_vint(bytes + at, n - at, &value);
        if (length == 0)
            return SIZE_MAX;
        at += (size_t)length;
        size = i == 0 ? (int64_t)value
                      : size + (int64_t)value - ((INT64_C(1) << (7 * length - 1)) - 1);
        if (size < 0 || size > KN_MAX_CAPTION_PACKET)
            return SIZE_MAX;
        block->laces[i] = (size_t)size;
    }
    return at;
}

// Fills laces and moves block->bytes to the first frame.
static bool read_laces(struct kn_matroska_block *block, int lacing, const uint8_t *bytes, size_t n)
{
    block->bytes = bytes;
    block->n_laces = 1;
    block->laces[0] = n;
    if (lacing == 0)
        return true;
    if (n == 0)
        return false;
    block->n_laces = bytes[0] + 1;
    bytes++, n--;
    size_t used = 0;
    if (lacing == 2) { // all of one size
        if (n % (size_t)block->n_laces != 0)
            return false;
        for (int i = 0; i < block->n_laces - 1; i++)
            block->laces[i] = n / (size_t)block->n_laces;
    } else {
        used = lacing == 1 ? xiph_sizes(block, bytes, n) : ebml_sizes(block, bytes, n);
    }
    if (used > n)
        return false;
    block->bytes = bytes + used;
    size_t rest = n - used;
    for (int i = 0; i < block->n_laces - 1; i++) {
        if (block->laces[i] > rest)
            return false;
        rest -= block->laces[i];
    }
    block->laces[block->n_laces - 1] = rest;
    return true;
}

/* ---- one block ---- */
static bool is_wanted(const struct kn_matroska *m, const struct kn_matroska_track *track)
{
    return track && track->caption >= 0 && kn_harvest_wants(m->harvest, track->caption);
}

static void no_block(struct kn_matroska_block *block)
{
    block->track = NULL;
    block->n_laces = block->next_lace = 0;
}

// From a Block's or SimpleBlock's payload.
static bool set_block(struct kn_matroska *m, const uint8_t *bytes, size_t n, int64_t cluster_time)
{
    struct kn_matroska_block *block = &m->block;
    uint64_t number = 0;
    const int length = kn_ebml_vint(bytes, n, &number);
    no_block(block);
    kn_buf_reset(&block->addition);
    if (length == 0 || n - (size_t)length < 3)
        return false;
    bytes += length;
    n -= (size_t)length;
    const int16_t relative = (int16_t)(bytes[0] << 8 | bytes[1]);
    const int lacing = bytes[2] >> 1 & 3;
    int64_t time;
    if (__builtin_add_overflow(cluster_time, relative, &time) ||
        __builtin_mul_overflow(time, m->scale_ns, &block->start_ns) ||
        !read_laces(block, lacing, bytes + 3, n - 3)) {
        no_block(block);
        return false;
    }
    block->track = kn_matroska_track(m, number);
    block->frame_ns = -1;
    return block->track != NULL;
}

// BlockAdditions of a WebVTT block: the first addition, "settings \n identifier \n comments".
static void read_additions(struct kn_matroska_block *block, struct kn_ebml_span span)
{
    struct kn_ebml_element more, part;
    while (kn_ebml_next(&span, &more)) {
        if (more.id != 0xA6) // BlockMore
            continue;
        struct kn_ebml_span parts = {more.bytes, more.n};
        struct kn_ebml_element addition = {0};
        uint64_t id = 1;
        while (kn_ebml_next(&parts, &part)) {
            if (part.id == 0xEE) // BlockAddID
                id = kn_ebml_uint(&part);
            else if (part.id == 0xA5) // BlockAdditional
                addition = part;
        }
        if (id == 1 && addition.bytes && block->addition.len == 0)
            kn_buf_add(&block->addition, addition.bytes, addition.n);
    }
}

static bool set_group(struct kn_matroska *m, struct kn_ebml_span span, int64_t cluster_time)
{
    struct kn_ebml_element part, additions = {0};
    uint64_t ticks = UINT64_MAX;
    bool has_block = false;
    while (kn_ebml_next(&span, &part)) {
        if (part.id == KN_MKV_BLOCK && !part.is_cut && !has_block)
            has_block = set_block(m, part.bytes, part.n, cluster_time);
        else if (part.id == 0x9B) // BlockDuration
            ticks = kn_ebml_uint(&part);
        else if (part.id == 0x75A1) // BlockAdditions
            additions = part;
    }
    if (!has_block)
        return false;
    int64_t ns;
    if (ticks < (uint64_t)INT64_MAX && !__builtin_mul_overflow((int64_t)ticks, m->scale_ns, &ns))
        m->block.frame_ns = ns / m->block.n_laces;
    if (additions.bytes)
        read_additions(&m->block, (struct kn_ebml_span){additions.bytes, additions.n});
    return true;
}

// Whose block a BlockGroup holds, 0 when that cannot be said. `at` is the group's payload.
static kn_code group_track(struct kn_matroska *m, int64_t at, int64_t end, uint64_t *out_number,
                           struct kn_error *err)
{
    *out_number = 0;
    for (int i = 0; i < MAX_GROUP_CHILDREN && at < end; i++) {
        const uint8_t *bytes;
        size_t got;
        const kn_code rc =
            kn_window_show(&m->harvest->window, at, KN_EBML_HEAD_BYTES + 8, &bytes, &got, err);
        if (rc != KN_OK)
            return rc;
        struct kn_ebml_head head;
        if (kn_ebml_head(&head, bytes, got) != KN_EBML_OK || head.n == KN_EBML_UNKNOWN ||
            head.n > end - at)
            return KN_OK;
        if (head.id == KN_MKV_BLOCK) {
            (void)kn_ebml_vint(bytes + head.n_head, got - (size_t)head.n_head, out_number);
            return KN_OK;
        }
        at += head.n_head + head.n;
    }
    return KN_OK;
}

kn_code kn_matroska_take_block(struct kn_matroska *m, int64_t at, int64_t cluster_time,
                               int64_t *out_end, bool *out_took, struct kn_error *err)
{
    const uint8_t *bytes;
    size_t got;
    *out_took = false;
    kn_code rc = kn_window_show(&m->harvest->window, at, PEEK_BYTES, &bytes, &got, err);
    if (rc != KN_OK)
        return rc;
    struct kn_ebml_head head;
    if (kn_ebml_head(&head, bytes, got) != KN_EBML_OK || head.n == KN_EBML_UNKNOWN ||
        head.n > INT64_MAX - at - head.n_head ||
        (head.id != KN_MKV_SIMPLE_BLOCK && head.id != KN_MKV_BLOCK_GROUP))
        return KN_EMEDIA;
    *out_end = at + head.n_head + head.n;
    uint64_t number = 0;
    if (head.id == KN_MKV_SIMPLE_BLOCK)
        (void)kn_ebml_vint(bytes + head.n_head, got - (size_t)head.n_head, &number);
    else
        rc = group_track(m, at + head.n_head, *out_end, &number, err);
    if (rc != KN_OK || !is_wanted(m, kn_matroska_track(m, number)))
        return rc;
    if (head.n > KN_MAX_CAPTION_PACKET) {
        kn_harvest_warn(m->harvest, "a caption block of %" PRId64 " bytes at byte %" PRId64
                        " was left out", head.n, at);
        return KN_OK;
    }
    rc = kn_window_show(&m->harvest->window, at + head.n_head, (size_t)head.n, &bytes, &got, err);
    if (rc != KN_OK)
        return rc;
    if (got < (size_t)head.n)
        return KN_OK; // cut off by the end of the file, which the walk notes
    *out_took = head.id == KN_MKV_SIMPLE_BLOCK
        ? set_block(m, bytes, got, cluster_time)
        : set_group(m, (struct kn_ebml_span){bytes, got}, cluster_time);
    if (!*out_took)
        kn_harvest_warn(m->harvest, "the caption block at byte %" PRId64 " is damaged", at);
    return KN_OK;
}

/* ---- packets ---- */
// Ends a line in place and returns what follows it.
static char *end_line(char *text)
{
    char *end = text + strcspn(text, "\n");
    char *next = *end ? end + 1 : end;
    if (end > text && end[-1] == '\r')
        end--;
    *end = '\0';
    return next;
}

// S_TEXT/WEBVTT: settings and identifier are the first two lines of the addition.
static void set_addition(struct kn_matroska_block *block, struct kn_caption_packet *packet)
{
    if (block->addition.len == 0 || !kn_buf_ok(&block->addition))
        return;
    char *settings = block->addition.data;
    char *id = end_line(settings);
    (void)end_line(id);
    packet->settings = settings[0] ? settings : NULL;
    packet->id = id[0] ? id : NULL;
}

// D_WEBVTT: identifier and settings are the first two lines of the frame.
static void split_lines(struct kn_matroska_block *block, struct kn_caption_packet *packet)
{
    kn_buf_reset(&block->addition);
    const uint8_t *bytes = packet->bytes, *end = bytes + packet->n;
    for (int i = 0; i < 2 && bytes < end; i++) {
        const uint8_t *line = memchr(bytes, '\n', (size_t)(end - bytes));
        bytes = line ? line + 1 : end;
    }
    kn_buf_add(&block->addition, packet->bytes, (size_t)(bytes - packet->bytes));
    packet->bytes = bytes;
    packet->n = (size_t)(end - bytes);
    if (block->addition.len == 0 || !kn_buf_ok(&block->addition))
        return;
    char *id = block->addition.data;
    char *settings = end_line(id);
    (void)end_line(settings);
    packet->id = id[0] ? id : NULL;
    packet->settings = settings[0] ? settings : NULL;
}

kn_code kn_matroska_next_packet(struct kn_matroska *m, struct kn_harvest_packet *out,
                                bool *out_has, struct kn_error *err)
{
    struct kn_matroska_block *block = &m->block;
    *out_has = false;
    while (block->next_lace < block->n_laces) {
        const struct kn_matroska_track *track = block->track;
        const int nth = block->next_lace++;
        const uint8_t *bytes = block->bytes;
        size_t n = block->laces[nth];
        block->bytes += n;
        if (!kn_matroska_undo(track, false, &bytes, &n, KN_MAX_CAPTION_PACKET, &block->plain)) {
            if (block->plain.is_broken)
                return kn_fail(err, KN_ENOMEM, "no memory to uncompress a caption");
            kn_harvest_warn(m->harvest, "a caption of track %d at %" PRId64
                            " ms cannot be uncompressed", track->caption, block->start_ns / 1000000);
            continue;
        }
        const int64_t frame_ns = block->frame_ns >= 0 ? block->frame_ns : track->frame_ns;
        *out = (struct kn_harvest_packet){
            .track = track->caption,
            .packet = {
                .start_us = block->start_ns / 1000 + nth * (frame_ns / 1000) -
                            m->harvest->facts.start_us,
                .duration_us = frame_ns > 0 ? frame_ns / 1000 : KN_NO_TIME,
                .bytes = bytes,
                .n = n,
            },
        };
        if (track->is_line_vtt)
            split_lines(block, &out->packet);
        else
            set_addition(block, &out->packet);
        *out_has = true;
        return KN_OK;
    }
    no_block(block);
    return KN_OK;
}
