/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora doctor: what this machine can do. The media side is asked of kinora-worker; the rest is
 * looked at here. Nothing is changed on the machine.
 */
#include <getopt.h>
#include <spawn.h>
#include <stdio.h>
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
#include "base/json.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/worker_program.h"
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

static json_t *disk_report(const char *folder)
{
    struct statvfs fs;
    // A data folder that is not there yet will lie on the file system of its parent.
    const char *where = statvfs(folder, &fs) == 0 ? folder : ".";
    if (where != folder && statvfs(where, &fs) != 0)
        return json_null();
    long long left = (long long)fs.f_bavail * (long long)fs.f_frsize;
    return json_pack("{s:s, s:I, s:b}", "Folder", folder, "FreeBytes", (json_int_t)left, "IsLow",
                     left < LOW_DISK_BYTES);
}

static json_t *database_report(const struct kn_config *config)
{
    json_t *report = json_pack("{s:s, s:s}", "SQLite", sqlite3_libversion(), "Url",
                               strncmp(config->database, "sqlite:", 7) == 0 ? config->database
                                                                            : "postgresql://…");
    if (strncmp(config->database, "postgres", 8) != 0)
        return report;
    PGconn *connection = PQconnectdb(config->database);
    bool is_up = PQstatus(connection) == CONNECTION_OK;
    (void)json_object_set_new(report, "PostgreSQL",
                              is_up ? json_sprintf("%d", PQserverVersion(connection))
                                    : json_string(PQerrorMessage(connection)));
    (void)json_object_set_new(report, "IsReachable", json_boolean(is_up));
    PQfinish(connection);
    return report;
}

static json_t *doctor_report(const struct kn_config *config, struct kn_error *err)
{
    json_t *media = NULL;
    if (worker_report(&media, err) != KN_OK)
        media = json_pack("{s:s}", "Problem", err->message);
    return json_pack("{s:s, s:o, s:o, s:o, s:{s:s, s:s}, s:i}", "Version", KN_VERSION, "Media",
                     media, "Database", database_report(config), "Disk",
                     disk_report(config->data), "Network", "libcurl", curl_version(), "libevent",
                     event_get_version(), "Cores", (int)sysconf(_SC_NPROCESSORS_ONLN));
}

static void rows_print(const json_t *media, const char *list, const char *heading)
{
    size_t i;
    json_t *row;
    (void)printf("%s\n", heading);
    json_array_foreach(json_object_get(media, list), i, row)
    {
        bool present = json_is_true(json_object_get(row, "Present"));
        (void)printf("  %s %-14s %-16s %s%s\n", present ? "yes" : "no ",
                     kn_json_get(row, "Name", ""), kn_json_get(row, "For", ""),
                     present ? "" : "needs ", kn_json_get(row, "Package", ""));
    }
}

static void report_print(const json_t *report)
{
    const json_t *media = json_object_get(report, "Media");
    const json_t *disk = json_object_get(report, "Disk");
    const json_t *database = json_object_get(report, "Database");
    const json_t *sandbox = json_object_get(media, "Sandbox");
    (void)printf("kinora %s, %lld cores\n", kn_json_get(report, "Version", ""),
                 (long long)json_integer_value(json_object_get(report, "Cores")));
    const char *problem = kn_json_get(media, "Problem", NULL);
    if (problem) {
        (void)printf("media: no worker: %s\n", problem);
    } else {
        (void)printf("FFmpeg %s\n",
                     kn_json_get(json_object_get(media, "Libraries"), "FFmpeg", "?"));
        rows_print(media, "Encoders", "encoders");
        rows_print(media, "Decoders", "decoders");
        rows_print(media, "Filters", "filters");
        (void)printf("fonts: %lld families and styles\n",
                     (long long)json_integer_value(json_object_get(media, "Fonts")));
        (void)printf("sandbox: seccomp %s, Landlock %s\n",
                     json_is_true(json_object_get(sandbox, "Seccomp")) ? "yes" : "no",
                     json_integer_value(json_object_get(sandbox, "Landlock")) > 0
                         ? "yes"
                         : "no (this kernel has none; seccomp and limits still hold)");
    }
    (void)printf("database: %s\n", kn_json_get(database, "Url", ""));
    if (json_is_false(json_object_get(database, "IsReachable")))
        (void)printf("  not reachable: %s", kn_json_get(database, "PostgreSQL", ""));
    (void)printf("disk: %.1f GiB free for %s%s\n",
                 (double)json_integer_value(json_object_get(disk, "FreeBytes")) / (1 << 30),
                 kn_json_get(disk, "Folder", ""),
                 json_is_true(json_object_get(disk, "IsLow")) ? " (low: free some)" : "");
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
                   "What this machine can do: codecs, filters, fonts, sandbox, database, disk.\n"
                   "Exits 1 when something that kinora serve needs is missing.\n\n"
                   "examples:\n  kinora doctor\n  kinora doctor --json --data /srv/kinora");
        return KN_EXIT_OK;
    }
    json_auto_t *report = doctor_report(&config, &err);
    if (!report)
        return kn_fail(&err, KN_ENOMEM, "no memory"), kn_cli_fail(&err, NULL);
    if (as_json)
        kn_cli_print_json(report);
    else
        report_print(report);
    bool is_well = !json_object_get(json_object_get(report, "Media"), "Problem") &&
                   !json_is_false(json_object_get(json_object_get(report, "Database"),
                                                  "IsReachable")) &&
                   !json_is_true(json_object_get(json_object_get(report, "Disk"), "IsLow"));
    return is_well ? KN_EXIT_OK : KN_EXIT_FAILED;
}
