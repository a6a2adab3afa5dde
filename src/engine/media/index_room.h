#pragma once
/*
 * Index room: how many bytes the index (moov) of an MP4 takes.
 *
 *     ftyp │ moov │ free │ mdat: the film          room was reserved; nothing moves
 *
 * An index in front lets a film play while it arrives, but its size is known when the film has been
 * written. mux.c reserves the room foreseen here, for a film of which only the tracks and the length
 * are known; when all is written it compares the room with what was counted, packet by packet. Both
 * are upper bounds of what libavformat writes.
 *
 * Thread-safety: none of its own; the mux's lock protects a tally.
 */
#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

/* What of a track the index lists. Empty is all zero. */
struct kn_index_tally {
    int64_t n_samples;
    int64_t n_keys;
    int64_t n_steps;       // runs of one duration (stts)
    int64_t n_offsets;     // runs of one distance from decoding to showing (ctts)
    int64_t n_chunks;      // stco, co64
    int64_t n_chunk_sizes; // runs of one number of samples (stsc)
    // --- the latest packet and the chunk it lies in
    int64_t dts, step, offset;
    int64_t chunk_bytes, chunk_samples, earlier_chunk_samples;
};

/*
 * Add a packet, its times in the ticks of the file. `goes_on`: the packet before it in the file was one
 * of the same track.
 */
void kn_index_tally_add(struct kn_index_tally *tally, const AVPacket *packet, bool goes_on);

/* The bytes for one track as tallied. `is_large`: places in the file may need 8 bytes each. */
int64_t kn_index_track_bytes(const struct kn_index_tally *tally, const AVStream *stream, bool is_large);

/* The bytes for what belongs to no track: the film's metadata and chapters. */
int64_t kn_index_film_bytes(const AVFormatContext *format);

/* A track of a film to come. */
struct kn_index_track {
    const AVStream *stream;  // borrowed: its parameters and avg_frame_rate are known
    AVRational time_base;    // of the packets that will come
    int64_t cover_bytes;     // a cover lies in the index itself; 0: it is none
};

/*
 * The room to reserve for a film of `duration_us`; 0 where it cannot be told, or is so little that
 * moving the film is as cheap.
 */
int64_t kn_index_foresee(const AVFormatContext *format, const struct kn_index_track *tracks,
                         int n_tracks, int64_t duration_us);
