#pragma once
/* What MP4 keeps captions in: tx3g samples (3GPP TS 26.245) and the boxes of WebVTT (ISO/IEC 14496-30). */
#include "engine/caption/builder.h"
#include "engine/caption/cue.h"
#include "engine/caption/cue_packet.h"

// Of a tx3g sample entry.
struct kn_tx3g {
    uint32_t flags;
    int column, row;      // justification: 0 left or below, 1 centre, 2 right or above
    bool has_place;       // the text box is as high as half the frame or more
    uint8_t face;         // 1 bold, 2 italic, 4 underline
    uint32_t colour;      // 0xRRGGBB
    bool counts_bytes;    // a sample has shown that the writer's style records do not count characters
};

/* The sample entry behind its data reference index; nothing of it is needed, so any length will do. */
void kn_tx3g_entry(struct kn_tx3g *entry, const struct kn_cue_list *list, const uint8_t *bytes, size_t n);

/* A tx3g sample. One without text ends what is open and makes no cue. */
kn_code kn_tx3g_sample(struct kn_cue_list *list, struct kn_tx3g *entry,
                       const struct kn_caption_packet *packet, struct kn_error *err);

/* A wvtt sample; a cue that goes on from the sample before becomes longer. */
kn_code kn_wvtt_sample(struct kn_cue_list *list, const struct kn_caption_packet *packet,
                       struct kn_error *err);
