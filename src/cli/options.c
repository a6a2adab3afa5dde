/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Options of a command. */
#include "cli/options.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "cli/suggest.h"

static const struct kn_option *option_find(const struct kn_option *options, const char *text,
                                           size_t n)
{
    for (; options->name; options++)
        if (strlen(options->name) == n && strncmp(options->name, text, n) == 0)
            return options;
    return NULL;
}

static kn_code unknown_option(const struct kn_option *options, const char *text, const char *name,
                              size_t n, struct kn_error *err)
{
    const char *names[64];
    size_t n_names = 0;
    for (; options->name && n_names < KN_COUNT(names); options++)
        if (strlen(options->name) > 1)
            names[n_names++] = options->name;
    kn_auto(kn_free) char *word = strndup(name, n);
    kn_auto(kn_buf_clear) struct kn_buf near = {0};
    if (word)
        kn_suggest(&near, word, "--", names, n_names);
    return kn_fail(err, KN_EINVAL, "there is no option '%s'%s", text, kn_buf_text(&near));
}

kn_code kn_options_read(const struct kn_option *options, int *argc, char **argv,
                        struct kn_error *err)
{
    int n_kept = 1;
    for (int i = 1; i < *argc; i++) {
        const char *text = argv[i];
        if (strcmp(text, "--") == 0) {
            while (++i < *argc)
                argv[n_kept++] = argv[i];
            break;
        }
        // "-" alone is an argument: standard input or output.
        if (text[0] != '-' || text[1] == '\0') {
            argv[n_kept++] = argv[i];
            continue;
        }
        // Names of one letter are written with one dash; "-h" is "--help" everywhere.
        bool is_short = !kn_starts_with(text, "--");
        const char *name = strcmp(text, "-h") == 0 ? "help" : text + (is_short ? 1 : 2);
        size_t n = is_short ? strlen(name) : strcspn(name, "=");
        const struct kn_option *option = option_find(options, name, n);
        if (option && is_short != (strlen(option->name) == 1) && strcmp(text, "-h") != 0)
            option = NULL;
        if (!option)
            return unknown_option(options, text, name, n, err);
        if (!option->value) {
            if (name[n])
                return kn_fail(err, KN_EINVAL, "'--%s' takes no value", option->name);
            *option->is_set = true;
        } else if (name[n]) {
            *option->value = name + n + 1;
        } else if (i + 1 < *argc) {
            *option->value = argv[++i];
        } else {
            return kn_fail(err, KN_EINVAL, "'%s' wants a value", text);
        }
    }
    *argc = n_kept;
    return KN_OK;
}
