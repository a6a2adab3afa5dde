#pragma once
/*
 * Reading what is not on this machine: a source over a cache of 1 MiB blocks (decisions 16).
 *
 * A reader that goes forward gets four blocks by one request; one that jumps gets one. A source keeps
 * at most 16 blocks, so that a job of four inputs stays within 64 MiB.
 */
#include "base/io.h"
#include "http/client.h"

/* Fetch at most n bytes at `offset`; fewer only at the end. */
typedef kn_code (*kn_remote_fetch)(void *impl, int64_t offset, void *out, size_t n,
                                   size_t *out_got, struct kn_error *err);

/*
 * A cached source. `impl` is taken over, in every case, and given to `release` at the end.
 *   size_bytes  -1 when unknown
 */
kn_code kn_remote_input_new(struct kn_source **out, const char *uri, int64_t size_bytes,
                            const char *identity, kn_remote_fetch fetch,
                            void (*release)(void *impl), void *impl, struct kn_error *err);

/*
 * An http(s) URL by ranged GETs, each conditional on the ETag of the first.
 * KN_EUNSUP, reason "ResourceAccess": the server cannot answer ranges.
 */
kn_code kn_http_input_open(struct kn_source **out, struct kn_http_client *client, const char *url,
                           struct kn_error *err);
