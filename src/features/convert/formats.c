/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/formats.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "base/cleanup.h"

#define FMP4_OPTIONS "movflags=frag_custom+dash+delay_moov+skip_trailer"

static const struct kn_container_format formats[] = {
    [KN_CONTAINER_MP4] = {"mp4", "movflags=+faststart", .has_video = true, .has_audio = true,
                          .keeps_cover = true, .caption = AV_CODEC_ID_MOV_TEXT},
    [KN_CONTAINER_M3U8] = {"mpegts", "", .has_video = true, .has_audio = true, .is_segmented = true,
                           .has_playlist = true},
    [KN_CONTAINER_FLV] = {"flv", "flvflags=no_duration_filesize", .has_video = true, .has_audio = true, .is_single = true},
    [KN_CONTAINER_TS] = {"mpegts", "", .has_video = true, .has_audio = true},
    [KN_CONTAINER_HLS_FMP4] = {"mp4", FMP4_OPTIONS, .has_video = true, .has_audio = true,
                               .is_segmented = true, .is_fmp4 = true, .has_playlist = true},
    [KN_CONTAINER_MPD] = {"mp4", FMP4_OPTIONS, .has_video = true, .has_audio = true,
                          .is_segmented = true, .is_fmp4 = true, .splits_tracks = true,
                          .has_mpd = true},
    [KN_CONTAINER_CMAF] = {"mp4", FMP4_OPTIONS, .has_video = true, .has_audio = true,
                           .is_segmented = true, .is_fmp4 = true, .splits_tracks = true,
                           .has_playlist = true, .has_mpd = true},
    [KN_CONTAINER_MXF] = {"mxf", "", .has_video = true, .has_audio = true},
    [KN_CONTAINER_MP3] = {"mp3", "", .has_audio = true, .keeps_cover = true, .is_single = true},
    [KN_CONTAINER_OGG] = {"ogg", "", .has_audio = true},
    [KN_CONTAINER_FLAC] = {"flac", "", .has_audio = true, .keeps_cover = true, .is_single = true},
    [KN_CONTAINER_M4A] = {"ipod", "movflags=+faststart", .has_audio = true, .keeps_cover = true},
    [KN_CONTAINER_GIF] = {"gif", "", .has_video = true, .is_single = true},
    [KN_CONTAINER_WEBP] = {"webp", "loop=0", .has_video = true, .is_single = true},
    [KN_CONTAINER_MKV] = {"matroska", "", .has_video = true, .has_audio = true,
                          .keeps_attachments = true, .keeps_cover = true,
                          .caption = AV_CODEC_ID_SUBRIP},
    [KN_CONTAINER_WEBM] = {"webm", "", .has_video = true, .has_audio = true,
                           .caption = AV_CODEC_ID_WEBVTT},
    [KN_CONTAINER_MOV] = {"mov", "movflags=+faststart", .has_video = true, .has_audio = true,
                          .caption = AV_CODEC_ID_MOV_TEXT},
    [KN_CONTAINER_WAV] = {"wav", "", .has_audio = true, .is_single = true},
};

const struct kn_container_format *kn_container_format(enum kn_container container)
{
    return &formats[container];
}

static bool is_among(const enum AVCodecID *list, size_t n, enum AVCodecID codec)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == codec)
            return true;
    return false;
}

bool kn_container_takes(enum kn_container container, enum AVCodecID codec)
{
    const AVOutputFormat *format = av_guess_format(formats[container].muxer, NULL, NULL);
    if (!format || codec == AV_CODEC_ID_NONE)
        return false;
    if (container == KN_CONTAINER_FLV) // the muxer's table allows more than players know
        return codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_AAC || codec == AV_CODEC_ID_MP3;
    // MPEG-TS and MXF cannot be asked; this is what their muxers write and players read.
    static const enum AVCodecID in_ts[] = {
        AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_MPEG1VIDEO,
        AV_CODEC_ID_AAC, AV_CODEC_ID_MP3, AV_CODEC_ID_MP2, AV_CODEC_ID_AC3, AV_CODEC_ID_EAC3};
    static const enum AVCodecID in_mxf[] = {AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_H264,
                                            AV_CODEC_ID_DNXHD, AV_CODEC_ID_PCM_S16LE};
    if (container == KN_CONTAINER_TS || container == KN_CONTAINER_M3U8)
        return is_among(in_ts, KN_COUNT(in_ts), codec);
    if (container == KN_CONTAINER_MXF)
        return is_among(in_mxf, KN_COUNT(in_mxf), codec);
    return avformat_query_codec(format, codec, FF_COMPLIANCE_NORMAL) == 1;
}

/* ---- codecs ---- */
struct codec_row {
    enum AVCodecID id;
    const char *encoders[3];
    const char *install; // what brings one
};

static const struct codec_row videos[] = {
    [KN_VIDEO_H264] = {AV_CODEC_ID_H264, {"libx264"}, "an FFmpeg with libx264"},
    [KN_VIDEO_H265] = {AV_CODEC_ID_HEVC, {"libx265"}, "an FFmpeg with libx265"},
    [KN_VIDEO_AV1] = {AV_CODEC_ID_AV1, {"libsvtav1", "libaom-av1"}, "an FFmpeg with libsvtav1"},
    [KN_VIDEO_GIF] = {AV_CODEC_ID_GIF, {"gif"}, "FFmpeg"},
    [KN_VIDEO_WEBP] = {AV_CODEC_ID_WEBP, {"libwebp_anim", "libwebp"}, "an FFmpeg with libwebp"},
    [KN_VIDEO_AVC_INTRA] = {AV_CODEC_ID_H264, {"libx264"}, "an FFmpeg with libx264"},
};

static const struct codec_row audios[] = {
    [KN_AUDIO_AAC] = {AV_CODEC_ID_AAC, {"aac"}, "FFmpeg"},
    [KN_AUDIO_AC3] = {AV_CODEC_ID_AC3, {"ac3"}, "FFmpeg"},
    [KN_AUDIO_EAC3] = {AV_CODEC_ID_EAC3, {"eac3"}, "FFmpeg"},
    [KN_AUDIO_MP2] = {AV_CODEC_ID_MP2, {"mp2"}, "FFmpeg"},
    [KN_AUDIO_MP3] = {AV_CODEC_ID_MP3, {"libmp3lame", "libshine"}, "an FFmpeg with libmp3lame"},
    [KN_AUDIO_FLAC] = {AV_CODEC_ID_FLAC, {"flac"}, "FFmpeg"},
    [KN_AUDIO_OPUS] = {AV_CODEC_ID_OPUS, {"libopus"}, "an FFmpeg with libopus"},
    [KN_AUDIO_VORBIS] = {AV_CODEC_ID_VORBIS, {"libvorbis"}, "an FFmpeg with libvorbis"},
    [KN_AUDIO_WMA_V1] = {AV_CODEC_ID_WMAV1, {"wmav1"}, "FFmpeg"},
    [KN_AUDIO_WMA_V2] = {AV_CODEC_ID_WMAV2, {"wmav2"}, "FFmpeg"},
    [KN_AUDIO_PCM_S16LE] = {AV_CODEC_ID_PCM_S16LE, {"pcm_s16le"}, "FFmpeg"},
};

enum AVCodecID kn_video_codec_id(enum kn_video_codec codec)
{
    return videos[codec].id;
}

enum AVCodecID kn_audio_codec_id(enum kn_audio_codec codec)
{
    return audios[codec].id;
}

static kn_code encoder_name(const struct codec_row *row, const char *wire, const char **out,
                            struct kn_error *err)
{
    for (size_t i = 0; i < KN_COUNT(row->encoders) && row->encoders[i]; i++)
        if (avcodec_find_encoder_by_name(row->encoders[i])) {
            *out = row->encoders[i];
            return KN_OK;
        }
    return kn_fail(err, KN_EUNSUP, "no encoder for %s here: install %s", wire, row->install);
}

kn_code kn_video_encoder_name(enum kn_video_codec codec, const char **out, struct kn_error *err)
{
    return encoder_name(&videos[codec], kn_video_codec_name(codec), out, err);
}

kn_code kn_audio_encoder_name(enum kn_audio_codec codec, const char **out, struct kn_error *err)
{
    return encoder_name(&audios[codec], kn_audio_codec_name(codec), out, err);
}
