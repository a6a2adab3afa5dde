/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CRC-64/XZ by slicing: eight tables let eight bytes be folded in one step (Kounavis and Berry,
 * "A Systematic Approach to Building High Performance Software-based CRC Generators", 2005).
 * Combination squares the "append a zero bit" matrix over GF(2), as zlib's crc32_combine() explains.
 */
#include "base/crc64.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL UINT64_C(0xC96C5795D7870F42) // 0x42F0E1EBA9EA3693 reflected

static uint64_t table[8][256];

static void table_fill(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
        table[0][i] = crc;
    }
    for (unsigned i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            table[k][i] = table[0][table[k - 1][i] & 0xFF] ^ table[k - 1][i] >> 8;
}

uint64_t kn_crc64(uint64_t crc, const void *bytes, size_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, table_fill);
    const uint8_t *b = bytes;
    crc = ~crc;
    for (; n >= 8; n -= 8, b += 8) {
        uint64_t eight;
        memcpy(&eight, b, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        eight = __builtin_bswap64(eight);
#endif
        crc ^= eight;
        crc = table[7][crc & 0xFF] ^ table[6][crc >> 8 & 0xFF] ^ table[5][crc >> 16 & 0xFF] ^
              table[4][crc >> 24 & 0xFF] ^ table[3][crc >> 32 & 0xFF] ^
              table[2][crc >> 40 & 0xFF] ^ table[1][crc >> 48 & 0xFF] ^ table[0][crc >> 56];
    }
    for (; n > 0; n--, b++)
        crc = table[0][(crc ^ *b) & 0xFF] ^ crc >> 8;
    return ~crc;
}

static uint64_t matrix_times(const uint64_t matrix[64], uint64_t vector)
{
    uint64_t sum = 0;
    for (int i = 0; vector; i++, vector >>= 1)
        if (vector & 1)
            sum ^= matrix[i];
    return sum;
}

static void matrix_square(uint64_t out[64], const uint64_t matrix[64])
{
    for (int i = 0; i < 64; i++)
        out[i] = matrix_times(matrix, matrix[i]);
}

uint64_t kn_crc64_combine(uint64_t crc_a, uint64_t crc_b, uint64_t n_b)
{
    uint64_t odd[64], even[64];
    odd[0] = POLYNOMIAL; // the matrix that appends one zero bit
    for (int i = 1; i < 64; i++)
        odd[i] = UINT64_C(1) << (i - 1);
    matrix_square(even, odd); // two bits
    matrix_square(odd, even); // four bits
    while (n_b > 0) {
        matrix_square(even, odd); // first time round: eight bits, one byte
        if (n_b & 1)
            crc_a = matrix_times(even, crc_a);
        n_b >>= 1;
        if (n_b == 0)
            break;
        matrix_square(odd, even);
        if (n_b & 1)
            crc_a = matrix_times(odd, crc_a);
        n_b >>= 1;
    }
    return crc_a ^ crc_b;
}
