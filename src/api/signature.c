/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Canonical texts and HMACs of both RPC signatures. */
#include "api/signature.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/params.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/strings.h"

#define ACS3 "ACS3-HMAC-SHA256"
// Clients sign 7 to 11 headers; the list above holds at most this many names.
#define MAX_SIGNED_HEADERS 64

/* ---- V1 ---- */

void kn_v1_string_to_sign(struct kn_buf *out, const char *method, const json_t *params)
{
    kn_auto(kn_buf_clear) struct kn_buf canonical = {0};
    kn_params_canonical(&canonical, params, "Signature", false);
    kn_buf_puts(out, method);
    kn_buf_puts(out, "&%2F&");
    kn_percent(out, kn_buf_text(&canonical), canonical.len, false);
    out->is_broken |= canonical.is_broken;
}

void kn_v1_signature(struct kn_buf *out, const char *secret, const struct kn_buf *string_to_sign)
{
    kn_auto(kn_buf_clear) struct kn_buf key = {0};
    uint8_t mac[KN_SHA1_BYTES];
    kn_buf_printf(&key, "%s&", secret);
    kn_hmac_sha1(mac, kn_buf_text(&key), key.len, kn_buf_text(string_to_sign), string_to_sign->len);
    kn_base64(out, mac, sizeof(mac));
    out->is_broken |= key.is_broken;
}

/* ---- ACS3 ---- */

static kn_code incomplete(struct kn_error *err, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "IncompleteSignature", "the Authorization header %s", what);
}

/* Copy what follows "<name>=" in a list with commas. */
static bool part_copy(char *out, size_t size, const char *list, const char *name)
{
    size_t n_name = strlen(name);
    for (const char *at = list; *at;) {
        while (*at == ' ' || *at == ',')
            at++;
        size_t n = strcspn(at, ",");
        if (n > n_name && strncmp(at, name, n_name) == 0 && at[n_name] == '=') {
            const char *value = at + n_name + 1;
            size_t n_value = n - n_name - 1;
            while (n_value > 0 && value[n_value - 1] == ' ')
                n_value--;
            if (n_value == 0 || n_value >= size)
                return false;
            memcpy(out, value, n_value);
            out[n_value] = '\0';
            return true;
        }
        at += n;
    }
    return false;
}

kn_code kn_acs3_parse(struct kn_acs3_authorization *out, const char *header, struct kn_error *err)
{
    *out = (struct kn_acs3_authorization){0};
    size_t n = strcspn(header, " ");
    if (n != strlen(ACS3) || strncmp(header, ACS3, n) != 0)
        return kn_fail_as(err, KN_EINVAL, "InvalidSignatureMethod",
                          "signatures are %s here, not '%.*s'", ACS3, (int)(n < 64 ? n : 64),
                          header);
    const char *list = header + n;
    if (!part_copy(out->key_id, sizeof(out->key_id), list, "Credential"))
        return incomplete(err, "has no Credential");
    if (!part_copy(out->signed_headers, sizeof(out->signed_headers), list, "SignedHeaders"))
        return incomplete(err, "has no SignedHeaders");
    if (!part_copy(out->signature, sizeof(out->signature), list, "Signature"))
        return incomplete(err, "has no Signature of 64 hex digits");
    return KN_OK;
}

bool kn_acs3_signs(const struct kn_acs3_authorization *authorization, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = authorization->signed_headers; *at; at += *at == ';') {
        size_t n_at = strcspn(at, ";");
        if (n_at == n && strncasecmp(at, name, n) == 0)
            return true;
        at += n_at;
    }
    return false;
}

static int text_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void trimmed_add(struct kn_buf *out, const char *value)
{
    value += strspn(value, " \t");
    size_t n = strlen(value);
    while (n > 0 && strchr(" \t", value[n - 1]))
        n--;
    kn_buf_add(out, value, n);
}

/* "name:value\n"; several headers of one name have their values sorted and joined by ','. */
static void header_add(struct kn_buf *out, const struct kn_acs3_request *request, const char *name)
{
    const char *values[MAX_SIGNED_HEADERS];
    size_t n = 0;
    for (size_t i = 0; i < request->n_headers && n < MAX_SIGNED_HEADERS; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0)
            values[n++] = request->headers[i].value;
    }
    qsort(values, n, sizeof(values[0]), text_compare);
    kn_buf_puts(out, name);
    kn_buf_putc(out, ':');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            kn_buf_putc(out, ',');
        trimmed_add(out, values[i]);
    }
    kn_buf_putc(out, '\n');
}

void kn_acs3_canonical_request(struct kn_buf *out, const struct kn_acs3_request *request)
{
    kn_buf_printf(out, "%s\n/\n", request->method);
    kn_params_canonical(out, request->query, NULL, request->raw_names);
    kn_buf_putc(out, '\n');

    char list[1024];
    const char *names[MAX_SIGNED_HEADERS];
    size_t n = 0;
    (void)kn_copy(list, sizeof(list), request->signed_headers);
    kn_lower(list);
    char *rest = list;
    for (char *name; n < MAX_SIGNED_HEADERS && (name = strsep(&rest, ";"));)
        names[n++] = name;
    qsort(names, n, sizeof(names[0]), text_compare);
    for (size_t i = 0; i < n; i++)
        header_add(out, request, names[i]);
    kn_buf_putc(out, '\n');
    for (size_t i = 0; i < n; i++)
        kn_buf_printf(out, "%s%s", i > 0 ? ";" : "", names[i]);
    kn_buf_printf(out, "\n%s", request->body_sha256);
}

void kn_acs3_string_to_sign(struct kn_buf *out, const struct kn_buf *canonical_request)
{
    char hash[65];
    kn_sha256_hex(hash, kn_buf_text(canonical_request), canonical_request->len);
    kn_buf_printf(out, "%s\n%s", ACS3, hash);
    out->is_broken |= canonical_request->is_broken;
}

void kn_acs3_signature(char out[65], const char *secret, const struct kn_buf *string_to_sign)
{
    uint8_t mac[KN_SHA256_BYTES];
    kn_hmac_sha256(mac, secret, strlen(secret), kn_buf_text(string_to_sign), string_to_sign->len);
    kn_hex(out, mac, sizeof(mac));
}
