/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a hostile child sends: frames in pieces of any size. The first byte says how large a piece is. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "link/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return 0;
    size_t piece = (size_t)bytes[0] + 1;
    kn_auto(kn_frame_decoder_clear) struct kn_frame_decoder decoder;
    kn_frame_decoder_init(&decoder, (enum kn_frame_peer)(n % 3));
    for (size_t at = 1; at < n; at += piece) {
        size_t now = n - at < piece ? n - at : piece;
        bool has = true;
        if (kn_frame_decoder_feed(&decoder, bytes + at, now, NULL))
            return 0;
        while (has) {
            struct kn_frame frame;
            if (kn_frame_decoder_next(&decoder, &frame, &has, NULL))
                return 0;
            if (!has)
                break;
            assert(frame.n <= kn_frame_limit(frame.type));
            assert(frame.payload[frame.n] == '\0');
            assert(kn_frame_name(frame.type)[0] != '\0');
        }
    }
    return 0;
}
