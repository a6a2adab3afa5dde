#pragma once
/*
 * Backup and restore: the records as of one moment, and the bytes of local objects, in a folder whose
 * manifest names every file with its SHA-256.
 *
 *   PATH/manifest.json          {"Format", "Version", "Schema", "Created", "Files": [{"Name", "Size",
 *                               "Sha256"}], "Tables": [{"Name", "Columns": [[name, kind]…], "Rows"}]}
 *   PATH/tables/<table>         rows one after the other (see backup.c)
 *   PATH/objects/<file>         bytes of local objects and of parts under way
 *
 * The records are written from our own statements in one read-only transaction, so writes go on
 * meanwhile, and a backup of SQLite restores into PostgreSQL and the other way round. Objects in an S3
 * store are not copied: that store has its own means.
 */
#include <stdint.h>

#include "base/error.h"
#include "db/db.h"

struct kn_backup_result {
    int64_t n_tables, n_rows, n_files, n_bytes;
};

/*
 * Write a backup into the new folder `path`. objects_dir is where the local store keeps its bytes, NULL
 * to leave them out. Bytes released meanwhile are kept by the sweep's grace of an hour: a backup that
 * takes longer may fail with KN_ENOTFOUND, and never ends with a file missing. KN_ECONFLICT: the folder
 * exists.
 */
kn_code kn_backup_write(struct kn_db *db, const char *objects_dir, const char *path,
                        struct kn_backup_result *out, struct kn_error *err);

/* Every file is there, with the size and hash the manifest says. KN_EINVAL names the first that is not. */
kn_code kn_backup_verify(const char *path, struct kn_error *err);

/*
 * Verify, then restore records into the database at `url` and bytes into objects_dir. KN_ECONFLICT, and
 * nothing is changed, when there already are jobs, buckets or keys, when objects_dir is not empty, or
 * when the backup's schema is not this program's.
 */
kn_code kn_backup_restore(const char *path, const char *url, const char *objects_dir,
                          struct kn_backup_result *out, struct kn_error *err);
