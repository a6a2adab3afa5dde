#pragma once
/*
 * Caption packets to cues: what a container holds, without the container.
 *
 * harvest reads the packets of a track; here they become cues of one list:
 *     kn_caption_begin(&list, codec, private, n, &err);      once, also without private data
 *     kn_caption_packet(&list, codec, &packet, &err);        for each, in the order of the container
 *     kn_caption_end(&list, media_end_us, &err);             once: ends known, order, duplicates
 * A packet that cannot be read is a warning of the list, not a failure of the stream; failures are
 * KN_ELIMIT, KN_ENOMEM and KN_EUNSUP (a codec of pictures, or one nothing here reads).
 */
#include "engine/caption/cue.h"

struct kn_caption_packet {
    int64_t start_us;    // of the media: the container's start is already subtracted
    int64_t duration_us; // KN_NO_TIME or 0 when the container does not say
    const uint8_t *bytes; // borrowed: the payload, content compression undone
    size_t n;
    // S_TEXT/WEBVTT keeps these beside the payload (block additions); NULL when there are none.
    const char *id;
    const char *settings;
};

/*
 * The stream's private data: ASS header, WebVTT header, USF styles, tx3g sample entry (from displayFlags on). `n`
 * may be 0. CEA-608: list->track.channel says which channel's cues are wanted (1-4: CC1-CC4; 5-10: CEA-708's
 * services 1-6); packets are cc_data triplets, c608 or c708 samples, and each channel has a list of its own.
 * Teletext: list->track.page says which page's, and packets are payloads of PES packets.
 */
#define KN_CAPTION_CHANNELS 10
kn_code kn_caption_begin(struct kn_cue_list *list, enum kn_caption_codec codec,
                         const uint8_t *private_bytes, size_t n, struct kn_error *err);

kn_code kn_caption_packet(struct kn_cue_list *list, enum kn_caption_codec codec,
                          const struct kn_caption_packet *packet, struct kn_error *err);

/* Which channels this list's packets have shown so far: bit 0 is channel 1. CC1-CC4 are seen by the lists of any of
 * them, services by those of services. */
unsigned kn_caption_channels(const struct kn_cue_list *list);

/* `media_end_us`: where the last picture or sound ends; KN_NO_TIME when unknown. */
kn_code kn_caption_end(struct kn_cue_list *list, int64_t media_end_us, struct kn_error *err);

/* Whether packets of this codec become cues here (rather than pictures for OCR, or nothing). */
bool kn_caption_is_text(enum kn_caption_codec codec);
bool kn_caption_is_image(enum kn_caption_codec codec);

/* For readers of samples: a new cue of the list with the packet's times. Its end stays open when the
 * container does not say it. */
kn_code kn_cue_of_packet(struct kn_cue_list *list, const struct kn_caption_packet *packet,
                         struct kn_cue **out, struct kn_error *err);
