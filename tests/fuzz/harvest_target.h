#pragma once
/*
 * What the fuzz targets of film readers share: a film in memory, harvested to its end. A packet lies in the
 * window, has a track, and no more bytes than the limit; the window never shows more than the film has.
 */
#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "fuzz/memory_source.h"

static void harvest_all(const uint8_t *bytes, size_t n)
{
    struct memory_file film = {bytes, n};
    struct kn_source *source = memory_source(&film, "film");
    // The last byte says whether the size is known, as of a file, or not, as of some servers.
    if (n && bytes[n - 1] % 2)
        source->size_bytes = -1;
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
