/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The canonical request, its hash in a string to sign, an HMAC of that (spec 09, 7.1). */
#include "http/sigv4.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"

void kn_sigv4_key(uint8_t out[32], const char *prefix, const char *secret, const char *scope)
{
    kn_auto(kn_buf_clear) struct kn_buf first = {0};
    kn_buf_printf(&first, "%s%s", prefix, secret);
    const char *p = scope;
    for (bool is_first = true;; is_first = false) {
        size_t n = strcspn(p, "/");
        uint8_t mac[KN_SHA256_BYTES];
        kn_hmac_sha256(mac, is_first ? (const void *)kn_buf_text(&first) : out,
                       is_first ? first.len : KN_SHA256_BYTES, p, n);
        memcpy(out, mac, sizeof(mac));
        if (p[n] == '\0')
            break;
        p += n + 1;
    }
}

static void names_add(struct kn_buf *out, const struct kn_sigv4_request *request)
{
    for (size_t i = 0; i < request->n_headers; i++)
        kn_buf_printf(out, "%s%s", i ? ";" : "", request->headers[i].name);
}

void kn_sigv4_authorization(struct kn_buf *out, const struct kn_sigv4_request *request)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_buf_printf(&text, "%s\n%s\n%s\n", request->method, request->path, request->query);
    for (size_t i = 0; i < request->n_headers; i++)
        kn_buf_printf(&text, "%s:%s\n", request->headers[i].name, request->headers[i].value);
    kn_buf_putc(&text, '\n');
    names_add(&text, request);
    kn_buf_printf(&text, "\n%s", request->payload_sha256);
    char hash[2 * KN_SHA256_BYTES + 1], scope[160];
    kn_sha256_hex(hash, kn_buf_text(&text), text.len);

    (void)snprintf(scope, sizeof(scope), "%.8s/%s/%s/aws4_request", request->date, request->region,
                   request->service);
    kn_buf_reset(&text);
    kn_buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", request->date, scope, hash);
    uint8_t key[KN_SHA256_BYTES], mac[KN_SHA256_BYTES];
    char signature[2 * KN_SHA256_BYTES + 1];
    kn_sigv4_key(key, "AWS4", request->secret, scope);
    kn_hmac_sha256(mac, key, sizeof(key), kn_buf_text(&text), text.len);
    kn_hex(signature, mac, sizeof(mac));

    kn_buf_printf(out, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=", request->key_id, scope);
    names_add(out, request);
    kn_buf_printf(out, ", Signature=%s", signature);
    if (!kn_buf_ok(&text))
        out->is_broken = true;
}
