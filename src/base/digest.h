#pragma once
/*
 * Digests and HMACs over OpenSSL, one-shot and streaming. KN_*_BYTES are the raw sizes.
 */
#include <stddef.h>
#include <stdint.h>

#define KN_MD5_BYTES 16
#define KN_SHA1_BYTES 20
#define KN_SHA256_BYTES 32

void kn_md5(uint8_t out[KN_MD5_BYTES], const void *bytes, size_t n);
void kn_sha256(uint8_t out[KN_SHA256_BYTES], const void *bytes, size_t n);
void kn_sha256_hex(char out[65], const void *bytes, size_t n);
void kn_hmac_sha1(uint8_t out[KN_SHA1_BYTES], const void *key, size_t n_key, const void *bytes,
                  size_t n);
void kn_hmac_sha256(uint8_t out[KN_SHA256_BYTES], const void *key, size_t n_key, const void *bytes,
                    size_t n);

/* Streaming: kn_digest_new() returns NULL only without memory. */
struct kn_digest;
enum kn_digest_kind { KN_DIGEST_MD5 = 0, KN_DIGEST_SHA256 };
struct kn_digest *kn_digest_new(enum kn_digest_kind kind);
void kn_digest_add(struct kn_digest *digest, const void *bytes, size_t n);
void kn_digest_end(struct kn_digest *digest, uint8_t *out); // 16 or 32 bytes; add nothing after
void kn_digest_free(struct kn_digest **digest);
