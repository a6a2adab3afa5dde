#pragma once
/*
 * The front of the API port: /healthz and /metrics are answered here, everything else goes to the
 * RPC front.
 *
 *   GET /healthz   200 {"status":"ok"} while the database answers, else 503 with the reason
 *   GET /metrics   Prometheus text, for callers on this machine only
 */
#include <stdbool.h>

#include "api/api.h"
#include "db/db.h"
#include "http/server.h"
#include "objects/store.h"

struct kn_front {
    struct kn_api *api; // borrowed
    struct kn_db *db;   // borrowed
    struct kn_store *store; // borrowed
};

/* A kn_http_handler and a kn_http_on_error; context is a struct kn_front. */
void kn_front_handle(struct kn_http_request *request, void *front);
void kn_front_on_error(struct kn_http_request *request, int status, const char *message,
                       void *front);
