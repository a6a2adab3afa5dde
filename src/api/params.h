#pragma once
/* Decoding what a request carries into one map of parameters (spec 01, section 2). */
#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

/*
 * Add the `name=value&…` of a query or a form to `params` as strings; a name that is there already is
 * replaced. KN_EINVAL, reason BadRequest: broken %XX, or text that is not UTF-8.
 */
kn_code kn_params_add(json_t *params, const char *text, size_t n, struct kn_error *err);

/*
 * "a=1&b=2", percent-encoded, sorted by the bytes of the decoded names, as both signatures want it.
 *
 *   except     a name to leave out; NULL: none
 *   raw_names  do not encode names: what Node clients sign (spec 01, 5.2)
 */
void kn_params_canonical(struct kn_buf *out, const json_t *params, const char *except,
                         bool raw_names);
