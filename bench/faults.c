/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Faults for row T7: preloaded before the worker, this library makes the job's process write broken
 * files while every call reports success, as a failing disk or a wrong muxer would.
 *
 *     LD_PRELOAD=faults.so KINORA_BENCH_FAULT=late-audio kinora serve …
 *
 *     truncate     what lies beyond 20,000 bytes is lost   short        no packet after the nth
 *     drop-video   the nth packet of pictures is lost      drop-audio   the nth of the first sound is lost
 *     late-audio   the first sound a second late          flip         a bit of the nth packet is wrong
 *     late-pictures  the pictures are shown 0.2 s late, all but the first
 *
 * Where tracks lie in files of their own each file's is the first.
 * n differs from process to process, unless KINORA_BENCH_FAULT_AT says it. Nothing happens in programs
 * other than kinora-worker and convert-file.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavformat/avformat.h>

#define TRUNCATE_AT 20000

enum fault { NONE = 0, TRUNCATE, SHORT, DROP_VIDEO, DROP_AUDIO, LATE_AUDIO, FLIP, LATE_PICTURES };

static const char *const names[] = {"none",       "truncate",   "short", "drop-video",
                                    "drop-audio", "late-audio", "flip", "late-pictures"};

static enum fault fault;
static int (*real_write_frame)(AVFormatContext *, AVPacket *);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int n_packets[64];
static int nth_asked = -1;

__attribute__((constructor)) static void prepare(void)
{
    // Functions and objects are one in dlsym(): POSIX has it written like this.
    *(void **)&real_write_frame = dlsym(RTLD_NEXT, "av_write_frame");
    *(void **)&real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    *(void **)&real_write = dlsym(RTLD_NEXT, "write");
    const char *wanted = getenv("KINORA_BENCH_FAULT"), *nth = getenv("KINORA_BENCH_FAULT_AT");
    if (!wanted || (strcmp(program_invocation_short_name, "kinora-worker") != 0 &&
                    strcmp(program_invocation_short_name, "convert-file") != 0))
        return;
    nth_asked = nth ? atoi(nth) : -1;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(wanted, names[i]) == 0)
            fault = (enum fault)i;
}

int av_write_frame(AVFormatContext *format, AVPacket *packet);
int av_write_frame(AVFormatContext *format, AVPacket *packet)
{
    if (!packet || packet->stream_index >= 32)
        return real_write_frame(format, packet);
    const AVStream *stream = format->streams[packet->stream_index];
    const bool is_sound = stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
    const bool is_first_sound = is_sound && packet->stream_index <= 1;
    const int n = n_packets[packet->stream_index + (is_sound ? 32 : 0)]++;
    const int nth = nth_asked >= 0 ? nth_asked : 20 + getpid() % 50;
    const bool is_lost = (fault == DROP_VIDEO && !is_sound && n == nth) ||
                         (fault == DROP_AUDIO && is_first_sound && n == nth) ||
                         (fault == SHORT && n > nth);
    if (is_lost)
        return 0;
    if (fault == FLIP && packet->stream_index == 0 && n == nth && packet->size > 0 &&
        av_packet_make_writable(packet) >= 0)
        packet->data[packet->size / 2] ^= 4;
    if (fault == LATE_AUDIO && is_first_sound) {
        packet->pts += av_rescale_q(1, (AVRational){1, 1}, stream->time_base);
        packet->dts += av_rescale_q(1, (AVRational){1, 1}, stream->time_base);
    }
    if (fault == LATE_PICTURES && !is_sound && n > 0)
        packet->pts += av_rescale_q(1, (AVRational){1, 5}, stream->time_base);
    return real_write_frame(format, packet);
}

// How many of `n` bytes at `offset` reach the disk.
static size_t kept(int fd, off_t offset, size_t n)
{
    struct stat st;
    if (fault != TRUNCATE || offset + (off_t)n <= TRUNCATE_AT || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return n;
    return offset < TRUNCATE_AT ? (size_t)(TRUNCATE_AT - offset) : 0;
}

// With 64-bit offsets the compiler calls this one pwrite64, as it does in the worker.
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    const size_t left = kept(fd, offset, n);
    if (left == n)
        return real_pwrite(fd, bytes, n, offset);
    (void)real_pwrite(fd, bytes, left, offset);
    return (ssize_t)n;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    const off_t at = fault == TRUNCATE ? lseek(fd, 0, SEEK_CUR) : 0;
    const size_t left = kept(fd, at, n);
    if (left == n)
        return real_write(fd, bytes, n);
    (void)real_write(fd, bytes, left);
    (void)lseek(fd, at + (off_t)n, SEEK_SET);
    return (ssize_t)n;
}
