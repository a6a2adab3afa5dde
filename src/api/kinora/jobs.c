/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the vendor has no operation for: a failed conversion once more. */
#include <string.h>

#include "api/call.h"
#include "api/operations.h"

kn_code kn_kinora_retry_media_convert_job(struct kn_call *call, struct kn_error *err)
{
    const char *id = kn_arg_text(call, "JobId");
    struct kn_job job = {0};
    kn_code rc = kn_jobs_get(call->api->config.jobs, id, &call->arena, &job, err);
    if (rc == KN_OK && (strcmp(job.kind, "convert") != 0 || !kn_call_sees(call, job.spec)))
        return kn_fail_as(err, KN_ENOTFOUND, "ResourceNotFound", "'%s' is no conversion job", id);
    if (rc == KN_OK)
        rc = kn_jobs_retry(call->api->config.jobs, id, err);
    if (rc == KN_ECONFLICT)
        return kn_fail_as(err, KN_EINVAL, "InvalidState", "'%s' has not failed and was not cancelled",
                          id);
    if (rc == KN_OK)
        kn_answer_success(call);
    return rc;
}
