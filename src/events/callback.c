/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The account-wide callback. */
#include "events/callback.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/strings.h"
#include "base/time.h"
#include "events/outbox.h"

/* ---- reading ---- */

kn_code kn_callback_get_tx(struct kn_tx *tx, struct kn_callback *out, struct kn_error *err)
{
    *out = (struct kn_callback){0};
    struct kn_stmt *row;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT type, url, queue_name, event_types, is_signed, auth_key"
                             " FROM event_callback WHERE id = ?",
                             "s", "account");
    if (rc != KN_OK)
        return rc;
    bool has_row = false;
    rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK || !has_row)
        return rc;
    (void)kn_copy(out->type, sizeof(out->type), kn_stmt_text(row, 0));
    (void)kn_copy(out->url, sizeof(out->url), kn_stmt_text(row, 1));
    (void)kn_copy(out->queue_name, sizeof(out->queue_name), kn_stmt_text(row, 2));
    (void)kn_copy(out->event_types, sizeof(out->event_types), kn_stmt_text(row, 3));
    out->is_signed = kn_stmt_int(row, 4) != 0;
    (void)kn_copy(out->auth_key, sizeof(out->auth_key), kn_stmt_text(row, 5));
    return KN_OK;
}

static kn_code read_callback(struct kn_tx *tx, void *context, struct kn_error *err)
{
    return kn_callback_get_tx(tx, context, err);
}

kn_code kn_callback_get(struct kn_db *db, struct kn_callback *out, struct kn_error *err)
{
    return kn_db_read(db, read_callback, out, err);
}

/* ---- writing ---- */

static kn_code invalid(struct kn_error *err, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s", what);
}

static kn_code check_callback(const struct kn_callback *callback, struct kn_error *err)
{
    bool is_http = kn_equal(callback->type, "HTTP");
    if (callback->type[0] && !is_http && !kn_equal(callback->type, "MNS"))
        return invalid(err, "CallbackType: neither HTTP nor MNS");
    if (is_http) {
        const char *host = kn_starts_with(callback->url, "http://")    ? callback->url + 7
                           : kn_starts_with(callback->url, "https://") ? callback->url + 8
                                                                       : NULL;
        if (!host || !host[0] || host[0] == '/' || strpbrk(callback->url, " \t\r\n"))
            return invalid(err, "CallbackURL: not an http or https URL");
        if (callback->is_signed && !callback->auth_key[0])
            return invalid(err, "AuthKey: needed when AuthSwitch is on");
    } else if (callback->type[0] && !kn_starts_with(callback->queue_name, "ice-callback")) {
        return invalid(err, "CallbackQueueName: must begin with 'ice-callback'");
    }
    for (const char *c = callback->auth_key; *c; c++)
        if (!isalnum((unsigned char)*c))
            return invalid(err, "AuthKey: letters and digits only");
    return KN_OK;
}

static kn_code write_callback(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct kn_callback *callback = context;
    kn_code rc = kn_tx_run(tx, NULL, err, "DELETE FROM event_callback WHERE id = ?", "s", "account");
    if (rc == KN_OK && callback->type[0])
        rc = kn_tx_run(tx, NULL, err,
                       "INSERT INTO event_callback (id, type, url, queue_name, event_types,"
                       " is_signed, auth_key, modified_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                       "sssssisi", "account", callback->type, callback->url, callback->queue_name,
                       callback->event_types, (int64_t)callback->is_signed, callback->auth_key,
                       kn_now_us());
    return rc == KN_OK ? kn_outbox_retarget(tx, callback, err) : rc;
}

kn_code kn_callback_set(struct kn_db *db, const struct kn_callback *callback,
                        struct kn_error *err)
{
    kn_code rc = check_callback(callback, err);
    if (rc != KN_OK)
        return rc;
    return kn_db_write(db, write_callback, (void *)(uintptr_t)callback, err);
}

/* ---- asking ---- */

bool kn_callback_wants(const struct kn_callback *callback, const char *event_name)
{
    if (!callback->type[0])
        return false;
    // "ALL" was said by programs that wait for jobs: they are not told of every upload.
    bool is_of_object = strchr(event_name, ':') != NULL;
    size_t n_name = strlen(event_name);
    for (const char *at = callback->event_types; *at;) {
        at += strspn(at, ", ");
        size_t n = strcspn(at, ", ");
        if ((n == n_name && memcmp(at, event_name, n) == 0) ||
            (!is_of_object && n == 3 && memcmp(at, "ALL", 3) == 0) ||
            (is_of_object && n > 1 && at[n - 1] == '*' && strncmp(at, event_name, n - 1) == 0))
            return true;
        at += n;
    }
    return false;
}

void kn_callback_receiver(char out[300], const char *target_kind, const char *target)
{
    const char *host = strstr(target, "://");
    if (!kn_equal(target_kind, "http") || !host) {
        (void)snprintf(out, 300, "%s:%s", target_kind, target);
        return;
    }
    size_t n_scheme = (size_t)(host - target) + 3;
    size_t n_authority = strcspn(target + n_scheme, "/?#");
    (void)snprintf(out, 300, "%.*s", (int)(n_scheme + n_authority), target);
    kn_lower(out);
}
