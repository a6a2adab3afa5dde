/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Receipt handles. Reading one is writing it again and comparing, so that there is one spelling. */
#include "queues/receipt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/strings.h"

// Half of the MAC: 2^64 guesses at the least, each a request.
#define MAC_BYTES 8

void kn_message_id(char out[KN_MESSAGE_ID_SIZE], int64_t salt, int64_t seq)
{
    (void)snprintf(out, KN_MESSAGE_ID_SIZE, "%016" PRIX64 "-%" PRIX64, (uint64_t)salt,
                   (uint64_t)seq);
}

void kn_receipt_write(char out[KN_RECEIPT_SIZE], const struct kn_receipt *receipt,
                      const uint8_t key[32])
{
    char text[96], hex[2 * MAC_BYTES + 1];
    uint8_t mac[KN_SHA256_BYTES];
    int n = snprintf(text, sizeof(text), "%" PRIX64 "/%" PRIX64 "-%" PRIX64 "-%" PRIX64,
                     (uint64_t)receipt->queue_id, (uint64_t)receipt->salt, (uint64_t)receipt->seq,
                     (uint64_t)receipt->claim_n);
    kn_hmac_sha256(mac, key, 32, text, (size_t)n);
    kn_hex_upper(hex, mac, MAC_BYTES);
    (void)snprintf(out, KN_RECEIPT_SIZE, "1-%s-%s", strchr(text, '/') + 1, hex);
}

bool kn_receipt_read(struct kn_receipt *out, const char *text, const uint8_t key[32])
{
    uint64_t salt = 0, seq = 0, claim_n = 0;
    if (sscanf(text, "1-%16" SCNx64 "-%16" SCNx64 "-%16" SCNx64 "-", &salt, &seq, &claim_n) != 3)
        return false;
    out->salt = (int64_t)salt;
    out->seq = (int64_t)seq;
    out->claim_n = (int64_t)claim_n;
    char written[KN_RECEIPT_SIZE];
    kn_receipt_write(written, out, key);
    return kn_equal_secret(written, text);
}
