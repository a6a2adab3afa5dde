/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora keys: access keys. Where no service is named, the records themselves are opened: so the first
 * key can be made before the first start, and one can be made when all are lost. While a service holds
 * the SQLite file, changes go through its API instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/access.h"
#include "base/cleanup.h"
#include "base/envfile.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/place.h"
#include "cli/remote.h"
#include "cli/table.h"
#include "db/db.h"

struct keys_options {
    struct kn_remote_flags flags;
    struct kn_place_flags place;
    const char *name, *role, *prefix;
};

/* The wire's words for roles (spec/kinora/CreateAccessKey.json), in the order of enum kn_role. */
static const char *const role_words[] = {"read-only", "operator", "admin"};

static const struct kn_column columns[] = {
    {"KEY", "AccessKeyId"},  {"ROLE", "Role"},          {"STATUS", "Status"}, {"NAME", "Name"},
    {"MAY TOUCH", "BucketPrefix"}, {"CREATED", "CreateTime"}, {NULL, NULL},
};

/* ---- in the records ---- */

struct records {
    struct kn_config config;
    struct kn_db *db;
    struct kn_access *access;
};

static void records_close(struct records *records)
{
    kn_access_close(&records->access);
    kn_db_close(&records->db);
    kn_config_clear(&records->config);
}

static kn_code records_open(struct records *records, const struct keys_options *options,
                            bool is_only_read, struct kn_error *err)
{
    struct kn_place_flags place = options->place;
    place.data = options->flags.data;
    kn_code rc = kn_place_load(&records->config, &place, err);
    if (rc == KN_OK)
        rc = is_only_read ? kn_db_open_reader(&records->db, records->config.database, err)
                          : kn_db_open(&records->db, records->config.database, err);
    return rc == KN_OK ? kn_access_open(&records->access, records->db, err) : rc;
}

// The same members as the API's AccessKey.
static json_t *key_json(const struct kn_key *key)
{
    char created[24] = "";
    if (key->created_us != KN_NO_TIME)
        kn_time_iso(created, key->created_us);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "AccessKeyId", key->id, "Name", key->name,
                     "Role", role_words[key->role], "Status", key->is_active ? "Active" : "Inactive",
                     "BucketPrefix", key->bucket_prefix, "CreateTime", created);
}

// The commands of this machine look into DATA/credentials: an administrator's key goes there when
// there is none yet.
static kn_code credentials_keep(const struct records *records, const struct kn_key *key,
                                struct kn_error *err)
{
    kn_auto(kn_free) char *path = NULL;
    if (asprintf(&path, "%s/credentials", records->config.data) < 0) {
        path = NULL;
        return kn_fail(err, KN_ENOMEM, "no memory for a path");
    }
    if (key->role != KN_ROLE_ADMIN || key->bucket_prefix[0] || kn_fs_exists(path))
        return KN_OK;
    const struct kn_env_line lines[] = {{"KINORA_ACCESS_KEY_ID", key->id},
                                        {"KINORA_ACCESS_KEY_SECRET", key->secret}};
    kn_code rc = kn_fs_make_folders(records->config.data, 0700, err);
    if (rc == KN_OK)
        rc = kn_envfile_write(path, lines, KN_COUNT(lines), 0600, err);
    if (rc == KN_OK)
        (void)fprintf(stderr, "kinora: kept in %s for the commands of this machine\n", path);
    return rc;
}

static kn_code role_of_word(const char *word, enum kn_role *out, struct kn_error *err)
{
    for (size_t i = 0; i < KN_COUNT(role_words); i++)
        if (strcmp(role_words[i], word) == 0)
            return *out = (enum kn_role)i, KN_OK;
    return kn_fail(err, KN_EINVAL, "--role '%s' is none of admin, operator, read-only", word);
}

static kn_code create_here(struct records *records, const struct keys_options *options,
                           json_t **out_key, struct kn_error *err)
{
    struct kn_key key = {.role = KN_ROLE_OPERATE, .is_active = true, .expires_us = KN_NO_TIME};
    kn_code rc = options->role ? role_of_word(options->role, &key.role, err) : KN_OK;
    if (rc == KN_OK && (!kn_copy(key.name, sizeof(key.name), options->name) ||
                        !kn_copy(key.bucket_prefix, sizeof(key.bucket_prefix), options->prefix)))
        rc = kn_fail(err, KN_EINVAL, "--name holds 63 bytes, --bucket 255");
    if (rc == KN_OK)
        rc = kn_access_create(records->access, &key, err);
    if (rc == KN_OK)
        rc = credentials_keep(records, &key, err);
    if (rc != KN_OK)
        return rc;
    *out_key = key_json(&key);
    (void)json_object_set_new(*out_key, "AccessKeySecret", json_string(key.secret));
    return KN_OK;
}

static kn_code list_here(struct records *records, json_t **out, struct kn_error *err)
{
    kn_auto(kn_free) struct kn_key *keys = NULL;
    size_t n = 0;
    kn_code rc = kn_access_list(records->access, &keys, &n, err);
    if (rc != KN_OK)
        return rc;
    *out = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(*out, key_json(&keys[i]));
    return KN_OK;
}

static kn_code status_here(struct records *records, const char *id, bool is_active,
                           struct kn_error *err)
{
    struct kn_key key = {0};
    kn_code rc = kn_access_find(records->access, id, &key, err);
    key.is_active = is_active;
    return rc == KN_OK ? kn_access_update(records->access, &key, err) : rc;
}

/* ---- through the API ---- */

static kn_code call(struct kn_remote *remote, const char *action, const json_t *params,
                    const char *member, json_t **out, struct kn_error *err)
{
    json_auto_t *answer = NULL;
    kn_code rc = kn_remote_call(remote, KN_VERSION_KINORA, action, params, &answer, err);
    if (rc == KN_OK && out)
        *out = json_incref(json_object_get(answer, member));
    return rc;
}

static kn_code create_there(struct kn_remote *remote, const struct keys_options *options,
                            json_t **out_key, struct kn_error *err)
{
    json_auto_t *params = json_object();
    const char *const given[][2] = {
        {"Name", options->name}, {"Role", options->role}, {"BucketPrefix", options->prefix}};
    for (size_t i = 0; i < KN_COUNT(given); i++)
        if (given[i][1])
            (void)json_object_set_new(params, given[i][0], json_string(given[i][1]));
    return call(remote, "CreateAccessKey", params, "AccessKey", out_key, err);
}

/* ---- here or there ---- */

// KN_OK with *out_is_here false: the service is open as `remote`.
static kn_code keys_open(struct records *records, struct kn_remote *remote,
                         const struct keys_options *options, bool is_only_read, bool *out_is_here,
                         struct kn_error *err)
{
    const char *api = options->flags.api ? options->flags.api : getenv("KINORA_API");
    *out_is_here = !(api && api[0]);
    if (*out_is_here) {
        kn_code rc = records_open(records, options, is_only_read, err);
        if (rc != KN_ECONFLICT || strcmp(err->reason, "DatabaseInUse") != 0)
            return rc;
        *out_is_here = false;
    }
    return kn_remote_open(remote, &options->flags, err);
}

static kn_code keys_create(struct kn_remote *remote, int n, char **arguments, void *context,
                           struct kn_error *err)
{
    (void)n;
    (void)arguments;
    const struct keys_options *options = context;
    kn_auto(records_close) struct records records = {0};
    json_auto_t *key = NULL;
    bool is_here;
    kn_code rc = keys_open(&records, remote, options, false, &is_here, err);
    if (rc == KN_OK)
        rc = is_here ? create_here(&records, options, &key, err)
                     : create_there(remote, options, &key, err);
    if (rc != KN_OK)
        return rc;
    if (remote->as_json)
        kn_cli_print_json(key);
    else
        (void)printf("KINORA_ACCESS_KEY_ID=%s\nKINORA_ACCESS_KEY_SECRET=%s\n",
                     kn_json_get(key, "AccessKeyId", ""), kn_json_get(key, "AccessKeySecret", ""));
    return KN_OK;
}

static kn_code keys_list(struct kn_remote *remote, int n, char **arguments, void *context,
                         struct kn_error *err)
{
    (void)n;
    (void)arguments;
    kn_auto(records_close) struct records records = {0};
    json_auto_t *keys = NULL;
    json_auto_t *none = json_object();
    bool is_here;
    kn_code rc = keys_open(&records, remote, context, true, &is_here, err);
    if (rc == KN_OK)
        rc = is_here ? list_here(&records, &keys, err)
                     : call(remote, "ListAccessKeys", none, "AccessKeys", &keys, err);
    if (rc != KN_OK)
        return rc;
    if (remote->as_json)
        kn_cli_print_json(keys);
    else
        kn_table_print(keys, columns, "keys");
    return KN_OK;
}

enum change { REVOKE = 0, DISABLE, ENABLE };

static kn_code keys_change(struct kn_remote *remote, const char *id, void *context,
                           enum change change, struct kn_error *err)
{
    static const char *const done[] = {"revoked", "disabled", "enabled"};
    kn_auto(records_close) struct records records = {0};
    // AccessKeyId itself says who calls.
    json_auto_t *params = json_pack("{s:s}", "UserAccessKeyId", id);
    bool is_here;
    if (!params)
        return kn_fail(err, KN_EINVAL, "a key's id is UTF-8");
    if (change != REVOKE)
        (void)json_object_set_new(params, "Status",
                                  json_string(change == ENABLE ? "Active" : "Inactive"));
    kn_code rc = keys_open(&records, remote, context, false, &is_here, err);
    if (rc == KN_OK && !is_here)
        rc = call(remote, change == REVOKE ? "DeleteAccessKey" : "UpdateAccessKey", params, NULL,
                  NULL, err);
    else if (rc == KN_OK)
        rc = change == REVOKE ? kn_access_delete(records.access, id, err)
                              : status_here(&records, id, change == ENABLE, err);
    if (rc != KN_OK)
        return rc;
    json_auto_t *said = json_pack("{s:s, s:b}", "AccessKeyId", id, "Success", 1);
    if (remote->as_json)
        kn_cli_print_json(said);
    else
        (void)printf("%s %s\n", done[change], id);
    return KN_OK;
}

static kn_code keys_revoke(struct kn_remote *remote, int n, char **arguments, void *context,
                           struct kn_error *err)
{
    (void)n;
    return keys_change(remote, arguments[0], context, REVOKE, err);
}

static kn_code keys_disable(struct kn_remote *remote, int n, char **arguments, void *context,
                            struct kn_error *err)
{
    (void)n;
    return keys_change(remote, arguments[0], context, DISABLE, err);
}

static kn_code keys_enable(struct kn_remote *remote, int n, char **arguments, void *context,
                           struct kn_error *err)
{
    (void)n;
    return keys_change(remote, arguments[0], context, ENABLE, err);
}

int kn_cmd_keys(int argc, char **argv)
{
    struct keys_options options = {0};
    const struct kn_option table[] = {
        KN_REMOTE_OPTIONS(options.flags), KN_PLACE_OPTIONS(options.place),
        {"name", &options.name, NULL},    {"role", &options.role, NULL},
        {"bucket", &options.prefix, NULL}, {NULL, NULL, NULL},
    };
    static const struct kn_verb verbs[] = {
        {"list", 0, 0, "no argument", keys_list},
        {"create", 0, 0, "no argument: see --name", keys_create},
        {"disable", 1, 1, "a key's id", keys_disable},
        {"enable", 1, 1, "a key's id", keys_enable},
        {"revoke", 1, 1, "a key's id", keys_revoke},
        {NULL, 0, 0, NULL, NULL},
    };
    const struct kn_verbs command = {
        .command = "keys",
        .help = "usage: kinora keys list\n"
                "       kinora keys create [--role ROLE] [--name NOTE] [--bucket NAME[/PREFIX]]\n"
                "       kinora keys disable|enable|revoke ID\n\n"
                "Access keys. On the service's own machine no key is needed: the records in --data (or\n"
                "--database) are opened, also before the first start. With --api, or while the service\n"
                "holds its SQLite file, the API is asked. A secret is printed once and never again.\n\n"
                "options\n"
                "  --role ROLE           admin, operator (submits, uploads, cancels: when not given) or\n"
                "                        read-only\n"
                "  --name NOTE           whose it is\n"
                "  --bucket NAME[/PREFIX]\n"
                "                        all that this key may touch; everything when not given\n"
                "  --database URL        the database, when it lies elsewhere (KINORA_DATABASE)\n"
                "  --config FILE         settings in YAML; ./kinora.yaml when it is there\n\n"
                "examples\n"
                "  kinora keys create --role admin --data /srv/kinora\n"
                "  kinora keys create --name ingest --bucket films/in\n"
                "  kinora keys revoke KINOq3T9bX2mP7wL5kRn8dVz\n",
        .options = table,
        .flags = &options.flags,
        .verbs = verbs,
        .context = &options,
        .opens_itself = true,
    };
    return kn_verbs_run(&command, argc, argv);
}
