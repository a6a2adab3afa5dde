/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the media libraries of this machine can do. Each row is asked of the library, never assumed;
 * the package named is what Debian calls the thing that brings it.
 */
#include "worker/report.h"

#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fontconfig/fontconfig.h>
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>

#include "base/cleanup.h"

struct row {
    const char *name;
    const char *use;     // the word of the API
    const char *package; // what to install when it is missing
};

static const char debian_ffmpeg[] = "libavcodec59 (Debian's own build has it)";
static const char no_debian[] = "an FFmpeg built with it; Debian main has none";

static const struct row encoders[] = {
    {"libx264", "H.264", debian_ffmpeg},   {"libx265", "H.265", debian_ffmpeg},
    {"libsvtav1", "AV1", debian_ffmpeg},   {"libaom-av1", "AV1", debian_ffmpeg},
    {"aac", "AAC", debian_ffmpeg},         {"libfdk_aac", "AAC aac_he", no_debian},
    {"libmp3lame", "MP3", debian_ffmpeg},  {"libopus", "OPUS", debian_ffmpeg},
    {"libvorbis", "VORBIS", debian_ffmpeg}, {"flac", "FLAC", debian_ffmpeg},
    {"ac3", "AC3", debian_ffmpeg},         {"eac3", "EAC3", debian_ffmpeg},
    {"mp2", "MP2", debian_ffmpeg},         {"wmav2", "WMA-V2", debian_ffmpeg},
    {"gif", "GIF", debian_ffmpeg},         {"libwebp_anim", "WEBP", debian_ffmpeg},
};

static const struct row decoders[] = {
    {"h264", "H.264", debian_ffmpeg}, {"hevc", "H.265", debian_ffmpeg},
    {"libdav1d", "AV1", debian_ffmpeg}, {"vp9", "VP9", debian_ffmpeg},
    {"mpeg2video", "MPEG-2", debian_ffmpeg}, {"prores", "ProRes", debian_ffmpeg},
};

static const struct row filters[] = {
    {"zscale", "HDR to SDR", debian_ffmpeg}, {"tonemap", "HDR to SDR", debian_ffmpeg},
    {"bwdif", "deinterlace", debian_ffmpeg}, {"cropdetect", "black bars", debian_ffmpeg},
    {"loudnorm", "Volume dynamic", debian_ffmpeg}, {"overlay", "watermarks", debian_ffmpeg},
};

static bool encoder_is_present(const char *name)
{
    return avcodec_find_encoder_by_name(name) != NULL;
}

static bool decoder_is_present(const char *name)
{
    return avcodec_find_decoder_by_name(name) != NULL;
}

static bool filter_is_present(const char *name)
{
    return avfilter_get_by_name(name) != NULL;
}

static json_t *rows_report(const struct row *rows, size_t n, bool (*is_present)(const char *name))
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++) {
        bool present = is_present(rows[i].name);
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s*}", "Name", rows[i].name,
                                                    "For", rows[i].use, "Present", present,
                                                    "Package", present ? NULL : rows[i].package));
    }
    return list;
}

static json_t *version_text(unsigned version)
{
    return json_sprintf("%u.%u.%u", AV_VERSION_MAJOR(version), AV_VERSION_MINOR(version),
                        AV_VERSION_MICRO(version));
}

static int fonts_count(void)
{
    FcPattern *any = FcPatternCreate();
    FcObjectSet *family = FcObjectSetBuild(FC_FAMILY, (char *)NULL);
    FcFontSet *found = any && family ? FcFontList(NULL, any, family) : NULL;
    int n = found ? found->nfont : 0;
    if (found)
        FcFontSetDestroy(found);
    if (family)
        FcObjectSetDestroy(family);
    if (any)
        FcPatternDestroy(any);
    return n;
}

// The kernel's Landlock version, 0 when it has none (landlock_create_ruleset(2), flag VERSION).
static int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u);
    return version > 0 ? (int)version : 0;
}

json_t *kn_worker_report(void)
{
    return json_pack(
        "{s:{s:s, s:o, s:o, s:o, s:o, s:o}, s:o, s:o, s:o, s:i, s:{s:i, s:b}}", "Libraries",
        "FFmpeg", av_version_info(), "libavformat", version_text(avformat_version()), "libavcodec",
        version_text(avcodec_version()), "libavfilter", version_text(avfilter_version()),
        "libswscale", version_text(swscale_version()), "libswresample",
        version_text(swresample_version()), "Encoders",
        rows_report(encoders, KN_COUNT(encoders), encoder_is_present), "Decoders",
        rows_report(decoders, KN_COUNT(decoders), decoder_is_present), "Filters",
        rows_report(filters, KN_COUNT(filters), filter_is_present), "Fonts", fonts_count(),
        "Sandbox", "Landlock", landlock_version(), "Seccomp",
        prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0);
}
