/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The front of the API port. */
#include "server/front.h"

#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/strings.h"

static void reply_json(struct kn_http_request *request, int status, json_t *body)
{
    kn_auto(kn_free) char *text = kn_json_text(body);
    json_decref(body);
    kn_http_set(request, "Content-Type", "application/json;charset=utf-8");
    kn_http_reply(request, status, text ? text : "{}", text ? strlen(text) : 2);
}

static kn_code look(struct kn_tx *tx, void *context, struct kn_error *err)
{
    int64_t now_us;
    (void)context;
    return kn_tx_now(tx, &now_us, err);
}

// On a pool thread: database and store may be slow, which is what health is about.
static void healthz(struct kn_http_request *request, void *context)
{
    struct kn_front *front = context;
    struct kn_error err = {0};
    kn_code rc = kn_db_read(front->db, look, NULL, &err);
    if (rc == KN_OK)
        rc = kn_store_check(front->store, &err);
    if (rc == KN_OK)
        reply_json(request, 200, json_pack("{s:s, s:s}", "status", "ok", "version", KN_VERSION));
    else
        reply_json(request, 503, json_pack("{s:s, s:s}", "status", "failing", "reason",
                                           err.message));
}

static void metrics(struct kn_http_request *request, void *context)
{
    (void)context;
    const char *peer = kn_http_peer(request);
    if (!kn_starts_with(peer, "127.") && strcmp(peer, "::1") != 0) {
        reply_json(request, 403, json_pack("{s:s}", "reason", "metrics are for this machine"));
        return;
    }
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_metrics_render(&text);
    kn_http_set(request, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    kn_http_reply(request, 200, kn_buf_text(&text), text.len);
}

void kn_front_handle(struct kn_http_request *request, void *front)
{
    const char *path = kn_http_path(request);
    if (strcmp(path, "/healthz") == 0)
        kn_http_run(request, healthz, front);
    else if (strcmp(path, "/metrics") == 0)
        kn_http_run(request, metrics, front);
    else
        kn_api_handle(request, ((struct kn_front *)front)->api);
}

void kn_front_on_error(struct kn_http_request *request, int status, const char *message,
                       void *front)
{
    kn_api_on_error(request, status, message, ((struct kn_front *)front)->api);
}
