/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole requests of the object store, over a real store in the current folder: addresses, the three
 * signatures, ranges, listings, XML, aws-chunked bodies, forms and their policies.
 *
 * An input that begins with '!' is a caller whose every signature fits, so that what comes after
 * authentication is reached without knowing the key; others must never get what is private. The next
 * character, a digit, says in how small pieces the body arrives.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/oss/oss.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/strings.h"
#include "base/time.h"
#include "known_keys.h"
#include "support/memory_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct kn_oss *oss;
static struct kn_store *store;
static char secret[64]; // what lies at private/secret now

static int64_t now_us(void *context)
{
    (void)context;
    return INT64_C(1772359200) * KN_SECOND; // 2026-03-01T10:00:00Z
}

/* ---- the store ---- */

static void check(kn_code rc, const struct kn_error *err)
{
    if (rc == KN_OK)
        return;
    fprintf(stderr, "oss_request: %s\n", err->message);
    abort();
}

static void object_put(const char *bucket, const char *key, const char *text)
{
    struct kn_error err = {0};
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    struct kn_put_options options = {0};
    check(kn_object_create(store, bucket, key, &options, &writer, &err), &err);
    check(kn_object_write(writer, text, strlen(text), &err), &err);
    check(kn_object_commit(writer, &info, &err), &err);
}

static void bucket_put(const char *name, const char *acl)
{
    struct kn_error err = {0};
    kn_auto(kn_bucket_clear) struct kn_bucket bucket = {0};
    check(kn_bucket_create(store, name, acl, &err), &err);
    check(kn_bucket_get(store, name, &bucket, &err), &err);
    bucket.forbid_overwrite = false;
    check(kn_bucket_update(store, &bucket, &err), &err);
}

// Undo what an input did to these. The secret is a new one each time: a caller who may read it may
// have copied the last one to where everybody can.
static void store_fill(void)
{
    static int n_fills;
    bucket_put("private", "private");
    bucket_put("open", "public-read-write");
    (void)snprintf(secret, sizeof(secret), "for the owner alone, %d", ++n_fills);
    object_put("private", "secret", secret);
    object_put("open", "a/b.txt", "0123456789abcdefghijklmnopqrstuvwxyz");
}

static void stack_open(void)
{
    struct kn_error err = {0};
    struct kn_db *db = NULL;
    char here[3072], url[4096];
    if (!getcwd(here, sizeof(here)))
        abort();
    // One folder for each process: a run may be one of several in the same place.
    (void)snprintf(url, sizeof(url), "sqlite:%s/kinora-%d.db", here, (int)getpid());
    check(kn_db_open(&db, url, &err), &err);
    (void)snprintf(url, sizeof(url), "file:%s/buckets-%d", here, (int)getpid());
    struct kn_store_config config = {
        .url = url, .db = db, .region = "cn-hangzhou", .owner_id = "1000000000000001"};
    check(kn_store_open(&store, &config, &err), &err);
    static const char *const hosts[] = {"oss.localhost", NULL};
    struct kn_oss_config oss_config = {.store = store, .hosts = hosts, .region = "cn-hangzhou",
                                       .account_id = "1000000000000001", .now_us = now_us};
    check(kn_oss_new(&oss, &oss_config, &err), &err);
    store_fill();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (!oss)
        stack_open();
    is_trusted = n > 0 && bytes[0] == '!';
    bytes += is_trusted;
    n -= is_trusted;
    size_t piece = n > 0 && bytes[0] >= '0' && bytes[0] <= '9' ? (size_t)(bytes[0] - '0') : 0;
    bool has_piece = n > 0 && bytes[0] >= '0' && bytes[0] <= '9';
    kn_auto(memory_request_clear) struct kn_http_request request;
    if (!memory_request_parse(&request, bytes + has_piece, n - has_piece))
        return 0;
    request.piece = piece;
    kn_oss_handle(&request, oss);
    assert(request.is_started && request.is_over);
    // libFuzzer sees the comparison and writes the secret into inputs, which answers may quote.
    if (!is_trusted && !(n && memmem(bytes, n, secret, strlen(secret))))
        assert(!strstr(kn_buf_text(&request.answer), secret));
    if (is_trusted && strcmp(request.method, "GET") != 0 && strcmp(request.method, "HEAD") != 0)
        store_fill();
    return 0;
}
