#pragma once
/*
 * Recode: the text captions of one codec become those of another (SubRip, ASS, WebVTT, mov_text),
 * cue by cue. ASS is the form in between, as everywhere in libavcodec.
 *
 * Thread-safety: one thread at a time.
 */
#include <stdbool.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "base/error.h"

struct kn_recode {
    AVCodecContext *decoder, *encoder; // owned
    AVCodecParameters *parameters;     // owned: of the packets that come out
};

/* Whether captions of this codec are text. */
bool kn_recode_is_text(enum AVCodecID codec);

/* KN_EUNSUP when this build lacks a codec. */
kn_code kn_recode_open(struct kn_recode **out, const AVStream *from, enum AVCodecID to,
                       struct kn_error *err);
/*
 * Recode one cue into `out`, with its times. Cues that show nothing (mov_text fills gaps with them)
 * and broken ones leave `out` empty.
 */
kn_code kn_recode_cue(struct kn_recode *recode, const AVPacket *packet, AVPacket *out,
                      struct kn_error *err);
void kn_recode_free(struct kn_recode **recode);
