#pragma once
/*
 * The first key pair. KINORA_ACCESS_KEY_ID and KINORA_ACCESS_KEY_SECRET, when set at first start,
 * become it; otherwise one is made, printed once to stderr and kept in DATA/credentials (mode 0600).
 */
#include "access/access.h"
#include "base/error.h"

/* Make sure there is at least one active administrator's key. */
kn_code kn_credentials_ensure(struct kn_access *access, const char *data_folder,
                              struct kn_error *err);
