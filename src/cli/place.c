/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A service's own place. */
#include "cli/place.h"

#include <string.h>

#include "base/strings.h"

kn_code kn_place_load(struct kn_config *config, const struct kn_place_flags *flags,
                      struct kn_error *err)
{
    const char *argv[9] = {"kinora"};
    int argc = 1;
    const char *const given[][2] = {{"--data", flags->data},
                                    {"--database", flags->database},
                                    {"--storage", flags->storage},
                                    {"--config", flags->config}};
    for (size_t i = 0; i < 4; i++)
        if (given[i][1]) {
            argv[argc++] = given[i][0];
            argv[argc++] = given[i][1];
        }
    bool help;
    return kn_config_load(config, argc, argv, &help, err);
}

const char *kn_place_objects(const struct kn_config *config)
{
    if (!kn_starts_with(config->storage, "file:"))
        return NULL;
    const char *folder = config->storage + strlen("file:");
    return kn_starts_with(folder, "///") ? folder + 2 : folder;
}
