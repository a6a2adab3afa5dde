/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Settings: a table of names and values. */
#include "db/settings.h"

#include <stdlib.h>
#include <string.h>

struct setting_call {
    const char *name;
    const char *value;
    char **out_value;
};

kn_code kn_settings_get_tx(struct kn_tx *tx, const char *name, char **out_value,
                           struct kn_error *err)
{
    struct kn_stmt *stmt = NULL;
    bool has_row = false;
    *out_value = NULL;
    kn_code rc = kn_tx_query(tx, &stmt, err, "SELECT value FROM setting WHERE name = ?", "s", name);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc != KN_OK || !has_row)
        return rc;
    *out_value = strdup(kn_stmt_text(stmt, 0));
    return *out_value ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for the setting '%s'", name);
}

kn_code kn_settings_set_tx(struct kn_tx *tx, const char *name, const char *value,
                           struct kn_error *err)
{
    if (!value)
        return kn_tx_run(tx, NULL, err, "DELETE FROM setting WHERE name = ?", "s", name);
    int64_t now = 0;
    kn_code rc = kn_tx_now(tx, &now, err);
    if (rc != KN_OK)
        return rc;
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO setting (name, value, modified_us) VALUES (?, ?, ?)"
                     " ON CONFLICT (name) DO UPDATE SET value = excluded.value,"
                     " modified_us = excluded.modified_us",
                     "ssi", name, value, now);
}

static kn_code get_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct setting_call *call = context;
    free(*call->out_value); // of a run before this one
    *call->out_value = NULL;
    return kn_settings_get_tx(tx, call->name, call->out_value, err);
}

static kn_code set_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct setting_call *call = context;
    return kn_settings_set_tx(tx, call->name, call->value, err);
}

kn_code kn_settings_get(struct kn_db *db, const char *name, char **out_value, struct kn_error *err)
{
    *out_value = NULL;
    struct setting_call call = {.name = name, .out_value = out_value};
    return kn_db_read(db, get_in_tx, &call, err);
}

kn_code kn_settings_set(struct kn_db *db, const char *name, const char *value, struct kn_error *err)
{
    struct setting_call call = {.name = name, .value = value};
    return kn_db_write(db, set_in_tx, &call, err);
}
