/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Configuration: lines that begin with "--" are flags, KINORA_… lines are the environment, all others
 * are kinora.yaml. The same file is read as one of NAME=value lines, too. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/envfile.h"
#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define MAX_LINES 16
#define YAML "fuzz.yaml"

struct input {
    struct kn_arena arena;
    const char *argv[MAX_LINES + 4];
    int argc;
    char *environment[MAX_LINES]; // names that were set
    int n_environment;
    struct kn_buf yaml;
};

static void input_clear(struct input *input)
{
    for (int i = 0; i < input->n_environment; i++)
        unsetenv(input->environment[i]);
    kn_buf_clear(&input->yaml);
    kn_arena_clear(&input->arena);
}

static void line_take(struct input *input, char *line)
{
    char *equals = strchr(line, '=');
    if (strncmp(line, "--", 2) == 0 && strncmp(line, "--config", 8) != 0 &&
        input->argc < MAX_LINES) {
        input->argv[input->argc++] = line;
    } else if (strncmp(line, "KINORA_", 7) == 0 && strncmp(line, "KINORA_CONFIG", 13) != 0 &&
               equals && input->n_environment < MAX_LINES) {
        *equals = '\0';
        (void)setenv(line, equals + 1, 1);
        input->environment[input->n_environment++] = line;
    } else {
        kn_buf_printf(&input->yaml, "%s\n", line);
    }
}

// kn_fs_write() would sync it to the disk each time.
static void yaml_write(const struct kn_buf *yaml)
{
    FILE *file = fopen(YAML, "w");
    if (!file || fwrite(kn_buf_text(yaml), 1, yaml->len, file) != yaml->len || fclose(file) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    kn_auto(input_clear) struct input input = {.argv = {"serve", "--config", YAML}, .argc = 3};
    char *text = kn_arena_strndup(&input.arena, n ? (const char *)bytes : "", n);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        line_take(&input, line);
    yaml_write(&input.yaml);
    struct kn_config config;
    bool is_help = false;
    struct kn_error err = {0};
    if (kn_config_load(&config, input.argc, input.argv, &is_help, &err) == KN_OK && !is_help) {
        assert(config.listen && config.database && config.storage && config.n_workers >= 0);
        kn_config_clear(&config);
    } else {
        assert(is_help || err.message[0]);
    }
    char value[32];
    (void)kn_envfile_get(YAML, "KINORA_ACCESS_KEY_ID", value, sizeof(value), NULL);
    return 0;
}
