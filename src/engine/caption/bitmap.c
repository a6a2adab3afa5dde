/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets to pictures with libavcodec's decoders; when a picture ends is told here. */
#include "engine/caption/bitmap.h"

#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>

#include "base/cleanup.h"
#include "engine/media/av_error.h"

// A picture that nothing ends is shown at most this long (spec 08, 9.1).
#define MAX_UNSAID_US (10 * KN_SECOND)
// A repeat this soon after the end is the same caption.
#define MAX_BLINK_US (KN_SECOND / 10)
#define MILLISECOND_US 1000
// The latest end a VobSub unit can say, 0xFFFF times 1024/90 ms: writers mean that they do not know.
#define VOBSUB_UNSAID_MS 745642
// Segments of DVB (ETSI EN 300 743, 7.2): sync_byte, type, page (2 bytes), length (2 bytes), and what it says.
#define DVB_SEGMENT 0x0F
#define DVB_SEGMENT_HEAD 6
#define DVB_PAGE 0x10
#define DVB_REGION 0x11
// Alpha from which a pixel counts as seen.
#define SEEN_ALPHA 32
// A picture that grows this soon is one caption that is built word by word.
#define MAX_BUILD_US (7 * KN_SECOND / 10)
// How far a channel of a colour may be off for the same pixel of a growing picture.
#define COLOUR_SLACK 24

struct kn_bitmap_reader {
    AVCodecContext *decoder; // owned
    AVPacket *packet;        // owned
    struct kn_bitmap shown;  // end_us: what its packet says, or KN_NO_TIME
    int64_t seen;            // its opacity, summed over all pixels; 0 while invisible
    int64_t stage_us;        // when it came to look as it does
    int64_t longest_us;      // of a picture that nothing ends
    int width, height;
    enum kn_caption_codec codec;
    bool sees_forced;        // and nothing else
    int64_t region_px[256];  // of DVB regions, by their id, in this epoch
    int any_version, page_version; // of the DVB page composition before, of any page and of ours; -1 before the first
    bool is_frame_wrong;     // a picture reached beyond it: DVB streams that do not say it have a larger one
};

void kn_bitmap_clear(struct kn_bitmap *bitmap)
{
    for (int i = 0; i < bitmap->n_objects; i++)
        free(bitmap->objects[i].indices);
    bitmap->n_objects = 0;
}

/* ---- opening ---- */
static enum AVCodecID id_of(enum kn_caption_codec codec)
{
    switch (codec) {
    case KN_CAPTION_PGS: return AV_CODEC_ID_HDMV_PGS_SUBTITLE;
    case KN_CAPTION_VOBSUB: return AV_CODEC_ID_DVD_SUBTITLE;
    case KN_CAPTION_DVB: return AV_CODEC_ID_DVB_SUBTITLE;
    case KN_CAPTION_XSUB: return AV_CODEC_ID_XSUB;
    default: return AV_CODEC_ID_NONE;
    }
}

static kn_code decoder_open(struct kn_bitmap_reader *reader, const AVCodec *codec, const uint8_t *private_bytes,
                            size_t n, struct kn_error *err)
{
    AVCodecContext *decoder = avcodec_alloc_context3(codec);
    reader->decoder = decoder;
    reader->packet = av_packet_alloc();
    if (!decoder || !reader->packet)
        return kn_fail(err, KN_ENOMEM, "no memory to read captions made of pictures");
    if (n > 0) {
        decoder->extradata = av_mallocz(n + AV_INPUT_BUFFER_PADDING_SIZE);
        if (!decoder->extradata)
            return kn_fail(err, KN_ENOMEM, "no memory to read captions made of pictures");
        memcpy(decoder->extradata, private_bytes, n);
        decoder->extradata_size = (int)n;
    }
    decoder->width = reader->width;
    decoder->height = reader->height;
    decoder->pkt_timebase = AV_TIME_BASE_Q;
    const int av = avcodec_open2(decoder, codec, NULL);
    return av < 0 ? kn_av_fail(err, av, "cannot begin to read '%s' captions", codec->name) : KN_OK;
}

kn_code kn_bitmap_reader_new(struct kn_bitmap_reader **out_reader, enum kn_caption_codec codec,
                             const uint8_t *private_bytes, size_t n, int width, int height,
                             struct kn_error *err)
{
    *out_reader = NULL;
    const AVCodec *decoder = avcodec_find_decoder(id_of(codec));
    if (!decoder)
        return kn_fail(err, KN_EUNSUP, "the media libraries here have no decoder for these captions");
    kn_auto(kn_bitmap_reader_free) struct kn_bitmap_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return kn_fail(err, KN_ENOMEM, "no memory to read captions made of pictures");
    reader->codec = codec;
    reader->longest_us = MAX_UNSAID_US;
    reader->any_version = reader->page_version = -1;
    reader->width = width;
    reader->height = height;
    const kn_code rc = decoder_open(reader, decoder, private_bytes, n, err);
    if (rc == KN_OK)
        *out_reader = KN_TAKE(reader);
    return rc;
}

void kn_bitmap_reader_free(struct kn_bitmap_reader **reader)
{
    struct kn_bitmap_reader *r = *reader;
    if (!r)
        return;
    kn_bitmap_clear(&r->shown);
    avcodec_free_context(&r->decoder);
    av_packet_free(&r->packet);
    free(r);
    *reader = NULL;
}

void kn_bitmap_reader_end_after(struct kn_bitmap_reader *reader, int64_t longest_us)
{
    reader->longest_us = longest_us;
}

void kn_bitmap_reader_see_forced(struct kn_bitmap_reader *reader)
{
    reader->sees_forced = true;
}

/* ---- pictures ---- */
static kn_code object_take(struct kn_bitmap_object *object, const AVSubtitleRect *rect, struct kn_error *err)
{
    *object = (struct kn_bitmap_object){
        .x = rect->x,
        .y = rect->y,
        .width = rect->w,
        .height = rect->h,
        .is_forced = rect->flags & AV_SUBTITLE_FLAG_FORCED,
    };
    object->indices = malloc((size_t)rect->w * (size_t)rect->h);
    if (!object->indices)
        return kn_fail(err, KN_ENOMEM, "no memory for a caption of %d x %d pixels", rect->w, rect->h);
    for (int y = 0; y < rect->h; y++)
        memcpy(object->indices + (size_t)y * (size_t)rect->w,
               rect->data[0] + (ptrdiff_t)y * rect->linesize[0], (size_t)rect->w);
    memcpy(object->palette, rect->data[1], sizeof(object->palette));
    return KN_OK;
}

static int object_compare(const void *a, const void *b)
{
    const struct kn_bitmap_object *p = a, *q = b;
    return p->y != q->y ? p->y - q->y : p->x - q->x;
}

// Whether two objects stand side by side: as rows of text they are one.
static bool is_one_row(const struct kn_bitmap_object *a, const struct kn_bitmap_object *b)
{
    const int top = a->y > b->y ? a->y : b->y;
    const int a_end = a->y + a->height, b_end = b->y + b->height;
    const int least = a->height < b->height ? a->height : b->height;
    return 2 * ((a_end < b_end ? a_end : b_end) - top) > least;
}

// From top to bottom; those side by side from left to right, though one may begin a little higher.
static void objects_sort(struct kn_bitmap_object *objects, int n)
{
    qsort(objects, (size_t)n, sizeof(*objects), object_compare);
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && objects[k].x < objects[k - 1].x && is_one_row(&objects[k], &objects[k - 1]); k--) {
            const struct kn_bitmap_object object = objects[k];
            objects[k] = objects[k - 1];
            objects[k - 1] = object;
        }
}

static bool is_picture(const AVSubtitleRect *rect)
{
    return rect->type == SUBTITLE_BITMAP && rect->data[0] && rect->data[1] && rect->w > 0 && rect->h > 0 &&
        (int64_t)rect->w * rect->h <= KN_MAX_BITMAP_PX;
}

static kn_code bitmap_take(struct kn_bitmap *bitmap, const AVSubtitle *subtitle, bool sees_forced,
                           struct kn_error *err)
{
    for (unsigned i = 0; i < subtitle->num_rects && bitmap->n_objects < KN_MAX_BITMAP_OBJECTS; i++) {
        if (!is_picture(subtitle->rects[i]) ||
            (sees_forced && !(subtitle->rects[i]->flags & AV_SUBTITLE_FLAG_FORCED)))
            continue;
        const kn_code rc = object_take(&bitmap->objects[bitmap->n_objects], subtitle->rects[i], err);
        if (rc != KN_OK) {
            kn_bitmap_clear(bitmap);
            return rc;
        }
        bitmap->n_objects++;
    }
    if (bitmap->n_objects)
        objects_sort(bitmap->objects, bitmap->n_objects);
    return KN_OK;
}

// How much there is to see: the alpha of all pixels that can be seen at all.
static int64_t bitmap_seen(const struct kn_bitmap *bitmap)
{
    int64_t seen = 0;
    for (int i = 0; i < bitmap->n_objects; i++) {
        const struct kn_bitmap_object *object = &bitmap->objects[i];
        int64_t counts[256] = {0};
        const size_t n = (size_t)object->width * (size_t)object->height;
        for (size_t k = 0; k < n; k++)
            counts[object->indices[k]]++;
        for (int c = 0; c < 256; c++) {
            const int alpha = (int)(object->palette[c] >> 24);
            seen += alpha >= SEEN_ALPHA ? counts[c] * alpha : 0;
        }
    }
    return seen;
}

// The same shapes at the same places, whatever their colours.
static bool bitmap_equal(const struct kn_bitmap *a, const struct kn_bitmap *b)
{
    if (a->n_objects != b->n_objects)
        return false;
    for (int i = 0; i < a->n_objects; i++) {
        const struct kn_bitmap_object *p = &a->objects[i], *q = &b->objects[i];
        if (p->x != q->x || p->y != q->y || p->width != q->width || p->height != q->height ||
            memcmp(p->indices, q->indices, (size_t)p->width * (size_t)p->height) != 0)
            return false;
    }
    return true;
}

static uint32_t colour_at(const struct kn_bitmap *bitmap, int x, int y)
{
    for (int i = 0; i < bitmap->n_objects; i++) {
        const struct kn_bitmap_object *object = &bitmap->objects[i];
        const int dx = x - object->x, dy = y - object->y;
        if (dx >= 0 && dy >= 0 && dx < object->width && dy < object->height)
            return object->palette[object->indices[(size_t)dy * (size_t)object->width + (size_t)dx]];
    }
    return 0;
}

static bool is_like(uint32_t a, uint32_t b)
{
    for (int shift = 0; shift < 32; shift += 8)
        if (abs((int)(a >> shift & 255) - (int)(b >> shift & 255)) > COLOUR_SLACK)
            return false;
    return true;
}

// Whether everything that `part` shows is in `whole` too, at the same place.
static bool bitmap_contains(const struct kn_bitmap *whole, const struct kn_bitmap *part)
{
    for (int i = 0; i < part->n_objects; i++) {
        const struct kn_bitmap_object *object = &part->objects[i];
        const uint8_t *pixel = object->indices;
        for (int y = 0; y < object->height; y++)
            for (int x = 0; x < object->width; x++) {
                const uint32_t colour = object->palette[*pixel++];
                if (colour >> 24 >= SEEN_ALPHA && !is_like(colour, colour_at(whole, object->x + x, object->y + y)))
                    return false;
            }
    }
    return true;
}

/* ---- what is shown when ---- */
// Hands out what is shown, which ends at `end_us` at the latest.
static void shown_end(struct kn_bitmap_reader *reader, int64_t end_us, struct kn_bitmap *out, bool *out_has)
{
    struct kn_bitmap *shown = &reader->shown;
    if (shown->n_objects && reader->seen > 0) {
        const bool knows_end = shown->end_us != KN_NO_TIME && shown->end_us > shown->start_us;
        const int64_t latest_us = knows_end ? shown->end_us : shown->start_us + reader->longest_us;
        const bool is_said = end_us != KN_NO_TIME && end_us > shown->start_us;
        *out = *shown;
        // A clearing packet is the truth; without one the packet's own word or the limit is.
        out->end_us = is_said && (!knows_end || end_us < latest_us) ? end_us : latest_us;
        for (int i = 0; i < out->n_objects; i++)
            reader->is_frame_wrong = reader->is_frame_wrong ||
                out->objects[i].x + out->objects[i].width > reader->decoder->width ||
                out->objects[i].y + out->objects[i].height > reader->decoder->height;
        out->frame_width = reader->is_frame_wrong ? 0 : reader->decoder->width;
        out->frame_height = reader->is_frame_wrong ? 0 : reader->decoder->height;
        *out_has = true;
        *shown = (struct kn_bitmap){0};
    }
    kn_bitmap_clear(shown);
    reader->seen = 0;
}

// Whether `next` is what is shown, and a word more. It then is what is shown, from the first word on.
static bool shown_grows(struct kn_bitmap_reader *reader, struct kn_bitmap *next)
{
    struct kn_bitmap *shown = &reader->shown;
    if (!next->n_objects || reader->seen == 0 || next->start_us - reader->stage_us > MAX_BUILD_US ||
        (shown->end_us != KN_NO_TIME && next->start_us > shown->end_us + MAX_BLINK_US))
        return false;
    const int64_t seen = bitmap_seen(next);
    if (seen <= reader->seen || !bitmap_contains(next, shown))
        return false;
    reader->stage_us = next->start_us;
    next->start_us = shown->start_us;
    kn_bitmap_clear(shown);
    *shown = *next;
    reader->seen = seen;
    *next = (struct kn_bitmap){0};
    return true;
}

// Whether `next` goes on with what is shown; its colours are kept if they are easier to see.
static bool shown_goes_on(struct kn_bitmap_reader *reader, const struct kn_bitmap *next)
{
    struct kn_bitmap *shown = &reader->shown;
    if (!next->n_objects || !bitmap_equal(shown, next) ||
        (shown->end_us != KN_NO_TIME && next->start_us > shown->end_us + MAX_BLINK_US))
        return false;
    const int64_t seen = bitmap_seen(next);
    if (reader->seen == 0)
        shown->start_us = next->start_us; // it fades in
    shown->end_us = next->end_us;
    for (int i = 0; seen > reader->seen && i < next->n_objects; i++)
        memcpy(shown->objects[i].palette, next->objects[i].palette, sizeof(next->objects[i].palette));
    reader->seen = seen > reader->seen ? seen : reader->seen;
    return true;
}

static kn_code subtitle_take(struct kn_bitmap_reader *reader, const AVSubtitle *subtitle,
                             const struct kn_caption_packet *packet, struct kn_bitmap *out, bool *out_has,
                             struct kn_error *err)
{
    // Where container and picture differ the picture is right, unless it would stay for longer than any does.
    const int64_t shown_us = ((int64_t)subtitle->end_display_time - subtitle->start_display_time) * MILLISECOND_US;
    const bool says_end = shown_us > 0 && subtitle->end_display_time != UINT32_MAX &&
        (reader->codec != KN_CAPTION_VOBSUB || subtitle->end_display_time < VOBSUB_UNSAID_MS) &&
        (shown_us <= reader->longest_us || packet->duration_us <= 0);
    // A display set may come in several packets; its time is that of the first.
    const int64_t at_us = subtitle->pts != AV_NOPTS_VALUE ? subtitle->pts : packet->start_us;
    struct kn_bitmap next = {
        .start_us = at_us + (int64_t)subtitle->start_display_time * MILLISECOND_US,
        .end_us = says_end            ? at_us + (int64_t)subtitle->end_display_time * MILLISECOND_US
            : packet->duration_us > 0 ? packet->start_us + packet->duration_us
                                      : KN_NO_TIME,
    };
    const kn_code rc = bitmap_take(&next, subtitle, reader->sees_forced, err);
    if (rc != KN_OK)
        return rc;
    if (shown_goes_on(reader, &next) || shown_grows(reader, &next)) {
        kn_bitmap_clear(&next);
        return KN_OK;
    }
    shown_end(reader, next.start_us, out, out_has);
    reader->shown = next;
    reader->stage_us = next.start_us;
    reader->seen = bitmap_seen(&next);
    return KN_OK;
}

/*
 * A page composition that begins an epoch, or is the way into one, removes all regions; one sent again says nothing.
 * Whether the decoder looks at all pages or at those the container names is its own business: what it may keep is kept.
 */
static void dvb_page_take(struct kn_bitmap_reader *reader, const uint8_t *page, const uint8_t *says)
{
    const AVCodecContext *decoder = reader->decoder;
    const int version = says[1] >> 4, state = says[1] >> 2 & 3;
    const bool is_ours = decoder->extradata_size < 4 || memcmp(page, decoder->extradata, 2) == 0;
    if (is_ours && version != reader->any_version && version != reader->page_version && (state == 1 || state == 2))
        memset(reader->region_px, 0, sizeof(reader->region_px));
    reader->any_version = version;
    reader->page_version = is_ours ? version : reader->page_version;
}

/*
 * The decoder makes room for a region as soon as one is announced, and there may be 256 of 4 thousand million pixels:
 * all of an epoch together have no more than one picture may have.
 */
static kn_code dvb_check(struct kn_bitmap_reader *reader, const uint8_t *bytes, size_t n, struct kn_error *err)
{
    while (n >= DVB_SEGMENT_HEAD && bytes[0] == DVB_SEGMENT) {
        const uint8_t *says = bytes + DVB_SEGMENT_HEAD;
        const size_t length = (size_t)bytes[4] << 8 | bytes[5];
        if (length > n - DVB_SEGMENT_HEAD)
            break;
        if (bytes[1] == DVB_PAGE && length >= 2)
            dvb_page_take(reader, bytes + 2, says);
        if (bytes[1] == DVB_REGION && length >= 6) {
            int64_t all_px = 0;
            reader->region_px[says[0]] = (int64_t)(says[2] << 8 | says[3]) * (says[4] << 8 | says[5]);
            for (size_t i = 0; i < KN_COUNT(reader->region_px); i++)
                all_px += reader->region_px[i];
            if (all_px > KN_MAX_BITMAP_PX) {
                reader->region_px[says[0]] = 0;
                return kn_fail(err, KN_EMEDIA, "regions of %lld pixels are no caption", (long long)all_px);
            }
        }
        bytes += DVB_SEGMENT_HEAD + length;
        n -= DVB_SEGMENT_HEAD + length;
    }
    return KN_OK;
}

kn_code kn_bitmap_reader_packet(struct kn_bitmap_reader *reader, const struct kn_caption_packet *packet,
                                struct kn_bitmap *out_bitmap, bool *out_has, struct kn_error *err)
{
    *out_has = false;
    if (packet->n == 0 || packet->n > KN_MAX_CAPTION_BITMAP_PACKET)
        return kn_fail(err, KN_EMEDIA, "a packet of %zu bytes is no picture", packet->n);
    if (reader->codec == KN_CAPTION_DVB && packet->bytes[0] != DVB_SEGMENT)
        return KN_OK; // stuffing
    const kn_code dvb = reader->codec == KN_CAPTION_DVB ? dvb_check(reader, packet->bytes, packet->n, err) : KN_OK;
    if (dvb != KN_OK)
        return dvb;
    av_packet_unref(reader->packet);
    int av = av_new_packet(reader->packet, (int)packet->n);
    if (av < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a caption of %zu bytes", packet->n);
    memcpy(reader->packet->data, packet->bytes, packet->n);
    reader->packet->pts = packet->start_us;
    AVSubtitle subtitle = {0};
    int has = 0;
    av = avcodec_decode_subtitle2(reader->decoder, &subtitle, &has, reader->packet);
    if (av < 0)
        return kn_av_fail(err, av, "the picture at %.3f s cannot be read", (double)packet->start_us / KN_SECOND);
    kn_code rc = KN_OK;
    if (has)
        rc = subtitle_take(reader, &subtitle, packet, out_bitmap, out_has, err);
    avsubtitle_free(&subtitle);
    return rc;
}

void kn_bitmap_reader_end(struct kn_bitmap_reader *reader, int64_t media_end_us, struct kn_bitmap *out_bitmap,
                          bool *out_has)
{
    *out_has = false;
    const int64_t latest_us = reader->shown.start_us + reader->longest_us;
    shown_end(reader, media_end_us != KN_NO_TIME && media_end_us < latest_us ? media_end_us : KN_NO_TIME, out_bitmap,
              out_has);
}
