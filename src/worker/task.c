/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "worker/task.h"

#include <string.h>

#include "base/json.h"
#include "base/strings.h"
#include "features/convert/convert.h"
#include "features/extract/extract.h"

/* A step's context: its caller's, with progress as a part of the whole. */
struct step_context {
    struct kn_context base;
    struct kn_context *whole; // borrowed
    double begin, share;
};

static kn_code step_open_input(struct kn_context *context, const char *uri, struct kn_source **out,
                               struct kn_error *err)
{
    return kn_context_open_input(((struct step_context *)context)->whole, uri, out, err);
}

static kn_code step_open_output(struct kn_context *context, const char *uri, struct kn_sink **out,
                                struct kn_error *err)
{
    return kn_context_open_output(((struct step_context *)context)->whole, uri, out, err);
}

// The detail of one step is not the task's: nobody reads it.
static void step_progress(struct kn_context *context, double fraction, const json_t *detail)
{
    const struct step_context *step = (struct step_context *)context;
    (void)detail;
    kn_context_progress(step->whole, step->begin + fraction * step->share, NULL);
}

static bool step_is_cancelled(struct kn_context *context)
{
    return kn_context_is_cancelled(((struct step_context *)context)->whole);
}

static const struct kn_context_ops STEP_OPS = {step_open_input, step_open_output, step_progress, step_is_cancelled};

static kn_feature_run run_of(const char *kind)
{
    if (strcmp(kind, "extract") == 0)
        return kn_extract_run;
    return strcmp(kind, "convert") == 0 ? kn_convert_run : NULL;
}

// Tried again, the job may fare better; or nobody wants it any more.
static bool ends_all(kn_code rc)
{
    return rc == KN_ELIMIT || rc == KN_EIO || rc == KN_ENOMEM || rc == KN_ECANCELED;
}

static kn_code step_run(struct kn_context *context, const json_t *step, json_t *row, struct kn_error *err)
{
    const char *kind = kn_json_get(step, "Kind", "");
    kn_feature_run run = run_of(kind);
    json_auto_t *result = NULL;
    if (!run)
        return kn_fail(err, KN_EBUG, "there is no step of the kind '%s'", kind);
    kn_code rc = run(context, json_object_get(step, "Spec"), &result, err);
    if (result)
        (void)json_object_set(row, "Result", result);
    return rc;
}

static kn_code fail_with(struct kn_error *err, const struct kn_error *own)
{
    if (err)
        *err = *own;
    return own->code;
}

static void row_fail(json_t *row, const struct kn_error *error)
{
    (void)json_object_set_new(row, "Code", json_string(kn_code_name(error->code)));
    (void)json_object_set_new(row, "Reason", json_string(error->reason));
    (void)json_object_set_new(row, "Message", json_string(error->message));
}

kn_code kn_task_run(struct kn_context *context, const json_t *object, json_t **out_result, struct kn_error *err)
{
    const json_t *steps = json_object_get(object, "Steps");
    const size_t n = json_array_size(steps);
    json_t *rows = json_array(), *usage = json_array();
    *out_result = json_pack("{s:o, s:o}", "Steps", rows, "Usage", usage);
    if (!*out_result || n == 0)
        return kn_fail(err, n ? KN_ENOMEM : KN_EINVAL, n ? "no memory for a task" : "the task has no steps");
    struct kn_error extract_error = {0}, other_error = {0};
    bool has_delivered = false;
    for (size_t i = 0; i < n; i++) {
        const json_t *step = json_array_get(steps, i);
        struct kn_error own = {0};
        struct step_context part = {.base = *context, .whole = context,
                                    .begin = (double)i / (double)n, .share = 1 / (double)n};
        part.base.ops = &STEP_OPS;
        json_t *row = json_pack("{s:s, s:O*}", "Kind", kn_json_get(step, "Kind", ""), "Targets",
                                json_object_get(step, "Targets"));
        if (!row || json_array_append_new(rows, row) < 0)
            return kn_fail(err, KN_ENOMEM, "no memory for a task");
        const kn_code rc = step_run(&part.base, step, row, &own);
        if (ends_all(rc))
            return fail_with(err, &own);
        has_delivered = has_delivered || rc == KN_OK;
        struct kn_error *first = kn_equal(kn_json_get(step, "Kind", ""), "extract") ? &extract_error : &other_error;
        if (rc != KN_OK) {
            row_fail(row, &own);
            if (first->code == KN_OK)
                *first = own;
        } else {
            (void)json_array_extend(usage, json_object_get(json_object_get(row, "Result"), "Usage"));
        }
    }
    if (has_delivered && other_error.code == KN_OK)
        return KN_OK;
    return fail_with(err, other_error.code != KN_OK ? &other_error : &extract_error);
}
