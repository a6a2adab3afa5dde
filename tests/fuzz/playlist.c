/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A playlist from outside: the rules and the master reader. Nothing resolves to a file's path. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "features/convert/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const places[] = {"oss://bucket/a/b/m.m3u8", "http://host:80/a/m.m3u8?x=1",
                                         "films/m.m3u8", "media://0123"};
    for (size_t i = 0; i < KN_COUNT(places); i++) {
        kn_auto(kn_master_clear) struct kn_master master = {0};
        if (kn_master_read(&master, (const char *)bytes, n, places[i], NULL) != KN_OK)
            continue;
        for (int e = 0; e < master.n_entries; e++) {
            const char *uri = master.entries[e].uri;
            assert(!uri || kn_starts_with(uri, "oss://bucket/") || kn_starts_with(uri, "http://") ||
                   kn_starts_with(uri, "https://") || (i == 2 && kn_starts_with(uri, "films/")));
        }
        struct kn_convert_group group = {.type = KN_GROUP_HLS, .manifest_uri = places[i]};
        kn_auto(kn_buf_clear) struct kn_buf out = {0};
        (void)kn_master_write(&out, &group, NULL, &master, NULL);
    }
    return 0;
}
