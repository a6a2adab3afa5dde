/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora completion: scripts for shells. Commands come from the table; a command's verbs and options
 * are read off its own --help when they are asked for, so that they are always those of the program.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"

// The words of `usage:` lines that name verbs ("list", "show|watch"), and everything that begins "--".
#define VERBS_OF                                                                                   \
    "        \"$program\" \"$command\" --help 2>/dev/null | awk -v c=\"$command\" '\n"             \
    "            /^$/ {exit}\n"                                                                    \
    "            {for (i = 2; i < NF; i++) if ($i == c && $(i - 1) == \"kinora\" &&\n"             \
    "                $(i + 1) ~ /^[a-z|]+$/) {gsub(/\\|/, \"\\n\", $(i + 1)); print $(i + 1)}}'\n"
#define OPTIONS_OF                                                                                 \
    "        \"$program\" \"$command\" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u\n"

static void bash_print(void)
{
    (void)fputs("_kinora_words()\n{\n"
                "    local program=\"$1\" command=\"$2\" kind=\"$3\"\n"
                "    if [ \"$kind\" = verbs ]; then\n" VERBS_OF
                "    else\n" OPTIONS_OF
                "    fi\n}\n"
                "_kinora()\n{\n"
                "    local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                "        words=\"help",
                stdout);
    for (const struct kn_command *c = kn_commands; c->name; c++)
        (void)printf(" %s", c->name);
    (void)puts("\"\n"
               "    elif [[ $word == -* ]]; then\n"
               "        words=\"$(_kinora_words \"$1\" \"${COMP_WORDS[1]}\" options)\"\n"
               "    elif [ \"$COMP_CWORD\" -eq 2 ]; then\n"
               "        words=\"$(_kinora_words \"$1\" \"${COMP_WORDS[1]}\" verbs)\"\n"
               "    fi\n"
               "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
               "}\n"
               "complete -o default -F _kinora kinora");
}

static void zsh_print(void)
{
    (void)fputs("#compdef kinora\n"
                "_kinora_words()\n{\n"
                "    local program=\"$1\" command=\"$2\" kind=\"$3\"\n"
                "    if [ \"$kind\" = verbs ]; then\n" VERBS_OF
                "    else\n" OPTIONS_OF
                "    fi\n}\n"
                "_kinora()\n{\n"
                "    local -a found\n"
                "    if (( CURRENT == 2 )); then\n"
                "        found=(\n",
                stdout);
    for (const struct kn_command *c = kn_commands; c->name; c++)
        (void)printf("            '%s:%s'\n", c->name, c->summary);
    (void)puts("        )\n"
               "        _describe command found\n"
               "        return\n"
               "    fi\n"
               "    if [[ $words[CURRENT] == -* ]]; then\n"
               "        found=(${(f)\"$(_kinora_words $words[1] $words[2] options)\"})\n"
               "    elif (( CURRENT == 3 )); then\n"
               "        found=(${(f)\"$(_kinora_words $words[1] $words[2] verbs)\"})\n"
               "    fi\n"
               "    (( $#found )) && compadd -- $found || _files\n"
               "}\n"
               "compdef _kinora kinora");
}

int kn_cmd_completion(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        (void)puts("usage: kinora completion bash|zsh\n\n"
                   "A script that completes commands, verbs and options in your shell.\n\n"
                   "examples\n"
                   "  source <(kinora completion bash)\n"
                   "  kinora completion zsh > ~/.zfunc/_kinora");
        return KN_EXIT_OK;
    }
    if (argc != 2)
        return kn_cli_usage("completion", "completion wants a shell");
    if (strcmp(argv[1], "bash") == 0)
        bash_print();
    else if (strcmp(argv[1], "zsh") == 0)
        zsh_print();
    else
        return kn_cli_usage("completion", "'%s' is none of bash, zsh", argv[1]);
    return KN_EXIT_OK;
}
