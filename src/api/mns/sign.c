/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Both signatures. What is signed is in api/mns/sign.h's section of the specification. */
#include "api/mns/sign.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"
#include "http/sigv4.h"

#define V4_PREFIX "MNS4-HMAC-SHA256 "
#define APSARA_PREFIX "APSARA-" V4_PREFIX

/* ---- what the client claims ---- */

static kn_code invalid(struct kn_error *err)
{
    return kn_fail_as(err, KN_EINVAL, "InvalidAuthorizationHeader",
                      "The Authorization header format is invalid.");
}

static kn_code v4_read(struct kn_mns_signed *out, struct kn_arena *arena, const char *fields,
                       struct kn_error *err)
{
    const char *credential = kn_list_value(arena, fields, "Credential");
    out->signature = kn_list_value(arena, fields, "Signature");
    const char *slash = credential ? strchr(credential, '/') : NULL;
    int n_slashes = 0;
    for (const char *p = slash; p && *p; p++)
        n_slashes += *p == '/';
    if (!out->signature || n_slashes != 4 || slash == credential)
        return invalid(err);
    out->key_id = kn_arena_strndup(arena, credential, (size_t)(slash - credential));
    out->scope = slash + 1;
    char now[20];
    kn_time_basic(now, out->time_us);
    if (!out->key_id || strncmp(out->scope, now, 8) != 0 || out->scope[8] != '/')
        return invalid(err); // its day must be that of the Date
    return KN_OK;
}

static kn_code date_read(struct kn_mns_signed *out, struct kn_mns_call *call, struct kn_error *err)
{
    out->date = kn_http_header(call->request, "Date");
    if (!out->date)
        out->date = kn_http_header(call->request, "x-mns-date");
    if (!out->date)
        return kn_fail_as(err, KN_EINVAL, "MissingDateHeader", "Date header is required.");
    if (!kn_time_parse_http(out->date, &out->time_us))
        return kn_fail_as(err, KN_EINVAL, "InvalidDateHeader", "Date header format is invalid.");
    return KN_OK;
}

kn_code kn_mns_signed_read(struct kn_mns_signed *out, struct kn_mns_call *call,
                           struct kn_error *err)
{
    *out = (struct kn_mns_signed){0};
    const char *text = kn_http_header(call->request, "Authorization");
    if (!text)
        return kn_fail_as(err, KN_EINVAL, "MissingAuthorizationHeader",
                          "Authorization header is required.");
    kn_code rc = date_read(out, call, err);
    if (rc != KN_OK)
        return rc;
    out->is_apsara = kn_starts_with(text, APSARA_PREFIX);
    out->is_v4 = out->is_apsara || kn_starts_with(text, V4_PREFIX);
    if (out->is_v4)
        return v4_read(out, &call->arena,
                       text + strlen(out->is_apsara ? APSARA_PREFIX : V4_PREFIX), err);
    const char *colon = strchr(text, ':');
    if (!kn_starts_with(text, "MNS ") || !colon || colon == text + 4)
        return invalid(err);
    out->key_id = kn_arena_strndup(&call->arena, text + 4, (size_t)(colon - text) - 4);
    out->signature = colon + 1;
    return out->key_id ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a request");
}

/* ---- what must have been signed ---- */

struct signed_header {
    const char *name, *value; // name in lower case
};

static int header_compare(const void *left, const void *right)
{
    return strcmp(((const struct signed_header *)left)->name,
                  ((const struct signed_header *)right)->name);
}

static void add_trimmed(struct kn_buf *out, const char *value)
{
    size_t n = strlen(value);
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    size_t skip = 0;
    while (skip < n && (value[skip] == ' ' || value[skip] == '\t'))
        skip++;
    kn_buf_add(out, value + skip, n - skip);
}

// "name:value\n" of every x-mns-* header, and of content-type and content-md5 if wanted; sorted.
static void add_headers(struct kn_buf *out, struct kn_mns_call *call, bool with_content)
{
    size_t n_all = kn_http_n_headers(call->request), n = 0;
    struct signed_header *list = kn_arena_array(&call->arena, n_all + 1, sizeof(*list));
    for (size_t i = 0; list && i < n_all; i++) {
        const char *name, *value;
        kn_http_header_at(call->request, i, &name, &value);
        char *lower = kn_arena_strdup(&call->arena, name);
        if (!lower)
            continue;
        kn_lower(lower);
        bool is_content = strcmp(lower, "content-type") == 0 || strcmp(lower, "content-md5") == 0;
        if (kn_starts_with(lower, "x-mns-") || (with_content && is_content))
            list[n++] = (struct signed_header){lower, value};
    }
    if (list)
        qsort(list, n, sizeof(*list), header_compare);
    for (size_t i = 0; i < n; i++) {
        kn_buf_printf(out, "%s:", list[i].name);
        add_trimmed(out, list[i].value);
        kn_buf_putc(out, '\n');
    }
}

static void v2_string(struct kn_buf *out, struct kn_mns_call *call,
                      const struct kn_mns_signed *claim, const char *target)
{
    const char *md5 = kn_http_header(call->request, "Content-MD5");
    const char *type = kn_http_header(call->request, "Content-Type");
    kn_buf_printf(out, "%s\n%s\n%s\n%s\n", call->method, md5 ? md5 : "", type ? type : "",
                  claim->date);
    add_headers(out, call, false);
    kn_buf_puts(out, target);
}

static int param_compare(const void *left, const void *right)
{
    const struct kn_pair *a = left, *b = right;
    int by_name = strcmp(a->name, b->name);
    return by_name ? by_name : strcmp(a->value, b->value);
}

static void v4_query(struct kn_buf *out, struct kn_mns_call *call)
{
    struct kn_pair *list = kn_arena_array(&call->arena, call->n_params + 1, sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; list && i < call->n_params; i++) {
        char *name = kn_arena_strdup(&call->arena, call->params[i].name);
        char *value = kn_arena_strdup(&call->arena, call->params[i].value);
        if (!name || !value)
            continue;
        kn_lower(name);
        kn_trim(name);
        kn_trim(value);
        list[n++] = (struct kn_pair){name, value};
    }
    if (list)
        qsort(list, n, sizeof(*list), param_compare);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            kn_buf_putc(out, '&');
        kn_percent(out, list[i].name, strlen(list[i].name), false);
        if (list[i].value[0]) {
            kn_buf_putc(out, '=');
            kn_percent(out, list[i].value, strlen(list[i].value), false);
        }
    }
}

static void v4_string(struct kn_buf *out, struct kn_mns_call *call,
                      const struct kn_mns_signed *claim, const char *path)
{
    char time[20];
    kn_time_basic(time, claim->time_us);
    kn_auto(kn_buf_clear) struct kn_buf plain = {0};
    (void)kn_unpercent(&plain, path, strlen(path), false); // checked when the path was read
    kn_buf_printf(out, "%sMNS4-HMAC-SHA256\n%s\n%s\n%s\n", claim->is_apsara ? "APSARA-" : "", time,
                  claim->scope, call->method);
    kn_percent(out, kn_buf_text(&plain), plain.len, true);
    kn_buf_putc(out, '\n');
    v4_query(out, call);
    kn_buf_putc(out, '\n');
    add_headers(out, call, true);
    kn_buf_putc(out, '\n');
}

static void string_of(struct kn_buf *out, struct kn_mns_call *call,
                      const struct kn_mns_signed *claim, bool is_raw)
{
    // npm sends "//queues" and signs "/queues" when its endpoint ends in a slash.
    const char *target = kn_http_target(call->request);
    while (!is_raw && target[0] == '/' && target[1] == '/')
        target++;
    if (claim->is_v4)
        v4_string(out, call, claim, is_raw ? kn_http_path(call->request) : call->path);
    else
        v2_string(out, call, claim, target);
}

void kn_mns_string_to_sign(struct kn_buf *out, struct kn_mns_call *call,
                           const struct kn_mns_signed *claim)
{
    string_of(out, call, claim, true);
}

/* ---- computing ---- */

static void signature_of(struct kn_buf *out, const struct kn_buf *text,
                         const struct kn_mns_signed *claim, const char *secret)
{
    if (!claim->is_v4) {
        uint8_t sha1[KN_SHA1_BYTES];
        kn_hmac_sha1(sha1, secret, strlen(secret), kn_buf_text(text), text->len);
        kn_base64(out, sha1, sizeof(sha1));
        return;
    }
    uint8_t key[KN_SHA256_BYTES], mac[KN_SHA256_BYTES];
    char hex[2 * KN_SHA256_BYTES + 1];
    kn_sigv4_key(key, claim->is_apsara ? "apsara_v4" : "aliyun_v4", secret, claim->scope);
    kn_hmac_sha256(mac, key, sizeof(key), kn_buf_text(text), text->len);
    kn_hex(hex, mac, sizeof(mac));
    kn_buf_puts(out, hex);
}

bool kn_mns_signature_fits(struct kn_mns_call *call, const struct kn_mns_signed *claim,
                           const char *secret)
{
    for (int is_raw = 1; is_raw >= 0; is_raw--) {
        kn_auto(kn_buf_clear) struct kn_buf text = {0};
        kn_auto(kn_buf_clear) struct kn_buf signature = {0};
        string_of(&text, call, claim, is_raw);
        signature_of(&signature, &text, claim, secret);
        if (kn_buf_ok(&text) && kn_buf_ok(&signature) &&
            kn_equal_secret(kn_buf_text(&signature), claim->signature))
            return true;
    }
    return false;
}
