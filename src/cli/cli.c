/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the commands share: complaints, JSON, progress. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/time.h"

#define BAR_CELLS 32

int kn_cli_fail(const struct kn_error *err, const char *advice)
{
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

void kn_cli_progress(const char *what, double fraction)
{
    static int64_t began_us, shown_us;
    static bool has_shown;
    int64_t now_us = kn_mono_us();
    if (began_us == 0)
        began_us = now_us;
    bool is_end = fraction >= 1.0;
    bool is_tty = isatty(STDERR_FILENO);
    // Work under a second needs no bar; then ten a second on a terminal, one a second elsewhere.
    int64_t gap_us = is_tty ? KN_SECOND / 10 : KN_SECOND;
    if (now_us - began_us < KN_SECOND || (!is_end && now_us - shown_us < gap_us))
        return;
    shown_us = now_us;
    if (!is_tty) {
        (void)fprintf(stderr, "%s %3.0f %%\n", what, fraction * 100);
        return;
    }
    char bar[BAR_CELLS + 1];
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < (int)(fraction * BAR_CELLS) ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    double left_s = fraction > 0 ? (double)(now_us - began_us) / 1e6 * (1 / fraction - 1) : 0;
    (void)fprintf(stderr, "\r%s [%s] %3.0f %%  %4.0f s left ", what, bar, fraction * 100, left_s);
    has_shown = true;
    if (is_end && has_shown)
        (void)fputc('\n', stderr);
    (void)fflush(stderr);
}
