/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Listing walks the primary key from a lower bound. At a common prefix the walk starts again behind
 * everything that shares it, so a page costs as many index look-ups as it has entries, however many
 * objects lie under each prefix.
 */
#include "objects/list.h"

#include <string.h>

#include "base/cleanup.h"
#include "objects/local.h"

struct list_call {
    const char *bucket;
    const struct kn_list_query *query;
    const char *prefix, *delimiter;
    struct kn_buf bound; // the next key is at least this
    bool is_over;        // the bound is behind every key
    struct kn_listing *out;
};

void kn_listing_clear(struct kn_listing *listing)
{
    for (size_t i = 0; i < listing->n; i++) {
        free(listing->items[i].key);
        kn_object_info_clear(&listing->items[i].info);
    }
    free(listing->items);
    *listing = (struct kn_listing){0};
}

// The smallest string above everything that starts with these bytes.
static void bound_after_prefix(struct list_call *call, const char *prefix, size_t n)
{
    while (n > 0 && (unsigned char)prefix[n - 1] == 0xff)
        n--;
    call->is_over = n == 0;
    kn_buf_reset(&call->bound);
    kn_buf_add(&call->bound, prefix, n);
    if (n > 0 && kn_buf_ok(&call->bound))
        call->bound.data[n - 1] = (char)(call->bound.data[n - 1] + 1);
}

// The length of the common prefix this key falls under, or 0.
static size_t common_length(const struct list_call *call, const char *key)
{
    size_t n_prefix = strlen(call->prefix);
    if (call->delimiter[0] == '\0' || strlen(key) < n_prefix)
        return 0;
    const char *found = strstr(key + n_prefix, call->delimiter);
    return found ? (size_t)(found - key) + strlen(call->delimiter) : 0;
}

static void bound_start(struct list_call *call)
{
    const char *after = call->query->after ? call->query->after : "";
    call->is_over = false;
    kn_buf_reset(&call->bound);
    if (after[0] == '\0' || strcmp(after, call->prefix) < 0) {
        kn_buf_puts(&call->bound, call->prefix);
        return;
    }
    bool is_under = strncmp(after, call->prefix, strlen(call->prefix)) == 0;
    if (is_under && common_length(call, after) == strlen(after)) {
        bound_after_prefix(call, after, strlen(after));
        return;
    }
    kn_buf_add(&call->bound, after, strlen(after) + 1); // with its NUL: the very next string
}

static struct kn_list_item *item_add(struct kn_listing *out, const char *key, size_t n)
{
    struct kn_list_item *item = &out->items[out->n];
    *item = (struct kn_list_item){.key = strndup(key, n)};
    if (!item->key)
        return NULL;
    out->n++;
    return item;
}

/*
 * Read keys from the bound until the page is full, the prefix ends, or a common prefix was met (then
 * the bound has moved and *out_again is set).
 */
static kn_code list_run(struct kn_tx *tx, struct list_call *call, bool *out_again,
                        struct kn_error *err)
{
    struct kn_listing *out = call->out;
    size_t max = (size_t)call->query->max;
    struct kn_stmt *stmt;
    *out_again = false;
    kn_code rc = kn_tx_query(tx, &stmt, err,
                             "SELECT object_key, " KN_OBJECT_COLUMNS " FROM object "
                             "WHERE bucket = ? AND object_key >= ? ORDER BY object_key LIMIT ?",
                             "sbi", call->bucket, (const void *)kn_buf_text(&call->bound),
                             call->bound.len, (int64_t)(max - out->n + 1));
    bool has_row;
    while (rc == KN_OK && (rc = kn_stmt_step(stmt, &has_row, err)) == KN_OK && has_row) {
        char key[1024];
        size_t n = 0;
        const void *bytes = kn_stmt_blob(stmt, 0, &n);
        if (n >= sizeof(key))
            return kn_fail(err, KN_EBUG, "a key of %zu bytes in the database", n);
        memcpy(key, bytes, n);
        key[n] = '\0';
        if (strncmp(key, call->prefix, strlen(call->prefix)) != 0)
            return KN_OK;
        if (out->n == max) {
            out->is_truncated = true;
            return KN_OK;
        }
        size_t n_common = common_length(call, key);
        struct kn_list_item *item = item_add(out, key, n_common ? n_common : n);
        if (!item)
            return kn_fail(err, KN_ENOMEM, "no memory for a listing");
        if (n_common) {
            item->is_prefix = true;
            bound_after_prefix(call, key, n_common);
            *out_again = !call->is_over;
            return KN_OK;
        }
        struct kn_object_row row;
        kn_object_row_read(&row, stmt, 1);
        json_decref(row.info.meta);
        row.info.meta = NULL;
        item->info = row.info;
    }
    return rc;
}

static kn_code list_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct list_call *call = context;
    kn_listing_clear(call->out); // this may be a second run
    kn_code rc = kn_bucket_exists(tx, call->bucket, err);
    if (rc != KN_OK)
        return rc;
    call->out->items = calloc((size_t)call->query->max, sizeof(*call->out->items));
    if (!call->out->items)
        return kn_fail(err, KN_ENOMEM, "no memory for a listing");
    bound_start(call);
    for (bool again = !call->is_over; again && rc == KN_OK;) {
        if (!kn_buf_ok(&call->bound))
            return kn_fail(err, KN_ENOMEM, "no memory for a listing");
        rc = list_run(tx, call, &again, err);
    }
    return rc;
}

static void list_call_clear(struct list_call *call)
{
    kn_buf_clear(&call->bound);
}

kn_code kn_object_list(struct kn_store *store, const char *bucket,
                       const struct kn_list_query *query, struct kn_listing *out,
                       struct kn_error *err)
{
    *out = (struct kn_listing){0};
    if (query->max < 1)
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "a page has at least one entry");
    kn_auto(list_call_clear) struct list_call call = {
        .bucket = bucket,
        .query = query,
        .prefix = query->prefix ? query->prefix : "",
        .delimiter = query->delimiter ? query->delimiter : "",
        .out = out,
    };
    kn_code rc = kn_db_read(store->db, list_tx, &call, err);
    if (rc != KN_OK)
        kn_listing_clear(out);
    return rc;
}
