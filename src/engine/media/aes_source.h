#pragma once
/*
 * A source whose bytes are AES-128 in CBC mode with PKCS #7 padding: the segments of HLS that
 * EXT-X-KEY METHOD=AES-128 announces (RFC 8216, 4.3.2.4 and 5.2). Reads anywhere; its size is
 * unknown, for only the last block tells it.
 */
#include "base/io.h"

#define KN_AES_BLOCK 16

struct kn_aes_span {
    unsigned char key[KN_AES_BLOCK], iv[KN_AES_BLOCK];
    int64_t start, end; // the bytes of `inner` that one chain of blocks covers; end -1: to its end
};

/*
 * Takes `inner`, also on failure. Offsets are those of `inner`: reading begins at span->start.
 * KN_ENOMEM only; bytes that were cut off are left out, a padding that is none stays.
 */
kn_code kn_aes_source_new(struct kn_source **out, struct kn_source *inner, const struct kn_aes_span *span,
                          struct kn_error *err);
