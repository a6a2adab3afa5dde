#pragma once
/*
 * The MNS dialect: queues and topics as @alicloud/mns and the vendor's other clients speak it (spec
 * 10), in front of queues/.
 *
 *     struct kn_mns *mns; kn_mns_new(&mns, &config, &err);
 *     kn_http_server_listen(server, &(struct kn_http_listener){
 *         .address = "…", .handler = kn_mns_handle, .on_error = kn_mns_on_error, .context = mns}, …);
 *
 * Requests are served on pool threads; long polls wait without one. Thread-safety: all calls from any
 * thread.
 */
#include "access/access.h"
#include "base/error.h"
#include "http/server.h"
#include "queues/queues.h"

struct kn_mns;

// Where receivers of pushes find the certificate they are signed with.
#define KN_MNS_CERTIFICATE_PATH "/.well-known/mns-cert.pem"

struct kn_mns_config {
    struct kn_queues *queues;         // borrowed
    struct kn_access *access;         // borrowed
    const char *public_url;           // "http://1234.mns.media.example": in answers; NULL: the Host sent
    const char *account_id;
    const char *certificate;          // of pushes, PEM; NULL: none is served
    int64_t (*now_us)(void *context); // of signatures; NULL: the wall clock
    void *now_context;
};
/* The strings are copied. */
kn_code kn_mns_new(struct kn_mns **out, const struct kn_mns_config *config, struct kn_error *err);
/* After the server is freed. */
void kn_mns_free(struct kn_mns **mns);
/* Answer the long polls; later ones do not wait. Before the server stops. */
void kn_mns_drain(struct kn_mns *mns);

/* A kn_http_handler and a kn_http_on_error; context is the struct kn_mns. */
void kn_mns_handle(struct kn_http_request *request, void *context);
void kn_mns_on_error(struct kn_http_request *request, int status, const char *message,
                     void *context);
