/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora completion: scripts for shells. Commands come from the table; a command's verbs and options
 * are read off its own --help when they are asked for, so that they are always those of the program.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"

// A shell function both shells share: words of one kind ("verbs", "options", or an option's values).
// Verbs are the words after the command in `usage:` lines ("list", "show|watch"); options everything that
// begins "--" there; values are those that a help text cannot hold, or that come from the program.
static const char words_function[] =
    "_kinora_words()\n"
    "{\n"
    "    local program=\"$1\" command=\"$2\" kind=\"$3\"\n"
    "    case \"$kind\" in\n"
    "    verbs)\n"
    "        \"$program\" \"$command\" --help 2>/dev/null | awk -v c=\"$command\" '\n"
    "            /^$/ {exit}\n"
    "            {for (i = 2; i < NF; i++) if ($i == c && $(i - 1) == \"kinora\" &&\n"
    "                $(i + 1) ~ /^[a-z|]+$/) {gsub(/\\|/, \"\\n\", $(i + 1)); print $(i + 1)}}'\n"
    "        ;;\n"
    "    options)\n"
    "        \"$program\" \"$command\" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u\n"
    "        ;;\n"
    "    --template)\n"
    "        \"$program\" convert --list-templates 2>/dev/null | awk 'NR > 1 {print $1}'\n"
    "        ;;\n"
    "    --role) printf 'admin\\noperator\\nread-only\\n' ;;\n"
    "    --product) printf 'ice\\nimm\\nkinora\\nmts\\nsts\\nvod\\n' ;;\n"
    "    --kind) printf 'convert\\nobject\\n' ;;\n"
    "    --state)\n"
    "        if [ \"$command\" = events ]; then\n"
    "            printf 'waiting\\nacknowledged\\nset-aside\\n'\n"
    "        else\n"
    "            printf 'Inited\\nRunning\\nComplete\\nError\\nCancelled\\n'\n"
    "        fi\n"
    "        ;;\n"
    "    esac\n"
    "}\n";

static void bash_print(void)
{
    (void)fputs(words_function, stdout);
    (void)fputs("_kinora()\n{\n"
                "    local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                "    local program=\"$1\" command=\"${COMP_WORDS[1]}\" words=\"\"\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                "        words=\"help",
                stdout);
    for (const struct kn_command *c = kn_commands; c->name; c++)
        (void)printf(" %s", c->name);
    (void)puts("\"\n"
               "    elif [[ $word == -* ]]; then\n"
               "        words=\"$(_kinora_words \"$program\" \"$command\" options)\"\n"
               "    elif [[ $before == --* ]]; then\n"
               "        words=\"$(_kinora_words \"$program\" \"$command\" \"$before\")\"\n"
               "    elif [ \"$COMP_CWORD\" -eq 2 ]; then\n"
               "        words=\"$(_kinora_words \"$program\" \"$command\" verbs)\"\n"
               "    fi\n"
               "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
               "}\n"
               "complete -o default -F _kinora kinora");
}

static void zsh_print(void)
{
    (void)puts("#compdef kinora");
    (void)fputs(words_function, stdout);
    (void)fputs("_kinora()\n{\n"
                "    local -a found\n"
                "    if (( CURRENT == 2 )); then\n"
                "        found=(\n",
                stdout);
    for (const struct kn_command *c = kn_commands; c->name; c++)
        (void)printf("            '%s:%s'\n", c->name, c->summary);
    // Autoloaded from a folder of $fpath this file is the function's body; sourced, it must be bound.
    (void)puts("        )\n"
               "        _describe command found\n"
               "        return\n"
               "    fi\n"
               "    if [[ $words[CURRENT] == -* ]]; then\n"
               "        found=(${(f)\"$(_kinora_words $words[1] $words[2] options)\"})\n"
               "    elif [[ $words[CURRENT-1] == --* ]]; then\n"
               "        found=(${(f)\"$(_kinora_words $words[1] $words[2] $words[CURRENT-1])\"})\n"
               "    elif (( CURRENT == 3 )); then\n"
               "        found=(${(f)\"$(_kinora_words $words[1] $words[2] verbs)\"})\n"
               "    fi\n"
               "    (( $#found )) && compadd -- $found || _files\n"
               "}\n"
               "if [ \"$funcstack[1]\" = _kinora ]; then\n"
               "    _kinora \"$@\"\n"
               "else\n"
               "    compdef _kinora kinora\n"
               "fi");
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
