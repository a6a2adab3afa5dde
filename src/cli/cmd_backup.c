/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora backup: the records as of one moment and the bytes of local objects, while the service runs. */
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/place.h"
#include "db/db.h"
#include "server/backup.h"

struct backup_options {
    struct kn_place_flags place;
    bool verifies, as_json, help;
};

static kn_code backup_write(const struct backup_options *options, const char *path,
                            struct kn_backup_result *out, struct kn_error *err)
{
    kn_auto(kn_config_clear) struct kn_config config = {0};
    kn_auto(kn_db_close) struct kn_db *db = NULL;
    kn_code rc = kn_place_load(&config, &options->place, err);
    if (rc == KN_OK)
        rc = kn_db_open_reader(&db, config.database, err);
    return rc == KN_OK ? kn_backup_write(db, kn_place_objects(&config), path, out, err) : rc;
}

static const char *advice_of(const struct kn_error *err)
{
    switch (err->code) {
    case KN_ENOTFOUND: return "name the service's folder with --data";
    case KN_ECONFLICT: return "name a folder that is not there yet";
    default: return NULL;
    }
}

static int backup(const struct backup_options *options, const char *path)
{
    struct kn_error err = {0};
    struct kn_backup_result result = {0};
    kn_code rc = options->verifies ? kn_backup_verify(path, &err)
                                   : backup_write(options, path, &result, &err);
    if (rc != KN_OK)
        return kn_cli_fail(&err, options->verifies ? "do not rely on it: make another"
                                                   : advice_of(&err));
    json_auto_t *said = json_pack("{s:s, s:I, s:I, s:I, s:I}", "Path", path, "Tables",
                                  (json_int_t)result.n_tables, "Rows", (json_int_t)result.n_rows,
                                  "Files", (json_int_t)result.n_files, "Bytes",
                                  (json_int_t)result.n_bytes);
    if (options->verifies)
        (void)(json_object_clear(said), json_object_set_new(said, "Path", json_string(path)));
    if (options->as_json)
        kn_cli_print_json(said);
    else if (options->verifies)
        (void)printf("%s is whole\n", path);
    else
        (void)printf("%s: %lld rows of %lld tables, %lld files, %lld bytes\n", path,
                     (long long)result.n_rows, (long long)result.n_tables, (long long)result.n_files,
                     (long long)result.n_bytes);
    return KN_EXIT_OK;
}

int kn_cmd_backup(int argc, char **argv)
{
    struct backup_options options = {0};
    const struct kn_option table[] = {
        {"data", &options.place.data, NULL}, KN_PLACE_OPTIONS(options.place),
        {"verify", NULL, &options.verifies}, {"json", NULL, &options.as_json},
        {"help", NULL, &options.help},       {NULL, NULL, NULL},
    };
    struct kn_error err = {0};
    if (kn_options_read(table, &argc, argv, &err) != KN_OK)
        return kn_cli_usage("backup", "%s", err.message);
    if (options.help) {
        (void)puts("usage: kinora backup FOLDER [OPTIONS]\n"
                   "       kinora backup --verify FOLDER\n\n"
                   "Write the records as of this moment, and the bytes of local objects, into a new\n"
                   "folder with a manifest of SHA-256 hashes. The service may be running. Objects in an\n"
                   "S3 store are not copied: that store has its own means.\n\n"
                   "options\n"
                   "  --verify              look whether a backup is whole, and write nothing\n"
                   KN_PLACE_HELP
                   "  --json                print JSON\n"
                   "  --help\n\n"
                   "examples\n"
                   "  kinora backup --data /srv/kinora /mnt/backup/$(date +%F)\n"
                   "  kinora backup --verify /mnt/backup/2026-03-01");
        return KN_EXIT_OK;
    }
    if (argc != 2)
        return kn_cli_usage("backup", "backup wants one folder");
    return backup(&options, argv[1]);
}
