/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora-commands: all commands. Finds the command in the table and runs it. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "cli/cli.h"
#include "cli/suggest.h"

static void print_help(FILE *out)
{
    (void)fputs("kinora " KN_VERSION ": a self-hosted intelligent media service\n\n"
                "usage: kinora COMMAND [OPTIONS]\n",
                out);
    const char *group = "";
    for (const struct kn_command *c = kn_commands; c->name; c++) {
        if (strcmp(group, c->group) != 0)
            (void)fprintf(out, "\n%s\n", c->group);
        group = c->group;
        (void)fprintf(out, "  %-12s %s\n", c->name, c->summary);
    }
    (void)fputs("\n'kinora COMMAND --help' shows a command's options, with examples.\n", out);
}

static int unknown_command(const char *word)
{
    const char *names[64];
    size_t n = 0;
    for (const struct kn_command *c = kn_commands; c->name && n < KN_COUNT(names); c++)
        names[n++] = c->name;
    kn_auto(kn_buf_clear) struct kn_buf near = {0};
    kn_suggest(&near, word, "", names, n);
    return kn_cli_usage(NULL, "there is no command '%s'%s", word, kn_buf_text(&near));
}

int main(int argc, char **argv)
{
    (void)prctl(PR_SET_NAME, "kinora"); // as whoever looks for the service expects
    kn_cli_begin();
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? KN_EXIT_USAGE : KN_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("kinora " KN_VERSION);
        return KN_EXIT_OK;
    }
    for (const struct kn_command *c = kn_commands; c->name; c++)
        if (strcmp(argv[1], c->name) == 0)
            return c->run(argc - 1, argv + 1);
    return unknown_command(argv[1]);
}
