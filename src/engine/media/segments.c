/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/opt.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/time.h"
#include "engine/media/av_error.h"
#include "engine/media/sink_io.h"

struct kn_segments {
    kn_code (*open)(void *impl, const char *uri, struct kn_sink **out, struct kn_error *err);
    void *impl;
    kn_code (*look)(void *look_impl, const struct kn_segment_look *look, struct kn_error *err);
    void *look_impl;
    char *base_uri, *init_uri; // owned
    int init_fd;               // owned; -1 before it is written and for MPEG-TS
    int64_t init_bytes;
    int first_number;
    bool is_fmp4;
    struct kn_cutter cutter;
    struct kn_sink_io *io;   // owned
    struct kn_sink *sink;    // owned: the file being written
    struct kn_segment *list; // owned
    int n_list;
    int64_t start_us; // of the current segment; KN_NO_TIME before the first packet
    int64_t end_us;   // of the leader's last packet
    struct kn_ledger *tracks; // owned: what the current segment holds, by stream
    int n_tracks;
};

/* ---- cuts ---- */
void kn_cutter_init(struct kn_cutter *cutter, int64_t duration_us, const int64_t *forced_us,
                    int n_forced)
{
    *cutter = (struct kn_cutter){
        .duration_us = duration_us,
        .forced_us = forced_us,
        .n_forced = n_forced,
        .next_us = duration_us,
    };
}

bool kn_cutter_is_due(struct kn_cutter *cutter, int64_t now_us)
{
    bool is_due = false;
    while (cutter->next_forced < cutter->n_forced &&
           now_us >= cutter->forced_us[cutter->next_forced]) {
        cutter->next_forced++;
        is_due = true;
    }
    if (now_us >= cutter->next_us) {
        cutter->next_us = (now_us / cutter->duration_us + 1) * cutter->duration_us;
        is_due = true;
    }
    return is_due;
}

/* ---- making ---- */
kn_code kn_segments_new(struct kn_segments **out, const struct kn_segments_setup *setup,
                        struct kn_error *err)
{
    kn_auto(kn_segments_free) struct kn_segments *s = calloc(1, sizeof(*s));
    struct kn_buf init = {0};
    kn_buf_printf(&init, "%s-init.mp4", setup->base_uri);
    if (!s)
        return kn_fail(err, KN_ENOMEM, "no memory for segments");
    s->open = setup->open;
    s->impl = setup->impl;
    s->look = setup->look;
    s->look_impl = setup->look_impl;
    s->init_fd = -1;
    s->base_uri = strdup(setup->base_uri);
    s->init_uri = kn_buf_take(&init);
    s->is_fmp4 = setup->is_fmp4;
    s->first_number = setup->first_number;
    kn_cutter_init(&s->cutter, setup->duration_us, setup->forced_us, setup->n_forced);
    s->start_us = KN_NO_TIME;
    if (!s->base_uri || !s->init_uri)
        return kn_fail(err, KN_ENOMEM, "no memory for segments");
    const kn_code rc = kn_sink_io_open(&s->io, NULL, false, err);
    if (rc != KN_OK)
        return rc;
    *out = KN_TAKE(s);
    return KN_OK;
}

void kn_segments_free(struct kn_segments **segments)
{
    struct kn_segments *s = *segments;
    if (!s)
        return;
    kn_sink_io_free(&s->io);
    kn_sink_free(&s->sink);
    for (int i = 0; i < s->n_list; i++)
        free(s->list[i].uri);
    free(s->list);
    kn_close_fd(&s->init_fd);
    free(s->tracks);
    free(s->base_uri);
    free(s->init_uri);
    free(s);
    *segments = NULL;
}

const struct kn_segment *kn_segments_list(const struct kn_segments *s, int *out_n)
{
    *out_n = s->n_list;
    return s->list;
}

const char *kn_segments_init_uri(const struct kn_segments *s)
{
    return s->is_fmp4 ? s->init_uri : NULL;
}

int64_t kn_segments_init_bytes(const struct kn_segments *s)
{
    return s->init_bytes;
}

AVIOContext *kn_segments_io(struct kn_segments *s)
{
    return s->io->io;
}

/* ---- files ---- */
static void ledgers_clear(struct kn_segments *s)
{
    for (int i = 0; i < s->n_tracks; i++)
        s->tracks[i] = KN_LEDGER_EMPTY;
}

static kn_code file_open(struct kn_segments *s, const char *uri, struct kn_error *err)
{
    kn_code rc = s->open(s->impl, uri, &s->sink, err);
    if (rc == KN_OK)
        rc = kn_sink_io_switch(s->io, s->sink, err);
    return rc;
}

// All of the file is written; its length.
static kn_code file_end(struct kn_segments *s, int64_t *out_size, struct kn_error *err)
{
    avio_flush(s->io->io);
    *out_size = s->io->high_water;
    return kn_sink_io_switch(s->io, NULL, err);
}

static kn_code file_commit(struct kn_segments *s, struct kn_error *err)
{
    const kn_code rc = kn_sink_commit(s->sink, err);
    kn_sink_free(&s->sink);
    return rc;
}

static kn_code segment_open(struct kn_segments *s, int64_t start_us, struct kn_error *err)
{
    struct kn_segment *list = realloc(s->list, (size_t)(s->n_list + 1) * sizeof(*list));
    struct kn_buf uri = {0};
    kn_buf_printf(&uri, "%s-%05d.%s", s->base_uri, s->first_number + s->n_list, s->is_fmp4 ? "m4s" : "ts");
    char *text = kn_buf_take(&uri);
    if (list)
        s->list = list;
    if (!list || !text) {
        free(text);
        return kn_fail(err, KN_ENOMEM, "no memory for segments");
    }
    // What lies before 0 (encoder delay) is not heard and does not count.
    s->list[s->n_list++] = (struct kn_segment){.uri = text, .start_us = FFMAX(0, start_us)};
    s->start_us = start_us;
    return file_open(s, text, err);
}

static kn_code segment_close(struct kn_segments *s, int64_t end_us, struct kn_error *err)
{
    struct kn_segment *last = &s->list[s->n_list - 1];
    last->duration_us = end_us - last->start_us;
    kn_code rc = file_end(s, &last->size_bytes, err);
    const struct kn_segment_look look = {
        .segments = s,
        .segment = last,
        .nth = s->n_list - 1,
        .fd = s->sink->fd,
        .init_fd = s->init_fd,
        .init_bytes = s->init_bytes,
        .tracks = s->tracks,
        .n_tracks = s->n_tracks,
    };
    if (rc == KN_OK && s->look)
        rc = s->look(s->look_impl, &look, err);
    ledgers_clear(s);
    return rc == KN_OK ? file_commit(s, err) : rc;
}

static kn_code flush_muxer(AVFormatContext *format, struct kn_error *err)
{
    const int av = av_write_frame(format, NULL);
    return av < 0 ? kn_av_fail(err, av, "cannot end a segment") : KN_OK;
}

// fMP4 with delay_moov: the first flush writes the initialisation part alone.
static kn_code init_write(struct kn_segments *s, AVFormatContext *format, struct kn_error *err)
{
    kn_code rc = file_open(s, s->init_uri, err);
    if (rc == KN_OK)
        rc = flush_muxer(format, err);
    if (rc == KN_OK)
        rc = file_end(s, &s->init_bytes, err);
    if (rc != KN_OK)
        return rc;
    s->init_fd = fcntl(s->sink->fd, F_DUPFD_CLOEXEC, 0);
    return s->init_fd >= 0 ? file_commit(s, err)
                           : kn_fail_errno(err, errno, "cannot read '%s' again", s->init_uri);
}

/* ---- hooks ---- */
kn_code kn_segments_header_done(struct kn_segments *s, AVFormatContext *format, struct kn_error *err)
{
    s->tracks = calloc(format->nb_streams, sizeof(*s->tracks));
    if (!s->tracks)
        return kn_fail(err, KN_ENOMEM, "no memory for segments");
    s->n_tracks = (int)format->nb_streams;
    ledgers_clear(s);
    return s->is_fmp4 ? KN_OK : segment_open(s, 0, err);
}

kn_code kn_segments_before_trailer(struct kn_segments *s, AVFormatContext *format,
                                   struct kn_error *err)
{
    if (s->n_list > 0) // always so for MPEG-TS
        return KN_OK;
    const kn_code rc = init_write(s, format, err);
    return rc == KN_OK ? segment_open(s, s->start_us == KN_NO_TIME ? 0 : s->start_us, err) : rc;
}

// A packet of the leading track: whether a segment begins with it, and if so what ends and what begins.
static kn_code leader_before(struct kn_segments *s, AVFormatContext *format, const AVPacket *packet,
                             AVRational time_base, struct kn_error *err)
{
    const int64_t pts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    const int64_t now_us = av_rescale_q(pts, time_base, AV_TIME_BASE_Q);
    s->end_us = FFMAX(s->end_us, now_us + av_rescale_q(packet->duration, time_base, AV_TIME_BASE_Q));
    if (s->start_us == KN_NO_TIME) // fMP4: its first segment is opened when its first fragment ends
        s->start_us = now_us;
    if (!(packet->flags & AV_PKT_FLAG_KEY) || !kn_cutter_is_due(&s->cutter, now_us))
        return KN_OK;
    kn_code rc = kn_segments_before_trailer(s, format, err);
    if (rc == KN_OK)
        rc = flush_muxer(format, err);
    if (rc == KN_OK)
        rc = segment_close(s, now_us, err);
    if (rc == KN_OK)
        rc = segment_open(s, now_us, err);
    // MPEG-TS: each segment begins with its tables (RFC 8216, 3.2). fMP4: each says when it begins; left
    // to itself FFmpeg 5.1 moves it to where the packet before ended, and a track that begins late to 0.
    if (rc == KN_OK)
        (void)(s->is_fmp4 ? av_opt_set(format->priv_data, "movflags", "+frag_discont", 0)
                          : av_opt_set(format->priv_data, "mpegts_flags", "+resend_headers", 0));
    return rc;
}

kn_code kn_segments_before(struct kn_segments *s, AVFormatContext *format, int track,
                           const AVPacket *packet, AVRational time_base,
                           const struct kn_ledger *one, struct kn_error *err)
{
    const kn_code rc = track == 0 ? leader_before(s, format, packet, time_base, err) : KN_OK;
    if (rc == KN_OK)
        kn_ledger_join(&s->tracks[track], one);
    return rc;
}

kn_code kn_segments_finish(struct kn_segments *s, struct kn_error *err)
{
    return segment_close(s, s->end_us, err);
}
