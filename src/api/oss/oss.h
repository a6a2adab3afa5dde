#pragma once
/*
 * The OSS dialect: object storage as ali-oss, the AWS SDK and minio speak it (spec 09), in front of
 * objects/store.h.
 *
 *     struct kn_oss *oss; kn_oss_new(&oss, &config, &err);
 *     kn_http_server_listen(server, &(struct kn_http_listener){
 *         .address = "…", .handler = kn_oss_handle, .on_error = kn_oss_on_error, .context = oss}, …);
 *
 * Requests are served on pool threads. Thread-safety: all calls from any thread.
 */
#include "access/access.h"
#include "base/error.h"
#include "http/client.h"
#include "http/server.h"
#include "objects/store.h"

struct kn_oss;

struct kn_oss_config {
    struct kn_store *store;            // borrowed
    struct kn_access *access;          // borrowed
    struct kn_http_client *client;     // borrowed; reaches upload callbacks; NULL: they are refused
    const char *const *hosts;          // NULL-terminated: names of the service itself, without port
    const char *public_url;            // "http://oss.media.example": in answers; may be NULL
    const char *region;                // "cn-shanghai"
    const char *account_id;
    bool lists_public;                 // whether anonymous clients may list public-read buckets
    int64_t (*now_us)(void *context);  // NULL: the wall clock
    void *now_context;
};
/* The strings are copied. */
kn_code kn_oss_new(struct kn_oss **out, const struct kn_oss_config *config, struct kn_error *err);
void kn_oss_free(struct kn_oss **oss);

/* A kn_http_handler and a kn_http_on_error; context is the struct kn_oss. */
void kn_oss_handle(struct kn_http_request *request, void *context);
void kn_oss_on_error(struct kn_http_request *request, int status, const char *message,
                     void *context);
