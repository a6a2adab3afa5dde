/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random identifiers. getrandom() costs a system call; a small per-thread pool spreads it over many
 * ids. The pool is dropped after a fork, so that a child never repeats its parent's ids.
 */
#include "base/id.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static void kernel_random(void *out, size_t n)
{
    uint8_t *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort(); // without randomness no id and no secret is safe
        at += got;
        n -= (size_t)got;
    }
}

void kn_random(void *out, size_t n)
{
    static _Thread_local struct {
        uint8_t bytes[1024];
        size_t left;
        pid_t owner;
    } pool;
    if (n > sizeof(pool.bytes) / 4) {
        kernel_random(out, n);
        return;
    }
    pid_t me = getpid();
    if (pool.left < n || pool.owner != me) {
        kernel_random(pool.bytes, sizeof(pool.bytes));
        pool.left = sizeof(pool.bytes);
        pool.owner = me;
    }
    pool.left -= n;
    memcpy(out, pool.bytes + pool.left, n);
    memset(pool.bytes + pool.left, 0, n); // used bytes never leave twice
}

static void id_format(char out[KN_ID_SIZE], const char *digits)
{
    uint8_t raw[16];
    kn_random(raw, sizeof(raw));
    for (size_t i = 0; i < sizeof(raw); i++) {
        out[2 * i] = digits[raw[i] >> 4];
        out[2 * i + 1] = digits[raw[i] & 15];
    }
    out[32] = '\0';
}

void kn_id_hex(char out[KN_ID_SIZE])
{
    id_format(out, "0123456789abcdef");
}

void kn_id_upper(char out[KN_ID_SIZE])
{
    id_format(out, "0123456789ABCDEF");
}

void kn_id_uuid(char out[37])
{
    char hex[KN_ID_SIZE];
    kn_id_upper(hex);
    hex[12] = '4';
    hex[16] = "89AB"[hex[16] & 3];
    (void)snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

void kn_id_token(char *out, size_t n)
{
    static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    const size_t n_letters = sizeof(letters) - 1;
    for (size_t i = 0; i < n;) {
        uint8_t r;
        kn_random(&r, 1);
        if (r < 256 / n_letters * n_letters) // no letter likelier than another
            out[i++] = letters[r % n_letters];
    }
    out[n] = '\0';
}
