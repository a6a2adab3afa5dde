/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/sink_io.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/media/av_error.h"

// Several packets a system call; small enough to be of no account beside one frame.
#define WRITE_BUFFER (256 * 1024)
#define READ_BUFFER (1024 * 1024)

static int sink_io_write(void *opaque, uint8_t *bytes, int n)
{
    struct kn_sink_io *s = opaque;
    for (int done = 0; s->sink && done < n;) {
        const ssize_t wrote = pwrite(s->sink->fd, bytes + done, (size_t)(n - done), s->at + done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            const int e = errno;
            (void)kn_fail_errno(&s->error, e, "cannot write '%s'", s->sink->uri);
            return AVERROR(e);
        }
        done += (int)wrote;
    }
    s->at += n;
    s->high_water = FFMAX(s->high_water, s->at);
    return n;
}

static int64_t sink_io_seek(void *opaque, int64_t offset, int whence)
{
    struct kn_sink_io *s = opaque;
    switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE: return s->high_water;
    case SEEK_SET: break;
    case SEEK_CUR: offset += s->at; break;
    case SEEK_END: offset += s->high_water; break;
    default: return AVERROR(EINVAL);
    }
    if (offset < 0)
        return AVERROR(EINVAL);
    return s->at = offset;
}

kn_code kn_sink_io_open(struct kn_sink_io **out, struct kn_sink *sink, bool is_seekable,
                        struct kn_error *err)
{
    struct kn_sink_io *s = calloc(1, sizeof(*s));
    uint8_t *buffer = av_malloc(WRITE_BUFFER);
    AVIOContext *io = s && buffer ? avio_alloc_context(buffer, WRITE_BUFFER, 1, s, NULL, sink_io_write,
                                                       is_seekable ? sink_io_seek : NULL)
                                  : NULL;
    if (!io) {
        av_free(buffer);
        free(s);
        return kn_fail(err, KN_ENOMEM, "no memory to write a file");
    }
    io->min_packet_size = WRITE_BUFFER; // muxers flush after each packet otherwise
    s->io = io;
    s->sink = sink;
    *out = s;
    return KN_OK;
}

kn_code kn_sink_io_switch(struct kn_sink_io *s, struct kn_sink *sink, struct kn_error *err)
{
    avio_flush(s->io);
    if (s->error.code != KN_OK) {
        if (err)
            *err = s->error;
        return s->error.code;
    }
    s->sink = sink;
    s->base += s->high_water;
    s->at = s->high_water = 0;
    return KN_OK;
}

void kn_sink_io_free(struct kn_sink_io **sink_io)
{
    if (!*sink_io)
        return;
    av_freep(&(*sink_io)->io->buffer);
    avio_context_free(&(*sink_io)->io);
    free(*sink_io);
    *sink_io = NULL;
}

/* ---- reading back ---- */
struct look_back {
    int fd; // borrowed
    int64_t at;
};

static int look_back_read(void *opaque, uint8_t *out, int n)
{
    struct look_back *l = opaque;
    ssize_t got;
    do
        got = pread(l->fd, out, (size_t)n, l->at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return AVERROR(errno);
    l->at += got;
    return got ? (int)got : AVERROR_EOF;
}

static int64_t look_back_seek(void *opaque, int64_t offset, int whence)
{
    struct look_back *l = opaque;
    if (whence & AVSEEK_SIZE)
        return lseek(l->fd, 0, SEEK_END);
    if ((whence & ~AVSEEK_FORCE) == SEEK_CUR)
        offset += l->at;
    return l->at = offset;
}

static int look_back_open(AVFormatContext *format, AVIOContext **out, const char *url, int flags,
                          AVDictionary **options)
{
    (void)url;
    (void)options;
    const struct kn_sink_io *s = format->opaque;
    if (flags & AVIO_FLAG_WRITE || !s->sink)
        return AVERROR(EACCES);
    struct look_back *l = calloc(1, sizeof(*l));
    uint8_t *buffer = av_malloc(READ_BUFFER);
    *out = l && buffer ? avio_alloc_context(buffer, READ_BUFFER, 0, l, look_back_read, NULL,
                                            look_back_seek)
                       : NULL;
    if (!*out) {
        av_free(buffer);
        free(l);
        return AVERROR(ENOMEM);
    }
    l->fd = s->sink->fd;
    return 0;
}

static int look_back_close(AVFormatContext *format, AVIOContext *io)
{
    (void)format;
    free(io->opaque);
    av_freep(&io->buffer);
    avio_context_free(&io);
    return 0;
}

void kn_sink_io_lend(struct kn_sink_io *sink_io, AVFormatContext *format)
{
    format->opaque = sink_io;
    format->io_open = look_back_open;
    format->io_close2 = look_back_close;
}
