#pragma once
/*
 * The command line: a table of commands and what they share.
 *
 * A command is `int kn_cmd_<name>(int argc, char **argv)`, argv[0] being its own name; it answers
 * the exit status: KN_EXIT_OK, KN_EXIT_FAILED, KN_EXIT_USAGE. Errors go to stderr as
 * `kinora: what went wrong: what to do`; results to stdout, as text or, with --json, as JSON.
 */
#include <stdbool.h>

#include <jansson.h>

#include "base/error.h"

enum { KN_EXIT_OK = 0, KN_EXIT_FAILED = 1, KN_EXIT_USAGE = 2 };

struct kn_command {
    const char *name;
    const char *group;   // heading in `kinora --help`
    const char *summary; // one line
    int (*run)(int argc, char **argv);
};

/* The table, ended by a NULL name. Shell completion and the manual page are made from it. */
extern const struct kn_command kn_commands[];

/* What every program of the command line does first: signals, the level of the log. */
void kn_cli_begin(void);
/* Print `kinora: <message>` (and `: <advice>` when not NULL) to stderr; answers KN_EXIT_FAILED. */
int kn_cli_fail(const struct kn_error *err, const char *advice);
/* Print a usage complaint and where help is; answers KN_EXIT_USAGE. */
int kn_cli_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Print a JSON value and a newline to stdout. */
void kn_cli_print_json(const json_t *value);
/* A progress bar on a terminal, else a line a second; call with 1.0 to end it. Thread: one. */
void kn_cli_progress(const char *what, double fraction);
