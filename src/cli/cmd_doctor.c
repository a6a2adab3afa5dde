/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora doctor: what this machine can do. The media side is asked of kinora-worker; the rest is
 * tried here. Nothing is left changed on the machine.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <libpq-fe.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/worker_program.h"
#include "db/db.h"
#include "objects/store.h"
#include "server/config.h"

#define MAX_REPORT_BYTES (1024 * 1024)
// Below this a film of an hour at 8 Mb/s does not fit twice (staged and published).
#define LOW_DISK_BYTES (8ll * 1024 * 1024 * 1024)

extern char **environ;

/* ---- the worker's half ---- */

static kn_code output_of(struct kn_buf *out, const char *program, const char *argument,
                         struct kn_error *err)
{
    int ends[2];
    if (pipe(ends) != 0)
        return kn_fail(err, KN_EIO, "cannot make a pipe");
    kn_auto(kn_close_fd) int from = ends[0];
    kn_auto(kn_close_fd) int to = ends[1];
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    (void)posix_spawn_file_actions_addclose(&actions, from);
    (void)posix_spawn_file_actions_addclose(&actions, to);
    pid_t pid;
    char *const argv[] = {(char *)program, (char *)argument, NULL};
    int failed = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (failed)
        return kn_fail_errno(err, failed, "cannot start '%s'", program);
    kn_close_fd(&to);
    ssize_t got;
    do {
        if (!kn_buf_reserve(out, 4096))
            break;
        got = read(from, out->data + out->len, 4096);
        out->len += got > 0 ? (size_t)got : 0;
    } while (got > 0 && out->len < MAX_REPORT_BYTES);
    int status = 0;
    (void)waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return kn_fail(err, KN_EIO, "'%s' failed", program);
    return KN_OK;
}

static kn_code worker_report(json_t **out, struct kn_error *err)
{
    kn_auto(kn_free) char *program = kn_worker_program();
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    if (!program)
        return kn_fail(err, KN_ENOMEM, "no memory");
    kn_code rc = output_of(&text, program, "--report", err);
    if (rc != KN_OK)
        return rc;
    return kn_json_parse(out, kn_buf_text(&text), text.len, "the worker's report", err);
}

/* ---- this half ---- */

// The folder itself, or the nearest above it that exists: where it would be made.
static void nearest_folder(char out[4096], const char *folder)
{
    (void)kn_copy(out, 4096, folder);
    while (out[0] && !kn_fs_exists(out)) {
        char *slash = strrchr(out, '/');
        if (slash == out)
            slash++;
        if (slash)
            *slash = '\0';
        else
            (void)kn_copy(out, 4096, ".");
    }
}

// Whether a file can be written there and reaches the disk: tried, and removed again.
static const char *writing_problem(const char *folder)
{
    char path[4200];
    (void)snprintf(path, sizeof(path), "%s/.kinora-doctor.XXXXXX", folder);
    kn_auto(kn_close_fd) int fd = mkstemp(path);
    if (fd < 0)
        return strerror(errno);
    bool is_fine = write(fd, "kinora", 6) == 6 && fsync(fd) == 0;
    int error_number = errno;
    (void)unlink(path); // best effort: mkstemp() has just made it
    return is_fine ? NULL : strerror(error_number);
}

static json_t *folder_report(const char *folder)
{
    char where[4096];
    struct statvfs fs;
    nearest_folder(where, folder);
    long long left =
        statvfs(where, &fs) == 0 ? (long long)fs.f_bavail * (long long)fs.f_frsize : 0;
    return json_pack("{s:s, s:I, s:b, s:s*}", "Folder", folder, "FreeBytes", (json_int_t)left,
                     "IsLow", left < LOW_DISK_BYTES, "Problem", writing_problem(where));
}

static json_t *postgres_report(const char *url)
{
    const char *const names[] = {"dbname", "connect_timeout", NULL};
    const char *const values[] = {url, "5", NULL};
    PGconn *connection = PQconnectdbParams(names, values, 1); // 1: the first is a whole URL
    bool is_up = PQstatus(connection) == CONNECTION_OK;
    char problem[512] = "";
    (void)kn_copy(problem, sizeof(problem), PQerrorMessage(connection));
    kn_trim(problem);
    for (char *c = problem; *c; c++)
        *c = *c == '\n' || *c == '\t' ? ' ' : *c;
    // The URL may hold a password.
    json_t *report = json_pack("{s:s, s:i, s:s*}", "Url", "postgresql://…", "Version",
                               is_up ? PQserverVersion(connection) : 0, "Problem",
                               is_up ? NULL : problem);
    PQfinish(connection);
    return report;
}

static kn_code look(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct kn_stmt *row;
    bool has_row = false;
    (void)context;
    kn_code rc = kn_tx_query(tx, &row, err, "SELECT MAX(number) FROM schema_version", "");
    return rc == KN_OK ? kn_stmt_step(row, &has_row, err) : rc;
}

// A database that is not there yet is none to complain of: serve makes it.
static json_t *sqlite_report(const char *url)
{
    struct kn_error err = {0};
    kn_auto(kn_db_close) struct kn_db *db = NULL;
    kn_code rc = kn_db_open_reader(&db, url, &err);
    bool is_there = rc != KN_ENOTFOUND;
    if (rc == KN_OK)
        rc = kn_db_read(db, look, NULL, &err);
    return json_pack("{s:s, s:s, s:b, s:s*}", "Url", url, "SQLite", sqlite3_libversion(), "IsThere",
                     is_there, "Problem", rc == KN_OK || !is_there ? NULL : err.message);
}

// A store elsewhere is asked for its bucket, with the key that serve would use.
static json_t *store_report(const struct kn_config *config)
{
    struct kn_error err = {0};
    kn_auto(kn_store_close) struct kn_store *store = NULL;
    struct kn_store_config wanted = kn_config_store(config);
    wanted.retry_us = KN_SECOND;
    kn_code rc = kn_store_open(&store, &wanted, &err);
    return json_pack("{s:s, s:s*}", "Url", config->storage, "Problem",
                     rc == KN_OK ? NULL : err.message);
}

/* ---- the verdict ---- */

static void verdict_add(json_t *list, const char *what, const char *why, const char *advice)
{
    (void)json_array_append_new(list, json_sprintf("%s: %s: %s", what, why, advice));
}

static void rows_judge(json_t *problems, const json_t *media, const char *list)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(media, list), i, row)
    {
        char advice[200];
        (void)snprintf(advice, sizeof(advice), "install %s", kn_json_get(row, "Package", ""));
        if (json_is_true(json_object_get(row, "IsNeeded")) &&
            !json_is_true(json_object_get(row, "Works")))
            verdict_add(problems, kn_json_get(row, "Name", ""), "does not work", advice);
    }
}

static void judge(json_t *report)
{
    json_t *problems = json_array(), *warnings = json_array();
    const json_t *media = json_object_get(report, "Media");
    const json_t *sandbox = json_object_get(media, "Sandbox");
    static const struct {
        const char *part, *advice;
    } parts[] = {
        {"Media", "install kinora-worker beside kinora"},
        {"Database", "look at --database"},
        {"Data", "choose another --data"},
        {"Storage", "look at --storage"},
    };
    for (size_t i = 0; i < KN_COUNT(parts); i++) {
        const char *why = kn_json_get(json_object_get(report, parts[i].part), "Problem", NULL);
        if (why)
            verdict_add(problems, parts[i].part, why, parts[i].advice);
    }
    rows_judge(problems, media, "Encoders");
    rows_judge(problems, media, "Decoders");
    rows_judge(problems, media, "Filters");
    if (kn_json_get(sandbox, "Problem", NULL))
        verdict_add(problems, "sandbox", kn_json_get(sandbox, "Problem", ""),
                    "jobs need a kernel with seccomp");
    else if (sandbox && json_integer_value(json_object_get(sandbox, "Landlock")) == 0)
        verdict_add(warnings, "sandbox", "this kernel has no Landlock",
                    "seccomp and limits hold; Linux 5.13 and newer have it");
    if (media && json_integer_value(json_object_get(media, "Fonts")) == 0)
        verdict_add(warnings, "fonts", "there are none", "install fonts-noto for text watermarks");
    const json_t *ocr = json_object_get(media, "Ocr");
    if (ocr && !json_is_true(json_object_get(ocr, "Works"))) {
        char advice[200];
        (void)snprintf(advice, sizeof(advice), "install %s", kn_json_get(ocr, "Package", ""));
        verdict_add(warnings, "captions made of pictures", "they cannot be read", advice);
    }
    if (json_is_true(json_object_get(json_object_get(report, "Data"), "IsLow")))
        verdict_add(warnings, "disk", "less than 8 GiB are free", "free some before long films");
    (void)json_object_set_new(report, "Problems", problems);
    (void)json_object_set_new(report, "Warnings", warnings);
}

static json_t *doctor_report(const struct kn_config *config)
{
    struct kn_error err = {0};
    json_t *media = NULL;
    if (worker_report(&media, &err) != KN_OK)
        media = json_pack("{s:s}", "Problem", err.message);
    json_t *report = json_pack("{s:s, s:i, s:o, s:o, s:o, s:{s:s, s:s}}", "Version", KN_VERSION,
                               "Cores", (int)sysconf(_SC_NPROCESSORS_ONLN), "Media", media,
                               "Database",
                               kn_starts_with(config->database, "sqlite:")
                                   ? sqlite_report(config->database)
                                   : postgres_report(config->database),
                               "Data", folder_report(config->data), "Network", "libcurl",
                               curl_version(), "libevent", event_get_version());
    if (report)
        (void)json_object_set_new(report, "Storage",
                                  kn_starts_with(config->storage, "file:")
                                      ? folder_report(config->storage + strlen("file:"))
                                      : store_report(config));
    if (report)
        judge(report);
    return report;
}

/* ---- telling ---- */

static void rows_print(const json_t *media, const char *list, const char *heading)
{
    size_t i;
    json_t *row;
    (void)printf("%s\n", heading);
    json_array_foreach(json_object_get(media, list), i, row)
    {
        bool works = json_is_true(json_object_get(row, "Works"));
        (void)printf("  %s %-14s %-16s %s%s\n", works ? "yes" : "no ", kn_json_get(row, "Name", ""),
                     kn_json_get(row, "For", ""), works ? "" : "needs ",
                     kn_json_get(row, "Package", ""));
    }
}

static void ocr_print(const json_t *ocr)
{
    size_t i;
    const json_t *language;
    if (!json_is_true(json_object_get(ocr, "Works"))) {
        (void)printf("text in pictures: no, needs %s\n", kn_json_get(ocr, "Package", "a newer kinora-worker"));
        return;
    }
    (void)printf("text in pictures: %s %s:", kn_json_get(ocr, "Engine", ""), kn_json_get(ocr, "Version", ""));
    json_array_foreach(json_object_get(ocr, "Languages"), i, language)
        (void)printf(" %s", json_string_value(language));
    (void)puts("");
}

static void media_print(const json_t *media)
{
    const json_t *sandbox = json_object_get(media, "Sandbox");
    if (kn_json_get(media, "Problem", NULL))
        return;
    (void)printf("FFmpeg %s\n", kn_json_get(json_object_get(media, "Libraries"), "FFmpeg", "?"));
    rows_print(media, "Encoders", "encoders, each tried on a picture or a sound");
    rows_print(media, "Decoders", "decoders, likewise");
    rows_print(media, "Filters", "filters, likewise");
    (void)printf("fonts: %lld families and styles\n",
                 (long long)json_integer_value(json_object_get(media, "Fonts")));
    ocr_print(json_object_get(media, "Ocr"));
    (void)printf("sandbox: seccomp %s, Landlock %lld\n",
                 json_is_true(json_object_get(sandbox, "Seccomp")) ? "yes" : "no",
                 (long long)json_integer_value(json_object_get(sandbox, "Landlock")));
}

static void list_print(const json_t *report, const char *list, const char *heading)
{
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(report, list), i, line)
        (void)printf("%s%s\n", heading, json_string_value(line));
}

static void report_print(const json_t *report)
{
    const json_t *data = json_object_get(report, "Data");
    const json_t *database = json_object_get(report, "Database");
    const json_t *storage = json_object_get(report, "Storage");
    (void)printf("kinora %s, %lld cores\n", kn_json_get(report, "Version", ""),
                 (long long)json_integer_value(json_object_get(report, "Cores")));
    media_print(json_object_get(report, "Media"));
    (void)printf("database: %s%s\n", kn_json_get(database, "Url", ""),
                 json_is_false(json_object_get(database, "IsThere")) ? " (made at the first start)"
                                                                      : "");
    (void)printf("objects: %s\n",
                 kn_json_get(storage, "Url", kn_json_get(storage, "Folder", "")));
    (void)printf("data: %s, %.1f GiB free\n", kn_json_get(data, "Folder", ""),
                 (double)json_integer_value(json_object_get(data, "FreeBytes")) / (1 << 30));
    list_print(report, "Warnings", "warning: ");
    list_print(report, "Problems", "problem: ");
    if (json_array_size(json_object_get(report, "Problems")) == 0)
        (void)puts("nothing that Kinora needs is missing");
}

int kn_cmd_doctor(int argc, char **argv)
{
    bool as_json = false;
    int kept = 1; // --json is ours; all else is the configuration's
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            as_json = true;
        else
            argv[kept++] = argv[i];
    }
    struct kn_error err = {0};
    kn_auto(kn_config_clear) struct kn_config config = {0};
    bool help = false;
    if (kn_config_load(&config, kept, (const char *const *)argv, &help, &err) != KN_OK)
        return kn_cli_usage("doctor", "%s", err.message);
    if (help) {
        (void)puts("usage: kinora doctor [--json] [options of kinora serve]\n\n"
                   "What this machine can do. Nothing is believed: every encoder, decoder and filter is\n"
                   "given something small to do, a child locks itself down and tries to escape, the data\n"
                   "folder is written to, the database is read. Exits 1 when something that Kinora needs\n"
                   "is missing.\n\n"
                   "options\n"
                   "  --json                print JSON\n"
                   "  --data DIR            and every other option of 'kinora serve': what it would find\n"
                   "  --help\n\n"
                   "examples\n"
                   "  kinora doctor\n"
                   "  kinora doctor --json --data /srv/kinora | jq .Problems");
        return KN_EXIT_OK;
    }
    json_auto_t *report = doctor_report(&config);
    if (!report)
        return kn_fail(&err, KN_ENOMEM, "no memory"), kn_cli_fail(&err, NULL);
    if (as_json)
        kn_cli_print_json(report);
    else
        report_print(report);
    return json_array_size(json_object_get(report, "Problems")) ? KN_EXIT_FAILED : KN_EXIT_OK;
}
