/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Letters by HTTP POST. */
#include "events/http_sink.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/time.h"

// The answer's body is ignored (spec 02, 10.3); a receiver may send some, but not for long.
#define MAX_ANSWER_BYTES (64 * 1024)

void kn_event_signature(char out[33], const char *url, int64_t timestamp_s, const char *auth_key)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_buf_printf(&text, "%s|%" PRId64 "|%s", url, timestamp_s, auth_key);
    uint8_t md5[KN_MD5_BYTES];
    kn_md5(md5, kn_buf_text(&text), text.len);
    kn_hex(out, md5, sizeof(md5));
}

// The body of the answer is not kept; going on reading lets the connection be used again.
static bool ignore_bytes(const void *bytes, size_t n, void *context)
{
    (void)bytes;
    size_t *n_ignored = context;
    *n_ignored += n;
    return *n_ignored <= MAX_ANSWER_BYTES;
}

static void send_letter(const struct kn_event_letter *letter, struct kn_event_answer *out,
                        void *context)
{
    struct kn_http_client *client = context;
    char timestamp[48], signature[64], md5[33];
    int64_t now_s = letter->now_us / KN_SECOND;
    kn_event_signature(md5, letter->target, now_s, letter->auth_key);
    (void)snprintf(timestamp, sizeof(timestamp), "X-ICE-TIMESTAMP: %" PRId64, now_s);
    (void)snprintf(signature, sizeof(signature), "X-ICE-SIGNATURE: %s", md5);
    const char *const headers[] = {
        "Content-Type: application/json; charset=utf-8",
        letter->is_signed ? timestamp : NULL,
        signature,
        NULL,
    };
    size_t n_ignored = 0;
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {
        .method = "POST",
        .url = letter->target,
        .headers = headers,
        .body = letter->body,
        .n_body = letter->n_body,
        .timeout_us = letter->answer_limit_us,
        .write = ignore_bytes,
        .write_context = &n_ignored,
    };
    struct kn_error err = {0};
    kn_code rc = kn_http_do(client, &exchange, &err);
    out->status = exchange.status;
    // An answer too long to read is still an answer.
    bool has_answer = rc == KN_OK || n_ignored > MAX_ANSWER_BYTES;
    out->is_acknowledged = has_answer && exchange.status >= 200 && exchange.status < 300;
    if (!has_answer)
        (void)kn_copy(out->error, sizeof(out->error), err.message);
    else if (!out->is_acknowledged)
        (void)snprintf(out->error, sizeof(out->error), "the receiver answered %d", exchange.status);
}

struct kn_event_sink kn_event_http_sink(struct kn_http_client *client)
{
    return (struct kn_event_sink){.send = send_letter, .context = client};
}
