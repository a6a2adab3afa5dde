/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CreateMediaConvertTask's JSON: what is accepted must load as the features will read it. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/imm/task_request.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "features/convert/convert_spec.h"
#include "features/extract/extract_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static kn_code covers(void *context, const char *uri, struct kn_error *err)
{
    (void)context;
    (void)uri;
    (void)err;
    return KN_OK;
}

static kn_code uploaded(void *context, const struct kn_uri *source, int64_t *out_us, struct kn_error *err)
{
    (void)context;
    (void)source;
    (void)err;
    *out_us = 0;
    return KN_OK;
}

static void step_load(const json_t *step)
{
    const json_t *object = json_object_get(step, "Spec");
    kn_code rc;
    if (strcmp(kn_json_get(step, "Kind", ""), "extract") == 0) {
        kn_auto(kn_extract_spec_clear) struct kn_extract_spec spec = {0};
        rc = kn_extract_spec_load(&spec, object, NULL);
    } else {
        kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
        rc = kn_convert_spec_load(&spec, object, NULL);
    }
    assert(rc == KN_OK || rc == KN_ENOMEM);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const hosts[] = {"oss.example.com", NULL};
    json_auto_t *request = NULL, *spec = NULL;
    struct kn_error err = {0};
    if (kn_json_parse(&request, (const char *)bytes, n, "the request", NULL) != KN_OK)
        return 0;
    const json_t *tags = json_object_get(request, "Tags");
    const struct kn_imm_request read = {.sources = json_object_get(request, "Sources"),
                                        .targets = json_object_get(request, "Targets"),
                                        .target_groups = json_object_get(request, "TargetGroups"),
                                        .tags = json_is_object(tags) ? tags : NULL,
                                        .oss_hosts = hosts,
                                        .covers = covers,
                                        .uploaded = uploaded};
    if (kn_imm_request_read(&spec, &read, &err) != KN_OK)
        return 0;
    size_t i;
    const json_t *step;
    json_array_foreach(json_object_get(spec, "Steps"), i, step)
        step_load(step);
    return 0;
}
