#pragma once
/*
 * CRC-64/XZ (ECMA-182, reflected): the x-oss-hash-crc64ecma of objects. Start with 0; feed the
 * previous result to go on. Check: "123456789" gives 0x995DC9BBDF1939FA.
 */
#include <stddef.h>
#include <stdint.h>

uint64_t kn_crc64(uint64_t crc, const void *bytes, size_t n);
/* The CRC of A followed by B, from crc(A), crc(B) and B's length. */
uint64_t kn_crc64_combine(uint64_t crc_a, uint64_t crc_b, uint64_t n_b);
