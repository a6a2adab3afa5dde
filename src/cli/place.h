#pragma once
/*
 * A service's own place: its folder, database and object folder, for commands that work on them
 * directly (keys, backup, restore). Settings are found as `kinora serve` finds them.
 */
#include <stdbool.h>

#include "base/error.h"
#include "cli/options.h"
#include "server/config.h"

struct kn_place_flags {
    const char *data, *database, *storage, *config; // NULL: not given
};
#define KN_PLACE_OPTIONS(flags)                                                                    \
    {"database", &(flags).database, NULL}, {"storage", &(flags).storage, NULL},                    \
        {"config", &(flags).config, NULL}

#define KN_PLACE_HELP                                                                              \
    "  --data DIR            the data folder (KINORA_DATA, ./kinora-data)\n"                       \
    "  --database URL        its database, when it lies elsewhere (KINORA_DATABASE)\n"             \
    "  --storage URL         its objects, likewise (KINORA_STORAGE)\n"                             \
    "  --config FILE         settings in YAML; ./kinora.yaml when it is there\n"

/* Clear with kn_config_clear(). */
kn_code kn_place_load(struct kn_config *config, const struct kn_place_flags *flags,
                      struct kn_error *err);
/* The folder of local objects, borrowed from the configuration; NULL when they lie in another store. */
const char *kn_place_objects(const struct kn_config *config);
