#pragma once
/*
 * Threads for handlers that block. They start when a request finds none idle, up to a limit, and end
 * after some idle time.
 */
#include "base/error.h"
#include "http/server.h"

struct kn_http_pool;

kn_code kn_http_pool_new(struct kn_http_pool **out, int max_threads, struct kn_error *err);
/* Wait for all threads to end; what is queued still runs. */
void kn_http_pool_free(struct kn_http_pool **pool);
/* Run fn(request, context) on a pool thread. False: too many wait already. */
bool kn_http_pool_run(struct kn_http_pool *pool, struct kn_http_request *request,
                      kn_http_handler fn, void *context);
