#pragma once
/*
 * Options of a command, from a table: `--name VALUE`, `--name=VALUE`, `--switch`, and `--`, after which
 * everything is an argument. Options and arguments may come in any order. A name of one letter is
 * written with one dash: `-r`.
 */
#include <stdbool.h>

#include "base/error.h"

struct kn_option {
    const char *name;   // without the dashes; NULL ends a table
    const char **value; // receives its text (borrowed from argv); NULL for a switch
    bool *is_set;       // set by a switch; NULL for an option with a value
};

/*
 * Read the options out of argv, from argv[1] on; what remains are argv[0] and the arguments, argc of
 * them. KN_EINVAL: an unknown option, or one without its value.
 */
kn_code kn_options_read(const struct kn_option *options, int *argc, char **argv,
                        struct kn_error *err);
