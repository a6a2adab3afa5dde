/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Request bodies. S3 clients may frame theirs once more inside HTTP ("aws-chunked"):
 *
 *     <hex size>[;chunk-signature=…]\r\n <bytes> \r\n … 0[;…]\r\n [trailer: value\r\n …] \r\n
 *
 * The framing is taken off here. Chunk signatures are read over: the request's own signature has been
 * verified, and the bytes are covered by MD5 or CRC where the client wants it (spec 09, 7.2).
 */
#include <stdlib.h>
#include <string.h>

#include "api/oss/call.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/limits.h"
#include "base/strings.h"

// A chunk's head: 16 hex digits, a signature of 64 and their words.
#define MAX_CHUNK_HEAD 1024
#define READ_BYTES (64 * 1024)

kn_code kn_oss_body_start(struct kn_oss_body *body, struct kn_oss_call *call, struct kn_error *err)
{
    *body = (struct kn_oss_body){.call = call};
    const char *sha = kn_http_header(call->request, "x-amz-content-sha256");
    if (sha && kn_starts_with(sha, "STREAMING-"))
        body->is_aws_chunked = true;
    if (sha && strlen(sha) == 64 && call->dialect == KN_OSS_S3) {
        body->sha256 = kn_digest_new(KN_DIGEST_SHA256);
        if (!body->sha256)
            return kn_fail(err, KN_ENOMEM, "no memory to read a body");
        kn_copy(body->expected, sizeof(body->expected), sha);
    }
    return KN_OK;
}

void kn_oss_body_clear(struct kn_oss_body *body)
{
    kn_buf_clear(&body->raw);
    kn_digest_free(&body->sha256);
}

static kn_code raw_more(struct kn_oss_body *body, struct kn_error *err)
{
    if (!kn_buf_reserve(&body->raw, READ_BYTES))
        return kn_fail(err, KN_ENOMEM, "no memory to read a body");
    size_t got = 0;
    kn_code rc = kn_http_body_read(body->call->request, body->raw.data + body->raw.len, READ_BYTES,
                                   &got, err);
    if (rc != KN_OK)
        return rc;
    if (got == 0)
        return kn_fail_as(err, KN_EINVAL, "IncompleteBody", "the body ends inside a chunk");
    body->raw.len += got;
    body->raw.data[body->raw.len] = '\0';
    return KN_OK;
}

static kn_code line_take(struct kn_oss_body *body, char *out, size_t size, struct kn_error *err)
{
    for (;;) {
        const char *end =
            body->raw.len ? memchr(body->raw.data, '\n', body->raw.len) : NULL;
        if (end) {
            size_t n = (size_t)(end - body->raw.data);
            size_t keep = n && body->raw.data[n - 1] == '\r' ? n - 1 : n;
            if (keep >= size)
                break;
            memcpy(out, body->raw.data, keep);
            out[keep] = '\0';
            kn_buf_drop_front(&body->raw, n + 1);
            return KN_OK;
        }
        if (body->raw.len > MAX_CHUNK_HEAD)
            break;
        kn_code rc = raw_more(body, err);
        if (rc != KN_OK)
            return rc;
    }
    return kn_fail_as(err, KN_EINVAL, "InvalidRequest", "a chunk's head is too long");
}

static kn_code chunk_start(struct kn_oss_body *body, struct kn_error *err)
{
    char line[MAX_CHUNK_HEAD + 1];
    kn_code rc = line_take(body, line, sizeof(line), err);
    if (rc != KN_OK)
        return rc;
    size_t n = strspn(line, "0123456789abcdefABCDEF");
    if (n == 0 || n > 12 || (line[n] != '\0' && line[n] != ';'))
        return kn_fail_as(err, KN_EINVAL, "InvalidRequest", "a chunk has no size");
    body->chunk_left = (int64_t)strtoull(line, NULL, 16);
    if (body->chunk_left > 0)
        return KN_OK;
    body->is_over = true;
    // Trailers, to the empty line or the end; their checksums are the client's own.
    while (rc == KN_OK && line[0] != '\0')
        rc = line_take(body, line, sizeof(line), NULL);
    return KN_OK;
}

static kn_code chunked_read(struct kn_oss_body *body, void *out, size_t n, size_t *out_got,
                            struct kn_error *err)
{
    kn_code rc;
    if (body->is_over)
        return KN_OK;
    if (body->chunk_left == 0 && (rc = chunk_start(body, err)) != KN_OK)
        return rc;
    if (body->is_over)
        return KN_OK;
    if (body->raw.len == 0 && (rc = raw_more(body, err)) != KN_OK)
        return rc;
    size_t take = body->raw.len < n ? body->raw.len : n;
    if ((int64_t)take > body->chunk_left)
        take = (size_t)body->chunk_left;
    memcpy(out, body->raw.data, take);
    kn_buf_drop_front(&body->raw, take);
    body->chunk_left -= (int64_t)take;
    *out_got = take;
    if (body->chunk_left == 0) {
        char line[8];
        return line_take(body, line, sizeof(line), err); // the CRLF behind a chunk
    }
    return KN_OK;
}

kn_code kn_oss_body_read(struct kn_oss_body *body, void *out, size_t n, size_t *out_got,
                         struct kn_error *err)
{
    *out_got = 0;
    kn_code rc = body->is_aws_chunked
                     ? chunked_read(body, out, n, out_got, err)
                     : kn_http_body_read(body->call->request, out, n, out_got, err);
    if (rc != KN_OK)
        return rc;
    body->call->bytes_in += (int64_t)*out_got;
    if (!body->sha256)
        return KN_OK;
    if (*out_got > 0) {
        kn_digest_add(body->sha256, out, *out_got);
        return KN_OK;
    }
    uint8_t raw[KN_SHA256_BYTES];
    char hex[2 * KN_SHA256_BYTES + 1];
    kn_digest_end(body->sha256, raw);
    kn_digest_free(&body->sha256);
    kn_hex(hex, raw, sizeof(raw));
    if (!kn_equal_nocase(hex, body->expected))
        return kn_fail_as(err, KN_EINVAL, "XAmzContentSHA256Mismatch",
                          "the provided 'x-amz-content-sha256' does not match what was computed");
    return KN_OK;
}

kn_code kn_oss_body_store(struct kn_oss_call *call, struct kn_object_writer *writer,
                          struct kn_error *err)
{
    kn_auto(kn_oss_body_clear) struct kn_oss_body body = {0};
    kn_auto(kn_free) char *bytes = malloc(READ_BYTES);
    if (!bytes)
        return kn_fail(err, KN_ENOMEM, "no memory to read a body");
    kn_code rc = kn_oss_body_start(&body, call, err);
    size_t got = 1;
    while (rc == KN_OK && got > 0) {
        rc = kn_oss_body_read(&body, bytes, READ_BYTES, &got, err);
        if (rc == KN_OK && got > 0)
            rc = kn_object_write(writer, bytes, got, err);
        if (rc == KN_OK && call->bytes_in > KN_MAX_PUT_BYTES)
            return kn_fail_as(err, KN_EINVAL, "EntityTooLarge",
                              "your proposed upload exceeds the maximum allowed size");
    }
    return rc;
}

kn_code kn_oss_body_text(struct kn_oss_call *call, struct kn_buf *out, size_t limit,
                         struct kn_error *err)
{
    kn_auto(kn_oss_body_clear) struct kn_oss_body body = {0};
    char bytes[16 * 1024];
    kn_code rc = kn_oss_body_start(&body, call, err);
    size_t got = 1;
    while (rc == KN_OK && got > 0) {
        rc = kn_oss_body_read(&body, bytes, sizeof(bytes), &got, err);
        if (rc == KN_OK)
            kn_buf_add(out, bytes, got);
        if (rc == KN_OK && out->len > limit)
            return kn_fail_as(err, KN_EINVAL, "MalformedXML", "the body is too long");
    }
    if (rc == KN_OK && !kn_buf_ok(out))
        return kn_fail(err, KN_ENOMEM, "no memory to read a body");
    return rc;
}
