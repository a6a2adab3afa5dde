/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs a fuzz target over files and folders of inputs, without libFuzzer: how the corpus takes part
 * in every test run, whatever the compiler. Each input lies in a block of exactly its size, so that
 * a sanitizer sees a read past its end.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void die(const char *path)
{
    fprintf(stderr, "replay: cannot read '%s': %s\n", path, strerror(errno));
    exit(2);
}

static void replay_file(const char *path, size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);
    FILE *file = fopen(path, "rb");
    if (!bytes || !file || fread(bytes, 1, size, file) != size)
        die(path);
    (void)fclose(file);
    fprintf(stderr, "%s\n", path); // the last line names the input that a sanitizer complains of
    (void)LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}

static int replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        die(path);
    if (!S_ISDIR(st.st_mode)) {
        replay_file(path, (size_t)st.st_size);
        return 1;
    }
    struct dirent **entries;
    int n_entries = scandir(path, &entries, NULL, alphasort), n_replayed = 0;
    if (n_entries < 0)
        die(path);
    for (int i = 0; i < n_entries; i++) {
        char inner[4096];
        if (entries[i]->d_name[0] != '.') {
            (void)snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name);
            n_replayed += replay(inner);
        }
        free(entries[i]);
    }
    free(entries);
    return n_replayed;
}

int main(int argc, char **argv)
{
    int n_replayed = 0;
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        n_replayed += replay(argv[i]);
    printf("%d inputs\n", n_replayed);
    if (n_replayed == 0) {
        fprintf(stderr, "replay: no inputs\n");
        return 1;
    }
    return 0;
}
