/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/check_segments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/media/file_meta.h"
#include "features/convert/formats.h"
#include "features/convert/group.h"
#include "features/convert/read_back.h"

// From what was written to what is read a time moves by rounding alone: a millisecond in Matroska's
// ticks, a tick where two would fall together. Well under a picture.
#define MOVED_US (5 * 1000)

/* ---- a segment as a file ---- */
// The initialisation part and the segment, one after the other. Descriptors are borrowed.
struct joined {
    int fds[2];
    int64_t sizes[2];
};

static kn_code joined_read_at(struct kn_source *source, int64_t offset, void *out, size_t n,
                              size_t *out_got, struct kn_error *err)
{
    const struct joined *j = source->impl;
    const int at = offset >= j->sizes[0];
    const int64_t skipped = at ? j->sizes[0] : 0;
    const int64_t left = skipped + j->sizes[at] - offset;
    *out_got = 0;
    if (left <= 0)
        return KN_OK;
    ssize_t got;
    do
        got = pread(j->fds[at], out, (size_t)FFMIN((int64_t)n, left), offset - skipped);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return kn_fail_errno(err, errno, "cannot read '%s' again", source->uri);
    *out_got = (size_t)got;
    return KN_OK;
}

static kn_code joined_open(void *impl, const char *uri, struct kn_source **out, struct kn_error *err)
{
    struct joined *j = impl;
    struct kn_source *source = calloc(1, sizeof(*source));
    char *name = strdup(uri);
    if (!source || !name) {
        free(source);
        free(name);
        return kn_fail(err, KN_ENOMEM, "no memory to read '%s' again", uri);
    }
    *source = (struct kn_source){
        .fd = -1,
        .size_bytes = j->sizes[0] + j->sizes[1],
        .uri = name,
        .read_at = joined_read_at,
        .impl = j,
    };
    *out = source;
    return KN_OK;
}

static kn_code compare_size(int fd, const char *uri, int64_t want, struct kn_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return kn_fail_errno(err, errno, "cannot look at '%s'", uri);
    return st.st_size == want ? KN_OK
                              : kn_fail(err, KN_EBUG, "'%s' holds %lld bytes of %lld", uri,
                                        (long long)st.st_size, (long long)want);
}

/* ---- times ---- */
// MPEG-TS counts to 2^33 and begins again, after 26.5 hours.
static int64_t without_laps(const AVStream *st, int64_t us)
{
    if (st->pts_wrap_bits >= 63)
        return us;
    const int64_t lap_us = av_rescale_q((int64_t)1 << st->pts_wrap_bits, st->time_base, AV_TIME_BASE_Q);
    us %= lap_us;
    return us > lap_us / 2 ? us - lap_us : us < -lap_us / 2 ? us + lap_us : us;
}

// What was written runs on from segment to segment; so what is read does when it lies where that lay.
static kn_code compare_times(const struct kn_output_run *o, int track, const AVStream *st,
                             const struct kn_ledger *read, const struct kn_ledger *want,
                             const char *uri, struct kn_error *err)
{
    const bool is_fmp4 = kn_container_format(o->spec->container)->is_fmp4;
    const int64_t offset_us = is_fmp4 ? 0 : KN_SEGMENTS_TS_OFFSET_US;
    if (want->n_packets == 0)
        return KN_OK;
    if (read->first_us == KN_NO_TIME)
        return kn_fail(err, KN_EBUG, "track %d of '%s' has no times", track, uri);
    const int64_t first_us = without_laps(st, read->first_us - offset_us - want->first_us);
    const int64_t last_us = without_laps(st, read->last_us - offset_us - want->last_us);
    // Of the frames of sound in one PES packet only the first has a time.
    const bool has_last = is_fmp4 || st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    if (llabs(first_us) > MOVED_US || last_us > MOVED_US || (has_last && last_us < -MOVED_US))
        return kn_fail(err, KN_EBUG, "track %d of '%s' has slipped by %.3f s", track, uri,
                       (double)(llabs(first_us) > MOVED_US ? first_us : last_us) / KN_SECOND);
    return KN_OK;
}

/* ---- one segment ---- */
static kn_code decode_first(const struct kn_input *input, const AVStream *st, const AVPacket *packet,
                            struct kn_error *err)
{
    kn_auto(kn_decoder_free) struct kn_decoder *decoder = NULL;
    int n_frames = 0;
    kn_code rc = kn_decoder_open(&decoder, input, st, 1, err);
    if (rc == KN_OK)
        rc = kn_decoder_feed(decoder, packet, kn_count_frame, &n_frames, err);
    if (rc == KN_OK)
        rc = kn_decoder_feed(decoder, NULL, kn_count_frame, &n_frames, err);
    if (rc == KN_OK && (n_frames == 0 || decoder->n_broken > 0))
        rc = kn_fail(err, KN_EBUG, "the first picture of '%s' cannot be decoded", input->uri);
    return rc;
}

// EXTINF: no picture lasts into the next segment. (They may end earlier, where the source has a hole.)
static kn_code compare_length(const struct kn_output_run *o, const struct kn_segment_look *look,
                              struct kn_error *err)
{
    const struct kn_segment *segment = look->segment;
    const struct kn_ledger *leader = &look->tracks[0];
    const int64_t over_us = leader->end_us - segment->start_us - segment->duration_us;
    if (o->has_video && leader->n_packets > 0 && over_us > KN_LENGTH_TOLERANCE_US)
        return kn_fail(err, KN_EBUG, "'%s' is said to last %.3f s, which is %.3f s too little",
                       segment->uri, (double)segment->duration_us / KN_SECOND,
                       (double)over_us / KN_SECOND);
    return KN_OK;
}

static kn_code check_tracks(struct kn_output_run *o, const struct kn_segment_look *look, int from,
                            struct kn_input *input, struct kn_found *found, struct kn_error *err)
{
    const char *uri = look->segment->uri;
    kn_auto(av_packet_free) AVPacket *first = av_packet_alloc();
    if (!first)
        return kn_fail(err, KN_ENOMEM, "no memory for a packet");
    for (int i = 0; i < look->n_tracks; i++)
        if (!kn_stream_of(o, input, from, from + i))
            return kn_fail(err, KN_EBUG, "'%s' has lost track %d", uri, from + i);
    const AVStream *video =
        o->has_video && !o->video.is_copy ? kn_input_stream(input, AVMEDIA_TYPE_VIDEO, 0) : NULL;
    kn_code rc = kn_read_back(input, found, video ? video->index : -1, first, err);
    for (int i = 0; rc == KN_OK && i < look->n_tracks; i++) {
        const AVStream *st = kn_stream_of(o, input, from, from + i);
        const struct kn_found *f = &found[st->index];
        rc = kn_found_compare(o, from + i, f, &look->tracks[i], uri, err);
        if (rc == KN_OK)
            rc = compare_times(o, from + i, st, &f->read, &look->tracks[i], uri, err);
    }
    if (rc == KN_OK && video && first->size > 0)
        rc = decode_first(input, video, first, err);
    return rc == KN_OK ? compare_length(o, look, err) : rc;
}

// The first of a set says what its streams are.
static kn_code keep_meta(struct kn_output_run *o, int from, const struct kn_input *input,
                         struct kn_error *err)
{
    char key[16];
    (void)snprintf(key, sizeof(key), "%d", from);
    if (!o->part_metas)
        o->part_metas = json_object();
    if (json_object_set_new(o->part_metas, key, kn_file_meta(input, o->spec->uri, "transcode_file")) != 0)
        return kn_fail(err, KN_ENOMEM, "no memory for the result");
    return KN_OK;
}

static kn_code look_inside(struct kn_output_run *o, const struct kn_segment_look *look,
                           struct kn_error *err)
{
    const struct kn_segment *segment = look->segment;
    int64_t n_packets = 0;
    for (int i = 0; i < look->n_tracks; i++)
        n_packets += look->tracks[i].n_packets;
    kn_code rc = compare_size(look->fd, segment->uri, segment->size_bytes, err);
    if (rc == KN_OK && look->init_fd >= 0)
        rc = compare_size(look->init_fd, kn_segments_init_uri(look->segments), look->init_bytes, err);
    if (rc != KN_OK || n_packets == 0)
        return rc;
    int from = 0; // the set's first track
    while (kn_mux_segments(o->mux, from) != look->segments)
        from++;
    struct joined joined = {{look->init_fd, look->fd}, {look->init_bytes, segment->size_bytes}};
    const struct kn_input_env env = {.open = joined_open, .impl = &joined, .stop = &o->run->stop,
                                     .is_known = look->nth > 0};
    kn_auto(kn_input_free) struct kn_input *input = NULL;
    rc = kn_input_open(&input, segment->uri, &env, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_free) struct kn_found *found = calloc(input->format->nb_streams, sizeof(*found));
    if (!found)
        return kn_fail(err, KN_ENOMEM, "no memory for the result");
    rc = check_tracks(o, look, from, input, found, err);
    return rc == KN_OK && look->nth == 0 ? keep_meta(o, from, input, err) : rc;
}

/* ---- the whole ---- */
static kn_code check_set(const struct kn_output_run *o, int from, struct kn_error *err)
{
    int n = 0;
    const struct kn_segment *list = kn_segments_list(kn_mux_segments(o->mux, from), &n);
    struct kn_ledger leader;
    kn_mux_ledger(o->mux, from, &leader);
    for (int i = 1; i < n; i++)
        if (list[i].start_us != list[i - 1].start_us + list[i - 1].duration_us)
            return kn_fail(err, KN_EBUG, "'%s' does not begin where the segment before it ends", list[i].uri);
    const int64_t end_us = n > 0 ? list[n - 1].start_us + list[n - 1].duration_us : 0;
    if (leader.n_packets > 0 && llabs(end_us - leader.end_us) > KN_LENGTH_TOLERANCE_US)
        return kn_fail(err, KN_EBUG, "the segments of '%s' end at %.3f s, and %.3f s were written",
                       o->spec->uri, (double)end_us / KN_SECOND, (double)leader.end_us / KN_SECOND);
    return KN_OK;
}

static bool is_first_of_set(const struct kn_output_run *o, int track)
{
    return track == 0 || kn_mux_segments(o->mux, track) != kn_mux_segments(o->mux, track - 1);
}

// Move the description of a set's nth stream of a kind to the whole's list.
static void meta_add(const struct kn_output_run *o, json_t *meta, int from, int track)
{
    const enum AVMediaType kind = kn_mux_parameters(o->mux, track)->codec_type;
    const char *list = kind == AVMEDIA_TYPE_VIDEO ? "VideoStreamInfoList" : "AudioStreamInfoList";
    char key[16];
    size_t nth = 0;
    struct kn_ledger ledger;
    (void)snprintf(key, sizeof(key), "%d", from);
    for (int i = from; i < track; i++)
        nth += kn_mux_parameters(o->mux, i)->codec_type == kind;
    json_t *info = json_array_get(json_object_get(json_object_get(o->part_metas, key), list), nth);
    kn_mux_ledger(o->mux, track, &ledger);
    if (!info)
        return;
    kn_file_meta_set_track(info, track, kind == AVMEDIA_TYPE_VIDEO, &ledger);
    (void)json_array_append(json_object_get(meta, list), info); // a member less when memory is short
}

/* ---- public ---- */
kn_code kn_output_look(void *impl, const struct kn_segment_look *look, struct kn_error *err)
{
    struct kn_output_run *o = impl;
    return kn_check_blame(o->run, look_inside(o, look, err), err);
}

kn_code kn_segments_check(const struct kn_output_run *o, struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (int i = 0; rc == KN_OK && i < kn_mux_n_tracks(o->mux); i++)
        if (is_first_of_set(o, i))
            rc = check_set(o, i, err);
    return rc;
}

kn_code kn_segments_meta(struct kn_output_run *o, struct kn_error *err)
{
    o->meta = kn_file_meta_new(o->spec->uri, "transcode_file");
    if (!o->meta)
        return kn_fail(err, KN_ENOMEM, "no memory for the result");
    int64_t bytes = o->text_bytes;
    int from = 0;
    for (int i = 0; o->mux && i < kn_mux_n_tracks(o->mux); i++) {
        const struct kn_segments *segments = kn_mux_segments(o->mux, i);
        if (is_first_of_set(o, i)) {
            int n = 0;
            const struct kn_segment *list = kn_segments_list(segments, &n);
            bytes += kn_segments_init_bytes(segments);
            for (int k = 0; k < n; k++)
                bytes += list[k].size_bytes;
            from = i;
        }
        meta_add(o, o->meta, from, i);
    }
    kn_file_meta_set_whole(o->meta, kn_container_format(o->spec->container)->has_playlist ? "hls" : "dash",
                           bytes, kn_output_length_us(o));
    return KN_OK;
}
