#pragma once
/*
 * Reading JSON the wire's way, over jansson: values arrive as numbers or as their text, names may be
 * absent, and every complaint names the path of the field ("Config.Outputs[0].Video.Bitrate").
 *
 * Readers return KN_OK and leave *out untouched when the field is absent, null or "" — set the
 * default first. A present field of the wrong kind is KN_EINVAL with reason "InvalidParameter".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"

/* Parse text; `what` names it in messages. Duplicate names are refused. Reason
 * "JsonFormatInvalid". *out is a new reference. */
kn_code kn_json_parse(json_t **out, const char *text, size_t n, const char *what,
                      struct kn_error *err);
/* Compact text in member order, malloc'd; NULL without memory. */
char *kn_json_text(const json_t *value);

kn_code kn_json_int(const json_t *object, const char *name, const char *path, int64_t min,
                    int64_t max, int64_t *out, struct kn_error *err); // reason "OutOfRange"
kn_code kn_json_double(const json_t *object, const char *name, const char *path, double min,
                       double max, double *out, struct kn_error *err);
kn_code kn_json_bool(const json_t *object, const char *name, const char *path, bool *out,
                     struct kn_error *err);
/* Text; numbers and booleans are turned into text. Copied into the arena. */
kn_code kn_json_string(const json_t *object, const char *name, const char *path,
                       struct kn_arena *arena, const char **out, struct kn_error *err);
/*
 * An object or array member, given as such or as a string that holds JSON. *out is a new reference,
 * or untouched when absent.
 */
kn_code kn_json_object(const json_t *object, const char *name, const char *path, json_t **out,
                       struct kn_error *err);
kn_code kn_json_array(const json_t *object, const char *name, const char *path, json_t **out,
                      struct kn_error *err);

/* A borrowed string member, or `otherwise` when absent or not a string. */
const char *kn_json_get(const json_t *object, const char *name, const char *otherwise);
/* Members of `over` replace those of `base` (objects merge, all else replaces); in place. 0 or -1. */
int kn_json_merge(json_t *base, const json_t *over);
