#pragma once
/*
 * Reading an output again: what files (check.c) and segments (check_segments.c) have in common. What
 * is found in a track is compared with the ledger of what was written into it.
 */
#include "engine/media/ledger.h"
#include "features/convert/run.h"

/* Containers keep times in ticks of up to a millisecond, and some leave out encoder delay. */
#define KN_LENGTH_TOLERANCE_US (250 * 1000)
/* Between tracks: under what viewers notice (ITU-R BT.1359: 45 ms early, 125 ms late), over what priming
 * moves. */
#define KN_SYNC_TOLERANCE_US (45 * 1000)

/* What was found of one stream. */
struct kn_found {
    struct kn_ledger read;
    bool is_by_index; // only the index was read: bytes counts, the checksums do not
};

/*
 * Read every packet. `found` has a row for each stream of the input's format. The first packet of
 * stream `first_of` (-1: none) goes to `first`.
 */
kn_code kn_read_back(struct kn_input *input, struct kn_found *found, int first_of, AVPacket *first,
                     struct kn_error *err);

/*
 * Whether what was found of a track is what was written: the packets' number and bytes, as far as the
 * container gives them back as they were. `uri` is for the message.
 * KN_EBUG  it is not
 */
kn_code kn_found_compare(const struct kn_output_run *output, int track, const struct kn_found *found,
                         const struct kn_ledger *want, const char *uri, struct kn_error *err);

/* Whether a container gives back packet for packet what it was given. */
bool kn_keeps_packets(enum kn_container container);

/* Receives frames and counts them; `impl` is an int. */
kn_code kn_count_frame(void *impl, AVFrame *frame, struct kn_error *err);

/* The stream a reader shows for a track: the nth of its kind among the muxer's tracks from `from` on;
 * covers and attachments count apart. NULL when it is lost. */
AVStream *kn_stream_of(const struct kn_output_run *output, const struct kn_input *input, int from,
                       int track);

/*
 * A failed check as the job's failure: `err` is KN_EBUG or KN_EMEDIA. A damaged input can make an output
 * that does not hold together; only of whole ones it is a fault of ours. Other failures stay as they are.
 *
 * KN_EMEDIA reason "ResourceContentBad": an input was damaged
 * KN_EBUG   none was
 */
kn_code kn_check_blame(const struct kn_run *run, kn_code rc, struct kn_error *err);
