/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists for people. Widths count characters, not bytes, so that names in any script line up. */
#include "cli/table.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/strings.h"

#define MAX_COLUMNS 10
#define MAX_CELL 200

// The member's text as people read it; "-" when there is none.
static void cell_text(char out[MAX_CELL], const json_t *row, const char *member)
{
    char name[64];
    while (strchr(member, '.')) {
        size_t n = strcspn(member, ".");
        (void)snprintf(name, sizeof(name), "%.*s", (int)n, member);
        row = json_object_get(row, name);
        member += n + 1;
    }
    const json_t *value = json_object_get(row, member);
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING: (void)kn_copy(out, MAX_CELL, json_string_value(value)); break;
    case JSON_INTEGER:
        (void)snprintf(out, MAX_CELL, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL: (void)snprintf(out, MAX_CELL, "%.2f", json_real_value(value)); break;
    case JSON_TRUE: (void)kn_copy(out, MAX_CELL, "yes"); break;
    case JSON_FALSE: (void)kn_copy(out, MAX_CELL, "no"); break;
    default: out[0] = '\0';
    }
    if (!out[0])
        (void)kn_copy(out, MAX_CELL, "-");
}

static int width_of(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80; // not the middle of a character
    return n;
}

static void cell_print(const char *text, int width, bool is_last)
{
    int gap = is_last ? 0 : width - width_of(text) + 2;
    (void)printf("%s%*s", text, gap > 0 ? gap : 0, "");
}

void kn_table_print(const json_t *rows, const struct kn_column *columns, const char *what)
{
    if (json_array_size(rows) == 0) {
        (void)printf("no %s\n", what);
        return;
    }
    int widths[MAX_COLUMNS] = {0};
    int n = 0;
    char text[MAX_CELL];
    size_t i;
    json_t *row;
    for (; n < MAX_COLUMNS && columns[n].heading; n++) {
        widths[n] = width_of(columns[n].heading);
        json_array_foreach((json_t *)rows, i, row)
        {
            cell_text(text, row, columns[n].member);
            widths[n] = width_of(text) > widths[n] ? width_of(text) : widths[n];
        }
    }
    for (int c = 0; c < n; c++)
        cell_print(columns[c].heading, widths[c], c == n - 1);
    (void)putchar('\n');
    json_array_foreach((json_t *)rows, i, row)
    {
        for (int c = 0; c < n; c++) {
            cell_text(text, row, columns[c].member);
            cell_print(text, widths[c], c == n - 1);
        }
        (void)putchar('\n');
    }
}

void kn_record_print(const json_t *row, const struct kn_column *columns)
{
    int width = 0;
    for (const struct kn_column *c = columns; c->heading; c++)
        width = width_of(c->heading) > width ? width_of(c->heading) : width;
    char text[MAX_CELL];
    for (const struct kn_column *c = columns; c->heading; c++) {
        cell_text(text, row, c->member);
        cell_print(c->heading, width, false);
        (void)puts(text);
    }
}
