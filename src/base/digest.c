/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Digests over OpenSSL. EVP_md5() and friends look their provider up at every use, which at thousands
 * of signatures a second costs more than the hash; so each algorithm is fetched once for the process,
 * and each thread keeps one context for its one-shot digests.
 */
#include "base/digest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/encode.h"

// Fetched once for the process and never freed: EVP_md5() and friends would fetch on every use.
static EVP_MD *md_md5, *md_sha1, *md_sha256;

static void fetch_all(void)
{
    md_md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    md_sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!md_md5 || !md_sha1 || !md_sha256)
        abort(); // an OpenSSL without these cannot check any signature
}

static void fetch_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, fetch_all);
}

// One context per thread serves all one-shot digests; freed by the thread's key destructor.
static pthread_key_t context_key;

static void context_free(void *context)
{
    EVP_MD_CTX_free(context);
}

static void context_key_make(void)
{
    if (pthread_key_create(&context_key, context_free) != 0)
        abort();
}

static EVP_MD_CTX *context_get(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, context_key_make);
    EVP_MD_CTX *context = pthread_getspecific(context_key);
    if (!context) {
        context = EVP_MD_CTX_new();
        if (!context || pthread_setspecific(context_key, context) != 0)
            abort();
    }
    return context;
}

static void digest_parts(const EVP_MD *md, uint8_t *out, const void *a, size_t n_a, const void *b,
                         size_t n_b)
{
    EVP_MD_CTX *context = context_get();
    unsigned n_out = 0;
    if (EVP_DigestInit_ex2(context, md, NULL) != 1 || EVP_DigestUpdate(context, a, n_a) != 1 ||
        EVP_DigestUpdate(context, b, n_b) != 1 || EVP_DigestFinal_ex(context, out, &n_out) != 1)
        abort(); // only memory exhaustion inside OpenSSL gets here
}

void kn_md5(uint8_t out[KN_MD5_BYTES], const void *bytes, size_t n)
{
    fetch_once();
    digest_parts(md_md5, out, bytes, n, NULL, 0);
}

void kn_sha256(uint8_t out[KN_SHA256_BYTES], const void *bytes, size_t n)
{
    fetch_once();
    digest_parts(md_sha256, out, bytes, n, NULL, 0);
}

void kn_sha256_hex(char out[65], const void *bytes, size_t n)
{
    uint8_t raw[KN_SHA256_BYTES];
    kn_sha256(raw, bytes, n);
    kn_hex(out, raw, sizeof(raw));
}

// RFC 2104 over the fetched digest; both hashes here have blocks of 64 bytes.
static void hmac(const EVP_MD *md, size_t n_out, uint8_t *out, const void *key, size_t n_key,
                 const void *bytes, size_t n)
{
    uint8_t pad[64] = {0}, inner[32];
    if (n_key > sizeof(pad))
        digest_parts(md, pad, key, n_key, NULL, 0);
    else
        memcpy(pad, key, n_key);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36;
    digest_parts(md, inner, pad, sizeof(pad), bytes, n);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    digest_parts(md, out, pad, sizeof(pad), inner, n_out);
}

void kn_hmac_sha1(uint8_t out[KN_SHA1_BYTES], const void *key, size_t n_key, const void *bytes,
                  size_t n)
{
    fetch_once();
    hmac(md_sha1, KN_SHA1_BYTES, out, key, n_key, bytes, n);
}

void kn_hmac_sha256(uint8_t out[KN_SHA256_BYTES], const void *key, size_t n_key, const void *bytes,
                    size_t n)
{
    fetch_once();
    hmac(md_sha256, KN_SHA256_BYTES, out, key, n_key, bytes, n);
}

struct kn_digest {
    EVP_MD_CTX *context; // owned
};

struct kn_digest *kn_digest_new(enum kn_digest_kind kind)
{
    fetch_once();
    struct kn_digest *digest = calloc(1, sizeof(*digest));
    if (!digest)
        return NULL;
    digest->context = EVP_MD_CTX_new();
    const EVP_MD *md = kind == KN_DIGEST_MD5 ? md_md5 : md_sha256;
    if (!digest->context || EVP_DigestInit_ex2(digest->context, md, NULL) != 1)
        kn_digest_free(&digest);
    return digest;
}

void kn_digest_add(struct kn_digest *digest, const void *bytes, size_t n)
{
    if (EVP_DigestUpdate(digest->context, bytes, n) != 1)
        abort();
}

void kn_digest_end(struct kn_digest *digest, uint8_t *out)
{
    unsigned n_out = 0;
    if (EVP_DigestFinal_ex(digest->context, out, &n_out) != 1)
        abort();
}

void kn_digest_free(struct kn_digest **digest)
{
    if (*digest)
        EVP_MD_CTX_free((*digest)->context);
    free(*digest);
    *digest = NULL;
}
