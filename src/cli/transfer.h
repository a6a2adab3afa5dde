#pragma once
/*
 * Objects to and from files, whole or not at all: a file appears under its name, and an object in its
 * bucket, only when every byte is there and the CRC-64 of both sides agrees.
 *
 * A transfer that is stopped (SIGINT, SIGTERM) or fails leaves nothing behind. With `resumes` it leaves
 * what has arrived (PATH.part; an unfinished upload), and goes on with what an earlier one left.
 * KN_ECANCELED, reason "Stopped": by a signal.
 */
#include <stdbool.h>

#include "base/error.h"
#include "cli/remote.h"

/* Put a file; larger than one part, as a multipart upload. */
kn_code kn_transfer_upload(struct kn_remote *remote, const char *path, const char *bucket,
                           const char *key, bool resumes, struct kn_error *err);
/* Get an object into a file. */
kn_code kn_transfer_download(struct kn_remote *remote, const char *bucket, const char *key,
                             const char *path, bool resumes, struct kn_error *err);
/* Copy inside the store. */
kn_code kn_transfer_copy(struct kn_remote *remote, const char *from_bucket, const char *from_key,
                         const char *bucket, const char *key, struct kn_error *err);
