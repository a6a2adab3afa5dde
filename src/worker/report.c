/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the media libraries of this machine can do. Each row is tried, never assumed; the package
 * named is what Debian calls the thing that brings it.
 */
#include "worker/report.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fontconfig/fontconfig.h>
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "engine/caption/ocr.h"
#include "worker/lockdown.h"
#include "worker/proof.h"

struct row {
    const char *name;
    const char *use;     // the word of the API
    const char *package; // what to install when it is missing
    const char *proof;   // of a decoder: the encoder that feeds it; of a filter: the graph
    bool is_needed;      // nothing much works without it
};

static const char debian_ffmpeg[] = "libavcodec59 (Debian's own build has it)";
static const char debian_filter[] = "libavfilter8 (Debian's own build has it)";
static const char no_debian[] = "an FFmpeg built with it; Debian main has none";

static const struct row encoders[] = {
    {"libx264", "H.264", debian_ffmpeg, NULL, true},
    {"libx265", "H.265", debian_ffmpeg, NULL, false},
    {"libsvtav1", "AV1", debian_ffmpeg, NULL, false},
    {"libaom-av1", "AV1", debian_ffmpeg, NULL, false},
    {"aac", "AAC", debian_ffmpeg, NULL, true},
    {"libfdk_aac", "AAC aac_he", no_debian, NULL, false},
    {"libmp3lame", "MP3", debian_ffmpeg, NULL, false},
    {"libopus", "OPUS", debian_ffmpeg, NULL, false},
    {"libvorbis", "VORBIS", debian_ffmpeg, NULL, false},
    {"flac", "FLAC", debian_ffmpeg, NULL, false},
    {"ac3", "AC3", debian_ffmpeg, NULL, false},
    {"eac3", "EAC3", debian_ffmpeg, NULL, false},
    {"mp2", "MP2", debian_ffmpeg, NULL, false},
    {"wmav2", "WMA-V2", debian_ffmpeg, NULL, false},
    {"gif", "GIF", debian_ffmpeg, NULL, false},
    {"libwebp_anim", "WEBP", debian_ffmpeg, NULL, false},
};

static const struct row decoders[] = {
    {"h264", "H.264", debian_ffmpeg, "libx264", true},
    {"hevc", "H.265", debian_ffmpeg, "libx265", false},
    {"libdav1d", "AV1", debian_ffmpeg, "libaom-av1", false},
    {"vp9", "VP9", debian_ffmpeg, "libvpx-vp9", false},
    {"mpeg2video", "MPEG-2", debian_ffmpeg, "mpeg2video", false},
    {"prores", "ProRes", debian_ffmpeg, "prores_ks", false},
    {"aac", "AAC", debian_ffmpeg, "aac", true},
    {"mp3", "MP3", debian_ffmpeg, "libmp3lame", false},
    {"opus", "OPUS", debian_ffmpeg, "libopus", false},
    {"flac", "FLAC", debian_ffmpeg, "flac", false},
    {"vorbis", "VORBIS", debian_ffmpeg, "libvorbis", false},
    {"ac3", "AC3", debian_ffmpeg, "ac3", false},
};

#define PICTURES "testsrc2=s=64x64:d=0.2,format=yuv420p,"
static const struct row filters[] = {
    {"scale", "sizes", debian_filter, PICTURES "scale=32:32,buffersink", true},
    {"aresample", "sample rates", debian_filter, "sine=d=0.2,aresample=44100,abuffersink", true},
    {"zscale", "HDR to SDR", debian_filter, PICTURES "zscale=w=32:h=32,buffersink", false},
    {"tonemap", "HDR to SDR", debian_filter,
     "testsrc2=s=64x64:d=0.2,format=gbrpf32le,tonemap=hable,buffersink", false},
    {"bwdif", "deinterlace", debian_filter, PICTURES "bwdif,buffersink", false},
    {"cropdetect", "black bars", debian_filter, PICTURES "cropdetect,buffersink", false},
    {"loudnorm", "Volume dynamic", debian_filter, "sine=d=0.5,loudnorm,abuffersink", false},
};

static bool encoder_works(const struct row *row)
{
    return kn_proof_encoder(row->name);
}

static bool decoder_works(const struct row *row)
{
    return kn_proof_decoder(row->name, row->proof);
}

static bool filter_works(const struct row *row)
{
    return kn_proof_filter(row->proof);
}

static json_t *rows_report(const struct row *rows, size_t n, bool (*works)(const struct row *row))
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++) {
        bool is_fine = works(&rows[i]);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:b, s:b, s:s*}", "Name", rows[i].name, "For", rows[i].use,
                            "Works", is_fine, "IsNeeded", rows[i].is_needed, "Package",
                            is_fine ? NULL : rows[i].package));
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

/* ---- reading text in pictures ---- */
static json_t *ocr_report(void)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    int n = 0;
    const char **names = kn_ocr_languages(&arena, &n);
    const char *version = kn_ocr_version();
    json_t *languages = json_array();
    for (int i = 0; i < n; i++)
        (void)json_array_append_new(languages, json_string(names[i]));
    const char *package = !version ? "libtesseract5" : n == 0 ? "tesseract-ocr-eng" : NULL;
    return json_pack("{s:s, s:b, s:s*, s:o, s:s*}", "Engine", "Tesseract", "Works", !package, "Version", version,
                     "Languages", languages, "Package", package);
}

/* ---- the sandbox ---- */

// What a locked-down child may still do: nothing of this.
static const char *escape_find(int landlock)
{
    kn_auto(kn_close_fd) int network = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (network >= 0)
        return "seccomp is in force, and yet a socket could be made";
    kn_auto(kn_close_fd) int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (landlock > 0 && root >= 0)
        return "Landlock is in force, and yet '/' could be read";
    return "";
}

// In a child: lock down, try to escape, tell through the pipe: the Landlock version, then a problem.
static void sandbox_try(int to)
{
    struct kn_error err = {0};
    char said[KN_COUNT(err.message) + 16];
    int landlock = 0;
    const char *problem = "";
    if (kn_lockdown_apply(&(struct kn_lockdown){0}, &landlock, &err) != KN_OK)
        problem = err.message;
    else
        problem = escape_find(landlock);
    int n = snprintf(said, sizeof(said), "%d %s", landlock, problem);
    _exit(write(to, said, (size_t)n) == n ? 0 : 1);
}

static json_t *sandbox_report(void)
{
    char said[1024] = "";
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return json_pack("{s:i, s:b, s:s}", "Landlock", 0, "Seccomp", 0, "Problem",
                         "a pipe cannot be made");
    pid_t child = fork();
    if (child == 0)
        sandbox_try(ends[1]);
    (void)close(ends[1]);
    ssize_t got = read(ends[0], said, sizeof(said) - 1);
    (void)close(ends[0]);
    if (child > 0)
        (void)waitpid(child, &status, 0);
    if (child < 0 || got <= 0 || status != 0)
        (void)snprintf(said, sizeof(said), "0 a child that locks itself down does not live");
    char *problem = NULL;
    long landlock = strtol(said, &problem, 10);
    problem += *problem == ' ';
    return json_pack("{s:i, s:b, s:s*}", "Landlock", (int)landlock, "Seccomp", problem[0] == '\0',
                     "Problem", problem[0] ? problem : NULL);
}

json_t *kn_worker_report(void)
{
    // Some libraries speak on stderr by themselves, each to be hushed in its own way.
    av_log_set_level(AV_LOG_QUIET);
    (void)setenv("SVT_LOG", "0", 1);
    json_t *sandbox = sandbox_report(); // before any library has started a thread
    return json_pack("{s:{s:s, s:o, s:o, s:o, s:o, s:o}, s:o, s:o, s:o, s:i, s:o, s:o}", "Libraries",
                     "FFmpeg", av_version_info(), "libavformat", version_text(avformat_version()),
                     "libavcodec", version_text(avcodec_version()), "libavfilter",
                     version_text(avfilter_version()), "libswscale",
                     version_text(swscale_version()), "libswresample",
                     version_text(swresample_version()), "Sandbox", sandbox, "Encoders",
                     rows_report(encoders, KN_COUNT(encoders), encoder_works), "Decoders",
                     rows_report(decoders, KN_COUNT(decoders), decoder_works), "Fonts",
                     fonts_count(), "Filters", rows_report(filters, KN_COUNT(filters), filter_works), "Ocr", ocr_report());
}
