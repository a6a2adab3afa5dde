/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Faults for row T7: preloaded before the worker, this library makes the job's process write broken
 * files while every call reports success, as a failing disk or a wrong muxer would.
 *
 *     LD_PRELOAD=faults.so KINORA_BENCH_FAULT=late-audio kinora serve …
 *
 *     truncate     writes of the second half are lost   short        no packet after the nth
 *     drop-video   the nth packet of track 0 is lost    drop-audio   the nth of track 1 is lost
 *     late-audio   track 1 a second late                flip         a bit of the nth packet is wrong
 *
 * n differs from process to process. Nothing happens in programs other than kinora-worker.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavformat/avformat.h>

enum fault { NONE = 0, TRUNCATE, SHORT, DROP_VIDEO, DROP_AUDIO, LATE_AUDIO, FLIP };

static const char *const names[] = {"none",       "truncate",   "short", "drop-video",
                                    "drop-audio", "late-audio", "flip"};

static enum fault fault;
static int (*real_write_frame)(AVFormatContext *, AVPacket *);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int n_packets[64];

__attribute__((constructor)) static void prepare(void)
{
    // Functions and objects are one in dlsym(): POSIX has it written like this.
    *(void **)&real_write_frame = dlsym(RTLD_NEXT, "av_write_frame");
    *(void **)&real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    *(void **)&real_write = dlsym(RTLD_NEXT, "write");
    const char *wanted = getenv("KINORA_BENCH_FAULT");
    if (!wanted || strcmp(program_invocation_short_name, "kinora-worker") != 0)
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(wanted, names[i]) == 0)
            fault = (enum fault)i;
}

int av_write_frame(AVFormatContext *format, AVPacket *packet);
int av_write_frame(AVFormatContext *format, AVPacket *packet)
{
    if (!packet || packet->stream_index >= 64)
        return real_write_frame(format, packet);
    const int track = packet->stream_index, n = n_packets[track]++;
    const int nth = 20 + getpid() % 50;
    const bool is_lost = (fault == DROP_VIDEO && track == 0 && n == nth) ||
                         (fault == DROP_AUDIO && track == 1 && n == nth) ||
                         (fault == SHORT && n > nth);
    if (is_lost)
        return 0;
    if (fault == FLIP && track == 0 && n == nth && packet->size > 0 &&
        av_packet_make_writable(packet) >= 0)
        packet->data[packet->size / 2] ^= 4;
    if (fault == LATE_AUDIO && track == 1) {
        const AVRational base = format->streams[1]->time_base;
        packet->pts += av_rescale_q(1, (AVRational){1, 1}, base);
        packet->dts += av_rescale_q(1, (AVRational){1, 1}, base);
    }
    return real_write_frame(format, packet);
}

static bool is_lost_write(int fd, off_t offset)
{
    struct stat st;
    return fault == TRUNCATE && offset > 30000 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

// With 64-bit offsets the compiler calls this one pwrite64, as it does in the worker.
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    return is_lost_write(fd, offset) ? (ssize_t)n : real_pwrite(fd, bytes, n, offset);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    const off_t at = fault == TRUNCATE ? lseek(fd, 0, SEEK_CUR) : 0;
    if (!is_lost_write(fd, at))
        return real_write(fd, bytes, n);
    (void)lseek(fd, (off_t)n, SEEK_CUR);
    return (ssize_t)n;
}
