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
#include "fuzz/memory_source.h"

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

static void part_release(struct kn_source *source)
{
    free(source->impl);
}

static kn_code part_open(void *impl, const char *uri, struct kn_source **out, struct kn_error *err)
{
    struct memory_file *rest = impl; // what has not been opened yet
    assert(strstr(uri, "://") || !strstr(uri, "/../")); // files stay beside the playlist
    if (rest->n == 0)
        return kn_fail(err, KN_ENOTFOUND, "no such file");
    struct memory_file *part = malloc(sizeof(*part));
    assert(part);
    const uint8_t *end = memchr(rest->bytes, 1, rest->n);
    *part = (struct memory_file){.bytes = rest->bytes, .n = end ? (size_t)(end - rest->bytes) : rest->n};
    rest->n -= part->n + (end != NULL);
    rest->bytes += part->n + (end != NULL);
    *out = memory_source(part, uri);
    (*out)->release = part_release;
    return KN_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct memory_file files = {bytes, n};
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
