#pragma once
/*
 * Harvest: the caption packets of a film, read without reading the film.
 *
 * Matroska and MP4 are read here by their own indexes: of a 4 GB film the headers, the index and the
 * captions' own blocks. Where there is no index to trust, blocks of other tracks are stepped over by
 * their size. Every other container goes through libavformat (harvest_any.h), which opens these first.
 *
 *     kn_harvest_open(&harvest, source, NULL, &err);
 *     kn_harvest_choose(harvest, 2);                      optional; otherwise all that can be read
 *     while ((rc = kn_harvest_next(harvest, &packet, &has, &err)) == KN_OK && has)
 *         …kn_caption_packet(&lists[packet.track], …, &packet.packet, &err);
 *
 * Packets come as the file has them: the first one at once, each track in the order it was written.
 * Files are allowed to be broken: what can be read is delivered, what is lost is a note. A packet cut
 * off by the end of the file is lost: half a caption is a wrong caption.
 * Thread-safety: a harvest belongs to one thread; `stop` may be set by any.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"
#include "engine/caption/cue_packet.h"

struct kn_harvest;

struct kn_harvest_track {
    struct kn_caption_track facts; // `title` is borrowed from the harvest
    int number;                    // among the film's captions, from 0
    bool is_chosen;                // kn_harvest_choose(), or met while reading; read-only
    const char *refusal;           // why its packets cannot be had, a sentence; NULL when they can. Of HLS, it may
                                   // be known only behind the last packet
    const uint8_t *private_bytes;  // what kn_caption_begin() wants: borrowed from the harvest
    size_t n_private;
    int width_px, height_px;       // of the frame it was made for; 0 when the file does not say
};

struct kn_harvest_packet {
    int track;                       // kn_harvest_track's `number`
    struct kn_caption_packet packet; // borrowed until the next packet is asked for
};

struct kn_harvest_facts {
    const char *container; // "Matroska", "MP4", or libavformat's name
    bool is_indexed;       // an index said where the captions are; false: the whole file was gone through
    bool is_partly_known;  // a broadcast: a stream that begins where nobody looked is met while reading
    int64_t start_us;      // where the media begins, already taken off every packet's time
    int64_t end_us;        // where it ends, from the same beginning; KN_NO_TIME when unknown
    int width_px, height_px; // of the first picture track; 0 when there is none
    int64_t n_bytes_read;
    int64_t n_reads;       // calls that read
    int64_t n_notes;       // all of them, also those not kept
};

// Notes kept of one film: a broken one can have as many as it has blocks.
#define KN_MAX_HARVEST_NOTES 32

/*
 * Open a Matroska, WebM, MP4 or QuickTime film.
 *
 *   source  taken, also on failure, except that KN_EUNSUP leaves it with the caller
 *   stop    borrowed, may be NULL: reading ends with KN_ECANCELED once true
 *
 * KN_EUNSUP   the file is of another kind: harvest_any.h
 * KN_EMEDIA   reason "ResourceContentBad": its headers cannot be read
 */
kn_code kn_harvest_open(struct kn_harvest **out_harvest, struct kn_source **source,
                        const atomic_bool *stop, struct kn_error *err);
void kn_harvest_free(struct kn_harvest **harvest);

/*
 * The caption tracks in the container's order. Borrowed. A broadcast may begin with more while it is read: they stand
 * behind the others, and their packets are delivered unasked.
 */
const struct kn_harvest_track *kn_harvest_tracks(const struct kn_harvest *harvest, int *out_n);

/*
 * Deliver this track, and others only if they are chosen too. Before the first kn_harvest_next().
 *
 * KN_EINVAL  there is no such track
 * KN_EUNSUP  its packets cannot be had; the message says why
 */
kn_code kn_harvest_choose(struct kn_harvest *harvest, int number, struct kn_error *err);

/* The next packet; *out_has is false after the last one. */
kn_code kn_harvest_next(struct kn_harvest *harvest, struct kn_harvest_packet *out_packet,
                        bool *out_has, struct kn_error *err);

/* What is known so far; counts grow while packets are read. */
struct kn_harvest_facts kn_harvest_facts(const struct kn_harvest *harvest);
/* What was broken, the nth of the first KN_MAX_HARVEST_NOTES, or NULL. Borrowed. */
const char *kn_harvest_note(const struct kn_harvest *harvest, int nth);
