/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the commands share: complaints, JSON, progress. */
#include "cli/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "base/time.h"

#define BAR_CELLS 32

// The bar at hand; one at a time.
static struct {
    int64_t began_us; // 0: none
    int64_t shown_us;
    bool has_shown;
} bar;

void kn_cli_begin(void)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    (void)signal(SIGPIPE, SIG_IGN); // a reader that went away is an error value, not a death
    const char *wish = getenv("KINORA_LOG");
    for (int i = 0; wish && i < 4; i++)
        if (kn_equal_nocase(wish, names[i]))
            kn_log_set_level((enum kn_log_level)i);
}

int kn_cli_fail(const struct kn_error *err, const char *advice)
{
    if (bar.has_shown && isatty(STDERR_FILENO))
        (void)fputc('\n', stderr); // the complaint has a line of its own
    if (advice)
        (void)fprintf(stderr, "kinora: %s: %s\n", err->message, advice);
    else
        (void)fprintf(stderr, "kinora: %s\n", err->message);
    return KN_EXIT_FAILED;
}

int kn_cli_usage(const char *command, const char *fmt, ...)
{
    va_list args;
    (void)fputs("kinora: ", stderr);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fprintf(stderr, ": see 'kinora%s%s --help'\n", command ? " " : "", command ? command : "");
    return KN_EXIT_USAGE;
}

void kn_cli_print_json(const json_t *value)
{
    (void)json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    (void)fputc('\n', stdout);
}

static void bar_draw(const char *what, double fraction, double spent_s)
{
    char cells[BAR_CELLS + 1];
    for (int i = 0; i < BAR_CELLS; i++)
        cells[i] = i < (int)(fraction * BAR_CELLS) ? '#' : '.';
    cells[BAR_CELLS] = '\0';
    double left_s = fraction > 0 ? spent_s * (1 / fraction - 1) : 0;
    (void)fprintf(stderr, "\r%s [%s] %3.0f %%  %4.0f s left ", what, cells, fraction * 100, left_s);
    if (fraction >= 1.0)
        (void)fputc('\n', stderr);
    (void)fflush(stderr);
}

void kn_cli_progress(const char *what, double fraction)
{
    int64_t now_us = kn_mono_us();
    if (bar.began_us == 0)
        bar.began_us = now_us;
    bool is_end = fraction >= 1.0;
    bool is_tty = isatty(STDERR_FILENO);
    // Work under a second needs no bar; then ten a second on a terminal, one a second elsewhere.
    int64_t gap_us = is_tty ? KN_SECOND / 10 : KN_SECOND;
    bool is_due = now_us - bar.began_us >= KN_SECOND && now_us - bar.shown_us >= gap_us;
    if (is_end ? bar.has_shown : is_due) {
        bar.shown_us = now_us;
        bar.has_shown = true;
        if (is_tty)
            bar_draw(what, fraction, (double)(now_us - bar.began_us) / 1e6);
        else
            (void)fprintf(stderr, "%s %3.0f %%\n", what, fraction * 100);
    }
    if (is_end) { // what comes next has a bar of its own
        bar.began_us = bar.shown_us = 0;
        bar.has_shown = false;
    }
}
