#pragma once
/*
 * Keys for targets that take signed requests, in place of ours (wrap kn_access_find and
 * kn_equal_secret): "testid…" exists, "testid-reader" may only read, "testid-folder" sees private/mine;
 * while `is_trusted`, every signature fits. Included by one file of a program.
 */
#include <stdbool.h>
#include <string.h>

#include "access/access.h"
#include "base/strings.h"
#include "base/time.h"

static bool is_trusted;

bool __real_kn_equal_secret(const char *a, const char *b);
bool __wrap_kn_equal_secret(const char *a, const char *b);
bool __wrap_kn_equal_secret(const char *a, const char *b)
{
    return is_trusted || __real_kn_equal_secret(a, b);
}

kn_code __wrap_kn_access_find(struct kn_access *access, const char *id, struct kn_key *out_key,
                              struct kn_error *err);
kn_code __wrap_kn_access_find(struct kn_access *access, const char *id, struct kn_key *out_key,
                              struct kn_error *err)
{
    (void)access;
    *out_key = (struct kn_key){.role = KN_ROLE_ADMIN, .is_active = true, .expires_us = KN_NO_TIME};
    if (!kn_starts_with(id, "testid"))
        return kn_fail(err, KN_ENOTFOUND, "there is no key");
    kn_copy(out_key->id, sizeof(out_key->id), id);
    kn_copy(out_key->secret, sizeof(out_key->secret), "a secret that no input knows");
    if (strcmp(id, "testid-reader") == 0)
        out_key->role = KN_ROLE_READ;
    if (strcmp(id, "testid-folder") == 0)
        kn_copy(out_key->bucket_prefix, sizeof(out_key->bucket_prefix), "private/mine");
    return KN_OK;
}
