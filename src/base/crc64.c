/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CRC-64/XZ by slicing: eight tables let eight bytes be folded in one step (Kounavis and Berry,
 * "A Systematic Approach to Building High Performance Software-based CRC Generators", 2005).
 * x86 processors with carry-less multiplication fold 64 bytes in one step instead (Gopal et al., "Fast
 * CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009).
 * Combination squares the "append a zero bit" matrix over GF(2), as zlib's crc32_combine() explains.
 */
#include "base/crc64.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define POLYNOMIAL UINT64_C(0xC96C5795D7870F42) // 0x42F0E1EBA9EA3693 reflected

static uint64_t table[8][256];

#ifdef __x86_64__
static bool has_clmul;
// By what the two halves of 16 bytes are multiplied to move them 16 or 64 bytes on.
static uint64_t by_16[2], by_64[2];

// x^n modulo the polynomial, reflected: the highest bit is x^0.
static uint64_t power_of_x(int n)
{
    uint64_t power = UINT64_C(1) << 63;
    while (n-- > 0)
        power = power & 1 ? power >> 1 ^ POLYNOMIAL : power >> 1;
    return power;
}

// The product of two reflected numbers comes out multiplied by x once more: hence the 1 less.
static void powers_fill(void)
{
    has_clmul = __builtin_cpu_supports("pclmul");
    by_16[0] = power_of_x(128 + 64 - 1);
    by_16[1] = power_of_x(128 - 1);
    by_64[0] = power_of_x(512 + 64 - 1);
    by_64[1] = power_of_x(512 - 1);
}
#endif

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
#ifdef __x86_64__
    powers_fill();
#endif
}

// The state after n more bytes; neither the one before nor the one after is inverted.
static uint64_t table_add(uint64_t crc, const uint8_t *b, size_t n)
{
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
    return crc;
}

#ifdef __x86_64__
// Sixteen bytes moved on by the distance of `by`, and the bytes that are there.
__attribute__((target("pclmul"))) static __m128i fold(__m128i bytes, __m128i by, __m128i there)
{
    __m128i low = _mm_clmulepi64_si128(bytes, by, 0x00);
    __m128i high = _mm_clmulepi64_si128(bytes, by, 0x11);
    return _mm_xor_si128(there, _mm_xor_si128(low, high));
}

// As table_add(), for n >= 64: everything is folded into the last sixteen bytes, and these remain.
__attribute__((target("pclmul"))) static uint64_t clmul_add(uint64_t crc, const uint8_t *b, size_t n)
{
    const __m128i far = _mm_loadu_si128((const __m128i *)by_64);
    const __m128i near = _mm_loadu_si128((const __m128i *)by_16);
    __m128i lanes[4];
    for (int i = 0; i < 4; i++)
        lanes[i] = _mm_loadu_si128((const __m128i *)b + i);
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi64_si128((long long)crc));
    for (b += 64, n -= 64; n >= 64; b += 64, n -= 64)
        for (int i = 0; i < 4; i++)
            lanes[i] = fold(lanes[i], far, _mm_loadu_si128((const __m128i *)b + i));
    __m128i last = lanes[0];
    for (int i = 1; i < 4; i++)
        last = fold(last, near, lanes[i]);
    for (; n >= 16; b += 16, n -= 16)
        last = fold(last, near, _mm_loadu_si128((const __m128i *)b));
    uint8_t rest[16];
    _mm_storeu_si128((__m128i *)rest, last);
    return table_add(table_add(0, rest, sizeof(rest)), b, n);
}
#endif

uint64_t kn_crc64(uint64_t crc, const void *bytes, size_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, table_fill);
#ifdef __x86_64__
    if (has_clmul && n >= 64)
        return ~clmul_add(~crc, bytes, n);
#endif
    return ~table_add(~crc, bytes, n);
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
