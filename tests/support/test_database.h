#pragma once
/*
 * The database of a test: what KINORA_TEST_DATABASE names (with-postgres sets it), else SQLite in
 * the current folder, which is the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdlib.h>

static inline const char *test_database_url(void)
{
    const char *url = getenv("KINORA_TEST_DATABASE");
    return url && url[0] ? url : "sqlite:kinora.db";
}

/* Run SQL on the SQLite file past Kinora, which must not have it open. */
static inline void test_database_sql(const char *sql)
{
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open("kinora.db", &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
}
