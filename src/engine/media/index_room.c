/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The index is counted as libavformat 5.1 makes it (libavformat/movenc.c): packets of a track that lie
 * one behind the other form a chunk, and each table is written in runs. A film to come is foreseen by
 * tallying made-up packets that are woven as mux.c will weave the real ones.
 */
#include "engine/media/index_room.h"

#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/time.h"

// A chunk ends before it would reach this (build_chunks()).
#define CHUNK_BYTES (1 << 20)
// Boxes of a track apart from their tables and what the stream brings along: 900 bytes at the very most.
#define TRACK_BYTES 1024
// The same of the film: moov, mvhd, udta, meta, and a time code track.
#define FILM_BYTES 1536
// So many made-up packets show the pattern; the rest follows by proportion.
#define N_MADE_UP 16384
// Shorter films are moved in no time, and the room would show in their size.
#define SHORTEST_US (4 * KN_SECOND)
// Real packets are less even than made-up ones.
#define SPARE_SHARE 0.05
#define SPARE_BYTES 2048
// From here on a place in the file may need 64 bits.
#define LARGE_BYTES (INT64_C(4) << 30)
// Captions: about a cue in two seconds, each followed by an empty one where the screen is cleared.
#define CAPTION_PERIOD_S 2.0
// A caption ends on its own in the middle of another track's chunk, which becomes two.
#define CAPTION_MORE_BYTES (44 + 24)
#define MAX_TRACKS 64

/* ---- tallying ---- */
void kn_index_tally_add(struct kn_index_tally *t, const AVPacket *packet, bool goes_on)
{
    const int64_t offset = packet->pts == AV_NOPTS_VALUE ? 0 : packet->pts - packet->dts;
    if (t->n_samples > 0) {
        const int64_t step = packet->dts - t->dts;
        t->n_steps += t->n_samples == 1 || step != t->step;
        t->step = step;
    }
    t->n_offsets += t->n_samples == 0 || offset != t->offset;
    t->offset = offset;
    t->dts = packet->dts;
    if (!goes_on || t->n_samples == 0 || t->chunk_bytes + packet->size >= CHUNK_BYTES) {
        t->n_chunk_sizes += t->n_chunks > 0 && t->chunk_samples != t->earlier_chunk_samples;
        t->earlier_chunk_samples = t->chunk_samples;
        t->chunk_bytes = t->chunk_samples = 0;
        t->n_chunks++;
    }
    t->chunk_bytes += packet->size;
    t->chunk_samples++;
    t->n_samples++;
    t->n_keys += (packet->flags & AV_PKT_FLAG_KEY) != 0;
}

static int64_t dictionary_bytes(const AVDictionary *dictionary)
{
    int64_t bytes = 0;
    const AVDictionaryEntry *entry = NULL;
    // QuickTime has a comment twice; each value lies in two boxes, beside its language or its name.
    while ((entry = av_dict_get(dictionary, "", entry, AV_DICT_IGNORE_SUFFIX)))
        bytes += (int64_t)(strlen(entry->key) + 2 * strlen(entry->value)) + 80;
    return bytes;
}

int64_t kn_index_track_bytes(const struct kn_index_tally *t, const AVStream *st, bool is_large)
{
    const AVCodecParameters *par = st->codecpar;
    // PCM is listed by the sample, so that each packet may be a chunk of a size of its own.
    const bool is_even = av_get_bits_per_sample(par->codec_id) > 0;
    const int64_t n_chunk_sizes = is_even ? t->n_chunks : t->n_chunk_sizes + 2;
    int64_t bytes = TRACK_BYTES + 2 * (int64_t)par->extradata_size + dictionary_bytes(st->metadata);
    bytes += 4 * t->n_samples + 8 * (t->n_steps + 2) + 12 * n_chunk_sizes + (is_large ? 8 : 4) * t->n_chunks;
    if (par->codec_type == AVMEDIA_TYPE_VIDEO)
        bytes += 8 * t->n_offsets + 4 * t->n_keys + t->n_samples; // ctts, stss, sdtp
    if (par->codec_id == AV_CODEC_ID_MPEG2VIDEO)
        bytes += 4 * t->n_samples; // pictures that one can nearly begin with (stps)
    if (par->codec_id == AV_CODEC_ID_OPUS) // how many packets 80 ms are (sbgp, sgpd) changes with each duration
        bytes += 10 * FFMIN(t->n_samples, 34 * (t->n_steps + 2));
    if (par->codec_type == AVMEDIA_TYPE_SUBTITLE)
        bytes += CAPTION_MORE_BYTES * t->n_samples;
    return bytes;
}

int64_t kn_index_film_bytes(const AVFormatContext *format)
{
    int64_t bytes = FILM_BYTES + dictionary_bytes(format->metadata);
    for (unsigned i = 0; i < format->nb_chapters; i++) // a list (chpl), and a track of their names
        bytes += 60 + dictionary_bytes(format->chapters[i]->metadata);
    return format->nb_chapters ? bytes + TRACK_BYTES : bytes;
}

/* ---- foreseeing ---- */
struct made_up {
    double at_s, period_s;
    bool is_even, is_reordered;
    int n_made;
    struct kn_index_tally tally;
};

// 0: unknown.
static double period_s(const AVStream *st)
{
    const AVCodecParameters *par = st->codecpar;
    switch (par->codec_type) {
    case AVMEDIA_TYPE_VIDEO:
        return st->avg_frame_rate.num > 0 ? av_q2d(av_inv_q(st->avg_frame_rate)) : 0;
    case AVMEDIA_TYPE_AUDIO:
        return par->frame_size > 0 && par->sample_rate > 0 ? (double)par->frame_size / par->sample_rate : 0;
    case AVMEDIA_TYPE_SUBTITLE: return CAPTION_PERIOD_S;
    default: return 0;
    }
}

// Whether all packets can be of one duration: as many whole ticks.
static bool is_even(double period_s, AVRational time_base)
{
    const double ticks = period_s / av_q2d(time_base);
    return fabs(ticks - round(ticks)) < 1e-3;
}

static void made_up_add(struct made_up *m, bool goes_on)
{
    const int k = m->n_made++;
    AVPacket packet = {.dts = 4 * k + (m->is_even ? 0 : k % 2), .flags = k % 12 ? 0 : AV_PKT_FLAG_KEY};
    packet.pts = packet.dts + (m->is_reordered ? k % 3 : 0);
    kn_index_tally_add(&m->tally, &packet, goes_on);
    m->at_s += m->period_s;
}

// The tally of the whole film from that of its beginning.
static void tally_scale(struct kn_index_tally *t, double factor)
{
    int64_t *const counts[] = {&t->n_samples, &t->n_keys, &t->n_steps,
                               &t->n_offsets, &t->n_chunks, &t->n_chunk_sizes};
    for (size_t i = 0; i < KN_COUNT(counts); i++)
        if (*counts[i] > 4) // a few runs are the edges of what was made up
            *counts[i] = (int64_t)ceil((double)*counts[i] * factor);
}

static void weave(struct made_up *made, int n, double end_s)
{
    int last = -1;
    double at_s = 0;
    for (int i = 0; i < N_MADE_UP; i++) {
        int best = -1;
        for (int k = 0; k < n; k++)
            if (made[k].period_s > 0 && (best < 0 || made[k].at_s < made[best].at_s))
                best = k;
        at_s = made[best].at_s;
        if (at_s > end_s)
            return;
        made_up_add(&made[best], best == last);
        last = best;
    }
    for (int k = 0; k < n; k++)
        tally_scale(&made[k].tally, end_s / at_s);
}

// Whether the film may grow beyond what 32 bits can say; also when nobody can tell.
static bool may_be_large(const struct kn_index_track *tracks, int n_tracks, int64_t duration_us)
{
    double bits_per_s = 0;
    bool is_known = true;
    for (int i = 0; i < n_tracks; i++) {
        const AVCodecParameters *par = tracks[i].stream->codecpar;
        bits_per_s += (double)par->bit_rate;
        is_known &= par->bit_rate > 0 || tracks[i].cover_bytes > 0 || par->codec_type == AVMEDIA_TYPE_SUBTITLE;
    }
    const double seconds = (double)duration_us / KN_SECOND;
    return is_known ? bits_per_s / 8 * seconds > 0.8 * LARGE_BYTES : seconds > 600;
}

int64_t kn_index_foresee(const AVFormatContext *format, const struct kn_index_track *tracks,
                         int n_tracks, int64_t duration_us)
{
    struct made_up made[MAX_TRACKS] = {0};
    bool has_any = false;
    if (duration_us == KN_NO_TIME || duration_us < SHORTEST_US || n_tracks > MAX_TRACKS)
        return 0;
    for (int i = 0; i < n_tracks; i++) {
        if (tracks[i].cover_bytes > 0)
            continue;
        const AVCodecParameters *par = tracks[i].stream->codecpar;
        made[i].period_s = period_s(tracks[i].stream);
        if (made[i].period_s <= 0)
            return 0;
        made[i].is_even = is_even(made[i].period_s, tracks[i].time_base);
        made[i].is_reordered = par->video_delay > 0;
        has_any = true;
    }
    if (!has_any)
        return 0;
    weave(made, n_tracks, (double)duration_us / KN_SECOND);
    const bool is_large = may_be_large(tracks, n_tracks, duration_us);
    int64_t bytes = kn_index_film_bytes(format);
    for (int i = 0; i < n_tracks; i++)
        bytes += tracks[i].cover_bytes + kn_index_track_bytes(&made[i].tally, tracks[i].stream, is_large);
    bytes += (int64_t)((double)bytes * SPARE_SHARE) + SPARE_BYTES;
    return bytes < INT32_MAX ? bytes : 0;
}
