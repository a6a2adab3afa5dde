/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/aes_source.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/aes.h>
#include <libavutil/mem.h>

#include "base/cleanup.h"

#define CHUNK (64 * 1024) // as engine/media/input reads a local file

struct chain {
    struct kn_source *inner; // owned
    struct kn_aes_span span;
    struct AVAES *aes;       // owned
    unsigned char sealed[KN_AES_BLOCK + CHUNK + KN_AES_BLOCK]; // the block before, the blocks, one more
    unsigned char open[CHUNK];
};

static void chain_release(struct kn_source *source)
{
    struct chain *c = source->impl;
    if (!c)
        return;
    kn_source_free(&c->inner);
    av_free(c->aes);
    free(c);
}

// As many of `n` bytes at `at` as there are before the span's end.
static kn_code sealed_read(struct chain *c, int64_t at, unsigned char *out, size_t n, size_t *out_got,
                           struct kn_error *err)
{
    *out_got = 0;
    if (c->span.end >= 0 && at + (int64_t)n > c->span.end)
        n = at < c->span.end ? (size_t)(c->span.end - at) : 0;
    while (*out_got < n) {
        size_t got;
        const kn_code rc = kn_source_read_at(c->inner, at + (int64_t)*out_got, out + *out_got, n - *out_got, &got, err);
        if (rc != KN_OK)
            return rc;
        if (got == 0)
            break;
        *out_got += got;
    }
    return KN_OK;
}

static size_t without_padding(const unsigned char *bytes, size_t n)
{
    const size_t n_padding = n > 0 ? bytes[n - 1] : 0;
    return n_padding >= 1 && n_padding <= KN_AES_BLOCK ? n - n_padding : n;
}

static kn_code chain_read_at(struct kn_source *source, int64_t offset, void *out, size_t n, size_t *out_got,
                             struct kn_error *err)
{
    struct chain *c = source->impl;
    *out_got = 0;
    if (offset < c->span.start)
        return kn_fail(err, KN_EINVAL, "'%s' is encrypted from byte %lld on", source->uri, (long long)c->span.start);
    const size_t n_skip = (size_t)((offset - c->span.start) % KN_AES_BLOCK);
    const int64_t at = offset - (int64_t)n_skip; // a block's first byte
    const size_t n_wanted = n + n_skip < CHUNK ? (n + n_skip + KN_AES_BLOCK - 1) / KN_AES_BLOCK * KN_AES_BLOCK : CHUNK;
    const size_t n_before = at > c->span.start ? KN_AES_BLOCK : 0;
    memcpy(c->sealed, c->span.iv, KN_AES_BLOCK);
    // One byte more than is decrypted says whether these blocks are the last ones.
    size_t got;
    kn_code rc = sealed_read(c, at - (int64_t)n_before, c->sealed + KN_AES_BLOCK - n_before, n_before + n_wanted + 1, &got,
                             err);
    if (rc != KN_OK || got <= n_before)
        return rc;
    got -= n_before;
    const bool is_end = got <= n_wanted;
    size_t n_open = (is_end ? got : n_wanted) / KN_AES_BLOCK * KN_AES_BLOCK;
    unsigned char before[KN_AES_BLOCK];
    memcpy(before, c->sealed, KN_AES_BLOCK);
    av_aes_crypt(c->aes, c->open, c->sealed + KN_AES_BLOCK, (int)(n_open / KN_AES_BLOCK), before, 1);
    if (is_end)
        n_open = without_padding(c->open, n_open);
    if (n_open <= n_skip)
        return KN_OK;
    *out_got = n_open - n_skip < n ? n_open - n_skip : n;
    memcpy(out, c->open + n_skip, *out_got);
    return KN_OK;
}

kn_code kn_aes_source_new(struct kn_source **out, struct kn_source *inner, const struct kn_aes_span *span,
                          struct kn_error *err)
{
    kn_auto(kn_source_free) struct kn_source *source = calloc(1, sizeof(*source));
    struct chain *c = calloc(1, sizeof(*c));
    if (!source || !c) {
        kn_source_free(&inner);
        free(c);
        return kn_fail(err, KN_ENOMEM, "no memory to decrypt a segment");
    }
    c->inner = inner;
    c->span = *span;
    c->aes = av_aes_alloc();
    *source = (struct kn_source){.fd = -1, .size_bytes = -1, .uri = strdup(inner->uri), .read_at = chain_read_at,
                                 .release = chain_release, .impl = c};
    if (!c->aes || !source->uri || av_aes_init(c->aes, span->key, 8 * KN_AES_BLOCK, 1) != 0)
        return kn_fail(err, KN_ENOMEM, "no memory to decrypt '%s'", inner->uri);
    *out = KN_TAKE(source);
    return KN_OK;
}
