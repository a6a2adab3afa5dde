/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libavformat reads the tables by itself wherever it reads: it is sent to a place, and its packets are dropped.
 */
#include "engine/caption/harvest_ahead.h"

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"

// Tables come every 0.5 s at the latest (ETSI TR 101 154, 4.1.7: PAT and PMT every 100 ms).
#define PLACE_US (KN_SECOND / 2)
#define PLACE_LEAST_BYTES (256 * 1024)
#define PLACE_MOST_BYTES (1024 * 1024)

bool kn_ahead_can_look(const struct kn_input *input)
{
    const AVIOContext *io = input->format->pb;
    return kn_equal(input->format->iformat->name, "mpegts") && io && (io->seekable & AVIO_SEEKABLE_NORMAL) &&
        input->size_bytes > 0;
}

// libav's number of what ended it: 0, AVERROR_EOF when all behind `from` was read.
static int place_look(AVFormatContext *format, AVPacket *packet, int64_t from, int64_t n)
{
    int av = av_seek_frame(format, -1, from, AVSEEK_FLAG_BYTE);
    while (av >= 0 && avio_tell(format->pb) < from + n) {
        av = av_read_frame(format, packet);
        av_packet_unref(packet);
        av = av == AVERROR(EAGAIN) ? 0 : av;
    }
    return av < 0 ? av : 0;
}

kn_code kn_ahead_look(struct kn_input *input, struct kn_error *err)
{
    AVFormatContext *format = input->format;
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    if (!packet)
        return kn_fail(err, KN_ENOMEM, "no memory for a packet");
    const int64_t length_us = kn_input_duration_us(input);
    const int64_t size = input->size_bytes;
    int64_t n = length_us > 0 ? av_rescale(size, PLACE_US, length_us) : PLACE_MOST_BYTES;
    n = n < PLACE_LEAST_BYTES ? PLACE_LEAST_BYTES : n > PLACE_MOST_BYTES ? PLACE_MOST_BYTES : n;
    n = n < size ? n : size;
    int av = 0;
    for (int i = 1; i <= KN_AHEAD_PLACES && av == 0; i++)
        av = place_look(format, packet, av_rescale(size - n, i, KN_AHEAD_PLACES), n);
    if (av == AVERROR_EXIT)
        return kn_fail(err, KN_ECANCELED, "stopped");
    input->io_error = (struct kn_error){0};
    av = av_seek_frame(format, -1, 0, AVSEEK_FLAG_BYTE);
    return av < 0 ? kn_input_fail(input, err, av, "go back to the beginning of") : KN_OK;
}
