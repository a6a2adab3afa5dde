#pragma once
/*
 * Files of NAME=value lines, which shells can source too: DATA/credentials, DATA/endpoints.
 * Values hold no quotes and no line breaks.
 */
#include <stddef.h>

#include "base/error.h"

struct kn_env_line {
    const char *name;
    const char *value;
};

/* All or nothing, with this mode. */
kn_code kn_envfile_write(const char *path, const struct kn_env_line *lines, size_t n, int mode,
                         struct kn_error *err);
/* The value of `name`, "" when the file has none. KN_ENOTFOUND without the file. */
kn_code kn_envfile_get(const char *path, const char *name, char *out, size_t size,
                       struct kn_error *err);
