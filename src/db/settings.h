#pragma once
/*
 * Settings: small named values that belong to the database rather than to a configuration file,
 * such as the address events go to. Names are "room.what" ("events.callback"). Thread-safe.
 */
#include "db/db.h"

/* *out_value: malloc'd, NULL when there is no such setting. */
kn_code kn_settings_get(struct kn_db *db, const char *name, char **out_value, struct kn_error *err);
/* Durable on return. A NULL value removes the setting. */
kn_code kn_settings_set(struct kn_db *db, const char *name, const char *value,
                        struct kn_error *err);

/* The same inside a transaction. */
kn_code kn_settings_get_tx(struct kn_tx *tx, const char *name, char **out_value,
                           struct kn_error *err);
kn_code kn_settings_set_tx(struct kn_tx *tx, const char *name, const char *value,
                           struct kn_error *err);
