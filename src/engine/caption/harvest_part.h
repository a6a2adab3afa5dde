#pragma once
/*
 * What the readers of containers share: the inside of a kn_harvest. Included by harvest*.c,
 * matroska*.c and mp4*.c alone.
 */
#include "base/arena.h"
#include "engine/caption/harvest.h"
#include "engine/caption/harvest_window.h"

struct kn_harvest {
    struct kn_arena arena; // owns every text and block below
    struct kn_window window;
    struct kn_harvest_track *tracks; // owned, in the container's order
    int n_tracks;
    bool has_choice;  // kn_harvest_choose() was called: all others stay behind
    bool has_begun;
    struct kn_harvest_facts facts;
    const char *notes[KN_MAX_HARVEST_NOTES];
    // The reader of this container.
    void *reader; // owned
    kn_code (*begin)(struct kn_harvest *harvest, struct kn_error *err); // the choice is made
    kn_code (*next)(struct kn_harvest *harvest, struct kn_harvest_packet *out, bool *out_has,
                    struct kn_error *err);
    void (*release)(void *reader);
    // Bytes and calls of a reader that does not use the window; NULL for those that do.
    void (*count)(const struct kn_harvest *harvest, struct kn_harvest_facts *facts);
};

// Caption tracks of one film: discs have 32 of each kind; more is an attack.
#define KN_MAX_HARVEST_TRACKS 1024
// A track's private data: an ASS header with all its styles is some KiB.
#define KN_MAX_CAPTION_PRIVATE (4 * 1024 * 1024)
// One packet: a PGS picture of 4K may reach 8 MiB; text is far below. Also after inflating.
#define KN_MAX_CAPTION_PACKET (16 * 1024 * 1024)

/* A new caption track, zeroed but for its number, language "und". Borrowed until the next one. */
kn_code kn_harvest_add_track(struct kn_harvest *harvest, struct kn_harvest_track **out,
                             struct kn_error *err);
/* Note what is broken. Never fails. */
void kn_harvest_warn(struct kn_harvest *harvest, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Whether the captions of this track are to be delivered. */
bool kn_harvest_wants(const struct kn_harvest *harvest, int number);

/*
 * Read the headers with this reader; `begin`, `next`, `release` and `reader` are set on success.
 * Each is asked only for files that kn_…_is_one() says are its own (`head`: the first bytes).
 */
bool kn_matroska_is_one(const uint8_t *head, size_t n);
kn_code kn_matroska_open(struct kn_harvest *harvest, struct kn_error *err);
bool kn_mp4_is_one(const uint8_t *head, size_t n);
kn_code kn_mp4_open(struct kn_harvest *harvest, struct kn_error *err);
