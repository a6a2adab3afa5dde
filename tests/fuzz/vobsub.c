/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A VobSub pair: the index, a byte 0, the pictures. Harvested to its end. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/caption/vobsub.h"
#include "fuzz/memory_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const uint8_t *end = n ? memchr(bytes, 0, n) : NULL;
    struct memory_file index = {bytes, end ? (size_t)(end - bytes) : n};
    struct memory_file pictures = {end ? end + 1 : bytes, end ? n - index.n - 1 : 0};
    kn_auto(kn_source_free) struct kn_source *source = memory_source(&pictures, "a.sub");
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = calloc(1, sizeof(*harvest));
    assert(harvest);
    harvest->facts.end_us = KN_NO_TIME;
    kn_window_init(&harvest->window, memory_source(&index, "a.idx"), NULL);
    struct kn_error err = {0};
    if (kn_vobsub_open(harvest, &source, &err) != KN_OK) {
        assert(err.message[0] && source);
        return 0;
    }
    int n_tracks;
    const struct kn_harvest_track *tracks = kn_harvest_tracks(harvest, &n_tracks);
    static volatile unsigned kept; // so that the reads are done
    for (int i = 0; i < n_tracks; i++)
        for (size_t k = 0; k < tracks[i].n_private; k++)
            kept = kept + tracks[i].private_bytes[k];
    struct kn_harvest_packet packet;
    bool has;
    while (kn_harvest_next(harvest, &packet, &has, &err) == KN_OK && has) {
        assert(packet.track >= 0 && packet.track < n_tracks);
        for (size_t k = 0; k < packet.packet.n; k++)
            kept = kept + packet.packet.bytes[k];
    }
    return 0;
}
