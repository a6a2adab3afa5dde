/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Backup and restore. A table's file is its rows; a row is its columns in the manifest's order; a value
 * is a tag and what the tag says:
 *
 *     'n'                        NULL
 *     'i'  8 bytes, host order   an integer (every machine we run on is little-endian)
 *     't'  8 bytes n, n bytes    a text
 *     'b'  8 bytes n, n bytes    a blob
 */
#include "server/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

#define FORMAT 1
#define MAX_COLUMNS 64
// One value: a body is at most a form's 16 MiB; what says more is no backup of ours.
#define MAX_VALUE_BYTES (64 * 1024 * 1024)
#define MAX_MANIFEST_BYTES (1024 * 1024 * 1024)

static kn_code path_join(char out[4096], const char *a, const char *b, const char *c,
                         struct kn_error *err)
{
    int n = snprintf(out, 4096, "%s/%s%s%s", a, b, c[0] ? "/" : "", c);
    return n < 4096 ? KN_OK : kn_fail(err, KN_EINVAL, "the path '%s' is too long", a);
}

/* ---- files ---- */

// Copy (to_fd -1: only read) and hash a file.
static kn_code file_hash(const char *path, int to_fd, char hex[65], int64_t *out_size,
                         struct kn_error *err)
{
    kn_auto(kn_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return kn_fail_errno(err, errno, "cannot open '%s'", path);
    kn_auto(kn_digest_free) struct kn_digest *digest = kn_digest_new(KN_DIGEST_SHA256);
    kn_auto(kn_free) char *buffer = malloc(256 * 1024);
    if (!digest || !buffer)
        return kn_fail(err, KN_ENOMEM, "no memory to read '%s'", path);
    *out_size = 0;
    for (ssize_t got; (got = read(fd, buffer, 256 * 1024)) != 0;) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kn_fail_errno(err, errno, "cannot read '%s'", path);
        kn_digest_add(digest, buffer, (size_t)got);
        *out_size += got;
        kn_code rc = to_fd >= 0 ? kn_fs_write_all(to_fd, buffer, (size_t)got, err) : KN_OK;
        if (rc != KN_OK)
            return rc;
    }
    uint8_t raw[KN_SHA256_BYTES];
    kn_digest_end(digest, raw);
    kn_hex(hex, raw, sizeof(raw));
    return KN_OK;
}

static kn_code file_copy(const char *from, const char *to, char hex[65], int64_t *out_size,
                         struct kn_error *err)
{
    kn_auto(kn_close_fd) int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return kn_fail_errno(err, errno, "cannot create '%s'", to);
    kn_code rc = file_hash(from, fd, hex, out_size, err);
    if (rc == KN_OK && fsync(fd) != 0)
        rc = kn_fail_errno(err, errno, "cannot sync '%s'", to);
    return rc;
}

/* ---- writing ---- */

struct backup {
    const char *path;
    json_t *tables, *files; // borrowed from the manifest
    int64_t schema;
    struct kn_backup_result result;
};

static kn_code files_add(struct backup *backup, const char *folder, const char *name,
                         const char *hex, int64_t size, struct kn_error *err)
{
    char text[512];
    (void)snprintf(text, sizeof(text), "%s/%s", folder, name);
    json_t *line = json_pack("{s:s, s:I, s:s}", "Name", text, "Size", (json_int_t)size, "Sha256", hex);
    if (!line || json_array_append_new(backup->files, line) != 0)
        return kn_fail(err, KN_ENOMEM, "no memory for the manifest");
    backup->result.n_files++;
    backup->result.n_bytes += size;
    return KN_OK;
}

static kn_code tables_read(struct kn_tx *tx, struct backup *backup, struct kn_error *err)
{
    struct kn_stmt *row;
    const char *sql =
        kn_tx_is_postgres(tx)
            ? "SELECT table_name, column_name, data_type FROM information_schema.columns"
              " WHERE table_schema = current_schema() AND table_name <> 'schema_version'"
              " ORDER BY table_name, ordinal_position"
            : "SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c"
              " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
              " AND m.name <> 'schema_version' ORDER BY m.name, c.cid";
    kn_code rc = kn_tx_query(tx, &row, err, sql, "");
    bool has_row = true;
    json_t *table = NULL;
    while (rc == KN_OK) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        const char *name = kn_stmt_text(row, 0), *type = kn_stmt_text(row, 2);
        if (!table || strcmp(kn_json_get(table, "Name", ""), name) != 0) {
            table = json_pack("{s:s, s:[], s:i}", "Name", name, "Columns", "Rows", 0);
            if (!table || json_array_append_new(backup->tables, table) != 0)
                return kn_fail(err, KN_ENOMEM, "no memory for the manifest");
        }
        const char *kind = kn_equal_nocase(type, "BLOB") || kn_equal_nocase(type, "bytea") ? "b"
                           : kn_equal_nocase(type, "TEXT")                                 ? "t"
                                                                                           : "i";
        (void)json_array_append_new(json_object_get(table, "Columns"),
                                    json_pack("[s,s]", kn_stmt_text(row, 1), kind));
    }
    return rc;
}

static bool value_write(FILE *file, struct kn_stmt *row, int column, char kind)
{
    if (kn_stmt_is_null(row, column))
        return fputc('n', file) != EOF;
    int64_t number = kind == 'i' ? kn_stmt_int(row, column) : 0;
    size_t n = 0;
    const void *bytes = kind == 'b' ? kn_stmt_blob(row, column, &n) : NULL;
    if (kind == 't') {
        bytes = kn_stmt_text(row, column);
        n = strlen(bytes);
    }
    if (kind != 'i')
        number = (int64_t)n;
    return fputc(kind, file) != EOF && fwrite(&number, sizeof(number), 1, file) == 1 &&
           (n == 0 || fwrite(bytes, 1, n, file) == n);
}

// "SELECT a, b FROM t" or "INSERT INTO t (a, b) VALUES (?, ?)"; the kinds of the columns in order.
static size_t table_sql(struct kn_buf *sql, const json_t *table, bool is_insert,
                        char kinds[MAX_COLUMNS])
{
    const json_t *columns = json_object_get(table, "Columns");
    size_t n = json_array_size(columns);
    const char *name = kn_json_get(table, "Name", "");
    if (is_insert)
        kn_buf_printf(sql, "INSERT INTO %s (", name);
    else
        kn_buf_puts(sql, "SELECT ");
    for (size_t i = 0; i < n && i < MAX_COLUMNS; i++) {
        const json_t *column = json_array_get(columns, i);
        kn_buf_printf(sql, "%s%s", i ? ", " : "", json_string_value(json_array_get(column, 0)));
        kinds[i] = json_string_value(json_array_get(column, 1))[0];
    }
    if (!is_insert) {
        kn_buf_printf(sql, " FROM %s", name);
        return n;
    }
    kn_buf_puts(sql, ") VALUES (");
    for (size_t i = 0; i < n; i++)
        kn_buf_puts(sql, i ? ", ?" : "?");
    kn_buf_putc(sql, ')');
    return n;
}

static kn_code table_write(struct kn_tx *tx, struct backup *backup, json_t *table,
                           struct kn_error *err)
{
    const char *name = kn_json_get(table, "Name", "");
    char kinds[MAX_COLUMNS] = {0}, path[4096], hex[65];
    kn_auto(kn_buf_clear) struct kn_buf sql = {0};
    size_t n_columns = table_sql(&sql, table, false, kinds);
    kn_code rc = path_join(path, backup->path, "tables", name, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_close_file) FILE *file = fopen(path, "we");
    if (!file)
        return kn_fail_errno(err, errno, "cannot create '%s'", path);
    struct kn_stmt *row;
    int64_t n_rows = 0, size = 0;
    rc = kn_tx_query(tx, &row, err, kn_buf_text(&sql), "");
    for (bool has_row = true; rc == KN_OK; n_rows++) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        for (size_t i = 0; i < n_columns; i++)
            if (!value_write(file, row, (int)i, kinds[i]))
                return kn_fail_errno(err, errno, "cannot write '%s'", path);
    }
    if (rc == KN_OK && (fflush(file) != 0 || fsync(fileno(file)) != 0))
        rc = kn_fail_errno(err, errno, "cannot write '%s'", path);
    if (rc == KN_OK)
        rc = file_hash(path, -1, hex, &size, err);
    (void)json_object_set_new(table, "Rows", json_integer(n_rows));
    backup->result.n_tables++;
    backup->result.n_rows += n_rows;
    return rc == KN_OK ? files_add(backup, "tables", name, hex, size, err) : rc;
}

static kn_code schema_number(struct kn_tx *tx, void *context, struct kn_error *err)
{
    int64_t *out = context;
    struct kn_stmt *row;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err, "SELECT MAX(number) FROM schema_version", "");
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK)
        *out = kn_stmt_int(row, 0);
    return rc;
}

// The names of files that records of the snapshot refer to, one a line.
static kn_code referred_files(struct kn_tx *tx, struct kn_buf *names, struct kn_error *err)
{
    struct kn_stmt *row;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT file FROM object WHERE is_inline = 0"
                             " UNION SELECT file FROM upload_part",
                             "");
    bool has_row = true;
    while (rc == KN_OK) {
        rc = kn_stmt_step(row, &has_row, err);
        if (rc != KN_OK || !has_row)
            break;
        kn_buf_printf(names, "%s\n", kn_stmt_text(row, 0));
    }
    return rc == KN_OK && !kn_buf_ok(names) ? kn_fail(err, KN_ENOMEM, "no memory for names") : rc;
}

struct snapshot {
    struct backup *backup;
    struct kn_buf names;
};

static kn_code snapshot_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct snapshot *snapshot = context;
    struct backup *backup = snapshot->backup;
    // The transaction may be run again: begin anew.
    (void)json_array_clear(backup->tables);
    (void)json_array_clear(backup->files);
    backup->result = (struct kn_backup_result){0};
    kn_buf_reset(&snapshot->names);
    kn_code rc = schema_number(tx, &backup->schema, err);
    if (rc == KN_OK)
        rc = tables_read(tx, backup, err);
    size_t i;
    json_t *table;
    json_array_foreach(backup->tables, i, table)
        if (rc == KN_OK)
            rc = table_write(tx, backup, table, err);
    return rc == KN_OK ? referred_files(tx, &snapshot->names, err) : rc;
}

static kn_code objects_write(struct backup *backup, const char *objects_dir, char *names,
                             struct kn_error *err)
{
    char *rest = names;
    for (char *name; (name = strsep(&rest, "\n")) && name[0];) {
        char folder[16], from[4096], to[4096], hex[65];
        int64_t size = 0;
        (void)snprintf(folder, sizeof(folder), "%.2s", name);
        kn_code rc = path_join(from, objects_dir, folder, name, err);
        if (rc == KN_OK)
            rc = path_join(to, backup->path, "objects", name, err);
        if (rc == KN_OK)
            rc = file_copy(from, to, hex, &size, err);
        if (rc == KN_OK)
            rc = files_add(backup, "objects", name, hex, size, err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

static kn_code folders_make(const char *path, struct kn_error *err)
{
    char folder[4096];
    if (mkdir(path, 0700) != 0)
        return kn_fail_errno(err, errno, "cannot make the folder '%s'", path);
    kn_code rc = path_join(folder, path, "tables", "", err);
    if (rc == KN_OK)
        rc = kn_fs_make_folders(folder, 0700, err);
    if (rc == KN_OK)
        rc = path_join(folder, path, "objects", "", err);
    return rc == KN_OK ? kn_fs_make_folders(folder, 0700, err) : rc;
}

kn_code kn_backup_write(struct kn_db *db, const char *objects_dir, const char *path,
                        struct kn_backup_result *out, struct kn_error *err)
{
    char created[24], manifest_path[4096];
    kn_time_iso(created, kn_now_us());
    json_auto_t *manifest = json_pack("{s:i, s:s, s:s, s:[], s:[]}", "Format", FORMAT, "Version",
                                      KN_VERSION, "Created", created, "Tables", "Files");
    if (!manifest)
        return kn_fail(err, KN_ENOMEM, "no memory for the manifest");
    struct backup backup = {.path = path,
                            .tables = json_object_get(manifest, "Tables"),
                            .files = json_object_get(manifest, "Files")};
    struct snapshot snapshot = {.backup = &backup};
    kn_code rc = folders_make(path, err);
    if (rc == KN_OK)
        rc = kn_db_read(db, snapshot_tx, &snapshot, err);
    if (rc == KN_OK && objects_dir && snapshot.names.data)
        rc = objects_write(&backup, objects_dir, snapshot.names.data, err);
    kn_buf_clear(&snapshot.names);
    if (rc == KN_OK)
        rc = path_join(manifest_path, path, "manifest.json", "", err);
    (void)json_object_set_new(manifest, "Schema", json_integer(backup.schema));
    kn_auto(kn_free) char *text = kn_json_text(manifest);
    if (rc == KN_OK && !text)
        rc = kn_fail(err, KN_ENOMEM, "no memory for the manifest");
    // The manifest comes last: a folder without one is no backup.
    if (rc == KN_OK)
        rc = kn_fs_write(manifest_path, text, strlen(text), 0600, err);
    *out = backup.result;
    return rc;
}

/* ---- verifying ---- */

static bool name_is_safe(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!(*c == '_' || *c == '-' || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
              (*c >= '0' && *c <= '9')))
            return false;
    return name[0] != '\0';
}

// Names go into paths and statements: only plain ones are taken from a manifest.
static kn_code manifest_check(const json_t *manifest, struct kn_error *err)
{
    size_t i, k;
    json_t *one, *column;
    bool is_plain = json_integer_value(json_object_get(manifest, "Format")) == FORMAT;
    json_array_foreach(json_object_get(manifest, "Files"), i, one) {
        const char *name = kn_json_get(one, "Name", "");
        const char *rest = kn_starts_with(name, "tables/")    ? name + 7
                           : kn_starts_with(name, "objects/") ? name + 8
                                                              : "";
        is_plain = is_plain && name_is_safe(rest);
    }
    json_array_foreach(json_object_get(manifest, "Tables"), i, one) {
        const json_t *columns = json_object_get(one, "Columns");
        is_plain = is_plain && name_is_safe(kn_json_get(one, "Name", "")) &&
                   json_array_size(columns) > 0 && json_array_size(columns) <= MAX_COLUMNS;
        json_array_foreach(columns, k, column) {
            const char *name = json_string_value(json_array_get(column, 0));
            const char *kind = json_string_value(json_array_get(column, 1));
            is_plain = is_plain && name && name_is_safe(name) && kind && kind[0] &&
                       strchr("itb", kind[0]);
        }
    }
    return is_plain ? KN_OK : kn_fail(err, KN_EINVAL, "the manifest is none of ours");
}

static kn_code manifest_load(const char *path, json_t **out, struct kn_error *err)
{
    char file[4096];
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_code rc = path_join(file, path, "manifest.json", "", err);
    if (rc == KN_OK)
        rc = kn_fs_read(&text, file, MAX_MANIFEST_BYTES, err);
    if (rc == KN_OK)
        rc = kn_json_parse(out, kn_buf_text(&text), text.len, "the manifest", err);
    if (rc != KN_OK)
        return rc;
    size_t i;
    json_t *line;
    rc = manifest_check(*out, err);
    json_array_foreach(json_object_get(*out, "Files"), i, line) {
        char hex[65] = "";
        int64_t size = 0;
        const char *name = kn_json_get(line, "Name", "");
        if (rc == KN_OK)
            rc = path_join(file, path, name, "", err);
        if (rc == KN_OK)
            rc = file_hash(file, -1, hex, &size, err);
        if (rc == KN_OK && (size != json_integer_value(json_object_get(line, "Size")) ||
                            strcmp(hex, kn_json_get(line, "Sha256", "")) != 0))
            rc = kn_fail(err, KN_EINVAL, "'%s' is not what the manifest says", name);
    }
    return rc;
}

kn_code kn_backup_verify(const char *path, struct kn_error *err)
{
    json_auto_t *manifest = NULL;
    return manifest_load(path, &manifest, err);
}

/* ---- restoring ---- */

struct restoring {
    const char *path;
    const json_t *manifest;
    struct kn_backup_result result;
};

static bool value_read(FILE *file, struct kn_stmt *stmt, int at, struct kn_buf *bytes)
{
    int tag = fgetc(file);
    int64_t number = 0;
    if (tag == 'n') {
        kn_stmt_bind_null(stmt, at);
        return true;
    }
    if (fread(&number, sizeof(number), 1, file) != 1)
        return false;
    if (tag == 'i') {
        kn_stmt_bind_int(stmt, at, number);
        return true;
    }
    kn_buf_reset(bytes);
    if ((tag != 't' && tag != 'b') || number < 0 || number > MAX_VALUE_BYTES ||
        !kn_buf_reserve(bytes, (size_t)number) ||
        fread(bytes->data, 1, (size_t)number, file) != (size_t)number)
        return false;
    bytes->data[number] = '\0';
    if (tag == 't')
        kn_stmt_bind_text(stmt, at, bytes->data);
    else
        kn_stmt_bind_blob(stmt, at, bytes->data, (size_t)number);
    return true;
}

static kn_code table_restore(struct kn_tx *tx, struct restoring *restoring, const json_t *table,
                             struct kn_error *err)
{
    const char *name = kn_json_get(table, "Name", "");
    char kinds[MAX_COLUMNS] = {0}, path[4096], empty[128];
    kn_auto(kn_buf_clear) struct kn_buf sql = {0}, bytes = {0};
    size_t n_columns = table_sql(&sql, table, true, kinds);
    kn_code rc = path_join(path, restoring->path, "tables", name, err);
    // What a new database begins with (the default pipeline) gives way to the backup's.
    (void)snprintf(empty, sizeof(empty), "DELETE FROM %.100s", name);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, NULL, err, empty, "");
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_close_file) FILE *file = fopen(path, "re");
    if (!file)
        return kn_fail_errno(err, errno, "cannot open '%s'", path);
    int64_t n_rows = json_integer_value(json_object_get(table, "Rows"));
    for (int64_t i = 0; i < n_rows && rc == KN_OK; i++) {
        struct kn_stmt *stmt;
        bool has_row;
        rc = kn_tx_prepare(tx, &stmt, kn_buf_text(&sql), err);
        for (size_t k = 0; k < n_columns && rc == KN_OK; k++)
            if (!value_read(file, stmt, (int)k, &bytes))
                rc = kn_fail(err, KN_EINVAL, "'%s' ends in the middle of a row", path);
        if (rc == KN_OK)
            rc = kn_stmt_step(stmt, &has_row, err);
    }
    restoring->result.n_tables++;
    restoring->result.n_rows += n_rows;
    return rc;
}

// Numbers that PostgreSQL hands out itself go on after the highest restored one.
static kn_code sequences_advance(struct kn_tx *tx, struct kn_error *err)
{
    if (!kn_tx_is_postgres(tx))
        return KN_OK;
    struct kn_stmt *row;
    bool has_row;
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT setval(pg_get_serial_sequence('job', 'seq'),"
                             " (SELECT COALESCE(MAX(seq), 0) + 1 FROM job), false)",
                             "");
    return rc == KN_OK ? kn_stmt_step(row, &has_row, err) : rc;
}

// Whether this database may take the backup; asked before the first byte is copied, and again last.
static kn_code database_check(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct restoring *restoring = context;
    struct kn_stmt *row;
    bool has_row = false;
    int64_t schema = 0;
    kn_code rc = schema_number(tx, &schema, err);
    if (rc == KN_OK && schema != json_integer_value(json_object_get(restoring->manifest, "Schema")))
        return kn_fail(err, KN_ECONFLICT,
                       "the backup was made by Kinora %s with another schema: restore it with that, "
                       "then upgrade",
                       kn_json_get(restoring->manifest, "Version", "?"));
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &row, err,
                         "SELECT 1 FROM job UNION SELECT 1 FROM bucket"
                         " UNION SELECT 1 FROM access_key",
                         "");
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK && has_row)
        return kn_fail(err, KN_ECONFLICT, "the database is not empty: nothing is overwritten");
    return rc;
}

static kn_code restore_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct restoring *restoring = context;
    restoring->result = (struct kn_backup_result){0};
    kn_code rc = database_check(tx, restoring, err);
    size_t i;
    json_t *table;
    json_array_foreach(json_object_get(restoring->manifest, "Tables"), i, table)
        if (rc == KN_OK)
            rc = table_restore(tx, restoring, table, err);
    return rc == KN_OK ? sequences_advance(tx, err) : rc;
}

// Absent, or without a file anywhere: a store's 256 folders may be there.
static kn_code folder_check_empty(const char *path, struct kn_error *err)
{
    DIR *folder = opendir(path);
    if (!folder)
        return errno == ENOENT ? KN_OK : kn_fail_errno(err, errno, "cannot open '%s'", path);
    kn_code rc = KN_OK;
    for (struct dirent *entry; rc == KN_OK && (entry = readdir(folder));) {
        char below[4096];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        rc = path_join(below, path, entry->d_name, "", err);
        struct stat st;
        if (rc == KN_OK && lstat(below, &st) == 0 && S_ISDIR(st.st_mode))
            rc = folder_check_empty(below, err);
        else if (rc == KN_OK)
            rc = kn_fail(err, KN_ECONFLICT, "'%s' is not empty: nothing is overwritten", path);
    }
    closedir(folder);
    return rc;
}

static kn_code objects_restore(struct restoring *restoring, const char *objects_dir,
                               int64_t *out_n, int64_t *out_bytes, struct kn_error *err)
{
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(restoring->manifest, "Files"), i, line) {
        const char *name = kn_json_get(line, "Name", "");
        if (!kn_starts_with(name, "objects/"))
            continue;
        char folder[16], from[4096], to[4096], parent[4096], hex[65];
        int64_t size = 0;
        (void)snprintf(folder, sizeof(folder), "%.2s", name + 8);
        kn_code rc = path_join(from, restoring->path, name, "", err);
        if (rc == KN_OK)
            rc = path_join(to, objects_dir, folder, name + 8, err);
        if (rc == KN_OK)
            rc = path_join(parent, objects_dir, folder, "", err);
        if (rc == KN_OK)
            rc = kn_fs_make_folders(parent, 0700, err);
        if (rc == KN_OK)
            rc = file_copy(from, to, hex, &size, err);
        if (rc == KN_OK)
            rc = kn_fs_sync_folder(parent, err);
        if (rc != KN_OK)
            return rc;
        ++*out_n;
        *out_bytes += size;
    }
    return KN_OK;
}

kn_code kn_backup_restore(const char *path, const char *url, const char *objects_dir,
                          struct kn_backup_result *out, struct kn_error *err)
{
    *out = (struct kn_backup_result){0};
    json_auto_t *manifest = NULL;
    kn_auto(kn_db_close) struct kn_db *db = NULL;
    int64_t n_files = 0, n_bytes = 0;
    kn_code rc = manifest_load(path, &manifest, err);
    if (rc == KN_OK)
        rc = folder_check_empty(objects_dir, err);
    if (rc == KN_OK)
        rc = kn_db_open(&db, url, err);
    struct restoring restoring = {.path = path, .manifest = manifest};
    if (rc == KN_OK)
        rc = kn_db_read(db, database_check, &restoring, err);
    // Bytes nobody names yet are harmless; records whose bytes are missing are not: bytes come first.
    if (rc == KN_OK)
        rc = objects_restore(&restoring, objects_dir, &n_files, &n_bytes, err);
    if (rc == KN_OK)
        rc = kn_db_write(db, restore_tx, &restoring, err);
    *out = restoring.result;
    out->n_files = n_files;
    out->n_bytes = n_bytes;
    return rc;
}
