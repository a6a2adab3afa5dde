#pragma once
/* Lists for people: rows of a JSON array, in columns as wide as what they hold. */
#include <jansson.h>

struct kn_column {
    const char *heading; // NULL ends the columns
    const char *member;  // of a row; "A.B" goes into objects
};
/* Nothing but a sentence when `rows` is empty: "no <what>". */
void kn_table_print(const json_t *rows, const struct kn_column *columns, const char *what);
/* Each column of one object, a line each: "heading  value". */
void kn_record_print(const json_t *row, const struct kn_column *columns);
