/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The block cache under every remote reader, and ranged GETs of a URL. */
#include "supervisor/remote_input.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"

#define BLOCK ((int64_t)1024 * 1024)
#define N_BLOCKS 16
#define N_AHEAD 4 // blocks by one request, for a reader that goes forward

struct block {
    int64_t number; // -1: empty
    uint64_t used;  // larger is later
    size_t n;       // bytes; less than BLOCK at the end of the input
    char *bytes;    // owned
};

struct remote {
    kn_remote_fetch fetch;
    void (*release)(void *impl);
    void *impl; // owned
    int64_t size_bytes;
    struct block blocks[N_BLOCKS];
    uint64_t clock;
    int64_t last_number; // the block read before
};

/* ---- blocks ---- */

static struct block *block_find(struct remote *remote, int64_t number)
{
    for (int i = 0; i < N_BLOCKS; i++)
        if (remote->blocks[i].bytes && remote->blocks[i].number == number)
            return &remote->blocks[i];
    return NULL;
}

static struct block *block_oldest(struct remote *remote)
{
    struct block *oldest = &remote->blocks[0];
    for (int i = 1; i < N_BLOCKS && oldest->bytes; i++)
        if (!remote->blocks[i].bytes || remote->blocks[i].used < oldest->used)
            oldest = &remote->blocks[i];
    return oldest;
}

static kn_code block_keep(struct remote *remote, int64_t number, const char *bytes, size_t n,
                          struct kn_error *err)
{
    struct block *block = block_oldest(remote);
    if (!block->bytes)
        block->bytes = malloc((size_t)BLOCK);
    if (!block->bytes)
        return kn_fail(err, KN_ENOMEM, "no memory for a block");
    memcpy(block->bytes, bytes, n);
    block->number = number;
    block->n = n;
    block->used = ++remote->clock;
    return KN_OK;
}

// Fetch `number` and, for a reader that goes forward, what comes after it.
static kn_code blocks_fetch(struct remote *remote, int64_t number, struct kn_error *err)
{
    int64_t n = number == remote->last_number + 1 ? N_AHEAD : 1;
    int64_t left = remote->size_bytes < 0 ? INT64_MAX : remote->size_bytes - number * BLOCK;
    if (left <= 0)
        return KN_OK;
    size_t want = (size_t)(n * BLOCK < left ? n * BLOCK : left), got = 0;
    kn_auto(kn_free) char *bytes = malloc(want);
    if (!bytes)
        return kn_fail(err, KN_ENOMEM, "no memory to read ahead");
    kn_code rc = remote->fetch(remote->impl, number * BLOCK, bytes, want, &got, err);
    // From the last to the first, so that the one asked for is the youngest.
    for (int64_t i = n - 1; i >= 0 && rc == KN_OK; i--) {
        size_t at = (size_t)(i * BLOCK);
        if (at < got && !block_find(remote, number + i))
            rc = block_keep(remote, number + i, bytes + at,
                            got - at < (size_t)BLOCK ? got - at : (size_t)BLOCK, err);
    }
    return rc;
}

static kn_code remote_read_at(struct kn_source *source, int64_t offset, void *out, size_t n,
                              size_t *out_got, struct kn_error *err)
{
    struct remote *remote = source->impl;
    int64_t number = offset / BLOCK;
    *out_got = 0;
    struct block *block = block_find(remote, number);
    if (!block) {
        kn_code rc = blocks_fetch(remote, number, err);
        if (rc)
            return kn_error_prefix(err, "cannot read '%s'", source->uri);
        block = block_find(remote, number);
    }
    remote->last_number = number;
    size_t at = (size_t)(offset % BLOCK);
    if (!block || at >= block->n)
        return KN_OK; // the end
    block->used = ++remote->clock;
    *out_got = n < block->n - at ? n : block->n - at;
    memcpy(out, block->bytes + at, *out_got);
    return KN_OK;
}

static void remote_release(struct kn_source *source)
{
    struct remote *remote = source->impl;
    for (int i = 0; i < N_BLOCKS; i++)
        free(remote->blocks[i].bytes);
    remote->release(remote->impl);
    free(remote);
}

kn_code kn_remote_input_new(struct kn_source **out, const char *uri, int64_t size_bytes,
                            const char *identity, kn_remote_fetch fetch,
                            void (*release)(void *impl), void *impl, struct kn_error *err)
{
    *out = NULL;
    struct kn_source *source = calloc(1, sizeof(*source));
    struct remote *remote = calloc(1, sizeof(*remote));
    char *name = strdup(uri);
    if (!source || !remote || !name) {
        free(source);
        free(remote);
        free(name);
        release(impl);
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", uri);
    }
    *remote = (struct remote){.fetch = fetch, .release = release, .impl = impl,
                              .size_bytes = size_bytes, .last_number = -1};
    *source = (struct kn_source){.fd = -1, .size_bytes = size_bytes, .uri = name,
                                 .read_at = remote_read_at, .release = remote_release,
                                 .impl = remote};
    (void)kn_copy(source->identity, sizeof(source->identity), identity);
    *out = source;
    return KN_OK;
}

/* ---- URLs ---- */

struct url_input {
    struct kn_http_client *client; // borrowed
    char *url;                     // owned
    char etag[96];                 // strong, with its quotes; "" when there is none
    int64_t size_bytes;            // -1 until the first answer
};

static void url_release(void *impl)
{
    struct url_input *input = impl;
    free(input->url);
    free(input);
}

static kn_code url_fetch(void *impl, int64_t offset, void *out, size_t n, size_t *out_got,
                         struct kn_error *err)
{
    struct url_input *input = impl;
    char range[80], condition[120], total[80] = "";
    (void)snprintf(range, sizeof(range), "Range: bytes=%" PRId64 "-%" PRId64, offset,
                   offset + (int64_t)n - 1);
    (void)snprintf(condition, sizeof(condition), "If-Match: %s", input->etag);
    const char *const headers[] = {range, *input->etag ? condition : NULL, NULL};
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {
        .url = input->url,
        .headers = headers,
        .timeout_us = KN_MINUTE,
        .max_redirects = 5,
        .max_body = n,
    };
    *out_got = 0;
    kn_code rc = kn_http_do(input->client, &exchange, err);
    if (rc == KN_ELIMIT) // more than the range: a server that knows none
        return kn_fail_as(err, KN_EUNSUP, "ResourceAccess", "its server answers no ranges");
    if (rc)
        return rc;
    if (exchange.status == 416)
        return KN_OK; // beyond the end
    if (exchange.status == 412)
        return kn_fail(err, KN_ECONFLICT, "it changed while it was read");
    if (exchange.status == 404 || exchange.status == 410)
        return kn_fail_as(err, KN_ENOTFOUND, "ResourceNotFound", "its server does not have it");
    if (exchange.status == 401 || exchange.status == 403)
        return kn_fail_as(err, KN_EINVAL, "ResourceAccess", "its server refuses access (%d)",
                          exchange.status);
    if (exchange.status != 206 && !(exchange.status == 200 && offset == 0))
        return kn_fail(err, KN_EIO, "its server answered %d", exchange.status);
    *out_got = exchange.answer.len;
    memcpy(out, kn_buf_text(&exchange.answer), exchange.answer.len);
    if (input->size_bytes >= 0)
        return KN_OK;
    input->size_bytes = (int64_t)exchange.answer.len;
    if (kn_http_answer_header(&exchange, "Content-Range", total, sizeof(total)) &&
        strchr(total, '/'))
        (void)kn_parse_int(strchr(total, '/') + 1, 0, INT64_MAX, &input->size_bytes);
    if (!kn_http_answer_header(&exchange, "ETag", input->etag, sizeof(input->etag)) ||
        input->etag[0] != '"')
        input->etag[0] = '\0'; // a weak one cannot be matched
    return KN_OK;
}

kn_code kn_http_input_open(struct kn_source **out, struct kn_http_client *client, const char *url,
                           struct kn_error *err)
{
    *out = NULL;
    struct url_input *input = calloc(1, sizeof(*input));
    char *first = malloc((size_t)BLOCK);
    size_t got = 0;
    if (input)
        *input = (struct url_input){.client = client, .url = strdup(url), .size_bytes = -1};
    kn_code rc = KN_OK;
    if (!input || !first || !input->url)
        rc = kn_fail(err, KN_ENOMEM, "no memory to open '%s'", url);
    else if (url_fetch(input, 0, first, (size_t)BLOCK, &got, err))
        rc = err ? kn_error_prefix(err, "cannot read '%s'", url) : KN_EIO;
    if (rc == KN_OK)
        rc = kn_remote_input_new(out, url, input->size_bytes, input->etag, url_fetch, url_release,
                                 KN_TAKE(input), err);
    if (rc == KN_OK && got)
        rc = block_keep((*out)->impl, 0, first, got, err);
    if (rc && *out)
        kn_source_free(out);
    if (input)
        url_release(input);
    free(first);
    return rc;
}
