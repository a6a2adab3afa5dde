#pragma once
/*
 * CreateMediaConvertTask's parameters, brought to the canonical object of a job of the kind "task"
 * (worker/task.h): a step of extraction for each target that asks for captions, and one conversion for all that
 * ask for a film. All that can be wrong without reading media is refused here,
 * and so is what is documented but not built.
 */
#include <stdint.h>

#include <jansson.h>

#include "api/imm/uri_template.h"
#include "base/arena.h"
#include "base/error.h"

struct kn_imm_request { // all borrowed
    const json_t *sources, *targets, *target_groups, *tags; // NULL when absent
    int64_t alignment_index;
    int64_t created_us;
    const char *const *oss_hosts; // as kn_uri_parse() takes them
    // Whether the caller may touch an address.
    kn_code (*covers)(void *context, const char *uri, struct kn_error *err);
    // When the source was written; called only when a template asks for it.
    kn_code (*uploaded)(void *context, const struct kn_uri *source, int64_t *out_us, struct kn_error *err);
    void *context;
};

/*
 * *out: a new reference. KN_EINVAL with a sentence that begins with the parameter's path, in the reasons of
 * base/json.h and base/uri.h; "NotSupported" for what is not built. `err` is needed.
 */
kn_code kn_imm_request_read(json_t **out, const struct kn_imm_request *request, struct kn_error *err);
