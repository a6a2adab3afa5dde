#pragma once
/*
 * Captions made of pictures: the packets of a PGS, VobSub, DVB or XSUB stream to pictures with a
 * beginning and an end.
 *
 *     kn_bitmap_reader_new(&reader, codec, private, n, width, height, &err);
 *     kn_bitmap_reader_packet(reader, &packet, &bitmap, &has, &err);     for each packet
 *     kn_bitmap_reader_end(reader, media_end_us, &bitmap, &has);         once
 *
 * A picture is over when the next one comes, or the clearing packet, or at the end its packet names, so it
 * is handed out one packet late. A picture that is sent again, or whose colours alone change (a fade), goes
 * on: it is one caption, kept as it was when it was easiest to see. So does one that grows word by word: each
 * picture has all of the one before, a moment later; kept is the last.
 * Thread-safety: a reader belongs to one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/caption/cue_packet.h"

// Pictures shown at one time: PGS has 2, DVB as many regions as a page has rows.
#define KN_MAX_BITMAP_OBJECTS 32
// One picture: a frame of 8K.
#define KN_MAX_BITMAP_PX (8192ll * 4320)
// One packet: a PGS picture of 4K may reach 8 MiB.
#define KN_MAX_CAPTION_BITMAP_PACKET (16 * 1024 * 1024)

struct kn_bitmap_object {
    int x, y;             // of its upper left corner on the frame
    int width, height;
    uint8_t *indices;     // owned: width * height, into the palette
    uint32_t palette[256]; // 0xAARRGGBB
    bool is_forced;       // shown although captions are off
};

struct kn_bitmap {
    int64_t start_us;
    int64_t end_us; // always known
    struct kn_bitmap_object objects[KN_MAX_BITMAP_OBJECTS]; // from top to bottom, then from left to right
    int n_objects;
    int frame_width, frame_height; // 0 when unknown
};

struct kn_bitmap_reader;

/*
 *   private_bytes  the stream's private data (VobSub: the text of an .idx file), may be NULL
 *   width, height  of the frame as the container says, 0 when it does not
 *
 * KN_EUNSUP  the media libraries have no decoder for it
 */
kn_code kn_bitmap_reader_new(struct kn_bitmap_reader **out_reader, enum kn_caption_codec codec,
                             const uint8_t *private_bytes, size_t n, int width, int height,
                             struct kn_error *err);
void kn_bitmap_reader_free(struct kn_bitmap_reader **reader);

/* What nothing ends is shown at most this long; 10 s when not called. */
void kn_bitmap_reader_end_after(struct kn_bitmap_reader *reader, int64_t longest_us);

/* From now on nothing is seen but what is forced: what lies beside it neither ends it nor is handed out. */
void kn_bitmap_reader_see_forced(struct kn_bitmap_reader *reader);

/*
 * KN_EMEDIA  the packet cannot be read; the next one may be
 *
 *   out_bitmap  the picture that ended, when *out_has; release it with kn_bitmap_clear()
 */
kn_code kn_bitmap_reader_packet(struct kn_bitmap_reader *reader, const struct kn_caption_packet *packet,
                                struct kn_bitmap *out_bitmap, bool *out_has, struct kn_error *err);

/* The picture that is still shown, to the end of the media (KN_NO_TIME when unknown). */
void kn_bitmap_reader_end(struct kn_bitmap_reader *reader, int64_t media_end_us, struct kn_bitmap *out_bitmap,
                          bool *out_has);

void kn_bitmap_clear(struct kn_bitmap *bitmap);
