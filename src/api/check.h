#pragma once
/*
 * Parameter checks: what an operation declares in spec/, held against what a client sent.
 *
 * Parameters arrive as one JSON object: text for what came in a query or a form, any JSON value for
 * what came in a JSON body. Out comes an object of the declared types.
 */
#include <jansson.h>

#include "api/operation.h"
#include "base/error.h"

/*
 *   out_args  a new reference: strings as strings, integers and times (microseconds) as integers,
 *             numbers as reals, booleans, and objects and arrays parsed. Absent and empty optional
 *             parameters are left out; unknown ones are ignored.
 *
 * KN_EINVAL with the reasons MissingParameter, InvalidParameter, OutOfRange, NumberFormatInvalid,
 * JsonFormatInvalid, JsonObjectFormatInvalid, JsonArrayFormatInvalid; the parameter's name is quoted.
 */
kn_code kn_check_parameters(json_t **out_args, const struct kn_operation *operation,
                            const json_t *params, struct kn_error *err);

/*
 * The value that the parameters `name`.… spell in flattened form (`Tag.1.Key=k`): an array where all
 * names of a level are numbers, else an object. NULL when there are none, or without memory.
 */
json_t *kn_unflatten(const json_t *params, const char *name);
