#pragma once
/*
 * Closed captions inside coded pictures: cc_data (CEA-708, 4.4; ATSC A/53 part 4, 6.2.3) out of the SEI
 * of H.264 and HEVC and the user data of MPEG-2, without decoding a picture.
 *
 *     B5 00 31 "GA94" 03 | flags, count | FF | count × (valid and type, byte, byte) | FF
 *
 * Thread-safety: plain functions over the caller's memory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum kn_cc_coding { KN_CC_NONE = 0, KN_CC_H264, KN_CC_HEVC, KN_CC_MPEG2 };

/*
 * Bytes before each unit that say how long it is, from a stream's private data (avcC, hvcC); 0 when units
 * are told apart by start codes.
 */
int kn_cc_length_bytes(enum kn_cc_coding coding, const uint8_t *private_bytes, size_t n);

/*
 * Add the triplets of one coded picture to `out`, without those that only fill the channel. False when
 * there are none.
 */
bool kn_cc_read(enum kn_cc_coding coding, int length_bytes, const uint8_t *bytes, size_t n,
                struct kn_buf *out);
