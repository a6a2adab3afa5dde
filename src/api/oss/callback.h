#pragma once
/*
 * Upload callbacks (spec 09, 6.1): once an object is stored, the application is told by a POST, and its
 * JSON answer becomes the answer to the uploader. The application's address is the client's choice, so
 * the URL rules of http/client.h apply. A callback that fails leaves the object stored: 203.
 */
#include <jansson.h>

#include "api/oss/call.h"
#include "api/oss/policy.h"

#define KN_OSS_MAX_CALLBACK_URLS 5 // PutObject with callback: up to 5, separated by ';'

struct kn_oss_callback {
    const char *urls[KN_OSS_MAX_CALLBACK_URLS]; // in the call's arena
    size_t n_urls;          // 0: no callback was asked for
    const char *host;       // Host header, or NULL
    const char *body;       // with ${…} in it
    const char *type;       // its Content-Type
    bool is_json;
    json_t *vars;           // owned: x:… names and their values
};
/*
 * What the request asks for: header x-oss-callback and -var, or their like in the query; in a form its
 * fields. Read before the body, so that a mistake costs no upload. Reason InvalidArgument.
 */
kn_code kn_oss_callback_read(struct kn_oss_callback *out, struct kn_oss_call *call,
                             const struct kn_oss_form *form, struct kn_error *err);
void kn_oss_callback_clear(struct kn_oss_callback *callback);
/* Tell the application of call->bucket / key and reply with its answer; reason CallbackFailed. */
kn_code kn_oss_callback_make(const struct kn_oss_callback *callback, struct kn_oss_call *call,
                             const struct kn_object_info *info, struct kn_error *err);
