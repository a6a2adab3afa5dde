/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses in every form of the wire. What is accepted is canonical: it reads back as itself. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const hosts[] = {"oss.example.com", "127.0.0.1:8801", "[::1]", NULL};
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_uri uri = {0}, again = {0};
    const char *text = kn_arena_strndup(&arena, n ? (const char *)bytes : "", n);
    if (kn_uri_parse(&uri, text, hosts, &arena, NULL) != KN_OK)
        return 0;
    if (uri.kind == KN_URI_OBJECT) {
        assert(kn_uri_bucket_is_valid(uri.bucket));
        assert(uri.key[0] == '\0' || kn_uri_key_is_valid(uri.key));
        assert(strncmp(uri.text, "oss://", 6) == 0);
    }
    assert(kn_uri_parse(&again, uri.text, hosts, &arena, NULL) == KN_OK);
    assert(again.kind == uri.kind && strcmp(again.text, uri.text) == 0);
    return 0;
}
