#pragma once
/*
 * Captions: files of any caption format read, worked on and written as SubRip, WebVTT or ASS. The
 * canonical object and the result are drawn in extract_spec.h.
 */
#include <jansson.h>

#include "base/error.h"
#include "base/strings.h"
#include "features/context.h"

/*
 * Fails only when no source could be read; a source that could not has "Code" and "Message" in the
 * result, and the others are delivered.
 */
kn_code kn_extract_run(struct kn_context *context, const json_t *object, json_t **out_result,
                       struct kn_error *err);

/* Whether kinora-worker can do what this program cannot (front/absent.c); it then does all of the job. */
static inline bool kn_extract_is_for_another_program(const struct kn_error *error)
{
    return kn_equal(error->reason, "NeedsMediaLibraries");
}
