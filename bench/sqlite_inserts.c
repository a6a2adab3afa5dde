/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a careful program gets from SQLite itself: one INSERT of a kilobyte per transaction, WAL,
 * synchronous = FULL. The peer of row Q1.
 *
 *     sqlite-inserts SECONDS     in an empty folder; prints inserts a second
 */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 3;
    sqlite3 *handle = NULL;
    sqlite3_stmt *insert = NULL;
    if (sqlite3_open("raw.db", &handle) != SQLITE_OK ||
        sqlite3_exec(handle,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "CREATE TABLE IF NOT EXISTS job (id TEXT PRIMARY KEY, spec TEXT)",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(handle, "INSERT INTO job VALUES (?, ?)", -1, &insert, NULL) != SQLITE_OK) {
        fprintf(stderr, "sqlite-inserts: %s\n", sqlite3_errmsg(handle));
        return 1;
    }
    char spec[1024];
    memset(spec, 'x', sizeof(spec) - 1);
    spec[sizeof(spec) - 1] = '\0';
    const double began = now_s();
    int64_t n = 0;
    for (; now_s() - began < seconds; n++) {
        unsigned char random[16];
        char id[33];
        sqlite3_randomness(sizeof(random), random);
        for (int i = 0; i < 16; i++)
            (void)snprintf(id + 2 * i, 3, "%02x", random[i]);
        sqlite3_bind_text(insert, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 2, spec, -1, SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE) {
            fprintf(stderr, "sqlite-inserts: %s\n", sqlite3_errmsg(handle));
            return 1;
        }
        sqlite3_reset(insert);
    }
    printf("%.1f\n", (double)n / (now_s() - began));
    sqlite3_finalize(insert);
    sqlite3_close(handle);
    return 0;
}
