/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A trak: what it is, when it begins on the film's clock and, of captions, what their reader must know.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "engine/caption/mp4.h"

#define BOX(a, b, c, d) KN_MP4_TYPE(a, b, c, d)

/* ---- clocks ---- */
int64_t kn_mp4_us(int64_t time, uint32_t timescale)
{
    const int64_t whole = time / timescale, rest = time % timescale;
    int64_t us;
    if (__builtin_mul_overflow(whole, KN_SECOND, &us))
        return KN_NO_TIME;
    const int64_t twice = 2 * rest * KN_SECOND;
    return us + (twice + (twice < 0 ? -(int64_t)timescale : (int64_t)timescale)) / (2 * (int64_t)timescale);
}

static void read_edits(struct kn_mp4 *m, struct kn_mp4_track *track, struct kn_mp4_span elst)
{
    const bool is_long = kn_mp4_get(&elst, 4) >> 24 == 1;
    const uint32_t n = (uint32_t)kn_mp4_get(&elst, 4);
    const int width = is_long ? 8 : 4;
    int64_t film_us = 0;
    for (uint32_t i = 0; i < n && track->n_edits < KN_MP4_MAX_EDITS; i++) {
        const uint64_t duration = kn_mp4_get(&elst, width);
        const uint64_t raw = kn_mp4_get(&elst, width);
        kn_mp4_skip(&elst, 4); // rate
        if (elst.is_short || duration > INT64_MAX / 4)
            break;
        const int64_t media_time = is_long ? (int64_t)raw : (int32_t)raw;
        const int64_t duration_us = kn_mp4_us((int64_t)duration, m->timescale);
        if (duration_us == KN_NO_TIME || duration_us > INT64_MAX / 4 - film_us)
            break;
        const int64_t from_us = media_time < 0 ? 0 : kn_mp4_us(media_time, track->timescale);
        if (media_time >= 0 && from_us >= 0 && from_us < INT64_MAX / 4)
            track->edits[track->n_edits++] = (struct kn_mp4_edit){
                .from_us = from_us,
                .until_us = duration_us ? from_us + duration_us : INT64_MAX,
                .shift_us = film_us - from_us,
            };
        else if (track->n_edits == 0)
            track->delay_us = film_us + duration_us;
        film_us += duration_us;
    }
}

/* ---- what its samples are ---- */
static const struct {
    uint32_t type;
    enum kn_caption_codec codec;
    const char *refusal;
} FORMATS[] = {
    {BOX('t', 'x', '3', 'g'), KN_CAPTION_MOV_TEXT, NULL},
    {BOX('t', 'e', 'x', 't'), KN_CAPTION_MOV_TEXT, NULL}, // QuickTime's, of the same shape
    {BOX('w', 'v', 't', 't'), KN_CAPTION_WVTT, NULL},
    {BOX('s', 't', 'p', 'p'), KN_CAPTION_TTML, NULL},
    {BOX('c', '6', '0', '8'), KN_CAPTION_CEA608, NULL},
    {BOX('m', 'p', '4', 's'), KN_CAPTION_VOBSUB, NULL},
    {BOX('c', '7', '0', '8'), KN_CAPTION_CEA608, NULL},
    {BOX('s', 't', 'x', 't'), KN_CAPTION_OTHER, "its samples are simple timed text (stxt), which nothing here reads"},
    {BOX('s', 'b', 't', 't'), KN_CAPTION_OTHER, "its samples are text subtitles (sbtt), which nothing here reads"},
    {BOX('e', 'n', 'c', 't'), KN_CAPTION_OTHER, "its samples are encrypted"},
    {BOX('e', 'n', 'c', 's'), KN_CAPTION_OTHER, "its samples are encrypted"},
    {BOX('e', 'n', 'c', 'm'), KN_CAPTION_OTHER, "its samples are encrypted"},
};

static void set_private(struct kn_mp4 *m, struct kn_harvest_track *track, const void *bytes, size_t n)
{
    uint8_t *kept = n && n <= KN_MAX_CAPTION_PRIVATE ? kn_arena_alloc(&m->harvest->arena, n) : NULL;
    if (!kept)
        return;
    memcpy(kept, bytes, n);
    track->private_bytes = kept;
    track->n_private = n;
}

// DecoderSpecificInfo out of an esds: descriptors of a tag, a size in groups of 7 bits, a payload.
static struct kn_mp4_span specific_info(struct kn_mp4_span esds)
{
    kn_mp4_skip(&esds, 4);
    while (esds.n > 0) {
        const uint8_t tag = (uint8_t)kn_mp4_get(&esds, 1);
        size_t size = 0;
        uint8_t part;
        do {
            part = (uint8_t)kn_mp4_get(&esds, 1);
            size = size << 7 | (part & 0x7F);
        } while (part & 0x80 && size < KN_MAX_CAPTION_PRIVATE && !esds.is_short);
        if (tag == 0x03) { // ES_Descriptor: id, flags, and what the flags say
            kn_mp4_skip(&esds, 2);
            const uint8_t flags = (uint8_t)kn_mp4_get(&esds, 1);
            kn_mp4_skip(&esds, flags & 0x80 ? 2 : 0);
            if (flags & 0x40)
                kn_mp4_skip(&esds, (size_t)kn_mp4_get(&esds, 1));
            kn_mp4_skip(&esds, flags & 0x20 ? 2 : 0);
        } else if (tag == 0x04) { // DecoderConfigDescriptor: type, buffers, rates
            kn_mp4_skip(&esds, 13);
        } else if (tag == 0x05) {
            return (struct kn_mp4_span){esds.at, size < esds.n ? size : esds.n, false};
        } else {
            kn_mp4_skip(&esds, size);
        }
    }
    return (struct kn_mp4_span){0};
}

static int clip_byte(double value)
{
    return value < 0 ? 0 : value > 255 ? 255 : (int)(value + 0.5);
}

// The palette of a VobSub track, as its .idx file and Matroska have it: text, in RGB.
static void set_vobsub_private(struct kn_mp4 *m, struct kn_harvest_track *track, struct kn_mp4_span entry)
{
    struct kn_mp4_span info = specific_info(kn_mp4_find(entry, BOX('e', 's', 'd', 's')));
    if (info.n < 64)
        return;
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    if (track->width_px > 0 && track->height_px > 0)
        kn_buf_printf(&text, "size: %dx%d\n", track->width_px, track->height_px);
    kn_buf_puts(&text, "palette: ");
    for (int i = 0; i < 16; i++) {
        kn_mp4_skip(&info, 1);
        const double y = 1.164 * ((double)kn_mp4_get(&info, 1) - 16); // BT.601, studio range
        const double cr = (double)kn_mp4_get(&info, 1) - 128, cb = (double)kn_mp4_get(&info, 1) - 128;
        kn_buf_printf(&text, "%s%02x%02x%02x", i ? ", " : "", clip_byte(y + 1.596 * cr),
                      clip_byte(y - 0.813 * cr - 0.391 * cb), clip_byte(y + 2.018 * cb));
    }
    kn_buf_putc(&text, '\n');
    if (kn_buf_ok(&text))
        set_private(m, track, text.data, text.len);
}

static void read_description(struct kn_mp4 *m, struct kn_harvest_track *track, struct kn_mp4_span stsd)
{
    kn_mp4_skip(&stsd, 8);
    uint32_t type = 0;
    struct kn_mp4_span entry = {0};
    char name[5] = "";
    if (kn_mp4_next(&stsd, &type, &entry))
        for (int i = 0; i < 4; i++) {
            const char c = (char)(type >> (24 - 8 * i));
            name[i] = c >= ' ' && c <= '~' ? c : '?';
        }
    (void)kn_copy(track->facts.codec_name, sizeof(track->facts.codec_name), name);
    track->refusal = NULL;
    size_t i = 0;
    while (i < KN_COUNT(FORMATS) && FORMATS[i].type != type)
        i++;
    if (i == KN_COUNT(FORMATS)) {
        track->refusal = kn_arena_printf(&m->harvest->arena,
                                         "its samples are '%s', which nothing here reads", name);
        return;
    }
    track->facts.codec = FORMATS[i].codec;
    track->refusal = FORMATS[i].refusal;
    kn_mp4_skip(&entry, 8); // reserved, data reference
    if (type == BOX('t', 'x', '3', 'g')) {
        struct kn_mp4_span look = entry;
        const uint32_t display_flags = (uint32_t)kn_mp4_get(&look, 4);
        track->facts.is_forced |= (display_flags & 0x80000000u) != 0; // all samples are forced
        set_private(m, track, entry.at, entry.n);
    } else if (type == BOX('t', 'e', 'x', 't')) {
        set_private(m, track, entry.at, entry.n);
    } else if (type == BOX('w', 'v', 't', 't')) {
        const struct kn_mp4_span config = kn_mp4_find(entry, BOX('v', 't', 't', 'C'));
        set_private(m, track, config.at, config.n);
    } else if (type == BOX('m', 'p', '4', 's')) {
        set_vobsub_private(m, track, entry);
    }
}

/* ---- what the container says about it ---- */
// ISO 639-2 in three groups of five bits; QuickTime's own numbers are below 0x400.
static void set_language(struct kn_harvest_track *track, struct kn_mp4_span mdia, uint16_t packed)
{
    char *out = track->facts.language;
    struct kn_mp4_span elng = kn_mp4_find(mdia, BOX('e', 'l', 'n', 'g')); // BCP 47
    kn_mp4_skip(&elng, 4);
    const size_t n = elng.n ? strnlen((const char *)elng.at, elng.n) : 0;
    if (n > 0 && n < sizeof(track->facts.language)) {
        memcpy(out, elng.at, n);
        out[n] = '\0';
        return;
    }
    // Apple's first few languages (QuickTime File Format, Language Codes).
    static const char MAC[][4] = {"eng", "fra", "deu", "ita", "nld", "swe", "spa", "dan",
                                  "por", "nor", "heb", "jpn", "ara", "fin", "ell", "isl"};
    if (packed < 0x400) {
        if (packed < KN_COUNT(MAC))
            (void)kn_copy(out, sizeof(track->facts.language), MAC[packed]);
        return;
    }
    for (int i = 0; i < 3; i++) {
        const int letter = packed >> (10 - 5 * i) & 31;
        if (letter < 1 || letter > 26) {
            (void)kn_copy(out, sizeof(track->facts.language), "und");
            return;
        }
        out[i] = (char)('a' + letter - 1);
    }
    out[3] = '\0';
}

// Roles of DASH (ISO/IEC 23009-1, 5.8.5.5) in kind boxes, and the track's name.
static void read_user_data(struct kn_mp4 *m, struct kn_harvest_track *track, struct kn_mp4_span udta)
{
    uint32_t type;
    struct kn_mp4_span box;
    while (kn_mp4_next(&udta, &type, &box)) {
        if (type == BOX('n', 'a', 'm', 'e') && box.n > 0) {
            track->facts.title = kn_arena_strndup(&m->harvest->arena, (const char *)box.at,
                                                  strnlen((const char *)box.at, box.n));
        } else if (type == BOX('k', 'i', 'n', 'd')) {
            kn_mp4_skip(&box, 4);
            kn_mp4_skip(&box, box.n ? strnlen((const char *)box.at, box.n) + 1 : 0);
            char role[32];
            const size_t n = box.n < sizeof(role) ? box.n : sizeof(role) - 1;
            memcpy(role, box.at ? box.at : (const uint8_t *)"", n);
            role[n] = '\0';
            track->facts.is_hearing_impaired |= kn_equal(role, "caption");
            track->facts.is_forced |= kn_starts_with(role, "forced");
            track->facts.is_commentary |= kn_equal(role, "commentary");
        }
    }
}

static bool is_self_contained(struct kn_mp4_span minf)
{
    struct kn_mp4_span dref =
        kn_mp4_find(kn_mp4_find(minf, BOX('d', 'i', 'n', 'f')), BOX('d', 'r', 'e', 'f'));
    kn_mp4_skip(&dref, 8);
    uint32_t type;
    struct kn_mp4_span entry;
    if (!kn_mp4_next(&dref, &type, &entry))
        return true;
    return entry.n < 4 || (kn_mp4_get(&entry, 4) & 1);
}

static kn_code add_caption(struct kn_mp4 *m, struct kn_mp4_track *own, struct kn_mp4_span trak,
                           uint32_t tkhd_flags, uint16_t language, struct kn_error *err)
{
    struct kn_harvest_track *track = NULL;
    kn_code rc = kn_harvest_add_track(m->harvest, &track, err);
    if (rc != KN_OK)
        return rc;
    const struct kn_mp4_span mdia = kn_mp4_find(trak, BOX('m', 'd', 'i', 'a'));
    const struct kn_mp4_span minf = kn_mp4_find(mdia, BOX('m', 'i', 'n', 'f'));
    const struct kn_mp4_span stbl = kn_mp4_find(minf, BOX('s', 't', 'b', 'l'));
    own->caption = track->number;
    track->facts.stream_index = m->n_tracks;
    track->facts.is_default = tkhd_flags & 1;
    track->width_px = m->harvest->facts.width_px;
    track->height_px = m->harvest->facts.height_px;
    set_language(track, mdia, language);
    read_user_data(m, track, kn_mp4_find(trak, BOX('u', 'd', 't', 'a')));
    read_description(m, track, kn_mp4_find(stbl, BOX('s', 't', 's', 'd')));
    if (!track->refusal && !is_self_contained(minf))
        track->refusal = "its samples lie in another file";
    return KN_OK;
}

uint32_t kn_mp4_handler(struct kn_mp4_span trak)
{
    struct kn_mp4_span hdlr =
        kn_mp4_find(kn_mp4_find(trak, BOX('m', 'd', 'i', 'a')), BOX('h', 'd', 'l', 'r'));
    kn_mp4_skip(&hdlr, 8);
    return (uint32_t)kn_mp4_get(&hdlr, 4);
}

static bool is_caption_handler(uint32_t handler)
{
    return handler == BOX('s', 'b', 't', 'l') || handler == BOX('s', 'u', 'b', 't') ||
           handler == BOX('t', 'e', 'x', 't') || handler == BOX('c', 'l', 'c', 'p') ||
           handler == BOX('s', 'u', 'b', 'p');
}

struct kn_mp4_track *kn_mp4_track(struct kn_mp4 *m, uint32_t id)
{
    for (int i = 0; i < m->n_tracks; i++)
        if (m->tracks[i].id == id)
            return &m->tracks[i];
    return NULL;
}

// tkhd: the id, the flags and, of pictures, the size of the frame.
static uint32_t read_tkhd(struct kn_mp4 *m, struct kn_mp4_track *own, struct kn_mp4_span tkhd, bool is_picture)
{
    const uint32_t word = (uint32_t)kn_mp4_get(&tkhd, 4);
    const bool is_long = word >> 24 == 1;
    kn_mp4_skip(&tkhd, is_long ? 16 : 8); // when it was made and changed
    own->id = (uint32_t)kn_mp4_get(&tkhd, 4);
    kn_mp4_skip(&tkhd, (is_long ? 12 : 8) + 16 + 36); // duration, layer, volume, matrix
    const uint32_t width = (uint32_t)kn_mp4_get(&tkhd, 4) >> 16, height = (uint32_t)kn_mp4_get(&tkhd, 4) >> 16;
    struct kn_harvest_facts *facts = &m->harvest->facts;
    if (is_picture && facts->width_px == 0 && width > 0 && height > 0) {
        facts->width_px = (int)width;
        facts->height_px = (int)height;
    }
    return word & 0xFFFFFF;
}

kn_code kn_mp4_read_track(struct kn_mp4 *m, struct kn_mp4_span trak, struct kn_error *err)
{
    if (m->n_tracks == KN_MP4_MAX_TRACKS)
        return kn_fail(err, KN_EMEDIA, "more than %d tracks", KN_MP4_MAX_TRACKS);
    struct kn_mp4_track *tracks = realloc(m->tracks, ((size_t)m->n_tracks + 1) * sizeof(*tracks));
    if (!tracks)
        return kn_fail(err, KN_ENOMEM, "no memory for %d tracks", m->n_tracks + 1);
    m->tracks = tracks;
    struct kn_mp4_track *own = &tracks[m->n_tracks];
    const uint32_t handler = kn_mp4_handler(trak);
    *own = (struct kn_mp4_track){.caption = -1, .timescale = 1};
    const bool is_picture = handler == BOX('v', 'i', 'd', 'e');
    own->has_media = is_picture || handler == BOX('s', 'o', 'u', 'n');
    const uint32_t flags = read_tkhd(m, own, kn_mp4_find(trak, BOX('t', 'k', 'h', 'd')), is_picture);

    const struct kn_mp4_span mdia = kn_mp4_find(trak, BOX('m', 'd', 'i', 'a'));
    struct kn_mp4_span mdhd = kn_mp4_find(mdia, BOX('m', 'd', 'h', 'd'));
    const bool is_long = kn_mp4_get(&mdhd, 4) >> 24 == 1;
    kn_mp4_skip(&mdhd, is_long ? 16 : 8);
    const uint32_t timescale = (uint32_t)kn_mp4_get(&mdhd, 4);
    if (timescale > 0)
        own->timescale = timescale;
    kn_mp4_skip(&mdhd, is_long ? 8 : 4);
    const uint16_t language = (uint16_t)kn_mp4_get(&mdhd, 2);
    read_edits(m, own, kn_mp4_find(kn_mp4_find(trak, BOX('e', 'd', 't', 's')), BOX('e', 'l', 's', 't')));

    kn_code rc = KN_OK;
    if (is_caption_handler(handler))
        rc = add_caption(m, own, trak, flags, language, err);
    m->n_tracks++;
    return rc;
}
