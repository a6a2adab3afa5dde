/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Suggestions by edit distance: how many letters must be put in, taken out, changed or swapped with
 * their neighbour (Damerau's optimal string alignment).
 */
#include "cli/suggest.h"

#include <ctype.h>
#include <string.h>

#define MAX_LETTERS 64 // names here are shorter
#define MAX_SUGGESTED 3

static int min(int a, int b)
{
    return a < b ? a : b;
}

static int distance(const char *a, const char *b)
{
    int rows[3][MAX_LETTERS + 1];
    int n_a = (int)strlen(a), n_b = (int)strlen(b);
    if (n_a > MAX_LETTERS || n_b > MAX_LETTERS)
        return MAX_LETTERS;
    for (int j = 0; j <= n_b; j++)
        rows[0][j] = j;
    for (int i = 1; i <= n_a; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *higher = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= n_b; j++) {
            int la = tolower((unsigned char)a[i - 1]), lb = tolower((unsigned char)b[j - 1]);
            row[j] = min(above[j - 1] + (la != lb), min(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && la == tolower((unsigned char)b[j - 2]) &&
                lb == tolower((unsigned char)a[i - 2]))
                row[j] = min(row[j], higher[j - 2] + 1);
        }
    }
    return rows[n_a % 3][n_b];
}

void kn_suggest(struct kn_buf *out, const char *word, const char *prefix,
                const char *const *names, size_t n)
{
    // A third of the letters may be wrong, at least one.
    int limit = min((int)strlen(word), MAX_LETTERS) / 3;
    int n_found = 0;
    for (int near = 0; near <= (limit ? limit : 1) && n_found < MAX_SUGGESTED; near++) {
        for (size_t i = 0; i < n && n_found < MAX_SUGGESTED; i++) {
            if (distance(word, names[i]) != near)
                continue;
            kn_buf_printf(out, "%s'%s%s'", n_found ? " or " : " (did you mean ", prefix,
                          names[i]);
            n_found++;
        }
    }
    if (n_found)
        kn_buf_puts(out, "?)");
}
