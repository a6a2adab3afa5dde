/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Encodings: whatever the bytes are, what comes out is UTF-8 without zeros. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const languages[] = {NULL, "zh-TW", "rus", "pl", "und"};
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    char encoding[40];
    const char *language = languages[n ? bytes[0] % KN_COUNT(languages) : 0];
    const kn_code rc = kn_caption_decode(&text, bytes, n, language, encoding, NULL);
    assert(rc == KN_OK);
    assert(kn_is_utf8(kn_buf_text(&text), text.len));
    assert(strlen(kn_buf_text(&text)) == text.len);
    return 0;
}
