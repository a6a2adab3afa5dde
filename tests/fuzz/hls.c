/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Playlists with WebVTT: the files a playlist leads to, parted by bytes 1, the playlist that is opened first. The
 * others are opened in their order, whatever the address. Where the media begins is said by the input's length.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/caption/hls.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
kn_code __wrap_kn_input_open(struct kn_input **out_input, const char *uri, const struct kn_input_env *env,
                             struct kn_error *err);

// No media library looks at it: the film is of no kind.
kn_code __wrap_kn_input_open(struct kn_input **out_input, const char *uri, const struct kn_input_env *env,
                             struct kn_error *err)
{
    (void)env;
    *out_input = NULL;
    return kn_fail(err, KN_EMEDIA, "'%s' is no film", uri);
}

struct files {
    const uint8_t *at; // borrowed: what has not been opened yet
    size_t n;
};

static kn_code part_read_at(struct kn_source *source, int64_t offset, void *out, size_t n, size_t *out_got,
                            struct kn_error *err)
{
    (void)err;
    const struct files *part = source->impl;
    const size_t left = offset < (int64_t)part->n ? part->n - (size_t)offset : 0;
    *out_got = left < n ? left : n;
    if (*out_got)
        memcpy(out, part->at + offset, *out_got);
    return KN_OK;
}

static void part_release(struct kn_source *source)
{
    free(source->impl);
}

static kn_code part_open(void *impl, const char *uri, struct kn_source **out, struct kn_error *err)
{
    struct files *files = impl, *part = malloc(sizeof(*part));
    assert(part && !strstr(uri, "/../"));
    if (files->n == 0) {
        free(part);
        return kn_fail(err, KN_ENOTFOUND, "no such file");
    }
    const uint8_t *end = memchr(files->at, 1, files->n);
    *part = (struct files){.at = files->at, .n = end ? (size_t)(end - files->at) : files->n};
    files->n -= part->n + (end != NULL);
    files->at += part->n + (end != NULL);
    struct kn_source *source = calloc(1, sizeof(*source));
    assert(source);
    *source = (struct kn_source){.fd = -1, .size_bytes = (int64_t)part->n, .uri = strdup(uri),
                                 .read_at = part_read_at, .release = part_release, .impl = part};
    *out = source;
    return KN_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct files files = {bytes, n};
    const struct kn_input_env env = {.open = part_open, .impl = &files};
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = NULL;
    kn_auto(kn_source_free) struct kn_source *source = NULL;
    struct kn_error err = {0};
    if (n == 0 || part_open(&files, "folder/list.m3u8", &source, NULL) != KN_OK)
        return 0;
    if (kn_hls_captions_open(&harvest, source, &env, &err) != KN_OK)
        assert(err.message[0]);
    if (!harvest)
        return 0;
    int n_tracks;
    (void)kn_harvest_tracks(harvest, &n_tracks);
    struct kn_harvest_packet packet;
    bool has;
    while (kn_harvest_next(harvest, &packet, &has, &err) == KN_OK && has)
        assert(packet.track >= 0 && packet.track < n_tracks && packet.packet.bytes[packet.packet.n] == '\0');
    return 0;
}
