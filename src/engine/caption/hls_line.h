#pragma once
/*
 * Lines of a playlist (RFC 8216, 4.2): attributes, the byte range of a segment, and what EXT-X-KEY says of how the
 * segments behind it are encrypted.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/caption/text.h"
#include "engine/media/aes_source.h"

/* An attribute's value without its quotes, malloc'd; NULL when it is not there. */
char *kn_hls_attribute(struct kn_line line, const char *name);

enum kn_hls_method {
    KN_HLS_PLAIN = 0,
    KN_HLS_AES_128, // whole segments, key and IV in the open (KEYFORMAT identity)
    KN_HLS_FOREIGN, // SAMPLE-AES, or keys that a protection system keeps
};

struct kn_hls_key {
    enum kn_hls_method method;
    char name[48]; // of a foreign one: METHOD, with KEYFORMAT
    char *uri;     // owned; NULL when there is none
    bool has_iv;
    unsigned char iv[KN_AES_BLOCK];
};

/* Make `key` what a line of EXT-X-KEY says. */
void kn_hls_key_read(struct kn_hls_key *key, struct kn_line line);
void kn_hls_key_clear(struct kn_hls_key *key);
/* The first block's IV of the segment with this number: the key's, or the number. */
void kn_hls_key_iv(const struct kn_hls_key *key, uint64_t sequence, unsigned char out[KN_AES_BLOCK]);

/*
 * EXT-X-BYTERANGE: "N@AT", or "N", which begins where the range before ended (*end). False when it is none.
 *
 *   start, end  the bytes of the file, `end` not among them
 */
bool kn_hls_range_read(struct kn_line line, int64_t *start, int64_t *end);
