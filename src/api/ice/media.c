/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table `media`. */
#include "api/ice/media.h"

#include "base/time.h"

struct look_up {
    const char *id;
    struct kn_arena *arena;
    const char *uri;
};

static kn_code uri_read(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct look_up *look_up = context;
    struct kn_stmt *stmt;
    bool has_row = false;
    kn_code rc =
        kn_tx_query(tx, &stmt, err, "SELECT uri FROM media WHERE id = ?", "s", look_up->id);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (!has_row)
        return kn_fail_as(err, KN_ENOTFOUND, "ResourceNotFound", "no media has the id '%s'",
                          look_up->id);
    look_up->uri = kn_arena_strdup(look_up->arena, kn_stmt_text(stmt, 0));
    return look_up->uri ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for an address");
}

kn_code kn_media_uri(struct kn_db *db, const char *id, struct kn_arena *arena, const char **out_uri,
                     struct kn_error *err)
{
    struct look_up look_up = {.id = id, .arena = arena};
    kn_code rc = kn_db_read(db, uri_read, &look_up, err);
    *out_uri = look_up.uri;
    return rc;
}

kn_code kn_media_put(struct kn_tx *tx, const char *id, const char *uri, struct kn_error *err)
{
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO media (id, uri, created_us) VALUES (?, ?, ?) "
                     "ON CONFLICT (id) DO UPDATE SET uri = excluded.uri",
                     "ssi", id, uri, kn_now_us());
}
