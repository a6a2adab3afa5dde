#pragma once
/*
 * What the fuzz targets of film readers share: a film in memory, harvested to its end. A packet lies in the
 * window, has a track, and no more bytes than the limit; the window never shows more than the film has.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/caption/harvest_part.h"

struct film_bytes {
    const uint8_t *bytes; // borrowed
    size_t n;
};

static kn_code film_read_at(struct kn_source *source, int64_t offset, void *out, size_t n, size_t *out_got,
                            struct kn_error *err)
{
    (void)err;
    const struct film_bytes *film = source->impl;
    *out_got = 0;
    if (offset >= (int64_t)film->n)
        return KN_OK;
    *out_got = film->n - (size_t)offset < n ? film->n - (size_t)offset : n;
    memcpy(out, film->bytes + offset, *out_got);
    return KN_OK;
}

static void harvest_all(const uint8_t *bytes, size_t n)
{
    struct film_bytes film = {bytes, n};
    struct kn_source *source = calloc(1, sizeof(*source));
    assert(source);
    // The last byte says whether the size is known, as of a file, or not, as of some servers.
    const bool has_size = n == 0 || bytes[n - 1] % 2 == 0;
    *source = (struct kn_source){.fd = -1, .size_bytes = has_size ? (int64_t)n : -1, .uri = strdup("film"),
                                 .read_at = film_read_at, .impl = &film};
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = NULL;
    struct kn_error err = {0};
    if (kn_harvest_open(&harvest, &source, NULL, &err) != KN_OK) {
        assert(err.message[0]);
        assert((source != NULL) == (err.code == KN_EUNSUP));
        kn_source_free(&source);
        return;
    }
    int n_tracks;
    const struct kn_harvest_track *tracks = kn_harvest_tracks(harvest, &n_tracks);
    uint64_t sum = 0;
    for (int i = 0; i < n_tracks; i++) {
        assert(tracks[i].number == i);
        for (size_t k = 0; k < tracks[i].n_private; k++)
            sum += tracks[i].private_bytes[k];
    }
    struct kn_harvest_packet packet;
    bool has;
    while (kn_harvest_next(harvest, &packet, &has, &err) == KN_OK && has) {
        assert(packet.track >= 0 && packet.track < n_tracks && !tracks[packet.track].refusal);
        assert(packet.packet.n <= KN_MAX_CAPTION_PACKET);
        for (size_t k = 0; k < packet.packet.n; k++)
            sum += packet.packet.bytes[k];
        sum += packet.packet.id ? strlen(packet.packet.id) : 0;
        sum += packet.packet.settings ? strlen(packet.packet.settings) : 0;
    }
    static volatile uint64_t kept; // so that the reads are done
    kept = sum;
    (void)kept;
}
