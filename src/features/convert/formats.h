#pragma once
/*
 * What the wire's containers and codecs are called in FFmpeg, and what fits into what.
 */
#include <stdbool.h>

#include <libavcodec/codec_id.h>
#include <libavutil/dict.h>

#include "base/error.h"
#include "features/convert/convert_spec.h"

struct kn_container_format {
    const char *muxer;      // libavformat's name
    const char *options;    // its private options, "key=value:key=value"; ""
    bool has_video, has_audio;
    bool is_single;         // one track of each kind
    bool is_segmented;      // a playlist or manifest and many files
    bool is_fmp4;           // segments are fragmented MP4
    bool splits_tracks;     // each track lies in files of its own
    bool has_playlist;      // an HLS media playlist lists its segments
    bool has_mpd;           // a DASH manifest lists them
    bool keeps_attachments; // Matroska
    bool keeps_cover;       // can carry an attached picture
    enum AVCodecID caption; // what text captions become; AV_CODEC_ID_NONE: dropped
};

const struct kn_container_format *kn_container_format(enum kn_container container);

/* Whether a copied stream of this codec may stand in the container. */
bool kn_container_takes(enum kn_container container, enum AVCodecID codec);

enum AVCodecID kn_video_codec_id(enum kn_video_codec codec);
enum AVCodecID kn_audio_codec_id(enum kn_audio_codec codec);

/*
 * FFmpeg's encoder for a codec, the first that is built in of those we know how to drive.
 * KN_EUNSUP, naming what to install, when there is none.
 */
kn_code kn_video_encoder_name(enum kn_video_codec codec, const char **out, struct kn_error *err);
kn_code kn_audio_encoder_name(enum kn_audio_codec codec, const char **out, struct kn_error *err);
