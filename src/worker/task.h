#pragma once
/*
 * A task: several features run one after another as one job, for dialects whose requests ask for more
 * than one thing of a film.
 *
 *   { "Steps": [ {"Kind": "extract"|"convert", "Targets": [0, 2], "Spec": {…}} ] }
 *
 * The result: { "Steps": [ {"Kind", "Targets", "Result", "Code", "Reason", "Message"} ],
 *               "Usage": [ … of all steps ] }
 * with Code, Reason and Message for steps that failed. Targets is the caller's, and returned: which parts of
 * the request a step serves; of a conversion, its outputs in their order.
 */
#include <jansson.h>

#include "base/error.h"
#include "features/context.h"

/*
 * Succeeds when one step of extraction has delivered something and no other kind of step has failed: what
 * is asked of captions may be there in part, a film may not. What could succeed at another attempt ends the
 * run at once.
 */
kn_code kn_task_run(struct kn_context *context, const json_t *object, json_t **out_result, struct kn_error *err);
