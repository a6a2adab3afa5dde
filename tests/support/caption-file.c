/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * caption-file INPUT FORMAT: a caption file, or the packets of a film's caption stream (INPUT#N, N the
 * stream's index) through libavformat, written to stdout as srt, webvtt or ass. Warnings go to stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavformat/avformat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/limits.h"
#include "engine/caption/cue_packet.h"
#include "engine/caption/file.h"

static kn_code film_read(struct kn_cue_list *list, const char *path, int index, struct kn_error *err)
{
    kn_auto(avformat_close_input) AVFormatContext *in = NULL;
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    if (!packet || avformat_open_input(&in, path, NULL, NULL) < 0 || avformat_find_stream_info(in, NULL) < 0)
        return kn_fail(err, KN_EMEDIA, "cannot open '%s'", path);
    if (index < 0 || index >= (int)in->nb_streams)
        return kn_fail(err, KN_EINVAL, "no stream %d", index);
    const AVStream *stream = in->streams[index];
    const char *name = avcodec_get_name(stream->codecpar->codec_id);
    char tag[5];
    (void)snprintf(tag, sizeof(tag), "%.4s", (const char *)&stream->codecpar->codec_tag);
    enum kn_caption_codec codec = kn_caption_codec_named(name);
    if (codec == KN_CAPTION_OTHER || strcmp(tag, "wvtt") == 0)
        codec = kn_caption_codec_named(tag);
    kn_code rc = kn_caption_begin(list, codec, stream->codecpar->extradata,
                                  (size_t)stream->codecpar->extradata_size, err);
    const AVRational us = {1, 1000000};
    const int64_t first_us = 0;
    for (; rc == KN_OK && av_read_frame(in, packet) >= 0; av_packet_unref(packet)) {
        if (packet->stream_index != index || packet->pts == AV_NOPTS_VALUE)
            continue;
        const struct kn_caption_packet cue = {
            .start_us = av_rescale_q(packet->pts, stream->time_base, us) - first_us,
            .duration_us = av_rescale_q(packet->duration, stream->time_base, us),
            .bytes = packet->data, .n = (size_t)packet->size,
        };
        rc = kn_caption_packet(list, codec, &cue, err);
    }
    return rc == KN_OK ? kn_caption_end(list, in->duration, err) : rc;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    struct kn_error err = {0};
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    kn_auto(kn_buf_clear) struct kn_buf bytes = {0}, out = {0};
    const struct kn_caption_write_options options = {.line_end = KN_LINE_END_LF};
    const struct kn_caption_file file = {.name = argv[1]};
    char *hash = strrchr(argv[1], '#');
    kn_code rc;
    if (hash) {
        *hash = '\0';
        rc = film_read(&list, argv[1], atoi(hash + 1), &err);
    } else {
        rc = kn_fs_read(&bytes, argv[1], KN_MAX_CAPTION_BYTES, &err);
        if (rc == KN_OK)
            rc = kn_caption_read(&list, kn_buf_text(&bytes), bytes.len, &file, &err);
    }
    for (size_t i = 0; i < list.n_warnings; i++)
        (void)fprintf(stderr, "line %d: %s\n", list.warnings[i].line, list.warnings[i].text);
    if (rc == KN_OK)
        rc = kn_caption_write(&out, &list, kn_caption_format_named(argv[2]), &options, &err);
    if (rc != KN_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    (void)fprintf(stderr, "encoding %s, %zu cues\n", list.encoding ? list.encoding : "-", list.n_cues);
    return fwrite(kn_buf_text(&out), 1, out.len, stdout) == out.len ? 0 : 1;
}
