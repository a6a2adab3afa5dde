#pragma once
/* Media ids: what {"Type":"Media"} names. RegisterMediaInfo and its sisters will write them. */
#include "base/arena.h"
#include "base/error.h"
#include "db/db.h"

/* The address of a media's source file, in the arena. KN_ENOTFOUND, reason ResourceNotFound. */
kn_code kn_media_uri(struct kn_db *db, const char *id, struct kn_arena *arena, const char **out_uri,
                     struct kn_error *err);
/* Give an address an id, or an id another address. */
kn_code kn_media_put(struct kn_tx *tx, const char *id, const char *uri, struct kn_error *err);
