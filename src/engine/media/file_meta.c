/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/file_meta.h"

#include <stdarg.h>
#include <stdio.h>

#include <libavcodec/avcodec.h>
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>

#include "base/fs.h"
#include "base/time.h"
#include "engine/media/rotation.h"

// Sets `name` to printed text; the vendor's object holds strings alone.
__attribute__((format(printf, 3, 4))) static void put(json_t *object, const char *name,
                                                      const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)json_object_set_new(object, name, json_string(text)); // bytes that are no UTF-8: absent
}

static void put_seconds(json_t *object, const char *name, int64_t ts, AVRational base)
{
    if (ts != AV_NOPTS_VALUE)
        put(object, name, "%.6f", (double)ts * av_q2d(base));
}

static void put_kbits(json_t *object, const char *name, int64_t bps)
{
    if (bps > 0)
        put(object, name, "%.3f", (double)bps / 1000.0);
}

static int64_t stream_bps(const struct kn_input *input, const AVStream *st)
{
    if (st->codecpar->bit_rate > 0)
        return st->codecpar->bit_rate;
    const AVDictionaryEntry *bps = av_dict_get(st->metadata, "BPS", NULL, 0); // Matroska's statistics
    if (bps)
        return strtoll(bps->value, NULL, 10);
    // The only stream of a file has all its bits.
    return input->format->nb_streams == 1 ? input->format->bit_rate : 0;
}

// The vendor writes whole rates as "25.0".
static void put_rate(json_t *object, const char *name, AVRational rate)
{
    const double fps = rate.num ? av_q2d(rate) : 0;
    if (fps > 0)
        put(object, name, fps == (double)(int64_t)fps ? "%.1f" : "%.6g", fps);
}

static void put_language(json_t *object, const AVStream *st)
{
    const char *language = kn_input_language(st);
    put(object, "Lang", "%s", language ? language : "und");
}

static int64_t stream_duration(const struct kn_input *input, const AVStream *st)
{
    const int64_t us = kn_input_stream_duration_us(input, st);
    return us == KN_NO_TIME ? AV_NOPTS_VALUE : us;
}

static json_t *video_info(const struct kn_input *input, const AVStream *st)
{
    const AVCodecParameters *par = st->codecpar;
    const AVCodecDescriptor *codec = avcodec_descriptor_get(par->codec_id);
    const char *profile = avcodec_profile_name(par->codec_id, par->profile);
    const AVRational sar = st->sample_aspect_ratio.num ? st->sample_aspect_ratio
                                                       : par->sample_aspect_ratio;
    json_t *v = json_object();
    char tag[AV_FOURCC_MAX_STRING_SIZE];
    put(v, "Index", "%d", st->index);
    put(v, "Codec_name", "%s", avcodec_get_name(par->codec_id));
    put(v, "Codec_long_name", "%s", codec && codec->long_name ? codec->long_name : "");
    if (profile)
        put(v, "Profile", "%s", profile);
    if (st->avg_frame_rate.num)
        put(v, "Codec_time_base", "%d/%d", st->avg_frame_rate.den, st->avg_frame_rate.num);
    put(v, "Codec_tag_string", "%s", av_fourcc_make_string(tag, par->codec_tag));
    put(v, "Codec_tag", "0x%04x", par->codec_tag);
    put(v, "Width", "%d", par->width);
    put(v, "Height", "%d", par->height);
    put(v, "Has_b_frames", "%d", par->video_delay);
    if (sar.num) {
        AVRational dar;
        av_reduce(&dar.num, &dar.den, par->width * (int64_t)sar.num, par->height * (int64_t)sar.den,
                  1024 * 1024);
        put(v, "Sar", "%d:%d", sar.num, sar.den);
        put(v, "Dar", "%d:%d", dar.num, dar.den);
    }
    if (av_get_pix_fmt_name(par->format))
        put(v, "PixFmt", "%s", av_get_pix_fmt_name(par->format));
    if (par->level > 0)
        put(v, "Level", "%d", par->level);
    put_rate(v, "Fps", st->r_frame_rate);
    put_rate(v, "Avg_fps", st->avg_frame_rate);
    put(v, "Time_base", "%d/%d", st->time_base.num, st->time_base.den);
    put_seconds(v, "Start_time", st->start_time, st->time_base);
    put_seconds(v, "Duration", stream_duration(input, st), AV_TIME_BASE_Q);
    put_kbits(v, "Bit_rate", stream_bps(input, st));
    if (st->nb_frames > 0)
        put(v, "NumFrames", "%lld", (long long)st->nb_frames);
    put_language(v, st);
    put(v, "Rotate", "%d", kn_rotation_of(st));
    return v;
}

static json_t *audio_info(const struct kn_input *input, const AVStream *st)
{
    const AVCodecParameters *par = st->codecpar;
    const AVCodecDescriptor *codec = avcodec_descriptor_get(par->codec_id);
    const char *profile = avcodec_profile_name(par->codec_id, par->profile);
    json_t *a = json_object();
    char tag[AV_FOURCC_MAX_STRING_SIZE], layout[64] = "";
    (void)av_channel_layout_describe(&par->ch_layout, layout, sizeof(layout));
    put(a, "Index", "%d", st->index);
    put(a, "CodecName", "%s", avcodec_get_name(par->codec_id));
    put(a, "CodecLongName", "%s", codec && codec->long_name ? codec->long_name : "");
    if (profile)
        put(a, "Profile", "%s", profile);
    put(a, "CodecTimeBase", "1/%d", par->sample_rate);
    put(a, "CodecTagString", "%s", av_fourcc_make_string(tag, par->codec_tag));
    put(a, "CodecTag", "0x%04x", par->codec_tag);
    if (av_get_sample_fmt_name(par->format))
        put(a, "SampleFmt", "%s", av_get_sample_fmt_name(par->format));
    put(a, "SampleRate", "%d", par->sample_rate);
    put(a, "Channels", "%d", par->ch_layout.nb_channels);
    put(a, "ChannelLayout", "%s", layout);
    put(a, "Timebase", "%d/%d", st->time_base.num, st->time_base.den);
    put_seconds(a, "StartTime", st->start_time, st->time_base);
    put_seconds(a, "Duration", stream_duration(input, st), AV_TIME_BASE_Q);
    put_kbits(a, "Bitrate", stream_bps(input, st));
    put(a, "Default", "%d", !!(st->disposition & AV_DISPOSITION_DEFAULT));
    put_language(a, st);
    return a;
}

static json_t *subtitle_info(const AVStream *st)
{
    json_t *s = json_object();
    put(s, "Index", "%d", st->index);
    put(s, "CodecName", "%s", avcodec_get_name(st->codecpar->codec_id));
    put(s, "Default", "%d", !!(st->disposition & AV_DISPOSITION_DEFAULT));
    put(s, "Forced", "%d", !!(st->disposition & AV_DISPOSITION_FORCED));
    put_language(s, st);
    return s;
}

static void basic_fill(json_t *basic, const struct kn_input *input)
{
    const AVFormatContext *f = input->format;
    if (input->size_bytes >= 0)
        put(basic, "FileSize", "%lld", (long long)input->size_bytes);
    put(basic, "FormatName", "%s", f->iformat->name);
    if (f->duration != AV_NOPTS_VALUE)
        put_seconds(basic, "Duration", f->duration, AV_TIME_BASE_Q);
    put_kbits(basic, "Bitrate", f->bit_rate);
    const AVStream *video = kn_input_stream(input, AVMEDIA_TYPE_VIDEO, 0);
    if (video) {
        put(basic, "Width", "%d", video->codecpar->width);
        put(basic, "Height", "%d", video->codecpar->height);
    }
}

json_t *kn_file_meta_new(const char *uri, const char *file_type)
{
    json_t *meta = json_object(), *basic = json_object();
    put(basic, "FileName", "%s", kn_fs_name(uri));
    put(basic, "FileStatus", "Normal");
    put(basic, "FileType", "%s", file_type);
    put(basic, "FileUrl", "%s", uri);
    json_object_set_new(meta, "FileBasicInfo", basic);
    json_object_set_new(meta, "VideoStreamInfoList", json_array());
    json_object_set_new(meta, "AudioStreamInfoList", json_array());
    return meta;
}

json_t *kn_file_meta(const struct kn_input *input, const char *uri, const char *file_type)
{
    json_t *meta = kn_file_meta_new(uri, file_type);
    json_t *videos = json_object_get(meta, "VideoStreamInfoList");
    json_t *audios = json_object_get(meta, "AudioStreamInfoList");
    json_t *subtitles = json_array();
    for (unsigned i = 0; i < input->format->nb_streams; i++) {
        const AVStream *st = input->format->streams[i];
        switch (st->codecpar->codec_type) {
        case AVMEDIA_TYPE_VIDEO: json_array_append_new(videos, video_info(input, st)); break;
        case AVMEDIA_TYPE_AUDIO: json_array_append_new(audios, audio_info(input, st)); break;
        case AVMEDIA_TYPE_SUBTITLE: json_array_append_new(subtitles, subtitle_info(st)); break;
        default: break;
        }
    }
    basic_fill(json_object_get(meta, "FileBasicInfo"), input);
    if (json_array_size(subtitles))
        json_object_set(meta, "SubtitleStreamInfoList", subtitles);
    json_decref(subtitles);
    return meta;
}

void kn_file_meta_set_track(json_t *info, int index, bool is_video, const struct kn_ledger *written)
{
    put(info, "Index", "%d", index);
    if (written->n_packets == 0)
        return;
    const int64_t length_us = written->end_us - written->first_us;
    put_seconds(info, "Duration", length_us, AV_TIME_BASE_Q);
    if (length_us > 0)
        put_kbits(info, is_video ? "Bit_rate" : "Bitrate",
                  av_rescale(written->bytes * 8, AV_TIME_BASE, length_us));
    if (is_video)
        put(info, "NumFrames", "%lld", (long long)written->n_packets);
}

void kn_file_meta_set_whole(json_t *meta, const char *format_name, int64_t size_bytes,
                            int64_t duration_us)
{
    json_t *basic = json_object_get(meta, "FileBasicInfo");
    const json_t *video = json_array_get(json_object_get(meta, "VideoStreamInfoList"), 0);
    put(basic, "FileSize", "%lld", (long long)size_bytes);
    put(basic, "FormatName", "%s", format_name);
    put_seconds(basic, "Duration", duration_us, AV_TIME_BASE_Q);
    if (duration_us > 0)
        put_kbits(basic, "Bitrate", av_rescale(size_bytes * 8, AV_TIME_BASE, duration_us));
    if (video) {
        json_object_set(basic, "Width", json_object_get(video, "Width"));
        json_object_set(basic, "Height", json_object_get(video, "Height"));
    }
}
