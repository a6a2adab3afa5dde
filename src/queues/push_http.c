/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A push by HTTP. */
#include "queues/push_http.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"
#include "queues/notice.h"

// What a receiver may answer; its body is ignored.
#define MAX_ANSWER_BYTES 4096
#define DEFAULT_PATH "/notifications"
#define SHA256_HEADER "x-mns-signature-sha256"
#define MAX_HEADERS 20

struct header {
    const char *name, *value; // in the letter's arena
};

struct letter {
    struct kn_arena *arena;                // borrowed
    const char *url, *path;                // path with query
    const char *md5, *type, *date;
    struct header x_mns[MAX_HEADERS];      // sorted by name
    size_t n;
};

static bool ignore_bytes(const void *bytes, size_t n, void *context)
{
    (void)bytes;
    size_t *n_ignored = context;
    *n_ignored += n;
    return *n_ignored <= MAX_ANSWER_BYTES;
}

static void header_add(struct letter *letter, const char *name, const char *value)
{
    size_t at = letter->n++;
    for (; at > 0 && strcmp(letter->x_mns[at - 1].name, name) > 0; at--)
        letter->x_mns[at] = letter->x_mns[at - 1];
    letter->x_mns[at] = (struct header){name, value};
}

// "http://host" becomes "http://host/notifications", "http://host?a" "http://host/notifications?a".
static void address_set(struct letter *letter, const char *endpoint)
{
    const char *host = strstr(endpoint, "://");
    host = host ? host + 3 : endpoint;
    size_t n_head = (size_t)(host - endpoint) + strcspn(host, "/?#");
    const char *rest = endpoint + n_head;
    size_t n_rest = strcspn(rest, "#");
    letter->path = kn_arena_printf(letter->arena, "%s%.*s", rest[0] == '/' ? "" : DEFAULT_PATH,
                                   (int)n_rest, rest);
    letter->url = kn_arena_printf(letter->arena, "%.*s%s", (int)n_head, endpoint, letter->path);
}

static const char *base64_of(struct kn_arena *arena, const char *text)
{
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    kn_base64(&out, text, strlen(text));
    return kn_arena_strdup(arena, kn_buf_text(&out));
}

static void letter_write(struct letter *letter, const struct kn_push_sender *sender,
                         const struct kn_push_claim *claim, const struct kn_buf *body, int64_t now_us)
{
    struct kn_arena *arena = letter->arena;
    uint8_t md5[KN_MD5_BYTES];
    char hex[2 * KN_MD5_BYTES + 1], date[32], id[KN_ID_SIZE];
    kn_md5(md5, kn_buf_text(body), body->len);
    kn_hex(hex, md5, sizeof(md5));
    kn_time_http(date, now_us);
    kn_id_upper(id);
    address_set(letter, claim->endpoint);
    letter->md5 = base64_of(arena, hex);
    letter->date = kn_arena_strdup(arena, date);
    letter->type = claim->format == KN_NOTIFY_SIMPLIFIED ? "text/plain;charset=utf-8"
                                                         : "text/xml;charset=utf-8";
    header_add(letter, "x-mns-version", "2015-06-06");
    header_add(letter, "x-mns-request-id", kn_arena_printf(arena, "%.24s", id));
    header_add(letter, "x-mns-message-id", claim->message_id);
    if (claim->tag[0] && claim->format == KN_NOTIFY_SIMPLIFIED)
        header_add(letter, "x-mns-message-tag", claim->tag);
    header_add(letter, "x-mns-signing-cert-url", base64_of(arena, sender->certificate_url));
    header_add(letter, "x-mns-topic-owner", sender->account_id);
    header_add(letter, "x-mns-topic-name", claim->topic);
    header_add(letter, "x-mns-subscriber", sender->account_id);
    header_add(letter, "x-mns-subscription-name", claim->subscription);
    header_add(letter, "x-mns-publish-time",
               kn_arena_printf(arena, "%" PRId64, claim->published_us / 1000));
}

static kn_code letter_sign(const char **out, const struct letter *letter,
                           const struct kn_signer *signer, enum kn_signer_hash hash,
                           struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_auto(kn_buf_clear) struct kn_buf signature = {0};
    kn_buf_printf(&text, "POST\n%s\n%s\n%s\n", letter->md5, letter->type, letter->date);
    for (size_t i = 0; i < letter->n; i++)
        kn_buf_printf(&text, "%s:%s\n", letter->x_mns[i].name, letter->x_mns[i].value);
    kn_buf_puts(&text, letter->path);
    kn_code rc = kn_signer_sign(&signature, signer, hash, kn_buf_text(&text), text.len, err);
    *out = rc == KN_OK ? kn_arena_strdup(letter->arena, kn_buf_text(&signature)) : NULL;
    return rc == KN_OK && !(*out && kn_buf_ok(&text)) ? kn_fail(err, KN_ENOMEM, "no memory for a push")
                                                     : rc;
}

kn_code kn_push_post(const struct kn_push_sender *sender, const struct kn_push_claim *claim,
                     int64_t now_us, struct kn_error *err)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    kn_auto(kn_buf_clear) struct kn_buf body = {0};
    const struct kn_notice notice = {sender->account_id, claim->topic, claim->subscription,
                                     claim->message_id, claim->body, claim->tag,
                                     claim->published_us};
    kn_notice_write(&body, &notice, claim->format);
    struct letter letter = {.arena = &arena};
    const char *sha256 = NULL, *authorization = NULL;
    letter_write(&letter, sender, claim, &body, now_us);
    kn_code rc = letter_sign(&sha256, &letter, sender->signer, KN_SIGNER_SHA256, err);
    if (rc == KN_OK) {
        // A receiver that signs "all x-mns-* lines" signs this one, too.
        header_add(&letter, SHA256_HEADER, sha256);
        rc = letter_sign(&authorization, &letter, sender->signer, KN_SIGNER_SHA1, err);
    }
    if (rc != KN_OK)
        return rc;
    const char *headers[MAX_HEADERS + 6];
    size_t n = 0;
    for (size_t i = 0; i < letter.n; i++)
        headers[n++] = kn_arena_printf(&arena, "%s: %s", letter.x_mns[i].name, letter.x_mns[i].value);
    headers[n++] = kn_arena_printf(&arena, "Date: %s", letter.date);
    headers[n++] = kn_arena_printf(&arena, "Content-Type: %s", letter.type);
    headers[n++] = kn_arena_printf(&arena, "Content-MD5: %s", letter.md5);
    headers[n++] = kn_arena_printf(&arena, "Authorization: %s", authorization);
    headers[n++] = "User-Agent: Aliyun Notification Service Agent";
    headers[n] = NULL;
    for (size_t i = 0; i < n; i++)
        if (!headers[i] || !kn_buf_ok(&body) || !letter.url)
            return kn_fail(err, KN_ENOMEM, "no memory for a push");
    size_t n_ignored = 0;
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {
        .method = "POST", .url = letter.url, .headers = headers, .body = kn_buf_text(&body),
        .n_body = body.len, .timeout_us = sender->answer_limit_us, .write = ignore_bytes,
        .write_context = &n_ignored,
    };
    rc = kn_http_do(sender->client, &exchange, err);
    // An answer too long to read is still an answer.
    if (rc != KN_OK && n_ignored <= MAX_ANSWER_BYTES)
        return rc;
    return exchange.status >= 200 && exchange.status < 300
               ? KN_OK
               : kn_fail(err, KN_EIO, "the receiver answered %d", exchange.status);
}
