#pragma once
/*
 * Media assets: files in buckets that have an id, as {"Type":"Media"} names them. One row each; the
 * file itself stays where it is. Thread-safe: all state is in the database.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "db/db.h"

struct kn_media { // texts in the caller's arena when read, borrowed when written
    char id[KN_ID_SIZE];
    const char *uri;           // oss://bucket/key: the source file
    const char *media_type;    // image, video, audio, text
    const char *business_type; // subtitles, watermark, opening, ending, general
    const char *title, *description, *tags, *cover_url, *user_data; // "" when not given
    int64_t created_us, modified_us;
};

/* By id when that is not NULL, else by address. KN_ENOTFOUND, reason ResourceNotFound. */
kn_code kn_media_find(struct kn_db *db, const char *id, const char *uri, struct kn_arena *arena,
                      struct kn_media *out, struct kn_error *err);
/* The address of a media's source file, in the arena. Errors as above. */
kn_code kn_media_uri(struct kn_db *db, const char *id, struct kn_arena *arena, const char **out_uri,
                     struct kn_error *err);

/*
 * Within a transaction: give the address a row. One that has a row keeps it, its id is answered and
 * *out_is_new is false, unless `overwrites`: then the old id ends.
 */
kn_code kn_media_register(struct kn_tx *tx, struct kn_media *in_out, bool overwrites,
                          bool *out_is_new, struct kn_error *err);
/* Write what can be changed: all but id, uri, media_type and created_us. KN_ENOTFOUND. */
kn_code kn_media_update(struct kn_tx *tx, const struct kn_media *media, struct kn_error *err);
/* Forget the id; the file stays. */
kn_code kn_media_delete(struct kn_tx *tx, const char *id, struct kn_error *err);

struct kn_media_filter {
    const char *media_type, *business_type; // NULL: any
    int64_t created_after_us, created_until_us; // KN_NO_TIME: open
    const char *uri_prefix; // addresses that begin so; NULL: any
    bool oldest_first;
    int limit;
    const char *page_token; // NULL or "": the first page
};
/* next_token "" at the end; *out_total counts all pages. KN_EINVAL for a token that is none. */
kn_code kn_media_list(struct kn_db *db, const struct kn_media_filter *filter, struct kn_arena *arena,
                      struct kn_media **out, size_t *out_n, char next_token[64],
                      int64_t *out_total, struct kn_error *err);
