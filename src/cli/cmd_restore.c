/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora restore: a backup into an empty place. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/place.h"
#include "server/backup.h"

struct restore_options {
    struct kn_place_flags place;
    bool as_json, help;
};

static kn_code restore(const struct restore_options *options, const char *path,
                       struct kn_backup_result *out, struct kn_error *err)
{
    kn_auto(kn_config_clear) struct kn_config config = {0};
    kn_code rc = kn_place_load(&config, &options->place, err);
    if (rc != KN_OK)
        return rc;
    const char *objects = kn_place_objects(&config);
    if (!objects)
        return kn_fail(err, KN_EINVAL,
                       "a backup holds the bytes of local objects: restore into --storage file:DIR");
    rc = kn_fs_make_folders(config.data, 0700, err);
    return rc == KN_OK ? kn_backup_restore(path, config.database, objects, out, err) : rc;
}

static const char *advice_of(const struct kn_error *err)
{
    switch (err->code) {
    case KN_ENOTFOUND: return "name the folder that 'kinora backup' wrote";
    case KN_ECONFLICT: return "restore into a new --data folder (or an empty database)";
    default: return NULL;
    }
}

int kn_cmd_restore(int argc, char **argv)
{
    struct restore_options options = {0};
    const struct kn_option table[] = {
        {"data", &options.place.data, NULL}, KN_PLACE_OPTIONS(options.place),
        {"json", NULL, &options.as_json},    {"help", NULL, &options.help},
        {NULL, NULL, NULL},
    };
    struct kn_error err = {0};
    struct kn_backup_result result = {0};
    if (kn_options_read(table, &argc, argv, &err) != KN_OK)
        return kn_cli_usage("restore", "%s", err.message);
    if (options.help) {
        (void)puts("usage: kinora restore FOLDER [OPTIONS]\n\n"
                   "Verify a backup, then restore it where nothing is yet: a new data folder or an empty\n"
                   "database. The service must not be running there. A backup of SQLite restores into\n"
                   "PostgreSQL, and the other way round. Access keys are among the records; the file\n"
                   "DATA/credentials is not.\n\n"
                   "options\n" KN_PLACE_HELP
                   "  --json                print JSON\n"
                   "  --help\n\n"
                   "examples\n"
                   "  kinora restore /mnt/backup/2026-03-01 --data /srv/kinora-new\n"
                   "  kinora restore /mnt/backup/2026-03-01 --database postgresql://kinora@db/kinora");
        return KN_EXIT_OK;
    }
    if (argc != 2)
        return kn_cli_usage("restore", "restore wants one folder");
    if (restore(&options, argv[1], &result, &err) != KN_OK)
        return kn_cli_fail(&err, advice_of(&err));
    if (options.as_json) {
        json_auto_t *said = json_pack("{s:s, s:I, s:I, s:I}", "Path", argv[1], "Rows",
                                      (json_int_t)result.n_rows, "Files",
                                      (json_int_t)result.n_files, "Bytes",
                                      (json_int_t)result.n_bytes);
        kn_cli_print_json(said);
    } else {
        (void)printf("restored %lld rows, %lld files, %lld bytes\n", (long long)result.n_rows,
                     (long long)result.n_files, (long long)result.n_bytes);
    }
    return KN_EXIT_OK;
}
