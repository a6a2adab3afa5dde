#pragma once
/*
 * Captions of an output: cues laid onto its time, in the codec its container takes, as a track of
 * the file or, beside playlists and manifests, as a WebVTT file of their own.
 *
 * Thread-safety: a rendition belongs to its feed's thread.
 */
#include "base/buf.h"
#include "engine/media/recode.h"
#include "features/convert/convert_spec.h"

struct kn_output_run;

/* A WebVTT file of a segmented output; written when the output is done. */
struct kn_caption_file {
    char language[4];
    int index;          // among its input's captions
    bool is_forced;
    struct kn_buf text; // owned: the whole file
    int64_t end_us;     // of the last cue
};

struct kn_caption_rendition {
    struct kn_output_run *output;  // borrowed
    int track;                     // of the output's mux, when `file` is NULL
    struct kn_caption_file *file;  // borrowed from the output
    enum AVCodecID codec;          // what the cues become
    int64_t offset_us;             // of their times to the inputs' time
    struct kn_recode *recode;      // owned; NULL: they are that already
    bool is_done;
};

/* The codec of a container's captions from a source of `from`: the same where it fits, else what
 * text becomes there; AV_CODEC_ID_NONE when they have no place. */
enum AVCodecID kn_caption_codec(enum kn_container container, enum AVCodecID from);
enum AVCodecID kn_subtitle_codec_id(enum kn_subtitle_codec codec);

/* Open the codecs and describe the track. Failures are the output's. */
void kn_caption_rendition_start(struct kn_caption_rendition *r, const AVStream *stream);
/* A cue in its own time, which is `offset_us` away from the inputs'. */
void kn_caption_rendition_packet(struct kn_caption_rendition *r, const AVPacket *packet);
/* No cue of an earlier time, of its own, will come. */
void kn_caption_rendition_mark(struct kn_caption_rendition *r, int64_t time_us);
void kn_caption_rendition_end(struct kn_caption_rendition *r);
void kn_caption_rendition_clear(struct kn_caption_rendition *r);
