/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A VobSub pair: the index, a byte 0, the pictures. Harvested to its end. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/caption/vobsub.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct part {
    const uint8_t *bytes; // borrowed
    size_t n;
};

static kn_code part_read_at(struct kn_source *source, int64_t offset, void *out, size_t n, size_t *out_got,
                            struct kn_error *err)
{
    (void)err;
    const struct part *part = source->impl;
    *out_got = 0;
    if (offset >= (int64_t)part->n)
        return KN_OK;
    *out_got = part->n - (size_t)offset < n ? part->n - (size_t)offset : n;
    memcpy(out, part->bytes + offset, *out_got);
    return KN_OK;
}

static struct kn_source *source_of(struct part *part, const char *uri)
{
    struct kn_source *source = calloc(1, sizeof(*source));
    assert(source);
    *source = (struct kn_source){
        .fd = -1, .size_bytes = (int64_t)part->n, .uri = strdup(uri), .read_at = part_read_at, .impl = part};
    return source;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const uint8_t *end = n ? memchr(bytes, 0, n) : NULL;
    struct part index = {bytes, end ? (size_t)(end - bytes) : n};
    struct part pictures = {end ? end + 1 : bytes, end ? n - index.n - 1 : 0};
    kn_auto(kn_source_free) struct kn_source *source = source_of(&pictures, "a.sub");
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = calloc(1, sizeof(*harvest));
    assert(harvest);
    harvest->facts.end_us = KN_NO_TIME;
    kn_window_init(&harvest->window, source_of(&index, "a.idx"), NULL);
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
