/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table `media`. */
#include "api/ice/media.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"

#define COLUMNS                                                                                    \
    "id, uri, media_type, business_type, title, description, tags, cover_url, user_data,"         \
    " created_us, modified_us"

static kn_code media_fill(struct kn_media *media, struct kn_stmt *row, struct kn_arena *arena,
                          struct kn_error *err)
{
    const char **texts[] = {&media->uri,         &media->media_type, &media->business_type,
                            &media->title,       &media->description, &media->tags,
                            &media->cover_url,   &media->user_data};
    *media = (struct kn_media){.created_us = kn_stmt_int(row, 9), .modified_us = kn_stmt_int(row, 10)};
    (void)kn_copy(media->id, sizeof(media->id), kn_stmt_text(row, 0));
    for (size_t i = 0; i < KN_COUNT(texts); i++) {
        *texts[i] = kn_arena_strdup(arena, kn_stmt_text(row, 1 + (int)i));
        if (!*texts[i])
            return kn_fail(err, KN_ENOMEM, "no memory for a media asset");
    }
    return KN_OK;
}

/* ---- one ---- */

struct look_up {
    const char *id, *uri;
    struct kn_arena *arena;
    struct kn_media *out;
};

static kn_code find_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct look_up *look_up = context;
    struct kn_stmt *row;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err,
                             look_up->id ? "SELECT " COLUMNS " FROM media WHERE id = ?"
                                         : "SELECT " COLUMNS " FROM media WHERE uri = ?",
                             "s", look_up->id ? look_up->id : look_up->uri);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK && !has_row)
        return kn_fail_as(err, KN_ENOTFOUND, "ResourceNotFound", "there is no media asset '%s'",
                          look_up->id ? look_up->id : look_up->uri);
    return rc == KN_OK ? media_fill(look_up->out, row, look_up->arena, err) : rc;
}

kn_code kn_media_find(struct kn_db *db, const char *id, const char *uri, struct kn_arena *arena,
                      struct kn_media *out, struct kn_error *err)
{
    struct look_up look_up = {.id = id, .uri = uri ? uri : "", .arena = arena, .out = out};
    return kn_db_read(db, find_tx, &look_up, err);
}

kn_code kn_media_uri(struct kn_db *db, const char *id, struct kn_arena *arena, const char **out_uri,
                     struct kn_error *err)
{
    struct kn_media media;
    kn_code rc = kn_media_find(db, id, NULL, arena, &media, err);
    *out_uri = rc == KN_OK ? media.uri : NULL;
    return rc;
}

/* ---- changing ---- */

kn_code kn_media_register(struct kn_tx *tx, struct kn_media *in_out, bool overwrites,
                          bool *out_is_new, struct kn_error *err)
{
    *out_is_new = false;
    struct kn_stmt *row;
    bool has_row = false;
    // Two registrations of one address meet here, not at the unique index.
    kn_code rc = kn_tx_lock(tx, "media", err);
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &row, err, "SELECT id FROM media WHERE uri = ?", "s", in_out->uri);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK && has_row && !overwrites)
        (void)kn_copy(in_out->id, sizeof(in_out->id), kn_stmt_text(row, 0));
    if (rc != KN_OK || (has_row && !overwrites))
        return rc;
    if (has_row)
        rc = kn_tx_run(tx, NULL, err, "DELETE FROM media WHERE uri = ?", "s", in_out->uri);
    kn_id_hex(in_out->id);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err,
                       "INSERT INTO media (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                       "sssssssssii", in_out->id, in_out->uri, in_out->media_type,
                       in_out->business_type, in_out->title, in_out->description, in_out->tags,
                       in_out->cover_url, in_out->user_data, in_out->created_us,
                       in_out->modified_us);
    *out_is_new = rc == KN_OK;
    return rc;
}

kn_code kn_media_update(struct kn_tx *tx, const struct kn_media *media, struct kn_error *err)
{
    int64_t n_changed = 0;
    kn_code rc = kn_tx_run(tx, &n_changed, err,
                           "UPDATE media SET business_type = ?, title = ?, description = ?,"
                           " tags = ?, cover_url = ?, user_data = ?, modified_us = ? WHERE id = ?",
                           "ssssssis", media->business_type, media->title, media->description,
                           media->tags, media->cover_url, media->user_data, media->modified_us,
                           media->id);
    if (rc == KN_OK && n_changed == 0)
        return kn_fail_as(err, KN_ENOTFOUND, "ResourceNotFound", "there is no media asset '%s'",
                          media->id);
    return rc;
}

kn_code kn_media_delete(struct kn_tx *tx, const char *id, struct kn_error *err)
{
    return kn_tx_run(tx, NULL, err, "DELETE FROM media WHERE id = ?", "s", id);
}

/* ---- listing: the page after (time, id), in either direction ---- */

struct listing {
    const struct kn_media_filter *filter;
    struct kn_arena *arena;
    int64_t place_us;
    char place_id[KN_ID_SIZE];
    struct kn_media *list;
    size_t n;
    bool has_more;
    int64_t total;
};

static kn_code token_read(struct listing *listing, const char *token, struct kn_error *err)
{
    char number[24] = "";
    const char *dash = strchr(token, '-');
    if (dash && (size_t)(dash - token) < sizeof(number))
        (void)snprintf(number, sizeof(number), "%.*s", (int)(dash - token), token);
    if (!dash || !kn_parse_int(number, 0, INT64_MAX, &listing->place_us) ||
        !kn_copy(listing->place_id, sizeof(listing->place_id), dash + 1))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "'NextToken' is none of this list");
    return KN_OK;
}

// An absent condition is an empty text, or a range of all times: one condition for both statements.
#define WANTED                                                                                     \
    " (? = '' OR media_type = ?) AND (? = '' OR business_type = ?) AND created_us > ?"             \
    " AND created_us <= ? AND substr(uri, 1, length(CAST(? AS TEXT))) = CAST(? AS TEXT)"

static kn_code list_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct listing *listing = context;
    const struct kn_media_filter *filter = listing->filter;
    const char *type = filter->media_type ? filter->media_type : "";
    const char *business = filter->business_type ? filter->business_type : "";
    const char *prefix = filter->uri_prefix ? filter->uri_prefix : "";
    int64_t after = filter->created_after_us == KN_NO_TIME ? -1 : filter->created_after_us;
    int64_t until = filter->created_until_us == KN_NO_TIME ? INT64_MAX : filter->created_until_us;
    struct kn_stmt *row;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err, "SELECT COUNT(*) FROM media WHERE" WANTED, "ssssiiss",
                             type, type, business, business, after, until, prefix, prefix);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK)
        return rc;
    listing->total = kn_stmt_int(row, 0);
    listing->n = 0;
    listing->has_more = false;
    rc = kn_tx_query(tx, &row, err,
                     filter->oldest_first
                         ? "SELECT " COLUMNS " FROM media WHERE" WANTED
                           " AND (created_us > ? OR (created_us = ? AND id > ?))"
                           " ORDER BY created_us, id LIMIT ?"
                         : "SELECT " COLUMNS " FROM media WHERE" WANTED
                           " AND (created_us < ? OR (created_us = ? AND id < ?))"
                           " ORDER BY created_us DESC, id DESC LIMIT ?",
                     "ssssiissiisi", type, type, business, business, after, until, prefix, prefix,
                     listing->place_us, listing->place_us, listing->place_id, (int64_t)filter->limit + 1);
    while (rc == KN_OK) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        listing->has_more = listing->n == (size_t)filter->limit;
        if (listing->has_more)
            break;
        rc = media_fill(&listing->list[listing->n++], row, listing->arena, err);
    }
    return rc;
}

kn_code kn_media_list(struct kn_db *db, const struct kn_media_filter *filter, struct kn_arena *arena,
                      struct kn_media **out, size_t *out_n, char next_token[64],
                      int64_t *out_total, struct kn_error *err)
{
    struct listing listing = {.filter = filter,
                              .arena = arena,
                              .place_us = filter->oldest_first ? -1 : INT64_MAX};
    kn_code rc = KN_OK;
    next_token[0] = '\0';
    if (filter->page_token && filter->page_token[0])
        rc = token_read(&listing, filter->page_token, err);
    if (rc != KN_OK)
        return rc;
    listing.list = kn_arena_array(arena, (size_t)filter->limit, sizeof(*listing.list));
    if (!listing.list)
        return kn_fail(err, KN_ENOMEM, "no memory for a list of media assets");
    rc = kn_db_read(db, list_tx, &listing, err);
    if (rc != KN_OK)
        return rc;
    if (listing.has_more) {
        const struct kn_media *last = &listing.list[listing.n - 1];
        (void)snprintf(next_token, 64, "%lld-%s", (long long)last->created_us, last->id);
    }
    *out = listing.list;
    *out_n = listing.n;
    *out_total = listing.total;
    return KN_OK;
}
