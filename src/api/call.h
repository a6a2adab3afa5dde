#pragma once
/*
 * One call of an operation, as its handler sees it: who calls, with which parameters, and the answer
 * being made. Everything here is released after the reply.
 *
 * A handler reads its arguments (checked against spec/ before it runs), does its work and adds members
 * to call->answer; "RequestId" is there already. When it fails, its error becomes the wire's (see
 * wire_error.h). A handler that changes nothing may run on a loop thread and must not wait for
 * anything but the database.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "access/access.h"
#include "api/api.h"
#include "api/backlog.h"
#include "api/operation.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct kn_api {
    struct kn_api_config config; // texts owned
    struct kn_api_calls *calls;  // owned: handed to pool threads and not yet replied to
    struct kn_backlog backlog;
    struct kn_observer *observer; // owned
    int64_t started_us;
};

struct kn_call {
    struct kn_api *api;                   // borrowed
    struct kn_http_request *request;      // borrowed
    const struct kn_operation *operation; // static; NULL until it is known
    struct kn_arena arena;
    json_t *params;        // owned: as sent, decoded; text, except in JSON bodies
    json_t *args;          // owned: checked and typed
    json_t *answer;        // owned
    struct kn_key key;     // the caller's
    int64_t began_us;      // kn_mono_us()
    const char *nonce;     // in params or the request
    char request_id[37];
    bool is_acs3;          // signed in headers; else in parameters
    bool wants_xml;        // the answer; errors only when it
    bool has_asked_xml;    // said so by Format=XML
    struct kn_buf string_to_sign;    // what we signed, when the client's signature differs;
    struct kn_buf canonical_request; // for ACS3, what its hash is of
};

/* ---- arguments; borrowed, valid for the call ---- */

bool kn_arg_has(const struct kn_call *call, const char *name);
const char *kn_arg_text(const struct kn_call *call, const char *name); // NULL when absent
int64_t kn_arg_int(const struct kn_call *call, const char *name, int64_t otherwise);
json_t *kn_arg_json(const struct kn_call *call, const char *name);     // NULL when absent
/* The text of an object or array as the client wrote it, or as compact JSON when it came flattened
 * or inside a JSON body. NULL when absent, or without memory. */
const char *kn_arg_source(struct kn_call *call, const char *name);

/*
 * Whether the caller's key may touch oss://bucket/key. KN_EINVAL with the reasons ResourceAccess and,
 * when that is no such address, BucketNameInvalid.
 */
kn_code kn_call_covers(const struct kn_call *call, const char *uri, struct kn_error *err);

/*
 * Whether the caller's key covers every bucket address in a job's spec: whoever could have submitted the job may
 * see it and stop it. A key without a bucket prefix sees all; a job without a spec is seen by such keys alone.
 */
bool kn_call_sees(const struct kn_call *call, const char *spec);
/* KN_EINVAL, NoPermission, for a key that is bound to a bucket: what shows all buckets is not for it. */
kn_code kn_call_unbound(const struct kn_call *call, struct kn_error *err);

/* ---- the answer ---- */

/* Set a member of an object to text; NULL or "" text leaves it out. */
void kn_put_text(json_t *object, const char *name, const char *text);
/* To "YYYY-MM-DDThh:mm:ssZ"; an unknown time leaves it out. */
void kn_put_time(json_t *object, const char *name, int64_t time_us);
/* "Success": true, the whole answer of many operations. */
void kn_answer_success(struct kn_call *call);

/* ---- writing ---- */

/*
 * Run a write transaction of the call's. Its nonce was made durable before the handler ran, except
 * for operations that keep it themselves.
 */
static inline kn_code kn_call_write(struct kn_call *call, kn_tx_fn fn, void *context,
                                    struct kn_error *err)
{
    return kn_db_write(call->api->config.db, fn, context, err);
}
static inline kn_code kn_call_read(struct kn_call *call, kn_tx_fn fn, void *context,
                                   struct kn_error *err)
{
    return kn_db_read(call->api->config.db, fn, context, err);
}
