/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first key pair. */
#include "server/credentials.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/envfile.h"
#include "base/strings.h"
#include "base/time.h"

static bool has_administrator(const struct kn_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (keys[i].is_active && keys[i].role == KN_ROLE_ADMIN)
            return true;
    return false;
}

kn_code kn_credentials_ensure(struct kn_access *access, const char *data_folder,
                              struct kn_error *err)
{
    kn_auto(kn_free) struct kn_key *keys = NULL;
    size_t n_keys = 0;
    kn_code rc = kn_access_list(access, &keys, &n_keys, err);
    if (rc != KN_OK || has_administrator(keys, n_keys))
        return rc;

    struct kn_key key = {.role = KN_ROLE_ADMIN, .is_active = true, .expires_us = KN_NO_TIME};
    const char *id = getenv("KINORA_ACCESS_KEY_ID");
    const char *secret = getenv("KINORA_ACCESS_KEY_SECRET");
    bool is_given = id && id[0] && secret && secret[0];
    if (is_given && (!kn_copy(key.id, sizeof(key.id), id) ||
                     !kn_copy(key.secret, sizeof(key.secret), secret)))
        return kn_fail(err, KN_EINVAL,
                       "KINORA_ACCESS_KEY_ID and KINORA_ACCESS_KEY_SECRET hold at most %zu bytes",
                       sizeof(key.id) - 1);
    (void)kn_copy(key.name, sizeof(key.name), "first key");
    rc = kn_access_create(access, &key, err);
    if (rc != KN_OK)
        return rc;

    kn_auto(kn_free) char *path = NULL;
    if (asprintf(&path, "%s/credentials", data_folder) < 0) {
        path = NULL;
        return kn_fail(err, KN_ENOMEM, "no memory for a path");
    }
    const struct kn_env_line lines[] = {{"KINORA_ACCESS_KEY_ID", key.id},
                                        {"KINORA_ACCESS_KEY_SECRET", key.secret}};
    rc = kn_envfile_write(path, lines, KN_COUNT(lines), 0600, err);
    if (rc == KN_OK && !is_given)
        (void)fprintf(stderr,
                      "kinora: the first access key, also kept in %s:\n"
                      "  KINORA_ACCESS_KEY_ID=%s\n  KINORA_ACCESS_KEY_SECRET=%s\n",
                      path, key.id, key.secret);
    return rc;
}
